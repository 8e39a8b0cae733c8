//! What can go wrong, phase by phase, and how each is written.

use std::time::Duration;

use http::StatusCode;

/// What goes wrong, by the phase it strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The answer to a create.
    Create(Create),
    /// The answer to a look at a task.
    Poll(Poll),
    /// The end of a task.
    Done(Done),
    /// The task ends as failed with this code.
    Fail(String),
    /// The task takes exactly so long.
    Latency(Duration),
    /// The answer to the fetch of a picture.
    Media(Media),
    /// The answer to an upload.
    Files(Files),
}

/// Faults of `POST /v1/images/generations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// An HTTP error; no task is made.
    Status(StatusCode),
    /// A web page with status 502; no task.
    Html,
    /// 200 with an error object inside; no task.
    OkError,
    /// `{"code","message"}` without envelope (400); no task.
    Flat,
    /// `error.code` is an integer (503); no task.
    IntCode,
    /// 302 to another host; no task.
    Redirect,
    /// The task is made, the JSON is cut short.
    Malformed,
    /// The task is made, the connection cut.
    Lost,
    /// The task is made, the answer never comes.
    Hang,
    /// The task is made, the answer comes late.
    Slow,
    /// The task is made, the answer has no id.
    NoId,
    /// The task has already ended in the create answer.
    Terminal,
}

/// Faults of looks at a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    Status(StatusCode),
    Html,
    Malformed,
    /// 16 MiB of JSON.
    Huge,
    /// JSON nested 100,000 levels deep.
    Deep,
    Hang,
    /// The answer comes late.
    Slow,
    /// The connection is cut within the answer.
    Cut,
    /// Every other look tells of an earlier state, also after the end.
    Backwards,
    /// A status that no page names, until the task ends.
    UnknownStatus,
}

/// Faults of a task's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Completed without any link.
    NoLinks,
    /// `result_data` with objects instead of `results`.
    ResultData,
    /// `result_data` as one object.
    ResultObject,
    /// Ends as cancelled.
    Cancelled,
    /// Charged twice the reservation.
    Overcharged,
    /// Delivers all `n` pictures, not just one.
    AllN,
}

/// Faults of the media host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Status(StatusCode),
    /// Half of the announced body, then a cut connection.
    Truncated,
    /// 200 with a web page.
    Html,
    /// 200 with nothing.
    Empty,
    /// 302 to a link-local address.
    Redirect,
    /// The picture dribbles over `seconds` (default 60).
    Slow,
    /// Bytes without end.
    Endless,
    Hang,
    /// JPEG bytes whatever was asked.
    Jpeg,
    /// WebP bytes whatever was asked.
    Webp,
    /// No Content-Length.
    NoLength,
}

/// Faults of the files API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    Status(StatusCode),
    /// 200 with `success: false`.
    OkError,
    /// The account's files are used up.
    Quota,
    Malformed,
    Html,
    Hang,
    /// The file is kept, the connection cut.
    Lost,
}

pub(super) const CREATE: &[(&str, Create)] = &[
    ("html", Create::Html),
    ("200-error", Create::OkError),
    ("flat", Create::Flat),
    ("intcode", Create::IntCode),
    ("redirect", Create::Redirect),
    ("malformed", Create::Malformed),
    ("lost", Create::Lost),
    ("hang", Create::Hang),
    ("slow", Create::Slow),
    ("no-id", Create::NoId),
    ("terminal", Create::Terminal),
];
pub(super) const POLL: &[(&str, Poll)] = &[
    ("html", Poll::Html),
    ("malformed", Poll::Malformed),
    ("huge", Poll::Huge),
    ("deep", Poll::Deep),
    ("hang", Poll::Hang),
    ("slow", Poll::Slow),
    ("cut", Poll::Cut),
    ("backwards", Poll::Backwards),
    ("unknown-status", Poll::UnknownStatus),
];
pub(super) const DONE: &[(&str, Done)] = &[
    ("no-links", Done::NoLinks),
    ("result_data", Done::ResultData),
    ("result_object", Done::ResultObject),
    ("cancelled", Done::Cancelled),
    ("overcharged", Done::Overcharged),
    ("all-n", Done::AllN),
];
pub(super) const MEDIA: &[(&str, Media)] = &[
    ("truncated", Media::Truncated),
    ("html", Media::Html),
    ("empty", Media::Empty),
    ("redirect", Media::Redirect),
    ("slow", Media::Slow),
    ("endless", Media::Endless),
    ("hang", Media::Hang),
    ("jpeg", Media::Jpeg),
    ("webp", Media::Webp),
    ("no-length", Media::NoLength),
];
pub(super) const FILES: &[(&str, Files)] = &[
    ("200-error", Files::OkError),
    ("quota", Files::Quota),
    ("malformed", Files::Malformed),
    ("html", Files::Html),
    ("hang", Files::Hang),
    ("lost", Files::Lost),
];
