//! A request whose caller is known: what every route behind a key begins with.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, MatchedPath, Path};
use http::HeaderMap;
use http::request::Parts;
use http::uri::Authority;
use tokio::time::Instant;

use super::gateway::{Gateway, Policy};
use super::layers::Trail;
use super::listener::Ends;
use super::origin::Sent;
use super::read_body::{essence, read_json_body};
use super::read_form::{Form, read_form};
use crate::fault::{Fault, FaultKind};
use crate::image::Delivery;
use crate::keys::Caller;

/// Taken from a request's head before its body is read: who has no key is not listened to.
pub(super) struct Visit {
    pub(super) gateway: Arc<Gateway>,
    pub(super) trail: Trail,
    /// As it stood when the request came.
    pub(super) policy: Arc<Policy>,
    pub(super) caller: Caller,
    pub(super) headers: HeaderMap,
    /// The model that stands in the path of Azure's routes, percent-decoded.
    pub(super) deployment: Option<String>,
    pub(super) began: Instant,
    /// How long it took to find the caller.
    pub(super) auth: Duration,
    authority: Option<Authority>,
    ends: Option<Ends>,
}

impl FromRequestParts<Arc<Gateway>> for Visit {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Fault> {
        let began = Instant::now();
        let gateway = Arc::clone(gateway);
        let policy = gateway.policy.load_full();
        let caller = gateway.caller(&policy, &parts.headers)?;
        let trail = parts.extensions.get::<Trail>().cloned().unwrap_or_default();
        let auth = began.elapsed();
        trail.set_team(Arc::clone(&caller.team().name));
        let deployment = deployment(parts).await?;
        let (authority, ends) = (parts.uri.authority().cloned(), parts.extensions.get().copied());
        let headers = std::mem::take(&mut parts.headers);
        Ok(Self { gateway, trail, policy, caller, headers, deployment, began, auth, authority, ends })
    }
}

impl Visit {
    /// Whether the body says that it is JSON.
    pub(super) fn has_json(&self) -> bool {
        essence(&self.headers).is_some_and(|media_type| media_type.ends_with("json"))
    }

    /// The body, where JSON is wanted.
    pub(super) async fn json(&self, body: Body) -> Result<Bytes, Fault> {
        let Gateway { json, buffers, .. } = &*self.gateway;
        read_json_body(&self.headers, body, json, buffers).await
    }

    /// The body, where a form is wanted.
    pub(super) async fn form(&self, body: Body) -> Result<Form, Fault> {
        let Gateway { form, buffers, spool, .. } = &*self.gateway;
        read_form(&self.headers, body, form, buffers, spool).await
    }

    /// What own links in an answer begin with; nothing where it has none.
    pub(super) fn link_base(&self, delivery: Delivery) -> String {
        if delivery != Delivery::Url || self.gateway.own_links.is_none() {
            return String::new();
        }
        let Self { authority, headers, ends, .. } = self;
        self.gateway.origins.base(Sent { authority: authority.as_ref(), headers, ends: *ends })
    }

    pub(super) fn team(&self) -> &Arc<str> {
        &self.caller.team().name
    }
}

async fn deployment(parts: &mut Parts) -> Result<Option<String>, Fault> {
    if !parts.extensions.get::<MatchedPath>().is_some_and(|path| path.as_str().contains("{model}")) {
        return Ok(None);
    }
    let model = Path::from_request_parts(parts, &()).await.map(|Path(model)| Some(model));
    model.map_err(|_not_utf8| {
        let message = "The model's name in the URL is not valid UTF-8.";
        Fault::new(FaultKind::ModelNotFound, message).with_param("model")
    })
}
