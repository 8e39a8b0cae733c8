//! One file a route.
pub(super) mod by_id;
pub(super) mod callbacks;
pub(super) mod edits;
pub(super) mod generations;
pub(super) mod images;
pub(super) mod models;
pub(super) mod openapi;
pub(super) mod usage;
