//! Rules that take more than one value: names that must differ, references that must lead somewhere, settings that
//! need others. Each is told at the value to change.

mod budgets;
mod models;
mod prices;
mod teams;

use super::Checks;
use super::path::{Path, Step};
use super::problem::Problem;
use super::setting::{self, Origin};
use super::settings::{ImageStore, Settings, StateStore};

/// Collects what is wrong.
#[derive(Debug)]
struct Findings<'a> {
    origin: &'a Origin,
    /// What reading found; follow-ups of it are not the user's mistakes.
    read: &'a setting::Findings,
    list: Vec<Problem>,
}

impl Findings<'_> {
    /// Where a value of the settings stands in the file, whose lists may have had items that were left out.
    fn place(&self, path: &Path) -> Path {
        let mut place = Path::root();
        for step in path.steps() {
            let Step::Index(index) = step else {
                place.push(step.clone());
                continue;
            };
            let present = (0..).filter(|index| !self.read.left_out.contains(&place.join(*index)));
            let index = present.take(index + 1).last().unwrap_or(*index);
            place.push(index);
        }
        place
    }

    /// True when something at the place or below it could not be read, and has its default here.
    fn is_doubtful(&self, path: &Path) -> bool {
        let place = self.place(path);
        let problems = self.read.problems.iter().map(|problem| &problem.path);
        problems.chain(self.origin.missing.keys()).any(|path| path.starts_with(&place))
    }

    fn add(&mut self, path: &Path, message: impl Into<String>) {
        if self.is_doubtful(path) {
            return;
        }
        let path = self.place(path);
        let line = self.origin.lines.get(&path).copied();
        self.list.push(Problem { path, line, message: message.into() });
    }
}

/// All that is wrong with settings whose every value is right alone.
pub fn validate(
    settings: &Settings,
    checks: &Checks,
    origin: &Origin,
    read: &setting::Findings,
) -> Vec<Problem> {
    let mut findings = Findings { origin, read, list: Vec::new() };
    server(settings, &mut findings);
    evolink(settings, checks, &mut findings);
    models::check(settings, checks, &mut findings);
    teams::check(settings, &mut findings);
    budgets::limits(&settings.limits, &Path::of(&["limits"]), &mut findings);
    stores(settings, &mut findings);
    findings.list
}

fn server(settings: &Settings, findings: &mut Findings<'_>) {
    let server = &settings.server;
    let (api, admin) = (server.listen, server.admin_listen);
    let meets = api.ip() == admin.ip() || api.ip().is_unspecified() || admin.ip().is_unspecified();
    if api.port() != 0 && api.port() == admin.port() && meets {
        findings.add(
            &Path::of(&["server", "admin_listen"]),
            "must differ from server.listen: the admin listener is not for clients",
        );
    }
    if server.max_json > server.max_buffered {
        findings.add(
            &Path::of(&["server", "max_json"]),
            "must not be more than server.max_buffered, or the largest bodies never get in",
        );
    }
    for (index, origin) in server.cors.origins.iter().enumerate() {
        let is_origin = url::Url::parse(origin).is_ok_and(|url| {
            ["http", "https"].contains(&url.scheme()) && url.origin().ascii_serialization() == *origin
        });
        if origin != "*" && !is_origin {
            findings.add(
                &Path::of(&["server", "cors", "origins"]).join(index),
                "must be `*` or an origin such as https://app.example.com, without a path",
            );
        }
    }
    let public = server.public_url.as_ref().map(super::address::HttpUrl::as_url);
    if public.is_some_and(|url| url.query().is_some() || url.fragment().is_some()) {
        findings.add(&Path::of(&["server", "public_url"]), "must not have a query or a fragment");
    }
    if public.is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
        findings.add(
            &Path::of(&["server", "public_url"]),
            "must not have a user or a password: it stands in every link",
        );
    }
}

fn evolink(settings: &Settings, checks: &Checks, findings: &mut Findings<'_>) {
    let evolink = &settings.evolink;
    if evolink.api_key.is_empty() && !checks.allow_missing_secrets {
        findings.add(&Path::of(&["evolink", "api_key"]), "set EVOLINK_API_KEY or evolink.api_key");
    }
    if evolink.poll.min > evolink.poll.max {
        findings.add(&Path::of(&["evolink", "poll", "min"]), "must not be more than evolink.poll.max");
    }
    // The simulator speaks no https.
    let is_reachable =
        settings.server.public_url.as_ref().is_some_and(|url| url.is_https() || evolink.allow_private_media);
    if evolink.callback.enabled && !is_reachable {
        findings.add(
            &Path::of(&["evolink", "callback", "enabled"]),
            "needs server.public_url with https, as Evolink calls back to it (http will do only with \
             evolink.allow_private_media, for the simulator)",
        );
    }
}

fn stores(settings: &Settings, findings: &mut Findings<'_>) {
    if settings.images.store == ImageStore::S3 && settings.images.s3.is_none() {
        findings
            .add(&Path::of(&["images", "s3"]), "is needed with images.store: s3; give it a bucket at least");
    }
    if let Some(s3) = &settings.images.s3 {
        if s3.bucket.is_empty() {
            findings.add(&Path::of(&["images", "s3", "bucket"]), "must not be empty");
        }
        if s3.access_key_id.is_some() != s3.secret_access_key.is_some() {
            findings.add(
                &Path::of(&["images", "s3", "secret_access_key"]),
                "access_key_id and secret_access_key go together; leave both out to use the machine's role",
            );
        }
    }
    if settings.state.store == StateStore::Redis && settings.state.redis.is_none() {
        findings
            .add(&Path::of(&["state", "redis"]), "is needed with state.store: redis; give it a url at least");
    }
}
