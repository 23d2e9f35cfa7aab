//! The lab's certificate authorities: one that everybody trusts, one that nobody does.

use std::collections::HashMap;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::model::{Certificate, CertificateId, Topology};
use crate::net::Identity;

/// Every certificate of a world, made anew.
#[derive(Debug)]
pub(super) struct Authority {
    trusted: CertifiedIssuer<'static, KeyPair>,
    untrusted: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes two roots.
    pub(super) fn new() -> Result<Self, rcgen::Error> {
        Ok(Self {
            trusted: root("Public CA of the lab")?,
            untrusted: root("Private CA of the lab")?,
        })
    }

    /// What everybody in the lab trusts.
    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        // A root made a moment ago is well-formed.
        let _ = roots.add(self.trusted.der().clone());
        roots
    }

    /// The trusted root as text, for clients that want to check.
    pub(super) fn root_pem(&self) -> String {
        self.trusted.pem()
    }

    /// The certificates of the world.
    pub(super) fn identities(
        &self,
        topology: &Topology,
    ) -> Result<HashMap<CertificateId, Identity>, rcgen::Error> {
        topology
            .certificates()
            .map(|(id, certificate)| Ok((id, self.issue(certificate)?)))
            .collect()
    }

    fn issue(&self, certificate: &Certificate) -> Result<Identity, rcgen::Error> {
        let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
        let mut params = parameters(names, common_name(&certificate.subject))?;
        if let Some(start) = certificate.not_before {
            params.not_before = date(start);
        }
        if let Some(end) = certificate.not_after {
            params.not_after = date(end);
        }
        let key = KeyPair::generate()?;
        let issuer = if certificate.trusted {
            &self.trusted
        } else {
            &self.untrusted
        };
        let made = params.signed_by(&key, issuer)?;
        let mut chain = vec![made.der().clone()];
        // One whose servers do not send the whole chain comes without the authority that nobody
        // trusts: so nobody can tell whose it is.
        if certificate.trusted || certificate.has_private_root() {
            chain.push(issuer.der().clone());
        }
        Ok(Identity {
            chain,
            key: private(&key),
        })
    }
}

fn root(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = parameters(Vec::new(), name)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = Vec::new();
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn parameters(names: Vec<String>, common_name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

/// The CN of a distinguished name, or all of it.
fn common_name(subject: &str) -> &str {
    let part = subject
        .split(',')
        .map(str::trim)
        .find_map(|part| part.strip_prefix("CN="));
    part.unwrap_or(subject)
}

fn date(moment: jiff::Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(moment.as_second())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}
