//! POST /v1/images/edits, Azure's path of it, and /v1/images/variations: pictures made from others.

use axum::body::Body;
use axum::response::Response;

use crate::fault::{Fault, FaultKind};
use crate::openai::{ImageParams, StreamKind, parse_edit, parse_edit_form, parse_variation_form};
use crate::server::inputs::Inputs;
use crate::server::read_form::Form;
use crate::server::story::{self, Asked};
use crate::server::visit::Visit;

/// Reads the text fields of a form.
type Parse = fn(Vec<(String, String)>) -> Result<ImageParams, Fault>;

/// Takes a form or JSON, as the request's media type says.
pub(in crate::server) async fn create(visit: Visit, body: Body) -> Result<Response, Fault> {
    let (params, inputs) = if visit.has_json() {
        (parse_edit(&visit.json(body).await?)?, Inputs::default())
    } else {
        parted(visit.form(body).await?, parse_edit_form)?
    };
    answer(visit, params, inputs).await
}

pub(in crate::server) async fn vary(visit: Visit, body: Body) -> Result<Response, Fault> {
    if visit.has_json() {
        let message =
            "This endpoint reads forms. Send `Content-Type: multipart/form-data` with the picture as a file.";
        return Err(Fault::new(FaultKind::UnsupportedMediaType, message));
    }
    let (params, inputs) = parted(visit.form(body).await?, parse_variation_form)?;
    answer(visit, params, inputs).await
}

fn parted(form: Form, parse: Parse) -> Result<(ImageParams, Inputs), Fault> {
    let Form { fields, images, mask, ignored, .. } = form;
    let mut params = parse(fields)?;
    for name in &ignored {
        params.ignore(name);
    }
    Ok((params, Inputs::of_form(images, mask)))
}

async fn answer(visit: Visit, params: ImageParams, inputs: Inputs) -> Result<Response, Fault> {
    if params.images.is_empty() {
        inputs.require_picture(params.request.names)?;
    }
    let asked = Asked::gather(&visit.gateway, params, inputs, StreamKind::Edit).await?;
    story::tell(visit, asked).await
}
