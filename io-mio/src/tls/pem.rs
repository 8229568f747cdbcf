//! Certificates and keys in PEM, from files or memory.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::config::TlsConfigError;

/// Longest PEM file that is read.
const MAX_LEN: u64 = 16 << 20;

/// Where PEM comes from. A file is read anew each time.
pub(crate) enum Pem {
    File(PathBuf),
    Memory(Vec<u8>),
}

impl Pem {
    /// All certificates, at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&self.read()?).collect();
        let found = found.map_err(|error| TlsConfigError::about(self, error))?;
        if found.is_empty() {
            return Err(TlsConfigError::about(self, "no certificate (BEGIN CERTIFICATE) in it"));
        }
        Ok(found)
    }

    /// The first private key: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
        PrivateKeyDer::from_pem_slice(&self.read()?).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsConfigError::about(
                self,
                "no private key (BEGIN PRIVATE KEY) in it; an encrypted one is not read",
            ),
            error => TlsConfigError::about(self, error),
        })
    }

    fn read(&self) -> Result<Vec<u8>, TlsConfigError> {
        match self {
            Self::Memory(pem) => Ok(pem.clone()),
            Self::File(path) => read_file(path),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    let about = |error| TlsConfigError::about(path.display(), error);
    let len = std::fs::metadata(path).map_err(about)?.len();
    if len > MAX_LEN {
        return Err(TlsConfigError::about(path.display(), "too long for a PEM file"));
    }
    std::fs::read(path).map_err(about)
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(_) => f.write_str("PEM text"),
        }
    }
}
