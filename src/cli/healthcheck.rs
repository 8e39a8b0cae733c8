//! `healthcheck`: is the gateway ready? For containers without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::say;
use crate::catalog::Catalog;
use crate::config::{self, Checks, Environment, Source};

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The status line is within these bytes.
const HEAD_MAX: u64 = 1024;

/// Exit with 0 when the gateway is ready.
#[derive(Debug, clap::Args)]
pub struct Healthcheck {
    /// What to ask, http only. Default: /readyz of the configured admin listener.
    #[arg(long)]
    url: Option<String>,
}

impl Healthcheck {
    pub async fn run(self) -> ExitCode {
        let target = match self.url {
            Some(url) => parse(&url),
            None => configured(),
        };
        let (host, path) = match target {
            Ok(target) => target,
            Err(problem) => return say(&problem),
        };
        match tokio::time::timeout(PATIENCE, status(&host, &path)).await {
            Ok(Ok(200)) => ExitCode::SUCCESS,
            Ok(Ok(status)) => say(&format!("http://{host}{path} answered {status}")),
            Ok(Err(error)) => say(&format!("http://{host}{path}: {error}")),
            Err(_) => say(&format!("http://{host}{path} did not answer within {} s", PATIENCE.as_secs())),
        }
    }
}

/// Host with port, and path.
fn parse(url: &str) -> Result<(String, String), String> {
    let rest =
        url.strip_prefix("http://").ok_or_else(|| format!("--url {url}: use http://HOST:PORT/PATH"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, "readyz"));
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    Ok((host, format!("/{path}")))
}

fn configured() -> Result<(String, String), String> {
    Ok((admin_listener()?.to_string(), "/readyz".to_owned()))
}

/// The admin listener of the configuration; secrets are not needed to know it.
pub(super) fn admin_listener() -> Result<SocketAddr, String> {
    let environment = Environment::of_process();
    let source = Source::choose(None, &environment);
    let known_models = Catalog::model_ids();
    let loaded = config::load(&source, &environment, &Checks { known_models, allow_missing_secrets: true });
    let listen = loaded.map_err(|problems| problems.to_string())?.settings.server.admin_listen;
    Ok(reachable(listen))
}

/// A listener on all addresses is asked over loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn status(host: &str, path: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    stream.take(HEAD_MAX).read_to_end(&mut head).await?;
    let line = String::from_utf8_lossy(&head);
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_host_port_and_path() {
        let parsed = |url| parse(url).map(|(host, path)| host + &path);
        assert_eq!(parsed("http://10.0.0.1:9090/livez"), Ok("10.0.0.1:9090/livez".into()));
        assert_eq!(parsed("http://gateway"), Ok("gateway:80/readyz".into()));
        assert!(parsed("https://gateway/").is_err());
    }

    #[test]
    fn a_listener_on_all_addresses_is_asked_over_loopback() {
        let reached = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9090"), "127.0.0.1:9090");
        assert_eq!(reached("[::]:9090"), "[::1]:9090");
        assert_eq!(reached("192.0.2.7:9090"), "192.0.2.7:9090");
    }
}
