//! Whose request is it, and what makes two of them the same user's? Where tenants come from, and what is sticky.

use http::HeaderName;
use rules::matching::{Conditions, HostMatch, PathMatch};
use rules::route::{Family, Sticky};
use rules::tenant::{MissingTenant, TenantRule, TenantSource};

use super::conditions::header_name;
use super::findings::{Findings, Pointer};
use super::issuers::claim;
use super::tenants::likely_slip;
use crate::document::Document;
use crate::document::route::{MissingSpec, RouteSpec, StickySpec, TenantSourceSpec, TenantSpec};

const TEMPLATE: &str = "{tenant}";

/// One route's question for the tenant.
pub(super) struct Asking<'a> {
    pub(super) document: &'a Document,
    pub(super) route: &'a RouteSpec,
    pub(super) conditions: &'a Conditions,
    pub(super) families: &'a [Family],
}

pub(super) fn tenant_rule(
    asking: &Asking<'_>,
    spec: Option<&TenantSpec>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> TenantRule {
    let Some(spec) = spec else { return TenantRule::default() };
    let sources = written_sources(spec, at, findings);
    let sources =
        sources.iter().filter_map(|(at, source)| self::source(asking, source, at, findings));
    let sources: Box<[TenantSource]> = sources.collect();
    let missing = match &spec.missing {
        None | Some(MissingSpec::Stable) => MissingTenant::Stable,
        Some(MissingSpec::Reject) => MissingTenant::Reject,
        Some(MissingSpec::Tenant(id)) => {
            let at = at.key("missing").key("tenant");
            let tenant = findings.parsed(&at, "bad_tenant", id.parse());
            likely_slip(asking.document, id, &at, findings);
            tenant.map_or(MissingTenant::Stable, MissingTenant::Named)
        }
    };
    TenantRule { sources, missing }
}

/// The sources with their places: the one that is named, or those under `from`.
fn written_sources(
    spec: &TenantSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Vec<(Pointer, TenantSourceSpec)> {
    let single: Vec<(Pointer, TenantSourceSpec)> = [
        spec.header.clone().map(|name| (at.key("header"), TenantSourceSpec::Header(name))),
        spec.query.clone().map(|name| (at.key("query"), TenantSourceSpec::Query(name))),
        spec.cookie.clone().map(|name| (at.key("cookie"), TenantSourceSpec::Cookie(name))),
        spec.path.clone().map(|template| (at.key("path"), TenantSourceSpec::Path(template))),
        spec.host.clone().map(|template| (at.key("host"), TenantSourceSpec::Host(template))),
        spec.claim.clone().map(|name| (at.key("claim"), TenantSourceSpec::Claim(name))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let several = "write several as a list: `from: [{header: A}, {cookie: b}]`".to_owned();
    let lost = findings.lost_below(at);
    match (&spec.from, single.len()) {
        (None, 0) if lost => Vec::new(),
        (None, 0) => {
            let hint =
                "write one of `header`, `query`, `cookie`, `path`, `host`, `claim`, or a list under `from`"
                    .to_owned();
            findings.error_with_hint(
                at,
                "no_tenant_source",
                "nothing says where the tenant comes from",
                hint,
            );
            Vec::new()
        }
        (None, 1) => single,
        (Some(list), 0) => {
            if list.is_empty() && !lost {
                findings.error_with_hint(
                    &at.key("from"),
                    "no_tenant_source",
                    "nothing says where the tenant comes from",
                    several,
                );
            }
            let item = |(i, source): (usize, &TenantSourceSpec)| {
                (at.key("from").item(i).key(kind(source)), source.clone())
            };
            list.iter().enumerate().map(item).collect()
        }
        _ => {
            findings.error_with_hint(
                at,
                "tenant_sources",
                "the order of the places is not clear",
                several,
            );
            single
        }
    }
}

const fn kind(source: &TenantSourceSpec) -> &'static str {
    match source {
        TenantSourceSpec::Header(_) => "header",
        TenantSourceSpec::Query(_) => "query",
        TenantSourceSpec::Cookie(_) => "cookie",
        TenantSourceSpec::Path(_) => "path",
        TenantSourceSpec::Host(_) => "host",
        TenantSourceSpec::Claim(_) => "claim",
    }
}

fn source(
    asking: &Asking<'_>,
    spec: &TenantSourceSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<TenantSource> {
    match spec {
        TenantSourceSpec::Header(name) => {
            believed(asking.document, "this header", at, findings);
            header_name(name, at, findings).map(TenantSource::Header)
        }
        TenantSourceSpec::Query(name) if name.is_empty() => {
            findings.error(at, "bad_name", "a query parameter needs a name");
            None
        }
        TenantSourceSpec::Query(name) => Some(TenantSource::Query(name.as_str().into())),
        TenantSourceSpec::Cookie(name) => cookie(name, at, findings).map(TenantSource::Cookie),
        TenantSourceSpec::Path(template) => path_segment(template, asking.families, at, findings),
        TenantSourceSpec::Host(template) => {
            host_label(template, &asking.conditions.hosts, at, findings)
        }
        TenantSourceSpec::Claim(name) => {
            claim(asking.route, name, at, findings).map(TenantSource::Claim)
        }
    }
}

pub(super) fn believed(document: &Document, what: &str, at: &Pointer, findings: &mut Findings<'_>) {
    let trusted = Pointer::root().key("trusted_proxies");
    if document.trusted_proxies.is_empty() && !findings.lost(&trusted) {
        let message = format!("{what} is believed only from `trusted_proxies`, and there are none");
        findings.warning(
            at,
            "never_believed",
            message,
            "write the networks of the proxies in front: `trusted_proxies: [10.0.0.0/8]`"
                .to_owned(),
        );
    }
}

fn cookie(name: &str, at: &Pointer, findings: &mut Findings<'_>) -> Option<Box<str>> {
    // A cookie's name is a token (RFC 6265 section 4.1.1), as a header's is.
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!("{name:?} is not a cookie name");
        findings.error_with_hint(at, "bad_name", message, "no blanks, `=`, `;` or `,`".to_owned());
        return None;
    }
    Some(name.into())
}

/// The place of the one `{tenant}` among the parts of a template.
fn place(parts: &[&str], right: &str, at: &Pointer, findings: &mut Findings<'_>) -> Option<usize> {
    let mut places = parts.iter().enumerate().filter(|(_, part)| **part == TEMPLATE);
    let (first, second) = (places.next(), places.next());
    let whole = parts.iter().filter(|part| part.contains(['{', '}'])).count() == 1;
    match (first, second) {
        (Some((place, _)), None) if whole => Some(place),
        _ => {
            let message = format!("the template needs exactly one `{TEMPLATE}`, as a whole part");
            findings.error_with_hint(
                at,
                "bad_template",
                message,
                format!("write it like `{right}`"),
            );
            None
        }
    }
}

fn path_segment(
    template: &str,
    families: &[Family],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<TenantSource> {
    let inner = template.strip_prefix('/').unwrap_or_default();
    let parts: Vec<&str> = inner.trim_end_matches('/').split('/').collect();
    let place = place(&parts, "/t/{tenant}", at, findings)?;
    for family in families {
        let (PathMatch::Exact(path) | PathMatch::Prefix(path)) = &family.path else { continue };
        let public = path.as_prefix().split('/').skip(1);
        if !parts.iter().zip(public).all(|(part, public)| *part == public || *part == TEMPLATE) {
            let message = format!("`{template}` finds no tenant in `{path}`, a path of this route");
            let hint =
                "the template must begin as the route's paths do, aliases included".to_owned();
            findings.error_with_hint(at, "tenant_path_mismatch", message, hint);
        }
    }
    Some(TenantSource::PathSegment(place))
}

fn host_label(
    template: &str,
    hosts: &[HostMatch],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<TenantSource> {
    let lower = template.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('.').collect();
    let place = place(&parts, "{tenant}.example.org", at, findings)?;
    let fits = |host: &HostMatch| {
        let (name, above) = match host {
            HostMatch::Exact(name) => (name, 0),
            HostMatch::Below(name) => (name, 1),
        };
        let labels: Vec<&str> = name.split('.').collect();
        // A wildcard stands for one label or more, the template's first.
        labels.len() + above == parts.len()
            && parts
                .iter()
                .skip(above)
                .zip(&labels)
                .all(|(part, label)| part == label || *part == TEMPLATE)
    };
    if hosts.is_empty() || !hosts.iter().all(fits) {
        let message = "the route answers to hosts in which this finds no tenant";
        let hint = format!("write `hosts: [\"{}\"]`", lower.replace(TEMPLATE, "*"));
        findings.error_with_hint(at, "tenant_host_mismatch", message, hint);
    }
    Some(TenantSource::HostLabel(place))
}

/// What a share is a share of.
pub(super) fn sticky(
    document: &Document,
    route: &RouteSpec,
    route_at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Sticky> {
    let at = route_at.key("sticky");
    match route.sticky.as_ref()? {
        StickySpec::Tenant => {
            if route.tenant.is_none() && !findings.lost(&route_at.key("tenant")) {
                let hint = "write `tenant: {header: X-Tenant-Id}`, or another `sticky`".to_owned();
                findings.error_with_hint(
                    &at,
                    "sticky_without_tenant",
                    "the route knows no tenants",
                    hint,
                );
            }
            Some(Sticky::Tenant)
        }
        StickySpec::ClientAddress => Some(Sticky::ClientAddress),
        StickySpec::Consumer => {
            believed(document, "the consumer", &at, findings);
            Some(Sticky::Consumer)
        }
        StickySpec::Request => Some(Sticky::Request),
        StickySpec::Header(name) => {
            header_name(name, &at.key("header"), findings).map(Sticky::Header)
        }
        StickySpec::Cookie(name) => cookie(name, &at.key("cookie"), findings).map(Sticky::Cookie),
        StickySpec::Claim(name) => {
            claim(route, name, &at.key("claim"), findings).map(Sticky::Claim)
        }
    }
}
