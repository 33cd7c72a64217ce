//! What does a text say, before anything is known of its meaning? A tree of values, each with its place.

/// A place in the text: line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// One value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
    /// The text as written, where environment variables were put into it: shown in errors instead of the value.
    pub(crate) written: Option<Box<str>>,
}

/// A value of YAML's core schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Box<str>),
    /// Text that was not in quotes and may hold `${VAR}`: what it is shows when the variables are put in.
    Template {
        text: Box<str>,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// An item of a list that was taken out because something is wrong with it.
    Removed,
}

/// A map's key and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: Box<str>,
    pub(crate) place: Place,
}

impl Node {
    pub(crate) const fn new(value: Value, place: Place) -> Self {
        Self { value, place, written: None }
    }

    /// The place that people look at for `pointer`: the key of a list or map, the value of a scalar, or of what is
    /// missing the nearest thing around it.
    pub(crate) fn place_of(&self, pointer: &str) -> Place {
        match self.at(pointer) {
            (
                Some(Self { value: Value::List(_) | Value::Map(_) | Value::Null, .. }) | None,
                key,
            ) => key,
            (Some(scalar), _) => scalar.place,
        }
    }

    /// The place of the key that `pointer` ends with.
    pub(crate) fn key_place_of(&self, pointer: &str) -> Place {
        self.at(pointer).1
    }

    pub(crate) fn node_at(&self, pointer: &str) -> Option<&Self> {
        self.at(pointer).0
    }

    pub(crate) fn is_empty_map(&self, pointer: &str) -> bool {
        matches!(self.at(pointer).0, Some(Self { value: Value::Map(entries), .. }) if entries.is_empty())
    }

    /// What is at `pointer`, if anything, and the place of the last key on the way that is there.
    fn at(&self, pointer: &str) -> (Option<&Self>, Place) {
        let (mut node, mut key) = (Some(self), self.place);
        for segment in segments(pointer) {
            let next = match node.map(|node| &node.value) {
                Some(Value::List(items)) => {
                    let item = segment.parse().ok().and_then(|i: usize| items.get(i));
                    item.map(|item| (item, item.place))
                }
                Some(Value::Map(entries)) => {
                    let found = entries.iter().find(|(key, _)| *key.text == *segment);
                    found.map(|(key, value)| (value, key.place))
                }
                _ => None,
            };
            node = next.map(|(node, _)| node);
            key = next.map_or(key, |(_, place)| place);
        }
        (node, key)
    }

    /// The pointer in the text that was read, of a pointer in the document that was made of it: counts in the items
    /// that were taken out.
    pub(crate) fn pointer_as_written(&self, pointer: &str) -> String {
        let (mut node, mut written) = (Some(self), String::new());
        for segment in segments(pointer) {
            let (name, next) = match node.map(|node| &node.value) {
                Some(Value::List(items)) => match nth_left(items, &segment) {
                    Some((place, item)) => (place.to_string(), Some(item)),
                    None => (segment, None),
                },
                Some(Value::Map(entries)) => {
                    let found = entries.iter().find(|(key, _)| *key.text == *segment);
                    (segment, found.map(|(_, value)| value))
                }
                _ => (segment, None),
            };
            written = join(&written, &name);
            node = next;
        }
        written
    }

    /// Takes out what is at `pointer`; says whether there was anything.
    pub(crate) fn remove(&mut self, pointer: &str) -> bool {
        let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
        let mut node = self;
        for segment in segments(parent) {
            let next = match &mut node.value {
                Value::List(items) => segment.parse().ok().and_then(|i: usize| items.get_mut(i)),
                Value::Map(entries) => entries
                    .iter_mut()
                    .find(|(key, _)| *key.text == *segment)
                    .map(|(_, value)| value),
                _ => None,
            };
            let Some(next) = next else { return false };
            node = next;
        }
        let last = unescape(last);
        match &mut node.value {
            Value::List(items) => {
                let item = last.parse().ok().and_then(|i: usize| items.get_mut(i));
                item.is_some_and(|item| {
                    std::mem::replace(&mut item.value, Value::Removed) != Value::Removed
                })
            }
            Value::Map(entries) => {
                let before = entries.len();
                entries.retain(|(key, _)| *key.text != *last);
                entries.len() < before
            }
            _ => false,
        }
    }
}

/// The item at this place among those that are left, with its place among all.
fn nth_left<'n>(items: &'n [Node], segment: &str) -> Option<(usize, &'n Node)> {
    let place: usize = segment.parse().ok()?;
    items.iter().enumerate().filter(|(_, item)| item.value != Value::Removed).nth(place)
}

fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(unescape)
}

fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// One more segment on a JSON pointer (RFC 6901).
pub(crate) fn join(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}
