//! `usage`: what was used and what it cost, from a running gateway.

mod ask;
mod table;

use std::io::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;

use super::{healthcheck, say};
use crate::config::Environment;
use ask::{Answered, ask};

/// Where the token may be, instead of among the arguments.
const TOKEN: &str = "EVOLINK_GATEWAY_ADMIN_TOKEN";

/// Show what was used and what it cost, from a running gateway's admin API.
#[derive(Debug, clap::Args)]
pub struct Usage {
    /// The admin listener, http only. Default: that of the configuration.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// server.admin_token. Default: $EVOLINK_GATEWAY_ADMIN_TOKEN.
    #[arg(long)]
    token: Option<String>,
    /// This team only.
    #[arg(long)]
    team: Option<String>,
    /// First day, as 2026-11-01, in UTC. Default: the first of the last day's month.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Last day. Default: today.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// What is told apart, comma separated: day, team, key, model. Default: all of them.
    #[arg(long)]
    by: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

impl Usage {
    /// Exits with 0 also when nothing was used; with 1 when that cannot be told.
    pub async fn run(self) -> ExitCode {
        match self.report().await {
            Ok(text) => {
                let printed = std::io::stdout().lock().write_all(text.as_bytes());
                if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(problem) => say(&problem),
        }
    }

    async fn report(self) -> Result<String, String> {
        let admin = match &self.admin {
            Some(url) => url.clone(),
            None => format!("http://{}", healthcheck::admin_listener()?),
        };
        let environment = Environment::of_process();
        let token =
            self.token.as_deref().or_else(|| environment.get(TOKEN)).filter(|token| !token.is_empty());
        let answered = ask(&admin, &format!("/admin/v1/usage?{}", self.query()), token).await?;
        let text = understood(&admin, token.is_some(), answered)?;
        match self.format {
            Format::Table => table::drawn(&text).map_err(|problem| format!("{admin}: {problem}")),
            Format::Csv => Ok(text),
            Format::Json => Ok(text + "\n"),
        }
    }

    fn query(&self) -> String {
        let format = if self.format == Format::Csv { "csv" } else { "json" };
        let given = [("team", &self.team), ("from", &self.from), ("to", &self.to), ("by", &self.by)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(given)
            .append_pair("format", format)
            .finish()
    }
}

/// The report, or what to do about it that there is none.
fn understood(admin: &str, with_token: bool, answered: Answered) -> Result<String, String> {
    let Answered { status, body } = answered;
    if status == 200 {
        return Ok(body);
    }
    let told = serde_json::from_str::<serde_json::Value>(&body).ok();
    let told = told.as_ref().and_then(|body| body.pointer("/error/message")).and_then(|text| text.as_str());
    let told = told.unwrap_or("no reason was given");
    Err(match status {
        401 if with_token => format!(
            "{admin} does not take this token. Give the gateway's server.admin_token as --token or in {TOKEN}."
        ),
        401 => format!("{admin} wants a token. Give its server.admin_token as --token or in {TOKEN}."),
        404 => format!(
            "{admin} has no usage report: is it the admin listener (server.admin_listen), of this version? {told}"
        ),
        _ => format!("{admin} answered {status}: {told}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_is_asked_for() {
        let usage = Usage {
            admin: None,
            token: None,
            team: Some("a & b".to_owned()),
            from: Some("2026-11-01".to_owned()),
            to: None,
            by: Some("team,key".to_owned()),
            format: Format::Csv,
        };
        assert_eq!(usage.query(), "team=a+%26+b&from=2026-11-01&by=team%2Ckey&format=csv");
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let told = |status, with_token| {
            let body = r#"{"error":{"message":"Because."}}"#.to_owned();
            understood("http://x", with_token, Answered { status, body }).unwrap_err()
        };
        assert!(told(401, false).contains("wants a token") && told(401, false).contains(TOKEN));
        assert!(told(401, true).contains("does not take this token"));
        assert!(told(404, true).contains("server.admin_listen"));
        assert_eq!(told(403, false), "http://x answered 403: Because.");
        let odd = understood("http://x", false, Answered { status: 502, body: "<html>".to_owned() });
        assert_eq!(odd.unwrap_err(), "http://x answered 502: no reason was given");
    }
}
