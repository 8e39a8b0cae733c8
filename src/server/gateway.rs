//! What the routes share: the parts of the house, and the policy that a reload may replace.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio_util::sync::CancellationToken;

use super::admin::AdminPolicy;
use super::layers::{Finished, Observe};
use super::origin::Origins;
use super::own_links::OwnLinks;
use super::read_body::{BodyBudget, BodyLimits};
use super::read_form::FormLimits;
use super::waiting_room::WaitingRoom;
use crate::cache::Rules;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::generation::Generations;
use crate::keys::{Caller, KeyFault, Keys, Mint, MintedKeysError};
use crate::media::{Converter, Guard, PictureMemory, Spool};
use crate::quota::{Book, Ledger, Quota};
use crate::telemetry::Metrics;

/// What a reload may replace at any moment; a request works with the one it found at its start.
pub struct Policy {
    pub keys: Keys,
    pub catalog: Catalog,
    pub admin: AdminPolicy,
}

/// Settings of the API that hold until a restart.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// Longest silent wait of a synchronous request.
    pub deadline: Duration,
    /// Whitespace ahead of a late JSON answer (`server.keepalive`).
    pub keepalive: Option<Keepalive>,
    pub max_waiting: usize,
    pub max_waiting_per_team: usize,
    pub max_json: u64,
    pub max_upload: u64,
    pub max_buffered: u64,
}

/// When whitespace is sent ahead of a JSON answer.
#[derive(Debug, Clone, Copy)]
pub struct Keepalive {
    /// Silence until the first.
    pub after: Duration,
    /// Time between two.
    pub every: Duration,
}

/// Times that no setting changes; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A stream's head waits so long for an early end, which then has its true status: SDKs repeat a 503, but not an
    /// error within a stream.
    pub early_end: Duration,
    /// Time between two comments in a stream; below the 60 s after which many proxies cut silent connections.
    pub comment_every: Duration,
    /// Longest wait whose head is out: OpenAI's SDKs give up at 600 s.
    pub wait_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            early_end: Duration::from_millis(500),
            comment_every: Duration::from_secs(15),
            wait_max: Duration::from_secs(590),
        }
    }
}

/// The parts of the house that the routes work with.
pub struct Parts {
    pub generations: Generations,
    pub quota: Arc<Quota>,
    pub ledger: Arc<dyn Ledger>,
    pub mint: Mint,
    /// The same as the generations'.
    pub memory: PictureMemory,
    pub converter: Converter,
    pub guard: Guard,
    /// Where large uploads lie.
    pub spool: Spool,
    /// Where pictures are stored.
    pub own_links: Option<OwnLinks>,
    pub origins: Origins,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
}

/// The state of every route.
pub struct Gateway {
    pub(super) policy: ArcSwap<Policy>,
    pub(super) generations: Generations,
    pub(super) quota: Arc<Quota>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) mint: Mint,
    pub(super) memory: PictureMemory,
    pub(super) converter: Converter,
    pub(super) guard: Guard,
    pub(super) waiting_room: WaitingRoom,
    pub(super) json: BodyLimits,
    pub(super) form: FormLimits,
    pub(super) spool: Spool,
    /// None where pictures are not stored.
    pub(super) own_links: Option<OwnLinks>,
    pub(super) origins: Origins,
    pub(super) buffers: BodyBudget,
    pub(super) deadline: Duration,
    pub(super) keepalive: Option<Keepalive>,
    pub patience: Patience,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    /// Cancelled when the drain time is nearly over: whoever still waits is sent away to try again.
    pub(super) giving_up: CancellationToken,
}

