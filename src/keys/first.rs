//! The key of a gateway that was started without any: minted once, kept in a file only its owner can read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::SecretKey;

const FILE_NAME: &str = "first-key";
/// Bytes of the file that are read; a key has 47.
const FILE_BYTES_MAX: u64 = 1024;

/// The first key and where it is written.
#[derive(Debug, Clone)]
pub struct FirstKey {
    pub secret: SecretKey,
    pub path: PathBuf,
    /// False when an earlier start had already made it.
    pub minted: bool,
}

/// Reads `first-key` in `state_path`, or makes it (mode 0600, directories 0700) when it is not there.
///
/// Blocking; meant for the start. A file that is there but holds no key is an error, never overwritten.
pub fn mint_first_key(state_path: &Path) -> io::Result<FirstKey> {
    let path = state_path.join(FILE_NAME);
    match File::open(&path) {
        Ok(file) => Ok(FirstKey { secret: read(file, &path)?, path, minted: false }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(state_path)?;
            let secret = SecretKey::generate();
            write(&secret, state_path, &path)?;
            Ok(FirstKey { secret, path, minted: true })
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

/// By way of another file and a rename: a crash leaves the whole key or none.
fn write(secret: &SecretKey, directory: &Path, path: &Path) -> io::Result<()> {
    let temporary = directory.join(format!(".{FILE_NAME}.{}", uuid::Uuid::new_v4().simple()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
            writeln!(file, "{}", secret.expose())?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)?;
            File::open(directory)?.sync_all()
        });
    if written.is_err() {
        // Best effort: the first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A fresh directory that goes when the test ends.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("egk-{}", uuid::Uuid::new_v4().simple()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_first_key_is_made_once_and_read_afterwards() {
        let scratch = Scratch::new();
        let state = scratch.0.join("deep/data");
        let first = mint_first_key(&state).unwrap();
        assert!(first.minted && first.secret.expose().starts_with("egk_"));
        assert_eq!(first.path, state.join("first-key"));
        let again = mint_first_key(&state).unwrap();
        assert!(!again.minted);
        assert_eq!(again.secret.expose(), first.secret.expose());
    }

    #[test]
    fn only_the_owner_can_read_it_and_nothing_else_is_left_behind() {
        let scratch = Scratch::new();
        let first = mint_first_key(&scratch.0).unwrap();
        assert_eq!(std::fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_file_is_an_error_and_stays_as_it_is() {
        let scratch = Scratch::new();
        std::fs::write(scratch.0.join("first-key"), " \n").unwrap();
        let error = mint_first_key(&scratch.0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("first-key holds no key"), "{error}");
        assert_eq!(std::fs::read(scratch.0.join("first-key")).unwrap(), b" \n");
    }

    #[test]
    fn a_state_path_that_is_no_directory_is_an_error() {
        let scratch = Scratch::new();
        let file = scratch.0.join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(mint_first_key(&file).is_err());
    }
}
