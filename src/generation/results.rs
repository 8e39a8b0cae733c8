//! The cache: a generation that ended whole answers those who share it, from memory or from the journal.
//!
//! It is found by name: its circle and what it is of ([`cache::Key`](crate::cache::Key)). A new one is in memory before
//! its waiters wake, and in the journal with its end; so whoever asks from then on finds it, now and after a crash.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::audience::Audience;
use super::journal::{JournalError, Note, PastResult, Purge, Shared};
use super::model::{Finished, Generation, GenerationId, Owner, Phase};
use super::purchase::in_patience;
use super::registry::bytes_of;
use super::reuse::{Reuse, Sharing};
use super::{Generations, House, recover};
use crate::cache::{Circle, Entry, Freshness, Key, Results, RuleBook, Rules, Scope};

/// What results take in memory together; the rest is found in the journal. Nearly all of it are prompts.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// A picture that is not stored is had from Evolink's link, which lives 24 hours; a link that is handed out has to last
/// for a while.
pub(super) const LINKED_AGE_MAX: Duration = Duration::from_hours(23);
/// Looks into the journal for one request; more than one only where results are purged meanwhile.
const LOOKS_MAX: usize = 3;

/// Results and the rules for them.
#[derive(Debug)]
pub(super) struct Cache {
    results: Results<Generation>,
    rules: RuleBook,
    /// No result is fresh for longer, whatever the rules say and whoever made it: an earlier process may have stored what
    /// this one cannot read.
    ttl_max: Duration,
    /// Generations that are no results any more, while the journal still says otherwise.
    gone: Mutex<HashSet<GenerationId>>,
}

/// A result that answers a request.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub generation: Arc<Generation>,
    pub freshness: Freshness,
}

/// What a request looks for.
struct Sought<'a> {
    key: Key,
    team: &'a str,
    rules: Rules,
    max_age: Option<Duration>,
}

impl Cache {
    /// `stores`: the house stores pictures.
    pub(super) fn new(rules: RuleBook, stores: bool) -> Self {
        let ttl_max = if stores { Duration::MAX } else { LINKED_AGE_MAX };
        Self { results: Results::new(BYTES_MAX), rules, ttl_max, gone: Mutex::default() }
    }

    /// These notes are written down.
    pub(super) fn written(&self, notes: &[Note]) {
        for note in notes {
            match note {
                Note::Finished { generation, shared: Some(Shared { key, .. }), .. } => {
                    self.results.written(key, |result| result.id() == generation);
                }
                Note::Unshared { generation } | Note::Withdrawn { generation } => {
                    self.gone().remove(generation);
                }
                _ => {}
            }
        }
    }

    /// The journal has results until then.
    pub(super) fn note_behind(&self, until_ms: Option<i64>) {
        if let Some(until_ms) = until_ms {
            self.results.note_behind(until_ms);
        }
    }

