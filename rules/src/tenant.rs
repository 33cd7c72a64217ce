//! Whose request is it? Where a tenant's id comes from, and what is known of tenants.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use http::HeaderName;

use crate::cohort::CohortId;
use crate::facts::{Facts, Occurrence};
use crate::{TenantId, is_tenant_id};

/// A place in a request where a tenant's id may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSource {
    /// A header; believed only from `trusted_proxies`.
    Header(HeaderName),
    /// The path's segment at this index, counted from 0.
    PathSegment(usize),
    /// The host's label at this index, counted from 0 on the left; in lower case.
    HostLabel(usize),
    /// A query parameter.
    Query(Box<str>),
    /// A cookie.
    Cookie(Box<str>),
    /// A claim of the verified token.
    Claim(Box<str>),
}

/// What happens to a request without a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MissingTenant {
    /// It is served by the stable arm.
    #[default]
    Stable,
    /// It is refused with 400.
    Reject,
    /// It belongs to this tenant.
    Named(TenantId),
}

/// How a route finds the tenant of a request; the first source that yields one wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantRule {
    /// Where to look, in this order. Empty: the route knows no tenants.
    pub sources: Box<[TenantSource]>,
    /// What happens where none is found.
    pub missing: MissingTenant,
}

/// Why a request's tenant cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantProblem {
    /// No source yields a tenant, and the route rejects such requests.
    Missing,
    /// What stands there is not a tenant's id, or there is more than one.
    Invalid,
    /// The token names one tenant and another place another.
    Disagreement,
}

impl TenantRule {
    /// The tenant's id in this request; none where the route knows no tenants or lets the stable arm serve strangers.
    ///
    /// # Errors
    /// When the id is malformed or ambiguous, missing where the route rejects that, or not the one that the token names.
    pub fn find<'r>(&'r self, facts: &Facts<'r>) -> Result<Option<Cow<'r, str>>, TenantProblem> {
        for source in &self.sources {
            match source.value(facts) {
                Occurrence::Missing => {}
                Occurrence::One(id) if is_tenant_id(&id) => return self.agreed(id, facts),
                Occurrence::One(_) | Occurrence::Ambiguous => return Err(TenantProblem::Invalid),
            }
        }
        match &self.missing {
            MissingTenant::Named(tenant) => Ok(Some(Cow::Borrowed(tenant.as_str()))),
            MissingTenant::Reject if !self.sources.is_empty() => Err(TenantProblem::Missing),
            MissingTenant::Reject | MissingTenant::Stable => Ok(None),
        }
    }

    /// The id, unless a claim is among the sources and any of them names another: who signs a request in and whatever else
    /// says whose it is must mean the same tenant.
    fn agreed<'r>(
        &'r self,
        id: Cow<'r, str>,
        facts: &Facts<'r>,
    ) -> Result<Option<Cow<'r, str>>, TenantProblem> {
        if !self.sources.iter().any(|source| matches!(source, TenantSource::Claim(_))) {
            return Ok(Some(id));
        }
        let mut others = self.sources.iter().map(|source| source.value(facts));
        let agree = others.all(|other| match other {
            Occurrence::Missing => true,
            Occurrence::One(other) => other == id,
            Occurrence::Ambiguous => false,
        });
        if agree { Ok(Some(id)) } else { Err(TenantProblem::Disagreement) }
    }

    /// The headers among the sources.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.sources.iter().filter_map(|source| match source {
            TenantSource::Header(name) => Some(name),
            TenantSource::PathSegment(_)
            | TenantSource::HostLabel(_)
            | TenantSource::Query(_)
            | TenantSource::Cookie(_)
            | TenantSource::Claim(_) => None,
        })
    }
}

impl TenantSource {
    fn value<'r>(&self, facts: &Facts<'r>) -> Occurrence<Cow<'r, str>> {
        let present = |text: Option<&'r str>| {
            text.map_or(Occurrence::Missing, |text| Occurrence::One(Cow::Borrowed(text)))
        };
        match self {
            Self::Header(name) if facts.trusted => facts.header(name),
            Self::Header(_) => Occurrence::Missing,
            Self::PathSegment(index) => present(facts.path_segment(*index)),
            Self::HostLabel(index) => match facts.host_name().split('.').nth(*index) {
                // Hosts have no case: spelled otherwise, a tenant would pass its own lock by.
                Some(label) if label.bytes().any(|b| b.is_ascii_uppercase()) => {
                    Occurrence::One(Cow::Owned(label.to_ascii_lowercase()))
                }
                label => present(label),
            },
            Self::Query(name) => facts.query_parameter(name),
            Self::Cookie(name) => facts.cookie(name),
            Self::Claim(name) => facts.claim(name),
        }
    }
}

