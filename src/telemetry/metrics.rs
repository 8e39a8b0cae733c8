//! The recording side of the metrics: one method an event, none of which can fail.

use prometheus::{IntGauge, Registry, TextEncoder};

use super::budgets::{BudgetGauge, Budgets};
use super::families::Families;
use super::labels::{CLOSED_MAX, Call, CallStatus, Cap, MODELS_MAX, TEAMS_MAX, status_label};
use super::log::dropped_lines;
use super::process::Process;
use crate::money::{Credits, signed_decimal};

/// How the picture store can fail: what it was to do, and why it could not.
pub const STORE_FAILURES: [[&str; 2]; 12] = [
    ["put", "full"],
    ["put", "read_only"],
    ["put", "failing"],
    ["put", "slow"],
    ["put", "too_large"],
    ["get", "read_only"],
    ["get", "failing"],
    ["get", "slow"],
    ["get", "damaged"],
    ["sweep", "read_only"],
    ["sweep", "failing"],
    ["sweep", "slow"],
];

/// All metrics of one gateway, in a registry of their own, so that two gateways in one process (tests, `demo`) do not
/// mix. Label values come from the configuration and from closed sets; see [`TEAMS_MAX`].
pub struct Metrics {
    registry: Registry,
    families: Families,
    process: Process,
    teams: Cap,
    models: Cap,
    routes: Cap,
    codes: Cap,
    caches: Cap,
    qualities: Cap,
    outcomes: Cap,
    budgets: Budgets,
}

