//! Certificates of a relay: PEM files (RFC 7468) → chains with their keys, held against what the world
//! says of them, and the roots that are trusted.
//!
//! What is in a file is in no diagnostic: it may be a private key.

use std::path::Path;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::file;
use super::object::{Object, Word, listed};
use crate::diag::{Diagnostic, Location, Source, did_you_mean};
use crate::mail::NamePattern;
use crate::model::{Certificate, CertificateId, ServerId, Topology};
use crate::x509::{Description, is_same_name};

/// A certificate of the world, with the files that make it real.
#[derive(Debug)]
pub struct HeldCertificate {
    /// Which one it is.
    pub id: CertificateId,
    /// The certificate, then its issuers.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the first; no `Debug` text shows it.
    pub key: PrivateKeyDer<'static>,
}

/// For which server certificates are read.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) topology: &'a Topology,
    pub(super) server: ServerId,
    /// When certificates must be in date.
    pub(super) now: Timestamp,
}

/// Why something cannot be used.
type Unusable = Box<Diagnostic>;

/// The certificates that the settings name, each with the one of the world that it stands for.
pub(super) fn held(
    settings: &Object,
    folder: &Path,
    holder: Holder<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<HeldCertificate> {
    let mut found: Vec<HeldCertificate> = Vec::new();
    // One that is named and cannot be used is not missing as well.
    let mut named = Vec::new();
    for object in settings.objects("Certificates") {
        // What is not written, or not as text, is reported already.
        let file = object.word("CertificateFile");
        let Some(file) = file.filter(|_| object.text("Subject").is_some()) else {
            continue;
        };
        let key_file = match object.word("KeyFile") {
            None if object.is_unusable("KeyFile") => continue,
            other => other.unwrap_or_else(|| file.clone()),
        };
        let read = certificates(&file, folder);
        let description = read.as_ref().ok().map(|(_, description)| description);
        let id = holder.meant(object, description);
        named.extend(id.as_ref().ok());
        match (id, read) {
            (Ok(id), Ok((chain, description))) => match key_of(&key_file, folder, &chain) {
                Ok(key) if found.iter().all(|other| other.id != id) => {
                    let path = folder.join(&key_file.text);
                    diagnostics.extend(file::readable_by_others(&path, &key_file.location));
                    holder.compare(id, &description, object, diagnostics);
                    found.push(HeldCertificate { id, chain, key });
                }
                Ok(_) => diagnostics.push(twice(object)),
                Err(diagnostic) => diagnostics.push(*diagnostic),
            },
            (id, read) => {
                let wrong = [id.err(), read.err()].into_iter().flatten();
                diagnostics.extend(wrong.map(|diagnostic| *diagnostic));
            }
        }
    }
    holder.missing(&named, settings, diagnostics);
    found
}

/// The roots that the settings name; `None` where they name none, so that the machine's hold.
pub(super) fn trusted_roots(
    settings: &Object,
    folder: &Path,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for word in settings.list("TrustedRoots") {
        let added = certificates(word, folder).and_then(|(chain, _)| {
            let mut each = chain.into_iter();
            each.try_for_each(|root| roots.add(root))
                .map_err(|error| no_certificate(word, &error.to_string()))
        });
        diagnostics.extend(added.err().map(|diagnostic| *diagnostic));
    }
    settings.has("TrustedRoots").then_some(roots)
}

impl Holder<'_> {
    fn name(&self) -> &str {
        &self.topology.server(self.server).name
    }

    /// The certificates that the world gives this server.
    fn all(&self) -> impl Iterator<Item = (CertificateId, &Certificate)> {
        self.topology
            .certificates()
            .filter(|(_, certificate)| certificate.servers.contains(&self.server))
    }

    /// Which certificate of the world an entry is about. Where several have its subject and issuer,
    /// as when one was renewed, the end of validity tells them apart.
    fn meant(
        &self,
        object: &Object,
        description: Option<&Description>,
    ) -> Result<CertificateId, Unusable> {
        let subject = object.text("Subject").unwrap_or_default();
        let issuer = object.text("Issuer");
        let mut fitting: Vec<(CertificateId, &Certificate)> = self
            .all()
            .filter(|(_, certificate)| is_same_name(&certificate.subject, subject))
            .filter(|(_, each)| issuer.is_none_or(|issuer| is_same_name(&each.issuer, issuer)))
            .collect();
        if let (true, Some(description)) = (fitting.len() > 1, description) {
            // A certificate without an end has one later than a moment of the world can be.
            let last = Timestamp::MAX.as_second();
            let day = |seconds: i64| seconds.min(last).div_euclid(86_400);
            fitting.retain(|(_, certificate)| {
                let end = certificate.not_after.map(|end| day(end.as_second()));
                end == Some(day(description.not_after))
            });
        }
        match fitting.as_slice() {
            [(id, _)] => Ok(*id),
            several => Err(Box::new(self.unknown(object, subject, several.len()))),
        }
    }

    fn unknown(&self, object: &Object, subject: &str, fitting: usize) -> Diagnostic {
        let place = Some(object.at("Subject").clone());
        let server = self.name();
        if fitting > 1 {
            let message =
                format!("the world gives `{server}` {fitting} certificates with `{subject}`");
            return Diagnostic::new("unknown-reference", place, message)
                .help("add `Issuer`, or state a different `NotAfter` for each in the world");
        }
        let known: Vec<&str> = self.all().map(|(_, each)| each.subject.as_str()).collect();
        let help = match did_you_mean(subject, known.iter().copied()) {
            Some(close) if close != subject => format!("did you mean `{close}`?"),
            _ if known.is_empty() => {
                format!(
                    "describe it in the world under `[[Certificates]]`, with `{server}` among its `Servers`"
                )
            }
            _ => format!("its certificates are {}", listed(known)),
        };
        let message = format!("the world gives `{server}` no certificate with `{subject}`");
        Diagnostic::new("unknown-reference", place, message).help(help)
    }

    /// What the file says that the world does not, and the other way round.
    fn compare(
        &self,
        id: CertificateId,
        description: &Description,
        object: &Object,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let certificate = self.topology.certificate(id);
        let place = object.at("CertificateFile");
        let says: Vec<NamePattern> = description
            .names
            .iter()
            .filter_map(|name| NamePattern::parse(name).ok())
            .collect();
        let has = |name: &NamePattern| says.iter().any(|each| each == name || each.covers(name));
        let missing: Vec<String> = certificate
            .names
            .iter()
            .filter(|name| !has(name))
            .map(ToString::to_string)
            .collect();
        if !missing.is_empty() {
            diagnostics.push(names_missing(certificate, description, &missing, place));
        }
        diagnostics.extend(differing(certificate, description, place));
        diagnostics.extend(out_of_date(description, self.now, place));
    }

    /// Certificates of the world that no file stands for.
    fn missing(
        &self,
        named: &[CertificateId],
        settings: &Object,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let place = Location::of_file(&settings.location.file);
        for (_, certificate) in self.all().filter(|(id, _)| !named.contains(id)) {
            let subject = &certificate.subject;
            let message = format!(
                "no file for the certificate `{subject}` that the world gives `{}`",
                self.name()
            );
            diagnostics.push(
                Diagnostic::new("certificate-without-file", Some(place.clone()), message).help(
                    format!("add `[[Certificates]]` with `Subject = \"{subject}\"`, `CertificateFile` and `KeyFile`"),
                ),
            );
        }
    }
}

