//! What is taken and what is refused, model by model.

use serde_json::json;

use super::*;

fn order(mut extra: Value) -> Result<Order, OrderError> {
    let fields = extra.as_object_mut().unwrap();
    fields.entry("model").or_insert(json!("gpt-image-2"));
    fields.entry("prompt").or_insert(json!("a cat"));
    read(extra.to_string().as_bytes())
}

fn of(model: &str, mut extra: Value) -> Result<Order, OrderError> {
    extra["model"] = model.into();
    order(extra)
}

#[test]
fn the_defaults_are_the_pages_defaults() {
    let order = order(json!({"seed": 7, "n": null})).unwrap();
    assert_eq!((order.pixels, order.quality, order.n), (Pixels::new(1024, 1024), Quality::Medium, 1));
    assert_eq!((order.format, order.transparent, order.mask), (Format::Png, false, None));
}

#[test]
fn bad_values_are_refused_with_the_fields_name() {
    let bad = [
        (json!({"prompt": ""}), "prompt"),
        (json!({"prompt": "x".repeat(32_001)}), "at most 32000"),
        (json!({"prompt": "猫".repeat(20_001)}), "at most 60000"),
        (json!({"quality": "auto"}), "quality"),
        (json!({"quality": "max"}), "quality"),
        (json!({"size": "1000x1000"}), "16"),
        (json!({"resolution": "3K"}), "resolution"),
        (json!({"n": 0}), "n must"),
        (json!({"n": 11}), "n must"),
        (json!({"n": "2"}), "n must"),
        (json!({"background": "auto"}), "background"),
        (json!({"background": "transparent", "output_format": "jpeg"}), "transparent"),
        (json!({"output_format": "gif"}), "output_format"),
        (json!({"image_urls": []}), "image_urls"),
        (json!({"image_urls": ["data:image/png;base64,AAAA"]}), "image_urls"),
        (json!({"mask_url": 3}), "mask_url"),
        (json!({"callback_url": format!("https://x.example/{}", "a".repeat(2048))}), "callback_url"),
    ];
    for (body, part) in bad {
        let error = order(body.clone()).unwrap_err().to_string();
        assert!(error.contains(part), "{body}: {error}");
    }
    assert_eq!(order(json!({"model": "dall-e-9"})), Err(OrderError::Model("dall-e-9".to_owned())));
    assert!(matches!(read(b"{"), Err(OrderError::Body(_))));
    assert!(matches!(read(b"[1]"), Err(OrderError::Body(_))));
}

#[test]
fn the_limits_themselves_are_allowed() {
    assert!(order(json!({"prompt": "x".repeat(32_000), "n": 10, "quality": "high"})).is_ok());
    let order = of("gpt-image-2.5-flare", json!({"quality": "max"})).unwrap();
    assert_eq!(order.quality, Quality::Max);
}

#[test]
fn a_mask_without_references_is_ignored_silently() {
    let mask = "https://x.example/m.png";
    assert_eq!(order(json!({"mask_url": mask})).unwrap().mask, None);
    let both = order(json!({"mask_url": mask, "image_urls": ["https://x.example/a.png"]})).unwrap();
    assert_eq!(both.mask.as_deref(), Some(mask));
}

#[test]
fn each_model_makes_its_own_sizes() {
    let sizes = [
        ("gpt-image-2", json!({"size": "16:9", "resolution": "4K"}), (3840, 2160)),
        ("gpt-image-2", json!({"size": "auto", "resolution": "4K"}), (1024, 1024)),
        ("gpt-image-2", json!({"size": "3840×2160"}), (3840, 2160)),
        ("nano-banana-2-beta", json!({"size": "1:1", "quality": "2K"}), (2048, 2048)),
        ("nano-banana-2-beta", json!({}), (2048, 2048)),
        ("gemini-3.1-flash-image-preview", json!({"quality": "0.5K"}), (512, 512)),
        ("doubao-seedream-5.0-lite", json!({"size": "16:9", "quality": "3K"}), (4096, 2304)),
        ("doubao-seedream-4.5", json!({"size": "4096x4096"}), (4096, 4096)),
        ("grok-imagine-image-2.0", json!({"size": "19.5:9"}), (1504, 688)),
        ("krea-2-turbo", json!({"size": "2:1", "quality": "2K"}), (2816, 1408)),
        ("gpt-image-1.5", json!({"size": "1024x1536"}), (1024, 1536)),
        ("qwen-image-edit", json!({"image_urls": ["https://x.example/a.png"]}), (1024, 1024)),
    ];
    for (model, body, (width, height)) in sizes {
        let made = of(model, body.clone()).unwrap_or_else(|error| panic!("{model} {body}: {error}"));
        assert_eq!(made.pixels, Pixels::new(width, height), "{model} {body}");
    }
}

