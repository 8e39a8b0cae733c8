//! Reads `multipart/form-data` that is wholly in memory.

use bytes::Bytes;

/// One field of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub name: String,
    pub file_name: Option<String>,
    pub bytes: Bytes,
}

/// The fields of a form; None if it is none or is broken.
pub(super) fn parts(media_type: &str, body: &Bytes) -> Option<Vec<Part>> {
    let boundary = attribute(media_type.strip_prefix("multipart/form-data")?, "boundary")?;
    let delimiter = format!("--{boundary}");
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(found) = find(body.get(at..)?, delimiter.as_bytes()) {
        starts.push(at + found);
        at += found + delimiter.len();
    }
    let parts = starts.windows(2).map(|pair| match pair {
        [start, end] => part(body, start + delimiter.len(), *end),
        _ => None,
    });
    parts.collect()
}

/// A field between the end of one delimiter and the start of the next: CRLF, head, empty line, bytes, CRLF.
fn part(body: &Bytes, start: usize, end: usize) -> Option<Part> {
    let section = body.get(start..end)?;
    let head_bytes = find(section, b"\r\n\r\n")?;
    let head = std::str::from_utf8(section.get(..head_bytes)?).ok()?;
    let disposition =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?.to_owned();
    let last = end.checked_sub(2).filter(|last| *last >= start + head_bytes + 4)?;
    Some(Part {
        name: attribute(&disposition, "name")?.to_owned(),
        file_name: attribute(&disposition, "filename").map(ToOwned::to_owned),
        bytes: body.slice(start + head_bytes + 4..last),
    })
}

/// `; name="value"` or `; name=value`.
fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(';').skip(1).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=XyZ";

    #[test]
    fn fields_and_files_are_told_apart_byte_for_byte() {
        let body = Bytes::from_static(
            b"--XyZ\r\nContent-Disposition: form-data; name=\"file_name\"\r\n\r\ncat.png\r\n\
              --XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
              \x89PNG\r\n--Xy\r\n--XyZ--\r\n",
        );
        let parts = parts(TYPE, &body).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].name.as_str(), &parts[0].bytes[..]), ("file_name", &b"cat.png"[..]));
        assert_eq!(parts[1].file_name.as_deref(), Some("a.png"));
        assert_eq!(&parts[1].bytes[..], b"\x89PNG\r\n--Xy");
    }

    #[test]
    fn what_is_no_form_is_none() {
        assert_eq!(parts("application/json", &Bytes::from_static(b"{}")), None);
        let headless = Bytes::from_static(b"--XyZ\r\nno head\r\n--XyZ--");
        assert_eq!(parts(TYPE, &headless), None);
    }
}
