//! How does one route stand? Everything that is known of it.

use std::collections::BTreeMap;

use super::super::answer::{AliasAnswer, ArmAnswer, NamedShift, RouteAnswer};
use super::super::out::{Style, Tone, cell, number, rendered};
use super::super::revisions::time;
use super::figures::{count, milliseconds, percent, whole};
use super::routes::{self, measured, stage_tone};

/// Everything about one route.
pub(super) fn text(route: &RouteAnswer, style: Style) -> String {
    let upstream = |arm: &Option<_>| {
        let named = arm.as_ref().map(|arm: &super::super::answer::ArmUpstream| &*arm.upstream);
        named.unwrap_or("none").to_owned()
    };
    let hosts =
        if route.hosts.is_empty() { "every host".to_owned() } else { route.hosts.join(", ") };
    let mut text = format!(
        "{}  {} on {hosts}\nstable {}, candidate {}\n\n",
        style.paint(Tone::Strong, &route.name),
        route.canonical,
        upstream(&route.stable),
        upstream(&route.candidate),
    );
    text.push_str(&routes::table(std::iter::once(route), style));
    text.push_str(&since_start(route));
    text.push_str(&own_shifts(route, style));
    text.push_str(&aliases(&route.aliases, style));
    text
}

fn since_start(route: &RouteAnswer) -> String {
    let mut lines = String::new();
    for (name, arm) in [("stable", &route.sli.stable), ("candidate", &route.sli.candidate)] {
        if arm.requests > 0 {
            lines.push_str(&format!("{name:<10}{}\n", totals(arm)));
        }
    }
    let shadowed: u64 = route.shadowed.values().sum();
    if shadowed > 0 {
        lines.push_str(&format!("{:<10}{}\n", "copies", counts(&route.shadowed)));
    }
    let parity = &route.parity;
    if parity.compared > 0 {
        let compared = whole(parity.compared);
        let ratio = percent(whole(parity.mismatched) / compared);
        lines.push_str(&format!(
            "{:<10}{ratio} of {} compared differ: turnout signatures {}\n",
            "parity",
            count(compared),
            route.name
        ));
    }
    if parity.not_comparable.values().any(|number| *number > 0) {
        let reasons = counts(&parity.not_comparable);
        lines.push_str(&format!("{:<10}not comparable: {reasons}\n", ""));
    }
    if lines.is_empty() { lines } else { format!("\nsince start\n{lines}") }
}

fn totals(arm: &ArmAnswer) -> String {
    let requests = whole(arm.requests);
    let errors = percent(whole(arm.errors) / requests);
    let mut said = format!("{} requests, {errors} failed", count(requests));
    for (number, what) in
        [(arm.fallbacks, "served by stable instead"), (arm.overridden, "by a tester's choice")]
    {
        if number > 0 {
            said.push_str(&format!(", {} {what}", count(whole(number))));
        }
    }
    if let Some(p99) = arm.p99_ms {
        said.push_str(&format!("; p99 of the last 10 s {}", milliseconds(p99)));
    }
    said
}

/// What was counted, without what never happened.
fn counts(counts: &BTreeMap<String, u64>) -> String {
    let words = counts.iter().filter(|(_, number)| **number > 0);
    words
        .map(|(name, number)| format!("{} {}", name.replace('_', " "), count(whole(*number))))
        .collect::<Vec<_>>()
        .join(", ")
}

fn own_shifts(route: &RouteAnswer, style: Style) -> String {
    if route.cohorts.is_empty() && route.tenants.first.is_empty() {
        return String::new();
    }
    let mut table = style.table(&["WHO", "TRAFFIC", "CANDIDATE", "ERRORS", "P95"]);
    for cohort in &route.cohorts {
        let mut row = shift_cells("cohort", cohort);
        let measured_for = route.sli.cohorts.iter().find(|sli| sli.name == cohort.name);
        if let Some(sli) = measured_for {
            let all = sli.stable.window_requests + sli.candidate.window_requests;
            row.extend(measured(&sli.candidate, all, style));
        }
        table.add_row(row);
    }
    for tenant in &route.tenants.first {
        table.add_row(shift_cells("tenant", tenant));
    }
    let shown = u64::try_from(route.tenants.first.len()).unwrap_or(u64::MAX);
    let more = match route.tenants.count.saturating_sub(shown) {
        0 => String::new(),
        more => format!("and {} more tenants\n", count(whole(more))),
    };
    format!("\n{}{more}", rendered(&table))
}

