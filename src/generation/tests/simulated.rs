//! Pictures that came along, with the real client against the simulator, on real time.

use std::io::Cursor;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::watch::{Batching, PollBounds, WatchOptions};
use super::super::*;
use super::fake::{options, own, picture_of, plan};
use crate::evolink::{self, Client};
use crate::image::{Plan, Reference};
use crate::media::{FetchOptions, InputFile};
use crate::simulator::{self, Simulator};
use crate::store::{Engine, EngineJournal};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tasks that take some hundredths of a second.
pub(super) async fn simulator() -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let latency = Some((Duration::from_millis(20), Duration::from_millis(60)));
    Simulator::start(listener, simulator::Options { latency, ..simulator::Options::default() }).await
}

/// What a house needs towards the simulator, and the watcher's loop.
pub(super) fn towards(
    simulator: &Simulator,
    metrics: &Arc<Metrics>,
) -> (Arc<dyn Upstream>, Watcher, Fetcher, JoinSet<()>) {
    let client = evolink::Options {
        base_url: simulator.url(),
        files_url: simulator.url(),
        ..evolink::Options::new("sk-simulated".into())
    };
    let upstream: Arc<dyn Upstream> = Arc::new(Client::new(client, Arc::clone(metrics)).unwrap());
    let watching = WatchOptions {
        bounds: PollBounds { min: Duration::from_millis(20), max: Duration::from_millis(100) },
        per_second: 200,
        batching: Batching::Auto,
        task_timeout: options().task_timeout,
    };
    let (watcher, loops) = Watcher::new(Arc::clone(&upstream), watching, Arc::clone(metrics));
    let mut owner = JoinSet::new();
    owner.spawn(loops);
    let fetcher = Fetcher::new(FetchOptions { allow_private: true, ..FetchOptions::default() }).unwrap();
    (upstream, watcher, fetcher, owner)
}

struct Bench {
    simulator: Simulator,
    generations: Generations,
    _watching: JoinSet<()>,
}

impl Bench {
    async fn start() -> Self {
        let simulator = simulator().await;
        let metrics = Arc::new(Metrics::new());
        let (upstream, watcher, fetcher, mut owner) = towards(&simulator, &metrics);
        let journal = Arc::new(EngineJournal::new(Engine::in_memory().unwrap()));
        let (generations, bookkeeping) =
            Generations::new(upstream, fetcher, watcher, journal, options(), metrics, Clock::system());
        owner.spawn(bookkeeping);
        Self { simulator, generations, _watching: owner }
    }

    async fn begin(&self, plan: &Arc<Plan>, inputs: Vec<InputFile>) -> Waiter {
        self.generations.begin(Wish { inputs, ..own(plan) }).await.unwrap()
    }

    /// Files the account has now.
    async fn files(&self) -> usize {
        let url = format!("{}/api/v1/files/quota", self.simulator.url());
        let request = reqwest::Client::builder().no_proxy().build().unwrap().get(url);
        let answer = request.bearer_auth("sk-simulated").send().await.unwrap().bytes().await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        answer["data"]["used_files"].as_u64().unwrap().try_into().unwrap()
    }

    async fn until_files(&self, count: usize) {
        let there = async {
            while self.files().await != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.unwrap();
    }
}

/// A PNG of noise: some hundred kilobytes that the simulator will decode.
fn png(alpha: bool) -> InputFile {
    let mut bytes = Cursor::new(Vec::new());
    let noise = |x: u32, y: u32| u8::try_from((x * 7919 + y * 104_729 + x * y) % 251).unwrap();
    let pixel = |x, y| [noise(x, y), noise(y, x), noise(x + y, x), if alpha { 128 } else { 255 }];
    let image = image::RgbaImage::from_fn(256, 256, |x, y| image::Rgba(pixel(x, y)));
    if alpha {
        image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    } else {
        let image = image::DynamicImage::from(image).into_rgb8();
        image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    }
    picture_of(Bytes::from(bytes.into_inner()))
}

#[tokio::test]
async fn pictures_reach_the_task_whole_and_are_gone_after_it() {
    let bench = Bench::start().await;
    let (picture, mask) = (png(false), png(true));
    let mut edit = Plan::clone(&plan("a fox", 2, std::slice::from_ref(&picture)));
    edit.task.mask = Some(Reference::Picture(*mask.picture()));
    let mut waiter = bench.begin(&Arc::new(edit), vec![picture, mask]).await;
    let id = waiter.generation().id().to_string();
    // The simulator opens both and compares them: what arrived cut would fail here.
    let finished = waiter.finished(Instant::now() + PATIENCE).await.unwrap();
    assert_eq!(finished.images.iter().flatten().count(), 2);
    assert_eq!(bench.simulator.ledger().totals.uploads, 2);
    bench.until_files(0).await;
    waiter.pictures(&finished).await.unwrap();
    waiter.answered();

    let fetched = bench.simulator.ledger().totals.media_fetches;
    let mut later = bench.generations.find("design", &id).unwrap();
    let finished = later.finished(Instant::now()).await.unwrap();
    assert!(later.pictures(&finished).await.unwrap().images.iter().all(Result::is_ok));
    assert_eq!(bench.simulator.ledger().totals.media_fetches, fetched + 2, "they were not kept");
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_not_made_again() {
    let bench = Bench::start().await;
    bench.simulator.script("files:lost*1".parse().unwrap());
    let picture = png(false);
    let mut waiter = bench.begin(&plan("a fox", 1, std::slice::from_ref(&picture)), vec![picture]).await;
    waiter.finished(Instant::now() + PATIENCE).await.unwrap();
    assert_eq!(bench.simulator.ledger().totals.uploads, 1);
    bench.until_files(0).await;
}

#[tokio::test]
async fn a_full_account_buys_nothing() {
    let bench = Bench::start().await;
    bench.simulator.script("files:quota".parse().unwrap());
    let picture = png(false);
    let mut waiter = bench.begin(&plan("a fox", 1, std::slice::from_ref(&picture)), vec![picture]).await;
    let fault = waiter.finished(Instant::now() + PATIENCE).await.unwrap_err();
    assert_eq!((fault.status(), fault.code()), (503, "upstream_unavailable"));
    let totals = bench.simulator.ledger().totals;
    assert_eq!((totals.uploads, totals.create_calls), (3, 0));
}

#[tokio::test]
async fn what_is_taken_back_is_cancelled_and_refunded_upstream() {
    let bench = Bench::start().await;
    let waiter = bench.begin(&plan("a fox [latency:600s]", 1, &[]), Vec::new()).await;
    let id = waiter.generation().id().to_string();
    waiter.promise(()).await.unwrap();
    let done = async |what: &dyn Fn(&simulator::LedgerView) -> bool| {
        while !what(&bench.simulator.ledger()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, done(&|ledger| ledger.totals.looks > 0)).await.unwrap();
    assert!(bench.generations.detach("design", &id).is_some());
    tokio::time::timeout(PATIENCE, done(&|ledger| ledger.tasks[0].status == "cancelled")).await.unwrap();
    assert_eq!(bench.simulator.ledger().totals.cancel_calls, 1);
    let over = async {
        while bench
            .generations
            .0
            .metrics
            .render()
            .contains(r#"evolink_gateway_running_generations{team="design"} 1"#)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, over).await.unwrap();
}
