//! Every metric, declared once: the doc comment is the help text in `/metrics`.

use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
};
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

/// From a cache hit's millisecond to the longest wait a stream is allowed.
const REQUEST_SECONDS: &[f64] = &[
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0,
    120.0, 180.0, 300.0, 600.0,
];
const OVERHEAD_SECONDS: &[f64] =
    &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const GENERATION_SECONDS: &[f64] =
    &[1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 450.0, 600.0];
const CALL_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0];
const LAG_SECONDS: &[f64] = &[0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0];
const POLLS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0];

/// A family that can be made from its name, help and declaration.
trait Family: Collector + Clone + Sized + 'static {
    fn make(opts: Opts, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self>;

    fn register(
        registry: &Registry,
        opts: Opts,
        labels: &[&str],
        buckets: &[f64],
    ) -> prometheus::Result<Self> {
        let family = Self::make(opts, labels, buckets)?;
        registry.register(Box::new(family.clone()))?;
        Ok(family)
    }
}

macro_rules! family {
    ($($kind:ty: |$opts:ident, $labels:ident, $buckets:ident| $make:expr;)+) => {$(
        impl Family for $kind {
            fn make($opts: Opts, $labels: &[&str], $buckets: &[f64]) -> prometheus::Result<Self> {
                $make
            }
        }
    )+};
}

family! {
    IntCounter: |opts, _labels, _buckets| Self::with_opts(opts);
    IntGauge: |opts, _labels, _buckets| Self::with_opts(opts);
    Gauge: |opts, _labels, _buckets| Self::with_opts(opts);
    IntCounterVec: |opts, labels, _buckets| Self::new(opts, labels);
    Counter: |opts, _labels, _buckets| Self::with_opts(opts);
    CounterVec: |opts, labels, _buckets| Self::new(opts, labels);
    IntGaugeVec: |opts, labels, _buckets| Self::new(opts, labels);
    GaugeVec: |opts, labels, _buckets| Self::new(opts, labels);
    Histogram: |opts, _labels, buckets| Self::with_opts(HistogramOpts::from(opts).buckets(buckets.to_vec()));
    HistogramVec: |opts, labels, buckets| Self::new(HistogramOpts::from(opts).buckets(buckets.to_vec()), labels);
}

/// Declares the struct of all families and how it registers itself: `help, field: Type = [labels], buckets`.
macro_rules! families {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ty $(= [$($label:literal),*] $(, $buckets:ident)?)?;)+) => {
        pub(super) struct Families {
            $($(#[doc = $help])+ pub(super) $name: $kind,)+
        }

        impl Families {
            pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
                Ok(Self {
                    $($name: <$kind as Family>::register(
                        registry,
                        Opts::new(concat!("evolink_gateway_", stringify!($name)), concat!($($help),+).trim()),
                        &[$($($label),*)?],
                        families!(@buckets $($($buckets)?)?),
                    )?,)+
                })
            }
        }
    };
    (@buckets $buckets:ident) => { $buckets };
    (@buckets) => { &[] };
}

families! {
    /// Requests answered, by route, team, HTTP status and error code (empty when there was none).
    requests_total: IntCounterVec = ["route", "team", "status", "code"];
    /// Bytes of pictures kept in memory because they were asked for again.
    cache_bytes: IntGauge;
    /// Seconds from a request's head to the end of its answer, by route and by what the cache did.
    request_duration_seconds: HistogramVec = ["route", "cache"], REQUEST_SECONDS;
    /// Seconds of a request that were not spent waiting for upstream.
    overhead_seconds: HistogramVec = ["route"], OVERHEAD_SECONDS;
    /// Requests waiting for a picture now.
    waiting_requests: IntGaugeVec = ["team"];
    /// Generations whose first picture has begun and that have not ended.
    running_generations: IntGaugeVec = ["team"];
    /// Generations waiting for their first place upstream.
    queued_generations: IntGaugeVec = ["team"];
    /// Generations with a create that may have been taken, and nobody knows yet.
    in_doubt_generations: IntGauge;
    /// Generations ended, by outcome.
    generations_total: IntCounterVec = ["team", "model", "quality", "outcome"];
    /// Seconds from a generation's start to the end of its last task: its queue, not the fetching of its pictures.
    generation_duration_seconds: HistogramVec = ["model", "quality"], GENERATION_SECONDS;
    /// Requests that looked for a result, by what they found: hit, collapsed (under way), negative (refused lately), lost
    /// (its pictures are gone), miss.
    cache_lookups_total: IntCounterVec = ["result"];
    /// Results in memory.
    cache_entries: IntGauge;
    /// Pictures made and charged.
    images_total: IntCounterVec = ["team", "model"];
    /// Evolink credits charged.
    credits_total: CounterVec = ["team", "model"];
    /// Used of a team's budget in its window now, in its unit; of budgets that differ in time zone only, the fullest.
    quota_used: GaugeVec = ["team", "unit", "per", "mode"];
    /// Held of it by generations that have not ended.
    quota_held: GaugeVec = ["team", "unit", "per", "mode"];
    /// Its amount.
    quota_limit: GaugeVec = ["team", "unit", "per", "mode"];
    /// Requests refused by a limit, or counted above one in shadow mode.
    quota_rejections_total: IntCounterVec = ["team", "limit", "mode"];
    /// Credits that upstream reserved or charged above what was held.
    quota_overshoot_credits_total: Counter;
    /// Requests that joined a generation instead of buying another.
    joined_requests_total: IntCounter;
    /// Generations of an earlier process that were taken up at the start, since they had not ended.
    recovered_generations_total: IntCounter;
    /// Calls made upstream, by HTTP status or by what broke (connect, timeout, broken, refused).
    upstream_requests_total: IntCounterVec = ["call", "status"];
    /// Seconds an upstream call took, its body included.
    upstream_request_duration_seconds: HistogramVec = ["call", "status"], CALL_SECONDS;
    /// Looks taken at a task until it had ended; a look inside a batch counts as one.
    polls_per_task: Histogram = [], POLLS;
    /// Longest time an ended task can have gone unnoticed: since a look saw it running, or its callback, in seconds.
    poll_lag_seconds: Histogram = [], LAG_SECONDS;
    /// Credits left on the upstream account when last asked; absent until the first answer.
    upstream_credits_remaining: GaugeVec = [];
    /// Credits that upstream has counted more than was settled here since the start; absent until there is a first count.
    upstream_credits_drift: GaugeVec = [];
    /// What the picture store failed to do (put, get, sweep), by reason; `damaged`: a picture that had changed.
    picture_store_failures_total: IntCounterVec = ["operation", "reason"];
    /// Bytes of the pictures in the store, as far as is known; absent until they have been counted.
    picture_store_bytes: IntGaugeVec = [];
    /// Reloads of the configuration, by result (ok, error).
    config_reloads_total: IntCounterVec = ["result"];
    /// 1 when the newest configuration is in force, 0 when it was refused.
    config_last_reload_successful: IntGauge;
    /// Lines left out of the log because stderr was not read fast enough, or could not be written to.
    log_lines_dropped_total: IntCounter;
    /// Always 1; the version is the label.
    build_info: IntGaugeVec = ["version"];
}
