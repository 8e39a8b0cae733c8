//! What a task costs: gpt-image-2's token price, in micro-credits.
//!
//! Rates per 1,000 tokens in credits: picture out 1.836, picture in 0.4896, text in 0.306. A 1024×1024 picture has 196
//! (low), 1,756 (medium) or 7,024 (high) tokens; 2K costs twice and 4K 2.67 times as much.

use crate::image::{Pixels, Quality};

const OUTPUT_MICRO: u64 = 1_836;
const TEXT_MICRO: u64 = 306;
const IMAGE_INPUT_DECI_MICRO: u64 = 4_896;
/// Tokens of a reference picture. Not documented; of the order that OpenAI counts.
const REFERENCE_TOKENS: u64 = 1_000;
/// Reservations are rounded up to this (0.01 credits).
const RESERVE_STEP_MICRO: u64 = 10_000;

/// Tokens of one finished picture.
pub(super) fn output_tokens(pixels: Pixels, quality: Quality) -> u64 {
    let base: u64 = match quality {
        Quality::Low => 196,
        Quality::High | Quality::Max => 7_024,
        Quality::XHigh => 3_122,
        _ => 1_756,
    };
    (base * permille(pixels.area())).div_ceil(1000)
}

/// The cost of `pictures` pictures from a prompt and so many references, in micro-credits.
pub(super) fn charge(
    pixels: Pixels,
    quality: Quality,
    pictures: u32,
    prompt: &str,
    references: usize,
) -> u64 {
    let pictures = u64::from(pictures);
    let text = u64::try_from(prompt.chars().count().div_ceil(4)).unwrap_or(u64::MAX);
    let references = u64::try_from(references).unwrap_or(u64::MAX);
    let inputs = text
        .saturating_mul(TEXT_MICRO)
        .saturating_add(references.saturating_mul(REFERENCE_TOKENS * IMAGE_INPUT_DECI_MICRO / 10));
    pictures.saturating_mul(inputs.saturating_add(output_tokens(pixels, quality) * OUTPUT_MICRO))
}

/// What is reserved at submit for an expected charge.
pub(super) const fn reserve(charge: u64) -> u64 {
    charge.div_ceil(RESERVE_STEP_MICRO).saturating_mul(RESERVE_STEP_MICRO)
}

/// Micro-credits as credits, for JSON.
pub(super) fn credits(micro: u64) -> f64 {
    let whole = u32::try_from(micro / 1_000_000).unwrap_or(u32::MAX);
    let rest = u32::try_from(micro % 1_000_000).unwrap_or(0);
    f64::from(whole) + f64::from(rest) / 1e6
}

/// Credits as micro-credits; negative and absurd balances are 0.
pub(super) fn micro(credits: f64) -> u64 {
    // a duration's microseconds are the one lossless way from f64 to integers that the standard library checks
    let as_time = std::time::Duration::try_from_secs_f64(credits);
    as_time.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// How many thousandths of a 1024×1024 picture's tokens a picture of this area has.
fn permille(area: u64) -> u64 {
    const K1: u64 = 1_048_576;
    const K2: u64 = 4_194_304;
    const K4: u64 = 8_294_400;
    match area {
        0..=K1 => area * 1000 / K1,
        _ if area <= K2 => 1000 + (area - K1) * 1000 / (K2 - K1),
        _ => 2000 + (area - K2) * 670 / (K4 - K2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_token_counts_and_prices_come_out() {
        let square = Pixels::new(1024, 1024);
        assert_eq!(output_tokens(square, Quality::Low), 196);
        assert_eq!(output_tokens(square, Quality::Medium), 1_756);
        assert_eq!(output_tokens(Pixels::new(3840, 2160), Quality::High), 18_755);
        // 1,756 tokens at 0.027 USD per 1,000 are 0.0474 USD, that is 3.224 credits; a text token is 0.000306
        let price = charge(square, Quality::Medium, 1, "cat!", 0);
        assert_eq!(price, 3_224_016 + 306);
        assert_eq!(charge(square, Quality::Medium, 3, "cat!", 0), 3 * price);
        assert_eq!(charge(square, Quality::Medium, 1, "cat!", 2), price + 979_200);
    }

    #[test]
    fn the_reservation_is_never_below_the_charge() {
        assert_eq!(reserve(3_224_322), 3_230_000);
        assert_eq!(reserve(0), 0);
    }

    #[test]
    fn credits_and_micro_credits_are_the_same_money() {
        for amount in [0, 1, 999_999, 3_224_322, 1_000_000_000_000] {
            assert_eq!(micro(credits(amount)), amount);
        }
        assert_eq!(micro(-1.0), 0);
    }
}
