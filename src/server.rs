//! (room under construction)

pub mod drain_body;
pub mod layers;
pub mod listener;
pub mod read_body;
pub mod respond;
