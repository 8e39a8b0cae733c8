//! `check`, `schema`, `key create`: what needs no running gateway.

use serde_json::Value;

use super::process::{Folder, binary, run};

#[tokio::test]
async fn check_prints_what_holds_and_no_secret() {
    let folder = Folder::new();
    let file = folder.write(
        "good.yaml",
        "teams:\n  - name: design\n    keys: [{name: ci, secret: egk_secret-team-key}]\n",
    );
    let mut command = binary(&folder);
    let ran =
        run(command.args(["check", "--config"]).arg(file).env("EVOLINK_API_KEY", "sk-secret-upstream")).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let shown: Value = serde_saphyr::from_str(&ran.out).expect("the output is YAML");
    assert_eq!(
        (&shown["teams"][0]["name"], &shown["server"]["listen"]),
        (&"design".into(), &"127.0.0.1:8080".into())
    );
    for secret in ["egk_secret-team-key", "sk-secret-upstream"] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn check_tells_all_problems_at_once_with_their_paths() {
    let folder = Folder::new();
    let bad = "server: {deadline: never, listn: '127.0.0.1:1'}\nmodels: {default: gpt-imagine-9}\n\
               teams:\n  - name: a\n    keys: [{name: b, sha256: zz}]\n  - name: a\n    limits: {budgets: [{amount: -1}]}\n";
    let file = folder.write("bad.yaml", bad);
    let ran = run(binary(&folder).args(["check", "--config"]).arg(&file)).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    for path in ["server.deadline", "server.listn", "teams[0].keys[0].sha256", "evolink.api_key"] {
        assert!(ran.err.contains(path), "{path} is missing:\n{}", ran.err);
    }
    let ran = run(binary(&folder).args(["serve", "--config"]).arg(&file)).await;
    assert_eq!(ran.code, Some(2), "serve refuses the same");
    assert!(ran.err.contains("teams[0].keys[0].sha256"), "{}", ran.err);
}

#[tokio::test]
async fn check_and_serve_refuse_a_row_of_the_catalog_whose_columns_do_not_go_together() {
    let folder = Folder::new();
    let bad = "models: {catalog: [{id: krea-2-turbo, default_resolution: 4K}, {id: a, like: b}]}";
    let file = folder.write("bad.yaml", bad);
    for command in ["check", "serve"] {
        let mut binary = binary(&folder);
        let ran = run(binary.args([command, "--config"]).arg(&file).env("EVOLINK_API_KEY", "k")).await;
        assert_ne!(ran.code, Some(0), "{command}");
        for path in ["models.catalog[0].default_resolution: must be one of", "models.catalog[1].like: `b`"] {
            assert!(ran.err.contains(path), "{command}: {path} is missing:\n{}", ran.err);
        }
    }
    let ran = run(binary(&folder).args(["check", "--config"]).arg(&file).env("EVOLINK_API_KEY", "k")).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
}

#[tokio::test]
async fn check_says_which_file_cannot_be_read() {
    let folder = Folder::new();
    let ran =
        run(binary(&folder).args(["check", "--config", "no-such.yaml"]).env("EVOLINK_API_KEY", "k")).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("no-such.yaml"), "{}", ran.err);
}

#[tokio::test]
async fn a_file_can_be_checked_away_from_its_secrets() {
    let folder = Folder::new();
    let file = folder.write("secrets.yaml", "evolink: {api_key: '${EVOLINK_API_KEY}'}\nteams: [{name: a, keys: [{name: b, secret: '${file:/no/such/file}'}]}]\n");
    let strict = run(binary(&folder).args(["check", "--config"]).arg(&file)).await;
    assert_eq!(strict.code, Some(2), "{}", strict.out);
    let lenient =
        run(binary(&folder).args(["check", "--allow-missing-secrets", "--config"]).arg(&file)).await;
    assert_eq!(lenient.code, Some(0), "{}", lenient.err);
}

#[tokio::test]
async fn the_file_is_found_by_the_environment_and_in_its_usual_place() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("config")).unwrap();
    folder.write("config/gateway.yaml", "server: {deadline: 11s}\n");
    folder.write("named.yaml", "server: {deadline: 22s}\n");
    let check = |folder: &Folder| {
        let mut command = binary(folder);
        command.arg("check").env("EVOLINK_API_KEY", "k");
        command
    };
    assert!(run(&mut check(&folder)).await.out.contains("deadline: 11s"));
    assert!(
        run(check(&folder).env("EVOLINK_GATEWAY_CONFIG", "named.yaml")).await.out.contains("deadline: 22s")
    );
    let overridden = run(check(&folder).env("EVOLINK_GATEWAY__SERVER__DEADLINE", "33s")).await;
    assert!(overridden.out.contains("deadline: 33s"), "{}", overridden.err);
}

#[tokio::test]
async fn the_schema_describes_the_shipped_example() {
    let folder = Folder::new();
    let schema = run(binary(&folder).arg("schema")).await;
    assert_eq!(schema.code, Some(0));
    let schema: Value = serde_json::from_str(&schema.out).expect("the schema is JSON");
    let example =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/gateway.example.yaml")).unwrap();
    let example: Value = serde_saphyr::from_str(&example).unwrap();
    let mut described = 0;
    describes(&schema, &example, "", &mut described);
    assert!(described > 10, "only {described} settings in the example");
}

/// Follows the keys of `value` through the schema.
fn describes(schema: &Value, value: &Value, path: &str, described: &mut usize) {
    let choices = schema["anyOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
    match value {
        Value::Object(fields) => {
            for (key, below) in fields {
                let found = choices.iter().find_map(|choice| {
                    let open =
                        choice.get("additionalProperties").filter(|open| open.is_object() || **open == true);
                    choice["properties"].get(key).or(open)
                });
                let found = found.unwrap_or_else(|| panic!("the schema does not know {path}.{key}"));
                *described += 1;
                describes(found, below, &format!("{path}.{key}"), described);
            }
        }
        Value::Array(items) => {
            for item in items {
                let found = choices.iter().find_map(|choice| choice.get("items"));
                describes(found.unwrap_or_else(|| panic!("{path} is no list")), item, path, described);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_shipped_example_is_right() {
    let folder = Folder::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/gateway.example.yaml");
    let ran = run(binary(&folder).args(["check", "--allow-missing-secrets", "--config", example])).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

#[tokio::test]
async fn a_command_line_that_is_none_is_explained() {
    let folder = Folder::new();
    for arguments in [vec![], vec!["srve"], vec!["serve", "--cnfig", "x"], vec!["key", "create"]] {
        let ran = run(binary(&folder).args(&arguments)).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert!(ran.err.contains("Usage:"), "{arguments:?}: {}", ran.err);
    }
    let version = run(binary(&folder).arg("--version")).await;
    assert_eq!(
        (version.code, version.out.trim()),
        (Some(0), concat!("evolink-gateway ", env!("CARGO_PKG_VERSION")))
    );
}
