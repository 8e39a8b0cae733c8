//! How far a generation is, as its tasks tell.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What a task says before its end is no more than this: it may have no picture yet.
const RUNNING_MAX: u8 = 99;
const WHOLE: u8 = 100;

/// The average of a generation's images in percent; it never falls.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Board>);

#[derive(Debug)]
struct Board {
    images: Mutex<Vec<u8>>,
    average: watch::Sender<u8>,
}

impl Progress {
    pub(super) fn new(images: u8) -> Self {
        let images = Mutex::new(vec![0; images.into()]);
        Self(Arc::new(Board { images, average: watch::Sender::new(0) }))
    }

    pub(super) fn percent(&self) -> u8 {
        *self.0.average.borrow()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u8> {
        self.0.average.subscribe()
    }

    /// Of the image number `index`, from 0.
    pub(super) fn image(&self, index: u8) -> ImageProgress {
        ImageProgress { board: Arc::clone(&self.0), index: index.into() }
    }

    /// Nothing more is to come, and there is something to show.
    pub(super) fn complete(&self) {
        self.0.images().fill(WHOLE);
        self.0.publish();
    }
}

impl Board {
    fn images(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self) {
        let images = self.images();
        let sum: usize = images.iter().copied().map(usize::from).sum();
        let average = sum.checked_div(images.len()).and_then(|average| u8::try_from(average).ok());
        let average = average.unwrap_or(WHOLE);
        self.average.send_if_modified(|shown| {
            let grows = average > *shown;
            *shown = average.max(*shown);
            grows
        });
    }
}

/// One image's share of the progress; written by the watcher.
#[derive(Debug)]
pub struct ImageProgress {
    board: Arc<Board>,
    index: usize,
}

impl ImageProgress {
    /// A running task tells of itself, 0 to 100, or says nothing. Less than before is not believed.
    pub(super) fn told(&self, percent: Option<u8>) {
        self.raise(percent.unwrap_or_default().min(RUNNING_MAX));
    }

    /// The image is made.
    pub(super) fn made(&self) {
        self.raise(WHOLE);
    }

    fn raise(&self, percent: u8) {
        if let Some(image) = self.board.images().get_mut(self.index) {
            *image = percent.max(*image);
        }
        self.board.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_of_the_images_never_falls() {
        let progress = Progress::new(2);
        let mut seen = progress.subscribe();
        let (first, second) = (progress.image(0), progress.image(1));
        let told = [40, 10, 250].map(|percent| {
            first.told(Some(percent));
            progress.percent()
        });
        assert_eq!(told, [20, 20, 49]);
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        first.told(None);
        assert!(!seen.has_changed().unwrap(), "nothing new is no news");
        first.made();
        second.made();
        assert_eq!(*seen.borrow(), 100);
    }

    #[test]
    fn what_ended_with_some_images_is_complete() {
        let progress = Progress::new(3);
        progress.image(0).made();
        assert_eq!(progress.percent(), 33);
        progress.complete();
        assert_eq!(progress.percent(), 100);
    }
}
