//! How does a pool become ready to serve? Its definition is checked; what was found out about its targets is kept.

use std::collections::HashSet;
use std::sync::Arc;

use rules::upstream::{
    Address, HealthCheck, Protection, Target, TargetState, UpstreamDefinition, UpstreamTimeouts,
    UpstreamTls,
};
use rules::{Revision, Upstream, UpstreamName};

use super::certificates::{authorities, certificate};
use super::findings::{Findings, Pointer};
use super::protection;
use crate::document::Document;
use crate::document::upstream::{TlsSpec, UpstreamSpec, UpstreamTimeoutsSpec};
use crate::live::TargetSpec;
use crate::units::Time;

/// More targets than this share their upstream's turns in a time that would hold up a rollback.
const MOST_TARGETS: usize = 1_000;

/// One pool, checked, before it is known which of its targets have been seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) name: UpstreamName,
    /// The targets of the file; commands may put others in their place.
    pub(super) targets: Vec<(Address, u16)>,
    tls: Option<UpstreamTls>,
    http2: bool,
    health: Option<HealthCheck>,
    timeouts: UpstreamTimeouts,
    protection: Protection,
}

/// The pools of a document, as written.
pub(super) fn pools(document: &Document, now_unix: i64, findings: &mut Findings<'_>) -> Vec<Pool> {
    let at = Pointer::root().key("upstreams");
    let upstreams = document.upstreams.iter();
    upstreams
        .filter_map(|(name, spec)| pool(name, spec, now_unix, &at.key(name), findings))
        .collect()
}

