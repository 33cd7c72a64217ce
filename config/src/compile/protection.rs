//! How is an upstream kept from harm? Health checks, ejection, limits, the breaker, the budget of retries.

use rules::upstream::{
    Breaking, Ejecting, HealthCheck, HealthProbe, Limits, Protection, RetryBudget,
};

use super::findings::{Findings, Pointer};
use super::upstreams::not_zero;
use crate::document::protection::{BreakerSpec, PassiveSpec};
use crate::document::upstream::{HealthSpec, UpstreamSpec};

/// More answers than this of a new target are no warm-up any more: traffic would wait for them.
const MOST_WARM: u32 = 1_000;

/// Checks how targets are checked; none where it is not said by what.
pub(super) fn health(
    spec: &HealthSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<HealthCheck> {
    let probe = probe(spec, at, findings);
    for (key, count) in [
        ("healthy_after", spec.healthy_after),
        ("unhealthy_after", spec.unhealthy_after),
        ("warm", spec.warm),
    ] {
        if count == 0 {
            findings.error(&at.key(key), "zero", "at least 1 answer must be looked at");
        }
    }
    if spec.warm > MOST_WARM {
        let message = format!("at most {MOST_WARM} answers of a new target can be waited for");
        findings.error(&at.key("warm"), "too_many", message);
    }
    for (key, time) in [("interval", spec.interval), ("timeout", spec.timeout)] {
        not_zero(time, &at.key(key), findings);
    }
    Some(HealthCheck {
        probe: probe?,
        interval: spec.interval.0,
        timeout: spec.timeout.0,
        healthy_after: spec.healthy_after,
        unhealthy_after: spec.unhealthy_after,
        warm: spec.warm,
    })
}

fn probe(spec: &HealthSpec, at: &Pointer, findings: &mut Findings<'_>) -> Option<HealthProbe> {
    let hint = "write either `path: /health` or `tcp: true`".to_owned();
    match (&spec.path, spec.tcp) {
        (Some(_), true) => {
            let message = "a check asks for a path or for a connection, not for both";
            findings.error_with_hint(at, "two_checks", message, hint);
            None
        }
        (None, false) => {
            if !findings.lost_below(at) {
                findings.error_with_hint(at, "no_check", "there is nothing to check by", hint);
            }
            None
        }
        (None, true) => Some(HealthProbe::Tcp),
        (Some(path), false) => {
            let is_path = path.starts_with('/')
                && !path.contains('#')
                && path.bytes().all(|b| b.is_ascii_graphic());
            if !is_path {
                let message = format!("{path:?} cannot be asked for");
                let hint = "write a path such as `/health`".to_owned();
                findings.error_with_hint(&at.key("path"), "bad_path", message, hint);
            }
            Some(HealthProbe::Http(path.as_str().into()))
        }
    }
}

/// Checks what keeps an upstream from harm.
pub(super) fn protection(
    spec: &UpstreamSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Protection {
    for (key, limit) in
        [("max_connections", spec.max_connections), ("max_pending", spec.max_pending)]
    {
        if limit == 0 {
            let hint = "leave it out for the default; a target with `weight: 0` gets nothing";
            let message = "a limit of zero lets nothing through";
            findings.error_with_hint(&at.key(key), "zero", message, hint.to_owned());
        }
    }
    let limits = Limits { max_connections: spec.max_connections, max_pending: spec.max_pending };
    Protection {
        ejecting: ejecting(&spec.passive, &at.key("passive"), findings),
        limits,
        breaking: breaking(&spec.breaker, &at.key("breaker"), findings),
        retry: RetryBudget { share: spec.retry.budget.0, min: spec.retry.min },
    }
}

fn ejecting(spec: &PassiveSpec, at: &Pointer, findings: &mut Findings<'_>) -> Ejecting {
    if spec.consecutive == 0 {
        let hint = "write `max_ejected: 0%` to leave out none".to_owned();
        let message = "at least 1 failure must be looked at";
        findings.error_with_hint(&at.key("consecutive"), "zero", message, hint);
    }
    not_zero(spec.ejection, &at.key("ejection"), findings);
    if spec.longest < spec.ejection {
        let message = format!("{} is shorter than the first time, {}", spec.longest, spec.ejection);
        let hint = "write the longest time that a target may be left out".to_owned();
        findings.error_with_hint(&at.key("longest"), "too_short", message, hint);
    }
    Ejecting {
        consecutive: spec.consecutive,
        time: spec.ejection.0,
        longest: spec.longest.0,
        most: spec.max_ejected.0,
    }
}

fn breaking(spec: &BreakerSpec, at: &Pointer, findings: &mut Findings<'_>) -> Breaking {
    if spec.min == 0 {
        let message = "at least 1 attempt must be looked at";
        let hint = "write `failures: 100%` for a breaker that never opens".to_owned();
        findings.error_with_hint(&at.key("min"), "zero", message, hint);
    }
    for (key, time) in [("window", spec.window), ("pause", spec.pause)] {
        not_zero(time, &at.key(key), findings);
    }
    Breaking {
        failures: spec.failures.0,
        min: spec.min,
        window: spec.window.0,
        pause: spec.pause.0,
    }
}
