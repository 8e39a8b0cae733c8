//! Fetching finished pictures from links that misbehave.

use futures_util::future::join_all;
use image::ImageFormat;
use serde_json::json;

use crate::support::Harness;

#[tokio::test]
async fn a_link_that_fails_once_is_fetched_again() {
    let house = Harness::start().await;
    for fault in ["truncated*1", "500*1", "503*1", "slow;seconds=0.3", "no-length"] {
        let answer = house.draw(&format!("a fox [media:{fault}]")).await;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
        assert_eq!(answer.picture().size, (816, 816), "{fault}");
    }
    house.has_tasks(5);
    house.finish().await;
}

#[tokio::test]
async fn a_picture_that_cannot_be_fetched_is_a_502_that_says_it_was_paid_for() {
    let house = Harness::start().await;
    let table = [
        ("404", false),
        ("403", false),
        ("410", false),
        ("html", false),
        ("empty", false),
        ("redirect", false),
        ("endless", false),
        ("truncated", true),
        ("503", true),
        ("429;retry-after=1", true),
    ];
    let answers = table.map(async |(fault, _)| house.draw(&format!("a fox [media:{fault}]")).await);
    for ((fault, repeat), answer) in table.iter().zip(join_all(answers).await) {
        assert_eq!((answer.status, answer.error("code").as_str()), (502, "result_unavailable"), "{fault}");
        answer.is_error(502, "upstream_error", "result_unavailable", *repeat);
        assert!(answer.header("x-evolink-task-ids").is_some(), "{fault}");
    }
    house.has_tasks(table.len());
    house.finish().await;
}

#[tokio::test]
async fn a_paid_picture_that_could_not_be_fetched_is_fetched_by_the_repeated_request() {
    let house = Harness::start().await;
    // Each try is two requests, and a failed one is asked for by a fresh link, which is the same here.
    let prompt = "a fox [media:truncated*2]";
    house.draw(prompt).await.is_error(502, "upstream_error", "result_unavailable", true);
    house.draw(prompt).await.picture();
    house.has_tasks(1);
    house.finish().await;
}

#[tokio::test]
async fn a_paid_picture_missing_from_an_answer_is_in_the_repeated_one() {
    let house = Harness::start().await;
    house.simulator.script("media:404*1".parse().unwrap());
    let request = json!({"prompt": "two foxes", "n": 2});
    let answer = house.generate(request.clone()).await;
    assert_eq!((answer.status, answer.header("x-gateway-partial")), (200, Some("1/2")));
    let answer = house.generate(request.clone()).await;
    assert_eq!((answer.status, answer.header("x-gateway-partial")), (200, None));
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn bytes_of_another_format_are_converted_to_the_asked_one() {
    let house = Harness::start().await;
    for (delivered, asked, format) in [
        ("jpeg", "png", ImageFormat::Png),
        ("webp", "png", ImageFormat::Png),
        ("webp", "jpeg", ImageFormat::Jpeg),
        ("jpeg", "webp", ImageFormat::WebP),
    ] {
        let body = json!({"prompt": format!("a fox [media:{delivered}]"), "size": "816x816", "output_format": asked});
        let answer = house.generate(body).await;
        assert_eq!(answer.picture().format, format, "{delivered} for {asked}");
        assert_eq!(answer.json()["output_format"], asked);
    }
    house.finish().await;
}

#[tokio::test]
async fn links_to_private_addresses_are_refused_unless_allowed() {
    let house = Harness::with(json!({"evolink": {"allow_private_media": false}})).await;
    let answer = house.draw("a fox").await;
    answer.is_error(502, "upstream_error", "result_unavailable", false);
    assert_eq!(house.ledger().totals.media_fetches, 0, "the host is not even asked");
    house.finish().await;
}
