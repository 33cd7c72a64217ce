//! Which numbers do upstreams show? How their targets are, how busy they are, and what they refused.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use rules::upstream::Target;
use rules::{Snapshot, Upstream};

use crate::clock::now_ms;
use crate::metrics::Labels;

/// A gauge's name, what it means, and its value for one of many.
type Gauge<'g, T> = (&'static str, &'static str, &'g dyn Fn(&T) -> i64);

/// Encodes everything about upstreams and their targets but the attempts' durations.
pub(crate) fn encode(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    encode_targets(encoder, snapshot)?;
    encode_ejections(encoder, snapshot)?;
    encode_upstreams(encoder, snapshot)?;
    encode_overflows(encoder, snapshot)?;
    encode_retries(encoder, snapshot)
}

fn encode_targets(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let now_ms = now_ms();
    let is_up = |target: &Target| {
        let state = &target.state;
        i64::from(state.is_healthy() && !state.is_ejected(now_ms) && state.is_resolved())
    };
    let in_flight = |target: &Target| i64::from(target.state.in_flight());
    let gauges: [Gauge<'_, Target>; 2] = [
        ("turnout_target_up", "1 when a target is resolved, healthy and not ejected", &is_up),
        ("turnout_target_in_flight", "Requests that a target has right now", &in_flight),
    ];
    for (name, help, value) in gauges {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (upstream, target) in targets(snapshot) {
            let address = target.address.to_string();
            let labels = Labels([("upstream", upstream.name.as_str()), ("target", &address)]);
            metric.encode_family(&labels)?.encode_gauge(&value(target))?;
        }
    }
    Ok(())
}

fn encode_ejections(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "How often a target was left out because it failed too many requests in a row";
    let mut metric =
        encoder.encode_descriptor("turnout_target_ejections", help, None, MetricType::Counter)?;
    for (upstream, target) in targets(snapshot) {
        let address = target.address.to_string();
        let labels = Labels([("upstream", upstream.name.as_str()), ("target", &address)]);
        let ejections = target.state.ejections();
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&ejections, None)?;
    }
    Ok(())
}

fn targets(snapshot: &Snapshot) -> impl Iterator<Item = (&Upstream, &Target)> {
    let upstreams = snapshot.upstreams.iter().map(Arc::as_ref);
    upstreams.flat_map(|upstream: &Upstream| {
        upstream.targets.iter().map(move |target| (upstream, target))
    })
}

fn encode_upstreams(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let pending = |upstream: &Upstream| i64::from(upstream.usage.pending());
    let is_broken = |upstream: &Upstream| i64::from(upstream.is_broken());
    let waits = |upstream: &Upstream| i64::from(upstream.stand_in().is_some());
    let gauges: [Gauge<'_, Upstream>; 3] = [
        ("turnout_upstream_pending", "Requests that wait for a connection to be made", &pending),
        ("turnout_upstream_breaker_open", "1 when an upstream is left alone", &is_broken),
        (
            "turnout_upstream_standing_in",
            "1 when former targets serve until a new one is found well",
            &waits,
        ),
    ];
    for (name, help, value) in gauges {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for upstream in &snapshot.upstreams {
            let labels = Labels([("upstream", upstream.name.as_str())]);
            metric.encode_family(&labels)?.encode_gauge(&value(upstream))?;
        }
    }
    Ok(())
}

fn encode_overflows(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "Requests that an upstream took no more of, by reason";
    let mut metric =
        encoder.encode_descriptor("turnout_upstream_overflow", help, None, MetricType::Counter)?;
    for upstream in &snapshot.upstreams {
        for (reason, count) in upstream.usage.overflows() {
            let labels =
                Labels([("upstream", upstream.name.as_str()), ("reason", reason.as_str())]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
    }
    Ok(())
}

fn encode_retries(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> fmt::Result {
    let help = "Requests that were to be tried again, by what came of that";
    let mut metric =
        encoder.encode_descriptor("turnout_retries", help, None, MetricType::Counter)?;
    for upstream in &snapshot.upstreams {
        for (result, count) in upstream.usage.retries() {
            let labels =
                Labels([("upstream", upstream.name.as_str()), ("result", result.as_str())]);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
    }
    Ok(())
}
