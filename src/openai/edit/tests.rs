//! What clients send to edits and variations, and what becomes of it.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::image::{Background, Compression, Delivery, Format, Quality};
use crate::openai::GivenImage;

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn form(given: &[(&str, &str)]) -> Result<ImageParams, Fault> {
    parse_edit_form(fields(given))
}

fn edit(body: &Value) -> Result<ImageParams, Fault> {
    parse_edit(body.to_string().as_bytes())
}

fn link(link: &str) -> GivenImage {
    GivenImage::Link(link.to_owned())
}

fn data(bytes: &'static [u8]) -> GivenImage {
    GivenImage::Data(bytes.into())
}

#[test]
fn a_forms_texts_are_read_as_the_types_of_their_parameters() {
    let params = form(&[
        ("model", "gpt-image-2"),
        ("prompt", "2"),
        ("n", "1"),
        ("size", "1024x1024"),
        ("quality", "high"),
        ("background", "transparent"),
        ("output_format", "webp"),
        ("output_compression", "80"),
        ("response_format", "url"),
        ("stream", "True"),
        ("partial_images", "3"),
        ("user", "1234"),
        ("input_fidelity", "high"),
        ("seed", "-7"),
        ("watermark", "false"),
        ("model_params[web_search]", "true"),
        ("model_params[level]", "auto"),
        ("tools", "[{\"type\":\"web_search\"}]"),
        ("opts[a]", "1"),
        ("opts[b][]", "2"),
    ])
    .unwrap();
    let request = params.request;
    assert_eq!((request.prompt.as_str(), request.model.as_deref()), ("2", Some("gpt-image-2")));
    assert_eq!(request.size.unwrap().to_string(), "1024x1024");
    assert_eq!((request.quality, request.background), (Some(Quality::High), Some(Background::Transparent)));
    assert_eq!((request.format, request.compression), (Some(Format::Webp), Compression::new(80)));
    assert_eq!((request.delivery, params.stream, request.count), (Some(Delivery::Url), true, 1));
    assert_eq!(
        Value::from(request.native),
        json!({
            "seed": -7, "watermark": false, "model_params": {"web_search": true, "level": "auto"},
            "tools": [{"type": "web_search"}],
        })
    );
    assert_eq!(request.ignored, ["user", "input_fidelity", "opts"]);
    assert_eq!(request.names, InputNames::EDIT_FORM);
}

#[test]
fn a_form_and_json_of_the_same_request_are_the_same() {
    let of_form = form(&[("prompt", "a"), ("n", "3"), ("model_params[a][b]", "1.5"), ("moderation", "low")]);
    let of_json =
        edit(&json!({"prompt": "a", "n": 3, "model_params": {"a": {"b": 1.5}}, "moderation": "low"}));
    let mut of_json = of_json.unwrap();
    of_json.request.names = InputNames::EDIT_FORM;
    assert_eq!(of_form.unwrap(), of_json);
}

#[test]
fn an_empty_text_is_absent_and_null_is_a_text() {
    let params = form(&[("prompt", "a"), ("n", ""), ("size", ""), ("stream", ""), ("mask_url", "")]).unwrap();
    assert_eq!((params.request.count, params.request.size, params.mask), (1, None, None));
    let fault = form(&[("prompt", "a"), ("size", "null")]).unwrap_err();
    assert_eq!((fault.code(), fault.param()), ("invalid_value", Some("size")));
    for without in [form(&[("prompt", "")]), form(&[]), edit(&json!({})), edit(&json!({"prompt": null}))] {
        let fault = without.unwrap_err();
        assert_eq!((fault.code(), fault.param()), ("missing_required_parameter", Some("prompt")));
    }
}

#[test]
fn texts_of_another_type_name_their_parameter() {
    for (name, text) in [
        ("n", "two"),
        ("n", "11"),
        ("n", "1.5"),
        ("n[]", "2"),
        ("stream", "yes"),
        ("output_compression", "80%"),
        ("seed", "\"7\""),
        ("model_params", "web_search"),
        ("model_params", "[]"),
        ("tools", "{}"),
        ("partial_images", "4"),
        ("image_urls", "ftp://a/b"),
    ] {
        let fault = form(&[("prompt", "a"), (name, text)]).unwrap_err();
        let name = name.trim_end_matches("[]");
        assert_eq!(
            (fault.status(), fault.code(), fault.param()),
            (400, "invalid_value", Some(name)),
            "{text}"
        );
        assert!(fault.message().starts_with("Invalid value"), "{}", fault.message());
    }
}

#[test]
fn a_form_may_name_links_besides_its_files() {
    let one = form(&[("prompt", "a"), ("image_urls", "https://a/1")]).unwrap();
    assert_eq!(one.images, [link("https://a/1")]);
    for listed in [
        form(&[("prompt", "a"), ("image_urls[]", "https://a/1"), ("image_urls[]", "data:;base64,AQ==")]),
        form(&[("prompt", "a"), ("image_urls", "[\"https://a/1\", \"data:;base64,AQ==\"]")]),
    ] {
        assert_eq!(listed.unwrap().images, [link("https://a/1"), data(&[1])]);
    }
}

