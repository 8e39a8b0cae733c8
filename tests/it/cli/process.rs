//! A process of the binary, with what it has said so far.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::PATIENCE;

/// The binary, with nothing of this process's environment.
pub(super) fn binary(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evolink-gateway"));
    command.env_clear().current_dir(&folder.0).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// `serve` in this folder with one key of one team, towards a simulator at `upstream`.
pub(super) fn serve_at(folder: &Folder, upstream: &str, key: &str) -> Command {
    let mut command = binary(folder);
    serve_by(command.arg("serve"), upstream, key);
    command
}

/// The settings of [`serve_at`].
pub(super) fn serve_by(command: &mut Command, upstream: &str, key: &str) {
    command.envs([
        ("EVOLINK_API_KEY", "sk-simulated"),
        ("EVOLINK_GATEWAY_KEY", key),
        ("EVOLINK_GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("EVOLINK_GATEWAY__SERVER__ADMIN_LISTEN", "127.0.0.1:0"),
        ("EVOLINK_GATEWAY__EVOLINK__BASE_URL", upstream),
        ("EVOLINK_GATEWAY__EVOLINK__FILES_URL", upstream),
        ("EVOLINK_GATEWAY__EVOLINK__ALLOW_PRIVATE_MEDIA", "true"),
        ("EVOLINK_GATEWAY__EVOLINK__POLL__MIN", "20ms"),
        ("EVOLINK_GATEWAY__EVOLINK__POLL__PER_SECOND", "200"),
    ]);
}

/// What a command said and how it ended.
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

pub(super) async fn run(command: &mut Command) -> Ran {
    let output = timeout(PATIENCE, command.output()).await.expect("the command does not end").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A folder of one test's own, gone with it.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies below the build's own folder.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A process that runs until it is told to stop.
pub(super) struct Running {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    /// All that it has said and that was read here.
    pub(super) said: String,
}

impl Running {
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (pen, lines) = mpsc::unbounded_channel();
        let mut readers = tokio::task::JoinSet::new();
        readers.spawn(read(child.stdout.take().unwrap(), pen.clone()));
        readers.spawn(read(child.stderr.take().unwrap(), pen));
        readers.detach_all();
        Self { child, lines, said: String::new() }
    }

    /// The next line that contains `mark`.
    pub(super) async fn line(&mut self, mark: &str) -> String {
        loop {
            match timeout(PATIENCE, self.lines.recv()).await {
                Ok(Some(line)) => {
                    self.said += &line;
                    self.said.push('\n');
                    if line.contains(mark) {
                        return line;
                    }
                }
                Ok(None) => panic!("ended without {mark:?}: {}", self.said),
                Err(elapsed) => panic!("{elapsed}: never said {mark:?}: {}", self.said),
            }
        }
    }

    /// The addresses of the API and the admin listener, from the log.
    pub(super) async fn addresses(&mut self) -> (SocketAddr, SocketAddr) {
        let line = self.line("\"listening\"").await;
        let line: Value = serde_json::from_str(&line).expect("the log is JSON by the line");
        let address = |field: &str| line["fields"][field].as_str().unwrap().parse().unwrap();
        (address("api"), address("admin"))
    }

    /// The process's id.
    pub(super) fn id(&self) -> u32 {
        self.child.id().expect("still running")
    }

    pub(super) async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let status =
            Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &id]).status().await.unwrap();
        assert!(status.success());
    }

    /// Waits for the end; what was said last is in `said` then.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the process does not end").unwrap();
        while let Ok(Some(line)) = timeout(PATIENCE, self.lines.recv()).await {
            self.said += &line;
            self.said.push('\n');
        }
        status
    }
}

async fn read(pipe: impl AsyncRead + Unpin, pen: mpsc::UnboundedSender<String>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if pen.send(line).is_err() {
            return;
        }
    }
}
