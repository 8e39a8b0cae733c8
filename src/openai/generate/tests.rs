//! What clients send, and what becomes of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::image::{Background, Delivery, Format, Pixels, Quality, Size, Tier};

fn parse(body: &Value) -> Result<ImageRequest, Fault> {
    parse_generation(body.to_string().as_bytes()).map(|params| params.request)
}

fn refusal(body: &Value) -> Fault {
    parse(body).expect_err("must be refused")
}

#[test]
fn a_prompt_alone_leaves_everything_to_the_model() {
    assert_eq!(parse(&json!({"prompt": "a cat"})).unwrap(), ImageRequest::new("a cat"));
}

#[test]
fn every_parameter_with_a_use_is_read() {
    let request = parse(&json!({
        "model": "gpt-image-2", "prompt": "a cat", "n": 4, "size": "16:9", "resolution": "2k", "quality": "hd",
        "background": "transparent", "output_format": "webp", "output_compression": 80, "response_format": "url",
        "stream": false, "image_urls": ["https://example.com/a.png"], "mask_url": "https://example.com/m.png",
        "seed": 7, "model_params": {"a": 1},
    }))
    .unwrap();
    assert_eq!(request.model.as_deref(), Some("gpt-image-2"));
    assert_eq!(request.count, 4);
    assert_eq!(request.size.unwrap().to_string(), "16:9");
    assert_eq!(request.resolution, Some(Tier::K2));
    assert_eq!(request.quality, Some(Quality::Hd));
    assert_eq!(request.background, Some(Background::Transparent));
    assert_eq!(request.format, Some(Format::Webp));
    assert_eq!(request.compression.unwrap().percent(), 80);
    assert_eq!(request.delivery, Some(Delivery::Url));
    assert_eq!(Value::from(request.native), json!({"seed": 7, "model_params": {"a": 1}}));
    assert!(request.ignored.is_empty());
}

#[test]
fn null_is_absent_for_every_parameter() {
    let names = [
        "model",
        "n",
        "size",
        "quality",
        "stream",
        "image_urls",
        "mask_url",
        "seed",
        "user",
        "callback_url",
        "x",
    ];
    let mut body = json!({"prompt": "a cat"});
    for name in names {
        body[name] = Value::Null;
    }
    assert_eq!(parse(&body).unwrap(), ImageRequest::new("a cat"));
    assert_eq!(refusal(&json!({"prompt": null})).code(), "missing_required_parameter");
}

#[test]
fn a_missing_or_blank_prompt_is_refused() {
    let missing = refusal(&json!({"model": "gpt-image-2"}));
    assert_eq!((missing.code(), missing.param()), ("missing_required_parameter", Some("prompt")));
    for blank in ["", " \n\t", "\u{3000}"] {
        let fault = refusal(&json!({"prompt": blank}));
        assert_eq!((fault.code(), fault.param()), ("invalid_value", Some("prompt")));
    }
}

#[test]
fn a_wrong_type_or_range_names_its_parameter() {
    let cases = [
        ("prompt", json!(["a"])),
        ("model", json!(2)),
        ("n", json!("2")),
        ("n", json!(0)),
        ("n", json!(11)),
        ("size", json!(1024)),
        ("size", json!("1024")),
        ("size", json!("")),
        ("resolution", json!("8K")),
        ("quality", json!("best")),
        ("quality", json!(1)),
        ("background", json!("white")),
        ("output_format", json!("bmp")),
        ("output_compression", json!(101)),
        ("output_compression", json!("80")),
        ("response_format", json!("b64")),
        ("stream", json!("true")),
        ("partial_images", json!(4)),
        ("moderation", json!("high")),
        ("style", json!("bold")),
        ("user", json!(7)),
        ("input_fidelity", json!(true)),
        ("image_urls", json!("https://example.com/a.png")),
        ("image_urls", json!(vec!["https://a/b"; 17])),
        ("image_urls", json!([1])),
        ("image_urls", json!(["data:image/png,AA"])),
        ("mask_url", json!("data:image/png;base64,A")),
        ("mask_url", json!({"image_url": "https://example.com/m.png"})),
        ("seed", json!(1.5)),
        ("model_params", json!([])),
        ("watermark", json!("no")),
        ("prompt_priority", json!("slow")),
        ("tools", json!({})),
    ];
    for (name, value) in cases {
        let mut body = json!({"prompt": "a cat"});
        body[name] = value.clone();
        let fault = refusal(&body);
        assert_eq!(
            (fault.status(), fault.code(), fault.param()),
            (400, "invalid_value", Some(name)),
            "{value}"
        );
        assert!(fault.message().starts_with("Invalid value"), "{}", fault.message());
    }
}

