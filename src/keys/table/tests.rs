//! Who opens what, and what a set of keys may not have.

use super::*;

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

fn no_minted() -> MintedTable {
    MintedTable::default()
}

fn key(team: &str, secret: &str) -> KeySpec {
    KeySpec { team: team.into(), name: secret.into(), digest: hash_secret(secret), expires: None }
}

fn design() -> Team {
    Team { models: Some(vec!["gpt-image-2".into()]), ..Team::new("design") }
}

#[test]
fn a_known_secret_opens_its_team() {
    let keys = Keys::new([design(), Team::new("chat")], [key("design", "a"), key("chat", "b")]).unwrap();
    let caller = keys.find(&no_minted(), "b", NOW).unwrap();
    assert_eq!((&*caller.team().name, caller.key().name.as_str()), ("chat", "b"));
    assert_eq!(caller.key().id, hash_secret("b").short());
}

#[test]
fn missing_unknown_and_expired_keys_are_401_without_a_word_of_the_secret() {
    let expired = KeySpec { expires: Some(NOW), ..key("design", "egk_old-secret") };
    let keys = Keys::new([design()], [expired]).unwrap();
    let long = "x".repeat(SECRET_BYTES_MAX + 1);
    let cases = [
        ("", KeyFault::Missing),
        ("  ", KeyFault::Missing),
        ("egk_wrong-secret", KeyFault::Unknown),
        (&long, KeyFault::Unknown),
        ("egk_old-secret", KeyFault::Expired),
    ];
    for (presented, expected) in cases {
        let found = keys.find(&no_minted(), presented, NOW).unwrap_err();
        assert_eq!(found, expected);
        let fault = Fault::from(found);
        assert_eq!((fault.status(), fault.code(), fault.should_retry()), (401, "invalid_api_key", false));
        assert!(!fault.message().contains("secret"), "{}", fault.message());
    }
}

#[test]
fn a_key_works_until_the_moment_it_expires() {
    let expires = Some(Timestamp::constant(1_790_000_001, 0));
    let keys = Keys::new([design()], [KeySpec { expires, ..key("design", "a") }]).unwrap();
    assert!(keys.find(&no_minted(), "a", NOW).is_ok());
    assert_eq!(keys.find(&no_minted(), "a", Timestamp::constant(1_790_000_001, 0)), Err(KeyFault::Expired));
}

#[test]
fn a_team_with_an_allow_list_uses_only_those_models() {
    let keys = Keys::new([design(), Team::new("all")], [key("design", "a"), key("all", "b")]).unwrap();
    let caller = keys.find(&no_minted(), "a", NOW).unwrap();
    assert!(caller.check_model("gpt-image-2").is_ok());
    let fault = caller.check_model("other").unwrap_err();
    assert_eq!((fault.status(), fault.code(), fault.param()), (403, "model_not_allowed", Some("model")));
    assert!(keys.find(&no_minted(), "b", NOW).unwrap().check_model("other").is_ok());
}

#[test]
fn every_mistake_in_a_set_of_keys_is_named_at_once() {
    let keys = [key("design", "a"), key("nobody", "b"), KeySpec { name: "c".into(), ..key("design", "a") }];
    let mistakes = Keys::new([design(), design()], keys).unwrap_err();
    let expected = [
        KeysError::TeamTwice("design".into()),
        KeysError::NoSuchTeam { key: "b".into(), team: "nobody".into() },
        KeysError::SameSecret { first: "a".into(), second: "c".into() },
    ];
    assert_eq!(mistakes, expected);
}

fn minted(team: &str, secret: &str, expires: Option<Timestamp>) -> MintedKey {
    let digest = hash_secret(secret);
    let (team, name) = (team.to_owned(), "ci".to_owned());
    MintedKey { id: digest.short(), team, name, digest, created: NOW, expires, replaced_by: None }
}

#[test]
fn a_minted_key_opens_its_team_while_there_is_one() {
    let uses = Uses::default();
    let table = MintedTable::new(
        [minted("design", "a", None), minted("gone", "b", None), minted("design", "c", Some(NOW))],
        &uses,
    );
    let keys = Keys::new([design()], [key("design", "d")]).unwrap();
    let caller = keys.find(&table, "a", NOW).unwrap();
    assert_eq!((&*caller.team().name, caller.key().name.as_str()), ("design", "ci"));
    assert_eq!(caller.key().id, hash_secret("a").short());
    assert!(caller.check_model("other").is_err(), "the team's limits are its");
    assert_eq!(keys.find(&table, "b", NOW), Err(KeyFault::Unknown));
    assert_eq!(keys.find(&table, "c", NOW), Err(KeyFault::Expired));
    assert!(keys.find(&table, "d", NOW).is_ok());
    let back = Keys::new([Team::new("gone")], []).unwrap();
    assert!(back.find(&table, "b", NOW).is_ok());
    assert_eq!(back.find(&table, "a", NOW), Err(KeyFault::Unknown));
}

#[test]
fn a_use_is_noted_where_the_door_opened_and_stays_when_the_keys_are_replaced() {
    let uses = Uses::default();
    let table = MintedTable::new([minted("design", "a", None), minted("design", "b", Some(NOW))], &uses);
    let configured = || {
        let mut keys = Keys::new([design()], [key("design", "c"), key("design", "d")]).unwrap();
        keys.note_in(&uses);
        keys
    };
    let keys = configured();
    for secret in ["a", "b", "c", "e"] {
        let _ = keys.find(&table, secret, NOW);
    }
    let again = configured();
    let last_use = |secret: &str| {
        let id = hash_secret(secret).short();
        let configured = again.entries().find(|(entry, _)| entry.id == id).map(|(_, used)| used);
        let minted = table.entries().find(|(key, _)| key.id == id).map(|(_, used)| used);
        configured.or(minted).and_then(LastUse::get)
    };
    let now = Some(NOW.as_second());
    assert_eq!([last_use("a"), last_use("b"), last_use("c"), last_use("d")], [now, None, now, None]);
}
