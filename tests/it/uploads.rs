//! Uploads: how they may come, and what is refused.

use http::Method;
use serde_json::json;

use crate::support::edits::{EDITS, VARIATIONS};
use crate::support::{FormBody, Harness, form};

#[tokio::test]
async fn private_links_are_refused_by_the_clients_own_name_for_them() {
    let house = Harness::with(json!({"evolink": {"allow_private_media": false}})).await;
    for (link, param) in [("https://127.0.0.1/a.png", "images"), ("http://example.com/a.png", "images")] {
        let answer = house.edit_json(json!({"prompt": "x", "images": [{"image_url": link}]})).await;
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
    house.finish_uploads().await;
}

#[tokio::test]
async fn what_is_no_picture_is_refused_by_name() {
    let house = Harness::start().await;
    let mut cut = form::png(512, 512, 1);
    cut.truncate(cut.len() / 2);
    for (bytes, word) in
        [(b"hello, I am a text".to_vec(), "PNG"), (cut, "end"), (b"GIF89a\x01\0\x01\0".to_vec(), "GIF")]
    {
        let answer = house.edit(FormBody::small("x").file("image", &bytes)).await;
        answer.is_error(400, "invalid_request_error", "invalid_image", false);
        assert_eq!(answer.error("param"), "image");
        assert!(answer.error("message").contains(word), "{}", answer.text());
    }
    let answer = house.edit(FormBody::small("x")).await;
    answer.is_error(400, "invalid_request_error", "missing_required_parameter", false);
    assert_eq!(answer.error("param"), "image");
    let answer = house.edit(FormBody::default().file("image", &form::png(512, 512, 1))).await;
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
    let answer = house.edit(body).await;
    answer.is_error(400, "invalid_request_error", "invalid_value", false);
    assert!(answer.error("message").contains("16"), "{}", answer.text());
    house.finish().await;
}

#[tokio::test]
async fn too_large_an_upload_is_a_413_that_can_be_read() {
    let house = Harness::with(json!({"server": {"max_upload": "1MiB"}})).await;
    let form = FormBody::small("x").file("image", &form::noise(800, 800));
    let answer = house.edit(form).await;
    answer.is_error(413, "invalid_request_error", "request_too_large", false);
    house.finish().await;

    let house = Harness::start().await;
    let mut picture = form::noise(64, 64);
    picture.resize(60 * 1024 * 1024, 7);
    let answer = house.edit(FormBody::small("x").file("image", &picture)).await;
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
async fn parameters_of_a_form_are_checked_as_those_of_json() {
    let house = Harness::start().await;
    for (name, value) in
        [("n", "0"), ("size", "3x3"), ("quality", "best"), ("output_format", "bmp"), ("stream", "maybe")]
    {
        let answer =
            house.edit(FormBody::small("x").text(name, value).file("image", &form::png(512, 512, 1))).await;
        answer.is_error(400, "invalid_request_error", "invalid_value", false);
        assert_eq!(answer.error("param"), name);
    }
    let form = FormBody::small("x").text("input_fidelity", "high").file("image", &form::png(512, 512, 1));
    let answer = house.edit(form.file("markup", &form::png(8, 8, 1))).await;
    let ignored = answer.is_ok().header("x-gateway-ignored").unwrap().to_owned();
    assert!(["input_fidelity", "markup"].iter().all(|name| ignored.contains(name)), "{ignored}");
    house.finish_uploads().await;
}
