//! One parameter as the client gave it, and the readers that turn it into a typed value or a 400 naming it.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::data_url;
use super::generate::GivenImage;
use crate::fault::wording::{quote, supported};
use crate::fault::{Fault, FaultKind};

/// Bytes of one link; signed links of the big object stores stay well below.
const LINK_BYTES_MAX: usize = 8 * 1024;

/// How a value was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Json,
    /// Every scalar is a text: `2`, `true`.
    Form,
}

const NO_LINK: &str = "Expected an http or https link or a base64 data URL.";

/// A known parameter with its value, which is not null.
pub(super) struct Given {
    pub(super) name: &'static str,
    pub(super) value: Value,
    pub(super) wire: Wire,
}

impl Given {
    pub(super) fn text(self) -> Result<String, Fault> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong("Expected a string.")),
        }
    }

    /// An integer in `range`; `2.0` is the integer 2, as in JSON Schema.
    pub(super) fn integer(self, range: RangeInclusive<u64>) -> Result<u64, Fault> {
        match self.whole().and_then(|number| u64::try_from(number).ok()) {
            Some(number) if range.contains(&number) => Ok(number),
            _ => Err(self.wrong(&format!("Expected an integer from {} to {}.", range.start(), range.end()))),
        }
    }

    /// Any integer, negative ones included.
    pub(super) fn any_integer(self) -> Result<i64, Fault> {
        self.whole().ok_or_else(|| self.wrong("Expected an integer."))
    }

    /// In a form Python's `True` is true as well.
    pub(super) fn flag(self) -> Result<bool, Fault> {
        let flag = match self.form_text() {
            Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => self.value.as_bool(),
        };
        flag.ok_or_else(|| self.wrong("Expected true or false."))
    }

    /// In a form either brackets built it or it is written as JSON.
    pub(super) fn object(self) -> Result<Map<String, Value>, Fault> {
        match self.form_text().map(serde_json::from_str) {
            Some(Ok(members)) => return Ok(members),
            Some(Err(_)) => return Err(self.wrong("Expected an object, written as JSON.")),
            None => {}
        }
        match self.value {
            Value::Object(members) => Ok(members),
            _ => Err(self.wrong("Expected an object.")),
        }
    }

    /// As [`Self::object`].
    pub(super) fn array(self) -> Result<Vec<Value>, Fault> {
        match self.form_text().map(serde_json::from_str) {
            Some(Ok(items)) => return Ok(items),
            Some(Err(_)) => return Err(self.wrong("Expected an array, written as JSON.")),
            None => {}
        }
        match self.value {
            Value::Array(items) => Ok(items),
            _ => Err(self.wrong("Expected an array.")),
        }
    }

    /// One of `names`, read by `read`.
    pub(super) fn choice<T>(self, names: &[&str], read: impl Fn(&str) -> Option<T>) -> Result<T, Fault> {
        let chosen = self.value.as_str().filter(|name| names.contains(name)).and_then(read);
        chosen.ok_or_else(|| self.wrong(&supported(names)))
    }

    /// One picture: an http(s) link or a base64 data URL.
    pub(super) fn image(self) -> Result<GivenImage, Fault> {
        match self.value {
            Value::String(text) if data_url::is_data_url(&text) => {
                data_url::decode(text).map(GivenImage::Data).map_err(|problem| {
                    Fault::invalid(self.name, format!("Invalid value for '{}': {problem}", self.name))
                })
            }
            _ => self.link().map(GivenImage::Link),
        }
    }

    /// An array of at most `max` pictures; in a form a single one, too.
    pub(super) fn images(self, max: usize) -> Result<Vec<GivenImage>, Fault> {
        if self.form_text().is_some_and(|text| !text.trim_start().starts_with('[')) {
            return self.image().map(|image| vec![image]);
        }
        self.items(max)?.into_iter().map(Self::image).collect()
    }

    /// A picture as OpenAI's JSON form of edits writes it, `{"image_url": …}`, or the bare link.
    pub(super) fn image_reference(mut self) -> Result<GivenImage, Fault> {
        const EXPECTED: &str =
            "Expected an object {\"image_url\": …} with an http or https link or a base64 data URL.";
        if let Value::Object(members) = &mut self.value {
            if members.contains_key("file_id") {
                let message = "Files are not kept here: 'file_id' is not supported. Send 'image_url' with a link or a base64 \
                               data URL.";
                return Err(Fault::new(FaultKind::UnsupportedParameter, message).with_param(self.name));
            }
            let Some(link) = members.remove("image_url").filter(|link| !link.is_null()) else {
                return Err(self.wrong(EXPECTED));
            };
            self.value = link;
        }
        if self.value.is_string() { self.image() } else { Err(self.wrong(EXPECTED)) }
    }

    /// At most `max` of them in an array, or a single one.
    pub(super) fn image_references(self, max: usize) -> Result<Vec<GivenImage>, Fault> {
        if !self.value.is_array() {
            return self.image_reference().map(|image| vec![image]);
        }
        self.items(max)?.into_iter().map(Self::image_reference).collect()
    }

    /// The items of an array, at most `max`.
    fn items(self, max: usize) -> Result<Vec<Self>, Fault> {
        let (name, wire) = (self.name, self.wire);
        let items = self.array()?;
        if items.len() > max {
            let message = format!(
                "Invalid value for '{name}': {} pictures given, at most {max} are taken.",
                items.len()
            );
            return Err(Fault::invalid(name, message));
        }
        Ok(items.into_iter().map(|value| Self { name, value, wire }).collect())
    }

    /// One http(s) link.
    fn link(self) -> Result<String, Fault> {
        let problem = match &self.value {
            Value::String(link) => link_problem(link),
            _ => Some("Expected a string."),
        };
        match problem {
            Some(problem) => Err(self.wrong(problem)),
            None => self.text(),
        }
    }

    /// The text of a form's field.
    fn form_text(&self) -> Option<&str> {
        self.value.as_str().filter(|_| self.wire == Wire::Form)
    }

    fn whole(&self) -> Option<i64> {
        match self.form_text() {
            Some(text) => whole(&serde_json::from_str(text).ok()?),
            None => whole(&self.value),
        }
    }

    /// The 400 for this value.
    pub(super) fn wrong(&self, expectation: &str) -> Fault {
        Fault::invalid(self.name, format!("Invalid value: {}. {expectation}", echo(&self.value)))
    }
}

