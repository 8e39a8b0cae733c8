//! A report as a table for people: names to the left, figures to the right, their sums below.

use serde_json::Value;

/// The figures, and with how many decimals they are shown.
const FIGURES: [(&str, usize); 5] = [("requests", 0), ("hits", 0), ("images", 0), ("credits", 2), ("usd", 4)];
const GAP: &str = "  ";

/// What the gateway's JSON says.
///
/// # Errors
/// It is no report.
pub(super) fn drawn(report: &str) -> Result<String, String> {
    let report: Value = serde_json::from_str(report).map_err(|error| format!("not a report: {error}"))?;
    let text = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    let (Some(by), Some(data)) = (list(&report, "by"), list(&report, "data")) else {
        return Err("not a report: it has no `by` and `data`".to_owned());
    };
    if data.is_empty() {
        return Ok(format!(
            "Nothing was used from {} to {}. --from and --to name other days, --team another team.\n",
            text("from"),
            text("to")
        ));
    }
    let by: Vec<&str> = by.iter().filter_map(Value::as_str).collect();
    let head = by.iter().copied().chain(FIGURES.map(|(name, _)| name)).map(str::to_owned).collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    rows.extend(data.iter().map(|line| row(&by, line)));
    rows.push(sums(&by, data));
    Ok(laid_out(&rows, by.len()))
}

fn list<'v>(report: &'v Value, name: &str) -> Option<&'v Vec<Value>> {
    report.get(name).and_then(Value::as_array)
}

fn row(by: &[&str], line: &Value) -> Vec<String> {
    let names = by.iter().map(|name| line.get(*name).and_then(Value::as_str).unwrap_or_default().to_owned());
    names.chain(FIGURES.iter().map(|(name, decimals)| shown(figure(line, name), *decimals))).collect()
}

fn sums(by: &[&str], data: &[Value]) -> Vec<String> {
    let total = |at: usize| if at == 0 { "total" } else { "" }.to_owned();
    let sums = FIGURES
        .iter()
        .map(|(name, decimals)| shown(data.iter().map(|line| figure(line, name)).sum::<f64>(), *decimals));
    (0..by.len()).map(total).chain(sums).collect()
}

fn figure(line: &Value, name: &str) -> f64 {
    line.get(name).and_then(Value::as_f64).unwrap_or_default()
}

fn shown(figure: f64, decimals: usize) -> String {
    format!("{figure:.decimals$}")
}

/// Columns as wide as their widest cell, a rule under the head and above the last row. The first `names` columns are
/// text.
fn laid_out(rows: &[Vec<String>], names: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned() + "\n"
    };
    let rule = widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join(GAP) + "\n";
    let last = rows.len().saturating_sub(1);
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        if at == 1 || at == last {
            text += &rule;
        }
        text += &line(row);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_stand_under_one_another_with_their_sums_below() {
        let line = |team: &str, requests: u64, credits: f64| {
            json!({"day": "2026-11-22", "team": team, "requests": requests, "hits": 0, "images": requests,
                "credits": credits, "usd": credits / 68.0})
        };
        let data = [line("design", 9, 12.5), line("büro", 120, 387.123_456)];
        let report = json!({"from": "x", "to": "y", "by": ["day", "team"], "data": data}).to_string();
        let expected = "\
day         team    requests  hits  images  credits     usd
----------  ------  --------  ----  ------  -------  ------
2026-11-22  design         9     0       9    12.50  0.1838
2026-11-22  büro         120     0     120   387.12  5.6930
----------  ------  --------  ----  ------  -------  ------
total                    129     0     129   399.62  5.8768
";
        assert_eq!(drawn(&report).unwrap(), expected);
    }

    #[test]
    fn nothing_used_is_said_and_no_report_is_no_report() {
        let report = json!({"from": "2026-11-01", "to": "2026-11-22", "by": ["day"], "data": []}).to_string();
        assert!(drawn(&report).unwrap().starts_with("Nothing was used from 2026-11-01 to 2026-11-22."));
        for wrong in ["<html>", "{}", r#"{"data":[]}"#] {
            assert!(drawn(wrong).unwrap_err().starts_with("not a report"), "{wrong}");
        }
    }
}
