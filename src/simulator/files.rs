//! The files API: uploads by base64, form and URL, quota, list, delete, receipts, and the stored files themselves.

mod form;
mod shelf;

use base64_simd::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(super) use shelf::Shelf;
use shelf::{Stored, Upload, UploadError};

use super::World;
use super::answer::{Answer, Cut, Outcome, json, never, ok, page, whole, with_retry_after};
use super::client;
use super::faults::{Armed, Effect, Files};
use super::media;

const UPLOAD_ID: HeaderName = HeaderName::from_static("x-evo-upload-id");
const PAGE_MAX: usize = 100;

/// How an upload hands over its file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Base64,
    Form,
    Url,
}

#[derive(Deserialize)]
struct Body {
    base64_data: Option<String>,
    file_url: Option<String>,
    upload_path: Option<String>,
    file_name: Option<String>,
}

/// `POST /api/v1/files/upload/…`.
pub(super) async fn upload(world: &World, way: Way, headers: &HeaderMap, body: Bytes) -> Outcome {
    let fault = {
        let mut ledger = world.ledger();
        ledger.totals.uploads += 1;
        Armed::take(&mut ledger.scripts, "", |effect| {
            if let Effect::Files(files) = effect { Some(*files) } else { None }
        })
    };
    let Some((fault, details)) = fault else { return Ok(stored(world, way, headers, body).await) };
    let answer = match fault {
        Files::Status(status) => failed(status, u32::from(status.as_u16()), "upload failed"),
        Files::OkError => failed(StatusCode::OK, 50001, "storage error"),
        Files::Quota => refused(&UploadError::Quota),
        Files::Malformed => whole(StatusCode::OK, "application/json", "{\"success\":true,\"data\":{\"file_"),
        Files::Html => page(details.status.unwrap_or(StatusCode::BAD_GATEWAY)),
        Files::Hang => return never().await,
        Files::Lost => {
            stored(world, way, headers, body).await;
            return Err(Cut);
        }
    };
    Ok(with_retry_after(answer, details.retry_after))
}

async fn stored(world: &World, way: Way, headers: &HeaderMap, body: Bytes) -> Answer {
    let upload = match way {
        Way::Base64 => from_base64(&body),
        Way::Form => from_form(headers, &body),
        Way::Url => from_url(&body).await,
    };
    let receipt = headers.get(UPLOAD_ID).and_then(|id| id.to_str().ok());
    let host = world.host_of(headers);
    let now = Instant::now();
    let kept = upload.and_then(|upload| {
        let mut shelf = world.shelf();
        shelf.put(upload, receipt, now).map(|stored| described(world, host, stored))
    });
    match kept {
        Ok(data) => success(&data),
        Err(error) => refused(&error),
    }
}

fn from_base64(body: &[u8]) -> Result<Upload, UploadError> {
    let body: Body = serde_json::from_slice(body).map_err(|error| UploadError::Request(error.to_string()))?;
    let data = body.base64_data.ok_or_else(|| UploadError::Request("base64_data is required".to_owned()))?;
    let data = match data.strip_prefix("data:") {
        Some(url) => url.split_once(";base64,").map(|(_, data)| data).unwrap_or_default(),
        None => &data,
    };
    let bytes = STANDARD.decode_to_vec(data).or_else(|_| STANDARD_NO_PAD.decode_to_vec(data));
    let bytes = bytes.map_err(|_| UploadError::Request("base64_data is not base64".to_owned()))?;
    Ok(Upload { bytes: bytes.into(), path: body.upload_path, name: body.file_name, original: None })
}

fn from_form(headers: &HeaderMap, body: &Bytes) -> Result<Upload, UploadError> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parts = form::parts(media_type, body).ok_or_else(|| UploadError::Request("not a form".to_owned()))?;
    let mut upload = Upload::default();
    let mut has_file = false;
    for part in parts {
        let text = || Some(String::from_utf8_lossy(&part.bytes).into_owned());
        match part.name.as_str() {
            "file" => {
                upload.bytes = part.bytes.clone();
                upload.original = part.file_name;
                has_file = true;
            }
            "upload_path" | "uploadPath" => upload.path = text(),
            "file_name" | "fileName" => upload.name = text(),
            _ => {}
        }
    }
    if has_file { Ok(upload) } else { Err(UploadError::Request("file is required".to_owned())) }
}

