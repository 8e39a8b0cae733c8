//! Own links to stored pictures: what they lead to, for whom, and how long.

mod bases;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use evolink_gateway::clock::Clock;
use http::Method;
use image::ImageFormat;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Harness, PROMPT_CANARY, Setup, decoded, logged, small};

/// A gateway that keeps pictures and state in this folder.
fn keeping(folder: &Path) -> Value {
    json!({
        "images": {"store": "disk", "path": folder.join("images")},
        "state": {"store": "embedded", "path": folder.join("state")},
    })
}

async fn start(folder: &TempDir) -> Harness {
    Harness::with(keeping(folder.path())).await
}

fn linked(mut body: Value) -> Value {
    body["response_format"] = json!("url");
    body
}

/// The link of an answer.
#[track_caller]
fn link(answer: &Answer) -> String {
    let item = answer.is_ok().json()["data"][0].clone();
    assert!(item.get("b64_json").is_none(), "{item}");
    item["url"].as_str().unwrap_or_else(|| panic!("no link: {item}")).to_owned()
}

/// A link to a small picture of this prompt.
async fn drawn(house: &Harness, prompt: &str) -> String {
    link(&house.generate(linked(small(prompt))).await)
}

/// Opens a link as anyone may.
async fn open(house: &Harness, method: Method, link: &str, headers: &[(&str, &str)]) -> Answer {
    let request = house.http.request(method, link);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    house.send(request).await
}

async fn get(house: &Harness, link: &str) -> Answer {
    open(house, Method::GET, link, &[]).await
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_link_shows_the_picture_to_anyone() {
    let folder = tempfile::tempdir().unwrap();
    let house = start(&folder).await;
    let link = drawn(&house, "a fox").await;
    assert!(link.starts_with(&format!("http://{}/images/", house.api)), "{link}");
    let shown = get(&house, &link).await;
    let same = house.draw("a fox").await.picture();
    assert_eq!(shown.is_ok().body, Bytes::from(same.bytes));
    assert_eq!(decoded(shown.body.to_vec()).size, (816, 816));
    let content = link.split(['/', '.']).find(|part| part.len() == 64).unwrap();
    let told = |name| shown.header(name).unwrap_or_else(|| panic!("no {name}: {:?}", shown.headers));
    assert_eq!(told("content-type"), "image/png");
    assert_eq!(told("content-length"), shown.body.len().to_string());
    assert_eq!(told("etag"), format!("\"{content}\""));
    assert_eq!(told("accept-ranges"), "bytes");
    assert_eq!(told("x-content-type-options"), "nosniff");
    assert_eq!(told("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(told("content-disposition"), format!("inline; filename=\"{}.png\"", &content[..12]));
    let age = told("cache-control").strip_prefix("private, max-age=").unwrap();
    let left: u64 = age.strip_suffix(", immutable").unwrap().parse().unwrap();
    assert!((86_300..=86_400).contains(&left), "{age}");
    let head = open(&house, Method::HEAD, &link, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-length", "content-type", "etag", "content-disposition"] {
        assert_eq!(head.header(name), Some(told(name)), "{name}");
    }
    assert_eq!(open(&house, Method::POST, &link, &[]).await.status, 405);
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn who_has_the_picture_is_not_sent_it_again_and_who_has_a_part_gets_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let house = start(&folder).await;
    let link = drawn(&house, "a fox").await;
    let whole = get(&house, &link).await;
    let (tag, length) = (whole.header("etag").unwrap(), whole.body.len());
    for known in [tag, "*", &format!("\"other\", W/{tag}")] {
        let answer = open(&house, Method::GET, &link, &[("if-none-match", known)]).await;
        assert_eq!((answer.status, answer.header("etag"), answer.body.len()), (304, Some(tag), 0), "{known}");
    }
    let other = open(&house, Method::GET, &link, &[("if-none-match", "\"other\"")]).await;
    assert_eq!(other.is_ok().body, whole.body);
    let part = async |headers: &[(&str, &str)]| open(&house, Method::GET, &link, headers).await;
    for (range, from, to) in
        [("bytes=0-99", 0, 100), ("bytes=100-", 100, length), ("bytes=-7", length - 7, length)]
    {
        let answer = part(&[("range", range), ("if-range", tag)]).await;
        assert_eq!((answer.status, &answer.body), (206, &whole.body.slice(from..to)), "{range}");
        let told = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(answer.header("content-range"), Some(told.as_str()));
    }
    let beyond = part(&[("range", &format!("bytes={length}-"))]).await;
    beyond.is_error(416, "invalid_request_error", "range_not_satisfiable", false);
    assert_eq!(beyond.header("content-range"), Some(format!("bytes */{length}").as_str()));
    for headers in [&[("range", "bytes=0-1,3-4")][..], &[("range", "bytes=0-1"), ("if-range", "\"other\"")]] {
        assert_eq!(part(headers).await.is_ok().body, whole.body, "{headers:?}");
    }
    assert_eq!(open(&house, Method::HEAD, &link, &[("range", "bytes=0-1")]).await.status, 200);
    house.finish().await;
}

#[tokio::test]
async fn a_link_leads_to_the_form_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let house = start(&folder).await;
    let forms = [
        (json!({"output_format": "jpeg"}), ImageFormat::Jpeg, (1024, 1024)),
        (json!({"output_format": "webp", "output_compression": 30}), ImageFormat::WebP, (1024, 1024)),
        (json!({"size": "256x256"}), ImageFormat::Png, (256, 256)),
        (
            json!({"size": "512x512", "output_format": "jpeg", "output_compression": 5}),
            ImageFormat::Jpeg,
            (512, 512),
        ),
    ];
    let mut tags = Vec::new();
    for (form, format, size) in forms {
        let mut body = linked(json!({"prompt": "a fox", "model": "dall-e-2", "size": "1024x1024"}));
        body.as_object_mut().unwrap().extend(form.as_object().unwrap().clone());
        let answer = house.generate(body.clone()).await;
        let shown = get(&house, &link(&answer)).await;
        let picture = decoded(shown.is_ok().body.to_vec());
        assert_eq!((picture.format, picture.size), (format, size), "{form}");
        assert_eq!(shown.header("content-type"), Some(format.to_mime_type()));
        let told = answer.json();
        assert_eq!(told["size"], format!("{}x{}", size.0, size.1));
        assert_eq!(format!("image/{}", told["output_format"].as_str().unwrap()), format.to_mime_type());
        // As a picture in the answer, it has the same bytes.
        body["response_format"] = json!("b64_json");
        assert_eq!(house.generate(body).await.picture().bytes, shown.body);
        tags.push(shown.header("etag").unwrap().to_owned());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "each form has a tag of its own: {tags:?}");
    // The default of the alias, whose sizes are made smaller here.
    let small = house.generate(json!({"prompt": "a bear", "size": "256x256", "model": "dall-e-2"})).await;
    assert_eq!(decoded(get(&house, &link(&small)).await.body.to_vec()).size, (256, 256));
    house.finish().await;
}

