//! How is it known that the server is the right one, and how does it know who asks? TLS as the command line speaks it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use super::exit::Failure;

/// Whom to trust, and what to show, where the address begins with `https://`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TlsArgs {
    /// The authority that vouches for the server, in PEM, instead of those that this machine trusts
    #[arg(long, env = "TURNOUT_CA", value_name = "FILE", hide_env_values = true)]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate to come in with, in PEM
    #[arg(long, env = "TURNOUT_CERT", value_name = "FILE", hide_env_values = true)]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, env = "TURNOUT_KEY", value_name = "FILE", hide_env_values = true)]
    pub(crate) key: Option<PathBuf>,
}

impl TlsArgs {
    /// What the environment says.
    pub(crate) fn from_env() -> Self {
        let file = |name| std::env::var_os(name).filter(|file| !file.is_empty()).map(Into::into);
        Self { ca: file("TURNOUT_CA"), cert: file("TURNOUT_CERT"), key: file("TURNOUT_KEY") }
    }

    /// Whether anything of it was given, so that an address without a scheme is meant for TLS: nothing that was to go
    /// over TLS may go over anything else.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.key.is_some()
    }

    /// How to speak to a server. Its certificate is always verified.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub(crate) fn config(&self, is_needed: bool) -> Result<ClientConfig, Failure> {
        let unusable = |error: &dyn Error| Failure::of("TLS cannot be spoken", error);
        let builder = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let builder = match &self.ca {
            Some(file) => builder.with_root_certificates(authorities(file)?),
            None if is_needed => builder.with_native_roots().map_err(|error| unusable(&error))?,
            None => builder.with_root_certificates(RootCertStore::empty()),
        };
        let (cert, key) = match (&self.cert, &self.key) {
            (None, None) => return Ok(builder.with_no_client_auth()),
            (Some(cert), Some(key)) => (cert, key),
            (Some(_), None) | (None, Some(_)) => {
                let text = "a certificate comes with its key: give both --cert and --key";
                return Err(Failure::Usage(text.to_owned()));
            }
        };
        let own = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| Failure::of(key.display(), format!("no private key: {error}")))?;
        builder
            .with_client_auth_cert(certificates(cert)?, own)
            .map_err(|error| Failure::of(cert.display(), format!("it cannot be used: {error}")))
    }
}

fn authorities(file: &Path) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| Failure::of(file.display(), format!("no authority: {error}")))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let unreadable = |error| Failure::of(file.display(), format!("no certificate: {error}"));
    let found = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() {
        return Err(Failure::of(file.display(), "there is no certificate in it"));
    }
    Ok(found)
}

/// What TLS has against a connection, where it is that which failed.
pub(crate) fn failure(server: &str, error: &(dyn Error + 'static)) -> Option<Failure> {
    let server = server.to_owned();
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(why) => {
            let cause = match why {
                CertificateError::UnknownIssuer => {
                    "nobody who is trusted here vouches for its certificate; name its authority with --ca or TURNOUT_CA"
                        .to_owned()
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    "its certificate is for another name".to_owned()
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "the time of its certificate is over".to_owned()
                }
                other => format!("its certificate is not good: {other}"),
            };
            Some(Failure::Untrusted { server, cause })
        }
        rustls::Error::AlertReceived(alert) => {
            let cause = match alert {
                AlertDescription::CertificateRequired => {
                    "it asks for a certificate; show one with --cert and --key, or TURNOUT_CERT and TURNOUT_KEY"
                }
                AlertDescription::CertificateExpired => "the time of the certificate is over",
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRevoked
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::DecryptError
                | AlertDescription::AccessDenied => "it does not accept the certificate",
                _ => return None,
            };
            Some(Failure::TurnedAway { server, cause })
        }
        rustls::Error::InvalidMessage(_) => {
            let cause = "it does not speak TLS there; write http:// for https://".to_owned();
            Some(Failure::Unreachable { server, cause })
        }
        _ => None,
    }
}

fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An `io::Error` says that the cause of what it wraps is its own cause, and so hides it.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tls_has_against_it_is_found_below_other_errors() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, alert));
        let failure = failure("https://a", &wrapped).unwrap();
        assert_eq!(failure.exit() as u8, 77);
        assert!(failure.to_string().contains("--cert"), "{failure}");
        assert!(super::failure("https://a", &io::Error::other("else")).is_none());
    }

    #[test]
    fn a_certificate_comes_with_its_key() {
        let half = TlsArgs { cert: Some("a.pem".into()), ..TlsArgs::default() };
        assert!(matches!(half.config(false), Err(Failure::Usage(_))));
        let missing = TlsArgs { ca: Some("no-such.pem".into()), ..TlsArgs::default() };
        assert!(missing.config(true).unwrap_err().to_string().starts_with("no-such.pem: "));
    }
}
