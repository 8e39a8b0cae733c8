//! A report as CSV (RFC 4180): a line of names, CRLF, quotes where they are needed.

use super::{FIGURES, micro_usd};
use crate::money::Credits;
use crate::quota::UsageLine;

const END: &str = "\r\n";

/// The report, told apart by these names.
pub(super) fn written(by: &[&str], lines: &[UsageLine], micro_credits_per_usd: u64) -> String {
    let mut names = by.to_vec();
    names.extend(FIGURES);
    let mut text = names.join(",") + END;
    for line in lines {
        let used = line.used;
        let mut cells: Vec<String> = line.values.iter().map(|(_, value)| cell(value)).collect();
        cells.extend([used.requests, used.hits, used.images].map(|count| count.to_string()));
        let cost = Credits::from_micro(micro_usd(line, micro_credits_per_usd));
        cells.extend([used.credits, cost].map(|amount| amount.to_string()));
        text += &cells.join(",");
        text += END;
    }
    text
}

/// A name as a cell. Spreadsheets take what begins with these for a formula: an apostrophe makes it text again.
fn cell(name: &str) -> String {
    let harmless = if name.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if name.contains([',', '"', '\r', '\n']) {
        return format!("\"{harmless}{}\"", name.replace('"', "\"\""));
    }
    format!("{harmless}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::{Dimension, Used};

    #[test]
    fn names_are_quoted_and_formulas_are_text() {
        let cells = ["design", "a b", "a,b", "say \"x\"", "=1+1", "-2", "@x,y", "+", "a=b", "über"].map(cell);
        let expected = [
            "design",
            "a b",
            "\"a,b\"",
            "\"say \"\"x\"\"\"",
            "'=1+1",
            "'-2",
            "\"'@x,y\"",
            "'+",
            "a=b",
            "über",
        ];
        assert_eq!(cells, expected);
    }

    #[test]
    fn a_report_is_a_line_of_names_and_a_line_each() {
        let used = Used { requests: 3, hits: 1, images: 2, credits: Credits::from_micro(12_500_000) };
        let values = vec![(Dimension::Day, "2026-11-22".to_owned()), (Dimension::Team, "a,b".to_owned())];
        let lines = [UsageLine { values, used }];
        assert_eq!(
            written(&["day", "team"], &lines, 68_000_000),
            "day,team,requests,hits,images,credits,usd\r\n2026-11-22,\"a,b\",3,1,2,12.5,0.183824\r\n"
        );
        assert_eq!(written(&["model"], &[], 1), "model,requests,hits,images,credits,usd\r\n");
    }
}
