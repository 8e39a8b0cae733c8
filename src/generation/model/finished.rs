//! The end of a generation: what was made, and what it cost.

use std::time::Duration;

use crate::evolink::TaskId;
use crate::fault::Fault;
use crate::money::Credits;

/// One image: made and paid for, or failed.
pub type ImageResult = Result<MadeImage, Fault>;

/// An image that Evolink has made.
#[derive(Debug, Clone)]
pub struct MadeImage {
    pub task: TaskId,
    /// Evolink's link, good for 24 hours.
    pub link: String,
    /// What Evolink charged.
    pub credits: Credits,
}

/// How long the steps of a generation took; of several images the longest.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    pub queue: Duration,
    /// The upload of its pictures included.
    pub create: Duration,
    pub wait: Duration,
}

/// The end of a generation.
#[derive(Debug)]
pub struct Finished {
    /// Unix time of the end, in seconds.
    pub created: i64,
    /// In the order of their index.
    pub images: Vec<ImageResult>,
    pub timing: Timing,
}

impl Finished {
    /// What the made images cost together.
    pub fn credits(&self) -> Credits {
        self.images.iter().flatten().map(|image| image.credits).sum()
    }

    /// None made: the error of the first.
    pub fn failure(&self) -> Option<&Fault> {
        match self.images.first() {
            Some(Err(fault)) if self.images.iter().all(Result::is_err) => Some(fault),
            _ => None,
        }
    }
}
