//! The answer with the pictures: converted to the asked form, described, and streamed out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use super::waiting_room::Place;
use crate::fault::{Fault, FaultKind};
use crate::generation::{Delivered, Finished, Generation, Waiter};
use crate::image::{Delivery, Pixels, Plan};
use crate::media::{ConvertError, Converter, Picture, Segment, Segments};
use crate::money::Credits;
use crate::openai::{Answer, AnswerImage, Content, ImageFault, Part, Usage};

/// A finished generation with its pictures.
pub(super) struct Made {
    pub(super) finished: Arc<Finished>,
    pub(super) pictures: Arc<Delivered>,
}

/// An answer ready to be sent.
pub(super) struct Composed {
    answer: Answer,
    made: Made,
    encode: Duration,
    /// False when a picture that was paid for is missing: a repetition of the request may fetch it.
    whole: bool,
}

/// Brings the pictures into the form this client asked for; other clients of the generation may have asked for another.
///
/// # Errors
/// `Internal` when no picture could be converted.
pub(super) async fn compose(converter: &Converter, plan: &Plan, made: Made) -> Result<Composed, Fault> {
    let began = Instant::now();
    let images = made.pictures.images.iter().zip(&made.finished.images).map(async |(picture, image)| {
        let picture = picture.as_ref().map_err(Clone::clone)?;
        let link = image.as_ref().map(|image| image.link.as_str()).unwrap_or_default();
        hand_over(converter, plan, picture, link).await
    });
    let mut answer = Answer {
        created: made.finished.created,
        images: Vec::new(),
        errors: Vec::new(),
        size: None,
        quality: plan.class.quality,
        background: plan.background,
        output_format: plan.form.format,
        usage: Usage::default(),
    };
    let mut first_fault = None;
    let mut whole = true;
    for (index, image) in (0..).zip(join_all(images).await) {
        match image {
            Ok((content, size)) => {
                answer.size.get_or_insert(size);
                answer.images.push(AnswerImage { content });
            }
            Err(fault) => {
                let (code, message) = (fault.code().to_owned(), fault.message().to_owned());
                answer.errors.push(ImageFault { index, code, message });
                whole &= fault.kind() != FaultKind::ResultUnavailable;
                first_fault.get_or_insert(fault);
            }
        }
    }
    match first_fault {
        Some(fault) if answer.images.is_empty() => Err(fault),
        _ => {
            let count = u64::try_from(answer.images.len()).unwrap_or(u64::MAX);
            answer.usage = Usage::estimated(plan.tokens, count);
            Ok(Composed { answer, made, encode: began.elapsed(), whole })
        }
    }
}

async fn hand_over(
    converter: &Converter,
    plan: &Plan,
    picture: &Picture,
    link: &str,
) -> Result<(Content, Pixels), Fault> {
    if plan.delivery == Delivery::Url {
        return Ok((Content::Url(link.to_owned()), picture.pixels()));
    }
    let picture = converter.convert(picture, plan.form).await.map_err(|error| unconvertible(&error))?;
    let pixels = picture.pixels();
    Ok((Content::Base64(picture.into_bytes()), pixels))
}

fn unconvertible(error: &ConvertError) -> Fault {
    Fault::new(FaultKind::Internal, "The picture was made, but could not be brought into the asked form.")
        .with_cause(error)
}

/// Streams the answer out; the waiter leaves when the last byte is handed over, or when the client does.
pub(super) fn respond(composed: Composed, waiter: Waiter, place: Place) -> Response {
    let Composed { answer, made, encode, whole } = composed;
    let segments = answer.parts().into_iter().map(|part| match part {
        Part::Text(text) => Segment::Text(text),
        Part::Base64(bytes) => Segment::Base64(bytes),
    });
    let segments = Segments::new(segments.collect());
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    name_generation(headers, waiter.generation());
    let credits = if waiter.joined() { Credits::ZERO } else { made.finished.credits() };
    put(headers, "x-gateway-credits", &credits.to_string());
    let collapsed = if waiter.joined() { "; collapsed" } else { "" };
    put(headers, "cache-status", &format!("evolink-gateway; fwd=bypass{collapsed}"));
    put(headers, "server-timing", &server_timing(&made, encode));
    if !answer.errors.is_empty() {
        let made = answer.images.len();
        put(headers, "x-gateway-partial", &format!("{made}/{}", made + answer.errors.len()));
    }
    let body = AnswerBody { segments, waiter: Some(waiter), whole, _pictures: made.pictures, _place: place };
    response.map(|_empty| Body::new(body))
}

/// The headers every answer carries once a generation exists.
pub(super) fn name_generation(headers: &mut HeaderMap, generation: &Generation) {
    put(headers, "x-gateway-generation-id", &generation.id().to_string());
    let tasks = generation.task_ids();
    if !tasks.is_empty() {
        let tasks: Vec<_> = tasks.iter().map(crate::evolink::TaskId::as_str).collect();
        put(headers, "x-evolink-task-ids", &tasks.join(", "));
    }
}

/// Names the parameters that had no effect, on every answer once there is a plan.
pub(super) fn name_ignored(headers: &mut HeaderMap, plan: &Plan) {
    if !plan.ignored.is_empty() {
        put(headers, "x-gateway-ignored", &plan.ignored.join(", "));
    }
}

/// What cannot stand in a header (it came from upstream or a client) is left out.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn server_timing(made: &Made, encode: Duration) -> String {
    let timing = made.finished.timing;
    let fetch = made.pictures.took;
    let steps = [
        ("queue", timing.queue),
        ("create", timing.create),
        ("wait", timing.wait),
        ("fetch", fetch),
        ("encode", encode),
    ];
    let steps = steps.map(|(name, took)| format!("{name};dur={:.1}", took.as_secs_f64() * 1000.0));
    steps.join(", ")
}

/// The body, and all that must live until it is out.
struct AnswerBody {
    segments: Segments,
    waiter: Option<Waiter>,
    whole: bool,
    _pictures: Arc<Delivered>,
    _place: Place,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.segments).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.segments.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take()
            && self.whole
            && self.segments.is_end_stream()
        {
            waiter.answered();
        }
    }
}
