//! OpenAI's error object.

use serde::Serialize;

use crate::fault::Fault;

#[derive(Serialize)]
struct Body<'a> {
    error: Error<'a>,
}

/// All four keys are always there; OpenAI's schema requires them.
#[derive(Serialize)]
pub(super) struct Error<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

impl<'a> Error<'a> {
    pub(super) fn of(fault: &'a Fault) -> Self {
        Self {
            message: fault.message(),
            r#type: fault.error_type(),
            param: fault.param(),
            code: fault.code(),
        }
    }
}

/// `{"error":{"message","type","param","code"}}`. The fault's private cause is not in it.
pub fn error_body(fault: &Fault) -> Vec<u8> {
    // Strings always serialize.
    serde_json::to_vec(&Body { error: Error::of(fault) }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    fn text(fault: &Fault) -> String {
        String::from_utf8(error_body(fault)).unwrap()
    }

    #[test]
    fn all_four_keys_are_there_and_the_cause_is_not() {
        let fault = Fault::invalid("size", "Invalid value: 'a\"b'.").with_cause("private");
        insta::assert_snapshot!(text(&fault), @r#"{"error":{"message":"Invalid value: 'a\"b'.","type":"invalid_request_error","param":"size","code":"invalid_value"}}"#);
    }

    #[test]
    fn a_fault_without_a_parameter_says_null() {
        let fault = Fault::new(FaultKind::Internal, "Something went wrong here.");
        insta::assert_snapshot!(text(&fault), @r#"{"error":{"message":"Something went wrong here.","type":"server_error","param":null,"code":"internal_error"}}"#);
    }
}
