//! A picture on its way to Evolink's files API: what is sent, and what it becomes there.
//!
//! Knows nothing of where the bytes are kept: they are opened anew for each try.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use crate::image::Format;

/// The folder of all uploads, so that an operator who lists the account's files knows whose they are.
const FOLDER: &str = "evolink-gateway";

/// The code of a refused upload when the account has as many files as it may have.
pub const FILE_QUOTA_FULL: &str = "file_quota_full";

/// The bytes of a file, from the start.
pub type UploadBody = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// One file to upload; cheap to clone. Its name is its own: a name used again overwrites the file that had it.
/// The tries of one upload share it, so that a try whose answer was lost leaves no second file behind.
#[derive(Clone)]
pub struct Upload {
    /// 32 hexadecimal digits.
    key: String,
    format: Format,
    length: u64,
    open: Arc<dyn Fn() -> UploadBody + Send + Sync>,
}

impl Upload {
    /// `length` bytes, which `open` gives from the start for each try.
    pub fn new(format: Format, length: u64, open: impl Fn() -> UploadBody + Send + Sync + 'static) -> Self {
        let key = uuid::Uuid::new_v4().simple().to_string();
        Self { key, format, length, open: Arc::new(open) }
    }

    /// Unique, with the format's extension.
    pub fn name(&self) -> String {
        format!("{}.{}", self.key, self.format.name())
    }

    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The file as it is now, opened.
    pub fn open(&self) -> UploadBody {
        (self.open)()
    }

    /// The `X-Evo-Upload-Id`: under it the answer can be asked for when it was lost.
    pub(super) fn receipt(&self) -> &str {
        &self.key
    }

    /// The request's body, written by hand: with the length known beforehand, and the file passing through.
    pub(super) fn form(&self) -> UploadForm {
        let boundary = format!("evolink-gateway-{}", uuid::Uuid::new_v4().simple());
        let name = self.name();
        let media_type = self.format.media_type();
        let head = Bytes::from(format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"upload_path\"\r\n\r\n{FOLDER}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file_name\"\r\n\r\n{name}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: {media_type}\r\n\r\n"
        ));
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let around = u64::try_from(head.len() + end.len()).unwrap_or(u64::MAX);
        let body = stream::iter([Ok(head)]).chain(self.open()).chain(stream::iter([Ok(end)]));
        UploadForm {
            media_type: format!("multipart/form-data; boundary={boundary}"),
            length: self.length.saturating_add(around),
            body: Box::pin(body),
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("name", &self.name())
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// An upload's request body.
pub(super) struct UploadForm {
    /// With the boundary.
    pub media_type: String,
    /// Of the whole body.
    pub length: u64,
    pub body: UploadBody,
}

/// The id of an uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileId(String);

impl FileId {
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file that Evolink has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// None when the answer names none; such a file cannot be deleted, it expires.
    pub id: Option<FileId>,
    /// Where upstream opens it.
    pub url: String,
    /// How long it is kept, by the answer's own two times, so that neither clock matters; by the pages 72 hours.
    pub life: Option<Duration>,
}
