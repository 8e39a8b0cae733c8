//! The stored form, which every later version must read, and rows as they come back.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::evolink::{TaskId, UpstreamKey};
use crate::fault::{Fault, FaultKind};
use crate::generation::journal::StoredUpload;
use crate::generation::{GenerationId, IdempotencyKey, ImageResult, MadeImage, Owner};
use crate::image::{
    Background, Compression, ContentHash, Delivery, Fingerprint, Form, Format, InputPicture, Pixels, Plan,
    Quality, Reference, TaskClass, TaskSpec, Tier, TokenEstimate,
};
use crate::media::StoredPicture;
use crate::money::Credits;
use crate::quota::{UsageRow, Used};

mod recall;

/// As the first version wrote them. Kept for ever: what is stored must stay readable.
const PLAN: &str = include_str!("golden/plan-1.json");
const OUTCOME: &str = include_str!("golden/outcome-1.json");

fn plan() -> Plan {
    let pixels = Pixels::new(1024, 1536);
    let content = ContentHash::of(b"a picture");
    let picture = InputPicture { content, bytes: 9, format: Format::Webp, pixels, alpha: true };
    let parameters =
        json!({"quality": "high", "seed": 7, "model_params": {"web_search": true, "weight": 0.5}});
    Plan {
        task: TaskSpec {
            model: "gpt-image-2".into(),
            prompt: "a \"fox\"\nin ümläut".into(),
            parameters: parameters.as_object().unwrap().clone(),
            references: vec![Reference::Link("https://a.example/1.png".into()), Reference::Picture(picture)],
            mask: Some(Reference::Picture(picture)),
        },
        count: 2,
        form: Form { format: Format::Jpeg, compression: Compression::new(80), pixels: Some(pixels) },
        delivery: Delivery::Url,
        delivery_explicit: true,
        class: TaskClass { model: "gpt-image-2".into(), quality: Quality::High, tier: Tier::K1_5 },
        expected: pixels,
        typical: (Duration::from_secs(8), Duration::from_millis(100_500)),
        task_timeout: Some(Duration::from_mins(20)),
        background: Background::Transparent,
        tokens: TokenEstimate { input_text: 5, input_image: 6, output: 7 },
        price: Credits::from_micro(2_500_000),
        ignored: vec!["user".into()],
        respelled: None,
    }
}

fn images() -> Vec<ImageResult> {
    let made = MadeImage {
        task: TaskId::new("task-unified-1-abcdefgh"),
        link: "https://media.example/a.png".into(),
        credits: Credits::from_micro(1_234_567),
    };
    let fault = Fault::new(FaultKind::TaskFailed, "It failed.")
        .with_code("service_error")
        .with_param("prompt")
        .with_repeat(true)
        .with_retry_after(Duration::from_secs(3))
        .with_cause("not kept");
    vec![Ok(made), Err(fault)]
}

#[test]
fn the_stored_form_is_what_the_first_version_wrote() {
    let told = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let kept = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(told(stored::plan(&plan()).unwrap()), kept(PLAN));
    assert_eq!(told(stored::outcome(1_800_000_000, &images()).unwrap()), kept(OUTCOME));
}

#[test]
fn what_the_first_version_wrote_is_read() {
    assert_eq!(stored::read_plan(PLAN).unwrap(), plan());
    let (created, read) = stored::read_outcome(OUTCOME).unwrap();
    assert_eq!((created, read.len()), (1_800_000_000, 2));
    let (made, failed) = (read[0].as_ref().unwrap(), read[1].as_ref().unwrap_err());
    assert_eq!((made.task.as_str(), made.credits.micro()), ("task-unified-1-abcdefgh", 1_234_567));
    assert_eq!(
        (failed.status(), failed.code(), failed.param(), failed.retry_after_seconds(), failed.cause()),
        (502, "service_error", Some("prompt"), Some(3), None)
    );
}

#[test]
fn every_kind_of_fault_is_read_back() {
    for kind in FaultKind::ALL {
        let text = stored::result(&Err(Fault::new(kind, "x"))).unwrap();
        assert_eq!(stored::read_result(&text).unwrap().unwrap_err().kind(), kind);
    }
}

#[test]
fn added_fields_are_overlooked_and_another_version_is_refused() {
    let more = PLAN.replacen('{', "{\"added\": [1, {\"later\": true}],", 1);
    assert_eq!(stored::read_plan(&more).unwrap(), plan());
    let newer = PLAN.replacen("\"version\": 1", "\"version\": 2", 1);
    assert!(newer != PLAN && stored::read_plan(&newer).unwrap_err().to_string().contains("version 2"));
}

fn admission(number: u8) -> Admission {
    let owner =
        Owner { team: "design".into(), key: "ci".into(), fingerprint: Fingerprint::from_bytes([number; 32]) };
    let id = GenerationId::kept(format!("gen_{number}"));
    Admission {
        id,
        owner,
        plan: Arc::new(plan()),
        created_ms: 1_000 + i64::from(number),
        idempotency_key: None,
        private: false,
        key_name: "ci".into(),
        demands: Vec::new(),
    }
}

