//! What generations and their pictures are kept in, beside memory.

use std::sync::Arc;
use std::time::Duration;

use super::journal::Journal;
use crate::cache::{RuleBook, Rules};
use crate::media::{PictureMemory, PictureStore};
use crate::quota::Quota;

/// `images.keep` where nothing else is said.
const KEEP_USUAL: Duration = Duration::from_hours(168);
/// `cache.memory` where nothing else is said.
const MEMORY_USUAL: usize = 256 * 1024 * 1024;

/// The journal, and the store of pictures where there is one.
pub struct Keeping {
    pub journal: Arc<dyn Journal>,
    /// None: pictures are not stored, and fetched from Evolink's links as long as these live.
    pub pictures: Option<PictureStore>,
    /// How long a picture is kept after it was stored last.
    pub keep: Duration,
    /// Bounds the pictures in memory, those of answers under way and those kept for the next one.
    pub memory: PictureMemory,
    /// Limits, and what is counted in memory.
    pub quota: Arc<Quota>,
    /// By which teams share what they have made.
    pub rules: RuleBook,
}

impl<J: Journal> From<Arc<J>> for Keeping {
    fn from(journal: Arc<J>) -> Self {
        let journal: Arc<dyn Journal> = journal;
        journal.into()
    }
}

impl From<Arc<dyn Journal>> for Keeping {
    fn from(journal: Arc<dyn Journal>) -> Self {
        let (memory, quota) = (PictureMemory::new(MEMORY_USUAL), Quota::unlimited().into());
        let rules = RuleBook::for_all(Rules::default());
        Self { journal, pictures: None, keep: KEEP_USUAL, memory, quota, rules }
    }
}
