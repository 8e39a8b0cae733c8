//! Windows at the edges of the calendar and of the clock.

use proptest::prelude::*;

use super::*;

const PERIODS: [Period; 5] = [Period::Minute, Period::Hour, Period::Day, Period::Week, Period::Month];
const ZONES: [&str; 11] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Africa/Cairo",
    "America/Havana",
    "Pacific/Chatham",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// Start and end of the window at `now`, as clocks in the zone show them.
fn window(now: &str, period: Period, name: &str) -> (String, String) {
    let found = Window::at(now.parse().unwrap(), period, &zone(name));
    let shown = |at: Timestamp| at.to_zoned(zone(name)).strftime("%a %Y-%m-%d %H:%M:%S %:z").to_string();
    (shown(Timestamp::from_millisecond(found.start_ms).unwrap()), shown(found.end.unwrap()))
}

#[test]
fn windows_begin_by_the_calendar_of_their_zone() {
    let table = [
        (
            "2026-11-22T23:30:12Z",
            Period::Minute,
            "Mon 2026-11-23 00:30:00 +01:00",
            "Mon 2026-11-23 00:31:00 +01:00",
        ),
        (
            "2026-11-22T23:30:12Z",
            Period::Hour,
            "Mon 2026-11-23 00:00:00 +01:00",
            "Mon 2026-11-23 01:00:00 +01:00",
        ),
        (
            "2026-11-22T22:59:59Z",
            Period::Day,
            "Sun 2026-11-22 00:00:00 +01:00",
            "Mon 2026-11-23 00:00:00 +01:00",
        ),
        (
            "2026-11-22T22:59:59Z",
            Period::Week,
            "Mon 2026-11-16 00:00:00 +01:00",
            "Mon 2026-11-23 00:00:00 +01:00",
        ),
        (
            "2026-11-22T23:00:00Z",
            Period::Week,
            "Mon 2026-11-23 00:00:00 +01:00",
            "Mon 2026-11-30 00:00:00 +01:00",
        ),
        (
            "2026-12-31T23:00:00Z",
            Period::Month,
            "Fri 2027-01-01 00:00:00 +01:00",
            "Mon 2027-02-01 00:00:00 +01:00",
        ),
        (
            "2028-02-29T12:00:00Z",
            Period::Month,
            "Tue 2028-02-01 00:00:00 +01:00",
            "Wed 2028-03-01 00:00:00 +01:00",
        ),
    ];
    for (now, period, start, end) in table {
        assert_eq!(window(now, period, "Europe/Berlin"), (start.into(), end.into()), "{now} {period:?}");
    }
}

#[test]
fn a_day_with_a_change_of_the_clock_is_one_window() {
    let table = [
        (
            "Europe/Berlin",
            "2026-03-29T12:00:00Z",
            "Sun 2026-03-29 00:00:00 +01:00",
            "Mon 2026-03-30 00:00:00 +02:00",
        ),
        (
            "Europe/Berlin",
            "2026-10-25T12:00:00Z",
            "Sun 2026-10-25 00:00:00 +02:00",
            "Mon 2026-10-26 00:00:00 +01:00",
        ),
        (
            "America/New_York",
            "2026-03-08T12:00:00Z",
            "Sun 2026-03-08 00:00:00 -05:00",
            "Mon 2026-03-09 00:00:00 -04:00",
        ),
        (
            "America/New_York",
            "2026-11-01T12:00:00Z",
            "Sun 2026-11-01 00:00:00 -04:00",
            "Mon 2026-11-02 00:00:00 -05:00",
        ),
    ];
    for (name, now, start, end) in table {
        assert_eq!(window(now, Period::Day, name), (start.into(), end.into()), "{name} {now}");
    }
}

#[test]
fn an_hour_that_comes_twice_is_two_windows() {
    let (first, second) = ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    let berlin = |now| window(now, Period::Hour, "Europe/Berlin");
    assert_eq!(berlin(first).0, "Sun 2026-10-25 02:00:00 +02:00");
    assert_eq!(berlin(first).1, berlin(second).0);
    assert_eq!(berlin(second).0, "Sun 2026-10-25 02:00:00 +01:00");
}

