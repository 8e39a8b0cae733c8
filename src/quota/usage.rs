//! What was used, by day: the figures of the usage report.

use std::ops::AddAssign;

use jiff::civil::Date;

use crate::money::Credits;

/// What one key used of one model on one day (UTC). A generation counts on the day of its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    pub day: Date,
    pub team: String,
    pub key: String,
    pub model: String,
    pub used: Used,
}

/// Figures that are added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Image requests, those that were answered from what was there included.
    pub requests: u64,
    /// Those that bought nothing: answered from what was there, or joined to what was under way.
    pub hits: u64,
    pub images: u64,
    pub credits: Credits,
}

impl AddAssign for Used {
    fn add_assign(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.hits = self.hits.saturating_add(more.hits);
        self.images = self.images.saturating_add(more.images);
        self.credits = self.credits + more.credits;
    }
}

/// What a usage report tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    Day,
    Team,
    Key,
    Model,
}

impl Dimension {
    pub const ALL: [Self; 4] = [Self::Day, Self::Team, Self::Key, Self::Model];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Team => "team",
            Self::Key => "key",
            Self::Model => "model",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.name() == name)
    }
}

/// What is asked for: days `from` to `to`, both included, of one team or all, told apart by `by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    pub from: Date,
    pub to: Date,
    pub team: Option<String>,
    pub by: Vec<Dimension>,
}

/// Lines of one report at most: one with so many is not whole.
pub const USAGE_LINES_MAX: usize = 100_000;

/// One line of a report: a value for each dimension asked for, in the order of [`Dimension::ALL`], and the sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageLine {
    pub values: Vec<(Dimension, String)>,
    pub used: Used,
}
