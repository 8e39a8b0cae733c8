//! Where in the store's folder each picture stands: `ab/cd/<hash>.<ext>`. Pure.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use crate::image::{ContentHash, Format};

/// Files on their way into the store or out of it; on the same volume, so that a rename moves them in one step.
const INCOMING: &str = ".incoming";
/// What the name of a file in [`INCOMING`] ends with: nothing else is ever cleared away there.
const UNFINISHED: &str = ".part";

/// One picture's name in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) content: ContentHash,
    pub(super) format: Format,
}

impl Ord for Place {
    /// As their names are ordered.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.content, self.format.name()).cmp(&(other.content, other.format.name()))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Place {
    pub(super) fn file_name(self) -> String {
        format!("{}.{}", self.content, self.format.name())
    }

    /// Its bay, one of 65,536 folders: the first two bytes of the hash.
    pub(super) const fn bay(self) -> u16 {
        let [high, low, ..] = *self.content.as_bytes();
        u16::from_be_bytes([high, low])
    }

    /// The reverse of [`Place::file_name`]; `None` for a name the store would not give.
    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        let (hash, extension) = name.split_once('.')?;
        let format = Format::from_name(extension)?;
        if hash.len() != 64 || !hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hash.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self { content: ContentHash::from_bytes(bytes), format })
    }
}

/// The store's folder.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }

    /// The folder of a bay's first byte: `ab`.
    pub(super) fn row(&self, bay: u16) -> PathBuf {
        let [high, _] = bay.to_be_bytes();
        self.root.join(format!("{high:02x}"))
    }

    /// The folder of a bay: `ab/cd`.
    pub(super) fn folder(&self, bay: u16) -> PathBuf {
        let [_, low] = bay.to_be_bytes();
        self.row(bay).join(format!("{low:02x}"))
    }

    pub(super) fn file(&self, place: Place) -> PathBuf {
        self.folder(place.bay()).join(place.file_name())
    }

    /// A name nobody else uses, outside all bays.
    pub(super) fn aside(&self) -> PathBuf {
        self.incoming().join(format!("{}{UNFINISHED}", uuid::Uuid::new_v4().simple()))
    }

    /// Whether [`Layout::aside`] makes such names.
    pub(super) fn is_aside(name: &str) -> bool {
        name.ends_with(UNFINISHED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_stands_under_the_first_bytes_of_its_hash() {
        let place = Place { content: ContentHash::of(b"a picture"), format: Format::Webp };
        let hash = place.content.to_string();
        let layout = Layout::new("/data/images".into());
        let expected = format!("/data/images/{}/{}/{hash}.webp", &hash[..2], &hash[2..4]);
        assert_eq!(layout.file(place), PathBuf::from(expected));
        assert_eq!(Place::from_file_name(&place.file_name()), Some(place));
    }

    #[test]
    fn names_the_store_would_not_give_are_no_pictures() {
        let hash = ContentHash::of(b"a picture").to_string();
        let (short, upper) = (hash.split_at(62).0, hash.to_uppercase());
        let names = [
            hash.clone(),
            format!("{hash}."),
            format!("{hash}.gif"),
            format!("{hash}.png.part"),
            format!("{short}.png"),
            format!("{upper}.png"),
            format!("+{}.png", hash.split_at(1).1),
            "notes.png".to_owned(),
        ];
        for name in names {
            assert_eq!(Place::from_file_name(&name), None, "{name}");
        }
    }
}
