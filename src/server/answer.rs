//! The answer with the pictures: converted to the asked form, described, and streamed out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::join_all;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use tokio::time::Instant;

mod body;
pub(super) mod head;
pub(super) mod timing;

pub(super) use body::AnswerBody;

use super::gateway::Gateway;
use super::wait::Wait;
use super::waiting_room::Place;
use crate::fault::{Fault, FaultKind};
use crate::generation::{Delivered, Finished, Waiter};
use crate::image::{Delivery, Format, Pixels, Plan};
use crate::media::{ConvertError, Held, Picture, StoredPicture};
use crate::openai::{Answer, AnswerImage, Content, ImageFault, Part, StreamKind, Usage};

/// Headers of most answers, those of the layers included: their table need not grow.
const HEADERS_USUAL: usize = 24;

/// A finished generation with its pictures.
pub(super) struct Made {
    pub(super) finished: Arc<Finished>,
    pub(super) pictures: Arc<Delivered>,
    /// In the order of their index, as far as the answer wants to know: what own links can lead to.
    pub(super) stored: Vec<Option<StoredPicture>>,
}

/// An answer ready to be sent.
pub(super) struct Composed {
    answer: Answer,
    made: Made,
    /// Those in the answer, held until it is out.
    pictures: Vec<Held>,
    encode: Duration,
    /// False when a picture that was paid for is missing: a repetition of the request may fetch it.
    whole: bool,
}

/// How an answer with pictures is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// As OpenAI's JSON object.
    Json,
    /// As the last event of a stream.
    Event(StreamKind),
}

/// Brings the pictures into the form this client asked for; other clients of the generation may have asked for another.
///
/// # Errors
/// `Internal` when no picture could be converted.
pub(super) async fn compose(
    gateway: &Gateway,
    plan: &Plan,
    made: Made,
    link_base: &str,
) -> Result<Composed, Fault> {
    let began = Instant::now();
    let images = made.pictures.images.iter().zip(&made.finished.images);
    let images = images.zip(0..).map(async |((picture, image), index)| {
        let picture = picture.as_ref().map_err(Clone::clone)?;
        if plan.delivery == Delivery::Base64 {
            return encoded(gateway, plan, picture).await;
        }
        if let Some(Some(stored)) = made.stored.get::<usize>(index)
            && let Some(linked) = linked(gateway, plan, stored, link_base)
        {
            return Ok(linked);
        }
        let link = image.as_ref().map(|image| image.link.as_str()).unwrap_or_default();
        linked_upstream(picture, link)
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
    let mut pictures = Vec::with_capacity(made.pictures.images.len());
    let mut first_fault = None;
    let mut whole = true;
    for (index, image) in (0..).zip(join_all(images).await) {
        match image {
            Ok(Handed { content, pixels, format, picture }) => {
                // The first picture's, as it is handed over.
                if answer.size.is_none() {
                    (answer.size, answer.output_format) = (Some(pixels), format);
                }
                answer.images.push(AnswerImage { content });
                pictures.extend(picture);
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
            Ok(Composed { answer, made, pictures, encode: began.elapsed(), whole })
        }
    }
}

/// One picture as the client gets it.
struct Handed {
    content: Content,
    pixels: Pixels,
    format: Format,
    /// Where its bytes are sent.
    picture: Option<Held>,
}

async fn encoded(gateway: &Gateway, plan: &Plan, picture: &Held) -> Result<Handed, Fault> {
    let formed = gateway.memory.formed(picture, plan.form, &gateway.converter).await;
    let picture = formed.map_err(|error| unconvertible(&error))?;
    let content = Content::Base64(picture.bytes().clone());
    Ok(Handed { content, pixels: picture.pixels(), format: picture.format(), picture: Some(picture) })
}

/// By an own link, which leads to the picture in the asked form.
fn linked(gateway: &Gateway, plan: &Plan, stored: &StoredPicture, link_base: &str) -> Option<Handed> {
    let own = gateway.own_links.as_ref()?;
    let (linked, url) = own.link(stored, plan.form, link_base, gateway.clock.unix());
    let (pixels, format) = (linked.pixels(stored.pixels), linked.form.format);
    Some(Handed { content: Content::Url(url), pixels, format, picture: None })
}

/// By Evolink's link, which leads to what the model made, whatever form was asked for.
fn linked_upstream(picture: &Picture, link: &str) -> Result<Handed, Fault> {
    if link.is_empty() {
        let message =
            "The picture was made, but upstream gave no link to it. Ask with response_format b64_json.";
        return Err(Fault::new(FaultKind::ResultUnavailable, message));
    }
    let content = Content::Url(link.to_owned());
    Ok(Handed { content, pixels: picture.pixels(), format: picture.format(), picture: None })
}

pub(super) fn unconvertible(error: &ConvertError) -> Fault {
    Fault::new(FaultKind::Internal, "The picture was made, but could not be brought into the asked form.")
        .with_cause(error)
}

impl Composed {
    /// The body; the waiter leaves when its last byte is handed over, or when the client does.
    pub(super) fn into_body(self, writing: Writing, waiter: Waiter, place: Place) -> AnswerBody {
        let Self { answer, pictures, whole, .. } = self;
        let parts = || match writing {
            Writing::Json => answer.parts(),
            Writing::Event(kind) => answer.completed_event(kind),
        };
        let ready = match (pictures.as_slice(), answer.around()) {
            ([picture], Some(around)) => picture.between((writing, around), || texts(parts())),
            _ => None,
        };
        let parts = ready.map_or_else(parts, |ready| vec![Part::Text(ready)]);
        AnswerBody::with_pictures(parts, pictures, whole, waiter, place)
    }
}

/// The texts around the only picture.
fn texts(parts: Vec<Part>) -> Option<(Bytes, Bytes)> {
    match <[Part; 3]>::try_from(parts) {
        Ok([Part::Text(before), Part::Base64(_), Part::Text(after)]) => Some((before, after)),
        _ => None,
    }
}

/// The whole answer, with all that is known at its end in its head.
pub(super) fn respond(composed: Composed, wait: Wait) -> Response {
    let Wait { waiter, access, before, place, .. } = wait;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.reserve(HEADERS_USUAL);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head::name_to(headers, waiter.generation(), access);
    head::tell_access(headers, access);
    head::tell_cost(headers, &composed.made.finished, access);
    timing::tell(headers, before, &composed.made, composed.encode, access);
    head::tell_partial(headers, &composed.answer, access);
    let body = composed.into_body(Writing::Json, waiter, place);
    response.map(|_empty| Body::new(body))
}
