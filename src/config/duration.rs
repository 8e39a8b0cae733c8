//! Durations: `500ms`, `90s`, `5m`, `1h30m`, `7d`.

use std::time::Duration;

use serde_json::Value;

use super::scalar::{text, text_like};
use super::setting::{Reader, Setting};
use super::shown::{Secrets, Shown};

/// Units from the largest, in milliseconds. Written units must come in this order.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// So many milliseconds; for defaults and bounds.
pub const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// So many seconds.
pub const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// So many hours.
pub const fn hours(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(3600))
}

/// Reads `1h30m`. None for anything that is no duration, a bare number included: its unit would be a guess.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, factor) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(count.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = after;
    }
    (!text.trim().is_empty()).then(|| Duration::from_millis(total))
}

/// Writes a duration in the largest unit from hours down that has no remainder; below a millisecond is cut.
pub fn written(duration: Duration) -> String {
    let total = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |(name, factor): &&(&str, u64)| *name != "d" && total.is_multiple_of(*factor);
    match UNITS.iter().find(fits) {
        Some((name, factor)) if total > 0 => format!("{}{name}", total / factor),
        _ => "0s".to_owned(),
    }
}

impl Setting for Duration {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        let must = "must be a duration such as 500ms, 90s, 5m or 1h30m";
        match value {
            Value::Number(_) => reader.wrong(value, must),
            _ => match parse(text(value, reader)?) {
                Some(duration) => Some(duration),
                None => reader.wrong(value, must),
            },
        }
    }

    fn schema() -> Value {
        text_like("^([0-9]+(ms|[dhms]))+$")
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(written(*self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, want) in [
            ("90s", secs(90)),
            ("5m", secs(300)),
            ("1h30m", secs(5400)),
            ("500ms", millis(500)),
            ("1m500ms", millis(60_500)),
            ("7d", hours(168)),
            ("0s", secs(0)),
        ] {
            assert_eq!(parse(text), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "90", "s", "-5s", "5 s", "1.5s", "5S", "30m1h", "5s5s", "1y", "99999999999999999999s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(total in 0..=u64::from(u32::MAX)) {
            prop_assert_eq!(parse(&written(millis(total))), Some(millis(total)));
        }

        #[test]
        fn no_text_makes_the_parser_fail(text in ".{0,20}") {
            let _ = parse(&text);
        }
    }
}
