//! What settings of both sides have in common.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The one protocol spoken over TLS here: the opening handshake is a request of HTTP/1.1.
pub(crate) fn alpn() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}

/// The cryptography that the program has installed for all of its TLS, else that of the feature.
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, TlsConfigError> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(Arc::clone(installed));
    }
    #[cfg(feature = "tls-aws-lc")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "tls", not(feature = "tls-aws-lc")))]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "tls", feature = "tls-aws-lc")))]
    return Err(TlsConfigError::new("no cryptography: neither the feature `tls` nor `tls-aws-lc` is on"));
}

/// Why certificates, keys or roots cannot be used. It says which file is meant.
#[derive(Debug, Clone)]
pub struct TlsConfigError {
    message: String,
}

impl TlsConfigError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    pub(crate) fn about(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::new(format!("{what}: {error}"))
    }
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsConfigError {}
