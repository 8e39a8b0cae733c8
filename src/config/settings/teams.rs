//! `teams`, `limits` and `cache`: who may call, how much, and what is shared.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::amount::Amount;
use crate::config::duration::{hours, secs};
use crate::config::macros::{choices, settings};
use crate::config::secret::{Secret, Sha256Hash};
use crate::config::size::Size;
use crate::image::{Quality, Tier};

settings! {
    /// A team: the owner of keys, generations and budgets.
    pub struct Team {
        /// The team's name, also in metrics and the admin API.
        name: String,
        /// The keys its callers use.
        keys: Vec<Key> = Vec::new(),
        /// Ids of the models it may use, after aliases. Default: all.
        models: Option<Vec<String>> = None,
        /// Its limits; those it does not set are the default ones.
        limits: Limits = Limits::default(),
        /// Its use of the cache; what it does not set is the default.
        cache: TeamCache = TeamCache::default(),
        /// Its weight in the fair queue.
        priority: u32 = 1 => 1..=1000,
        /// True: unknown parameters are refused. Default: the general setting.
        strict: Option<bool> = None,
    }
}

settings! {
    /// A key, by its secret or by the secret's hash.
    pub struct Key {
        /// The key's name in logs and the admin API.
        name: String,
        /// SHA-256 of the secret, 64 hexadecimal digits.
        sha256: Option<Sha256Hash> = None,
        /// The secret itself, by an expression such as ${DESIGN_KEY}.
        secret: Option<Secret> = None,
        /// When the key ends, for example 2027-01-31T00:00:00Z.
        expires: Option<Timestamp> = None,
        /// Limits of this key alone; the team's hold as well.
        limits: Limits = Limits::default(),
    }
}

impl Key {
    /// The hash by which the key is known. None only where [`crate::config::load`] would have refused it.
    pub fn hash(&self) -> Option<Sha256Hash> {
        self.sha256.or_else(|| self.secret.as_ref().map(Secret::sha256))
    }
}

settings! {
    /// Limits; one that is not set does not hold.
    pub struct Limits {
        /// Image requests in a minute.
        requests_per_minute: Option<u32> = None,
        /// Images in a minute.
        images_per_minute: Option<u32> = None,
        /// Images being made at once.
        concurrent_images: Option<u32> = None,
        /// The largest `n` of a request.
        max_n: Option<u32> = None,
        /// The best quality allowed.
        max_quality: Option<Quality> = None,
        /// The largest resolution allowed. `auto` counts as 1K.
        max_resolution: Option<MaxResolution> = None,
        /// Budgets; every one must have room. A team's list replaces the default list.
        budgets: Option<Vec<Budget>> = None,
    }
}

impl Limits {
    /// These limits, with those not set taken from `defaults`.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        Self {
            requests_per_minute: self.requests_per_minute.or(defaults.requests_per_minute),
            images_per_minute: self.images_per_minute.or(defaults.images_per_minute),
            concurrent_images: self.concurrent_images.or(defaults.concurrent_images),
            max_n: self.max_n.or(defaults.max_n),
            max_quality: self.max_quality.or(defaults.max_quality),
            max_resolution: self.max_resolution.or(defaults.max_resolution),
            budgets: self.budgets.clone().or_else(|| defaults.budgets.clone()),
        }
    }
}

settings! {
    /// So much per window.
    pub struct Budget {
        /// How much.
        amount: Amount,
        /// Of what.
        unit: Unit,
        /// The calendar window.
        per: Per,
        /// The time zone in which windows begin.
        timezone: TimeZone = TimeZone::UTC,
        /// Whether it is enforced, or only counted and reported.
        mode: Mode = Mode::Enforce,
    }
}

choices! {
    /// What a budget counts.
    pub enum Unit {
        Images = "images",
        Credits = "credits",
        Usd = "usd",
    }
}

choices! {
    /// The calendar window of a budget.
    pub enum Per {
        Minute = "minute",
        Hour = "hour",
        Day = "day",
        Week = "week",
        Month = "month",
        Total = "total",
    }
}

choices! {
    /// The steps of `limits.max_resolution`.
    pub enum MaxResolution {
        K1 = "1K",
        K2 = "2K",
        K4 = "4K",
    }
}

impl MaxResolution {
    /// The tier that a picture may count as at most, as [`crate::image::Pixels::tier`] counts.
    pub const fn tier(self) -> Tier {
        match self {
            Self::K1 => Tier::K1,
            Self::K2 => Tier::K2,
            Self::K4 => Tier::K4,
        }
    }
}

choices! {
    /// Whether a budget is enforced.
    pub enum Mode {
        Enforce = "enforce",
        /// Counted and reported only.
        Shadow = "shadow",
    }
}

settings! {
    /// The cache of finished pictures.
    pub struct Cache {
        /// Memory for pictures.
        memory: Size = Size::mib(256) => Size::of_bytes(0)..=Size::gib(1024),
        /// Whether identical requests share a result.
        enabled: bool = true,
        /// With whom results are shared.
        scope: CacheScope = CacheScope::Team,
        /// How long a result is kept.
        ttl: Duration = hours(24) => secs(1)..=hours(24 * 366),
    }
}

settings! {
    /// A team's use of the cache; what is not set is the default.
    pub struct TeamCache {
        /// Whether identical requests share a result.
        enabled: Option<bool> = None,
        /// With whom results are shared.
        scope: Option<CacheScope> = None,
        /// How long a result is kept.
        ttl: Option<Duration> = None,
    }
}

choices! {
    /// With whom results are shared.
    pub enum CacheScope {
        /// Within the team.
        Team = "team",
        /// Among all teams of this scope; finished results only.
        Shared = "shared",
    }
}

/// What holds for one team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheRules {
    pub enabled: bool,
    pub scope: CacheScope,
    pub ttl: Duration,
}

impl TeamCache {
    /// The team's rules, with those not set taken from `defaults`.
    pub fn over(&self, defaults: &Cache) -> CacheRules {
        CacheRules {
            enabled: self.enabled.unwrap_or(defaults.enabled),
            scope: self.scope.unwrap_or(defaults.scope),
            ttl: self.ttl.unwrap_or(defaults.ttl),
        }
    }
}
