//! How is a decision told to people?

use rules::cohort::Told;
use rules::decide::Pick;
use rules::facts::Occurrence;
use rules::route::Family;
use rules::shift::{Scope, Stage};
use rules::tenant::TenantSource;
use rules::{Arm, Decision, Facts, Route, Verdict};

use super::super::out::{Style, Tone};
use super::account::Account;

/// The lines of an account: a name and what is said of it.
type Lines = Vec<(&'static str, String)>;

impl Account<'_> {
    /// The decision in words.
    pub(super) fn text(&self, style: Style) -> String {
        let mut lines: Lines = vec![("request", self.request())];
        if let Some((route, family)) = self.place() {
            lines.push(("route", self.route_line(route, family)));
            lines.push(("tenant", self.tenant_line(route)));
            lines.extend(self.told_lines());
            let flags = self.flags().into_iter();
            lines.extend(
                flags.map(|(name, variant, why)| ("flag", format!("{name}: {variant}, {why}"))),
            );
        }
        match self.verdict {
            Verdict::NoRoute => {
                lines.push(("answer", "404: no route matches".to_owned()));
                lines.extend(self.near().into_iter().map(|near| ("but", near)));
            }
            Verdict::Refuse(refusal) => {
                let (status, code, words) = self.refused(refusal.cause);
                lines.push(("answer", format!("{status} {code}: {words}")));
            }
            Verdict::Redirect(to) => {
                lines.push(("answer", format!("{} to {}", to.status, to.location)));
            }
            Verdict::Forward(decision) => self.forward_lines(decision, &mut lines),
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let line = |(name, said): &(&str, String)| {
            format!("{}  {said}\n", style.paint(Tone::Strong, &format!("{name:<width$}")))
        };
        lines.iter().map(line).collect()
    }

    fn forward_lines(&self, decision: &Decision, lines: &mut Lines) {
        let leg = |arm: Arm| {
            format!(
                "{arm}, upstream {} {}",
                self.upstream(decision, arm),
                self.path(decision, arm),
                arm = arm.as_str()
            )
        };
        lines.push(("goes to", leg(decision.arm)));
        let reason = decision.reason.describe(self.snapshot);
        lines.push(("because", format!("{reason}: {}", self.in_words(decision))));
        lines.push(("copy to", decision.shadow.map_or_else(|| "nobody".to_owned(), leg)));
    }

    fn request(&self) -> String {
        let Facts { method, host, path, query, .. } = self.facts;
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        let from =
            if self.facts.trusted { "a trusted proxy" } else { "a client that is not trusted" };
        format!("{method} {host}{path}{query}, through {from}, id {}", self.facts.request_id)
    }

    fn route_line(&self, route: &Route, family: &Family) -> String {
        let canonical = route.families.first().map(|first| first.path.to_string());
        let canonical = canonical.unwrap_or_default();
        let Some(alias) = &family.alias else {
            return format!("{}, canonical {canonical}", route.name);
        };
        let day = |unix: i64| {
            jiff::Timestamp::from_second(unix)
                .map(|at| at.strftime("%Y-%m-%d").to_string())
                .unwrap_or_default()
        };
        let sunset = match alias.sunset_unix {
            Some(sunset) if sunset <= self.facts.now_unix => {
                format!(", sunset since {}", day(sunset))
            }
            Some(sunset) => format!(", sunset {}", day(sunset)),
            None => String::new(),
        };
        format!("{}, alias {} of {canonical}{sunset}", route.name, family.path)
    }

    fn tenant_line(&self, route: &Route) -> String {
        let ignored = route.tenant.sources.iter().find_map(|source| match source {
            TenantSource::Header(name) if !self.facts.trusted => {
                (self.facts.header(name) != Occurrence::Missing).then_some(name)
            }
            _ => None,
        });
        let note = ignored
            .map(|name| format!("; {name} is believed only from trusted_proxies: see --trusted"));
        let said = match self.tenant(route) {
            Err(()) => "cannot be told".to_owned(),
            Ok(None) if route.tenant.sources.is_empty() => "not looked for".to_owned(),
            Ok(None) => "none".to_owned(),
            Ok(Some(id)) => self.known(&id),
        };
        said + &note.unwrap_or_default()
    }

    /// The cohorts that the request's headers tell, or would tell.
    fn told_lines(&self) -> Lines {
        let line = |told: &Told| {
            let (name, header) = (&self.snapshot.cohort(told.cohort)?.name, &told.header);
            if told.holds(self.facts) {
                return Some(("cohort", format!("{name}, by {header}")));
            }
            let is_ignored = !self.facts.trusted && self.facts.headers.contains_key(header);
            let note = format!("{header} is believed only from trusted_proxies: see --trusted");
            is_ignored.then(|| ("cohort", format!("perhaps {name}; {note}")))
        };
        self.snapshot.told.iter().filter_map(line).collect()
    }

    /// A tenant, with the cohorts it belongs to.
    fn known(&self, id: &str) -> String {
        let tenant = self.snapshot.tenants.get(id);
        let cohorts = tenant.map_or(&[][..], |tenant| &tenant.cohorts);
        let names: Vec<_> = cohorts
            .iter()
            .filter_map(|cohort| Some(self.snapshot.cohort(*cohort)?.name.to_string()))
            .collect();
        if names.is_empty() { id.to_owned() } else { format!("{id}, of {}", names.join(", ")) }
    }

    fn in_words(&self, decision: &Decision) -> String {
        let whose = match decision.reason.scope {
            Scope::Tenant => "the tenant's own shift".to_owned(),
            Scope::Cohort(id) => {
                let cohort = self.snapshot.cohort(id);
                format!("the shift of cohort {}", cohort.map_or("?", |cohort| cohort.name.as_str()))
            }
            Scope::Route => "the route's shift".to_owned(),
        };
        match decision.reason.pick {
            Pick::NoCandidate => "the route has no candidate".to_owned(),
            Pick::Override => "a trusted peer asks for this arm".to_owned(),
            Pick::NoTenant => "requests without a tenant stay on stable".to_owned(),
            Pick::AllStable(Stage::Shadow) => format!("{whose} only copies"),
            Pick::AllStable(_) => format!("{whose} keeps all on stable"),
            Pick::AllCandidate => format!("{whose} has all on the candidate"),
            Pick::NoKey => {
                format!("{whose} is a canary, and what makes a request sticky is not in this one")
            }
            Pick::Baseline(_, share) => {
                format!(
                    "{whose} is a canary, and the key is among the last {share}, the baseline's"
                )
            }
            Pick::Bucket(bucket, share) => {
                let within = if bucket.is_within(share) { "within" } else { "beyond" };
                format!("{whose} is a canary, and the key is {within} the first {share}")
            }
        }
    }
}
