//! A JSON object as its members in the order they came, which a map would lose.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use crate::fault::{Fault, FaultKind};

/// Members of one request body at most; real requests have a dozen.
const MEMBERS_MAX: usize = 256;

/// The members of a JSON object. Of a repeated name the last value counts, in the first one's place.
#[derive(Debug)]
pub(super) struct Members(pub(super) Vec<(String, Value)>);

impl Members {
    /// Reads a request body. 400 `invalid_json` says where it goes wrong, never what stands there.
    pub(super) fn read(body: &[u8]) -> Result<Self, Fault> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(refuse("The request body is empty. Send a JSON object."));
        }
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            Category::Data if error.to_string().starts_with(TOO_MANY) => {
                refuse(format!("The request body has too many members (more than {MEMBERS_MAX})."))
            }
            Category::Data => refuse("The request body must be a JSON object."),
            _ => refuse(format!("The request body is not valid JSON: {error}.")),
        })
    }
}

const TOO_MANY: &str = "too many members";

fn refuse(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::InvalidJson, message)
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if let Some((_, earlier)) = members.iter_mut().find(|(known, _)| *known == name) {
                *earlier = value;
            } else if members.len() < MEMBERS_MAX {
                members.push((name, value));
            } else {
                return Err(serde::de::Error::custom(TOO_MANY));
            }
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> String {
        let fault = Members::read(body).expect_err("must be refused");
        assert_eq!((fault.status(), fault.code()), (400, "invalid_json"));
        fault.message().to_owned()
    }

    #[test]
    fn members_keep_their_order_and_the_last_of_a_repeated_name_counts() {
        let members = Members::read(br#" {"z":1,"a":2,"z":3} "#).unwrap().0;
        assert_eq!(members, [("z".to_owned(), Value::from(3)), ("a".to_owned(), Value::from(2))]);
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_place_of_the_mistake() {
        assert_eq!(
            message(br#"{"prompt": }"#),
            "The request body is not valid JSON: expected value at line 1 column 12."
        );
        assert!(message(b"{\"prompt\":\n\"a\"").contains("line 2"), "cut off");
        assert!(message(b"{} {}").contains("trailing characters"));
        assert!(message(b"{\"prompt\":\"\xff\"}").contains("column"), "not UTF-8");
        assert!(message(br#"{"prompt":"\ud800"}"#).contains("hex escape"));
    }

    #[test]
    fn what_is_no_object_is_refused_without_repeating_it() {
        for body in ["[]", "\"a secret\"", "1", "null", "true"] {
            assert_eq!(message(body.as_bytes()), "The request body must be a JSON object.", "{body}");
        }
        assert_eq!(message(b" \n"), "The request body is empty. Send a JSON object.");
    }

    #[test]
    fn depth_and_number_of_members_are_bounded() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(message(deep.as_bytes()).contains("recursion limit"));
        let names: Vec<_> = (0..=MEMBERS_MAX).map(|number| format!("\"p{number}\":1")).collect();
        assert!(message(format!("{{{}}}", names.join(",")).as_bytes()).contains("too many members"));
    }
}
