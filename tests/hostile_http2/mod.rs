//! Can a client of HTTP/2 harm the server or others by frames that are wrong, or right and without end? (RFC 9113)

mod floods;
mod wrong;

use bytes::Bytes;

use crate::kit::{Origin, Reply, Setup, Turnout, block, head, kind, scripted};

const YAML: &str = "access_log: false\ntimeouts: {head: 2s, write: 2s}\nroutes:\n  \
                    a: {canonical: /a, stable: {upstream: api}}\n";

/// Error codes. (RFC 9113, section 7)
mod code {
    pub(super) const NO_ERROR: u32 = 0;
    pub(super) const PROTOCOL: u32 = 1;
    pub(super) const FLOW_CONTROL: u32 = 3;
    pub(super) const STREAM_CLOSED: u32 = 5;
    pub(super) const FRAME_SIZE: u32 = 6;
    pub(super) const REFUSED_STREAM: u32 = 7;
    pub(super) const COMPRESSION: u32 = 9;
    pub(super) const CALM: u32 = 11;
}

async fn served() -> (Turnout, Origin) {
    let large = Bytes::from(vec![b'x'; 4_000_000]);
    let api = scripted("api", move |asked| match asked.query() {
        "large" => Reply::text(large.clone()),
        _ => Reply::text("ok"),
    })
    .await;
    (Setup::new(YAML).upstream("api", api.address()).with_h2c().start().await, api)
}

fn asking(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", path)];
    block(&[&own[..], more].concat())
}

fn request(stream: u32) -> Vec<u8> {
    head(stream, kind::WHOLE, &asking("/a", &[]))
}

/// A request whose body is still to come.
fn begun(stream: u32) -> Vec<u8> {
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "h"), (":path", "/a")];
    head(stream, kind::END_HEADERS, &block(&fields))
}
