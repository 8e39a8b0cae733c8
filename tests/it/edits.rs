//! Pictures made from others: forms, JSON, masks, variations.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, DESIGN_KEY, FormBody, Harness, Live, PROMPT_CANARY, UPSTREAM_KEY, form, shown};

const EDITS: &str = "/v1/images/edits";
const VARIATIONS: &str = "/v1/images/variations";

fn sent(house: &Harness, path: &str, form: FormBody) -> reqwest::RequestBuilder {
    let request = house.ask(Method::POST, path).header("content-type", FormBody::media_type());
    request.body(form.into_bytes())
}

async fn edit(house: &Harness, form: FormBody) -> Answer {
    house.send(sent(house, EDITS, form)).await
}

async fn edit_json(house: &Harness, mut body: Value) -> Answer {
    body["prompt"] = json!(format!("{} {PROMPT_CANARY}", body["prompt"].as_str().unwrap()));
    let request = house.ask(Method::POST, EDITS).header("content-type", "application/json");
    house.send(request.body(body.to_string())).await
}

/// The links that the only task was given.
fn links(house: &Harness) -> Vec<String> {
    let ledger = house.ledger();
    assert_eq!(ledger.tasks.len(), 1, "one task");
    let links = ledger.tasks[0].body["image_urls"].as_array().expect("no links").clone();
    links.iter().map(|link| link.as_str().unwrap().to_owned()).collect()
}

/// What lies behind an uploaded file's link.
async fn fetched(house: &Harness, link: &str) -> Vec<u8> {
    let answer = house.http.get(link).header("user-agent", "it/1").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{link}");
    answer.bytes().await.unwrap().to_vec()
}

/// Files at the files API.
async fn files(house: &Harness) -> u64 {
    let url = format!("{}/api/v1/files/quota", house.simulator.url());
    let answer = house.http.get(url).bearer_auth(UPSTREAM_KEY).send().await.unwrap();
    let quota: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    quota["data"]["used_files"].as_u64().unwrap_or_else(|| panic!("{quota}"))
}

/// Ends the test once all uploads are deleted.
async fn finish(house: Harness) {
    let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
    while files(&house).await > 0 {
        assert!(tokio::time::Instant::now() < deadline, "uploads are left behind");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    house.finish().await;
}

#[tokio::test]
async fn a_picture_is_uploaded_and_edited_and_the_upload_deleted() {
    let house = Harness::start().await;
    let picture = form::png(512, 512, 1);
    let asked = edit(&house, FormBody::small("a fox [latency:500ms]").file("image", &picture));
    let (answer, uploaded) = tokio::join!(asked, async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        fetched(&house, &links(&house)[0]).await
    });
    answer.picture();
    assert!(uploaded == picture, "as it was sent");
    assert_eq!(answer.told_size().to_string(), "816x816");
    assert!(answer.header("x-gateway-generation-id").is_some());
    assert_eq!(house.ledger().totals.uploads, 1);
    finish(house).await;
}

#[tokio::test]
async fn several_pictures_keep_their_order_whatever_their_field_is_called() {
    let house = Harness::start().await;
    let pictures = [form::png(512, 512, 1), form::jpeg(512, 512, 2), form::png(512, 512, 3)];
    let [a, b, c] = &pictures;
    let named = [
        ["image[]", "image[]", "image[]"],
        ["image", "image", "image"],
        ["image[2]", "image[0]", "image[1]"],
    ];
    for [first, second, third] in named {
        house.simulator.reset();
        let body = FormBody::default().file(first, if first == "image[2]" { c } else { a });
        let body = body.file(second, if first == "image[2]" { a } else { b });
        let body = body.file(third, if first == "image[2]" { b } else { c });
        let body = body.text("prompt", &format!("all [latency:500ms] {PROMPT_CANARY}"));
        let asked = edit(&house, body.text("size", "816x816"));
        let (answer, ()) = tokio::join!(asked, async {
            house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
            for (link, picture) in links(&house).iter().zip(&pictures) {
                assert!(fetched(&house, link).await == *picture, "{first}: the order of the pictures");
            }
            assert_eq!(links(&house).len(), 3);
        });
        answer.picture();
    }
    finish(house).await;
}

#[tokio::test]
async fn the_same_picture_twice_is_uploaded_once() {
    let house = Harness::start().await;
    let picture = form::png(512, 512, 1);
    let body = FormBody::small("twice").file("image[]", &picture).file("image[]", &picture);
    edit(&house, body).await.picture();
    let links = links(&house);
    assert_eq!((links.len(), &links[0]), (2, &links[1]));
    assert_eq!(house.ledger().totals.uploads, 1);
    finish(house).await;
}

#[tokio::test]
async fn a_mask_goes_along() {
    let house = Harness::start().await;
    let form =
        FormBody::small("a hat").file("mask", &form::mask(512, 512)).file("image", &form::png(512, 512, 1));
    edit(&house, form).await.picture();
    let task = house.ledger().tasks[0].clone();
    assert!(task.body["mask_url"].as_str().is_some_and(|link| *link != links(&house)[0]), "{}", task.body);
    assert_eq!(house.ledger().totals.uploads, 2);
    finish(house).await;
}

