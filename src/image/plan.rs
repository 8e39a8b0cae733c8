//! How a request will be fulfilled: which tasks upstream, and what to make of their pictures.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Background, Compression, Delivery, Format, Pixels, Quality, Reference, Tier};
use crate::money::Credits;

/// A request made definite: nothing left to decide. Made by `catalog`, run by `generation`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Sent once per image: the models' own `n` is not to be relied on.
    pub task: TaskSpec,
    /// Images wanted, 1 to 10; each is one task.
    pub count: u8,
    /// What the client gets, whatever upstream delivers.
    pub form: Form,
    pub delivery: Delivery,
    /// True when the client itself asked for `delivery`, not a default of the model or alias.
    pub delivery_explicit: bool,
    pub class: TaskClass,
    /// The picture upstream is expected to make.
    pub expected: Pixels,
    /// How long such tasks take by upstream's word, shortest and longest.
    pub typical: (Duration, Duration),
    /// The model's own limit after which a task's waiters are told, where it differs from the gateway's.
    pub task_timeout: Option<Duration>,
    /// The effective background, echoed in the answer.
    pub background: Background,
    /// Tokens the request is expected to use; for the answer where upstream does not tell.
    pub tokens: TokenEstimate,
    /// What one image is expected to cost.
    pub price: Credits,
    /// Parameters without effect, named in `x-gateway-ignored`.
    pub ignored: Vec<String>,
}

/// One upstream task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    pub model: String,
    pub prompt: String,
    /// Everything else that the model's page lists and that differs from its default, under the page's own names
    /// (`size`, `resolution`, `quality`, `background`, `seed`, `model_params`, …); sent as it is.
    pub parameters: Map<String, Value>,
    pub references: Vec<Reference>,
    pub mask: Option<Reference>,
}

/// The form a picture is handed over in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Form {
    pub format: Format,
    pub compression: Option<Compression>,
    /// Scale down (and centre-crop) to exactly this; `None` leaves the size alone.
    pub pixels: Option<Pixels>,
}

/// Tasks that take about the same time: what durations are learned by and metrics are labelled with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskClass {
    pub model: String,
    pub quality: Quality,
    pub tier: Tier,
}

/// Expected token counts of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenEstimate {
    /// The prompt's, once.
    pub input_text: u64,
    /// The reference pictures', once.
    pub input_image: u64,
    /// Of one image.
    pub output: u64,
}
