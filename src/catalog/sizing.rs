//! `size` and `resolution`: what upstream is asked for, and what is made of the picture here.

use super::row::{PixelRule, Row};
use crate::fault::Fault;
use crate::fault::wording::{quote, supported};
use crate::image::{Pixels, Ratio, Size, Tier};

/// A size settled.
pub(super) struct Sizing {
    /// As upstream takes it; `None` is its default, `auto`.
    pub(super) size: Option<Size>,
    pub(super) resolution: Option<Tier>,
    /// What the finished picture is scaled down to.
    pub(super) scale: Option<Pixels>,
    /// `resolution` was given where it means nothing.
    pub(super) resolution_unused: bool,
}

pub(super) fn settle(row: &Row, size: Option<Size>, resolution: Option<Tier>) -> Result<Sizing, Fault> {
    let fixed =
        |size, scale| Sizing { size, resolution: None, scale, resolution_unused: resolution.is_some() };
    match size.unwrap_or(Size::Auto) {
        Size::Auto => Ok(fixed(None, None)),
        Size::Ratio(ratio) => {
            known(row, ratio)?;
            let tier = resolution.unwrap_or(row.sizes.tier_default);
            Ok(Sizing {
                size: Some(Size::Ratio(ratio)),
                resolution: Some(tier),
                scale: None,
                resolution_unused: false,
            })
        }
        Size::Pixels(asked) if row.sizes.legacy.contains(&asked) => {
            Ok(fixed(Some(Size::Pixels(row.sizes.pixels.smallest_square())), Some(asked)))
        }
        Size::Pixels(asked) => {
            row.sizes.pixels.check(asked).map_err(|broken| refuse(row, asked, broken))?;
            Ok(fixed(Some(Size::Pixels(asked)), None))
        }
    }
}

/// The picture to expect of a task that [`settle`] sized.
pub(super) fn expected(row: &Row, size: Option<Size>, resolution: Option<Tier>) -> Pixels {
    let tier = resolution.unwrap_or(row.sizes.tier_default);
    match size {
        Some(Size::Pixels(pixels)) => pixels,
        Some(Size::Ratio(ratio)) => {
            let found = row.sizes.ratios.iter().find(|known| known.ratio == ratio);
            found.map_or(row.sizes.auto, |known| known.at(tier))
        }
        Some(Size::Auto) | None => row.sizes.auto,
    }
}

fn known(row: &Row, ratio: Ratio) -> Result<(), Fault> {
    if row.sizes.ratios.iter().any(|known| known.ratio == ratio) {
        return Ok(());
    }
    let ratios: Vec<_> = row.sizes.ratios.iter().map(|known| known.ratio.to_string()).collect();
    let message = format!("Invalid value: {}. {}", quote(&ratio.to_string()), supported(&ratios));
    Err(Fault::invalid("size", message))
}

fn refuse(row: &Row, asked: Pixels, broken: BrokenRule) -> Fault {
    let rule = row.sizes.pixels;
    let words = rule.words(broken);
    let nearest =
        rule.nearest(asked).map(|size| format!(" The nearest size that {} takes is '{size}'.", row.model));
    Fault::invalid("size", format!("Invalid value: '{asked}'. {words}{}", nearest.unwrap_or_default()))
}

/// Which rule a size breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BrokenRule {
    Edge,
    Step,
    Ratio,
    TooSmall,
    TooLarge,
}

impl PixelRule {
    /// The first rule that `pixels` break.
    fn check(&self, pixels: Pixels) -> Result<(), BrokenRule> {
        let Pixels { width, height } = pixels;
        let (short, long) = (width.min(height), width.max(height));
        if long > self.edge_max || short < self.edge_min {
            Err(BrokenRule::Edge)
        } else if !width.is_multiple_of(self.step) || !height.is_multiple_of(self.step) {
            Err(BrokenRule::Step)
        } else if long > short.saturating_mul(self.ratio_max) {
            Err(BrokenRule::Ratio)
        } else if pixels.area() < self.area_min {
            Err(BrokenRule::TooSmall)
        } else if pixels.area() > self.area_max {
            Err(BrokenRule::TooLarge)
        } else {
            Ok(())
        }
    }

    fn words(&self, broken: BrokenRule) -> String {
        match broken {
            BrokenRule::Edge => {
                format!("Width and height must be from {} to {} pixels.", self.edge_min, self.edge_max)
            }
            BrokenRule::Step => format!("Width and height must be multiples of {}.", self.step),
            BrokenRule::Ratio => {
                format!("The longer side may be at most {} times the shorter.", self.ratio_max)
            }
            BrokenRule::TooSmall => format!("Width times height must be at least {} pixels.", self.area_min),
            BrokenRule::TooLarge => format!("Width times height may be at most {} pixels.", self.area_max),
        }
    }

    /// The smallest square within the rules.
    fn smallest_square(&self) -> Pixels {
        let squares = self.edges().map(|edge| Pixels::new(edge, edge));
        let mut fitting = squares.filter(|square| self.check(*square).is_ok());
        fitting.next().unwrap_or(Pixels::new(self.edge_max, self.edge_max))
    }

    /// The size within the rules whose edges are nearest to `asked`; of two, the larger. Every size is tried: some
    /// 57,600 for gpt-image-2, all integers, and only on the way to a 400.
    fn nearest(&self, asked: Pixels) -> Option<Pixels> {
        let sizes = self.edges().flat_map(|width| self.edges().map(move |height| Pixels::new(width, height)));
        let away = |size: &Pixels| {
            let square = |a: u32, b: u32| u64::from(a.abs_diff(b)).pow(2);
            (square(size.width, asked.width) + square(size.height, asked.height), u64::MAX - size.area())
        };
        sizes.filter(|size| self.check(*size).is_ok()).min_by_key(away)
    }

    fn edges(&self) -> impl Iterator<Item = u32> + use<> {
        let step = self.step.max(1);
        let first = self.edge_min.next_multiple_of(step);
        (first..=self.edge_max).step_by(usize::try_from(step).unwrap_or(1))
    }
}
