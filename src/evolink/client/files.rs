//! The client's calls to the files API.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::Body;

use super::{Client, decode};
use crate::evolink::{CallError, FileId, Proof, Upload, UploadedFile};
use crate::telemetry::Call;

/// What an upload of nothing may take.
const UPLOAD_TIME_MIN: Duration = Duration::from_secs(20);
/// Bytes a second that an upload has to make at least.
const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 256 * 1024;
/// What an upload may take, however large.
const UPLOAD_TIME_MAX: Duration = Duration::from_mins(4);

/// The time one try has: by the file's size, within bounds.
fn patience(upload: &Upload) -> Duration {
    let seconds = upload.length().div_ceil(UPLOAD_BYTES_PER_SECOND_MIN);
    UPLOAD_TIME_MIN.saturating_add(Duration::from_secs(seconds)).min(UPLOAD_TIME_MAX)
}

impl Client {
    pub(super) async fn upload_file(&self, upload: Upload) -> Result<UploadedFile, CallError> {
        let form = upload.form();
        let request = self
            .http
            .post(format!("{}/upload/stream", self.files_url))
            .header(CONTENT_TYPE, form.media_type)
            .header(CONTENT_LENGTH, form.length)
            .header("x-evo-upload-id", upload.receipt())
            .body(Body::wrap_stream(form.body));
        let answer = self.send_now(Call::Upload, request, patience(&upload)).await;
        let file = answer.as_ref().map_err(Clone::clone).and_then(decode::file);
        if let (Err(_), Some(stray)) = (&file, answer.ok().as_ref().and_then(decode::stray_file)) {
            // It counts in the account's quota, and without a link it is of no use.
            let _ = self.remove_file(&stray).await;
        }
        match file {
            Err(error) if error.proof() == Proof::Unknown => self.receipt(&upload).await.ok_or(error),
            result => result,
        }
    }

    /// The file of an upload whose answer was lost; none when it did not arrive, or upstream keeps no receipts.
    async fn receipt(&self, upload: &Upload) -> Option<UploadedFile> {
        let request = self.http.get(format!("{}/upload-receipts/{}", self.files_url, upload.receipt()));
        let answer = self.query(Call::Receipt, request).await;
        answer.and_then(|answer| decode::file(&answer)).ok()
    }

    pub(super) async fn remove_file(&self, id: &FileId) -> Result<(), CallError> {
        if !decode::is_id(id.as_str()) {
            return Err(CallError::Missing);
        }
        let request = self.http.delete(format!("{}/{id}", self.files_url));
        decode::done(&self.query(Call::DeleteFile, request).await?)
    }
}

#[cfg(test)]
mod tests;
