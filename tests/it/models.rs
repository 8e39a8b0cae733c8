//! Every model of the catalog: what reaches Evolink of a full request, and that the answer is what was asked for.
//!
//! The fields are written here by hand from Evolink's pages of the models, not read from the catalog.

use std::collections::BTreeSet;

use evolink_gateway::catalog::Catalog;
use futures_util::future::join_all;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::support::{Harness, PROMPT_CANARY};

/// One model: what a client asks beside `model` and `prompt`, what Evolink must be sent beside them, and the picture.
struct Case {
    model: &'static str,
    asked: Value,
    sent: Value,
    size: (u32, u32),
}

const PICTURE: &str = "http://127.0.0.1:9/a.png";
const MASK: &str = "http://127.0.0.1:9/m.png";

fn pictures(count: usize) -> Value {
    json!(vec![PICTURE; count])
}

/// Parameters that the asked-for model may lack: each must reach Evolink only where its page lists it.
fn with_everything(asked: &Value) -> Value {
    let mut all = json!({
        "seed": 41, "negative_prompt": "rain", "watermark": true, "prompt_extend": true, "nsfw_check": true,
        "prompt_priority": "standard", "tools": [{"type": "web_search"}], "style": "vivid", "user": "u-1",
        "callback_url": "https://example.com/hook", "moderation": "low",
        "model_params": {"web_search": true, "image_search": true, "thinking_level": "high", "foo": 1,
            "tools": [{"type": "web_search"}]},
        "background": "transparent", "output_format": "webp", "output_compression": 90,
    });
    let (all_fields, asked) = (all.as_object_mut().unwrap(), asked.as_object().unwrap());
    all_fields.extend(asked.clone());
    all
}

fn case(model: &'static str, asked: Value, sent: Value, size: (u32, u32)) -> Case {
    Case { model, asked, sent, size }
}

fn gpt_image() -> Vec<Case> {
    let full = |quality: &str| {
        let asked = json!({"size": "21:9", "resolution": "1K", "quality": quality, "image_urls": pictures(2), "mask_url": MASK});
        let mut sent = asked.clone();
        sent["background"] = json!("transparent");
        (asked, sent)
    };
    let of = |model, quality| {
        let (asked, sent) = full(quality);
        case(model, asked, sent, (1568, 672))
    };
    let fixed = |model, quality: Option<&str>, pictures_max: usize| {
        let asked = json!({"size": "1024x1536", "quality": quality, "image_urls": pictures(pictures_max)});
        let mut sent = json!({"size": "1024x1536", "image_urls": pictures(pictures_max)});
        if let Some(quality) = quality {
            sent["quality"] = quality.into();
        }
        case(model, asked, sent, (1024, 1536))
    };
    let masked = json!({"size": "1024x1536", "image_urls": pictures(1), "mask_url": MASK});
    vec![
        of("gpt-image-2", "low"),
        of("gpt-image-2.5-sunburst", "max"),
        of("gpt-image-2.5-flare", "xhigh"),
        case(
            "gpt-image-2-beta",
            json!({"size": "600x400", "quality": "high", "image_urls": pictures(16), "mask_url": MASK}),
            json!({"size": "3:2", "resolution": "1K", "image_urls": pictures(16)}),
            (600, 400),
        ),
        fixed("gpt-image-1.5", Some("low"), 16),
        fixed("gpt-image-1.5-lite", Some("medium"), 16),
        fixed("gpt-image-1", Some("high"), 16),
        Case { asked: masked.clone(), sent: masked, ..fixed("gpt-4o-image", None, 1) },
    ]
}

fn nano_banana() -> Vec<Case> {
    let search = json!({"web_search": true, "image_search": true, "thinking_level": "high"});
    let of = |model, size: &str, tier: &str, count: usize, params: Value, made| {
        let asked = json!({"size": size, "resolution": tier, "image_urls": pictures(count)});
        let mut sent = json!({"size": size, "quality": tier, "image_urls": pictures(count)});
        if !params.is_null() {
            sent["model_params"] = params;
        }
        case(model, asked, sent, made)
    };
    let thinking = json!({"thinking_level": "high"});
    vec![
        of("gemini-3-pro-image-preview", "16:9", "1K", 14, json!({"web_search": true}), (1360, 768)),
        of("gemini-3.1-flash-image-preview", "1:1", "0.5K", 14, search.clone(), (512, 512)),
        of("gemini-3.1-flash-lite-image", "8:1", "1K", 14, thinking.clone(), (2896, 352)),
        of("gemini-nano-banana-2.1", "1:4", "1K", 14, search, (512, 2048)),
        of("nano-banana-2.1-beta", "1:1", "1K", 14, Value::Null, (1024, 1024)),
        of("nano-banana-pro-beta", "4:5", "1K", 10, Value::Null, (912, 1136)),
        of("nano-banana-2-beta", "1:1", "1K", 14, thinking, (1024, 1024)),
        of("nano-banana-2-lite-beta", "1:1", "1K", 14, Value::Null, (1024, 1024)),
        case(
            "nano-banana-beta",
            json!({"size": "512x512", "resolution": "2K", "quality": "high", "image_urls": pictures(5)}),
            json!({"size": "1:1", "image_urls": pictures(5)}),
            (512, 512),
        ),
    ]
}