impl Gateway {
    pub fn new(mut policy: Policy, parts: Parts, options: ServerOptions) -> Self {
        let Parts { generations, quota, ledger, mint, memory, converter, guard, .. } = parts;
        let Parts { spool, own_links, origins, metrics, clock, .. } = parts;
        policy.keys.note_in(mint.uses());
        Self {
            policy: ArcSwap::from_pointee(policy),
            generations,
            quota,
            ledger,
            mint,
            memory,
            converter,
            guard,
            waiting_room: WaitingRoom::new(
                options.max_waiting,
                options.max_waiting_per_team,
                Arc::clone(&metrics),
            ),
            json: BodyLimits::new(options.max_json),
            form: FormLimits::new(options.max_upload),
            spool,
            own_links,
            origins,
            buffers: BodyBudget::new(options.max_buffered),
            deadline: options.deadline,
            keepalive: options.keepalive,
            patience: Patience::default(),
            metrics,
            clock,
            giving_up: CancellationToken::new(),
        }
    }

    /// Replaces keys, teams and aliases for all requests that begin from now on.
    pub fn set_policy(&self, mut policy: Policy) {
        policy.keys.note_in(self.mint.uses());
        self.policy.store(Arc::new(policy));
    }

    /// Replaces the limits, for what is running and counted already too.
    pub fn set_limits(&self, book: Book) {
        self.quota.set_book(book);
        self.generations.limits_changed();
    }

    /// Replaces the rules by which teams share what they have made, for what is kept already too.
    pub fn set_cache_rules(&self, teams: impl IntoIterator<Item = (Arc<str>, Rules)>) {
        self.generations.set_cache_rules(teams);
    }

    /// Replaces what a dollar is worth, in millionths of a credit, for what begins from now on.
    pub fn set_micro_credits_per_usd(&self, micro_credits: u64) {
        self.quota.set_micro_credits_per_usd(micro_credits);
    }

    /// Takes up the keys that earlier runs minted: before anybody is let in.
    pub async fn take_up_keys(&self) -> Result<(), MintedKeysError> {
        self.mint.take_up().await
    }

    /// Counts a reload, taken or refused.
    pub fn note_reload(&self, taken: bool) {
        self.metrics.config_reload(taken);
    }

    /// Waits until no generation is under way.
    pub async fn settled(&self) {
        self.generations.settled().await;
    }

    /// Sends away everyone who still waits.
    pub fn give_up(&self) {
        self.giving_up.cancel();
    }

    /// The caller behind `Authorization: Bearer` or `api-key`.
    ///
    /// # Errors
    /// 401 for a missing, unknown or expired key.
    pub(super) fn caller(&self, policy: &Policy, headers: &HeaderMap) -> Result<Caller, Fault> {
        let presented = presented_key(headers).ok_or(KeyFault::Missing)?;
        Ok(policy.keys.find(&self.mint.table(), presented, self.clock.now())?)
    }
}

fn presented_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty()).then_some(key.trim())
    });
    bearer
        .or_else(|| headers.get("api-key").and_then(|value| value.to_str().ok()).map(str::trim))
        .filter(|key| !key.is_empty())
}

impl Observe for Gateway {
    fn finished(&self, request: &Finished<'_>) {
        let (route, team) = (request.route, request.team.unwrap_or_default());
        let (code, cache) = (request.code.unwrap_or_default(), request.cache.unwrap_or("bypass"));
        self.metrics.request(route, team, request.status, code, cache, request.duration.as_secs_f64());
        if let Some(waited) = request.waited {
            self.metrics.overhead(route, request.duration.saturating_sub(waited).as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_from_either_header_and_an_empty_one_hides_none() {
        let presented = |lines: &[(&'static str, &'static str)]| {
            let headers = lines.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            presented_key(&headers.collect()).map(str::to_owned)
        };
        assert_eq!(presented(&[("authorization", "bearer  a ")]).as_deref(), Some("a"));
        assert_eq!(presented(&[("api-key", "b")]).as_deref(), Some("b"));
        assert_eq!(presented(&[("authorization", "Bearer a"), ("api-key", "b")]).as_deref(), Some("a"));
        for useless in ["Bearer ", "Basic dTpw"] {
            assert_eq!(presented(&[("authorization", useless), ("api-key", "b")]).as_deref(), Some("b"));
            assert_eq!(presented(&[("authorization", useless)]), None);
        }
        assert_eq!(presented(&[("api-key", " ")]), None);
    }
}
