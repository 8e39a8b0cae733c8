//! Points in time (RFC 3339) and time zones (IANA names).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::scalar::{text, text_like};
use super::setting::{Reader, Setting};
use super::shown::{Secrets, Shown};

impl Setting for Timestamp {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match text(value, reader)?.parse() {
            Ok(timestamp) => Some(timestamp),
            Err(_) => reader.wrong(value, "must be a point in time such as 2027-01-31T00:00:00Z"),
        }
    }

    fn schema() -> Value {
        text_like("^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.to_string())
    }
}

impl Setting for TimeZone {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match Self::get(text(value, reader)?) {
            Ok(zone) => Some(zone),
            Err(_) => reader.wrong(value, "must be an IANA time zone such as Europe/Berlin or UTC"),
        }
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }

    fn shown(&self, _: Secrets) -> Shown {
        Shown::plain(self.iana_name().unwrap_or("UTC"))
    }
}