fn seedream() -> Vec<Case> {
    let of = |model, count: usize, size: &str, made, others: Value| {
        let asked = json!({"size": size, "image_urls": pictures(count)});
        let mut sent = asked.clone();
        sent["prompt_priority"] = json!("standard");
        sent.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        case(model, asked, sent, made)
    };
    let transparent = json!({"output_format": "png", "watermark": true, "background": "transparent"});
    let opaque = json!({"output_format": "png", "watermark": true});
    let lite = json!({"model_params": {"output_format": "png", "tools": [{"type": "web_search"}]}});
    vec![
        of("doubao-seedream-4.0", 14, "1280x720", (1280, 720), json!({})),
        of("doubao-seedream-4.5", 14, "1920x1920", (1920, 1920), json!({})),
        of("doubao-seedream-5.0-lite", 14, "1920x1920", (1920, 1920), lite),
        of("doubao-seedream-5.0-pro", 1, "1024x1024", (1024, 1024), transparent),
        of("doubao-seedream-5.0-flash", 10, "1031x901", (1031, 901), opaque),
    ]
}

fn alibaba() -> Vec<Case> {
    let qwen = json!({"seed": 41, "negative_prompt": "rain", "watermark": true, "prompt_extend": true});
    let of = |model, asked: Value, own: &Value, made| {
        let mut sent = asked.clone();
        sent.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        case(model, asked, sent, made)
    };
    let three = |size: &str, tier: &str| json!({"size": size, "quality": tier, "image_urls": pictures(3)});
    vec![
        of("qwen-image-3.0", three("9:21", "1K"), &qwen, (672, 1568)),
        of("qwen-image-3.0-pro", json!({"size": "512x512"}), &qwen, (512, 512)),
        of("qwen-image-edit-plus", json!({"size": "777x555", "image_urls": pictures(3)}), &qwen, (777, 555)),
        of("qwen-image-edit", json!({"image_urls": pictures(1)}), &json!({}), (1024, 1024)),
        of("wan2.5-text-to-image", json!({"size": "768x768"}), &json!({"prompt_extend": true}), (768, 768)),
        of("wan2.5-image-to-image", json!({"image_urls": pictures(2)}), &json!({}), (1024, 1024)),
        of("z-image-turbo", json!({"size": "376x400"}), &json!({"seed": 41, "nsfw_check": true}), (376, 400)),
    ]
}

fn others() -> Vec<Case> {
    vec![
        case(
            "krea-2-turbo",
            json!({"size": "1:2", "resolution": "1K"}),
            json!({"size": "1:2", "quality": "1K", "seed": 41, "nsfw_check": true}),
            (704, 1472),
        ),
        case(
            "grok-imagine-image-2.0",
            json!({"size": "9:19.5", "resolution": "1K", "quality": "low", "image_urls": pictures(3)}),
            json!({"size": "9:19.5", "resolution": "1K", "quality": "low", "image_urls": pictures(3)}),
            (688, 1504),
        ),
    ]
}

fn all() -> Vec<Case> {
    [gpt_image(), nano_banana(), seedream(), alibaba(), others()].into_iter().flatten().collect()
}

/// The alias that hides gpt-image-1 is taken away.
async fn house() -> Harness {
    Harness::with(json!({"models": {"aliases": {"gpt-image-1": null}}})).await
}

#[test]
fn every_model_is_tried() {
    let tried: BTreeSet<String> = all().iter().map(|case| case.model.to_owned()).collect();
    assert_eq!(tried, Catalog::model_ids().into_iter().collect());
}

