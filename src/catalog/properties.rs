//! What holds for every request to every model, tried on many.

use proptest::prelude::*;
use serde_json::json;

use super::second::rules;
use super::{Catalog, shipped_aliases};
use crate::image::{
    Background, Compression, Delivery, Format, ImageRequest, Pixels, Plan, Quality, Reference, Size, Tier,
};

/// Without the alias that hides a row.
fn catalog() -> Catalog {
    let mut aliases = shipped_aliases();
    aliases.remove("gpt-image-1");
    Catalog::new(aliases, "gpt-image-2")
}

/// Edges of every kind, those within the rules more often than chance would have it.
fn edge() -> impl Strategy<Value = u32> {
    prop_oneof![
        1..=99_999_u32,
        1..=4000_u32,
        (1..=250_u32).prop_map(|steps| steps * 16),
        prop::sample::select(vec![256, 512, 1024, 1536, 1792]),
    ]
}

fn size() -> impl Strategy<Value = Option<Size>> {
    prop_oneof![
        Just(None),
        Just(Some(Size::Auto)),
        prop::sample::select(vec!["1:1", "16:9", "9:21", "8:1", "19.5:9", "7:5"])
            .prop_map(|text| text.parse().ok()),
        (edge(), edge()).prop_map(|(width, height)| Some(Size::Pixels(Pixels::new(width, height)))),
        (edge(), edge()).prop_map(|(width, height)| Some(Size::Pixels(Pixels::new(width, height)))),
    ]
}

fn model() -> impl Strategy<Value = String> {
    prop::sample::select(Catalog::model_ids())
}

/// A plain request that the model takes, with a link where it must have a picture.
fn request(catalog: &Catalog, model: &str) -> ImageRequest {
    let min = catalog.row(model).unwrap().inputs.min;
    ImageRequest {
        model: Some(model.to_owned()),
        references: vec![Reference::Link("https://example.com/a.png".into()); min],
        ..ImageRequest::new("a cat")
    }
}

fn sent<'a>(plan: &'a Plan, name: &str) -> Option<&'a str> {
    plan.task.parameters.get(name).map(|value| value.as_str().unwrap())
}

