//! Who vouches for the newest link of the chain? This node, with a key of its own (Ed25519, RFC 8032).

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::{Broken, Head};
use crate::digest::{hex, unhex};

/// The newest link of a chain, signed. Whoever keeps one can tell later whether the chain is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// The link.
    #[serde(flatten)]
    pub head: Head,
    /// When it was signed (RFC 3339).
    pub at: String,
    /// The public key of whoever signed it, in hexadecimal.
    pub key: String,
    /// The signature, in hexadecimal.
    pub signature: String,
}

impl SignedHead {
    /// Checks the signature.
    ///
    /// # Errors
    /// When it is not that of the key over this head.
    pub fn verify(&self) -> Result<(), Broken> {
        let broken = || Broken::other("the head's signature is not that of its key");
        let key = unhex(&self.key).ok_or_else(broken)?;
        let signature = unhex(&self.signature).ok_or_else(broken)?;
        let key = UnparsedPublicKey::new(&ED25519, key);
        key.verify(message(&self.head, &self.at).as_bytes(), &signature)
            .map_err(|_unspecified| broken())
    }
}

fn message(head: &Head, at: &str) -> String {
    format!("turnout audit head\n{}\n{}\n{at}\n", head.seq, head.hash)
}

/// A key to sign heads with.
pub struct Seal(Ed25519KeyPair);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seal").field(&self.key()).finish()
    }
}

impl Seal {
    /// The key that is kept in a file which only its owner can read; made where there is none yet.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds no key.
    pub fn open(path: &Path) -> Result<Self, io::Error> {
        let kept = match fs::read(path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
            Err(error) => return Err(error),
        };
        let no_key = |_| io::Error::new(io::ErrorKind::InvalidData, "it holds no Ed25519 key");
        Ed25519KeyPair::from_pkcs8(&kept).map(Self).map_err(no_key)
    }

    /// The public key, in hexadecimal.
    #[must_use]
    pub fn key(&self) -> String {
        hex(self.0.public_key().as_ref())
    }

    /// Signs the newest link of a chain.
    #[must_use]
    pub fn sign(&self, head: Head, now: Timestamp) -> SignedHead {
        let at = now.to_string();
        let signature = hex(self.0.sign(message(&head, &at).as_bytes()).as_ref());
        SignedHead { head, at, key: self.key(), signature }
    }
}

fn make(path: &Path) -> Result<Vec<u8>, io::Error> {
    let no_randomness = |_| io::Error::other("the system has no randomness");
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(no_randomness)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_ref())?;
    file.sync_all()?;
    Ok(key.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_signed_head_cannot_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal");
        let seal = Seal::open(&path).unwrap();
        let signed = seal.sign(Head { seq: 3, ..Head::default() }, Timestamp::UNIX_EPOCH);
        signed.verify().unwrap();
        let longer = SignedHead { head: Head { seq: 4, ..Head::default() }, ..signed.clone() };
        assert!(longer.verify().is_err());
        assert!(SignedHead { signature: "00".into(), ..signed.clone() }.verify().is_err());
        assert_eq!(Seal::open(&path).unwrap().key(), signed.key, "the key stays the same");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        assert!(!format!("{seal:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_no_key_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal");
        fs::write(&path, "nothing").unwrap();
        assert!(Seal::open(&path).unwrap_err().to_string().contains("no Ed25519 key"));
    }
}
