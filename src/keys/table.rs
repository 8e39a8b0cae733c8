//! Who presents which key.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::minted::{MintedKey, MintedTable};
use super::secret::{KeyDigest, hash_secret};
use super::uses::{LastUse, Uses};
use crate::fault::{Fault, FaultKind};

/// Bytes of a presented secret that are looked at; longer ones are unknown without being hashed.
const SECRET_BYTES_MAX: usize = 512;

/// A team and what its keys may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    pub name: Arc<str>,
    /// The resolved models its keys may use; `None` is all.
    pub models: Option<Vec<String>>,
    /// Refuse parameters without effect instead of ignoring them.
    pub strict: bool,
}

impl Team {
    /// A team that may use every model.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), models: None, strict: false }
    }

    /// Whether the team may use `model`, an alias already resolved.
    pub fn allows(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|allowed| allowed == model))
    }
}

/// One key as the config or the admin API names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpec {
    pub team: String,
    pub name: String,
    pub digest: KeyDigest,
    /// From this moment on the key is no good.
    pub expires: Option<Timestamp>,
}

/// One known key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// The first twelve hex digits of the digest.
    pub id: String,
    pub name: String,
    pub team: Arc<Team>,
    pub expires: Option<Timestamp>,
}

/// Who sent a request. Cheap to clone; keeps its key and team as they were when the request came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(Arc<KeyEntry>);

impl Caller {
    pub fn key(&self) -> &KeyEntry {
        &self.0
    }

    pub fn team(&self) -> &Arc<Team> {
        &self.0.team
    }

    /// 403 unless the caller's team may use `model`, an alias already resolved.
    pub fn check_model(&self, model: &str) -> Result<(), Fault> {
        if self.team().allows(model) {
            return Ok(());
        }
        let message =
            format!("This API key may not use the model '{model}'. GET /v1/models lists those it may use.");
        Err(Fault::new(FaultKind::ModelNotAllowed, message).with_param("model"))
    }
}

/// Why a presented secret opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("no API key was sent: use the header 'Authorization: Bearer <key>'")]
    Missing,
    #[error("the API key is not known here")]
    Unknown,
    #[error("the API key has expired")]
    Expired,
}

impl From<KeyFault> for Fault {
    fn from(fault: KeyFault) -> Self {
        let message = match fault {
            KeyFault::Missing => "No API key was sent. Use the header 'Authorization: Bearer YOUR_KEY'.",
            KeyFault::Unknown => "Incorrect API key provided. Ask whoever runs this gateway for a key.",
            KeyFault::Expired => "This API key has expired. Ask whoever runs this gateway for a new one.",
        };
        Self::new(FaultKind::InvalidKey, message)
    }
}

/// Why a set of keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    #[error("team '{0}' is named twice")]
    TeamTwice(String),
    #[error("key '{key}' belongs to team '{team}', which does not exist")]
    NoSuchTeam { key: String, team: String },
    #[error("keys '{first}' and '{second}' have the same secret")]
    SameSecret { first: String, second: String },
}

struct Slot {
    digest: KeyDigest,
    entry: Arc<KeyEntry>,
    used: LastUse,
}

/// The teams, and the keys of the configuration by digest. A reload builds another; minted keys are beside it, and find
/// their teams here.
#[derive(Default)]
pub struct Keys {
    teams: HashMap<String, Arc<Team>>,
    slots: HashMap<KeyDigest, Slot>,
}

impl Keys {
    /// Every mistake at once, in the order of `teams`, then `keys`.
    pub fn new(
        teams: impl IntoIterator<Item = Team>,
        keys: impl IntoIterator<Item = KeySpec>,
    ) -> Result<Self, Vec<KeysError>> {
        let mut mistakes = Vec::new();
        let mut known: HashMap<String, Arc<Team>> = HashMap::new();
        for team in teams {
            if known.contains_key(&*team.name) {
                mistakes.push(KeysError::TeamTwice(team.name.to_string()));
            }
            known.insert(team.name.to_string(), Arc::new(team));
        }
        let mut slots = HashMap::new();
        for spec in keys {
            if let Err(mistake) = add(&mut slots, &known, spec) {
                mistakes.push(mistake);
            }
        }
        if mistakes.is_empty() { Ok(Self { teams: known, slots }) } else { Err(mistakes) }
    }

    /// From now on last uses are noted in `uses`, which outlives these keys.
    pub fn note_in(&mut self, uses: &Uses) {
        for slot in self.slots.values_mut() {
            slot.used = uses.of(&slot.entry.id);
        }
    }

    /// The caller behind a presented secret: of these keys, or else of the minted ones.
    pub fn find(&self, minted: &MintedTable, presented: &str, now: Timestamp) -> Result<Caller, KeyFault> {
        if presented.trim().is_empty() {
            return Err(KeyFault::Missing);
        }
        if presented.len() > SECRET_BYTES_MAX {
            return Err(KeyFault::Unknown);
        }
        let digest = hash_secret(presented);
        // The lookup's timing can tell of digests only, which nobody can choose; the last word is constant-time anyway.
        let configured = self.slots.get(&digest).filter(|slot| slot.digest.matches(&digest));
        let configured = configured.map(|slot| (Arc::clone(&slot.entry), &slot.used));
        let minted = || minted.find(&digest).and_then(|(key, used)| Some((self.entry_of(key)?, used)));
        let (entry, used) = configured.or_else(minted).ok_or(KeyFault::Unknown)?;
        if entry.expires.is_some_and(|expires| expires <= now) {
            return Err(KeyFault::Expired);
        }
        used.note(now.as_second());
        Ok(Caller(entry))
    }

    /// A minted key as one of these; none while its team is not here.
    fn entry_of(&self, key: &MintedKey) -> Option<Arc<KeyEntry>> {
        let team = Arc::clone(self.team(&key.team)?);
        Some(Arc::new(KeyEntry { id: key.id.clone(), name: key.name.clone(), team, expires: key.expires }))
    }

    pub fn team(&self, name: &str) -> Option<&Arc<Team>> {
        self.teams.get(name)
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The keys of the configuration with their last uses, in no order.
    pub fn entries(&self) -> impl Iterator<Item = (&KeyEntry, &LastUse)> {
        self.slots.values().map(|slot| (&*slot.entry, &slot.used))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.slots.len()).finish()
    }
}

fn add(
    slots: &mut HashMap<KeyDigest, Slot>,
    teams: &HashMap<String, Arc<Team>>,
    spec: KeySpec,
) -> Result<(), KeysError> {
    let KeySpec { team, name, digest, expires } = spec;
    let Some(known) = teams.get(&team) else {
        return Err(KeysError::NoSuchTeam { key: name, team });
    };
    if let Some(other) = slots.get(&digest) {
        return Err(KeysError::SameSecret { first: other.entry.name.clone(), second: name });
    }
    let entry = KeyEntry { id: digest.short(), name, team: Arc::clone(known), expires };
    slots.insert(digest, Slot { digest, entry: Arc::new(entry), used: LastUse::default() });
    Ok(())
}

#[cfg(test)]
mod tests;
