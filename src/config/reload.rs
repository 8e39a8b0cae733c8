//! Reload: which changes hold at once, which need a restart, and the loop that looks for changed files.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use super::path::Path;
use super::setting::Setting as _;
use super::shown::Secrets;
use super::{Checks, Environment, Files, Loaded, Problems, Settings, Source, load};

/// Time between two looks at the files. Links swapped by Kubernetes are seen as well as files rewritten.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long changed files must stay as they are: a file seen half written, or emptied just before, may be valid.
const SETTLED_AFTER: Duration = Duration::from_millis(500);

/// What holds at once after a reload.
const AT_ONCE: &[&[&str]] = &[
    &["teams"],
    &["strict"],
    &["limits"],
    &["models"],
    &["pricing"],
    &["cache", "enabled"],
    &["cache", "scope"],
    &["cache", "ttl"],
    &["evolink", "api_key"],
    &["server", "admin_token"],
    &["log", "prompts"],
];

/// The settings that differ and hold only after a restart, by path.
pub fn needs_restart(old: &Settings, new: &Settings) -> Vec<String> {
    let tree = |settings: &Settings| Value::from(settings.shown(Secrets::Hashed));
    let mut changed = Vec::new();
    differences(&tree(old), &tree(new), &Path::root(), &mut changed);
    changed.retain(|path| !AT_ONCE.iter().any(|pattern| path.is_under(pattern)));
    changed.iter().map(ToString::to_string).collect()
}

fn differences(old: &Value, new: &Value, path: &Path, changed: &mut Vec<Path>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                let [old, new] = [old, new].map(|fields| fields.get(key).unwrap_or(&Value::Null));
                differences(old, new, &path.join(key.as_str()), changed);
            }
        }
        _ if old != new => changed.push(path.clone()),
        _ => {}
    }
}

/// What a configuration is loaded from, again and again.
#[derive(Debug, Clone)]
pub struct Reload {
    pub source: Source,
    pub environment: Environment,
    pub checks: Checks,
    /// Asks for a reload now, changed or not (SIGHUP, the admin API).
    pub now: Arc<Notify>,
}

/// Loads the configuration whenever one of its files has changed, and when asked. Each outcome is given to `apply`
/// once: a bad file is not reported again until it changes. `files` are those of the settings in force. `begin` is
/// told when a load that was asked for begins: whoever asked before gets its outcome.
///
/// Never ends by itself; it may be dropped at any moment.
pub async fn watch(
    reload: Reload,
    mut in_force: Files,
    mut begin: impl FnMut() + Send,
    mut apply: impl FnMut(Result<Loaded, Problems>) + Send,
) {
    let mut changed: Option<Files> = None;
    loop {
        let pause = if changed.is_some() { SETTLED_AFTER } else { LOOK_EVERY };
        let asked = tokio::select! {
            () = reload.now.notified() => true,
            () = tokio::time::sleep(pause) => false,
        };
        if asked {
            begin();
        }
        let (job, known, seen) = (reload.clone(), in_force.clone(), changed.take());
        // Reading files may block; the loop waits for it, so there is only ever one look.
        let look = tokio::task::spawn_blocking(move || job.look(asked, &known, seen.as_ref()));
        match look.await {
            Ok(Look::Same) | Err(_) => {}
            Ok(Look::Changed(files)) => changed = Some(files),
            Ok(Look::Loaded(outcome)) => {
                in_force = files_of(&outcome).clone();
                apply(*outcome);
            }
        }
    }
}

/// What a look at the files has found.
pub(super) enum Look {
    Same,
    /// Not as those in force; to be looked at again before they are taken.
    Changed(Files),
    Loaded(Box<Result<Loaded, Problems>>),
}

impl Reload {
    /// `seen` are changed files of the look before.
    pub(super) fn look(&self, asked: bool, in_force: &Files, seen: Option<&Files>) -> Look {
        let now = in_force.again();
        if !asked && now == *in_force {
            return Look::Same;
        }
        if !asked && seen != Some(&now) {
            return Look::Changed(now);
        }
        let outcome = load(&self.source, &self.environment, &self.checks);
        if asked || now.agree_with(files_of(&outcome)) {
            Look::Loaded(Box::new(outcome))
        } else {
            Look::Changed(in_force.again())
        }
    }
}

const fn files_of(outcome: &Result<Loaded, Problems>) -> &Files {
    match outcome {
        Ok(loaded) => &loaded.files,
        Err(problems) => &problems.files,
    }
}