/// Start and end in UTC.
fn utc(now: &str, period: Period, name: &str) -> [String; 2] {
    let found = Window::at(now.parse().unwrap(), period, &zone(name));
    [Timestamp::from_millisecond(found.start_ms).unwrap(), found.end.unwrap()].map(|at| at.to_string())
}

#[test]
fn weeks_and_months_are_as_long_as_the_changes_of_the_clock_make_them() {
    let hours = |now: &str, period, name| {
        let found = Window::at(now.parse().unwrap(), period, &zone(name));
        (found.end.unwrap().as_millisecond() - found.start_ms) / 3_600_000
    };
    let week = 7 * 24;
    for (name, spring, autumn) in [
        ("Europe/Berlin", "2026-03-29T12:00:00Z", "2026-10-25T12:00:00Z"),
        ("America/New_York", "2026-03-08T12:00:00Z", "2026-11-01T12:00:00Z"),
    ] {
        assert_eq!(hours(spring, Period::Week, name), week - 1, "{name}");
        assert_eq!(hours(autumn, Period::Week, name), week + 1, "{name}");
        assert_eq!(hours(spring, Period::Day, name), 23, "{name}");
        assert_eq!(hours(autumn, Period::Day, name), 25, "{name}");
        assert_eq!(hours(spring, Period::Month, name), 31 * 24 - 1, "{name}");
        let days = if name == "Europe/Berlin" { 31 } else { 30 };
        assert_eq!(hours(autumn, Period::Month, name), days * 24 + 1, "{name}");
    }
}

