//! POST /callbacks/{token}: Evolink says that a task has ended.
//!
//! Anyone can say so. It wakes the look at the task of this name, if there is one, and changes nothing else: what it
//! says about the task is not read. The answer is the same for every name, so that none can be found out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::StatusCode;

use crate::evolink::CallbackToken;
use crate::fault::{Fault, FaultKind};
use crate::server::gateway::Gateway;
use crate::server::read_body::{BodyLimits, Incoming};

/// A task's JSON has a few KiB.
const LIMITS: BodyLimits =
    BodyLimits { bytes_max: 64 * 1024, time_max: Duration::from_secs(10), idle_max: Duration::from_secs(10) };

pub(in crate::server) async fn called(
    State(gateway): State<Arc<Gateway>>,
    token: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<StatusCode, Fault> {
    let mut incoming = Incoming::new(body, &LIMITS, FaultKind::InvalidJson)?;
    while incoming.next().await?.is_some() {}
    if let Some(token) = token.ok().and_then(|Path(token)| CallbackToken::parse(&token)) {
        gateway.generations.wake(&token);
    }
    Ok(StatusCode::NO_CONTENT)
}
