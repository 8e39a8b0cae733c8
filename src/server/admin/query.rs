//! Reads the query of an admin request: known names, each once.

use crate::fault::{Fault, wording};

/// The values given, by name.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// 400 for a name that is not among `known`, or one given twice.
    pub(super) fn read(text: Option<&str>, known: &[&str]) -> Result<Self, Fault> {
        let mut given: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let message =
                    format!("Unknown parameter {}. Use {}.", wording::quote(&name), known.join(", "));
                return Err(Fault::invalid(name.into_owned(), message));
            }
            if given.iter().any(|(other, _)| *other == name) {
                let message = format!("'{name}' is given twice.");
                return Err(Fault::invalid(name.into_owned(), message));
            }
            given.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(given))
    }

    /// None when it is not given, or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }
}
