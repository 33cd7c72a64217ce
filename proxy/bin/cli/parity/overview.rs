//! How do all routes stand? One line each.

use super::super::out::{Style, Tone, cell, number, rendered};
use super::super::status::{count, whole};
use super::answer::{All, Standing};
use super::text::tone;
use super::words::{maybe, verdict};

/// All routes, and all of them together where there are several.
pub(super) fn text(all: &All, style: Style) -> String {
    if all.routes.is_empty() {
        return "nothing was shadowed yet: turnout shadow ROUTE 100% --why \"compare\"\n"
            .to_owned();
    }
    let mut table =
        style.table(&["ROUTE", "VERDICT", "FIELDS DIFFER", "REQUESTS DIFFER", "COMPARED", "WHY"]);
    let overall = Some(&all.overall).filter(|_| all.routes.len() > 1);
    for standing in all.routes.iter().chain(overall) {
        table.add_row(row(standing));
    }
    rendered(&table)
}

fn row(standing: &Standing) -> Vec<comfy_table::Cell> {
    let figures = &standing.figures;
    let name = standing.route.as_deref().unwrap_or("together");
    vec![
        cell(Tone::Strong, name),
        cell(tone(&figures.verdict.verdict), verdict(&figures.verdict.verdict)),
        number(Tone::Plain, maybe(figures.field_mismatch_rate)),
        number(Tone::Plain, maybe(figures.request_mismatch_rate)),
        number(
            Tone::Plain,
            format!("{} of {}", count(whole(figures.compared)), count(whole(figures.shadowed))),
        ),
        cell(Tone::Faint, &figures.verdict.detail),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn routes_have_a_line_each() {
        let standing = |route: Option<&str>, verdict: &str| {
            json!({"route": route, "compared": 3_000, "shadowed": 3_010, "field_mismatch_rate": 0.000_1,
                "request_mismatch_rate": 0.001, "verdict": {"verdict": verdict, "detail": "as it is"}})
        };
        let all = json!({"overall": standing(None, "pass"), "routes": [standing(Some("a"), "pass"), standing(Some("b"), "fail")]});
        let text = text(&serde_json::from_value(all).unwrap(), Style::PLAIN);
        let expected = "\
ROUTE     VERDICT  FIELDS DIFFER  REQUESTS DIFFER  COMPARED        WHY
a         PASS             0.01%             0.1%  3,000 of 3,010  as it is
b         FAIL             0.01%             0.1%  3,000 of 3,010  as it is
together  PASS             0.01%             0.1%  3,000 of 3,010  as it is
";
        assert_eq!(text, expected, "\n{text}");
    }
}