#[test]
fn each_models_page_says_what_is_refused() {
    let picture = json!(["https://x.example/a.png"]);
    let refused = [
        ("gpt-image-2-beta", json!({"size": "1024x1024"}), "size"),
        ("gpt-image-2-beta", json!({"resolution": "2K"}), "resolution"),
        ("gpt-image-1.5", json!({"size": "16:9"}), "size"),
        ("gpt-image-1.5", json!({"size": "auto"}), "size"),
        ("gpt-image-1.5", json!({"quality": "auto"}), "quality"),
        ("gemini-3-pro-image-preview", json!({"size": "1:8"}), "size"),
        ("gemini-3-pro-image-preview", json!({"quality": "high"}), "quality"),
        ("gemini-3-pro-image-preview", json!({"model_params": {"web_search": 1}}), "web_search"),
        ("gemini-nano-banana-2.1", json!({"model_params": {"thinking_level": "max"}}), "thinking_level"),
        ("doubao-seedream-4.5", json!({"size": "1024x1024"}), "size"),
        ("doubao-seedream-4.5", json!({"prompt_priority": "fast"}), "prompt_priority"),
        ("doubao-seedream-5.0-pro", json!({"output_format": "webp"}), "output_format"),
        ("doubao-seedream-5.0-pro", json!({"background": "transparent"}), "background"),
        ("qwen-image-3.0", json!({"seed": -1}), "seed"),
        ("qwen-image-3.0", json!({"negative_prompt": "x".repeat(501)}), "negative_prompt"),
        ("qwen-image-edit", json!({}), "image_urls"),
        ("wan2.5-image-to-image", json!({"image_urls": [picture[0], picture[0], picture[0]]}), "image_urls"),
        ("wan2.5-text-to-image", json!({"size": "1:1"}), "size"),
        ("z-image-turbo", json!({"size": "2048x1024"}), "size"),
        ("z-image-turbo", json!({"seed": 0}), "seed"),
        ("krea-2-turbo", json!({"prompt": "word ".repeat(1000)}), "prompt"),
        ("gpt-4o-image", json!({"image_urls": [picture[0], picture[0]], "mask_url": picture[0]}), "mask_url"),
    ];
    for (model, body, part) in refused {
        let error = of(model, body.clone()).expect_err(&format!("{model} {body}")).to_string();
        assert!(error.contains(part), "{model} {body}: {error}");
    }
}

#[test]
fn models_that_deliver_jpeg_deliver_png_when_asked() {
    let formats = [
        ("doubao-seedream-5.0-lite", json!({}), Format::Jpeg),
        ("doubao-seedream-5.0-lite", json!({"model_params": {"output_format": "png"}}), Format::Png),
        ("doubao-seedream-5.0-lite", json!({"output_format": "png"}), Format::Jpeg),
        ("doubao-seedream-5.0-pro", json!({}), Format::Jpeg),
        ("doubao-seedream-5.0-pro", json!({"output_format": "png"}), Format::Png),
        (
            "doubao-seedream-5.0-flash",
            json!({"background": "transparent", "image_urls": ["https://x.example/a.png"]}),
            Format::Png,
        ),
        ("gpt-image-2", json!({"output_format": "webp"}), Format::Webp),
        ("doubao-seedream-4.0", json!({"output_format": "jpeg"}), Format::Png),
    ];
    for (model, body, format) in formats {
        assert_eq!(of(model, body.clone()).unwrap().format, format, "{model} {body}");
    }
}

#[test]
fn older_names_are_known() {
    assert!(
        of("gpt-4o-image-beta", json!({})).is_ok() && models().any(|model| model == "nano-banana-2-lite")
    );
}
