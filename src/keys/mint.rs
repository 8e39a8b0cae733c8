//! Mints, rotates and revokes keys, one change after the other.
//!
//! One task makes all changes, so that none is lost to another and a client that leaves stops none half-way. A change
//! is written down first, then it holds for every request that comes, then it is answered. Start with [`Mint::new`].

mod work;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::minted::{MintedKey, MintedKeys, MintedKeysError, MintedTable};
use super::secret::SecretKey;
use super::uses::Uses;
use crate::clock::Clock;

/// Minted keys that are kept at most, those that have expired lately included.
pub const MINTED_MAX: usize = 10_000;
/// Changes that may wait for the one before.
const ORDERS_MAX: usize = 64;
/// Longest wait for a change to be made.
const PATIENCE: Duration = Duration::from_secs(30);

/// A key that was just made, and its secret, which nobody can tell afterwards.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub key: MintedKey,
    pub secret: SecretKey,
    /// The key whose place it takes, as it is now.
    pub replaces: Option<MintedKey>,
}

/// Why a key was not minted, rotated or revoked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MintError {
    #[error("the team has a minted key of this name: {0}")]
    NameTaken(String),
    #[error("no minted key has this id")]
    Unknown,
    #[error("the key was rotated before: {0} took its place")]
    Replaced(String),
    #[error("the key has expired")]
    Expired,
    #[error("there are {MINTED_MAX} minted keys")]
    Full,
    #[error("too many changes of keys wait")]
    Busy,
    #[error("the change takes too long; whether it was made will be seen")]
    Late,
    #[error(transparent)]
    Store(#[from] MintedKeysError),
}

type Reply<T> = oneshot::Sender<Result<T, MintError>>;

enum Order {
    Mint { team: String, name: String, expires: Option<Timestamp>, reply: Reply<NewKey> },
    Rotate { id: String, grace: Duration, expires: Option<Timestamp>, reply: Reply<NewKey> },
    Revoke { id: String, reply: Reply<()> },
}

/// Where keys are minted, and the minted ones are found. Clones are the same.
#[derive(Clone)]
pub struct Mint {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
}

struct Shared {
    store: Arc<dyn MintedKeys>,
    table: ArcSwap<MintedTable>,
    uses: Uses,
    clock: Clock,
}

impl Mint {
    /// And the work to be done in the background as long as keys are minted. Knows no key before [`Mint::take_up`].
    pub fn new(
        store: Arc<dyn MintedKeys>,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (orders, coming) = mpsc::channel(ORDERS_MAX);
        let shared = Arc::new(Shared { store, table: ArcSwap::default(), uses: Uses::default(), clock });
        let working = work::work(Arc::clone(&shared), coming);
        (Self { shared, orders }, working)
    }

    /// Takes up what earlier runs minted; to be done before the first change.
    pub async fn take_up(&self) -> Result<(), MintedKeysError> {
        let shared = &self.shared;
        for (id, second) in shared.store.uses().await? {
            shared.uses.restore(&id, second);
        }
        let keys = shared.store.all().await?;
        shared.table.store(Arc::new(MintedTable::new(keys, &shared.uses)));
        shared.sweep().await
    }

    /// The minted keys at this moment.
    pub fn table(&self) -> Guard<Arc<MintedTable>> {
        self.shared.table.load()
    }

    /// The last uses of all keys, those of the configuration too.
    pub fn uses(&self) -> &Uses {
        &self.shared.uses
    }

    /// A new key of `team`. Two that work may not have one name, but by rotation.
    pub async fn mint(
        &self,
        team: String,
        name: String,
        expires: Option<Timestamp>,
    ) -> Result<NewKey, MintError> {
        self.order(|reply| Order::Mint { team, name, expires, reply }).await
    }

    /// A new key in the place of that with this id: of its team and name, and expiring when it does unless `expires`
    /// says otherwise. The old one works for as long as `grace`, but not longer than it would have.
    pub async fn rotate(
        &self,
        id: String,
        grace: Duration,
        expires: Option<Timestamp>,
    ) -> Result<NewKey, MintError> {
        self.order(|reply| Order::Rotate { id, grace, expires, reply }).await
    }

    /// Ends the key with this id at once, and forgets it.
    pub async fn revoke(&self, id: String) -> Result<(), MintError> {
        self.order(|reply| Order::Revoke { id, reply }).await
    }

    /// Dropping the future takes nothing back.
    async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, MintError> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(order(reply)).map_err(|_full_or_ended| MintError::Busy)?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(outcome)) => outcome,
            _late_or_gone => Err(MintError::Late),
        }
    }
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mint").field("keys", &self.table().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
