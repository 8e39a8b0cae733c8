//! Each message that asks for somebody's attention has a row in LOGGING.md.

use std::path::Path;

use super::{LOGGING, root};

/// Messages made elsewhere, documented by what they are.
const NO_MESSAGE: &str = "{}";

#[test]
fn every_warning_and_error_that_is_logged_is_documented() {
    let mut missing = Vec::new();
    let mut count = 0;
    each_source(&root().join("src"), &mut |code| {
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or(code);
        for level in ["tracing::error!(", "tracing::warn!("] {
            for (at, _) in code.match_indices(level) {
                let message = last_text(&code[at + level.len()..]);
                count += 1;
                if message != NO_MESSAGE && !LOGGING.contains(&format!("`{message}`")) {
                    missing.push(message);
                }
            }
        }
    });
    assert!(count > 30, "only {count} messages were found");
    assert!(missing.is_empty(), "not in docs/LOGGING.md: {missing:#?}");
}

fn each_source(folder: &Path, look: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_aside =
            ["simulator", "simulator.rs", "tests", "tests.rs"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !is_aside {
            each_source(&path, look);
        } else if !is_aside {
            look(&std::fs::read_to_string(&path).expect("a source file"));
        }
    }
}

/// The last text among a macro's arguments, which is the message.
fn last_text(arguments: &str) -> String {
    let (mut depth, mut text, mut last) = (1, None::<String>, String::new());
    let mut letters = arguments.chars();
    while let Some(letter) = letters.next() {
        match (&mut text, letter) {
            (Some(written), '\\') => written.extend(letters.next()),
            (Some(_), '"') => last = text.take().unwrap_or_default(),
            (Some(written), other) => written.push(other),
            (None, '"') => text = Some(String::new()),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
        if depth == 0 {
            break;
        }
    }
    // A text that goes on in the next line of the code is one line.
    last.split_whitespace().collect::<Vec<_>>().join(" ")
}
