//! The metrics text, read as numbers.

/// One scrape of `/metrics`.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(String);

impl Metrics {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The sum of all series of the metric (its name without the prefix) that have all these labels, written
    /// `name="value"`.
    pub(crate) fn sum(&self, metric: &str, labels: &[&str]) -> f64 {
        let series =
            self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        let named = series.filter(|(series, _)| {
            let name = series.split('{').next().unwrap_or_default();
            name.strip_prefix("evolink_gateway_") == Some(metric)
                && labels.iter().all(|label| series.contains(label))
        });
        named.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }
}
