//! What is a request called? The id that it came with, or a fresh one, and what its client calls it.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::field::Field;

pub(crate) static REQUEST_ID: Field = Field::new("x-request-id", "X-Request-Id");
pub(crate) static CORRELATION_ID: Field = Field::new("x-correlation-id", "X-Correlation-Id");

/// Where a request's id may already stand: Kong's own, its correlation plugin's, and the two common ones.
static ID_FIELDS: [HeaderName; 4] = [
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
    /// Which of the fields it came with hold something else than one id.
    unfit: [bool; ID_FIELDS.len()],
}

impl Ids {
    /// The first well-formed id that it came with, else a fresh one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = Given::all(headers);
        let unfit = given.each_ref().map(|given| matches!(given, Given::Unfit));
        let found = given.map(|given| if let Given::Id(id) = given { Some(id) } else { None });
        let [.., own] = found;
        let (request, made) = if let Some(known) = found.into_iter().flatten().next() {
            (RequestId(known.clone()), None)
        } else {
            let made = Uuid::now_v7();
            (RequestId::fresh(made), Some(made))
        };
        let correlation = own.filter(|own| **own != request.0).cloned().map(RequestId);
        Self { request, correlation, made, unfit }
    }

    /// The fields that no arm gets to see, so that it reads what is logged.
    pub(crate) fn unfit(&self) -> impl Iterator<Item = &'static HeaderName> {
        ID_FIELDS.iter().zip(self.unfit).filter(|(_, unfit)| *unfit).map(|(name, _)| name)
    }

    /// What the client is told.
    pub(crate) fn told(&self) -> [(&'static Field, &HeaderValue); 2] {
        let correlation = self.correlation.as_ref().unwrap_or(&self.request);
        [(&REQUEST_ID, &self.request.0), (&CORRELATION_ID, &correlation.0)]
    }
}

/// What a request came with in a field.
enum Given<'h> {
    Nothing,
    /// One well-formed id.
    Id(&'h HeaderValue),
    Unfit,
}

impl<'h> Given<'h> {
    /// What there is in each of [`ID_FIELDS`]. A look at each field is less than as many look-ups.
    fn all(headers: &'h HeaderMap) -> [Self; ID_FIELDS.len()] {
        let mut all = ID_FIELDS.each_ref().map(|_| Self::Nothing);
        for (name, field) in headers {
            let given = ID_FIELDS.iter().zip(&mut all).find(|(known, _)| *known == name);
            if let Some((_, given)) = given {
                let is_first = matches!(given, Self::Nothing);
                let is_fit = is_first && is_id(field.as_bytes());
                *given = if is_fit { Self::Id(field) } else { Self::Unfit };
            }
        }
        all
    }
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
    fn what_is_no_id_is_unfit() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-request-id", "not one"),
            ("x-kong-request-id", "one"),
            ("kong-request-id", "one"),
            ("kong-request-id", "another"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let unfit: Vec<&str> = Ids::of(&headers).unfit().map(HeaderName::as_str).collect();
        assert_eq!(unfit, ["kong-request-id", "x-request-id"]);
    }
}