prop_compose! {
    fn any_request()(
        model in model(),
        prompt in "\\PC{1,40}",
        count in 0..=12_u8,
        size in size(),
        tiers in (prop::option::of(prop::sample::select(&Tier::ALL[..])), prop::option::of(prop::sample::select(&Tier::ALL[..]))),
        quality in prop::option::of(prop::sample::select(&Quality::ALL[..])),
        background in prop::option::of(prop::sample::select(&Background::ALL[..])),
        format in prop::option::of(prop::sample::select(&Format::ALL[..])),
        compression in prop::option::of(0..=100_u64),
        delivery in prop::option::of(prop::sample::select(vec![Delivery::Base64, Delivery::Url])),
        seed in prop::option::of(any::<i64>()),
    ) -> ImageRequest {
        let compression = compression.and_then(Compression::new);
        let (resolution, quality_tier) = tiers;
        let quality = quality.filter(|_| quality_tier.is_none());
        let mut request = ImageRequest {
            prompt, count, size, resolution, quality, quality_tier, background, format, compression, delivery,
            ..request(&catalog(), &model)
        };
        request.native.extend(seed.map(|seed| ("seed".to_owned(), json!(seed))));
        request
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_size_is_delivered_exactly_or_refused(model in model(), size in size(), tier in prop::option::of(prop::sample::select(&Tier::ALL[..]))) {
        let (catalog, rules) = (catalog(), rules(&model));
        let asked = ImageRequest { size, resolution: tier, ..request(&catalog, &model) };
        match catalog.plan(asked, false) {
            Ok(plan) => {
                let (size_sent, tier_sent) = (sent(&plan, "size"), sent(&plan, rules.tiers.0));
                prop_assert!(rules.takes(size_sent, tier_sent), "{:?}", plan.task.parameters);
                prop_assert!(size_sent.is_none() || rules.tiers.0.is_empty() || tier_sent.is_some() || size_sent.unwrap().contains('x'));
                let made = plan.expected;
                if let Some(pixels) = size_sent.filter(|sent| sent.contains('x')) {
                    prop_assert_eq!(pixels, made.to_string());
                }
                if let Some(Size::Pixels(asked)) = size {
                    prop_assert_eq!(plan.form.pixels.unwrap_or(made), asked);
                    prop_assert!(made.width >= asked.width && made.height >= asked.height, "never scaled up");
                } else {
                    prop_assert_eq!(plan.form.pixels, None);
                }
            }
            Err(fault) => {
                prop_assert_eq!(fault.status(), 400);
                match (fault.param(), size) {
                    (Some("size"), Some(Size::Pixels(asked))) => {
                        prop_assert!(!rules.takes_pixels(asked), "{} would have worked", asked);
                        let offered = fault.message().rsplit('\'').nth(1).unwrap().parse().unwrap();
                        let again = ImageRequest { size: Some(offered), ..request(&catalog, &model) };
                        prop_assert!(catalog.plan(again, false).is_ok(), "{}", fault.message());
                    }
                    (Some("size"), Some(Size::Ratio(ratio))) => {
                        prop_assert!(!rules.takes(Some(&ratio.to_string()), None));
                    }
                    (Some("resolution"), _) => {
                        prop_assert!(!rules.takes(None, Some(tier.unwrap().name())));
                    }
                    other => prop_assert!(false, "{:?}: {}", other, fault),
                }
            }
        }
    }

    #[test]
    fn a_ratio_and_its_pixels_are_one_where_the_model_takes_both(model in model(), size in size(), tier in prop::option::of(prop::sample::select(&Tier::ALL[..]))) {
        let catalog = catalog();
        let asked = ImageRequest { size, resolution: tier, ..request(&catalog, &model) };
        if let Ok(plan) = catalog.plan(asked, false) {
            prop_assert!(plan.respelled.is_none() || matches!(size, Some(Size::Ratio(_))));
            if plan.respelled.is_some() {
                let in_pixels = ImageRequest { size: Some(Size::Pixels(plan.expected)), ..request(&catalog, &model) };
                let same = catalog.plan(in_pixels, false).unwrap();
                prop_assert_eq!((same.fingerprint(), same.expected), (plan.fingerprint(), plan.expected));
            }
        }
    }

    #[test]
    fn a_plan_keeps_its_promises_whatever_was_asked(request in any_request(), stored in any::<bool>()) {
        let (asked, catalog) = (request.clone(), catalog());
        match catalog.plan(request, stored) {
            Err(fault) => prop_assert_eq!((fault.status(), fault.param().is_some()), (400, true)),
            Ok(plan) => {
                let row = catalog.row(asked.model.as_deref().unwrap()).unwrap();
                prop_assert_eq!(plan.count, asked.count);
                prop_assert_eq!(plan.form.format, asked.format.unwrap_or(Format::Png));
                let efforts = row.efforts.as_ref().map(|efforts| efforts.all.as_slice()).unwrap_or_default();
                prop_assert!(plan.class.quality == Quality::Auto || efforts.contains(&plan.class.quality));
                prop_assert!(plan.background != Background::Auto);
                prop_assert!(plan.background != Background::Transparent || plan.form.format != Format::Jpeg);
                prop_assert!(plan.price.micro() > 0);
                prop_assert_eq!(plan.delivery, asked.delivery.unwrap_or(Delivery::Base64));
                let scaled = plan.form.pixels.is_some();
                prop_assert!(stored || !scaled || plan.delivery == Delivery::Base64);
                prop_assert!(!plan.task.parameters.contains_key("n"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_size_text_makes_planning_panic(model in model(), text in prop_oneof!["[0-9xX:.]{0,12}", any::<String>()]) {
        if let Ok(size) = text.parse::<Size>() {
            let catalog = catalog();
            let _ = catalog.plan(ImageRequest { size: Some(size), ..request(&catalog, &model) }, false);
        }
    }
}
