//! How a client waits: in silence, behind whitespace, with a stream of events, or not here.

use std::time::Duration;

use axum::response::Response;
use http::HeaderMap;
use tokio::time::{Instant, timeout_at};

use super::accepted::accepted;
use super::answer::{self, Composed, Writing, head};
use super::early::Early;
use super::gateway::{Gateway, Keepalive};
use super::prefer::Preference;
use super::respond::fault_response;
use super::wait::Wait;
use crate::fault::Fault;
use crate::generation::State;
use crate::openai::StreamKind;

/// For the pictures of a generation that has ended: fetching them takes a moment, and then a 202 says no more.
const ENDED_PATIENCE: Duration = Duration::from_secs(5);

/// The manner one request is answered in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// Nothing before the end, which has its true status.
    Silent,
    /// Silent for a while, then whitespace ahead of the JSON.
    Keepalive(Keepalive),
    Events(StreamKind),
    /// Silent for a while, then a 202.
    Deferred(Preference),
}

impl Manner {
    /// What the request asks for, else what the operator set.
    pub(super) fn asked(gateway: &Gateway, headers: &HeaderMap, stream: Option<StreamKind>) -> Self {
        let preference = Preference::of(headers);
        let deadline = gateway.deadline;
        match (stream, preference.patience()) {
            (Some(kind), _) => Self::Events(kind),
            (None, Some(patience)) if patience < deadline => Self::Deferred(preference),
            // A preference beyond the deadline is as none: the wait would end before.
            (None, _) => {
                // A silent wait that is shorter ends before the first whitespace.
                let keepalive = gateway.keepalive.filter(|keepalive| keepalive.after < deadline);
                keepalive.map_or(Self::Silent, Self::Keepalive)
            }
        }
    }

    /// The answer to a request that began at `began` and is all here now. Silence is counted from here on: who still
    /// sends knows that the other side is there. Clients count the whole call, its upload included.
    pub(super) async fn answer(self, mut wait: Wait, began: Instant) -> Response {
        let patience = wait.gateway.patience;
        let heard = Instant::now();
        let (writing, every, head_at) = match self {
            Self::Silent => {
                let result = wait.ended(heard + wait.gateway.deadline).await;
                return whole(result, wait);
            }
            // It cannot come back for another team's: it waits.
            Self::Deferred(_) if wait.access.is_foreign() => {
                let result = wait.ended(heard + wait.gateway.deadline).await;
                return whole(result, wait);
            }
            Self::Deferred(preference) => return defer(wait, preference, heard).await,
            Self::Keepalive(Keepalive { after, every }) => (Writing::Json, every, heard + after),
            Self::Events(kind) => (Writing::Event(kind), patience.comment_every, heard + patience.early_end),
        };
        let mut early = Early::begin(wait, began + patience.wait_max);
        match early.ended_by(head_at).await {
            Some((result, wait)) if writing == Writing::Json || result.is_err() => whole(result, wait),
            ended => early.respond(ended, writing, every),
        }
    }
}

/// The answer if it is there or comes in time, else a promise.
async fn defer(mut wait: Wait, preference: Preference, heard: Instant) -> Response {
    let has_ended = matches!(wait.waiter.generation().state(), State::Done | State::Failed);
    let patience = match preference.patience().filter(|patience| !patience.is_zero()) {
        None if has_ended => Some(ENDED_PATIENCE),
        patience => patience,
    };
    let deadline = heard + wait.gateway.deadline;
    let ended = match patience {
        Some(patience) => timeout_at(heard + patience, wait.ended(deadline)).await.ok(),
        None => None,
    };
    let mut response = if let Some(result) = ended {
        whole(result, wait)
    } else {
        let mut response = accepted(wait.waiter.generation(), &wait.gateway.clock);
        head::tell_access(response.headers_mut(), wait.access);
        match wait.waiter.promise(wait.place).await {
            Ok(()) => response,
            Err(fault) => fault_response(&fault),
        }
    };
    head::tell_preference(response.headers_mut(), preference);
    response
}

/// An answer whose head was not sent before its end.
pub(super) fn whole(result: Result<Composed, Fault>, wait: Wait) -> Response {
    match result {
        Ok(composed) => answer::respond(composed, wait),
        Err(fault) => {
            let mut response = fault_response(&fault);
            head::name_to(response.headers_mut(), wait.waiter.generation(), wait.access);
            if wait.waiter.generation().state() == State::Failed {
                head::tell_failure_again(response.headers_mut(), wait.access);
            }
            response
        }
    }
}
