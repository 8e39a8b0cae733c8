//! Requests that are wrong: what, where, and how to do better.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{DESIGN_KEY, Harness, STRICT_KEY};

const INVALID: &str = "invalid_request_error";

#[tokio::test]
async fn a_wrong_parameter_is_a_400_that_names_it() {
    let house = Harness::start().await;
    let long = "x".repeat(33_000);
    let heavy = "語".repeat(20_001);
    let table: Vec<(Value, &str, &str)> = vec![
        (json!({}), "missing_required_parameter", "prompt"),
        (json!({"prompt": null}), "missing_required_parameter", "prompt"),
        (json!({"prompt": ""}), "invalid_value", "prompt"),
        (json!({"prompt": 7}), "invalid_value", "prompt"),
        (json!({"prompt": long}), "invalid_value", "prompt"),
        (json!({"prompt": heavy}), "invalid_value", "prompt"),
        (json!({"prompt": "x", "n": 0}), "invalid_value", "n"),
        (json!({"prompt": "x", "n": 11}), "invalid_value", "n"),
        (json!({"prompt": "x", "n": -1}), "invalid_value", "n"),
        (json!({"prompt": "x", "n": 1.5}), "invalid_value", "n"),
        (json!({"prompt": "x", "n": "2"}), "invalid_value", "n"),
        (json!({"prompt": "x", "n": 1e300}), "invalid_value", "n"),
        (json!({"prompt": "x", "size": "1000x1000"}), "invalid_value", "size"),
        (json!({"prompt": "x", "size": "big"}), "invalid_value", "size"),
        (json!({"prompt": "x", "size": "9999999999x16"}), "invalid_value", "size"),
        (json!({"prompt": "x", "size": "4096x4096"}), "invalid_value", "size"),
        (json!({"prompt": "x", "size": "3840x512"}), "invalid_value", "size"),
        (json!({"prompt": "x", "size": "7:5"}), "invalid_value", "size"),
        (json!({"prompt": "x", "size": 1024}), "invalid_value", "size"),
        (json!({"prompt": "x", "resolution": "8K"}), "invalid_value", "resolution"),
        (json!({"prompt": "x", "quality": "best"}), "invalid_value", "quality"),
        (json!({"prompt": "x", "quality": ["low"]}), "invalid_value", "quality"),
        (json!({"prompt": "x", "background": "blue"}), "invalid_value", "background"),
        (json!({"prompt": "x", "output_format": "gif"}), "invalid_value", "output_format"),
        (json!({"prompt": "x", "output_compression": 101}), "invalid_value", "output_compression"),
        (json!({"prompt": "x", "response_format": "file"}), "invalid_value", "response_format"),
        (json!({"prompt": "x", "moderation": "none"}), "invalid_value", "moderation"),
        (json!({"prompt": "x", "user": 5}), "invalid_value", "user"),
        (json!({"prompt": "x", "model": 5}), "invalid_value", "model"),
        (json!({"prompt": "x", "image_urls": ["ftp://example.com/a"]}), "invalid_value", "image_urls"),
        (
            json!({"prompt": "x", "background": "transparent", "output_format": "jpeg"}),
            "invalid_value",
            "output_format",
        ),
        (
            json!({"prompt": "x", "response_format": "url", "output_format": "jpeg"}),
            "invalid_value",
            "response_format",
        ),
        (
            json!({"prompt": "x", "response_format": "url", "size": "256x256"}),
            "invalid_value",
            "response_format",
        ),
        (json!({"prompt": "x", "stream": "yes"}), "invalid_value", "stream"),
    ];
    let answers = join_all(table.iter().map(async |(body, ..)| house.post(body.to_string()).await)).await;
    for ((body, code, param), answer) in table.iter().zip(answers) {
        let body: String = body.to_string().chars().take(100).collect();
        let told = (answer.status, answer.error("code"), answer.error("param"));
        assert_eq!(told, (400, (*code).to_owned(), (*param).to_owned()), "{body}: {}", answer.text());
        answer.is_error(400, INVALID, code, false);
        assert!(answer.error("message").len() < 500, "{body}: {}", answer.text());
        assert!(answer.header("x-gateway-generation-id").is_none(), "{body}: nothing was begun");
    }
    assert_eq!(house.ledger().totals.create_calls, 0, "nothing of this reaches upstream");
    house.finish().await;
}

