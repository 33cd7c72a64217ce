//! How is a decision told to scripts? With what it was made of.

use rules::decide::RefusalCause;
use rules::flag::{FlagId, Subject, VariantId};
use rules::route::{Family, FamilyId};
use rules::{Arm, Decision, Facts, Route, Snapshot, Verdict};
use serde_json::{Value, json};

/// A decision, with what it was made of.
pub(super) struct Account<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) facts: &'a Facts<'a>,
    pub(super) verdict: &'a Verdict,
}

impl Account<'_> {
    /// The decision for scripts.
    pub(super) fn json(&self) -> Value {
        let told = match self.verdict {
            Verdict::NoRoute => json!({"verdict": "no_route", "status": 404, "near": self.near()}),
            Verdict::Refuse(refusal) => {
                let (status, code, _) = self.refused(refusal.cause);
                json!({"verdict": "refuse", "status": status, "reason": code})
            }
            Verdict::Redirect(to) => {
                json!({"verdict": "redirect", "status": to.status, "location": to.location})
            }
            Verdict::Forward(decision) => self.forward_json(decision),
        };
        let mut told = told;
        if let (Some((route, family)), Some(fields)) = (self.place(), told.as_object_mut()) {
            let kind = if family.alias.is_some() { "alias" } else { "canonical" };
            fields.insert("route".to_owned(), route.name.as_str().into());
            fields.insert(
                "family".to_owned(),
                json!({"kind": kind, "path": family.path.to_string()}),
            );
            fields.insert("tenant".to_owned(), self.tenant(route).ok().flatten().into());
            fields.insert("trusted".to_owned(), self.facts.trusted.into());
            let flags = self.flags();
            if !flags.is_empty() {
                let one = |(name, variant, why): &(String, String, String)| {
                    (name.clone(), json!({"variant": variant, "reason": why}))
                };
                fields.insert("flags".to_owned(), flags.iter().map(one).collect());
            }
        }
        told
    }

    fn forward_json(&self, decision: &Decision) -> Value {
        let cohort = decision.cohort.and_then(|id| self.snapshot.cohort(id));
        let leg = |arm: Arm| {
            json!({
                "arm": arm.as_str(),
                "upstream": self.upstream(decision, arm),
                "path": self.path(decision, arm),
            })
        };
        let mut told = leg(decision.arm);
        if let Some(fields) = told.as_object_mut() {
            fields.insert("verdict".to_owned(), "forward".into());
            fields.insert("reason".to_owned(), decision.reason.describe(self.snapshot).into());
            fields.insert("cohort".to_owned(), cohort.map(|cohort| cohort.name.to_string()).into());
            fields.insert("shadow".to_owned(), decision.shadow.map(leg).into());
        }
        told
    }

    pub(super) fn tenant(&self, route: &Route) -> Result<Option<String>, ()> {
        route.tenant.find(self.facts).map(|id| id.map(|id| id.into_owned())).map_err(|_problem| ())
    }

    pub(super) fn place(&self) -> Option<(&Route, &Family)> {
        let (route, family): (_, FamilyId) = match self.verdict {
            Verdict::NoRoute => return None,
            Verdict::Refuse(refusal) => (refusal.route, refusal.family),
            Verdict::Redirect(to) => (to.route, to.family),
            Verdict::Forward(decision) => (decision.route, decision.family),
        };
        let route = self.snapshot.table.route(route)?;
        Some((route, route.family(family)?))
    }

    pub(super) fn upstream(&self, decision: &Decision, arm: Arm) -> String {
        let (_, family) = self.place().unzip();
        let target = family.and_then(|family| family.arm(arm));
        let id = target.map_or(decision.upstream, |target| target.upstream);
        self.snapshot.upstream(id).map(|upstream| upstream.name.to_string()).unwrap_or_default()
    }

    pub(super) fn path(&self, decision: &Decision, arm: Arm) -> String {
        let route = self.snapshot.table.route(decision.route);
        let path = route.map(|route| decision.path_on(arm, route, self.facts.path).into_owned());
        let query = self.facts.query;
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        path.unwrap_or_default() + &query
    }

    /// Routes that have this path, and what else they ask for.
    pub(super) fn near(&self) -> Vec<String> {
        let has_path = |route: &&Route| {
            route.families.iter().any(|family| family.path.matches(self.facts.path))
        };
        let routes = self.snapshot.table.routes().iter().map(AsRef::as_ref);
        routes.filter(has_path).take(5).map(|route| self.near_miss(route)).collect()
    }

    fn near_miss(&self, route: &Route) -> String {
        let conditions = &route.conditions;
        let host = self.facts.host_name().to_ascii_lowercase();
        let list = |items: Vec<String>| items.join(", ");
        let asks = if !conditions.hosts.is_empty()
            && !conditions.hosts.iter().any(|wanted| wanted.matches(&host))
        {
            format!("host {}", list(conditions.hosts.iter().map(ToString::to_string).collect()))
        } else if !conditions.methods.is_empty() && !conditions.methods.contains(self.facts.method)
        {
            format!("method {}", list(conditions.methods.iter().map(ToString::to_string).collect()))
        } else {
            let headers = conditions.headers.iter().map(|wanted| format!("header {}", wanted.name));
            let queries = conditions.queries.iter().map(|wanted| format!("query {}", wanted.name));
            list(headers.chain(queries).collect())
        };
        format!("route {} has this path and asks for {asks}", route.name)
    }
}

