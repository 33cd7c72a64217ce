//! How is a body read? As a tree, by its media type, or as one value.

use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::findings::Findings;
use super::json::{self, Json, Unread};
use super::{Answer, form, xml};

/// Bytes of a text that are read in the time of one step, beside what each of its values takes.
const BYTES_PER_STEP: usize = 8;

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// RFC 8259, and what is built on it (RFC 6839).
    Json,
    /// A JSON document per line.
    JsonLines,
    /// Names and values, as a browser sends forms.
    Form,
    /// Parts with headers of their own (RFC 2046 section 5.1).
    Multipart,
    /// Elements in order, attributes not.
    Xml,
    /// As one value: text, HTML, gRPC and whatever else there is.
    Opaque,
}

impl Class {
    /// The class of an answer with this content.
    pub(super) fn of(answer: &Answer<'_>, content: &[u8]) -> Self {
        // A part of a document is none (RFC 9110 section 15.3.7).
        if answer.status == StatusCode::PARTIAL_CONTENT.as_u16() {
            return Self::Opaque;
        }
        let Some(value) = answer.headers.get(CONTENT_TYPE) else { return sniffed(content) };
        of_media(&media_type(value.to_str().unwrap_or_default()).to_ascii_lowercase())
    }

    pub(super) const fn is_opaque(self) -> bool {
        matches!(self, Self::Opaque)
    }

    /// How many leaves the tree has that a content is, where that can be told without making it. The price is the tree's.
    pub(super) fn leaves(
        self,
        content: &[u8],
        findings: &mut Findings,
    ) -> Option<Result<u64, Unread>> {
        let count = || {
            findings.steps.spend(content.len() / BYTES_PER_STEP)?;
            let leaves = json::leaves(content, &mut findings.steps)?;
            findings
                .steps
                .spend(usize::try_from(leaves).unwrap_or(usize::MAX).saturating_add(1))?;
            Ok(leaves)
        };
        matches!(self, Self::Json).then(count)
    }

    /// The tree that a content is, read in this way.
    pub(super) fn read<'c>(
        self,
        answer: &Answer<'_>,
        content: &'c [u8],
        findings: &mut Findings,
    ) -> Result<Json<'c>, Unread> {
        findings.steps.spend(content.len() / BYTES_PER_STEP)?;
        match self {
            Self::Json => json::read(content, &mut findings.steps),
            Self::JsonLines => json::read_lines(content, &mut findings.steps),
            Self::Form => form::read(content, &mut findings.steps),
            Self::Multipart => {
                let media = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                form::read_parts(content, media.unwrap_or_default(), &mut findings.steps)
            }
            Self::Xml => xml::read(content, &mut findings.steps),
            Self::Opaque => Err(Unread::Text),
        }
    }
}

fn of_media(media: &str) -> Class {
    match media {
        _ if is_json(media) => Class::Json,
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines"
        | "application/json-seq" => Class::JsonLines,
        "application/x-www-form-urlencoded" => Class::Form,
        "application/xml" | "text/xml" => Class::Xml,
        _ if media.starts_with("multipart/") => Class::Multipart,
        _ if media.ends_with("+xml") => Class::Xml,
        _ => Class::Opaque,
    }
}

/// A body without a declared type is taken for JSON when it begins like an object or array.
fn sniffed(body: &[u8]) -> Class {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Class::Json,
        _ => Class::Opaque,
    }
}

/// The part of a Content-Type before its parameters.
pub(super) fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Whether a media type, in whatever case, is JSON (RFC 8259) or is built on it (RFC 6839).
pub(super) fn is_json(media: &str) -> bool {
    let media = media.to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}
