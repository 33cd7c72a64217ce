//! Which nodes does the fleet have, and what does each of them serve?

use clap::Args;

use super::answer::{self, NodeAnswer};
use super::args::{OutputArgs, ServerArgs};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone, cell, number, rendered};
use super::revisions::time;

/// List the nodes of the fleet.
#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Lists the nodes.
pub(crate) fn run(args: &NodesArgs) -> Result<Exit, Failure> {
    let answer = Client::new(&args.server)?.get("/v1/nodes")?;
    let nodes: Vec<NodeAnswer> = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |style| table(&nodes, style))?;
    Ok(Exit::Done)
}

fn table(nodes: &[NodeAnswer], style: Style) -> String {
    let mut table = style.table(&["NODE", "SERVES", "BEHIND", "HEARD OF"]);
    for NodeAnswer { node, revision, lag, at, this } in nodes {
        let name = if *this { format!("{node} (asked)") } else { node.clone() };
        let tone = if *lag == 0 { Tone::Good } else { Tone::Warn };
        table.add_row([
            cell(Tone::Plain, name),
            number(Tone::Plain, format!("r{revision}")),
            number(tone, lag),
            cell(Tone::Faint, time(at)),
        ]);
    }
    rendered(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_listed_with_what_they_serve() {
        let answer = serde_json::json!([
            {"node": "a:7081", "revision": 7, "lag": 0, "at": "2026-11-21T02:15:00Z", "this": true},
            {"node": "b:7081", "revision": 5, "lag": 2, "at": "2026-11-21T02:14:59Z", "this": false},
        ]);
        let nodes: Vec<NodeAnswer> = answer::read(&answer).unwrap();
        let expected = "\
NODE            SERVES  BEHIND  HEARD OF
a:7081 (asked)      r7       0  2026-11-21 02:15:00Z
b:7081              r5       2  2026-11-21 02:14:59Z
";
        assert_eq!(table(&nodes, Style::PLAIN), expected);
    }
}
