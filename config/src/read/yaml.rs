//! How does YAML, or JSON as a part of it, become a tree? Events of the parser, put together with every place kept.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::fault::Fault;
use super::node::{Key, Node, Place, Value, join};

/// Nobody writes deeper than this.
const DEEPEST: usize = 64;
/// Nodes that all aliases of a text may repeat together, so that a small text cannot grow beyond all bounds.
const MOST_REPEATED: usize = 1_000_000;

/// The tree of a text. Faults that leave a tree (duplicate keys, unknown tags) go to `faults`.
pub(super) fn parse(text: &str, faults: &mut Vec<Fault>) -> Result<Node, Fault> {
    let mut options = granit_parser::Options::default();
    options.emit_comments = false;
    let parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder { text, parser, anchors: HashMap::new(), repeated: 0, faults };
    builder.document()
}

struct Builder<'t, 'f> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    repeated: usize,
    faults: &'f mut Vec<Fault>,
}

impl<'t> Builder<'t, '_> {
    fn next(&mut self) -> Result<(Event<'t>, Place), Fault> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, place(span))),
            Some(Err(error)) => Err(syntax(&error, self.text)),
            None => Ok((Event::StreamEnd, Place::default())),
        }
    }

    fn document(&mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, place) => {
                    return Ok(root.unwrap_or_else(|| Node::new(Value::Null, place)));
                }
                (Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _) => {}
                (event, place) if root.is_none() => root = Some(self.node(event, place, "", 0)?),
                (_, place) => {
                    let fault =
                        Fault::new("many_documents", "the file holds more than one document");
                    return Err(fault.hint("leave out the second `---`").placed("", place));
                }
            }
        }
    }

    fn node(
        &mut self,
        event: Event<'t>,
        place: Place,
        pointer: &str,
        depth: usize,
    ) -> Result<Node, Fault> {
        if depth > DEEPEST {
            let fault = Fault::new("too_deep", format!("more than {DEEPEST} levels of nesting"));
            return Err(fault.placed(pointer, place));
        }
        let (value, anchor) = match event {
            Event::Alias(id) => return self.repeat(id, pointer, place),
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, tag.as_deref(), pointer, place), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), pointer, place);
                (self.list(pointer, depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), pointer, place);
                (self.map(pointer, depth)?, anchor)
            }
            _ => (Value::Null, 0),
        };
        let node = Node::new(value, place);
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, pointer: &str, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, place) => {
                    let at = join(pointer, &items.len().to_string());
                    items.push(self.node(event, place, &at, depth + 1)?);
                }
            }
        }
    }

    fn map(&mut self, pointer: &str, depth: usize) -> Result<Value, Fault> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut known: HashSet<Box<str>> = HashSet::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (Event::Scalar(text, ..), place) => Key { text: text.into(), place },
                (_, place) => {
                    let fault =
                        Fault::new("bad_key", "a key is text, not a list, a map or an alias");
                    return Err(fault.placed(pointer, place));
                }
            };
            let at = join(pointer, &key.text);
            let (event, place) = self.next()?;
            let value = self.node(event, place, &at, depth + 1)?;
            if &*key.text == "<<" {
                let fault = Fault::new("merge_key", "merge keys (`<<`) are not supported");
                self.faults.push(
                    fault
                        .hint("write the keys out, or repeat a whole value by `*alias`")
                        .placed(&at, key.place),
                );
            } else if known.insert(key.text.clone()) {
                entries.push((key, value));
            } else {
                let first = entries.iter().find(|(first, _)| first.text == key.text);
                let line = first.map_or(0, |(first, _)| first.place.line);
                let fault = Fault::new("duplicate_key", format!("`{}` is written twice", key.text));
                self.faults.push(
                    fault
                        .hint(format!("the first one is in line {line}: keep one of them"))
                        .placed(&at, key.place),
                );
            }
        }
    }

    fn repeat(&mut self, id: usize, pointer: &str, place: Place) -> Result<Node, Fault> {
        let Some(node) = self.anchors.get(&id) else {
            let fault = Fault::new("bad_alias", "an alias cannot stand inside of what it repeats");
            return Err(fault.placed(pointer, place));
        };
        self.repeated += size(node);
        if self.repeated > MOST_REPEATED {
            let fault = Fault::new("too_large", "the aliases of this file repeat too much");
            return Err(fault.placed(pointer, place));
        }
        Ok(node.clone())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        pointer: &str,
        place: Place,
    ) -> Value {
        let as_text = tag.and_then(Tag::core_suffix) == Some("str");
        if !as_text {
            self.check_tag(tag, pointer, place);
        }
        let plain = style == ScalarStyle::Plain && !as_text;
        if text.contains("${") {
            Value::Template { text: text.into(), plain }
        } else if plain {
            plain_value(text)
        } else {
            Value::Text(text.into())
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, pointer: &str, place: Place) {
        let Some(tag) = tag else { return };
        if !matches!(tag.core_suffix(), Some("map" | "seq" | "int" | "float" | "bool" | "null")) {
            let fault =
                Fault::new("tag", format!("the tag `{}` means nothing here", tag.original()));
            self.faults.push(fault.hint("leave it out").placed(pointer, place));
        }
    }
}

fn place(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn syntax(error: &ScanError, text: &str) -> Fault {
    let marker = error.marker();
    let place = Place { line: marker.line(), column: marker.col() + 1 };
    let fault = Fault::new("syntax", format!("this is not YAML: {}", error.info()));
    let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
    let fault = if line.contains("${") {
        fault.hint("between `{}` or `[]`, a `${NAME}` needs quotes; for a number, write the map over several lines")
    } else if line.contains('\t') {
        fault.hint("indent with blanks, not with tabs")
    } else {
        fault
    };
    fault.placed("", place)
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, value)| size(value)).sum(),
        _ => 0,
    }
}

/// What a text without quotes is by YAML 1.2's core schema (section 10.3.2), without its octal and hexadecimal numbers.
pub(super) fn plain_value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Value::Text(text.into());
    }
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::Float(number),
        _ => Value::Text(text.into()),
    }
}
