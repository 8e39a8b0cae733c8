//! Pictures that come with a request: received piece by piece, checked, kept until they are uploaded.
//!
//! Small ones stay in memory, larger ones lie in an unnamed file of the [`Spool`]. Knows nothing of forms or JSON, and
//! nothing of models: how many bytes and pixels a model takes is not asked here. Start with [`InputWriter`].

mod check;
mod spool;
mod writer;

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};

pub use spool::{Spool, SpoolError};
pub use writer::InputWriter;

use crate::image::InputPicture;
use spool::Spooled;

/// Bytes of one picture that are kept in memory; a larger one goes to disk.
pub const IN_MEMORY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one piece of a [`InputFile::stream`].
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Why an upload is no picture that can be passed on.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("it is empty")]
    Empty,
    /// With what it looks like instead, where that shows.
    #[error("{}; send PNG, JPEG or WebP", Looks(*.kind))]
    NotAPicture { kind: Option<&'static str> },
    #[error("it is a link or a data URL, not the bytes of a picture")]
    Link,
    #[error("its end is missing")]
    Incomplete,
    #[error("its header is damaged or tells a size of zero")]
    NoSize,
    /// Not the client's fault.
    #[error("it cannot be kept")]
    Spool(#[from] SpoolError),
}

struct Looks(Option<&'static str>);

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(kind) => write!(f, "it looks like {kind}"),
            None => f.write_str("it is no picture"),
        }
    }
}

/// A picture that came with a request, whole and checked. Cheap to clone; the last clone lets go of the bytes.
#[derive(Debug, Clone)]
pub struct InputFile {
    picture: InputPicture,
    kept: Kept,
}

#[derive(Debug, Clone)]
enum Kept {
    Memory(Bytes),
    Disk(Arc<Spooled>),
}

impl InputFile {
    /// A picture in memory. `picture` must tell the truth of `bytes`: [`InputWriter`] sees to that.
    pub const fn new(picture: InputPicture, bytes: Bytes) -> Self {
        Self { picture, kept: Kept::Memory(bytes) }
    }

    fn on_disk(picture: InputPicture, file: Spooled) -> Self {
        Self { picture, kept: Kept::Disk(Arc::new(file)) }
    }

    pub const fn picture(&self) -> &InputPicture {
        &self.picture
    }

    /// Has bytes in memory keep `guard` (a share of a budget, say) for as long as any of them is alive. Of a picture
    /// on disk nothing is in memory: the guard is dropped at once.
    #[must_use]
    pub fn guarded<G: Send + Sync + 'static>(self, guard: G) -> Self {
        let kept = match self.kept {
            Kept::Memory(bytes) => Kept::Memory(Bytes::from_owner(Guarded { bytes, _guard: guard })),
            disk @ Kept::Disk(_) => disk,
        };
        Self { kept, ..self }
    }

    /// The bytes from the start, in pieces of at most 64 KiB; each call reads them anew. Breaks off with an error when
    /// the disk fails.
    pub fn stream(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::try_unfold((self.kept.clone(), 0_u64), |(kept, at)| async move {
            let piece = kept.piece(at).await?;
            let next = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            Ok((!piece.is_empty()).then_some((piece, (kept, next))))
        })
    }
}

impl Kept {
    /// The piece from `at` on; empty at the end.
    async fn piece(&self, at: u64) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(from..bytes.len().min(from.saturating_add(PIECE_BYTES_MAX))))
            }
            Self::Disk(file) if at >= file.length() => Ok(Bytes::new()),
            Self::Disk(file) => {
                let file = Arc::clone(file);
                let read = tokio::task::spawn_blocking(move || file.read(at, PIECE_BYTES_MAX));
                read.await.map_err(io::Error::other)?.map(Bytes::from)
            }
        }
    }
}

struct Guarded<G> {
    bytes: Bytes,
    _guard: G,
}

impl<G> AsRef<[u8]> for Guarded<G> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
