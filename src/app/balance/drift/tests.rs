use proptest::prelude::*;

use super::*;

const fn credits(whole: u64) -> Credits {
    Credits::from_micro(whole * 1_000_000)
}

/// A look while `open` may be counted by Evolink or not.
fn at(used: u64, settled: u64, open: u64) -> Look {
    Look { used: [Some(credits(used)), None], settled: [credits(settled); 2], open: credits(open) }
}

fn whole(drift: Option<i64>) -> Option<i64> {
    drift.map(|micro| micro / 1_000_000)
}

#[test]
fn a_difference_is_told_once_two_looks_agree_on_it() {
    let mut drift = Drift::default();
    // Both books began at other times.
    assert_eq!(whole(drift.look(at(5_000, 100, 0))), Some(0));
    assert_eq!(whole(drift.look(at(5_040, 140, 0))), Some(0));
    assert_eq!(whole(drift.look(at(5_070, 150, 0))), Some(0), "one look may have come between two writes");
    assert_eq!(whole(drift.look(at(5_075, 150, 0))), Some(20), "the smaller of two");
    assert_eq!(whole(drift.look(at(5_075, 150, 0))), Some(25));
    assert_eq!(whole(drift.look(at(5_075, 190, 0))), Some(0));
    assert_eq!(whole(drift.look(at(5_075, 190, 0))), Some(-15));
}

#[test]
fn what_is_open_is_no_difference_whether_it_is_counted_or_not() {
    for counted in [0, 30] {
        let mut drift = Drift::default();
        drift.look(at(5_000, 100, 0));
        for _ in 0..3 {
            assert_eq!(whole(drift.look(at(5_000 + counted, 100, 30))), Some(0), "{counted}");
        }
    }
    // More than what is open is one.
    let mut drift = Drift::default();
    drift.look(at(5_000, 100, 0));
    drift.look(at(5_070, 100, 30));
    assert_eq!(whole(drift.look(at(5_070, 100, 30))), Some(40));
}

#[test]
fn the_first_quiet_moment_makes_a_busy_beginning_exact() {
    let mut drift = Drift::default();
    drift.look(at(5_000, 100, 400));
    assert_eq!(whole(drift.look(at(5_100, 400, 0))), Some(0));
    drift.look(at(5_130, 400, 0));
    assert_eq!(whole(drift.look(at(5_130, 400, 0))), Some(30));
}

#[test]
fn the_count_that_agrees_better_is_taken() {
    let both = |key, account, settled| Look {
        used: [Some(credits(key)), Some(credits(account))],
        settled: [credits(settled); 2],
        open: Credits::ZERO,
    };
    // Another key of the account is used; then a key without a count of its own.
    for (key, account) in [(50, 900), (0, 50)] {
        let mut drift = Drift::default();
        drift.look(both(0, 0, 0));
        drift.look(both(key, account, 50));
        assert_eq!(drift.look(both(key, account, 50)), Some(0));
    }
    let none = Look { used: [None, None], settled: [Credits::ZERO; 2], open: Credits::ZERO };
    assert_eq!(Drift::default().look(none), None);
}

#[test]
fn a_count_that_begins_anew_is_compared_from_there_on() {
    let mut drift = Drift::default();
    drift.look(at(5_000, 100, 10));
    assert_eq!(whole(drift.look(at(4_990, 100, 0))), Some(0), "a refund");
    drift.look(at(5_100, 100, 0));
    drift.look(at(5_090, 100, 0));
    assert_eq!(whole(drift.look(at(5_090, 100, 0))), Some(100), "another's refund");
    assert_eq!(whole(drift.look(at(7, 100, 0))), Some(0));
    for _ in 0..2 {
        drift.look(at(107, 100, 0));
    }
    assert_eq!(whole(drift.look(at(107, 100, 0))), Some(100));
    assert_eq!(whole(drift.look(at(107, 0, 0))), Some(0), "the daily figures were removed");
}

#[test]
fn only_what_lasts_is_news_and_only_once_until_it_has_doubled() {
    let mut drift = Drift::default();
    drift.look(at(0, 0, 0));
    let mut news = |micro: i64| drift.news(micro * 1_000_000);
    assert_eq!([20, -20, 21, 21, 3].map(&mut news), [None; 5]);
    assert_eq!([-21, -21, -21, -30].map(&mut news), [None, None, Some(News::Apart), None]);
    assert_eq!([-42, -42, 5, 5].map(&mut news), [Some(News::Apart), None, Some(News::AgreeAgain), None]);
    // Of much, a fiftieth is little.
    drift.look(at(5_000, 5_000, 0));
    assert_eq!(
        (drift.settled(), [99; 4].map(|micro| drift.news(micro * 1_000_000))),
        (5_000_000_000, [None; 4])
    );
}

proptest! {
    /// Books that agree never differ, however a look falls between charges, reservations and settlements.
    #[test]
    fn books_that_agree_show_no_difference(
        steps in proptest::collection::vec((0_u64..50, 0_u64..50, 0_u64..50, any::<bool>()), 1..40),
    ) {
        let (mut drift, mut settled, mut open) = (Drift::default(), 0, 0_u64);
        for (bought, settles, between, counts_reserved) in steps {
            open += bought;
            let ends = settles.min(open);
            (open, settled) = (open - ends, settled + ends);
            // While Evolink is asked some more is settled, which it had counted at its latest then.
            let late = between.min(open);
            let used = settled + if counts_reserved { open } else { late / 2 };
            let look = Look {
                used: [Some(credits(1_000 + used)), None],
                settled: [credits(settled), credits(settled + late)],
                open: credits(open),
            };
            (open, settled) = (open - late, settled + late);
            prop_assert_eq!(drift.look(look), Some(0));
        }
    }
}
