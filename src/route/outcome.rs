//! What a reply, a failure of DNS or TLS, or time means for a recipient: delivered, deferred, failed.
//!
//! The policy, once for everybody (Exchange Server, "Message retry, resubmit, and expiration
//! intervals"; Exchange Online, "Email non-delivery reports and SMTP errors in Exchange Online"):
//!
//! - A reply of class 2 to the end of DATA delivers. Class 5 fails the recipient (at RCPT TO) or the
//!   message (at MAIL FROM and DATA) at once. Class 4 defers.
//! - A domain that does not exist fails at once. A domain that exists without records, SERVFAIL and
//!   time-outs defer. A best MX host that is the sending server itself fails at once; so does a null
//!   MX.
//! - TLS that is demanded and cannot be had defers: nothing is ever sent without it. So does a server
//!   of the organization that does not let ours log on.
//! - A next hop that refuses the session before any message defers, where it does not refuse for good.
//! - What no connector covers waits in the Unreachable queue.
//! - What is deferred or unreachable fails when the message is older than its server's
//!   expiration, with a status that tells the sender what lasted.
//! - Of what is deferred or unreachable for four hours the sender is told, once, whether the sender
//!   is inside or outside (`DelayNotificationTimeout`, `InternalDelayDsnEnabled` and
//!   `ExternalDelayDsnEnabled` as they are by default). Choice: every product does so.
//!
//! The server that gives up writes the NDR to the reverse-path; nobody is told of a message with the
//! null reverse-path (RFC 5321 §6.1).

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::mail::{Domain, Status};
use crate::model::{ErrorPolicy, Profile, SendConnector, Server, ServerId, replies};

/// How long a recipient waits before its sender is told: `DelayNotificationTimeout`.
pub const DELAY_NOTIFICATION: SignedDuration = SignedDuration::from_hours(4);

/// What the sender is told of a recipient that waits.
pub static DELAYED: Status = Status::new(400, (4, 4, 7), "Message delayed");

/// What happened when a copy was to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The best MX host is this server.
    BestMxIsSelf,
    /// The certificate that the connector names is not on this server.
    CertificateMissing,
    /// The recipient domain, or the next hop's name, does not exist.
    DomainNotFound {
        /// The name.
        name: Domain,
        /// Whether it is the name of a smart host: that is the administrator's, and can be mended.
        smart_host: bool,
    },
    /// The next hop's first words are a refusal: no session comes about.
    Greeting(Status),
    /// DNS gives no usable answer.
    NoAnswer,
    /// Nothing listens at the next hop.
    NoConnection,
    /// The domain takes no mail.
    NullMx,
    /// The next hop greets by this server's own name.
    OwnGreeting,
    /// The next hop, a server of the organization, does not take ours for one.
    ExchangeAuthentication,
    /// The next hop replied.
    Reply(Status),
    /// The mailbox is here, and cannot be written at present.
    StorageFailed,
    /// The demanded TLS cannot be had.
    Tls(String),
    /// No connector covers the recipient.
    Unreachable,
}

/// What becomes of the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop has it.
    Delivered,
    /// Tried again; the queue shows the first status, the sender is told the second in the end.
    Defer {
        /// The queue's last error.
        status: Status,
        /// What the NDR says if it lasts.
        final_status: Status,
    },
    /// Failed for good.
    Fail(Status),
}

/// The error policies that hold for what a server sends by a connector: a source's are the connector's, and
/// what brings a message to a source is the organization's own transport, which has none.
#[must_use]
pub fn policies_at(connector: Option<&SendConnector>, server: ServerId) -> &BTreeSet<ErrorPolicy> {
    static NONE: BTreeSet<ErrorPolicy> = BTreeSet::new();
    let source = connector.filter(|connector| connector.sources.contains(&server));
    source.map_or(&NONE, |connector| &connector.error_policies)
}

