use http::HeaderValue;

use super::*;

const LIMITS: BodyLimits = BodyLimits::new(100_000);

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// A body of unknown length.
fn pieces(pieces: Vec<Vec<u8>>) -> Body {
    Body::from_stream(futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
}

async fn read_with(body: Body, budget: &BodyBudget) -> Result<Bytes, FaultKind> {
    read_json_body(&json_headers(), body, &LIMITS, budget).await.map_err(|fault| fault.kind())
}

async fn read_alone(body: Body) -> Result<Bytes, FaultKind> {
    read_with(body, &BodyBudget::new(1_000_000)).await
}

#[tokio::test]
async fn a_body_is_read_whole_with_and_without_a_length() {
    assert_eq!(read_alone(Body::from("{}")).await.unwrap(), "{}");
    assert_eq!(read_alone(Body::empty()).await.unwrap(), "");
    let text: Vec<u8> = (0..90_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let chunked = pieces(text.chunks(7_001).map(<[u8]>::to_vec).collect());
    assert_eq!(read_alone(chunked).await.unwrap(), text);
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_told_or_not() {
    assert!(read_alone(Body::from(vec![b' '; 100_000])).await.is_ok());
    assert_eq!(read_alone(Body::from(vec![b' '; 100_001])).await, Err(FaultKind::TooLarge));
    assert_eq!(read_alone(pieces(vec![vec![b' '; 60_000]; 2])).await, Err(FaultKind::TooLarge));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_refused_for_its_pause_and_for_its_whole_time() {
    let drip = |pause: u64| {
        let stream = futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        Body::from_stream(stream)
    };
    for (pause, given_up_after) in [(31, 30), (7, 60)] {
        let before = Instant::now();
        assert_eq!(read_alone(drip(pause)).await, Err(FaultKind::RequestTimeout));
        assert_eq!(before.elapsed().as_secs(), given_up_after);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken =
        futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("reset"))]);
    assert_eq!(read_alone(Body::from_stream(broken)).await, Err(FaultKind::InvalidJson));
}

#[tokio::test]
async fn bodies_take_from_the_budget_until_their_last_slice_is_gone() {
    let budget = BodyBudget::new(64 * 1024);
    let first = read_with(Body::from(vec![b'1'; 40_000]), &budget).await.unwrap();
    let second = || pieces(vec![vec![b'2'; 20_000]; 2]);
    assert_eq!(read_with(second(), &budget).await, Err(FaultKind::Overloaded));
    assert_eq!(read_with(Body::from(vec![b'2'; 40_000]), &budget).await, Err(FaultKind::Overloaded));
    let slice = first.slice(10..20);
    drop(first);
    assert_eq!(read_with(second(), &budget).await, Err(FaultKind::Overloaded), "a slice holds the bytes");
    drop(slice);
    assert_eq!(read_with(second(), &budget).await.unwrap().len(), 40_000);
    assert_eq!(budget.0.available_permits(), 64, "all given back, of the refused ones too");
}

#[tokio::test]
async fn who_announces_much_and_sends_nothing_holds_nothing() {
    let budget = BodyBudget::new(64 * 1024);
    let held = Held::new(64 * 1024, &budget).unwrap();
    assert_eq!(budget.0.available_permits(), 64);
    drop(held);
}

#[tokio::test]
async fn only_plain_json_is_read() {
    let kind = async |name, value| {
        let mut headers = json_headers();
        headers.insert(name, HeaderValue::from_static(value));
        let read = read_json_body(&headers, Body::from("{}"), &LIMITS, &BodyBudget::new(1024)).await;
        read.map(|_| ()).map_err(|fault| fault.kind())
    };
    for good in ["application/json; charset=utf-8", "Application/JSON", "application/problem+json"] {
        assert_eq!(kind(CONTENT_TYPE, good).await, Ok(()), "{good}");
    }
    for bad in
        ["application/x-www-form-urlencoded", "text/json", "multipart/form-data; boundary=a", "", "json"]
    {
        assert_eq!(kind(CONTENT_TYPE, bad).await, Err(FaultKind::UnsupportedMediaType), "{bad}");
    }
    assert_eq!(kind(CONTENT_ENCODING, "identity").await, Ok(()));
    assert_eq!(kind(CONTENT_ENCODING, "gzip").await, Err(FaultKind::UnsupportedMediaType));
    assert_eq!(kind(CONTENT_ENCODING, "identity, gzip").await, Err(FaultKind::UnsupportedMediaType));
}

#[tokio::test]
async fn a_missing_content_type_is_refused_with_a_hint() {
    let read = read_json_body(&HeaderMap::new(), Body::from("{}"), &LIMITS, &BodyBudget::new(1024)).await;
    assert!(read.unwrap_err().message().contains("Content-Type: application/json"));
}
