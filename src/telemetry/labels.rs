//! Label values: closed sets, and a cap for those that come from the configuration.

use std::sync::{PoisonError, RwLock};

use foldhash::HashSet;

/// Distinct teams that label a metric; further ones count as `other`.
pub const TEAMS_MAX: usize = 200;
/// Distinct models that label a metric; further ones count as `other`.
pub const MODELS_MAX: usize = 100;
/// Distinct values of a label whose set is closed in the code (routes, codes, outcomes, …): a net, never reached.
pub const CLOSED_MAX: usize = 64;

const OTHER: &str = "other";

/// The values one label has had so far. Beyond its size, new ones fold into `other`, so that no caller, however
/// inventive, makes the number of series grow.
pub(super) struct Cap {
    seen: RwLock<HashSet<Box<str>>>,
    max: usize,
}

impl Cap {
    pub(super) fn new(max: usize) -> Self {
        Self { seen: RwLock::default(), max }
    }

    /// `value` itself, or `other`.
    pub(super) fn fold<'a>(&self, value: &'a str) -> &'a str {
        {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            if seen.contains(value) {
                return value;
            }
            if seen.len() >= self.max {
                return OTHER;
            }
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < self.max || seen.contains(value) {
            seen.insert(value.into());
            return value;
        }
        OTHER
    }
}

/// An upstream call, as `call` labels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Create,
    Task,
    Batch,
    Credits,
    List,
    Cancel,
    Upload,
    /// The looking up of an upload whose answer was lost.
    Receipt,
    DeleteFile,
    /// The fetching of a picture.
    Media,
}

impl Call {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Task => "task",
            Self::Batch => "batch",
            Self::Credits => "credits",
            Self::List => "list",
            Self::Cancel => "cancel",
            Self::Upload => "upload",
            Self::Receipt => "receipt",
            Self::DeleteFile => "delete_file",
            Self::Media => "media",
        }
    }
}

/// How an upstream call ended, as `status` labels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallStatus {
    /// Answered with this HTTP status.
    Http(u16),
    /// No connection was made.
    Connect,
    /// No answer in time.
    Timeout,
    /// The answer broke off.
    Broken,
    /// Not sent, because a rule of the gateway's own forbids it (a link to a private address, for example).
    Refused,
}

impl CallStatus {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Http(status) => status_label(status),
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Refused => "refused",
        }
    }
}

/// The status as text, without an allocation; one that nobody sends on purpose is `other`.
pub(super) const fn status_label(status: u16) -> &'static str {
    match status {
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        206 => "206",
        301 => "301",
        302 => "302",
        303 => "303",
        304 => "304",
        307 => "307",
        308 => "308",
        400 => "400",
        401 => "401",
        402 => "402",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        410 => "410",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        431 => "431",
        499 => "499",
        500 => "500",
        501 => "501",
        502 => "502",
        503 => "503",
        504 => "504",
        520 => "520",
        521 => "521",
        522 => "522",
        523 => "523",
        524 => "524",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_the_cap_fold_into_other_and_known_ones_stay() {
        let cap = Cap::new(2);
        assert_eq!([cap.fold("a"), cap.fold("b"), cap.fold("c"), cap.fold("a")], ["a", "b", "other", "a"]);
    }
}
