//! What do the metrics say? Samples by name and labels.

/// The sum of a metric's samples that have all of these labels; none where there is no such sample.
pub(crate) fn sample(metrics: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let is_meant = |line: &&str| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
    };
    let values = metrics.lines().filter(is_meant).filter_map(|line| line.split(' ').next_back());
    values.filter_map(|value| value.parse::<f64>().ok()).reduce(|sum, value| sum + value)
}
