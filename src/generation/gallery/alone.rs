//! Images that are made while others of their generation go on.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::rescue::Rescue;
use super::{Gallery, LINK_LIFE};
use crate::generation::model::{ImageResult, MadeImage};
use crate::generation::pictures::Pictures;

/// While a generation goes on, what is made of it is stored so often. One that is overdue or in doubt may outlast the
/// links of its other images.
const STORE_EVERY: Duration = Duration::from_mins(5);

/// Those that are not stored yet.
#[derive(Debug, Default)]
pub(in crate::generation) struct MadeSoFar(Mutex<Vec<(u8, MadeImage)>>);

impl MadeSoFar {
    pub(in crate::generation) fn note(&self, index: u8, image: &ImageResult) {
        if let Ok(made) = image {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((index, made.clone()));
        }
    }

    fn take(&self) -> Vec<(u8, MadeImage)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Gallery {
    /// Runs `images` to their end, and stores on their own those `made` whose siblings take longer.
    pub(in crate::generation) async fn beside<T>(
        &self,
        pictures: &Arc<Pictures>,
        made: &MadeSoFar,
        images: impl Future<Output = T>,
    ) -> T {
        let storing = async {
            loop {
                tokio::time::sleep(STORE_EVERY).await;
                for (index, image) in made.take() {
                    self.rescue(Rescue::new(pictures, index, &image, LINK_LIFE));
                }
            }
        };
        tokio::select! {
            biased;
            ended = images => ended,
            never = storing, if self.stores() => never,
        }
    }
}