#[tokio::test]
async fn a_prompt_at_the_limits_is_taken() {
    let house = Harness::start().await;
    for prompt in ["x".repeat(32_000), "é".repeat(30_000)] {
        house.post(json!({"prompt": prompt, "size": "816x816"}).to_string()).await.picture();
    }
    house.finish().await;
}

#[tokio::test]
async fn a_wrong_size_names_the_nearest_right_one() {
    let house = Harness::start().await;
    let message = house.generate(json!({"prompt": "x", "size": "1000x1000"})).await.error("message");
    assert!(message.contains("'1008x1008'") || message.contains("'992x992'"), "{message}");
    house.finish().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_400() {
    let house = Harness::start().await;
    let deep = "[".repeat(100_000);
    for body in ["", "{", "not json", "[]", "\"text\"", "null", "{\"prompt\": \"a\u{0}", &deep] {
        let answer = house.post(body.to_owned()).await;
        answer.is_error(400, INVALID, "invalid_json", false);
    }
    let answer = house.post(vec![b'{', b'"', 0xff, 0xfe, b'"', b'}']).await;
    answer.is_error(400, INVALID, "invalid_json", false);
    house.finish().await;
}

#[tokio::test]
async fn bodies_that_are_no_plain_json_are_a_415() {
    let house = Harness::start().await;
    let post = || house.ask(Method::POST, "/v1/images/generations").body("{\"prompt\":\"x\"}");
    let json = "application/json";
    for request in [
        post(),
        post().header("content-type", "text/plain"),
        post().header("content-type", "multipart/form-data; boundary=x"),
        post().header("content-type", json).header("content-encoding", "gzip"),
        post().header("content-type", json).header("content-encoding", "br"),
    ] {
        house.send(request).await.is_error(415, INVALID, "unsupported_media_type", false);
    }
    let charset = post()
        .header("content-type", "Application/JSON; charset=utf-8")
        .header("content-encoding", "identity");
    house.send(charset).await.picture();
    house.finish().await;
}

#[tokio::test]
async fn paths_and_methods_that_are_none_say_what_there_is() {
    let house = Harness::start().await;
    for (method, path) in [
        (Method::POST, "/v1/chat/completions"),
        (Method::GET, "/"),
        (Method::POST, "/v1/images/generations/"),
        (Method::GET, "/metrics"),
        (Method::GET, "/livez"),
        (Method::GET, "/v1/../../etc/passwd"),
    ] {
        let answer = house.send(house.ask(method.clone(), path)).await;
        answer.is_error(404, INVALID, "unknown_url", false);
    }
    for (method, path, allowed) in [
        (Method::GET, "/v1/images/generations", "POST"),
        (Method::PUT, "/v1/images/generations", "POST"),
        (Method::DELETE, "/v1/models", "GET"),
        (Method::POST, "/v1/models/gpt-image-2", "GET"),
    ] {
        let answer = house.send(house.ask(method, path)).await;
        answer.is_error(405, INVALID, "method_not_allowed", false);
        assert!(answer.header("allow").unwrap().contains(allowed), "{:?}", answer.headers);
    }
    house.finish().await;
}

#[tokio::test]
async fn what_has_no_effect_is_named_and_refused_only_in_strict_mode() {
    let house = Harness::start().await;
    let body = json!({
        "prompt": "a fox", "size": "816x816", "style": "vivid", "user": "u-1", "made_up": {"deep": [1]}, "moderation": "low",
        "callback_url": "https://example.com/hook", "partial_images": 2, "output_compression": 50, "resolution": "2K",
    });
    let answer = house.generate(body.clone()).await;
    answer.picture();
    let mut ignored: Vec<_> = answer.header("x-gateway-ignored").unwrap().split(", ").collect();
    ignored.sort_unstable();
    let all = [
        "callback_url",
        "made_up",
        "moderation",
        "output_compression",
        "partial_images",
        "resolution",
        "style",
        "user",
    ];
    assert_eq!(ignored, all);
    let sent = house.ledger().tasks[0].body.clone();
    assert!(all.iter().all(|name| sent.get(name).is_none()), "{sent}");
    let named = house.send(house.generation_by(STRICT_KEY, json!({"prompt": "x", "стиль, mine": 1}))).await;
    assert_eq!(named.error("param"), "стиль, mine", "as the client wrote it");
    let refused = house.send(house.generation_by(STRICT_KEY, body)).await;
    refused.is_error(400, INVALID, "unknown_parameter", false);
    assert!(all.contains(&refused.error("param").as_str()), "{}", refused.text());
    let taken = json!({"prompt": "a fox", "size": "816x816"});
    house.send(house.generation_by(STRICT_KEY, taken)).await.picture();
    house.has_tasks(2);
    house.finish().await;
}

#[tokio::test]
async fn what_has_no_effect_is_named_on_failures_too() {
    let house = Harness::with(json!({"server": {"deadline": "1s"}})).await;
    for (prompt, status) in [("a fox [fail:service_error]", 502), ("a fox [latency:3s]", 504)] {
        let answer = house.generate(json!({"prompt": prompt, "size": "816x816", "style": "vivid"})).await;
        assert_eq!((answer.status, answer.header("x-gateway-ignored")), (status, Some("style")), "{prompt}");
    }
    let answer =
        house.generate(json!({"prompt": "a fox", "style": "vivid", "image_urls": ["http://u:p@a/b"]})).await;
    assert_eq!((answer.status, answer.header("x-gateway-ignored")), (400, Some("style")));
    house.finish().await;
}

#[tokio::test]
async fn null_is_absent() {
    let house = Harness::start().await;
    let names = [
        "model",
        "n",
        "size",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "response_format",
        "style",
        "user",
        "moderation",
        "stream",
        "partial_images",
        "seed",
        "resolution",
        "image_urls",
        "made_up",
    ];
    let mut body = json!({"prompt": "a fox"});
    for name in names {
        body[name] = Value::Null;
    }
    let answer = house.generate(body).await;
    assert_eq!(answer.picture().size, (1024, 1024));
    assert_eq!(answer.header("x-gateway-ignored"), None);
    house.finish().await;
}

#[tokio::test]
async fn an_unknown_model_is_a_404_and_is_not_sent_upstream() {
    let house = Harness::start().await;
    let answer = house.generate(json!({"prompt": "x", "model": "gpt-imagine-9"})).await;
    answer.is_error(404, INVALID, "model_not_found", false);
    assert_eq!(answer.error("param"), "model");
    assert!(answer.error("message").contains("gpt-imagine-9"), "{}", answer.text());
    assert_eq!(house.ledger().totals.create_calls, 0);
    house.finish().await;
}

#[tokio::test]
async fn a_key_in_the_body_or_the_query_is_no_key() {
    let house = Harness::start().await;
    let request = house.http.post(house.url(&format!("/v1/images/generations?api_key={DESIGN_KEY}")));
    let request = request.header("content-type", "application/json").body("{\"prompt\":\"x\"}");
    house.send(request).await.is_error(401, INVALID, "invalid_api_key", false);
    house.finish().await;
}

#[tokio::test]
async fn links_of_callers_must_be_open_to_everyone() {
    let house = Harness::with(json!({"evolink": {"allow_private_media": false}})).await;
    for link in [
        "http://93.184.215.14/a.png",
        "https://127.0.0.1/a.png",
        "https://10.1.2.3/a.png",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/a.png",
        "https://[::ffff:10.0.0.1]/a.png",
        "https://user:secret@93.184.215.14/a.png",
        "file:///etc/passwd",
    ] {
        let answer = house.generate(json!({"prompt": "x", "image_urls": [link]})).await;
        answer.is_error(400, INVALID, "invalid_value", false);
        assert_eq!(answer.error("param"), "image_urls", "{link}");
    }
    let masked =
        json!({"prompt": "x", "image_urls": ["https://93.184.215.14/a"], "mask_url": "https://127.0.0.1/m"});
    assert_eq!(house.generate(masked).await.error("param"), "mask_url");
    assert_eq!(house.ledger().totals.create_calls, 0, "upstream never hears of them");
    house.finish().await;
}

#[tokio::test]
async fn links_of_callers_are_passed_on_as_they_are() {
    let house = Harness::start().await;
    let link = format!("{}/files/none.png?x=1&y=2", house.simulator.url());
    let answer = house.generate(json!({"prompt": "x", "image_urls": [link], "size": "816x816"})).await;
    assert_eq!(house.ledger().tasks[0].body["image_urls"], json!([link]));
    answer.is_error(400, INVALID, "invalid_image", false);
    assert!(!answer.text().contains(&link), "{}", answer.text());
    house.finish().await;
}
