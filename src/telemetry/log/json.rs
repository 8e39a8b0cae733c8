//! One event, one line of JSON: `timestamp`, `level`, `target`, `message`, `fields`, `spans` (outermost first, each
//! with its `name` and fields).

use std::fmt;

use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Map, Number, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::value::{cut, cut_debug};
use crate::clock::Clock;

/// Writes times as `2026-11-22T11:32:56.456616Z`.
const TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// The field in which tracing hands over the text of an event.
const MESSAGE: &str = "message";
/// Room for what comes before the fields of most lines, for their text, and for the fields.
const HEAD_CAPACITY: usize = 256;
const MESSAGE_CAPACITY: usize = 96;
const FIELDS_CAPACITY: usize = 384;

/// Writes a span's fields as a JSON object.
pub(super) struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut object = Object::default();
        fields.record(&mut object);
        write!(writer, "{}", Value::Object(object.0))
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &span::Record<'_>,
    ) -> fmt::Result {
        let mut object = Object(parse(&current.fields));
        fields.record(&mut object);
        current.fields = Value::Object(object.0).to_string();
        Ok(())
    }
}

/// Writes an event.
pub(super) struct Line;

impl<S> FormatEvent<S, Fields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut members = Members::default();
        event.record(&mut members);
        let Members { message, fields } = members;
        let meta = event.metadata();
        let mut head = String::with_capacity(HEAD_CAPACITY);
        head.push_str("{\"timestamp\":\"");
        TIMES.print_timestamp(&Clock::system().now(), &mut head).map_err(|_unprintable| fmt::Error)?;
        head.push_str("\",\"level\":\"");
        head.push_str(meta.level().as_str());
        head.push_str("\",\"target\":");
        quote(meta.target(), &mut head);
        head.push_str(",\"message\":");
        head.push_str(message.as_deref().unwrap_or("null"));
        writer.write_str(&head)?;
        if !fields.is_empty() {
            writer.write_str(",\"fields\":{")?;
            writer.write_str(&fields)?;
            writer.write_char('}')?;
        }
        let spans: Vec<_> = context
            .event_scope()
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
            .map(|span| {
                let extensions = span.extensions();
                let mut fields = extensions
                    .get::<FormattedFields<Fields>>()
                    .map(|text| parse(&text.fields))
                    .unwrap_or_default();
                fields.insert("name".into(), span.name().into());
                Value::Object(fields)
            })
            .collect();
        if !spans.is_empty() {
            write!(writer, r#","spans":{}"#, Value::Array(spans))?;
        }
        writeln!(writer, "}}")
    }
}

fn parse(fields: &str) -> Map<String, Value> {
    serde_json::from_str(fields).unwrap_or_default()
}

/// What an event says, written as JSON at once: a line is written for every request, and must be cheap.
#[derive(Default)]
struct Members {
    message: Option<String>,
    /// Without the braces.
    fields: String,
}

impl Members {
    /// Begins a field; its value is to follow. A message is not among the fields.
    fn begin(&mut self, field: &Field) -> &mut String {
        if field.name() == MESSAGE {
            return self.message.insert(String::with_capacity(MESSAGE_CAPACITY));
        }
        if self.fields.is_empty() {
            self.fields.reserve(FIELDS_CAPACITY);
        } else {
            self.fields.push(',');
        }
        // A name of the code's own has nothing to escape.
        self.fields.push('"');
        self.fields.push_str(field.name());
        self.fields.push_str("\":");
        &mut self.fields
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        let value = Number::from_f64(value).map_or(Value::Null, Value::Number);
        self.begin(field).push_str(&value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.begin(field).push_str(&value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.begin(field).push_str(&value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.begin(field).push_str(if value { "true" } else { "false" });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        quote(&cut(value), self.begin(field));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        quote(&cut_debug(value), self.begin(field));
    }
}

/// Writes a text as a JSON string.
fn quote(text: &str, to: &mut String) {
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "without a way out early many bytes are looked at at a time"
    )]
    let special = |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\');
    if text.bytes().fold(false, special) {
        to.push_str(&Value::from(text).to_string());
    } else {
        to.push('"');
        to.push_str(text);
        to.push('"');
    }
}

#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Object {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Number::from_f64(value).map_or(Value::Null, Value::Number));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, cut(value).as_ref());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, cut_debug(value));
    }
}
