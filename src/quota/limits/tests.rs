//! What limits say of plans.

use super::*;
use crate::catalog::Catalog;
use crate::image::ImageRequest;

const PER_USD: u64 = 68_000_000;
const PRICE: Credits = Credits::from_micro(3_000_000);

fn plan(count: u8, quality: Quality, size: &str) -> Plan {
    let mut request = ImageRequest::new("a fox");
    request.count = count;
    request.quality = Some(quality);
    request.size = Some(size.parse().unwrap());
    Catalog::default().plan(request, false).unwrap()
}

fn team() -> Account {
    Account::Team("design".into())
}

fn caller(key: impl FnOnce(&mut Limits), team_limits: impl FnOnce(&mut Limits)) -> CallerLimits {
    let mut of_key = Limits::none(Account::Key { team: "design".into(), name: "ci".into() });
    let mut of_team = Limits::none(team());
    key(&mut of_key);
    team_limits(&mut of_team);
    CallerLimits { key: of_key.into(), team: of_team.into(), weight: 1 }
}

fn budget(unit: Unit, amount: u64) -> Budget {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    Budget { unit, period: Period::Day, zone, enforced: true, amount: amount * 1_000_000 }
}

fn refused(limits: &CallerLimits, plan: &Plan) -> (u16, String, Option<String>) {
    let fault = limits.check(plan, PRICE, PER_USD).unwrap_err();
    (fault.status(), fault.code().to_owned(), fault.param().map(str::to_owned))
}

#[test]
fn what_is_over_a_limit_of_key_or_team_is_named() {
    let table = [
        (caller(|key| key.max_n = Some(2), |_| ()), "n"),
        (caller(|_| (), |team| team.max_n = Some(2)), "n"),
        (caller(|key| key.max_quality = Some(Quality::Medium), |_| ()), "quality"),
        (caller(|_| (), |team| team.max_tier = Some(Tier::K1)), "size"),
    ];
    for (limits, param) in table {
        let plan = plan(3, Quality::High, "2048x2048");
        assert_eq!(refused(&limits, &plan), (403, "limit_exceeded".into(), Some(param.into())));
    }
    let allowed = caller(|key| key.max_quality = Some(Quality::High), |team| team.max_tier = Some(Tier::K2));
    assert!(allowed.check(&plan(3, Quality::High, "2048x2048"), PRICE, PER_USD).is_ok());
    let small = caller(|_| (), |team| team.max_tier = Some(Tier::K1));
    assert!(small.check(&plan(1, Quality::Low, "auto"), PRICE, PER_USD).is_ok(), "auto counts as 1K");
}

#[test]
fn an_n_that_could_never_be_made_is_the_requests_fault() {
    let table = [
        caller(|key| key.images_per_minute = Some(2), |_| ()),
        caller(|_| (), |team| team.budgets = vec![budget(Unit::Images, 2)]),
        caller(|_| (), |team| team.budgets = vec![budget(Unit::Credits, 8)]),
    ];
    for limits in table {
        let plan = plan(3, Quality::Low, "auto");
        assert_eq!(refused(&limits, &plan), (400, "invalid_value".into(), Some("n".into())));
    }
    let shadow = Budget { enforced: false, ..budget(Unit::Images, 1) };
    let limits = caller(|_| (), |team| team.budgets = vec![shadow]);
    assert!(limits.check(&plan(3, Quality::Low, "auto"), PRICE, PER_USD).is_ok());
}

#[test]
fn every_budget_is_held_from_in_its_own_unit_and_window() {
    let limits = caller(
        |key| key.budgets = vec![budget(Unit::Images, 10)],
        |team| team.budgets = vec![budget(Unit::Credits, 100), budget(Unit::Usd, 5)],
    );
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let demands = limits.demands(&plan(2, Quality::Low, "auto"), PRICE, PER_USD, now);
    let told: Vec<_> =
        demands.iter().map(|demand| (demand.budget.account.as_str(), demand.amount, demand.limit)).collect();
    assert_eq!(
        told,
        [
            ("key:design/ci", 2_000_000, 10_000_000),
            ("team:design", 6_000_000, 100_000_000),
            ("team:design", 88_236, 5_000_000),
        ]
    );
    assert!(demands.iter().all(|demand| demand.budget.timezone == "Europe/Berlin"));
    assert!(demands.iter().all(|demand| demand.start_ms == 1_795_302_000_000));
}

#[test]
fn a_spent_budget_is_told_with_its_numbers_and_its_end() {
    let limits =
        caller(|_| (), |team| team.budgets = vec![budget(Unit::Credits, 100), budget(Unit::Images, 20)]);
    let exceeded = Exceeded { demand: 1, used: 18_000_000, held: 1_500_000 };
    let fault = limits.spent(exceeded, 2_000_000, "2026-11-22T12:00:00Z".parse().unwrap());
    assert_eq!((fault.status(), fault.code()), (429, "insufficient_quota"));
    assert_eq!(
        fault.message(),
        "The budget of this team (20 images per day) has no room for 2 more: 18 used, 1.5 held. It begins anew at 2026-11-23 00:00 CET."
    );
}

#[test]
fn keys_of_other_teams_are_other_accounts_whatever_their_names() {
    let key = |team: &str, name: &str| Account::Key { team: team.into(), name: name.into() }.to_string();
    assert_eq!(key("design", "ci/web"), "key:design/ci/web");
    assert_ne!(key("design", "ci/web"), key("design/ci", "web"));
    assert_ne!(key("design/ci", "web"), key("design%2Fci", "web"));
}
