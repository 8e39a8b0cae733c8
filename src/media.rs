//! Picture bytes: guarded fetching, sniffing, bounded conversion and base64 streaming.
//!
//! Knows the vocabulary in [`crate::image`] and nothing of the server, of Evolink's wire or of the
//! configuration file. Start with [`Fetcher`] (a link becomes a [`Picture`]), then [`Converter`]
//! (a picture in another form) and [`Segments`] (an answer that carries pictures in base64).
mod address;
mod base64;
mod convert;
mod fetch;
mod guard;
mod input;
mod links;
mod memory;
mod picture;
mod scale;
mod sniff;
mod store;

pub use address::is_public;
pub use base64::{Segment, Segments};
pub use convert::{ConvertError, Converter, needs_conversion};
#[cfg(test)]
pub(crate) use fetch::MediaHost;
pub use fetch::{FetchBuildError, FetchError, FetchOptions, Fetcher};
pub use guard::{Guard, Lookup, REFERENCE_LENGTH_MAX, ReferenceError, Refusal};
pub use input::{IN_MEMORY_BYTES_MAX, InputError, InputFile, InputWriter, Spool, SpoolError};
pub use links::{LinkError, LinkedPicture, Links, OpenLink};
pub use memory::{Held, PictureMemory, Reading, Room};
pub use picture::{Picture, PictureError};
pub use sniff::{dimensions, has_alpha, is_complete, sniff};
#[cfg(test)]
pub(crate) use store::Volume;
pub use store::{BucketError, BucketOptions, PictureStore, StoreFault, StoredPicture, Swept};
