//! One event, one line of JSON: `timestamp`, `level`, `target`, `message`, `fields`, `spans` (outermost first, each
//! with its `name` and fields).

use std::fmt;

use serde_json::{Map, Number, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::value::{cut, cut_debug};

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
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut object = Object::default();
        event.record(&mut object);
        let message = object.0.remove("message").unwrap_or_default();
        let meta = event.metadata();
        write!(writer, r#"{{"timestamp":"{timestamp}","level":"{}","#, meta.level())?;
        write!(writer, r#""target":{},"message":{message}"#, Value::from(meta.target()))?;
        if !object.0.is_empty() {
            write!(writer, r#","fields":{}"#, Value::Object(object.0))?;
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
        self.put(field, cut(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, cut_debug(value));
    }
}
