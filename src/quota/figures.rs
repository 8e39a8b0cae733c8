//! Daily figures that are not written down yet, added up so that a busy hour is a few rows.

use std::sync::{Mutex, PoisonError};

use foldhash::HashMap;
use jiff::civil::Date;

use super::usage::{UsageRow, Used};

/// Rows kept before they are to be written: teams, keys and models are few, so that this is not reached.
const ROWS_MAX: usize = 4_096;

/// Day, team, key and model of a row.
type Subject = (Date, String, String, String);

/// Figures by day, team, key and model.
#[derive(Debug, Default)]
pub struct Figures(Mutex<HashMap<Subject, Used>>);

impl Figures {
    /// Adds to what is there. True: there are as many rows as are kept, and they are to be taken now.
    #[must_use = "what is full is to be written"]
    pub fn add(&self, row: UsageRow) -> bool {
        let UsageRow { day, team, key, model, used } = row;
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *rows.entry((day, team, key, model)).or_default() += used;
        rows.len() >= ROWS_MAX
    }

    /// Takes all that there is, in no order.
    pub fn take(&self) -> Vec<UsageRow> {
        let rows = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let row = |((day, team, key, model), used)| UsageRow { day, team, key, model, used };
        rows.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_same_day_key_and_model_are_one_row_and_there_is_a_bound() {
        let figures = Figures::default();
        let row = |key: &str| UsageRow {
            day: "2026-11-22".parse().unwrap(),
            team: "design".into(),
            key: key.into(),
            model: "gpt-image-2".into(),
            used: Used { requests: 2, hits: 1, ..Used::default() },
        };
        assert!(!figures.add(row("ci")) && !figures.add(row("ci")) && !figures.add(row("web")));
        let mut rows = figures.take();
        rows.sort_by(|one, other| one.key.cmp(&other.key));
        let told: Vec<_> = rows.iter().map(|row| (&*row.key, row.used.requests, row.used.hits)).collect();
        assert_eq!(told, [("ci", 4, 2), ("web", 2, 1)]);
        assert!(figures.take().is_empty());
        let full = (0..ROWS_MAX).map(|number| figures.add(row(&number.to_string()))).filter(|full| *full);
        assert_eq!(full.count(), 1);
    }
}
