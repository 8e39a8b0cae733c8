//! Money in integers: micro-credits, and nothing else.
//!
//! Evolink counts in credits with decimals (`facts`: 68 credits are one US dollar); floating point ends here.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

const MICRO: f64 = 1_000_000.0;

/// An amount of Evolink credits, in millionths of a credit; never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credits(u64);

impl Credits {
    pub const ZERO: Self = Self(0);

    pub const fn from_micro(micro: u64) -> Self {
        Self(micro)
    }

    /// Rounds up to the next micro-credit, so that a price is never booked too low.
    /// None when negative, not a number, or beyond 9 × 10⁹ credits.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked on the line above"
    )]
    pub fn from_decimal(credits: f64) -> Option<Self> {
        let micro = (credits * MICRO - 1e-4).ceil().max(0.0);
        (credits >= 0.0 && micro < 9e15).then_some(Self(micro as u64))
    }

    pub const fn micro(self) -> u64 {
        self.0
    }

    /// For metrics and answers, where a decimal is what the reader expects.
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact below 2^53 micro-credits")]
    pub fn decimal(self) -> f64 {
        self.0 as f64 / MICRO
    }
}

/// A difference of credits, in millionths, as the decimal that metrics and answers show.
pub fn signed_decimal(micro: i64) -> f64 {
    let size = Credits::from_micro(micro.unsigned_abs()).decimal();
    if micro < 0 { -size } else { size }
}

impl Add for Credits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Credits {
    /// As few decimals as say it exactly: `2.5`, `0`, `1.836`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, micro) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if micro == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{micro:06}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_whole_micro_credits_rounded_up() {
        assert_eq!(Credits::from_decimal(2.5), Some(Credits(2_500_000)));
        assert_eq!(Credits::from_decimal(0.1 + 0.2), Some(Credits(300_000)));
        assert_eq!(Credits::from_decimal(0.000_000_4), Some(Credits(1)));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e10] {
            assert_eq!(Credits::from_decimal(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn amounts_are_written_with_the_decimals_they_need() {
        let written = [0, 1, 2_500_000, 3_000_000].map(|micro| Credits::from_micro(micro).to_string());
        assert_eq!(written, ["0", "0.000001", "2.5", "3"]);
        let signed = [-2_500_000, 0, 1].map(|micro| signed_decimal(micro).to_string());
        assert_eq!(signed, ["-2.5", "0", "0.000001"]);
    }
}