#[tokio::test]
async fn a_full_request_reaches_evolink_in_the_models_own_words_and_comes_back_as_asked() {
    let house = house().await;
    let cases = all();
    let answers = join_all(cases.iter().map(async |case| {
        let mut body = with_everything(&case.asked);
        body["model"] = case.model.into();
        body["prompt"] = case.model.into();
        house.generate(body).await
    }));
    for (case, answer) in cases.iter().zip(answers.await) {
        let model = case.model;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        let ledger = house.ledger();
        let task = ledger.tasks.iter().find(|task| task.body["model"] == model);
        let mut sent = task.unwrap_or_else(|| panic!("no task of {model}")).body.clone();
        assert_eq!(sent["prompt"], json!(format!("{model} {PROMPT_CANARY}")));
        sent.as_object_mut().unwrap().retain(|name, _| name != "model" && name != "prompt");
        assert_eq!(sent, case.sent, "{model}");
        let picture = answer.picture();
        assert_eq!((picture.size, picture.format), (case.size, ImageFormat::WebP), "{model}");
        let ignored = answer.header("x-gateway-ignored").unwrap();
        for name in ["style", "user", "callback_url", "moderation", "tools"] {
            assert!(ignored.split(", ").any(|ignored| ignored == name), "{model}: {name} in {ignored}");
        }
    }
    house.finish().await;
}

#[tokio::test]
async fn several_images_are_several_tasks_on_every_model_with_a_seed_each() {
    let house = house().await;
    let cases = all();
    let answers = join_all(cases.iter().map(async |case| {
        let mut body = json!({"model": case.model, "prompt": case.model, "n": 2, "seed": 41});
        if case.sent.get("image_urls").is_some() {
            body["image_urls"] = pictures(1);
        }
        (case.model, house.generate(body).await)
    }));
    for (model, answer) in answers.await {
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        assert_eq!(answer.pictures().len(), 2, "{model}");
        let ledger = house.ledger();
        let bodies: Vec<_> =
            ledger.tasks.iter().map(|task| &task.body).filter(|body| body["model"] == model).collect();
        assert_eq!(bodies.len(), 2, "{model}");
        assert!(bodies.iter().all(|body| body.get("n").is_none()), "{model}");
        let seeded =
            ["qwen-image-3.0", "qwen-image-3.0-pro", "qwen-image-edit-plus", "z-image-turbo", "krea-2-turbo"];
        let mut seeds: Vec<_> = bodies.iter().filter_map(|body| body["seed"].as_u64()).collect();
        seeds.sort_unstable();
        assert_eq!(seeds, if seeded.contains(&model) { vec![41, 42] } else { vec![] }, "{model}");
    }
    house.finish().await;
}

#[tokio::test]
async fn a_configured_row_is_a_model_like_any_other() {
    let row = json!({"id": "z-image-turbo", "pixels": null, "sizes": ["640x640"], "qualities": ["low"], "parameters": {}});
    let house = Harness::with(json!({"models": {"catalog": [row]}})).await;
    let card = house.send(house.ask(http::Method::GET, "/v1/models/z-image-turbo")).await.json();
    assert_eq!((&card["sizes"]["listed"], &card["qualities"]), (&json!(["640x640"]), &json!(["low"])));
    let answer = house
        .generate(json!({"model": "z-image-turbo", "prompt": "a fox", "size": "320x320", "seed": 7}))
        .await;
    assert_eq!((answer.picture().size, answer.header("x-gateway-ignored")), ((320, 320), Some("seed")));
    let sent = house.ledger().tasks[0].body.clone();
    assert_eq!((&sent["size"], &sent["quality"], sent.get("seed")), (&json!("640x640"), &json!("low"), None));
    house.finish().await;
}

#[tokio::test]
async fn what_a_model_cannot_do_is_refused_before_anything_is_bought() {
    let house = house().await;
    let table = [
        (json!({"model": "qwen-image-edit"}), 400, "missing_required_parameter", "image_urls"),
        (json!({"model": "krea-2-turbo", "image_urls": pictures(1)}), 400, "invalid_value", "image_urls"),
        (json!({"model": "gpt-image-2-beta", "size": "2048x2048"}), 400, "invalid_value", "size"),
        (
            json!({"model": "gpt-image-2-beta", "size": "1:1", "resolution": "2K"}),
            400,
            "invalid_value",
            "resolution",
        ),
        (json!({"model": "doubao-seedream-4.5", "quality": "1K"}), 400, "invalid_value", "quality"),
        (json!({"model": "gpt-image-2", "quality": "2K"}), 400, "invalid_value", "quality"),
        (json!({"model": "z-image-turbo", "seed": 2_147_483_647, "n": 2}), 400, "invalid_value", "seed"),
        (json!({"model": "mj-v7"}), 404, "model_not_found", "model"),
    ];
    for (mut body, status, code, param) in table {
        body["prompt"] = "a fox".into();
        let answer = house.generate(body.clone()).await;
        let told = (answer.status, answer.error("code"), answer.error("param"));
        assert_eq!(told, (status, code.to_owned(), param.to_owned()), "{body}: {}", answer.text());
    }
    assert_eq!(house.ledger().totals.create_calls, 0);
    house.finish().await;
}
