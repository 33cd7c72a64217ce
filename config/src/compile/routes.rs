//! How does a route become ready to serve? Its parts are checked one by one and put together.

use std::collections::HashMap;
use std::sync::Arc;

use rules::cohort::Cohort;
use rules::route::UpstreamId;
use rules::sli::RouteCounters;
use rules::{CohortName, Route, RouteName};

use super::baseline::baseline;
use super::clashes::{Placed, clashes};
use super::compare::{compare, limits, noise};
use super::conditions::conditions;
use super::filters::{authority, edits};
use super::findings::{Findings, Pointer};
use super::flag_gates::{flag_gate, flag_headers};
use super::issuers::token_rule;
use super::paths::{Around, after_sunset, encoded_slash, families};
use super::policies::{bad_statuses, shadow, start, timeouts, unusual_bodies};
use super::redirects::redirect;
use super::tenancy::{Asking, sticky, tenant_rule};
use crate::document::{Document, RouteSpec};

/// What all routes are compiled with.
pub(super) struct Surroundings<'a> {
    pub(super) document: &'a Document,
    pub(super) upstreams: HashMap<&'a str, UpstreamId>,
    pub(super) cohorts: Vec<CohortName>,
    /// The counters of the snapshot before, by route.
    pub(super) counters: HashMap<&'a str, &'a RouteCounters>,
    pub(super) now_unix: i64,
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(
        document: &'a Document,
        cohorts: &[Cohort],
        previous: &'a [Arc<Route>],
        now_unix: i64,
    ) -> Self {
        let counters = previous.iter().map(|route| (route.name.as_str(), &*route.counters));
        let upstreams = document.upstreams.keys().map(String::as_str);
        Self {
            document,
            upstreams: upstreams.zip((0..).map(UpstreamId)).collect(),
            cohorts: cohorts.iter().map(|cohort| cohort.name.clone()).collect(),
            counters: counters.collect(),
            now_unix,
        }
    }
}

/// The routes in the order of the file, without those that are wrong.
pub(super) fn routes(around: &Surroundings<'_>, findings: &mut Findings<'_>) -> Vec<Arc<Route>> {
    let at = Pointer::root().key("routes");
    let mut routes = Vec::new();
    for (name, spec) in &around.document.routes {
        let at = at.key(name);
        routes.extend(route(around, name, spec, &at, findings).map(|route| (at, route)));
    }
    let placed: Vec<Placed<'_>> = routes.iter().map(|(at, route)| (at.clone(), &**route)).collect();
    clashes(&placed, findings);
    routes.into_iter().map(|(_, route)| route).collect()
}

fn route(
    around: &Surroundings<'_>,
    name: &str,
    spec: &RouteSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Arc<Route>> {
    let document = around.document;
    let paths = Around { upstreams: &around.upstreams, now_unix: around.now_unix };
    let conditions = conditions(spec, at, findings);
    let baseline = baseline(spec, at, &paths, findings).unzip();
    let families = families(spec, at, baseline.0, &paths, findings);
    let asking = Asking {
        document,
        route: spec,
        conditions: &conditions,
        families: families.as_deref().unwrap_or_default(),
    };
    let tenant = tenant_rule(&asking, spec.tenant.as_ref(), &at.key("tenant"), findings);
    let token = token_rule(document, spec, at, findings);
    let requires_flag = flag_gate(document, spec, at, findings);
    let flag_headers = flag_headers(document, spec, at, findings);
    let sticky = sticky(document, spec, at, findings);
    let request_headers =
        edits(document, &spec.request_headers, &at.key("request_headers"), findings);
    let response_headers =
        edits(document, &spec.response_headers, &at.key("response_headers"), findings);
    let host_rewrite =
        spec.host.as_ref().and_then(|host| authority(host, &at.key("host"), findings));
    let total = around.document.timeouts.total;
    let timeouts = timeouts(&spec.timeouts, total, &at.key("timeouts"), findings);
    let shadow = shadow(document, &spec.shadow, &at.key("shadow"), findings);
    let compare = compare(&spec.compare, &at.key("compare"), findings);
    let limits = limits(&spec.compare, &at.key("compare"), findings);
    let noise = noise(name, &spec.compare, &at.key("compare"), &paths, findings);
    let bad_at = at.key("bad_statuses");
    start(spec, at, findings);
    let seed = seed(name, spec, at, findings);
    let name: Option<RouteName> = findings.parsed(at, "bad_name", name.parse());

    let (name, families) = (name?, families?);
    let canonical = &families.first()?.path;
    let redirect = spec.redirect.as_ref().map(|to| redirect(spec, to, canonical, at, findings));
    let aliases: Vec<Box<str>> =
        families.iter().skip(1).map(|family| family.path.to_string().into()).collect();
    let before = around.counters.get(name.as_str()).copied();
    Some(Arc::new(Route {
        counters: Arc::new(RouteCounters::new(before, &around.cohorts, &aliases)),
        name,
        conditions,
        families: families.into(),
        after_sunset: after_sunset(spec.after_sunset),
        encoded_slash: encoded_slash(spec.encoded_slash),
        unusual_bodies: unusual_bodies(spec.unusual_bodies),
        websockets: spec.websockets,
        baseline: baseline.1,
        fallback_to_stable: spec.fallback.is_some(),
        token,
        tenant,
        requires_flag,
        bad_statuses: bad_statuses(&spec.bad_statuses, &bad_at, findings),
        flag_headers,
        sticky,
        shadow_seed: format!("shadow:{seed}").into(),
        seed: seed.into(),
        request_headers,
        response_headers,
        host_rewrite,
        redirect,
        timeouts,
        shadow,
        compare: Arc::new(compare),
        limits,
        noise,
    }))
}

fn seed<'s>(
    name: &'s str,
    spec: &'s RouteSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> &'s str {
    let seed = spec.seed.as_deref().unwrap_or(name);
    if seed.trim().is_empty() {
        let hint = "leave it out for the route's name".to_owned();
        findings.error_with_hint(&at.key("seed"), "empty_seed", "the seed is empty", hint);
    }
    seed
}
