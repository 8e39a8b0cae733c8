//! Files of other kinds, by their first bytes: only so that a refusal can say what came instead of a picture.

/// Bytes at the start in which a text shows itself.
const TEXT_LOOKED_AT: usize = 512;

const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"GIF8", "a GIF"),
    (0, b"BM", "a BMP"),
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (0, b"%PDF", "a PDF"),
    (0, b"\0\0\x01\0", "an ICO"),
    (0, b"8BPS", "a PSD"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (0, b"PK\x03\x04", "a ZIP"),
    (0, b"\x1f\x8b", "a gzip file"),
    (4, b"ftypavi", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftyphev", "a HEIC"),
    (4, b"ftypmif1", "a HEIC"),
    (4, b"ftypmsf1", "a HEIC"),
    (4, b"ftyp", "a video"),
];

/// What the file looks like, with its article, when it is no picture that is taken here.
pub(in crate::media) fn other_kind(head: &[u8]) -> Option<&'static str> {
    let known =
        MAGIC.iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|head| head.starts_with(magic)));
    known.map(|(_, _, name)| *name).or_else(|| text(head.get(..TEXT_LOOKED_AT).unwrap_or(head)))
}

fn text(head: &[u8]) -> Option<&'static str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii();
    let begins = |with: &[u8]| starts_with(head, with);
    if head.windows(4).any(|window| window.eq_ignore_ascii_case(b"<svg")) {
        return Some("an SVG");
    }
    if begins(b"<!doctype html") || begins(b"<html") {
        return Some("an HTML page");
    }
    let readable = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
    (!head.is_empty() && head.iter().all(readable)).then_some("a text")
}

/// Whether a link or a data URL stands where a picture's bytes should.
pub(in crate::media) fn is_link(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    [b"data:".as_slice(), b"http://", b"https://"].iter().any(|scheme| starts_with(head, scheme))
}

fn starts_with(head: &[u8], with: &[u8]) -> bool {
    head.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named() {
        let cases: [(&[u8], &str); 12] = [
            (b"GIF89a\x01\0", "a GIF"),
            (b"BM\x36\0\0\0", "a BMP"),
            (b"II*\0\x08\0\0\0", "a TIFF"),
            (b"%PDF-1.7\n", "a PDF"),
            (b"\0\0\0\x20ftypavif\0\0\0\0", "an AVIF"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
            (b"<?xml version='1.0'?>\n<svg xmlns=''/>", "an SVG"),
            (b"\xef\xbb\xbf <!DOCTYPE HTML><p>", "an HTML page"),
            (b"{\"error\": 1}", "a text"),
            ("письмо".as_bytes(), "a text"),
            (b"PK\x03\x04zip", "a ZIP"),
        ];
        for (head, name) in cases {
            assert_eq!(other_kind(head), Some(name), "{head:?}");
        }
        for unknown in [b"".as_slice(), b"\x01\x02\x03\0", b" \n"] {
            assert_eq!(other_kind(unknown), None);
        }
    }

    #[test]
    fn links_are_told_from_other_texts() {
        assert!(is_link(b"data:image/png;base64,iVBORw0KGgo=") && is_link(b" HTTPS://example.com/a.png"));
        assert!(!is_link(b"httpd") && !is_link(b"") && !is_link(b"{\"image_url\": \"https://a/b\"}"));
    }
}
