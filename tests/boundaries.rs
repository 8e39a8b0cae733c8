//! The walls of the house: which room may know which, and which crate is used where (docs/ARCHITECTURE.md).
//!
//! Reads the sources as text: comments, strings and test modules are cut out, then `crate::…` paths and crate names are
//! looked up in the tables below. A new room or crate has to be entered here.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test; Clippy knows only functions marked #[test] as such"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lines of one file at most.
const LINES_MAX: usize = 500;

/// Each room and the rooms it may know.
const ROOMS: [(&str, &[&str]); 22] = [
    ("clock", &[]),
    ("disk", &[]),
    ("money", &[]),
    ("fault", &[]),
    ("image", &["fault", "money"]),
    ("openai", &["fault", "image", "money"]),
    ("telemetry", &["clock", "money"]),
    ("config", &["fault", "image", "money"]),
    ("cache", &["image"]),
    ("catalog", &["fault", "image", "money", "openai"]),
    ("keys", &["clock", "fault"]),
    ("quota", &["fault", "image", "money"]),
    ("evolink", &["fault", "image", "money", "telemetry"]),
    ("media", &["clock", "disk", "fault", "image", "telemetry"]),
    ("generation", &["cache", "clock", "fault", "image", "money", "evolink", "media", "quota", "telemetry"]),
    (
        "store",
        &["cache", "disk", "evolink", "fault", "generation", "image", "keys", "media", "money", "quota"],
    ),
    (
        "server",
        &[
            "cache",
            "clock",
            "fault",
            "image",
            "money",
            "openai",
            "catalog",
            "evolink",
            "keys",
            "media",
            "quota",
            "telemetry",
            "generation",
        ],
    ),
    ("simulator", &["catalog", "clock", "image", "money"]),
    (
        "app",
        &[
            "cache",
            "clock",
            "fault",
            "image",
            "money",
            "catalog",
            "config",
            "evolink",
            "keys",
            "media",
            "quota",
            "telemetry",
            "generation",
            "store",
            "server",
        ],
    ),
    ("cli", &["app", "catalog", "clock", "config", "keys", "server", "simulator", "telemetry"]),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// Each crate (or part of the standard library) that is kept to some rooms, and those rooms.
const CRATES: [(&str, &[&str]); 27] = [
    ("axum", &["server"]),
    ("tower", &["server"]),
    ("tower_http", &["server"]),
    ("hyper", &["cli", "server", "simulator"]),
    ("hyper_util", &["cli", "server", "simulator"]),
    ("socket2", &["server"]),
    ("reqwest", &["evolink", "media"]),
    ("object_store", &["media"]),
    ("multer", &["server"]),
    ("tempfile", &["media"]),
    ("moka", &["cache"]),
    ("prometheus", &["telemetry"]),
    ("tracing_subscriber", &["telemetry"]),
    ("image", &["media", "simulator"]),
    ("rusqlite", &["store"]),
    ("rustix", &["disk"]),
    ("webp", &["media"]),
    ("font8x8", &["simulator"]),
    ("serde_saphyr", &["config"]),
    ("clap", &["cli"]),
    ("sha2", &["config", "evolink", "image", "keys", "media"]),
    ("hmac", &["media"]),
    ("subtle", &["keys", "media"]),
    ("arc_swap", &["cache", "evolink", "keys", "server"]),
    ("std::env", &["config"]),
    ("std::fs", &["config", "keys", "media", "store", "telemetry"]),
    ("std::process::exit", &[]),
];

/// One source file without comments, strings and tests.
struct Source {
    path: PathBuf,
    room: String,
    code: String,
}

#[test]
fn rooms_know_only_what_stands_below_them() {
    let known: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let (mut wrong, mut arrows) = (Vec::new(), 0);
    for source in sources() {
        let (_, allowed) = ROOMS
            .iter()
            .find(|(room, _)| *room == source.room)
            .unwrap_or_else(|| panic!("the room of {} is in no table here", source.path.display()));
        for room in rooms_named(&source.code) {
            arrows += 1;
            if room != source.room && known.contains(room.as_str()) && !allowed.contains(&room.as_str()) {
                wrong.push(format!("{}: `{}` must not know `{room}`", source.path.display(), source.room));
            }
        }
    }
    assert!(arrows > 100, "only {arrows} paths were found: this test reads the wrong place");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tables_allow_no_circle() {
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while placed.len() < ROOMS.len() {
        let before = placed.len();
        let stands = |below: &[&str]| below.iter().all(|room| placed.contains(room));
        let next: Vec<&str> =
            ROOMS.iter().filter(|(_, below)| stands(below)).map(|(room, _)| *room).collect();
        placed.extend(next);
        assert!(placed.len() > before, "these rooms know each other in a circle: {ROOMS:?} less {placed:?}");
    }
}

#[test]
fn crates_stay_in_their_rooms() {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for source in sources() {
        for (name, rooms) in CRATES.iter().filter(|(name, _)| names_crate(&source.code, name)) {
            used.insert(*name);
            if !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{}: `{name}` belongs into {rooms:?}", source.path.display()));
            }
        }
    }
    let unused = CRATES.iter().filter(|(name, rooms)| !rooms.is_empty() && !used.contains(name));
    let unused: Vec<_> = unused.map(|(name, _)| *name).collect();
    assert!(unused.is_empty(), "rules without a use: {unused:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_reader_takes_in() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        files.extend(rust_files(&root().join(folder)));
    }
    assert!(files.len() > 100, "only {} files were found", files.len());
    let lines = |path: &PathBuf| read(path).lines().count();
    let long: Vec<_> = files.iter().filter(|path| lines(path) > LINES_MAX).collect();
    assert!(long.is_empty(), "longer than {LINES_MAX} lines: {long:?}");
}

#[test]
fn the_reader_of_sources_sees_paths_and_no_comments() {
    let code = stripped(
        "use crate::{image::{Plan, Size}, fault::Fault}; // crate::server\n/* crate::app */ let a = \"crate::cli\"; crate::money::x()",
    );
    assert_eq!(rooms_named(&code), ["image", "fault", "money"]);
    assert!(names_crate("use std::env;", "std::env") && names_crate("image::load()", "image"));
    assert!(!names_crate("crate::image::Plan", "image") && !names_crate("my_image::x", "image"));
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let files = rust_files(&src);
    assert!(files.len() > 50, "only {} files were found in {}", files.len(), src.display());
    let tests: Vec<PathBuf> = files.iter().flat_map(|path| test_modules(path)).collect();
    let is_test =
        |path: &Path| tests.iter().any(|test| path.starts_with(test) || path == test.with_extension("rs"));
    let real = files.into_iter().filter(|path| !is_test(path));
    real.map(|path| {
        let inside = path.strip_prefix(&src).expect("below src").with_extension("");
        let room = inside.iter().next().expect("a name").to_string_lossy().into_owned();
        Source { room, code: without_tests(&stripped(&read(&path))), path }
    })
    .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => rust_files(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// The modules that a file declares for tests only, without extension.
fn test_modules(path: &Path) -> Vec<PathBuf> {
    let text = read(path);
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main") | None => path.with_file_name(""),
        Some(_) => path.with_extension(""),
    };
    let mut modules = Vec::new();
    for (_, after) in
        text.match_indices("#[cfg(test)]").map(|(at, _)| text.split_at(at + "#[cfg(test)]".len()))
    {
        let mut lines = after.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        if let Some(file) = first.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            modules.push(path.with_file_name(file).with_extension(""));
        } else if let Some(name) = first.strip_suffix(';').and_then(|line| line.rsplit("mod ").next()) {
            modules.push(folder.join(name));
        }
    }
    modules
}

/// The code before the test module at a file's end.
fn without_tests(code: &str) -> String {
    let end = code.match_indices("#[cfg(test)]").find(|(at, _)| {
        let line = code[at + "#[cfg(test)]".len()..].trim_start().lines().next().unwrap_or_default();
        line.contains("mod ") && line.ends_with('{')
    });
    code[..end.map_or(code.len(), |(at, _)| at)].to_owned()
}

/// Without comments and the contents of strings. Character literals of quotes are understood, raw strings by their
/// hashes.
fn stripped(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") || rest.starts_with("b'\"'") {
            rest.find("\"'").map_or(1, |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len())
        } else if first == '"' {
            string_end(rest)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        rest = &rest[skipped..];
    }
    code
}

/// How many hashes a raw string that begins here has.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The first names after `crate::`, groups in braces included.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, mark) in code.match_indices("crate::") {
        let after = &code[at + mark.len()..];
        match after.strip_prefix('{') {
            None => rooms.push(name_at(after)),
            Some(group) => rooms.extend(top_names(group)),
        }
    }
    rooms
}

fn name_at(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first name of each entry of a group, up to the brace that closes it.
fn top_names(group: &str) -> Vec<String> {
    let mut names = vec![name_at(group)];
    let mut depth = 0_u32;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name_at(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Whether a path begins with this crate or ends in this part of the standard library.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let begins = !before.ends_with("::") && !before.ends_with(is_name);
        let imported = before.trim_end().ends_with("use") && after.starts_with([';', ' ']);
        begins
            && (after.starts_with("::") || imported || (name.contains("::") && !after.starts_with(is_name)))
    })
}
