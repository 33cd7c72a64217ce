//! Within which bounds does a route serve and copy? Bodies, time-outs, shadow policy, first shift.

use http::Method;
use rules::route::{RouteTimeouts, ShadowCredentials, ShadowPolicy, UnusualBodies};

use super::conditions::methods;
use super::findings::{Findings, Pointer};
use super::samples;
use super::upstreams::not_zero;
use crate::document::Document;
use crate::document::route::{
    CredentialsSpec, RouteSpec, RouteTimeoutsSpec, ShadowSpec, UnusualBodiesSpec,
};
use crate::units::Time;

/// Statuses that count as failures although they are below 500.
pub(super) fn bad_statuses(
    written: &[u16],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Box<[u16]> {
    for (place, status) in written.iter().enumerate() {
        let at = at.item(place);
        if !(400..500).contains(status) {
            let message = format!("{status} is no status that could be one: write 400 to 499");
            let hint = "500 and above count as failures anyway".to_owned();
            findings.error_with_hint(&at, "bad_status", message, hint);
        } else if written.iter().take(place).any(|before| before == status) {
            findings.error(&at, "bad_status", format!("{status} is written twice"));
        }
    }
    written.into()
}

pub(super) const fn unusual_bodies(spec: Option<UnusualBodiesSpec>) -> UnusualBodies {
    match spec {
        None | Some(UnusualBodiesSpec::Refuse) => UnusualBodies::Refuse,
        Some(UnusualBodiesSpec::Allow) => UnusualBodies::Allow,
    }
}

pub(super) fn timeouts(
    spec: &RouteTimeoutsSpec,
    total: Time,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> RouteTimeouts {
    if let Some(total) = spec.total {
        not_zero(total, &at.key("total"), findings);
    }
    if let Some(read) = spec.read {
        not_zero(read, &at.key("read"), findings);
    }
    RouteTimeouts { total: spec.total.unwrap_or(total).0, read: spec.read.map(|read| read.0) }
}

pub(super) fn shadow(
    document: &Document,
    spec: &ShadowSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> ShadowPolicy {
    let all_routes = document.shadow.max_bytes;
    not_zero(spec.timeout, &at.key("timeout"), findings);
    if spec.max_body > all_routes {
        let message = format!(
            "a body of {} never fits into the {all_routes} of all copies together",
            spec.max_body
        );
        let hint =
            "write less here, or more in `shadow: {max_bytes: ..}` of the whole file".to_owned();
        findings.error_with_hint(&at.key("max_body"), "over_shadow_bytes", message, hint);
    }
    let samples = spec.samples.as_ref();
    let samples =
        samples.map(|spec| samples::samples(document, spec, &at.key("samples"), findings));
    let methods: Vec<Method> = methods(&spec.methods, &at.key("methods"), findings);
    ShadowPolicy {
        methods: methods.into(),
        max_body_bytes: usize::try_from(spec.max_body.0).unwrap_or(usize::MAX),
        timeout: spec.timeout.0,
        credentials: match spec.credentials {
            CredentialsSpec::Keep => ShadowCredentials::Keep,
            CredentialsSpec::Strip => ShadowCredentials::Strip,
        },
        samples,
    }
}

/// The first shift must be one that the route can have.
pub(super) fn start(spec: &RouteSpec, at: &Pointer, findings: &mut Findings<'_>) {
    if spec.start.is_off() || spec.candidate.is_some() || findings.lost(&at.key("candidate")) {
        return;
    }
    let message = "the route is to start with a candidate, but has none";
    let hint = "write `candidate: {upstream: ..}`, or leave `start` out".to_owned();
    findings.error_with_hint(&at.key("start"), "start_without_candidate", message, hint);
}
