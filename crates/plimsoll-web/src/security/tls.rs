//! TLS as `tls_server_config` wants it, on rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, RootCertStore,
    ServerConfig, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::document::Tls;
use super::error::SecurityError;
use super::files::{Files, Kept};

/// What connections begin with. `file` is the configuration, from whose folder relative paths count.
pub(super) fn config(tls: &Tls, file: &Path, files: &mut Files) -> Result<Arc<ServerConfig>, SecurityError> {
    let source = Source { file, files };
    source.config(tls)
}

/// What the server shows, for who asks for it.
pub(super) struct Own {
    /// The server's own certificate.
    pub(super) certificate: CertificateDer<'static>,
    /// Its chain with the key, where clients are asked for certificates, to be shown as a client's.
    pub(super) pair: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// Reads the server's certificate, and the key only where it has a use.
pub(super) fn own(tls: &Tls, file: &Path, files: &mut Files) -> Result<Own, SecurityError> {
    let mut source = Source { file, files };
    let (text, place) = source.pem(tls.cert.as_ref(), tls.cert_file.as_ref(), Kept::Open, "cert")?;
    let chain = certificates(&text, &place)?;
    let certificate = chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
    let asks = Policy::named(tls.client_auth_type.as_deref())? != Policy::None;
    let pair = if asks { Some((chain, source.key(tls)?)) } else { None };
    Ok(Own { certificate, pair })
}

struct Source<'a> {
    file: &'a Path,
    files: &'a mut Files,
}

impl Source<'_> {
    fn config(mut self, tls: &Tls) -> Result<Arc<ServerConfig>, SecurityError> {
        let provider = Arc::new(provider(tls)?);
        let chain = self.chain(tls)?;
        let key = self.key(tls)?;
        let clients = self.clients(tls, &provider)?;
        let versions = versions(tls)?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|error| {
                let remedy =
                    "take out min_version, max_version, cipher_suites and curve_preferences, or mend them";
                SecurityError::new(format!("tls_server_config leaves nothing to speak: {error}"), remedy)
            })?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            Error::InconsistentKeys(_) => SecurityError::new(
                "tls_server_config: certificate and key do not belong together",
                "give the key of this certificate; in a chain, the server's own certificate comes first",
            ),
            other => SecurityError::new(
                format!("tls_server_config: certificate and key are not usable: {other}"),
                "give a certificate with an RSA, ECDSA or Ed25519 key",
            ),
        })?;
        config.ignore_client_order = tls.prefer_server_cipher_suites;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn path(&self, given: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(given)
    }

    /// What a pair of keys says: the text, and where it stands.
    fn pem(
        &mut self,
        inline: Option<&String>,
        file: Option<&String>,
        kept: Kept,
        missing: &str,
    ) -> Result<(String, String), SecurityError> {
        match (inline, file) {
            (Some(text), _) => Ok((text.clone(), missing.to_owned())),
            (None, Some(path)) => {
                let path = self.path(path);
                Ok((self.files.text(&path, kept)?, path.display().to_string()))
            }
            (None, None) => Err(SecurityError::new(
                format!("tls_server_config has neither {missing} nor {missing}_file"),
                format!("set {missing}_file to a file in PEM format"),
            )),
        }
    }

    fn chain(&mut self, tls: &Tls) -> Result<Vec<CertificateDer<'static>>, SecurityError> {
        let (text, place) = self.pem(tls.cert.as_ref(), tls.cert_file.as_ref(), Kept::Open, "cert")?;
        let chain = certificates(&text, &place)?;
        if let Some(own) = chain.first() {
            valid_now(own, &place)?;
        }
        Ok(chain)
    }

    fn key(&mut self, tls: &Tls) -> Result<PrivateKeyDer<'static>, SecurityError> {
        let (text, place) = self.pem(tls.key.as_ref(), tls.key_file.as_ref(), Kept::Secret, "key")?;
        if tls.key.is_some() {
            Files::must_be_secret(self.file)?;
        }
        PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
            let what =
                if text.contains("ENCRYPTED") { "the key is encrypted" } else { "there is no private key" };
            SecurityError::new(
                format!("{place}: {what}"),
                "give a private key in PEM format without a passphrase, as `openssl pkey -in KEY` writes it",
            )
        })
    }

    fn clients(
        &mut self,
        tls: &Tls,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, SecurityError> {
        let policy = Policy::named(tls.client_auth_type.as_deref())?;
        let has_ca = tls.client_ca.is_some() || tls.client_ca_file.is_some();
        let refuse =
            |what: &str, remedy: &str| Err(SecurityError::new(format!("tls_server_config: {what}"), remedy));
        match policy {
            Policy::None if has_ca => {
                return refuse(
                    "client_ca is set, and client_auth_type asks no client for a certificate",
                    "set client_auth_type to RequireAndVerifyClientCert",
                );
            }
            Policy::VerifyIfGiven | Policy::RequireAndVerify if !has_ca => {
                return refuse(
                    "client_auth_type verifies certificates, and nothing says against whom",
                    "set client_ca_file to the authority's certificate",
                );
            }
            _ => {}
        }
        if let Some(sans) = &tls.client_allowed_sans {
            if !policy.is_mandatory() {
                return refuse(
                    "client_allowed_sans needs every client to have a certificate",
                    "set client_auth_type to RequireAndVerifyClientCert",
                );
            }
            if sans.is_empty() {
                return refuse(
                    "client_allowed_sans is empty, so nobody could connect",
                    "name a client, or take it out",
                );
            }
        }
        if policy == Policy::None {
            return Ok(None);
        }
        let verifier = if has_ca {
            let (text, place) =
                self.pem(tls.client_ca.as_ref(), tls.client_ca_file.as_ref(), Kept::Open, "client_ca")?;
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&text, &place)? {
                valid_now(&certificate, &place)?;
                roots.add(certificate).map_err(|error| {
                    SecurityError::new(
                        format!("{place}: a certificate is no authority: {error}"),
                        "give the certificates of authorities",
                    )
                })?;
            }
            let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
            Some(builder.build().map_err(|error| {
                SecurityError::new(format!("{place}: {error}"), "give the certificates of authorities")
            })?)
        } else {
            None
        };
        Ok(Some(Arc::new(Clients {
            // Those that only ask take any certificate, even where there is an authority.
            verifier: verifier.filter(|_| policy.verifies()),
            provider: Arc::clone(provider),
            is_mandatory: policy.is_mandatory(),
            sans: tls.client_allowed_sans.clone(),
        })))
    }
}

