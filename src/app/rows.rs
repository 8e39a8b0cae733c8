//! From `models.catalog` to the table of models: the built-in rows, changed and added to.

mod limits;
mod own;

use std::fmt;

use crate::catalog::{
    Efforts, Inputs, MaskRule, Output, PixelRule, PixelSizes, Price, RatioRow, Row, TierField, Tiers,
    Transparency, built_in, nominal,
};
use crate::config::settings::{CatalogRow, ImageInputs, PngBy, ResolutionAs, Transparent};
use crate::image::{Ratio, Size, Tier};
use crate::money::Credits;

/// A column that makes no sense together with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// In the configuration, for example `models.catalog[0].default_quality`.
    pub path: String,
    pub message: String,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Collects what is wrong with one row.
struct Findings<'a> {
    index: usize,
    problems: &'a mut Vec<RowProblem>,
}

impl Findings<'_> {
    fn add(&mut self, column: &str, message: impl Into<String>) {
        let path = format!("models.catalog[{}].{column}", self.index);
        self.problems.push(RowProblem { path, message: message.into() });
    }
}

/// The built-in rows with the configured ones over and after them; or all that is wrong with these.
///
/// # Errors
/// Combinations of columns that cannot work, each at its place.
pub fn rows(configured: &[CatalogRow]) -> Result<Vec<Row>, Vec<RowProblem>> {
    let (mut rows, mut problems) = (built_in(), Vec::new());
    for (index, columns) in configured.iter().enumerate() {
        let mut findings = Findings { index, problems: &mut problems };
        let from = columns.like.as_ref().unwrap_or(&columns.id);
        let start = rows.iter().find(|row| row.model == *from);
        if start.is_none() && columns.like.is_some() {
            findings
                .add("like", format!("`{from}` is no model above this row and none of the built-in ones"));
        }
        let start = match start {
            Some(row) if row.model == columns.id => row.clone(),
            Some(row) => Row { model: columns.id.clone(), names: Vec::new(), ..row.clone() },
            None => Row::minimal(&columns.id),
        };
        let row = changed(start, columns, &mut findings);
        match rows.iter_mut().find(|known| known.model == row.model) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

fn changed(start: Row, columns: &CatalogRow, findings: &mut Findings<'_>) -> Row {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let mut row = start;
    if let Some(chars) = columns.prompt_characters {
        row.prompt.chars_max = Some(count(chars));
    }
    if let Some(bytes) = columns.prompt_bytes {
        row.prompt.bytes_max = Some(count(bytes));
    }
    if let Some(tokens) = columns.prompt_tokens {
        row.prompt.tokens_max = Some(tokens.into());
    }
    row.tiers = tiers(row.tiers.as_ref(), columns, findings);
    row.efforts = efforts(row.efforts, columns, findings);
    if row.efforts.is_some() && row.tiers.as_ref().is_some_and(|tiers| tiers.field == TierField::Quality) {
        findings.add(
            "resolution_as",
            "must not be quality for a model that has qualities: both would travel there",
        );
    }
    sizes(&mut row, columns, findings);
    if let Some(max) = columns.max_n {
        row.count_max = u8::try_from(max).unwrap_or(u8::MAX);
        if !(1..=crate::image::COUNT_MAX).contains(&row.count_max) {
            findings.add("max_n", format!("must be from 1 to {}", crate::image::COUNT_MAX));
        }
    }
    row.inputs = inputs(row.inputs, &columns.images, findings);
    surface(&mut row, columns, findings);
    if let Some(parameters) = &columns.parameters {
        row.own = parameters.iter().map(|(name, parameter)| own::own(name, parameter, findings)).collect();
    }
    if let Some(price) = columns.price_per_image {
        row.price = Price::PerImage(Credits::from_micro(price.micros()));
    }
    row.task_timeout = columns.task_timeout.or(row.task_timeout);
    limits::check(&row, columns, findings);
    row
}

fn tiers(start: Option<&Tiers>, columns: &CatalogRow, findings: &mut Findings<'_>) -> Option<Tiers> {
    let all = match (&columns.resolutions, start) {
        (Some(all), _) => all.clone(),
        (None, Some(start)) => start.all.clone(),
        (None, None) => Vec::new(),
    };
    let Some(first) = all.first().copied() else {
        let others = [
            ("default_resolution", columns.default_resolution.is_some()),
            ("resolution_as", columns.resolution_as.is_some()),
            ("resolution_with_auto", columns.resolution_with_auto.is_some()),
        ];
        for (column, _) in others.into_iter().filter(|(_, given)| *given) {
            findings.add(column, "needs resolutions");
        }
        return None;
    };
    if !all.is_sorted_by(|a, b| a < b) {
        findings.add("resolutions", "must go from the smallest to the largest, each once");
    }
    let kept = start.map(|start| start.default).filter(|tier| all.contains(tier));
    let default = columns.default_resolution.or(kept).unwrap_or(first);
    if !all.contains(&default) {
        findings.add("default_resolution", "must be one of resolutions");
    }
    let field = match columns.resolution_as {
        Some(ResolutionAs::Resolution) => TierField::Resolution,
        Some(ResolutionAs::Quality) => TierField::Quality,
        None => start.map_or(TierField::Resolution, |start| start.field),
    };
    let with_auto = start.is_some_and(|start| start.with_auto);
    Some(Tiers { field, default, with_auto: columns.resolution_with_auto.unwrap_or(with_auto), all })
}

fn efforts(start: Option<Efforts>, columns: &CatalogRow, findings: &mut Findings<'_>) -> Option<Efforts> {
    use crate::image::Quality::{Auto, Hd, Standard};
    let all = match (&columns.qualities, &start) {
        (Some(all), _) => all.clone(),
        (None, Some(start)) => start.all.clone(),
        (None, None) => Vec::new(),
    };
    let Some(first) = all.first().copied() else {
        if columns.default_quality.is_some() {
            findings.add("default_quality", "needs qualities");
        }
        return None;
    };
    if all.iter().any(|quality| [Auto, Standard, Hd].contains(quality)) || !all.is_sorted_by(|a, b| a < b) {
        findings.add("qualities", "must be some of low, medium, high, xhigh and max, in this order");
    }
    let kept = start.map(|start| start.default).filter(|quality| *quality == Auto || all.contains(quality));
    let default = columns.default_quality.or(kept).unwrap_or(first);
    if default != Auto && !all.contains(&default) {
        findings.add("default_quality", "must be one of qualities, or auto");
    }
    Some(Efforts { all, default })
}

fn sizes(row: &mut Row, columns: &CatalogRow, findings: &mut Findings<'_>) {
    if columns.pixels.is_some() && columns.sizes.as_ref().is_some_and(|sizes| !sizes.is_empty()) {
        findings.add("sizes", "goes without pixels: sizes are either listed or by rules");
    }
    if let Some(sizes) = &columns.sizes {
        row.sizes.pixels =
            if sizes.is_empty() { PixelSizes::None } else { PixelSizes::Listed(sizes.clone()) };
    }
    if let Some(rule) = &columns.pixels {
        if rule.min_edge > rule.max_edge || rule.min_pixels > rule.max_pixels {
            findings.add("pixels", "must not have a least above the most");
        }
        row.sizes.pixels = PixelSizes::Rule(PixelRule {
            step: rule.multiple_of,
            edge_min: rule.min_edge,
            edge_max: rule.max_edge,
            area_min: rule.min_pixels,
            area_max: rule.max_pixels,
            ratio_max: rule.max_ratio,
        });
    }
    let known = row.sizes.ratios.clone();
    let wanted: Vec<Ratio> = match &columns.ratios {
        Some(ratios) => ratios.clone(),
        None => known.iter().map(|row| row.ratio).collect(),
    };
    let tiers = row.tiers.as_ref().map_or_else(|| vec![Tier::K1], |tiers| tiers.all.clone());
    let listed = pictures(columns, &wanted, &tiers, findings);
    let picture = |ratio: Ratio, tier: Tier| {
        let listed = listed.iter().find(|(at, _)| *at == (ratio, tier)).map(|(_, pixels)| *pixels);
        let known = known
            .iter()
            .find(|row| row.ratio == ratio)
            .and_then(|row| row.pictures.iter().find(|(known, _)| *known == tier).map(|(_, pixels)| *pixels));
        (tier, listed.or(known).unwrap_or_else(|| nominal(ratio, tier)))
    };
    row.sizes.ratios = wanted
        .into_iter()
        .map(|ratio| RatioRow { ratio, pictures: tiers.iter().map(|tier| picture(ratio, *tier)).collect() })
        .collect();
    row.sizes.auto |= columns.auto_size.is_some();
    row.sizes.auto_picture = columns.auto_size.unwrap_or(row.sizes.auto_picture);
}

/// The pictures as configured, by ratio and tier.
fn pictures(
    columns: &CatalogRow,
    ratios: &[Ratio],
    tiers: &[Tier],
    findings: &mut Findings<'_>,
) -> Vec<((Ratio, Tier), crate::image::Pixels)> {
    let mut pictures = Vec::new();
    for (written, by_tier) in &columns.pictures {
        let ratio = match written.parse() {
            Ok(Size::Ratio(ratio)) if ratios.contains(&ratio) => ratio,
            _ => {
                findings.add(&format!("pictures[\"{written}\"]"), "must be one of ratios");
                continue;
            }
        };
        for (tier, pixels) in by_tier {
            let Some(tier) = tier.parse().ok().filter(|tier| tiers.contains(tier)) else {
                let column = format!("pictures[\"{written}\"][\"{tier}\"]");
                findings.add(&column, "must be one of resolutions, or 1K where there are none");
                continue;
            };
            pictures.push(((ratio, tier), *pixels));
        }
    }
    pictures
}

fn inputs(start: Inputs, columns: &ImageInputs, findings: &mut Findings<'_>) -> Inputs {
    let count = |count: Option<u32>| count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let inputs = Inputs {
        min: count(columns.min).unwrap_or(start.min),
        max: count(columns.max).unwrap_or(start.max),
        bytes_max: columns.max_bytes.map_or(start.bytes_max, crate::config::size::Size::bytes),
        edge_min: columns.min_edge.unwrap_or(start.edge_min),
        edge_max: columns.max_edge.unwrap_or(start.edge_max),
        area_max: columns.max_pixels.unwrap_or(start.area_max),
        ratio_max: columns.max_ratio.unwrap_or(start.ratio_max),
        alpha: columns.alpha.unwrap_or(start.alpha),
    };
    if inputs.min > inputs.max {
        findings.add("images.min", "must not be more than images.max");
    }
    if inputs.edge_min > inputs.edge_max {
        findings.add("images.min_edge", "must not be more than images.max_edge");
    }
    inputs
}

fn surface(row: &mut Row, columns: &CatalogRow, findings: &mut Findings<'_>) {
    match columns.mask {
        Some(true) if row.inputs.max == 0 => findings.add("mask", "needs images.max of 1 or more"),
        Some(true) => row.mask = row.mask.or(Some(MaskRule::USUAL)),
        Some(false) => row.mask = None,
        None => row.mask = row.mask.filter(|_| row.inputs.max > 0),
    }
    row.transparency = match columns.transparent {
        None => row.transparency,
        Some(Transparent::Never) => Transparency::Never,
        Some(Transparent::Always) => Transparency::Always,
        Some(Transparent::OfInput) => Transparency::OfInput,
    };
    if columns.transparent == Some(Transparent::OfInput) && row.inputs.max == 0 {
        findings.add("transparent", "of_input needs images.max of 1 or more");
    }
    row.output = match columns.png_by {
        None => row.output,
        Some(PngBy::Default) => Output::Png,
        Some(PngBy::OutputFormat) => Output::Asked,
        Some(PngBy::ModelParams) => Output::AskedInModelParams,
        Some(PngBy::Nothing) => Output::Unknown,
    };
}

#[cfg(test)]
mod tests;
