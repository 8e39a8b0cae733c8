//! Parameters of a header's value: `form-data; name="image"; filename="cat.png"`, `multipart/form-data; boundary=x`.

/// The first parameter of this name, in any case, without quotes; bytes that are no UTF-8 are replaced.
pub(super) fn parameter(header: &[u8], wanted: &str) -> Option<String> {
    let mut rest = after(header, b';')?;
    loop {
        rest = rest.trim_ascii_start();
        let name_end = rest.iter().position(|byte| matches!(byte, b'=' | b';'))?;
        let (name, from_mark) = rest.split_at(name_end);
        let value = match from_mark.split_first() {
            Some((b'=', value)) => value.trim_ascii_start(),
            Some((_, next)) => {
                rest = next;
                continue;
            }
            None => return None,
        };
        let (value, next) = if let Some(quoted) = value.strip_prefix(b"\"") {
            unquoted(quoted)?
        } else {
            let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
            let (value, next) = value.split_at(end);
            (value.trim_ascii_end().to_vec(), next)
        };
        if name.trim_ascii_end().eq_ignore_ascii_case(wanted.as_bytes()) {
            return Some(String::from_utf8_lossy(&value).into_owned());
        }
        rest = after(next, b';')?;
    }
}

/// A quoted text without the quotes, and what follows. A backslash hides a quote; elsewhere it is itself, since old
/// browsers send whole Windows paths as file names.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        match rest {
            [b'\\', b'"', next @ ..] => {
                value.push(b'"');
                rest = next;
            }
            [b'"', next @ ..] => return Some((value, next)),
            [byte, next @ ..] => {
                value.push(*byte);
                rest = next;
            }
            [] => return None,
        }
    }
}

fn after(text: &[u8], mark: u8) -> Option<&[u8]> {
    let at = text.iter().position(|byte| *byte == mark)?;
    text.get(at + 1..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(header: &str, wanted: &str) -> Option<String> {
        parameter(header.as_bytes(), wanted)
    }

    #[test]
    fn parameters_are_found_however_they_are_written() {
        for header in [
            r#"form-data; name="image""#,
            "form-data;name=image",
            r#"form-data; filename="a; name=x"; NAME = "image""#,
            r#"form-data; filename="a\"; name=x"; name=image ; more"#,
            r#"form-data; flag; filename*=UTF-8''x; name="image""#,
        ] {
            assert_eq!(read(header, "name").as_deref(), Some("image"), "{header}");
        }
        assert_eq!(read(r#"form-data; filename="C:\a\b.png"; name=x"#, "filename").unwrap(), r"C:\a\b.png");
        assert_eq!(read(r#"form-data; name="""#, "name").unwrap(), "");
        assert_eq!(read("multipart/form-data; boundary=--a=b/c", "boundary").unwrap(), "--a=b/c");
        for without in [
            "",
            "form-data",
            "form-data; filename=name",
            r#"form-data; name="open"#,
            "form-data; name",
            "name=x",
        ] {
            assert_eq!(read(without, "name"), None, "{without}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_reader(header in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\"\\;= name".to_vec())], 0..60)) {
            let _ = parameter(&header, "name");
        }

        #[test]
        fn what_was_quoted_comes_back(value in "[^\\\\\"]{0,20}", other in "[^\\\\\"]{0,20}") {
            let header = format!("form-data; filename=\"{other}\"; name=\"{value}\"");
            prop_assert_eq!(read(&header, "name"), Some(value));
        }
    }
}
