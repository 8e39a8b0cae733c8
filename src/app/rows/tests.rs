//! What configured rows become, and what is said of those that cannot be.

use crate::catalog::Catalog;
use crate::config::{self, Checks, Environment, Source};
use crate::image::{ImageRequest, Pixels};

use super::*;

/// The rows of a configuration that is right value by value.
fn configured(catalog: &str) -> Vec<CatalogRow> {
    let yaml = format!("evolink: {{api_key: k}}\nmodels: {{catalog: {catalog}}}");
    let checks = Checks { known_models: Catalog::model_ids(), ..Checks::default() };
    let loaded = config::load(&Source::Text(yaml), &Environment::default(), &checks)
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.settings.models.catalog
}

fn table(catalog: &str) -> Catalog {
    let rows = rows(&configured(catalog)).unwrap_or_else(|problems| panic!("{problems:?}"));
    Catalog::with_rows(rows, std::collections::BTreeMap::new(), "gpt-image-2")
}

fn problems(catalog: &str) -> String {
    let problems = rows(&configured(catalog)).expect_err("must be refused");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn plan(catalog: &Catalog, model: &str, change: impl FnOnce(&mut ImageRequest)) -> crate::image::Plan {
    let mut request = ImageRequest { model: Some(model.into()), ..ImageRequest::new("a cat") };
    change(&mut request);
    catalog.plan(request, false).unwrap_or_else(|fault| panic!("{model}: {fault}"))
}

#[test]
fn a_row_of_a_built_in_id_changes_only_what_it_names() {
    let table =
        table("[{id: krea-2-turbo, default_resolution: 2K, price_per_image: 0.5, task_timeout: 30m}]");
    let (row, built_in) = (table.row("krea-2-turbo").unwrap(), Catalog::default());
    let before = built_in.row("krea-2-turbo").unwrap();
    let tiers = Tiers { default: Tier::K2, ..before.tiers.clone().unwrap() };
    let expected = Row {
        tiers: Some(tiers),
        price: Price::PerImage(Credits::from_micro(500_000)),
        task_timeout: Some(std::time::Duration::from_mins(30)),
        ..before.clone()
    };
    assert_eq!(*row, expected);
    assert_eq!(table.rows().len(), built_in.rows().len());
}

#[test]
fn a_row_may_have_only_parameters_that_requests_can_carry() {
    let known: Vec<_> = crate::openai::parameter_names().collect();
    assert!(own::OWN_NAMES.iter().all(|name| known.contains(name)), "{known:?}");
}

#[test]
fn limits_that_let_nothing_through_are_refused() {
    let said = problems(
        "[{id: a, prompt_characters: 0, task_timeout: 0s, images: {max: 1, max_bytes: 5GiB}}, \
          {id: b, pixels: {min_edge: 256, max_pixels: 100}}]",
    );
    insta::assert_snapshot!(said, @r"
    models.catalog[0].prompt_characters: must be at least 1: every request has a prompt
    models.catalog[0].task_timeout: must be from 1ms to 24h
    models.catalog[0].images.max_bytes: must be from 1 to 52428800, the most that is taken here
    models.catalog[1].pixels: no size fits all of these rules
    ");
}

#[test]
fn a_new_row_starts_from_the_model_it_is_like() {
    let table = table(
        "[{id: nano-banana-3, like: gemini-nano-banana-2.1, resolutions: [1K, 2K, 4K], ratios: ['1:1', '5:1'], \
          pictures: {'5:1': {2K: 4000x800}}, parameters: {seed: integer}}]",
    );
    let row = table.row("nano-banana-3").unwrap();
    assert_eq!((row.tiers.as_ref().unwrap().field, row.inputs.max), (TierField::Quality, 14));
    let made = plan(&table, "nano-banana-3", |request| {
        request.size = "5:1".parse().ok();
        request.native.insert("seed".into(), 7.into());
        request.native.insert("watermark".into(), true.into());
    });
    assert_eq!(made.task.model, "nano-banana-3");
    assert_eq!(
        serde_json::Value::from(made.task.parameters),
        serde_json::json!({"seed": 7, "size": "5:1", "quality": "2K"})
    );
    assert_eq!((made.expected, made.ignored), (Pixels::new(4000, 800), vec!["watermark".to_owned()]));
}

#[test]
fn a_row_of_its_own_has_what_its_columns_say_and_nothing_else() {
    let table = table(
        "[{id: painter, prompt_characters: 10, pixels: {multiple_of: 8, min_edge: 64, max_edge: 512, max_pixels: 262144}, \
          auto_size: 512x512, qualities: [low, high], default_quality: high, max_n: 2, images: {max: 1, max_bytes: 1MiB}, \
          mask: true, png_by: output_format, transparent: of_input, \
          parameters: {model_params.style: {kind: choice, choices: [oil, ink]}}}]",
    );
    let made = plan(&table, "painter", |request| request.size = "512x256".parse().ok());
    assert_eq!(
        serde_json::Value::from(made.task.parameters),
        serde_json::json!({"size": "512x256", "quality": "high", "output_format": "png"})
    );
    let card = table.model("painter").unwrap();
    assert_eq!((card.max_n, card.supports_edit, card.mask, card.sizes.ratios.len()), (2, true, true, 0));
    let long = ImageRequest { model: Some("painter".into()), ..ImageRequest::new("eleven long") };
    assert_eq!(table.plan(long, false).unwrap_err().param(), Some("prompt"));
}

#[test]
fn what_a_model_has_can_be_taken_away() {
    let table = table(
        "[{id: gpt-image-2, sizes: [], ratios: [], resolutions: [], qualities: [], images: {max: 0}, parameters: {}}]",
    );
    let made = plan(&table, "gpt-image-2", |_| {});
    assert!(made.task.parameters.is_empty(), "{:?}", made.task.parameters);
    let card = table.model("gpt-image-2").unwrap();
    assert!(!card.supports_edit && !card.mask && card.sizes.pixels.is_none() && card.qualities.is_empty());
}

#[test]
fn columns_that_do_not_go_together_are_told_at_their_places() {
    let told = problems(
        "[{id: a, like: nowhere, default_resolution: 1K, default_quality: low, mask: true, transparent: of_input}, \
          {id: b, resolutions: [2K, 1K], default_resolution: 4K, qualities: [high, standard], default_quality: max, \
           sizes: [1x1], pixels: {min_edge: 9, max_edge: 8, max_pixels: 1}, pictures: {'2:1': {1K: 2x1}}, max_n: 11}, \
          {id: c, resolutions: [1K], resolution_as: quality, qualities: [low], images: {min: 2, max: 1}, ratios: ['1:1'], pictures: {'1:1': {2K: 2x1}}, \
           parameters: {cfg: boolean, model_params.x: choice, seed: {kind: integer, minimum: 2, maximum: 1}}}]",
    );
    insta::assert_snapshot!(told, @r#"
    models.catalog[0].like: `nowhere` is no model above this row and none of the built-in ones
    models.catalog[0].default_resolution: needs resolutions
    models.catalog[0].default_quality: needs qualities
    models.catalog[0].mask: needs images.max of 1 or more
    models.catalog[0].transparent: of_input needs images.max of 1 or more
    models.catalog[1].resolutions: must go from the smallest to the largest, each once
    models.catalog[1].default_resolution: must be one of resolutions
    models.catalog[1].qualities: must be some of low, medium, high, xhigh and max, in this order
    models.catalog[1].default_quality: must be one of qualities, or auto
    models.catalog[1].sizes: goes without pixels: sizes are either listed or by rules
    models.catalog[1].pixels: must not have a least above the most
    models.catalog[1].pictures["2:1"]: must be one of ratios
    models.catalog[1].max_n: must be from 1 to 10
    models.catalog[2].resolution_as: must not be quality for a model that has qualities: both would travel there
    models.catalog[2].pictures["1:1"]["2K"]: must be one of resolutions, or 1K where there are none
    models.catalog[2].images.min: must not be more than images.max
    models.catalog[2].parameters["cfg"]: must be model_params.NAME or one of negative_prompt, seed, prompt_extend, watermark, nsfw_check, prompt_priority, tools
    models.catalog[2].parameters["model_params.x"]: needs choices
    models.catalog[2].parameters["seed"]: must not have a minimum above its maximum
    "#);
}
