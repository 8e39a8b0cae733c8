use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::script::{Reply, Script, Seen, Then};
use super::super::{Options, TaskId, Upstream};
use super::*;
use crate::evolink::Refusal;
use crate::image::Format;
use crate::telemetry::Metrics;

const PIECE: usize = 64 * 1024;
const PIECES: usize = 40;

fn client_of(base_url: &str, files_url: &str, metrics: &Arc<Metrics>) -> Client {
    let options = Options {
        base_url: base_url.to_owned(),
        files_url: files_url.to_owned(),
        ..Options::new(SecretString::from("sk-secret"))
    };
    Client::new(options, Arc::clone(metrics)).unwrap()
}

fn client(script: &Script) -> Client {
    client_of(&script.url, &script.url, &Arc::default())
}

/// Bytes that are no text and differ from piece to piece.
fn file() -> Vec<Bytes> {
    let piece = |number: usize| Bytes::from(vec![u8::try_from(number).unwrap() | 0x80; PIECE]);
    (0..PIECES).map(piece).collect()
}

fn upload() -> (Upload, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let open = move || -> crate::evolink::UploadBody {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(stream::iter(file().into_iter().map(Ok)))
    };
    (Upload::new(Format::Png, u64::try_from(PIECES * PIECE).unwrap(), open), opened)
}

fn stored() -> Value {
    json!({"success": true, "code": 200, "msg": "success", "data": {
        "file_id": "file_00000001", "file_url": "https://files.example/x.png",
        "upload_time": "2026-11-01T10:00:00Z", "expires_at": "2026-11-04T10:00:00Z",
    }})
}

/// The fields of a form as another reader understands them: name, file name, media type, bytes.
async fn fields(seen: &Seen) -> Vec<(String, Option<String>, Option<String>, Bytes)> {
    let boundary = multer::parse_boundary(seen.header("content-type").unwrap()).unwrap();
    let body = stream::iter([Ok::<_, Infallible>(Bytes::from(seen.bytes.clone()))]);
    let mut form = multer::Multipart::new(body, boundary);
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let name = field.name().unwrap().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let media_type = field.content_type().map(ToString::to_string);
        fields.push((name, file_name, media_type, field.bytes().await.unwrap()));
    }
    fields
}

