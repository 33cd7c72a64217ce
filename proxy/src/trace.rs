//! Which trace does a request belong to? The context that it came with, or one that begins here (W3C Trace Context).

use http::header::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;
use uuid::Uuid;

use crate::field::Field;

/// The field that holds the context. The specification wants it in lower case (section 3.2).
pub(crate) static TRACEPARENT: Field = Field::new("traceparent", "traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How long a context is.
const LENGTH: usize = 55;

/// The context of a trace that begins here, not sampled, where the request does not belong to one already. It is called what
/// the request is called, where that was made here.
pub(crate) fn begin(head: &mut RequestHeader, own: Option<Uuid>) -> Option<Box<str>> {
    if context(&head.headers).is_some() {
        return None;
    }
    // Section 3.3.1.1: without a context that can be read, its state says nothing.
    if head.headers.keys().any(|name| [&TRACESTATE, &TRACEPARENT.name].contains(&name)) {
        head.remove_header(&TRACESTATE);
        head.remove_header(&TRACEPARENT.name);
    }
    Some(fresh(own.unwrap_or_else(Uuid::now_v7)))
}

/// The context of a request, where there is one and it is well-formed.
fn context(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(&TRACEPARENT.name).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    field.to_str().ok().filter(|text| ids(text).is_some())
}

/// The ids of the trace and of the span that a context names: `00-<trace>-<span>-<flags>`.
pub(crate) fn ids(context: &str) -> Option<(&str, &str)> {
    let mut parts = context.splitn(5, '-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
    };
    let is_zero = |text: &str| text.bytes().all(|b| b == b'0');
    let later = version != "00" || parts.next().is_none();
    let well_formed = is_hex(version, 2)
        && version != "ff"
        && later
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && !is_zero(trace)
        && !is_zero(span);
    well_formed.then_some((trace, span))
}

/// A context of a trace that begins here: nobody has decided to sample it.
fn fresh(trace: Uuid) -> Box<str> {
    let (_, low) = trace.as_u64_pair();
    // The span's id is the trace's random half, mixed (splitmix64); zero is no id.
    let mixed = (low ^ (low >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let span = (mixed ^ (mixed >> 31)) | 1;
    let mut text = String::with_capacity(LENGTH);
    text.push_str("00-");
    let mut digits = Uuid::encode_buffer();
    text.push_str(trace.simple().encode_lower(&mut digits));
    text.push('-');
    let span = Uuid::from_u64_pair(span, 0).simple().encode_lower(&mut digits);
    text.push_str(span.get(..16).unwrap_or_default());
    text.push_str("-00");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_well_formed_trace_contexts_are_believed() {
        assert_eq!(ids(GOOD), Some(("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")));
        assert!(ids("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
        for bad in [
            "",
            "00-x-y-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\"-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(ids(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_request_without_a_context_begins_a_trace() {
        let begun = |fields: &[(&'static str, &'static str)]| {
            let mut head = RequestHeader::build("GET", b"/", None).unwrap();
            for (name, value) in fields {
                head.append_header(*name, *value).unwrap();
            }
            let text = begin(&mut head, None);
            (text, head.headers.len())
        };
        assert_eq!(begun(&[("traceparent", GOOD), ("tracestate", "a=1")]), (None, 2));
        for fields in [
            &[][..],
            &[("traceparent", "nonsense"), ("tracestate", "a=1")],
            &[("traceparent", GOOD), ("traceparent", GOOD), ("tracestate", "a=1")],
        ] {
            let (text, left) = begun(fields);
            assert_ne!(begun(fields).0, text);
            let text = text.unwrap();
            assert!(ids(&text).is_some() && text.ends_with("-00") && left == 0, "{text}");
        }
    }

    #[test]
    fn a_trace_that_begins_here_is_called_what_its_request_is_called() {
        let own = Uuid::now_v7();
        let text = fresh(own);
        let (trace, span) = ids(&text).unwrap();
        assert_eq!((trace, span.len()), (own.simple().to_string().as_str(), 16));
    }
}
