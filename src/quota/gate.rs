//! The rates of all accounts: what a request takes of them, all or nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::{Account, CallerLimits, Limits};
use super::rate::{self, Bucket};
use crate::fault::{Fault, FaultKind};

/// Clients take waits above a minute for mistakes, and one below a second makes a herd.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// Accounts whose buckets are remembered before those that are full again are forgotten.
const ACCOUNTS_MIN: usize = 1_024;

/// The rates that are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    Requests,
    Images,
}

impl Limited {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Images => "images_per_minute",
        }
    }
}

/// Where one rate stands: of key and team the one with less left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub limit: u32,
    pub remaining: u32,
    /// Until all of it is there again.
    pub reset: Duration,
}

/// Where the rates of a caller stand; none where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateStanding {
    pub requests: Option<Standing>,
    pub images: Option<Standing>,
}

/// What one request took, to be given back if it was refused later on.
#[derive(Debug)]
pub struct Taken {
    limits: CallerLimits,
    /// Of key and team: requests, images; none where there is no limit.
    of_each: [[Option<rate::Taken>; 2]; 2],
}

/// All buckets.
#[derive(Debug, Default)]
pub struct Gate(Mutex<Accounts>);

#[derive(Debug)]
struct Accounts {
    buckets: HashMap<Account, Buckets>,
    /// How many are looked through for those that are full again: twice what the last look left, so that looking stays
    /// cheap.
    sweep_at: usize,
}

impl Default for Accounts {
    fn default() -> Self {
        Self { buckets: HashMap::new(), sweep_at: ACCOUNTS_MIN }
    }
}

#[derive(Debug, Default)]
struct Buckets {
    requests: Bucket,
    images: Bucket,
}

impl Buckets {
    const fn of(&mut self, limited: Limited) -> &mut Bucket {
        match limited {
            Limited::Requests => &mut self.requests,
            Limited::Images => &mut self.images,
        }
    }
}

impl Limits {
    const fn rate(&self, limited: Limited) -> Option<u32> {
        match limited {
            Limited::Requests => self.requests_per_minute,
            Limited::Images => self.images_per_minute,
        }
    }
}

impl Gate {
    /// Takes one request and `images` images of key and team, or nothing.
    ///
    /// # Errors
    /// `RateLimited`, with the time until there is room.
    pub fn enter(
        &self,
        limits: &CallerLimits,
        images: u32,
        now: Instant,
    ) -> Result<Taken, Box<(Limited, Fault)>> {
        let mut accounts = self.accounts();
        accounts.ask(limits, images, now)?;
        Ok(accounts.take(limits, images, now))
    }

    /// Whether [`Gate::enter`] would let it in; takes nothing.
    ///
    /// # Errors
    /// `RateLimited`, with the time until there is room.
    pub fn ask(&self, limits: &CallerLimits, images: u32, now: Instant) -> Result<(), Box<(Limited, Fault)>> {
        self.accounts().ask(limits, images, now)
    }

    /// Takes what was asked for before, whether or not somebody else has taken it meanwhile.
    pub fn take(&self, limits: &CallerLimits, images: u32, now: Instant) -> Taken {
        self.accounts().take(limits, images, now)
    }

    /// Gives back what a request took that was refused later on, as far as it is not there again already.
    pub fn give_back(&self, taken: &Taken, now: Instant) {
        let mut accounts = self.accounts();
        for (limits, of_each) in taken.limits.both().into_iter().zip(taken.of_each) {
            for (limited, taken) in [Limited::Requests, Limited::Images].into_iter().zip(of_each) {
                if let Some((taken, rate)) = taken.zip(limits.rate(limited)) {
                    accounts.of(limits, limited).give_back(taken, rate, now);
                }
            }
        }
    }