fn pool(
    name: &str,
    spec: &UpstreamSpec,
    now_unix: i64,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Pool> {
    let targets = targets(&spec.targets, &at.key("targets"), findings);
    let tls = spec.tls.as_ref().map(|tls| self::tls(tls, now_unix, &at.key("tls"), findings));
    let health = spec.health.as_ref();
    let health = health.and_then(|health| protection::health(health, &at.key("health"), findings));
    let timeouts = timeouts(&spec.timeouts, &at.key("timeouts"), findings);
    let protection = protection::protection(spec, at, findings);
    let name = findings.parsed(at, "bad_name", name.parse())?;
    Some(Pool { name, targets, tls, http2: spec.http2, health, timeouts, protection })
}

/// Checks the targets of the file or of a command.
pub(super) fn targets(
    specs: &[TargetSpec],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Vec<(Address, u16)> {
    let mut seen = HashSet::new();
    let mut targets = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let at = at.item(i).key("address");
        let Some(address) = findings.parsed(&at, "bad_address", spec.address.parse::<Address>())
        else {
            continue;
        };
        if address.port() == 0 {
            findings.error_with_hint(
                &at,
                "bad_address",
                format!("{address} has no port"),
                "write a port from 1 to 65535".to_owned(),
            );
        }
        if !seen.insert(address.clone()) {
            let message = format!("{address} is a target twice");
            findings.error_with_hint(
                &at,
                "duplicate_target",
                message,
                "give it one entry with the sum of the weights".to_owned(),
            );
        }
        targets.push((address, spec.weight));
    }
    if specs.len() > MOST_TARGETS {
        let message = format!("{} targets are more than {MOST_TARGETS}", specs.len());
        findings.error(at, "too_many", message);
    }
    if findings.lost_below(at) || targets.len() < specs.len() {
        return targets;
    }
    if targets.is_empty() {
        let hint = "write `targets: [{address: \"10.0.0.11:3000\"}]`".to_owned();
        findings.error_with_hint(at, "no_targets", "an upstream needs at least one target", hint);
    } else if targets.iter().all(|(_, weight)| *weight == 0) {
        let hint = "give at least one of them a weight of 1 or more".to_owned();
        findings.error_with_hint(
            at,
            "no_targets",
            "all targets have weight 0, so none gets a request",
            hint,
        );
    }
    targets
}

fn tls(spec: &TlsSpec, now_unix: i64, at: &Pointer, findings: &mut Findings<'_>) -> UpstreamTls {
    if let Some(name) = &spec.server_name
        && rustls_pki_types::ServerName::try_from(name.as_str()).is_err()
    {
        let message = format!("{name:?} is not a host name or address");
        findings.error_with_hint(
            &at.key("server_name"),
            "bad_host",
            message,
            "write it without scheme and port".to_owned(),
        );
    }
    if spec.insecure_skip_verify {
        let message =
            "certificates are not verified: whoever is in between can read and change the traffic";
        let hint = "give the authority's certificate by `ca: {file: ca.pem}`".to_owned();
        findings.warning(&at.key("insecure_skip_verify"), "insecure_skip_verify", message, hint);
    }
    let roots = spec.ca.as_ref().and_then(|ca| authorities(ca, &at.key("ca"), findings));
    let client = spec.client.as_ref();
    let client = client.and_then(|spec| certificate(spec, now_unix, &at.key("client"), findings));
    UpstreamTls {
        server_name: spec.server_name.as_deref().map(Into::into),
        roots: roots.map(Arc::new),
        client: client.map(Arc::new),
        skip_verify: spec.insecure_skip_verify,
    }
}

fn timeouts(
    spec: &UpstreamTimeoutsSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> UpstreamTimeouts {
    let all = [
        ("connect", spec.connect),
        ("read", spec.read),
        ("write", spec.write),
        ("idle", spec.idle),
    ];
    for (key, time) in all {
        not_zero(time, &at.key(key), findings);
    }
    UpstreamTimeouts {
        connect: spec.connect.0,
        read: spec.read.0,
        write: spec.write.0,
        idle: spec.idle.0,
    }
}

/// A time-out of zero would fail everything.
pub(super) fn not_zero(time: Time, at: &Pointer, findings: &mut Findings<'_>) {
    if time.0.is_zero() {
        let hint = "write a time such as `30s`, or leave it out for the default".to_owned();
        findings.error_with_hint(at, "zero", "a time of zero lets nothing through", hint);
    }
}

/// The upstream of a pool with these targets. One that is defined as before is the one before; one that is defined anew
/// keeps what was found out about the targets it had.
pub(super) fn upstream(
    pool: &Pool,
    targets: &[(Address, u16)],
    revision: Revision,
    previous: Option<&Arc<Upstream>>,
) -> Arc<Upstream> {
    if let Some(previous) = previous.filter(|previous| is_defined_so(previous, pool, targets)) {
        return Arc::clone(previous);
    }
    let stand_in = previous.and_then(|previous| previous.stand_in());
    let known = |address: &Address| {
        let definitions = previous.into_iter().chain(&stand_in);
        let mut before = definitions.flat_map(|definition| &definition.targets);
        before.find(|target| target.address == *address).map(|target| Arc::clone(&target.state))
    };
    let target = |(address, weight): &(Address, u16)| Target {
        address: address.clone(),
        weight: *weight,
        state: known(address).unwrap_or_else(|| Arc::new(TargetState::new(address))),
    };
    let definition = UpstreamDefinition {
        name: pool.name.clone(),
        // Revisions grow, so that an upstream which was gone for a while does not get an old generation again.
        generation: previous.map_or(0, |previous| previous.generation + 1).max(revision.0),
        targets: targets.iter().map(target).collect(),
        tls: pool.tls.clone(),
        http2: pool.http2,
        health: pool.health.clone(),
        timeouts: pool.timeouts,
        protection: pool.protection,
    };
    Arc::new(match previous {
        Some(previous) => Upstream::following(definition, previous),
        None => Upstream::new(definition),
    })
}

fn is_defined_so(upstream: &Upstream, pool: &Pool, targets: &[(Address, u16)]) -> bool {
    let has = upstream.targets.iter().map(|target| (&target.address, target.weight));
    has.eq(targets.iter().map(|(address, weight)| (address, *weight)))
        && upstream.tls == pool.tls
        && upstream.http2 == pool.http2
        && upstream.health == pool.health
        && upstream.timeouts == pool.timeouts
        && upstream.protection == pool.protection
}
