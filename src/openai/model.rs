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
    pub qualities: Vec<&'static str>,
    pub output_formats: Vec<&'static str>,
    pub max_n: u8,
    /// Whether the model takes reference pictures.
    pub supports_edit: bool,
}

/// What `size` and `resolution` may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SizesCard {
    pub auto: bool,
    pub ratios: Vec<String>,
    pub resolutions: Vec<&'static str>,
    pub pixels: PixelRuleCard,
    /// Smaller sizes of older models: made larger, then scaled down.
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
                pixels: PixelRuleCard {
                    multiple_of: 16,
                    min_edge: 16,
                    max_edge: 3840,
                    min_pixels: 655_360,
                    max_pixels: 8_294_400,
                    max_ratio: 3,
                },
                legacy: vec!["256x256".into()],
            },
            qualities: vec!["low", "high"],
            output_formats: vec!["png"],
            max_n: 10,
            supports_edit: true,
        }
    }

    #[test]
    fn a_model_has_openais_keys_and_tells_what_it_can() {
        let body: Value = serde_json::from_slice(&model_body(&card())).unwrap();
        let pixels = json!({"multiple_of": 16, "min_edge": 16, "max_edge": 3840,
            "min_pixels": 655_360, "max_pixels": 8_294_400, "max_ratio": 3});
        let sizes = json!({"auto": true, "ratios": ["1:1"], "resolutions": ["1K"], "pixels": pixels, "legacy": ["256x256"]});
        assert_eq!(
            body,
            json!({"id": "painter", "object": "model", "created": 1_776_729_600, "owned_by": "evolink",
                "sizes": sizes, "qualities": ["low", "high"], "output_formats": ["png"], "max_n": 10, "supports_edit": true})
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
