//! What OpenAI's and Evolink's parameters mean to models that have them otherwise, or not at all.

use serde_json::{Map, Value};

use super::*;

fn of(model: &str) -> ImageRequest {
    ImageRequest { model: Some(model.into()), ..request() }
}

fn native(model: &str, count: u8, native: Value) -> Result<Plan, Fault> {
    let Value::Object(native) = native else { panic!("no object") };
    plan(ImageRequest { count, native, ..of(model) })
}

/// Everything that is sent.
fn all_sent(plan: &Plan) -> Value {
    plan.task.parameters.clone().into()
}

#[test]
fn a_prompt_alone_sends_what_each_model_must_be_told_and_no_more() {
    let table = [
        ("gpt-image-2", json!({"quality": "medium"})),
        ("gpt-image-2.5-flare", json!({"quality": "medium"})),
        ("gpt-image-2-beta", json!({})),
        ("gpt-image-1.5", json!({"quality": "high"})),
        ("gpt-image-1.5-lite", json!({})),
        ("gpt-4o-image", json!({})),
        ("gemini-3-pro-image-preview", json!({"quality": "2K"})),
        ("nano-banana-2-lite-beta", json!({"quality": "1K"})),
        ("nano-banana-beta", json!({})),
        ("doubao-seedream-4.5", json!({"quality": "2K"})),
        ("doubao-seedream-5.0-lite", json!({"quality": "2K", "model_params": {"output_format": "png"}})),
        ("doubao-seedream-5.0-pro", json!({"quality": "1K", "output_format": "png"})),
        ("qwen-image-3.0", json!({})),
        ("wan2.5-text-to-image", json!({})),
        ("z-image-turbo", json!({})),
        ("krea-2-turbo", json!({"quality": "1K"})),
        ("grok-imagine-image-2.0", json!({"quality": "medium", "resolution": "1K"})),
    ];
    for (model, expected) in table {
        let plan = plan(of(model)).unwrap();
        assert_eq!((all_sent(&plan), plan.ignored.len()), (expected, 0), "{model}");
    }
}

#[test]
fn a_rendering_quality_means_nothing_to_models_without_one() {
    for model in ["gemini-3-pro-image-preview", "nano-banana-beta", "qwen-image-3.0", "gpt-image-2-beta"] {
        let unsaid = plan(of(model)).unwrap();
        for quality in Quality::ALL {
            let plan = plan(ImageRequest { quality: Some(quality), ..of(model) }).unwrap();
            assert_eq!((all_sent(&plan), plan.class.quality), (all_sent(&unsaid), Quality::Auto));
            let named = !matches!(quality, Quality::Auto | Quality::Standard);
            assert_eq!(plan.ignored == ["quality"], named, "{model} {quality}: {:?}", plan.ignored);
        }
    }
}

#[test]
fn a_quality_the_model_lacks_is_refused_with_those_it_has() {
    let table = [
        ("grok-imagine-image-2.0", Quality::High, "'auto', 'low', and 'medium'"),
        ("gpt-image-1.5", Quality::Max, "'auto', 'low', 'medium', and 'high'"),
    ];
    for (model, quality, names) in table {
        let fault = refusal(ImageRequest { quality: Some(quality), ..of(model) });
        assert!(fault.param() == Some("quality") && fault.message().contains(names), "{fault}");
    }
    let hd = plan(ImageRequest { quality: Some(Quality::Hd), ..of("gpt-image-1.5-lite") }).unwrap();
    assert_eq!(sent(&hd, "quality"), Some("high"));
    let max = plan(ImageRequest { quality: Some(Quality::Max), ..of("gpt-image-2.5-flare") }).unwrap();
    assert_eq!((sent(&max, "quality"), max.tokens.output), (Some("max"), 7_024));
}

