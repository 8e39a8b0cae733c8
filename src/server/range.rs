//! Which part of a picture a request asks for (RFC 9110, section 14): one range of bytes, or all.

use std::ops::Range;

use http::HeaderMap;
use http::header::{IF_RANGE, RANGE};

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// Not empty.
    Some(Range<usize>),
    /// No byte of what is asked for is there.
    None,
}

/// The part of `length` bytes with the entity tag `tag`. What is not understood, or not wanted of another state of the
/// picture, is as if it were not asked for; so are several ranges at once.
pub(super) fn asked(headers: &HeaderMap, tag: &str, length: usize) -> Part {
    let mut lines = headers.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Part::Whole };
    // A date is another state, too: none is told.
    if headers.get(IF_RANGE).is_some_and(|wanted| wanted.as_bytes() != tag.as_bytes()) {
        return Part::Whole;
    }
    line.to_str().ok().and_then(|line| read(line, length)).unwrap_or(Part::Whole)
}

fn read(line: &str, length: usize) -> Option<Part> {
    let (unit, range) = line.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return None,
    };
    Some(if range.is_empty() { Part::None } else { Part::Some(range) })
}

/// Digits only; more than can be counted is as much as can be.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "\"abc\"";

    fn part(range: &str) -> Part {
        let value = HeaderValue::from_str(range).unwrap();
        asked(&[(RANGE, value)].into_iter().collect(), TAG, 100)
    }

    #[test]
    fn one_range_is_sent_as_far_as_it_is_there() {
        assert_eq!(part("bytes=0-9"), Part::Some(0..10));
        assert_eq!(part("bytes=90-"), Part::Some(90..100));
        assert_eq!(part("Bytes=-1"), Part::Some(99..100));
        assert_eq!(part("bytes=-1000"), Part::Some(0..100));
        assert_eq!(part("bytes=99-99999999999999999999999"), Part::Some(99..100));
    }

    #[test]
    fn a_range_beyond_the_end_has_nothing() {
        for range in ["bytes=100-", "bytes=100-200", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(part(range), Part::None, "{range}");
        }
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_the_whole() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=9-1",
            "bytes=+1-2",
            "bytes=0-1,3-4",
            "lines=0-1",
        ] {
            assert_eq!(part(range), Part::Whole, "{range}");
        }
        let twice = HeaderValue::from_static("bytes=0-1");
        let mut headers = HeaderMap::new();
        headers.append(RANGE, twice.clone());
        headers.append(RANGE, twice);
        assert_eq!(asked(&headers, TAG, 100), Part::Whole);
    }

    #[test]
    fn a_range_of_another_state_is_the_whole() {
        let part = |condition: &'static str| {
            let headers = [
                (RANGE, HeaderValue::from_static("bytes=0-1")),
                (IF_RANGE, HeaderValue::from_static(condition)),
            ];
            asked(&headers.into_iter().collect(), TAG, 100)
        };
        assert_eq!(part(TAG), Part::Some(0..2));
        for other in ["\"abd\"", "W/\"abc\"", "Sat, 29 Oct 2026 19:43:31 GMT", "abc"] {
            assert_eq!(part(other), Part::Whole, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_whole(line in "[ -~]{0,30}|bytes=[0-9]{0,25}-[0-9]{0,25}", length in 1_usize..500) {
            let headers = [(RANGE, HeaderValue::from_str(&line).unwrap())].into_iter().collect();
            if let Part::Some(range) = asked(&headers, TAG, length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
