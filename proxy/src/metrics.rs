//! Which numbers does the data plane show? Its counters, encoded once per scrape from what the hot path counted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, LabelSetEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use rules::sli::{BUCKETS_SECONDS, ErrorClass, Series, SeriesKey, SeriesTable};
use rules::{Arm, Snapshot, SnapshotCell};

use crate::connection::{Admission, Pressure};
use crate::gate::Refusal;
use crate::pool_metrics;
use crate::shadow::ShadowSender;
use crate::token::{Figures, Issuers};

/// What is counted of no route in particular.
#[derive(Debug, Default)]
pub(crate) struct ProxyCounters {
    unrouted: AtomicU64,
    dropped_lines: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    /// What the proxy itself answered.
    pub(crate) answered: SeriesTable,
}

impl ProxyCounters {
    pub(crate) fn count_unrouted(&self) {
        self.unrouted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused(&self, refusal: Refusal) {
        if let Some(counter) = self.refused.get(refusal.index()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_dropped_line(&self) {
        self.dropped_lines.fetch_add(1, Ordering::Relaxed);
    }
}

/// Encodes everything that the data plane counts.
pub(crate) struct ProxyCollector {
    pub(crate) cell: Arc<SnapshotCell>,
    pub(crate) counters: Arc<ProxyCounters>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) shadow: ShadowSender,
}

impl fmt::Debug for ProxyCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyCollector").finish_non_exhaustive()
    }
}

/// Labels as names and values side by side.
pub(crate) struct Labels<'l, const N: usize>(pub(crate) [(&'static str, &'l str); N]);

impl<const N: usize> EncodeLabelSet for Labels<'_, N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.as_slice().encode(encoder)
    }
}

impl Collector for ProxyCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.cell.load();
        self.encode_process(&mut encoder)?;
        encode_refusals(&mut encoder, &self.counters)?;
        self.encode_overload(&mut encoder)?;
        encode_tokens(&mut encoder, &self.issuers.figures(&snapshot))?;
        encode_durations(&mut encoder, &snapshot, &self.counters.answered)?;
        encode_attempts(&mut encoder, &snapshot)?;
        encode_aliases(&mut encoder, &snapshot)?;
        encode_fallbacks(&mut encoder, &snapshot)?;
        encode_shadows(&mut encoder, &snapshot)?;
        encode_twins(&mut encoder, &snapshot)?;
        encode_comparisons(&mut encoder, &snapshot)?;
        pool_metrics::encode(&mut encoder, &snapshot)
    }
}

