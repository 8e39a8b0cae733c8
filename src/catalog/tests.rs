//! What requests become, and what the table says of itself.

use serde_json::json;

use super::second::rules;
use super::*;
use crate::image::{
    Background, Compression, Delivery, Format, Pixels, Quality, Reference, Size, TaskClass, Tier,
};

mod meanings;
mod pictures;

fn request() -> ImageRequest {
    ImageRequest::new("a cat")
}

fn sized(size: &str) -> ImageRequest {
    ImageRequest { size: Some(size.parse().unwrap()), ..request() }
}

fn plan(request: ImageRequest) -> Result<Plan, Fault> {
    Catalog::default().plan(request, false)
}

/// A parameter as it is sent upstream.
fn sent<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    plan.task.parameters.get(name).map(|value| value.as_str().unwrap())
}

fn link(link: &str) -> Reference {
    Reference::Link(link.to_owned())
}

fn refusal(request: ImageRequest) -> Fault {
    let fault = plan(request).expect_err("must be refused");
    assert_eq!((fault.status(), fault.code()), (400, "invalid_value"), "{fault}");
    fault
}

#[test]
fn a_prompt_alone_becomes_one_medium_opaque_png() {
    let plan = plan(request()).unwrap();
    assert_eq!((plan.task.model.as_str(), sent(&plan, "quality")), ("gpt-image-2", Some("medium")));
    assert_eq!(plan.task.parameters.len(), 1);
    assert_eq!((plan.count, plan.form.format, plan.form.pixels), (1, Format::Png, None));
    assert_eq!((plan.delivery, plan.delivery_explicit), (Delivery::Base64, false));
    assert_eq!(plan.background, Background::Opaque);
    assert_eq!(
        plan.class,
        TaskClass { model: "gpt-image-2".into(), quality: Quality::Medium, tier: Tier::K1 }
    );
    assert_eq!((plan.tokens.output, plan.tokens.input_text, plan.tokens.input_image), (1756, 2, 0));
    assert_eq!(plan.price.to_string(), "3.224628");
    assert!(plan.ignored.is_empty());
}

#[test]
fn a_model_that_has_the_older_name_of_another_goes_before_it() {
    let older = "nano-banana-2-lite";
    let mut rows = built_in();
    rows.push(Row { count_max: 2, ..Row::minimal(older) });
    let catalog = Catalog::with_rows(rows, BTreeMap::new(), "gpt-image-2");
    assert_eq!(catalog.resolve(Some(older)).unwrap().model(), older);
    assert_eq!(catalog.known_ids().iter().filter(|id| **id == older).count(), 1);
    assert_eq!(catalog.model(older).unwrap().max_n, 2);
}

#[test]
fn requests_that_mean_the_same_have_the_same_fingerprint() {
    let spelled_out = ImageRequest {
        model: Some("gpt-image-1".into()),
        size: Some(Size::Auto),
        quality: Some(Quality::Standard),
        background: Some(Background::Opaque),
        format: Some(Format::Webp),
        ..request()
    };
    let print = |request| {
        let plan = plan(request).unwrap();
        plan.fingerprint()
    };
    assert_eq!(print(request()), print(spelled_out));
    assert_eq!(print(sized("16:9")), print(ImageRequest { resolution: Some(Tier::K1), ..sized("16:9") }));
    assert_ne!(print(request()), print(sized("1024x1024")));
    let at = |ratio, tier| ImageRequest { resolution: Some(tier), ..sized(ratio) };
    assert_eq!(print(sized("1:1")), print(sized("1024x1024")));
    assert_eq!(print(at("16:9", Tier::K4)), print(sized("3840x2160")));
    assert_ne!(print(at("1:1", Tier::K2)), print(sized("1024x1024")));
}

