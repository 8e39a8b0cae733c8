//! Clients made for Azure's flavour of the API: the model in the path, the key in a header of its own.

use serde_json::{Value, json};

use crate::support::{DESIGN_KEY, Harness, PROMPT_CANARY};

fn asked(house: &Harness, deployment: &str, body: &Value) -> reqwest::RequestBuilder {
    let path = format!("/openai/deployments/{deployment}/images/generations?api-version=2025-04-01-preview");
    let request = house.http.post(house.url(&path)).header("api-key", DESIGN_KEY);
    request.header("content-type", "application/json").body(body.to_string())
}

fn small() -> Value {
    json!({"prompt": format!("a fox {PROMPT_CANARY}"), "size": "816x816", "quality": "low", "n": 1})
}

#[tokio::test]
async fn the_model_of_the_path_wins_over_the_bodys() {
    let house = Harness::start().await;
    let mut body = small();
    body["model"] = json!("gpt-imagine-9");
    house.send(asked(&house, "gpt-image-2", &body)).await.picture();
    let mut body = small();
    body["quality"] = json!("medium");
    house.send(asked(&house, "gpt%2Dimage%2D2", &body)).await.picture();
    for deployment in ["gpt-imagine-9", "a%2Fb", "%FF"] {
        let mut body = small();
        body["model"] = json!("gpt-image-2");
        let answer = house.send(asked(&house, deployment, &body)).await;
        answer.is_error(404, "invalid_request_error", "model_not_found", false);
    }
    house.has_tasks(2);
    let route = "route=\"/openai/deployments/{model}/images/generations\"";
    house
        .until_metrics("the pictures", |metrics| {
            metrics.sum("requests_total", &[route, "status=\"200\""]) == 2.0
        })
        .await;
    house.finish().await;
}

#[tokio::test]
async fn an_aliass_name_in_the_path_has_its_defaults() {
    let house = Harness::start().await;
    let answer = house.send(asked(&house, "dall-e-3", &json!({"prompt": "a fox"}))).await;
    assert!(answer.is_ok().json()["data"][0]["url"].is_string());
    house.finish().await;
}
