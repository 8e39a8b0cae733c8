//! Receives one picture piece by piece.

use std::mem;

use bytes::Bytes;

use super::check::{Found, check, format};
use super::spool::{Draft, SpooledLook};
use super::{IN_MEMORY_BYTES_MAX, InputError, InputFile, Spool, SpoolError};
use crate::image::{ContentHash, InputPicture};

/// Takes the pieces of one picture as they arrive, holding at most [`IN_MEMORY_BYTES_MAX`] of them in memory.
///
/// Hashing and writing of larger pictures is done on the blocking pool. Dropped before its end it leaves nothing
/// behind.
pub struct InputWriter {
    spool: Spool,
    /// What is not on disk yet.
    held: Vec<u8>,
    draft: Option<Draft>,
    length: u64,
}

impl InputWriter {
    pub const fn new(spool: Spool) -> Self {
        Self { spool, held: Vec::new(), draft: None, length: 0 }
    }

    /// Bytes taken so far.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that are in memory now.
    pub fn held(&self) -> u64 {
        u64::try_from(self.held.len()).unwrap_or(u64::MAX)
    }

    /// Takes the next piece. A large upload that is no picture is refused as soon as that shows.
    pub async fn push(&mut self, piece: &[u8]) -> Result<(), InputError> {
        for piece in piece.chunks(IN_MEMORY_BYTES_MAX) {
            if self.held.len().saturating_add(piece.len()) > IN_MEMORY_BYTES_MAX {
                self.flush().await?;
            }
            self.held.extend_from_slice(piece);
            self.length = self.length.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Writes what is held to disk.
    async fn flush(&mut self) -> Result<(), InputError> {
        if self.draft.is_none() {
            format(&self.held)?;
        }
        let (draft, spool, mut held) = (self.draft.take(), self.spool.clone(), mem::take(&mut self.held));
        let (draft, held) = on_blocking_pool(move || {
            let mut draft = draft.map_or_else(|| spool.open(), Ok)?;
            draft.write(&held)?;
            held.clear();
            Ok((draft, held))
        })
        .await?;
        self.draft = Some(draft);
        self.held = held;
        Ok(())
    }

    /// The picture, checked. Format, size, completeness and alpha are read from the bytes alone.
    pub async fn finish(mut self) -> Result<InputFile, InputError> {
        if self.draft.is_some() {
            self.flush().await?;
        }
        match self.draft {
            None => in_memory(self.held),
            Some(draft) => on_blocking_pool(move || on_disk(draft)).await,
        }
    }
}

fn in_memory(mut held: Vec<u8>) -> Result<InputFile, InputError> {
    if held.is_empty() {
        return Err(InputError::Empty);
    }
    let found = check(format(&held)?, &held.as_slice())?;
    held.shrink_to_fit();
    let bytes = Bytes::from(held);
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(InputFile::new(picture(found, ContentHash::of(&bytes), length), bytes))
}

fn on_disk(draft: Draft) -> Result<InputFile, InputError> {
    let (file, content) = draft.close();
    let head = file.read(0, 64).map_err(SpoolError::Disk)?;
    let look = SpooledLook::new(&file);
    let found = check(format(&head)?, &look);
    if let Some(failure) = look.into_failure() {
        return Err(failure.into());
    }
    let length = file.length();
    Ok(InputFile::on_disk(picture(found?, content, length), file))
}

const fn picture(found: Found, content: ContentHash, bytes: u64) -> InputPicture {
    InputPicture { content, bytes, format: found.format, pixels: found.pixels, alpha: found.alpha }
}

async fn on_blocking_pool<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InputError> + Send + 'static,
) -> Result<T, InputError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(InputError::Spool(SpoolError::Crashed)))
}
