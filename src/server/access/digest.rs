//! Digests of secrets, with a key that only this process has. Equal digests mean equal secrets, and nobody
//! outside can make one, so comparing them gives nothing away through its timing.

use tokio_rustls::rustls::crypto::{
    hash::Hash,
    ring::{cipher_suite::TLS13_AES_128_GCM_SHA256, default_provider},
};

const BYTES: usize = 32;

/// A digest of some texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; BYTES]);

/// A random key.
#[derive(Clone)]
pub(super) struct Key {
    bytes: [u8; BYTES],
    sha256: &'static dyn Hash,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// `None` if the system has no random bytes.
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; BYTES];
        default_provider().secure_random.fill(&mut bytes).ok()?;
        Some(Self { bytes, sha256: sha256()? })
    }

    /// The digest of a sequence of texts.
    pub(super) fn digest(&self, texts: &[&[u8]]) -> Digest {
        Digest(hash(self.sha256, &self.bytes, texts))
    }
}

/// A token that follows from texts and can't be traced back to them, in hexadecimal digits. `None` if there
/// is no SHA-256.
pub(super) fn derived(purpose: &str, texts: &[&[u8]]) -> Option<String> {
    let bytes = hash(sha256()?, purpose.as_bytes(), texts);
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn sha256() -> Option<&'static dyn Hash> {
    TLS13_AES_128_GCM_SHA256.tls13().map(|suite| suite.common.hash_provider)
}

/// Each text is preceded by its length, so that no other sequence gives the same bytes.
fn hash(sha256: &dyn Hash, key: &[u8], texts: &[&[u8]]) -> [u8; BYTES] {
    let mut context = sha256.start();
    context.update(key);
    for text in texts {
        context.update(&text.len().to_le_bytes());
        context.update(text);
    }
    let mut bytes = [0; BYTES];
    for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_one_sequence_and_one_key() {
        let key = Key::random().unwrap();
        let digest = key.digest(&[b"user", b"password"]);
        assert_eq!(digest, key.digest(&[b"user", b"password"]));
        assert_ne!(digest, key.digest(&[b"userp", b"assword"]));
        assert_ne!(digest, key.digest(&[b"userpassword"]));
        assert_ne!(digest, Key::random().unwrap().digest(&[b"user", b"password"]));
    }

    #[test]
    fn a_derived_token_is_sha256() {
        // printf abc | sha256sum
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(derived("abc", &[]).as_deref(), Some(abc));
    }
}