/// Decides, for a message of this age that a connector of this server with these error policies was to
/// send.
#[must_use]
pub fn outcome(
    server: &Server,
    policies: &BTreeSet<ErrorPolicy>,
    happened: &Happened,
    age: SignedDuration,
) -> Outcome {
    let profile = server.profile;
    match by_policy(profile, policies, happened, plainly(profile, happened)) {
        Outcome::Defer { final_status, .. } if age >= server.expiration() => {
            Outcome::Fail(final_status)
        }
        other => other,
    }
}

/// What `ErrorPolicies` of the connector make of it (Exchange PowerShell, "Set-SendConnector").
///
/// Choice: which replies `DowngradeCustomFailures` and `UpgradeCustomFailures` mean is said in a file
/// of the server that a world does not describe; here they mean every reply of the next hop. A reply
/// keeps its words, and the sender is told what was said in the end.
fn by_policy(
    profile: &Profile,
    policies: &BTreeSet<ErrorPolicy>,
    happened: &Happened,
    outcome: Outcome,
) -> Outcome {
    let has = |policy| policies.contains(&policy);
    match (happened, outcome) {
        (Happened::DomainNotFound { .. }, Outcome::Fail(_))
            if has(ErrorPolicy::DowngradeDnsFailures) =>
        {
            defer(&profile.dns_failed, &profile.dns_expired)
        }
        (Happened::BestMxIsSelf, Outcome::Fail(status))
            if has(ErrorPolicy::DowngradeDnsFailures) =>
        {
            defer(&status, &profile.expired)
        }
        (Happened::Reply(_) | Happened::Greeting(_), Outcome::Fail(status))
            if has(ErrorPolicy::DowngradeCustomFailures) =>
        {
            defer(&status, &profile.expired)
        }
        (Happened::Reply(_) | Happened::Greeting(_), Outcome::Defer { status, .. })
            if has(ErrorPolicy::UpgradeCustomFailures) =>
        {
            Outcome::Fail(status)
        }
        (_, outcome) => outcome,
    }
}

/// What it means to a connector without error policies, while the message is young.
fn plainly(profile: &Profile, happened: &Happened) -> Outcome {
    match happened {
        Happened::BestMxIsSelf => Outcome::Fail(replies::MX_LOOPBACK.clone()),
        Happened::OwnGreeting => Outcome::Fail(replies::OWN_GREETING.clone()),
        Happened::NullMx => Outcome::Fail(replies::NULL_MX.clone()),
        // Choice: a smart host whose name does not exist never fails the message at once, because replies
        // of real queues say 4.4.312 of it, though the article lists such a name under 5.4.310 too.
        Happened::DomainNotFound {
            name,
            smart_host: false,
        } => Outcome::Fail(profile.no_domain(name)),
        Happened::DomainNotFound {
            smart_host: true, ..
        }
        | Happened::NoAnswer => defer(&profile.dns_failed, &profile.dns_expired),
        Happened::CertificateMissing => defer(&replies::CERTIFICATE_MISSING, &profile.tls_expired),
        Happened::Tls(what) => {
            let status = Profile::saying(&profile.tls_failed, what);
            defer(&status, &profile.tls_expired)
        }
        Happened::NoConnection => defer(&profile.no_connection, &profile.connection_expired),
        Happened::ExchangeAuthentication => {
            defer(&replies::EXCHANGE_AUTHENTICATION, &profile.expired)
        }
        Happened::StorageFailed => defer(&replies::NO_RESOURCES, &profile.expired),
        Happened::Greeting(said) if said.is_transient() => refused_session(profile, said),
        Happened::Reply(said)
            if said.is_transient() && said.enhanced == replies::MUST_STARTTLS.enhanced =>
        {
            refused_session(profile, said)
        }
        Happened::Greeting(said) => Outcome::Fail(said.clone()),
        Happened::Unreachable => defer(&replies::UNREACHABLE, &profile.expired),
        Happened::Reply(status) if status.is_success() => Outcome::Delivered,
        Happened::Reply(status) if status.is_transient() => defer(status, &profile.expired),
        Happened::Reply(status) => Outcome::Fail(status.clone()),
    }
}

