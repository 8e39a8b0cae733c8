//! The table of models in docs/API.md, as the catalog has it.

use evolink_gateway::catalog::{Catalog, PixelSizes, Row, Transparency};

use crate::{API, section};

/// Names with the default in bold; a dash for none.
fn choices(all: impl Iterator<Item = &'static str>, default: Option<&str>) -> String {
    let mut names: Vec<_> =
        all.map(|name| if default == Some(name) { format!("**{name}**") } else { name.to_owned() }).collect();
    // a default that is none of them is the model's own choice
    if default == Some("auto") {
        names.push("**auto**".to_owned());
    }
    if names.is_empty() { "–".to_owned() } else { names.join(", ") }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

fn sizes(row: &Row) -> String {
    let ratios =
        Some(row.sizes.ratios.len()).filter(|count| *count > 0).map(|count| format!("{count} ratios"));
    let pixels = match &row.sizes.pixels {
        PixelSizes::None => None,
        PixelSizes::Listed(sizes) => {
            Some(sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        PixelSizes::Rule(rule) => {
            let squares = [rule.edge_min, rule.edge_max].map(|edge| u64::from(edge).pow(2));
            if squares == [rule.area_min, rule.area_max] {
                return ratios
                    .into_iter()
                    .chain([format!("edges of {} to {}", rule.edge_min, rule.edge_max)])
                    .collect::<Vec<_>>()
                    .join("; ");
            }
            let step = if rule.step > 1 { format!(", steps of {}", rule.step) } else { String::new() };
            let (least, most) = (thousands(rule.area_min), thousands(rule.area_max));
            Some(format!("{least} to {most} pixels, up to {}:1{step}", rule.ratio_max))
        }
    };
    let parts: Vec<_> = ratios.into_iter().chain(pixels).collect();
    if parts.is_empty() { "only `auto`".to_owned() } else { parts.join("; ") }
}

fn extras(row: &Row) -> String {
    let transparent = match row.transparency {
        Transparency::Never => None,
        Transparency::Always => Some("transparent background"),
        Transparency::OfInput => Some("transparent background of its one picture"),
    };
    let words = row.mask.iter().map(|_| "mask".to_owned()).chain(transparent.map(str::to_owned));
    let own = row.own.iter().map(|own| format!("`{}`", own.name));
    let all: Vec<_> = words.chain(own).collect();
    if all.is_empty() { "–".to_owned() } else { all.join(", ") }
}

fn model_line(row: &Row) -> String {
    let older: Vec<_> = row.names.iter().map(|name| format!(", older name `{name}`")).collect();
    let images = match (row.inputs.min, row.inputs.max) {
        (_, 0) => "–".to_owned(),
        (min, max) => format!("{min} to {max}"),
    };
    let tiers = row.tiers.as_ref();
    let efforts = row.efforts.as_ref();
    let cells = [
        format!("`{}`{}", row.model, older.concat()),
        sizes(row),
        choices(
            tiers.into_iter().flat_map(|tiers| tiers.all.iter().map(|tier| tier.name())),
            tiers.map(|tiers| tiers.default.name()),
        ),
        choices(
            efforts.into_iter().flat_map(|efforts| efforts.all.iter().map(|quality| quality.name())),
            efforts.map(|efforts| efforts.default.name()),
        ),
        images,
        extras(row),
    ];
    format!("| {} |", cells.join(" | "))
}

#[test]
fn the_table_of_models_is_the_catalogs() {
    let head =
        ["| model | size | resolution | quality | images | more |", "| --- | --- | --- | --- | --- | --- |"];
    let catalog = Catalog::default();
    let lines: Vec<_> =
        head.into_iter().map(str::to_owned).chain(catalog.rows().iter().map(model_line)).collect();
    let expected = lines.join("\n");
    let told: Vec<_> = section(API, "## Models").lines().filter(|line| line.starts_with('|')).collect();
    assert!(told.join("\n") == expected, "the table should be:\n{expected}");
}
