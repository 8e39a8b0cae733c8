//! Team keys: their secrets, hashes and the callers they stand for.
//!
//! Knows nothing of HTTP and of the config's form: the presented secret and plain [`KeySpec`]s come in, a [`Caller`]
//! goes out. Secrets are held only as SHA-256 digests. Start with [`Keys::find`]; [`Mint`] makes keys while the gateway
//! runs, and owns the trait of what keeps them.

mod first;
mod kept;
mod link_secret;
mod mint;
mod minted;
mod secret;
mod table;
mod uses;

pub use first::{FirstKey, mint_first_key};
pub use link_secret::mint_link_secret;
pub use mint::{MINTED_MAX, Mint, MintError, NewKey};
pub use minted::{MintedFuture, MintedKey, MintedKeys, MintedKeysError, MintedTable};
pub use secret::{KeyDigest, SecretKey, hash_secret};
pub use table::{Caller, KeyEntry, KeyFault, KeySpec, Keys, KeysError, Team};
pub use uses::{LastUse, Uses};
