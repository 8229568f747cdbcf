//! The demo over TLS.

mod support;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ring::digest::{SHA256, digest};
use sansws_mio::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use sansws_mio::rustls::crypto::{CryptoProvider, ring as provider};
use sansws_mio::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use sansws_mio::rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    StreamOwned,
};
use support::{DEADLINE, Server};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");

#[test]
fn a_self_signed_certificate_has_the_fingerprint_that_is_printed() {
    let server = Server::start(DEMO, &["--tls-self-signed"]);
    let [line] = &server.printed[..] else { panic!("{:?}", server.printed) };
    let printed = line.strip_prefix("self-signed certificate, SHA-256 ").expect("a fingerprint");
    let page = get(&server, "/chat", printed).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("</html>"), "{page}");
    assert!(get(&server, "/", &"00:".repeat(32)).is_err());
}

#[test]
fn sighup_reads_the_certificate_again() {
    let dir = std::env::temp_dir().join(format!("sansws-demo-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let first = make(&certificate, &key);
    let server = Server::start(
        DEMO,
        &["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()],
    );
    assert!(server.printed.is_empty());
    assert!(get(&server, "/", &first).unwrap().starts_with("HTTP/1.1 200 "));

    let second = make(&certificate, &key);
    assert!(get(&server, "/", &first).is_ok(), "nobody has told the server yet");
    server.signal("-HUP");
    let began = Instant::now();
    while get(&server, "/", &second).is_err() {
        assert!(began.elapsed() < DEADLINE, "the certificate is not read again");
    }
    assert!(get(&server, "/", &first).is_err());
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Makes a certificate; returns its fingerprint.
fn make(certificate: &Path, key: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    fingerprint(made.cert.der())
}

/// Gets a page from a server with this certificate and no other.
fn get(server: &Server, path: &str, fingerprint: &str) -> Result<String, std::io::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(fingerprint.to_owned())))
        .with_no_client_auth();
    let conn = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let stream = TcpStream::connect(server.addr)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut tls = StreamOwned::new(conn, stream);
    tls.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut page = String::new();
    tls.read_to_string(&mut page)?;
    Ok(page)
}

fn fingerprint(certificate: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, certificate).as_ref() {
        write!(text, "{byte:02X}:").unwrap();
    }
    text.trim_end_matches(':').to_owned()
}

/// Accepts the certificate with this fingerprint, as a person does who compares it.
#[derive(Debug)]
struct Pinned(String);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if fingerprint(end_entity) == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let CryptoProvider { signature_verification_algorithms, .. } = provider::default_provider();
        sansws_mio::rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let CryptoProvider { signature_verification_algorithms, .. } = provider::default_provider();
        sansws_mio::rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
