//! The ledger of budgets as it lies on the disk, read beside the gateway that writes it.

use std::path::{Path, PathBuf};

use evolink_gateway::simulator::LedgerView;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::PATIENCE;
use super::harness::LOOK_EVERY;

/// The books of one gateway with `state.store: embedded`.
pub(crate) struct Books {
    folder: PathBuf,
    /// The folder, gone with the test; none for a folder that somebody else removes.
    _own: Option<TempDir>,
}

/// Where one budget stands in one window. Amounts in millionths of the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// `team:NAME` or `key:TEAM/NAME`.
    pub(crate) account: String,
    pub(crate) unit: String,
    pub(crate) start_ms: i64,
    pub(crate) used: u64,
    pub(crate) held: u64,
}

impl Books {
    pub(crate) fn own() -> Self {
        let own = tempfile::tempdir().unwrap();
        Self { folder: own.path().to_path_buf(), _own: Some(own) }
    }

    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), _own: None }
    }

    /// `state.path`.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All windows that something was held in, by budget and time.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let database = self.database();
        let sql = "SELECT account, unit, start, used, held FROM windows JOIN budgets ON number = budget \
                   ORDER BY account, unit, start";
        let mut statement = database.prepare(sql).unwrap();
        let amount = |amount: i64| u64::try_from(amount).expect("an amount below 0");
        let rows = statement.query_map([], |row| {
            Ok(Line {
                account: row.get(0)?,
                unit: row.get(1)?,
                start_ms: row.get(2)?,
                used: amount(row.get(3)?),
                held: amount(row.get(4)?),
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Used and held of a team's budgets of this unit, all windows together, in millionths.
    pub(crate) fn standing(&self, account: &str, unit: &str) -> (u64, u64) {
        let lines = self.lines();
        let of = lines.iter().filter(|line| line.account == account && line.unit == unit);
        of.fold((0, 0), |(used, held), line| (used + line.used, held + line.held))
    }

    /// Used once nothing is held any more.
    pub(crate) async fn used(&self, account: &str, unit: &str) -> u64 {
        self.rest().await;
        self.standing(account, unit).0
    }

    /// Micro-credits of all daily figures.
    fn figures(&self) -> u64 {
        let sum = "SELECT coalesce(sum(credits), 0) FROM usage";
        u64::try_from(self.database().query_row(sum, [], |row| row.get::<_, i64>(0)).unwrap()).unwrap()
    }

    fn holds(&self) -> i64 {
        self.database().query_row("SELECT count(*) FROM holds", [], |row| row.get(0)).unwrap()
    }

    /// Waits until no generation holds anything: what ends is noted down a moment after its answer.
    pub(crate) async fn rest(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.holds() > 0 {
            assert!(Instant::now() < deadline, "held for ever: {:?}", self.lines());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for rest; then nothing may be held, and the daily figures must be upstream's.
    pub(crate) async fn agree_with(&self, upstream: impl Fn() -> LedgerView) {
        self.rest().await;
        let held: Vec<Line> = self.lines().into_iter().filter(|line| line.held > 0).collect();
        assert_eq!(held, [], "windows hold what no generation does");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (counted, charged) = (self.figures(), micro(upstream().totals.credits_charged));
            if counted == charged {
                return;
            }
            assert!(Instant::now() < deadline, "{counted} counted, {charged} charged");
            sleep(LOOK_EVERY).await;
        }
    }

    fn database(&self) -> Connection {
        let path = self.folder.join("state.db");
        let database = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        database
    }
}

/// Credits as upstream tells them, in micro-credits.
pub(crate) fn micro(credits: f64) -> u64 {
    format!("{:.0}", credits * 1e6).parse().unwrap()
}
