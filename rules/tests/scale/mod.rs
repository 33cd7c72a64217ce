//! How does a snapshot of many routes and many tenants look? Made by rule, for measurements.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use rules::compare::CompareRules;
use rules::compare::parity::Limits;
use rules::matching::{Conditions, PathMatch, RouteTable};
use rules::route::{
    Alias, ArmDefinition, EncodedSlash, Family, HeaderEdits, RouteTimeouts, ShadowCredentials,
    ShadowPolicy, UnusualBodies, UpstreamId,
};
use rules::shift::Shifts;
use rules::sli::RouteCounters;
use rules::tenant::{Tenant, TenantRule, TenantSource};
use rules::upstream::{Protection, Target, TargetState, UpstreamDefinition, UpstreamTimeouts};
use rules::{Facts, Route, Share, Shift, Snapshot, TenantId, Upstream};

/// `routes` of a prefix and an alias each, on ten hosts; every hundredth has a regular expression too, all on the first
/// host. The first route's shift has `tenants` of their own.
pub(crate) fn snapshot(routes: u32, tenants: u32) -> Snapshot {
    let canary = Shift { share: share(500), shadow: share(1_000), reverse_shadow: Share::NONE };
    let own = (0..tenants).map(|n| (tenant(n), Shift { share: share(2_500), ..canary })).collect();
    let others = Arc::new(Shifts { default: canary, ..Shifts::default() });
    let first = Arc::new(Shifts { default: canary, tenants: own, ..Shifts::default() });
    let known = (0..tenants).map(|n| (tenant(n), Tenant { named: true, ..Tenant::default() }));
    Snapshot {
        table: Arc::new(RouteTable::new((0..routes).map(|n| Arc::new(route(n))).collect())),
        shifts: std::iter::once(first).chain((1..routes).map(|_| Arc::clone(&others))).collect(),
        tenants: Arc::new(known.collect()),
        ..Snapshot::default()
    }
}

/// An upstream of so many targets, of different weights.
pub(crate) fn upstream(targets: u16) -> Arc<Upstream> {
    let target = |n| {
        let address = format!("10.0.0.1:{n}").parse().unwrap();
        let state = Arc::new(TargetState::new(&address));
        Target { address, weight: n, state }
    };
    let second = Duration::from_secs(1);
    Arc::new(Upstream::new(UpstreamDefinition {
        name: "service".parse().unwrap(),
        generation: 1,
        targets: (1..=targets).map(target).collect(),
        tls: None,
        http2: false,
        health: None,
        timeouts: UpstreamTimeouts { connect: second, read: second, write: second, idle: second },
        protection: Protection::default(),
    }))
}

/// The id of the nth tenant.
pub(crate) fn tenant(n: u32) -> TenantId {
    format!("tenant-{n:06}").parse().unwrap()
}

/// The head of a tenant's request, as Kong sends it.
pub(crate) fn headers(tenant: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("accept", "application/json"),
        ("user-agent", "bench"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-request-id", "3f1d1b62-5a0e-7c3e-9b6f-6f8a8f6d2c11"),
        ("x-tenant-id", tenant),
    ] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// What is known of a GET of `path` on `host`.
pub(crate) fn facts<'r>(headers: &'r HeaderMap, host: &'r str, path: &'r str) -> Facts<'r> {
    Facts {
        method: &Method::GET,
        host,
        path,
        query: "page=2&limit=50",
        headers,
        client: [192, 0, 2, 7].into(),
        trusted: true,
        token: rules::token::Token::Missing,
        request_id: "3f1d1b62-5a0e-7c3e-9b6f-6f8a8f6d2c11",
        now_unix: 1_800_000_000,
    }
}

fn share(basis_points: u16) -> Share {
    Share::from_basis_points(basis_points).unwrap()
}

fn route(n: u32) -> Route {
    let prefix = |path: String| PathMatch::Prefix(path.parse().unwrap());
    let canonical = prefix(format!("/v1/service-{n}/items"));
    let arm = |upstream| ArmDefinition { upstream: UpstreamId(upstream), path: None };
    let family = |path, alias| Family::new(path, &canonical, alias, Some(&arm(0)), Some(&arm(1)));
    let alias = Some(Alias { deprecated_unix: 0, sunset_unix: None });
    let mut families = vec![
        family(canonical.clone(), None),
        family(prefix(format!("/old/service-{n}")), alias.clone()),
    ];
    if n.is_multiple_of(100) {
        let pattern = format!("/legacy/service-{n}/[0-9]+");
        families.push(family(PathMatch::regex(&pattern).unwrap(), alias));
    }
    Route {
        name: format!("service-{n}").parse().unwrap(),
        conditions: Conditions {
            hosts: [format!("api{}.example.org", n % 10).parse().unwrap()].into(),
            methods: [Method::GET, Method::POST].into(),
            ..Conditions::default()
        },
        families: families.into(),
        after_sunset: rules::route::AfterSunset::Serve,
        encoded_slash: EncodedSlash::Refuse,
        unusual_bodies: UnusualBodies::Refuse,
        websockets: false,
        baseline: None,
        fallback_to_stable: false,
        token: None,
        tenant: TenantRule {
            sources: [TenantSource::Header("x-tenant-id".parse().unwrap())].into(),
            ..TenantRule::default()
        },
        requires_flag: None,
        bad_statuses: Box::default(),
        flag_headers: [].into(),
        sticky: None,
        seed: format!("service-{n}").into(),
        shadow_seed: format!("service-{n}:shadow").into(),
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        host_rewrite: None,
        redirect: None,
        timeouts: RouteTimeouts { total: Duration::from_secs(60), read: None },
        shadow: ShadowPolicy {
            methods: [Method::GET].into(),
            max_body_bytes: 256 * 1024,
            timeout: Duration::from_secs(10),
            credentials: ShadowCredentials::Keep,
            samples: None,
        },
        compare: Arc::new(CompareRules::default()),
        limits: Limits::default(),
        noise: None,
        counters: Arc::new(RouteCounters::default()),
    }
}
