//! The secret that own links are signed with, where the configuration names none: made once, kept beside the state.

use std::io;
use std::path::Path;

use super::SecretKey;
use super::kept::kept_secret;

const FILE_NAME: &str = "link-secret";

/// Reads `link-secret` in `state_path`, or makes it (mode 0600, directories 0700) when it is not there: links outlive
/// the process that signed them.
///
/// Blocking; meant for the start. A file that is there but holds nothing is an error, never overwritten.
pub fn mint_link_secret(state_path: &Path) -> io::Result<SecretKey> {
    Ok(kept_secret(state_path, FILE_NAME, generate)?.secret)
}

/// 256 random bits in base64url. Opens no door by itself, so it does not look like a team's key.
fn generate() -> SecretKey {
    let random: [u8; 32] = rand::random();
    SecretKey::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(random))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("data");
        let first = mint_link_secret(&state).unwrap();
        assert_eq!(first.expose().len(), 43);
        assert_eq!(mint_link_secret(&state).unwrap().expose(), first.expose());
        let mode = std::fs::metadata(state.join("link-secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = mint_link_secret(&folder.path().join("other")).unwrap();
        assert_ne!(other.expose(), first.expose());
    }

    #[test]
    fn an_empty_file_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("link-secret"), "\n").unwrap();
        assert_eq!(mint_link_secret(folder.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(std::fs::read(folder.path().join("link-secret")).unwrap(), b"\n");
    }
}
