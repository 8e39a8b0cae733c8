//! A secret that is made once and kept in a file only its owner can read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::SecretKey;

/// Bytes of the file that are read; a secret has about 50.
const FILE_BYTES_MAX: u64 = 1024;

/// The secret and where it is written.
pub(super) struct Kept {
    pub(super) secret: SecretKey,
    pub(super) path: PathBuf,
    /// False when an earlier start had already made it.
    pub(super) minted: bool,
}

/// Reads the file `name` in `folder`, or makes it (mode 0600, directories 0700) when it is not there.
///
/// Blocking. A file that is there but holds nothing is an error, never overwritten.
pub(super) fn kept_secret(folder: &Path, name: &str, make: impl FnOnce() -> SecretKey) -> io::Result<Kept> {
    let path = folder.join(name);
    match File::open(&path) {
        Ok(file) => Ok(Kept { secret: read(file, &path)?, path, minted: false }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let secret = make();
            write(&secret, folder, name)?;
            Ok(Kept { secret, path, minted: true })
        }
        Err(error) => Err(error),
    }
}

fn read(file: File, path: &Path) -> io::Result<SecretKey> {
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    match text.trim() {
        "" => {
            let message = format!("{} holds no key; remove it to have a new one made", path.display());
            Err(io::Error::new(ErrorKind::InvalidData, message))
        }
        secret => Ok(SecretKey::new(secret)),
    }
}

/// By way of another file and a rename: a crash leaves the whole secret or none.
fn write(secret: &SecretKey, folder: &Path, name: &str) -> io::Result<()> {
    let temporary = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
            writeln!(file, "{}", secret.expose())?;
            file.sync_all()?;
            std::fs::rename(&temporary, folder.join(name))?;
            File::open(folder)?.sync_all()
        });
    if written.is_err() {
        // Best effort: the first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
