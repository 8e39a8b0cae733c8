//! What a create sends: a task in Evolink's own words.

use std::fmt::Write;

use serde_json::Value;

use super::CreateBody;
use crate::image::{Background, Quality, TaskSpec, Tier};

/// Fields the gateway writes itself or does not use: never taken from a task's native parameters. `n` is left out
/// because Evolink's pages call it unreliable above 1, and 1 is its default; `callback_url` because no client may
/// point Evolink's callbacks anywhere.
const OWN_FIELDS: [&str; 10] = [
    "model",
    "prompt",
    "size",
    "resolution",
    "quality",
    "background",
    "image_urls",
    "mask_url",
    "n",
    "callback_url",
];

/// The body of POST /v1/images/generations for one picture. The same task gives the same bytes: an upstream
/// `Idempotency-Key` binds to them.
pub fn create_body(task: &TaskSpec) -> CreateBody {
    let named = |name: &'static str| move |value: &'static str| (name, Value::from(value));
    let mut fields =
        vec![("model", Value::from(task.model.as_str())), ("prompt", Value::from(task.prompt.as_str()))];
    fields.extend(task.size.as_deref().map(|size| ("size", Value::from(size))));
    fields.extend(task.resolution.map(Tier::name).map(named("resolution")));
    fields.extend(task.quality.map(Quality::name).map(named("quality")));
    fields.extend(task.background.map(Background::name).map(named("background")));
    if !task.references.is_empty() {
        fields.push(("image_urls", Value::from(task.references.clone())));
    }
    fields.extend(task.mask.as_deref().map(|mask| ("mask_url", Value::from(mask))));
    let mut native: Vec<_> =
        task.native.iter().filter(|(name, _)| !OWN_FIELDS.contains(&name.as_str())).collect();
    native.sort_by_key(|(name, _)| name.as_str());

    let own = fields.iter().map(|(name, value)| (*name, value));
    let all = own.chain(native.into_iter().map(|(name, value)| (name.as_str(), value)));
    let mut body = String::with_capacity(task.prompt.len() + 512);
    for (index, (name, value)) in all.enumerate() {
        body.push(if index == 0 { '{' } else { ',' });
        // writing to a String cannot fail
        let _ = write!(body, "{}:{value}", Value::from(name));
    }
    body.push('}');
    body.into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn bare() -> TaskSpec {
        TaskSpec {
            model: "gpt-image-2".into(),
            prompt: "a \"fox\"\n".into(),
            size: None,
            resolution: None,
            quality: None,
            background: None,
            references: Vec::new(),
            mask: None,
            native: Map::new(),
        }
    }

    #[test]
    fn only_fields_with_a_value_are_sent() {
        assert_eq!(create_body(&bare()), r#"{"model":"gpt-image-2","prompt":"a \"fox\"\n"}"#);
    }

    #[test]
    fn fields_come_in_a_fixed_order_with_native_ones_last() {
        let mut task = bare();
        task.size = Some("16:9".into());
        task.resolution = Some(Tier::K2);
        task.quality = Some(Quality::High);
        task.background = Some(Background::Transparent);
        task.references = vec!["https://a.example/1.png".into(), "https://a.example/2.png".into()];
        task.mask = Some("https://a.example/mask.png".into());
        task.native.insert("seed".into(), json!(7));
        task.native.insert("model_params".into(), json!({"web_search": true}));
        assert_eq!(
            create_body(&task),
            concat!(
                r#"{"model":"gpt-image-2","prompt":"a \"fox\"\n","size":"16:9","resolution":"2K","quality":"high","#,
                r#""background":"transparent","image_urls":["https://a.example/1.png","https://a.example/2.png"],"#,
                r#""mask_url":"https://a.example/mask.png","model_params":{"web_search":true},"seed":7}"#
            )
        );
    }

    #[test]
    fn native_parameters_cannot_replace_the_gateways_own() {
        let mut task = bare();
        for name in OWN_FIELDS {
            task.native.insert(name.into(), json!("smuggled"));
        }
        assert_eq!(create_body(&task), create_body(&bare()));
    }
}