impl Metrics {
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "only a wrong declaration fails, in every test"
    )]
    pub fn new() -> Self {
        let registry = Registry::new();
        let families =
            Families::register(&registry).expect("the families are declared once, with valid names");
        let process = Process::register(&registry).expect("the process metrics have valid names");
        families.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        families.config_last_reload_successful.set(1);
        // There from the start, so that an alert on their increase sees the first one.
        for result in ["ok", "error"] {
            families.config_reloads_total.with_label_values(&[result]);
        }
        for labels in STORE_FAILURES {
            families.picture_store_failures_total.with_label_values(&labels);
        }
        let closed = || Cap::new(CLOSED_MAX);
        Self {
            registry,
            families,
            process,
            teams: Cap::new(TEAMS_MAX),
            models: Cap::new(MODELS_MAX),
            routes: closed(),
            codes: closed(),
            caches: closed(),
            qualities: closed(),
            outcomes: closed(),
            budgets: Budgets::default(),
        }
    }

    /// A request is answered, its body included. `route` is the route's pattern, never the path; `team` is `""` before
    /// a caller is known; `code` is [`crate::fault::FaultKind::label`] or `""`; `cache` is `hit`, `miss`, `collapsed`
    /// or `bypass`.
    pub fn request(&self, route: &str, team: &str, status: u16, code: &str, cache: &str, seconds: f64) {
        let route = self.routes.fold(route);
        let labels = [route, self.teams.fold(team), status_label(status), self.codes.fold(code)];
        self.families.requests_total.with_label_values(&labels).inc();
        let labels = [route, self.caches.fold(cache)];
        self.families.request_duration_seconds.with_label_values(&labels).observe(seconds);
    }

    /// The part of a request's time that was not waiting for upstream.
    pub fn overhead(&self, route: &str, seconds: f64) {
        self.families.overhead_seconds.with_label_values(&[self.routes.fold(route)]).observe(seconds);
    }

    /// A request waits for a picture as long as the guard lives.
    pub fn waiting(&self, team: &str) -> GaugeGuard {
        GaugeGuard::hold(self.families.waiting_requests.with_label_values(&[self.teams.fold(team)]))
    }

    /// A generation runs as long as the guard lives: its first picture has begun.
    pub fn running(&self, team: &str) -> GaugeGuard {
        GaugeGuard::hold(self.families.running_generations.with_label_values(&[self.teams.fold(team)]))
    }

    /// A generation waits for its first place as long as the guard lives.
    pub fn queued(&self, team: &str) -> GaugeGuard {
        GaugeGuard::hold(self.families.queued_generations.with_label_values(&[self.teams.fold(team)]))
    }

    /// A generation is in doubt as long as the guard lives: a create of it may have been taken.
    pub fn in_doubt(&self) -> GaugeGuard {
        GaugeGuard::hold(self.families.in_doubt_generations.clone())
    }

    /// A generation ended. `outcome` is one of few fixed words.
    pub fn generation(&self, team: &str, model: &str, quality: &str, outcome: &str, seconds: f64) {
        let (model, quality) = (self.models.fold(model), self.qualities.fold(quality));
        let labels = [self.teams.fold(team), model, quality, self.outcomes.fold(outcome)];
        self.families.generations_total.with_label_values(&labels).inc();
        self.families.generation_duration_seconds.with_label_values(&[model, quality]).observe(seconds);
    }

    /// Pictures made, and what they were charged at.
    pub fn images(&self, team: &str, model: &str, images: u64, credits: Credits) {
        let labels = [self.teams.fold(team), self.models.fold(model)];
        self.families.images_total.with_label_values(&labels).inc_by(images);
        self.families.credits_total.with_label_values(&labels).inc_by(credits.decimal());
    }

    /// A request was refused by a limit of its key or team. `limit`: the setting's name.
    pub fn quota_rejection(&self, team: &str, limit: &'static str) {
        let labels = [self.teams.fold(team), limit, "enforce"];
        self.families.quota_rejections_total.with_label_values(&labels).inc();
    }

    /// The budgets of teams as they stand, and no others.
    pub fn budgets(&self, all: Vec<BudgetGauge>) {
        self.budgets.replace(all, &self.teams, &self.families);
    }

    /// A request was admitted that a shadow budget would have refused.
    pub fn quota_shadow(&self, team: &str, limit: &'static str) {
        let labels = [self.teams.fold(team), limit, "shadow"];
        self.families.quota_rejections_total.with_label_values(&labels).inc();
    }

    /// Upstream reserved or charged so much more than was held.
    pub fn quota_overshoot(&self, credits: Credits) {
        self.families.quota_overshoot_credits_total.inc_by(credits.decimal());
    }

    /// A request looked for a result, and found this.
    pub fn cache_lookup(&self, result: &'static str) {
        self.families.cache_lookups_total.with_label_values(&[result]).inc();
    }

    /// Results in memory.
    pub fn cache_entries(&self, count: u64) {
        self.families.cache_entries.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A request joined a generation.
    pub fn joined(&self) {
        self.families.joined_requests_total.inc();
    }

    /// So many bytes of pictures are kept in memory.
    pub fn cache_bytes(&self, bytes: u64) {
        self.families.cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A generation of an earlier process was taken up.
    pub fn recovered(&self) {
        self.families.recovered_generations_total.inc();
    }

    /// An upstream call ended, its body included.
    pub fn upstream(&self, call: Call, status: CallStatus, seconds: f64) {
        let labels = [call.name(), status.label()];
        self.families.upstream_requests_total.with_label_values(&labels).inc();
        self.families.upstream_request_duration_seconds.with_label_values(&labels).observe(seconds);
    }

    /// A task was noticed to have ended: looks it took, and the longest time it can have waited to be noticed.
    pub fn noticed(&self, polls: u32, lag_seconds: f64) {
        self.families.polls_per_task.observe(f64::from(polls));
        self.families.poll_lag_seconds.observe(lag_seconds);
    }

    /// What the upstream account has left.
    pub fn credits_remaining(&self, credits: Credits) {
        self.families.upstream_credits_remaining.with_label_values::<&str>(&[]).set(credits.decimal());
    }

    /// By how many micro-credits upstream's count has grown more than ours; negative: less.
    pub fn credits_drift(&self, micro: i64) {
        self.families.upstream_credits_drift.with_label_values::<&str>(&[]).set(signed_decimal(micro));
    }

    /// The picture store failed to do what it was asked; both words are of [`STORE_FAILURES`].
    pub fn picture_store_failure(&self, operation: &'static str, reason: &'static str) {
        self.families.picture_store_failures_total.with_label_values(&[operation, reason]).inc();
    }

    /// What the picture store holds.
    pub fn picture_store_bytes(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.families.picture_store_bytes.with_label_values::<&str>(&[]).set(bytes);
    }

    /// The configuration was read again: taken over, or refused.
    pub fn config_reload(&self, taken: bool) {
        let result = if taken { "ok" } else { "error" };
        self.families.config_reloads_total.with_label_values(&[result]).inc();
        self.families.config_last_reload_successful.set(i64::from(taken));
    }

    /// The text format of `/metrics` (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        self.process.refresh();
        let mut text = String::new();
        let _still = self.budgets.still();
        let dropped = &self.families.log_lines_dropped_total;
        dropped.inc_by(dropped_lines().saturating_sub(dropped.get()));
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics could not be written");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Counts one in a gauge from its making to its drop.
#[derive(Debug)]
#[must_use = "the gauge falls when the guard is dropped"]
pub struct GaugeGuard(IntGauge);

impl GaugeGuard {
    fn hold(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every family touched once.
    fn touched() -> Metrics {
        let metrics = Metrics::new();
        metrics.request("/v1/images/generations", "design", 200, "", "miss", 12.0);
        metrics.overhead("/v1/images/generations", 0.004);
        drop((metrics.waiting("design"), metrics.running("design")));
        drop((metrics.queued("design"), metrics.in_doubt()));
        metrics.generation("design", "gpt-image-2", "medium", "completed", 11.0);
        metrics.images("design", "gpt-image-2", 1, Credits::from_micro(2_500_000));
        metrics.budgets(vec![BudgetGauge {
            team: "design".to_owned(),
            unit: "credits",
            per: "month",
            mode: "shadow",
            limit: 5_000_000_000,
            taken: Some((12_500_000, 0)),
        }]);
        metrics.cache_lookup("hit");
        metrics.cache_entries(3);
        metrics.joined();
        metrics.upstream(Call::Create, CallStatus::Http(200), 0.3);
        metrics.noticed(4, 0.4);
        metrics.credits_remaining(Credits::from_micro(99_500_000));
        metrics.credits_drift(-2_500_000);
        metrics.picture_store_failure("put", "full");
        metrics.picture_store_bytes(2_000_000);
        metrics.config_reload(true);
        metrics
    }

    fn series(text: &str) -> usize {
        text.lines().filter(|line| !line.starts_with('#')).count()
    }

    #[test]
    fn names_types_and_help_are_what_dashboards_rely_on() {
        let text = touched().render();
        let heads: Vec<_> = text.lines().filter(|line| line.starts_with("# ")).collect();
        insta::assert_snapshot!(heads.join("\n"));
    }

    #[test]
    fn samples_carry_the_labels_of_the_contract() {
        let text = touched().render();
        for line in [
            r#"evolink_gateway_requests_total{code="",route="/v1/images/generations",status="200",team="design"} 1"#,
            r#"evolink_gateway_request_duration_seconds_count{cache="miss",route="/v1/images/generations"} 1"#,
            r#"evolink_gateway_generations_total{model="gpt-image-2",outcome="completed",quality="medium",team="design"} 1"#,
            r#"evolink_gateway_generation_duration_seconds_bucket{model="gpt-image-2",quality="medium",le="600"} 1"#,
            r#"evolink_gateway_credits_total{model="gpt-image-2",team="design"} 2.5"#,
            r#"evolink_gateway_upstream_requests_total{call="create",status="200"} 1"#,
            r#"evolink_gateway_cache_lookups_total{result="hit"} 1"#,
            "evolink_gateway_cache_entries 3",
            r#"evolink_gateway_running_generations{team="design"} 0"#,
            r#"evolink_gateway_queued_generations{team="design"} 0"#,
            r#"evolink_gateway_quota_used{mode="shadow",per="month",team="design",unit="credits"} 12.5"#,
            "evolink_gateway_upstream_credits_remaining 99.5",
            "evolink_gateway_upstream_credits_drift -2.5",
            r#"evolink_gateway_picture_store_failures_total{operation="put",reason="full"} 1"#,
            r#"evolink_gateway_picture_store_failures_total{operation="get",reason="damaged"} 0"#,
            "evolink_gateway_picture_store_bytes 2000000",
            "evolink_gateway_config_last_reload_successful 1",
        ] {
            assert!(text.lines().any(|written| written == line), "missing {line} in\n{text}");
        }
    }

    #[test]
    fn gauges_fall_when_their_guards_go() {
        let metrics = Metrics::new();
        let value = |metrics: &Metrics| {
            let text = metrics.render();
            text.lines().find_map(|line| {
                line.strip_prefix(r#"evolink_gateway_waiting_requests{team="a"} "#)?.parse().ok()
            })
        };
        let first = metrics.waiting("a");
        let second = metrics.waiting("a");
        assert_eq!(value(&metrics), Some(2));
        drop(first);
        assert_eq!(value(&metrics), Some(1));
        drop(second);
        assert_eq!(value(&metrics), Some(0));
    }

    #[test]
    fn ten_thousand_random_teams_models_and_codes_stay_within_the_caps() {
        let metrics = Metrics::new();
        let record = |from: u32, to: u32| {
            for n in from..to {
                let name = format!("random-{n}");
                metrics.request(&name, &name, 418, &name, &name, 0.1);
                metrics.generation(&name, &name, &name, &name, 1.0);
                metrics.images(&name, &name, 1, Credits::ZERO);
                drop((metrics.waiting(&name), metrics.running(&name), metrics.queued(&name)));
            }
        };
        record(0, 1_000);
        let before = series(&metrics.render());
        record(1_000, 10_000);
        assert_eq!(series(&metrics.render()), before);
        assert!(metrics.render().contains(r#"evolink_gateway_waiting_requests{team="other"}"#));
    }
}
