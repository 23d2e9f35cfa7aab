//! What is said of a relay's settings: certificates and roots that cannot be used, or are not those of
//! the world.

use std::path::{Path, PathBuf};

use hybridmx::config::{self, Settings};
use hybridmx::diag::{Diagnostic, Severity};
use tempfile::TempDir;

use crate::authority::{Authority, Issued};
use crate::files::{now, read_text, set_mode, write};

/// The names that the world gives the certificate of EX01.
const NAMES: [&str; 2] = ["mail.contoso.com", "autodiscover.contoso.com"];

const ENTRY: &str = "[[Certificates]]\nSubject = \"CN=mail.contoso.com\"\nCertificateFile = \"mail.pem\"\nKeyFile = \"mail.key\"\n";

/// A folder with a certificate, its key and a root.
struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    fn new(names: &[&str], years: (i32, i32)) -> Self {
        let files = Self {
            folder: tempfile::tempdir().expect("a folder"),
            authority: Authority::new(),
        };
        let Issued {
            certificate, key, ..
        } = files.authority.issue(names, years);
        files.put("mail.pem", &certificate);
        files.put("mail.key", &key);
        files.put("roots.pem", &files.authority.root());
        files
    }

    fn good() -> Self {
        Self::new(&NAMES, (2020, 2027))
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        write(&path, text);
        path
    }

    /// Reads settings with these lines as those of EX01.
    fn load(&self, lines: &str) -> (Option<Settings>, Vec<Diagnostic>) {
        let text = format!("SpoolDirectory = \"spool\"\nMailDirectory = \"mail\"\n{lines}");
        let path = self.put("relay.toml", &text);
        let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso");
        let topology = config::load(&world, now()).0.expect("a world").topology;
        let server = topology.server_named("EX01").expect("a server");
        config::load_settings(&path, &topology, server, now())
    }

    /// The settings have one thing wrong with them, at this line, which says all of `parts`.
    #[track_caller]
    fn complains(&self, lines: &str, severity: Severity, place: (&str, u32), parts: &[&str]) {
        let (settings, diagnostics) = self.load(lines);
        let [diagnostic] = diagnostics.as_slice() else {
            panic!("{diagnostics:#?}");
        };
        let at = diagnostic.location.as_ref().expect("a place");
        assert_eq!((diagnostic.code, at.line), place, "{diagnostic:#?}");
        assert_eq!(diagnostic.severity, severity);
        assert!(at.file.ends_with("relay.toml"), "{at}");
        assert!(diagnostic.help.is_some(), "{diagnostic:#?}");
        let said = format!("{diagnostic:?}");
        for part in parts {
            assert!(said.contains(part), "`{part}` is not in {said}");
        }
        assert!(!said.contains("MIG") && !said.contains("BEGIN PRIVATE KEY-----\\n"));
        assert_eq!(settings.is_some(), severity != Severity::Error);
    }
}

#[test]
fn certificates_and_roots_that_fit_the_world_are_taken() {
    let files = Files::good();
    let lines = format!("TrustedRoots = [\"roots.pem\"]\n{ENTRY}");
    let (settings, diagnostics) = files.load(&lines);
    assert_eq!(diagnostics, []);
    let settings = settings.expect("settings");
    assert_eq!(settings.certificates.len(), 1);
    assert_eq!(settings.trusted_roots.as_ref().map(|r| r.len()), Some(1));
    assert!(
        !format!("{settings:?}").contains("48, 130"),
        "a key is shown"
    );
}

#[test]
fn a_certificate_and_its_key_may_be_in_one_file() {
    let files = Files::good();
    let issued = files.authority.issue(&NAMES, (2020, 2027));
    files.put("mail.pem", &(issued.key + &issued.certificate));
    let (_, diagnostics) = files.load(&ENTRY.replace("KeyFile = \"mail.key\"\n", ""));
    assert_eq!(diagnostics, []);
}

#[test]
fn a_certificate_of_the_world_without_files_is_missed() {
    Files::good().complains(
        "",
        Severity::Warning,
        ("certificate-without-file", 0),
        &["CN=mail.contoso.com", "EX01"],
    );
}

#[test]
fn secrets_that_others_can_read_are_warned_of() {
    let files = Files::good();
    set_mode(
        &files.put(
            "mail.key",
            &read_text(&files.folder.path().join("mail.key")),
        ),
        0o644,
    );
    let place = ("secret-file-readable", 6);
    files.complains(
        ENTRY,
        Severity::Warning,
        place,
        &["chmod 600", "mail.key", "644"],
    );
    let files = Files::good();
    set_mode(&files.put("users", "david@contoso.com:secret\n"), 0o640);
    let lines = format!("SubmissionListen = \"127.0.0.1:0\"\nUsers = \"users\"\n{ENTRY}");
    let place = ("secret-file-readable", 4);
    files.complains(&lines, Severity::Warning, place, &["chmod 600", "users"]);
}

