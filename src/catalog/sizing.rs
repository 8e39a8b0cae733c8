//! `size`: what upstream is asked for, and what is made of the picture here.

use super::row::Row;
use super::sizes::{BrokenRule, PixelRule, PixelSizes, RatioRow};
use super::tiering::AskedTier;
use crate::fault::Fault;
use crate::fault::wording::{quote, supported};
use crate::image::{Pixels, Ratio, Size, Tier};

/// Sizes of OpenAI's models. Where the model's own are all larger, such a one is made at the smallest of its shape and
/// scaled down; any other size that breaks the rules is refused.
const OPENAI_SIZES: [Pixels; 7] = [
    Pixels::new(256, 256),
    Pixels::new(512, 512),
    Pixels::new(1024, 1024),
    Pixels::new(1536, 1024),
    Pixels::new(1024, 1536),
    Pixels::new(1792, 1024),
    Pixels::new(1024, 1792),
];

/// A size settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizing {
    /// As upstream takes it; `None` is its default, which `auto` means.
    pub(super) size: Option<Size>,
    /// As upstream is told it; `None` is nothing.
    pub(super) tier: Option<Tier>,
    /// What the finished picture is scaled down and cropped to.
    pub(super) scale: Option<Pixels>,
    /// The picture to expect.
    pub(super) expected: Pixels,
}

impl Sizing {
    fn exact(pixels: Pixels) -> Self {
        Self { size: Some(Size::Pixels(pixels)), tier: None, scale: None, expected: pixels }
    }

    fn scaled_to(self, asked: Pixels) -> Self {
        Self { scale: Some(asked), ..self }
    }

    /// The same picture, asked for by its pixels instead of its ratio and tier, where the model takes both.
    pub(super) fn in_pixels(self, row: &Row) -> Option<Self> {
        let Some(Size::Ratio(ratio)) = self.size else { return None };
        let known = row.sizes.ratio(ratio)?;
        let at_tier = known.pictures.iter().find(|(tier, _)| self.tier.is_none_or(|asked| asked == *tier));
        let (_, picture) = at_tier?;
        let taken = match &row.sizes.pixels {
            PixelSizes::Rule(rule) => rule.check(*picture).is_ok(),
            PixelSizes::Listed(listed) => listed.contains(picture),
            PixelSizes::None => false,
        };
        taken.then(|| Self { scale: self.scale, ..Self::exact(*picture) })
    }
}

impl Row {
    /// The sizes of OpenAI's models that this one makes larger, at the smallest of its own, and scales down.
    pub fn scaled_down(&self) -> Vec<Pixels> {
        let scaled = |size: &Pixels| in_pixels(self, *size).is_ok_and(|sizing| sizing.scale.is_some());
        OPENAI_SIZES.into_iter().filter(scaled).collect()
    }
}

/// `tier`: the one to use for a ratio, and where it counts for `auto`.
pub(super) fn settle(row: &Row, size: Option<Size>, tier: Option<AskedTier>) -> Result<Sizing, Fault> {
    match size.unwrap_or(Size::Auto) {
        Size::Auto => Ok(automatic(row, tier)),
        Size::Ratio(ratio) => {
            let known = row.sizes.ratio(ratio).ok_or_else(|| unknown_ratio(row, ratio))?;
            Ok(of_ratio(row, known, tier.map(|tier| tier.tier)))
        }
        Size::Pixels(asked) => in_pixels(row, asked),
    }
}

fn automatic(row: &Row, tier: Option<AskedTier>) -> Sizing {
    let none = Sizing { size: None, tier: None, scale: None, expected: row.sizes.auto_picture };
    let Some(tier) = tier.filter(|_| row.tiers.as_ref().is_some_and(|tiers| tiers.with_auto)) else {
        return none;
    };
    let square = row.sizes.ratios.iter().find(|row| row.ratio == Ratio::new(1, 1));
    let expected = square.and_then(|square| square.at(Some(tier.tier))).unwrap_or(none.expected);
    Sizing { tier: Some(tier.tier), expected, ..none }
}

/// A ratio of the row at one of its tiers, or at its only picture.
fn of_ratio(row: &Row, known: &RatioRow, tier: Option<Tier>) -> Sizing {
    let tier = row.tiers.as_ref().map(|tiers| tier.unwrap_or(tiers.default));
    let expected = known.at(tier).unwrap_or(row.sizes.auto_picture);
    Sizing { size: Some(Size::Ratio(known.ratio)), tier, scale: None, expected }
}

