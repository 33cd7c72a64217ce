//! How do tenants come to their attributes: one by one, or from a list?

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::args::ChangeArgs;
use super::ask::Ask;
use super::change::change;
use super::exit::{Exit, Failure};
use super::tenant::{TenantArgs, path};

/// Set attributes of a tenant.
#[derive(Debug, Args)]
#[command(after_help = "\
Cohorts by attribute follow at once: the tenant's traffic and flags are those of the cohorts that it belongs to now.
--dry-run says who would notice.

  turnout tenant set acme residency=AF plan=gold --why \"its data has moved\"
  turnout tenant set acme plan= --why \"it has none any more\"")]
pub(crate) struct SetArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    /// An attribute and its value; with none, the attribute is removed
    #[arg(value_name = "NAME=VALUE", required = true)]
    attributes: Vec<Attribute>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Take attributes of many tenants.
#[derive(Debug, Args)]
#[command(after_help = "\
A list in CSV has a head line: `tenant` and the names of attributes. An empty field leaves the attribute as it is.
A list in JSON is an object: {\"acme\": {\"residency\": \"AF\", \"plan\": null}}; null removes the attribute.
Everything that is wrong is told at once, and then nothing is taken.

  turnout tenant import tenants.csv --why \"from the customer register\" --dry-run")]
pub(crate) struct ImportArgs {
    /// The list, *.csv or *.json
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    change: ChangeArgs,
}

/// An attribute as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    name: String,
    value: Option<String>,
}

impl FromStr for Attribute {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) =
            text.split_once('=').ok_or("write name=value, for example residency=AF")?;
        let value = Some(value).filter(|value| !value.is_empty()).map(str::to_owned);
        Ok(Self { name: name.to_owned(), value })
    }
}

/// Attributes of tenants, as the server takes them.
type List = BTreeMap<String, BTreeMap<String, Option<String>>>;

/// Sets attributes.
pub(super) fn set(args: &SetArgs) -> Result<Exit, Failure> {
    let attributes = args.attributes.iter().map(|one| (one.name.clone(), json!(one.value)));
    let attributes: Value = attributes.collect::<serde_json::Map<_, _>>().into();
    let body = json!({"attributes": attributes, "why": args.change.why});
    let ask = Ask::json(Method::PUT, format!("{}/attributes", path(&args.tenant)), &body);
    change(&args.change, ask)
}

/// Takes a list.
pub(super) fn import(args: &ImportArgs) -> Result<Exit, Failure> {
    let name = args.file.display();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    let is_json = args.file.extension().is_some_and(|extension| extension == "json");
    let list = if is_json { from_json(&text) } else { from_csv(&text) };
    let list = list.map_err(|wrong| Failure::Usage(format!("{name}: {wrong}")))?;
    let body = json!({"tenants": list, "why": args.change.why});
    let ask = Ask::json(Method::POST, "/v1/tenants/import", &body);
    change(&args.change, ask)
}

fn from_json(text: &str) -> Result<List, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("{error}; an object of tenants is expected, each with attributes: {{\"acme\": {{\"plan\": \"gold\"}}}}")
    })
}

fn from_csv(text: &str) -> Result<List, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    if names.get(0) != Some("tenant") || names.len() < 2 {
        return Err("line 1: the head line must be `tenant` and the names of attributes, for example `tenant,residency,plan`".to_owned());
    }
    let (mut list, mut wrong) = (List::new(), Vec::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let fields = names.iter().zip(&record).skip(1).filter(|(_, value)| !value.is_empty());
        let attributes: BTreeMap<String, Option<String>> =
            fields.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
        let tenant = record.get(0).unwrap_or_default();
        if attributes.is_empty() {
            wrong.push(format!("line {line}: tenant {tenant:?} has no attribute"));
        } else if list.insert(tenant.to_owned(), attributes).is_some() {
            wrong.push(format!("line {line}: tenant {tenant:?} is there twice"));
        }
    }
    if wrong.is_empty() { Ok(list) } else { Err(wrong.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_from_both_forms() {
        let csv = "tenant, residency ,plan\nacme,AF,gold\n\"b 2\",,\"a \"\"b\"\", c\"\n";
        let json =
            r#"{"acme": {"residency": "AF", "plan": "gold"}, "b 2": {"plan": "a \"b\", c"}}"#;
        assert_eq!(from_csv(csv).unwrap(), from_json(json).unwrap());
        assert_eq!(from_json(r#"{"acme": {"plan": null}}"#).unwrap()["acme"]["plan"], None);
    }

    #[test]
    fn everything_that_is_wrong_with_a_list_is_told() {
        let wrong = from_csv("tenant,plan\nacme,gold\nb2,\nacme,silver\nc3,x,y\n").unwrap_err();
        let told: Vec<&str> = wrong.lines().collect();
        assert_eq!(told.len(), 3, "{wrong}");
        assert_eq!(told[0], "line 3: tenant \"b2\" has no attribute");
        assert_eq!(told[1], "line 4: tenant \"acme\" is there twice");
        assert!(told[2].contains("line: 5"), "{wrong}");
        for head in ["", "id,plan\n", "tenant\n"] {
            assert!(from_csv(head).unwrap_err().contains("tenant,residency,plan"), "{head:?}");
        }
        assert!(from_json("[]").unwrap_err().contains("an object of tenants"));
    }

    #[test]
    fn an_attribute_without_a_value_is_removed() {
        let attribute = |text: &str| text.parse::<Attribute>();
        assert_eq!(attribute("plan=a=b").unwrap().value.as_deref(), Some("a=b"));
        assert_eq!(attribute("plan=").unwrap().value, None);
        assert!(attribute("plan").is_err());
    }
}
