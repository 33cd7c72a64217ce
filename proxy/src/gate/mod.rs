//! The byte gate: what two readers could read differently does not reach Pingora's reader. (INV-11)
//!
//! Read [`ByteGate`] first: the state of one connection, fed with bytes, without a socket. `request_line`, `fields`,
//! `host` and `protected` judge the lines of a `head`; `chunks` judges what frames a body. [`Policy`] says what may pass,
//! [`Refusal`] why something does not. `stream` is a connection with a gate before it, `written` follows its answers,
//! `answer` tells a client that it was refused. `decoded` has HTTP/2's heads judged by the same rules.
//!
//! # What is refused though a standard allows it
//! What is legal may still be read in two ways by what stands behind. The corpora in `tests/cases/wire` hold requests that
//! they call compliant, or valid for an origin server, and that are refused here all the same; `tests/wire/differences.rs`
//! lists each of them, and a test holds the list to be exact.
//!
//! - Transfer codings besides a single `chunked`, and parameters of it: readers disagree on the last one's meaning.
//! - Bytes above 0x7e, and `"<>\^{}|#` and the backquote, in a target: readers encode them or do not.
//! - An empty target, one that is neither a path nor an `http` URL, one whose authority is not the Host, or names a user.
//! - HTTP/1.1 without a Host; a Host that is no name or address, such as `0.0.0.0=5000`.
//! - A Content-Length that begins with a zero: some readers take it for octal.
//! - HTTP/0.9, other versions than 1.0 and 1.1, CONNECT, methods that no route lists, and the PROXY protocol.
//! - Bare line feeds, folded lines, blanks before a colon or beside a size, even where a lenient mode allows them.
//! - Names with other signs in place of a protected name's hyphens, though they are names of their own.
//! - A body of GET, HEAD or DELETE, unless a route allows it. A Content-Length of 0 is no body.
//!
//! Escaped control characters and empty segments in a path pass here and are refused where the path is normalised.
//!
//! # What is changed on the way
//! A target in absolute form loses its origin; an empty line before a request, chunk extensions and trailers are left out,
//! and so is an Upgrade that is not to a WebSocket, as its standard allows (RFC 9110, section 7.8).

mod answer;
mod byte_gate;
mod chunks;
mod classes;
mod decoded;
mod fields;
mod head;
mod host;
mod policy;
mod protected;
mod refusal;
mod request_line;
mod stream;
mod written;

pub(crate) use answer::refuse as answer;
pub use byte_gate::{ByteGate, Refused};
pub(crate) use decoded::judge as judge_decoded;
pub(crate) use policy::Policies;
pub use policy::Policy;
pub use refusal::Refusal;
pub(crate) use stream::{GatedStream, ReturnSlot, Returned, Surroundings};

/// Whether clients' connections are behind the gate; they are not in the build that tells what it costs.
pub(crate) const IS_THERE: bool = !cfg!(feature = "ungated");

#[cfg(test)]
mod tests;
