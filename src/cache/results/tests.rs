use proptest::prelude::*;

use super::*;
use crate::cache::Rules;
use crate::image::Fingerprint;

const HOUR: Duration = Duration::from_hours(1);
const HOUR_MS: i64 = 3_600_000;
/// Room for ten of the entries here.
const BYTES: u64 = 1000;

fn key(number: u8) -> Key {
    Rules::default().key(&"design".into(), Fingerprint::from_bytes([number; 32]))
}

/// Made at 0, kept for an hour.
fn entry(value: u32) -> Entry<u32> {
    Entry { value: Arc::new(value), ended_ms: 0, expires_ms: HOUR_MS, bytes: 100 }
}

/// Announced and added.
fn add(results: &Results<u32>, number: u8, entry: Entry<u32>) {
    results.announce(key(number), entry.clone());
    results.add(key(number), entry, 0);
}

fn value(results: &Results<u32>, number: u8, now_ms: i64) -> Option<u32> {
    results.get(&key(number), now_ms).map(|entry| *entry.value)
}

#[test]
fn a_result_is_there_until_its_time_is_over() {
    let results = Results::new(BYTES);
    add(&results, 1, entry(1));
    assert_eq!(value(&results, 1, HOUR_MS - 1), Some(1));
    assert_eq!((value(&results, 1, HOUR_MS), value(&results, 2, 0)), (None, None));
}

#[test]
fn freshness_is_the_shorter_of_what_was_said_and_what_the_reader_allows() {
    let entry = entry(1);
    let fresh = |now_ms, ttl| entry.freshness(now_ms, ttl).map(|fresh| (fresh.age, fresh.left));
    assert_eq!(fresh(HOUR_MS / 4, 24 * HOUR), Some((HOUR / 4, HOUR * 3 / 4)));
    assert_eq!(fresh(HOUR_MS / 4, HOUR / 2), Some((HOUR / 4, HOUR / 4)));
    assert_eq!(fresh(HOUR_MS / 2, HOUR / 2), None);
    assert_eq!(fresh(HOUR_MS, 24 * HOUR), None);
    assert_eq!(fresh(-HOUR_MS, HOUR / 2), Some((Duration::ZERO, HOUR / 2)), "the clock was set back");
}

#[test]
fn what_is_not_written_down_yet_is_never_given_up_for_room() {
    let results = Results::new(BYTES);
    (0..100).for_each(|number| add(&results, number, entry(number.into())));
    results.kept.run_pending_tasks();
    assert!((0..100).all(|number| value(&results, number, 0) == Some(number.into())));
    (0..100).for_each(|number| results.written(&key(number), |_| true));
    let left = (0..100).filter(|number| value(&results, *number, 0).is_some()).count();
    assert!((1..=10).contains(&left), "{left}");
    assert!(results.is_forgetful(HOUR_MS - 1) && !results.is_forgetful(HOUR_MS), "the others are behind");
}

#[test]
fn what_was_written_before_it_was_added_is_not_held_for_ever() {
    let results = Results::new(BYTES);
    let new = entry(1);
    results.announce(key(1), new.clone());
    assert_eq!(value(&results, 1, 0), None, "it is still joined");
    results.written(&key(1), |_| true);
    results.add(key(1), new, 0);
    assert_eq!((value(&results, 1, 0), results.unwritten().len()), (Some(1), 0));
}

#[test]
fn what_comes_from_the_store_takes_no_newer_ones_place_and_none_after_a_purge() {
    let results = Results::new(BYTES);
    let newer = Entry { ended_ms: 10, ..entry(2) };
    let purges = results.purges();
    assert!(results.put(key(1), newer.clone(), 0, purges));
    assert!(results.put(key(1), entry(1), 0, purges));
    assert_eq!(value(&results, 1, 0), Some(2));
    assert_eq!(results.purge(|_| true), 1);
    assert!(!results.put(key(1), newer, 0, purges));
    assert_eq!(value(&results, 1, 0), None);
}

#[test]
fn a_store_without_more_is_not_asked() {
    let results = Results::new(BYTES);
    add(&results, 1, entry(1));
    assert!(!results.is_forgetful(0));
    results.note_behind(5);
    assert!(results.is_forgetful(4) && !results.is_forgetful(5));
}

#[test]
fn only_the_very_result_is_taken_away_and_told_as_written() {
    let results = Results::new(BYTES);
    add(&results, 1, entry(1));
    add(&results, 1, entry(2));
    results.remove(&key(1), |value| *value == 1);
    results.written(&key(1), |value| *value == 1);
    assert_eq!(value(&results, 1, 0), Some(2));
    assert_eq!(results.unwritten().len(), 1);
    results.remove(&key(1), |value| *value == 2);
    assert_eq!((value(&results, 1, 0), results.unwritten().len()), (None, 0));
}

#[test]
fn a_purge_takes_what_is_meant_wherever_it_is() {
    let results = Results::new(BYTES);
    (0..6).for_each(|number| add(&results, number, entry(number.into())));
    results.written(&key(2), |_| true);
    assert_eq!(results.purge(|value| value % 2 == 0), 3);
    let left: Vec<u8> = (0..6).filter(|number| value(&results, *number, 0).is_some()).collect();
    assert_eq!((left, results.count()), (vec![1, 3, 5], 3));
}

proptest! {
    #[test]
    fn age_and_rest_are_never_negative_and_never_more_than_was_allowed(
        ended_ms in -10_000i64..10_000, life_ms in 0i64..10_000, now_ms in -20_000i64..20_000, ttl_ms in 0u64..10_000,
    ) {
        let entry = Entry { ended_ms, expires_ms: ended_ms + life_ms, ..entry(1) };
        let ttl = Duration::from_millis(ttl_ms);
        match entry.freshness(now_ms, ttl) {
            Some(Freshness { age, left }) => {
                prop_assert!(now_ms < entry.expires_ms && age < ttl);
                prop_assert!(age + left <= ttl && !left.is_zero());
            }
            None => prop_assert!(now_ms >= entry.expires_ms || now_ms - ended_ms >= i64::try_from(ttl_ms).unwrap()),
        }
    }
}
