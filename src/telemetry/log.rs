//! Where log lines go and what they look like: stderr, JSON by the line for machines, coloured text on a terminal.
//!
//! A value longer than [`VALUE_CHARS_MAX`] is cut and control characters are escaped, so that no upstream answer or
//! client text can flood the log or forge a line.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

mod json;
mod value;
mod writer;

pub use value::VALUE_CHARS_MAX;
pub use writer::{LogWriter, dropped_lines};

/// Tells each try that it repeats, at INFO. What comes of them all is told once, by the picture store.
const BUCKET_CLIENT: &str = "object_store";

/// `log.format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty when stderr is a terminal, else JSON.
    #[default]
    Auto,
    Pretty,
    Json,
}

/// How to log.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions<'a> {
    pub format: LogFormat,
    /// A level (`info`) or a filter by target (`info,evolink_gateway=debug`).
    pub level: &'a str,
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("not a log level or filter: {0}")]
    Level(#[from] ParseError),
    #[error("no thread to write the log with: {0}")]
    Thread(#[from] io::Error),
    #[error("logging was started already")]
    Started(#[from] TryInitError),
}

/// Says whether `level` is a level or filter that [`init_logs`] takes.
pub fn check_level(level: &str) -> Result<(), LogError> {
    filter(level)?;
    Ok(())
}

/// Starts logging for the whole process, until what it returns is dropped; a second time is an error.
pub fn init_logs(options: LogOptions<'_>) -> Result<LogWriter, LogError> {
    let pretty = match options.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let filter = filter(options.level)?;
    let (lines, writer) = writer::start(io::stderr())?;
    if pretty {
        pretty_to(lines, filter, io::stderr().is_terminal()).try_init()?;
    } else {
        json_to(lines, filter).try_init()?;
    }
    Ok(writer)
}

fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    let filter = EnvFilter::builder().parse(level)?;
    if level.contains(BUCKET_CLIENT) {
        return Ok(filter);
    }
    Ok(filter.add_directive(format!("{BUCKET_CLIENT}=warn").parse()?))
}

fn json_to<W>(writer: W, filter: EnvFilter) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // a closed stderr must not make the gateway complain on stderr about it
    let lines = layer()
        .fmt_fields(json::Fields)
        .event_format(json::Line)
        .with_writer(writer)
        .log_internal_errors(false);
    Registry::default().with(filter).with(lines)
}

fn pretty_to<W>(writer: W, filter: EnvFilter, colours: bool) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let fields = debug_fn(|writer: &mut Writer<'_>, field, text| {
        let text = value::one_line(text);
        if field.name() == "message" {
            write!(writer, "{text}")
        } else {
            write!(writer, "{}={text}", field.name())
        }
    })
    .delimited(" ");
    let lines = layer().fmt_fields(fields).with_ansi(colours).with_writer(writer).log_internal_errors(false);
    Registry::default().with(filter).with(lines)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn lines(&self) -> Vec<String> {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
        }
    }

    fn written_as_json(level: &str, event: impl FnOnce()) -> Vec<Value> {
        let paper = Paper::default();
        let sink = paper.clone();
        tracing::subscriber::with_default(json_to(move || sink.clone(), filter(level).unwrap()), event);
        paper.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn the_client_of_a_bucket_is_quiet_unless_it_is_asked_for() {
        let quiet = |level| filter(level).unwrap().to_string().contains("object_store=warn");
        assert!(quiet("info") && quiet("debug"));
        assert!(!quiet("info,object_store=debug"));
    }

    #[test]
    fn a_json_line_has_the_message_the_fields_and_those_of_its_spans() {
        let lines = written_as_json("info", || {
            let span = tracing::info_span!("request", id = "req_1", team = tracing::field::Empty);
            let _inside = span.enter();
            span.record("team", "design");
            tracing::info!(images = 2, seconds = 0.5, ok = true, "answered");
        });
        let line = &lines[0];
        assert_eq!((&line["level"], &line["message"]), (&json!("INFO"), &json!("answered")));
        assert_eq!(line["fields"], json!({"images": 2, "seconds": 0.5, "ok": true}));
        assert_eq!(line["spans"], json!([{"name": "request", "id": "req_1", "team": "design"}]));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line["target"].as_str().unwrap().starts_with("evolink_gateway::telemetry::log"), "{line}");
    }

    #[test]
    fn line_breaks_and_quotes_cannot_forge_a_json_line() {
        let lines = written_as_json("info", || {
            tracing::warn!(text = "a\n{\"level\":\"ERROR\"}\r\u{1b}[2J", "odd \"quotes\"\n");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["fields"]["text"], "a\n{\"level\":\"ERROR\"}\r\u{1b}[2J");
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        let long = "é".repeat(VALUE_CHARS_MAX * 2);
        let lines = written_as_json("info", || tracing::info!(text = long, debug = ?long, "{long}"));
        for value in [&lines[0]["fields"]["text"], &lines[0]["fields"]["debug"], &lines[0]["message"]] {
            let text = value.as_str().unwrap();
            assert_eq!(text.chars().count(), VALUE_CHARS_MAX + 1, "{text}");
            assert!(text.ends_with('…'));
        }
    }

    #[test]
    fn a_filter_by_target_is_a_level() {
        let target = "info,evolink_gateway::telemetry=debug";
        let lines = written_as_json(target, || {
            tracing::debug!("own");
            tracing::debug!(target: "hyper", "foreign");
        });
        assert_eq!(lines.len(), 1);
        assert!(check_level(target).is_ok() && check_level("warn").is_ok());
        assert!(matches!(check_level("info,=x=y"), Err(LogError::Level(_))));
    }

    #[test]
    fn pretty_lines_are_one_line_each() {
        let paper = Paper::default();
        let sink = paper.clone();
        let subscriber = pretty_to(move || sink.clone(), filter("info").unwrap(), false);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(team = "design", text = %"two\nlines", "first\nsecond");
        });
        let lines = paper.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(r#"first\nsecond team="design" text=two\nlines"#), "{}", lines[0]);
    }
}
