//! The domain: what a client asks for and what it gets, in types that cannot be wrong.
//!
//! Knows nothing of HTTP, of OpenAI's or Evolink's wire, of time. Start with [`ImageRequest`], then [`Plan`].
mod fingerprint;
mod format;
mod input;
mod plan;
mod request;
mod size;

pub use fingerprint::Fingerprint;
pub use format::{Background, Compression, Delivery, Format, Quality};
pub use input::{ContentHash, InputPicture, Reference};
pub use plan::{Form, Plan, TaskClass, TaskSpec, TokenEstimate};
pub use request::{COUNT_MAX, ImageRequest, InputNames};
pub use size::{Pixels, Ratio, Size, SizeError, Tier};