    /// None: the request shares nothing.
    fn sought<'a>(&self, owner: &'a Owner, reuse: &Reuse) -> Option<Sought<'a>> {
        let Sharing::Shared { max_age } = reuse.sharing else { return None };
        let (team, rules) = (&*owner.team, self.rules.of(&owner.team));
        let key = rules.key(&owner.team, owner.fingerprint);
        rules.enabled.then_some(Sought { key, team, rules, max_age })
    }

    /// By the rules of the one who asks, and of the one who has it: both must share.
    fn judged(&self, entry: Entry<Generation>, sought: &Sought<'_>, now_ms: i64) -> Option<Cached> {
        let theirs = &entry.value.owner().team;
        let mut ttl = sought.rules.ttl.min(self.ttl_max);
        if **theirs != *sought.team {
            let rules = self.rules.of(theirs);
            if !rules.enabled || rules.scope != Scope::Shared {
                return None;
            }
            ttl = ttl.min(rules.ttl);
        }
        let freshness = entry.freshness(now_ms, ttl)?;
        let young = sought.max_age.is_none_or(|most| freshness.age <= most);
        (young && !entry.value.is_spoilt()).then_some(Cached { generation: entry.value, freshness })
    }

    fn gone(&self) -> MutexGuard<'_, HashSet<GenerationId>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl House {
    /// The result in memory that answers.
    pub(super) fn cached(&self, owner: &Owner, reuse: &Reuse) -> Option<Cached> {
        let sought = self.cache.sought(owner, reuse)?;
        let now_ms = self.clock.unix_ms();
        self.cache.judged(self.cache.results.get(&sought.key, now_ms)?, &sought, now_ms)
    }

    /// The result that answers, from memory or from the journal; then it is in memory from here on.
    ///
    /// # Errors
    /// The journal may have one and cannot be asked: nothing must be bought.
    pub(super) async fn look_behind(
        &self,
        owner: &Owner,
        reuse: &Reuse,
    ) -> Result<Option<Cached>, JournalError> {
        let Some(sought) = self.cache.sought(owner, reuse) else { return Ok(None) };
        let (results, now_ms) = (&self.cache.results, self.clock.unix_ms());
        if let Some(entry) = results.get(&sought.key, now_ms) {
            return Ok(self.cache.judged(entry, &sought, now_ms));
        }
        for _ in 0..LOOKS_MAX {
            if !results.is_forgetful(now_ms) {
                break;
            }
            let purges = results.purges();
            let found = in_patience(self.journal.result(sought.key.clone(), now_ms)).await?;
            let Some(entry) = found.and_then(|found| self.taken_up(found)) else { break };
            if results.put(sought.key.clone(), entry.clone(), now_ms, purges) {
                return Ok(self.cache.judged(entry, &sought, now_ms));
            }
        }
        Ok(None)
    }

    /// None: it is no result any more, or none yet, since its pictures are still being fetched: then it is joined.
    fn taken_up(&self, PastResult { past, expires_ms }: PastResult) -> Option<Entry<Generation>> {
        let (id, ended_ms) = (&past.admission.id, past.ended_ms);
        if self.cache.gone().contains(id) {
            return None;
        }
        let known = self.registry.lock().unwrap_or_else(PoisonError::into_inner).known(id);
        let generation = match known {
            Some(known) if matches!(known.phase(), Phase::Finished(_)) => known,
            Some(_) => return None,
            None => {
                let audience = Audience::recalled(past.promised);
                recover::ended(self, past, audience).generation
            }
        };
        Some(entry(generation, ended_ms, expires_ms))
    }

    /// The name under which a generation that ends now is to answer others, and until when. It is held in memory until
    /// its end is written down, which is to be noted next.
    pub(super) fn to_share(&self, generation: &Arc<Generation>, finished: &Finished) -> Option<Shared> {
        let owner = generation.owner();
        let rules = self.cache.rules.of(&owner.team);
        let open = !generation.is_private() && !generation.audience.is_withdrawn();
        if !(rules.enabled && open && finished.is_whole()) {
            return None;
        }
        let life = if self.gallery.keeps() { rules.ttl } else { rules.ttl.min(LINKED_AGE_MAX) };
        let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.clock.unix_ms();
        let expires_ms = now_ms.saturating_add(life_ms);
        let key = rules.key(&owner.team, owner.fingerprint);
        self.cache.results.announce(key.clone(), entry(Arc::clone(generation), now_ms, expires_ms));
        Some(Shared { key, expires_ms })
    }

    /// The end of a generation. Under the lock under which others look: they join it or find its result, and it is not
    /// taken back in between.
    pub(super) fn end(&self, generation: &Arc<Generation>, finished: Arc<Finished>, shared: Option<Shared>) {
        let _registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Shared { key, expires_ms }) = shared.filter(|_| !generation.audience.is_withdrawn()) {
            let now_ms = self.clock.unix_ms();
            self.cache.results.add(key, entry(Arc::clone(generation), now_ms, expires_ms), now_ms);
        }
        generation.advance(Phase::Finished(finished));
    }

    /// Its pictures are lost: it answers nobody from now on, and the next who asks has them made again.
    pub(super) fn lose(&self, generation: &Generation) {
        generation.spoil();
        self.metrics.cache_lookup("lost");
        self.unshare(generation);
        self.scribe.note(Note::Unshared { generation: generation.id().clone() });
    }

    /// It is no result any more, whatever the journal says until it is told.
    pub(super) fn unshare(&self, generation: &Generation) {
        let Owner { team, fingerprint, .. } = generation.owner();
        self.cache.gone().insert(generation.id().clone());
        for circle in [Circle::Team(Arc::clone(team)), Circle::Shared] {
            let key = Key { circle, fingerprint: *fingerprint };
            self.cache.results.remove(&key, |result| result.id() == generation.id());
        }
    }
}

fn entry(generation: Arc<Generation>, ended_ms: i64, expires_ms: i64) -> Entry<Generation> {
    let bytes = u32::try_from(bytes_of(&generation)).unwrap_or(u32::MAX);
    Entry { value: generation, ended_ms, expires_ms, bytes }
}

impl Generations {
    /// The rules by which a team shares what it has made.
    pub fn cache_rules(&self, team: &str) -> Rules {
        self.0.cache.rules.of(team)
    }

    /// Replaces the rules of all teams, for what is kept already too.
    pub fn set_cache_rules(&self, teams: impl IntoIterator<Item = (Arc<str>, Rules)>) {
        self.0.cache.rules.replace(teams);
    }

    /// Whether what is made now will answer others for as long as it is fresh: not while pictures cannot be stored.
    pub fn keeps_results(&self) -> bool {
        !self.0.gallery.stores() || self.0.gallery.keeps()
    }

    /// Results in memory.
    pub fn results(&self) -> u64 {
        self.0.cache.results.count()
    }

    /// Forgets results, and tells how many there were. Their generations still answer by id and by idempotency key.
    ///
    /// # Errors
    /// The journal cannot be written: those that it has may answer again.
    pub async fn purge(&self, which: Purge) -> Result<usize, JournalError> {
        let House { cache, scribe, journal, .. } = &*self.0;
        // A result whose end is still to be written would come back by it.
        in_patience(Box::pin(async {
            scribe.written().await;
            Ok(())
        }))
        .await?;
        let meant = |result: &Generation| {
            let (team, model) = (&*result.owner().team, &result.plan().class.model);
            which.team.as_deref().is_none_or(|meant| meant == team)
                && which.model.as_deref().is_none_or(|meant| meant == model)
        };
        let here = cache.results.purge(meant);
        let behind = in_patience(journal.purge(which.clone())).await?;
        // One may have been taken up from the journal in between.
        cache.results.purge(meant);
        Ok(behind.max(here))
    }
}