fn twice(object: &Object) -> Diagnostic {
    let place = Some(object.at("Subject").clone());
    let message = "another entry is about the same certificate of the world";
    Diagnostic::new("duplicate-name", place, message).help("remove one of the two")
}

fn names_missing(
    certificate: &Certificate,
    description: &Description,
    missing: &[String],
    place: &Location,
) -> Diagnostic {
    let message = format!(
        "the certificate does not have {}, as the world says of `{}`",
        listed(missing.iter().map(String::as_str)),
        certificate.subject
    );
    let has = match description.names.is_empty() {
        true => "it has no host name".to_owned(),
        false => format!(
            "it has {}",
            listed(description.names.iter().map(String::as_str))
        ),
    };
    Diagnostic::new("certificate-names-missing", Some(place.clone()), message)
        .because(has)
        .help(
            "name the file of the right certificate, or correct `CertificateDomains` in the world",
        )
}

/// Another subject, issuer or end than the world says: predictions are about another certificate.
fn differing(
    certificate: &Certificate,
    description: &Description,
    place: &Location,
) -> Option<Diagnostic> {
    let mut because = Vec::new();
    for (what, world, file) in [
        ("subject", &certificate.subject, &description.subject),
        ("issuer", &certificate.issuer, &description.issuer),
    ] {
        if !is_same_name(world, file) {
            because.push(format!(
                "{what}: the world says `{world}`, the file `{file}`"
            ));
        }
    }
    if let Some(end) = certificate.not_after
        && let Ok(file) = Timestamp::from_second(description.not_after)
        && end.duration_since(file).abs() > jiff::SignedDuration::from_hours(24)
    {
        because.push(format!("end: the world says {end}, the file {file}"));
    }
    if because.is_empty() {
        return None;
    }
    let message = "the certificate is not quite the one that the world describes";
    let diagnostic = Diagnostic::new("certificate-differs", Some(place.clone()), message);
    let diagnostic = because.into_iter().fold(diagnostic, Diagnostic::because);
    Some(diagnostic.help("correct `[[Certificates]]` in the world, so that predictions hold"))
}

