//! The limits of a key and its team, and what a plan means for them.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::budget::{BudgetId, Demand, Exceeded, Spent, Unit};
use super::window::{Period, Window};
use crate::fault::{Fault, FaultKind};
use crate::image::{Plan, Quality, Tier};
use crate::money::Credits;

/// Who is limited.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Account {
    Team(Arc<str>),
    Key { team: Arc<str>, name: Arc<str> },
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(team) => write!(f, "team:{team}"),
            // A slash in a team's name is not to be taken for the one after it.
            Self::Key { team, name } if team.contains(['/', '%']) => {
                write!(f, "key:{}/{name}", team.replace('%', "%25").replace('/', "%2F"))
            }
            Self::Key { team, name } => write!(f, "key:{team}/{name}"),
        }
    }
}

impl Account {
    /// The team's name, of a key too.
    pub fn team(&self) -> &str {
        match self {
            Self::Team(team) | Self::Key { team, .. } => team,
        }
    }

    /// For the sentence that tells of a limit.
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Team(_) => "team",
            Self::Key { .. } => "API key",
        }
    }
}

/// So much per window.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    pub unit: Unit,
    pub period: Period,
    pub zone: TimeZone,
    /// False: counted and reported only.
    pub enforced: bool,
    /// In millionths of the unit.
    pub amount: u64,
}

impl Budget {
    /// What it is known by, whatever its amount.
    pub fn id(&self, account: &Account) -> BudgetId {
        BudgetId {
            account: account.to_string(),
            unit: self.unit,
            period: self.period,
            timezone: self.zone.iana_name().unwrap_or("UTC").to_owned(),
            enforced: self.enforced,
        }
    }

    /// As the setting names it.
    pub const fn mode(&self) -> &'static str {
        if self.enforced { "enforce" } else { "shadow" }
    }

    pub fn window(&self, now: Timestamp) -> Window {
        Window::at(now, self.period, &self.zone)
    }
}

/// What one account may do; what is not set does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub account: Account,
    pub requests_per_minute: Option<u32>,
    pub images_per_minute: Option<u32>,
    pub concurrent_images: Option<u32>,
    pub max_n: Option<u32>,
    pub max_quality: Option<Quality>,
    pub max_tier: Option<Tier>,
    pub budgets: Vec<Budget>,
}

impl Limits {
    /// None at all.
    pub const fn none(account: Account) -> Self {
        Self {
            account,
            requests_per_minute: None,
            images_per_minute: None,
            concurrent_images: None,
            max_n: None,
            max_quality: None,
            max_tier: None,
            budgets: Vec::new(),
        }
    }

    fn check(&self, plan: &Plan, price: Credits, micro_credits_per_usd: u64) -> Result<(), Fault> {
        let noun = self.account.noun();
        if let Some(most) = self.max_n.filter(|most| u32::from(plan.count) > *most) {
            let message = format!("This {noun} may ask for at most {most} images at once (n).");
            return Err(exceeded("n", message));
        }
        if let Some(best) = self.max_quality.filter(|best| rank(plan.class.quality) > rank(*best)) {
            let message = format!("This {noun} may ask for at most the quality '{}'.", best.name());
            return Err(exceeded("quality", message));
        }
        if let Some(largest) = self.max_tier.filter(|largest| plan.expected.tier() > *largest) {
            let message = format!("This {noun} may ask for pictures up to {largest}.");
            return Err(exceeded("size", message));
        }
        if let Some(most) = self.images_per_minute.filter(|most| u32::from(plan.count) > *most) {
            let message = format!("This {noun} may make {most} images a minute: a larger 'n' never fits.");
            return Err(Fault::invalid("n", message));
        }
        let of = |images: u8| Spent { images: images.into(), micro_credits: times(price, images) };
        let never_fits = |budget: &&Budget| {
            let fits = |images| of(images).in_unit(budget.unit, micro_credits_per_usd) <= budget.amount;
            budget.enforced && !fits(plan.count) && fits(1)
        };
        if let Some(budget) = self.budgets.iter().find(never_fits) {
            let (amount, unit, period) = (written(budget.amount), budget.unit.name(), budget.period.name());
            let message = format!(
                "So many images are more than a whole budget of this {noun} ({amount} {unit} per {period}): a smaller 'n' fits."
            );
            return Err(Fault::invalid("n", message));
        }
        Ok(())
    }
}