#[test]
fn every_documented_ratio_is_taken_at_every_tier_with_a_picture_upstream_can_make() {
    let catalog = Catalog::default();
    let ratios = [
        "1:1", "1:2", "2:1", "1:3", "3:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "9:21",
        "21:9",
    ];
    for ratio in ratios {
        for tier in [Tier::K1, Tier::K2, Tier::K4] {
            let plan = plan(ImageRequest { resolution: Some(tier), ..sized(ratio) }).unwrap();
            assert_eq!((sent(&plan, "size"), sent(&plan, "resolution")), (Some(ratio), Some(tier.name())));
            let pixels = plan.expected;
            assert!(rules("gpt-image-2").takes_pixels(pixels), "{ratio} {tier}: {pixels}");
            let Ok(Size::Ratio(parsed)) = ratio.parse() else { panic!("{ratio}") };
            let (width, height) = parsed.sides();
            let skew = f64::from(pixels.width * height) / f64::from(pixels.height * width);
            assert!((0.97..1.03).contains(&skew), "{ratio} {tier}: {pixels}");
            assert_eq!(plan.class.tier, tier);
        }
    }
    assert_eq!(catalog.row("gpt-image-2").unwrap().sizes.ratios.len(), ratios.len());
}

#[test]
fn every_size_openai_documents_is_delivered() {
    for size in
        ["256x256", "512x512", "1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792", "3840x2160"]
    {
        let plan = plan(sized(size)).unwrap();
        let made = sent(&plan, "size").unwrap();
        assert_eq!(plan.form.pixels.map_or(made.to_owned(), |scaled| scaled.to_string()), size);
    }
}

#[test]
fn legacy_sizes_are_made_at_the_smallest_square_and_scaled_down() {
    let plan = plan(sized("512x512")).unwrap();
    assert_eq!(sent(&plan, "size"), Some("816x816"));
    assert_eq!(plan.form.pixels, Some(Pixels::new(512, 512)));
}

