//! The certificate of a server: from files, or made on the spot.

use std::fmt::Write;
use std::net::SocketAddr;

use ring::digest::{SHA256, digest};
use sansws_mio::TlsServer;

use crate::options::Tls;

/// What a server shows its clients.
#[derive(Debug)]
pub struct Certificate {
    /// For [`Server::tls`](sansws_mio::Server::tls).
    pub server: TlsServer,
    /// SHA-256 of a self-signed certificate as browsers and `openssl x509 -fingerprint -sha256` show it: nobody else vouches for it.
    pub fingerprint: Option<String>,
}

impl Certificate {
    /// Reads it, or makes one for this machine's own names and the addresses listened on.
    ///
    /// # Errors
    ///
    /// One line that says which file is wrong, and how.
    pub fn new(tls: &Tls, addresses: &[SocketAddr]) -> Result<Self, String> {
        match tls {
            Tls::Files { certificates, key } => {
                let server = TlsServer::from_files(certificates, key).map_err(|error| error.to_string())?;
                Ok(Self { server, fingerprint: None })
            }
            Tls::SelfSigned => self_signed(addresses),
        }
    }
}

fn self_signed(addresses: &[SocketAddr]) -> Result<Certificate, String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    for addr in addresses {
        let name = addr.ip().to_string();
        if !addr.ip().is_unspecified() && !names.contains(&name) {
            names.push(name);
        }
    }
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| format!("cannot make a certificate: {error}"))?;
    let server = TlsServer::builder()
        .certificate_pem(made.cert.pem(), made.signing_key.serialize_pem())
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Certificate { server, fingerprint: Some(fingerprint(made.cert.der())) })
}

fn fingerprint(certificate: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, certificate).as_ref() {
        let colon = if text.is_empty() { "" } else { ":" };
        // Writing to a `String` does not fail.
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_as_openssl_prints_it() {
        let expected =
            "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
        assert_eq!(fingerprint(b"abc"), expected);
    }

    #[test]
    fn a_missing_file_is_named() {
        let files = Tls::Files { certificates: "/no/such.pem".into(), key: "/no/such.key".into() };
        let error = Certificate::new(&files, &[]).unwrap_err();
        assert!(error.starts_with("/no/such.pem: "), "{error}");
    }
}
