//! Limits of a configured row that would let nothing through.

use std::time::Duration;

use super::Findings;
use crate::catalog::{PixelSizes, Row};
use crate::config::settings::CatalogRow;
use crate::server::read_form::FILE_BYTES_MAX;

/// As `evolink.task_timeout`.
const TASK_TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TASK_TIMEOUT_MAX: Duration = Duration::from_hours(24);

/// What each column allows by itself, and whether any size fits the rules.
pub(super) fn check(row: &Row, columns: &CatalogRow, findings: &mut Findings<'_>) {
    let prompts = [
        ("prompt_characters", columns.prompt_characters),
        ("prompt_bytes", columns.prompt_bytes),
        ("prompt_tokens", columns.prompt_tokens),
    ];
    for (column, _) in prompts.into_iter().filter(|(_, most)| *most == Some(0)) {
        findings.add(column, "must be at least 1: every request has a prompt");
    }
    let in_range = |time: &Duration| (TASK_TIMEOUT_MIN..=TASK_TIMEOUT_MAX).contains(time);
    if columns.task_timeout.as_ref().is_some_and(|time| !in_range(time)) {
        findings.add("task_timeout", "must be from 1ms to 24h");
    }
    if columns.images.max_bytes.is_some_and(|most| !(1..=FILE_BYTES_MAX).contains(&most.bytes())) {
        findings.add(
            "images.max_bytes",
            format!("must be from 1 to {FILE_BYTES_MAX}, the most that is taken here"),
        );
    }
    let fits_none = match &row.sizes.pixels {
        PixelSizes::Rule(rule) => {
            let told = rule.edge_min > rule.edge_max || rule.area_min > rule.area_max;
            columns.pixels.is_some() && !told && !rule.fits_any()
        }
        PixelSizes::Listed(_) | PixelSizes::None => false,
    };
    if fits_none {
        findings.add("pixels", "no size fits all of these rules");
    }
}
