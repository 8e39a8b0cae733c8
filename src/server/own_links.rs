//! Links to stored pictures: given out with answers, and followed by whoever holds them.
//!
//! Signing and checking is `media`'s. Here are the store that links lead to, and a bound on what their readers take.

mod readers;

use std::sync::Arc;

use bytes::Bytes;

use super::gateway::Gateway;
use super::shown_picture::shown;
use crate::fault::Fault;
use crate::image::{Form, Format};
use crate::media::{LinkedPicture, Links, Picture, PictureStore, StoredPicture};
use readers::{Readers, Reading};

/// Own links of a gateway that stores pictures.
#[derive(Debug)]
pub struct OwnLinks {
    pub(super) store: PictureStore,
    pub(super) links: Links,
    readers: Readers,
}

/// A picture on its way to one reader. The readers of one picture share its bytes.
#[derive(Debug, Clone)]
pub(super) struct OpenPicture {
    pub(super) format: Format,
    pub(super) bytes: Bytes,
}

impl OwnLinks {
    pub fn new(store: PictureStore, links: Links) -> Self {
        Self { store, links, readers: Readers::default() }
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

/// The picture that a link leads to. Its bytes count against the readers' memory until the last of them is sent.
///
/// # Errors
/// `PictureGone` when it is not stored any more; `Overloaded` when it cannot be had in time, or the store fails.
pub(super) async fn open(
    gateway: &Gateway,
    own: &OwnLinks,
    linked: &LinkedPicture,
) -> Result<OpenPicture, Fault> {
    let reading = own.readers.open(*linked, shown(gateway, &own.store, linked)).await?;
    let format = reading.picture().map_or(linked.form.format, Picture::format);
    Ok(OpenPicture { format, bytes: Bytes::from_owner(Shared(reading)) })
}

/// Bytes that hold their place among the readers.
struct Shared(Arc<Reading>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.picture().map_or(&[], |picture| picture.bytes())
    }
}
