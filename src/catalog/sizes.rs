//! The sizes a model makes: ratios with their pictures, and the rules for sizes in pixels.

use crate::image::{Pixels, Ratio, Tier};

/// The sizes a model makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Whether `auto` is one of the model's own values. It is never sent: leaving `size` out means the same.
    pub auto: bool,
    /// The picture to expect without a size, where no tier decides.
    pub auto_picture: Pixels,
    /// With the pictures each gives at each tier.
    pub ratios: Vec<RatioRow>,
    pub pixels: PixelSizes,
}

/// Which sizes in pixels upstream takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PixelSizes {
    /// None: such sizes are made of the nearest ratio.
    None,
    Rule(PixelRule),
    /// These only; others are made of the nearest of them.
    Listed(Vec<Pixels>),
}

/// One ratio and the pictures it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatioRow {
    pub ratio: Ratio,
    /// By tier, smallest first; a model without tiers has one picture.
    pub pictures: Vec<(Tier, Pixels)>,
}

/// The rules for sizes given in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelRule {
    /// Both edges are multiples of this.
    pub step: u32,
    pub edge_min: u32,
    pub edge_max: u32,
    /// Width times height.
    pub area_min: u64,
    pub area_max: u64,
    /// The longer side is at most so many times the shorter.
    pub ratio_max: u32,
}

/// Where no page tells the picture of a ratio, its edges are multiples of this.
const NOMINAL_STEP: u64 = 16;

/// A picture of about the tier's area (`1K` is 1024x1024) in the ratio, edges rounded down to steps of 16: what is
/// expected where no page gives the pixels. The true picture may differ by some tens of pixels.
pub fn nominal(ratio: Ratio, tier: Tier) -> Pixels {
    let edge: u64 = match tier {
        Tier::K0_5 => 512,
        Tier::K1 => 1024,
        Tier::K1_5 => 1536,
        Tier::K2 => 2048,
        Tier::K3 => 3072,
        Tier::K4 => 4096,
    };
    let (width, height) = ratio.sides();
    let side = |this: u32, other: u32| {
        let exact = (edge * edge * u64::from(this) / u64::from(other).max(1)).isqrt();
        u32::try_from((exact / NOMINAL_STEP * NOMINAL_STEP).max(NOMINAL_STEP)).unwrap_or(u32::MAX)
    };
    Pixels::new(side(width, height), side(height, width))
}

impl RatioRow {
    /// With nominal pictures.
    pub fn nominal(ratio: Ratio, tiers: &[Tier]) -> Self {
        Self { ratio, pictures: tiers.iter().map(|tier| (*tier, nominal(ratio, *tier))).collect() }
    }

    /// The picture at a tier; without tiers, the only one.
    pub fn at(&self, tier: Option<Tier>) -> Option<Pixels> {
        let found = self.pictures.iter().find(|(known, _)| Some(*known) == tier);
        found.or_else(|| self.pictures.first()).map(|(_, pixels)| *pixels)
    }

    /// How far the ratio is from that of `pixels`: 1 is the same, 2 twice as wide or twice as narrow.
    pub(super) fn skew(&self, pixels: Pixels) -> f64 {
        let (width, height) = self.ratio.sides();
        let ours = f64::from(width) * f64::from(pixels.height);
        let theirs = f64::from(height) * f64::from(pixels.width);
        (ours / theirs).max(theirs / ours)
    }
}

impl Sizes {
    /// No size at all.
    pub const fn none() -> Self {
        Self {
            auto: false,
            auto_picture: Pixels::new(1024, 1024),
            ratios: Vec::new(),
            pixels: PixelSizes::None,
        }
    }

    pub fn ratio(&self, ratio: Ratio) -> Option<&RatioRow> {
        self.ratios.iter().find(|known| known.ratio == ratio)
    }

    /// Whether a size can be asked for at all.
    pub fn any(&self) -> bool {
        !self.ratios.is_empty() || self.pixels != PixelSizes::None
    }
}

/// Which rule a size breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BrokenRule {
    Edge,
    Step,
    Ratio,
    TooSmall,
    TooLarge,
}

impl PixelRule {
    /// Whether upstream takes a size.
    pub fn allows(&self, pixels: Pixels) -> bool {
        self.check(pixels).is_ok()
    }

    /// The first rule that `pixels` break.
    pub(super) fn check(&self, pixels: Pixels) -> Result<(), BrokenRule> {
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

    pub(super) fn words(&self, broken: BrokenRule) -> String {
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

    /// The smallest size within the rules that covers `asked` and has its ratio, to a step or two.
    pub(super) fn smallest_like(&self, asked: Pixels) -> Option<Pixels> {
        let step = self.step.max(1);
        let first = asked.width.max(self.edge_min).next_multiple_of(step);
        let widths = (first..=self.edge_max).step_by(usize::try_from(step).unwrap_or(1));
        let mut sizes = widths.filter_map(|width| {
            let exact = u64::from(width) * u64::from(asked.height);
            let height = u32::try_from(exact.div_ceil(u64::from(asked.width).max(1))).ok()?;
            Some(Pixels::new(width, height.next_multiple_of(step)))
        });
        sizes.find(|size| self.allows(*size))
    }

    /// Whether any size at all is within the rules.
    pub fn fits_any(&self) -> bool {
        self.nearest(Pixels::new(self.edge_min, self.edge_min)).is_some()
    }

    /// The size within the rules whose edges are nearest to `asked`; of two, the larger. Tries every width, with the
    /// best height for it: 16,000 at most, all integers, and only on the way to a 400.
    pub(super) fn nearest(&self, asked: Pixels) -> Option<Pixels> {
        let away = |size: &Pixels| {
            let square = |a: u32, b: u32| u64::from(a.abs_diff(b)).pow(2);
            (square(size.width, asked.width) + square(size.height, asked.height), u64::MAX - size.area())
        };
        self.edges()
            .flat_map(|width| self.heights(width, asked.height).map(move |height| Pixels::new(width, height)))
            .filter(|size| self.allows(*size))
            .min_by_key(away)
    }

    /// The two heights nearest to `wanted`, from below and above, that the rules may allow beside `width`.
    fn heights(&self, width: u32, wanted: u32) -> impl Iterator<Item = u32> + use<> {
        let (wide, step) = (u64::from(width).max(1), self.step.max(1));
        let narrow = |bound: u64| u32::try_from(bound).unwrap_or(u32::MAX);
        let least =
            [self.edge_min, width.div_ceil(self.ratio_max.max(1)), narrow(self.area_min.div_ceil(wide))];
        let most = [self.edge_max, width.saturating_mul(self.ratio_max), narrow(self.area_max / wide)];
        let least = least.into_iter().max().unwrap_or(1).div_ceil(step).saturating_mul(step);
        let most = most.into_iter().min().unwrap_or(1) / step * step;
        let below = wanted / step * step;
        let within = move |height: u32| (least <= most).then(|| height.clamp(least, most));
        [below, below.saturating_add(step)].into_iter().filter_map(within)
    }

    fn edges(&self) -> impl Iterator<Item = u32> + use<> {
        let step = self.step.max(1);
        let first = self.edge_min.next_multiple_of(step);
        (first..=self.edge_max).step_by(usize::try_from(step).unwrap_or(1))
    }
}