#[test]
fn where_quality_is_the_resolution_either_name_will_do() {
    let seedream = || ImageRequest { size: "16:9".parse().ok(), ..of("doubao-seedream-5.0-lite") };
    let by_quality = plan(ImageRequest { quality_tier: Some(Tier::K3), ..seedream() }).unwrap();
    let by_resolution = plan(ImageRequest { resolution: Some(Tier::K3), ..seedream() }).unwrap();
    let by_both = ImageRequest { quality_tier: Some(Tier::K3), resolution: Some(Tier::K3), ..seedream() };
    assert_eq!(all_sent(&by_quality), all_sent(&plan(by_both.clone()).unwrap()));
    assert_eq!(by_quality, by_resolution);
    assert_eq!((sent(&by_quality, "quality"), by_quality.expected), (Some("3K"), Pixels::new(4096, 2304)));
    assert_eq!(by_quality.task.parameters.get("resolution"), None);
    let fault = refusal(ImageRequest { resolution: Some(Tier::K4), ..by_both });
    assert!(fault.param() == Some("quality") && fault.message().contains("'4K'"), "{fault}");
    for (quality_tier, resolution, param) in
        [(Some(Tier::K1), None, "quality"), (None, Some(Tier::K1), "resolution")]
    {
        let fault = refusal(ImageRequest { resolution, quality_tier, ..seedream() });
        assert!(fault.param() == Some(param) && fault.message().contains("'2K', '3K', and '4K'"), "{fault}");
    }
}

#[test]
fn a_tier_written_as_quality_is_refused_by_models_that_render_and_ignored_by_those_without_either() {
    let tier = |model| ImageRequest { quality_tier: Some(Tier::K2), ..of(model) };
    let fault = refusal(tier("gpt-image-2"));
    assert!(fault.param() == Some("quality") && fault.message().contains("'medium'"), "{fault}");
    for model in ["nano-banana-beta", "gpt-image-2-beta"] {
        assert_eq!(plan(tier(model)).unwrap().ignored, ["quality"]);
    }
    let beside_pixels = ImageRequest { size: "2048x2048".parse().ok(), ..tier("doubao-seedream-4.5") };
    let plan = plan(beside_pixels).unwrap();
    assert_eq!((all_sent(&plan), plan.ignored), (json!({"size": "2048x2048"}), vec!["quality".to_owned()]));
}

#[test]
fn an_alias_does_not_answer_for_a_quality_that_was_given_as_a_tier() {
    let alias = Alias {
        quality: Some(Quality::High),
        resolution: Some(Tier::K1),
        ..Alias::of("gemini-3-pro-image-preview")
    };
    let catalog = Catalog::new(BTreeMap::from([("mine".into(), alias)]), "mine");
    let made = |quality_tier| catalog.plan(ImageRequest { quality_tier, ..request() }, false).unwrap();
    assert_eq!(sent(&made(Some(Tier::K4)), "quality"), Some("4K"));
    assert_eq!((sent(&made(None), "quality"), made(None).ignored), (Some("1K"), vec!["quality".to_owned()]));
}

#[test]
fn sizes_in_pixels_are_made_of_the_nearest_ratio_where_there_are_no_others() {
    let table = [
        ("gemini-3-pro-image-preview", "1024x1024", "1:1", Some("1K")),
        ("gemini-3-pro-image-preview", "1025x1024", "1:1", Some("2K")),
        ("gemini-3.1-flash-image-preview", "256x256", "1:1", Some("0.5K")),
        ("gemini-3-pro-image-preview", "1536x1024", "3:2", Some("2K")),
        ("nano-banana-beta", "512x512", "1:1", None),
        ("grok-imagine-image-2.0", "1792x1024", "16:9", Some("2K")),
        ("krea-2-turbo", "1472x704", "2:1", Some("1K")),
        ("gpt-image-2-beta", "1248x832", "3:2", Some("1K")),
        ("gpt-image-2-beta", "512x512", "1:1", Some("1K")),
    ];
    for (model, size, ratio, tier) in table {
        let plan = plan(ImageRequest { size: size.parse().ok(), ..of(model) }).unwrap();
        let field = if sent(&plan, "resolution").is_some() { "resolution" } else { "quality" };
        let tier_sent = sent(&plan, field).filter(|text| text.ends_with('K'));
        assert_eq!((sent(&plan, "size"), tier_sent), (Some(ratio), tier), "{model} {size}");
        assert_eq!(plan.form.pixels.map(|pixels| pixels.to_string()).as_deref(), Some(size));
    }
    let message = refusal(ImageRequest { size: "2048x2048".parse().ok(), ..of("gpt-image-2-beta") });
    assert!(message.message().contains("'1024x1024'"), "{message}");
}

