//! The request header `Prefer` (RFC 7240): how long a client waits before it takes a 202.
//!
//! Read tolerantly: a preference that is unknown or makes no sense is as if it were not there. Of one given twice the
//! first counts.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// More header text than this is not looked through.
const LENGTH_MAX: usize = 1024;
/// Longer waits are as good as none that end.
const WAIT_MAX: Duration = Duration::from_hours(24);

/// What a client prefers to a long wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Preference {
    /// `respond-async`: a 202 rather than a wait.
    deferred: bool,
    /// `wait=N`: a 202 after so many seconds.
    wait: Option<Duration>,
}

impl Preference {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let mut preference = Self::default();
        for item in lines.filter(|line| line.len() <= LENGTH_MAX).flat_map(|line| split(line, ',')) {
            // Parameters of a preference stand behind a semicolon; none is known for these two.
            let item = split(item, ';').next().unwrap_or_default();
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => preference.deferred = true,
                "wait" if preference.wait.is_none() => preference.wait = seconds(value),
                _ => {}
            }
        }
        preference
    }

    /// How long the client waits for the whole answer before it takes a 202; none: to the end.
    pub(super) fn patience(self) -> Option<Duration> {
        self.wait.or(self.deferred.then_some(Duration::ZERO))
    }

    /// The value of `Preference-Applied`; none where there is nothing to apply.
    pub(super) fn applied(self) -> Option<String> {
        let wait = self.wait.map(|wait| format!("wait={}", wait.as_secs()));
        match (self.deferred, wait) {
            (true, Some(wait)) => Some(format!("respond-async, {wait}")),
            (true, None) => Some("respond-async".to_owned()),
            (false, wait) => wait,
        }
    }
}

/// Whole seconds, quoted or not.
fn seconds(value: &str) -> Option<Duration> {
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().map_or(WAIT_MAX, Duration::from_secs).min(WAIT_MAX))
}

/// The parts between separators that do not stand within quotes.
pub(super) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Preference {
        let lines = lines.iter().map(|line| (PREFER, HeaderValue::from_bytes(line.as_bytes()).unwrap()));
        Preference::of(&lines.collect())
    }

    fn wait(line: &str) -> Option<u64> {
        read(&[line]).patience().map(|wait| wait.as_secs())
    }

    #[test]
    fn both_preferences_are_read_in_every_spelling() {
        let lines = [
            ("respond-async", Some(0)),
            ("Respond-Async", Some(0)),
            ("wait=10", Some(10)),
            ("WAIT = 10", Some(10)),
            ("wait=\"10\"", Some(10)),
            ("respond-async, wait=10", Some(10)),
            ("wait=10,respond-async", Some(10)),
            ("return=minimal; foo=\"a, wait=1\", wait=7", Some(7)),
            ("foo=\"a \\\" , wait=1\", wait=8; x=y", Some(8)),
            (", ,wait=5,,", Some(5)),
            ("wait=0", Some(0)),
            ("wait=5, wait=9", Some(5)),
            ("wait=99999999999999999999999", Some(24 * 3600)),
        ];
        for (line, seconds) in lines {
            assert_eq!(wait(line), seconds, "{line}");
        }
        assert_eq!(read(&["respond-async", "wait=3"]).patience(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_makes_no_sense_is_not_there() {
        for line in
            ["", "wait", "wait=", "wait=-1", "wait=1.5", "wait=+1", "wait=soon", "respond-asynch", "=5"]
        {
            assert_eq!((wait(line), read(&[line]).applied()), (None, None), "{line}");
        }
        assert_eq!(wait(&format!("{}, wait=1", "x".repeat(LENGTH_MAX))), None);
        assert_eq!(read(&[]).applied(), None);
    }

    #[test]
    fn what_was_applied_is_told() {
        for (line, applied) in [
            ("RESPOND-ASYNC; x", "respond-async"),
            ("wait=\"7\"", "wait=7"),
            ("wait=7,respond-async", "respond-async, wait=7"),
        ] {
            assert_eq!(read(&[line]).applied().as_deref(), Some(applied));
        }
    }

    proptest! {
        #[test]
        fn any_header_is_borne(line in "[ -~]{0,60}", seconds in 0..86_400_u64) {
            read(&[&line]);
            let balanced = line.replace(['"', '\\'], "");
            prop_assume!(!balanced.to_ascii_lowercase().contains("wait"));
            prop_assert_eq!(wait(&format!("{balanced}, wait={seconds}")), Some(seconds));
        }
    }
}
