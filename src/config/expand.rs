//! Expressions in texts: `${NAME}`, `${NAME:-default}`, `${file:/path}`; `$${` stands for `${` itself.
//!
//! What comes out is never expanded again, so a secret may hold anything. A value that is empty after an expression
//! counts as left out.

use serde_json::Value;

use super::environment::Environment;
use super::files::Files;
use super::path::Path;
use super::problem::Problem;
use super::setting::Origin;

/// Expands all texts of a tree.
#[derive(Debug)]
pub struct Expansion<'a> {
    pub environment: &'a Environment,
    pub files: &'a mut Files,
    pub origin: &'a mut Origin,
    /// Whether a variable or file that is not there is left to be stood in for instead of being a problem.
    pub allow_missing: bool,
    pub problems: Vec<Problem>,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Plain(&'t str),
    Variable { name: &'t str, default: Option<&'t str> },
    File(&'t str),
}

/// Why a text cannot be expanded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Missing(String),
}

impl Expansion<'_> {
    pub fn run(&mut self, value: &mut Value, path: &Path) {
        match value {
            Value::String(text) if text.contains("${") => match self.text(text) {
                Ok(expanded) => {
                    if expanded != text.replace("$${", "${") {
                        // Values of variables that override a setting are known by the variable's name.
                        self.origin.expanded.entry(path.clone()).or_insert_with(|| text.clone());
                    }
                    *value = if expanded.is_empty() { Value::Null } else { Value::String(expanded) };
                }
                Err(Failure::Missing(_)) if self.allow_missing => {
                    self.origin.missing.insert(path.clone(), text.clone());
                }
                Err(failure) => {
                    let line = self.origin.lines.get(path).copied();
                    self.problems.push(Problem { path: path.clone(), line, message: failure.to_string() });
                    // Reported here: reading takes it as left to be stood in for.
                    self.origin.missing.insert(path.clone(), text.clone());
                }
            },
            Value::Array(items) => {
                items.iter_mut().enumerate().for_each(|(index, item)| self.run(item, &path.join(index)));
            }
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(key, value)| self.run(value, &path.join(key.as_str())));
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) -> Result<String, Failure> {
        let mut expanded = String::new();
        for piece in pieces(text)? {
            match piece {
                Piece::Plain(plain) => expanded.push_str(plain),
                Piece::Variable { name, default } => {
                    let value = self.environment.get(name).filter(|value| !value.is_empty());
                    expanded.push_str(value.or(default).ok_or_else(|| {
                        Failure::Missing(format!(
                            "the environment variable {name} is not set; set it, or write ${{{name}:-default}}"
                        ))
                    })?);
                }
                Piece::File(path) => {
                    let content = self.files.read(path.as_ref()).map_err(Failure::Missing)?;
                    let content = content.strip_suffix('\n').unwrap_or(&content);
                    expanded.push_str(content.strip_suffix('\r').unwrap_or(content));
                }
            }
        }
        Ok(expanded)
    }
}

/// Writes a text so that expansion gives it back.
pub fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Failure> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            pieces.extend([Piece::Plain(before), Piece::Plain("${")]);
            rest = after;
            continue;
        }
        let malformed = || {
            Failure::Malformed(
                "has a malformed expression; write ${NAME}, ${NAME:-default} or ${file:/path}, and $${ for a plain ${"
                    .to_owned(),
            )
        };
        let (inside, after) = after.split_once('}').ok_or_else(malformed)?;
        pieces.extend([Piece::Plain(before), expression(inside).ok_or_else(malformed)?]);
        rest = after;
    }
    pieces.push(Piece::Plain(rest));
    Ok(pieces)
}

fn expression(inside: &str) -> Option<Piece<'_>> {
    if let Some(path) = inside.strip_prefix("file:") {
        return (!path.is_empty()).then_some(Piece::File(path));
    }
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(Piece::Variable { name, default })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn expand(value: Value, variables: &[(&str, &str)]) -> Result<Value, Vec<String>> {
        let environment: Environment = variables.iter().copied().collect();
        let (mut files, mut origin) = (Files::default(), Origin::default());
        let mut expansion = Expansion {
            environment: &environment,
            files: &mut files,
            origin: &mut origin,
            allow_missing: false,
            problems: Vec::new(),
        };
        let mut value = value;
        expansion.run(&mut value, &Path::root());
        match expansion.problems.as_slice() {
            [] => Ok(value),
            problems => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn variables_are_put_in_wherever_they_stand() {
        let given = json!({"a": ["x-${A}-${B:-b}", "${C:-}", "$A {A} 5$", "$${A}", 5]});
        let want = json!({"a": ["x-1-b", null, "$A {A} 5$", "${A}", 5]});
        assert_eq!(expand(given, &[("A", "1"), ("B", "")]), Ok(want));
    }

    #[test]
    fn what_comes_out_is_not_expanded_again() {
        assert_eq!(expand(json!("${A}"), &[("A", "${B}"), ("B", "2")]), Ok(json!("${B}")));
    }

    #[test]
    fn a_variable_that_is_not_set_or_empty_is_a_problem() {
        let problems = expand(json!({"a": "${A}", "b": "${B}"}), &[("B", "")]).unwrap_err();
        assert_eq!(
            problems,
            [
                "a: the environment variable A is not set; set it, or write ${A:-default}",
                "b: the environment variable B is not set; set it, or write ${B:-default}",
            ]
        );
    }

    #[test]
    fn malformed_expressions_are_problems() {
        for text in ["${", "${}", "${A", "${1A}", "${A B}", "${A-b}", "${file:}", "${A:b}"] {
            let problems = expand(json!(text), &[("A", "1")]).unwrap_err();
            assert!(problems.iter().all(|problem| problem.contains("malformed")), "{text}: {problems:?}");
        }
    }

    #[test]
    fn a_file_gives_its_content_less_the_line_end() {
        let directory = tempdir("expand");
        let path = directory.join("secret");
        std::fs::write(&path, "canary\r\n").unwrap();
        assert_eq!(expand(json!(format!("<${{file:{}}}>", path.display())), &[]), Ok(json!("<canary>")));
        std::fs::remove_dir_all(directory).unwrap();
    }

    fn tempdir(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("evolink-gateway-{name}-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    proptest! {
        #[test]
        fn an_escaped_text_comes_out_as_it_was(text in "[${}a:-]{1,24}") {
            let want = json!(text.clone());
            prop_assert_eq!(expand(json!(escape(&text)), &[]), Ok(want));
        }

        #[test]
        fn no_text_makes_the_parser_fail(text in ".{0,40}") {
            let _ = pieces(&text);
        }
    }
}