#[test]
fn the_pictures_of_the_two_gpt_image_pages_differ_in_one_ratio() {
    let wide = |model| {
        let request = ImageRequest { size: "21:9".parse().ok(), resolution: Some(Tier::K4), ..of(model) };
        plan(request).unwrap().expected
    };
    assert_eq!(wide("gpt-image-2"), Pixels::new(3840, 1632));
    assert_eq!(wide("gpt-image-2.5-sunburst"), Pixels::new(3840, 1648));
}

#[test]
fn a_listed_size_is_exact_and_others_are_cut_out_of_the_nearest() {
    let made = |size: &str| plan(ImageRequest { size: size.parse().ok(), ..of("gpt-image-1.5") }).unwrap();
    assert_eq!((sent(&made("1024x1536"), "size"), made("1024x1536").form.pixels), (Some("1024x1536"), None));
    assert_eq!(sent(&made("256x256"), "size"), Some("1024x1024"));
    assert_eq!(sent(&made("1200x800"), "size"), Some("1536x1024"));
    assert_eq!(sent(&made("2:3"), "size"), Some("2:3"));
    let fault = refusal(ImageRequest { size: "1792x1024".parse().ok(), ..of("gpt-image-1.5") });
    assert!(fault.message().contains("'1536x1024'"), "{fault}");
}

#[test]
fn openais_sizes_are_made_larger_where_all_of_the_models_are() {
    for (size, made) in [("1024x1024", "1920x1920"), ("1536x1024", "2352x1568"), ("512x512", "1920x1920")] {
        let plan = plan(ImageRequest { size: size.parse().ok(), ..of("doubao-seedream-4.5") }).unwrap();
        assert_eq!(sent(&plan, "size"), Some(made));
        assert_eq!(plan.form.pixels.map(|pixels| pixels.to_string()).as_deref(), Some(size));
    }
}

#[test]
fn models_of_no_size_take_auto_only() {
    for size in ["1024x1024", "256x256", "1:1"] {
        let references = vec![link("https://example.com/a.png")];
        let request = ImageRequest { size: size.parse().ok(), references, ..of("qwen-image-edit") };
        assert_eq!(refusal(request.clone()).param(), Some("size"));
        assert!(plan(ImageRequest { size: Some(Size::Auto), ..request }).is_ok());
    }
}

#[test]
fn own_parameters_pass_where_the_model_has_them_and_are_named_where_not() {
    let all = json!({
        "seed": 7, "negative_prompt": "rain", "watermark": true, "prompt_extend": true, "nsfw_check": true,
        "prompt_priority": "fast", "tools": [], "model_params": {"web_search": true, "foo": 1, "a,b\r\n": 2, "image_search": null},
    });
    let made = native("gemini-3.1-flash-image-preview", 1, all.clone()).unwrap();
    assert_eq!(all_sent(&made), json!({"quality": "2K", "model_params": {"web_search": true}}));
    let mut ignored = made.ignored;
    ignored.sort_unstable();
    assert_eq!(
        ignored,
        [
            "model_params.a,b",
            "model_params.foo",
            "negative_prompt",
            "nsfw_check",
            "prompt_extend",
            "prompt_priority",
            "seed",
            "tools",
            "watermark"
        ]
    );
    let qwen = native("qwen-image-3.0", 1, all).unwrap();
    assert_eq!(
        all_sent(&qwen),
        json!({"seed": 7, "negative_prompt": "rain", "watermark": true, "prompt_extend": true})
    );
    assert!(qwen.ignored.contains(&"model_params".to_owned()));
}

#[test]
fn own_parameters_out_of_range_are_refused_by_name() {
    let wrong = [
        ("qwen-image-3.0", json!({"seed": -1}), "seed"),
        ("z-image-turbo", json!({"seed": 0}), "seed"),
        ("krea-2-turbo", json!({"seed": 1_048_577}), "seed"),
        ("qwen-image-3.0-pro", json!({"negative_prompt": "é".repeat(501)}), "negative_prompt"),
        ("doubao-seedream-4.5", json!({"prompt_priority": "fast"}), "prompt_priority"),
        (
            "gemini-3-pro-image-preview",
            json!({"model_params": {"web_search": "yes"}}),
            "model_params.web_search",
        ),
        (
            "gemini-3.1-flash-lite-image",
            json!({"model_params": {"thinking_level": "medium"}}),
            "model_params.thinking_level",
        ),
        (
            "doubao-seedream-5.0-lite",
            json!({"model_params": {"tools": [{"type": "shell"}]}}),
            "model_params.tools",
        ),
        (
            "doubao-seedream-5.0-lite",
            json!({"model_params": {"output_format": "webp"}}),
            "model_params.output_format",
        ),
    ];
    for (model, given, param) in wrong {
        let fault = native(model, 1, given.clone()).expect_err(&format!("{model} {given}"));
        assert_eq!((fault.status(), fault.code(), fault.param()), (400, "invalid_value", Some(param)));
    }
    assert!(native("qwen-image-3.0", 1, json!({"negative_prompt": "é".repeat(500)})).is_ok());
}