impl Account<'_> {
    /// The status, the code and the words for a refusal.
    pub(super) fn refused(&self, cause: RefusalCause) -> (u16, String, String) {
        if let RefusalCause::FlagRequired(flag, variant) = cause {
            return self.closed(flag, variant);
        }
        let (status, code, words) = refused(cause);
        (status, code.to_owned(), words.to_owned())
    }

    fn closed(&self, flag: FlagId, variant: VariantId) -> (u16, String, String) {
        let definition = self.snapshot.flags.get(flag).map(|flag| &*flag.definition);
        let (name, variant) = definition.map_or(("?", "?"), |definition| {
            let variant = definition.variant(variant);
            (definition.name.as_str(), variant.map_or("?", |variant| &variant.name))
        });
        let route = self.place().map(|(route, _)| route);
        let gate = route.and_then(|route| route.requires_flag.as_ref());
        let (status, code) = gate.map_or((403, "flag_required"), |gate| (gate.status, &*gate.code));
        let why = self.evaluated(flag).map(|(_, why)| format!(" ({why})")).unwrap_or_default();
        (status, code.to_owned(), format!("flag {name} gives {variant}{why}"))
    }

    /// A flag's variant for the request's tenant, and why.
    pub(super) fn evaluated(&self, flag: FlagId) -> Option<(String, String)> {
        let (route, _) = self.place()?;
        let tenant = self.tenant(route).ok().flatten();
        let known = tenant.as_deref().and_then(|tenant| self.snapshot.tenants.get(tenant));
        let cohorts = known.map_or(&[][..], |tenant| &tenant.cohorts);
        let subject = Subject { tenant: tenant.as_deref(), cohorts };
        let found = self.snapshot.flags.evaluate(flag, subject)?;
        Some((found.variant.name.to_string(), found.reason.to_string()))
    }

    /// The flags that the route asks for or tells: name, variant and why.
    pub(super) fn flags(&self) -> Vec<(String, String, String)> {
        let Some((route, _)) = self.place() else { return Vec::new() };
        let told = route.flag_headers.iter().map(|header| header.flag);
        let ids = route.requires_flag.iter().map(|gate| gate.flag).chain(told);
        let mut flags: Vec<(String, String, String)> = Vec::new();
        for id in ids {
            let name = self.snapshot.flags.get(id).map(|flag| flag.definition.name.to_string());
            if let (Some(name), Some((variant, why))) = (name, self.evaluated(id))
                && flags.iter().all(|(known, ..)| *known != name)
            {
                flags.push((name, variant, why));
            }
        }
        flags
    }
}

