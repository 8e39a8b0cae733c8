//! Tokens and what they cost. Estimates: Evolink settles on its own count when a task has ended.

use crate::image::{Pixels, Quality, TokenEstimate};
use crate::money::Credits;

/// How output tokens grow with the picture: pixels, then thousandths of the 1024x1024 count. Between the points and
/// before the first it is a straight line. From the prices that ezkit.app lists for gpt-image-2 on Evolink at 1K, 2K
/// and 4K (0.1899, 0.3852 and 0.5085 USD at high; low and medium keep the same proportions within 2 %).
const GROWTH: [(u64, u64); 3] = [(1_048_576, 1_000), (4_194_304, 2_030), (8_294_400, 2_660)];

/// Characters from here on (CJK, kana, hangul, emoji) are about a token each; of others about four make one.
const DENSE_SCRIPTS_FROM: char = '\u{2E80}';

/// What a model's pictures and inputs come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTable {
    /// Output tokens of a 1024x1024 picture by quality.
    pub square_1k: Vec<(Quality, u64)>,
    /// Input tokens of one reference picture.
    pub per_reference: u64,
    pub rates: TokenRates,
}

/// Micro-credits per 1,000 tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRates {
    pub output: u64,
    pub input_image: u64,
    pub input_text: u64,
}

impl TokenTable {
    /// Of one task that makes one picture.
    pub(super) fn estimate(
        &self,
        prompt: &str,
        references: usize,
        quality: Quality,
        pixels: Pixels,
    ) -> TokenEstimate {
        let references = u64::try_from(references).unwrap_or(u64::MAX);
        TokenEstimate {
            input_text: text_tokens(prompt),
            input_image: references.saturating_mul(self.per_reference),
            output: self.square(quality).saturating_mul(growth(pixels.area())).div_ceil(1_000),
        }
    }

    /// Rounded up to the micro-credit.
    pub(super) fn price(&self, tokens: TokenEstimate) -> Credits {
        let TokenRates { output, input_image, input_text } = self.rates;
        let parts =
            [(tokens.output, output), (tokens.input_image, input_image), (tokens.input_text, input_text)];
        let sum = parts
            .into_iter()
            .fold(0_u64, |sum, (tokens, rate)| sum.saturating_add(tokens.saturating_mul(rate)));
        Credits::from_micro(sum.div_ceil(1_000))
    }

    /// A quality without a figure counts as the dearest, so that a price is never too low.
    fn square(&self, quality: Quality) -> u64 {
        let dearest = self.square_1k.iter().map(|(_, tokens)| *tokens).max().unwrap_or_default();
        self.square_1k.iter().find(|(known, _)| *known == quality).map_or(dearest, |(_, tokens)| *tokens)
    }
}

/// Thousandths of the 1024x1024 count for a picture of so many pixels.
fn growth(pixels: u64) -> u64 {
    let [first, second, third] = GROWTH;
    let slope = |(from, low): (u64, u64), (to, high): (u64, u64), distance: u64| {
        distance.saturating_mul(high - low).div_ceil(to - from)
    };
    if pixels <= first.0 {
        first.1.saturating_sub(slope(first, second, first.0 - pixels))
    } else if pixels <= second.0 {
        first.1 + slope(first, second, pixels - first.0)
    } else {
        second.1 + slope(second, third, pixels - second.0)
    }
}

/// About how many tokens a text has.
pub(super) fn text_tokens(text: &str) -> u64 {
    let quarters = text.chars().map(|c| if c >= DENSE_SCRIPTS_FROM { 4_u64 } else { 1 }).sum::<u64>();
    quarters.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Price, built_in};

    /// Of gpt-image-2.
    fn table() -> TokenTable {
        let Price::Tokens(table) = built_in().swap_remove(0).price else { panic!("not priced by tokens") };
        table
    }

    fn output(quality: Quality, width: u32, height: u32) -> u64 {
        table().estimate("", 0, quality, Pixels::new(width, height)).output
    }

    #[test]
    fn a_square_of_1024_has_the_documented_tokens() {
        let squares =
            [Quality::Low, Quality::Medium, Quality::High].map(|quality| output(quality, 1024, 1024));
        assert_eq!(squares, [196, 1756, 7024]);
        assert_eq!(output(Quality::Max, 1024, 1024), 7024);
    }

    #[test]
    fn prices_agree_with_the_published_ones_within_three_percent() {
        let published_usd = [
            (Quality::Low, [0.0054, 0.0108, 0.0144]),
            (Quality::Medium, [0.0477, 0.0963, 0.1251]),
            (Quality::High, [0.1899, 0.3852, 0.5085]),
        ];
        let table = table();
        for (quality, prices) in published_usd {
            for (edge, usd) in [1024, 2048, 2880].into_iter().zip(prices) {
                let tokens = table.estimate("", 0, quality, Pixels::new(edge, edge));
                let off = table.price(tokens).decimal() / 68.0 / usd;
                assert!((0.97..1.03).contains(&off), "{quality} {edge}: {off}");
            }
        }
    }

    #[test]
    fn larger_pictures_never_count_less() {
        let counts: Vec<_> = (16..=300).map(|step| output(Quality::Medium, step * 16, 1024)).collect();
        assert!(counts.is_sorted() && counts[0] > 0, "{counts:?}");
        assert!(output(Quality::Medium, 816, 816) < 1756);
    }

    #[test]
    fn text_counts_a_quarter_token_a_letter_and_a_whole_one_for_chinese() {
        assert_eq!([text_tokens(""), text_tokens("a"), text_tokens("a cat on a mat")], [0, 1, 4]);
        assert_eq!(text_tokens("一只猫"), 3);
    }

    #[test]
    fn inputs_are_priced_at_their_own_rates() {
        let table = table();
        let tokens = TokenEstimate { input_text: 1_000, input_image: 1_000, output: 1_000 };
        assert_eq!(table.price(tokens).to_string(), "2.6316");
    }
}