#[test]
fn the_seeds_of_all_pictures_of_a_request_must_be_within_range() {
    assert!(native("krea-2-turbo", 10, json!({"seed": 1_048_567})).is_ok());
    let fault = native("krea-2-turbo", 10, json!({"seed": 1_048_568})).unwrap_err();
    assert_eq!(fault.param(), Some("seed"));
    assert!(fault.message().contains("plus 'n' minus 1"), "{fault}");
}

#[test]
fn links_go_to_pictures_whose_format_nobody_asked_for() {
    let link = |model: &str, format| ImageRequest { delivery: Some(Delivery::Url), format, ..of(model) };
    for model in ["gemini-3-pro-image-preview", "gpt-image-2", "doubao-seedream-5.0-lite", "z-image-turbo"] {
        assert_eq!(plan(link(model, None)).unwrap().delivery, Delivery::Url, "{model}");
        let known = !["gemini-3-pro-image-preview", "z-image-turbo"].contains(&model);
        assert_eq!(plan(link(model, Some(Format::Png))).is_ok(), known, "{model}");
        let fault = refusal(link(model, Some(Format::Webp)));
        assert_eq!(fault.param(), Some("response_format"));
        assert!(Catalog::default().plan(link(model, Some(Format::Webp)), true).is_ok());
    }
    let mut jpeg = link("doubao-seedream-5.0-lite", Some(Format::Jpeg));
    jpeg.native = Map::from_iter([("model_params".to_owned(), json!({"output_format": "jpeg"}))]);
    let made = plan(jpeg.clone()).unwrap();
    assert_eq!(all_sent(&made), json!({"quality": "2K", "model_params": {"output_format": "jpeg"}}));
    jpeg.compression = Compression::new(100);
    assert!(plan(jpeg.clone()).is_ok(), "as it is made");
    jpeg.compression = Compression::new(50);
    assert_eq!(refusal(jpeg).param(), Some("response_format"));
}

#[test]
fn prompts_are_refused_by_tokens_only_when_they_are_clearly_too_long() {
    let prompt = |model: &str, tokens: usize| {
        let request = ImageRequest { model: Some(model.into()), ..ImageRequest::new("abcd".repeat(tokens)) };
        plan(request)
    };
    for (model, max) in [
        ("krea-2-turbo", 640),
        ("gpt-image-2-beta", 2_000),
        ("doubao-seedream-5.0-pro", 4_000),
        ("qwen-image-3.0", 4_500),
    ] {
        assert!(prompt(model, max * 5 / 4).is_ok(), "{model}");
        let fault = prompt(model, max * 5 / 4 + 1).unwrap_err();
        assert!(fault.message().contains(&format!("at most {max}")), "{fault}");
    }
    assert_eq!(prompt("z-image-turbo", 500).unwrap().price.to_string(), "20");
    assert_eq!(prompt("z-image-turbo", 501).unwrap_err().param(), Some("prompt"));
    assert!(prompt("grok-imagine-image-2.0", 20_000).is_ok());
}

#[test]
fn an_older_name_is_sent_as_the_model_it_is() {
    for (name, model) in [
        ("gpt-image-1.5-beta", "gpt-image-1.5-lite"),
        ("gpt-4o-image-beta", "gpt-4o-image"),
        ("nano-banana-2-lite", "nano-banana-2-lite-beta"),
    ] {
        assert_eq!(plan(of(name)).unwrap().task.model, model);
    }
    assert_eq!(plan(of("gpt-image-1")).unwrap().task.model, "gpt-image-2");
}
