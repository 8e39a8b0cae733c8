//! Limits and budgets, of teams, keys and the defaults alike.

use super::Findings;
use crate::config::path::Path;
use crate::config::settings::{Budget, Limits, Unit};
use crate::image::Quality;

/// The largest `n` of OpenAI's API.
const N_MAX: u32 = 10;

pub(super) fn limits(limits: &Limits, path: &Path, findings: &mut Findings<'_>) {
    if limits.concurrent_images == Some(0) {
        findings.add(&path.join("concurrent_images"), "must be at least 1");
    }
    if limits.max_n.is_some_and(|n| !(1..=N_MAX).contains(&n)) {
        findings.add(&path.join("max_n"), format!("must be from 1 to {N_MAX}"));
    }
    // The other names mean one of these, by model.
    let steps = [Quality::Low, Quality::Medium, Quality::High, Quality::XHigh, Quality::Max];
    if limits.max_quality.is_some_and(|quality| !steps.contains(&quality)) {
        let names = steps.map(Quality::name).join(", ");
        findings.add(&path.join("max_quality"), format!("must be one of {names}"));
    }
    let budgets = limits.budgets.as_deref().unwrap_or_default();
    let list = path.join("budgets");
    for (index, budget) in budgets.iter().enumerate() {
        let path = list.join(index);
        if budget.unit == Unit::Images && !budget.amount.is_whole() {
            findings.add(&path.join("amount"), "must be a whole number of images");
        }
        let same =
            budgets.iter().take(index).position(|other| is_same(other, budget)).map(|first| list.join(first));
        if let Some(first) = same.filter(|first| !findings.is_doubtful(first)) {
            let first = findings.place(&first);
            findings.add(
                &path,
                format!("is the same as {first}: unit, per, timezone and mode must differ in one"),
            );
        }
    }
}

/// A budget is known by all but its amount.
fn is_same(one: &Budget, other: &Budget) -> bool {
    (one.unit, one.per, one.mode) == (other.unit, other.per, other.mode)
        && one.timezone.iana_name() == other.timezone.iana_name()
}
