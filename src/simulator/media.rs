//! The media host: finished pictures, drawn when first fetched, behind links that live 24 hours.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue, LOCATION, USER_AGENT};
use http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::World;
use super::answer::{
    Answer, Outcome, endless, never, page, pieces, refusal, whole, with_header, with_retry_after,
};
use super::faults::{Armed, Details, Effect, Media};
use super::latency::{number_of, random};
use super::ledger::Ledger;
use super::picture::{self, Content, Sketch};
use super::task::{Fate, Stage, Task};
use crate::image::{Format, Pixels};

/// How long a result link lives.
const LINK_LIFE: Duration = Duration::from_hours(24);
/// Bytes of drawn pictures kept for the next fetch.
const GALLERY_BYTES_MAX: usize = 64 << 20;
/// Pictures drawn at once.
const DESKS: usize = 2;
/// Different padded pictures of one size.
const PLAIN_VARIANTS: u64 = 8;
const SLOW_PICTURE: Duration = Duration::from_mins(1);
const SLOW_PIECES: usize = 20;
/// The names of HTTP libraries in a server's own make: whoever fetches pictures in a product names the product. Scripts and
/// SDK users who open a link they were given are let in.
const LIBRARIES: [&str; 4] = ["reqwest/", "hyper/", "go-http-client", "java/"];

/// Drawn pictures, the last ones used.
#[derive(Debug)]
pub(super) struct Gallery {
    shown: Mutex<Shown>,
    desks: Semaphore,
}

#[derive(Debug, Default)]
struct Shown {
    pictures: HashMap<Name, Bytes>,
    order: VecDeque<Name>,
    bytes: usize,
}

/// What makes two pictures the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Drawn(Arc<str>, u32, Format),
    Plain(Pixels, Format, bool, u64),
}

impl Default for Gallery {
    fn default() -> Self {
        Self { shown: Mutex::default(), desks: Semaphore::new(DESKS) }
    }
}

impl Gallery {
    fn find(&self, name: &Name) -> Option<Bytes> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).pictures.get(name).cloned()
    }

    fn keep(&self, name: Name, picture: Bytes) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.bytes += picture.len();
        if shown.pictures.insert(name.clone(), picture).is_none() {
            shown.order.push_back(name);
        }
        while shown.bytes > GALLERY_BYTES_MAX {
            let Some(gone) = shown.order.pop_front().and_then(|name| shown.pictures.remove(&name)) else {
                break;
            };
            shown.bytes = shown.bytes.saturating_sub(gone.len());
        }
    }

    /// The picture, drawn now if it is not at hand.
    async fn picture(&self, name: Name, sketch: Sketch) -> Result<Bytes, String> {
        if let Some(picture) = self.find(&name) {
            return Ok(picture);
        }
        let _desk = self.desks.acquire().await.map_err(|error| error.to_string())?;
        if let Some(picture) = self.find(&name) {
            return Ok(picture);
        }
        let drawn = tokio::task::spawn_blocking(move || picture::draw(&sketch)).await;
        let drawn = drawn.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let picture = Bytes::from(drawn);
        self.keep(name, picture.clone());
        Ok(picture)
    }
}

/// Refuses what a media host refuses: a key (also a leak), and the user agents of bare libraries.
pub(super) fn turned_away(world: &World, headers: &HeaderMap, path: &str) -> Option<Answer> {
    if headers.contains_key(AUTHORIZATION) {
        tracing::warn!(path, "a request to the simulator's media host carried an Authorization header");
        world.ledger().leaked(path);
        return Some(refusal(StatusCode::BAD_REQUEST, "invalid_request", "Only one auth mechanism allowed"));
    }
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    if agent.is_empty() || LIBRARIES.iter().any(|library| agent.starts_with(library)) {
        world.ledger().totals.media_refused += 1;
        let text = "<html><head><title>Access denied</title></head><body>error code: 1010</body></html>";
        return Some(whole(StatusCode::FORBIDDEN, "text/html", text));
    }
    None
}

/// What a fetch asks for.
struct Found {
    name: Name,
    sketch: Sketch,
    media_type: &'static str,
    fault: Option<(Media, Details)>,
}

