//! The answer to an image request, as pieces of JSON text with the pictures' bytes left between them.
//!
//! A picture is base64-encoded only while it is written out, so an answer costs its pictures once, not 2.33 times.

use bytes::Bytes;
use serde::Serialize;

use super::error::Error;
use crate::fault::Fault;
use crate::image::{Background, Format, Pixels, Quality, TokenEstimate};

/// Room for what stands around the pictures of most answers.
const JSON_CAPACITY: usize = 512;

/// What is told of a finished generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Unix seconds.
    pub created: i64,
    pub images: Vec<AnswerImage>,
    /// The images that could not be made; empty when all were.
    pub errors: Vec<ImageFault>,
    /// Of the pictures as handed over.
    pub size: Option<Pixels>,
    /// Effective values, as are the next two. `auto` is left out: the model has no qualities, or chose by itself.
    pub quality: Quality,
    pub background: Background,
    pub output_format: Format,
    pub usage: Usage,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AnswerImage {
    pub content: Content,
}

/// One picture as the client wants it.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The picture's bytes, still to be encoded.
    Base64(Bytes),
    Url(String),
}

/// One image that failed for good beside others that were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageFault {
    /// From 0, in the order of the images asked for.
    pub index: u32,
    pub code: String,
    pub message: String,
}

/// Tokens used by the whole request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub input_text: u64,
    pub input_image: u64,
    pub output: u64,
}

impl Usage {
    /// What `images` tasks are expected to have used. Input counts once per image, as upstream charges it.
    pub const fn estimated(tokens: TokenEstimate, images: u64) -> Self {
        Self {
            input_text: tokens.input_text.saturating_mul(images),
            input_image: tokens.input_image.saturating_mul(images),
            output: tokens.output.saturating_mul(images),
        }
    }

    /// As it stands in a stream's event.
    pub(super) const fn body(self) -> UsageBody {
        let Self { input_text, input_image, output } = self;
        UsageBody {
            input_tokens: input_text + input_image,
            input_tokens_details: Details { image_tokens: input_image, text_tokens: input_text },
            output_tokens: output,
            output_tokens_details: None,
            total_tokens: input_text + input_image + output,
        }
    }
}

/// All that an answer says around its only picture in base64: around the same, it is the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    created: i64,
    size: Option<Pixels>,
    quality: Quality,
    background: Background,
    output_format: Format,
    usage: Usage,
}

/// A piece of an answer: text as it stands, or bytes to be written in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(Bytes),
    Base64(Bytes),
}

impl Answer {
    /// What stands around the picture; none unless there is one in base64, and nothing else to tell.
    pub fn around(&self) -> Option<Around> {
        let Self { created, size, quality, background, output_format, usage, images, errors } = self;
        match images.as_slice() {
            [AnswerImage { content: Content::Base64(_) }] if errors.is_empty() => Some(Around {
                created: *created,
                size: *size,
                quality: *quality,
                background: *background,
                output_format: *output_format,
                usage: *usage,
            }),
            _ => None,
        }
    }

    /// The pieces that, written one after the other, are the JSON object.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::with_capacity(self.images.len() * 2 + 1);
        let mut text = format!("{{\"created\":{},\"data\":[", self.created);
        for (index, image) in self.images.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            match &image.content {
                Content::Url(url) => {
                    text.push_str("{\"url\":");
                    text.push_str(&json(url));
                    text.push('}');
                }
                Content::Base64(picture) => {
                    text.push_str("{\"b64_json\":\"");
                    parts.push(Part::Text(std::mem::take(&mut text).into()));
                    parts.push(Part::Base64(picture.clone()));
                    text.push_str("\"}");
                }
            }
        }
        text.push_str("],");
        // The members after `data`, without their opening brace.
        text.push_str(json(&self.rest()).trim_start_matches('{'));
        parts.push(Part::Text(text.into()));
        parts
    }

    fn rest(&self) -> Rest<'_> {
        Rest {
            background: self.background.name(),
            output_format: self.output_format.name(),
            quality: (self.quality != Quality::Auto).then(|| self.quality.name()),
            size: self.size.map(|size| size.to_string()),
            usage: UsageBody {
                output_tokens_details: Some(Details { image_tokens: self.usage.output, text_tokens: 0 }),
                ..self.usage.body()
            },
            errors: &self.errors,
        }
    }
}

#[derive(Serialize)]
struct Rest<'a> {
    background: &'static str,
    output_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    usage: UsageBody,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ImageFault],
}

/// The details of the input are always there: typed clients index into them. Those of the output are, but in streams.
#[derive(Serialize)]
pub(super) struct UsageBody {
    input_tokens: u64,
    input_tokens_details: Details,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
    total_tokens: u64,
}

#[derive(Serialize)]
struct Details {
    image_tokens: u64,
    text_tokens: u64,
}

#[derive(Serialize)]
struct Late<'a> {
    created: i64,
    data: [(); 0],
    error: Error<'a>,
}

/// The failure of an answer whose head, a 200, is out already: a list without pictures, and the error beside it.
/// Clients that look at `data` only find nothing in it.
pub fn late_failure_body(created: i64, fault: &Fault) -> Vec<u8> {
    json(&Late { created, data: [], error: Error::of(fault) }).into_bytes()
}

/// Plain structs of strings and numbers always serialize.
pub(super) fn json(value: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(JSON_CAPACITY);
    let written = serde_json::to_writer(&mut text, value);
    written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default()
}

