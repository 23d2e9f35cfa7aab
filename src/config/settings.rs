//! Settings of a relay: files, addresses and users on this machine. What it decides is the world's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::RootCertStore;

use super::certificates::{self, HeldCertificate, Holder};
use super::file;
use super::object::Object;
use super::{keys, reader, toml};
use crate::diag::{Diagnostic, Severity, Source};
use crate::mail::Mailbox;
use crate::model::{ServerId, Topology};

/// Where a relay takes mail if nothing is said: on this machine only.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2525);

/// How a relay runs on this machine.
#[derive(Debug)]
pub struct Settings {
    /// Where it takes mail, as port 25 of the world.
    pub listen: Vec<SocketAddr>,
    /// Where users submit, as port 587 of the world.
    pub submission_listen: Vec<SocketAddr>,
    /// The name server it asks; without, those of this machine.
    pub name_server: Option<SocketAddr>,
    /// Names and addresses of hosts, and where they really are.
    pub host_overrides: Vec<(String, SocketAddr)>,
    /// Where messages survive.
    pub spool_directory: PathBuf,
    /// Where mailboxes are.
    pub mail_directory: PathBuf,
    /// Where metrics are shown.
    pub metrics_listen: Option<SocketAddr>,
    /// Who may submit.
    pub users: Vec<(Mailbox, Password)>,
    /// The certificates that the world gives the server, as far as there are files for them.
    pub certificates: Vec<HeldCertificate>,
    /// Whom it trusts; without, whom this machine trusts.
    pub trusted_roots: Option<RootCertStore>,
    /// How much it says.
    pub log_level: LogLevel,
}

/// How much a relay says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What it could not do.
    Error,
    /// And what somebody should look at, such as a loop.
    Warn,
    /// And every event of a message.
    Info,
    /// And the reasons.
    Debug,
}

impl LogLevel {
    const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warn => "Warn",
            Self::Info => "Info",
            Self::Debug => "Debug",
        }
    }
}

/// A password, which no `Debug` text shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Reads the settings of one server of a world; the files and folders that they name are relative to
/// their own folder. Certificates are to be in date at `now`.
///
/// The settings are absent where a diagnostic is an error.
#[must_use]
pub fn load_settings(
    path: &Path,
    topology: &Topology,
    server: ServerId,
    now: Timestamp,
) -> (Option<Settings>, Vec<Diagnostic>) {
    let source = match file::read(path) {
        Ok(source) => source,
        Err(diagnostic) => return (None, vec![*diagnostic]),
    };
    let (node, mut diagnostics) = toml::parse(&source);
    let folder = path.parent().unwrap_or(Path::new(""));
    let settings = node.and_then(|node| {
        let (object, found) = reader::read(&keys::SETTINGS, &node, &source);
        diagnostics.extend(found);
        let holder = Holder {
            topology,
            server,
            now,
        };
        lower(&object, folder, holder, &mut diagnostics)
    });
    let usable = diagnostics
        .iter()
        .all(|diagnostic| diagnostic.severity != Severity::Error);
    (settings.filter(|_| usable), diagnostics)
}

fn lower(
    object: &Object,
    folder: &Path,
    holder: Holder<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Settings> {
    let mut listen: Vec<SocketAddr> = object.parse_list("Listen");
    if !object.has("Listen") {
        listen.push(LISTEN);
    }
    let overrides = object.list("HostOverrides").iter().filter_map(|word| {
        let (host, at) = word.text.split_once('=')?;
        Some((host.trim().to_ascii_lowercase(), at.trim().parse().ok()?))
    });
    Some(Settings {
        listen,
        submission_listen: object.parse_list("SubmissionListen"),
        name_server: object.parse("NameServer"),
        host_overrides: overrides.collect(),
        spool_directory: folder.join(object.text("SpoolDirectory")?),
        mail_directory: folder.join(object.text("MailDirectory")?),
        metrics_listen: object.parse("MetricsListen"),
        users: users(object, folder, diagnostics),
        certificates: certificates::held(object, folder, holder, diagnostics),
        trusted_roots: certificates::trusted_roots(object, folder, diagnostics),
        log_level: object
            .choose("LogLevel", &LogLevel::ALL, LogLevel::as_str)
            .unwrap_or(LogLevel::Info),
    })
}

fn users(
    object: &Object,
    folder: &Path,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Mailbox, Password)> {
    let Some(name) = object.text("Users") else {
        return Vec::new();
    };
    match file::read(&folder.join(name)) {
        Ok(source) => users_in(&source, diagnostics),
        Err(diagnostic) => {
            diagnostics.push(*diagnostic);
            Vec::new()
        }
    }
}

/// One user on each line; empty lines and those that begin with `#` say nothing. What is wrong is
/// reported without the line itself, which may hold a password.
fn users_in(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Vec<(Mailbox, Password)> {
    let mut users = Vec::new();
    let mut offset = 0;
    for line in source.text().split_inclusive('\n') {
        let span = offset..offset + line.trim_end().len();
        offset += line.len();
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let user = text
            .split_once(':')
            .filter(|(_, password)| !password.is_empty());
        match user.and_then(|(address, password)| Some((Mailbox::parse(address).ok()?, password))) {
            Some((address, password)) => users.push((address, Password(password.to_owned()))),
            None => {
                let place = source.location(span);
                let diagnostic =
                    Diagnostic::new("invalid-value", Some(place), "the line is not a user");
                diagnostics.push(diagnostic.help("write `david@contoso.com:password`"));
            }
        }
    }
    users
}