#[test]
fn users_are_those_of_the_world() {
    let submission = "SubmissionListen = \"127.0.0.1:0\"\n";
    for (users, submission, code, part) in [
        (
            "bob@contoso.com:x\n",
            submission,
            "user-without-mailbox",
            "bob@contoso.com",
        ),
        (
            "david@contoso.com:x\nDavid@contoso.com:y\n",
            submission,
            "duplicate-name",
            "david@contoso.com",
        ),
        ("# nobody\n", submission, "users-cannot-submit", "nobody"),
        (
            "david@contoso.com:x\n",
            "",
            "users-cannot-submit",
            "SubmissionListen",
        ),
    ] {
        let files = Files::good();
        files.put("users", users);
        let (_, diagnostics) = files.load(&format!("{submission}Users = \"users\"\n{ENTRY}"));
        let [diagnostic] = diagnostics.as_slice() else {
            panic!("{users}: {diagnostics:#?}");
        };
        assert_eq!(diagnostic.code, code);
        assert!(
            format!("{diagnostic:?}")
                .to_lowercase()
                .contains(&part.to_lowercase()),
            "{diagnostic:?}"
        );
    }
    let place = ("unreadable-file", 3);
    let lines = format!("Users = \"nobody.txt\"\n{ENTRY}");
    Files::good().complains(&lines, Severity::Error, place, &["nobody.txt"]);
}

#[test]
fn a_relay_has_places_of_its_own() {
    let files = Files::good();
    let nowhere = format!("Listen = []\n{ENTRY}");
    let place = ("invalid-value", 3);
    files.complains(&nowhere, Severity::Error, place, &["nowhere"]);
    let twice = format!("Listen = \"127.0.0.1:2525\"\nMetricsListen = \"0.0.0.0:2525\"\n{ENTRY}");
    let place = ("duplicate-name", 4);
    files.complains(
        &twice,
        Severity::Error,
        place,
        &["MetricsListen", "127.0.0.1:2525"],
    );
}

#[test]
fn files_that_are_not_there_are_named() {
    let files = Files::good();
    files.complains(
        &ENTRY.replace("mail.pem", "mial.pem"),
        Severity::Error,
        ("unreadable-file", 5),
        &["mial.pem", "did you mean", "mail.pem"],
    );
    files.complains(
        &ENTRY.replace("mail.key", "other"),
        Severity::Error,
        ("unreadable-file", 6),
        &["other", "PEM"],
    );
}

#[test]
fn files_that_hold_something_else_are_refused() {
    let files = Files::good();
    files.complains(
        &ENTRY.replace("mail.pem", "relay.toml"),
        Severity::Error,
        ("unusable-certificate", 5),
        &["-----BEGIN CERTIFICATE-----"],
    );
    files.complains(
        &ENTRY.replace("mail.key", "mail.pem"),
        Severity::Error,
        ("unusable-certificate", 6),
        &["has no private key"],
    );
    files.put(
        "mail.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    files.complains(
        ENTRY,
        Severity::Error,
        ("unusable-certificate", 6),
        &["encrypted", "openssl pkey"],
    );
}

#[test]
fn the_key_of_another_certificate_is_refused() {
    let files = Files::good();
    files.put("mail.key", &files.authority.issue(&NAMES, (2020, 2027)).key);
    files.complains(
        ENTRY,
        Severity::Error,
        ("unusable-certificate", 6),
        &["mail.key", "not the certificate's"],
    );
}

#[test]
fn names_that_the_world_promises_must_be_there() {
    Files::new(&["mail.contoso.com"], (2020, 2027)).complains(
        ENTRY,
        Severity::Error,
        ("certificate-names-missing", 5),
        &["autodiscover.contoso.com", "it has `mail.contoso.com`"],
    );
}

#[test]
fn a_certificate_that_has_run_out_is_taken_with_a_warning() {
    let files = Files::new(&NAMES, (2020, 2025));
    let (settings, diagnostics) = files.load(ENTRY);
    assert_eq!(settings.expect("settings").certificates.len(), 1);
    let codes: Vec<&str> = diagnostics.iter().map(|each| each.code).collect();
    assert_eq!(codes, ["certificate-differs", "certificate-out-of-date"]);
    assert!(diagnostics[1].message.contains("2025-11-01"));
}

#[test]
fn a_certificate_that_the_world_does_not_know_is_refused() {
    Files::good().complains(
        &format!("{ENTRY}\n{}", ENTRY.replace("CN=mail.", "CN=mial.")),
        Severity::Error,
        ("unknown-reference", 9),
        &["CN=mial.contoso.com", "did you mean `CN=mail.contoso.com`"],
    );
}

#[test]
fn roots_that_cannot_be_used_are_refused() {
    let files = Files::good();
    let lines = format!("TrustedRoots = \"mail.key\"\n{ENTRY}");
    files.complains(
        &lines,
        Severity::Error,
        ("unusable-certificate", 3),
        &["mail.key"],
    );
}
