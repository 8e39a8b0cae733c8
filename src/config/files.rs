//! The files a configuration is made of, with what was in them when they were read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The largest file taken, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Files read, and a hash of the content of each; none where it could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<[u8; 32]>>);

impl Files {
    /// Reads a file and remembers it. The error is a sentence that names the file.
    pub fn read(&mut self, path: &Path) -> Result<String, String> {
        let content = content(path);
        let hash = content.as_ref().ok().map(|content| Sha256::digest(content).into());
        self.0.insert(path.to_owned(), hash);
        content.map_err(|reason| format!("the file {} cannot be read: {reason}", path.display()))
    }

    /// The same files as they are now. Follows links anew, so a swapped link counts as a change.
    #[must_use]
    pub fn again(&self) -> Self {
        let mut now = Self::default();
        for path in self.0.keys() {
            // That a file cannot be read is remembered too.
            let _ = now.read(path);
        }
        now
    }

    /// True when the files of `other` had the same content here.
    pub fn agree_with(&self, other: &Self) -> bool {
        other.0.iter().all(|(path, hash)| self.0.get(path).is_none_or(|own| own == hash))
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.keys().cloned().collect()
    }
}

fn content(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| reason(&error))?;
    if !metadata.is_file() {
        // A pipe would block, and would be empty when looked at again.
        return Err("it is not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|error| reason(&error))?;
    let mut content = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut content).map_err(|error| reason(&error))?;
    match u64::try_from(content.len()) {
        Ok(length) if length <= FILE_MAX => Ok(content),
        _ => Err(format!("it is larger than {} MiB", FILE_MAX >> 20)),
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}