async fn from_url(body: &[u8]) -> Result<Upload, UploadError> {
    let body: Body = serde_json::from_slice(body).map_err(|error| UploadError::Request(error.to_string()))?;
    let url = body.file_url.ok_or_else(|| UploadError::Request("file_url is required".to_owned()))?;
    let fetched = async { client::send(client::request(Method::GET, &url, Bytes::new())?).await }.await;
    let answer = fetched.map_err(|error| UploadError::Url(error.to_string()))?;
    if !answer.status().is_success() {
        return Err(UploadError::Url(answer.status().to_string()));
    }
    let original = url.rsplit('/').next().map(ToOwned::to_owned);
    Ok(Upload { bytes: answer.into_body(), path: body.upload_path, name: body.file_name, original })
}

/// `GET /api/v1/files/quota`.
pub(super) fn quota(world: &World) -> Answer {
    let used = world.shelf().count(Instant::now());
    let data = json!({
        "user_group": "default", "used_files": used, "max_files": shelf::FILES_MAX,
        "remain_files": shelf::FILES_MAX.saturating_sub(used), "is_custom": false, "quota_reason": "default",
    });
    success(&data)
}

/// `GET /api/v1/files/list?page=&pageSize=`.
pub(super) fn list(world: &World, query: &str) -> Answer {
    let number = |name: &str, usual: usize| {
        let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
        value.and_then(|(_, value)| value.parse().ok()).unwrap_or(usual).max(1)
    };
    let (page, size) = (number("page", 1), number("pageSize", 20).min(PAGE_MAX));
    let shelf = world.shelf();
    let files: Vec<Value> = shelf
        .files()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .map(|file| {
            json!({
                "file_id": file.id, "file_name": file.name, "file_size": file.bytes.len(),
                "upload_time": world.epoch.wall(file.uploaded).to_string(),
            })
        })
        .collect();
    success(&json!({"total": shelf.files().count(), "files": files}))
}

/// `DELETE /api/v1/files/{file_id}`.
pub(super) fn delete(world: &World, id: &str) -> Answer {
    if world.shelf().remove(id) {
        success(&Value::Null)
    } else {
        failed(StatusCode::NOT_FOUND, 404, "file not found")
    }
}

/// `GET /api/v1/files/upload-receipts/{id}`: the answer to a form upload whose reply was lost.
pub(super) fn receipt(world: &World, headers: &HeaderMap, id: &str) -> Answer {
    let shelf = world.shelf();
    match shelf.receipt(id) {
        Some(file) => success(&described(world, world.host_of(headers), file)),
        None => failed(StatusCode::NOT_FOUND, 404, "upload not found"),
    }
}

/// `GET /files/{path}`: a stored file, as anyone may fetch it.
pub(super) fn serve(world: &World, headers: &HeaderMap, path: &str) -> Answer {
    if let Some(answer) = media::turned_away(world, headers, path) {
        return answer;
    }
    let found = world.shelf().serve(path, Instant::now());
    match found {
        Some((media_type, bytes)) => whole(StatusCode::OK, media_type, bytes),
        None => page(StatusCode::NOT_FOUND),
    }
}

fn described(world: &World, host: &str, file: &Stored) -> Value {
    let url = format!("http://{host}/files/{}", file.path);
    json!({
        "file_id": file.id, "file_name": file.name, "original_name": file.original, "file_size": file.bytes.len(),
        "mime_type": file.media_type, "upload_path": file.folder, "file_url": url, "download_url": url,
        "upload_time": world.epoch.wall(file.uploaded).to_string(),
        "expires_at": world.epoch.wall(file.uploaded + shelf::LIFE).to_string(),
    })
}

fn success(data: &Value) -> Answer {
    ok(&json!({"success": true, "code": 200, "msg": "success", "data": data}))
}

fn failed(status: StatusCode, code: u32, message: &str) -> Answer {
    json(status, &json!({"success": false, "code": code, "msg": message}))
}

fn refused(error: &UploadError) -> Answer {
    let (status, code) = match error {
        UploadError::Request(_) => (StatusCode::BAD_REQUEST, 400),
        UploadError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 40001),
        UploadError::MediaType => (StatusCode::BAD_REQUEST, 40002),
        UploadError::Quota => (StatusCode::FORBIDDEN, 40003),
        UploadError::Url(_) => (StatusCode::BAD_REQUEST, 40004),
        UploadError::Storage => (StatusCode::INTERNAL_SERVER_ERROR, 50001),
    };
    failed(status, code, &error.to_string())
}