/// The limits of one caller: its key's and its team's; both hold.
#[derive(Debug, Clone)]
pub struct CallerLimits {
    pub key: Arc<Limits>,
    pub team: Arc<Limits>,
    /// The team's weight in the queue.
    pub weight: u32,
}

impl CallerLimits {
    pub(super) fn both(&self) -> [&Limits; 2] {
        [&self.key, &self.team]
    }

    /// Whether the plan is within what the caller may ask for at all. `price`: of one image.
    ///
    /// # Errors
    /// 403 `limit_exceeded`; 400 for an `n` that could never be made.
    pub fn check(&self, plan: &Plan, price: Credits, micro_credits_per_usd: u64) -> Result<(), Fault> {
        self.both().into_iter().try_for_each(|limits| limits.check(plan, price, micro_credits_per_usd))
    }

    /// What the plan holds of each budget until its end.
    pub fn demands(
        &self,
        plan: &Plan,
        price: Credits,
        micro_credits_per_usd: u64,
        now: Timestamp,
    ) -> Vec<Demand> {
        let spent = Spent { images: plan.count.into(), micro_credits: times(price, plan.count) };
        let budgets = self.both().into_iter().flat_map(|limits| {
            limits.budgets.iter().map(move |budget| Demand {
                budget: budget.id(&limits.account),
                start_ms: budget.window(now).start_ms,
                amount: spent.in_unit(budget.unit, micro_credits_per_usd),
                limit: budget.amount,
            })
        });
        budgets.collect()
    }

    /// The answer when the demand number `exceeded.demand` of [`CallerLimits::demands`], of `needed` millionths, has no
    /// room.
    pub fn spent(&self, exceeded: Exceeded, needed: u64, now: Timestamp) -> Fault {
        let mut budgets = self
            .both()
            .into_iter()
            .flat_map(|limits| limits.budgets.iter().map(move |budget| (limits.account.noun(), budget)));
        let Some((noun, budget)) = budgets.nth(exceeded.demand) else {
            return Fault::new(FaultKind::BudgetSpent, "A budget is spent.");
        };
        let (amount, unit, period) = (written(budget.amount), budget.unit.name(), budget.period.name());
        let (needed, used, held) = (written(needed), written(exceeded.used), written(exceeded.held));
        let resets = match budget.window(now).end {
            Some(end) => format!(
                "It begins anew at {}.",
                end.to_zoned(budget.zone.clone()).strftime("%Y-%m-%d %H:%M %Z")
            ),
            None => "It does not begin anew.".to_owned(),
        };
        let message = format!(
            "The budget of this {noun} ({amount} {unit} per {period}) has no room for {needed} more: {used} used, {held} held. {resets}"
        );
        Fault::new(FaultKind::BudgetSpent, message)
    }
}

/// The setting behind a 403 of [`CallerLimits::check`], as metrics name it; None of its other refusals.
pub fn limit_behind(fault: &Fault) -> Option<&'static str> {
    match (fault.kind(), fault.param()) {
        (FaultKind::LimitExceeded, Some("n")) => Some("max_n"),
        (FaultKind::LimitExceeded, Some("quality")) => Some("max_quality"),
        (FaultKind::LimitExceeded, Some(_)) => Some("max_resolution"),
        _ => None,
    }
}

fn exceeded(param: &'static str, message: String) -> Fault {
    Fault::new(FaultKind::LimitExceeded, message).with_param(param)
}

fn times(price: Credits, count: u8) -> u64 {
    price.micro().saturating_mul(count.into())
}

/// `auto` and models without qualities are below all.
const fn rank(quality: Quality) -> u8 {
    match quality {
        Quality::Auto => 0,
        Quality::Low => 1,
        Quality::Standard | Quality::Medium => 2,
        Quality::High | Quality::Hd => 3,
        Quality::XHigh => 4,
        Quality::Max => 5,
    }
}

/// Millionths as a decimal number without needless zeros.
fn written(millionths: u64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
