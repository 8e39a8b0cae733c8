//! The gauges of budgets: all of them replaced at once, so that what is gone from the configuration is gone here.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::families::Families;
use super::labels::Cap;
use crate::money::Credits;

/// One budget of a team. Amounts in millionths of its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetGauge {
    pub team: String,
    pub unit: &'static str,
    pub per: &'static str,
    pub mode: &'static str,
    pub limit: u64,
    /// Used and held; none where it could not be read.
    pub taken: Option<(u64, u64)>,
}

/// Team, unit, per, mode.
type Labels = (String, &'static str, &'static str, &'static str);

/// What the gauges show.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeMap<Labels, BudgetGauge>);

/// The gauges of budgets.
#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<Shown>);

impl Budgets {
    /// Shows these and no others. What could not be read keeps its last value. Of several with the same labels (they
    /// differ in their time zone, or their teams are folded into one) the fullest is shown.
    pub(super) fn replace(&self, all: Vec<BudgetGauge>, teams: &Cap, families: &Families) {
        let mut shown = self.still();
        let mut next: BTreeMap<Labels, BudgetGauge> = BTreeMap::new();
        for mut gauge in all {
            let labels = (teams.fold(&gauge.team).to_owned(), gauge.unit, gauge.per, gauge.mode);
            if gauge.taken.is_none() {
                gauge.taken = shown.0.get(&labels).and_then(|last| last.taken);
            }
            if next.get(&labels).is_none_or(|other| fuller(&gauge, other) == Ordering::Greater) {
                next.insert(labels, gauge);
            }
        }
        for family in [&families.quota_used, &families.quota_held, &families.quota_limit] {
            family.reset();
        }
        for ((team, unit, per, mode), gauge) in &next {
            let labels = [team.as_str(), *unit, *per, *mode];
            let decimal = |millionths| Credits::from_micro(millionths).decimal();
            families.quota_limit.with_label_values(&labels).set(decimal(gauge.limit));
            if let Some((used, held)) = gauge.taken {
                families.quota_used.with_label_values(&labels).set(decimal(used));
                families.quota_held.with_label_values(&labels).set(decimal(held));
            }
        }
        shown.0 = next;
    }

    /// Nothing is replaced while this is held.
    pub(super) fn still(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By the part that is taken; of two as full the smaller.
fn fuller(one: &BudgetGauge, other: &BudgetGauge) -> Ordering {
    let taken = |gauge: &BudgetGauge| {
        let (used, held) = gauge.taken.unwrap_or_default();
        u128::from(used) + u128::from(held)
    };
    let parts = (taken(one) * u128::from(other.limit)).cmp(&(taken(other) * u128::from(one.limit)));
    parts.then(Reverse(one.limit).cmp(&Reverse(other.limit)))
}

#[cfg(test)]
mod tests {
    use crate::telemetry::{BudgetGauge, Metrics, TEAMS_MAX};

    fn gauge(team: &str, per: &'static str, limit: u64, taken: Option<(u64, u64)>) -> BudgetGauge {
        let millionths = |amount: u64| amount * 1_000_000;
        let taken = taken.map(|(used, held)| (millionths(used), millionths(held)));
        let limit = millionths(limit);
        BudgetGauge { team: team.to_owned(), unit: "images", per, mode: "enforce", limit, taken }
    }

    fn shown(metrics: &Metrics) -> Vec<String> {
        let text = metrics.render();
        let lines = text.lines().filter_map(|line| line.strip_prefix("evolink_gateway_quota_"));
        lines.filter(|line| line.contains('{')).map(str::to_owned).collect()
    }

    #[test]
    fn only_the_budgets_in_force_are_shown() {
        let metrics = Metrics::new();
        metrics.budgets(vec![gauge("a", "day", 10, Some((3, 2))), gauge("a", "month", 90, Some((30, 0)))]);
        metrics.budgets(vec![gauge("a", "day", 12, Some((4, 0)))]);
        assert_eq!(
            shown(&metrics),
            [
                r#"held{mode="enforce",per="day",team="a",unit="images"} 0"#,
                r#"limit{mode="enforce",per="day",team="a",unit="images"} 12"#,
                r#"used{mode="enforce",per="day",team="a",unit="images"} 4"#,
            ]
        );
        metrics.budgets(Vec::new());
        assert_eq!(shown(&metrics), [""; 0]);
    }

    #[test]
    fn what_cannot_be_read_keeps_its_last_value_and_has_its_new_limit() {
        let metrics = Metrics::new();
        metrics.budgets(vec![gauge("a", "day", 10, Some((3, 2)))]);
        metrics.budgets(vec![gauge("a", "day", 20, None), gauge("b", "day", 5, None)]);
        assert_eq!(
            shown(&metrics),
            [
                r#"held{mode="enforce",per="day",team="a",unit="images"} 2"#,
                r#"limit{mode="enforce",per="day",team="a",unit="images"} 20"#,
                r#"limit{mode="enforce",per="day",team="b",unit="images"} 5"#,
                r#"used{mode="enforce",per="day",team="a",unit="images"} 3"#,
            ]
        );
    }

    #[test]
    fn of_budgets_with_the_same_labels_the_fullest_is_shown() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let same = [(100, 50), (10, 9), (1_000, 800)];
            let same = order.map(|at: usize| same[at]);
            let metrics = Metrics::new();
            metrics.budgets(same.map(|(limit, used)| gauge("a", "day", limit, Some((used, 0)))).to_vec());
            let used = shown(&metrics).pop().unwrap();
            assert!(used.starts_with("used{") && used.ends_with(" 9"), "{used}");
        }
    }

    #[test]
    fn teams_beyond_the_cap_share_their_series() {
        let metrics = Metrics::new();
        let all: Vec<_> =
            (0..1_000).map(|team| gauge(&format!("t{team}"), "day", 10, Some((1, 0)))).collect();
        metrics.budgets(all);
        assert_eq!(shown(&metrics).len(), 3 * (TEAMS_MAX + 1));
    }
}