#[test]
fn the_hour_that_is_left_out_is_no_window_and_the_ones_around_it_are_whole() {
    for (name, change) in [("Europe/Berlin", "2026-03-29T01"), ("America/New_York", "2026-03-08T07")] {
        let hour = |minutes: &str| utc(&format!("{change}:{minutes}Z"), Period::Hour, name);
        assert_eq!(hour("00:00")[0], format!("{change}:00:00Z"), "{name}");
        assert_eq!(hour("00:00"), hour("59:59"), "{name}");
    }
    let before = utc("2026-03-29T00:59:59Z", Period::Hour, "Europe/Berlin");
    assert_eq!(before, ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"]);
}

#[test]
fn in_new_york_too_an_hour_that_comes_twice_is_two_windows() {
    let hours = ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"]
        .map(|now| window(now, Period::Hour, "America/New_York"));
    assert_eq!(hours[0].0, "Sun 2026-11-01 01:00:00 -04:00");
    assert_eq!((&hours[0].1, hours[1].0.as_str()), (&hours[1].0, "Sun 2026-11-01 01:00:00 -05:00"));
}

#[test]
fn what_a_change_by_half_an_hour_cuts_off_is_a_window_of_its_own() {
    let lord_howe = |now| utc(now, Period::Hour, "Australia/Lord_Howe");
    // 02:00 becomes 01:30.
    assert_eq!(lord_howe("2026-04-04T14:59:59Z"), ["2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z"]);
    assert_eq!(lord_howe("2026-04-04T15:00:00Z"), ["2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"]);
    assert_eq!(lord_howe("2026-04-04T15:30:00Z"), ["2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z"]);
    // 02:00 becomes 02:30.
    assert_eq!(lord_howe("2026-10-03T15:30:00Z"), ["2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"]);
    assert_eq!(lord_howe("2026-10-03T16:00:00Z"), ["2026-10-03T16:00:00Z", "2026-10-03T17:00:00Z"]);
}

#[test]
fn a_day_begins_at_its_first_instant_where_midnight_is_left_out_or_comes_twice() {
    let cairo = window("2026-04-24T12:00:00Z", Period::Day, "Africa/Cairo");
    assert_eq!(cairo, ("Fri 2026-04-24 01:00:00 +03:00".into(), "Sat 2026-04-25 00:00:00 +03:00".into()));
    let havana = window("2026-11-01T12:00:00Z", Period::Day, "America/Havana");
    assert_eq!(havana, ("Sun 2026-11-01 00:00:00 -04:00".into(), "Mon 2026-11-02 00:00:00 -05:00".into()));
}

#[test]
fn odd_offsets_begin_their_hours_by_their_own_clocks() {
    for (name, now, start) in [
        ("Asia/Kathmandu", "2026-11-22T12:00:00Z", "Sun 2026-11-22 17:00:00 +05:45"),
        ("America/St_Johns", "2026-11-22T12:00:00Z", "Sun 2026-11-22 08:00:00 -03:30"),
        ("Pacific/Chatham", "2026-06-22T12:00:00Z", "Tue 2026-06-23 00:00:00 +12:45"),
    ] {
        assert_eq!(window(now, Period::Hour, name).0, start);
    }
}

#[test]
fn a_clock_that_is_set_back_finds_the_windows_that_it_had() {
    let hour = 1.hour();
    for name in ZONES {
        for period in PERIODS {
            for now in ["2026-10-25T01:10:00Z", "2026-11-01T06:10:00Z", "2027-01-01T00:10:00Z"] {
                let now: Timestamp = now.parse().unwrap();
                let back = now.checked_sub(hour).unwrap();
                let [first, earlier] = [now, back].map(|at| Window::at(at, period, &zone(name)));
                assert_eq!(Window::at(now, period, &zone(name)), first);
                // Either the same, or the one that ends before: none is begun anew.
                let end = earlier.end.unwrap().as_millisecond();
                assert!(earlier == first || end <= first.start_ms, "{name} {period:?} {now}");
            }
        }
    }
}

#[test]
fn years_end_and_leap_days_are_days_like_others() {
    let berlin = |now, period| window(now, period, "Europe/Berlin");
    let new_year = berlin("2026-12-31T22:59:59Z", Period::Day);
    assert_eq!(new_year.1, "Fri 2027-01-01 00:00:00 +01:00");
    assert_eq!(berlin("2026-12-31T23:00:00Z", Period::Day).0, new_year.1);
    let across = berlin("2027-01-01T12:00:00Z", Period::Week);
    assert_eq!(across, ("Mon 2026-12-28 00:00:00 +01:00".into(), "Mon 2027-01-04 00:00:00 +01:00".into()));
    let leap = berlin("2028-02-29T12:00:00Z", Period::Day);
    assert_eq!(leap, ("Tue 2028-02-29 00:00:00 +01:00".into(), "Wed 2028-03-01 00:00:00 +01:00".into()));
    assert_eq!(berlin("2027-02-28T23:00:00Z", Period::Day).0, "Mon 2027-03-01 00:00:00 +01:00");
}

#[test]
fn a_total_never_ends() {
    let ever = Window::at(Timestamp::UNIX_EPOCH, Period::Total, &TimeZone::UTC);
    assert_eq!(ever, Window::at(Timestamp::MAX, Period::Total, &TimeZone::UTC));
    assert_eq!(ever.end, None);
}

/// Every instant is in one window, and the next begins where it ends.
fn holds(now: Timestamp, period: Period, zone: &TimeZone) -> Result<(), TestCaseError> {
    let found = Window::at(now, period, zone);
    let start = Timestamp::from_millisecond(found.start_ms).unwrap();
    let end = found.end.unwrap();
    prop_assert!(start <= now && now < end, "{start} {now} {end}");
    let last = end.checked_sub(1.millisecond()).unwrap();
    for inside in [start, last] {
        prop_assert_eq!(Window::at(inside, period, zone), found);
    }
    prop_assert_eq!(Window::at(end, period, zone).start_ms, end.as_millisecond());
    Ok(())
}

proptest! {
    #[test]
    fn every_instant_is_in_one_window_and_the_next_begins_where_it_ends(
        // 2020 to 2040.
        seconds in 1_577_836_800_i64..2_208_988_800,
        period in proptest::sample::select(PERIODS.to_vec()),
        name in proptest::sample::select(ZONES.to_vec()),
    ) {
        holds(Timestamp::from_second(seconds).unwrap(), period, &zone(name))?;
    }

    #[test]
    fn and_so_it_is_about_every_change_of_a_clock(
        seconds in 1_577_836_800_i64..2_208_988_800,
        beside_ms in -7_200_000_i64..7_200_000,
        period in proptest::sample::select(PERIODS.to_vec()),
        name in proptest::sample::select(ZONES.to_vec()),
    ) {
        let (from, zone) = (Timestamp::from_second(seconds).unwrap(), zone(name));
        let change = zone.following(from).next().map_or(from, |change| change.timestamp());
        let now = change.checked_add(beside_ms.milliseconds()).unwrap();
        holds(now, period, &zone)?;
        holds(change, period, &zone)?;
    }
}
