//! The key of a gateway that was started without any: minted once, kept in a file only its owner can read.

use std::io;
use std::path::{Path, PathBuf};

use super::SecretKey;
use super::kept::{Kept, kept_secret};

const FILE_NAME: &str = "first-key";

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
    let Kept { secret, path, minted } = kept_secret(state_path, FILE_NAME, SecretKey::generate)?;
    Ok(FirstKey { secret, path, minted })
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
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
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
