//! The one task that changes minted keys, and what it does now and then: removes those that expired long ago, and
//! writes down when keys were used.

use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::{MINTED_MAX, MintError, NewKey, Order, Shared};
use crate::keys::minted::{MintedKey, MintedKeysError, MintedTable};
use crate::keys::secret::SecretKey;

/// Time between two writings of last uses: so much of them a crash may lose.
const UPKEEP_EVERY: Duration = Duration::from_mins(1);
/// An expired key stays in the list for so long, so that it can be seen why it does not work.
const EXPIRED_HOURS: i64 = 7 * 24;
/// Last uses from before are forgotten, whichever key they were of.
const USES_HOURS: i64 = 400 * 24;

pub(super) async fn work(shared: Arc<Shared>, mut orders: mpsc::Receiver<Order>) {
    let mut upkeep = interval(UPKEEP_EVERY);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, and is for nothing.
    upkeep.tick().await;
    let mut failing = false;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => shared.follow(order).await,
                None => return,
            },
            _ = upkeep.tick() => {
                let outcome = shared.upkeep().await;
                if let (Err(error), false) = (&outcome, failing) {
                    tracing::warn!(%error, "last uses of keys cannot be written down; it is tried again every minute");
                }
                failing = outcome.is_err();
            }
        }
    }
}

impl Shared {
    /// Whoever left does not want to know.
    async fn follow(&self, order: Order) {
        match order {
            Order::Mint { team, name, expires, reply } => {
                drop(reply.send(told(self.mint(team, name, expires).await)));
            }
            Order::Rotate { id, grace, expires, reply } => {
                drop(reply.send(told(self.rotate(&id, grace, expires).await)));
            }
            Order::Revoke { id, reply } => drop(reply.send(told(self.revoke(id).await))),
        }
    }

    async fn mint(
        &self,
        team: String,
        name: String,
        expires: Option<Timestamp>,
    ) -> Result<NewKey, MintError> {
        let table = self.table.load_full();
        let now = self.now();
        let works = |key: &MintedKey| key.replaced_by.is_none() && !key.has_expired(now);
        let mut same = table.entries().map(|(key, _)| key).filter(|key| key.team == team && key.name == name);
        if let Some(other) = same.find(|key| works(key)) {
            return Err(MintError::NameTaken(other.id.clone()));
        }
        let (key, secret) = fresh(&table, team, name, now, expires)?;
        self.store.add(key.clone()).await?;
        self.change(|table| table.put(key.clone(), &self.uses));
        tracing::info!(key_id = %key.id, key_name = %key.name, team = %key.team, "a key was minted");
        Ok(NewKey { key, secret, replaces: None })
    }

    async fn rotate(
        &self,
        id: &str,
        grace: Duration,
        expires: Option<Timestamp>,
    ) -> Result<NewKey, MintError> {
        let table = self.table.load_full();
        let now = self.now();
        let old = table.by_id(id).ok_or(MintError::Unknown)?;
        if let Some(by) = &old.replaced_by {
            return Err(MintError::Replaced(by.clone()));
        }
        if old.has_expired(now) {
            return Err(MintError::Expired);
        }
        let expires = expires.or(old.expires);
        let (key, secret) = fresh(&table, old.team.clone(), old.name.clone(), now, expires)?;
        let ends = now.saturating_add(grace).unwrap_or(Timestamp::MAX);
        let ends = old.expires.map_or(ends, |expires| expires.min(ends));
        let old = MintedKey { expires: Some(whole(ends)), replaced_by: Some(key.id.clone()), ..old.clone() };
        self.store.replace(old.clone(), key.clone()).await?;
        self.change(|table| {
            table.put(old.clone(), &self.uses);
            table.put(key.clone(), &self.uses);
        });
        let (key_id, old_id) = (&key.id, &old.id);
        tracing::info!(%key_id, %old_id, key_name = %key.name, team = %key.team, "a key was rotated");
        Ok(NewKey { key, secret, replaces: Some(old) })
    }

    async fn revoke(&self, id: String) -> Result<(), MintError> {
        let table = self.table.load_full();
        let key = table.by_id(&id).ok_or(MintError::Unknown)?;
        let ids = vec![id];
        self.store.remove(ids.clone()).await?;
        self.change(|table| table.remove(&ids));
        tracing::info!(key_id = %key.id, key_name = %key.name, team = %key.team, "a key was revoked");
        Ok(())
    }

    async fn upkeep(&self) -> Result<(), MintedKeysError> {
        let uses = self.uses.unwritten();
        if !uses.is_empty() {
            let oldest = self.ago(USES_HOURS).as_second();
            self.store.write_uses(uses.clone(), oldest).await?;
            self.uses.wrote(&uses);
        }
        self.uses.forget_gone();
        self.sweep().await
    }

    /// Removes the keys that expired long ago.
    pub(super) async fn sweep(&self) -> Result<(), MintedKeysError> {
        let before = self.ago(EXPIRED_HOURS);
        let table = self.table.load_full();
        let old = table.entries().map(|(key, _)| key).filter(|key| key.has_expired(before));
        let ids: Vec<String> = old.map(|key| key.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.store.remove(ids.clone()).await?;
        self.change(|table| table.remove(&ids));
        tracing::info!(keys = ids.len(), "minted keys that had expired were removed");
        Ok(())
    }

    /// Only the one task changes the table, and the start before it.
    fn change(&self, change: impl FnOnce(&mut MintedTable)) {
        let mut table = MintedTable::clone(&self.table.load());
        change(&mut table);
        self.table.store(Arc::new(table));
    }

    fn now(&self) -> Timestamp {
        whole(self.clock.now())
    }

    fn ago(&self, hours: i64) -> Timestamp {
        self.clock.now().saturating_sub(hours.hours()).unwrap_or(Timestamp::MIN)
    }
}

/// A failing store is told to the log here, once; its client hears that nothing was changed.
fn told<T>(outcome: Result<T, MintError>) -> Result<T, MintError> {
    if let Err(MintError::Store(error)) = &outcome {
        tracing::error!(%error, "a change of keys is refused: it cannot be written down");
    }
    outcome
}

fn fresh(
    table: &MintedTable,
    team: String,
    name: String,
    created: Timestamp,
    expires: Option<Timestamp>,
) -> Result<(MintedKey, SecretKey), MintError> {
    if table.len() >= MINTED_MAX {
        return Err(MintError::Full);
    }
    loop {
        let secret = SecretKey::generate();
        let digest = secret.digest();
        let id = digest.short();
        // One in 2^48 for each key there is.
        if table.by_id(&id).is_none() {
            let expires = expires.map(whole);
            let key = MintedKey { id, team, name, digest, created, expires, replaced_by: None };
            return Ok((key, secret));
        }
    }
}

/// The whole second, which is as early or earlier.
fn whole(moment: Timestamp) -> Timestamp {
    let second = moment.as_millisecond().div_euclid(1000);
    Timestamp::from_second(second).unwrap_or(moment)
}
