//! Pictures that are asked for again: from memory if they are hot, else read from the store once, and kept.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Gallery, indexed};
use crate::generation::model::ImageResult;
use crate::generation::pictures::{Asked, Delivered, Pictures};
use crate::media::{Held, StoredPicture};

/// One image of an end, and what is known of its picture.
pub(super) struct Sought<'a> {
    pub(super) index: u8,
    pub(super) image: &'a ImageResult,
    stored: Option<StoredPicture>,
    pub(super) hot: Option<Held>,
}

impl<'a> Sought<'a> {
    pub(super) fn unknown(index: u8, image: &'a ImageResult) -> Self {
        Self { index, image, stored: None, hot: None }
    }

    /// It is in memory, or there is none.
    fn is_at_hand(&self) -> bool {
        self.hot.is_some() || self.image.is_err()
    }
}

impl Gallery {
    /// Of many who ask at the same time one reads.
    pub(super) async fn find_again(&self, pictures: &Arc<Pictures>, images: &[ImageResult]) -> Delivered {
        let began = Instant::now();
        let mut sought: Vec<Sought<'_>> = indexed(images)
            .map(|(index, image)| Sought { stored: pictures.stored(index), ..Sought::unknown(index, image) })
            .collect();
        self.look(&mut sought);
        if sought.iter().all(Sought::is_at_hand) {
            self.note_uses(&sought);
            let hot = sought.into_iter().filter_map(|sought| match sought.image {
                Ok(_) => sought.hot.map(Ok),
                Err(fault) => Some(Err(fault.clone())),
            });
            return Delivered::new(hot.collect(), began.elapsed());
        }
        // Who waits, for a turn or for room, holds no picture: somebody may wait for its room.
        let_go(&mut sought);
        let contents = sought.iter().filter_map(|sought| sought.stored).map(|stored| stored.content);
        let _turn = self.memory.reading(contents.collect()).await;
        self.look(&mut sought);
        let room = if let Some(room) = self.memory.room_now(self.bytes_missing(&sought)) {
            room
        } else {
            let_go(&mut sought);
            let room = self.memory.room(self.bytes_missing(&sought)).await;
            self.look(&mut sought);
            room
        };
        self.load(pictures, sought, room, Asked::Again).await
    }

    /// Takes what is hot.
    fn look(&self, sought: &mut [Sought<'_>]) {
        for sought in sought {
            if let (None, Ok(_), Some(stored)) = (&sought.hot, sought.image, sought.stored) {
                sought.hot = self.memory.hot(&stored.content);
            }
        }
    }

    /// Tells the store of pictures that are read from memory again and again; nobody waits for it.
    fn note_uses(&self, sought: &[Sought<'_>]) {
        let Some(disk) = &self.disk else { return };
        for stored in sought.iter().filter_map(|sought| sought.stored) {
            if self.memory.use_is_due(&stored.content) {
                let (store, memory) = (disk.store().clone(), self.memory.clone());
                self.putting.spawn(async move {
                    // The store counts its failures itself.
                    if let Ok(false) = store.touch(&stored.content, stored.format).await {
                        memory.forget(&stored.content);
                    }
                });
            }
        }
    }

    /// What the pictures that are not at hand will take.
    fn bytes_missing(&self, sought: &[Sought<'_>]) -> usize {
        let missing = sought.iter().filter(|sought| !sought.is_at_hand());
        missing.fold(0_usize, |bytes, sought| {
            let one = sought.stored.and_then(|stored| usize::try_from(stored.bytes).ok());
            bytes.saturating_add(one.unwrap_or_else(|| self.memory.guess(1)))
        })
    }
}

fn let_go(sought: &mut [Sought<'_>]) {
    for sought in sought {
        sought.hot = None;
    }
}
