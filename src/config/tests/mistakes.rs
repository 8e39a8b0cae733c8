//! Each mistake with the line a user gets for it.

use super::*;

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let yaml = "
server:
  lissen: 127.0.0.1:80
  deadline: 90
  drain: 2h
  max_waiting: -1
  max_json: big
  trusted_proxies: [10.0.0.0/8, example.com]
  cors: {origins: [https://app.example.com/]}
evolink:
  base_url: api.evolink.ai
  poll: {min: 9s, batch: sometimes}
  callback: {enabled: true}
  max_tasks: 0
strict: maybe
teams:
  - keys: []
  - name: 7
  - name: a
    keys:
      - {name: k, sha256: abc}
      - {name: k}
      - {name: l, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}
      - {name: m, secret: test}
      - {name: n, secret: with space, expires: tomorrow}
    models: [gpt-image-1, seedrem]
    priority: 0
    limits:
      max_n: 11
      concurrent_images: 0
      max_quality: hd
      budgets:
        - {amount: -1, unit: images, per: day}
        - {amount: 1.5, unit: images, per: day, timezone: Mars/Base}
        - {amount: 1, unit: images, per: day}
        - {amount: 2, unit: coins, per: year}
  - {name: a}
";
    insta::assert_snapshot!(problems(yaml));
}

#[test]
fn rules_among_settings_are_told_at_the_value_to_change() {
    let yaml = "
server: {listen: '0.0.0.0:80', admin_listen: '127.0.0.1:80', max_json: 1GiB, public_url: 'https://a.example/?b'}
evolink: {poll: {min: 9s}, callback: {enabled: true}, api_key: '${NOT_SET}'}
models:
  default: gpt-image-3
  aliases: {a.b: nowhere, c: {model: seedream, output_compression: 101, qualty: low, size: huge}}
  catalog: [{id: own}, {id: own}, {name: x}]
images: {store: s3}
state: {store: redis, path: ''}
pricing: {credits_per_usd: 0}
teams:
  - name: a
    keys: [{name: k, secret: s, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}]
limits:
  budgets:
    - {amount: 1, unit: usd, per: month}
    - {amount: 2, unit: usd, per: month, timezone: UTC}
    - {amount: 2, unit: usd, per: month, mode: shadow}
";
    insta::assert_snapshot!(problems(yaml));
}

#[test]
fn callbacks_need_an_address_that_evolink_can_reach() {
    let told = |public_url: &str, private: bool| {
        let yaml = format!(
            "server: {{public_url: {public_url}}}\n\
             evolink: {{api_key: k, callback: {{enabled: true}}, allow_private_media: {private}}}"
        );
        outcome(&yaml, &[]).err().map(|problems| problems.to_string())
    };
    for (public_url, private) in [("null", false), ("null", true), ("'http://127.0.0.1:80'", false)] {
        let told = told(public_url, private).unwrap();
        assert!(
            told.starts_with("evolink.callback.enabled (line 2): needs server.public_url with https"),
            "{told}"
        );
    }
    assert_eq!(told("'https://images.example.com'", false), None);
    assert_eq!(told("'http://127.0.0.1:80'", true), None);
}

#[test]
fn a_whole_file_of_the_wrong_shape_is_one_problem() {
    assert!(problems("- a\n- b\n").starts_with("line 1: must be a map with the keys server, evolink,"));
    assert!(problems("server: [1]").contains("server (line 1): must be a map with the keys listen"));
}

#[test]
fn without_upstreams_key_the_problem_says_what_to_set() {
    let outcome = load(&Source::Defaults, &Environment::default(), &checks());
    assert_eq!(outcome.unwrap_err().to_string(), "evolink.api_key: set EVOLINK_API_KEY or evolink.api_key");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let source = Source::File("/nowhere/gateway.yaml".into());
    let problems = load(&source, &environment(&[]), &checks()).unwrap_err();
    assert_eq!(problems.to_string(), "the file /nowhere/gateway.yaml cannot be read: it does not exist");
    assert_eq!(problems.files.paths(), [PathBuf::from("/nowhere/gateway.yaml")]);
}

#[test]
fn no_secret_gets_into_a_problem() {
    let yaml = "
evolink: {api_key: 'canary 1', proxy: 'canary-2', max_tasks: '${SECRET}'}
server: {admin_token: [canary-3]}
teams: [{name: a, keys: [{name: k, sha256: canary-4}, {name: l, secret: {a: canary-5}}]}]
state: {redis: {url: 'http://:canary-6@x'}}
";
    let told = outcome(yaml, &[("SECRET", "canary-7")]).unwrap_err().to_string();
    assert_eq!(told.lines().count(), 7, "{told}");
    assert!(!told.contains("canary"), "{told}");
}
