//! Two faults at once: each is said, unless the first keeps every message from where the second is.

use std::path::Path;

use hybridmx::config;
use hybridmx::verify;

use crate::files::{now, read_text};
use crate::testnet::counted;

/// A fault of `testnet/contoso`: its code, a text that stands there once, and what it becomes.
type Fault<'a> = (&'a str, &'a str, &'a str);

const FAULTS: &[Fault<'_>] = &[
    (
        "group-domain-not-in-tenant",
        "[[ExchangeOnline.AcceptedDomains]]\nName = \"groups.contoso.com\"\nDomainName = \"groups.contoso.com\"\nDomainType = \"Authoritative\"\n",
        "",
    ),
    (
        "group-domain-mx-missing",
        "ex02                 A     192.0.2.11\nmail                 A     192.0.2.10\ngroups               MX    0 groups-contoso-com.mail.protection.outlook.com.\n",
        "ex02 A 192.0.2.11\nmail A 192.0.2.10\n",
    ),
    (
        "group-domain-not-accepted",
        "[[OnPremises.AcceptedDomains]]\nName = \"groups.contoso.com\"\nDomainName = \"groups.contoso.com\"\nDomainType = \"InternalRelay\"\n",
        "",
    ),
    (
        "group-domain-not-on-hybrid-connector",
        "\"contoso.mail.onmicrosoft.com\", \"groups.contoso.com\"]",
        "\"contoso.mail.onmicrosoft.com\"]",
    ),
    (
        "smart-host-unusable",
        "SmartHosts = [\"mail.contoso.com\"]",
        "SmartHosts = [\"mial.contoso.com\"]",
    ),
    (
        "inbound-connector-matches-no-certificate",
        "TlsSenderCertificateName = \"mail.contoso.com\"",
        "TlsSenderCertificateName = \"other.contoso.com\"",
    ),
    (
        "cloud-services-mail-disabled",
        "Fqdn = \"mail.contoso.com\"\nCloudServicesMailEnabled = true",
        "Fqdn = \"mail.contoso.com\"\nCloudServicesMailEnabled = false",
    ),
    (
        "cloud-mailbox-unknown-on-premises",
        "[[OnPremises.RemoteMailboxes]]\nName = \"Mike\"\nPrimarySmtpAddress = \"mike@contoso.com\"\nEmailAddresses = [\"smtp:mike@contoso.mail.onmicrosoft.com\"]\nRemoteRoutingAddress = \"mike@contoso.mail.onmicrosoft.com\"\n",
        "",
    ),
    (
        "mail-user-without-target-address",
        "ExternalEmailAddress = \"carol@contoso.com\"\n",
        "",
    ),
    (
        "group-secondary-address",
        "PrimarySmtpAddress = \"sales@groups.contoso.com\"\nRequireSenderAuthenticationEnabled",
        "PrimarySmtpAddress = \"sales@groups.contoso.com\"\nEmailAddresses = [\"smtp:sales@contoso.com\"]\nRequireSenderAuthenticationEnabled",
    ),
    (
        "group-unreachable",
        "AutoSubscribeNewMembers = true",
        "AutoSubscribeNewMembers = true\nAcceptMessagesOnlyFromSendersOrMembers = [\"left@contoso.com\"]",
    ),
    (
        "hybrid-certificate-unusable",
        "NotAfter = 2027-11-01",
        "NotAfter = 2026-11-01",
    ),
    (
        "unknown-member",
        "[[ExchangeOnline]]\nName",
        "[[OnPremises.DistributionGroups]]\nName = \"All\"\nPrimarySmtpAddress = \"all@contoso.com\"\nMembers = [\"david@contoso.com\", \"gone@contoso.com\"]\n\n[[ExchangeOnline]]\nDistributionGroups = [{ Name = \"All\", PrimarySmtpAddress = \"all@contoso.com\", Members = [\"david@contoso.com\"] }]\nName",
    ),
];

/// What the first fault of a pair keeps every message from: an inbound connector may wait for whatever it
/// likes while no certificate is valid.
const UNSEEN: &[(&str, &str)] = &[(
    "inbound-connector-matches-no-certificate",
    "hybrid-certificate-unusable",
)];

fn codes(faults: &[&Fault<'_>]) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso/world.toml");
    let mut text = read_text(&path);
    let end = text.find("[[Expect]]").expect("contoso expects something");
    text.truncate(end);
    for (code, from, to) in faults {
        assert_eq!(text.matches(from).count(), 1, "{code}");
        text = text.replace(from, to);
    }
    let (world, diagnostics) = config::read("world.toml", &text, now());
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    let world = world.expect("a world without diagnostics is loaded");
    let report = verify::check(&world.topology, &world.zones);
    let said = counted(&report).into_iter();
    said.map(str::to_owned).collect()
}

#[test]
fn a_fault_alone_is_one_finding() {
    for fault in FAULTS {
        assert_eq!(codes(&[fault]), [fault.0]);
    }
}

#[test]
fn a_fault_hides_no_other_and_makes_none_up() {
    for (at, first) in FAULTS.iter().enumerate() {
        for second in &FAULTS[at + 1..] {
            if UNSEEN.contains(&(first.0, second.0)) {
                continue;
            }
            let mut expected = [first.0, second.0];
            let mut said = codes(&[first, second]);
            expected.sort_unstable();
            said.sort_unstable();
            assert_eq!(said, expected);
        }
    }
}
