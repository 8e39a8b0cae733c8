//! Pictures that are still to be stored: tried again with growing pauses, a few at once, until it works or their link
//! is dead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Gallery;
use super::disk::Disk;
use crate::evolink::TaskId;
use crate::generation::model::MadeImage;
use crate::generation::pictures::Pictures;
use crate::media::Picture;

/// Pictures that may wait for another try: what a busy gateway makes while its store takes none for some hours. Further
/// ones are tried at the next start.
const WAITING_MAX: usize = 10_000;
/// Tries under way at once.
const AT_ONCE_MAX: usize = 4;
/// The first pause; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// One picture that is to be stored.
pub(super) struct Rescue {
    pictures: Arc<Pictures>,
    index: u8,
    made: MadeImage,
    /// When its link is dead.
    until: Instant,
    /// Before the next try.
    pause: Duration,
}

impl Rescue {
    /// `life`: how long its link still lives at most.
    pub(super) fn new(pictures: &Arc<Pictures>, index: u8, made: &MadeImage, life: Duration) -> Self {
        let (pictures, made) = (Arc::clone(pictures), made.clone());
        Self { pictures, index, made, until: Instant::now() + life, pause: PAUSE_FIRST }
    }

    pub(super) fn into_task(self) -> TaskId {
        self.made.task
    }
}

pub(super) fn queue() -> (mpsc::Sender<Rescue>, mpsc::Receiver<Rescue>) {
    mpsc::channel(WAITING_MAX)
}

/// Works through the queue for ever; owned by the caller.
pub(super) async fn run(gallery: &Gallery, disk: &Disk, mut inbox: mpsc::Receiver<Rescue>) {
    let mut waiting: BTreeMap<(Instant, u64), Rescue> = BTreeMap::new();
    let mut under_way = FuturesUnordered::new();
    let mut number = 0;
    loop {
        let due = waiting.first_key_value().map_or_else(Instant::now, |((due, _), _)| *due);
        let turn = async {
            sleep_until(due).await;
            // Fetching for a store that takes nothing would be in vain.
            disk.mended().await;
        };
        let rescue = tokio::select! {
            Some(new) = inbox.recv(), if waiting.len() < WAITING_MAX => Some(new),
            Some(left) = under_way.next(), if !under_way.is_empty() => left,
            () = turn, if !waiting.is_empty() && under_way.len() < AT_ONCE_MAX => {
                if let Some((_, rescue)) = waiting.pop_first() {
                    under_way.push(attempt(gallery, rescue));
                }
                None
            }
        };
        if let Some(rescue) = rescue {
            number += 1;
            waiting.insert((Instant::now() + rescue.pause, number), rescue);
        }
    }
}

/// None: nothing more is to be done.
async fn attempt(gallery: &Gallery, mut rescue: Rescue) -> Option<Rescue> {
    let Rescue { pictures, index, made, .. } = &rescue;
    let (task_id, generation_id) = (&made.task, pictures.generation());
    if pictures.stored(*index).is_some() {
        return None;
    }
    let error = match gallery.store_one(pictures, *index, made).await {
        Ok(()) => {
            if pictures.stored(*index).is_some() {
                tracing::info!(%generation_id, %task_id, "a paid picture is stored after all");
            }
            return None;
        }
        Err(error) => error,
    };
    if Instant::now() >= rescue.until {
        tracing::error!(%generation_id, %task_id, error, "a paid picture could not be stored while its link lived; ask Evolink for it by its task id");
        return None;
    }
    tracing::debug!(%generation_id, %task_id, error, seconds = rescue.pause.as_secs(), "a paid picture is still not stored");
    rescue.pause = (rescue.pause * 2).min(PAUSE_MAX);
    Some(rescue)
}

impl Gallery {
    /// From memory if it is at hand, else fetched.
    async fn store_one(&self, pictures: &Pictures, index: u8, made: &MadeImage) -> Result<(), String> {
        if let Some(picture) = pictures.at_hand(index) {
            return self
                .put(pictures, index, Picture::clone(&picture))
                .await
                .map_err(|error| error.to_string());
        }
        let mut room = self.memory.room(self.memory.guess(1)).await;
        let picture = self.by_links(made).await.map_err(|unfound| unfound.error.to_string())?;
        room.settle(&[picture.bytes().len()]);
        self.put(pictures, index, picture).await.map_err(|error| error.to_string())
    }
}
