//! Prices: of models that are there, and either by the image or by the token.

use super::Findings;
use crate::config::amount::Amount;
use crate::config::nearest;
use crate::config::path::Path;
use crate::config::settings::{ModelPrice, Pricing};
use crate::image::Quality;

/// `known`: the ids of all models.
pub(super) fn check(pricing: &Pricing, known: &[&str], findings: &mut Findings<'_>) {
    let path = Path::of(&["pricing"]);
    if pricing.credits_per_usd == Amount::default() {
        findings.add(&path.join("credits_per_usd"), "must be more than 0");
    }
    for (model, price) in &pricing.models {
        let path = path.join("models").join(model.as_str());
        if !known.contains(&model.as_str()) {
            findings.add(&path, nearest::unknown("model", model, known));
        }
        one(price, &path, findings);
    }
}

fn one(price: &ModelPrice, path: &Path, findings: &mut Findings<'_>) {
    if price.per_image.is_some() && price.is_by_token() {
        let message = "goes without tokens, output_tokens and reference_tokens: a model is paid by the image or by the token";
        findings.add(&path.join("per_image"), message);
    }
    if price.per_image.is_none() && price.variants.is_empty() && !price.is_by_token() {
        findings.add(path, "must say per_image, variants, tokens, output_tokens or reference_tokens");
    }
    let variants = path.join("variants");
    for (index, variant) in price.variants.iter().enumerate() {
        // Requests for these mean one of the others, by model.
        if variant.quality.is_some_and(|quality| matches!(quality, Quality::Standard | Quality::Hd)) {
            let message = "must be one of auto, low, medium, high, xhigh, max; auto is the quality of models without any";
            findings.add(&variants.join(index).join("quality"), message);
        }
        let fits = |earlier: Option<_>, later| earlier.is_none() || earlier == later;
        let resolution = |of: &crate::config::settings::PriceVariant| of.resolution;
        let hidden = price.variants.iter().take(index).any(|earlier| {
            let qualities = earlier.quality.is_none() || earlier.quality == variant.quality;
            qualities && fits(resolution(earlier), resolution(variant))
        });
        if hidden {
            findings.add(
                &variants.join(index),
                "never counts: the first that fits does, and an earlier one does",
            );
        }
    }
}
