//! Changed files, and what a change takes.

use std::sync::Arc;

use tokio::sync::Notify;

use super::*;
use crate::config::reload::Look;

#[test]
fn changes_that_hold_only_after_a_restart_are_named() {
    let old = loaded("teams: [{name: a}]\nimages: {link_secret: one}", &[]);
    let new = loaded(
        "
teams: [{name: b}]
images: {link_secret: two}
server: {listen: '127.0.0.1:1', trusted_proxies: [10.0.0.0/8], admin_token: t}
evolink: {api_key: other, poll: {min: 1s}}
cache: {ttl: 1h, memory: 1MiB}
",
        &[],
    );
    assert_eq!(needs_restart(&old, &old), [""; 0]);
    assert_eq!(
        needs_restart(&old, &new),
        ["cache.memory", "evolink.poll.min", "images.link_secret", "server.listen", "server.trusted_proxies",]
    );
}

/// Runs the watch until `check` has seen enough, and lets the clock run meanwhile.
async fn watched(
    source: Source,
    now: &Arc<Notify>,
    check: impl AsyncFnOnce(&mut tokio::sync::mpsc::UnboundedReceiver<String>),
) {
    let first = load(&source, &environment(&[]), &checks()).unwrap_or_else(|problems| panic!("{problems}"));
    let reload = Reload { source, environment: environment(&[]), checks: checks(), now: Arc::clone(now) };
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let apply = move |outcome: Result<Loaded, Problems>| {
        let told = match outcome {
            Ok(loaded) => loaded.settings.evolink.api_key.expose().to_owned(),
            Err(problems) => format!("refused: {problems}"),
        };
        sender.send(told).unwrap();
    };
    tokio::select! {
        () = watch(reload, first.files, || {}, apply) => panic!("the watch ended"),
        () = check(&mut seen) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_file_is_seen_through_a_swapped_link() {
    let directory = Directory::new();
    let [one, two] = ["one", "two"].map(|name| directory.write(name, &format!("{name}\n")));
    let link = directory.0.join("link");
    std::os::unix::fs::symlink(one, &link).unwrap();
    let yaml = format!("evolink: {{api_key: '${{file:{}}}'}}", link.display());
    let source = Source::File(directory.write("gateway.yaml", &yaml));
    watched(source, &Arc::default(), async |seen| {
        let swapped = directory.0.join("swapped");
        std::os::unix::fs::symlink(two, &swapped).unwrap();
        std::fs::rename(swapped, link).unwrap();
        assert_eq!(seen.recv().await.as_deref(), Some("two"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_is_told_once_and_a_good_one_taken_again() {
    let directory = Directory::new();
    let path = directory.write("gateway.yaml", "evolink: {api_key: one}");
    watched(Source::File(path.clone()), &Arc::default(), async |seen| {
        std::fs::write(&path, "evolink: {api_key: ").unwrap();
        let told = seen.recv().await.unwrap();
        assert!(told.starts_with("refused: line 1"), "{told}");
        let silent = tokio::time::timeout(std::time::Duration::from_mins(1), seen.recv()).await;
        assert!(silent.is_err(), "{silent:?}");
        std::fs::write(&path, "evolink: {api_key: three}").unwrap();
        assert_eq!(seen.recv().await.as_deref(), Some("three"));
    })
    .await;
}

#[test]
fn a_changed_file_is_taken_only_when_it_stays_as_it_is() {
    let directory = Directory::new();
    let path = directory.write("gateway.yaml", "evolink: {api_key: one}");
    let source = Source::File(path.clone());
    let first = load(&source, &environment(&[]), &checks()).unwrap();
    let now = Arc::default();
    let reload = Reload { source, environment: environment(&[]), checks: checks(), now };
    let look = |seen| reload.look(false, &first.files, seen);
    assert!(matches!(look(None), Look::Same));

    std::fs::write(&path, "").unwrap();
    let Look::Changed(emptied) = look(None) else { panic!("taken at first sight") };
    std::fs::write(&path, "evolink: {api_key: two}").unwrap();
    let Look::Changed(written) = look(Some(&emptied)) else { panic!("taken while being written") };
    let Look::Loaded(outcome) = look(Some(&written)) else { panic!("not taken") };
    assert_eq!(outcome.unwrap().settings.evolink.api_key.expose(), "two");
}

#[tokio::test(start_paused = true)]
async fn a_reload_can_be_asked_for_without_a_change() {
    let now = Arc::new(Notify::new());
    watched(Source::Defaults, &now, async |seen| {
        now.notify_one();
        assert_eq!(seen.recv().await.as_deref(), Some("upstream-canary"));
    })
    .await;
}
