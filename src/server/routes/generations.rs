//! POST /v1/images/generations, and Azure's path of it: JSON in.

use axum::body::Body;
use axum::response::Response;

use crate::fault::Fault;
use crate::openai::{StreamKind, parse_generation};
use crate::server::inputs::Inputs;
use crate::server::story::{self, Asked};
use crate::server::visit::Visit;

pub(in crate::server) async fn create(visit: Visit, body: Body) -> Result<Response, Fault> {
    let params = parse_generation(&visit.json(body).await?)?;
    let asked = Asked::gather(&visit.gateway, params, Inputs::default(), StreamKind::Generation).await?;
    story::tell(visit, asked).await
}
