//! Who presents which key.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::secret::{KeyDigest, hash_secret};
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
    /// Its identical requests share one answer.
    pub cached: bool,
}

impl Team {
    /// A team that may use every model.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), models: None, strict: false, cached: true }
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
}

/// All known keys, by digest. Never changed: a reload builds another.
#[derive(Default)]
pub struct Keys(HashMap<KeyDigest, Slot>);

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
        if mistakes.is_empty() { Ok(Self(slots)) } else { Err(mistakes) }
    }

    /// The caller behind a presented secret.
    pub fn find(&self, presented: &str, now: Timestamp) -> Result<Caller, KeyFault> {
        if presented.trim().is_empty() {
            return Err(KeyFault::Missing);
        }
        if presented.len() > SECRET_BYTES_MAX {
            return Err(KeyFault::Unknown);
        }
        let digest = hash_secret(presented);
        // The lookup's timing can tell of digests only, which nobody can choose; the last word is constant-time anyway.
        let slot =
            self.0.get(&digest).filter(|slot| slot.digest.matches(&digest)).ok_or(KeyFault::Unknown)?;
        match slot.entry.expires {
            Some(expires) if expires <= now => Err(KeyFault::Expired),
            _ => Ok(Caller(Arc::clone(&slot.entry))),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All keys, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &KeyEntry> {
        self.0.values().map(|slot| &*slot.entry)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.0.len()).finish()
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
    slots.insert(digest, Slot { digest, entry: Arc::new(entry) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn key(team: &str, secret: &str) -> KeySpec {
        KeySpec { team: team.into(), name: secret.into(), digest: hash_secret(secret), expires: None }
    }

    fn design() -> Team {
        Team { models: Some(vec!["gpt-image-2".into()]), ..Team::new("design") }
    }

    #[test]
    fn a_known_secret_opens_its_team() {
        let keys = Keys::new([design(), Team::new("chat")], [key("design", "a"), key("chat", "b")]).unwrap();
        let caller = keys.find("b", NOW).unwrap();
        assert_eq!((&*caller.team().name, caller.key().name.as_str()), ("chat", "b"));
        assert_eq!(caller.key().id, hash_secret("b").short());
    }

    #[test]
    fn missing_unknown_and_expired_keys_are_401_without_a_word_of_the_secret() {
        let expired = KeySpec { expires: Some(NOW), ..key("design", "egk_old-secret") };
        let keys = Keys::new([design()], [expired]).unwrap();
        let long = "x".repeat(SECRET_BYTES_MAX + 1);
        let cases = [
            ("", KeyFault::Missing),
            ("  ", KeyFault::Missing),
            ("egk_wrong-secret", KeyFault::Unknown),
            (&long, KeyFault::Unknown),
            ("egk_old-secret", KeyFault::Expired),
        ];
        for (presented, expected) in cases {
            let found = keys.find(presented, NOW).unwrap_err();
            assert_eq!(found, expected);
            let fault = Fault::from(found);
            assert_eq!((fault.status(), fault.code(), fault.should_retry()), (401, "invalid_api_key", false));
            assert!(!fault.message().contains("secret"), "{}", fault.message());
        }
    }

    #[test]
    fn a_key_works_until_the_moment_it_expires() {
        let expires = Some(Timestamp::constant(1_790_000_001, 0));
        let keys = Keys::new([design()], [KeySpec { expires, ..key("design", "a") }]).unwrap();
        assert!(keys.find("a", NOW).is_ok());
        assert_eq!(keys.find("a", Timestamp::constant(1_790_000_001, 0)), Err(KeyFault::Expired));
    }

    #[test]
    fn a_team_with_an_allow_list_uses_only_those_models() {
        let keys = Keys::new([design(), Team::new("all")], [key("design", "a"), key("all", "b")]).unwrap();
        let caller = keys.find("a", NOW).unwrap();
        assert!(caller.check_model("gpt-image-2").is_ok());
        let fault = caller.check_model("other").unwrap_err();
        assert_eq!((fault.status(), fault.code(), fault.param()), (403, "model_not_allowed", Some("model")));
        assert!(keys.find("b", NOW).unwrap().check_model("other").is_ok());
    }

    #[test]
    fn every_mistake_in_a_set_of_keys_is_named_at_once() {
        let keys =
            [key("design", "a"), key("nobody", "b"), KeySpec { name: "c".into(), ..key("design", "a") }];
        let mistakes = Keys::new([design(), design()], keys).unwrap_err();
        let expected = [
            KeysError::TeamTwice("design".into()),
            KeysError::NoSuchTeam { key: "b".into(), team: "nobody".into() },
            KeysError::SameSecret { first: "a".into(), second: "c".into() },
        ];
        assert_eq!(mistakes, expected);
    }
}