/// `GET /media/{task}/{index}.{ext}`.
pub(super) async fn picture(world: &World, headers: &HeaderMap, path: &str) -> Outcome {
    if let Some(answer) = turned_away(world, headers, path) {
        return Ok(answer);
    }
    let found = find(&mut world.ledger(), path, world.options.picture_bytes);
    let Found { name, sketch, media_type, fault } = match found {
        Ok(found) => found,
        Err(status) => return Ok(page(status)),
    };
    let picture = match world.gallery.picture(name, sketch).await {
        Ok(picture) => picture,
        Err(reason) => {
            tracing::error!(reason, "the simulator could not draw a picture");
            return Ok(page(StatusCode::INTERNAL_SERVER_ERROR));
        }
    };
    match fault {
        None => Ok(whole(StatusCode::OK, media_type, picture)),
        Some((fault, details)) => spoiled(fault, &details, media_type, picture).await,
    }
}

fn find(ledger: &mut Ledger, path: &str, bytes: Option<usize>) -> Result<Found, StatusCode> {
    let now = Instant::now();
    let (id, file) = path.split_once('/').ok_or(StatusCode::NOT_FOUND)?;
    let index =
        file.split_once('.').and_then(|(index, _)| index.parse().ok()).ok_or(StatusCode::NOT_FOUND)?;
    let Ledger { tasks, scripts, totals, .. } = ledger;
    let task = tasks.get_mut(id).ok_or(StatusCode::NOT_FOUND)?;
    let finished = task.stage(now) == Stage::Ended && task.fate == Fate::Completed;
    if !finished || index >= task.pictures {
        return Err(StatusCode::NOT_FOUND);
    }
    if now > task.ends + LINK_LIFE {
        return Err(StatusCode::GONE);
    }
    task.media_fetches += 1;
    totals.media_fetches += 1;
    let pick = |effect: &Effect| if let Effect::Media(media) = effect { Some(*media) } else { None };
    let prompt = task.order.prompt.as_str();
    let fault = Armed::take(&mut task.faults, prompt, pick).or_else(|| Armed::take(scripts, prompt, pick));
    let format = match fault {
        Some((Media::Jpeg, _)) => Format::Jpeg,
        Some((Media::Webp, _)) => Format::Webp,
        _ => task.order.format,
    };
    let (name, sketch) = sketched(task, index, format, bytes);
    Ok(Found { name, sketch, media_type: task.order.format.media_type(), fault })
}

fn sketched(task: &Task, index: u32, format: Format, bytes: Option<usize>) -> (Name, Sketch) {
    let order = &task.order;
    let (pixels, transparent) = (order.pixels, order.transparent);
    let own = random(number_of(&task.id), u64::from(index));
    if let Some(bytes) = bytes {
        let seed = own % PLAIN_VARIANTS;
        let name = Name::Plain(pixels, format, transparent, seed);
        return (name, Sketch { pixels, format, transparent, seed, content: Content::Plain { bytes } });
    }
    let footer = format!("{pixels} {} {}", order.quality, task.id);
    let seed = own ^ number_of(&order.prompt);
    let content = Content::Words { words: order.prompt.clone(), footer };
    (Name::Drawn(task.id.clone(), index, format), Sketch { pixels, format, transparent, seed, content })
}

async fn spoiled(fault: Media, details: &Details, media_type: &'static str, picture: Bytes) -> Outcome {
    let mut answer = whole(StatusCode::OK, media_type, Bytes::new());
    match fault {
        Media::Status(status) => answer = page(status),
        Media::Html => answer = page(StatusCode::OK),
        Media::Hang => return never().await,
        Media::Empty => {}
        Media::Redirect => {
            *answer.status_mut() = StatusCode::FOUND;
            answer = with_header(answer, LOCATION, "http://169.254.169.254/latest/meta-data/");
        }
        Media::Truncated => {
            answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(picture.len()));
            *answer.body_mut() = pieces(vec![picture.slice(..picture.len() / 2)], Duration::ZERO, true);
        }
        Media::Slow => {
            answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(picture.len()));
            let step = picture.len().div_ceil(SLOW_PIECES).max(1);
            let starts = (0..picture.len()).step_by(step);
            let parts: Vec<Bytes> =
                starts.map(|start| picture.slice(start..(start + step).min(picture.len()))).collect();
            let pause =
                details.after.unwrap_or(SLOW_PICTURE) / u32::try_from(parts.len().max(1)).unwrap_or(1);
            *answer.body_mut() = pieces(parts, pause, false);
        }
        Media::Endless => *answer.body_mut() = endless(picture),
        Media::NoLength => *answer.body_mut() = pieces(vec![picture], Duration::ZERO, false),
        Media::Jpeg | Media::Webp => {
            answer = whole(StatusCode::OK, media_type, picture);
        }
    }
    Ok(with_retry_after(answer, details.retry_after))
}