/// What a tenant may do while its data is being moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lock {
    /// Unsafe methods are refused with 503; safe ones pass.
    ReadOnly,
    /// Everything is refused with 503.
    Blocked,
}

/// What is known of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tenant {
    /// Whether the configuration names it: only those may be seen in a metric or a log.
    pub named: bool,
    /// Its lock, if any.
    pub lock: Option<Lock>,
    /// The cohorts it belongs to, in the order the configuration writes them.
    pub cohorts: Box<[CohortId]>,
}

/// All tenants that anything is known of, by id. Others are strangers: no lock, no cohort, no label.
pub type Tenants = HashMap<TenantId, Tenant>;

/// A print of a tenant's id: the same for the same id, and of no use for finding it.
pub(crate) fn print_of(tenant: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    tenant.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method};

    #[test]
    fn the_first_source_that_yields_an_id_wins() {
        let rule =
            |sources: &[TenantSource], missing| TenantRule { sources: sources.into(), missing };
        let header = TenantSource::Header(HeaderName::from_static("x-tenant-id"));
        let label = TenantSource::HostLabel(0);
        let segment = TenantSource::PathSegment(1);
        let query = TenantSource::Query("tenant".into());
        let cookie = TenantSource::Cookie("tid".into());
        let named = MissingTenant::Named("house".parse().unwrap());
        let ok = |id: &'static str| Ok(Some(Cow::Borrowed(id)));
        let (stable, reject) = (MissingTenant::Stable, MissingTenant::Reject);

        // (rule, header value, trusted, what is found)
        let cases = [
            (
                rule(&[header.clone(), label.clone()], stable.clone()),
                Some("acme"),
                true,
                ok("acme"),
            ),
            (rule(&[header.clone(), label.clone()], stable.clone()), Some("acme"), false, ok("t9")),
            (rule(&[header.clone(), label], stable.clone()), None, true, ok("t9")),
            (rule(&[segment], stable.clone()), None, true, ok("clinic")),
            (rule(&[query], stable.clone()), None, true, ok("q1")),
            (rule(&[cookie], stable.clone()), None, true, ok("c1")),
            (
                rule(std::slice::from_ref(&header), stable.clone()),
                Some("a b"),
                true,
                Err(TenantProblem::Invalid),
            ),
            (rule(std::slice::from_ref(&header), stable), None, true, Ok(None)),
            (
                rule(std::slice::from_ref(&header), reject.clone()),
                None,
                true,
                Err(TenantProblem::Missing),
            ),
            (rule(&[header], named), None, true, ok("house")),
            (rule(&[], reject), None, true, Ok(None)),
        ];
        for (rule, value, trusted, found) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", HeaderValue::from_static("tid=c1"));
            if let Some(value) = value {
                headers.insert("x-tenant-id", HeaderValue::from_static(value));
            }
            let facts = Facts {
                method: &Method::GET,
                host: "t9.example.org",
                path: "/t/clinic/x",
                query: "tenant=q1",
                headers: &headers,
                client: [127, 0, 0, 1].into(),
                trusted,
                token: crate::token::Token::Missing,
                request_id: "",
                now_unix: 0,
            };
            assert_eq!(rule.find(&facts), found, "{rule:?}");
        }
    }

    #[test]
    fn a_host_names_the_same_tenant_however_it_is_spelled() {
        let rule = TenantRule {
            sources: [TenantSource::HostLabel(0)].into(),
            missing: MissingTenant::Stable,
        };
        for host in ["t9.example.org", "T9.Example.ORG:80"] {
            let facts = Facts {
                method: &Method::GET,
                host,
                path: "/",
                query: "",
                headers: &HeaderMap::new(),
                client: [127, 0, 0, 1].into(),
                trusted: false,
                token: crate::token::Token::Missing,
                request_id: "",
                now_unix: 0,
            };
            assert_eq!(rule.find(&facts), Ok(Some(Cow::Borrowed("t9"))), "{host}");
        }
    }

    #[test]
    fn two_tenant_headers_are_invalid() {
        let name = HeaderName::from_static("x-tenant-id");
        let rule = TenantRule {
            sources: [TenantSource::Header(name.clone())].into(),
            missing: MissingTenant::Stable,
        };
        let mut headers = HeaderMap::new();
        headers.append(&name, HeaderValue::from_static("a"));
        headers.append(&name, HeaderValue::from_static("a"));
        let facts = Facts {
            method: &Method::GET,
            host: "h",
            path: "/",
            query: "",
            headers: &headers,
            client: [127, 0, 0, 1].into(),
            trusted: true,
            token: crate::token::Token::Missing,
            request_id: "",
            now_unix: 0,
        };
        assert_eq!(rule.find(&facts), Err(TenantProblem::Invalid));
    }
}
