//! How does a table's text become a snapshot? As short as cases can be written; names appear when they are used.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rules::cohort::{Cohort, CohortId};
use rules::compare::CompareRules;
use rules::compare::parity::Limits;
use rules::matching::{Conditions, NamedMatch, PathMatch, RouteTable};
use rules::path::Rewrite;
use rules::route::{
    AfterSunset, Alias, EncodedSlash, Family, HeaderEdits, Redirect, RouteTimeouts,
    ShadowCredentials, ShadowPolicy, UnusualBodies, UpstreamId,
};
use rules::shift::Shifts;
use rules::sli::RouteCounters;
use rules::tenant::{Lock, MissingTenant, Tenant, TenantRule, TenantSource};
use rules::token::{IssuerId, MissingToken, TokenRule};
use rules::{Baseline, Path, Route, Shift, Snapshot};
use serde::Deserialize;

use crate::written::{arm, methods, path_match, sticky, value_match};

/// One text, or several.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "OneOrMany")]
pub(crate) struct Texts(pub(crate) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Texts {
    fn from(texts: OneOrMany) -> Self {
        match texts {
            OneOrMany::One(text) => Self(vec![text]),
            OneOrMany::Many(texts) => Self(texts),
        }
    }
}

/// Everything a table's case is decided on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorldCase {
    routes: Vec<RouteCase>,
    /// In the order of their names.
    #[serde(default)]
    cohorts: BTreeMap<String, Vec<String>>,
    /// The tenants that the configuration names.
    #[serde(default)]
    tenants: Vec<String>,
    /// `read_only` or `blocked`, by tenant.
    #[serde(default)]
    locks: BTreeMap<String, String>,
}

/// One route. An arm is written `upstream` or `upstream /path`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RouteCase {
    pub(crate) name: String,
    pub(crate) hosts: Vec<String>,
    /// `/prefix`, `=/exact` or `~regex`.
    pub(crate) path: String,
    pub(crate) aliases: Vec<AliasCase>,
    pub(crate) after_sunset: String,
    pub(crate) encoded_slash: String,
    pub(crate) methods: Vec<String>,
    /// `value`, `~regex` or `*` for whatever is there.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) priority: i32,
    /// `old` where none is given.
    pub(crate) stable: Option<String>,
    pub(crate) candidate: Option<String>,
    /// An upstream, perhaps with a share: `fresh`, or `fresh 5%`.
    pub(crate) baseline: Option<String>,
    /// `reject` or `pass`: what becomes of requests without a token.
    pub(crate) token: String,
    /// `header x`, `query x`, `cookie x`, `path 1`, `host 0` or `claim x`.
    pub(crate) tenant: Vec<String>,
    /// `stable`, `reject` or a tenant's id.
    pub(crate) missing: String,
    /// `tenant`, `client_address`, `consumer`, `request`, `header x`, `cookie x` or `claim x`.
    pub(crate) sticky: String,
    pub(crate) seed: Option<String>,
    pub(crate) redirect: Option<RedirectCase>,
    pub(crate) shadow_methods: Vec<String>,
    pub(crate) shift: ShiftCase,
    pub(crate) cohorts: BTreeMap<String, ShiftCase>,
    pub(crate) tenants: BTreeMap<String, ShiftCase>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AliasCase {
    path: String,
    stable: Option<String>,
    sunset: Option<i64>,
}

