//! The pictures are what was asked for: size, format, number, delivery.

use futures_util::future::join_all;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::support::{Harness, Setup, decoded, small};

#[tokio::test]
async fn sizes_of_every_form_are_delivered() {
    let house = Harness::start().await;
    let table = [
        (json!({"size": "1024x1024"}), Some((1024, 1024))),
        (json!({"size": "1536x1024"}), Some((1536, 1024))),
        (json!({"size": "1024x1536"}), Some((1024, 1536))),
        (json!({"size": "1792x1024"}), Some((1792, 1024))),
        (json!({"size": "auto"}), Some((1024, 1024))),
        (json!({"size": "256x256"}), Some((256, 256))),
        (json!({"size": "512x512", "output_format": "jpeg"}), Some((512, 512))),
        (json!({"size": "3:1"}), None),
        (json!({"size": "16:9", "resolution": "2K"}), None),
        (json!({}), Some((1024, 1024))),
    ];
    for (body, size) in table {
        let mut request = json!({"prompt": "a fox", "quality": "low"});
        request.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = house.generate(request).await;
        let picture = answer.picture();
        let told = answer.told_size();
        assert_eq!(picture.size, (told.width, told.height), "{body}: what is told is what is delivered");
        if let Some(size) = size {
            assert_eq!(picture.size, size, "{body}");
        }
    }
    let ratio: Vec<_> = house.ledger().tasks.iter().map(|task| task.body["resolution"].clone()).collect();
    assert!(ratio.contains(&json!("2K")), "the tier is sent with a ratio: {ratio:?}");
    house.finish().await;
}

#[tokio::test]
async fn a_ratio_is_delivered_in_its_tier() {
    let house = Harness::start().await;
    let picture =
        house.generate(json!({"prompt": "a fox", "size": "16:9", "resolution": "2K"})).await.picture();
    let (width, height) = picture.size;
    let ratio = f64::from(width) / f64::from(height);
    assert!(
        (ratio - 16.0 / 9.0).abs() < 0.03 && u64::from(width) * u64::from(height) > 1_900_000,
        "{width}x{height}"
    );
    house.finish().await;
}

#[tokio::test]
async fn formats_and_compression_always_hold() {
    let house = Harness::start().await;
    let ask = async |format: &str, compression: Option<u8>| {
        let body = json!({"prompt": "a fox", "size": "816x816", "output_format": format, "output_compression": compression});
        let answer = house.generate(body).await;
        assert_eq!(answer.json()["output_format"], format);
        answer.picture()
    };
    assert_eq!(ask("png", None).await.format, ImageFormat::Png);
    for (format, kind) in [("jpeg", ImageFormat::Jpeg), ("webp", ImageFormat::WebP)] {
        let (fine, coarse) = (ask(format, Some(95)).await, ask(format, Some(5)).await);
        assert_eq!((fine.format, coarse.format, fine.size), (kind, kind, (816, 816)));
        assert!(
            coarse.bytes.len() < fine.bytes.len(),
            "{format}: {} {}",
            coarse.bytes.len(),
            fine.bytes.len()
        );
    }
    house.finish().await;
}

