//! TLS to an engine, and what its failures mean for whoever has to mend them.
//!
//! Files are read and checked anew at each connection: connections are kept, so that costs little, and renewed
//! certificates are taken up without a restart.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage,
    RootCertStore, SignatureScheme,
};

use crate::error::Obstacle;
use crate::{Certificates, files};

/// TLS over a connection that stands.
pub(crate) async fn connect(
    stream: TcpStream,
    host: &str,
    certificates: &Certificates,
) -> Result<TlsStream<TcpStream>, Obstacle> {
    let files = certificates.clone();
    // Files may lie on a slow disk, and checking a key takes a while.
    let config = tokio::task::spawn_blocking(move || config(&files)).await.map_err(io::Error::other)??;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Obstacle::secure("the host is no name that a certificate could have"))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connecting.map_err(|error| obstacle(error, certificates))
}

fn config(certificates: &Certificates) -> Result<ClientConfig, Obstacle> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Obstacle::secure(format!("TLS is not usable: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(certificates, provider)?);
    match (&certificates.certificate, &certificates.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(chain), Some(key)) => {
            let shown = (chain.display(), key.display());
            let key = private_key(key)?;
            builder.with_client_auth_cert(read_certificates(chain)?, key).map_err(|error| {
                let problem = match error {
                    Error::InconsistentKeys(_) => "do not belong together; give the key of this certificate",
                    _ => "are not usable; give a certificate with an RSA, ECDSA or Ed25519 key",
                };
                Obstacle::secure(format!("the certificate {} and the key {} {problem}", shown.0, shown.1))
            })
        }
        (Some(_), None) => Err(Obstacle::secure("a client certificate is given without its key; give both")),
        (None, Some(_)) => Err(Obstacle::secure("a client key is given without its certificate; give both")),
    }
}

