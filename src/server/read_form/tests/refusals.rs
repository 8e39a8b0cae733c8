//! What is refused, how it is called, and that it is refused early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use futures_util::{StreamExt as _, stream};

use super::*;

async fn refusal(parts: &[(&str, Option<&str>, &[u8])]) -> Fault {
    let desk = Desk::new();
    let fault = desk.read_parts(parts).await.expect_err("must be refused");
    assert!(desk.is_idle(), "nothing is held for a refused form");
    fault
}

fn told(fault: &Fault) -> (u16, &str, Option<&str>) {
    (fault.status(), fault.code(), fault.param())
}

/// `start`, then `piece` again and again; and how many of these were read.
fn endless(start: Vec<u8>, piece: Vec<u8>) -> (Body, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let piece = Bytes::from(piece);
    let rest = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        piece.clone()
    });
    let body = stream::iter([Bytes::from(start)]).chain(rest).map(Ok::<_, std::io::Error>);
    (Body::from_stream(body), read)
}

fn begun(name: &str, file_name: Option<&str>) -> Vec<u8> {
    format!("--x\r\n{}", head(name, file_name)).into_bytes()
}

#[tokio::test]
async fn a_seventeenth_picture_is_refused_as_it_begins() {
    let picture = png(1, 300);
    let mut body = form(&vec![("image[]", Some("a"), picture.as_slice()); 16]);
    body.truncate(body.len() - b"--x--\r\n".len());
    body.extend(begun("image[]", Some("a")));
    let (body, read) = endless(body, vec![0; 1000]);
    let fault = Desk::new().read(body).await.unwrap_err();
    assert_eq!(told(&fault), (400, "invalid_value", Some("image")));
    assert!(fault.message().contains("at most 16"), "{}", fault.message());
    assert!(read.load(Ordering::Relaxed) < 10, "the rest is not read");
}

#[tokio::test]
async fn what_is_no_picture_is_named() {
    let good = png(1, 300);
    let mut flat = png(1, 300);
    flat[16..20].fill(0);
    let cases: [(&[u8], &str); 6] = [
        (b"Dear gateway,", "it looks like a text; send PNG, JPEG or WebP."),
        (b"GIF89a", "it looks like a GIF; send PNG, JPEG or WebP."),
        (&good[..280], "its end is missing."),
        (&flat, "its header is damaged or tells a size of zero."),
        (b"https://example.com/a.png", "Send links as JSON: {\"images\": [{\"image_url\": …}]}."),
        (b"", "it is empty."),
    ];
    for (bytes, words) in cases {
        let fault = refusal(&[("image[]", Some("a"), &good), ("image[]", Some("b"), bytes)]).await;
        assert_eq!(told(&fault), (400, "invalid_image", Some("image")));
        let message = fault.message();
        assert!(message.starts_with("Picture 2 in 'image[]' ") && message.ends_with(words), "{message}");
        let fault = refusal(&[("mask", Some("a"), bytes)]).await;
        assert_eq!(told(&fault), (400, "invalid_image", Some("mask")));
        assert!(fault.message().starts_with("The mask "), "{}", fault.message());
    }
    let fault = refusal(&[("mask", Some("a"), &good), ("mask[]", Some("b"), &good)]).await;
    assert_eq!(told(&fault), (400, "invalid_value", Some("mask")));
}

#[tokio::test]
async fn a_bomb_costs_no_more_than_another_picture() {
    let mut bomb = png(1, 300);
    bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let form = Desk::new().read_parts(&[("image", Some("a"), &bomb)]).await.unwrap();
    assert_eq!(form.images[0].picture().pixels, crate::image::Pixels::new(50_000, 50_000));
}

#[tokio::test]
async fn a_large_file_that_is_no_picture_is_refused_at_its_first_quarter_of_a_megabyte() {
    let (body, read) = endless(begun("image", Some("film.png")), b"a text for ever".repeat(1000));
    let fault = Desk::new().read(body).await.unwrap_err();
    assert_eq!(told(&fault), (400, "invalid_image", Some("image")));
    assert!(read.load(Ordering::Relaxed) < 30);
}

#[tokio::test]
async fn a_picture_over_fifty_megabytes_is_refused() {
    let mut start = begun("image", Some("a"));
    start.extend(&png(1, 300)[..200]);
    let (body, read) = endless(start, vec![0; 1024 * 1024]);
    let desk = Desk::new();
    let fault = desk.read(body).await.unwrap_err();
    assert_eq!(told(&fault), (413, "request_too_large", Some("image")));
    assert!(fault.message().contains("52428800"), "{}", fault.message());
    assert!(read.load(Ordering::Relaxed) < 53);
    assert!(desk.is_idle());
}

#[tokio::test]
async fn a_form_over_the_whole_bound_is_refused_told_or_not() {
    let mut desk = Desk::new();
    desk.limits = FormLimits::new(1000);
    let parts = |length: usize| form(&[("a", Some("a"), &vec![0; length])]);
    let around = parts(0).len();
    assert!(desk.read(pieces(&parts(1000 - around), 100)).await.is_ok());
    for body in [Body::from(parts(1001 - around)), pieces(&parts(1001 - around), 100)] {
        assert_eq!(told(&desk.read(body).await.unwrap_err()), (413, "request_too_large", None));
    }
}

