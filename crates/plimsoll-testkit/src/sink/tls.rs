//! TLS for the sink: an authority of its own, and certificates for both sides.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What a server behind TLS shows and wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// The names that its certificate is for.
    pub names: &'static [&'static str],
    /// Whether its certificate has expired long ago.
    pub has_expired: bool,
    /// Whether it wants a client's certificate by its own authority.
    pub wants_client: bool,
}

impl Default for TlsOptions {
    /// A server as it should be, which asks for nobody's certificate.
    fn default() -> Self {
        Self { names: &["localhost", "127.0.0.1"], has_expired: false, wants_client: false }
    }
}

/// What a client needs, all in PEM.
#[derive(Clone)]
pub struct Tls {
    /// The authority that signed the certificates of both sides.
    pub authority: String,
    /// A client's certificate.
    pub certificate: String,
    /// The key of the client's certificate.
    pub key: String,
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(options: TlsOptions) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "sink's authority");
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let sign = |names: &[&str], purpose, has_expired| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            if has_expired {
                params.not_after = date_time_ymd(2001, 1, 1);
            }
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        let (ours, our_key) = sign(options.names, ExtendedKeyUsagePurpose::ServerAuth, options.has_expired);
        let (certificate, key) = sign(&["client"], ExtendedKeyUsagePurpose::ClientAuth, false);

        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = match options.wants_client {
            true => builder.unwrap().with_client_cert_verifier(verifier.build().unwrap()),
            false => builder.unwrap().with_no_client_auth(),
        };
        let chain = vec![CertificateDer::from_pem_slice(ours.as_bytes()).unwrap()];
        let our_key = PrivateKeyDer::from_pem_slice(our_key.as_bytes()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, our_key).unwrap()));
        Self { authority, certificate, key, acceptor }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}