fn verifier(
    certificates: &Certificates,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Obstacle> {
    if !certificates.verify {
        return Ok(Arc::new(Anybody(provider)));
    }
    let Some(path) = &certificates.ca else {
        return Err(Obstacle::secure(
            "there is no CA to know the engine by; name the CA's file (ca.pem), or turn verification off",
        ));
    };
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(read_certificates(path)?);
    if usable == 0 {
        return Err(unusable(path, "no usable certificate is in it"));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(verifier.map_err(|error| unusable(path, &error.to_string()))?)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Obstacle> {
    let pem = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(unusable(path, "no certificate is in it")),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(unusable(path, "it is no valid PEM")),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Obstacle> {
    let pem = read(path)?;
    let encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
    if encrypted.iter().any(|mark| pem.windows(mark.len()).any(|window| window == *mark)) {
        return Err(unusable(path, "the key is encrypted, decrypt it first (openssl pkey)"));
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| unusable(path, "no private key is in it"))
}

fn read(path: &Path) -> Result<Vec<u8>, Obstacle> {
    files::read(path).map_err(|error| {
        let problem = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied; let this process read it".to_owned(),
            _ => error.to_string(),
        };
        unusable(path, &problem)
    })
}

fn unusable(path: &Path, problem: &str) -> Obstacle {
    Obstacle::secure(format!("cannot use {}: {problem}", path.display()))
}

/// What a failure during or after the handshake means, if it is one of TLS.
pub(crate) fn explain(
    error: &(dyn std::error::Error + 'static),
    certificates: &Certificates,
) -> Option<Obstacle> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(meaning(error, certificates));
        }
        // What an `io::Error` wraps is not its source: its source is the source of that.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next =
            wrapped.map(|wrapped| wrapped as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    None
}

/// What it means that the connection broke before the first answer, in a way that is none of TLS: a server of TLS 1.3
/// that refuses this client says so after the handshake, and what it says may get lost when it closes the connection.
pub(crate) fn explain_silence(certificates: &Certificates) -> Obstacle {
    let problem = match &certificates.certificate {
        None => "it may demand a client certificate (cert.pem and key.pem), or be no engine".to_owned(),
        Some(ours) => format!("it may not accept the client certificate {}, or be no engine", ours.display()),
    };
    Obstacle::secure(format!("the other side closed the connection as soon as TLS was agreed on; {problem}"))
}

fn obstacle(error: io::Error, certificates: &Certificates) -> Obstacle {
    if let Some(obstacle) = explain(&error, certificates) {
        return obstacle;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Obstacle::secure(
            "the connection was closed before TLS was agreed on; does the engine speak TLS on this port?",
        ),
        _ => error.into(),
    }
}

fn meaning(error: &Error, certificates: &Certificates) -> Obstacle {
    let problem = match error {
        Error::InvalidCertificate(error) => return Obstacle::secure(certificate(error, certificates)),
        Error::AlertReceived(alert) => return refused(*alert, certificates),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what answers does not speak TLS; use tcp:// for an engine without it".to_owned()
        }
        Error::PeerIncompatible(_) => {
            format!(
                "the engine and this client have no kind of TLS in common ({error}); TLS 1.2 is the least"
            )
        }
        _ => format!("TLS failed: {error}"),
    };
    Obstacle::secure(problem)
}

/// What is wrong with the engine's certificate.
fn certificate(error: &CertificateError, certificates: &Certificates) -> String {
    let ca = certificates.ca.as_deref().unwrap_or(Path::new("")).display();
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the engine's certificate expired on {}; renew it", date(*not_after))
        }
        CertificateError::Expired => "the engine's certificate expired; renew it".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the engine's certificate is valid from {} only; is this machine's clock right?",
            date(*not_before)
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "the engine's certificate is not signed by a CA in {ca}; name the file of the CA that signed it"
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented = match presented.join(", ") {
                names if names.is_empty() => "no name at all".to_owned(),
                names => crate::error::excerpt(names.as_bytes()),
            };
            let expected = expected.to_str();
            format!(
                "the engine's certificate is not for {expected} but for {presented}; \
                 call the engine by that name, or add {expected} to its certificate's subjectAltName"
            )
        }
        CertificateError::Revoked => "the engine's certificate was revoked; renew it".to_owned(),
        CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose => {
            "the engine's certificate is not for servers; issue one with extendedKeyUsage serverAuth"
                .to_owned()
        }
        other => format!(
            "the engine's certificate is not acceptable ({other}); \
             it must be of X.509 version 3, no CA itself, and signed by a CA in {ca}"
        ),
    }
}

/// What the engine's refusal means: mostly it does not like our certificate, or that we have none.
fn refused(alert: AlertDescription, certificates: &Certificates) -> Obstacle {
    let ours = certificates.certificate.as_ref().map(|path| path.display());
    let problem = match (alert, ours) {
        (
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::NoCertificate
            | AlertDescription::HandshakeFailure
            | AlertDescription::AccessDenied,
            None,
        ) => "the engine demands a client certificate; give one (cert.pem and key.pem)".to_owned(),
        (AlertDescription::CertificateExpired, Some(ours)) => {
            format!("the engine says that the client certificate {ours} expired; renew it")
        }
        (AlertDescription::UnknownCA, Some(ours)) => {
            format!(
                "the engine does not know the CA of the client certificate {ours}; use one that its CA signed"
            )
        }
        (
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
            | AlertDescription::AccessDenied,
            Some(ours),
        ) => format!(
            "the engine does not accept the client certificate {ours} ({alert:?}); \
             use one for clients (extendedKeyUsage clientAuth) that its CA signed"
        ),
        _ => return Obstacle::secure(format!("the engine broke TLS off ({alert:?}); its log may say why")),
    };
    Obstacle::Secure { problem, denied: true }
}

/// A day, as people write it.
fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "an impossible date".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// Accepts whoever answers, as long as it holds the key of the certificate that it shows.
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
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
