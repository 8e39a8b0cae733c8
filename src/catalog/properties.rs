//! What holds for every request, tried on many.

use proptest::prelude::*;

use super::Catalog;
use crate::image::{Background, Compression, Delivery, Format, ImageRequest, Pixels, Quality, Size, Tier};

/// Evolink's rules, written down a second time, apart from the table.
pub(super) fn upstream_takes(size: Pixels) -> bool {
    let (short, long) = (size.width.min(size.height), size.width.max(size.height));
    let edges = short % 16 == 0 && long % 16 == 0 && long <= 3840;
    edges && long <= 3 * short && (655_360..=8_294_400).contains(&size.area())
}

/// Edges of every kind, those within the rules more often than chance would have it.
fn edge() -> impl Strategy<Value = u32> {
    prop_oneof![
        1..=99_999_u32,
        1..=4000_u32,
        (1..=250_u32).prop_map(|steps| steps * 16),
        Just(256),
        Just(512)
    ]
}

fn sized(size: Size) -> ImageRequest {
    ImageRequest { size: Some(size), ..ImageRequest::new("a cat") }
}

prop_compose! {
    fn any_request()(
        prompt in "\\PC{1,40}",
        count in 0..=12_u8,
        size in prop_oneof![
            Just(None), Just(Some(Size::Auto)), Just("21:9".parse().ok()),
            (edge(), edge()).prop_map(|(width, height)| Some(Size::Pixels(Pixels::new(width, height)))),
        ],
        resolution in prop::option::of(prop::sample::select(vec![Tier::K1, Tier::K2, Tier::K4])),
        quality in prop::option::of(prop::sample::select(&Quality::ALL[..])),
        background in prop::option::of(prop::sample::select(&Background::ALL[..])),
        format in prop::option::of(prop::sample::select(&Format::ALL[..])),
        compression in prop::option::of(0..=100_u64),
        delivery in prop::option::of(prop::sample::select(vec![Delivery::Base64, Delivery::Url])),
    ) -> ImageRequest {
        let compression = compression.and_then(Compression::new);
        ImageRequest {
            count, size, resolution, quality, background, format, compression, delivery, ..ImageRequest::new(prompt)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_pixel_size_is_delivered_exactly_or_refused_with_one_that_would_be(width in edge(), height in edge()) {
        let catalog = Catalog::default();
        let asked = Pixels::new(width, height);
        match catalog.plan(sized(Size::Pixels(asked)), false) {
            Ok(plan) => {
                let made = plan.expected;
                prop_assert_eq!(&plan.task.parameters["size"], &made.to_string());
                prop_assert!(upstream_takes(made), "{}", made);
                prop_assert_eq!(plan.form.pixels.unwrap_or(made), asked);
                prop_assert!(made.width >= width && made.height >= height, "never scaled up");
            }
            Err(fault) => {
                prop_assert!(!upstream_takes(asked), "{} would have worked", asked);
                prop_assert_eq!((fault.status(), fault.param()), (400, Some("size")));
                let offered = fault.message().rsplit('\'').nth(1).unwrap().parse().unwrap();
                prop_assert!(catalog.plan(sized(offered), false).is_ok(), "{}", fault.message());
            }
        }
    }

    #[test]
    fn no_size_text_makes_planning_panic(text in prop_oneof!["[0-9xX:]{0,12}", any::<String>()]) {
        if let Ok(size) = text.parse::<Size>() {
            let _ = Catalog::default().plan(sized(size), false);
        }
    }

    #[test]
    fn a_plan_keeps_its_promises_whatever_was_asked(request in any_request(), stored in any::<bool>()) {
        let asked = request.clone();
        match Catalog::default().plan(request, stored) {
            Err(fault) => prop_assert_eq!((fault.status(), fault.param().is_some()), (400, true)),
            Ok(plan) => {
                prop_assert_eq!(plan.count, asked.count);
                prop_assert_eq!(plan.form.format, asked.format.unwrap_or(Format::Png));
                prop_assert!(matches!(plan.task.parameters["quality"].as_str(), Some("low" | "medium" | "high")));
                prop_assert!(plan.background != Background::Auto);
                prop_assert!(plan.background != Background::Transparent || plan.form.format != Format::Jpeg);
                prop_assert!(plan.price.micro() > 0);
                prop_assert_eq!(plan.delivery, asked.delivery.unwrap_or(Delivery::Base64));
                let converted = plan.form.format != Format::Png || plan.form.pixels.is_some();
                prop_assert!(stored || !converted || plan.delivery == Delivery::Base64);
            }
        }
    }
}
