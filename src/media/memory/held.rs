//! One picture in memory, and the answer that is kept ready beside it.

use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{HotKey, units};
use crate::media::base64::encode_between;
use crate::media::picture::Picture;

/// What is set aside for the text around the picture in an answer that is kept.
const TEXT_BYTES: usize = 4 * 1024;

/// A picture in memory with its share of the budget; clones are the same picture.
#[derive(Debug, Clone)]
pub struct Held(pub(super) Arc<Owned>);

#[derive(Debug)]
pub(super) struct Owned {
    pub(super) picture: Picture,
    /// What it is, if it was asked for again.
    pub(super) key: Option<HotKey>,
    /// The last answer it stood in, where that is kept.
    pub(super) ready: Option<Mutex<Option<Ready>>>,
    pub(super) _share: Option<OwnedSemaphorePermit>,
}

impl Deref for Held {
    type Target = Picture;

    fn deref(&self) -> &Picture {
        &self.0.picture
    }
}

/// An answer: a picture in base64 between two texts.
#[derive(Debug)]
pub(super) struct Ready {
    /// Decides the texts.
    mark: Box<dyn Any + Send>,
    whole: Bytes,
}

/// A picture without a share of any budget.
#[cfg(test)]
impl From<Picture> for Held {
    fn from(picture: Picture) -> Self {
        Self(Arc::new(Owned { picture, key: None, ready: None, _share: None }))
    }
}

impl From<Owned> for Held {
    fn from(owned: Owned) -> Self {
        Self(Arc::new(owned))
    }
}

impl Held {
    pub(super) fn key(&self) -> Option<HotKey> {
        self.0.key
    }

    /// Whether nobody but its holder here has it.
    pub(super) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// The picture in base64 between two texts, in one piece. It is made anew only when `mark`, which decides the
    /// texts, is another than the last time. None: such is not kept of this picture, or there are no such texts.
    pub fn between<M: PartialEq + Send + 'static>(
        &self,
        mark: M,
        texts: impl FnOnce() -> Option<(Bytes, Bytes)>,
    ) -> Option<Bytes> {
        let mut ready = self.0.ready.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = &*ready
            && ready.mark.downcast_ref() == Some(&mark)
        {
            return Some(ready.whole.clone());
        }
        let (before, after) = texts()?;
        if before.len() + after.len() > TEXT_BYTES {
            return None;
        }
        let whole = encode_between(&before, self.bytes(), &after);
        *ready = Some(Ready { mark: Box::new(mark), whole: whole.clone() });
        Some(whole)
    }

    pub(super) fn units(&self) -> usize {
        if self.0.ready.is_some() { units_ready(self) } else { units(self.bytes().len()) }
    }
}

/// What a picture takes together with its answer.
pub(super) fn units_ready(picture: &Picture) -> usize {
    let length = picture.bytes().len();
    units(length) + units(length.div_ceil(3) * 4 + TEXT_BYTES)
}