impl From<&str> for AliasCase {
    fn from(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RedirectCase {
    status: u16,
    scheme: Option<Box<str>>,
    host: Option<Box<str>>,
    path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ShiftCase {
    share: Option<String>,
    shadow: Option<String>,
    reverse_shadow: Option<String>,
}

/// A snapshot, and what its upstreams are called.
pub(crate) struct World {
    pub(crate) snapshot: Snapshot,
    upstreams: Vec<String>,
}

impl World {
    pub(crate) fn upstream(&self, id: UpstreamId) -> &str {
        &self.upstreams[id.0 as usize]
    }
}

impl From<&WorldCase> for World {
    fn from(case: &WorldCase) -> Self {
        let mut upstreams = Vec::new();
        let routes = case.routes.iter().map(|route| Arc::new(route.build(&mut upstreams)));
        let table = Arc::new(RouteTable::new(routes.collect()));
        let cohort_id = |name: &str| {
            let place = case.cohorts.keys().position(|known| known == name).unwrap();
            CohortId(u32::try_from(place).unwrap())
        };
        let shifts = case.routes.iter().map(|route| {
            Arc::new(Shifts {
                default: route.shift.build(),
                cohorts: route.cohorts.iter().map(|(n, s)| (cohort_id(n), s.build())).collect(),
                tenants: route
                    .tenants
                    .iter()
                    .map(|(id, shift)| (id.parse().unwrap(), shift.build()))
                    .collect(),
            })
        });
        let snapshot = Snapshot {
            table,
            shifts: shifts.collect(),
            cohorts: case
                .cohorts
                .keys()
                .map(|name| Cohort { name: name.parse().unwrap() })
                .collect(),
            tenants: Arc::new(case.tenants(cohort_id)),
            ..Snapshot::default()
        };
        Self { snapshot, upstreams }
    }
}

impl WorldCase {
    /// A world of this route alone.
    pub(crate) fn of(route: RouteCase) -> Self {
        let (cohorts, locks) = (BTreeMap::new(), BTreeMap::new());
        Self { routes: vec![route], cohorts, tenants: Vec::new(), locks }
    }

    fn tenants(&self, cohort_id: impl Fn(&str) -> CohortId) -> HashMap<rules::TenantId, Tenant> {
        let members = self.cohorts.values().flatten();
        let known = self.tenants.iter().chain(members).chain(self.locks.keys());
        let tenant = |id: &String| Tenant {
            named: self.tenants.contains(id),
            lock: self.locks.get(id).map(|lock| match &**lock {
                "read_only" => Lock::ReadOnly,
                "blocked" => Lock::Blocked,
                other => panic!("{other}"),
            }),
            cohorts: self
                .cohorts
                .iter()
                .filter(|(_, members)| members.contains(id))
                .map(|(name, _)| cohort_id(name))
                .collect(),
        };
        known.map(|id| (id.parse().unwrap(), tenant(id))).collect()
    }
}

impl ShiftCase {
    /// A canary, or one of its ends.
    pub(crate) fn of(share: &str) -> Self {
        Self { share: Some(share.to_owned()), ..Self::default() }
    }

    fn build(&self) -> Shift {
        let share = |text: &Option<String>| text.as_deref().unwrap_or("0%").parse().unwrap();
        Shift {
            share: share(&self.share),
            shadow: share(&self.shadow),
            reverse_shadow: share(&self.reverse_shadow),
        }
    }
}

impl RouteCase {
    pub(crate) fn build(&self, upstreams: &mut Vec<String>) -> Route {
        let canonical = path_match(&self.path);
        let stable = self.stable.as_deref().or(self.redirect.is_none().then_some("old"));
        let stable = stable.map(|text| arm(text, upstreams));
        let candidate = self.candidate.as_deref().map(|text| arm(text, upstreams));
        let mut families = vec![Family::new(
            canonical.clone(),
            &canonical,
            None,
            stable.as_ref(),
            candidate.as_ref(),
        )];
        for alias in &self.aliases {
            let own = alias.stable.as_deref().map(|text| arm(text, upstreams));
            families.push(Family::new(
                path_match(&alias.path),
                &canonical,
                Some(Alias { deprecated_unix: 0, sunset_unix: alias.sunset }),
                own.as_ref().or(stable.as_ref()),
                candidate.as_ref(),
            ));
        }
        let seed = self.seed.as_deref().unwrap_or(&self.name);
        let baseline = self.baseline.as_deref().map(|text| {
            let (name, share) = text.split_once(' ').unzip();
            let upstream = arm(name.unwrap_or(text), upstreams).upstream;
            (upstream, Baseline { share: share.map(|share| share.parse().unwrap()) })
        });
        if let Some((upstream, _)) = baseline {
            families = families.into_iter().map(|one| one.with_baseline(upstream)).collect();
        }
        Route {
            baseline: baseline.map(|(_, baseline)| baseline),
            name: self.name.parse().unwrap(),
            conditions: self.conditions(),
            redirect: self.redirect.as_ref().map(|to| to.build(&canonical)),
            families: families.into(),
            after_sunset: match &*self.after_sunset {
                "" | "serve" => AfterSunset::Serve,
                "redirect" => AfterSunset::Redirect,
                "gone" => AfterSunset::Gone,
                other => panic!("{other}"),
            },
            encoded_slash: match &*self.encoded_slash {
                "" | "refuse" => EncodedSlash::Refuse,
                "keep" => EncodedSlash::Keep,
                other => panic!("{other}"),
            },
            unusual_bodies: UnusualBodies::default(),
            websockets: false,
            fallback_to_stable: false,
            token: self.token_rule(),
            tenant: self.tenant_rule(),
            requires_flag: None,
            bad_statuses: Box::default(),
            flag_headers: [].into(),
            sticky: sticky(&self.sticky),
            seed: seed.into(),
            shadow_seed: format!("{seed}:shadow").into(),
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            host_rewrite: None,
            timeouts: RouteTimeouts { total: Duration::from_secs(60), read: None },
            shadow: ShadowPolicy {
                methods: self.shadow_methods(),
                max_body_bytes: 1_024,
                timeout: Duration::from_secs(1),
                credentials: ShadowCredentials::Keep,
                samples: None,
            },
            compare: Arc::new(CompareRules::default()),
            limits: Limits::default(),
            noise: None,
            counters: Arc::new(RouteCounters::default()),
        }
    }

    fn shadow_methods(&self) -> Box<[Method]> {
        if self.shadow_methods.is_empty() {
            return [Method::GET, Method::HEAD].into();
        }
        methods(&self.shadow_methods)
    }

    fn conditions(&self) -> Conditions {
        let headers = self.headers.iter().map(|(name, value)| NamedMatch {
            name: name.parse().unwrap(),
            value: value_match(value),
        });
        let queries = self.query.iter().map(|(name, value)| NamedMatch {
            name: name.as_str().into(),
            value: value_match(value),
        });
        Conditions {
            hosts: self.hosts.iter().map(|host| host.parse().unwrap()).collect(),
            methods: methods(&self.methods),
            headers: headers.collect(),
            queries: queries.collect(),
            priority: self.priority,
        }
    }

    fn token_rule(&self) -> Option<TokenRule> {
        let missing = match &*self.token {
            "" => return None,
            "reject" => MissingToken::Reject,
            "pass" => MissingToken::Pass,
            other => panic!("{other}"),
        };
        Some(TokenRule { issuer: IssuerId(0), missing })
    }

    fn tenant_rule(&self) -> TenantRule {
        let source = |text: &String| {
            let (kind, name) = text.split_once(' ').unwrap();
            match kind {
                "header" => TenantSource::Header(name.parse().unwrap()),
                "query" => TenantSource::Query(name.into()),
                "cookie" => TenantSource::Cookie(name.into()),
                "path" => TenantSource::PathSegment(name.parse().unwrap()),
                "host" => TenantSource::HostLabel(name.parse().unwrap()),
                "claim" => TenantSource::Claim(name.into()),
                other => panic!("{other}"),
            }
        };
        TenantRule {
            sources: self.tenant.iter().map(source).collect(),
            missing: match &*self.missing {
                "" | "stable" => MissingTenant::Stable,
                "reject" => MissingTenant::Reject,
                id => MissingTenant::Named(id.parse().unwrap()),
            },
        }
    }
}

impl RedirectCase {
    fn build(&self, canonical: &PathMatch) -> Redirect {
        let path = self.path.as_deref().map(|path| path.parse::<Path>().unwrap());
        let rewrite = match (canonical, path) {
            (_, None) | (PathMatch::Regex(_), _) => Rewrite::Keep,
            (PathMatch::Prefix(from), Some(to)) => Rewrite::prefix(from, &to),
            (PathMatch::Exact(from), Some(to)) => Rewrite::whole(from, &to),
        };
        Redirect {
            status: self.status,
            scheme: self.scheme.clone(),
            host: self.host.clone(),
            rewrite,
        }
    }
}
