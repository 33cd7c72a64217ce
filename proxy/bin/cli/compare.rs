//! Are two saved answers the same? The engine of the proxy, on files, with everything it saw.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::{HeaderValue, Method};
use rules::RouteName;
use rules::compare::{
    Answer, CompareRules, Comparison, Pair, Pinpoint, Relation, decoded, pinpoint,
};
use rules::exchange::Outcome;
use serde_json::{Value, json};

use super::args::OutputArgs;
use super::exit::{Exit, Failure};
use super::file::{File, now_unix};
use super::out::{self, Style, Tone, cell, rendered};
use super::saved_answer::SavedAnswer;

/// How long two texts are laid side by side; what is not done by then is shown coarser.
const DIFF_TIME: Duration = Duration::from_millis(500);
/// Lines of a text that are shown.
const MOST_LINES: usize = 60;

/// Compare two saved answers.
#[derive(Debug, Args)]
#[command(after_help = "\
LEFT is stable's answer, RIGHT the candidate's: each a body, or a whole HTTP message as `curl -si` prints it.
Ends with 0 where they are the same, 1 where they are not, and 65 where that cannot be told.

  turnout compare old.json new.json
  turnout compare old.http new.http --config turnout.yaml --route sms -o json")]
pub(crate) struct CompareArgs {
    /// Stable's answer; `-` reads standard input
    #[arg(value_name = "LEFT")]
    left: PathBuf,
    /// The candidate's answer
    #[arg(value_name = "RIGHT")]
    right: PathBuf,
    /// A configuration file, for the rules of one of its routes
    #[arg(long, value_name = "FILE", requires = "route")]
    config: Option<PathBuf>,
    /// The route whose rules apply
    #[arg(long, value_name = "ROUTE", requires = "config")]
    route: Option<RouteName>,
    /// The request's method, for rules that ask for it
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: Method,
    /// The media type of bodies that come without headers; told from the file's name where it is left out
    #[arg(long = "type", value_name = "MEDIA", value_parser = media)]
    media: Option<HeaderValue>,
    #[command(flatten)]
    output: OutputArgs,
}

fn media(text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(text).ok().filter(|_| text.contains('/'));
    value.ok_or_else(|| "write a media type, such as application/json".to_owned())
}

/// Compares two files.
pub(crate) fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let rules = rules(args)?;
    let left = SavedAnswer::read(&args.left, args.media.as_ref())?;
    let right = SavedAnswer::read(&args.right, args.media.as_ref())?;
    let (stable, candidate) = (answer(&left), answer(&right));
    let pair = Pair { method: &args.method, stable, candidate, twin: None };
    let (comparison, places) = pinpoint(&rules, &pair);
    if let Outcome::NotComparable(reason) = comparison.outcome {
        return Err(Failure::Unreadable(format!("these cannot be compared: {reason:?}")));
    }
    let report = Report { rules: &rules, comparison: &comparison, places: &places };
    out::answer(args.output.output, &report.json(), |style| {
        report.text(style) + &texts(style, &left, &right, &places)
    })?;
    Ok(if comparison.outcome == Outcome::Match { Exit::Done } else { Exit::Failed })
}

fn rules(args: &CompareArgs) -> Result<Arc<CompareRules>, Failure> {
    let Some((config, name)) = args.config.as_ref().zip(args.route.as_ref()) else {
        return Ok(Arc::default());
    };
    let compiled = File::read(config)?.compile(now_unix(), |_, _| {});
    let compiled = compiled.map_err(|problems| Failure::Failed(problems.to_string()))?;
    let routes = compiled.snapshot.table.routes();
    let route = routes.iter().find(|route| route.name == *name).ok_or_else(|| {
        let known = routes.iter().map(|route| route.name.as_str());
        let hint = config::closest(name.as_str(), known)
            .map(|route| format!(" (did you mean {route:?}?)"))
            .unwrap_or_default();
        Failure::Usage(format!("--route: the file has no route {:?}{hint}", name.as_str()))
    })?;
    Ok(Arc::clone(&route.compare))
}

fn answer(saved: &SavedAnswer) -> Answer<'_> {
    Answer::new(saved.status, &saved.headers, &saved.body)
}

/// What came of it.
struct Report<'r> {
    rules: &'r CompareRules,
    comparison: &'r Comparison,
    places: &'r [Pinpoint],
}

