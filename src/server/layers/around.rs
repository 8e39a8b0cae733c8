//! The two services that stand around every route.
//!
//! Written out, since a middleware made of a function clones and boxes all that it stands around, for every request.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tower::Service;

use super::access::{Observe, Record};
use super::{RequestId, draining, panics};
use crate::server::drain_body::lend;
use crate::server::listener::Shutdown;

type Answering = BoxFuture<'static, Result<Response, Infallible>>;

/// Gives the request its id and its record: every line of the log and every answer carries the id.
#[derive(Clone)]
pub(super) struct Observed<S> {
    pub(super) inner: S,
    pub(super) observer: Arc<dyn Observe>,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Answering {
        let id = RequestId::give(&mut request);
        let record = Record::begin(&mut request, id.clone(), Arc::clone(&self.observer));
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut response = record.attach(answering.await?);
            id.name(&mut response);
            Ok(response)
        })
    }
}

/// Answers while draining and after panics, and reads out what is left of the upload behind any early answer.
#[derive(Clone)]
pub(super) struct AnsweredInAnyCase<S> {
    pub(super) inner: S,
    pub(super) shutdown: Shutdown,
}

impl<S> Service<Request> for AnsweredInAnyCase<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Answering {
        let id = request.extensions().get().cloned();
        let (request, lent) = lend(request);
        if self.shutdown.is_draining() {
            drop(request);
            return Box::pin(async move { Ok(lent.read_out(draining::refusal()).await) });
        }
        let answering = self.inner.call(request).map(|Ok(response)| response);
        Box::pin(async move { Ok(lent.read_out(panics::caught(id, answering).await).await) })
    }
}
