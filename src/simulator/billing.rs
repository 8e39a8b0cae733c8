//! What a task costs, in micro-credits: by tokens, or so much a picture, as the model's row in the catalog says.
//!
//! Rates per 1,000 tokens in credits: picture out 1.836, picture in 0.4896, text in 0.306. The row has the tokens of a
//! 1024×1024 picture, for gpt-image-2 196 (low), 1,756 (medium) or 7,024 (high); 2K costs twice and 4K 2.67 times as
//! much.

use crate::catalog::{Price, TokenTable};
use crate::image::{Pixels, Quality};
use crate::simulator::order::Order;

const OUTPUT_MICRO: u64 = 1_836;
const TEXT_MICRO: u64 = 306;
const IMAGE_INPUT_DECI_MICRO: u64 = 4_896;
/// Tokens of a reference picture. Not documented; of the order that OpenAI counts.
const REFERENCE_TOKENS: u64 = 1_000;
/// Reservations are rounded up to this (0.01 credits).
const RESERVE_STEP_MICRO: u64 = 10_000;

/// Tokens of one finished picture; of a quality that the row has no figure for, the most.
fn output_tokens(table: &TokenTable, pixels: Pixels, quality: Quality) -> u64 {
    let square = table.square_1k.iter().find(|(known, _)| *known == quality);
    let most = || table.square_1k.iter().map(|(_, tokens)| *tokens).max().unwrap_or_default();
    let square = square.map_or_else(most, |(_, tokens)| *tokens);
    square.saturating_mul(permille(pixels.area())).div_ceil(1000)
}

/// The cost of `pictures` pictures of what `order` asks for, in micro-credits.
pub(super) fn charge(order: &Order, pictures: u32) -> u64 {
    let one = match order.price {
        Price::PerImage(price) => price.micro(),
        Price::Tokens(table) => {
            let text = u64::try_from(order.prompt.chars().count().div_ceil(4)).unwrap_or(u64::MAX);
            let references = u64::try_from(order.references.len()).unwrap_or(u64::MAX);
            let output = output_tokens(table, order.pixels, order.quality);
            text.saturating_mul(TEXT_MICRO)
                .saturating_add(references.saturating_mul(REFERENCE_TOKENS * IMAGE_INPUT_DECI_MICRO / 10))
                .saturating_add(output.saturating_mul(OUTPUT_MICRO))
        }
    };
    one.saturating_mul(pictures.into())
}

/// Evolink's name for the way of `price`.
pub(super) const fn rule(price: &Price) -> &'static str {
    match price {
        Price::Tokens(_) => "per_token",
        Price::PerImage(_) => "per_call",
    }
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
    use serde_json::{Value, json};

    use super::*;
    use crate::simulator::order;

    /// The price of one picture, without its prompt of one token where tokens are counted.
    fn price(mut body: Value) -> u64 {
        body["prompt"] = "cat!".into();
        let order = order::read(body.to_string().as_bytes()).unwrap();
        assert_eq!(charge(&order, 3), 3 * charge(&order, 1));
        let text = if rule(order.price) == "per_token" { TEXT_MICRO } else { 0 };
        charge(&order, 1) - text
    }

    #[test]
    fn the_documented_token_counts_and_prices_come_out() {
        let of =
            |model: &str, quality: &str| price(json!({"model": model, "quality": quality})) / OUTPUT_MICRO;
        assert_eq!(["low", "medium", "high"].map(|quality| of("gpt-image-2", quality)), [196, 1_756, 7_024]);
        let qualities = ["low", "medium", "high", "xhigh", "max"];
        for model in ["gpt-image-2.5-sunburst", "gpt-image-2.5-flare"] {
            assert_eq!(
                qualities.map(|quality| of(model, quality)),
                [196, 439, 1_756, 3_122, 7_024],
                "{model}"
            );
        }
        // 1,756 tokens at 0.027 USD per 1,000 are 0.0474 USD, that is 3.224 credits
        assert_eq!(price(json!({"model": "gpt-image-2"})), 3_224_016);
        let large = json!({"model": "gpt-image-2", "quality": "high", "size": "3840x2160"});
        assert_eq!(price(large), 18_755 * OUTPUT_MICRO);
        let urls = ["https://x.example/a.png", "https://x.example/b.png"];
        assert_eq!(price(json!({"model": "gpt-image-2", "image_urls": urls})), 3_224_016 + 979_200);
    }

    #[test]
    fn a_model_without_a_token_price_costs_its_price_whatever_it_makes() {
        assert_eq!(price(json!({"model": "gpt-image-2-beta"})), 1_020_000);
        let urls = ["https://x.example/a.png"];
        assert_eq!(price(json!({"model": "gpt-image-2-beta", "size": "3:1", "image_urls": urls})), 1_020_000);
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
