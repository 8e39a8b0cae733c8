//! Server-sent events of an image request, as pieces of text with the picture's bytes left between them.
//!
//! Each event is an `event:` line, one `data:` line whose `type` repeats the name, and a blank line: the only form that
//! every version of OpenAI's SDKs reads. JSON never holds a raw line break, so neither does the data.

use serde::Serialize;

use super::error::Error;
use super::response::{Answer, Content, Part, UsageBody, json};
use crate::fault::Fault;

/// A comment that says no more than that the connection lives. Clients skip it.
pub const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// Which call a stream answers: its event is named after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    Generation,
    Edit,
}

impl StreamKind {
    /// The name of the event with the picture.
    pub const fn completed(self) -> &'static str {
        match self {
            Self::Generation => "image_generation.completed",
            Self::Edit => "image_edit.completed",
        }
    }
}

/// A comment with upstream's progress, 0 to 100.
pub fn progress_comment(percent: u8) -> String {
    format!(": progress {percent}\n\n")
}

impl Answer {
    /// The event that ends a stream: the first picture and what is told of it. Empty without a picture.
    pub fn completed_event(&self, kind: StreamKind) -> Vec<Part> {
        let Some(image) = self.images.first() else { return Vec::new() };
        let name = kind.completed();
        let mut text = format!("event: {name}\ndata: {{\"type\":\"{name}\",");
        let mut parts = Vec::with_capacity(3);
        match &image.content {
            Content::Url(url) => {
                text.push_str("\"url\":");
                text.push_str(&json(url));
            }
            Content::Base64(picture) => {
                text.push_str("\"b64_json\":\"");
                parts.push(Part::Text(std::mem::take(&mut text).into()));
                parts.push(Part::Base64(picture.clone()));
                text.push('"');
            }
        }
        text.push(',');
        // The members after the picture, without their opening brace.
        text.push_str(json(&self.completed()).trim_start_matches('{'));
        text.push_str("\n\n");
        parts.push(Part::Text(text.into()));
        parts
    }

    fn completed(&self) -> Completed {
        Completed {
            created_at: self.created,
            size: self.size.map_or_else(|| "auto".to_owned(), |size| size.to_string()),
            quality: self.quality.name(),
            background: self.background.name(),
            output_format: self.output_format.name(),
            usage: self.usage.body(),
        }
    }
}

/// All that OpenAI's type of the event requires, beside its name and its picture.
#[derive(Serialize)]
struct Completed {
    created_at: i64,
    size: String,
    quality: &'static str,
    background: &'static str,
    output_format: &'static str,
    usage: UsageBody,
}

#[derive(Serialize)]
struct Failed<'a> {
    r#type: &'static str,
    error: Error<'a>,
}

/// The event of a failure after the head, which the SDKs raise as an error.
pub fn error_event(fault: &Fault) -> Vec<u8> {
    let failed = Failed { r#type: "error", error: Error::of(fault) };
    format!("event: error\ndata: {}\n\n", json(&failed)).into_bytes()
}

#[cfg(test)]
mod tests;
