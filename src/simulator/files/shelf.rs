//! Stored files: at most 2,000, each for 72 hours, in memory.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// Files an account of the default group may have.
pub(crate) const FILES_MAX: usize = 2_000;
/// How long a file is kept.
pub(crate) const LIFE: Duration = Duration::from_hours(72);
const FILE_BYTES_MAX: usize = 100 << 20;
/// Bytes of all files together; a bound of the simulator, not of Evolink.
const SHELF_BYTES_MAX: usize = 1 << 30;

/// A file to store.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pub bytes: Bytes,
    pub path: Option<String>,
    pub name: Option<String>,
    pub original: Option<String>,
}

/// A stored file.
#[derive(Debug)]
pub(super) struct Stored {
    pub id: String,
    pub name: String,
    pub original: String,
    pub folder: String,
    /// Where it is served, below `/files/`.
    pub path: String,
    pub media_type: &'static str,
    pub bytes: Bytes,
    pub uploaded: Instant,
}

/// Why an upload was refused, with Evolink's meaning of its codes.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("{0}")]
    Request(String),
    #[error("file too large")]
    TooLarge,
    #[error("file type not allowed: only image/jpeg, image/png, image/gif, image/webp")]
    MediaType,
    #[error("file quota exceeded")]
    Quota,
    #[error("downloading the URL failed: {0}")]
    Url(String),
    #[error("storage error")]
    Storage,
}

/// All stored files, by path.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    files: BTreeMap<String, Stored>,
    /// Upload ids of clients, to the path they made.
    receipts: HashMap<String, String>,
    serial: u64,
}

impl Shelf {
    /// Stores a file; one of the same name is overwritten.
    pub(super) fn put(
        &mut self,
        upload: Upload,
        receipt: Option<&str>,
        now: Instant,
    ) -> Result<&Stored, UploadError> {
        if upload.bytes.len() > FILE_BYTES_MAX {
            return Err(UploadError::TooLarge);
        }
        let (media_type, extension) = kind(&upload.bytes).ok_or(UploadError::MediaType)?;
        self.serial += 1;
        let id = format!("file_{:08}", self.serial);
        let original = upload.original.unwrap_or_default();
        let name = match upload.name {
            Some(name) if !name.is_empty() => tidy(&name).replace('/', "-"),
            _ => format!("{id}.{extension}"),
        };
        let folder = upload.path.map(|path| tidy(&path)).filter(|path| !path.is_empty());
        let folder = folder.unwrap_or_else(|| "images".to_owned());
        let path = format!("{folder}/{name}");
        let bytes: usize = self.files.values().map(|file| file.bytes.len()).sum();
        if bytes.saturating_add(upload.bytes.len()) > SHELF_BYTES_MAX {
            return Err(UploadError::Storage);
        }
        if self.count(now) >= FILES_MAX && !self.files.contains_key(&path) {
            return Err(UploadError::Quota);
        }
        if let Some(receipt) = receipt {
            self.receipts.insert(receipt.to_owned(), path.clone());
        }
        let stored = Stored {
            id,
            name,
            original,
            folder,
            path: path.clone(),
            media_type,
            bytes: upload.bytes,
            uploaded: now,
        };
        // two steps because BTreeMap has no insert that hands back the new value
        self.files.remove(&path);
        Ok(self.files.entry(path).or_insert(stored))
    }

    /// How many files there are now; expired ones go.
    pub(super) fn count(&mut self, now: Instant) -> usize {
        self.files.retain(|_, file| now < file.uploaded + LIFE);
        self.files.len()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Stored> {
        self.files.values()
    }

    /// Deletes a file by id.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let before = self.files.len();
        self.files.retain(|_, file| file.id != id);
        self.files.len() < before
    }

    pub(super) fn receipt(&self, id: &str) -> Option<&Stored> {
        self.receipts.get(id).and_then(|path| self.files.get(path))
    }

    /// A file as it is served, unless it expired.
    pub(super) fn serve(&mut self, path: &str, now: Instant) -> Option<(&'static str, Bytes)> {
        self.count(now);
        self.files.get(path).map(|file| (file.media_type, file.bytes.clone()))
    }

    /// The bytes of a file, for checks.
    pub(crate) fn bytes_of(&self, path: &str) -> Option<Bytes> {
        self.files.get(path).map(|file| file.bytes.clone())
    }
}

/// Media type and usual extension, by the first bytes.
fn kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some(("image/png", "png")),
        [0xFF, 0xD8, 0xFF, ..] => Some(("image/jpeg", "jpg")),
        [b'G', b'I', b'F', b'8', ..] => Some(("image/gif", "gif")),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(("image/webp", "webp")),
        _ => None,
    }
}

/// A path of harmless characters.
fn tidy(path: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    path.trim_matches('/').chars().map(|c| if harmless(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(name: &str, tail: u8) -> Upload {
        let bytes = Bytes::from(vec![0x89, b'P', b'N', b'G', tail]);
        Upload { bytes, name: Some(name.to_owned()), ..Upload::default() }
    }

    #[test]
    fn the_same_name_overwrites_and_expired_files_free_their_place() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        for number in 0..FILES_MAX {
            shelf.put(png(&number.to_string(), 1), None, now).unwrap();
        }
        assert!(matches!(shelf.put(png("more", 1), None, now), Err(UploadError::Quota)));
        shelf.put(png("7", 2), None, now).unwrap();
        assert_eq!(shelf.serve("images/7", now).unwrap().1.last(), Some(&2));
        assert!(shelf.put(png("more", 1), None, now + LIFE).is_ok());
        assert_eq!(shelf.count(now + LIFE), 1);
    }

    #[test]
    fn only_pictures_are_taken_and_names_are_made_harmless() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        let text = Upload { bytes: Bytes::from_static(b"hello"), ..Upload::default() };
        assert!(matches!(shelf.put(text, None, now), Err(UploadError::MediaType)));
        let upload = Upload { path: Some("/a b/".to_owned()), ..png("../x?.png", 1) };
        assert_eq!(shelf.put(upload, Some("receipt"), now).unwrap().path, "a-b/..-x-.png");
        let id = shelf.receipt("receipt").unwrap().id.clone();
        assert!(shelf.remove(&id) && !shelf.remove(&id));
    }
}
