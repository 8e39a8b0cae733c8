//! How a request will be fulfilled: which tasks upstream, and what to make of their pictures.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Background, Compression, Delivery, Fingerprint, Format, Pixels, Quality, Reference, Tier};
use crate::money::Credits;

/// A request made definite: nothing left to decide. Made by `catalog`, run by `generation`.
///
/// Plans are kept across restarts and versions in their serde form: a field that is added takes `#[serde(default)]`, and
/// none changes its meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    #[serde(with = "millis::pair")]
    pub typical: (Duration, Duration),
    /// The model's own limit after which a task's waiters are told, where it differs from the gateway's.
    #[serde(with = "millis::option", default)]
    pub task_timeout: Option<Duration>,
    /// The effective background, echoed in the answer.
    pub background: Background,
    /// Tokens the request is expected to use; for the answer where upstream does not tell.
    pub tokens: TokenEstimate,
    /// What one image is expected to cost.
    pub price: Credits,
    /// Parameters without effect, named in `x-gateway-ignored`.
    pub ignored: Vec<String>,
    /// The task's parameters where another spelling means the same (a size in pixels for a ratio and a tier): by these
    /// it is recognised. Not kept, as a generation's fingerprint is.
    #[serde(skip)]
    pub respelled: Option<Map<String, Value>>,
}

impl Plan {
    /// What makes two plans the same, however their requests were spelled.
    pub fn fingerprint(&self) -> Fingerprint {
        match &self.respelled {
            None => Fingerprint::of(&self.task, self.count),
            Some(parameters) => {
                let task = TaskSpec { parameters: parameters.clone(), ..self.task.clone() };
                Fingerprint::of(&task, self.count)
            }
        }
    }
}

/// One upstream task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Form {
    pub format: Format,
    pub compression: Option<Compression>,
    /// Scale down (and centre-crop) to exactly this; `None` leaves the size alone.
    pub pixels: Option<Pixels>,
}

/// Tasks that take about the same time: what durations are learned by and metrics are labelled with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaskClass {
    pub model: String,
    pub quality: Quality,
    pub tier: Tier,
}

/// Expected token counts of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEstimate {
    /// The prompt's, once.
    pub input_text: u64,
    /// The reference pictures', once.
    pub input_image: u64,
    /// Of one image.
    pub output: u64,
}

/// Durations are kept in whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    fn of(time: Duration) -> u64 {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) mod pair {
        use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, of};

        pub(in super::super) fn serialize<S: Serializer>(
            (shortest, longest): &(Duration, Duration),
            to: S,
        ) -> Result<S::Ok, S::Error> {
            (of(*shortest), of(*longest)).serialize(to)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<(Duration, Duration), D::Error> {
            let (shortest, longest) = <(u64, u64)>::deserialize(from)?;
            Ok((Duration::from_millis(shortest), Duration::from_millis(longest)))
        }
    }

    pub(super) mod option {
        use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, of};

        #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
        pub(in super::super) fn serialize<S: Serializer>(
            time: &Option<Duration>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            time.map(of).serialize(to)
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
        }
    }
}
