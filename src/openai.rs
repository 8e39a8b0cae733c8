//! The wire towards clients: OpenAI's request JSON in, OpenAI's answers, errors and model lists out.
//!
//! Pure text work: knows the domain's words (`image`, `fault`), nothing of HTTP, of models' abilities, of Evolink.
//! Start with [`parse_generation`], then [`Answer`].

mod data_url;
mod edit;
mod error;
mod form;
mod generate;
mod generation_state;
mod given;
mod ignored;
mod members;
mod model;
mod openapi;
mod params;
mod response;
mod stream;

pub use edit::{VARIATION_PROMPT, parse_edit, parse_edit_form, parse_variation_form};
pub use error::error_body;
pub use generate::{GivenImage, ImageParams, parse_generation};
pub use generation_state::{GenerationState, deletion_body};
pub use ignored::{ignore, ignored_header};
pub use model::{InputsCard, ModelCard, OwnCard, PixelRuleCard, SizesCard, model_body, model_list_body};
pub use openapi::openapi_document;
pub use params::parameter_names;
pub use response::{Answer, AnswerImage, Around, Content, ImageFault, Part, Usage, late_failure_body};
pub use stream::{KEEP_ALIVE, StreamKind, error_event, progress_comment};
