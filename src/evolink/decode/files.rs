//! Answers of the files API: `{success, code, msg, data}`, where a failure may come with HTTP 200.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::{CallError, FILE_QUOTA_FULL, FileId, Refusal, UploadedFile, problem};
use super::{Answer, clip, is_id, is_link, json, no_task};

const MESSAGE_CHARS_MAX: usize = 1_000;

/// The answer to an upload, or to the question for its receipt.
pub(in super::super) fn file(answer: &Answer) -> Result<UploadedFile, CallError> {
    let value = taken(answer)?;
    let found = objects(&value).find_map(read_file);
    found.ok_or_else(|| no_task(answer, &value, "no link to a file in it"))
}

/// The file of an answer without a usable link: it was stored all the same.
pub(in super::super) fn stray_file(answer: &Answer) -> Option<FileId> {
    let value = taken(answer).ok()?;
    let mut strays = objects(&value).filter(|object| object.contains_key("file_id"));
    strays.find_map(read_id)
}

fn objects(value: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    ["/data", "", "/data/file", "/data/0"].iter().filter_map(|path| value.pointer(path)?.as_object())
}

/// Written as a text or a number.
fn read_id(object: &Map<String, Value>) -> Option<FileId> {
    ["file_id", "id"].iter().find_map(|name| match object.get(*name)? {
        Value::String(id) if is_id(id) => Some(FileId::new(id.as_str())),
        Value::Number(id) => id.as_u64().map(|id| FileId::new(id.to_string().as_str())),
        _ => None,
    })
}

/// An answer that has nothing to tell but that it was done; its body may be empty.
pub(in super::super) fn done(answer: &Answer) -> Result<(), CallError> {
    let success = (200..300).contains(&answer.status);
    if success && answer.body.trim_ascii().is_empty() {
        return Ok(());
    }
    let value = taken(answer)?;
    match problem::inside(answer.status, answer.pause, &value) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The answer's JSON, unless it refuses by one of the files API's own codes or by its status.
fn taken(answer: &Answer) -> Result<Value, CallError> {
    let refused = serde_json::from_slice(&answer.body).ok().and_then(|value| refusal(answer, &value));
    refused.map_or_else(|| json(answer), Err)
}

/// What the files API's own codes mean, whatever the status.
fn refusal(answer: &Answer, value: &Value) -> Option<CallError> {
    let code = value.get("code")?;
    let code = code.as_u64().or_else(|| code.as_str()?.parse().ok())?;
    let message = ["msg", "message"].iter().find_map(|name| value.get(*name)?.as_str()).unwrap_or_default();
    let refused = |refusal, status, code: &str| CallError::Refused {
        refusal,
        status,
        code: code.to_owned(),
        message: clip(message, MESSAGE_CHARS_MAX),
    };
    let down = |code: &str| CallError::Down {
        status: answer.status,
        code: code.to_owned(),
        retry_after: answer.pause,
    };
    Some(match code {
        40001 => refused(Refusal::TooLarge, 413, "file_too_large"),
        40002 => refused(Refusal::BadRequest, 400, "file_type_not_allowed"),
        40003 => down(FILE_QUOTA_FULL),
        40004 => refused(Refusal::BadRequest, 400, "file_url_unreachable"),
        50001 => down("file_storage_error"),
        _ => return None,
    })
}

fn read_file(object: &Map<String, Value>) -> Option<UploadedFile> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let url =
        ["file_url", "download_url", "url"].iter().find_map(|name| text(name).filter(|url| is_link(url)))?;
    Some(UploadedFile {
        id: read_id(object),
        url: url.to_owned(),
        life: life(text("upload_time"), text("expires_at")),
    })
}

