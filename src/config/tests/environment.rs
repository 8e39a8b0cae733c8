//! Variables that override settings.

use super::*;

#[test]
fn a_variable_overrides_a_single_value() {
    let yaml = "
server: {listen: '127.0.0.1:1'}
teams: [{name: a, keys: [{name: k, secret: one}]}]
";
    let settings = loaded(
        yaml,
        &[
            ("EVOLINK_GATEWAY__SERVER__LISTEN", "0.0.0.0:8081"),
            ("EVOLINK_GATEWAY__SERVER__PUBLIC_URL", "https://images.example.com"),
            ("EVOLINK_GATEWAY__EVOLINK__ALLOW_PRIVATE_MEDIA", "true"),
            ("EVOLINK_GATEWAY__EVOLINK__POLL__PER_SECOND", "500"),
            ("EVOLINK_GATEWAY__TEAMS__0__KEYS__0__SECRET", "two${X}"),
            ("EVOLINK_GATEWAY__TEAMS__0__LIMITS__MAX_N", "3"),
            ("EVOLINK_GATEWAY__MODELS__ALIASES__DALL_E_3", "seedream"),
            ("EVOLINK_GATEWAY__MODELS__ALIASES__GPT_IMAGE_1__QUALITY", "low"),
            ("EVOLINK_GATEWAY__STRICT", ""),
        ],
    );
    assert_eq!(settings.server.listen.to_string(), "0.0.0.0:8081");
    assert_eq!(settings.server.public_url.unwrap().base(), "https://images.example.com");
    assert!(settings.evolink.allow_private_media);
    assert_eq!(settings.evolink.poll.per_second, 500);
    assert_eq!(settings.teams[0].keys[0].secret.as_ref().map(Secret::expose), Some("two${X}"));
    assert_eq!(settings.teams[0].limits.max_n, Some(3));
    assert_eq!(settings.models.aliases["dall-e-3"].model, "seedream");
    let alias = &settings.models.aliases["gpt-image-1"];
    assert_eq!(
        (alias.model.as_str(), alias.quality.map(crate::image::Quality::name)),
        ("gpt-image-2", Some("low"))
    );
}

#[test]
fn an_overridden_expression_need_not_work() {
    let yaml = "evolink: {api_key: '${NOT_SET}'}";
    let settings = loaded(yaml, &[("EVOLINK_GATEWAY__EVOLINK__API_KEY", "k")]);
    assert_eq!(settings.evolink.api_key.expose(), "k");
}

#[test]
fn variables_that_lead_nowhere_are_problems() {
    let variables = [
        ("EVOLINK_GATEWAY__SERVER__LISTN", "0.0.0.0:1"),
        ("EVOLINK_GATEWAY__SERVER", "x"),
        ("EVOLINK_GATEWAY__SERVER__DRAIN__MAX", "1"),
        ("EVOLINK_GATEWAY__TEAMS__1__NAME", "b"),
        ("EVOLINK_GATEWAY__TEAMS__X__NAME", "b"),
        ("EVOLINK_GATEWAY__SERVER__TRUSTED_PROXIES", "10.0.0.0/8"),
        ("EVOLINK_GATEWAY__MODELS__ALIASES__MINE", "seedream"),
        ("EVOLINK_GATEWAY__SERVER__DEADLINE", "soon"),
        ("EVOLINK_GATEWAY__", "x"),
        ("EVOLINK_GATEWAY_PORT", "tcp://10.0.0.1:80"),
    ];
    insta::assert_snapshot!(outcome("teams: [{name: a}]", &variables).unwrap_err());
}