#[test]
fn json_names_its_pictures_in_every_known_way() {
    let images = |value: Value| edit(&json!({"prompt": "a", "images": value})).unwrap();
    let both = [link("https://a/1"), data(&[1, 2])];
    let params = images(json!([{"image_url": "https://a/1"}, {"image_url": "data:image/png;base64,AQI="}]));
    assert_eq!((params.images.as_slice(), params.request.names), (both.as_slice(), InputNames::EDIT_JSON));
    assert_eq!(images(json!(["https://a/1", "data:image/png;base64,AQI"])).images, both);
    assert_eq!(images(json!("https://a/1")).images, both[..1]);
    for image in [json!("https://a/1"), json!(["https://a/1"]), json!({"image_url": "https://a/1"})] {
        let params =
            edit(&json!({"prompt": "a", "image": image, "mask": {"image_url": "https://a/m"}})).unwrap();
        assert_eq!((params.images.as_slice(), params.request.names.image), (&both[..1], "image"));
        assert_eq!(params.mask, Some(link("https://a/m")));
    }
    let body = json!({"prompt": "a", "image_urls": ["https://a/1"], "mask_url": "data:;base64,AQI="});
    let params = edit(&body).unwrap();
    assert_eq!((params.images, params.mask), (both[..1].to_vec(), Some(data(&[1, 2]))));
    assert_eq!((params.request.names.image, params.request.names.mask), ("image_urls", "mask_url"));
    assert_eq!(edit(&json!({"prompt": "a", "mask": "https://a/m"})).unwrap().mask, Some(link("https://a/m")));
}

#[test]
fn of_two_masks_none_is_chosen() {
    let body =
        json!({"prompt": "a", "image": "https://a/1", "mask": "https://a/m", "mask_url": "https://a/n"});
    let fault = edit(&body).unwrap_err();
    assert_eq!((fault.status(), fault.code(), fault.param()), (400, "invalid_value", Some("mask_url")));
}

#[test]
fn pictures_that_json_cannot_give_are_refused_by_name() {
    let refused = |name: &str, value: Value| {
        let fault = edit(&json!({"prompt": "a", name: value})).unwrap_err();
        assert_eq!((fault.status(), fault.param()), (400, Some(name)), "{}", fault.message());
        fault
    };
    for file in [json!([{"file_id": "file-1"}]), json!({"file_id": "file-1"})] {
        let fault = refused("images", file);
        assert_eq!(fault.code(), "unsupported_parameter");
        assert!(fault.message().contains("'image_url'"), "{}", fault.message());
    }
    assert_eq!(refused("mask", json!({"file_id": "file-1"})).code(), "unsupported_parameter");
    let links = |count: usize| json!(vec!["https://a/b"; count]);
    for (name, value) in [
        ("images", json!([{}])),
        ("images", json!([{"image_url": null}])),
        ("images", json!([{"image_url": {"url": "https://a/b"}}])),
        ("images", json!([null])),
        ("images", json!([["https://a/b"]])),
        ("images", json!(7)),
        ("images", json!(["a.png"])),
        ("images", links(17)),
        ("image", links(17)),
        ("mask", json!([])),
        ("mask", json!("data:image/png,raw")),
    ] {
        assert_eq!(refused(name, value).code(), "invalid_value");
    }
    let both = edit(&json!({"prompt": "a", "images": links(9), "image_urls": links(8)})).unwrap_err();
    assert_eq!(both.message(), "Invalid value for 'images': 17 pictures given, at most 16 are taken.");
}

#[test]
fn a_variation_has_a_prompt_of_its_own() {
    let params = parse_variation_form(fields(&[("n", "2"), ("size", "256x256")])).unwrap();
    assert_eq!((params.request.prompt.as_str(), params.request.count), (VARIATION_PROMPT, 2));
    assert!(params.request.ignored.is_empty());
    let params = parse_variation_form(fields(&[("prompt", "mine"), ("user", "u")])).unwrap();
    assert_eq!(params.request.prompt, VARIATION_PROMPT);
    assert_eq!(params.request.ignored, ["user", "prompt"]);
}

proptest! {
    #[test]
    fn no_fields_upset_the_form(
        given in prop::collection::vec(("(prompt|n|stream|image_urls|model_params|tools)?(\\[[a0]?\\]){0,3}", ".{0,20}"), 0..8),
    ) {
        if let Err(fault) = parse_edit_form(given.clone()) {
            prop_assert_eq!(fault.status(), 400);
        }
        let _ = parse_variation_form(given);
    }

    #[test]
    fn no_value_upsets_the_json(name in "images|image|mask|image_urls", text in ".{0,30}", number in any::<f64>()) {
        for value in [json!(text), json!([text]), json!({ "image_url": text }), json!([{ "a": text }]), json!(number)] {
            if let Err(fault) = edit(&json!({"prompt": "a", name.as_str(): value})) {
                prop_assert_eq!(fault.status(), 400);
            }
        }
    }
}
