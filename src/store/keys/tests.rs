//! Minted keys in a database, beyond its process.

use super::*;
use crate::keys::SecretKey;

fn key(team: &str) -> (MintedKey, SecretKey) {
    let secret = SecretKey::generate();
    let digest = secret.digest();
    let key = MintedKey {
        id: digest.short(),
        team: team.to_owned(),
        name: "ci".to_owned(),
        digest,
        created: Timestamp::constant(1_790_000_000, 0),
        expires: None,
        replaced_by: None,
    };
    (key, secret)
}

fn open(folder: &std::path::Path) -> EngineKeys {
    EngineKeys::new(Engine::open(folder).unwrap())
}

async fn sorted(keys: &EngineKeys) -> Vec<MintedKey> {
    keys.all().await.unwrap()
}

#[tokio::test]
async fn what_was_minted_rotated_and_removed_is_so_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ((first, _), (second, _), (third, _)) = (key("design"), key("design"), key("print"));
    let keys = open(folder.path());
    keys.add(first.clone()).await.unwrap();
    keys.add(third.clone()).await.unwrap();
    let expires = Some(Timestamp::constant(1_790_003_600, 0));
    let old = MintedKey { expires, replaced_by: Some(second.id.clone()), ..first.clone() };
    keys.replace(old.clone(), second.clone()).await.unwrap();
    keys.remove(vec![third.id, "no such id".to_owned()]).await.unwrap();
    drop(keys);
    let mut expected = vec![old, second];
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    let keys = loop {
        // The writer's thread lets go of the folder a moment after its last user did.
        match Engine::open(folder.path()) {
            Ok(engine) => break EngineKeys::new(engine),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(sorted(&keys).await, expected);
}

#[tokio::test]
async fn a_replacement_is_made_whole_or_not_at_all() {
    let keys = EngineKeys::new(Engine::in_memory().unwrap());
    let ((first, _), (second, _)) = (key("design"), key("design"));
    keys.add(first.clone()).await.unwrap();
    let retired = MintedKey { replaced_by: Some(second.id.clone()), ..first.clone() };
    let twice = MintedKey { id: second.id.clone(), ..first.clone() };
    keys.replace(retired, twice).await.unwrap_err();
    assert_eq!(sorted(&keys).await, std::slice::from_ref(&first), "a digest is there once");
    keys.replace(second.clone(), key("design").0).await.unwrap_err();
    assert_eq!(sorted(&keys).await, [first], "what is not there is not replaced");
}

#[tokio::test]
async fn the_latest_use_of_a_key_is_kept_and_old_ones_are_forgotten() {
    let keys = EngineKeys::new(Engine::in_memory().unwrap());
    let at = |id: &str, second: i64| (id.to_owned(), second);
    keys.write_uses(vec![at("a", 100), at("b", 50)], 0).await.unwrap();
    keys.write_uses(vec![at("a", 90), at("c", 200)], 60).await.unwrap();
    let mut uses = keys.uses().await.unwrap();
    uses.sort();
    assert_eq!(uses, [at("a", 100), at("c", 200)]);
}

#[tokio::test]
async fn no_file_holds_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let keys = open(folder.path());
    let (key, secret) = key("design");
    keys.add(key.clone()).await.unwrap();
    let (mut seen, mut with_name) = (0, false);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has(secret.expose()) && !has(secret.expose().trim_start_matches("egk_")));
        with_name |= has(&key.id);
        seen += 1;
    }
    assert!(seen > 1 && with_name, "these are the files where it is kept");
}
