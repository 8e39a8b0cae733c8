//! The parts of the table, one file each.

pub(crate) mod admission;
pub(crate) mod hits;
pub(crate) mod journal;
pub(crate) mod pictures;
pub(crate) mod polling;
pub(crate) mod start;
pub(crate) mod throughput;
pub(crate) mod waiting;
