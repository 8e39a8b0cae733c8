//! Upstream's texts, made fit for a client of the gateway.
//!
//! Evolink's messages may carry request ids, links, key names, balances. What helps a client ("prompt too long")
//! stays, the rest goes; when nothing is left, the caller has a neutral text of its own.

/// Characters of an upstream message that a client is shown.
pub const CLIENT_MESSAGE_CHARS_MAX: usize = 300;

/// Input beyond this is not looked at.
const RAW_CHARS_MAX: usize = 4_000;

/// A token of letters and digits at least this long is taken for a secret or an internal id.
const OPAQUE_CHARS_MIN: usize = 24;

/// A sentence with one of these is about the operator's account, not about the client's request.
const ACCOUNT_WORDS: [&str; 12] = [
    "balance",
    "credit",
    "billing",
    "top up",
    "top-up",
    "recharge",
    "api key",
    "key name",
    "key_name",
    "token name",
    "user group",
    "user_group",
];

/// `raw` without request ids, links, addresses, keys, account figures and control characters, on one line, at most
/// [`CLIENT_MESSAGE_CHARS_MAX`] characters. May be empty.
pub fn client_message(raw: &str) -> String {
    let text = without_request_id(&clip(raw, RAW_CHARS_MAX));
    let kept: Vec<String> = sentences(&text)
        .filter(|sentence| {
            let lower = sentence.to_lowercase();
            !ACCOUNT_WORDS.iter().any(|word| lower.contains(word))
        })
        .map(|sentence| sentence.split_whitespace().map(shown).collect::<Vec<_>>().join(" "))
        .filter(|sentence| !sentence.is_empty())
        .collect();
    clip(&kept.join(" "), CLIENT_MESSAGE_CHARS_MAX)
}

/// `raw` for the operator's log: whole but for keys, which upstream may echo.
pub(super) fn without_keys(raw: &str) -> String {
    raw.split_inclusive(char::is_whitespace)
        .map(|token| if is_key(&token.to_ascii_lowercase()) { "[hidden] " } else { token })
        .collect()
}

/// The first `chars` characters, with an ellipsis as the last one when something was cut.
pub(super) fn clip(text: &str, chars: usize) -> String {
    if text.chars().nth(chars).is_none() {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}

/// Cuts out every ` (request id: …)`; an unclosed one reaches to the end.
fn without_request_id(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some((before, after)) = split_at_request_id(rest) {
        kept.push_str(before.trim_end());
        rest = after;
    }
    kept.push_str(rest);
    kept
}

fn split_at_request_id(text: &str) -> Option<(&str, &str)> {
    // ASCII lower case keeps every byte's place
    let lower = text.to_ascii_lowercase();
    let start = ["(request id", "(request_id", "(requestid", "[request id", "(trace id", "(traceid"]
        .iter()
        .filter_map(|mark| lower.find(mark))
        .min()?;
    let (before, from) = text.split_at_checked(start)?;
    let after = from.find([')', ']']).and_then(|end| from.get(end.saturating_add(1)..)).unwrap_or_default();
    Some((before, after))
}

/// Splits after `. `, `; `, `! `, `? ` and at line breaks and other control characters.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(char::is_control).flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            let end = [". ", "; ", "! ", "? ", "。", "；"]
                .iter()
                .filter_map(|mark| rest.find(mark).map(|at| at.saturating_add(mark.trim_end().len())))
                .min()
                .unwrap_or(rest.len());
            let (sentence, after) = rest.split_at_checked(end)?;
            rest = after;
            (!sentence.is_empty()).then_some(sentence)
        })
    })
}

/// The token itself, or what stands in for it.
fn shown(token: &str) -> &str {
    let core = token.trim_matches(|c: char| !c.is_alphanumeric());
    let lower = token.to_ascii_lowercase();
    if lower.contains("://")
        || lower.contains("www.")
        || core.to_ascii_lowercase().contains("evolink.")
        || is_address(core)
    {
        "[link]"
    } else if token.contains('@') && core.contains('.') {
        "[address]"
    } else if is_key(&lower) || is_opaque(core) {
        "[hidden]"
    } else if lower.contains('$') && core.contains(|c: char| c.is_ascii_digit()) {
        "[amount]"
    } else {
        token
    }
}

/// `sk-…` anywhere in the token, masked ones (`sk-ab***yz`) too, and the header's `Bearer`.
fn is_key(lower: &str) -> bool {
    lower.split(|c: char| !c.is_alphanumeric() && c != '-').any(|part| part.starts_with("sk-"))
}

/// An IP address, with or without port.
fn is_address(core: &str) -> bool {
    let host = core.rsplit_once(':').map_or(core, |(host, _)| host);
    core.parse::<std::net::IpAddr>().is_ok() || host.parse::<std::net::IpAddr>().is_ok()
}

/// A long run of letters and digits mixed, as ids and secrets are and words are not. Sizes, codes and names of
/// parameters are shorter or have no digits.
fn is_opaque(core: &str) -> bool {
    core.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').any(|part| {
        part.len() >= OPAQUE_CHARS_MIN
            && part.contains(|c: char| c.is_ascii_digit())
            && part.contains(|c: char| c.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_helps_a_client_stays_and_the_rest_goes() {
        let table = [
            ("Prompt is too long (max 32000 characters)", "Prompt is too long (max 32000 characters)"),
            ("Invalid size 1000x1000 (request id: 2026052112345678abcdefgh)", "Invalid size 1000x1000"),
            ("bad (Request ID: x) indeed [request id: y].", "bad indeed."),
            (
                "Invalid mask image format - mask\nimage missing alpha channel",
                "Invalid mask image format - mask image missing alpha channel",
            ),
            ("See https://docs.evolink.ai/errors for help", "See [link] for help"),
            ("host api-7.internal.evolink.ai:8080 said no", "host [link] said no"),
            ("upstream 10.1.2.3:9000 refused", "upstream [link] refused"),
            ("token sk-abcDEF123456 is wrong", "token [hidden] is wrong"),
            ("token 'sk-ab***yz' is wrong", "token [hidden] is wrong"),
            ("Not offered by Evolink.", "Not offered by Evolink."),
            ("Ask support@evolink.ai about it", "Ask [link] about it"),
            ("Ask ops@example.org about it", "Ask [address] about it"),
            ("Bad image. Account balance: 1.02 credits. Try again.", "Bad image. Try again."),
            ("costs $12.50 today", "costs [amount] today"),
            ("channel 3f2a9c0d4b5e6f708192a3b4c5d6e7f8 failed", "channel [hidden] failed"),
            ("Your balance is 3 credits", ""),
            ("", ""),
        ];
        for (raw, clean) in table {
            assert_eq!(client_message(raw), clean, "{raw}");
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let clean = client_message(&"é".repeat(5_000));
        assert_eq!(clean.chars().count(), CLIENT_MESSAGE_CHARS_MAX);
        assert!(clean.ends_with('…'));
    }

    proptest! {
        #[test]
        fn no_message_gets_through_with_a_link_a_key_or_a_line_break(
            parts in prop::collection::vec(prop_oneof![
                "\\PC{0,20}", Just("https://x.example/y".to_owned()), Just("sk-secret123".to_owned()), any::<String>(),
            ], 0..12),
            glue in "[ \\n\\t(\"']",
        ) {
            let clean = client_message(&parts.join(&glue));
            prop_assert!(!clean.contains("://") && !clean.contains("sk-secret"), "{clean:?}");
            prop_assert!(!clean.contains(char::is_control), "{clean:?}");
            prop_assert!(clean.chars().count() <= CLIENT_MESSAGE_CHARS_MAX);
        }
    }
}
