//! From the limits of the settings to the book of limits.

use std::sync::Arc;

use super::policy::DEFAULT_TEAM;
use crate::config::Settings;
use crate::config::settings::{self, MaxResolution};
use crate::quota::{Account, Book, Budget, Limits, Period, Unit};

/// The limits of all configured teams and keys; `limits` at the top hold for whatever a team does not set. Without any
/// team, those of the default one.
pub(super) fn book(settings: &Settings) -> Book {
    let of_default = || {
        let account = Account::Team(DEFAULT_TEAM.into());
        (of(account, &settings.limits), 1)
    };
    let teams = settings.teams.iter().flat_map(|team| {
        let name: Arc<str> = team.name.as_str().into();
        let of_team = of(Account::Team(Arc::clone(&name)), &team.limits.or(&settings.limits));
        let keys = team.keys.iter().map(move |key| {
            let account = Account::Key { team: Arc::clone(&name), name: key.name.as_str().into() };
            (of(account, &key.limits), 1)
        });
        std::iter::once((of_team, team.priority)).chain(keys)
    });
    Book::new(settings.teams.is_empty().then(of_default).into_iter().chain(teams))
}

fn of(account: Account, limits: &settings::Limits) -> Limits {
    Limits {
        account,
        requests_per_minute: limits.requests_per_minute,
        images_per_minute: limits.images_per_minute,
        concurrent_images: limits.concurrent_images,
        max_n: limits.max_n,
        max_quality: limits.max_quality,
        max_tier: limits.max_resolution.map(MaxResolution::tier),
        budgets: limits.budgets.iter().flatten().map(budget).collect(),
    }
}

fn budget(budget: &settings::Budget) -> Budget {
    Budget {
        unit: match budget.unit {
            settings::Unit::Images => Unit::Images,
            settings::Unit::Credits => Unit::Credits,
            settings::Unit::Usd => Unit::Usd,
        },
        period: match budget.per {
            settings::Per::Minute => Period::Minute,
            settings::Per::Hour => Period::Hour,
            settings::Per::Day => Period::Day,
            settings::Per::Week => Period::Week,
            settings::Per::Month => Period::Month,
            settings::Per::Total => Period::Total,
        },
        zone: budget.timezone.clone(),
        enforced: budget.mode == settings::Mode::Enforce,
        amount: budget.amount.micros(),
    }
}
