//! Whether Evolink counts the credits that this gateway counts. Pure: looks at both books in, a difference out.
//!
//! Only increases since the first look are compared. Between a task's creation and the settling of its generation
//! nobody knows whether Evolink counts it yet, so a look tells no number but a span; the difference that is told is the
//! smallest that two looks, one after the other, leave possible. It is never too large for being busy.

use crate::money::Credits;

/// Differences below this are weather: a picture of the dearest model costs about as much.
const APART_MIN: i64 = 20_000_000;
/// Below this part of what was settled they are, too.
const APART_PART: i64 = 50;
/// Looks one after the other with a difference before it is told of.
const LASTING: u32 = 3;

/// One look at both books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// What Evolink says the key, and its account, have used.
    pub used: [Option<Credits>; 2],
    /// The credits of all daily figures, before and after Evolink was asked.
    pub settled: [Credits; 2],
    /// What generations that are not settled may have cost.
    pub open: Credits,
}

/// What is worth telling the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Apart,
    AgreeAgain,
}

/// Compares look by look.
#[derive(Debug, Default)]
pub(super) struct Drift {
    counts: [Option<Count>; 2],
    /// The first and the latest look.
    looks: Option<(Look, Look)>,
    lasting: u32,
    /// The difference that was told of.
    told: Option<i64>,
}

/// From `least` to `most`, in micro-credits: where a number lies that is not known exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    least: i64,
    most: i64,
}

/// One of Evolink's counts.
#[derive(Debug, Clone, Copy)]
struct Count {
    /// Evolink's count less ours at the first look.
    first: Span,
    /// By how much that has changed, at the latest look.
    changed: Span,
}

impl Drift {
    /// By how many micro-credits Evolink has counted more than was settled here (negative: fewer), since the first look;
    /// the count that agrees better is taken. None where Evolink tells no count.
    pub(super) fn look(&mut self, look: Look) -> Option<i64> {
        if self.looks.is_some_and(|(first, last)| is_counted_anew(&first, &last, &look)) {
            *self = Self::default();
        }
        self.looks = Some((self.looks.map_or(look, |(first, _)| first), look));
        let mut least = None;
        for (count, used) in self.counts.iter_mut().zip(look.used) {
            let Some(used) = used else {
                *count = None;
                continue;
            };
            let now = apart(used, &look);
            let Some(known) = count else {
                *count = Some(Count { first: now, changed: Span::ZERO });
                least = Some(nearer(least, 0));
                continue;
            };
            let changed = now.since(known.first);
            least = Some(nearer(least, changed.beside(known.changed).nearest_to_zero()));
            known.changed = changed;
            if known.first.is_wide() && !now.is_wide() && changed.nearest_to_zero() == 0 {
                // A quiet moment, and nothing speaks against agreement: from here on it is exact.
                *known = Count { first: now, changed: Span::ZERO };
            }
        }
        least
    }

    /// What the operator is to be told after a look that came to `drift`.
    pub(super) fn news(&mut self, drift: i64) -> Option<News> {
        let settled = self.settled().saturating_div(APART_PART);
        if drift.saturating_abs() <= settled.max(APART_MIN) {
            self.lasting = 0;
            return self.told.take().map(|_| News::AgreeAgain);
        }
        self.lasting = self.lasting.saturating_add(1);
        // Once; again when it has doubled.
        let is_new = self.told.is_none_or(|told| drift.saturating_abs() / 2 >= told);
        (self.lasting >= LASTING && is_new).then(|| {
            self.told = Some(drift.saturating_abs());
            News::Apart
        })
    }

    /// What was settled since the first look, in micro-credits.
    pub(super) fn settled(&self) -> i64 {
        self.looks.map_or(0, |(first, last)| micro(last.settled[1]).saturating_sub(micro(first.settled[0])))
    }
}

impl Span {
    const ZERO: Self = Self { least: 0, most: 0 };

    fn since(self, first: Self) -> Self {
        Self { least: self.least.saturating_sub(first.most), most: self.most.saturating_sub(first.least) }
    }

    /// Whatever either leaves possible.
    fn beside(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    const fn is_wide(self) -> bool {
        self.least < self.most
    }

    fn nearest_to_zero(self) -> i64 {
        self.least.max(0).saturating_add(self.most.min(0))
    }
}

/// Evolink's count less ours.
fn apart(used: Credits, look: &Look) -> Span {
    let [before, after] = look.settled.map(micro);
    let used = micro(used);
    Span {
        least: used.saturating_sub(after).saturating_sub(micro(look.open)),
        most: used.saturating_sub(before),
    }
}

/// Whether a count is below its first, by more than what was open then can have been refunded, or our own fell. It may
/// fall below the latest: others get refunds too.
fn is_counted_anew(first: &Look, last: &Look, look: &Look) -> bool {
    let fell = first.used.iter().zip(look.used).any(|(first_used, used)| {
        first_used.zip(used).is_some_and(|(first_used, used)| used + first.open < first_used)
    });
    fell || look.settled[0] < last.settled[1]
}

fn nearer(one: Option<i64>, other: i64) -> i64 {
    one.filter(|one| one.saturating_abs() <= other.saturating_abs()).unwrap_or(other)
}

fn micro(credits: Credits) -> i64 {
    i64::try_from(credits.micro()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
