//! Sizes of pictures: pixels, ratios and resolution tiers.

use std::fmt;
use std::str::FromStr;

/// Width and height in pixels, both at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pixels {
    pub width: u32,
    pub height: u32,
}

impl Pixels {
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Width times height.
    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The tier a picture of so many pixels counts as: 1K up to 1,900,000, 2K up to 4,300,000, 4K beyond.
    pub fn tier(self) -> Tier {
        match self.area() {
            0..=1_900_000 => Tier::K1,
            1_900_001..=4_300_000 => Tier::K2,
            _ => Tier::K4,
        }
    }
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// An aspect ratio as written, for example `16:9` or `19.5:9`. Both sides above 0; not reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    width_tenths: u32,
    height_tenths: u32,
}

impl Ratio {
    pub const fn new(width: u32, height: u32) -> Self {
        Self::of_tenths(width.saturating_mul(10), height.saturating_mul(10))
    }

    /// `195, 90` is `19.5:9`.
    pub const fn of_tenths(width_tenths: u32, height_tenths: u32) -> Self {
        Self { width_tenths, height_tenths }
    }

    /// Width and height in tenths.
    pub const fn sides(self) -> (u32, u32) {
        (self.width_tenths, self.height_tenths)
    }

    #[must_use]
    pub const fn turned(self) -> Self {
        Self::of_tenths(self.height_tenths, self.width_tenths)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write_side = |f: &mut fmt::Formatter<'_>, tenths: u32| match tenths % 10 {
            0 => write!(f, "{}", tenths / 10),
            rest => write!(f, "{}.{rest}", tenths / 10),
        };
        write_side(f, self.width_tenths)?;
        f.write_str(":")?;
        write_side(f, self.height_tenths)
    }
}

/// A resolution tier, as Evolink's models name them; 1K, 2K and 4K are also the steps of `limits.max_resolution`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    K0_5,
    K1,
    K1_5,
    K2,
    K3,
    K4,
}

impl Tier {
    pub const ALL: [Self; 6] = [Self::K0_5, Self::K1, Self::K1_5, Self::K2, Self::K3, Self::K4];

    pub const fn name(self) -> &'static str {
        match self {
            Self::K0_5 => "0.5K",
            Self::K1 => "1K",
            Self::K1_5 => "1.5K",
            Self::K2 => "2K",
            Self::K3 => "3K",
            Self::K4 => "4K",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = SizeError;

    /// Case does not matter: `2k` is `2K`.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        Self::ALL.into_iter().find(|tier| tier.name().eq_ignore_ascii_case(text)).ok_or(SizeError::Tier)
    }
}

/// What the `size` parameter asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    Auto,
    Ratio(Ratio),
    Pixels(Pixels),
}

/// Why a text is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("not a size: use 'auto', a ratio such as '16:9', or 'WIDTHxHEIGHT' such as '1024x1024'")]
    Size,
    #[error("not a resolution: use a tier such as '1K', '2K' or '4K'")]
    Tier,
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        if let Some((width, height)) = text.split_once(':') {
            return Ok(Self::Ratio(Ratio::of_tenths(tenths(width)?, tenths(height)?)));
        }
        let (width, height) = text.split_once(['x', 'X', '×']).ok_or(SizeError::Size)?;
        Ok(Self::Pixels(Pixels::new(side(width)?, side(height)?)))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Ratio(ratio) => ratio.fmt(f),
            Self::Pixels(pixels) => pixels.fmt(f),
        }
    }
}

/// One side of a size: digits only (no sign, no space), 1 to 99,999.
fn side(text: &str) -> Result<u32, SizeError> {
    if text.len() > 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SizeError::Size);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(SizeError::Size),
        Ok(side) => Ok(side),
    }
}

/// One side of a ratio in tenths; at most one decimal place.
fn tenths(text: &str) -> Result<u32, SizeError> {
    let Some((whole, place)) = text.split_once('.') else {
        return side(text).map(|side| side * 10);
    };
    match (side(whole), place.as_bytes()) {
        (Ok(whole), [digit]) if digit.is_ascii_digit() => Ok(whole * 10 + u32::from(digit - b'0')),
        _ => Err(SizeError::Size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_written_form() {
        assert_eq!("auto".parse(), Ok(Size::Auto));
        assert_eq!("16:9".parse(), Ok(Size::Ratio(Ratio::new(16, 9))));
        let expected = Ok(Size::Pixels(Pixels::new(3840, 2160)));
        for text in ["3840x2160", "3840X2160", "3840×2160"] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        assert_eq!("2k".parse(), Ok(Tier::K2));
    }

    #[test]
    fn ratios_may_have_one_decimal_place_and_are_written_as_they_came() {
        for text in ["16:9", "19.5:9", "9:19.5", "99999.9:1"] {
            assert_eq!(text.parse::<Size>().map(|size| size.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("16.0:9".parse::<Size>(), "16:9".parse());
        for text in ["19.55:9", ".5:9", "19.:9", "1.x:1", "1..5:1"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::Size), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "x", "1024", "0x10", "-1x5", "1024x", "x1024", "10 x10", "1:0", "999999x1", "1x1x1", "+1x1"]
        {
            assert_eq!(text.parse::<Size>(), Err(SizeError::Size), "{text}");
        }
        assert_eq!("5K".parse::<Tier>(), Err(SizeError::Tier));
    }

    #[test]
    fn tiers_follow_the_pixel_steps_of_the_limits() {
        assert_eq!(Pixels::new(1792, 1024).tier(), Tier::K1);
        assert_eq!(Pixels::new(2048, 2048).tier(), Tier::K2);
        assert_eq!(Pixels::new(2160, 2160).tier(), Tier::K4);
    }
}
