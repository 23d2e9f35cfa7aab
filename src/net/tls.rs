//! TLS with rustls. Chains are checked after the handshake and the result is reported, not enforced:
//! whether a certificate will do depends on the connector.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ProtocolVersion, RootCertStore,
    ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::net::tcp::Connected;
use crate::x509::Description;

/// The roots that this machine trusts, and in words what of them could not be read.
#[must_use]
pub fn system_roots() -> (RootCertStore, Vec<String>) {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Machines carry roots that nobody can use any more; the others count.
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    let mut problems: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    if unusable > 0 {
        problems.push(format!("{unusable} of the roots cannot be used"));
    }
    (roots, problems)
}

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
    /// What it says.
    pub says: Description,
    /// Whether its chain leads to a trusted root, dates left aside.
    pub trusted: bool,
    /// Whether the chain ends with the certificate of a root, whoever trusts that.
    pub rooted: bool,
}

/// A connection under TLS.
pub struct Secured {
    /// What is to be read and written from now on.
    pub stream: Box<dyn Connected>,
    /// Who the peer proved to be, if it showed a certificate.
    pub peer: Option<PeerCertificate>,
    /// The version of TLS: `1.2` or `1.3`.
    pub version: &'static str,
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

    /// Takes over a connection as its server.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept(
        &self,
        acceptor: &TlsAcceptor,
        stream: Box<dyn Connected>,
        now: Timestamp,
    ) -> std::io::Result<Secured> {
        let stream = acceptor.accept(stream).await?;
        let session = stream.get_ref().1;
        let chain = session.peer_certificates();
        let peer = chain.and_then(|chain| self.describe_client(chain, now));
        let version = version(session.protocol_version());
        Ok(Secured {
            stream: Box::new(stream),
            peer,
            version,
        })
    }

    /// Begins TLS as a client.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn connect(
        &self,
        connector: &TlsConnector,
        name: &str,
        stream: Box<dyn Connected>,
        now: Timestamp,
    ) -> std::io::Result<Secured> {
        let bare = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let server = ServerName::try_from(bare).map_err(std::io::Error::other)?;
        let stream = connector.connect(server, stream).await?;
        let session = stream.get_ref().1;
        let chain = session.peer_certificates();
        let peer = chain.and_then(|chain| self.describe_server(chain, now));
        let version = version(session.protocol_version());
        Ok(Secured {
            stream: Box::new(stream),
            peer,
            version,
        })
    }

    fn describe_client(
        &self,
        chain: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Option<PeerCertificate> {
        let says = Description::read(chain.first()?)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots.clone(), self.provider.clone())
                .build();
        let at = within(&says, now);
        let trusted =
            verifier.is_ok_and(|v| v.verify_client_cert(&chain[0], &chain[1..], at).is_ok());
        Some(PeerCertificate {
            says,
            trusted,
            rooted: is_rooted(chain),
        })
    }

    fn describe_server(
        &self,
        chain: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Option<PeerCertificate> {
        let says = Description::read(chain.first()?)?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(self.roots.clone(), self.provider.clone())
                .build();
        // Only the chain is of interest here; so the name asked for is one that it has.
        let name = says.names.first().map(|name| name.replacen("*.", "x.", 1));
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let at = within(&says, now);
        let trusted = verifier.ok().zip(name).is_some_and(|(verifier, name)| {
            verifier
                .verify_server_cert(&chain[0], &chain[1..], &name, &[], at)
                .is_ok()
        });
        Some(PeerCertificate {
            says,
            trusted,
            rooted: is_rooted(chain),
        })
    }
}

/// Whether a chain ends with a certificate that vouches for itself. The servers of a private authority
/// may leave the root away; then theirs looks like one that is not whole.
fn is_rooted(chain: &[CertificateDer<'static>]) -> bool {
    let last = chain.last().and_then(|last| Description::read(last));
    last.is_some_and(|last| last.issuer == last.subject)
}

/// A version as metrics name it; older ones than 1.2 are never spoken.
fn version(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => "1.2",
    }
}

/// A moment at which the certificate is in date, as near to `now` as can be: dates are judged apart
/// from the chain.
fn within(says: &Description, now: Timestamp) -> UnixTime {
    let now = now
        .as_second()
        // One whose end is before its beginning is in date at no moment.
        .min(says.not_after)
        .max(says.not_before);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        u64::try_from(now).unwrap_or_default(),
    ))
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
