//! Calendar windows of budgets, in the budget's own time zone.
//!
//! A window is known by its first instant, so that a clock that is set back, or a day of 23 or 25 hours, finds the
//! window that it had before: what was used there stays used. Pure.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

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
        let bounds = match period {
            Period::Minute => by_the_clock(now, 60, zone),
            Period::Hour => by_the_clock(now, 3_600, zone),
            Period::Day => by_the_calendar(&now.to_zoned(zone.clone()), day),
            Period::Week => by_the_calendar(&now.to_zoned(zone.clone()), week),
            Period::Month => by_the_calendar(&now.to_zoned(zone.clone()), month),
            Period::Total => None,
        };
        bounds.map_or(Self::EVER, |(start, end)| Self { start_ms: start.as_millisecond(), end: Some(end) })
    }
}

/// By the clock on the wall. Of an hour that comes twice each is one of its own, and so is what a change of the clock by
/// half an hour cuts off.
fn by_the_clock(now: Timestamp, seconds: i64, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let offset = i64::from(zone.to_offset(now).seconds());
    let wall = now.as_millisecond().div_euclid(1_000).checked_add(offset)?;
    let start = Timestamp::from_second(wall.div_euclid(seconds) * seconds - offset).ok()?;
    let end = start.checked_add(seconds.seconds()).ok()?;
    let just_after = now.checked_add(1.millisecond()).ok()?;
    // Some changes in the tables are of nothing but a name.
    let is_of_the_clock = |at: &Timestamp| {
        at.checked_sub(1.millisecond()).is_ok_and(|before| zone.to_offset(before) != zone.to_offset(*at))
    };
    let before = zone.preceding(just_after).map(|change| change.timestamp());
    let after = zone.following(now).map(|change| change.timestamp());
    let latest = before.take_while(|change| *change > start).find(is_of_the_clock);
    let next = after.take_while(|change| *change < end).find(is_of_the_clock);
    Some((latest.unwrap_or(start), next.unwrap_or(end)))
}

/// From the first instant of one day to the first of another.
fn by_the_calendar(
    now: &Zoned,
    days: impl Fn(&Zoned) -> Result<(Zoned, Zoned), jiff::Error>,
) -> Option<(Timestamp, Timestamp)> {
    let (start, end) = days(now).ok()?;
    Some((start.start_of_day().ok()?.timestamp(), end.start_of_day().ok()?.timestamp()))
}

fn day(now: &Zoned) -> Result<(Zoned, Zoned), jiff::Error> {
    Ok((now.clone(), now.tomorrow()?))
}

fn week(now: &Zoned) -> Result<(Zoned, Zoned), jiff::Error> {
    let monday = now.checked_sub(i64::from(now.weekday().since(Weekday::Monday)).days())?;
    Ok((monday.clone(), monday.checked_add(1.week())?))
}

fn month(now: &Zoned) -> Result<(Zoned, Zoned), jiff::Error> {
    let first = now.first_of_month()?;
    Ok((first.clone(), first.checked_add(1.month())?))
}

#[cfg(test)]
mod tests;
