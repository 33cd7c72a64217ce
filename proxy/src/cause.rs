//! Whose fault was it? Pingora's errors as the classes that are counted.

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
