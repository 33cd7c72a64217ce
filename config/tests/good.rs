//! What is right is taken, and means what it says.

use std::time::Duration;

use config::{Listener, Protocol};
use http::Method;
use rules::limits::ClientLimits;
use rules::matching::PathMatch;
use rules::route::{AfterSunset, Arm, ShadowCredentials, Sticky};
use rules::tenant::{MissingTenant, TenantSource};
use rules::token::{IssuerId, KeySource, MissingToken, TokenRule};
use rules::{Rewrite, Route};

use crate::kit::{check, compiled, files, folder};

#[test]
fn good_files_compile_without_a_problem() {
    for file in files("good", &["yaml", "json"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        let compiled = check("turnout.yaml", &text)
            .unwrap_or_else(|problems| panic!("{}\n{problems}", file.display()));
        assert_eq!(compiled.warnings, [], "{}", file.display());
    }
}

fn full() -> config::Compiled {
    compiled(&std::fs::read_to_string(folder().join("good/full.yaml")).unwrap())
}

fn route<'c>(compiled: &'c config::Compiled, name: &str) -> &'c Route {
    let routes = compiled.snapshot.table.routes();
    routes.iter().find(|route| route.name.as_str() == name).unwrap()
}

#[test]
fn a_route_means_what_it_says() {
    let compiled = full();
    let sms = route(&compiled, "sms");
    assert_eq!(sms.conditions.hosts.len(), 2);
    assert_eq!(*sms.conditions.methods, [Method::GET, Method::POST]);
    assert_eq!((sms.conditions.headers.len(), sms.conditions.queries.len()), (3, 1));
    assert_eq!(sms.after_sunset, AfterSunset::Redirect);
    assert!(sms.fallback_to_stable);
    assert_eq!(sms.sticky, Some(Sticky::Tenant));
    assert_eq!(&*sms.seed, "text");
    assert_ne!(sms.seed, sms.shadow_seed);
    assert_eq!(sms.host_rewrite.as_ref().unwrap(), "internal.example.org:8443");
    assert_eq!(sms.timeouts.total, Duration::from_secs(60));
    assert_eq!(sms.shadow.max_body_bytes, 256 * 1024);
    assert_eq!(sms.shadow.credentials, ShadowCredentials::Strip);
    assert_eq!((sms.compare.places.len(), sms.compare.hosts.len()), (15, 2));
    let when = &sms.compare.places[2].when;
    assert_eq!(*when.statuses, [(200, 200), (400, 499)]);
    assert_eq!(*when.methods, [Method::GET]);

    let path = |path: &str| PathMatch::Prefix(path.parse().unwrap());
    let [canonical, messaging, old] = &*sms.families else { panic!("{:?}", sms.families) };
    assert_eq!(canonical.path, path("/v1/sms"));
    let upstream = |arm: Option<&rules::route::ArmTarget>| {
        compiled.snapshot.upstream(arm.unwrap().upstream).unwrap().name.to_string()
    };
    assert_eq!(upstream(canonical.arm(Arm::Stable)), "api");
    assert_eq!(upstream(canonical.arm(Arm::Candidate)), "api2");
    assert_eq!(upstream(messaging.arm(Arm::Stable)), "old2");
    assert_eq!(messaging.arm(Arm::Stable).unwrap().rewrite.apply("/v1/messaging/sms/7"), "/v1/x/7");
    assert_eq!(
        messaging.arm(Arm::Candidate).unwrap().rewrite.apply("/v1/messaging/sms/7"),
        "/v1/sms/7"
    );
    assert_eq!(canonical.arm(Arm::Candidate).unwrap().rewrite, Rewrite::Keep);
    let alias = messaging.alias.as_ref().unwrap();
    assert_eq!((alias.deprecated_unix, alias.sunset_unix), (1_769_817_600, Some(1_806_451_200)));
    assert_eq!(old.alias.as_ref().unwrap().deprecated_unix, 1_738_324_800);
}

#[test]
fn tenants_are_found_where_the_route_says() {
    let compiled = full();
    let sms = &route(&compiled, "sms").tenant;
    let header = TenantSource::Header("x-tenant-id".parse().unwrap());
    assert_eq!(
        *sms.sources,
        [header, TenantSource::Cookie("tid".into()), TenantSource::Query("tenant".into())]
    );
    assert_eq!(sms.missing, MissingTenant::Named("house".parse().unwrap()));
    let by_path = &route(&compiled, "by-path").tenant;
    assert_eq!(*by_path.sources, [TenantSource::PathSegment(1)]);
    assert_eq!(by_path.missing, MissingTenant::Reject);
    assert_eq!(*route(&compiled, "by-host").tenant.sources, [TenantSource::HostLabel(0)]);
}

#[test]
fn tenants_belong_to_cohorts_in_the_order_written() {
    let compiled = full();
    let of = |tenant: &str| {
        let tenant = &compiled.snapshot.tenants[tenant];
        let names =
            tenant.cohorts.iter().map(|id| compiled.snapshot.cohort(*id).unwrap().name.to_string());
        (tenant.named, names.collect::<Vec<_>>())
    };
    assert_eq!(of("acme"), (true, vec!["africa".to_owned(), "pilots".to_owned()]));
    assert_eq!(of("b2"), (true, vec!["pilots".to_owned()]));
    assert_eq!(of("stranger-7"), (false, vec!["pilots".to_owned()]));
}