    pub fn standing(&self, limits: &CallerLimits, now: Instant) -> RateStanding {
        let mut accounts = self.accounts();
        let mut of = |limited| {
            let all = limits.both().into_iter().filter_map(|limits| {
                let limit = limits.rate(limited)?;
                let mut fresh = Buckets::default();
                let bucket = accounts.buckets.get_mut(&limits.account).unwrap_or(&mut fresh).of(limited);
                Some(Standing { limit, remaining: bucket.left(limit, now), reset: bucket.reset(limit, now) })
            });
            all.min_by_key(|standing| (standing.remaining, std::cmp::Reverse(standing.reset)))
        };
        RateStanding { requests: of(Limited::Requests), images: of(Limited::Images) }
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    fn ask(&mut self, limits: &CallerLimits, images: u32, now: Instant) -> Result<(), Box<(Limited, Fault)>> {
        for (limited, count) in wanted(images) {
            let waits = limits.both().into_iter().filter_map(|limits| {
                let rate = limits.rate(limited).filter(|_| count > 0)?;
                let mut fresh = Buckets::default();
                let bucket = self.buckets.get_mut(&limits.account).unwrap_or(&mut fresh).of(limited);
                // What never fits is told as the longest wait.
                Some((bucket.wait(count, rate, now).unwrap_or(RETRY_AFTER.1), limits))
            });
            if let Some((wait, limits)) =
                waits.max_by_key(|(wait, _)| *wait).filter(|(wait, _)| !wait.is_zero())
            {
                return Err((limited, refused(limits, limited, wait)).into());
            }
        }
        Ok(())
    }

    fn take(&mut self, limits: &CallerLimits, images: u32, now: Instant) -> Taken {
        let of_each = limits.both().map(|limits| {
            wanted(images).map(|(limited, count)| {
                let rate = limits.rate(limited)?;
                Some(self.of(limits, limited).take(count, rate, now))
            })
        });
        if self.buckets.len() > self.sweep_at {
            self.buckets.retain(|_, buckets| !buckets.requests.is_full(now) || !buckets.images.is_full(now));
            self.sweep_at = self.buckets.len().saturating_mul(2).max(ACCOUNTS_MIN);
        }
        Taken { limits: limits.clone(), of_each }
    }

    fn of(&mut self, limits: &Limits, limited: Limited) -> &mut Bucket {
        self.buckets.entry(limits.account.clone()).or_default().of(limited)
    }
}

const fn wanted(images: u32) -> [(Limited, u32); 2] {
    [(Limited::Requests, 1), (Limited::Images, images)]
}

fn refused(limits: &Limits, limited: Limited, wait: Duration) -> Fault {
    let rate = limits.rate(limited).unwrap_or_default();
    let whose = match limits.account {
        Account::Team(_) => "team",
        Account::Key { .. } => "API key",
    };
    let (what, wait) = (limited.name(), wait.clamp(RETRY_AFTER.0, RETRY_AFTER.1));
    let seconds = wait.as_secs_f64().ceil();
    let message = format!(
        "Rate limit of this {whose} reached: {rate} {}. Try again in {seconds} s.",
        what.replace('_', " ")
    );
    Fault::new(FaultKind::RateLimited, message).with_retry_after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(key: (Option<u32>, Option<u32>), team: (Option<u32>, Option<u32>)) -> CallerLimits {
        let of = |account, (requests_per_minute, images_per_minute)| Limits {
            requests_per_minute,
            images_per_minute,
            ..Limits::none(account)
        };
        let name: (std::sync::Arc<str>, _) = ("design".into(), "ci".into());
        CallerLimits {
            key: of(Account::Key { team: name.0.clone(), name: name.1 }, key).into(),
            team: of(Account::Team(name.0), team).into(),
            weight: 1,
        }
    }

    #[test]
    fn key_and_team_are_both_asked_before_either_is_taken_from() {
        let (gate, now) = (Gate::default(), Instant::now());
        let limits = limits((Some(10), Some(10)), (Some(10), Some(3)));
        assert!(gate.enter(&limits, 3, now).is_ok());
        for _ in 0..20 {
            let (limited, fault) = *gate.enter(&limits, 1, now).unwrap_err();
            assert_eq!(
                (limited, fault.status(), fault.code()),
                (Limited::Images, 429, "rate_limit_exceeded")
            );
            assert_eq!(fault.retry_after_seconds(), Some(20));
        }
        let standing = gate.standing(&limits, now);
        assert_eq!(standing.requests.unwrap().remaining, 9, "what is refused eats nothing");
        assert_eq!(standing.images.unwrap().remaining, 0);
        assert!(gate.enter(&limits, 0, now).is_ok(), "who makes no image needs none");
    }

    #[test]
    fn asking_takes_nothing() {
        let (gate, now) = (Gate::default(), Instant::now());
        let limits = limits((Some(1), None), (None, None));
        assert!(gate.ask(&limits, 0, now).is_ok() && gate.ask(&limits, 0, now).is_ok());
        gate.take(&limits, 0, now);
        assert_eq!(gate.ask(&limits, 0, now).unwrap_err().0, Limited::Requests);
    }

    #[test]
    fn what_was_taken_can_be_given_back() {
        let (gate, now) = (Gate::default(), Instant::now());
        let limits = limits((None, Some(4)), (Some(2), None));
        let taken = gate.enter(&limits, 4, now).unwrap();
        gate.give_back(&taken, now);
        let standing = gate.standing(&limits, now);
        assert_eq!((standing.requests.unwrap().remaining, standing.images.unwrap().remaining), (2, 4));
    }

    #[test]
    fn where_there_is_no_limit_nothing_is_remembered_or_told() {
        let (gate, now) = (Gate::default(), Instant::now());
        let limits = limits((None, None), (None, None));
        gate.enter(&limits, 10, now).unwrap();
        assert_eq!(gate.standing(&limits, now), RateStanding::default());
        assert!(gate.accounts().buckets.is_empty());
    }

    #[test]
    fn waits_are_told_within_what_clients_believe() {
        let (gate, now) = (Gate::default(), Instant::now());
        let limits = limits((Some(600), None), (None, None));
        while gate.enter(&limits, 0, now).is_ok() {}
        assert_eq!(gate.enter(&limits, 0, now).unwrap_err().1.retry_after_seconds(), Some(1));
    }
}
