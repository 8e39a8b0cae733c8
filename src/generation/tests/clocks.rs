//! Wall clocks that jump: nothing that waits goes by them.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::*;
use super::fake::{Fake, after, house_on, options, plan, soon, wish};
use crate::fault::FaultKind;
use crate::store::{Engine, EngineJournal};

const START: i64 = 1_800_000_000;
const HOUR: i64 = 3600;
const TASK_TAKES: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(20);
/// `poll.max` of these tests, and the time of a look.
const LAG_MAX: Duration = Duration::from_secs(9);

struct Bench {
    generations: Generations,
    journal: Arc<EngineJournal>,
    fake: Arc<Fake>,
    running: JoinSet<()>,
}

impl Bench {
    /// A house whose clock jumps by up to an hour, forward or back, at moments of chance.
    fn jumping(seed: u64) -> Self {
        let (clock, fake) = (Clock::fixed(START), Arc::new(Fake::default()));
        fake.script().tasks_take = [TASK_TAKES].into();
        let journal = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
        let upstream: Arc<dyn Upstream> = fake.clone();
        let metrics = Arc::new(Metrics::new());
        let (generations, mut running) =
            house_on(journal.clone(), upstream, options(), &metrics, clock.clone());
        let mut random = StdRng::seed_from_u64(seed);
        running.spawn(async move {
            loop {
                after(random.random_range(Duration::from_millis(50)..Duration::from_secs(5))).await;
                clock.set(START + random.random_range(-HOUR..=HOUR));
            }
        });
        Self { generations, journal, fake, running }
    }
}

#[tokio::test(start_paused = true)]
async fn jumps_of_an_hour_move_no_deadline_and_no_look() {
    for seed in 0..64 {
        let mut bench = Bench::jumping(seed);
        let fox = plan("a fox", 2, &[]);
        let began = Instant::now();
        let mut waiter = bench.generations.begin(wish(&fox, Reuse::default())).await.unwrap();
        let fault = waiter.finished(began + PATIENCE).await.unwrap_err();
        assert_eq!((fault.kind(), began.elapsed()), (FaultKind::Deadline, PATIENCE), "seed {seed}");
        drop(waiter);
        let mut waiter = bench.generations.begin(wish(&fox, Reuse::default())).await.unwrap();
        assert!(waiter.joined(), "seed {seed}: it is still young");
        let finished = waiter.finished(soon()).await.unwrap();
        let took = began.elapsed();
        assert!(took >= TASK_TAKES && took <= TASK_TAKES + LAG_MAX, "seed {seed}: {took:?}");
        assert_eq!(finished.images.iter().flatten().count(), 2, "seed {seed}");
        assert_eq!(bench.fake.script().creates.len(), 2, "seed {seed}");
        after(Duration::from_secs(1)).await;
        let left = bench.journal.unfinished(0, 10).await.unwrap().records;
        assert!(left.is_empty(), "seed {seed}: {left:?}");
        bench.running.shutdown().await;
    }
}
