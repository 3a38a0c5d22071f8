//! Certificates and keys in PEM.

use crate::advice::encrypted_key;
use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::FileTypeExt,
    path::Path,
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};
use tokio_rustls::rustls::{
    self,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use x509_cert::{Certificate, TbsCertificate, der::Decode};

/// The largest PEM file. Even a chain with a dozen certificates is far smaller.
const PEM_BYTES: u64 = 1024 * 1024;
/// How long reading a file may take. A slower file is on a file system that hangs.
const READ: Duration = Duration::from_secs(5);

/// What a client is told that speaks plain HTTP on the port of HTTPS.
pub(super) const SPEAKS_HTTPS: &str = "this port speaks HTTPS: use https://\n";

/// Why HTTPS can't be served.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read, or has no PEM of its kind.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The key does not belong to the certificate, or one of them is of an unsupported kind.
    #[error("{certificate} and {key} can't be used together: {problem}")]
    Pair {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What is wrong.
        problem: rustls::Error,
    },
}

/// A PEM text, and what errors call it.
pub(super) struct Pem {
    /// The file, or the line of another file.
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

impl Pem {
    fn wrong(&self, problem: impl Into<String>) -> TlsError {
        TlsError::File { path: self.name.clone(), problem: problem.into() }
    }

    /// All certificates, of which there is at least one.
    ///
    /// # Errors
    /// What is there instead.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let wrong = |error: &pem::Error| self.wrong(pem_problem(CERTIFICATE, &self.content, error));
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(&error))?;
        // An empty file gives an empty list, not an error.
        if chain.is_empty() { Err(wrong(&pem::Error::NoItemsFound)) } else { Ok(chain) }
    }

    /// The private key, in PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    /// What is there instead.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let private = private_key(&self.content).map_err(|problem| self.wrong(problem))?;
        if ring::sign::any_supported_type(&private).is_err() {
            let problem =
                "expected an RSA, ECDSA or Ed25519 key, found one that is damaged or of another kind";
            return Err(self.wrong(problem));
        }
        Ok(private)
    }

    /// What is wrong with a certificate and a key that rustls does not take.
    pub(super) fn refused(&self, key: &Self, error: rustls::Error) -> TlsError {
        match error {
            rustls::Error::InvalidCertificate(_) => {
                self.wrong("expected an X.509 certificate, found one that is damaged")
            }
            problem => TlsError::Pair { certificate: self.name.clone(), key: key.name.clone(), problem },
        }
    }
}

/// When a certificate expires, as time since 1970, if it says so.
pub(super) fn expiry(certificate: &CertificateDer<'_>) -> Option<Duration> {
    let parsed = Certificate::from_der(certificate).ok()?;
    Some(parsed.tbs_certificate().validity().not_after.to_unix_duration())
}

/// Whether one certificate can be the renewal of the other: it is for the same key, or for the same names by
/// the same authority.
pub(super) fn is_renewed(one: &[u8], other: &[u8]) -> bool {
    let parse = |der| Certificate::from_der(der).ok();
    let Some((one, other)) = parse(one).zip(parse(other)) else { return false };
    let (one, other) = (one.tbs_certificate(), other.tbs_certificate());
    let names = |certificate: &TbsCertificate| {
        let extensions = certificate.extensions().into_iter().flatten();
        let names = extensions.filter(|extension| extension.extn_id.to_string() == ALTERNATIVE_NAMES);
        names.map(|extension| extension.extn_value.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    let is_same_key = one.subject_public_key_info() == other.subject_public_key_info();
    let is_same_owner = one.subject() == other.subject() && one.issuer() == other.issuer();
    is_same_key || (is_same_owner && names(one) == names(other))
}

/// The extension with the names of a certificate.
const ALTERNATIVE_NAMES: &str = "2.5.29.17";

/// A file's content, if it is a regular file of a sensible size that can be read now.
pub(super) fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    // Opening a FIFO would wait for a writer.
    let kind = fs::metadata(path).map_err(|error| error.to_string())?.file_type();
    if !kind.is_file() {
        let found = match kind {
            kind if kind.is_dir() => "a directory",
            kind if kind.is_fifo() => "a FIFO",
            kind if kind.is_socket() => "a socket",
            _ => "a device",
        };
        return Err(format!("expected a regular file, found {found}"));
    }
    let (done, content) = sync_channel(1);
    let path = path.to_owned();
    let read = move || -> std::io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(path)?.take(PEM_BYTES + 1).read_to_end(&mut content)?;
        Ok(content)
    };
    let thread = thread::Builder::new().spawn(move || done.send(read()));
    thread.map_err(|error| format!("the thread that reads it can't be started: {error}"))?;
    let content = content.recv_timeout(READ).map_err(|_| format!("not read within {READ:?}"))?;
    let content = content.map_err(|error| error.to_string())?;
    if content.len() as u64 > PEM_BYTES {
        return Err(format!("found more than {PEM_BYTES} bytes"));
    }
    Ok(content)
}

fn private_key(content: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let text = String::from_utf8_lossy(content);
    let is_encrypted = |line: &str| {
        line.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY") || line.starts_with("Proc-Type: 4,ENCRYPTED")
    };
    if text.lines().any(is_encrypted) {
        return Err(format!("the key is encrypted, and {}", encrypted_key()));
    }
    PrivateKeyDer::from_pem_slice(content).map_err(|error| pem_problem(PRIVATE_KEY, content, &error))
}

const CERTIFICATE: &str = "a certificate";
const PRIVATE_KEY: &str = "a private key";

/// What was found in a file instead of what is expected. The content itself is never shown.
fn pem_problem(expected: &str, content: &[u8], error: &pem::Error) -> String {
    let text = String::from_utf8_lossy(content);
    let found = match error {
        _ if text.trim().is_empty() => "an empty file".to_owned(),
        pem::Error::NoItemsFound => {
            let label = text.lines().find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
            label.map_or_else(|| "none".to_owned(), |label| format!("\"{label}\""))
        }
        pem::Error::MissingSectionEnd { .. } => "one that is cut off: its last line is missing".to_owned(),
        pem::Error::Base64Decode(_) => "one that is damaged: it is not base64".to_owned(),
        _ => "a file that is damaged".to_owned(),
    };
    format!("expected {expected} in PEM, found {found}")
}
