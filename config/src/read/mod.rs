//! From text to [`Document`], with every error of structure at once.
//!
//! `yaml` makes a tree of the text (`node`), `interpolate` puts environment variables into it, `deserialize`
//! lets serde read it and turns what serde says into `fault`s, and `secrets` fetches what the document refers to.

mod deserialize;
mod fault;
mod interpolate;
mod node;
mod secrets;
mod yaml;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::compile;
use crate::document::{Document, Origin};
use crate::problem::{Problem, Problems};
use deserialize::{NodeDeserializer, Trail};
use fault::Fault;
use node::{Node, Place, Value};

/// A text, and what is around it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The text, YAML or JSON.
    pub text: &'a str,
    /// The file's name, as errors show it.
    pub name: &'a str,
    /// The file's folder: paths in the file are relative to it.
    pub base: &'a Path,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// More problems of structure than this help nobody.
const MOST_PROBLEMS: usize = 100;

/// Reads a document.
///
/// ```
/// let source = config::Source {
///     text: "upstreams: {api: {targets: [{address: '10.0.0.1:80'}]}}\nroutes: {sms: {canonical: /v1, stabel: {}}}",
///     name: "turnout.yaml",
///     base: std::path::Path::new("."),
///     env: &|_| None,
/// };
/// let problems = config::read(&source).unwrap_err().to_string();
/// assert!(problems.contains("unknown key `stabel` (did you mean `stable`?)"));
/// ```
///
/// # Errors
/// When the text is not YAML, is not a configuration, or refers to variables or files that are not there. All errors
/// come at once, together with errors of meaning in the parts that could be read.
pub fn read(source: &Source<'_>) -> Result<Document, Problems> {
    let mut faults = Vec::new();
    let parsed = yaml::parse(source.text, &mut faults);
    let mut tree = parsed.unwrap_or_else(|fault| {
        faults.push(fault);
        Node::new(Value::Removed, Place::default())
    });
    let mut dropped = interpolate::interpolate(&mut tree, source.env, &mut faults);
    let mut problems: Vec<Problem> =
        faults.into_iter().map(|fault| fault.into_problem(&tree)).collect();
    for pointer in &dropped {
        tree.remove(pointer);
    }
    let Some(mut document) = structure(&mut tree, &mut problems, &mut dropped) else {
        return Err(Problems::new(source.name, problems));
    };
    let mut unfetched = Vec::new();
    let secrets = secrets::fetch(&document, source, &mut unfetched);
    document.origin = Origin {
        name: source.name.into(),
        text: Arc::from(source.text),
        base: source.base.to_owned(),
        secrets,
        dropped,
    };
    if problems.is_empty() && unfetched.is_empty() {
        return Ok(document);
    }
    // The clock is left out of it: whether a sunset is past is judged when all else is right.
    let meaning = compile::check(&document, i64::MIN);
    problems.extend(unfetched.into_iter().chain(meaning).map(|problem| as_written(problem, &tree)));
    Err(Problems::new(source.name, problems))
}

impl Document {
    /// The files that it refers to: certificates, keys, tokens.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        secrets::files(self)
    }
}

/// Fills in the places of problems in a document that compiled from this text.
pub(crate) fn locate(text: &str, problems: &mut [Problem]) {
    if problems.is_empty() || text.is_empty() {
        return;
    }
    if let Ok(tree) = yaml::parse(text, &mut Vec::new()) {
        for problem in problems {
            let place = tree.place_of(&problem.pointer);
            (problem.line, problem.column) = (place.line, place.column);
        }
    }
}

/// A list or map in a text, and where its first entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Container {
    /// The byte of the bracket, or of the first entry where there is none.
    pub(crate) at: usize,
    /// How many characters stand before it in its line.
    pub(crate) column: usize,
    /// Whether it is in brackets.
    pub(crate) is_flow: bool,
    pub(crate) is_list: bool,
    pub(crate) is_empty: bool,
}

/// The list or map at the end of these keys, where there is one.
pub(crate) fn container_at(text: &str, keys: &[&str]) -> Option<Container> {
    let tree = yaml::parse(text, &mut Vec::new()).ok()?;
    let pointer = keys.iter().fold(String::new(), |pointer, key| node::join(&pointer, key));
    let node = tree.node_at(&pointer)?;
    let (is_list, first) = match &node.value {
        Value::List(items) => (true, items.first().map(|item| item.place)),
        Value::Map(entries) => (false, entries.first().map(|(key, _)| key.place)),
        _ => return None,
    };
    let at = byte_of(text, node.place)?;
    if text.get(at..)?.starts_with(['{', '[']) {
        let (column, is_empty) = (node.place.column, first.is_none());
        return Some(Container { at, column, is_flow: true, is_list, is_empty });
    }
    let mut at = byte_of(text, first?)?;
    if is_list {
        at = text.get(..at)?.trim_end_matches(' ').strip_suffix('-')?.len();
    }
    let line_at = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let column = text.get(line_at..at)?.chars().count();
    Some(Container { at, column, is_flow: false, is_list, is_empty: false })
}

/// Where a place is in its text.
fn byte_of(text: &str, place: Place) -> Option<usize> {
    let (lines_before, column) = (place.line.checked_sub(1)?, place.column.checked_sub(1)?);
    let line = text.split_inclusive('\n').nth(lines_before)?;
    let line_at: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    let (in_line, _) = line.char_indices().nth(column)?;
    Some(line_at + in_line)
}

/// The document that a tree is, without the parts that are wrong; those become problems.
fn structure(
    tree: &mut Node,
    problems: &mut Vec<Problem>,
    dropped: &mut Vec<String>,
) -> Option<Document> {
    match tree.value {
        Value::Removed => return None,
        Value::Null => {
            let fault = Fault::new("empty", "the file is empty");
            let fault = fault.hint("write `routes: {}` if no routes are meant");
            problems.push(fault.placed("", Place { line: 1, column: 1 }).into_problem(tree));
            return None;
        }
        _ => {}
    }
    while problems.len() < MOST_PROBLEMS {
        let unknown = RefCell::default();
        let root = NodeDeserializer { node: tree, trail: &Trail::Root, unknown: &unknown };
        let read = Document::deserialize(root);
        let faults = unknown.into_inner().into_iter().chain(read.as_ref().err().cloned());
        for fault in faults.collect::<Vec<_>>() {
            let offender = fault.offender();
            if !fault.follows_from(dropped, tree) {
                problems.push(fault.into_problem(tree));
            }
            if !tree.remove(&offender) {
                return None;
            }
            dropped.push(offender);
        }
        if let Ok(document) = read {
            return Some(document);
        }
    }
    None
}

fn as_written(mut problem: Problem, tree: &Node) -> Problem {
    problem.pointer = tree.pointer_as_written(&problem.pointer);
    let place = tree.place_of(&problem.pointer);
    (problem.line, problem.column) = (place.line, place.column);
    problem
}
