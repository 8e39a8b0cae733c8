//! POST /v1/images/generations, and Azure's path of it: JSON in.

use axum::body::Body;
use axum::response::Response;

use crate::fault::Fault;
use crate::image::Reference;
use crate::openai::{GivenImage, StreamKind, parse_generation};
use crate::server::read_body::read_json_body;
use crate::server::story::{self, Asked};
use crate::server::visit::Visit;

pub(in crate::server) async fn create(visit: Visit, body: Body) -> Result<Response, Fault> {
    let params = {
        let body = read_json_body(&visit.headers, body, &visit.gateway.json, &visit.gateway.buffers).await?;
        parse_generation(&body)?
    };
    let mut request = params.request;
    let link = |given: GivenImage| match given {
        GivenImage::Link(link) => Some(Reference::Link(link)),
        GivenImage::Data(_) => None,
    };
    request.references = params.images.into_iter().filter_map(link).collect();
    request.mask = params.mask.and_then(link);
    story::tell(
        visit,
        Asked { request, files: Vec::new(), stream: params.stream.then_some(StreamKind::Generation) },
    )
    .await
}