#[test]
fn defaults_are_those_of_the_reference() {
    let compiled = compiled(
        "{upstreams: {api: {targets: [{address: '127.0.0.1:1'}]}}, routes: {a: {canonical: /, stable: {upstream: api}}}}",
    );
    let settings = &compiled.settings;
    let listener = Listener { address: "0.0.0.0:7080".parse().unwrap(), protocol: Protocol::Http1 };
    assert_eq!(settings.listeners, [listener]);
    assert_eq!(compiled.snapshot.limits, ClientLimits::default());
    assert!(compiled.snapshot.tls.is_empty());
    assert_eq!(settings.control, "127.0.0.1:7081".parse().unwrap());
    assert_eq!(settings.status, "0.0.0.0:7082".parse().unwrap());
    assert_eq!(settings.store, folder().join("turnout.db"));
    assert!(settings.access_log);
    assert!(settings.threads > 0);
    assert_eq!((settings.shadow.max_in_flight, settings.shadow.max_bytes), (1024, 64 << 20));
    assert_eq!(settings.drain, Duration::from_secs(30));
    let api = &compiled.snapshot.upstreams[0];
    assert_eq!((api.targets[0].weight, api.http2, api.health.is_none()), (1, false, true));
    assert_eq!(api.timeouts.connect, Duration::from_secs(1));
    let a = route(&compiled, "a");
    assert_eq!(&*a.seed, "a");
    assert_eq!(*a.shadow.methods, [Method::GET, Method::HEAD]);
    assert_eq!(a.sticky, None);
}

#[test]
fn listeners_and_limits_mean_what_they_say() {
    let compiled = full();
    let protocols: Vec<Protocol> =
        compiled.settings.listeners.iter().map(|listener| listener.protocol).collect();
    assert_eq!(protocols, [Protocol::Http1, Protocol::Tls, Protocol::H2c]);
    let [tls] = &*compiled.snapshot.tls else { panic!("{:?}", compiled.snapshot.tls) };
    assert_eq!((tls.address.port(), tls.http2), (7443, true));
    let [certificate] = &*tls.server.certificates else { panic!("{tls:?}") };
    let names: Vec<&str> = certificate.names.iter().map(|name| &**name).collect();
    assert_eq!(names, ["api.example.org", "*.shop.example.org"]);
    let clients = tls.server.clients.as_ref().unwrap();
    assert_eq!((clients.roots.len(), clients.required), (1, false));
    assert_eq!(compiled.snapshot.limits, ClientLimits::default());
    assert_eq!(route(&compiled, "reports").timeouts.total, Duration::from_secs(90));
    let api2 = compiled.snapshot.upstreams.iter().find(|one| one.name.as_str() == "api2").unwrap();
    assert!(api2.tls.as_ref().unwrap().client.is_some());
    let [control, status] = [&compiled.control_tls, &compiled.status_tls].map(|tls| tls.as_ref());
    assert!(control.is_some_and(|tls| tls.clients.as_ref().is_some_and(|one| !one.required)));
    assert!(status.is_some_and(|tls| tls.clients.is_none()));
    for tls in [control, status].into_iter().flatten() {
        config::server_config(tls).unwrap();
    }
    let encrypted = compiled.settings.encrypted;
    assert!(encrypted.control && encrypted.status);
}

#[test]
fn a_document_survives_the_way_through_json() {
    let before = full().document;
    let json = serde_json::to_string(&*before).unwrap();
    let mut after: config::Document = serde_json::from_str(&json).unwrap();
    after.origin = before.origin.clone();
    assert_eq!(after, *before);
    assert!(!json.contains("very-secret"));
}

#[test]
fn an_issuer_means_what_it_says() {
    let compiled = full();
    let [login, staff] = &*compiled.snapshot.issuers else { panic!("there are two") };
    assert_eq!(
        (&*login.issuer, login.leeway),
        ("https://login.example.org/", Duration::from_secs(5))
    );
    assert_eq!(login.audiences.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["api", "web"]);
    assert_eq!(login.claims.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["sub", "tenant"]);
    assert!(matches!(&login.keys, KeySource::Set(text) if text.contains("\"kid\"")));
    let KeySource::Url(url) = &staff.keys else { panic!("it publishes its keys") };
    assert_eq!(
        (url.address.to_string(), &*url.path),
        ("staff.example.org:8443".to_owned(), "/keys?v=2")
    );
    assert_eq!(url.every, Duration::from_secs(600));
    assert_eq!(url.tls.as_ref().unwrap().roots.as_ref().unwrap().len(), 1);
    let rule = |name| route(&compiled, name).token.unwrap();
    assert_eq!(rule("records"), TokenRule { issuer: IssuerId(0), missing: MissingToken::Reject });
    assert_eq!(rule("notes"), TokenRule { issuer: IssuerId(1), missing: MissingToken::Pass });
}
