//! The media host and the files API.

use super::*;
use crate::simulator::picture::{Content, Sketch, draw};

async fn link(simulator: &Simulator, prompt: &str) -> String {
    let id = made(simulator, prompt).await;
    look(simulator, &id).await.1["results"][0].as_str().unwrap().to_owned()
}

fn png(width: u32, height: u32, transparent: bool) -> Vec<u8> {
    let pixels = crate::image::Pixels::new(width, height);
    let content = Content::Plain { bytes: 0 };
    draw(&Sketch { pixels, format: crate::image::Format::Png, transparent, seed: 1, content }).unwrap()
}

#[tokio::test]
async fn two_tasks_of_one_prompt_have_different_pictures() {
    let simulator = simulator(Duration::ZERO).await;
    let (first, second) = (link(&simulator, "a cat").await, link(&simulator, "a cat").await);
    let (one, two) = (fetch(&first).await.unwrap(), fetch(&second).await.unwrap());
    assert_ne!(one.body(), two.body());
    assert_eq!(one.body(), fetch(&first).await.unwrap().body(), "a link serves the same bytes each time");
}

#[tokio::test]
async fn a_key_or_a_library_at_the_media_host_is_turned_away() {
    let simulator = simulator(Duration::ZERO).await;
    let url = link(&simulator, "a cat").await;
    let path = url.strip_prefix(&simulator.url()).unwrap();
    let leaked = ask(&simulator, Method::GET, path, &[], "").await.unwrap();
    assert_eq!(leaked.status(), 400);
    let mut request = client::request(Method::GET, &url, Bytes::new()).unwrap();
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("reqwest/0.13"));
    let refused = client::send(request).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.body().ends_with(b"error code: 1010</body></html>"));
    let totals = simulator.ledger().totals;
    assert_eq!((totals.leaks, totals.media_refused, totals.media_fetches), (1, 1, 0));
    assert_eq!(simulator.ledger().leaks.len(), 1);
}

#[tokio::test]
async fn picture_faults_strike_the_fetch() {
    let simulator = simulator(Duration::ZERO).await;
    for (word, status, bytes) in
        [("404", 404, None), ("410", 410, None), ("html", 200, None), ("empty", 200, Some(0))]
    {
        let answer = fetch(&link(&simulator, &format!("x [media:{word}]")).await).await.unwrap();
        assert_eq!(answer.status(), status, "{word}");
        assert!(bytes.is_none_or(|bytes| answer.body().len() == bytes), "{word}");
    }
    let redirect = fetch(&link(&simulator, "x [media:redirect]").await).await.unwrap();
    assert_eq!(redirect.headers()["location"], "http://169.254.169.254/latest/meta-data/");
    let url = link(&simulator, "x [media:truncated*1]").await;
    assert!(fetch(&url).await.is_err());
    assert_eq!(fetch(&url).await.unwrap().status(), 200);
    let jpeg = fetch(&link(&simulator, "x [media:jpeg]").await).await.unwrap();
    assert_eq!(jpeg.headers()["content-type"], "image/png");
    assert_eq!(image::guess_format(jpeg.body()).unwrap(), image::ImageFormat::Jpeg);
    let slow = fetch(&link(&simulator, "x [media:slow;seconds=0.02]").await).await.unwrap();
    assert!(image::load_from_memory(slow.body()).is_ok());
    let endless = fetch(&link(&simulator, "x [media:endless]").await).await;
    assert!(matches!(endless, Err(ClientError::Body(_))), "the reader's own bound ends it");
}

#[tokio::test]
async fn padded_pictures_have_exactly_the_asked_bytes() {
    let options = Options {
        picture_bytes: Some(102_400),
        latency: Some((Duration::ZERO, Duration::ZERO)),
        ..Options::default()
    };
    let simulator = with(options).await;
    let picture = fetch(&link(&simulator, "a cat").await).await.unwrap();
    assert_eq!(picture.body().len(), 102_400);
    assert_eq!(image::load_from_memory(picture.body()).unwrap().width(), 1024);
}

#[tokio::test]
async fn result_links_expire_after_a_day() {
    let simulator = simulator(Duration::ZERO).await;
    let url = link(&simulator, "a cat").await;
    assert_eq!(fetch(&url).await.unwrap().status(), 200);
    tokio::time::pause();
    tokio::time::advance(Duration::from_hours(25)).await;
    tokio::time::resume();
    assert_eq!(fetch(&url).await.unwrap().status(), 410);
}

