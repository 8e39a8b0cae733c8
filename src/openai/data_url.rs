//! Data URLs: pictures written out as text within JSON or a form's field.

use base64_simd::forgiving_decode_inplace;
use bytes::Bytes;

/// Whether a text means to be a data URL.
pub(super) fn is_data_url(text: &str) -> bool {
    text.trim_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The bytes of `data:image/png;base64,…`, decoded within the text's own memory. The media type is not looked at:
/// what the bytes are shows in the bytes.
///
/// Tolerated: white space, missing padding, the URL-safe alphabet, percent signs. The error says what is wrong.
pub(super) fn decode(text: String) -> Result<Bytes, &'static str> {
    let Some(comma) = text.find(',') else {
        return Err("A data URL has a comma before its data: 'data:image/png;base64,…'.");
    };
    let is_base64 = text
        .get(..comma)
        .and_then(|head| head.rsplit_once(';'))
        .is_some_and(|(_, encoding)| encoding.trim().eq_ignore_ascii_case("base64"));
    if !is_base64 {
        return Err("Only base64 data URLs are taken: 'data:image/png;base64,…'.");
    }
    let mut bytes = text.into_bytes();
    bytes.drain(..=comma);
    let length = normalize(&mut bytes).ok_or(NOT_BASE64)?;
    bytes.truncate(length);
    let length = forgiving_decode_inplace(&mut bytes).map_err(|_| NOT_BASE64)?.len();
    bytes.truncate(length);
    Ok(bytes.into())
}

const NOT_BASE64: &str = "The data URL's data is not valid base64.";

/// Turns the URL-safe alphabet into the standard one and percent signs into what they stand for, in place; the new
/// length. None when a percent sign stands for nothing.
fn normalize(bytes: &mut [u8]) -> Option<usize> {
    let (mut from, mut to) = (0, 0);
    while let Some(&byte) = bytes.get(from) {
        let byte = match byte {
            b'-' => b'+',
            b'_' => b'/',
            b'%' => {
                let digits = bytes.get(from + 1..from + 3)?;
                let digits =
                    str::from_utf8(digits).ok().filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()))?;
                from += 2;
                u8::from_str_radix(digits, 16).ok()?
            }
            other => other,
        };
        *bytes.get_mut(to)? = byte;
        (from, to) = (from + 1, to + 1);
    }
    Some(to)
}

#[cfg(test)]
mod tests {
    use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Result<Bytes, &'static str> {
        assert!(is_data_url(text), "{text}");
        decode(text.to_owned())
    }

    #[test]
    fn what_clients_write_is_read() {
        for text in [
            "data:image/png;base64,+/+/AQ==",
            "DATA:image/png;charset=utf-8;BASE64,+/+/AQ==",
            "data:;base64,+/+/AQ",
            "data:image/png;base64,-_-_AQ",
            "data:image/png;base64,+/+/\r\n AQ==\n",
            "data:image/png;base64,%2B%2f+/AQ%3D%3d",
        ] {
            assert_eq!(decoded(text).unwrap(), [0xfb, 0xff, 0xbf, 1].as_slice(), "{text}");
        }
        assert_eq!(decoded("data:image/png;base64,").unwrap(), "");
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for (text, words) in [
            ("data:image/png;base64", "comma"),
            ("data:image/svg+xml,<svg/>", "Only base64"),
            ("data:,base64", "Only base64"),
            ("data:image/png;base64,A", "not valid"),
            ("data:image/png;base64,AA==AA==", "not valid"),
            ("data:image/png;base64,A%4", "not valid"),
            ("data:image/png;base64,A%+1A", "not valid"),
            ("data:image/png;base64,AAé=", "not valid"),
        ] {
            assert!(decoded(text).unwrap_err().contains(words), "{text}");
        }
        for text in ["", "data", "https://a/b", "é€é"] {
            assert!(!is_data_url(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_whatever_alphabet_padding_and_breaks_they_were_written_with(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            url_safe in any::<bool>(),
            breaks in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![' ', '\n', '\r', '\t'])), 0..5),
        ) {
            let codec = if url_safe { URL_SAFE_NO_PAD } else { STANDARD };
            let mut text: Vec<char> = codec.encode_to_string(&bytes).chars().collect();
            for (at, space) in breaks {
                text.insert(at.index(text.len() + 1), space);
            }
            let text = format!("data:image/png;base64,{}", text.into_iter().collect::<String>());
            prop_assert_eq!(decoded(&text).unwrap(), bytes);
        }

        #[test]
        fn no_text_upsets_the_reader(text in any::<String>()) {
            let _ = is_data_url(&text);
            let _ = decode(text.clone());
            let _ = decode(format!("data:;base64,{text}"));
        }
    }
}
