//! One file a route.
pub(super) mod generations;
pub(super) mod models;
pub(super) mod openapi;