fn echo(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        // Beyond 2^53 a double no longer says which integer was meant.
        let exact = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
        #[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "whole and within range")]
        exact.then_some(number as i64)
    })
}

/// Why `link` cannot be passed on. Whether its host may be reached is not known here.
fn link_problem(link: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = link.split_once(':') else {
        return Some(NO_LINK);
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Some(NO_LINK);
    }
    let host =
        rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if host.is_empty() || link.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some(NO_LINK);
    }
    (link.len() > LINK_BYTES_MAX).then_some("The link is too long: at most 8192 bytes are taken.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(value: Value) -> Given {
        Given { name: "n", value, wire: Wire::Json }
    }

    #[test]
    fn integers_are_read_as_json_schema_reads_them() {
        assert_eq!(given(json!(2)).integer(1..=10).unwrap(), 2);
        assert_eq!(given(json!(2.0)).integer(1..=10).unwrap(), 2);
        assert_eq!(given(json!(-1)).any_integer().unwrap(), -1);
        for wrong in
            [json!(0), json!(11), json!(-1), json!(1.5), json!(1e300), json!("2"), json!(true), json!([2])]
        {
            let fault = given(wrong.clone()).integer(1..=10).unwrap_err();
            assert_eq!(
                (fault.status(), fault.code(), fault.param()),
                (400, "invalid_value", Some("n")),
                "{wrong}"
            );
            assert!(fault.message().ends_with("Expected an integer from 1 to 10."), "{}", fault.message());
        }
    }

    #[test]
    fn only_http_and_https_links_pass() {
        for link in ["https://example.com/a.png", "HTTP://example.com:8080/a?b#c", "https://[2001:db8::1]/"] {
            assert_eq!(given(json!(link)).link().unwrap(), link);
        }
        for link in [
            "",
            "a.png",
            "ftp://example.com/a",
            "file:///etc/passwd",
            "https://",
            "https:///a",
            "http://a b/",
        ] {
            assert!(
                given(json!(link)).link().unwrap_err().message().contains("http or https link"),
                "{link}"
            );
        }
        assert!(given(json!(format!("https://a/{}", "x".repeat(9000)))).link().is_err());
    }

    #[test]
    fn long_and_unprintable_values_are_not_repeated_whole() {
        let fault = given(json!(format!("a\n{}", "b".repeat(10_000)))).flag().unwrap_err();
        assert_eq!(
            fault.message(),
            format!("Invalid value: 'a{}…'. Expected true or false.", "b".repeat(63))
        );
    }
}
