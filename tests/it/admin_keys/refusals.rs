//! What the admin API does not do with keys, and for whom it does nothing.

use http::Method;
use serde_json::json;

use super::{INVALID, Minted, NEW_YEAR};
use crate::support::{DESIGN_KEY, Harness};

const TOKEN: &str = "admin-token-of-this-test";

#[tokio::test]
async fn keys_of_the_configuration_are_listed_and_left_to_it() {
    let house = Harness::start().await;
    house.visit_with(DESIGN_KEY).await.is_ok();
    let rows = house.listed_keys().await;
    let named: Vec<_> =
        rows.iter().map(|row| (row["team"].as_str().unwrap(), row["name"].as_str().unwrap())).collect();
    assert_eq!(named, [("design", "ci"), ("design", "old"), ("print", "press"), ("strict", "ci")]);
    assert!(rows.iter().all(|row| row["source"] == "config" && row["created"].is_null()));
    let [ci, old, press, _] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(ci["last_used"].is_i64() && press["last_used"].is_null(), "{rows:?}");
    assert_eq!((&old["state"], &old["expires"]), (&json!("expired"), &json!(NEW_YEAR + 3600)));
    let id = ci["id"].as_str().unwrap();
    let ci = Minted { id: id.to_owned(), secret: DESIGN_KEY.to_owned() };
    let rotated = house.rotate(&ci, json!({"grace": "1h"})).await;
    rotated.is_error(409, INVALID, "key_from_config", false);
    assert!(rotated.error("message").contains("evolink-gateway key create"));
    house.revoke(id).await.is_error(409, INVALID, "key_from_config", false);
    house.visit_with(DESIGN_KEY).await.is_ok();
    let filtered = house.admin("/admin/v1/keys?team=print").await.is_ok().json();
    assert_eq!(filtered["data"].as_array().unwrap().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn what_makes_no_key_is_refused_and_changes_nothing() {
    let house = Harness::start().await;
    let key = house.mint("design", "web").await;
    let rotate = format!("/{}/rotate", key.id);
    let long = "x".repeat(17_000);
    for (path, body, status, code, param, works) in [
        ("", json!({"team": "nobody", "name": "a"}), 400, "invalid_value", "team", "'design'"),
        ("", json!({"team": "design"}), 400, "missing_required_parameter", "name", "missing"),
        (
            "",
            json!({"team": "design", "name": "a", "expires": "2020-01-01T00:00:00Z"}),
            400,
            "invalid_value",
            "expires",
            "to come",
        ),
        (
            "",
            json!({"team": "design", "name": "a", "scope": "all"}),
            400,
            "unknown_parameter",
            "scope",
            "'expires'",
        ),
        ("", json!([1]), 400, "invalid_json", "", "JSON object"),
        ("", json!({"team": "design", "name": long}), 413, "request_too_large", "", "16384"),
        (&rotate, json!({"grace": "soon"}), 400, "invalid_value", "grace", "24h"),
        ("/0123456789ab/rotate", json!({}), 404, "key_not_found", "", "GET /admin/v1/keys"),
        ("/%ff/rotate", json!({}), 404, "key_not_found", "", "GET /admin/v1/keys"),
    ] {
        let answer = house.send(house.operate(Method::POST, path, &body)).await;
        answer.is_error(status, INVALID, code, false);
        assert_eq!(answer.error("param"), param, "{path}");
        assert!(answer.error("message").contains(works), "{path}: {}", answer.error("message"));
    }
    let url = format!("http://{}/admin/v1/keys", house.admin);
    let text = house.http.post(url).header("content-type", "text/plain").body("{}");
    house.send(text).await.is_error(415, INVALID, "unsupported_media_type", false);
    assert_eq!(house.listed_keys().await.len(), 5);
    house.visit_with(&key.secret).await.is_ok();
    house.finish().await;
}

#[tokio::test]
async fn only_operators_change_keys() {
    let closed = Harness::with(json!({"server": {"admin_listen": "0.0.0.0:0"}})).await;
    let tokened = Harness::with(json!({"server": {"admin_token": TOKEN}})).await;
    let body = json!({"team": "design", "name": "web"});
    for (method, path) in [
        (Method::GET, ""),
        (Method::POST, ""),
        (Method::DELETE, "/0123456789ab"),
        (Method::POST, "/0123456789ab/rotate"),
    ] {
        let url = format!("http://127.0.0.1:{}/admin/v1/keys{path}", closed.admin.port());
        let request = closed.http.request(method.clone(), url).header("content-type", "application/json");
        let answer = closed.send(request.body(body.to_string())).await;
        answer.is_error(403, INVALID, "admin_access_denied", false);
        for request in [
            tokened.operate(method.clone(), path, &body),
            tokened.operate(method.clone(), path, &body).bearer_auth(DESIGN_KEY),
        ] {
            tokened.send(request).await.is_error(401, INVALID, "invalid_api_key", false);
        }
        // Nor are they reached where clients are.
        let request = tokened.ask(method.clone(), &format!("/admin/v1/keys{path}")).body(body.to_string());
        tokened.send(request).await.is_error(404, INVALID, "unknown_url", false);
    }
    let minted = tokened.send(tokened.operate(Method::POST, "", &body).bearer_auth(TOKEN)).await;
    tokened.visit_with(&Minted::of(&minted).secret).await.is_ok();
    closed.finish().await;
    tokened.finish().await;
}
