//! Whom does a certificate stand for? By the names in it, read once for each connection. TLS has verified it by then.

use std::sync::Arc;

use config::{CertifiedName, SubjectSpec};
use rules::tls::ServerTls;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The certificate that a client has shown, and that an authority vouches for.
#[derive(Debug, Clone)]
pub struct Shown {
    names: Vec<CertifiedName>,
    /// The last second at which it is good.
    until_unix: i64,
    /// Whose word counted when it was verified.
    verified_by: Arc<ServerTls>,
}

impl Shown {
    /// Reads a certificate that was verified by these authorities. What cannot be read names nobody.
    #[must_use]
    pub fn read(der: &[u8], verified_by: Arc<ServerTls>) -> Self {
        let nobody = Self { names: Vec::new(), until_unix: i64::MIN, verified_by };
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return nobody };
        let until_unix = certificate.validity().not_after.timestamp();
        let Ok(alternatives) = certificate.subject_alternative_name() else { return nobody };
        let alternatives = alternatives.into_iter().flat_map(|all| &all.value.general_names);
        let alternatives = alternatives.filter_map(|name| match name {
            GeneralName::URI(name) => Some(CertifiedName::Uri((*name).to_owned())),
            GeneralName::DNSName(name) => Some(CertifiedName::Dns((*name).to_owned())),
            GeneralName::RFC822Name(name) => Some(CertifiedName::Email((*name).to_owned())),
            _ => None,
        });
        let mut common = certificate.subject().iter_common_name();
        let common = match (common.next(), common.next()) {
            (Some(name), None) => name.as_str().ok(),
            // Of two, nobody knows which one is meant.
            _ => None,
        };
        let common = common.map(|name| CertifiedName::CommonName(name.to_owned()));
        Self { names: alternatives.chain(common).collect(), until_unix, ..nobody }
    }

    /// Whether its time is over: connections last longer than handshakes.
    #[must_use]
    pub const fn is_over(&self, now_unix: i64) -> bool {
        now_unix > self.until_unix
    }

    /// Whether those who vouched for it are still asked.
    #[must_use]
    pub fn is_vouched_for(&self, now: Option<&Arc<ServerTls>>) -> bool {
        now.is_some_and(|now| {
            Arc::ptr_eq(now, &self.verified_by) || now.clients == self.verified_by.clients
        })
    }

    /// The first subject that it stands for.
    pub fn find<'s>(
        &self,
        subjects: impl IntoIterator<Item = (&'s String, &'s SubjectSpec)>,
    ) -> Option<(&'s str, &'s SubjectSpec)> {
        let mut subjects = subjects.into_iter();
        let found = subjects.find(|(_, subject)| self.names.contains(&subject.certificate));
        found.map(|(name, subject)| (name.as_str(), subject))
    }
}
