//! GET /openapi.json: what the API takes and answers, put together from the tables that the code itself works by.
//!
//! Names of parameters, their choices, and failures come from those tables, so the description cannot fall behind them.
//! That its paths are the router's is held by `tests/it/openapi.rs`. Start with [`openapi_document`].

mod answers;
mod failures;
mod parameters;
mod paths;

use serde_json::{Value, json};

/// The whole document. `version` is the gateway's.
pub fn openapi_document(version: &str) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "evolink-gateway",
            "description": "OpenAI's Images API in front of Evolink's image tasks.",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": paths::all(),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A team's key, as OpenAI's SDKs send it."},
                "apiKey": {
                    "type": "apiKey", "in": "header", "name": "api-key",
                    "description": "The same key, as Azure's clients send it.",
                },
            },
            "headers": answers::headers(),
            "schemas": answers::schemas(),
        },
    })
}

/// A reference to one of the document's schemas.
fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Headers of answers to image requests, where the caller has such limits.
const OF_RATES: &[&str] = &[
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-images",
    "x-ratelimit-remaining-images",
    "x-ratelimit-reset-images",
];

/// References to the document's headers of these names.
fn headers(names: &[&str]) -> Value {
    let reference = |name: &&str| json!({"$ref": format!("#/components/headers/{name}")});
    Value::Object(names.iter().map(|name| ((*name).to_owned(), reference(name))).collect())
}

/// The object with one more member, or with another value of it.
fn with(mut object: Value, name: &str, value: &Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.insert(name.to_owned(), value.clone());
    }
    object
}

#[cfg(test)]
mod tests;
