//! `quality` and `resolution`: OpenAI's `quality` is a rendering effort, which some of Evolink's models have; with others
//! a parameter of that name carries the resolution tier.

use super::row::{Row, TierField, Tiers};
use crate::fault::Fault;
use crate::fault::wording::supported;
use crate::image::{Quality, Size, Tier};
use crate::openai::ignore;

/// What a client said of quality and tier.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) quality: Option<Quality>,
    /// `quality` written as a tier.
    pub(super) quality_tier: Option<Tier>,
    pub(super) resolution: Option<Tier>,
}

/// The tier of a request, said or by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AskedTier {
    pub(super) tier: Tier,
}

/// The effort to ask for: `Auto` where the model has none or chooses by itself, and is told nothing.
pub(super) fn effort(row: &Row, asked: Asked, ignored: &mut Vec<String>) -> Result<Quality, Fault> {
    let tier_by_quality = row.tiers.as_ref().is_some_and(|tiers| tiers.field == TierField::Quality);
    let Some(efforts) = &row.efforts else {
        let said = match asked.quality {
            None | Some(Quality::Auto | Quality::Standard) => false,
            Some(_) => true,
        };
        if said || (asked.quality_tier.is_some() && !tier_by_quality) {
            ignore(ignored, "quality");
        }
        return Ok(Quality::Auto);
    };
    let wanted = match asked.quality.unwrap_or(Quality::Auto) {
        Quality::Auto | Quality::Standard => efforts.default,
        Quality::Hd => Quality::High,
        named => named,
    };
    let known = wanted == efforts.default || efforts.all.contains(&wanted);
    let refused = match asked.quality_tier {
        Some(tier) => Some(tier.name()),
        None if known => None,
        None => Some(asked.quality.unwrap_or(wanted).name()),
    };
    let Some(refused) = refused else { return Ok(wanted) };
    let names: Vec<_> = [Quality::Auto].iter().chain(&efforts.all).map(|quality| quality.name()).collect();
    Err(Fault::invalid("quality", format!("Invalid value: '{refused}'. {}", supported(&names))))
}

/// The tier to use; None for a model without any. A tier that means nothing beside the size is checked and ignored.
pub(super) fn tier(
    row: &Row,
    asked: Asked,
    size: Option<Size>,
    ignored: &mut Vec<String>,
) -> Result<Option<AskedTier>, Fault> {
    let Some(tiers) = &row.tiers else {
        if asked.resolution.is_some() {
            ignore(ignored, "resolution");
        }
        return Ok(None);
    };
    let by_quality = asked.quality_tier.filter(|_| tiers.field == TierField::Quality);
    check(row, tiers, asked.resolution, "resolution")?;
    check(row, tiers, by_quality, "quality")?;
    if let (Some(resolution), Some(quality)) = (asked.resolution, by_quality)
        && resolution != quality
    {
        let message = format!(
            "Invalid value: '{quality}'. With {} 'quality' and 'resolution' are the same, and 'resolution' is \
             '{resolution}'. Give one of them.",
            row.model
        );
        return Err(Fault::invalid("quality", message));
    }
    let counts = match size.unwrap_or(Size::Auto) {
        Size::Auto => tiers.with_auto,
        Size::Ratio(_) => true,
        Size::Pixels(_) => false,
    };
    if !counts {
        for (given, name) in [(asked.resolution, "resolution"), (by_quality, "quality")] {
            if given.is_some() {
                ignore(ignored, name);
            }
        }
    }
    let tier = asked.resolution.or(by_quality).unwrap_or(tiers.default);
    Ok(Some(AskedTier { tier }))
}

fn check(row: &Row, tiers: &Tiers, given: Option<Tier>, param: &'static str) -> Result<(), Fault> {
    let Some(tier) = given.filter(|tier| !tiers.all.contains(tier)) else { return Ok(()) };
    let names: Vec<_> = tiers.all.iter().map(|tier| tier.name()).collect();
    let message = format!("Invalid value: '{tier}'. {} (The model is {}.)", supported(&names), row.model);
    Err(Fault::invalid(param, message))
}
