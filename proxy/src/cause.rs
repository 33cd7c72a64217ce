//! Whose fault was it? Pingora's errors as the classes that are counted.

use std::io;

use pingora::ErrorSource;
use pingora::prelude::{Error, ErrorType};
use rules::sli::ErrorClass;

/// What went wrong, by Pingora's error.
pub(crate) fn class_of(error: &Error) -> ErrorClass {
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, _) => ErrorClass::ClientAbort,
        (_, ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::HTTPStatus(504)) => {
            ErrorClass::Timeout
        }
        // A connection to a target says so itself.
        (_, ErrorType::ReadError) if is_timed_out(error) => ErrorClass::Timeout,
        (
            _,
            ErrorType::ConnectTimedout
            | ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::TLSHandshakeFailure
            | ErrorType::TLSHandshakeTimedout
            | ErrorType::InvalidCert
            | ErrorType::HandshakeError
            | ErrorType::BindError
            | ErrorType::SocketError
            | ErrorType::HTTPStatus(503),
        ) => ErrorClass::Connect,
        _ => ErrorClass::Transport,
    }
}

/// Whether our own patience has ended, and not the kernel's with a connection that is dead.
fn is_timed_out(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| {
        cause.kind() == io::ErrorKind::TimedOut && cause.raw_os_error().is_none()
    })
}