#[tokio::test]
async fn a_mask_of_another_size_is_an_invalid_image() {
    let house = Harness::start().await;
    let form =
        FormBody::small("a hat").file("image", &form::png(512, 512, 1)).file("mask", &form::mask(256, 512));
    let answer = edit(&house, form).await;
    answer.is_error(400, "invalid_request_error", "invalid_image", false);
    finish(house).await;
}

#[tokio::test]
async fn json_takes_links_and_data_urls() {
    let house = Harness::start().await;
    let picture = form::png(512, 512, 1);
    let data = format!("data:image/png;base64,{}", base64_simd::STANDARD.encode_to_string(&picture));
    let body = json!({
        "prompt": "both [latency:500ms]", "size": "816x816", "quality": "low",
        "images": [{"image_url": "https://example.com/a.png"}, {"image_url": data}],
    });
    let (answer, uploaded) = tokio::join!(edit_json(&house, body), async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        assert_eq!(links(&house)[0], "https://example.com/a.png", "links are passed on");
        fetched(&house, &links(&house)[1]).await
    });
    answer.picture();
    assert!(uploaded == picture);
    assert_eq!(house.ledger().totals.uploads, 1);
    let file = json!({"prompt": "x", "images": [{"file_id": "file-1"}]});
    let answer = edit_json(&house, file).await;
    answer.is_error(400, "invalid_request_error", "unsupported_parameter", false);
    finish(house).await;
}

#[tokio::test]
async fn private_links_are_refused_by_the_clients_own_name_for_them() {
    let house = Harness::with(json!({"evolink": {"allow_private_media": false}})).await;
    for (link, param) in [("https://127.0.0.1/a.png", "images"), ("http://example.com/a.png", "images")] {
        let answer = edit_json(&house, json!({"prompt": "x", "images": [{"image_url": link}]})).await;
        answer.is_error(400, "invalid_request_error", "invalid_value", false);
        assert_eq!(answer.error("param"), param);
    }
    house.has_tasks(0);
    house.finish().await;
}

#[tokio::test]
async fn a_form_without_a_length_is_read_as_it_comes() {
    let house = Harness::start().await;
    let bytes = FormBody::small("a fox").file("image", &form::noise(400, 400)).into_bytes();
    assert!(bytes.len() > 300_000, "large enough for the disk");
    let pieces: Vec<_> = bytes.chunks(1000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let request = house.ask(Method::POST, EDITS).header("content-type", FormBody::media_type());
    let request = request.body(reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)));
    house.send(request).await.picture();
    finish(house).await;
}

#[tokio::test]
async fn what_is_no_picture_is_refused_by_name() {
    let house = Harness::start().await;
    let mut cut = form::png(512, 512, 1);
    cut.truncate(cut.len() / 2);
    for (bytes, word) in
        [(b"hello, I am a text".to_vec(), "PNG"), (cut, "end"), (b"GIF89a\x01\0\x01\0".to_vec(), "GIF")]
    {
        let answer = edit(&house, FormBody::small("x").file("image", &bytes)).await;
        answer.is_error(400, "invalid_request_error", "invalid_image", false);
        assert_eq!(answer.error("param"), "image");
        assert!(answer.error("message").contains(word), "{}", answer.text());
    }
    let answer = edit(&house, FormBody::small("x")).await;
    answer.is_error(400, "invalid_request_error", "missing_required_parameter", false);
    assert_eq!(answer.error("param"), "image");
    let answer = edit(&house, FormBody::default().file("image", &form::png(512, 512, 1))).await;
    answer.is_error(400, "invalid_request_error", "missing_required_parameter", false);
    assert_eq!(answer.error("param"), "prompt");
    house.has_tasks(0);
    assert_eq!(house.ledger().totals.uploads, 0);
    house.finish().await;
}

#[tokio::test]
async fn seventeen_pictures_are_too_many() {
    let house = Harness::start().await;
    let body =
        (0..17).fold(FormBody::small("x"), |body, shade| body.file("image[]", &form::png(64, 64, shade)));
    let answer = edit(&house, body).await;
    answer.is_error(400, "invalid_request_error", "invalid_value", false);
    assert!(answer.error("message").contains("16"), "{}", answer.text());
    house.finish().await;
}

#[tokio::test]
async fn too_large_an_upload_is_a_413_that_can_be_read() {
    let house = Harness::with(json!({"server": {"max_upload": "1MiB"}})).await;
    let form = FormBody::small("x").file("image", &form::noise(800, 800));
    let answer = edit(&house, form).await;
    answer.is_error(413, "invalid_request_error", "request_too_large", false);
    house.finish().await;

    let house = Harness::start().await;
    let mut picture = form::noise(64, 64);
    picture.resize(60 * 1024 * 1024, 7);
    let answer = edit(&house, FormBody::small("x").file("image", &picture)).await;
    answer.is_error(413, "invalid_request_error", "request_too_large", false);
    assert_eq!(answer.error("param"), "image");
    house.finish().await;
}