#[test]
fn a_size_outside_the_rules_is_told_which_rule_and_what_would_do() {
    let message = |size| refusal(sized(size)).message().to_owned();
    let sizes = ["1000x1000", "4096x2048", "16x15", "640x640", "3840x3840", "3840x1264", "7:5"];
    insta::assert_snapshot!(sizes.map(message).join("\n"), @r"
    Invalid value: '1000x1000'. Width and height must be multiples of 16. The nearest size that gpt-image-2 takes is '1008x1008'.
    Invalid value: '4096x2048'. Width and height must be from 16 to 3840 pixels. The nearest size that gpt-image-2 takes is '3840x2048'.
    Invalid value: '16x15'. Width and height must be from 16 to 3840 pixels. The nearest size that gpt-image-2 takes is '816x816'.
    Invalid value: '640x640'. Width times height must be at least 655360 pixels. The nearest size that gpt-image-2 takes is '816x816'.
    Invalid value: '3840x3840'. Width times height may be at most 8294400 pixels. The nearest size that gpt-image-2 takes is '2880x2880'.
    Invalid value: '3840x1264'. The longer side may be at most 3 times the shorter. The nearest size that gpt-image-2 takes is '3840x1280'.
    Invalid value: '7:5'. Supported values are: '1:1', '2:1', '1:2', '3:1', '1:3', '3:2', '2:3', '4:3', '3:4', '5:4', '4:5', '16:9', '9:16', '21:9', and '9:21'.
    ");
    assert_eq!(refusal(sized("1000x1000")).param(), Some("size"));
}

#[test]
fn resolution_means_nothing_without_a_ratio_and_is_named_as_ignored() {
    for size in [None, Some("auto"), Some("1024x1024"), Some("512x512")] {
        let size = size.map(|size| size.parse().unwrap());
        let plan = plan(ImageRequest { size, resolution: Some(Tier::K4), ..request() }).unwrap();
        assert_eq!((sent(&plan, "resolution"), plan.ignored.clone()), (None, vec!["resolution".to_owned()]));
    }
}

#[test]
fn quality_names_of_all_ages_find_the_models_own() {
    let made = |quality| {
        let plan = plan(ImageRequest { quality: Some(quality), ..request() }).unwrap();
        sent(&plan, "quality").unwrap().to_owned()
    };
    let names = [Quality::Auto, Quality::Standard, Quality::Low, Quality::Medium, Quality::High, Quality::Hd];
    assert_eq!(names.map(made), ["medium", "medium", "low", "medium", "high", "high"]);
    for quality in [Quality::XHigh, Quality::Max] {
        let fault = refusal(ImageRequest { quality: Some(quality), ..request() });
        let expected =
            format!("Invalid value: '{quality}'. Supported values are: 'auto', 'low', 'medium', and 'high'.");
        assert_eq!((fault.param(), fault.message()), (Some("quality"), expected.as_str()));
    }
}

#[test]
fn prompts_are_limited_by_characters_and_by_bytes() {
    assert!(plan(ImageRequest::new("a".repeat(32_000))).is_ok());
    assert!(plan(ImageRequest::new("猫".repeat(20_000))).is_ok());
    let characters = refusal(ImageRequest::new("é".repeat(32_001)));
    assert_eq!(characters.param(), Some("prompt"));
    assert!(characters.message().contains("32001 characters"), "{characters}");
    let bytes = refusal(ImageRequest::new("猫".repeat(20_001)));
    assert!(bytes.message().contains("60003 bytes"), "{bytes}");
}

#[test]
fn transparency_needs_a_format_that_has_it() {
    let transparent = || ImageRequest { background: Some(Background::Transparent), ..request() };
    let made = plan(transparent()).unwrap();
    assert_eq!((sent(&made, "background"), made.background), (Some("transparent"), Background::Transparent));
    assert_eq!(made.form.format, Format::Png);
    assert!(plan(ImageRequest { format: Some(Format::Webp), ..transparent() }).is_ok());
    assert_eq!(
        refusal(ImageRequest { format: Some(Format::Jpeg), ..transparent() }).param(),
        Some("output_format")
    );
}

#[test]
fn compression_applies_to_jpeg_and_webp_and_is_ignored_for_png() {
    let compressed =
        |format| plan(ImageRequest { format, compression: Compression::new(50), ..request() }).unwrap();
    assert_eq!(compressed(Some(Format::Jpeg)).form.compression, Compression::new(50));
    let png = compressed(None);
    assert_eq!((png.form.compression, png.ignored), (None, vec!["output_compression".to_owned()]));
}

#[test]
fn references_and_masks_pass_together_and_a_lone_mask_is_ignored() {
    let masked = ImageRequest { mask: Some(link("https://example.com/m.png")), ..request() };
    let lone = plan(masked.clone()).unwrap();
    assert_eq!((lone.task.mask, lone.ignored), (None, vec!["mask_url".to_owned()]));
    let both =
        plan(ImageRequest { references: vec![link("https://example.com/a.png")], ..masked.clone() }).unwrap();
    assert!(both.task.mask.is_some() && both.tokens.input_image > 0 && both.ignored.is_empty());
    let many = ImageRequest { references: vec![link("https://example.com/a.png"); 17], ..masked };
    assert_eq!(refusal(many).param(), Some("image_urls"));
}

#[test]
fn parameters_the_model_does_not_have_are_not_sent_but_named_after_those_no_model_has() {
    let mut asked = request();
    asked.native.insert("seed".into(), json!(7));
    asked.ignored = vec!["style".into()];
    let plan = plan(asked).unwrap();
    assert!(!plan.task.parameters.contains_key("seed"));
    assert_eq!(plan.ignored, ["style", "seed"]);
}

#[test]
fn a_count_outside_the_models_range_is_refused() {
    assert_eq!(refusal(ImageRequest { count: 0, ..request() }).param(), Some("n"));
    assert_eq!(refusal(ImageRequest { count: 11, ..request() }).param(), Some("n"));
    assert_eq!(plan(ImageRequest { count: 10, ..request() }).unwrap().count, 10);
}

#[test]
fn links_are_given_only_to_pictures_that_need_no_work_here() {
    let webp = || ImageRequest { format: Some(Format::Webp), ..request() };
    let link = |request| ImageRequest { delivery: Some(Delivery::Url), ..request };
    assert_eq!(plan(link(request())).unwrap().delivery, Delivery::Url);
    for unlinkable in [webp(), sized("256x256")] {
        assert_eq!(refusal(link(unlinkable.clone())).param(), Some("response_format"));
        let stored = Catalog::default().plan(link(unlinkable), true).unwrap();
        assert_eq!((stored.delivery, stored.delivery_explicit), (Delivery::Url, true));
    }
}

#[test]
fn a_dall_e_alias_answers_with_links_unless_the_picture_needs_work_here() {
    let dall_e = || ImageRequest { model: Some("dall-e-3".into()), ..request() };
    let plain = plan(dall_e()).unwrap();
    assert_eq!((plain.delivery, plain.delivery_explicit), (Delivery::Url, false));
    assert_eq!((sent(&plain, "size"), sent(&plain, "quality")), (Some("1024x1024"), Some("medium")));
    assert_eq!(plain.task.model, "gpt-image-2");
    let small = plan(ImageRequest { size: sized("512x512").size, ..dall_e() }).unwrap();
    assert_eq!(small.delivery, Delivery::Base64);
    let explicit = plan(ImageRequest { delivery: Some(Delivery::Base64), ..dall_e() }).unwrap();
    assert_eq!(explicit.delivery, Delivery::Base64);
}

#[test]
fn an_unknown_model_is_404_naming_where_the_known_ones_are_listed() {
    let catalog = Catalog::default();
    for name in ["gpt-5", "", "GPT-IMAGE-2", "gpt-image-2\r\nx: y"] {
        let fault = catalog.resolve(Some(name)).unwrap_err();
        assert_eq!((fault.status(), fault.code(), fault.param()), (404, "model_not_found", Some("model")));
        assert!(fault.message().contains("GET /v1/models") && !fault.message().contains('\n'), "{fault}");
    }
}

#[test]
fn an_alias_wins_over_a_model_of_the_same_name_and_one_that_leads_nowhere_is_told() {
    let links = Alias { delivery: Some(Delivery::Url), ..Alias::of("gpt-image-2") };
    let aliases = BTreeMap::from([("gpt-image-2".into(), links), ("lost".into(), Alias::of("nowhere"))]);
    let catalog = Catalog::new(aliases, "gone");
    assert_eq!(
        catalog
            .plan(ImageRequest { model: Some("gpt-image-2".into()), ..request() }, false)
            .unwrap()
            .delivery,
        Delivery::Url
    );
    assert_eq!(catalog.known_ids().iter().filter(|id| **id == "gpt-image-2").count(), 1);
    assert!(!catalog.known_ids().contains(&"lost"));
    assert_eq!(catalog.resolve(Some("lost")).unwrap_err().status(), 404);
    assert_eq!(catalog.resolve(None).unwrap_err().status(), 404);
    let mistakes = catalog.mistakes().iter().map(ToString::to_string).collect::<Vec<_>>();
    let alias = "alias 'lost' stands for 'nowhere', which is no model";
    assert_eq!(mistakes, [alias, "the default model 'gone' is neither a model nor an alias"]);
    assert!(Catalog::default().mistakes().is_empty());
}

#[test]
fn models_and_aliases_are_listed_with_what_they_can_do() {
    let catalog = Catalog::default();
    let cards = catalog.models();
    let ids: Vec<_> = cards.iter().map(|card| (card.id.as_str(), card.alias_of.as_deref())).collect();
    assert_eq!((ids[0], ids[1]), (("gpt-image-2", None), ("gpt-image-2.5-sunburst", None)));
    for alias in [
        ("chatgpt-image-latest", "gpt-image-2"),
        ("gpt-image-1", "gpt-image-2"),
        ("gpt-image-1.5-beta", "gpt-image-1.5-lite"),
        ("gpt-4o-image-beta", "gpt-4o-image"),
        ("nano-banana-2-lite", "nano-banana-2-lite-beta"),
    ] {
        assert_eq!(ids.iter().filter(|id| **id == (alias.0, Some(alias.1))).count(), 1, "{alias:?}");
    }
    let mut names: Vec<_> = ids.iter().map(|(id, _)| *id).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cards.len());
    let card = catalog.model("gpt-image-2").unwrap();
    assert_eq!((card.qualities, card.max_n, card.supports_edit), (vec!["low", "medium", "high"], 10, true));
    assert_eq!(card.sizes.ratios.len(), 15);
    assert_eq!(catalog.model("gpt-5"), None);
}

#[test]
fn durations_grow_with_quality_and_size() {
    let catalog = Catalog::default();
    let time = |quality, tier| {
        let row = catalog.row("gpt-image-2").unwrap();
        row.typical_duration(quality, tier).unwrap_or(ANY_DURATION)
    };
    let seconds = |from, to| (Duration::from_secs(from), Duration::from_secs(to));
    assert_eq!(time(Quality::Low, Tier::K1), seconds(5, 15));
    assert_eq!(time(Quality::Medium, Tier::K1), seconds(10, 30));
    assert_eq!(time(Quality::High, Tier::K2), seconds(20, 60));
    assert_eq!(time(Quality::High, Tier::K4), seconds(30, 90));
    assert_eq!(time(Quality::Max, Tier::K1), ANY_DURATION);
}
