//! Requests with pictures, and what becomes of the pictures.

use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Answer, FormBody, Harness, PATIENCE, PROMPT_CANARY, UPSTREAM_KEY};

pub(crate) const EDITS: &str = "/v1/images/edits";
pub(crate) const VARIATIONS: &str = "/v1/images/variations";

impl Harness {
    /// A form by team `design`.
    pub(crate) fn form(&self, path: &str, form: FormBody) -> RequestBuilder {
        let request = self.ask(Method::POST, path).header("content-type", FormBody::media_type());
        request.body(form.into_bytes())
    }

    pub(crate) async fn edit(&self, form: FormBody) -> Answer {
        self.send(self.form(EDITS, form)).await
    }

    /// An edit in JSON. The prompt canary is added to its prompt.
    pub(crate) async fn edit_json(&self, mut body: Value) -> Answer {
        body["prompt"] = json!(format!("{} {PROMPT_CANARY}", body["prompt"].as_str().unwrap()));
        let request = self.ask(Method::POST, EDITS).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    /// The links that the only task was given.
    pub(crate) fn links(&self) -> Vec<String> {
        let ledger = self.ledger();
        assert_eq!(ledger.tasks.len(), 1, "one task");
        let links = ledger.tasks[0].body["image_urls"].as_array().expect("no links").clone();
        links.iter().map(|link| link.as_str().unwrap().to_owned()).collect()
    }

    /// What lies behind an uploaded file's link.
    pub(crate) async fn uploaded(&self, link: &str) -> Vec<u8> {
        let answer = self.http.get(link).header("user-agent", "it/1").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{link}");
        answer.bytes().await.unwrap().to_vec()
    }

    /// Ends the test once all uploads are deleted upstream.
    pub(crate) async fn finish_uploads(self) {
        let deadline = Instant::now() + PATIENCE;
        while self.files_upstream().await > 0 {
            assert!(Instant::now() < deadline, "uploads are left behind");
            sleep(std::time::Duration::from_millis(10)).await;
        }
        self.finish().await;
    }

    async fn files_upstream(&self) -> u64 {
        let url = format!("{}/api/v1/files/quota", self.simulator.url());
        let answer = self.http.get(url).bearer_auth(UPSTREAM_KEY).send().await.unwrap();
        let quota: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        quota["data"]["used_files"].as_u64().unwrap_or_else(|| panic!("{quota}"))
    }
}