fn shift_cells(what: &str, named: &NamedShift) -> Vec<comfy_table::Cell> {
    vec![
        cell(Tone::Plain, format!("{what} {}", named.name)),
        cell(stage_tone(&named.shift.stage), named.shift.in_one_line()),
    ]
}

fn aliases(aliases: &[AliasAnswer], style: Style) -> String {
    if aliases.is_empty() {
        return String::new();
    }
    let mut table = style.table(&["ALIAS", "SUNSET", "REQUESTS", "LAST SEEN"]);
    for alias in aliases {
        let seen = alias.last_seen.as_ref().map(time).filter(|seen| !seen.is_empty());
        let sunset = alias.sunset.as_ref().map(time).filter(|sunset| !sunset.is_empty());
        let sunset = sunset.map(|sunset| sunset.trim_end_matches(" 00:00:00Z").to_owned());
        table.add_row([
            cell(Tone::Plain, &alias.path),
            cell(Tone::Plain, sunset.as_deref().unwrap_or("-")),
            number(Tone::Plain, count(whole(alias.requests))),
            cell(Tone::Plain, seen.as_deref().unwrap_or("never")),
        ]);
    }
    format!("\n{}", rendered(&table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_about_a_route_is_shown() {
        let route: RouteAnswer = serde_json::from_value(json!({
            "name": "sms", "canonical": "/v1/sms", "hosts": ["api.example.org"],
            "stable": {"upstream": "old"}, "candidate": {"upstream": "new"},
            "stage": "shadow", "share": "0%", "shadow": "100%", "reverse_shadow": "10%",
            "cohorts": [{"name": "africa", "stage": "live", "share": "100%", "shadow": "0%"}],
            "tenants": {"count": 120, "first": [{"tenant": "acme", "stage": "canary", "share": "5%", "shadow": "100%"}]},
            "aliases": [{"path": "/v1/messaging", "sunset": "2027-03-31T00:00:00Z", "requests": 1200, "last_seen": "2026-11-21T02:15:00Z"},
                        {"path": "/sms", "requests": 0}],
            "sli": {"stable": {"requests": 2000, "errors": 10, "p99_ms": 40.0, "window_requests": 1000, "rate_per_s": 100.0, "error_ratio": 0.005, "p95_ms": 20.0},
                    "candidate": {},
                    "cohorts": [{"name": "africa", "stable": {}, "candidate": {"requests": 60, "window_requests": 60, "rate_per_s": 6.0, "error_ratio": 0.0, "p95_ms": 9.0}}]},
            "shadowed": {"answered": 1990, "failed": 0, "shed": 10},
            "parity": {"compared": 1990, "matched": 1990, "mismatched": 0, "not_comparable": {"shed": 10, "oversize": 0}},
        }))
        .unwrap();
        let expected = "\
sms  /v1/sms on api.example.org
stable old, candidate new

ROUTE  TRAFFIC                 ARM        SPLIT                     ERRORS          P95    MISMATCH
sms    shadow 100%             stable     ██████████ 100% of 1,000  0.50% of 1,000  20 ms  0% of 1,990
       reverse 10%             candidate  ░░░░░░░░░░ 0% of 1,000    -               -
       +1 cohort +120 tenants

since start
stable    2,000 requests, 0.50% failed; p99 of the last 10 s 40 ms
copies    answered 1,990, shed 10
parity    0% of 1,990 compared differ: turnout signatures sms
          not comparable: shed 10

WHO            TRAFFIC                 CANDIDATE              ERRORS    P95
cohort africa  live                    ██████████ 100% of 60  0% of 60  9.0 ms
tenant acme    canary 5%, shadow 100%
and 119 more tenants

ALIAS          SUNSET      REQUESTS  LAST SEEN
/v1/messaging  2027-03-31     1,200  2026-11-21 02:15:00Z
/sms           -                  0  never
";
        let text = text(&route, Style::PLAIN);
        assert_eq!(text, expected, "\n{text}");
    }
}
