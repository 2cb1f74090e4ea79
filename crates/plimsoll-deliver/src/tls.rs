//! TLS towards a target: whom it trusts, and what it says when it does not.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::{TargetConfig, TargetKind};
use crate::error::TargetError;

/// What a target's connections are made with.
pub(crate) fn client(config: &TargetConfig) -> Result<ClientConfig, TargetError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |reason: String| TargetError::Tls { target: config.name.clone(), reason };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let tls = &config.tls;
    let builder = if tls.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else if let Some(path) = &tls.ca_file {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(config, path)? {
            roots.add(certificate).map_err(|error| broken(config, path, &error.to_string()))?;
        }
        builder.with_root_certificates(roots)
    } else if config.kind == TargetKind::Nats && !config.url.to_ascii_lowercase().contains("tls://") {
        // A server of NATS may want TLS without a word of it in its address, so none that is found is no error yet.
        let nobody = builder.clone().with_root_certificates(RootCertStore::empty());
        builder.with_native_roots().unwrap_or(nobody)
    } else if config.url.starts_with("https:") || config.kind == TargetKind::Nats {
        builder.with_native_roots().map_err(|error| {
            failed(format!("no certificates of this system can be read ({error}); install ca-certificates, or set ca_file"))
        })?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    match (&tls.cert_file, &tls.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let chain = certificates(config, cert)?;
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| broken(config, key, &error.to_string()))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| broken(config, cert, &error.to_string()))
        }
        _ => Err(failed("cert_file and key_file go together".to_owned())),
    }
}

fn certificates(config: &TargetConfig, path: &Path) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(broken(config, path, "there is no certificate in it; it has to be in PEM")),
        Err(error) => Err(broken(config, path, &error.to_string())),
    }
}

fn broken(config: &TargetConfig, path: &Path, reason: &str) -> TargetError {
    TargetError::Certificate { target: config.name.clone(), path: path.to_owned(), reason: reason.to_owned() }
}

/// A handshake that failed.
pub(crate) struct Failed {
    /// What is wrong, and what to do.
    pub(crate) message: String,
    /// Whether the target does not want this client's certificate. It says so when the client thinks that all is well.
    pub(crate) is_about_us: bool,
}

/// What an error of a handshake means, and what to do; `None` where it is none.
pub(crate) fn explain(error: &str) -> Option<Failed> {
    // What the other side said of us; it is to be looked for first, as it has words in common with what we say of it.
    let is_about_us = ALERTS_ABOUT_US.iter().any(|alert| error.contains(alert));
    let known = [
        (
            "UnknownIssuer",
            "its certificate is signed by nobody that is trusted here; set ca_file to the authority's certificate",
        ),
        (
            "CaUsedAsEndEntity",
            "its certificate is an authority's own; set ca_file to it only if it is also a server's, or give the server one of its own",
        ),
        (
            "not valid for name",
            "its certificate is for another name; use that name in url, or give the server one for this name",
        ),
        (
            "NotValidForName",
            "its certificate is for another name; use that name in url, or give the server one for this name",
        ),
        ("xpired", "its certificate has expired, or the clock of one of the two machines is wrong"),
        ("NotValidYet", "its certificate is not valid yet; look at the clocks of both machines"),
        ("CertificateRequired", "it wants a client's certificate; set cert_file and key_file"),
        ("InvalidContentType", "it does not speak TLS at this port; is it http:// rather than https://?"),
        ("invalid peer certificate", "its certificate cannot be used"),
        ("received fatal alert", "it broke the TLS handshake off"),
    ];
    let (_, meaning) = known.iter().find(|(word, _)| error.contains(word))?;
    let meaning = if is_about_us && !error.contains("CertificateRequired") {
        "it does not take this client's certificate; set cert_file to one that has not expired, of an authority that it knows"
    } else {
        meaning
    };
    Some(Failed { message: format!("{meaning} ({error})"), is_about_us })
}

/// Alerts of a server that looked at a client's certificate, or missed it (RFC 8446, section 6.2).
const ALERTS_ABOUT_US: [&str; 8] = [
    "received fatal alert: CertificateRequired",
    "received fatal alert: UnknownCA",
    "received fatal alert: BadCertificate",
    "received fatal alert: UnsupportedCertificate",
    "received fatal alert: CertificateExpired",
    "received fatal alert: CertificateUnknown",
    "received fatal alert: AccessDenied",
    "received fatal alert: DecryptError",
];

/// Trusts anybody, as somebody asked for.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
