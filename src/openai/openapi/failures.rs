//! Failures by status, from the table in `fault`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{OF_RATES, headers, schema};
use crate::fault::{Fault, FaultKind};

/// Where a failure can be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// When pictures are asked for.
    Image,
    /// When a generation is looked up: its own failures, and that there is none.
    Generation,
    /// When a generation is left.
    Detach,
    Models,
    Model,
    /// When a link to a stored picture is opened.
    Link,
    /// Where Evolink calls back.
    Callback,
    /// Where no key is needed.
    Open,
}

/// Codes that every path can answer with.
const EVERYWHERE: &[&str] = &["request_timeout", "server_is_overloaded", "internal_error"];
/// Codes that stand for "there is nothing of that kind here": no described path answers with them.
const NOWHERE: &[&str] = &["unknown_url", "method_not_allowed"];
/// Codes of what is wrong with a request before a generation exists, and never with a generation.
const OF_REQUESTS: &[&str] = &[
    "model_not_found",
    "model_not_allowed",
    "unsupported_media_type",
    "invalid_json",
    "missing_required_parameter",
    "unknown_parameter",
    "unsupported_parameter",
    "request_too_large",
    "idempotency_conflict",
    "cache_miss",
    "limit_exceeded",
    "rate_limit_exceeded",
    "insufficient_quota",
];
/// Codes of links to stored pictures.
const OF_LINKS: &[&str] = &["picture_not_found", "link_expired", "picture_gone", "range_not_satisfiable"];
/// Answers of the HTTP edge to what is no request at all: status and code.
const UNREADABLE: &[(u16, &str)] =
    &[(400, "invalid_request"), (414, "uri_too_long"), (431, "headers_too_large")];

impl Met {
    fn has(self, code: &str) -> bool {
        let of_keys = code == "invalid_api_key";
        let of_generations = code == "generation_not_found";
        let of_links = OF_LINKS.contains(&code);
        EVERYWHERE.contains(&code)
            || match self {
                Self::Image => !of_generations && !of_links && !NOWHERE.contains(&code),
                Self::Generation => !OF_REQUESTS.contains(&code) && !of_links && !NOWHERE.contains(&code),
                Self::Link => of_links,
                Self::Detach => of_keys || of_generations,
                Self::Models => of_keys,
                Self::Model => of_keys || code == "model_not_found",
                Self::Callback => ["invalid_json", "request_too_large"].contains(&code),
                Self::Open => false,
            }
    }
}

/// Everything that is told of the failures with one status.
#[derive(Default)]
struct Group {
    codes: BTreeSet<String>,
    types: BTreeSet<&'static str>,
    /// Whether the code may also be one of Evolink's.
    open: bool,
    repeatable: BTreeSet<String>,
}

/// The failed answers of an operation, by status.
pub(super) fn responses(met: Met) -> Map<String, Value> {
    let mut groups: BTreeMap<u16, Group> = BTreeMap::new();
    for kind in FaultKind::ALL {
        let fault = Fault::new(kind, "");
        if !met.has(fault.code()) {
            continue;
        }
        let group = groups.entry(fault.status()).or_default();
        group.codes.insert(fault.code().to_owned());
        group.types.insert(fault.error_type());
        group.open |= kind == FaultKind::TaskFailed;
        if fault.should_retry() {
            group.repeatable.insert(fault.code().to_owned());
        }
    }
    for (status, code) in UNREADABLE {
        let group = groups.entry(*status).or_default();
        group.codes.insert((*code).to_owned());
        group.types.insert("invalid_request_error");
    }
    groups.into_iter().map(|(status, group)| (status.to_string(), response(&group, met))).collect()
}

fn response(group: &Group, met: Met) -> Value {
    let list = |codes: &BTreeSet<String>| codes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut description = list(&group.codes);
    if group.open {
        description.push_str(", or the code of the failed task");
    }
    if !group.repeatable.is_empty() {
        description.push_str(". May be repeated: ");
        description.push_str(&list(&group.repeatable));
    }
    let code = if group.open { json!({"type": "string"}) } else { json!({"enum": group.codes}) };
    let narrowed = json!({"type": {"enum": group.types}, "code": code});
    let rates = if met == Met::Image { OF_RATES } else { &[] };
    let names = ["x-request-id", "x-should-retry", "retry-after"].iter().chain(rates);
    let names: Vec<_> = names.copied().collect();
    json!({
        "description": description,
        "headers": headers(&names),
        "content": {"application/json": {"schema": {
            "allOf": [schema("Error"), {"properties": {"error": {"properties": narrowed}}}],
        }}},
    })
}

/// All codes and types that an error object may have, for its schema.
pub(super) fn types() -> BTreeSet<&'static str> {
    FaultKind::ALL.into_iter().map(|kind| Fault::new(kind, "").error_type()).collect()
}
