//! The table: figures, and the bars some of them must not miss.

use std::fmt;
use std::time::Duration;

/// All figures, in the order measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    figure: String,
    value: String,
    bar: Option<Bar>,
}

#[derive(Debug)]
struct Bar {
    text: String,
    met: bool,
}

impl Report {
    /// A figure to know, without a bar.
    pub(crate) fn tell(&mut self, figure: impl Into<String>, value: impl Into<String>) {
        self.add(Row { figure: figure.into(), value: value.into(), bar: None });
    }

    /// A figure that must be `limit` at most.
    pub(crate) fn at_most(&mut self, figure: impl Into<String>, value: f64, limit: f64, unit: &str) {
        let bar = Bar { text: format!("≤ {}", shown(limit, unit)), met: value <= limit };
        self.add(Row { figure: figure.into(), value: shown(value, unit), bar: Some(bar) });
    }

    /// A figure that must be `limit` at least.
    pub(crate) fn at_least(&mut self, figure: impl Into<String>, value: f64, limit: f64, unit: &str) {
        let bar = Bar { text: format!("≥ {}", shown(limit, unit)), met: value >= limit };
        self.add(Row { figure: figure.into(), value: shown(value, unit), bar: Some(bar) });
    }

    /// No bar is missed.
    pub(crate) fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.bar.as_ref().is_none_or(|bar| bar.met))
    }

    fn add(&mut self, row: Row) {
        eprintln!("  {}: {}", row.figure, row.value);
        self.rows.push(row);
    }
}

/// Three digits are what such a measurement can tell.
fn shown(value: f64, unit: &str) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    };
    let number = format!("{value:.decimals$}");
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
    if unit.is_empty() { number.to_owned() } else { format!("{number} {unit}") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | measured | bar | |\n| --- | ---: | ---: | --- |")?;
        for Row { figure, value, bar } in &self.rows {
            match bar {
                Some(Bar { text, met }) => {
                    let verdict = if *met { "ok" } else { "**missed**" };
                    writeln!(f, "| {figure} | {value} | {text} | {verdict} |")?;
                }
                None => writeln!(f, "| {figure} | {value} | | |")?,
            }
        }
        Ok(())
    }
}

/// The value below which `share` of the values lie; zero of none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a few thousand values"
    )]
    let at = (last as f64 * share).ceil() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len())
}

/// A count as a divisor, never zero.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number.max(1) as f64
}

/// The median, p95 and longest of some times in seconds, as text.
pub(crate) fn spread(times: &[Duration]) -> String {
    let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    let [p50, p95, max] = [0.5, 0.95, 1.0].map(|share| quantile(&seconds, share));
    format!("{p50:.2} / {p95:.2} / {max:.2} s")
}
