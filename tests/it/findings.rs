//! One root cause, one finding: small changes of a healthy world, and exactly what is then said. What has
//! a rule of its own has a broken world instead (`broken`).

use std::path::Path;

use hybridmx::config;
use hybridmx::verify;

use crate::files::{now, read_text};
use crate::testnet::{counted, findings_text};

/// A change of `testnet/contoso`: each text becomes another.
type Change<'a> = &'a [(&'a str, &'a str)];

const SMART_HOST: &str = "SmartHosts = [\"mail.contoso.com\"]";

/// The codes of errors and warnings about contoso with a change, with or without its expectations.
#[track_caller]
fn gives(change: Change<'_>, expectations: bool, codes: &[&str]) {
    says(change, expectations, codes, &[]);
}

/// The same, and lines of what is said.
#[track_caller]
fn says(change: Change<'_>, expectations: bool, codes: &[&str], lines: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso/world.toml");
    let mut text = read_text(&path);
    if !expectations {
        let end = text.find("[[Expect]]").expect("contoso expects something");
        text.truncate(end);
    }
    for (from, to) in change {
        assert_eq!(text.matches(from).count(), 1, "`{from}`");
        text = text.replace(from, to);
    }
    let (world, diagnostics) = config::read("world.toml", &text, now());
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    let world = world.expect("a world without diagnostics is loaded");
    let report = verify::check(&world.topology, &world.zones);
    let said = findings_text(&report);
    assert_eq!(counted(&report), codes, "{said}");
    for line in lines {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

/// Mail for a mailbox of the world that leaves the world is lost, whether somebody expects it or not; and
/// what explains it explains the expectations too.
#[test]
fn mail_that_leaves_the_world_does_not_arrive() {
    let change = [(SMART_HOST, "SmartHosts = [\"192.0.2.99\"]")];
    gives(&change, false, &["smart-host-unusable"]);
    gives(&change, true, &["smart-host-unusable"]);
}

/// A detector on either side may end a loop, with a status of its own.
#[test]
fn a_loop_is_one_finding_wherever_it_is_entered() {
    let nowhere = [(
        "RecipientDomains = [\"contoso.com\"]",
        "RecipientDomains = [\"contoso.net\"]",
    )];
    let code = "on-premises-domain-not-on-outbound-connector";
    gives(&nowhere, true, &[code]);
    let relay = "DomainName = \"contoso.com\"\nDomainType = \"Authoritative\"\nDefault = true\n\n[[OnPremises.AcceptedDomains]]";
    let relayed = "DomainName = \"contoso.com\"\nDomainType = \"InternalRelay\"\nDefault = true\n\n[[OnPremises.AcceptedDomains]]";
    gives(&[nowhere[0], (relay, relayed)], true, &[code]);
}

/// A path may be longer than a limit without going round.
#[test]
fn a_low_hop_limit_is_no_loop() {
    let change = [(
        "Name = \"Default Frontend EX01\"",
        "Name = \"Default Frontend EX01\"\nMaxHopCount = 3",
    )];
    gives(&change, true, &["hop-limit-too-low"]);
}

#[test]
fn expectations_about_one_flow_are_one_finding() {
    let twice = "Disposition = \"Delivered\"\n\n[[Expect]]\nFrom = \"ann@fabrikam.com\"\nTo = \"engineering@groups.contoso.com\"\nTrust = \"Internal\"";
    let change = [("Disposition = \"Rejected\"\nStatus = \"5.7.193\"", twice)];
    gives(&change, true, &["expectation-not-met"]);
}

/// Mail for the Internet that waits until it expires does not arrive either.
#[test]
fn internet_mail_that_never_leaves_does_not_arrive() {
    let change = [(
        "AddressSpaces = [\"*\"]\nDNSRoutingEnabled = true\n",
        "AddressSpaces = [\"*\"]\nDNSRoutingEnabled = true\nRequireTLS = true\nTlsAuthLevel = \"DomainValidation\"\nTlsDomain = \"mail.example\"\n",
    )];
    gives(&change, false, &["mail-not-delivered"]);
}

/// What knows the symptom alone names the setting that decided, once for all whom it concerns.
#[test]
fn lost_trust_is_said_where_it_was_lost() {
    let change = [(
        "RecipientDomains = [\"contoso.com\"]",
        "RecipientDomains = [\"*\"]\nRouteAllMessagesViaOnPremises = true",
    )];
    let because = "because: `Outbound to Contoso` is passed over: RouteAllMessagesViaOnPremises, and the message came from the on-premises organization";
    let codes = ["groups-with-centralized-transport", "trust-lost"];
    says(&change, false, &codes, &[because]);
}

/// Who says `*@contoso.com` means people, not the device that stands for whatever submits there.
#[test]
fn everybody_of_a_domain_is_no_device() {
    let change = [("From = \"cloud mailboxes\"", "From = \"*@contoso.com\"")];
    gives(&change, true, &[]);
}

/// A tenant whose domains have moved into signed zones is in good health.
#[test]
fn a_host_in_a_signed_zone_is_the_service() {
    let to = "groups               MX    0 groups-contoso-com.o-v1.mx.microsoft.\nautodiscover.groups  CNAME autodiscover.outlook.com.\n\"\"\"\n\n# Inside";
    let from = to.replace("o-v1.mx.microsoft", "mail.protection.outlook.com");
    gives(&[(&from, to)], true, &[]);
}

/// Accounts that only the initial domain reaches are in every tenant, and nobody expects trust of their mail.
#[test]
fn the_initial_domain_is_outside_the_hybrid_connectors() {
    let change = [(
        "# Get-MailUser: the on-premises users",
        "[[ExchangeOnline.Mailboxes]]\nName = \"Admin\"\nPrimarySmtpAddress = \"admin@contoso.onmicrosoft.com\"\n\n# Get-MailUser: the on-premises users",
    )];
    gives(&change, false, &[]);
}

/// Name servers that do not answer are the group domain's fault, and no fault of whoever writes to it.
#[test]
fn an_mx_record_that_nobody_learns_is_missing() {
    let change = [(
        "# --- What Contoso expects",
        "[[Dns.Faults]]\nName = \"groups.contoso.com\"\nType = \"MX\"\nFault = \"SERVFAIL\"\n\n# --- What Contoso expects",
    )];
    let line = "the query ends in SERVFAIL in the view Internal and Public";
    says(&change, false, &["group-domain-mx-missing"], &[line]);
}

/// A Receive connector for the ranges that the service publishes is for the service.
#[test]
fn the_cloud_sends_from_its_published_ranges() {
    let change = [(
        "Name = \"Default Frontend EX01\"\n",
        "Name = \"Default Frontend EX01\"\nRemoteIPRanges = [\"192.0.2.0/24\", \"198.51.100.0/24\", \"40.92.0.0/15\", \"40.107.0.0/16\", \"52.100.0.0/14\", \"104.47.0.0/17\"]\n",
    )];
    gives(&change, false, &[]);
}

/// Early wizards named the certificate of the service by issuer and subject; it has another one now.
#[test]
fn a_capability_for_a_certificate_of_old_is_none() {
    let change = [(
        "Name = \"Default Frontend EX01\"\nTlsCertificateName = \"<I>CN=Public CA<S>CN=mail.contoso.com\"\nTlsDomainCapabilities = [\"mail.protection",
        "Name = \"Default Frontend EX01\"\nTlsCertificateName = \"<I>CN=Public CA<S>CN=mail.contoso.com\"\nTlsDomainCapabilities = [\"<I>CN=MSIT Machine Auth CA 2<S>CN=mail.protection",
    )];
    gives(&change, false, &["receive-connector-lacks-capability"]);
}

/// One certificate satisfies both, by a wildcard.
#[test]
fn tenants_share_a_certificate_by_a_wildcard() {
    let change = [(
        "# --- The Internet -",
        "[[ExchangeOnline]]\nName = \"adatum.onmicrosoft.com\"\n\n[[ExchangeOnline.InboundConnectors]]\nName = \"Inbound from Adatum\"\nConnectorType = \"OnPremises\"\nTlsSenderCertificateName = \"*.contoso.com\"\n\n# --- The Internet -",
    )];
    gives(&change, false, &["tenants-share-certificate"]);
}

/// A certificate that no server has is one mistake, however many servers are to show it.
#[test]
fn a_certificate_that_nobody_has_is_one_finding() {
    let change = [
        (
            "TlsCertificateName = \"<I>CN=Public CA<S>CN=mail.contoso.com\"\nFqdn = \"mail.contoso.com\"",
            "TlsCertificateName = \"<I>CN=Public CA<S>CN=mail.contoso.net\"\nFqdn = \"mail.contoso.com\"",
        ),
        (
            "CloudServicesMailEnabled = true\nSourceTransportServers = [\"EX01\"]",
            "CloudServicesMailEnabled = true\nSourceTransportServers = [\"EX01\", \"EX02\"]",
        ),
    ];
    let fix = "Set-SendConnector -Identity \"Outbound to Office 365\" -TlsCertificateName \"<I>CN=Public CA<S>CN=mail.contoso.com\"";
    says(&change, false, &["hybrid-certificate-unusable"], &[fix]);
}