#[tokio::test]
async fn an_uploaded_file_is_served_listed_and_deleted() {
    let simulator = simulator(Duration::ZERO).await;
    let bytes = png(64, 64, false);
    let data = base64_simd::STANDARD.encode_to_string(&bytes);
    let body = json!({"base64_data": format!("data:image/png;base64,{data}"), "file_name": "cat.png"});
    let (status, stored) = call(&simulator, Method::POST, "/api/v1/files/upload/base64", &body).await;
    assert_eq!(
        (status, &stored["success"], &stored["data"]["mime_type"]),
        (200, &json!(true), &json!("image/png"))
    );
    let url = stored["data"]["file_url"].as_str().unwrap();
    assert_eq!(fetch(url).await.unwrap().body(), &bytes);
    let by_url = json!({"file_url": url, "file_name": "copy.png"});
    let (status, copy) = call(&simulator, Method::POST, "/api/v1/files/upload/url", &by_url).await;
    assert_eq!((status, &copy["data"]["original_name"]), (200, &json!("cat.png")));
    let (_, quota) = call(&simulator, Method::GET, "/api/v1/files/quota", &Value::Null).await;
    assert_eq!((&quota["data"]["used_files"], &quota["data"]["remain_files"]), (&json!(2), &json!(1998)));
    let id = stored["data"]["file_id"].as_str().unwrap();
    assert_eq!(call(&simulator, Method::DELETE, &format!("/api/v1/files/{id}"), &Value::Null).await.0, 200);
    let (_, list) =
        call(&simulator, Method::GET, "/api/v1/files/list?page=1&pageSize=10", &Value::Null).await;
    assert_eq!(list["data"]["files"][0]["file_name"], "copy.png");
    assert_eq!(fetch(url).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_form_upload_whose_reply_was_lost_leaves_a_receipt() {
    let simulator = simulator(Duration::ZERO).await;
    let url = format!("{}/api/v1/files/upload/stream", simulator.url());
    let mut body =
        b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n".to_vec();
    body.extend(png(64, 64, false));
    body.extend(b"\r\n--B--\r\n");
    let mut request = client::request(Method::POST, &url, body.into()).unwrap();
    for (name, value) in [
        ("authorization", "Bearer sk-test"),
        ("content-type", "multipart/form-data; boundary=B"),
        ("x-evo-upload-id", "upload-0123456789"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    simulator.script(fault("files:lost*1"));
    assert!(client::send(request).await.is_err());
    let path = "/api/v1/files/upload-receipts/upload-0123456789";
    let (status, receipt) = call(&simulator, Method::GET, path, &Value::Null).await;
    assert_eq!((status, &receipt["data"]["original_name"]), (200, &json!("a.png")));
}

#[tokio::test]
async fn uploads_are_refused_with_the_files_apis_codes() {
    let simulator = simulator(Duration::ZERO).await;
    let path = "/api/v1/files/upload/base64";
    let (status, error) = call(&simulator, Method::POST, path, &json!({"base64_data": "aGVsbG8="})).await;
    assert_eq!((status, &error["success"], &error["code"]), (400, &json!(false), &json!(40002)));
    simulator.script(fault("files:quota*1"));
    assert_eq!(call(&simulator, Method::POST, path, &json!({})).await.1["code"], 40003);
    simulator.script(fault("files:200-error*1"));
    let (status, error) = call(&simulator, Method::POST, path, &json!({})).await;
    assert_eq!((status, &error["success"]), (200, &json!(false)));
}

#[tokio::test]
async fn a_mask_must_fit_its_picture() {
    let simulator = simulator(Duration::ZERO).await;
    let mut urls = Vec::new();
    for (width, height, transparent) in [(64, 64, false), (64, 64, true), (32, 64, true)] {
        let data = base64_simd::STANDARD.encode_to_string(png(width, height, transparent));
        let (_, stored) =
            call(&simulator, Method::POST, "/api/v1/files/upload/base64", &json!({"base64_data": data}))
                .await;
        urls.push(stored["data"]["file_url"].as_str().unwrap().to_owned());
    }
    for (mask, part) in
        [(0, Some("missing alpha channel")), (1, None), (2, Some("does not match image size"))]
    {
        let body =
            json!({"model": "gpt-image-2", "prompt": "x", "image_urls": [urls[0]], "mask_url": urls[mask]});
        let (_, task) = call(&simulator, Method::POST, "/v1/images/generations", &body).await;
        let (_, task) = look(&simulator, task["id"].as_str().unwrap()).await;
        let message = task["error"]["message"].as_str();
        assert!(part.is_none_or(|part| message.is_some_and(|message| message.contains(part))), "{task}");
        assert_eq!(task["status"], if part.is_some() { "failed" } else { "completed" });
    }
    // the first picture is elsewhere, and the mask applies to no other
    let pictures = ["https://elsewhere.example/a.png", urls[2].as_str()];
    let body = json!({"model": "gpt-image-2", "prompt": "x", "image_urls": pictures, "mask_url": urls[1]});
    let (_, task) = call(&simulator, Method::POST, "/v1/images/generations", &body).await;
    assert_eq!(look(&simulator, task["id"].as_str().unwrap()).await.1["status"], "completed");
}
