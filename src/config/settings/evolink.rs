//! `evolink` and `generation`: upstream, and how a generation is run there.

use std::time::Duration;

use crate::config::address::HttpUrl;
use crate::config::duration::{hours, millis, secs};
use crate::config::macros::{choices, settings};
use crate::config::secret::Secret;

settings! {
    /// Upstream: where it is, with which key, and how hard it is asked.
    pub struct Evolink {
        /// The key of the Evolink account. Without this setting, EVOLINK_API_KEY.
        api_key: Secret = Secret::default(),
        /// Evolink's API.
        base_url: HttpUrl = HttpUrl::https("api.evolink.ai"),
        /// Evolink's files API.
        files_url: HttpUrl = HttpUrl::https("files-api.evolink.ai"),
        /// Proxy for outgoing requests.
        proxy: Option<HttpUrl> = None,
        /// Tasks running upstream at once, all teams together, shared fairly.
        max_tasks: usize = 32 => 1..=100_000,
        /// After this time a task is looked at once a minute, and its waiters are told.
        task_timeout: Duration = secs(900) => millis(1)..=hours(24),
        /// Longest a client waits on a create whose outcome is unknown.
        create_patience: Duration = secs(20) => secs(0)..=secs(590),
        /// True: upstream honours Idempotency-Key on creates.
        /// False: a create that may have been taken is never repeated.
        idempotent_creates: bool = true,
        /// A create is repeated with its key only within this time of its first sending.
        idempotency_window: Duration = hours(1) => secs(0)..=hours(24),
        /// How running tasks are looked at.
        poll: Poll = Poll::default(),
        /// Callbacks from Evolink, which wake the look at a task.
        callback: Callback = Callback::default(),
        /// True: links may be http and point to loopback or private addresses. For the simulator and tests only.
        allow_private_media: bool = false,
    }
}

settings! {
    /// How running tasks are looked at.
    pub struct Poll {
        /// Shortest time between two looks at a task.
        min: Duration = millis(500) => millis(1)..=secs(60),
        /// Longest time between two looks at a task, and to its first.
        max: Duration = secs(8) => millis(1)..=secs(600),
        /// Looks a second at most, all tasks together; a batch is one.
        per_second: u32 = 10 => 1..=10_000,
        /// Whether many tasks are asked for in one call.
        batch: Batch = Batch::Auto,
    }
}

settings! {
    /// Callbacks from Evolink, which wake the look at a task. Needs server.public_url with https.
    pub struct Callback {
        /// Whether upstream is asked to call back.
        enabled: bool = false,
    }
}

choices! {
    /// Whether many tasks are asked for in one call.
    pub enum Batch {
        /// When it saves calls and upstream has the batch call.
        Auto = "auto",
        Always = "always",
        Never = "never",
    }
}

settings! {
    /// How a generation is run.
    pub struct Generation {
        /// What becomes of a generation when its last client leaves.
        on_disconnect: OnDisconnect = OnDisconnect::Finish,
        /// How long a finished generation answers retries and Idempotency-Keys.
        replay: Duration = hours(24) => secs(0)..=hours(24 * 30),
        /// Tasks bought at most for one image when upstream fails.
        attempts: u32 = 3 => 1..=10,
        /// Longest wait for a free slot, until the generation's first image starts.
        queue_timeout: Duration = secs(60) => secs(0)..=secs(590),
    }
}

choices! {
    /// What becomes of a generation when its last client leaves.
    pub enum OnDisconnect {
        /// It is finished and kept for the retry.
        Finish = "finish",
        /// Upstream is asked to cancel it (best effort).
        Cancel = "cancel",
    }
}
