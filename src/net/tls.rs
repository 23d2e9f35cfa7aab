//! TLS with rustls. Chains are checked after the handshake and the result is reported, not enforced:
//! whether a certificate will do depends on the connector.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::net::tcp::Connected;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate or its key is unusable.
    #[error("the certificate cannot be used: {0}")]
    Material(#[from] rustls::Error),
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Making(#[from] rcgen::Error),
}

/// A certificate chain with its private key.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, then its issuers.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the first.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The certificate that a server makes for itself.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate.
    pub fn self_signed(fqdn: &str) -> Result<Self, TlsError> {
        let made = rcgen::generate_simple_self_signed([fqdn.to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        Ok(Self {
            chain: vec![made.cert.der().clone()],
            key,
        })
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// What a peer's certificate says, and whether anybody vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Distinguished name of the subject.
    pub subject: String,
    /// Distinguished name of the issuer.
    pub issuer: String,
    /// Alternative names, or the CN where there are none.
    pub names: Vec<String>,
    /// Seconds since 1970 from which it is valid.
    pub not_before: i64,
    /// Seconds since 1970 until which it is valid.
    pub not_after: i64,
    /// Whether its chain leads to a trusted root, dates left aside.
    pub trusted: bool,
}

/// Whom this process trusts.
#[derive(Clone, Debug)]
pub struct TlsMaterials {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
}

impl TlsMaterials {
    /// Trusts these roots.
    #[must_use]
    pub fn new(roots: RootCertStore) -> Self {
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            roots: Arc::new(roots),
        }
    }

    /// What takes TLS sessions with this identity; clients are asked for a certificate and need none.
    ///
    /// # Errors
    /// When the identity cannot be used.
    pub fn acceptor(&self, identity: Identity) -> Result<TlsAcceptor, TlsError> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?;
        let anyone = Arc::new(Anyone(self.provider.signature_verification_algorithms));
        let config = builder
            .with_client_cert_verifier(anyone)
            .with_single_cert(identity.chain, identity.key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// What begins TLS sessions, with an identity to show if there is one.
    ///
    /// # Errors
    /// When the identity cannot be used.
    pub fn connector(&self, identity: Option<Identity>) -> Result<TlsConnector, TlsError> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?;
        let anyone = Arc::new(Anyone(self.provider.signature_verification_algorithms));
        let builder = builder.dangerous().with_custom_certificate_verifier(anyone);
        let config = match identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key)?,
            None => builder.with_no_client_auth(),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// Takes over a connection as its server: the stream and the client's certificate.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept(
        &self,
        acceptor: &TlsAcceptor,
        stream: Box<dyn Connected>,
        now: u64,
    ) -> std::io::Result<(Box<dyn Connected>, Option<PeerCertificate>)> {
        let stream = acceptor.accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates().map(<[_]>::to_vec);
        let peer = chain.and_then(|chain| self.describe_client(&chain, now));
        Ok((Box::new(stream), peer))
    }

    /// Begins TLS as a client: the stream and the server's certificate.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn connect(
        &self,
        connector: &TlsConnector,
        name: &str,
        stream: Box<dyn Connected>,
        now: u64,
    ) -> std::io::Result<(Box<dyn Connected>, Option<PeerCertificate>)> {
        let bare = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let server = ServerName::try_from(bare).map_err(std::io::Error::other)?;
        let stream = connector.connect(server, stream).await?;
        let chain = stream.get_ref().1.peer_certificates().map(<[_]>::to_vec);
        let peer = chain.and_then(|chain| self.describe_server(&chain, now));
        Ok((Box::new(stream), peer))
    }

    fn describe_client(
        &self,
        chain: &[CertificateDer<'static>],
        now: u64,
    ) -> Option<PeerCertificate> {
        let mut peer = read(chain.first()?)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots.clone(), self.provider.clone())
                .build();
        let at = within(&peer, now);
        peer.trusted =
            verifier.is_ok_and(|v| v.verify_client_cert(&chain[0], &chain[1..], at).is_ok());
        Some(peer)
    }

    fn describe_server(
        &self,
        chain: &[CertificateDer<'static>],
        now: u64,
    ) -> Option<PeerCertificate> {
        let mut peer = read(chain.first()?)?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(self.roots.clone(), self.provider.clone())
                .build();
        // Only the chain is of interest here; so the name asked for is one that it has.
        let name = peer.names.first().map(|name| name.replacen("*.", "x.", 1));
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let at = within(&peer, now);
        peer.trusted = verifier.ok().zip(name).is_some_and(|(verifier, name)| {
            verifier
                .verify_server_cert(&chain[0], &chain[1..], &name, &[], at)
                .is_ok()
        });
        Some(peer)
    }
}

/// A moment at which the certificate is in date, as near to `now` as can be: dates are judged apart
/// from the chain.
fn within(peer: &PeerCertificate, now: u64) -> UnixTime {
    let now = i64::try_from(now)
        .unwrap_or(i64::MAX)
        .clamp(peer.not_before, peer.not_after);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        u64::try_from(now).unwrap_or_default(),
    ))
}

/// What a certificate says of itself.
fn read(der: &CertificateDer<'_>) -> Option<PeerCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let mut names: Vec<String> = alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        let common = certificate
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok());
        names.extend(common.map(str::to_owned));
    }
    Some(PeerCertificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names,
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        trusted: false,
    })
}

/// Lets every certificate through the handshake; signatures are checked, so the peer has the key.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
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
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl ClientCertVerifier for Anyone {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
