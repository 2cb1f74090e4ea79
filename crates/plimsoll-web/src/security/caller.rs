//! How a program with the same configuration asks the server: health checks, and whoever tells a running agent something.
//!
//! Such a program has the file from which the server's certificate came. So it asks for that very certificate, whatever
//! names, authority and dates are in it, and is talked to by nobody else. Where clients need certificates, it shows the
//! server's own, which does where any will, or where one authority made those of the server and of its clients.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error,
    SignatureScheme, StreamOwned,
};

use super::document;
use super::error::SecurityError;
use super::files::{Files, Kept};
use super::tls;

/// A stream under TLS.
pub type Secured<S> = StreamOwned<ClientConnection, S>;

/// What is needed to ask a server that has this configuration.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    tls: Option<Arc<ClientConfig>>,
    config: Option<PathBuf>,
}

impl Caller {
    /// Reads the server's configuration.
    ///
    /// # Errors
    /// What is wrong with one of the files, and what to do about it.
    pub fn read(config: Option<&Path>) -> Result<Self, SecurityError> {
        let Some(path) = config else { return Ok(Self::default()) };
        let mut files = Files::default();
        let document = document::parse(&files.text(path, Kept::Open)?).map_err(|error| error.within(path))?;
        let tls = document.tls.map(|tls| client(&tls, path, &mut files)).transpose();
        Ok(Self { tls: tls.map_err(|error| error.within(path))?, config: Some(path.to_owned()) })
    }

    /// Whether the server's connections over the network begin with TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Puts a stream under TLS. The handshake is part of the first write.
    ///
    /// # Errors
    /// Where the configuration has no TLS.
    pub fn secure<S: Read + Write>(&self, stream: S) -> io::Result<Secured<S>> {
        let config = self.tls.clone().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the web configuration has no certificate to ask for")
        })?;
        // Certificates are compared, and names are not.
        let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }

    /// What helps where a stream under TLS failed, if that is known.
    #[must_use]
    pub fn remedy(&self, error: &io::Error) -> Option<String> {
        let config = self.config.as_ref()?.display();
        match error.get_ref()?.downcast_ref::<Error>()? {
            Error::InvalidCertificate(_) => Some(format!(
                "whoever listens there shows another certificate than {config} has: is that the agent's \
                 configuration, and has the agent said that it is broken?"
            )),
            Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::HandshakeFailure
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::DecryptError,
            ) => Some(
                "clients need a certificate there, and the agent's own does not do: put a unix socket first into \
                 `listen`, where none is needed"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn client(tls: &document::Tls, file: &Path, files: &mut Files) -> Result<Arc<ClientConfig>, SecurityError> {
    let own = tls::own(tls, file, files)?;
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Pinned { certificate: own.certificate, provider: Arc::clone(&provider) });
    let unusable = |error: Error| {
        SecurityError::new(
            format!("tls_server_config: certificate and key are not usable: {error}"),
            "give the key of this certificate",
        )
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match own.pair {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(unusable)?,
    };
    config.enable_sni = false;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Takes one certificate and no other.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
