//! The keys of a relay's settings.

use std::net::SocketAddr;

use super::format::{BINDING, DISTINGUISHED_NAME, NAME};
use super::kind::{Format, Kind, Mistake, choice, list, objects, one_or_many, text};

/// The whole file.
pub(in crate::config) static SETTINGS: Kind = Kind {
    path: "Settings",
    says: "How a relay runs on this machine.",
    keys: &[
        one_or_many(
            "Listen",
            &BINDING,
            "Where it takes mail, as port 25 of the world; absent: 127.0.0.1:2525.",
        ),
        one_or_many(
            "SubmissionListen",
            &BINDING,
            "Where users submit, as port 587 of the world; absent: nowhere.",
        ),
        text(
            "NameServer",
            &BINDING,
            "The name server it asks; absent: those of this machine.",
        ),
        list(
            "HostOverrides",
            &HOST_OVERRIDE,
            "Names and addresses of hosts, and where they really are.",
        ),
        text("SpoolDirectory", &NAME, "Where messages survive.").required(),
        text(
            "MailDirectory",
            &NAME,
            "Where mailboxes are, as Maildir folders.",
        )
        .required(),
        text(
            "MetricsListen",
            &BINDING,
            "Where /metrics and /healthz answer; absent: nowhere.",
        ),
        text(
            "Users",
            &NAME,
            "A file of `address:password` lines; absent: nobody submits.",
        ),
        one_or_many(
            "TrustedRoots",
            &FILE,
            "PEM files with the certificates of authorities it trusts; absent: those that this machine trusts.",
        ),
        choice(
            "LogLevel",
            &["Error", "Warn", "Info", "Debug"],
            "How much it says on standard error: Info has a line for each event of a message, Debug the reasons.",
        )
        .default("Info"),
        objects(&CERTIFICATES, "Certificates"),
    ],
};

static CERTIFICATES: Kind = Kind {
    path: "Certificates",
    says: "The files of a certificate that the world gives this server.",
    keys: &[
        text(
            "Subject",
            &DISTINGUISHED_NAME,
            "Which certificate of the world it is.",
        )
        .required(),
        text(
            "Issuer",
            &DISTINGUISHED_NAME,
            "Its issuer, where several have the subject.",
        ),
        text(
            "CertificateFile",
            &FILE,
            "The certificate in PEM, then those of its issuers.",
        )
        .required(),
        text(
            "KeyFile",
            &FILE,
            "Its private key in PEM; absent: it is in CertificateFile.",
        ),
    ],
};

/// `tls/mail.pem`.
static FILE: Format = Format {
    noun: "the name of a file",
    example: "mail.pem",
    check: |text| {
        let blank = || Mistake::new("the text is empty");
        (!text.trim().is_empty()).then_some(()).ok_or_else(blank)
    },
};

/// `mail.contoso.com=127.0.0.1:2525`.
static HOST_OVERRIDE: Format = Format {
    noun: "a name or an address with the place it really is at",
    example: "mail.contoso.com=127.0.0.1:2525",
    check: |text| {
        let right = text.split_once('=').is_some_and(|(host, at)| {
            !host.trim().is_empty() && at.trim().parse::<SocketAddr>().is_ok()
        });
        if right {
            Ok(())
        } else {
            Err(Mistake::new(format!(
                "`{text}` is not a host with its place"
            )))
        }
    },
};