fn purchase(number: u8, image: u8) -> Intent {
    let purchase = PurchaseId { generation: admission(number).id, image, attempt: 0 };
    let key = UpstreamKey::kept(format!("eg-{number}-{image}"));
    Intent { purchase, key, body: Bytes::from_static(b"\x00 any bytes \xff"), begun_ms: 2_000 }
}

async fn note(journal: &EngineJournal, note: Note) {
    journal.note(Arc::from([note])).await.unwrap();
}

fn settlement() -> Box<Settlement> {
    let used = Used { images: 1, ..Used::default() };
    let day = "2026-11-22".parse().unwrap();
    let usage = UsageRow { day, team: "design".into(), key: "ci".into(), model: "gpt-image-2".into(), used };
    let spent = Spent { images: 1, micro_credits: 1_234_567 };
    Box::new(Settlement { spent, micro_credits_per_usd: 68_000_000, usage })
}

fn finished(number: u8, ended_ms: i64) -> Note {
    Note::Finished {
        generation: admission(number).id,
        created: 3,
        ended_ms,
        images: images(),
        settlement: settlement(),
        shared: None,
    }
}

#[tokio::test]
async fn an_unfinished_generation_comes_back_as_it_was_left() {
    let journal = EngineJournal::new(Engine::in_memory().unwrap());
    journal.admit(admission(1), Vec::new()).await.unwrap();
    let intents = [purchase(1, 1), purchase(1, 0)];
    for intent in intents.clone() {
        journal.begin(intent).await.unwrap();
    }
    let task = TaskId::new("task-unified-1-abcdefgh");
    let reserved = Some(Credits::from_micro(5));
    let id = intents[0].purchase.clone();
    note(&journal, Note::Task { purchase: id.clone(), task: task.clone(), reserved }).await;
    note(&journal, Note::Ended { purchase: id, result: images().remove(1) }).await;
    let upload = StoredUpload {
        content: ContentHash::of(b"x"),
        file: Some(FileId::new("file_1")),
        url: "https://files.example/1".into(),
        expires_ms: 9_000,
    };
    note(&journal, Note::Uploaded { generation: admission(1).id, upload: upload.clone() }).await;
    note(&journal, Note::Promised { generation: admission(1).id }).await;

    let page = journal.unfinished(0, 10).await.unwrap();
    let left = &page.records[0];
    assert_eq!((page.records.len(), page.next), (1, None));
    assert_eq!((left.promised, left.withdrawn, &left.uploads), (true, false, &vec![upload]));
    assert_eq!((&left.admission.owner, &*left.admission.plan), (&admission(1).owner, &plan()));
    let (first, second) = (&left.purchases[0], &left.purchases[1]);
    assert_eq!((first.image, &first.body, &first.key), (0, &intents[1].body, &intents[1].key));
    assert!(first.task.is_none() && first.result.is_none());
    assert_eq!((second.task.as_ref(), second.reserved, second.begun_ms), (Some(&task), reserved, 2_000));
    assert!(second.body.is_empty(), "it is never sent again");
    let asked = vec![TaskId::new("task-unified-1-\"other\""), task.clone()];
    assert_eq!(journal.on_record(asked).await.unwrap(), [task]);
    assert_eq!(second.result.as_ref().unwrap().as_ref().unwrap_err().code(), "service_error");
}

#[tokio::test]
async fn tasks_are_found_on_record_without_a_look_through_all_purchases() {
    let EngineJournal(engine) = EngineJournal::new(Engine::in_memory().unwrap());
    let explain = format!("EXPLAIN QUERY PLAN {}", read::ON_RECORD);
    let way =
        engine.write(move |db| Ok(db.query_row(&explain, ["[]"], |row| row.get::<_, String>("detail"))?));
    assert!(way.await.unwrap().contains("purchases_task"));
}

#[tokio::test]
async fn a_purchase_needs_its_generation_and_is_begun_once() {
    let journal = EngineJournal::new(Engine::in_memory().unwrap());
    assert!(matches!(journal.begin(purchase(1, 0)).await, Err(JournalError::Refused(_))));
    journal.admit(admission(1), Vec::new()).await.unwrap();
    assert!(matches!(journal.admit(admission(1), Vec::new()).await, Err(JournalError::Refused(_))));
    journal.begin(purchase(1, 0)).await.unwrap();
    assert!(matches!(journal.begin(purchase(1, 0)).await, Err(JournalError::Refused(_))));
}