impl Report<'_> {
    fn json(&self) -> Value {
        let fields = self.comparison.fields;
        let differences = self.places.iter().map(|place| {
            let difference = &place.difference;
            json!({
                "location": difference.location.as_str(),
                "kind": difference.kind.as_str(),
                "left": place.stable,
                "right": place.candidate,
                "relation": difference.relation.map(Relation::as_str),
                "left_class": difference.classes.0.as_str(),
                "right_class": difference.classes.1.as_str(),
            })
        });
        let used = self.comparison.uses.iter().filter_map(|used| {
            let rule = self.rules.places.get(used.rule)?;
            Some(json!({ "rule": rule.to_string(), "fields": used.fields }))
        });
        json!({
            "outcome": self.comparison.outcome.as_str(),
            "complete": self.comparison.is_whole,
            "fields": {
                "all": fields.all(),
                "equal": fields.equal,
                "mismatched": fields.mismatched,
                "ignored": fields.ignored,
            },
            "differences": differences.collect::<Vec<_>>(),
            "rules": used.collect::<Vec<_>>(),
        })
    }

    fn text(&self, style: Style) -> String {
        let fields = self.comparison.fields;
        let summary = format!(
            "{} fields: {} equal, {} mismatched, {} ignored\n",
            fields.all(),
            fields.equal,
            fields.mismatched,
            fields.ignored
        );
        let (tone, verdict) = match self.comparison.outcome {
            Outcome::Match => (Tone::Good, "the same"),
            _ => (Tone::Bad, "different"),
        };
        let mut text = format!("{}, {summary}", style.paint(tone, verdict));
        if !self.comparison.is_whole {
            text += "not everything was looked into: there is too much of it\n";
        }
        for used in &self.comparison.uses {
            if let Some(rule) = self.rules.places.get(used.rule) {
                text += &style.paint(Tone::Faint, &format!("{rule}: {} fields", used.fields));
                text.push('\n');
            }
        }
        if !self.places.is_empty() {
            text.push('\n');
            text += &self.table(style);
        }
        text
    }

    fn table(&self, style: Style) -> String {
        let mut table = style.table(&["WHERE", "LEFT", "RIGHT", "WHAT", "LEFT IS", "RIGHT IS"]);
        for place in self.places {
            let difference = &place.difference;
            let kind = difference.relation.map_or_else(
                || difference.kind.to_string(),
                |relation| format!("{} ({relation})", difference.kind),
            );
            let shown = |pointer: &Option<Box<str>>| match pointer.as_deref() {
                None => "-".to_owned(),
                Some("") => "(all)".to_owned(),
                Some(pointer) => pointer.escape_debug().to_string(),
            };
            table.add_row([
                cell(Tone::Plain, difference.location),
                cell(Tone::Strong, shown(&place.stable)),
                cell(Tone::Strong, shown(&place.candidate)),
                cell(Tone::Plain, kind),
                cell(Tone::Plain, difference.classes.0),
                cell(Tone::Plain, difference.classes.1),
            ]);
        }
        rendered(&table)
    }
}

/// Two bodies that differ as texts, line by line: both are the reader's own files.
fn texts(style: Style, left: &SavedAnswer, right: &SavedAnswer, places: &[Pinpoint]) -> String {
    let is_text = places.iter().any(|place| {
        place.difference.location == rules::compare::Location::Body
            && place.stable.as_deref() == Some("")
            && place.candidate.as_deref() == Some("")
            && place.difference.classes.0 == rules::compare::ValueClass::Opaque
    });
    let text = |saved: &SavedAnswer| {
        let content = decoded(&saved.headers, &saved.body).ok()?;
        String::from_utf8(content.into_owned()).ok()
    };
    let (true, Some(left), Some(right)) = (is_text, text(left), text(right)) else {
        return String::new();
    };
    let diff = similar::TextDiff::configure().timeout(DIFF_TIME).diff_lines(&left, &right);
    let unified = diff.unified_diff().context_radius(2).to_string();
    let mut shown = String::from("\n");
    for line in unified.lines().take(MOST_LINES) {
        let tone = match line.chars().next() {
            Some('-') => Tone::Bad,
            Some('+') => Tone::Good,
            _ => Tone::Faint,
        };
        let plain: String = line.chars().filter(|character| !character.is_control()).collect();
        shown += &style.paint(tone, &plain);
        shown.push('\n');
    }
    if unified.lines().count() > MOST_LINES {
        shown += "and so on\n";
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(body: &str, media: &'static str) -> SavedAnswer {
        let headers = [("content-type".parse().unwrap(), HeaderValue::from_static(media))];
        SavedAnswer { status: 200, headers: headers.into_iter().collect(), body: body.into() }
    }

    fn shown(left: &SavedAnswer, right: &SavedAnswer) -> String {
        let rules = CompareRules::default();
        let (stable, candidate) = (answer(left), answer(right));
        let pair = Pair { method: &Method::GET, stable, candidate, twin: None };
        let (comparison, places) = pinpoint(&rules, &pair);
        let report = Report { rules: &rules, comparison: &comparison, places: &places };
        report.text(Style::PLAIN) + &texts(Style::PLAIN, left, right, &places)
    }

    #[test]
    fn differences_are_told_with_their_very_places() {
        let left = saved(r#"{"items":[{"id":1,"price":"5"}],"n":1}"#, "application/json");
        let right = saved(r#"{"items":[{"id":1,"price":5}],"m":1}"#, "application/json");
        let expected = "\
different, 6 fields: 3 equal, 3 mismatched, 0 ignored

WHERE  LEFT            RIGHT           WHAT                             LEFT IS         RIGHT IS
body   /items/0/price  /items/0/price  type (number_vs_numeric_string)  numeric_string  number
body   -               /m              extra                            absent          number
body   /n              -               missing                          number          absent
";
        assert_eq!(shown(&left, &right), expected);
        assert!(shown(&left, &left).starts_with("the same, 5 fields"));
    }

    #[test]
    fn texts_are_laid_side_by_side() {
        let (left, right) = (saved("a\nb\n", "text/plain"), saved("a\nc\n", "text/plain"));
        let shown = shown(&left, &right);
        assert!(shown.ends_with("@@ -1,2 +1,2 @@\n a\n-b\n+c\n"), "{shown}");
    }
}