#[tokio::test]
async fn four_images_are_four_tasks_and_four_pictures() {
    let house = Harness::start().await;
    let answer = house.generate(json!({"prompt": "a fox", "n": 4, "size": "816x816"})).await;
    let mut pictures: Vec<_> = answer.pictures().into_iter().map(|picture| picture.bytes).collect();
    pictures.sort();
    pictures.dedup();
    assert_eq!(pictures.len(), 4, "all different");
    house.has_tasks(4);
    assert_eq!(answer.header("x-evolink-task-ids").unwrap().split(", ").count(), 4);
    let usage = answer.json()["usage"].clone();
    let sum = |names: [&str; 2]| names.iter().map(|name| usage[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(usage["total_tokens"].as_u64().unwrap(), sum(["input_tokens", "output_tokens"]), "{usage}");
    house.finish().await;
}

#[tokio::test]
async fn ten_images_are_the_most() {
    let house = Harness::start().await;
    let answer =
        house.generate(json!({"prompt": "a fox", "n": 10, "size": "816x816", "quality": "low"})).await;
    assert_eq!(answer.pictures().len(), 10);
    house.finish().await;
}

#[tokio::test]
async fn a_link_leads_to_the_picture_and_is_the_default_of_dall_e() {
    let house = Harness::start().await;
    for body in [
        json!({"prompt": "a fox", "size": "1024x1024", "response_format": "url"}),
        json!({"prompt": "a fox", "size": "1024x1024", "model": "dall-e-3"}),
        json!({"prompt": "a fox", "size": "1024x1024", "model": "dall-e-2", "response_format": "url"}),
    ] {
        let answer = house.generate(body.clone()).await;
        let item = answer.is_ok().json()["data"][0].clone();
        assert!(item.get("b64_json").is_none(), "{body}: {item}");
        let link = item["url"].as_str().unwrap().to_owned();
        let fetched = house.http.get(link).header("user-agent", "a browser").send().await.unwrap();
        assert_eq!(decoded(fetched.bytes().await.unwrap().to_vec()).size, (1024, 1024));
    }
    let explicit =
        json!({"prompt": "a fox", "size": "1024x1024", "model": "dall-e-3", "response_format": "b64_json"});
    house.generate(explicit).await.picture();
    let small = house.generate(json!({"prompt": "a fox", "size": "256x256", "model": "dall-e-2"})).await;
    assert_eq!(small.picture().size, (256, 256), "a default of url gives way to what works");
    house.finish().await;
}

#[tokio::test]
async fn qualities_and_own_parameters_reach_upstream_in_its_words() {
    let house = Harness::with(json!({"cache": {"enabled": false}})).await;
    let asked = [
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("auto", "medium"),
        ("standard", "medium"),
        ("hd", "high"),
    ];
    for (asked, effective) in asked {
        let answer = house.generate(json!({"prompt": "a fox", "size": "816x816", "quality": asked})).await;
        assert_eq!(answer.is_ok().json()["quality"], effective, "{asked}");
        let sent = house.ledger().tasks.last().unwrap().body.clone();
        assert_eq!(sent["quality"], effective, "{asked}: {sent}");
        assert_eq!(sent["n"].as_u64().unwrap_or(1), 1, "{sent}");
    }
    house.finish().await;
}

#[tokio::test]
async fn a_transparent_background_is_asked_for_and_told() {
    let house = Harness::start().await;
    let answer =
        house.generate(json!({"prompt": "a fox", "size": "816x816", "background": "transparent"})).await;
    assert_eq!(answer.is_ok().json()["background"], "transparent");
    assert_eq!(house.ledger().tasks[0].body["background"], "transparent");
    answer.picture();
    house.finish().await;
}

#[tokio::test]
async fn a_hundred_requests_at_once_are_all_answered() {
    let config = json!({"evolink": {"max_tasks": 100}, "server": {"deadline": "60s"}});
    let house =
        Setup::new().config(&config).simulator(|options| options.picture_bytes = Some(20_000)).start().await;
    let asked = (0..100).map(async |number| {
        house.generate(json!({"prompt": format!("fox {number}"), "size": "816x816"})).await
    });
    let answers = join_all(asked).await;
    let made = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(made.count(), 100);
    assert!(answers.iter().all(|answer| answer.json()["data"][0]["b64_json"].is_string()));
    let ids: std::collections::HashSet<Value> =
        answers.iter().map(|answer| answer.header("x-request-id").unwrap().into()).collect();
    assert_eq!(ids.len(), 100, "each its own request id");
    house.has_tasks(100);
    house.finish().await;
}

#[tokio::test]
async fn a_link_is_told_with_the_format_that_it_leads_to() {
    let house = Harness::start().await;
    for (fault, format) in [("", "png"), ("[media:webp]", "webp"), ("[media:jpeg]", "jpeg")] {
        let mut body = small(&format!("a fox {fault}"));
        body["response_format"] = json!("url");
        assert_eq!(house.generate(body).await.is_ok().json()["output_format"], format);
    }
    house.finish().await;
}
