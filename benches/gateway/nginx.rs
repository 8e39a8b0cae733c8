//! nginx with one static file: what a server costs that does nothing but send bytes.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::Error;
use crate::process::{Core, Process};
use crate::setup::Bench;

/// Where the file stands.
pub(crate) const PATH: &str = "/answer.json";
const START_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// Serves `answer` from the measured core, with a line in a log for every request, as the gateway writes one.
    ///
    /// # Errors
    /// Without nginx nothing can be compared, and the benchmark ends.
    pub(crate) async fn start(bench: &Bench, answer: &[u8]) -> Result<Self, Error> {
        let folder = bench.folder("nginx")?;
        std::fs::write(folder.join(PATH.trim_start_matches('/')), answer)?;
        let nginx = Path::new("nginx");
        let mut trial = Command::new(nginx);
        if trial.arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Err("the part `hits` needs nginx to compare with, and there is none: \
                install the package nginx-light (Debian, Ubuntu: apt-get install nginx-light) or nginx"
                .into());
        }
        let address = free_address()?;
        let config = folder.join("nginx.conf");
        std::fs::write(&config, settings(address, &folder))?;
        let arguments = format!("-p {} -c {}", folder.display(), config.display());
        let process = bench.start(Core::Measured, nginx, &arguments)?;
        while TcpStream::connect(address).await.is_err() {
            if process.age() > START_PATIENCE {
                return Err(format!("nginx did not start: {}", process.said()?).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Self { process, address })
    }
}

fn free_address() -> Result<SocketAddr, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Debian's own settings where they matter. One process that does a worker's work: it is the one that is measured, and
/// ending it ends all.
fn settings(address: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off;\n\
         master_process off;\n\
         worker_processes 1;\n\
         worker_rlimit_nofile 8192;\n\
         pid {folder}/nginx.pid;\n\
         error_log {folder}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
           access_log {folder}/access.log combined;\n\
           sendfile on;\n\
           tcp_nopush on;\n\
           keepalive_timeout 75s;\n\
           keepalive_requests 1000000000;\n\
           default_type application/json;\n\
           client_body_temp_path {folder}/body;\n\
           proxy_temp_path {folder}/proxy;\n\
           fastcgi_temp_path {folder}/fastcgi;\n\
           uwsgi_temp_path {folder}/uwsgi;\n\
           scgi_temp_path {folder}/scgi;\n\
           server {{ listen {address}; root {folder}; }}\n\
         }}\n"
    )
}
