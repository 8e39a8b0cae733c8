//! How a client waits: in silence, behind whitespace, or with a stream of events.

use axum::response::Response;
use tokio::time::Instant;

use super::answer::{self, Composed, Writing, head};
use super::early::Early;
use super::gateway::{Gateway, Keepalive};
use super::respond::fault_response;
use super::wait::Wait;
use crate::fault::Fault;
use crate::openai::StreamKind;

/// The manner one request is answered in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// Nothing before the end, which has its true status.
    Silent,
    /// Silent for a while, then whitespace ahead of the JSON.
    Keepalive(Keepalive),
    Events(StreamKind),
}

impl Manner {
    /// What the request asks for, else what the operator set.
    pub(super) fn asked(gateway: &Gateway, stream: Option<StreamKind>) -> Self {
        match (stream, gateway.keepalive) {
            (Some(kind), _) => Self::Events(kind),
            // A shorter silent wait ends before the first whitespace.
            (None, Some(keepalive)) if keepalive.after < gateway.deadline => Self::Keepalive(keepalive),
            (None, _) => Self::Silent,
        }
    }

    /// The answer to a request that came at `began`.
    pub(super) async fn answer(self, mut wait: Wait, began: Instant) -> Response {
        let patience = wait.gateway.patience;
        let (writing, every, head_at) = match self {
            Self::Silent => {
                let result = wait.ended(began + wait.gateway.deadline).await;
                return whole(result, wait);
            }
            Self::Keepalive(Keepalive { after, every }) => (Writing::Json, every, began + after),
            Self::Events(kind) => {
                (Writing::Event(kind), patience.comment_every, Instant::now() + patience.early_end)
            }
        };
        let mut early = Early::begin(wait, began + patience.wait_max);
        match early.ended_by(head_at).await {
            Some((result, wait)) if writing == Writing::Json || result.is_err() => whole(result, wait),
            ended => early.respond(ended, writing, every),
        }
    }
}

/// An answer whose head was not sent before its end.
fn whole(result: Result<Composed, Fault>, wait: Wait) -> Response {
    match result {
        Ok(composed) => answer::respond(composed, wait.waiter, wait.place),
        Err(fault) => {
            let mut response = fault_response(&fault);
            head::name_generation(response.headers_mut(), wait.waiter.generation());
            response
        }
    }
}