/// From one time of the answer to the other.
fn life(uploaded: Option<&str>, expires: Option<&str>) -> Option<Duration> {
    let (uploaded, expires): (Timestamp, Timestamp) = (uploaded?.parse().ok()?, expires?.parse().ok()?);
    Duration::try_from(expires.duration_since(uploaded)).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn answered(status: u16, body: &Value) -> Result<UploadedFile, CallError> {
        file(&Answer { status, pause: None, body: Bytes::from(body.to_string()) })
    }

    #[test]
    fn a_file_is_read_from_every_known_form() {
        let url = "https://files.evolink.ai/a/b.png";
        let documented = json!({"success": true, "code": 200, "msg": "ok", "data": {
            "file_id": "file_1", "file_url": url, "download_url": "https://files.evolink.ai/download/b.png",
            "upload_time": "2026-11-01T10:00:00+08:00", "expires_at": "2026-11-04T02:00:00Z",
        }});
        let life = Some(Duration::from_hours(72));
        let whole = UploadedFile { id: Some(FileId::new("file_1")), url: url.to_owned(), life };
        assert_eq!(answered(200, &documented), Ok(whole));
        let sparse = UploadedFile { id: None, url: url.to_owned(), life: None };
        for body in [
            json!({"data": {"download_url": url, "file_id": "../../v1/tasks", "expires_at": "soon"}}),
            json!({"data": {"file_url": "", "download_url": url, "file_id": null, "expires_at": "2026-11-04T02:00:00Z"}}),
            json!({"url": url}),
        ] {
            assert_eq!(answered(201, &body), Ok(sparse.clone()), "{body}");
        }
    }

    #[test]
    fn a_file_without_a_usable_link_can_still_be_deleted() {
        let stray = |body: Value| {
            let answer = Answer { status: 200, pause: None, body: Bytes::from(body.to_string()) };
            assert!(file(&answer).is_err());
            stray_file(&answer)
        };
        assert_eq!(stray(json!({"data": {"file_id": "file_1"}})), Some(FileId::new("file_1")));
        assert_eq!(stray(json!({"data": {"file_id": 7, "file_url": "ftp://a/b"}})), Some(FileId::new("7")));
        assert_eq!(stray(json!({"data": {"file_id": "../v1"}})), None);
        assert_eq!(stray(json!({"id": "request_1"})), None);
        assert_eq!(stray(json!({"success": false, "code": 40003, "file_id": "file_1"})), None);
    }

    #[test]
    fn the_files_apis_own_codes_count_whatever_the_status() {
        for (code, expected) in [
            (40001, "refused with 413 (file_too_large)"),
            (40002, "refused with 400 (file_type_not_allowed)"),
            (40003, "answered 200 (file_quota_full)"),
            (40004, "refused with 400 (file_url_unreachable)"),
            (50001, "answered 200 (file_storage_error)"),
        ] {
            let body = json!({"success": false, "code": code, "msg": "no"});
            assert_eq!(answered(200, &body).unwrap_err().to_string(), expected);
            let body = json!({"success": false, "code": code.to_string(), "msg": "no"});
            assert_eq!(answered(200, &body).unwrap_err().to_string(), expected);
        }
        let full = answered(403, &json!({"success": false, "code": 40003, "msg": "full"}));
        assert!(matches!(full, Err(CallError::Down { status: 403, .. })), "{full:?}");
    }

    #[test]
    fn an_answer_without_a_file_says_why() {
        let unknown = answered(200, &json!({"success": false, "code": 77, "msg": "no"}));
        assert!(matches!(unknown, Err(CallError::Malformed { .. })), "{unknown:?}");
        let key = answered(401, &json!({"success": false, "code": 401, "msg": "no"}));
        assert!(matches!(key, Err(CallError::Refused { refusal: Refusal::Account, .. })), "{key:?}");
        let linkless = answered(200, &json!({"success": true, "data": {"file_id": "file_1"}}));
        assert!(matches!(linkless, Err(CallError::Malformed { .. })), "{linkless:?}");
    }

    #[test]
    fn done_needs_no_body_and_sees_a_failure_behind_a_200() {
        let done =
            |status, body: &str| done(&Answer { status, pause: None, body: Bytes::from(body.to_owned()) });
        assert_eq!(done(204, ""), Ok(()));
        assert_eq!(done(200, r#"{"success":true,"code":200,"msg":"success","data":null}"#), Ok(()));
        assert_eq!(
            done(200, r#"{"id":"task-1","object":"task.cancelled","status":"cancelled","message":"done"}"#),
            Ok(())
        );
        assert_eq!(
            done(404, r#"{"success":false,"code":404,"msg":"file not found"}"#),
            Err(CallError::Missing)
        );
        assert!(done(200, r#"{"success":false,"code":50001,"msg":"storage error"}"#).is_err());
    }
}
