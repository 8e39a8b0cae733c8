//! Field values, cut to a length and kept to one line.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Characters of one field's value that are logged; the rest is replaced by an ellipsis.
pub const VALUE_CHARS_MAX: usize = 2_000;

/// Room for most values.
const CAPACITY: usize = 96;

/// `text`, cut at the limit.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= VALUE_CHARS_MAX {
        return text.into();
    }
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        None => text.into(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
    }
}

/// What `value` prints, without printing more than the limit.
pub(super) fn cut_debug(value: &dyn fmt::Debug) -> String {
    let mut sink = Sink { text: String::with_capacity(CAPACITY), room: VALUE_CHARS_MAX };
    // the sink refuses what is beyond the limit, which ends the printing early
    if write!(sink, "{value:?}").is_err() {
        sink.text.push('…');
    }
    sink.text
}

/// What `value` prints, cut, with control characters escaped as in Rust (`\n`, `\u{1b}`).
pub(super) fn one_line(value: &dyn fmt::Debug) -> String {
    let text = cut_debug(value);
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { line.extend(character.escape_default()) } else { line.push(character) }
    }
    line
}

struct Sink {
    text: String,
    room: usize,
}

impl Write for Sink {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if part.len() <= self.room {
            self.room -= part.chars().count();
            self.text.push_str(part);
            return Ok(());
        }
        for character in part.chars() {
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(character);
        }
        Ok(())
    }
}
