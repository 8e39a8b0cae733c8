//! What the bucket's server told, as a fault of the store, in few words of our own: servers quote keys and whole
//! requests in their errors.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use super::StoreFault;

/// What S3 and others answer when there is no room for an object: MinIO, Ceph, Wasabi.
const FULL_CODES: [&str; 4] =
    ["XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage"];

/// An answer that is no success.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// S3's own word for it.
    code: String,
}

/// Whether there is no such object, in a bucket that is there.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
        && answer(error).is_none_or(|answer| answer.code != "NoSuchBucket")
}

pub(super) fn fault(error: &Error) -> StoreFault {
    if let Some(answer) = answer(error) {
        let said = io::Error::other(
            format!("its server answered {} {}", answer.status, answer.code).trim_end().to_owned(),
        );
        return match answer.status {
            300..=399 => redirected(),
            507 => StoreFault::Full(said),
            _ if FULL_CODES.contains(&answer.code.as_str()) => StoreFault::Full(said),
            401 | 403 | 405 => StoreFault::ReadOnly(said),
            _ => StoreFault::Failing(said),
        };
    }
    match transport(error) {
        Some((HttpErrorKind::Timeout, _)) => StoreFault::Slow,
        Some((HttpErrorKind::Connect, cause)) => {
            failing(ErrorKind::NotConnected, format!("its server cannot be reached: {cause}"))
        }
        Some((_, cause)) => failing(ErrorKind::Other, format!("the exchange with its server broke: {cause}")),
        None if chain(error).any(|error| error.to_string().contains("redirect")) => redirected(),
        None => failing(ErrorKind::Other, "its server is not understood".to_owned()),
    }
}

/// S3 does so when the bucket is in another region.
fn redirected() -> StoreFault {
    failing(ErrorKind::Other, "its server redirects: the bucket has another region or endpoint".to_owned())
}

fn failing(kind: ErrorKind, said: String) -> StoreFault {
    StoreFault::Failing(io::Error::new(kind, said))
}

/// The error and what caused it, the innermost last.
fn chain<'a>(error: &'a Error) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let first: &'a (dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |&error| error.source())
}

/// The status is in no type that can be named outside of the crate, only in its words.
fn answer(error: &Error) -> Option<Answer> {
    chain(error).find_map(|error| {
        let said = error.to_string();
        let (_, rest) = said.rsplit_once("non-2xx status code: ")?;
        let status = rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()?;
        Some(Answer { status, code: code(rest) })
    })
}

/// The code of S3's XML; empty where there is none, as in answers to HEAD.
fn code(body: &str) -> String {
    let code = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map_or("", |(code, _)| code);
    let is_word = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { code.to_owned() } else { String::new() }
}

/// How the exchange itself went wrong, with the innermost cause.
fn transport(error: &Error) -> Option<(HttpErrorKind, String)> {
    let kind = chain(error).find_map(|error| error.downcast_ref::<HttpError>()).map(HttpError::kind)?;
    let cause = chain(error).last().map(ToString::to_string).unwrap_or_default();
    Some((kind, cause))
}
