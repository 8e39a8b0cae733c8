use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fault::FaultKind;
use crate::openai::response::samples::{answer, written};

/// One event as a client sees it.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    data: Vec<String>,
}

/// Reads server-sent events as the HTML standard says (section 9.2.6), fed piece by piece. An event without its blank
/// line is lost.
#[derive(Default)]
struct Reader {
    line: Vec<u8>,
    name: String,
    data: Vec<String>,
    events: Vec<Event>,
    comments: Vec<String>,
}

impl Reader {
    fn read(&mut self, piece: &[u8]) {
        for byte in piece {
            if *byte == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                self.take(&line);
            } else {
                self.line.push(*byte);
            }
        }
    }

    fn take(&mut self, line: &str) {
        assert!(!line.contains('\r'), "a carriage return ends a line, too: {line}");
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            if !data.is_empty() {
                self.events.push(Event { name, data });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "" => self.comments.push(value),
            "event" => self.name = value,
            "data" => self.data.push(value),
            other => panic!("a field that some SDK cannot bear: {other}"),
        }
    }
}

#[test]
fn the_last_event_is_openais() {
    let told = written(
        answer(vec![Content::Base64(Bytes::from_static(b"picture"))]).completed_event(StreamKind::Generation),
    );
    insta::assert_snapshot!(told, @r#"
    event: image_generation.completed
    data: {"type":"image_generation.completed","b64_json":"cGljdHVyZQ==","created_at":1790000000,"size":"1024x1024","quality":"medium","background":"opaque","output_format":"png","usage":{"input_tokens":12,"input_tokens_details":{"image_tokens":7,"text_tokens":5},"output_tokens":1756,"total_tokens":1768}}
    "#);
    assert!(told.ends_with("}\n\n"));
}

#[test]
fn the_event_of_an_edit_is_named_after_it() {
    let told = written(answer(vec![Content::Base64(Bytes::new())]).completed_event(StreamKind::Edit));
    assert!(
        told.starts_with("event: image_edit.completed\ndata: {\"type\":\"image_edit.completed\","),
        "{told}"
    );
}

#[test]
fn a_picture_is_handed_on_without_a_copy() {
    let picture = Bytes::from(vec![7; 1024]);
    let parts = answer(vec![Content::Base64(picture.clone())]).completed_event(StreamKind::Edit);
    let Part::Base64(handed) = &parts[1] else { panic!("{parts:?}") };
    assert_eq!(handed.as_ptr(), picture.as_ptr());
}

#[test]
fn comments_are_blocks_of_their_own() {
    let mut reader = Reader::default();
    reader.read(KEEP_ALIVE.as_bytes());
    reader.read(progress_comment(40).as_bytes());
    assert_eq!(reader.comments, ["keep-alive", "progress 40"]);
    assert_eq!(reader.events, []);
    assert_eq!(KEEP_ALIVE, ": keep-alive\n\n");
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        any::<String>().prop_map(Content::Url),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Content::Base64(bytes.into())),
    ]
}

/// The event's data, read from the text cut into pieces of these lengths.
fn read_in_pieces(told: &str, lengths: &[usize]) -> (String, Value) {
    let mut reader = Reader::default();
    let mut rest = told.as_bytes();
    for length in lengths.iter().cycle() {
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        reader.read(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(reader.events.len(), 1, "{told}");
    let Event { name, data } = reader.events.remove(0);
    assert_eq!(data.len(), 1, "one data line: {told}");
    (name, serde_json::from_str(&data[0]).unwrap())
}

proptest! {
    #[test]
    fn any_picture_is_read_back_however_the_text_is_cut(
        content in content(), lengths in prop::collection::vec(1..40_usize, 1..10), created in any::<i64>(),
    ) {
        let mut answer = answer(vec![content.clone()]);
        answer.created = created;
        let told = written(answer.completed_event(StreamKind::Generation));
        prop_assert!(told.ends_with("\n\n"));
        let (name, mut data) = read_in_pieces(&told, &lengths);
        prop_assert_eq!(&name, "image_generation.completed");
        prop_assert_eq!(&data["type"], &json!(name));
        prop_assert_eq!(&data["created_at"], &json!(created));
        let members = data.as_object_mut().unwrap();
        match content {
            Content::Url(url) => prop_assert_eq!(members.remove("url"), Some(json!(url))),
            Content::Base64(bytes) => {
                let text = members.remove("b64_json").unwrap();
                let read = base64_simd::STANDARD.decode_to_vec(text.as_str().unwrap()).unwrap();
                prop_assert_eq!(read, bytes.to_vec());
            }
        }
        let mut names: Vec<_> = members.keys().map(String::as_str).collect();
        names.sort_unstable();
        prop_assert_eq!(
            names, ["background", "created_at", "output_format", "quality", "size", "type", "usage"]
        );
    }

    #[test]
    fn any_failure_is_one_event_that_every_sdk_raises(
        message in any::<String>(), param in prop::option::of(any::<String>()), length in 1..50_usize,
    ) {
        let mut fault = Fault::new(FaultKind::TaskFailed, message.clone()).with_code("service_error");
        if let Some(param) = &param {
            fault = fault.with_param(param.clone());
        }
        let told = String::from_utf8(error_event(&fault)).unwrap();
        prop_assert!(told.ends_with("\n\n"));
        let (name, data) = read_in_pieces(&told, &[length]);
        prop_assert_eq!(name, "error");
        let error = json!({
            "message": message, "type": "upstream_error", "param": param, "code": "service_error"
        });
        prop_assert_eq!(data, json!({"type": "error", "error": error}));
    }
}