impl ProxyCollector {
    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauges = self.shadow.gauges();
        let count = |gauge: &AtomicUsize| gauge.load(Ordering::Relaxed);
        let active = count(&self.pressure.requests);
        let connections = count(self.pressure.connections());
        for (name, help, value) in [
            ("http_server_active_requests", "Requests being served", active),
            ("turnout_connections", "Connections of clients", connections),
            (
                "turnout_shadow_in_flight",
                "Copies being captured, sent or compared",
                gauges.in_flight,
            ),
            ("turnout_shadow_queue_bytes", "Memory that captures hold", gauges.bytes),
        ] {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, help, value) in [
            (
                "turnout_shadow_dropped_reports",
                "Comparison results that the control plane was too slow for",
                gauges.reports_dropped,
            ),
            (
                "turnout_unrouted_requests",
                "Requests that no route matches",
                load(&self.counters.unrouted),
            ),
            (
                "turnout_access_log_dropped_lines",
                "Lines that the log's reader was too slow for",
                load(&self.counters.dropped_lines),
            ),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    /// What was turned away or left undone because there was too much of it.
    fn encode_overload(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Connections that were closed at once, by reason";
        let name = "turnout_refused_connections";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (turned, count) in self.admission.turned() {
            let labels = Labels([("reason", turned.as_str())]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        let help = "What was given up because there was too much to do, by kind";
        let mut metric =
            encoder.encode_descriptor("turnout_shed", help, None, MetricType::Counter)?;
        for (work, count) in self.pressure.given_up() {
            let labels = Labels([("work", work.as_str())]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }
}

fn encode_refusals(encoder: &mut DescriptorEncoder<'_>, counters: &ProxyCounters) -> fmt::Result {
    let help = "Requests that could be read in two ways, or came too slowly, by reason";
    let mut metric =
        encoder.encode_descriptor("turnout_refused_requests", help, None, MetricType::Counter)?;
    for (refusal, count) in Refusal::ALL.into_iter().zip(&counters.refused) {
        let labels = Labels([("reason", refusal.code())]);
        let count = count.load(Ordering::Relaxed);
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
    }
    Ok(())
}

/// What came of the tokens of each issuer, and whether its keys are known.
fn encode_tokens(encoder: &mut DescriptorEncoder<'_>, issuers: &[Figures]) -> fmt::Result {
    let help = "Keys that the tokens of an issuer can be verified with";
    let mut metric =
        encoder.encode_descriptor("turnout_issuer_keys", help, None, MetricType::Gauge)?;
    for issuer in issuers {
        let labels = Labels([("issuer", issuer.name())]);
        let keys = i64::try_from(issuer.keys()).unwrap_or(i64::MAX);
        metric.encode_family(&labels)?.encode_gauge(&keys)?;
    }
    let help = "Tokens that requests brought, by issuer and what came of them";
    let mut metric = encoder.encode_descriptor("turnout_jwt", help, None, MetricType::Counter)?;
    for issuer in issuers {
        for (outcome, count) in issuer.outcomes() {
            let labels = Labels([("issuer", issuer.name()), ("outcome", outcome)]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
    }
    Ok(())
}

/// Durations per route and arm; what the proxy itself answered belongs to neither.
fn encode_durations(
    encoder: &mut DescriptorEncoder<'_>,
    snapshot: &Snapshot,
    answered: &SeriesTable,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(
        "http_server_request_duration_seconds",
        "Duration of requests, from their head to the end of the answer",
        None,
        MetricType::Histogram,
    )?;
    for (key, series) in answered.iter() {
        let status = key.map_or_else(|| "_OTHER".to_owned(), |key| key.status.to_string());
        let labels = duration_labels(["", "", ""], key.as_ref(), &status);
        encode_series(metric.encode_family(&labels)?, series)?;
    }
    for route in snapshot.table.routes() {
        let http_route = route.families.first().map(|family| family.path.to_string());
        let http_route = http_route.unwrap_or_default();
        for arm in Arm::ALL {
            let Some(table) = route.counters.arm(arm).series() else { continue };
            for (key, series) in table.iter() {
                let status = key.map_or_else(|| "_OTHER".to_owned(), |key| key.status.to_string());
                let of = [&*http_route, route.name.as_str(), arm.as_str()];
                let labels = duration_labels(of, key.as_ref(), &status);
                encode_series(metric.encode_family(&labels)?, series)?;
            }
        }
    }
    Ok(())
}

fn duration_labels<'l>(
    [http_route, route, arm]: [&'l str; 3],
    key: Option<&SeriesKey>,
    status: &'l str,
) -> Labels<'l, 8> {
    Labels([
        ("http_request_method", key.map_or("_OTHER", |key| key.method)),
        ("http_response_status_code", status),
        ("http_route", http_route),
        ("url_scheme", key.map_or("", |key| key.scheme.as_str())),
        ("network_protocol_version", key.map_or("", |key| key.version)),
        ("error_type", key.and_then(|key| key.error).map_or("", ErrorClass::as_str)),
        ("turnout_route", route),
        ("turnout_arm", arm),
    ])
}

fn encode_attempts(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(
        "http_client_request_duration_seconds",
        "Duration of attempts at a target, from its choice to the end of its answer",
        None,
        MetricType::Histogram,
    )?;
    for upstream in &snapshot.upstreams {
        for target in &upstream.targets {
            let Some(table) = target.state.series() else { continue };
            let port = target.address.port().to_string();
            for (key, series) in table.iter() {
                let status = key.map_or_else(|| "_OTHER".to_owned(), |key| key.status.to_string());
                let labels = Labels([
                    ("http_request_method", key.map_or("_OTHER", |key| key.method)),
                    ("http_response_status_code", if status == "0" { "" } else { &status }),
                    ("server_address", target.address.host()),
                    ("server_port", &port),
                    ("error_type", key.and_then(|key| key.error).map_or("", ErrorClass::as_str)),
                    ("turnout_upstream", upstream.name.as_str()),
                ]);
                encode_series(metric.encode_family(&labels)?, series)?;
            }
        }
    }
    Ok(())
}

fn encode_series(
    mut metric: prometheus_client::encoding::MetricEncoder<'_>,
    series: &Series,
) -> fmt::Result {
    let counts = series.buckets();
    let bounds = BUCKETS_SECONDS.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
    metric.encode_histogram::<NoLabelSet>(series.sum_seconds(), counts.iter().sum(), &buckets, None)
}

fn encode_aliases(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "Requests that used an alias, per tenant named in the configuration";
    let mut metric =
        encoder.encode_descriptor("turnout_alias_requests", help, None, MetricType::Counter)?;
    for route in snapshot.table.routes() {
        for (alias, counters) in route.counters.aliases() {
            let mut named = 0;
            for used in counters.tenants() {
                named += used.requests;
                let labels = Labels([
                    ("route", route.name.as_str()),
                    ("alias", alias),
                    ("tenant", used.tenant.as_str()),
                ]);
                metric
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, f64>(&used.requests, None)?;
            }
            let other = counters.requests().saturating_sub(named);
            let labels =
                Labels([("route", route.name.as_str()), ("alias", alias), ("tenant", "other")]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&other, None)?;
        }
    }
    Ok(())
}

fn encode_fallbacks(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "Requests that stable served because another arm failed";
    let mut metric =
        encoder.encode_descriptor("turnout_fallbacks", help, None, MetricType::Counter)?;
    for route in snapshot.table.routes().iter().filter(|route| route.fallback_to_stable) {
        let fallbacks =
            Arm::ALL.iter().map(|arm| route.counters.arm(*arm).fallbacks()).sum::<u64>();
        let labels = Labels([("route", route.name.as_str())]);
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&fallbacks, None)?;
    }
    Ok(())
}

fn encode_shadows(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "Copies of requests, by what became of them";
    let mut metric =
        encoder.encode_descriptor("turnout_shadow_requests", help, None, MetricType::Counter)?;
    for route in snapshot.table.routes().iter().filter(|route| route.has_candidate()) {
        let counts = route.counters.shadow_results();
        // With 10,000 routes, those that never copied anything would be most of a scrape.
        if counts.iter().all(|(_, count)| *count == 0) {
            continue;
        }
        for (result, count) in counts {
            let labels = Labels([("route", route.name.as_str()), ("result", result.as_str())]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
    }
    Ok(())
}

fn encode_twins(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "Second requests to stable, to learn where it is not steady, by what became of them";
    let mut metric =
        encoder.encode_descriptor("turnout_noise_requests", help, None, MetricType::Counter)?;
    for route in snapshot.table.routes().iter().filter(|route| route.noise.is_some()) {
        for (result, count) in route.counters.twin_results() {
            let labels = Labels([("route", route.name.as_str()), ("result", result.as_str())]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
    }
    Ok(())
}

fn encode_comparisons(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "Shadowed exchanges, by what came of comparing them";
    let mut metric =
        encoder.encode_descriptor("turnout_comparisons", help, None, MetricType::Counter)?;
    for route in snapshot.table.routes().iter().filter(|route| route.has_candidate()) {
        let counts = route.counters.outcomes();
        if counts.iter().all(|(_, count)| *count == 0) {
            continue;
        }
        for (outcome, count) in counts {
            let labels = Labels([("route", route.name.as_str()), ("outcome", outcome.as_str())]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
    }
    Ok(())
}
