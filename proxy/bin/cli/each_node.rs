//! How is a command given to each node itself, whatever there is between them? All at the same time, and what came of it is
//! told node by node.

use serde_json::{Map, Value, json};

use super::answer::{self, ChangeAnswer};
use super::args::{Format, OutputArgs, ServerArgs};
use super::ask::Ask;
use super::change::{came_of_it, warn};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone};

/// A node, and what came of the command there.
type Told = (String, Result<Value, Failure>);

/// Gives the command to every node. Done only where each of them has done it.
pub(crate) fn change_each(
    nodes: &[String],
    server: &ServerArgs,
    ask: &Ask,
    output: OutputArgs,
) -> Result<Exit, Failure> {
    let told = ask_each(nodes, server, ask);
    if output.output == Format::Table {
        for (_, answered) in &told {
            answered.iter().filter_map(|one| answer::read(one).ok()).for_each(|one| warn(&one));
        }
    }
    let all: Vec<Value> = told.iter().map(document).collect();
    out::answer(output.output, &Value::Array(all), |style| text(&told, style))?;
    Ok(exit(&told))
}

/// A node that does not answer holds up no other one.
fn ask_each(nodes: &[String], server: &ServerArgs, ask: &Ask) -> Vec<Told> {
    let ask_one = |node: &String| {
        let server = ServerArgs { server: node.clone(), ..server.clone() };
        Client::new(&server)?.send(ask)
    };
    std::thread::scope(|scope| {
        let asked: Vec<_> = nodes.iter().map(|node| scope.spawn(move || ask_one(node))).collect();
        let crashed = || Err(Failure::Failed("asking it failed".to_owned()));
        let answered = asked.into_iter().map(|one| one.join().unwrap_or_else(|_| crashed()));
        nodes.iter().cloned().zip(answered).collect()
    })
}

/// Where every node fails alike, its reason is the command's.
fn exit(told: &[Told]) -> Exit {
    let mut exits = told.iter().map(|(_, answered)| match answered {
        Ok(_) => Exit::Done,
        Err(failure) => failure.exit(),
    });
    let first = exits.next().unwrap_or(Exit::Done);
    if exits.all(|exit| exit == first) { first } else { Exit::Failed }
}

fn document((node, answered): &Told) -> Value {
    match answered {
        Ok(Value::Object(answer)) => {
            let mut whole = Map::new();
            whole.insert("node".to_owned(), node.as_str().into());
            whole.extend(answer.clone());
            Value::Object(whole)
        }
        Ok(other) => json!({"node": node, "answer": other}),
        Err(failure) => json!({"node": node, "error": failure.to_string()}),
    }
}

fn text(told: &[Told], style: Style) -> String {
    let widest = told.iter().map(|(node, _)| node.chars().count()).max().unwrap_or(0);
    let line = |(node, answered): &Told| {
        let came = match answered.as_ref().map(answer::read::<ChangeAnswer>) {
            Ok(Ok(change)) => one_line(&change, style),
            Ok(Err(failure)) => failed(&failure, style),
            Err(failure) => failed(failure, style),
        };
        format!("{node:widest$}  {came}\n")
    };
    let lines: String = told.iter().map(line).collect();
    let done = told.iter().filter(|(_, answered)| answered.is_ok()).count();
    format!("{lines}done on {done} of {} nodes\n", told.len())
}

fn one_line(change: &ChangeAnswer, style: Style) -> String {
    let came = came_of_it(change, style);
    let first = came.lines().next().unwrap_or_default();
    match change.scope.as_deref() {
        Some("node") => format!("{first} (this node alone, until its store is back)"),
        _ => first.to_owned(),
    }
}

fn failed(failure: &Failure, style: Style) -> String {
    let said = failure.to_string();
    let first = said.lines().next().unwrap_or_default();
    format!("{} {first}", style.paint(Tone::Bad, "error:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(scope: &str) -> Result<Value, Failure> {
        Ok(json!({"revision": 7, "changed": true, "summary": "sms: live -> off", "scope": scope}))
    }

    fn away() -> Result<Value, Failure> {
        Err(Failure::Unreachable { server: "http://c:1".into(), cause: "refused".into() })
    }

    #[test]
    fn each_node_has_its_line_and_a_part_is_not_all() {
        let told = [
            ("a:7081".to_owned(), done("fleet")),
            ("long:7081".to_owned(), done("node")),
            ("c:1".to_owned(), away()),
        ];
        let expected = "\
a:7081     r7  sms: live -> off
long:7081  r7  sms: live -> off (this node alone, until its store is back)
c:1        error: no answer from http://c:1: refused
done on 2 of 3 nodes
";
        assert_eq!(text(&told, Style::PLAIN), expected);
        assert_eq!(exit(&told), Exit::Failed);
        assert_eq!(exit(&told[..2]), Exit::Done);
        assert_eq!(exit(&told[2..]), Exit::Unreachable);
        assert_eq!(document(&told[0])["node"], "a:7081");
        assert!(document(&told[2])["error"].as_str().unwrap().contains("refused"));
    }
}
