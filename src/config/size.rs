//! Sizes in bytes: `20MiB`, `10GiB`, `500KB`, or a plain number of bytes.

use serde_json::{Value, json};

use super::scalar::whole;
use super::setting::{Reader, Setting};
use super::shown::{Secrets, Shown};

/// Units from the largest; those of powers of two first, as these are used to write.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

impl Size {
    pub const fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    pub const fn gib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 30))
    }

    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// For lengths in memory; what does not fit there is the most that does.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Reads `20MiB`. The unit's case does not matter; a number alone is bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (count, unit) =
            text.split_at_checked(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))?;
        let unit = if unit.is_empty() { "B" } else { unit };
        let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
        count.parse::<u64>().ok()?.checked_mul(*factor).map(Self)
    }

    /// Writes the size in the largest unit that has no remainder.
    pub fn written(self) -> String {
        let fits = |(name, factor): &&(&str, u64)| {
            (name.ends_with("iB") || *name == "B") && self.0.is_multiple_of(*factor) && self.0 > 0
        };
        match UNITS.iter().find(fits) {
            Some((name, factor)) => format!("{}{name}", self.0 / factor),
            None => "0B".to_owned(),
        }
    }
}

impl Setting for Size {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        let size = match value {
            Value::String(text) => Self::parse(text),
            _ => whole(value).map(Self),
        };
        match size {
            Some(size) => Some(size),
            None => reader.wrong(value, "must be a size such as 20MiB or 10GiB, or a number of bytes"),
        }
    }

    fn schema() -> Value {
        json!({
            "type": ["string", "integer"],
            "minimum": 0,
            "pattern": r"^[0-9]+([KkMmGgTt][Ii]?)?[Bb]?$|\$\{",
        })
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.written())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, want) in [
            ("20MiB", Size::mib(20)),
            ("10GiB", Size::gib(10)),
            ("1kb", Size(1000)),
            ("4096", Size(4096)),
            ("12B", Size(12)),
        ] {
            assert_eq!(Size::parse(text), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "-1", "1.5MiB", "20 MiB", "20M", "99999999999TiB", "20MiBs"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_size_reads_back(bytes in any::<u64>()) {
            prop_assert_eq!(Size::parse(&Size(bytes).written()), Some(Size(bytes)));
        }

        #[test]
        fn no_text_makes_the_parser_fail(text in ".{0,20}") {
            let _ = Size::parse(&text);
        }
    }
}
