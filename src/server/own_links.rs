//! Links to stored pictures: given out with answers, and followed by whoever holds them.
//!
//! Signing and checking is `media`'s, and so is the memory that bounds what readers take, however slowly they read.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::answer::unconvertible;
use super::gateway::Gateway;
use crate::fault::{Fault, FaultKind};
use crate::image::{Form, Format};
use crate::media::{Held, LinkedPicture, Links, PictureMemory, PictureStore, StoreFault, StoredPicture};

/// Longest wait for room in memory; the reader may come again then.
const ROOM_PATIENCE: Duration = Duration::from_secs(10);

/// Own links of a gateway that stores pictures.
#[derive(Debug)]
pub struct OwnLinks {
    pub(super) store: PictureStore,
    pub(super) links: Links,
}

/// A picture on its way to one reader. The readers of one picture share its bytes.
#[derive(Debug, Clone)]
pub(super) struct OpenPicture {
    pub(super) format: Format,
    pub(super) bytes: Bytes,
}

impl OwnLinks {
    pub fn new(store: PictureStore, links: Links) -> Self {
        Self { store, links }
    }

    /// What a link to the stored picture in the asked form shows, and the link.
    pub(super) fn link(
        &self,
        stored: &StoredPicture,
        asked: Form,
        base: &str,
        now_unix: i64,
    ) -> (LinkedPicture, String) {
        let linked = LinkedPicture::of(stored, asked);
        (linked, format!("{base}{}", self.links.sign(&linked, now_unix)))
    }
}

/// The picture that a link leads to, in the link's form.
///
/// # Errors
/// `PictureGone` when it is not stored any more; `Overloaded` when it cannot be had in time, or the store fails.
pub(super) async fn open(
    gateway: &Gateway,
    own: &OwnLinks,
    linked: &LinkedPicture,
) -> Result<OpenPicture, Fault> {
    let found = timeout(ROOM_PATIENCE, found(&gateway.memory, &own.store, linked)).await;
    let found = found.map_err(|_elapsed| full())?.map_err(|error| {
        let message = "The picture cannot be read at the moment. Open the link again.";
        Fault::new(FaultKind::Overloaded, message).with_cause(error)
    })?;
    let stored = found.ok_or_else(gone)?;
    let formed = gateway.memory.formed(&stored, linked.form, &gateway.converter).await;
    let picture = formed.map_err(|error| unconvertible(&error))?;
    Ok(OpenPicture { format: picture.format(), bytes: Bytes::from_owner(Shared(picture)) })
}

/// From memory, else from the store by one reader for all who come meanwhile; it stays in memory for the next one.
async fn found(
    memory: &PictureMemory,
    store: &PictureStore,
    linked: &LinkedPicture,
) -> Result<Option<Held>, StoreFault> {
    let LinkedPicture { content, stored: format, .. } = linked;
    if let Some(hot) = memory.hot(content) {
        return Ok(is_still_stored(memory, store, linked).await.then_some(hot));
    }
    let _turn = memory.reading(vec![*content]).await;
    if let Some(hot) = memory.hot(content) {
        return Ok(Some(hot));
    }
    let mut room = memory.room(memory.guess(1)).await;
    let Some(picture) = store.get(content, *format).await? else { return Ok(None) };
    room.settle(&[picture.bytes().len()]);
    let held = room.hold(picture, Some(*content));
    memory.keep(&held);
    Ok(Some(held))
}

/// What was swept is shown no longer, and its next request finds that out. A store that does not answer is no reason to
/// hide what is here; one that is far is asked now and then.
pub(super) async fn is_still_stored(
    memory: &PictureMemory,
    store: &PictureStore,
    linked: &LinkedPicture,
) -> bool {
    let LinkedPicture { content, stored: format, .. } = linked;
    if store.is_far() && memory.hot(content).is_some() && !memory.use_is_due(content) {
        return true;
    }
    let there = store.touch(content, *format).await.unwrap_or(true);
    if !there {
        memory.forget(content);
    }
    there
}

/// What a link shows is not there any more.
pub(super) fn gone() -> Fault {
    let message = "The picture is not stored here any more. Ask for it again.";
    Fault::new(FaultKind::PictureGone, message)
}

fn full() -> Fault {
    Fault::new(FaultKind::Overloaded, "Too many pictures are being read at the moment. Open the link again.")
}

/// Bytes that hold their share of the memory until the last of them is sent.
struct Shared(Held);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
