//! Amounts of images, credits or dollars: decimal numbers kept as whole millionths, so that sums are exact.

use serde_json::{Value, json};

use super::setting::{Reader, Setting};
use super::shown::{Secrets, Shown};

/// Millionths in one.
const MILLION: u64 = 1_000_000;

/// A decimal number from 0, to six places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount {
    micros: u64,
}

impl Amount {
    /// So many whole ones.
    pub const fn whole(count: u64) -> Self {
        Self { micros: count.saturating_mul(MILLION) }
    }

    /// So many millionths.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// The amount in millionths.
    pub const fn micros(self) -> u64 {
        self.micros
    }

    pub const fn is_whole(self) -> bool {
        self.micros.is_multiple_of(MILLION)
    }

    /// Reads `50`, `0.25`. None below 0, beyond six places, or beyond what 64 bits of millionths hold.
    pub fn parse(text: &str) -> Option<Self> {
        let (ones, places) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let all_digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        if ones.is_empty() || !all_digits(ones) || !all_digits(places) || places.len() > 6 {
            return None;
        }
        let micros: u64 = format!("{places:0<6}").parse().ok()?;
        ones.parse::<u64>().ok()?.checked_mul(MILLION)?.checked_add(micros).map(|micros| Self { micros })
    }

    /// Writes the amount without needless zeros.
    pub fn written(self) -> String {
        let places = format!("{:06}", self.micros % MILLION);
        match places.trim_end_matches('0') {
            "" => (self.micros / MILLION).to_string(),
            places => format!("{}.{places}", self.micros / MILLION),
        }
    }
}

impl Setting for Amount {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        let amount = match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.as_f64().map_or_else(String::new, |float| {
                number.as_u64().map_or_else(|| float.to_string(), |whole| whole.to_string())
            })),
            _ => None,
        };
        match amount {
            Some(amount) => Some(amount),
            None => reader.wrong(value, "must be a number from 0 with at most six decimal places"),
        }
    }

    fn schema() -> Value {
        json!({
            "type": ["number", "string"],
            "minimum": 0,
            "pattern": r"^[0-9]+(\.[0-9]{0,6})?$|\$\{",
        })
    }

    fn shown(&self, _: Secrets) -> Shown {
        // The text of a decimal number is one in JSON too.
        Shown::Plain(serde_json::from_str(&self.written()).unwrap_or(Value::Null))
    }

    fn stand_in(_raw: &str) -> Option<Self> {
        Some(Self::default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(Amount::parse("0.1").map(Amount::micros), Some(100_000));
        assert_eq!(Amount::parse("68").map(Amount::micros), Some(68_000_000));
        assert_eq!(Amount::parse("49.5").map(Amount::written).as_deref(), Some("49.5"));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".5", "-1", "1e3", "0.1234567", "1,5", "NaN", "99999999999999999999"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_amount_reads_back(micros in any::<u64>()) {
            let amount = Amount { micros };
            prop_assert_eq!(Amount::parse(&amount.written()), Some(amount));
        }
    }
}
