//! 202: the generation is under way, and the client comes back for it.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use super::answer::head::{name_generation, put};
use crate::clock::Clock;
use crate::generation::Generation;
use crate::openai::GenerationState;

/// When the shortest time that such tasks take is over, it is worth looking this often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Waits above a minute are taken for mistakes by OpenAI's SDKs.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// Where the generation stands, where it is to be asked for, and when.
pub(super) fn accepted(generation: &Generation, clock: &Clock) -> Response {
    let id = generation.id().to_string();
    let location = format!("/v1/images/generations/{id}");
    let (created, state) = (generation.created_unix(), generation.state().name());
    let (progress, position) = (generation.progress(), generation.ahead());
    let body = GenerationState { id, created, state, progress, position }.body();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    put(headers, LOCATION, &location);
    let age = Duration::from_secs(clock.unix().saturating_sub(created).try_into().unwrap_or(0));
    headers.insert(RETRY_AFTER, pause(generation.plan().typical.0, age).as_secs().into());
    name_generation(headers, generation);
    response
}

/// The rest of the shortest time that such a task takes, in whole seconds.
fn pause(shortest: Duration, age: Duration) -> Duration {
    shortest.saturating_sub(age).clamp(LOOK_EVERY, RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_to_look_when_there_may_be_something_to_see() {
        let seconds =
            |shortest, age| pause(Duration::from_secs(shortest), Duration::from_secs(age)).as_secs();
        assert_eq!(seconds(10, 0), 10);
        assert_eq!(seconds(10, 7), 3);
        assert_eq!(seconds(10, 9), 2);
        assert_eq!(seconds(10, 900), 2);
        assert_eq!(seconds(600, 0), 60);
    }
}
