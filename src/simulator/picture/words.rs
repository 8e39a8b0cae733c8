//! Writes a text in letters as large as fit, wrapped, with a small line at the foot.

use font8x8::{
    BASIC_FONTS, BLOCK_FONTS, BOX_FONTS, GREEK_FONTS, HIRAGANA_FONTS, LATIN_FONTS, MISC_FONTS, UnicodeFonts,
};

use super::canvas::Canvas;

/// Side of a letter in dots.
const LETTER: usize = 8;
/// Dots from line to line.
const LINE: usize = 10;
/// A letter that no font has: a box.
const UNKNOWN: [u8; 8] = [0x7e, 0x42, 0x42, 0x42, 0x42, 0x42, 0x7e, 0x00];

/// Writes `words` over the sheet and `footer` at its foot.
pub(super) fn write(canvas: &mut Canvas, words: &str, footer: &str) {
    let side = canvas.width.min(canvas.height);
    let margin = side / 16;
    let small = (side / 512).max(1);
    let foot = canvas.height.saturating_sub(margin / 2 + small * LETTER);
    let (width, height) = (canvas.width - 2 * margin, foot.saturating_sub(2 * margin));
    let (dot, lines) = fitted(words, width, height, (side / 64).max(1));
    for (number, line) in lines.iter().enumerate() {
        write_line(canvas, line, margin, margin + number * LINE * dot, dot);
    }
    write_line(canvas, footer, margin, foot, small);
}

/// The largest size of a dot at which the text fits, and the text in lines; at the smallest size it is cut.
fn fitted(words: &str, width: usize, height: usize, largest: usize) -> (usize, Vec<String>) {
    let longest = words.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
    let mut dot = largest;
    loop {
        let columns = (width / (LETTER * dot)).max(1);
        let rows = (height / (LINE * dot)).max(1);
        // breaking a word is worse than smaller letters, but only up to a point
        let breaks = longest > columns && dot > largest.div_ceil(3);
        let lines = if breaks { Vec::new() } else { wrapped(words, columns, rows + 1) };
        if dot == 1 || (!breaks && lines.len() <= rows) {
            return (dot, lines.into_iter().take(rows).collect());
        }
        dot -= 1;
    }
}

/// The text in lines of at most `columns` letters; stops after `rows` lines.
fn wrapped(words: &str, columns: usize, rows: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in words.split_whitespace() {
        if used > 0 && used + 1 + word.chars().count() > columns {
            lines.push(String::new());
            used = 0;
        }
        let space = (used > 0).then_some(' ');
        for letter in space.into_iter().chain(word.chars()) {
            if used == columns {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
            used += 1;
        }
        if lines.len() > rows {
            break;
        }
    }
    lines
}

fn write_line(canvas: &mut Canvas, line: &str, left: usize, top: usize, dot: usize) {
    for (column, letter) in line.chars().enumerate() {
        let left = left + column * LETTER * dot;
        for (row, dots) in glyph(letter).into_iter().enumerate() {
            for bit in (0..LETTER).filter(|bit| dots & (1 << bit) != 0) {
                canvas.ink(left + bit * dot, top + row * dot, dot, dot);
            }
        }
    }
}

fn glyph(letter: char) -> [u8; 8] {
    BASIC_FONTS
        .get(letter)
        .or_else(|| LATIN_FONTS.get(letter))
        .or_else(|| GREEK_FONTS.get(letter))
        .or_else(|| HIRAGANA_FONTS.get(letter))
        .or_else(|| BOX_FONTS.get(letter))
        .or_else(|| BLOCK_FONTS.get(letter))
        .or_else(|| MISC_FONTS.get(letter))
        .unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words_are_large_and_many_are_small_but_all_there() {
        let (large, lines) = fitted("a cat", 900, 900, 16);
        assert_eq!((large, lines), (16, vec!["a cat".to_owned()]));
        let many = "a long story about cats ".repeat(20);
        let (small, lines) = fitted(&many, 900, 900, 16);
        assert!((2..16).contains(&small), "{small}");
        assert_eq!(lines.join(" "), many.trim());
    }

    #[test]
    fn long_words_shrink_the_letters_before_they_are_broken() {
        let (dot, lines) = fitted("extraordinary", 900, 900, 16);
        assert_eq!((dot, lines), (8, vec!["extraordinary".to_owned()]));
        let (_, lines) = fitted(&"x".repeat(200), 900, 900, 16);
        assert_eq!(lines.concat(), "x".repeat(200));
    }

    #[test]
    fn a_text_too_long_for_the_sheet_is_cut_to_its_rows() {
        let (dot, lines) = fitted(&"word ".repeat(6_000), 300, 300, 8);
        assert_eq!((dot, lines.len()), (1, 30));
    }
}
