//! Looking up what there was no room for in memory.

use super::*;
use crate::generation::journal::Past;

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

/// Of the fingerprint that all have here.
fn answer(team: &str, name: Option<&str>) -> Wanted {
    let fingerprint = admission(1).owner.fingerprint;
    Wanted::Answer { team: team.into(), fingerprint, key: name.map(key) }
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
        note(&journal, Note::Finished { generation, created: 3, ended_ms, images, settlement: settlement() })
            .await;
    }
    journal
}

#[tokio::test]
async fn the_latest_whole_one_that_is_not_private_is_found_and_what_a_key_names() {
    let journal = kept().await;
    assert_eq!(found(&journal, answer("design", None), 0).await, ["gen_3"]);
    assert_eq!(found(&journal, answer("design", Some("a")), 0).await, ["gen_3", "gen_1"]);
    assert_eq!(found(&journal, answer("design", Some("b")), 0).await, ["gen_3"]);
    assert!(found(&journal, answer("print", Some("a")), 0).await.is_empty(), "teams share nothing");
    assert!(found(&journal, answer("design", Some("a")), 300).await.is_empty(), "too old");
    let past = journal.recall(answer("design", Some("a")), 0).await.unwrap().remove(1);
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
    assert_eq!(found(&journal, answer("design", Some("a")), 0).await, ["gen_2"]);
}