#[tokio::test]
async fn pages_go_over_all_and_each_comes_once() {
    let journal = EngineJournal::new(Engine::in_memory().unwrap());
    for number in 1..=7 {
        journal.admit(admission(number), Vec::new()).await.unwrap();
    }
    // Two end in the same millisecond.
    for (number, ended_ms) in [(2, 50), (4, 60), (5, 60), (6, 70)] {
        note(&journal, finished(number, ended_ms)).await;
    }
    note(&journal, Note::Withdrawn { generation: admission(6).id }).await;
    let (mut open, mut after) = (Vec::new(), 0);
    loop {
        let page = journal.unfinished(after, 2).await.unwrap();
        open.extend(page.records.iter().map(|left| left.admission.id.to_string()));
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(open, ["gen_1", "gen_3", "gen_7"]);
    let (mut past, mut before) = (Vec::new(), None);
    loop {
        let page = journal.ended(50, before, 1).await.unwrap();
        past.extend(page.records.iter().map(|past| past.admission.id.to_string()));
        let Some(next) = page.next else { break };
        before = Some(next);
    }
    assert_eq!(past, ["gen_5", "gen_4"], "the latest first, not those taken back or too old");
}

#[tokio::test]
async fn a_sweep_takes_the_oldest_of_the_ended_with_their_purchases() {
    let engine = Engine::in_memory().unwrap();
    let journal = EngineJournal::new(engine.clone());
    for number in 1..=4 {
        journal.admit(admission(number), Vec::new()).await.unwrap();
        journal.begin(purchase(number, 0)).await.unwrap();
    }
    for number in 1..=3 {
        note(&journal, finished(number, i64::from(number) * 100)).await;
    }
    assert_eq!(journal.sweep(300, 0, 1).await.unwrap(), 1);
    assert_eq!(journal.sweep(300, 0, 9).await.unwrap(), 1);
    assert_eq!(journal.sweep(300, 0, 9).await.unwrap(), 0);
    let count = "SELECT (SELECT count(*) FROM generations) * 10 + (SELECT count(*) FROM purchases)";
    let count = engine.write(move |db| Ok(db.query_row(count, [], |row| row.get::<_, i64>(0))?));
    assert_eq!(count.await.unwrap(), 22);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other() {
    let engine = Engine::in_memory().unwrap();
    let journal = EngineJournal::new(engine.clone());
    for number in 1..=3 {
        journal.admit(admission(number), Vec::new()).await.unwrap();
    }
    let spoil = "UPDATE generations SET plan = '{\"version\":1}' WHERE id = 'gen_1'";
    engine.write(move |db| Ok(db.execute(spoil, []).map(drop)?)).await.unwrap();
    let page = journal.unfinished(0, 1).await.unwrap();
    assert!(page.records.is_empty());
    let page = journal.unfinished(page.next.unwrap(), 10).await.unwrap();
    assert_eq!(page.records.len(), 2);
}

#[tokio::test]
async fn stored_pictures_and_the_keys_that_name_an_answer_come_back_with_it() {
    let journal = EngineJournal::new(Engine::in_memory().unwrap());
    let key = |text| IdempotencyKey::new(text).unwrap();
    let named = Admission { idempotency_key: Some(key("first")), private: true, ..admission(1) };
    journal.admit(named, Vec::new()).await.unwrap();
    let picture = |bytes: &[u8]| StoredPicture {
        content: ContentHash::of(bytes),
        format: Format::Png,
        pixels: Pixels::new(1024, 640),
        bytes: 7,
    };
    let stored = |image, bytes| Note::Stored { generation: admission(1).id, image, picture: picture(bytes) };
    for it in [stored(1, b"b"), stored(0, b"a"), stored(0, b"c")] {
        note(&journal, it).await;
    }
    let pictures = vec![(0, picture(b"c")), (1, picture(b"b"))];
    let left = journal.unfinished(0, 1).await.unwrap().records.remove(0);
    assert_eq!((left.admission.idempotency_key, left.admission.private), (Some(key("first")), true));
    assert_eq!(left.pictures, pictures);

    note(&journal, finished(1, 50)).await;
    note(&journal, Note::Named { generation: admission(1).id, team: "design".into(), key: key("second") })
        .await;
    let past = journal.ended(0, None, 1).await.unwrap().records.remove(0);
    assert_eq!((past.pictures, past.admission.private), (pictures, true));
    assert_eq!(past.idempotency_keys, [key("first"), key("second")]);

    let named = Admission { idempotency_key: Some(key("first")), ..admission(2) };
    journal.admit(named, Vec::new()).await.unwrap();
    let past = journal.ended(0, None, 1).await.unwrap().records.remove(0);
    assert_eq!(past.idempotency_keys, [key("second")], "a key has one answer");
    assert_eq!(journal.sweep(60, 0, 9).await.unwrap(), 1);
    note(&journal, stored(0, b"late")).await;
    note(&journal, Note::Named { generation: admission(1).id, team: "design".into(), key: key("late") })
        .await;
    assert!(journal.ended(0, None, 1).await.unwrap().records.is_empty(), "what is gone stays gone");
}
