//! What a create sends: a task in Evolink's own words.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::Value;

use super::CreateBody;
use crate::image::{ContentHash, Reference, TaskSpec};

/// Never taken from a task's parameters: the gateway writes the first four itself; `n` is unreliable above 1 by
/// Evolink's pages, and 1 is its default; no client may point Evolink's callbacks anywhere.
const OWN_FIELDS: [&str; 6] = ["model", "prompt", "image_urls", "mask_url", "n", "callback_url"];

/// Where the pictures that came with a request were uploaded to, by their content.
pub type UploadLinks = HashMap<ContentHash, String>;

/// The body of POST /v1/images/generations for the picture number `index` (from 0) of a request. The same task gives
/// the same bytes: an upstream `Idempotency-Key` binds to them. A `seed` counts up with the index, since the same seed
/// again would be the same picture again. None when a picture has no link.
pub fn create_body(task: &TaskSpec, index: u8, uploads: &UploadLinks) -> Option<CreateBody> {
    let link = |reference: &Reference| match reference {
        Reference::Link(link) => Some(link.clone()),
        Reference::Picture(picture) => uploads.get(&picture.content).cloned(),
    };
    let mut fields =
        vec![("model", Value::from(task.model.as_str())), ("prompt", Value::from(task.prompt.as_str()))];
    let mut parameters: Vec<_> =
        task.parameters.iter().filter(|(name, _)| !OWN_FIELDS.contains(&name.as_str())).collect();
    parameters.sort_by_key(|(name, _)| name.as_str());
    fields.extend(parameters.into_iter().map(|(name, value)| (name.as_str(), numbered(name, value, index))));
    if !task.references.is_empty() {
        let links: Option<Vec<String>> = task.references.iter().map(link).collect();
        fields.push(("image_urls", Value::from(links?)));
    }
    if let Some(mask) = &task.mask {
        fields.push(("mask_url", Value::from(link(mask)?)));
    }
    let mut body = String::with_capacity(task.prompt.len() + 512);
    for (place, (name, value)) in fields.into_iter().enumerate() {
        body.push(if place == 0 { '{' } else { ',' });
        // writing to a String cannot fail
        let _ = write!(body, "{}:{value}", Value::from(name));
    }
    body.push('}');
    Some(body.into())
}

fn numbered(name: &str, value: &Value, index: u8) -> Value {
    match value.as_i64() {
        Some(seed) if name == "seed" => Value::from(seed.saturating_add(index.into())),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::image::{Format, InputPicture, Pixels};

    fn bare() -> TaskSpec {
        TaskSpec {
            model: "gpt-image-2".into(),
            prompt: "a \"fox\"\n".into(),
            parameters: Map::new(),
            references: Vec::new(),
            mask: None,
        }
    }

    fn body(task: &TaskSpec) -> CreateBody {
        create_body(task, 0, &UploadLinks::new()).unwrap()
    }

    #[test]
    fn only_fields_with_a_value_are_sent() {
        assert_eq!(body(&bare()), r#"{"model":"gpt-image-2","prompt":"a \"fox\"\n"}"#);
    }

    #[test]
    fn fields_come_in_a_fixed_order() {
        let mut task = bare();
        task.references =
            ["1", "2"].map(|name| Reference::Link(format!("https://a.example/{name}.png"))).to_vec();
        task.mask = Some(Reference::Link("https://a.example/mask.png".into()));
        task.parameters.insert("size".into(), json!("16:9"));
        task.parameters.insert("model_params".into(), json!({"web_search": true}));
        assert_eq!(
            body(&task),
            concat!(
                r#"{"model":"gpt-image-2","prompt":"a \"fox\"\n","model_params":{"web_search":true},"size":"16:9","#,
                r#""image_urls":["https://a.example/1.png","https://a.example/2.png"],"#,
                r#""mask_url":"https://a.example/mask.png"}"#
            )
        );
    }

    #[test]
    fn parameters_cannot_replace_the_gateways_own_fields() {
        let mut task = bare();
        for name in OWN_FIELDS {
            task.parameters.insert(name.into(), json!("smuggled"));
        }
        assert_eq!(body(&task), body(&bare()));
    }

    #[test]
    fn each_picture_of_a_request_has_a_seed_of_its_own() {
        let mut task = bare();
        task.parameters.insert("seed".into(), json!(7));
        let seeds = [0, 2].map(|index| {
            let body: Value =
                serde_json::from_slice(&create_body(&task, index, &UploadLinks::new()).unwrap()).unwrap();
            body["seed"].clone()
        });
        assert_eq!(seeds, [7, 9]);
    }

    #[test]
    fn a_picture_is_named_by_the_link_it_was_uploaded_to() {
        let content = ContentHash::of(b"a picture");
        let pixels = Pixels::new(1, 1);
        let picture = InputPicture { content, bytes: 9, format: Format::Png, pixels, alpha: true };
        let mut task = bare();
        task.references = vec![Reference::Picture(picture)];
        let links = UploadLinks::from([(content, "https://files.example/a".to_owned())]);
        let body = create_body(&task, 0, &links).unwrap();
        assert!(body.ends_with(br#""image_urls":["https://files.example/a"]}"#), "{body:?}");
        assert_eq!(create_body(&task, 0, &UploadLinks::new()), None);
    }
}