#[tokio::test]
async fn links_are_in_every_kind_of_answer() {
    let folder = tempfile::tempdir().unwrap();
    let house = start(&folder).await;
    let mut several = linked(small("two foxes"));
    several["n"] = json!(2);
    let answer = house.generate(several).await;
    for item in answer.is_ok().json()["data"].as_array().unwrap() {
        get(&house, item["url"].as_str().unwrap()).await.is_ok();
    }
    let id = answer.header("x-gateway-generation-id").unwrap();
    let by_id = house.send(house.ask(Method::GET, &format!("/v1/images/generations/{id}"))).await;
    get(&house, &link(&by_id)).await.is_ok();
    let mut streamed = linked(small("a streamed fox"));
    streamed["stream"] = json!(true);
    let events = house.generate(streamed).await.text();
    let data = events.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: Value = serde_json::from_str(data).unwrap();
    get(&house, event["url"].as_str().unwrap()).await.is_ok();
    house.finish().await;
}

#[tokio::test]
async fn a_link_outlives_the_process_that_signed_it() {
    let folder = tempfile::tempdir().unwrap();
    let house = start(&folder).await;
    let link = drawn(&house, "a fox").await;
    let picture = get(&house, &link).await.body;
    let path = link.strip_prefix(&format!("http://{}", house.api)).unwrap().to_owned();
    house.finish().await;
    let house = start(&folder).await;
    assert_eq!(get(&house, &house.url(&path)).await.is_ok().body, picture);
    // Asked for again, the picture is there, with a new link.
    let again = drawn(&house, "a fox").await;
    assert_eq!(get(&house, &again).await.body, picture);
    house.has_tasks(0);
    house.finish().await;
    let mut other = keeping(folder.path());
    other["images"]["link_secret"] = json!("another-secret-of-the-operator");
    let house = Harness::with(other).await;
    let refused = get(&house, &house.url(&path)).await;
    refused.is_error(404, "invalid_request_error", "picture_not_found", false);
    house.finish().await;
}