#[test]
fn refusals_are_worded_as_openai_words_them() {
    let message =
        |name: &str, value: Value| refusal(&json!({"prompt": "a", name: value})).message().to_owned();
    insta::assert_snapshot!([
        message("size", json!("large")),
        message("quality", json!("best")),
        message("output_format", json!("svg")),
        message("response_format", json!("file")),
        message("n", json!(11)),
        message("mask_url", json!("a.png")),
    ].join("\n"), @r"
    Invalid value: 'large'. Supported values are: 'auto', a ratio such as '16:9', or 'WIDTHxHEIGHT' such as '1024x1024'.
    Invalid value: 'best'. Expected 'auto', or one of the model's qualities as GET /v1/models lists them.
    Invalid value: 'svg'. Supported values are: 'png', 'jpeg', and 'webp'.
    Invalid value: 'file'. Supported values are: 'url' and 'b64_json'.
    Invalid value: 11. Expected an integer from 1 to 10.
    Invalid value: 'a.png'. Expected an http or https link or a base64 data URL.
    ");
}

#[test]
fn one_picture_may_be_streamed_and_several_may_not() {
    let params = |body: Value| parse_generation(body.to_string().as_bytes());
    let streamed = params(json!({"partial_images": 2, "prompt": "a", "stream": true, "n": 1})).unwrap();
    assert!(streamed.stream);
    assert!(streamed.request.ignored.is_empty(), "partial pictures may be fewer than asked");
    let whole = params(json!({"partial_images": 2, "prompt": "a", "stream": false, "n": 2})).unwrap();
    assert_eq!((whole.stream, whole.request.ignored), (false, vec!["partial_images".to_owned()]));
    let fault = params(json!({"stream": true, "prompt": "a", "n": 2})).unwrap_err();
    assert_eq!((fault.status(), fault.code(), fault.param()), (400, "invalid_value", Some("n")));
    assert_eq!(fault.message(), "Streaming is only supported with n=1.");
}

#[test]
fn pictures_are_links_or_the_bytes_of_data_urls() {
    let body = json!({
        "prompt": "a", "image_urls": ["https://example.com/a.png", "data:image/png;base64,AQID"],
        "mask_url": "DATA:;base64,BA==",
    });
    let params = parse_generation(body.to_string().as_bytes()).unwrap();
    let link = GivenImage::Link("https://example.com/a.png".to_owned());
    assert_eq!(params.images, [link, GivenImage::Data(Bytes::from_static(&[1, 2, 3]))]);
    assert_eq!(params.mask, Some(GivenImage::Data(Bytes::from_static(&[4]))));
    assert_eq!(params.request.names, InputNames::GENERATION);
}

#[test]
fn parameters_without_use_are_named_in_the_order_they_came() {
    let body = br#"{"zeta":1,"user":"u","prompt":"a","style":"vivid","guidance_scale":7.5,"callback_url":5,"moderation":"low"}"#;
    let request = parse_generation(body).unwrap().request;
    assert_eq!(request.ignored, ["zeta", "user", "style", "guidance_scale", "callback_url", "moderation"]);
}

#[test]
fn sizes_are_read_in_pixels_too() {
    let request = parse(&json!({"prompt": "a", "size": "1536×1024"})).unwrap();
    assert_eq!(request.size, Some(Size::Pixels(Pixels::new(1536, 1024))));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_generation(&body);
    }

    #[test]
    fn whatever_value_a_known_parameter_has_the_answer_is_a_request_or_a_400(
        name in prop::sample::select(vec!["prompt", "model", "n", "size", "resolution", "quality", "image_urls", "seed"]),
        text in any::<String>(),
        number in any::<f64>(),
    ) {
        for value in [json!(text), json!(number), json!([text]), json!({ "a": text })] {
            if let Err(fault) = parse(&json!({"prompt": "a", name: value})) {
                prop_assert_eq!(fault.status(), 400);
            }
        }
    }
}
