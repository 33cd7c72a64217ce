//! Which tenants move together, and which requests?

use std::borrow::Cow;

use http::HeaderName;

use crate::CohortName;
use crate::facts::Facts;

/// A cohort's place in the order the configuration writes them: the smaller comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CohortId(pub u32);

/// A named set of tenants, known from [`crate::tenant::Tenant::cohorts`]; or of requests, known from [`Told`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cohort {
    /// Its name.
    pub name: CohortName,
}

/// A cohort that a header of each request tells, which is believed only from `trusted_proxies`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The cohort.
    pub cohort: CohortId,
    /// The header.
    pub header: HeaderName,
    /// What it must say.
    pub says: Says,
}

/// What a header must say, to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// This among others, parted by commas; several fields are one list (RFC 9110 section 5.3).
    Has(Box<str>),
    /// This and nothing else, in one field.
    Is(Box<str>),
}

impl Told {
    /// Whether a request belongs to the cohort.
    #[must_use]
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        if !facts.trusted {
            return false;
        }
        let mut fields = facts.headers.get_all(&self.header).iter().map(|field| field.as_bytes());
        match &self.says {
            Says::Has(wanted) => fields
                .flat_map(|field| field.split(|byte| *byte == b','))
                .any(|member| member.trim_ascii() == wanted.as_bytes()),
            Says::Is(wanted) => {
                fields.next().is_some_and(|field| field.trim_ascii() == wanted.as_bytes())
                    && fields.next().is_none()
            }
        }
    }
}

/// The cohorts of a request: those of its tenant and those that its headers tell, in the order the configuration writes
/// them. Nothing is allocated where no header tells any.
#[must_use]
pub fn of_request<'t>(
    told: &[Told],
    facts: &Facts<'_>,
    of_tenant: &'t [CohortId],
) -> Cow<'t, [CohortId]> {
    let mut holding = told.iter().filter(|told| told.holds(facts)).map(|told| told.cohort);
    let Some(first) = holding.next() else { return Cow::Borrowed(of_tenant) };
    let mut all: Vec<CohortId> = of_tenant.iter().copied().chain([first]).chain(holding).collect();
    all.sort_unstable();
    Cow::Owned(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method};

    const GROUPS: HeaderName = HeaderName::from_static("x-consumer-groups");

    fn asked<T>(fields: &[&str], trusted: bool, ask: impl Fn(&Facts<'_>) -> T) -> T {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(GROUPS, HeaderValue::from_str(field).unwrap());
        }
        ask(&Facts {
            method: &Method::GET,
            host: "h",
            path: "/",
            query: "",
            headers: &headers,
            client: [127, 0, 0, 1].into(),
            trusted,
            token: crate::token::Token::Missing,
            request_id: "",
            now_unix: 0,
        })
    }

    fn told(cohort: u32, says: Says) -> Told {
        Told { cohort: CohortId(cohort), header: GROUPS, says }
    }

    #[test]
    fn a_header_tells_a_cohort_to_the_letter_where_it_is_believed() {
        // (fields, it has `beta`, it is `beta`)
        for (fields, has, is) in [
            (&[][..], false, false),
            (&["beta"], true, true),
            (&["  beta\t"], true, true),
            (&["gold, beta ,x"], true, false),
            (&["gold", "x,beta"], true, false),
            (&["beta", "beta"], true, false),
            (&["beta,"], true, false),
            (&["Beta"], false, false),
            (&["betas, alpha beta, \"beta\""], false, false),
            (&[""], false, false),
        ] {
            for (says, holds) in [(Says::Has("beta".into()), has), (Says::Is("beta".into()), is)] {
                let told = told(0, says);
                assert_eq!(asked(fields, true, |facts| told.holds(facts)), holds, "{fields:?}");
                assert!(!asked(fields, false, |facts| told.holds(facts)), "{fields:?}");
            }
        }
    }

    #[test]
    fn cohorts_of_tenants_and_requests_stand_in_one_order() {
        let all = [told(1, Says::Has("b".into())), told(3, Says::Has("d".into()))];
        let ids = |places: &[u32]| places.iter().copied().map(CohortId).collect::<Vec<_>>();
        for (fields, of_tenant, expected) in [
            ("", &[0, 2][..], &[0, 2][..]),
            ("b", &[0, 2], &[0, 1, 2]),
            ("d,b", &[2], &[1, 2, 3]),
            ("d", &[], &[3]),
        ] {
            let of_tenant = ids(of_tenant);
            let found = asked(&[fields], true, |facts| of_request(&all, facts, &of_tenant));
            assert_eq!(found, ids(expected), "{fields}");
        }
    }
}
