//! What does an XML document say? A tree in which elements are in order and attributes are not.
//!
//! An element is an object with one member, its name. What it holds is an object: each attribute is a member `@name`;
//! text alone is the member `text`; where there are elements inside, they and the texts between them are the list
//! `nodes`. Comments, processing instructions and blanks between elements say nothing.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use super::findings::Steps;
use super::json::{Json, MOST_DEPTH, MOST_NODES, Member, Unread, sorted};

/// What a tag or a text costs, in steps.
const EVENT_STEPS: usize = 5;

/// An element that is not closed yet.
struct Open<'c> {
    name: String,
    members: Vec<Member<'c>>,
    nodes: Vec<Json<'c>>,
    has_elements: bool,
    /// Text that may go on after a reference or a comment.
    text: String,
}

/// Reads a document. One with a DTD is a text: nothing in it is expanded.
pub(super) fn read<'c>(content: &[u8], steps: &mut Steps) -> Result<Json<'c>, Unread> {
    let text = str::from_utf8(content)?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut open: Vec<Open<'c>> = Vec::new();
    let mut root = None;
    let mut nodes = 0;
    loop {
        nodes += 1;
        if nodes > MOST_NODES {
            return Err(Unread::TooLarge);
        }
        steps.spend(EVENT_STEPS)?;
        let closed = match reader.read_event().map_err(|_not_so| Unread::Invalid)? {
            Event::Start(tag) => {
                if open.len() >= MOST_DEPTH || root.is_some() {
                    return Err(if root.is_some() { Unread::Invalid } else { Unread::TooLarge });
                }
                open.push(Open::from_tag(&tag, &mut nodes)?);
                continue;
            }
            Event::Empty(tag) if root.is_none() => Open::from_tag(&tag, &mut nodes)?,
            Event::End(_) => open.pop().ok_or(Unread::Invalid)?,
            Event::Text(text) => {
                add(&mut open, &text.xml10_content())?;
                continue;
            }
            Event::CData(text) => {
                add(&mut open, &text.xml10_content())?;
                continue;
            }
            Event::GeneralRef(reference) => {
                let written = format!("&{};", reference.xml10_content());
                add(&mut open, &unescape(&written).map_err(|_unknown| Unread::Invalid)?)?;
                continue;
            }
            Event::DocType(_) => return Err(Unread::Text),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => continue,
            Event::Empty(_) => return Err(Unread::Invalid),
            Event::Eof => break,
        };
        let element = closed.into_element();
        match open.last_mut() {
            Some(parent) => parent.take(element),
            None => root = Some(element),
        }
    }
    root.filter(|_| open.is_empty()).ok_or(Unread::Invalid)
}

/// Adds text to the element that is open. Outside the document there may be blanks only.
fn add(open: &mut [Open<'_>], text: &str) -> Result<(), Unread> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.chars().all(char::is_whitespace) => {}
        None => return Err(Unread::Invalid),
    }
    Ok(())
}

impl<'c> Open<'c> {
    fn from_tag(tag: &BytesStart<'_>, nodes: &mut usize) -> Result<Self, Unread> {
        let mut members = Vec::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_not_so| Unread::Invalid)?;
            let value = unescape(&attribute.value).map_err(|_unknown| Unread::Invalid)?;
            let name = format!("@{}", attribute.key.as_ref());
            members.push((Cow::Owned(name), Json::String(Cow::Owned(value.into_owned()))));
            *nodes += 1;
        }
        let name = tag.name().as_ref().to_owned();
        Ok(Self { name, members, nodes: Vec::new(), has_elements: false, text: String::new() })
    }

    /// Takes in an element, after the text before it.
    fn take(&mut self, element: Json<'c>) {
        self.end_text();
        self.nodes.push(element);
        self.has_elements = true;
    }

    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.chars().all(char::is_whitespace) {
            self.nodes.push(Json::String(Cow::Owned(text)));
        }
    }

    fn into_element(mut self) -> Json<'c> {
        if self.has_elements {
            self.end_text();
            self.members.push((Cow::Borrowed("nodes"), Json::Array(self.nodes)));
        } else if !self.text.is_empty() {
            self.members.push((Cow::Borrowed("text"), Json::String(Cow::Owned(self.text))));
        }
        Json::Object(vec![(Cow::Owned(self.name), Json::Object(sorted(self.members)))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let read = read(text.as_bytes(), &mut Steps::default());
        read.map_or_else(|error| format!("{error:?}"), |tree| format!("{tree:?}"))
    }

    #[test]
    fn spellings_of_one_document_are_one_tree() {
        let document = "<?xml version=\"1.0\"?>\n<a y='2' x=\"1\">\n  <b>1 &lt; &#50;</b>\n  <c/>tail<!-- not said -->\n</a>\n";
        let other =
            "\u{feff}<a x='1'   y='2'><b>1 <![CDATA[<]]> 2</b><c></c>tail\n</a><!-- end -->";
        assert_eq!(shown(document), shown(other));
        assert_eq!(
            shown("<a x='1'>t</a>"),
            r#"Object([("a", Object([("@x", String("1")), ("text", String("t"))]))])"#
        );
        assert_ne!(shown("<a><b/><c/></a>"), shown("<a><c/><b/></a>"));
        assert_ne!(shown("<a> </a>"), shown("<a></a>"), "a blank alone may be meant");
    }

    #[test]
    fn what_is_no_document_or_has_a_dtd_is_no_tree() {
        for text in
            ["", "<a>", "<a></b>", "<a/><b/>", "a", "<a/>x", "<a>&x;</a>", "<a x='1' x='2'/>"]
        {
            assert_eq!(shown(text), "Invalid", "{text}");
        }
        assert_eq!(shown("<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>"), "Text");
        let nested = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(shown(&nested(MOST_DEPTH + 1)), "TooLarge");
        assert_eq!(shown(&format!("<a>{}</a>", "<b/>".repeat(MOST_NODES))), "TooLarge");
    }
}
