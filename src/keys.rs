//! Team keys: their secrets, hashes and the callers they stand for.
//!
//! Knows nothing of HTTP and of the config's form: the presented secret and plain [`KeySpec`]s come in, a [`Caller`]
//! goes out. Secrets are held only as SHA-256 digests. Start with [`Keys::find`].

mod first;
mod secret;
mod table;

pub use first::{FirstKey, mint_first_key};
pub use secret::{KeyDigest, SecretKey, hash_secret};
pub use table::{Caller, KeyEntry, KeyFault, KeySpec, Keys, KeysError, Team};