/// Choice: a warning, because a server whose certificate has run out still carries what needs none,
/// as Exchange does.
fn out_of_date(description: &Description, now: Timestamp, place: &Location) -> Option<Diagnostic> {
    let moment = |seconds| Timestamp::from_second(seconds).ok();
    let (start, end) = (
        moment(description.not_before)?,
        moment(description.not_after)?,
    );
    let message = if end < now {
        format!("the certificate ran out at {end}")
    } else if now < start {
        format!("the certificate is not valid before {start}")
    } else {
        return None;
    };
    let diagnostic = Diagnostic::new("certificate-out-of-date", Some(place.clone()), message);
    Some(diagnostic.help("get a new one from its issuer, and start the relay again"))
}

/// The certificates in a file, and what the first says.
fn certificates(
    word: &Word,
    folder: &Path,
) -> Result<(Vec<CertificateDer<'static>>, Description), Unusable> {
    let source = read(word, folder)?;
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(source.text().as_bytes()).collect();
    let chain = chain.map_err(|error| no_certificate(word, &error.to_string()))?;
    let first = chain
        .first()
        .ok_or_else(|| no_certificate(word, "it has no part `-----BEGIN CERTIFICATE-----`"))?;
    let description = Description::read(first)
        .ok_or_else(|| no_certificate(word, "its first certificate cannot be read"))?;
    Ok((chain, description))
}

/// The private key in a file, which must be that of the first certificate.
fn key_of(
    word: &Word,
    folder: &Path,
    chain: &[CertificateDer<'static>],
) -> Result<PrivateKeyDer<'static>, Unusable> {
    let source = read(word, folder)?;
    let key = PrivateKeyDer::from_pem_slice(source.text().as_bytes())
        .map_err(|_| no_key(word, &source))?;
    let provider = ring::default_provider();
    match CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &provider) {
        Ok(_) => Ok(key),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!(
                "the private key in `{}` is not the certificate's",
                word.text
            );
            Err(unusable(
                word,
                message,
                "name the key that the certificate was requested with",
            ))
        }
        Err(error) => {
            let message = format!("the private key in `{}` cannot be used: {error}", word.text);
            Err(unusable(word, message, "give an RSA, ECDSA or Ed25519 key"))
        }
    }
}

fn read(word: &Word, folder: &Path) -> Result<Source, Unusable> {
    file::read(&folder.join(&word.text), file::Wanted::Pem).map_err(|mut diagnostic| {
        diagnostic.location = Some(word.location.clone());
        diagnostic
    })
}

fn no_certificate(word: &Word, why: &str) -> Unusable {
    let message = format!("`{}` cannot be used: {why}", word.text);
    let help = "give certificates in PEM; `openssl x509 -inform der` makes it of DER, `openssl pkcs12 -nokeys` of a .pfx";
    unusable(word, message, help)
}

fn no_key(word: &Word, source: &Source) -> Unusable {
    let message = format!("`{}` has no private key that can be read", word.text);
    let help = match source.text().contains("ENCRYPTED") {
        true => "the key is encrypted: `openssl pkey` takes the pass phrase off it",
        false => "give the key in PEM, with `-----BEGIN PRIVATE KEY-----`",
    };
    unusable(word, message, help)
}

fn unusable(word: &Word, message: String, help: &str) -> Unusable {
    let place = Some(word.location.clone());
    Box::new(Diagnostic::new("unusable-certificate", place, message).help(help))
}