#[tokio::test]
async fn parts_texts_and_heads_are_bounded() {
    let fault = refusal(&vec![("a", None, b"1".as_slice()); 129]).await;
    assert_eq!(told(&fault), (400, "invalid_value", None));
    assert_eq!(fault.message(), "The form has too many parts (more than 128).");
    let fault = refusal(&[("prompt", None, &vec![b'a'; 256 * 1024 + 1])]).await;
    assert_eq!(fault.message(), "The text in 'prompt' is longer than 262144 bytes.");
    let fault = refusal(&[("prompt", None, b"\xff\xfe")]).await;
    assert_eq!(fault.message(), "The text in 'prompt' is not UTF-8.");
    let fault = refusal(&[(&"n".repeat(257), None, b"")]).await;
    assert_eq!(fault.message(), "Part 1 of the form has no name of 1 to 256 bytes.");
    // neither a head nor what stands before the first part may go on and on
    for start in [b"--x\r\nContent-Disposition: form-data; name=".to_vec(), Vec::new()] {
        for step in [1, 100_000] {
            let (body, read) = endless(start.clone(), vec![b'a'; step]);
            let fault = Desk::new().read(body).await.unwrap_err();
            assert_eq!(fault.message(), "A part's head is longer than 32768 bytes.");
            assert!(read.load(Ordering::Relaxed) < 33_000);
        }
    }
    let many = "a: b\r\n".repeat(100);
    let fault = Desk::new().read(Body::from(format!("--x\r\n{many}\r\n1\r\n--x--"))).await.unwrap_err();
    assert_eq!(fault.message(), "The head of a part of the form cannot be read.");
}

#[tokio::test]
async fn a_damaged_form_is_refused_wherever_it_is_cut() {
    let picture = png(1, 300);
    let whole = form(&[("prompt", None, b"a"), ("image", Some("a"), &picture)]);
    let desk = Desk::new();
    for length in 0..whole.len() - 2 {
        let fault = desk.read(pieces(&whole[..length], 50)).await.unwrap_err();
        assert_eq!((fault.status(), fault.code()), (400, "invalid_value"), "cut at {length}");
        assert!(fault.message().contains("cut off"), "{}", fault.message());
    }
    for body in
        ["--y\r\n\r\n--y--", "{\"prompt\": \"a\"}", "--x\r\n\r\n\r\n1\r\n--x--", "--x\r\na\r\n\r\n1\r\n--x--"]
    {
        assert_eq!(desk.read(Body::from(body)).await.unwrap_err().status(), 400, "{body}");
    }
    let broken = stream::iter([Ok(Bytes::from(begun("prompt", None))), Err(std::io::Error::other("reset"))]);
    let fault = desk.read(Body::from_stream(broken)).await.unwrap_err();
    assert_eq!((told(&fault), fault.cause().is_some()), ((400, "invalid_value", None), true));
}

#[tokio::test(start_paused = true)]
async fn a_slow_form_is_refused_for_its_pause_and_for_its_whole_time() {
    for (pause, given_up_after) in [(31, 30), (29, 300)] {
        let drip = stream::unfold(Bytes::from(begun("prompt", None)), move |piece| async move {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            Some((Ok::<_, std::io::Error>(piece), Bytes::from_static(b"a")))
        });
        let before = Instant::now();
        let fault = Desk::new().read(Body::from_stream(drip)).await.unwrap_err();
        assert_eq!((fault.status(), before.elapsed().as_secs()), (408, given_up_after));
    }
}

#[tokio::test]
async fn only_plain_forms_with_a_boundary_are_read() {
    let desk = Desk::new();
    let body = || Body::from(form(&[("n", None, b"1")]));
    for good in ["multipart/form-data; boundary=x", "Multipart/Form-Data; charset=utf-8; Boundary=\"x\""] {
        assert!(desk.read_as(good, body()).await.is_ok(), "{good}");
    }
    let bad = [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        "text/plain",
        "",
    ];
    for bad in bad {
        let fault = desk.read_as(bad, body()).await.unwrap_err();
        assert_eq!(fault.status(), 415, "{bad}");
        let message = fault.message();
        assert!(message.contains("multipart/form-data") && message.contains("application/json"), "{message}");
    }
    let mut headers = headers("multipart/form-data; boundary=x");
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let read = read_form(&headers, body(), &desk.limits, &desk.budget, &desk.spool).await;
    assert_eq!(read.unwrap_err().status(), 415);
    let none = read_form(&HeaderMap::new(), body(), &desk.limits, &desk.budget, &desk.spool).await;
    assert_eq!(none.unwrap_err().status(), 415);
}

#[tokio::test]
async fn a_spool_that_cannot_be_used_is_a_503_with_its_cause_for_the_log() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut desk = Desk::new();
    desk.spool = Spool::new(file.path().join("spool"));
    let fault = desk.read_parts(&[("image", Some("a"), &png(1, 300_000))]).await.unwrap_err();
    assert_eq!((told(&fault), fault.should_retry()), ((503, "server_is_overloaded", None), true));
    assert!(fault.cause().unwrap().contains("spool"));
    assert!(!fault.message().contains("spool"));
}
