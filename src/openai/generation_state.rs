//! A generation that is asked for by its id, as JSON: where it stands, or that it is no longer there.

use serde::Serialize;

use super::response::json;

/// What every object of this kind says it is.
const OBJECT: &str = "image.generation";

/// Where a generation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationState {
    /// `gen_…`
    pub id: String,
    /// When it was asked for, in seconds of Unix time.
    pub created: i64,
    /// `queued`, `running`, `in_doubt`, `done` or `failed`.
    pub state: &'static str,
    /// 0 to 100.
    pub progress: u8,
    /// While it is queued: how many images come before its first.
    pub position: Option<usize>,
}

#[derive(Serialize)]
struct Standing<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    state: &'static str,
    progress: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
}

#[derive(Serialize)]
struct Deletion<'a> {
    id: &'a str,
    object: &'static str,
    deleted: bool,
}

impl GenerationState {
    /// `{"id","object":"image.generation","created","state","progress"}`, and `"position"` while it is queued.
    pub fn body(&self) -> Vec<u8> {
        let Self { id, created, state, progress, position } = self;
        let (created, progress, position) = (*created, *progress, *position);
        json(&Standing { id, object: OBJECT, created, state, progress, position }).into_bytes()
    }
}

/// `{"id","object":"image.generation","deleted":true}`
pub fn deletion_body(id: &str) -> Vec<u8> {
    json(&Deletion { id, object: OBJECT, deleted: true }).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_under_way_says_where_it_stands() {
        let id = || "gen_1".to_owned();
        let state = GenerationState { id: id(), created: 7, state: "running", progress: 40, position: None };
        insta::assert_snapshot!(
            String::from_utf8(state.body()).unwrap(),
            @r#"{"id":"gen_1","object":"image.generation","created":7,"state":"running","progress":40}"#
        );
        let state =
            GenerationState { id: id(), created: 7, state: "queued", progress: 0, position: Some(12) };
        insta::assert_snapshot!(
            String::from_utf8(state.body()).unwrap(),
            @r#"{"id":"gen_1","object":"image.generation","created":7,"state":"queued","progress":0,"position":12}"#
        );
    }

    #[test]
    fn a_deleted_generation_says_so_in_openais_form() {
        insta::assert_snapshot!(
            String::from_utf8(deletion_body("gen_1")).unwrap(),
            @r#"{"id":"gen_1","object":"image.generation","deleted":true}"#
        );
    }
}
