//! How public messages are worded: OpenAI's phrases, and clients' own texts made safe to repeat.

/// Characters of a client's text that a message repeats.
const ECHO_CHARS_MAX: usize = 64;

/// "Supported values are: 'low', 'medium', and 'high'."
pub fn supported<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{}'", name.as_ref())).collect();
    match quoted.as_slice() {
        [] => "No value is supported.".to_owned(),
        [only] => format!("The supported value is: {only}."),
        [first, second] => format!("Supported values are: {first} and {second}."),
        [rest @ .., last] => format!("Supported values are: {}, and {last}.", rest.join(", ")),
    }
}

/// A client's text in quotes, without control characters, cut when long.
pub fn quote(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(ECHO_CHARS_MAX + 1).collect();
    if let Some((end, _)) = shown.char_indices().nth(ECHO_CHARS_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    format!("'{shown}'")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_worded_by_their_length() {
        assert_eq!(supported(&["a"]), "The supported value is: 'a'.");
        assert_eq!(supported(&["a", "b"]), "Supported values are: 'a' and 'b'.");
        assert_eq!(supported(&["a", "b", "c"]), "Supported values are: 'a', 'b', and 'c'.");
    }

    proptest! {
        #[test]
        fn a_quoted_text_is_short_and_printable(text in any::<String>()) {
            let quoted = quote(&text);
            prop_assert!(quoted.chars().count() <= ECHO_CHARS_MAX + 3);
            prop_assert!(!quoted.chars().any(char::is_control));
        }
    }
}