fn in_pixels(row: &Row, asked: Pixels) -> Result<Sizing, Fault> {
    match &row.sizes.pixels {
        PixelSizes::Rule(rule) => by_rule(row, rule, asked),
        PixelSizes::Listed(listed) if listed.contains(&asked) => Ok(Sizing::exact(asked)),
        PixelSizes::Listed(listed) => {
            let covering = listed.iter().filter(|size| covers(**size, asked));
            let skew = |size: &Pixels| skew(*size, asked);
            let best = covering.min_by(|a, b| skew(a).total_cmp(&skew(b)));
            let best = best.ok_or_else(|| too_large(row, asked, listed.iter().copied()))?;
            Ok(Sizing::exact(*best).scaled_to(asked))
        }
        PixelSizes::None if row.sizes.ratios.is_empty() => Err(no_size(row, asked)),
        PixelSizes::None => by_ratio(row, asked),
    }
}

fn by_rule(row: &Row, rule: &PixelRule, asked: Pixels) -> Result<Sizing, Fault> {
    let broken = match rule.check(asked) {
        Ok(()) => return Ok(Sizing::exact(asked)),
        Err(broken) => broken,
    };
    if OPENAI_SIZES.contains(&asked)
        && let Some(made) = rule.smallest_like(asked)
    {
        return Ok(Sizing::exact(made).scaled_to(asked));
    }
    Err(refuse(row, rule, asked, broken))
}

/// The nearest ratio at the smallest tier that covers what is asked; a ratio that never does gives way to the next.
fn by_ratio(row: &Row, asked: Pixels) -> Result<Sizing, Fault> {
    let mut ratios: Vec<_> = row.sizes.ratios.iter().collect();
    ratios.sort_by(|a, b| a.skew(asked).total_cmp(&b.skew(asked)));
    let covering = |known: &&RatioRow| {
        let mut pictures = known.pictures.iter();
        pictures.find(|(_, picture)| covers(*picture, asked)).map(|(tier, _)| *tier)
    };
    let found = ratios.iter().find_map(|known| Some((*known, covering(known)?)));
    let Some((known, tier)) = found else {
        let nearest = ratios.first().into_iter().flat_map(|row| row.pictures.iter().map(|(_, size)| *size));
        return Err(too_large(row, asked, nearest));
    };
    Ok(of_ratio(row, known, Some(tier)).scaled_to(asked))
}

fn covers(made: Pixels, asked: Pixels) -> bool {
    made.width >= asked.width && made.height >= asked.height
}

fn skew(made: Pixels, asked: Pixels) -> f64 {
    RatioRow { ratio: Ratio::new(made.width, made.height), pictures: Vec::new() }.skew(asked)
}

fn unknown_ratio(row: &Row, ratio: Ratio) -> Fault {
    let ratio = quote(&ratio.to_string());
    let known: Vec<_> = row.sizes.ratios.iter().map(|known| known.ratio.to_string()).collect();
    let words = match (known.is_empty(), &row.sizes.pixels) {
        (false, _) => supported(&known),
        (true, PixelSizes::None) => {
            return Fault::invalid("size", format!("Invalid value: {ratio}. {}", takes_none(row)));
        }
        (true, _) => format!(
            "{} takes sizes as 'WIDTHxHEIGHT' only, for example '{}'.",
            row.model, row.sizes.auto_picture
        ),
    };
    Fault::invalid("size", format!("Invalid value: {ratio}. {words}"))
}

fn takes_none(row: &Row) -> String {
    format!("{} makes pictures of its own choice of size: leave 'size' out or use 'auto'.", row.model)
}

fn no_size(row: &Row, asked: Pixels) -> Fault {
    Fault::invalid("size", format!("Invalid value: '{asked}'. {}", takes_none(row)))
}

fn too_large(row: &Row, asked: Pixels, sizes: impl Iterator<Item = Pixels>) -> Fault {
    let largest = sizes.max_by(|a, b| {
        // of a fixed list, the largest of the asked shape
        let key = |size: &Pixels| (size.area(), skew(*size, asked));
        let ((a_area, a_skew), (b_area, b_skew)) = (key(a), key(b));
        a_area.cmp(&b_area).then(b_skew.total_cmp(&a_skew))
    });
    let largest = largest.map(|size| format!(" The largest size of about this shape is '{size}'."));
    let message = format!(
        "Invalid value: '{asked}'. {} makes no picture so large, and none is scaled up.{}",
        row.model,
        largest.unwrap_or_default()
    );
    Fault::invalid("size", message)
}

fn refuse(row: &Row, rule: &PixelRule, asked: Pixels, broken: BrokenRule) -> Fault {
    let words = rule.words(broken);
    let nearest =
        rule.nearest(asked).map(|size| format!(" The nearest size that {} takes is '{size}'.", row.model));
    Fault::invalid("size", format!("Invalid value: '{asked}'. {words}{}", nearest.unwrap_or_default()))
}
