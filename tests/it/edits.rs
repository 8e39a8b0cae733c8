//! Pictures made from others: forms, JSON, masks, variations.

use serde_json::json;

use crate::support::edits::{EDITS, VARIATIONS};
use crate::support::{DESIGN_KEY, FormBody, Harness, Live, PROMPT_CANARY, form, shown};

#[tokio::test]
async fn a_picture_is_uploaded_and_edited_and_the_upload_deleted() {
    let house = Harness::start().await;
    let picture = form::png(512, 512, 1);
    let asked = house.edit(FormBody::small("a fox [latency:500ms]").file("image", &picture));
    let (answer, uploaded) = tokio::join!(asked, async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        house.uploaded(&house.links()[0]).await
    });
    answer.picture();
    assert!(uploaded == picture, "as it was sent");
    assert_eq!(answer.told_size().to_string(), "816x816");
    assert!(answer.header("x-gateway-generation-id").is_some());
    assert_eq!(house.ledger().totals.uploads, 1);
    house.finish_uploads().await;
}

#[tokio::test]
async fn several_pictures_keep_their_order_whatever_their_field_is_called() {
    let house = Harness::with(json!({"cache": {"enabled": false}})).await;
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
        let asked = house.edit(body.text("size", "816x816"));
        let (answer, ()) = tokio::join!(asked, async {
            house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
            for (link, picture) in house.links().iter().zip(&pictures) {
                assert!(house.uploaded(link).await == *picture, "{first}: the order of the pictures");
            }
            assert_eq!(house.links().len(), 3);
        });
        answer.picture();
    }
    house.finish_uploads().await;
}

#[tokio::test]
async fn the_same_picture_twice_is_uploaded_once() {
    let house = Harness::start().await;
    let picture = form::png(512, 512, 1);
    let body = FormBody::small("twice").file("image[]", &picture).file("image[]", &picture);
    house.edit(body).await.picture();
    let links = house.links();
    assert_eq!((links.len(), &links[0]), (2, &links[1]));
    assert_eq!(house.ledger().totals.uploads, 1);
    house.finish_uploads().await;
}

#[tokio::test]
async fn a_mask_goes_along() {
    let house = Harness::start().await;
    let form =
        FormBody::small("a hat").file("mask", &form::mask(512, 512)).file("image", &form::png(512, 512, 1));
    house.edit(form).await.picture();
    let task = house.ledger().tasks[0].clone();
    assert!(task.body["mask_url"].as_str().is_some_and(|link| *link != house.links()[0]), "{}", task.body);
    assert_eq!(house.ledger().totals.uploads, 2);
    house.finish_uploads().await;
}

#[tokio::test]
async fn a_mask_of_another_size_is_an_invalid_image() {
    let house = Harness::start().await;
    let form =
        FormBody::small("a hat").file("image", &form::png(512, 512, 1)).file("mask", &form::mask(256, 512));
    let answer = house.edit(form).await;
    answer.is_error(400, "invalid_request_error", "invalid_image", false);
    assert_eq!(answer.error("param"), "mask");
    house.has_tasks(0);
    house.finish_uploads().await;
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
    let (answer, uploaded) = tokio::join!(house.edit_json(body), async {
        house.until("a task", |ledger| !ledger.tasks.is_empty()).await;
        assert_eq!(house.links()[0], "https://example.com/a.png", "links are passed on");
        house.uploaded(&house.links()[1]).await
    });
    answer.picture();
    assert!(uploaded == picture);
    assert_eq!(house.ledger().totals.uploads, 1);
    let file = json!({"prompt": "x", "images": [{"file_id": "file-1"}]});
    let answer = house.edit_json(file).await;
    answer.is_error(400, "invalid_request_error", "unsupported_parameter", false);
    house.finish_uploads().await;
}

#[tokio::test]
async fn an_edit_can_be_streamed_under_its_own_name() {
    let house = Harness::start().await;
    let form = FormBody::small("a fox").text("stream", "true").file("image", &form::png(512, 512, 1));
    let (_, name, data) = Live::open(house.form(EDITS, form)).await.event().await;
    assert_eq!((name.as_str(), &data["type"]), ("image_edit.completed", &json!("image_edit.completed")));
    shown(data["b64_json"].as_str().unwrap());
    house.finish_uploads().await;
}

#[tokio::test]
async fn an_edit_repeated_after_its_client_left_joins_by_its_pictures() {
    let house = Harness::with(json!({"server": {"deadline": "300ms"}})).await;
    let body = || FormBody::small("a fox [latency:700ms]").file("image", &form::png(512, 512, 1));
    house.edit(body()).await.is_error(504, "timeout_error", "generation_timeout", true);
    let mut answer = house.edit(body()).await;
    while answer.status == 504 {
        answer = house.edit(body()).await;
    }
    answer.picture();
    house.has_tasks(1);
    let other = FormBody::small("a fox [latency:700ms]").file("image", &form::png(512, 512, 2));
    house.edit(other).await.is_error(504, "timeout_error", "generation_timeout", true);
    house.has_tasks(2);
    house.until_metrics("the end", |metrics| metrics.sum("running_generations", &[]) == 0.0).await;
    house.finish_uploads().await;
}

#[tokio::test]
async fn several_edits_of_one_picture_share_its_upload() {
    let house = Harness::start().await;
    let body = FormBody::small("three [latency:300ms]").text("n", "3").file("image", &form::png(512, 512, 1));
    assert_eq!(house.edit(body).await.pictures().len(), 3);
    assert_eq!(house.ledger().totals.uploads, 1);
    house.has_tasks(3);
    house.finish_uploads().await;
}

#[tokio::test]
async fn a_variation_is_an_edit_with_a_fixed_instruction() {
    let house = Harness::start().await;
    let form =
        FormBody::default().file("image", &form::png(512, 512, 1)).text("size", "816x816").text("n", "1");
    house.send(house.form(VARIATIONS, form)).await.picture();
    assert!(house.ledger().tasks[0].prompt.contains("variation"), "{}", house.ledger().tasks[0].prompt);
    assert_eq!(house.links().len(), 1);
    let answer = house.send(house.form(VARIATIONS, FormBody::default().text("n", "1"))).await;
    answer.is_error(400, "invalid_request_error", "missing_required_parameter", false);
    house.finish_uploads().await;
}

#[tokio::test]
async fn azures_path_takes_forms_too() {
    let house = Harness::start().await;
    let form = FormBody::small("a fox").text("model", "gpt-imagine-9").file("image", &form::png(512, 512, 1));
    let path = "/openai/deployments/gpt-image-2/images/edits?api-version=2025-04-01-preview";
    let request = house.http.post(house.url(path)).header("api-key", DESIGN_KEY);
    let request = request.header("content-type", FormBody::media_type()).body(form.into_bytes());
    house.send(request).await.picture();
    house.finish_uploads().await;
}

#[tokio::test]
async fn a_model_that_takes_no_pictures_says_which_do() {
    let house = Harness::start().await;
    for path in [EDITS, VARIATIONS] {
        let form = FormBody::default().text("prompt", "x").text("model", "z-image-turbo");
        let answer = house.send(house.form(path, form.file("image", &form::png(512, 512, 1)))).await;
        answer.is_error(400, "invalid_request_error", "invalid_value", false);
        assert_eq!(answer.error("param"), "image");
        assert!(answer.error("message").contains("takes no pictures"), "{}", answer.text());
    }
    house.has_tasks(0);
    house.finish().await;
}
