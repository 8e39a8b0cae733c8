//! GET /v1/models: OpenAI's model object with extra keys that say what a model can do.

use serde::Serialize;

/// One model as a client sees it. Written as it stands, after `object` and `owned_by`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelCard {
    pub id: String,
    /// The model's release, Unix seconds.
    pub created: i64,
    /// The model an alias stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<String>,
    pub sizes: SizesCard,
    /// Rendering qualities; empty where the model has none.
    pub qualities: Vec<&'static str>,
    /// What `auto` means.
    pub default_quality: Option<&'static str>,
    pub output_formats: Vec<&'static str>,
    /// When `background: transparent` works: `always`, `never`, `of_input` (kept from the only picture given).
    pub transparent: &'static str,
    pub max_n: u8,
    /// Whether the model takes reference pictures.
    pub supports_edit: bool,
    /// What is known of them; null without.
    pub images: Option<InputsCard>,
    /// Whether the model takes a mask beside them.
    pub mask: bool,
    /// Evolink's own parameters of this model.
    pub parameters: Vec<OwnCard>,
}

/// How many reference pictures a request may give, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InputsCard {
    /// More than 0: the model only edits.
    pub min: usize,
    pub max: usize,
    /// Of one file.
    pub max_bytes: u64,
}

/// One of Evolink's own parameters, in words of JSON schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OwnCard {
    /// A member of `model_params` is `model_params.NAME`.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// What `size` and `resolution` may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SizesCard {
    pub auto: bool,
    pub ratios: Vec<String>,
    /// Tiers; empty where the model has none.
    pub resolutions: Vec<&'static str>,
    pub default_resolution: Option<&'static str>,
    /// The rules for sizes in pixels; null where there are none.
    pub pixels: Option<PixelRuleCard>,
    /// The only sizes in pixels that the model makes itself.
    pub listed: Vec<String>,
    /// Sizes of OpenAI's models that are made larger, then scaled down.
    pub legacy: Vec<String>,
}

/// The rules for `WIDTHxHEIGHT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PixelRuleCard {
    pub multiple_of: u32,
    pub min_edge: u32,
    pub max_edge: u32,
    pub min_pixels: u64,
    pub max_pixels: u64,
    pub max_ratio: u32,
}

#[derive(Serialize)]
struct Model<'a> {
    object: &'static str,
    owned_by: &'static str,
    #[serde(flatten)]
    card: &'a ModelCard,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

const fn model(card: &ModelCard) -> Model<'_> {
    Model { object: "model", owned_by: "evolink", card }
}

/// The answer to GET /v1/models/{id}.
pub fn model_body(card: &ModelCard) -> Vec<u8> {
    // Plain structs of strings and numbers always serialize.
    serde_json::to_vec(&model(card)).unwrap_or_default()
}

/// The answer to GET /v1/models.
pub fn model_list_body(cards: &[ModelCard]) -> Vec<u8> {
    let list = List { object: "list", data: cards.iter().map(model).collect() };
    serde_json::to_vec(&list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn card() -> ModelCard {
        ModelCard {
            id: "painter".into(),
            created: 1_776_729_600,
            alias_of: None,
            sizes: SizesCard {
                auto: true,
                ratios: vec!["1:1".into()],
                resolutions: vec!["1K"],
                default_resolution: Some("1K"),
                pixels: Some(PixelRuleCard {
                    multiple_of: 16,
                    min_edge: 16,
                    max_edge: 3840,
                    min_pixels: 655_360,
                    max_pixels: 8_294_400,
                    max_ratio: 3,
                }),
                listed: Vec::new(),
                legacy: vec!["256x256".into()],
            },
            qualities: vec!["low", "high"],
            default_quality: Some("low"),
            output_formats: vec!["png"],
            transparent: "never",
            max_n: 10,
            supports_edit: true,
            images: Some(InputsCard { min: 0, max: 16, max_bytes: 9 }),
            mask: true,
            parameters: vec![OwnCard {
                name: "seed".into(),
                kind: "integer",
                minimum: Some(1),
                ..OwnCard::default()
            }],
        }
    }

    #[test]
    fn a_model_has_openais_keys_and_tells_what_it_can() {
        let body: Value = serde_json::from_slice(&model_body(&card())).unwrap();
        let pixels = json!({"multiple_of": 16, "min_edge": 16, "max_edge": 3840,
            "min_pixels": 655_360, "max_pixels": 8_294_400, "max_ratio": 3});
        let sizes = json!({"auto": true, "ratios": ["1:1"], "resolutions": ["1K"],
            "default_resolution": "1K", "pixels": pixels, "listed": [], "legacy": ["256x256"]});
        assert_eq!(
            body,
            json!({"id": "painter", "object": "model", "created": 1_776_729_600, "owned_by": "evolink",
                "sizes": sizes, "qualities": ["low", "high"], "default_quality": "low", "output_formats": ["png"],
                "transparent": "never", "max_n": 10, "supports_edit": true,
                "images": {"min": 0, "max": 16, "max_bytes": 9}, "mask": true,
                "parameters": [{"name": "seed", "type": "integer", "minimum": 1}]})
        );
    }

    #[test]
    fn a_list_names_aliases_as_such() {
        let alias = ModelCard { id: "brush".into(), alias_of: Some("painter".into()), ..card() };
        let body: Value = serde_json::from_slice(&model_list_body(&[card(), alias])).unwrap();
        assert_eq!(body["object"], "list");
        assert_eq!(body["data"][0].get("alias_of"), None);
        assert_eq!(body["data"][1]["alias_of"], "painter");
    }
}