/// An answer, and how a client reads one; for the tests of every way to write it.
#[cfg(test)]
pub(super) mod samples {
    use super::*;

    pub(in crate::openai) fn answer(images: Vec<Content>) -> Answer {
        Answer {
            created: 1_790_000_000,
            images: images.into_iter().map(|content| AnswerImage { content }).collect(),
            errors: Vec::new(),
            size: Some(Pixels::new(1024, 1024)),
            quality: Quality::Medium,
            background: Background::Opaque,
            output_format: Format::Png,
            usage: Usage { input_text: 5, input_image: 7, output: 1756 },
        }
    }

    pub(in crate::openai) fn written(parts: Vec<Part>) -> String {
        let text = |part: Part| match part {
            Part::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Part::Base64(bytes) => base64_simd::STANDARD.encode_to_string(&bytes),
        };
        parts.into_iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::samples::{answer, written};
    use super::*;

    fn read(answer: &Answer) -> Value {
        serde_json::from_str(&written(answer.parts())).unwrap()
    }

    #[test]
    fn what_stands_around_a_picture_decides_the_text_around_it() {
        let picture = Content::Base64(Bytes::from_static(b"picture"));
        let one = answer(vec![picture.clone()]);
        let with = |change: fn(&mut Answer)| {
            let mut other = one.clone();
            change(&mut other);
            other
        };
        assert_eq!(
            with(|other| other.images[0] = AnswerImage { content: Content::Base64(Bytes::new()) }).around(),
            one.around()
        );
        for other in [
            with(|other| other.created += 1),
            with(|other| other.size = None),
            with(|other| other.quality = Quality::High),
            with(|other| other.background = Background::Transparent),
            with(|other| other.output_format = Format::Webp),
            with(|other| other.usage.output += 1),
        ] {
            assert_ne!(other.around(), one.around());
            assert_ne!(other.parts(), one.parts());
        }
        let fault = ImageFault { index: 1, code: String::new(), message: String::new() };
        let more = [
            answer(Vec::new()),
            answer(vec![picture.clone(), picture.clone()]),
            answer(vec![Content::Url(String::new())]),
            Answer { errors: vec![fault], ..one },
        ];
        assert!(more.iter().all(|other| other.around().is_none()));
    }

    #[test]
    fn a_quality_that_nobody_chose_is_left_out() {
        let body = read(&Answer { quality: Quality::Auto, ..answer(Vec::new()) });
        assert_eq!((body.get("quality"), &body["background"]), (None, &json!("opaque")));
    }

    #[test]
    fn an_answer_is_openais_object_with_effective_values_and_usage() {
        insta::assert_snapshot!(
            written(answer(vec![Content::Base64(Bytes::from_static(b"picture"))]).parts()),
            @r#"{"created":1790000000,"data":[{"b64_json":"cGljdHVyZQ=="}],"background":"opaque","output_format":"png","quality":"medium","size":"1024x1024","usage":{"input_tokens":12,"input_tokens_details":{"image_tokens":7,"text_tokens":5},"output_tokens":1756,"output_tokens_details":{"image_tokens":1756,"text_tokens":0},"total_tokens":1768}}"#
        );
    }

    #[test]
    fn each_item_has_its_picture_or_its_link_never_both() {
        let url = "https://example.com/a.png?x=\"1\"";
        let images = vec![Content::Base64(Bytes::from_static(b"a")), Content::Url(url.to_owned())];
        assert_eq!(read(&answer(images))["data"], json!([{"b64_json": "YQ=="}, {"url": url}]));
    }

    #[test]
    fn pictures_are_handed_on_without_a_copy() {
        let picture = Bytes::from(vec![7; 1024]);
        let parts = answer(vec![Content::Base64(picture.clone())]).parts();
        let Part::Base64(handed) = &parts[1] else { panic!("{parts:?}") };
        assert_eq!(handed.as_ptr(), picture.as_ptr());
    }

    #[test]
    fn failed_images_are_told_only_when_there_are_some() {
        let mut partial = answer(vec![Content::Url("https://example.com/a".to_owned())]);
        assert_eq!(read(&partial).get("errors"), None);
        partial.errors.push(ImageFault {
            index: 1,
            code: "service_error".into(),
            message: "It failed.".into(),
        });
        let expected = json!([{"index": 1, "code": "service_error", "message": "It failed."}]);
        assert_eq!(read(&partial)["errors"], expected);
    }

    #[test]
    fn an_unknown_size_is_left_out() {
        let mut answer = answer(Vec::new());
        answer.size = None;
        assert_eq!(read(&answer).get("size"), None);
        assert_eq!(read(&answer)["data"], json!([]));
    }

    #[test]
    fn a_late_failure_is_an_empty_list_with_the_error_beside_it() {
        let fault = Fault::new(crate::fault::FaultKind::Deadline, "Too \"late\".");
        let told: Value = serde_json::from_slice(&late_failure_body(7, &fault)).unwrap();
        let error = json!({"message": "Too \"late\".", "type": "timeout_error", "param": null, "code": "generation_timeout"});
        assert_eq!(told, json!({"created": 7, "data": [], "error": error}));
    }

    #[test]
    fn estimated_usage_counts_the_input_once_per_image() {
        let tokens = TokenEstimate { input_text: 3, input_image: 10, output: 196 };
        assert_eq!(Usage::estimated(tokens, 4), Usage { input_text: 12, input_image: 40, output: 784 });
    }
}
