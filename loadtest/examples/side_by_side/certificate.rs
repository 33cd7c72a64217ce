//! What listeners with TLS show: a certificate for `localhost` that the load trusts.

use std::fs;
use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::outcome::Result;
use crate::template::Filling;

/// A certificate with its key, in a folder of their own. (ECDSA with P-256)
pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    folder: TempDir,
}

impl Certificate {
    pub(crate) fn make() -> Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let folder = tempfile::tempdir()?;
        let made = Self { der: cert.der().clone(), folder };
        let [certificate, key] = made.files();
        fs::write(certificate, cert.pem())?;
        fs::write(key, signing_key.serialize_pem())?;
        Ok(made)
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    /// Certificate and key. HAProxy looks for the key under this name.
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        ["server.pem", "server.pem.key"].map(|name| self.folder.path().join(name))
    }

    /// `${CERTIFICATE}` and `${KEY}`.
    pub(crate) fn fill(&self, filling: Filling) -> Filling {
        let [certificate, key] = self.files().map(|file| file.to_string_lossy().into_owned());
        filling.value("CERTIFICATE", certificate).value("KEY", key)
    }
}