#[tokio::test]
async fn a_link_works_for_link_ttl_and_a_changed_one_never() {
    let (folder, began) = (tempfile::tempdir().unwrap(), 1_790_000_000);
    let clock = Clock::fixed(began);
    let mut config = keeping(folder.path());
    config["images"]["link_ttl"] = json!("1h");
    let house = Setup::new().config(&config).clock(clock.clone()).start().await;
    let link = drawn(&house, "a fox").await;
    let changed = [
        link.replace("expires=1790003600", "expires=1790003601"),
        link.replace(".png?", ".webp?"),
        link.replace("signature=", "signature=A"),
        link.split('?').next().unwrap().to_owned(),
        format!("{link}&size=16x16"),
        house.url("/images/a"),
        house.url("/images/%ff?expires=1"),
    ];
    for changed in &changed {
        assert_ne!(*changed, link);
        let refused = get(&house, changed).await;
        refused.is_error(404, "invalid_request_error", "picture_not_found", false);
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
    clock.set(began + 3599);
    let last = get(&house, &link).await;
    assert_eq!(last.is_ok().header("cache-control"), Some("private, max-age=1, immutable"));
    clock.set(began + 3600);
    get(&house, &link).await.is_error(410, "invalid_request_error", "link_expired", false);
    get(&house, &changed[0]).await.is_error(404, "invalid_request_error", "picture_not_found", false);
    let renewed = drawn(&house, "a fox").await;
    assert_ne!(renewed, link);
    get(&house, &renewed).await.is_ok();
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_link_to_a_picture_that_is_gone_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let house = start(&folder).await;
    let (gone, damaged) = (drawn(&house, "a fox").await, drawn(&house, "a bear").await);
    // From here on it is in memory, too.
    get(&house, &gone).await.is_ok();
    let content = gone.split(['/', '.']).find(|part| part.len() == 64).unwrap();
    for file in files(&folder.path().join("images")) {
        if file.to_string_lossy().contains(content) {
            std::fs::remove_file(file).unwrap();
        } else {
            std::fs::write(file, "rubbish").unwrap();
        }
    }
    for link in [gone, damaged] {
        get(&house, &link).await.is_error(410, "invalid_request_error", "picture_gone", false);
    }
    house.finish().await;
}

#[tokio::test]
async fn a_link_to_a_picture_that_cannot_be_read_now_may_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let house = start(&folder).await;
    let link = drawn(&house, "a fox").await;
    let [file] = files(&folder.path().join("images")).try_into().unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let refused = get(&house, &link).await;
    refused.is_error(503, "service_unavailable_error", "server_is_overloaded", true);
    house.finish().await;
}

#[tokio::test]
async fn without_a_store_links_are_evolinks_and_lead_to_what_it_made() {
    let house = Harness::start().await;
    let link = drawn(&house, "a fox").await;
    assert!(link.starts_with(&house.simulator.url()), "{link}");
    let mut converted = linked(small("a fox"));
    converted["output_format"] = json!("jpeg");
    let refused = house.generate(converted).await;
    refused.is_error(400, "invalid_request_error", "invalid_value", false);
    let unknown = get(&house, &house.url(&format!("/images/{}.png?expires=1", "a".repeat(64)))).await;
    unknown.is_error(404, "invalid_request_error", "picture_not_found", false);
    house.finish().await;
}

#[tokio::test]
async fn no_link_gets_into_the_log_or_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let house = start(&folder).await;
    let link = drawn(&house, "a fox").await;
    let (unsigned, signature) = link.split_once("&signature=").unwrap();
    get(&house, &link).await.is_ok();
    get(&house, &format!("{unsigned}&signature={}", signature.to_lowercase())).await;
    let metrics = house
        .until_metrics("both requests", |metrics| {
            metrics.sum("requests_total", &["route=\"/images/{file}\""]) == 2.0
        })
        .await;
    for secret in [signature, &signature.to_lowercase(), PROMPT_CANARY] {
        assert!(!logged().contains(secret), "{secret}");
        assert!(!metrics.text().contains(secret), "{secret}");
    }
    house.finish().await;
}
