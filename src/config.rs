//! Settings: from a YAML file, environment variables and defaults to values that cannot be wrong.
pub mod address;
pub mod amount;
pub mod duration;
mod macros;
mod nearest;
mod path;
mod problem;
mod scalar;
pub mod secret;
mod setting;
pub mod settings;
mod shown;
pub mod size;
mod time;

pub use path::Path;
pub use problem::{Problem, Problems, Warning};
pub use settings::Settings;
