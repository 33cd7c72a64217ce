//! How do environment variables get into the text? `${VAR}`, `${VAR:-default}`, `${VAR:?message}`; `$${` is a plain `${`.
//!
//! Into scalars after parsing, never into the raw text: whatever a variable holds, it cannot change the structure.

use super::fault::Fault;
use super::node::{Node, Value, join};
use super::yaml::plain_value;

type Lookup<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Puts the variables into all templates of the tree. What cannot be filled in is told and returned by its pointer.
pub(super) fn interpolate(
    tree: &mut Node,
    env: Lookup<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<String> {
    let mut lost = Vec::new();
    fill(tree, "", env, &mut |pointer, node, fault: Fault| {
        faults.push(fault.placed(pointer, node.place));
        lost.push(pointer.to_owned());
    });
    lost
}

fn fill(node: &mut Node, at: &str, env: Lookup<'_>, fail: &mut dyn FnMut(&str, &Node, Fault)) {
    match &mut node.value {
        Value::List(items) => {
            for (place, item) in items.iter_mut().enumerate() {
                fill(item, &join(at, &place.to_string()), env, fail);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                fill(value, &join(at, &key.text), env, fail);
            }
        }
        Value::Template { text, plain } => match filled(text, env) {
            Ok(value) => {
                let written = text.contains("${").then(|| text.clone());
                node.value = if *plain { plain_value(&value) } else { Value::Text(value.into()) };
                node.written = written;
            }
            Err(fault) => fail(at, node, fault),
        },
        _ => {}
    }
}

/// The template's text with its variables.
fn filled(template: &str, env: Lookup<'_>) -> Result<String, Fault> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            text.push_str(escaped);
            text.push_str("${");
            rest = after;
            continue;
        }
        let Some((reference, after)) = after.split_once('}') else {
            let fault = Fault::new("bad_variable", format!("`${{` without `}}` in {template:?}"));
            return Err(fault.hint("write `${NAME}`, or `$${` where no variable is meant"));
        };
        text.push_str(before);
        text.push_str(&value_of(reference, env)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn value_of(reference: &str, env: Lookup<'_>) -> Result<String, Fault> {
    let length = reference.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let (name, rest) = reference.split_at_checked(length).unwrap_or((reference, ""));
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let value = env(name).filter(|value| !value.is_empty() || rest.is_empty());
    match (is_name, rest.split_at_checked(2), value) {
        (true, None | Some((":-" | ":?", _)), Some(value)) => Ok(value),
        (true, None, None) if rest.is_empty() => {
            let fault =
                Fault::new("missing_variable", format!("environment variable `{name}` is not set"));
            Err(fault.hint(format!("set it, or write `${{{name}:-default}}`")))
        }
        (true, Some((":-", default)), None) => Ok(default.to_owned()),
        (true, Some((":?", message)), None) => {
            let message = format!("environment variable `{name}` is not set: {message}");
            Err(Fault::new("missing_variable", message))
        }
        _ => {
            let fault = Fault::new("bad_variable", format!("`${{{reference}}}` is not a variable"));
            Err(fault.hint("write `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, or `$${` for a plain `${`"))
        }
    }
}