/// A next hop that takes no message for now: it refuses the session, or demands the TLS that it does not
/// offer (Exchange Online, "Email non-delivery reports and SMTP errors in Exchange Online", 4.4.317).
fn refused_session(profile: &Profile, said: &Status) -> Outcome {
    match &profile.session_refused {
        Some(status) => {
            let status = Profile::saying(status, &said.to_string());
            defer(&status, &profile.tls_expired)
        }
        None => defer(said, &profile.expired),
    }
}

/// How long to wait after this many attempts: glitch, transient, then steady (Exchange Server,
/// "Message retry, resubmit, and expiration intervals").
#[must_use]
pub fn retry_after(attempts: u32) -> SignedDuration {
    match attempts {
        0..4 => SignedDuration::from_mins(1),
        4..10 => SignedDuration::from_mins(5),
        _ => SignedDuration::from_mins(10),
    }
}

fn defer(status: &Status, final_status: &Status) -> Outcome {
    Outcome::Defer {
        status: status.clone(),
        final_status: final_status.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EXCHANGE_ONLINE, EXCHANGE_SERVER, OrganizationId, ServerRole};

    fn say(profile: &'static Profile, happened: &Happened, hours: i64) -> String {
        words(profile, &[], happened, hours)
    }

    fn server(profile: &'static Profile) -> Server {
        let fqdn = "mail.contoso.com".parse().expect("a domain");
        Server::new(
            OrganizationId::new(0),
            "EX01",
            fqdn,
            ServerRole::Mailbox,
            profile,
        )
    }

    fn not_found(smart_host: bool) -> Happened {
        Happened::DomainNotFound {
            name: "nowhere.example".parse().expect("a domain"),
            smart_host,
        }
    }

    /// Exchange Online, "Email non-delivery reports and SMTP errors in Exchange Online": 5.4.310 and
    /// 4.4.317, with what they name.
    #[test]
    fn the_cloud_names_the_domain_and_quotes_who_demands_tls() {
        let said = |happened: &Happened| {
            let server = server(&EXCHANGE_ONLINE);
            match outcome(&server, &BTreeSet::new(), happened, SignedDuration::ZERO) {
                Outcome::Delivered => "delivered".to_owned(),
                Outcome::Defer {
                    status,
                    final_status,
                } => format!("{status} / {}", final_status.enhanced),
                Outcome::Fail(status) => status.to_string(),
            }
        };
        assert_eq!(
            said(&not_found(false)),
            "550 5.4.310 DNS domain nowhere.example does not exist"
        );
        assert_eq!(
            said(&Happened::Reply(replies::MUST_STARTTLS.clone())),
            "450 4.4.317 Cannot connect to remote server [Message=451 5.7.3 STARTTLS is required to send mail] / 5.4.317"
        );
        assert_eq!(
            said(&Happened::Tls("UntrustedRoot".to_owned())),
            "450 4.4.317 Cannot connect to remote server [Message=UntrustedRoot] / 5.4.317"
        );
        assert_eq!(
            say(
                &EXCHANGE_SERVER,
                &Happened::Reply(replies::MUST_STARTTLS.clone()),
                0
            ),
            "defer 5.7.3 then 4.4.7"
        );
    }

    #[test]
    fn a_server_may_try_for_longer_than_its_product_does_by_itself() {
        let patient = Server {
            message_expiration: Some(SignedDuration::from_hours(72)),
            ..server(&EXCHANGE_SERVER)
        };
        let after = |hours| {
            let age = SignedDuration::from_hours(hours);
            outcome(&patient, &BTreeSet::new(), &Happened::NoAnswer, age)
        };
        assert!(matches!(after(71), Outcome::Defer { .. }));
        assert!(matches!(after(72), Outcome::Fail(_)));
    }

    fn words(
        profile: &'static Profile,
        policies: &[ErrorPolicy],
        happened: &Happened,
        hours: i64,
    ) -> String {
        let policies = policies.iter().copied().collect();
        match outcome(
            &server(profile),
            &policies,
            happened,
            SignedDuration::from_hours(hours),
        ) {
            Outcome::Delivered => "delivered".to_owned(),
            Outcome::Defer {
                status,
                final_status,
            } => {
                format!("defer {} then {}", status.enhanced, final_status.enhanced)
            }
            Outcome::Fail(status) => format!("fail {}", status.enhanced),
        }
    }

    /// Exchange Server, "DSNs and NDRs in Exchange Server": 5.4.4 concerns the recipient domain only.
    #[test]
    fn only_a_recipient_domain_that_does_not_exist_fails_at_once() {
        let (domain, smart_host) = (not_found(false), not_found(true));
        assert_eq!(say(&EXCHANGE_SERVER, &domain, 0), "fail 5.4.4");
        assert_eq!(
            say(&EXCHANGE_SERVER, &smart_host, 0),
            "defer 4.4.0 then 4.4.7"
        );
        assert_eq!(
            say(&EXCHANGE_SERVER, &Happened::NoAnswer, 47),
            "defer 4.4.0 then 4.4.7"
        );
        assert_eq!(say(&EXCHANGE_SERVER, &Happened::NoAnswer, 48), "fail 4.4.7");
        assert_eq!(say(&EXCHANGE_ONLINE, &domain, 0), "fail 5.4.310");
        assert_eq!(
            say(&EXCHANGE_ONLINE, &Happened::NoAnswer, 0),
            "defer 4.4.312 then 5.4.312"
        );
        assert_eq!(
            say(&EXCHANGE_ONLINE, &Happened::NoAnswer, 24),
            "fail 5.4.312"
        );
    }

    /// Exchange PowerShell, "Set-SendConnector", `ErrorPolicies`.
    #[test]
    fn error_policies_turn_permanent_into_transient_and_back() {
        use ErrorPolicy::{DowngradeCustomFailures, DowngradeDnsFailures, UpgradeCustomFailures};
        let say = |policy, happened: &Happened| words(&EXCHANGE_SERVER, &[policy], happened, 0);
        let gone = not_found(false);
        assert_eq!(say(DowngradeDnsFailures, &gone), "defer 4.4.0 then 4.4.7");
        assert_eq!(say(DowngradeCustomFailures, &gone), "fail 5.4.4");
        let no = Happened::Reply(Status::new(550, (5, 7, 1), "no"));
        assert_eq!(say(DowngradeCustomFailures, &no), "defer 5.7.1 then 4.4.7");
        assert_eq!(say(DowngradeDnsFailures, &no), "fail 5.7.1");
        let later = Happened::Reply(Status::new(451, (4, 7, 0), "later"));
        assert_eq!(say(UpgradeCustomFailures, &later), "fail 4.7.0");
        assert_eq!(
            say(DowngradeCustomFailures, &later),
            "defer 4.7.0 then 4.4.7"
        );
        assert_eq!(
            say(UpgradeCustomFailures, &Happened::NoAnswer),
            "defer 4.4.0 then 4.4.7"
        );
    }

    /// Exchange Online, "Email non-delivery reports and SMTP errors in Exchange Online".
    #[test]
    fn a_refused_connection_has_a_code_of_its_own_in_the_cloud() {
        let refused = Happened::NoConnection;
        assert_eq!(
            say(&EXCHANGE_ONLINE, &refused, 0),
            "defer 4.4.316 then 5.4.316"
        );
        assert_eq!(say(&EXCHANGE_SERVER, &refused, 0), "defer 4.4.1 then 4.4.7");
    }

    #[test]
    fn replies_are_taken_by_their_class() {
        let reply = |code, enhanced| Happened::Reply(Status::new(code, enhanced, "x"));
        assert_eq!(
            say(&EXCHANGE_SERVER, &reply(250, (2, 6, 0)), 99),
            "delivered"
        );
        assert_eq!(
            say(&EXCHANGE_SERVER, &reply(451, (4, 7, 0)), 0),
            "defer 4.7.0 then 4.4.7"
        );
        assert_eq!(
            say(&EXCHANGE_SERVER, &reply(550, (5, 7, 64)), 0),
            "fail 5.7.64"
        );
    }
}
