//! Evolink's size rules, written down a second time, apart from the table: what tests hold the table against.

use crate::image::Pixels;

/// Which value of which field upstream takes.
pub(super) struct Rules {
    pub(super) ratios: &'static str,
    /// Of `WIDTHxHEIGHT`.
    pub(super) pixels: fn(u64, u64) -> bool,
    /// The field of the tier and its values.
    pub(super) tiers: (&'static str, &'static str),
}

const NANO: &str = "1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9";
const NANO_2: &str = "1:1 1:4 4:1 1:8 8:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9";
const ELEVEN: &str = "1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9 9:21";
const FIFTEEN: &str = "1:1 1:2 2:1 1:3 3:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 9:21 21:9";
const NONE: fn(u64, u64) -> bool = |_, _| false;

fn area(width: u64, height: u64, least: u64, most: u64, ratio: u64) -> bool {
    (least..=most).contains(&(width * height)) && width <= ratio * height && height <= ratio * width
}

fn gpt(width: u64, height: u64) -> bool {
    let edges = [width, height].iter().all(|edge| edge % 16 == 0 && *edge <= 3840);
    edges && area(width, height, 655_360, 8_294_400, 3)
}

/// By the pages of the models, as of the table in November 2026.
pub(super) fn rules(model: &str) -> Rules {
    let rules = |ratios, pixels, field, tiers| Rules { ratios, pixels, tiers: (field, tiers) };
    match model {
        "gpt-image-2" | "gpt-image-2.5-sunburst" | "gpt-image-2.5-flare" => {
            rules(FIFTEEN, gpt, "resolution", "1K 2K 4K")
        }
        "gpt-image-2-beta" => rules(FIFTEEN, NONE, "resolution", "1K"),
        "gpt-image-1" | "gpt-image-1.5" | "gpt-image-1.5-lite" | "gpt-4o-image" => rules(
            "1:1 2:3 3:2",
            |width, height| [(1024, 1024), (1024, 1536), (1536, 1024)].contains(&(width, height)),
            "",
            "",
        ),
        "gemini-3-pro-image-preview" | "nano-banana-pro-beta" => rules(NANO, NONE, "quality", "1K 2K 4K"),
        "gemini-3.1-flash-image-preview" => rules(NANO_2, NONE, "quality", "0.5K 1K 2K 4K"),
        "gemini-nano-banana-2.1" | "nano-banana-2.1-beta" | "nano-banana-2-beta" => {
            rules(NANO_2, NONE, "quality", "1K 2K 4K")
        }
        "gemini-3.1-flash-lite-image" | "nano-banana-2-lite-beta" => rules(NANO_2, NONE, "quality", "1K"),
        "nano-banana-beta" => rules("1:1 2:3 3:2 4:3 3:4 16:9 9:16", NONE, "", ""),
        "doubao-seedream-4.0" => {
            rules(ELEVEN, |w, h| area(w, h, 921_600, 16_777_216, 16), "quality", "1K 2K 4K")
        }
        "doubao-seedream-4.5" => {
            rules(ELEVEN, |w, h| area(w, h, 3_686_400, 16_777_216, 16), "quality", "2K 4K")
        }
        "doubao-seedream-5.0-lite" => {
            rules(ELEVEN, |w, h| area(w, h, 3_686_400, 16_777_216, 16), "quality", "2K 3K 4K")
        }
        "doubao-seedream-5.0-pro" | "doubao-seedream-5.0-flash" => {
            rules(ELEVEN, |w, h| area(w, h, 921_600, 4_624_220, 16), "quality", "1K 1.5K 2K")
        }
        "qwen-image-3.0" | "qwen-image-3.0-pro" => {
            rules(ELEVEN, |w, h| area(w, h, 262_144, 4_194_304, 16), "quality", "1K 2K")
        }
        "qwen-image-edit-plus" => {
            rules("", |w, h| (512..=2048).contains(&w) && (512..=2048).contains(&h), "", "")
        }
        "qwen-image-edit" | "wan2.5-image-to-image" => rules("", NONE, "", ""),
        "wan2.5-text-to-image" => rules("", |w, h| area(w, h, 768 * 768, 1440 * 1440, 4), "", ""),
        "z-image-turbo" => rules(
            "1:1 2:3 3:2 3:4 4:3 9:16 16:9 1:2 2:1",
            |w, h| (376..=1536).contains(&w) && (376..=1536).contains(&h),
            "",
            "",
        ),
        "krea-2-turbo" => rules("1:1 4:3 3:4 5:4 4:5 2:3 3:2 9:16 16:9 1:2 2:1", NONE, "quality", "1K 2K"),
        "grok-imagine-image-2.0" => rules(
            "1:1 4:3 3:4 3:2 2:3 16:9 9:16 2:1 1:2 19.5:9 9:19.5 20:9 9:20",
            NONE,
            "resolution",
            "1K 2K",
        ),
        other => panic!("no second set of rules for {other}"),
    }
}

impl Rules {
    pub(super) fn takes_pixels(&self, size: Pixels) -> bool {
        (self.pixels)(size.width.into(), size.height.into())
    }

    /// Whether upstream takes these fields of a create.
    pub(super) fn takes(&self, size: Option<&str>, tier: Option<&str>) -> bool {
        let listed = |list: &str, wanted: &str| list.split(' ').any(|one| one == wanted);
        let pixels = |size: &str| {
            let (width, height) = size.split_once('x').expect("no size");
            (self.pixels)(width.parse().expect("no width"), height.parse().expect("no height"))
        };
        let size_fits = match size {
            None => true,
            Some(size) if size.contains(':') => listed(self.ratios, size),
            // a tier has no meaning beside pixels
            Some(size) => pixels(size) && tier.is_none(),
        };
        size_fits && tier.is_none_or(|tier| listed(self.tiers.1, tier))
    }
}
