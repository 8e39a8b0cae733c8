//! What configured prices come to.

use crate::catalog::{Catalog, built_in};
use crate::config::{self, Checks, Environment, Source};
use crate::image::{ImageRequest, Quality};

use super::*;

fn settings(pricing: &str) -> Settings {
    let yaml = format!("evolink: {{api_key: k}}\npricing: {pricing}");
    let checks = Checks { known_models: Catalog::model_ids(), ..Checks::default() };
    let loaded = config::load(&Source::Text(yaml), &Environment::default(), &checks)
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.settings
}

/// The price of one image, in credits.
fn price(pricing: &str, model: &str, change: impl FnOnce(&mut ImageRequest)) -> String {
    let rows = table(&settings(pricing)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let catalog = Catalog::with_rows(rows, std::collections::BTreeMap::new(), "gpt-image-2");
    let mut request = ImageRequest { model: Some(model.into()), ..ImageRequest::new("a cat") };
    change(&mut request);
    catalog.plan(request, false).unwrap_or_else(|fault| panic!("{model}: {fault}")).price.to_string()
}

fn high(request: &mut ImageRequest) {
    request.quality = Some(Quality::High);
}

#[test]
fn what_is_not_configured_costs_what_the_built_in_table_says() {
    assert_eq!(table(&settings("{}")).unwrap(), built_in());
    // 1,756 output tokens and 2 of the prompt; 7,024 and 2.
    assert_eq!(price("{}", "gpt-image-2", |_| ()), "3.224628");
    assert_eq!(price("{}", "gpt-image-2", high), "12.896676");
    assert_eq!(price("{}", "gpt-image-2-beta", |_| ()), "1.02");
    assert_eq!(price("{}", "z-image-turbo", |_| ()), "20", "no page tells");
}

#[test]
fn rates_hold_for_all_models_paid_by_the_token_and_a_models_own_for_itself() {
    let pricing = "{tokens: {image_output: 1, text_input: 0}, models: {gpt-image-2.5-flare: {tokens: {image_output: 2}}}}";
    assert_eq!(price(pricing, "gpt-image-2", |_| ()), "1.756");
    assert_eq!(price(pricing, "gpt-image-2.5-flare", high), "3.512");
    let figures = "{models: {gpt-image-2: {output_tokens: {high: 10000}}}}";
    assert_eq!(price(figures, "gpt-image-2", high), "18.360612");
    assert_eq!(price(figures, "gpt-image-2", |_| ()), "3.224628");
}

#[test]
fn a_model_may_cost_so_much_an_image_by_quality_and_resolution() {
    let pricing = "{models: {gpt-image-2: {per_image: 4, variants: [
        {quality: high, resolution: 4K, per_image: 30}, {quality: high, per_image: 9}, {resolution: 4K, per_image: 7.5},
    ]}, z-image-turbo: {per_image: 0.5}}}";
    let of = |quality, size: &str| {
        price(pricing, "gpt-image-2", |request| {
            request.quality = Some(quality);
            request.size = Some(size.parse().unwrap());
        })
    };
    let (small, large) = ("1024x1024", "3840x2160");
    let all = [
        of(Quality::Low, small),
        of(Quality::High, small),
        of(Quality::Low, large),
        of(Quality::High, large),
    ];
    assert_eq!(all, ["4", "9", "7.5", "30"]);
    assert_eq!(price(pricing, "z-image-turbo", |_| ()), "0.5");
}

#[test]
fn a_model_that_no_page_prices_by_the_token_needs_its_tokens() {
    let problems = table(&settings("{models: {z-image-turbo: {tokens: {image_output: 2}}}}")).unwrap_err();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let expected = "is needed: the model is not known to be paid by the token";
    assert_eq!(told, [format!("pricing.models[\"z-image-turbo\"].output_tokens: {expected}")]);
    let told = "{models: {z-image-turbo: {tokens: {image_output: 2, text_input: 0}, output_tokens: {medium: 1000}}}}";
    let price = price(told, "z-image-turbo", |_| ());
    assert_eq!(price, "2");
}

#[test]
fn reference_pictures_count() {
    let rates = |pricing: &str| {
        let rows = table(&settings(pricing)).unwrap();
        rows.into_iter()
            .filter_map(|row| match row.price {
                Price::Tokens(table) => Some((row.model, table.per_reference)),
                Price::PerImage(_) => None,
            })
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let told = rates("{reference_tokens: 6000, models: {gpt-image-2: {reference_tokens: 1500}}}");
    assert_eq!((told["gpt-image-2"], told["gpt-image-2.5-flare"]), (1500, 6000));
}
