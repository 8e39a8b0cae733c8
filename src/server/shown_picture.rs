//! The picture that a link leads to, read from the store and brought into the link's form.

use super::answer::unconvertible;
use crate::fault::{Fault, FaultKind};
use crate::media::{LinkedPicture, Picture, PictureStore};
use crate::server::gateway::Gateway;

/// The one place where the bytes behind a link come from.
///
/// # Errors
/// `PictureGone` when it is not there any more or was damaged; `Overloaded` when the store cannot give it now.
pub(super) async fn shown(
    gateway: &Gateway,
    store: &PictureStore,
    linked: &LinkedPicture,
) -> Result<Picture, Fault> {
    let stored = store.get(&linked.content, linked.stored).await.map_err(|error| {
        let message = "The picture cannot be read at the moment. Open the link again.";
        Fault::new(FaultKind::Overloaded, message).with_cause(error)
    })?;
    let Some(stored) = stored else {
        let message = "The picture is not stored here any more. Ask for it again.";
        return Err(Fault::new(FaultKind::PictureGone, message));
    };
    gateway.converter.convert(&stored, linked.form).await.map_err(|error| unconvertible(&error))
}
