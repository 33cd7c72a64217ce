//! How does who speaks TLS prove who they are? Certificates with their keys, and whose certificates count.

use std::fmt;
use std::net::SocketAddr;

/// What a listener needs to end its clients' TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// The listener's address, as the configuration has it.
    pub address: SocketAddr,
    /// Who it is, and whose clients come in.
    pub server: ServerTls,
    /// Whether clients are offered HTTP/2.
    pub http2: bool,
}

/// Who a server proves to be, and who its clients may have to prove to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificates, found by the name that a client asks for; the first where it asks for none of them.
    pub certificates: Box<[Certificate]>,
    /// Whose certificates clients may show, if any.
    pub clients: Option<ClientAuth>,
}

/// A certificate with what it takes to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate and those that lead to its authority, as DER.
    pub chain: Box<[Box<[u8]>]>,
    /// Its private key.
    pub key: PrivateKey,
    /// The host names that it is for, in lower case; those that begin with `*.` are for one more label.
    pub names: Box<[Box<str>]>,
}

/// Whose certificates clients may or must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// The authorities, as DER.
    pub roots: Box<[Box<[u8]>]>,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
}

/// A private key in PKCS #8, PKCS #1 or SEC 1, as DER. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Box<[u8]>);

impl PrivateKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(der: impl Into<Box<[u8]>>) -> Self {
        Self(der.into())
    }

    /// The key itself.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_never_printed() {
        let key = PrivateKey::new(*b"very secret");
        assert_eq!(format!("{key:?}"), "[private key]");
        assert_eq!(key.reveal(), b"very secret");
    }
}
