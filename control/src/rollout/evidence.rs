//! How is told what a gate found? For people in a line, for machines as JSON; never a value of anybody's request.

use rules::Arm;
use rules::gate::{Finding, Rule, Tally, Verdict};
use serde_json::{Value, json};

use super::Named;

/// Findings, as the list of revisions keeps them. Where the candidate is compared with a baseline, that says so, and `stable`
/// is what the baseline did.
#[must_use]
pub fn evidence(findings: &[Named], control: Arm) -> Value {
    let one = |named: &Named| {
        let Finding { rule, verdict, grounds, seen, figure, limit, needs } = named.finding;
        let tally = |tally: Tally| json!({"bad": tally.bad, "total": tally.total});
        json!({
            "gate": named.gate,
            "rule": rule.as_str(),
            "verdict": verdict.as_str(),
            "grounds": grounds.as_str(),
            "candidate": tally(seen.candidate),
            "stable": tally(seen.stable),
            "control": control.as_str(),
            "figure": figure,
            "limit": limit,
            "needs": needs,
            "note": named.note,
        })
    };
    findings.iter().map(one).collect()
}

/// The findings with a verdict, in one line: `error_rate harm: 12 of 1040 against 23 of 20100, 9.13 of 7.09`.
#[must_use]
pub fn told(findings: &[Named], verdict: Verdict) -> String {
    let those = findings.iter().filter(|named| named.finding.verdict == verdict);
    those.map(one).collect::<Vec<_>>().join("; ")
}

fn one(named: &Named) -> String {
    let Finding { rule, seen, figure, limit, .. } = named.finding;
    let of = |tally: Tally| format!("{} of {}", tally.bad, tally.total);
    if rule == Rule::External {
        return external(named);
    }
    if let (Rule::Tenants, Some(note)) = (rule, &named.note) {
        return format!("{}: {note}", named.gate);
    }
    if rule == Rule::Sample {
        let limit = limit.unwrap_or_default();
        return format!("{}: {} of {limit}", named.gate, seen.candidate.total);
    }
    let compared = match rule {
        Rule::Harm | Rule::NotWorse => format!(" against {}", of(seen.stable)),
        _ => String::new(),
    };
    let rule = if named.gate == rule.as_str() { String::new() } else { format!(" {rule}") };
    let figures = match (figure, limit) {
        (Some(figure), Some(limit)) => format!(", {figure:.3} at a limit of {limit:.3}"),
        _ => String::new(),
    };
    format!("{}{rule}: {}{compared}{figures}", named.gate, of(seen.candidate))
}

/// `lag external: unmet, 7.5 at a limit of 5`, or why there is no answer.
fn external(named: &Named) -> String {
    let Finding { rule, grounds, figure, limit, .. } = named.finding;
    let figures = match (figure, limit) {
        (Some(figure), Some(limit)) => format!(", {figure} at a limit of {limit}"),
        (Some(figure), None) => format!(", {figure}"),
        (None, _) => String::new(),
    };
    let note = named.note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
    format!("{} {rule}: {grounds}{figures}{note}", named.gate)
}

#[cfg(test)]
mod tests {
    use rules::gate::{Grounds, Tallies};

    use super::*;

    #[test]
    fn findings_are_told_in_a_line() {
        let seen = Tallies { candidate: Tally::new(12, 1_040), stable: Tally::new(23, 20_100) };
        let named = |gate, rule, verdict| {
            let finding = Finding {
                rule,
                verdict,
                grounds: Grounds::OverLimit,
                seen,
                figure: Some(9.13),
                limit: Some(7.09),
                needs: None,
            };
            Named::of(gate, finding)
        };
        let findings = [
            named("error_rate", Rule::Harm, Verdict::Fail),
            named("parity", Rule::Parity, Verdict::Fail),
            named("min_requests", Rule::Sample, Verdict::Pass),
            named("lag", Rule::External, Verdict::Hold),
            Named {
                note: Some("seen 20 of 20 tenants".into()),
                ..named("min_tenants", Rule::Tenants, Verdict::Pass)
            },
        ];
        assert_eq!(
            told(&findings, Verdict::Pass),
            "min_requests: 1040 of 7.09; min_tenants: seen 20 of 20 tenants"
        );
        assert_eq!(
            told(&findings, Verdict::Hold),
            "lag external: over_limit, 9.13 at a limit of 7.09"
        );
        assert_eq!(
            told(&findings, Verdict::Fail),
            "error_rate harm: 12 of 1040 against 23 of 20100, 9.130 at a limit of 7.090; parity: 12 of 1040, 9.130 at a limit of 7.090"
        );
        let evidence = evidence(&findings, Arm::Baseline);
        assert_eq!(evidence[0]["candidate"]["total"], 1_040);
        assert_eq!(evidence[0]["control"], "baseline");
    }
}
