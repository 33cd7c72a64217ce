//! Where is listened, and how are clients met there? Sockets that do not collide, and what ends TLS on them.

use std::net::SocketAddr;
use std::sync::Arc;

use rules::tls::{Certificate, ClientAuth, ListenerTls, ServerTls};

use super::certificates::{authorities, certificate, is_usable_for_clients};
use super::findings::{Findings, Pointer};
use crate::document::Document;
use crate::document::listener::{
    CertificateSpec, ClientAuthSpec, ListenerSpec, ListenerTlsSpec, ServerTlsSpec,
};

/// Where clients are served. What ends their TLS is in the snapshot, because it may change meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Its address.
    pub address: SocketAddr,
    /// What clients speak there.
    pub protocol: Protocol,
}

/// What clients speak on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1 in the clear.
    Http1,
    /// HTTP/2 in the clear, by prior knowledge, and nothing else.
    H2c,
    /// TLS, and in it whatever it agrees on.
    Tls,
}

/// The listeners for clients.
pub(super) fn listeners(
    document: &Document,
    sockets: &mut Sockets,
    findings: &mut Findings<'_>,
) -> Vec<Listener> {
    let at = Pointer::root().key("listeners");
    if document.listeners.is_empty() && !findings.lost_below(&at) {
        findings.error(&at, "no_listeners", "without a listener nobody is served");
    }
    let mut listeners = Vec::new();
    for (i, spec) in document.listeners.iter().enumerate() {
        let at = at.item(i);
        let protocol = protocol(spec, &at, findings);
        let address = sockets.add(&spec.address, &at, findings);
        listeners.extend(address.map(|address| Listener { address, protocol }));
    }
    listeners
}

fn protocol(spec: &ListenerSpec, at: &Pointer, findings: &mut Findings<'_>) -> Protocol {
    match (&spec.tls, spec.h2c) {
        (Some(_), true) => {
            let message = "`h2c` is HTTP/2 without TLS, and this listener has TLS";
            let hint = "leave it out; `tls: {http2: true}` is the default".to_owned();
            findings.error_with_hint(&at.key("h2c"), "h2c_with_tls", message, hint);
            Protocol::Tls
        }
        (Some(_), false) => Protocol::Tls,
        (None, true) => Protocol::H2c,
        (None, false) => Protocol::Http1,
    }
}

/// What ends TLS on the listeners that have it.
pub(super) fn tls(
    document: &Document,
    now_unix: i64,
    findings: &mut Findings<'_>,
) -> Arc<[ListenerTls]> {
    let at = Pointer::root().key("listeners");
    let listeners = document.listeners.iter().enumerate();
    let with_tls = listeners.filter_map(|(i, spec)| {
        let tls = spec.tls.as_ref()?;
        of_listener(spec, tls, now_unix, &at.item(i).key("tls"), findings)
    });
    with_tls.collect()
}

fn of_listener(
    listener: &ListenerSpec,
    spec: &ListenerTlsSpec,
    now_unix: i64,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<ListenerTls> {
    let server = server(&spec.certificates, spec.clients.as_ref(), now_unix, at, findings);
    // Where the address is wrong, that is told with the sockets.
    let address = listener.address.parse().ok()?;
    Some(ListenerTls { address, server, http2: spec.http2 })
}

/// What ends TLS on the control API, the status listener or the one for services, where that has it.
pub(super) fn server_tls(
    spec: Option<&ServerTlsSpec>,
    now_unix: i64,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Arc<ServerTls>> {
    let ServerTlsSpec { certificates, clients } = spec?;
    let at = at.key("tls");
    Some(Arc::new(server(certificates, clients.as_ref(), now_unix, &at, findings)))
}

fn server(
    certificates: &[CertificateSpec],
    clients: Option<&ClientAuthSpec>,
    now_unix: i64,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> ServerTls {
    let certificates_at = at.key("certificates");
    if certificates.is_empty() && !findings.lost_below(&certificates_at) {
        let hint = "write `certificates: [{cert: {file: api.pem}, key: {file: api.key}}]`";
        let message = "TLS needs at least one certificate";
        findings.error_with_hint(&certificates_at, "no_certificate", message, hint.to_owned());
    }
    let usable = certificates
        .iter()
        .enumerate()
        .filter_map(|(i, spec)| certificate(spec, now_unix, &certificates_at.item(i), findings));
    let certificates: Box<[Certificate]> = usable.collect();
    let clients = clients.and_then(|spec| client_auth(spec, &at.key("clients"), findings));
    ServerTls { certificates, clients }
}

fn client_auth(
    spec: &ClientAuthSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<ClientAuth> {
    let at = at.key("ca");
    let roots = authorities(&spec.ca, &at, findings)?;
    if !is_usable_for_clients(&roots) {
        let message = format!("{} holds a certificate that no client can be verified by", spec.ca);
        let hint = "the certificate of an authority is expected, not a client's own".to_owned();
        findings.error_with_hint(&at, "bad_certificate", message, hint);
        return None;
    }
    let roots = roots.into_iter().map(Vec::into_boxed_slice).collect();
    Some(ClientAuth { roots, required: spec.required })
}

/// The sockets seen so far, each with who has it.
#[derive(Default)]
pub(super) struct Sockets(Vec<(SocketAddr, Pointer)>);

impl Sockets {
    pub(super) fn add(
        &mut self,
        address: &str,
        at: &Pointer,
        findings: &mut Findings<'_>,
    ) -> Option<SocketAddr> {
        let at = at.key("address");
        let Ok(address) = address.parse::<SocketAddr>() else {
            let message = format!("{address:?} is not a socket address");
            let hint =
                "write `address:port`, for example `0.0.0.0:7080`, `127.0.0.1:7081` or `[::]:7080`";
            findings.error_with_hint(&at, "bad_address", message, hint.to_owned());
            return None;
        };
        let taken =
            self.0.iter().find(|(other, _)| address.port() != 0 && overlap(*other, address));
        if let Some((other, by)) = taken {
            let message =
                format!("{address} cannot be listened on twice: {} has {other}", by.as_str());
            findings.error(&at, "address_taken", message);
        }
        self.0.push((address, at));
        Some(address)
    }
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && (a.ip() == b.ip()
            || a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified()))
}