#[tokio::test]
async fn a_file_is_streamed_as_a_form_of_known_length() {
    let script = Script::start([Reply::json(&stored())]).await;
    let elsewhere = Script::start([Reply::json(&stored())]).await;
    let client = client_of(&elsewhere.url, &format!("{}/prefix/", script.url), &Arc::default());
    let (upload, _) = upload();
    let name = upload.name();
    let kept = client.upload(upload).await.unwrap();
    assert_eq!(kept.id.unwrap().as_str(), "file_00000001");
    assert_eq!(
        (kept.url.as_str(), kept.life),
        ("https://files.example/x.png", Some(Duration::from_hours(72)))
    );

    let seen = script.seen().remove(0);
    assert_eq!(seen.line, "POST /prefix/api/v1/files/upload/stream HTTP/1.1");
    assert_eq!(seen.header("authorization"), Some("Bearer sk-secret"));
    assert_eq!(seen.header("content-length"), Some(seen.bytes.len().to_string().as_str()));
    assert_eq!(seen.header("transfer-encoding"), None);
    let receipt = seen.header("x-evo-upload-id").unwrap();
    assert!((16..=128).contains(&receipt.len()) && name == format!("{receipt}.png"), "{receipt} {name}");
    let fields = fields(&seen).await;
    let text = |index: usize| (fields[index].0.as_str(), &fields[index].3[..]);
    assert_eq!(
        [text(0), text(1)],
        [("upload_path", &b"evolink-gateway"[..]), ("file_name", name.as_bytes())]
    );
    let (field, file_name, media_type, bytes) = &fields[2];
    assert_eq!(
        (field.as_str(), file_name.as_ref(), media_type.as_deref()),
        ("file", Some(&name), Some("image/png"))
    );
    assert!(bytes[..] == file().concat()[..], "the bytes came through");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn every_try_opens_the_file_anew_and_keeps_its_name() {
    let no_room = json!({"success": false, "code": 50001, "msg": "storage error"});
    let missing = Reply::whole(404, &[], "{}");
    let script = Script::start([Reply::json(&no_room), missing, Reply::json(&stored())]).await;
    let (client, (upload, opened)) = (client(&script), upload());
    let error = client.upload(upload.clone()).await.unwrap_err();
    assert!(matches!(error, CallError::Down { .. }), "{error}");
    assert!(client.upload(upload).await.is_ok());
    let seen = script.seen();
    assert_eq!((seen.len(), opened.load(Ordering::SeqCst)), (3, 2));
    let (first, second) = (fields(&seen[0]).await, fields(&seen[2]).await);
    assert!(first == second && first[2].3.len() == PIECES * PIECE);
}

#[tokio::test]
async fn two_uploads_have_two_names() {
    assert_ne!(upload().0.name(), upload().0.name());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_by_its_receipt() {
    let script = Script::start([Reply::raw("", Then::Close), Reply::json(&stored())]).await;
    let metrics = Arc::new(Metrics::new());
    let client = client_of(&script.url, &script.url, &metrics);
    assert_eq!(client.upload(upload().0).await.unwrap().url, "https://files.example/x.png");
    let seen = script.seen();
    let receipt = seen[0].header("x-evo-upload-id").unwrap();
    assert_eq!(seen[1].line, format!("GET /api/v1/files/upload-receipts/{receipt} HTTP/1.1"));
    assert_eq!(seen[1].header("authorization"), Some("Bearer sk-secret"));
    let text = metrics.render();
    assert!(text.contains(r#"upstream_requests_total{call="upload",status="broken"} 1"#), "{text}");
    assert!(text.contains(r#"upstream_requests_total{call="receipt",status="200"} 1"#), "{text}");
}

#[tokio::test]
async fn without_a_receipt_a_lost_answer_stays_lost() {
    for status in [404, 405, 500] {
        let script = Script::start([Reply::raw("", Then::Close), Reply::whole(status, &[], "{}")]).await;
        let error = client(&script).upload(upload().0).await.unwrap_err();
        assert!(matches!(error, CallError::Broken(_)), "{error}");
    }
}

#[tokio::test]
async fn a_clear_no_is_not_asked_for_again() {
    for (status, body, refusal) in [
        (413, json!({"success": false, "code": 40001, "msg": "file too large"}), Refusal::TooLarge),
        (200, json!({"success": false, "code": 40002, "msg": "type"}), Refusal::BadRequest),
        (401, json!({"success": false, "code": 401, "msg": "no"}), Refusal::Account),
    ] {
        let script = Script::start([Reply::whole(status, &[], &body.to_string())]).await;
        let error = client(&script).upload(upload().0).await.unwrap_err();
        assert!(matches!(error, CallError::Refused { refusal: told, .. } if told == refusal), "{error}");
        assert_eq!(script.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_is_a_broken_upload() {
    let script = Script::start([Reply::whole(404, &[], "{}")]).await;
    let open = || -> crate::evolink::UploadBody {
        let pieces = [Ok(Bytes::from_static(b"the start")), Err(io::Error::other("the disk is gone"))];
        Box::pin(stream::iter(pieces))
    };
    let error = client(&script).upload(Upload::new(Format::Webp, 100, open)).await.unwrap_err();
    assert!(matches!(error, CallError::Broken(_)), "{error}");
    assert_eq!(script.seen().len(), 1, "only the receipt was asked for");
}

#[tokio::test]
async fn a_redirect_takes_neither_the_key_nor_the_file_elsewhere() {
    let elsewhere = Script::start([Reply::json(&stored())]).await;
    for status in [301, 307, 308] {
        let location = format!("location: {}/api/v1/files/upload/stream", elsewhere.url);
        let script = Script::start([Reply::whole(status, &[&location], "")]).await;
        assert!(client(&script).upload(upload().0).await.is_err());
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn deleting_and_cancelling_go_to_their_hosts_and_paths() {
    let gone = Reply::whole(404, &[], r#"{"success":false,"code":404,"msg":"file not found"}"#);
    let files =
        Script::start([Reply::json(&json!({"success": true, "code": 200, "data": null})), gone]).await;
    let over = json!({"error": {"code": "invalid_request", "message": "it has ended", "type": "invalid_request_error"}});
    let cancelled =
        json!({"id": "task-1", "object": "task.cancelled", "status": "cancelled", "message": "done"});
    let tasks = Script::start([Reply::json(&cancelled), Reply::whole(400, &[], &over.to_string())]).await;
    let client = client_of(&tasks.url, &files.url, &Arc::default());
    let file = FileId::new("file_00000001");
    assert_eq!(client.delete_file(&file).await, Ok(()));
    assert_eq!(client.delete_file(&file).await, Err(CallError::Missing));
    let task = TaskId::new("task-unified-1-abcdefgh");
    assert_eq!(client.cancel(&task).await, Ok(()));
    assert!(matches!(client.cancel(&task).await, Err(CallError::Refused { status: 400, .. })));
    for (script, line) in [
        (&files, "DELETE /api/v1/files/file_00000001 HTTP/1.1"),
        (&tasks, "DELETE /v1/tasks/task-unified-1-abcdefgh HTTP/1.1"),
    ] {
        let seen = script.seen();
        assert!(seen.len() == 2 && seen.iter().all(|seen| seen.line == line), "{:?}", seen[0].line);
        assert!(seen.iter().all(|seen| seen.header("authorization") == Some("Bearer sk-secret")));
    }
    assert_eq!(client.delete_file(&FileId::new("../quota")).await, Err(CallError::Missing));
    assert_eq!(client.cancel(&TaskId::new("../credits")).await, Err(CallError::TaskNotFound));
    assert_eq!((files.seen().len(), tasks.seen().len()), (2, 2));
}

#[test]
fn a_larger_file_has_more_time_within_a_bound() {
    let time = |bytes| patience(&Upload::new(Format::Png, bytes, || Box::pin(stream::empty())));
    assert_eq!(time(0), Duration::from_secs(20));
    assert_eq!(time(10 * 1024 * 1024), Duration::from_mins(1));
    assert_eq!(time(u64::MAX), Duration::from_mins(4));
}
