//! Who has signed? The arithmetic of ring, for the library that reads tokens; nothing is ever signed here.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has the library verify by ring, once in a process.
pub(super) fn install() {
    // Whoever comes second finds the same provider.
    RING.install_default().ok();
}

fn signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if algorithm.family() != key.family() || arithmetic(*algorithm).is_none() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(Signed { algorithm: *algorithm, key: key.clone() }))
}

/// A signature by this key.
struct Signed {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Signed {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Signed {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let verified = match (arithmetic(self.algorithm), self.key.kind()) {
            (Some(Arithmetic::Rsa(rsa)), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n: trimmed(n), e: trimmed(e) }
                    .verify(rsa, message, signature)
            }
            (Some(Arithmetic::Curve(curve)), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(curve, point).verify(message, signature)
            }
            _ => return Err(Error::new()),
        };
        verified.map_err(|_unproven| Error::new())
    }
}

enum Arithmetic {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

/// How an algorithm is computed; not at all where whoever verifies could sign.
fn arithmetic(algorithm: Algorithm) -> Option<Arithmetic> {
    Some(match algorithm {
        Algorithm::RS256 => Arithmetic::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Arithmetic::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Arithmetic::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Arithmetic::Rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Arithmetic::Rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Arithmetic::Rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Arithmetic::Curve(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Arithmetic::Curve(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Arithmetic::Curve(&ED25519),
        _ => return None,
    })
}

/// A number without leading zeros, which some issuers write and ring does not take.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
