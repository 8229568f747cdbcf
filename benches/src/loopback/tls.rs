//! One certificate for all servers of a run, created when the run begins.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::Result;

/// The environment variables that hand it to a server.
const CERTIFICATE: &str = "BENCH_CERTIFICATE";
const KEY: &str = "BENCH_KEY";

/// A certificate for `localhost` that is signed by itself, with its key, both in PEM.
pub struct Certificate {
    certificate: String,
    key: String,
}

impl Certificate {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Those of rcgen.
    pub fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }

    /// What a server finds it in.
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![(CERTIFICATE.into(), self.certificate.clone()), (KEY.into(), self.key.clone())]
    }

    /// A client that trusts it, and nothing else.
    ///
    /// # Errors
    ///
    /// Those of rustls.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes())?)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
        Ok(Arc::new(builder.with_no_client_auth()))
    }
}

/// The certificate and the key that this server was given, or new ones if it was started by hand.
pub(crate) fn given() -> io::Result<(String, String)> {
    match (std::env::var(CERTIFICATE), std::env::var(KEY)) {
        (Ok(certificate), Ok(key)) => Ok((certificate, key)),
        _ => {
            let made = Certificate::new().map_err(|error| io::Error::other(error.to_string()))?;
            Ok((made.certificate, made.key))
        }
    }
}

/// What a server with rustls alone is made with.
pub(crate) fn server_config() -> io::Result<Arc<ServerConfig>> {
    let (certificate, key) = given()?;
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(io::Error::other)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config =
        builder.with_no_client_auth().with_single_cert(vec![certificate], key).map_err(io::Error::other)?;
    Ok(Arc::new(config))
}