#[tokio::test]
async fn other_media_types_are_told_what_is_taken() {
    let house = Harness::start().await;
    for (path, media_type) in
        [(EDITS, "text/plain"), (EDITS, "multipart/form-data"), (VARIATIONS, "application/json")]
    {
        let request = house.ask(Method::POST, path).header("content-type", media_type).body("{}");
        let answer = house.send(request).await;
        answer.is_error(415, "invalid_request_error", "unsupported_media_type", false);
        assert!(answer.error("message").contains("multipart/form-data"), "{}", answer.text());
    }
    let nobody = house.http.post(house.url(EDITS)).header("content-type", FormBody::media_type());
    let nobody = nobody.body(FormBody::small("x").file("image", &form::noise(400, 400)).into_bytes());
    house.send(nobody).await.is_error(401, "invalid_request_error", "invalid_api_key", false);
    house.send(house.ask(Method::GET, EDITS)).await.is_error(
        405,
        "invalid_request_error",
        "method_not_allowed",
        false,
    );
    house.finish().await;
}

#[tokio::test]
async fn an_edit_can_be_streamed_under_its_own_name() {
    let house = Harness::start().await;
    let form = FormBody::small("a fox").text("stream", "true").file("image", &form::png(512, 512, 1));
    let (_, name, data) = Live::open(sent(&house, EDITS, form)).await.event().await;
    assert_eq!((name.as_str(), &data["type"]), ("image_edit.completed", &json!("image_edit.completed")));
    shown(data["b64_json"].as_str().unwrap());
    finish(house).await;
}

#[tokio::test]
async fn an_edit_repeated_after_its_client_left_joins_by_its_pictures() {
    let house = Harness::with(json!({"server": {"deadline": "300ms"}})).await;
    let body = || FormBody::small("a fox [latency:700ms]").file("image", &form::png(512, 512, 1));
    edit(&house, body()).await.is_error(504, "timeout_error", "generation_timeout", true);
    let mut answer = edit(&house, body()).await;
    while answer.status == 504 {
        answer = edit(&house, body()).await;
    }
    answer.picture();
    house.has_tasks(1);
    let other = FormBody::small("a fox [latency:700ms]").file("image", &form::png(512, 512, 2));
    edit(&house, other).await.is_error(504, "timeout_error", "generation_timeout", true);
    house.has_tasks(2);
    house.until_metrics("the end", |metrics| metrics.sum("running_generations", &[]) == 0.0).await;
    finish(house).await;
}

#[tokio::test]
async fn several_edits_of_one_picture_share_its_upload() {
    let house = Harness::start().await;
    let body = FormBody::small("three [latency:300ms]").text("n", "3").file("image", &form::png(512, 512, 1));
    assert_eq!(edit(&house, body).await.pictures().len(), 3);
    assert_eq!(house.ledger().totals.uploads, 1);
    house.has_tasks(3);
    finish(house).await;
}

#[tokio::test]
async fn a_variation_is_an_edit_with_a_fixed_instruction() {
    let house = Harness::start().await;
    let form =
        FormBody::default().file("image", &form::png(512, 512, 1)).text("size", "816x816").text("n", "1");
    house.send(sent(&house, VARIATIONS, form)).await.picture();
    assert!(house.ledger().tasks[0].prompt.contains("variation"), "{}", house.ledger().tasks[0].prompt);
    assert_eq!(links(&house).len(), 1);
    let answer = house.send(sent(&house, VARIATIONS, FormBody::default().text("n", "1"))).await;
    answer.is_error(400, "invalid_request_error", "missing_required_parameter", false);
    finish(house).await;
}

#[tokio::test]
async fn azures_path_takes_forms_too() {
    let house = Harness::start().await;
    let form = FormBody::small("a fox").text("model", "gpt-imagine-9").file("image", &form::png(512, 512, 1));
    let path = "/openai/deployments/gpt-image-2/images/edits?api-version=2025-04-01-preview";
    let request = house.http.post(house.url(path)).header("api-key", DESIGN_KEY);
    let request = request.header("content-type", FormBody::media_type()).body(form.into_bytes());
    house.send(request).await.picture();
    finish(house).await;
}

#[tokio::test]
async fn parameters_of_a_form_are_checked_as_those_of_json() {
    let house = Harness::start().await;
    for (name, value) in
        [("n", "0"), ("size", "3x3"), ("quality", "best"), ("output_format", "bmp"), ("stream", "maybe")]
    {
        let answer =
            edit(&house, FormBody::small("x").text(name, value).file("image", &form::png(512, 512, 1))).await;
        answer.is_error(400, "invalid_request_error", "invalid_value", false);
        assert_eq!(answer.error("param"), name);
    }
    let form = FormBody::small("x").text("input_fidelity", "high").file("image", &form::png(512, 512, 1));
    let answer = edit(&house, form.file("markup", &form::png(8, 8, 1))).await;
    let ignored = answer.is_ok().header("x-gateway-ignored").unwrap().to_owned();
    assert!(["input_fidelity", "markup"].iter().all(|name| ignored.contains(name)), "{ignored}");
    finish(house).await;
}
