//! What is a request called? The id that it came with, or a fresh one, and what its client calls it.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::Result;
use uuid::Uuid;

use crate::field::Field;

const REQUEST_ID: Field = Field::new("x-request-id", "X-Request-Id");
const CORRELATION_ID: Field = Field::new("x-correlation-id", "X-Correlation-Id");

/// Where a request's id may already stand: Kong's own, its correlation plugin's, and the two common ones.
const ID_FIELDS: [HeaderName; 4] = [
    HeaderName::from_static("x-kong-request-id"),
    HeaderName::from_static("kong-request-id"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-correlation-id"),
];

/// An id, as it stands in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// What nobody has been called yet, as 32 hexadecimal digits.
    fn fresh(id: Uuid) -> Self {
        let text = HeaderValue::from_str(id.simple().encode_lower(&mut Uuid::encode_buffer()));
        Self(text.unwrap_or(HeaderValue::from_static("-")))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}

/// The ids of a request.
#[derive(Debug)]
pub(crate) struct Ids {
    /// What it is known by.
    pub(crate) request: RequestId,
    /// What the client itself calls it, where that is something else.
    correlation: Option<RequestId>,
    /// The id that was made for it here; it grows with time.
    pub(crate) made: Option<Uuid>,
}

impl Ids {
    /// The first well-formed id that it came with, else a fresh one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let found = ID_FIELDS.each_ref().map(|name| id(headers, name));
        let [.., own] = found;
        let (request, made) = if let Some(known) = found.into_iter().flatten().next() {
            (RequestId(known.clone()), None)
        } else {
            let made = Uuid::now_v7();
            (RequestId::fresh(made), Some(made))
        };
        let correlation = own.filter(|own| **own != request.0).cloned().map(RequestId);
        Self { request, correlation, made }
    }

    /// Tells the arm. Ids that are none are removed, so that it reads what is logged.
    pub(crate) fn tell_arm(&self, request: &mut RequestHeader) -> Result<()> {
        for name in &ID_FIELDS {
            if request.headers.contains_key(name) && id(&request.headers, name).is_none() {
                request.remove_header(name);
            }
        }
        REQUEST_ID.insert_if_absent(request, || self.request.0.clone())?;
        CORRELATION_ID.insert_if_absent(request, || self.request.0.clone())
    }

    /// Tells the client.
    pub(crate) fn tell_client(&self, response: &mut ResponseHeader) -> Result<()> {
        let correlation = self.correlation.as_ref().unwrap_or(&self.request);
        response.insert_header(REQUEST_ID.written, self.request.0.clone())?;
        response.insert_header(CORRELATION_ID.written, correlation.0.clone())
    }
}

/// The well-formed id in a field, if there is exactly one.
fn id<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut fields = headers.get_all(name).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    Some(field).filter(|field| is_id(field.as_bytes()))
}

fn is_id(bytes: &[u8]) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'#' | b':');
    !bytes.is_empty() && bytes.len() <= 128 && bytes.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(fields: &[(&'static str, &'static str)]) -> (String, Option<String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let Ids { request, correlation, .. } = Ids::of(&headers);
        (request.as_str().to_owned(), correlation.map(|id| id.as_str().to_owned()))
    }

    #[test]
    fn a_well_formed_id_is_kept_and_anything_else_replaced() {
        let kept = ids(&[("x-request-id", "abc-1"), ("x-kong-request-id", "k7")]);
        assert_eq!(kept, ("k7".to_owned(), None));
        let second = ids(&[("x-kong-request-id", "not one"), ("x-correlation-id", "c-1")]);
        assert_eq!(second, ("c-1".to_owned(), None));
        let both = ids(&[("x-kong-request-id", "k7"), ("x-correlation-id", "c-1")]);
        assert_eq!(both, ("k7".to_owned(), Some("c-1".to_owned())));
        for none in [&[("x-request-id", "a"), ("x-request-id", "b")][..], &[]] {
            assert_eq!(ids(none).0.len(), 32, "{none:?}");
        }
        for bad in ["", "a b", "<script>"] {
            assert_eq!(ids(&[("x-request-id", bad)]).0.len(), 32, "{bad:?}");
        }
    }

    #[test]
    fn the_arm_is_told_what_is_logged() {
        let mut head = RequestHeader::build("GET", b"/", None).unwrap();
        head.insert_header("X-Request-Id", "not one").unwrap();
        let ids = Ids::of(&head.headers);
        ids.tell_arm(&mut head).unwrap();
        for name in ["x-request-id", "x-correlation-id"] {
            assert_eq!(head.headers.get(name).unwrap(), ids.request.as_str());
        }
    }
}
