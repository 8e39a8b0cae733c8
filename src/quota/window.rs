//! Calendar windows of budgets, in the budget's own time zone.
//!
//! A window is known by its first instant, so that a clock that is set back, or a day of 23 or 25 hours, finds the
//! window that it had before: what was used there stays used. Pure.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Unit, Zoned, ZonedRound};

/// How long a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    Minute,
    Hour,
    Day,
    /// From Monday.
    Week,
    Month,
    /// One window for ever.
    Total,
}

impl Period {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

/// One window: from its first instant, in milliseconds of Unix time, to the first of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// `i64::MIN` where there is only one.
    pub start_ms: i64,
    /// None: it never ends.
    pub end: Option<Timestamp>,
}

impl Window {
    const EVER: Self = Self { start_ms: i64::MIN, end: None };

    /// The window that `now` falls into. Where the calendar ends (the year 9999) there is one for ever.
    pub fn at(now: Timestamp, period: Period, zone: &TimeZone) -> Self {
        Self::bounds(&now.to_zoned(zone.clone()), period).map_or(Self::EVER, |(start, end)| Self {
            start_ms: start.timestamp().as_millisecond(),
            end: Some(end.timestamp()),
        })
    }

    fn bounds(now: &Zoned, period: Period) -> Option<(Zoned, Zoned)> {
        let start = match period {
            Period::Total => return None,
            // By the clock on the wall; of an hour that comes twice each is one of its own.
            Period::Minute => now.round(down(Unit::Minute)).ok()?,
            Period::Hour => now.round(down(Unit::Hour)).ok()?,
            Period::Day => now.start_of_day().ok()?,
            Period::Week => {
                let days = now.weekday().since(Weekday::Monday);
                now.checked_sub(i64::from(days).days()).ok()?.start_of_day().ok()?
            }
            Period::Month => now.first_of_month().ok()?.start_of_day().ok()?,
        };
        let end = match period {
            Period::Minute => start.checked_add(1.minute()),
            Period::Hour => start.checked_add(1.hour()),
            Period::Day => start.tomorrow().and_then(|day| day.start_of_day()),
            Period::Week => start.checked_add(1.week()).and_then(|day| day.start_of_day()),
            Period::Month | Period::Total => start.checked_add(1.month()).and_then(|day| day.start_of_day()),
        };
        Some((start, end.ok()?))
    }
}

fn down(unit: Unit) -> ZonedRound {
    ZonedRound::new().smallest(unit).mode(jiff::RoundMode::Trunc)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIODS: [Period; 5] = [Period::Minute, Period::Hour, Period::Day, Period::Week, Period::Month];
    const ZONES: [&str; 8] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/St_Johns",
        "Pacific/Apia",
        "Africa/Casablanca",
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

    #[test]
    fn a_total_never_ends() {
        let ever = Window::at(Timestamp::UNIX_EPOCH, Period::Total, &TimeZone::UTC);
        assert_eq!(ever, Window::at(Timestamp::MAX, Period::Total, &TimeZone::UTC));
        assert_eq!(ever.end, None);
    }

    proptest! {
        #[test]
        fn every_instant_is_in_one_window_and_the_next_begins_where_it_ends(
            // 2020 to 2040.
            seconds in 1_577_836_800_i64..2_208_988_800,
            period in proptest::sample::select(PERIODS.to_vec()),
            name in proptest::sample::select(ZONES.to_vec()),
        ) {
            let (now, zone) = (Timestamp::from_second(seconds).unwrap(), zone(name));
            let found = Window::at(now, period, &zone);
            let start = Timestamp::from_millisecond(found.start_ms).unwrap();
            let end = found.end.unwrap();
            prop_assert!(start <= now && now < end);
            let last = end.checked_sub(1.millisecond()).unwrap();
            for inside in [start, last] {
                prop_assert_eq!(Window::at(inside, period, &zone), found);
            }
            let next = Window::at(end, period, &zone);
            prop_assert_eq!(next.start_ms, end.as_millisecond());
        }
    }
}
