//! Files as a crash, a bad disk or a careless copy may leave them: opened with all that was whole, or refused.

use super::*;

/// Writes that lie in the write-ahead log alone.
const WRITES: usize = 40;

/// A database in which number after number was written, as it lies on the disk while its gateway runs.
async fn crashed() -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    // Closed, and with it all in the database; what follows is in the log.
    drop(with_facts(Engine::open(folder.path()).unwrap()).await);
    let engine = reopened(folder.path());
    for number in 0..WRITES {
        let insert = "INSERT INTO facts VALUES (?1, hex(zeroblob(300)))";
        engine.write(move |db| Ok(db.execute(insert, [number.to_string()]).map(drop)?)).await.unwrap();
    }
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    (read(DATABASE), read("state.db-wal"))
}

/// How many numbers are there, if they are the first ones.
async fn opened(database: &[u8], log: &[u8]) -> Result<usize, OpenError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(DATABASE), database).unwrap();
    fs::write(folder.path().join("state.db-wal"), log).unwrap();
    let engine = Engine::open(folder.path())?;
    let names: Vec<String> = engine
        .write(|db| {
            let mut all = db.prepare("SELECT name FROM facts ORDER BY CAST(name AS INTEGER)")?;
            Ok(all.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
        .unwrap();
    let first: Vec<String> = (0..names.len()).map(|number| number.to_string()).collect();
    assert_eq!(names, first, "what is there is what was written first");
    put(&engine, "later", "1").await.unwrap();
    Ok(names.len())
}

#[tokio::test]
async fn a_log_cut_anywhere_opens_with_all_before_the_cut() {
    let (database, log) = crashed().await;
    assert_eq!(opened(&database, &log).await.unwrap(), WRITES);
    let mut before = 0;
    for cut in (0..log.len()).step_by(601).chain([log.len() - 1]) {
        let found = opened(&database, &log[..cut]).await.unwrap();
        assert!((before..WRITES).contains(&found), "{found} after a cut at {cut}, {before} before it");
        before = found;
    }
    assert_eq!(before, WRITES - 1);
}

#[tokio::test]
async fn a_log_with_a_flipped_bit_opens_with_all_before_it() {
    let (database, log) = crashed().await;
    for at in (0..log.len()).step_by(997) {
        let mut flipped = log.clone();
        flipped[at] ^= 1 << (at % 8);
        // In the head of the log, none of it counts.
        let found = opened(&database, &flipped).await.unwrap();
        let whole = at * WRITES / log.len();
        assert!(found <= WRITES && found + 2 >= whole.min(found + 2), "{found} with a flip at {at}");
    }
}

/// A database in which all lies, closed.
async fn closed() -> Vec<u8> {
    let (database, log) = crashed().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(DATABASE), database).unwrap();
    fs::write(folder.path().join("state.db-wal"), log).unwrap();
    drop(Engine::open(folder.path()).unwrap());
    drop(reopened(folder.path()));
    fs::read(folder.path().join(DATABASE)).unwrap()
}

#[tokio::test]
async fn a_database_with_a_flipped_bit_is_opened_or_refused_and_never_crashes() {
    let database = closed().await;
    let (mut refused, mut works) = (0, 0);
    for at in (0..database.len()).step_by(211).chain(0..100) {
        let mut flipped = database.clone();
        flipped[at] ^= 1 << (at % 8);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(DATABASE), &flipped).unwrap();
        match Engine::open(folder.path()) {
            Ok(engine) => {
                works += 1;
                // Whatever it says, it says it.
                let _ = engine.write(|db| Ok(db.execute("DELETE FROM facts", [])?)).await;
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(DATABASE), "{error}");
            }
        }
    }
    assert!(refused > 0 && works > 0, "{refused} refused, {works} opened");
}

#[tokio::test]
async fn a_database_cut_short_is_refused() {
    let database = closed().await;
    // A single byte is a new database to SQLite.
    for cut in [2, 50, 99, 1000, 4095, 4096, 2 * 4096 + 7] {
        let opened = opened(&database[..cut], &[]).await;
        assert!(opened.is_err(), "cut at {cut}: {opened:?}");
    }
}
