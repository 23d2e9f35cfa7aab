//! The keys of a relay's settings.

use std::net::SocketAddr;

use super::format::{BINDING, NAME};
use super::kind::{Format, Kind, Mistake, list, one_or_many, text};

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
    ],
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
