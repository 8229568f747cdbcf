//! Certificates of a server.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::config::{TlsConfigError, alpn, provider};
use crate::tls::pem::Pem;

/// What a server needs for TLS: certificates with their keys, for
/// [`Server::tls`](crate::Server::tls).
///
/// Clones are one and the same, so one that is kept can [`reload`](Self::reload) while the server
/// runs.
///
/// ```no_run
/// use sansws_mio::{Server, TlsServer};
/// # struct Echo;
/// # impl sansws_mio::Handler for Echo { type Session = (); }
///
/// let tls = TlsServer::from_files("fullchain.pem", "privkey.pem")?;
/// let server = Server::bind("0.0.0.0:443")?.tls(&tls);
/// std::thread::spawn(move || {
///     // When certbot has renewed the certificate:
///     if let Err(error) = tls.reload() {
///         eprintln!("the old certificate stays: {error}");
///     }
/// });
/// server.run(Echo)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsServer {
    shared: Arc<Shared>,
}

struct Shared {
    sources: Vec<(Pem, Pem)>,
    config: RwLock<Arc<ServerConfig>>,
}

impl TlsServer {
    /// One certificate, with the chain that leads to its authority, and its private key, in PEM
    /// files.
    ///
    /// # Errors
    ///
    /// A file cannot be read, is not PEM, or the key is not that of the certificate.
    pub fn from_files(
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsConfigError> {
        Self::builder().certificate_files(certificates, key).build()
    }

    /// Several certificates, or some that are not in files.
    pub fn builder() -> TlsServerBuilder {
        TlsServerBuilder { sources: Vec::new() }
    }

    /// For what the builder does not offer: certificates of clients, other versions or cipher
    /// suites. It is used as it is, so it should have `alpn_protocols` of `http/1.1`, or none.
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self { shared: Arc::new(Shared { sources: Vec::new(), config: RwLock::new(config) }) }
    }

    /// Reads all files again. Connections accepted from now on use what is in them; the others go
    /// on as they are.
    ///
    /// This reads files, so call it from a thread of its own.
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files): then nothing changes. Also if it was made [from a
    /// configuration](Self::from_config).
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        self.replace(load(&self.shared.sources)?);
        Ok(())
    }

    /// Has connections accepted from now on use another configuration.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shared.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").field("certificates", &self.shared.sources.len()).finish_non_exhaustive()
    }
}

/// Makes a [`TlsServer`] with several certificates.
///
/// A client names the host that it wants (SNI) and gets the first certificate that is for this
/// name. If there is none, or it names no host, as with an IP address in the URL, it gets the
/// certificate that was added first.
#[must_use]
pub struct TlsServerBuilder {
    sources: Vec<(Pem, Pem)>,
}

impl TlsServerBuilder {
    /// Adds a certificate with its chain and its key, in PEM files.
    pub fn certificate_files(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.sources.push((Pem::File(certificates.into()), Pem::File(key.into())));
        self
    }

    /// Adds a certificate with its chain and its key, in PEM.
    pub fn certificate_pem(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.sources.push((Pem::Memory(certificates.into()), Pem::Memory(key.into())));
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    ///
    /// As [`TlsServer::from_files`]; also if there is no certificate.
    pub fn build(self) -> Result<TlsServer, TlsConfigError> {
        let config = RwLock::new(load(&self.sources)?);
        Ok(TlsServer { shared: Arc::new(Shared { sources: self.sources, config }) })
    }
}

impl fmt::Debug for TlsServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServerBuilder").field("certificates", &self.sources.len()).finish_non_exhaustive()
    }
}

fn load(sources: &[(Pem, Pem)]) -> Result<Arc<ServerConfig>, TlsConfigError> {
    let provider = provider()?;
    let mut certificates = Vec::new();
    for (chain, key) in sources {
        let certified = CertifiedKey::from_der(chain.certificates()?, key.private_key()?, &provider)
            .map_err(|error| TlsConfigError::about(format_args!("{chain} with {key}"), error))?;
        certificates.push(Arc::new(certified));
    }
    let resolver = ByName::new(certificates)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsConfigError::new(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = alpn();
    Ok(Arc::new(config))
}

/// Chooses a certificate by the name that the client asks for.
struct ByName {
    default: Arc<CertifiedKey>,
    /// By name in lower case; some begin with `*.`.
    names: HashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    pub(crate) fn new(certificates: Vec<Arc<CertifiedKey>>) -> Result<Self, TlsConfigError> {
        let default = certificates.first().ok_or_else(|| TlsConfigError::new("no certificate"))?;
        let default = Arc::clone(default);
        let mut names = HashMap::new();
        for certificate in certificates {
            let end_entity = certificate.end_entity_cert().map_err(|error| error.to_string());
            let parsed = end_entity
                .and_then(|der| webpki::EndEntityCert::try_from(der).map_err(|error| error.to_string()));
            let parsed = parsed.map_err(|error| TlsConfigError::about("certificate", error))?;
            for name in parsed.valid_dns_names() {
                names.entry(name.to_ascii_lowercase()).or_insert_with(|| Arc::clone(&certificate));
            }
        }
        Ok(Self { default, names })
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.names.get(&name).or_else(|| {
            // RFC 6125 §6.4.3: the asterisk stands for the left-most label, and no more.
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        })
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().and_then(|name| self.find(name));
        Some(Arc::clone(found.unwrap_or(&self.default)))
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByName").field("names", &self.names.keys()).finish_non_exhaustive()
    }
}
