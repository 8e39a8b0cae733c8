//! The database under good and bad conditions.

mod damage;

use rusqlite::OptionalExtension as _;

use super::*;

/// A table of the tests' own.
async fn with_facts(engine: Engine) -> Engine {
    let table = "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT";
    engine.write(move |db| Ok(db.execute_batch(table)?)).await.unwrap();
    engine
}

async fn put(engine: &Engine, name: &'static str, value: &'static str) -> Result<(), StoreError> {
    let insert = "INSERT INTO facts VALUES (?1, ?2)";
    engine.write(move |db| Ok(db.prepare_cached(insert)?.execute([name, value]).map(drop)?)).await
}

async fn get(engine: &Engine, name: &'static str) -> Option<String> {
    let select = "SELECT value FROM facts WHERE name = ?1";
    engine.write(move |db| Ok(db.query_row(select, [name], |row| row.get(0)).optional()?)).await.unwrap()
}

/// Closed at last: the writer's thread gives the lock back a moment after the last handle is gone.
fn reopened(folder: &Path) -> Engine {
    loop {
        match Engine::open(folder) {
            Ok(engine) => return engine,
            Err(OpenError::InUse { .. }) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let engine = with_facts(Engine::open(folder.path()).unwrap()).await;
    put(&engine, "a", "1").await.unwrap();
    drop(engine);
    assert_eq!(get(&reopened(folder.path()), "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn one_failing_write_takes_none_of_its_group_with_it() {
    let engine = with_facts(Engine::in_memory().unwrap()).await;
    let crash = engine.write(|_| -> Result<(), StoreError> { panic!("a bug") });
    let (first, twice, crashed, last) =
        tokio::join!(put(&engine, "a", "1"), put(&engine, "a", "2"), crash, put(&engine, "b", "3"));
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(twice, Err(StoreError::Refused(_))), "{twice:?}");
    assert!(matches!(crashed, Err(StoreError::Refused(_))), "{crashed:?}");
    assert_eq!(
        (get(&engine, "a").await.as_deref(), get(&engine, "b").await.as_deref()),
        (Some("1"), Some("3"))
    );
    assert!(engine.works());
}

#[tokio::test]
async fn what_follows_a_rollback_by_the_database_itself_is_not_kept_either() {
    let engine = with_facts(Engine::in_memory().unwrap()).await;
    let Way::Here(writer) = &engine.0.way else { unreachable!() };
    let (mut group, mut answers): (Vec<Box<dyn Job>>, Vec<_>) = Default::default();
    let mut add = |work: fn(&Connection) -> Result<(), StoreError>| {
        let (reply, answer) = oneshot::channel();
        group.push(Box::new(Write { work: Some(work), outcome: None, reply }));
        answers.push(answer);
    };
    add(|db| Ok(db.execute_batch("INSERT INTO facts VALUES ('before', 'x')")?));
    // As SQLite does by itself when the disk is full in the midst of a large group.
    add(|db| {
        db.execute_batch("ROLLBACK")?;
        Err(StoreError::Unwritable("full".to_owned()))
    });
    add(|db| Ok(db.execute_batch("INSERT INTO facts VALUES ('after', 'x')")?));
    writer.lock().unwrap().commit_all(&mut group);
    for answer in answers {
        let told = answer.await.unwrap();
        assert!(matches!(told, Err(StoreError::Unwritable(_))), "{told:?}");
    }
    assert_eq!((get(&engine, "before").await, get(&engine, "after").await), (None, None));
    put(&engine, "later", "x").await.unwrap();
}

#[tokio::test]
async fn a_second_gateway_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Engine::open(folder.path()).unwrap();
    let second = Engine::open(folder.path()).unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
}

#[tokio::test]
async fn a_newer_or_damaged_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE);
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", schema::known() + 1).unwrap();
    drop(newer);
    let error = Engine::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    fs::write(&path, b"this is no database at all, but long enough to be looked at by one").unwrap();
    let error = Engine::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(fs::read(&path).unwrap().starts_with(b"this is no database"));
}

#[tokio::test]
async fn a_full_database_refuses_writes_keeps_what_it_has_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let engine = with_facts(Engine::open(folder.path()).unwrap()).await;
    put(&engine, "a", "1").await.unwrap();
    let pages = |pages: u32| {
        engine.write(move |db| Ok(db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?))
    };
    pages(20).await.unwrap();
    let big = engine
        .write(|db| {
            Ok(db.execute("INSERT INTO facts VALUES ('big', hex(zeroblob(1000000)))", []).map(drop)?)
        })
        .await;
    assert!(matches!(big, Err(StoreError::Unwritable(_))), "{big:?}");
    pages(1_000_000).await.unwrap();
    put(&engine, "b", "2").await.unwrap();
    assert_eq!((get(&engine, "a").await.as_deref(), get(&engine, "big").await), (Some("1"), None));
}

#[tokio::test]
async fn many_writes_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let engine = with_facts(Engine::open(folder.path()).unwrap()).await;
    let writes = (0..1000).map(|number: i64| {
        engine.write(move |db| {
            Ok(db
                .prepare_cached("INSERT INTO facts VALUES (?1, 'x')")?
                .execute([number.to_string()])
                .map(drop)?)
        })
    });
    let outcomes = futures_util::future::join_all(writes).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let count =
        engine.write(|db| Ok(db.query_row("SELECT count(*) FROM facts", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(count.await.unwrap(), 1000);
}
