//! The domain: what a client asks for and what it gets, in types that cannot be wrong.
//!
//! Knows nothing of HTTP, of OpenAI's or Evolink's wire, of time. Start with [`ImageRequest`], then [`Plan`].
mod format;
mod size;

pub use format::{Background, Compression, Delivery, Format, Quality};
pub use size::{Pixels, Ratio, Size, SizeError, Tier};