const fn refused(cause: RefusalCause) -> (u16, &'static str, &'static str) {
    match cause {
        RefusalCause::FlagRequired(..) => (403, "flag_required", "the tenant lacks a flag"),
        RefusalCause::TenantMissing => {
            (400, "tenant_missing", "the route rejects requests without a tenant")
        }
        RefusalCause::TenantInvalid => {
            (400, "tenant_invalid", "the tenant's id is malformed or given twice")
        }
        RefusalCause::TenantDisagreement => {
            (403, "tenant_disagreement", "the token names another tenant than another place does")
        }
        RefusalCause::TokenMissing => {
            (401, "token_missing", "the route takes requests with a token only: see --claim")
        }
        RefusalCause::TokenRefused(_) => (401, "token_invalid", "the token proves nothing"),
        RefusalCause::TenantReadOnly => {
            (503, "tenant_read_only", "the tenant is locked for writes")
        }
        RefusalCause::TenantBlocked => (503, "tenant_blocked", "the tenant is locked"),
        RefusalCause::AliasGone => (410, "alias_gone", "the alias is past its sunset"),
        RefusalCause::EncodedSlash => (
            400,
            "bad_path",
            "the path holds `%2F`, and the route does not say `encoded_slash: keep`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::Style;
    use config::{Source, compile, starting_live};
    use http::{HeaderMap, HeaderValue, Method};
    use rules::Bucket;
    use std::sync::Arc;

    const FILE: &str = r#"
tenants: {acme: {residency: AF}}
cohorts: {africa: {attribute: {residency: AF}}}
upstreams:
  old: {targets: [{address: "127.0.0.1:1"}]}
  new: {targets: [{address: "127.0.0.1:2"}]}
  fresh: {targets: [{address: "127.0.0.1:3"}]}
routes:
  beside:
    canonical: /beside
    stable: {upstream: old, path: /old}
    candidate: {upstream: new}
    baseline: {upstream: fresh, share: 50%}
    tenant: {header: X-Tenant-Id}
    seed: sms
    start: {share: 5%}
  sms:
    hosts: [api.example.org]
    canonical: /v1/sms
    aliases: [{path: /v1/messaging, deprecated: 2026-01-31, sunset: 2027-03-31}]
    after_sunset: gone
    methods: [GET]
    stable: {upstream: old, path: /old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id, missing: reject}
    start: {share: 5%, shadow: 100%}
  moved: {canonical: /moved, redirect: {path: /there, status: 308}}
  report:
    canonical: /report
    stable: {upstream: old}
    tenant: {header: X-Tenant-Id}
    requires_flag: {flag: report, status: 404, code: no_such_report}
    flag_headers: [report, size]
flags: {report: {start: {share: 50%}}, size: {variants: {small: 1, large: 2}, off: small}}
"#;

    fn told(
        method: &Method,
        path: &str,
        tenant: Option<&'static str>,
        trusted: bool,
        now: i64,
    ) -> (Value, String) {
        let source =
            Source { text: FILE, name: "t.yaml", base: std::path::Path::new("."), env: &|_| None };
        let document = Arc::new(config::read(&source).unwrap());
        let live = starting_live(&document, &config::Live::default());
        let compiled = compile(&document, &live, rules::snapshot::Revision(1), None, now).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(tenant) = tenant {
            headers.insert("x-tenant-id", HeaderValue::from_static(tenant));
        }
        let facts = Facts {
            method,
            host: "api.example.org:80",
            path,
            query: "x=1",
            headers: &headers,
            client: [192, 0, 2, 1].into(),
            trusted,
            token: rules::token::Token::Missing,
            request_id: "7",
            now_unix: now,
        };
        let verdict = rules::decide(&compiled.snapshot, &facts);
        let account = Account { snapshot: &compiled.snapshot, facts: &facts, verdict: &verdict };
        (account.json(), account.text(Style::PLAIN))
    }

    #[test]
    fn a_forwarded_request_says_where_and_why() {
        let (json, text) = told(&Method::GET, "/v1/messaging/7", Some("acme"), true, 0);
        assert_eq!(
            json,
            json!({
                "verdict": "forward", "route": "sms", "family": {"kind": "alias", "path": "/v1/messaging"},
                "tenant": "acme", "cohort": "africa", "trusted": true,
                "arm": "stable", "upstream": "old", "path": "/old/7?x=1", "reason": "bucket 9021 >= 500",
                "shadow": {"arm": "candidate", "upstream": "new", "path": "/v1/sms/7?x=1"},
            })
        );
        let expected = "\
request  GET api.example.org:80/v1/messaging/7?x=1, through a trusted proxy, id 7
route    sms, alias /v1/messaging of /v1/sms, sunset 2027-03-31
tenant   acme, of africa
goes to  stable, upstream old /old/7?x=1
because  bucket 9021 >= 500: the route's shift is a canary, and the key is beyond the first 5%
copy to  candidate, upstream new /v1/sms/7?x=1
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_baseline_is_told_with_its_share() {
        let (json, text) = told(&Method::GET, "/beside/7", Some("acme"), true, 0);
        assert_eq!(
            (&json["arm"], &json["upstream"], &json["path"], &json["reason"]),
            (
                &json!("baseline"),
                &json!("fresh"),
                &json!("/old/7?x=1"),
                &json!("baseline bucket 9021 >= 5000")
            )
        );
        assert!(text.contains("goes to  baseline, upstream fresh /old/7?x=1"), "{text}");
        let because =
            "the route's shift is a canary, and the key is among the last 50%, the baseline's";
        assert!(text.contains(because), "{text}");
    }

    #[test]
    fn what_is_not_forwarded_says_why() {
        const AFTER_SUNSET: i64 = 1_900_000_000;
        let get = |path, tenant, now| told(&Method::GET, path, tenant, true, now);
        for ((json, text), verdict, status, says) in [
            (get("/v1/sms", None, 0), "refuse", 400, "400 tenant_missing: the route rejects"),
            (get("/v1/sms", Some("a b"), 0), "refuse", 400, "tenant   cannot be told"),
            (
                get("/v1/messaging", Some("a"), AFTER_SUNSET),
                "refuse",
                410,
                "sunset since 2027-03-31",
            ),
            (get("/moved", None, 0), "redirect", 308, "308 to /there?x=1"),
            (get("/nowhere", None, 0), "no_route", 404, "404: no route matches"),
            (
                told(&Method::PUT, "/v1/sms", None, true, 0),
                "no_route",
                404,
                "route sms has this path and asks for method GET",
            ),
        ] {
            assert_eq!(
                (&json["verdict"], &json["status"]),
                (&json!(verdict), &json!(status)),
                "{text}"
            );
            assert!(text.contains(says), "{says}: {text}");
        }
    }

    #[test]
    fn flags_are_told_as_they_are_evaluated() {
        let (mut had, mut lacked) = (0, 0);
        for tenant in ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"] {
            let within = Bucket::of("report", tenant).is_within("50%".parse().unwrap());
            let (json, text) = told(&Method::GET, "/report", Some(tenant), true, 0);
            let variant = if within { "on" } else { "off" };
            assert_eq!(json["flags"]["report"]["variant"], variant, "{json}");
            assert_eq!(json["flags"]["size"], json!({"variant": "small", "reason": "default"}));
            if within {
                had += 1;
                assert_eq!(json["verdict"], "forward");
                assert!(text.contains("flag     report: on, bucket "), "{text}");
            } else {
                lacked += 1;
                assert_eq!(
                    (&json["status"], &json["reason"]),
                    (&json!(404), &json!("no_such_report"))
                );
                assert!(
                    text.contains("404 no_such_report: flag report gives off (bucket "),
                    "{text}"
                );
            }
        }
        assert!(had > 0 && lacked > 0);
    }

    #[test]
    fn a_header_that_is_not_believed_is_named() {
        let (_, text) = told(&Method::GET, "/v1/sms", Some("acme"), false, 0);
        assert!(text.contains("x-tenant-id is believed only from trusted_proxies"), "{text}");
    }
}
