//! Every setting, with its documentation, default and bounds: the struct, the schema and the printed form
//! come from the one declaration (see `macros.rs`). Rules that take more than one value are in `validate.rs`.

mod catalog;
mod evolink;
mod models;
mod operation;
mod pricing;
mod server;
mod storage;
mod teams;

pub use catalog::{
    CatalogRow, ImageInputs, ParameterKind, PixelRule, PngBy, ResolutionAs, RowParameter, Transparent,
};
pub use evolink::{Batch, Callback, Evolink, Generation, OnDisconnect, Poll};
pub use models::{Alias, DEFAULT_MODEL, Models, ResponseFormat, SHIPPED_ALIASES};
pub use operation::{Log, LogFormat, LogLevel, Tracing};
pub use pricing::{ModelPrice, ModelTokenPrices, OutputTokens, PriceVariant, Pricing, TokenPrices};
pub use server::{Cors, Keepalive, Server};
pub use storage::{ImageStore, Images, OnOutage, Redis, S3, State, StateStore};
pub use teams::{
    Budget, Cache, CacheRules, CacheScope, Key, Limits, MaxResolution, Mode, Per, Team, TeamCache, Unit,
};

use super::macros::settings;

settings! {
    /// Settings of evolink-gateway.
    pub struct Settings {
        /// The listeners and what they bear.
        server: Server = Server::default(),
        /// Upstream: where it is, with which key, and how hard it is asked.
        evolink: Evolink = Evolink::default(),
        /// How a generation is run.
        generation: Generation = Generation::default(),
        /// Models and their aliases.
        models: Models = Models::default(),
        /// Who may call. With none, a key is made at the first start.
        teams: Vec<Team> = Vec::new(),
        /// True: unknown parameters of a request are refused instead of ignored. Teams may differ.
        strict: bool = false,
        /// Limits of every team that sets no own.
        limits: Limits = Limits::default(),
        /// The cache of finished pictures. Teams may differ in all but its size.
        cache: Cache = Cache::default(),
        /// Where finished pictures are kept for links.
        images: Images = Images::default(),
        /// Where generations, budgets and keys are kept.
        state: State = State::default(),
        /// The log.
        log: Log = Log::default(),
        /// Traces.
        tracing: Tracing = Tracing::default(),
        /// What things cost.
        pricing: Pricing = Pricing::default(),
    }
}
