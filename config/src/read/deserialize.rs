//! How does serde read a tree? Every error knows its place, and unknown keys are all found in one go.

use std::cell::RefCell;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::fault::Fault;
use super::node::{Key, Node, Value, join};

/// The way from the root to a node, kept on the stack; written out only for an error.
pub(super) enum Trail<'t> {
    Root,
    Key(&'t Trail<'t>, &'t str),
    Item(&'t Trail<'t>, usize),
}

impl Trail<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(above, key) => join(&above.pointer(), key),
            Self::Item(above, place) => join(&above.pointer(), &place.to_string()),
        }
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'n, 't> {
    pub(super) node: &'n Node,
    pub(super) trail: &'t Trail<'t>,
    /// Keys that nobody asks for; they do not stop the reading.
    pub(super) unknown: &'t RefCell<Vec<Fault>>,
}

impl<'n, 't> NodeDeserializer<'n, 't> {
    fn entries(self, known: Option<&'static [&'static str]>) -> Entries<'n, 't> {
        let entries = match &self.node.value {
            Value::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        Entries { entries: entries.iter(), value: None, known, from: self }
    }

    fn any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null | Value::Removed => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) | Value::Template { text, .. } => visitor.visit_borrowed_str(text),
            Value::List(items) => {
                visitor.visit_seq(Items { items: items.iter().enumerate(), from: self })
            }
            Value::Map(_) => visitor.visit_map(self.entries(None)),
        }
    }
}

impl<'n, 't> Deserializer<'n> for NodeDeserializer<'n, 't> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.any(visitor).map_err(|fault| match &self.node.written {
            Some(written) => fault.masked(written),
            None => fault,
        })
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Map(_) => visitor.visit_map(self.entries(Some(fields))),
            // A derived struct could be read from a list of its fields; nobody means that.
            Value::List(_) => Err(Fault::invalid_type(Unexpected::Seq, &"a map of keys")),
            _ => self.deserialize_any(visitor),
        }
        .map_err(|fault| match self.node.value {
            Value::Map(_) => fault,
            _ => fault.hint_keys(fields),
        })
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let one_of = || format!("one of `{}`", variants.join("`, `"));
        match &self.node.value {
            // What stands in a secret's place may be the secret.
            Value::Text(_) if name == "SecretRef" => Err(Fault::invalid_type(
                Unexpected::Other("this text"),
                &"`{file: path}` or `{env: NAME}`",
            )),
            Value::Text(text) => {
                visitor.visit_enum(Choice { name: text, value: None }).map_err(|fault| match &self
                    .node
                    .written
                {
                    Some(written) => fault.masked(written),
                    None => fault,
                })
            }
            Value::Map(entries) => match entries.as_slice() {
                [(key, node)] => {
                    let trail = Trail::Key(self.trail, &key.text);
                    let value = NodeDeserializer { node, trail: &trail, unknown: self.unknown };
                    visitor
                        .visit_enum(Choice { name: &key.text, value: Some(value) })
                        .map_err(|fault| fault.at(|| self.trail.pointer()))
                }
                [] => Err(Fault::invalid_value(Unexpected::Map, &one_of().as_str())),
                _ => Err(Fault::invalid_value(
                    Unexpected::Other("a map of several keys"),
                    &one_of().as_str(),
                )),
            },
            Value::List(_) => Err(Fault::invalid_type(Unexpected::Seq, &one_of().as_str())),
            Value::Bool(value) => {
                Err(Fault::invalid_type(Unexpected::Bool(*value), &one_of().as_str()))
            }
            Value::Integer(number) => {
                Err(Fault::invalid_type(Unexpected::Signed(*number), &one_of().as_str()))
            }
            _ => Err(Fault::invalid_type(Unexpected::Unit, &one_of().as_str())),
        }
    }

    forward_to_deserialize_any! {
        <V: Visitor<'n>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'n, 't> {
    items: std::iter::Enumerate<std::slice::Iter<'n, Node>>,
    from: NodeDeserializer<'n, 't>,
}

impl<'n, 't> SeqAccess<'n> for Items<'n, 't> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((place, node)) = self.items.find(|(_, item)| item.value != Value::Removed) else {
            return Ok(None);
        };
        let trail = Trail::Item(self.from.trail, place);
        below(seed, node, &trail, self.from.unknown).map(Some)
    }
}

/// Reads a child. Its trail lives no longer than the call, so the child's errors get their place here.
fn below<'n, T: DeserializeSeed<'n>>(
    seed: T,
    node: &'n Node,
    trail: &Trail<'_>,
    unknown: &RefCell<Vec<Fault>>,
) -> Result<T::Value, Fault> {
    seed.deserialize(NodeDeserializer { node, trail, unknown })
        .map_err(|fault| fault.at(|| trail.pointer()))
}

struct Entries<'n, 't> {
    entries: std::slice::Iter<'n, (Key, Node)>,
    value: Option<&'n (Key, Node)>,
    known: Option<&'static [&'static str]>,
    from: NodeDeserializer<'n, 't>,
}

impl<'n, 't> MapAccess<'n> for Entries<'n, 't> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        for entry in self.entries.by_ref() {
            let key: &'n str = &entry.0.text;
            if let Some(known) = self.known.filter(|known| !known.contains(&key)) {
                let fault = Fault::unknown_key(key, known).at(|| self.from.trail.pointer());
                self.from.unknown.borrow_mut().push(fault);
                continue;
            }
            self.value = Some(entry);
            return seed.deserialize(IntoDeserializer::<Fault>::into_deserializer(key)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, node)) = self.value.take() else {
            return Err(Fault::custom("a value without a key"));
        };
        let trail = Trail::Key(self.from.trail, &key.text);
        below(seed, node, &trail, self.from.unknown)
    }
}

/// One of an enum's variants: its name alone, or with a value.
struct Choice<'n, 't> {
    name: &'n str,
    value: Option<NodeDeserializer<'n, 't>>,
}

impl<'n> EnumAccess<'n> for Choice<'n, '_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'n>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name = StrDeserializer::<Fault>::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'n> VariantAccess<'n> for Choice<'n, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            None => Ok(()),
            Some(_) => {
                Err(Fault::custom(format!("`{}` takes no value: write just `{0}`", self.name)))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'n>>(self, seed: T) -> Result<T::Value, Fault> {
        match self.value {
            Some(value) => below(seed, value.node, value.trail, value.unknown),
            None => {
                Err(Fault::custom(format!("`{}` needs a value: write `{{{0}: ..}}`", self.name)))
            }
        }
    }

    fn tuple_variant<V: Visitor<'n>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        Err(Fault::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'n>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        Err(Fault::invalid_type(Unexpected::StructVariant, &visitor))
    }
}
