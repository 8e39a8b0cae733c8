//! The cast of a scenario: simulator, gateway, floor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use evolink_gateway::keys::SecretKey;

use crate::Error;
use crate::process::{Core, Process, can_pin};

/// What all scenarios share.
#[derive(Debug)]
pub(crate) struct Bench {
    gateway: PathBuf,
    pinned: bool,
    /// Short rounds.
    pub(crate) quick: bool,
    key: SecretKey,
    directory: PathBuf,
    /// On the disk of the build.
    disk: tempfile::TempDir,
    files: AtomicU32,
}

/// A process that answers image requests.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// The team key.
    pub(crate) key: String,
}

/// A stand-in for Evolink.
#[derive(Debug)]
pub(crate) struct Upstream {
    _process: Process,
    pub(crate) address: SocketAddr,
}

impl Bench {
    pub(crate) fn new(gateway: PathBuf, pin: bool, quick: bool) -> Result<Self, Error> {
        let directory = std::env::temp_dir().join(format!("evolink-gateway-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
        let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self {
            disk,
            gateway,
            pinned: pin && can_pin(),
            quick,
            key: SecretKey::generate(),
            directory,
            files: AtomicU32::new(0),
        })
    }

    pub(crate) fn placement(&self) -> &'static str {
        if self.pinned {
            "Gateway or floor alone on one core; simulator and load on another."
        } else {
            "All processes share the cores (unpinned): compare no figures with those of pinned runs."
        }
    }

    /// The simulator with these flags.
    pub(crate) async fn upstream(&self, flags: &str) -> Result<Upstream, Error> {
        let flags = format!("simulate --listen 127.0.0.1:0 --credits 1000000000000 {flags}");
        let process = self.start(Core::Others, &self.gateway, &flags)?;
        let address = process.address_after("listening on http://").await?;
        Ok(Upstream { _process: process, address })
    }

    /// A gateway whose section `evolink` has these lines besides its addresses.
    pub(crate) async fn gateway(&self, upstream: &Upstream, evolink: &str) -> Result<Server, Error> {
        self.gateway_on(Core::Measured, upstream, evolink).await
    }

    pub(crate) async fn gateway_on(
        &self,
        core: Core,
        upstream: &Upstream,
        evolink: &str,
    ) -> Result<Server, Error> {
        self.start_gateway(core, upstream, evolink, "memory", &self.directory.join("data")).await
    }

    /// One that writes its journal in this folder. It goes where the scheduler puts it: the writer's thread has work
    /// beside the others.
    pub(crate) async fn gateway_with_state(
        &self,
        upstream: &Upstream,
        evolink: &str,
        folder: &Path,
    ) -> Result<Server, Error> {
        self.start_gateway(Core::Any, upstream, evolink, "embedded", folder).await
    }

    /// One that stores its pictures on the disk of the build, and all else in memory.
    pub(crate) async fn gateway_with_pictures(
        &self,
        upstream: &Upstream,
        evolink: &str,
        folder: &Path,
    ) -> Result<Server, Error> {
        let config = self.config(upstream, evolink, "memory", &self.directory.join("data"));
        let images = format!("images: {{store: disk, path: \"{}\"}}", folder.display());
        self.start_with(Core::Measured, config.replace("images: {store: none}", &images)).await
    }

    /// One whose callers have these limits.
    pub(crate) async fn gateway_with_limits(
        &self,
        upstream: &Upstream,
        limits: &str,
    ) -> Result<Server, Error> {
        let config = self.config(upstream, "", "memory", &self.directory.join("data"));
        self.start_with(Core::Measured, format!("{config}limits: {limits}\n")).await
    }

    async fn start_gateway(
        &self,
        core: Core,
        upstream: &Upstream,
        evolink: &str,
        store: &str,
        data: &Path,
    ) -> Result<Server, Error> {
        self.start_with(core, self.config(upstream, evolink, store, data)).await
    }

    async fn start_with(&self, core: Core, settings: String) -> Result<Server, Error> {
        let config = self.file("yaml");
        std::fs::write(&config, settings)?;
        let process = self.start(core, &self.gateway, &format!("serve --config {}", config.display()))?;
        let address = process.address_after("\"api\":\"").await?;
        Ok(Server { process, address, key: self.key.expose().to_owned() })
    }

    /// The floor, which looks at a task `wait_ms` after its create.
    pub(crate) async fn floor(&self, upstream: &Upstream, wait_ms: u64) -> Result<Server, Error> {
        let flags = format!("--floor {} --wait {wait_ms}", upstream.address);
        let process = self.start(Core::Measured, &std::env::current_exe()?, &flags)?;
        let address = process.address_after("floor listening on ").await?;
        Ok(Server { process, address, key: String::new() })
    }

    /// No word of `arguments` has a space in it: the directory is the system's own.
    pub(crate) fn start(&self, core: Core, program: &Path, arguments: &str) -> Result<Process, Error> {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        Process::start(if self.pinned { core } else { Core::Any }, program, &arguments, self.file("log"))
    }

    /// A new folder on the disk of the build: the system's own may be in memory.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.disk.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn file(&self, extension: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.directory.join(format!("{number}.{extension}"))
    }

    fn config(&self, upstream: &Upstream, evolink: &str, store: &str, data: &Path) -> String {
        let (address, hash) = (upstream.address, self.key.digest());
        let data = data.display();
        format!(
            "server: {{listen: \"127.0.0.1:0\", admin_listen: \"127.0.0.1:0\"}}\n\
             log: {{format: json}}\n\
             state: {{store: {store}, path: \"{data}\"}}\n\
             images: {{store: none}}\n\
             teams: [{{name: bench, keys: [{{name: main, sha256: \"{hash}\"}}]}}]\n\
             evolink: {{api_key: bench, base_url: \"http://{address}\", files_url: \"http://{address}\", \
             allow_private_media: true, {evolink}}}\n"
        )
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Left-overs in the temporary directory harm nobody.
        drop(std::fs::remove_dir_all(&self.directory));
    }
}
