//! Are these certificates, and do they fit their keys? What is found here would otherwise fail when it is used.

use std::sync::Arc;

use jiff::Timestamp;
use rules::tls::{Certificate, PrivateKey};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

use super::findings::{Findings, Pointer};
use crate::document::listener::CertificateSpec;
use crate::document::secret::SecretRef;

/// The authorities in a PEM file, as DER. Its text is never told: people paste keys into the wrong file.
pub(super) fn authorities(
    ca: &SecretRef,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Vec<Vec<u8>>> {
    // Where it could not be fetched, that was told while reading.
    let pem = findings.secret(ca)?;
    let found = chain(ca, pem, at, findings)?;
    Some(found.iter().map(|der| der.to_vec()).collect())
}

/// Whether clients can be verified by these authorities.
pub(super) fn is_usable_for_clients(roots: &[Vec<u8>]) -> bool {
    let mut store = RootCertStore::empty();
    let added = roots.iter().all(|der| store.add(CertificateDer::from(der.as_slice())).is_ok());
    let provider = Arc::new(ring::default_provider());
    added && WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build().is_ok()
}

/// A certificate that fits its key. Warns where it is not valid at this time.
pub(super) fn certificate(
    spec: &CertificateSpec,
    now_unix: i64,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Certificate> {
    let (cert_at, key_at) = (at.key("cert"), at.key("key"));
    let chain =
        findings.secret(&spec.cert).and_then(|pem| chain(&spec.cert, pem, &cert_at, findings));
    let key =
        findings.secret(&spec.key).and_then(|pem| private_key(&spec.key, pem, &key_at, findings));
    let (chain, key) = (chain?, key?);
    let der = PrivateKey::new(key.secret_der());
    match CertifiedKey::from_der(chain.clone(), key, &ring::default_provider()) {
        Ok(_) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message =
                format!("{} is not the key of the certificate in {}", spec.key, spec.cert);
            let hint = "the first certificate of the file is the one that the key belongs to";
            findings.error_with_hint(&key_at, "key_mismatch", message, hint.to_owned());
            return None;
        }
        Err(error) => {
            let message = format!("{} holds a key that cannot be used: {error}", spec.key);
            findings.error(&key_at, "bad_key", message);
            return None;
        }
    }
    let names = look(&spec.cert, chain.first()?, now_unix, &cert_at, findings);
    let chain = chain.iter().map(|der| der.as_ref().into()).collect();
    Some(Certificate { chain, key: der, names })
}

/// The certificates in a PEM text, in its order.
fn chain(
    from: &SecretRef,
    pem: &[u8],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(found) if found.iter().any(|der| !is_x509(der)) => {
            let message = format!("{from} holds a certificate that cannot be read");
            let hint = "an X.509 certificate is expected; try `openssl x509 -in FILE -noout -text`";
            findings.error_with_hint(at, "bad_certificate", message, hint.to_owned());
            None
        }
        Ok(found) if !found.is_empty() => Some(found),
        _ => {
            let message = format!("{from} holds no certificate in PEM");
            let hint =
                "it must have lines `-----BEGIN CERTIFICATE-----` and `-----END CERTIFICATE-----`";
            findings.error_with_hint(at, "bad_certificate", message, hint.to_owned());
            None
        }
    }
}

/// Whether Pingora will be able to read it: it panics where it cannot, so the same parser is asked before.
fn is_x509(der: &[u8]) -> bool {
    x509_parser::parse_x509_certificate(der).is_ok_and(|(rest, _)| rest.is_empty())
}

fn private_key(
    from: &SecretRef,
    pem: &[u8],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<PrivateKeyDer<'static>> {
    let key = PrivateKeyDer::from_pem_slice(pem).ok();
    if key.is_none() {
        let message = format!("{from} holds no private key in PEM");
        let hint = "it must have a line `-----BEGIN PRIVATE KEY-----`; keys that need a password cannot be used";
        findings.error_with_hint(at, "bad_key", message, hint.to_owned());
    }
    key
}

/// The host names of a certificate. Warns where there are none, and where its time is over or not yet come.
fn look(
    from: &SecretRef,
    der: &[u8],
    now_unix: i64,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Box<[Box<str>]> {
    let Ok((_, parsed)) = X509Certificate::from_der(der) else { return Box::default() };
    let validity = parsed.validity();
    // While a file is only read, nobody knows the time.
    if now_unix != i64::MIN && now_unix >= validity.not_after.timestamp() {
        let message = format!("the certificate in {from} ended at {}", time(validity.not_after));
        let hint = "clients turn it down; put a new one into its place".to_owned();
        findings.warning(at, "certificate_ended", message, hint);
    } else if now_unix != i64::MIN && now_unix < validity.not_before.timestamp() {
        let message = format!("the certificate in {from} begins at {}", time(validity.not_before));
        findings.warning(at, "certificate_not_begun", message, "clients turn it down".to_owned());
    }
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let names = alternatives.into_iter().flat_map(|all| &all.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
            _ => None,
        })
        .collect()
}

/// A time as the file writes them.
fn time(time: ASN1Time) -> String {
    Timestamp::from_second(time.timestamp()).map_or_else(|_| time.to_string(), |at| at.to_string())
}