/// Whether connections need a certificate of the client.
pub(super) fn wants_clients(tls: &Tls) -> Result<bool, SecurityError> {
    Policy::named(tls.client_auth_type.as_deref()).map(Policy::is_mandatory)
}

/// `client_auth_type`, with Go's names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    None,
    Request,
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

impl Policy {
    const NAMES: [(&str, Self); 6] = [
        ("NoClientCert", Self::None),
        ("RequestClientCert", Self::Request),
        ("RequireAnyClientCert", Self::RequireAny),
        ("VerifyClientCertIfGiven", Self::VerifyIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerify),
        // The toolkit's older name.
        ("RequireClientCert", Self::RequireAny),
    ];

    fn named(name: Option<&str>) -> Result<Self, SecurityError> {
        let Some(name) = name else { return Ok(Self::None) };
        choose("client_auth_type", name, &Self::NAMES)
    }

    fn is_mandatory(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }

    fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

fn choose<T: Copy>(key: &str, name: &str, known: &[(&str, T)]) -> Result<T, SecurityError> {
    known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        let shown: String = name.chars().take(64).collect();
        SecurityError::new(
            format!("tls_server_config.{key}: {shown:?} is not there"),
            format!("it may be {}", names.join(", ")),
        )
    })
}

fn versions(tls: &Tls) -> Result<Vec<&'static SupportedProtocolVersion>, SecurityError> {
    const KNOWN: [(&str, u8); 2] = [("TLS12", 2), ("TLS13", 3)];
    let min = tls.min_version.as_deref().map_or(Ok(2), |name| choose("min_version", name, &KNOWN))?;
    let max = tls.max_version.as_deref().map_or(Ok(3), |name| choose("max_version", name, &KNOWN))?;
    if min > max {
        return Err(SecurityError::new(
            "tls_server_config: min_version is above max_version",
            "swap them, or take one of them out",
        ));
    }
    let all = [(2, &TLS12), (3, &TLS13)];
    Ok(all
        .into_iter()
        .filter(|(version, _)| (min..=max).contains(version))
        .map(|(_, version)| version)
        .collect())
}

