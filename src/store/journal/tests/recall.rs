//! Looking up what there was no room for in memory.

use super::*;
use crate::cache::{Circle, Key, Rules, Scope};
use crate::generation::journal::{Past, Purge, Shared};
use crate::image::Fingerprint;

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

/// Which generations were found, by their numbers.
async fn found(journal: &EngineJournal, wanted: Wanted, since_ms: i64) -> Vec<String> {
    let ids = |pasts: Vec<Past>| pasts.iter().map(|past| past.admission.id.to_string()).collect();
    journal.recall(wanted, since_ms).await.map(ids).unwrap()
}

fn by_id(team: &str, number: u8) -> Wanted {
    Wanted::Generation { team: team.into(), id: admission(number).id }
}

fn named(team: &str, name: &str) -> Wanted {
    Wanted::Named { team: team.into(), key: key(name) }
}

/// 2 and 3 answer others until 1000.
fn shared(number: u8) -> Option<Shared> {
    let key = Rules::default().key(&"design".into(), admission(1).owner.fingerprint);
    matches!(number, 2 | 3).then_some(Shared { key, expires_ms: 1000 })
}

/// Four of one fingerprint: 1 in part and named, 2 and 3 whole, 4 whole and private.
async fn kept() -> EngineJournal {
    let journal = EngineJournal::new(Engine::in_memory().unwrap());
    let whole = || images().into_iter().flatten().map(Ok).collect::<Vec<ImageResult>>();
    for (number, images) in [(1, images()), (2, whole()), (3, whole()), (4, whole())] {
        let owner = admission(1).owner;
        let idempotency_key = (number == 1).then(|| key("a"));
        let admission = Admission { owner, idempotency_key, private: number == 4, ..admission(number) };
        let generation = admission.id.clone();
        journal.admit(admission, Vec::new()).await.unwrap();
        let ended_ms = 100 * i64::from(number);
        let settlement = settlement();
        let end =
            Note::Finished { generation, created: 3, ended_ms, images, settlement, shared: shared(number) };
        note(&journal, end).await;
    }
    journal
}

#[tokio::test]
async fn what_a_key_names_is_found_by_its_team_and_with_its_key() {
    let journal = kept().await;
    assert_eq!(found(&journal, named("design", "a"), 0).await, ["gen_1"]);
    assert!(found(&journal, named("design", "b"), 0).await.is_empty());
    assert!(found(&journal, named("print", "a"), 0).await.is_empty(), "teams share nothing");
    assert!(found(&journal, named("design", "a"), 100).await.is_empty(), "too old");
    let past = journal.recall(named("design", "a"), 0).await.unwrap().remove(0);
    assert_eq!((past.ended_ms, past.admission.idempotency_key), (100, Some(key("a"))));
}

#[tokio::test]
async fn one_is_found_by_its_id_until_its_team_takes_it_back() {
    let journal = kept().await;
    assert_eq!(found(&journal, by_id("design", 4), 0).await, ["gen_4"]);
    assert!(found(&journal, by_id("print", 4), 0).await.is_empty());
    assert!(found(&journal, by_id("design", 5), 0).await.is_empty());
    for number in [1, 3, 4] {
        note(&journal, Note::Withdrawn { generation: admission(number).id }).await;
        assert!(found(&journal, by_id("design", number), 0).await.is_empty());
    }
    assert!(found(&journal, named("design", "a"), 0).await.is_empty());
}

/// The result that a team of this scope finds.
async fn result(journal: &EngineJournal, team: &str, scope: Scope, now_ms: i64) -> Option<(String, i64)> {
    let rules = Rules { scope, ..Rules::default() };
    let key = rules.key(&team.into(), admission(1).owner.fingerprint);
    let found = journal.result(key, now_ms).await.unwrap()?;
    Some((found.past.admission.id.to_string(), found.expires_ms))
}

async fn of_design(journal: &EngineJournal) -> Option<String> {
    result(journal, "design", Scope::Team, 0).await.map(|(id, _)| id)
}

#[tokio::test]
async fn the_latest_result_is_found_by_its_circle_until_it_expires() {
    let journal = kept().await;
    assert_eq!(result(&journal, "design", Scope::Team, 999).await, Some(("gen_3".into(), 1000)));
    assert_eq!(result(&journal, "design", Scope::Team, 1000).await, None);
    for (team, scope) in [("print", Scope::Team), ("design", Scope::Shared)] {
        assert_eq!(result(&journal, team, scope, 0).await, None);
    }
    let other = Key { circle: Circle::Team("design".into()), fingerprint: Fingerprint::from_bytes([9; 32]) };
    assert!(journal.result(other, 0).await.unwrap().is_none());
    assert_eq!(journal.results_until().await.unwrap(), Some(1000));
    assert_eq!(EngineJournal::new(Engine::in_memory().unwrap()).results_until().await.unwrap(), None);
}

#[tokio::test]
async fn a_result_outlives_replay_and_takes_its_generation_along_when_it_goes() {
    let journal = kept().await;
    journal.sweep(500, 999, 100).await.unwrap();
    assert_eq!(of_design(&journal).await.as_deref(), Some("gen_3"), "the others are gone");
    assert!(found(&journal, by_id("design", 2), 0).await.is_empty());
    journal.sweep(500, 1000, 100).await.unwrap();
    assert!(found(&journal, by_id("design", 3), 0).await.is_empty());
    assert_eq!(journal.results_until().await.unwrap(), None);
}

#[tokio::test]
async fn results_go_by_team_by_model_or_all_and_their_generations_stay() {
    let of = |team: Option<&str>, model: Option<&str>| Purge {
        team: team.map(str::to_owned),
        model: model.map(str::to_owned),
    };
    let model = plan().class.model;
    let table = [
        (of(Some("print"), None), 0),
        (of(None, Some("another")), 0),
        (of(Some("print"), Some(&model)), 0),
        (of(Some("design"), Some(&model)), 1),
        (of(Some("design"), None), 1),
        (of(None, Some(&model)), 1),
        (of(None, None), 1),
    ];
    for (which, gone) in table {
        let journal = kept().await;
        assert_eq!(journal.purge(which.clone()).await.unwrap(), gone, "{which:?}");
        assert_eq!(of_design(&journal).await.is_none(), gone == 1);
        assert_eq!(found(&journal, by_id("design", 3), 0).await, ["gen_3"]);
    }
}

#[tokio::test]
async fn what_is_lost_or_taken_back_answers_nobody_else() {
    let journal = kept().await;
    note(&journal, Note::Unshared { generation: admission(2).id }).await;
    assert_eq!(of_design(&journal).await.as_deref(), Some("gen_3"), "it was another's name by then");
    note(&journal, Note::Unshared { generation: admission(3).id }).await;
    assert_eq!(of_design(&journal).await, None);
    assert_eq!(found(&journal, by_id("design", 3), 0).await, ["gen_3"]);
    let (journal, generation) = (kept().await, admission(3).id);
    note(&journal, Note::Withdrawn { generation }).await;
    assert_eq!(of_design(&journal).await, None);
}
