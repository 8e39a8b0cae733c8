//! `serve` on disks that fill up, turn read-only or refuse to be written, and become well again.
//!
//! Small disks are tmpfs in a mount namespace of the gateway's own; where the system grants none, those tests say so and
//! pass. Writes that fail are made by a limit on the size of files, which needs no rights.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use evolink_gateway::simulator::{self, Simulator};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::process::{Folder, Running, binary, serve_by};
use crate::support::{Answer, PATIENCE};

const KEY: &str = "egk_disks";
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A gateway whose folder `data` is a small disk, or one whose writes can be made to fail.
struct Bench {
    simulator: Simulator,
    gateway: Running,
    folder: Folder,
    api: SocketAddr,
    admin: SocketAddr,
}

/// Whether a process may have mounts of its own here.
async fn may_mount() -> bool {
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=1m tmpfs /mnt";
    let may = command.args(["-Urm", "sh", "-c", script]).output().await.is_ok_and(|ran| ran.status.success());
    if !may {
        // Not by a macro, whose words a test that passes keeps to itself.
        std::io::stderr()
            .write_all(b"SKIPPED: no mount namespaces here, so no small disk to fill\n")
            .unwrap();
    }
    may
}

impl Bench {
    /// `script`: run before the gateway takes its place, in the gateway's folder.
    async fn start(wrapper: &[&str], script: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let latency = Some((Duration::from_millis(20), Duration::from_millis(60)));
        let simulator =
            Simulator::start(listener, simulator::Options { latency, ..simulator::Options::default() }).await;
        let folder = Folder::new();
        let gateway = binary(&folder).as_std().get_program().to_owned();
        let (program, arguments) = wrapper.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).args(["-c", &format!("{script}; exec \"$0\" serve")]).arg(gateway);
        command.env_clear().env("PATH", PATH).current_dir(folder.path("")).kill_on_drop(true);
        serve_by(&mut command, &simulator.url(), KEY);
        let mut gateway = Running::start(&mut command);
        let (api, admin) = gateway.addresses().await;
        Self { simulator, gateway, folder, api, admin }
    }

    /// With `data` and `data/images` as disks of 8 MiB each.
    async fn on_small_disks() -> Self {
        let disks = "for disk in data data/images; do mkdir -p $disk && mount -t tmpfs -o size=8m tmpfs $disk || exit 9; done";
        Self::start(&["unshare", "-Urm", "sh"], disks).await
    }

    /// A file as the gateway sees it.
    fn inside(&self, name: &str) -> PathBuf {
        let path = self.folder.path(name);
        let below_root = path.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.gateway.id())).join(below_root)
    }

    /// Pictures in the store.
    fn stored(&self) -> usize {
        let (mut count, mut folders) = (0, vec![self.inside("data/images")]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let picture = path.extension().is_some_and(|extension| extension == "png");
                count += usize::from(picture);
                folders.extend(path.is_dir().then_some(path));
            }
        }
        count
    }

    /// Takes all room of a folder's disk, until the file is removed.
    fn fill(&self, folder: &str) -> PathBuf {
        let path = self.inside(folder).join("filler");
        let full = std::fs::write(&path, vec![0; 16 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        path
    }

    async fn mounts(&self, how: &str) {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.gateway.id().to_string(), "-U", "-m", "--preserve-credentials"]);
        let ran = command.args(["mount", "-o", how]).arg(self.folder.path("data/images")).output().await;
        let ran = ran.unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// From now on files may be so long: `0`, or `unlimited`.
    async fn limit_files(&self, bytes: &str) {
        let (id, limit) = (self.gateway.id().to_string(), format!("--fsize={bytes}:unlimited"));
        let ran = Command::new("prlimit").args(["--pid", &id, &limit]).status().await.unwrap();
        assert!(ran.success());
    }

    async fn draw(&self, prompt: &str) -> Answer {
        draw(self.api, prompt, "").await
    }

    async fn refuses(&self, prompt: &str) {
        let answer = self.draw(prompt).await;
        answer.is_error(503, "service_unavailable_error", "server_is_overloaded", true);
        assert!(answer.header("retry-after").is_some());
    }

    async fn ready(&self) -> String {
        let url = format!("http://{}/readyz", self.admin);
        Answer::read(client().get(url).send().await.unwrap()).await.text()
    }

    /// Puts into the picture store that failed for this reason.
    async fn failures(&self, reason: &str) -> u64 {
        let url = format!("http://{}/metrics", self.admin);
        let text = Answer::read(client().get(url).send().await.unwrap()).await.text();
        let head =
            format!(r#"evolink_gateway_picture_store_failures_total{{operation="put",reason="{reason}"}} "#);
        text.lines().find_map(|line| line.strip_prefix(&head)?.parse().ok()).unwrap()
    }

    async fn until(&self, what: &str, there: impl AsyncFn() -> bool) {
        let came = async {
            while !there().await {
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, came).await.unwrap_or_else(|_| panic!("never came: {what}"));
    }

    async fn until_ready(&self) {
        self.until("readiness", async || self.ready().await == "ready\n").await;
    }

    fn tasks(&self) -> usize {
        self.simulator.ledger().tasks.len()
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

async fn draw(api: SocketAddr, prompt: &str, prefer: &str) -> Answer {
    let body = json!({"prompt": prompt, "size": "816x816", "quality": "low"}).to_string();
    let request = client().post(format!("http://{api}/v1/images/generations")).bearer_auth(KEY);
    let request = request.header("content-type", "application/json").header("prefer", prefer).body(body);
    Answer::read(request.send().await.expect("no answer")).await
}

#[tokio::test]
async fn a_full_disk_of_the_state_refuses_new_work_delivers_what_runs_and_recovers() {
    if !may_mount().await {
        return;
    }
    let bench = Bench::on_small_disks().await;
    bench.draw("a fox").await.picture();
    bench.until("the fox in the store", async || bench.stored() == 1).await;
    let mut running = JoinSet::from_iter([draw(bench.api, "a slow bear [latency:3s]", "")]);
    bench.until("the bear's task", async || bench.tasks() == 2).await;
    let filler = bench.fill("data");
    // A look at the room lasts a second.
    bench.until("no room", async || bench.ready().await == "not ready: state\n").await;
    bench.refuses("a cat").await;
    running.join_next().await.unwrap().unwrap().picture();
    bench.refuses("a cat").await;
    assert_eq!(bench.tasks(), 2, "nothing was bought");
    std::fs::remove_file(filler).unwrap();
    bench.until_ready().await;
    bench.draw("a cat").await.picture();
    bench.until("all in the store", async || bench.stored() == 3).await;
    assert_eq!(bench.tasks(), 3);
}

#[tokio::test]
async fn a_full_disk_of_pictures_keeps_nobody_waiting_and_takes_what_was_made_once_it_can() {
    if !may_mount().await {
        return;
    }
    let bench = Bench::on_small_disks().await;
    let filler = bench.fill("data/images");
    bench.draw("a fox").await.picture();
    bench.until("the failed put", async || bench.failures("full").await == 1).await;
    bench.draw("a cat").await.picture();
    bench.until("the second one", async || bench.failures("full").await == 2).await;
    assert_eq!((bench.stored(), bench.tasks()), (0, 2), "bought, and given from memory");
    assert_eq!(bench.ready().await, "ready\n", "it gives what it has");
    std::fs::remove_file(filler).unwrap();
    bench.until("both in the store", async || bench.stored() == 2).await;
    assert_eq!(bench.tasks(), 2);
}

#[tokio::test]
async fn a_read_only_folder_of_pictures_is_told_and_keeps_nobody_waiting() {
    if !may_mount().await {
        return;
    }
    let bench = Bench::on_small_disks().await;
    let promise = draw(bench.api, "a fox", "respond-async").await;
    bench.until("the fox in the store", async || bench.stored() == 1).await;
    bench.mounts("remount,ro").await;
    bench.until("no leave to write", async || bench.ready().await == "not ready: images\n").await;
    bench.draw("a cat").await.picture();
    let url = format!("http://{}{}", bench.api, promise.header("location").unwrap());
    Answer::read(client().get(url).bearer_auth(KEY).send().await.unwrap()).await.picture();
    assert_eq!((bench.stored(), bench.tasks()), (1, 2));
    bench.until("the cat's picture counted", async || bench.failures("read_only").await == 1).await;
    bench.mounts("remount,rw").await;
    bench.until_ready().await;
    bench.until("both in the store", async || bench.stored() == 2).await;
}

#[tokio::test]
async fn writes_that_fail_refuse_new_work_and_lose_nothing() {
    // Else the signal would end the process; disks send none.
    let bench = Bench::start(&["sh"], "trap '' XFSZ").await;
    let mut running = JoinSet::from_iter([draw(bench.api, "a slow bear [latency:2s]", "")]);
    bench.until("the bear's task", async || bench.tasks() == 1).await;
    bench.limit_files("0").await;
    bench.refuses("a cat").await;
    assert_eq!(bench.ready().await, "not ready: state\n");
    running.join_next().await.unwrap().unwrap().picture();
    bench.until("the failed put", async || bench.failures("full").await == 1).await;
    bench.refuses("a cat").await;
    assert_eq!(bench.tasks(), 1, "nothing was bought");
    bench.limit_files("unlimited").await;
    bench.until_ready().await;
    bench.until("the bear in the store", async || bench.stored() == 1).await;
    bench.draw("a cat").await.picture();
    assert_eq!(bench.tasks(), 2);
}