/// The ciphers and groups that are wanted, in that order.
fn provider(tls: &Tls) -> Result<CryptoProvider, SecurityError> {
    let mut provider = ring::default_provider();
    if !tls.cipher_suites.is_empty() {
        let all = &provider.cipher_suites;
        let names: Vec<_> = all.iter().map(|suite| (go_name(suite), *suite)).collect();
        let known: Vec<_> = names.iter().map(|(name, suite)| (&**name, *suite)).collect();
        let mut wanted = Vec::new();
        for name in &tls.cipher_suites {
            wanted.push(choose("cipher_suites", name, &known)?);
        }
        // The list is about TLS 1.2 alone; those of 1.3 cannot be chosen, as in Go.
        wanted.retain(|suite| suite.tls13().is_none());
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(wanted);
    }
    if !tls.curve_preferences.is_empty() {
        let known: Vec<_> = provider
            .kx_groups
            .iter()
            .filter_map(|group| {
                let name = match group.name() {
                    NamedGroup::X25519 => "X25519",
                    NamedGroup::secp256r1 => "CurveP256",
                    NamedGroup::secp384r1 => "CurveP384",
                    _ => return None,
                };
                Some((name, *group))
            })
            .collect();
        let wanted = tls.curve_preferences.iter().map(|name| choose("curve_preferences", name, &known));
        provider.kx_groups = wanted.collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

/// Go names the suites of TLS 1.3 as those of 1.2.
fn go_name(suite: &SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

fn certificates(text: &str, place: &str) -> Result<Vec<CertificateDer<'static>>, SecurityError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(SecurityError::new(
            format!("{place}: there is no certificate"),
            "give certificates in PEM format, from `-----BEGIN CERTIFICATE-----` on",
        )),
    }
}

fn valid_now(certificate: &CertificateDer<'_>, place: &str) -> Result<(), SecurityError> {
    let parsed = Certificate::from_der(certificate).map_err(|_| {
        SecurityError::new(format!("{place}: a certificate cannot be read"), "make it anew; it is damaged")
    })?;
    let validity = &parsed.tbs_certificate.validity;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if validity.not_after.to_unix_duration() < now {
        return Err(SecurityError::new(
            format!("{place}: the certificate has expired, at {}", validity.not_after),
            "renew it; a running agent takes the new one up by itself",
        ));
    }
    if validity.not_before.to_unix_duration() > now {
        return Err(SecurityError::new(
            format!("{place}: the certificate is not valid before {}", validity.not_before),
            "wait, or set this machine's clock",
        ));
    }
    Ok(())
}

/// Looks at the certificates of clients.
#[derive(Debug)]
struct Clients {
    /// Who vouches for them; nobody where any certificate is taken.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
    is_mandatory: bool,
    /// The names of which a client has to have one.
    sans: Option<Vec<String>>,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.as_ref().map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(verifier) = &self.verifier {
            verifier.verify_client_cert(end_entity, intermediates, now)?;
        }
        match &self.sans {
            Some(allowed) if !names(end_entity).iter().any(|name| allowed.contains(name)) => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The subject alternative names of a certificate as texts: names of hosts, mail and other addresses.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(parsed) = Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some((_, SubjectAltName(names)))) = parsed.tbs_certificate.get() else { return Vec::new() };
    names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(text)
        | GeneralName::Rfc822Name(text)
        | GeneralName::UniformResourceIdentifier(text) => Some(text.as_str().to_owned()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let four = <[u8; 4]>::try_from(bytes).map(|four| std::net::Ipv4Addr::from(four).to_string());
            let sixteen =
                <[u8; 16]>::try_from(bytes).map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string());
            four.or(sixteen).ok()
        }
        _ => None,
    }
}
