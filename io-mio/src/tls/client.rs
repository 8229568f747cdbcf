//! Whom a client trusts.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, SignatureScheme};

use crate::tls::config::{TlsConfigError, alpn, provider};
use crate::tls::pem::Pem;

/// What a client needs for TLS: the authorities that it trusts, for
/// [`Connect::tls`](crate::Connect::tls).
///
/// The certificate of the server is always verified, and there is no switch to turn that off. A
/// server with a certificate of one's own is reached by trusting that certificate:
/// [`TlsClientBuilder::ca_file`].
///
/// Cheap to clone. Clones resume each other's sessions, so make one and use it for all connections.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Trusts the authorities that Mozilla trusts, as they were when this program was built (crate
    /// `webpki-roots`).
    ///
    /// # Errors
    ///
    /// No cryptography was built in.
    pub fn new() -> Result<Self, TlsConfigError> {
        static DEFAULT: OnceLock<TlsClient> = OnceLock::new();
        match DEFAULT.get() {
            Some(client) => Ok(client.clone()),
            None => {
                let client = Self::builder().build()?;
                Ok(DEFAULT.get_or_init(|| client).clone())
            }
        }
    }

    /// Trusts others.
    pub fn builder() -> TlsClientBuilder {
        TlsClientBuilder { default_roots: true, authorities: Vec::new(), identity: None, platform: false }
    }

    /// For what the builder does not offer. It is used as it is, so it should have `alpn_protocols`
    /// of `http/1.1`, or none.
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config }
    }

    /// The same trust, without a certificate of this client's own and without the sessions in which
    /// it was shown.
    pub(crate) fn without_identity(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.client_auth_cert_resolver = Arc::new(Anonymous);
        config.resumption = Resumption::default();
        Self::from_config(Arc::new(config))
    }

    /// TLS with a server. `host` is what its certificate has to be for: a name, which the server is
    /// told (SNI), or an IP address without brackets.
    pub(crate) fn session(&self, host: &str) -> Result<ClientConnection, rustls::Error> {
        // A dot at the end marks a name as complete; certificates do not have it.
        let name = host.strip_suffix('.').unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::NotValidForName))?;
        ClientConnection::new(Arc::clone(&self.config), name)
    }
}

/// A client that does not say who it is.
#[derive(Debug)]
struct Anonymous;

impl ResolvesClientCert for Anonymous {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

/// Makes a [`TlsClient`].
///
/// ```no_run
/// use sansws_mio::{Connect, TlsClient};
///
/// let tls = TlsClient::builder().ca_file("our-ca.pem").build()?;
/// let connect = Connect::new("wss://intranet.example/", "192.0.2.7:443".parse()?, ())?.tls(&tls);
/// # let _ = connect;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct TlsClientBuilder {
    default_roots: bool,
    authorities: Vec<Pem>,
    identity: Option<(Pem, Pem)>,
    platform: bool,
}

impl TlsClientBuilder {
    /// Also trusts the certificates in this PEM file: authorities of one's own, or the self-signed
    /// certificate of one server.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities.push(Pem::File(path.into()));
        self
    }

    /// Also trusts these certificates, in PEM.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(Pem::Memory(pem.into()));
        self
    }

    /// Trusts nobody but those that are added.
    pub fn no_default_roots(mut self) -> Self {
        self.default_roots = false;
        self
    }

    /// Trusts the authorities that the operating system trusts, now, instead of Mozilla's.
    #[cfg(feature = "tls-platform-roots")]
    pub fn platform_roots(mut self) -> Self {
        self.default_roots = false;
        self.platform = true;
        self
    }

    /// The certificate and key with which this client identifies itself, if a server asks for one,
    /// in PEM files.
    pub fn identity_files(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((Pem::File(certificates.into()), Pem::File(key.into())));
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is not PEM, a certificate cannot be an authority, or nobody is
    /// trusted.
    pub fn build(self) -> Result<TlsClient, TlsConfigError> {
        let mut roots = RootCertStore::empty();
        if self.default_roots {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if self.platform {
            add_platform_roots(&mut roots)?;
        }
        for pem in &self.authorities {
            for certificate in pem.certificates()? {
                roots.add(certificate).map_err(|error| TlsConfigError::about(pem, error))?;
            }
        }
        if roots.is_empty() {
            return Err(TlsConfigError::new("no authority is trusted: every server would be refused"));
        }
        let builder = ClientConfig::builder_with_provider(provider()?)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsConfigError::new(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.certificates()?, key.private_key()?)
                .map_err(|error| TlsConfigError::about(format_args!("{chain} with {key}"), error))?,
        };
        config.alpn_protocols = alpn();
        Ok(TlsClient::from_config(Arc::new(config)))
    }
}

#[cfg(feature = "tls-platform-roots")]
fn add_platform_roots(roots: &mut RootCertStore) -> Result<(), TlsConfigError> {
    let found = rustls_native_certs::load_native_certs();
    // Systems have odd certificates; those that cannot be used are left out.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    match (added, found.errors.first()) {
        (0, Some(error)) => Err(TlsConfigError::about("the system's certificates", error)),
        (0, None) => Err(TlsConfigError::new("the system trusts no authority")),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "tls-platform-roots"))]
fn add_platform_roots(_: &mut RootCertStore) -> Result<(), TlsConfigError> {
    Ok(())
}

impl fmt::Debug for TlsClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClientBuilder")
            .field("default_roots", &self.default_roots)
            .field("authorities", &self.authorities.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_can_be_left_behind() {
        let own = rcgen::generate_simple_self_signed(["me".to_owned()]).expect("a certificate");
        let pem = |text: String| Pem::Memory(text.into_bytes());
        let identity = Some((pem(own.cert.pem()), pem(own.signing_key.serialize_pem())));
        let client = TlsClientBuilder { identity, ..TlsClient::builder() }.build().expect("a client");
        assert!(client.config.client_auth_cert_resolver.has_certs());
        let stranger = client.without_identity();
        assert!(!stranger.config.client_auth_cert_resolver.has_certs());
        assert_eq!(stranger.config.alpn_protocols, client.config.alpn_protocols);
    }
}
