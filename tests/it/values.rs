//! Settings as a world says them, and as they are where it says nothing.

use hybridmx::config::{self, World};
use hybridmx::dns::FaultKind;
use hybridmx::mail::{ByteSize, Domain, Limit, Mailbox};
use hybridmx::model::{
    Action, AutoForwarding, Condition, DomainPattern, EXCHANGE_2013, ErrorPolicy, ExtendedRight,
    MailUserFlavour, MailboxType, Member, OrganizationId, Parts, Policy, Recipient, RecipientKind,
    Scope, SignInMethod, Trustee,
};

/// A world in which everything is written that the shipped ones leave out.
const EVERYTHING: &str = include_str!("../worlds/everything.toml");

/// A world in which as little as possible is written.
const NOTHING: &str = r#"
[[OnPremises]]
Name = "Contoso"
[[OnPremises.Servers]]
Name = "EX01"
Fqdn = "ex01.contoso.com"
Site = "HQ"
[[OnPremises.Servers]]
Name = "EDGE01"
Fqdn = "edge01.contoso.com"
ServerRole = "Edge"
[[OnPremises.AcceptedDomains]]
DomainName = "contoso.com"
[[OnPremises.AcceptedDomains]]
DomainName = "shared.contoso.com"
DomainType = "InternalRelay"
[[OnPremises.SendConnectors]]
Name = "Out"
AddressSpaces = ["*"]
SourceTransportServers = ["EX01"]
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "ann@contoso.com"
[[OnPremises.DistributionGroups]]
PrimarySmtpAddress = "all@contoso.com"
[[OnPremises.MailContacts]]
ExternalEmailAddress = "SMTP:pat@fabrikam.com"
[[ExchangeOnline]]
Name = "contoso.onmicrosoft.com"
[[ExchangeOnline.AcceptedDomains]]
DomainName = "contoso.mail.onmicrosoft.com"
[[ExchangeOnline.UnifiedGroups]]
PrimarySmtpAddress = "sales@contoso.mail.onmicrosoft.com"
"#;

fn read(text: &str) -> World {
    let now = "2026-06-01T12:00:00Z".parse().expect("a moment");
    let (world, found) = config::read("w.toml", text, now);
    world.unwrap_or_else(|| panic!("{found:#?}"))
}

fn at<'a>(parts: &'a Parts, address: &str) -> &'a Recipient {
    let address = mailbox(address);
    let mut all = parts.recipients.iter();
    all.find(|each| each.addresses.contains(&address))
        .unwrap_or_else(|| panic!("nobody is {address}"))
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("an address")
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("a domain")
}

/// The addresses of members.
fn who(parts: &Parts, members: &[Member]) -> Vec<String> {
    let address = |member: &Member| match member {
        Member::Recipient(id) => parts.recipients[id.index()].primary().to_string(),
        Member::Nobody(address) => format!("nobody {address}"),
    };
    members.iter().map(address).collect()
}

#[test]
fn what_is_not_written_is_as_exchange_has_it() {
    let world = read(NOTHING);
    let parts = world.topology.parts();
    let config = &parts.organizations[0].transport;
    assert_eq!(config.max_send_size, Limit::megabytes(10));
    assert_eq!(config.max_recipients, Some(500));
    let copied: Vec<String> = config
        .copy_reports_of
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        copied,
        ["5.4.8", "5.4.6", "5.4.4", "5.2.4", "5.2.0", "5.1.4"]
    );
    assert_eq!(parts.sites.len(), 1);
    let subscribed: Vec<bool> = parts.servers.iter().map(|each| each.subscribed).collect();
    assert_eq!(subscribed[..2], [true, false]);
    let address_book: Vec<bool> = parts.accepted_domains[..2]
        .iter()
        .map(|each| each.address_book)
        .collect();
    assert_eq!(address_book, [true, false]);
    assert!(parts.accepted_domains[2].cloud.coexistence);
    let forwards: Vec<bool> = parts
        .remote_domains
        .iter()
        .map(|each| each.auto_forward)
        .collect();
    assert_eq!(forwards, [false, true]);
    let receive = |name: &str| {
        let mut all = parts.receive_connectors.iter();
        let found = all.find(|each| each.name == name).expect(name);
        (found.max_recipients, found.domain_secure)
    };
    assert_eq!(receive("Default EX01"), (5000, false));
    assert_eq!(receive("Default Frontend EX01"), (200, true));
    assert_eq!(receive("Client Proxy EX01"), (200, false));
    let out = &parts.send_connectors[0];
    assert_eq!(
        (out.port, out.ignore_starttls, out.scoped),
        (25, false, false)
    );
    assert_eq!(at(parts, "ann@contoso.com").policy(), &Policy::PLAIN);
    let group = at(parts, "all@contoso.com");
    assert!(group.require_sender_authentication);
    let RecipientKind::DistributionGroup(group) = &group.kind else {
        panic!("{group:?}");
    };
    assert!(group.report_to_originator && !group.dynamic && group.members.is_empty());
    let contact = at(parts, "pat@fabrikam.com");
    assert_eq!(contact.type_details(), "MailContact");
    let tenant = &parts.organizations[1].tenant;
    assert!(!tenant.reject_direct_send && tenant.has_mail_license);
    assert_eq!(tenant.auto_forwarding, AutoForwarding::Automatic);
    assert!(world.zones.faults().is_empty());
}

#[test]
fn organizations_and_servers_are_what_they_say() {
    let world = read(EVERYTHING);
    let parts = world.topology.parts();
    let config = &parts.organizations[0].transport;
    assert_eq!(config.max_send_size, Limit::megabytes(25));
    assert_eq!(config.max_receive_size, Limit::Unlimited);
    assert_eq!(config.max_recipients, None);
    assert_eq!(config.send_domain_secure, [domain("fabrikam.com")]);
    assert_eq!(
        config.external_postmaster,
        Some(mailbox("postmaster@contoso.com"))
    );
    let hubs: Vec<(&str, bool)> = parts
        .sites
        .iter()
        .map(|site| (site.name.as_str(), site.hub))
        .collect();
    assert_eq!(hubs, [("Hub", true), ("Branch", false), ("HQ", false)]);
    let link = &parts.site_links[0];
    assert_eq!((link.cost, link.exchange_cost), (50, Some(10)));
    assert_eq!(link.sites, ["HQ", "Hub"]);
    let old = &parts.servers[1];
    assert!(std::ptr::eq(old.profile, &EXCHANGE_2013));
    assert_eq!(old.message_expiration.map(|span| span.as_hours()), Some(12));
    let edge = &parts.servers[2];
    assert!(edge.subscribed && edge.recipient_filter.block_list);
    assert_eq!(edge.recipient_filter.blocked, [mailbox("ceo@contoso.com")]);
    let tenant = &parts.organizations[1].tenant;
    assert!(tenant.reject_direct_send && !tenant.has_mail_license);
    assert_eq!(tenant.auto_forwarding, AutoForwarding::On);
    assert_eq!(parts.entra[0].sign_in, Some(SignInMethod::PassThrough));
    assert_eq!(parts.entra[0].features, ["GroupWriteback"]);
    let mut servers = parts.servers.iter();
    let gateway = servers
        .find(|each| each.name == "filter")
        .expect("a gateway");
    assert!(gateway.strips_headers && gateway.relays_to.len() == 1);
    let faults: Vec<FaultKind> = world.zones.faults().iter().map(|each| each.fault).collect();
    assert_eq!(faults, [FaultKind::ServerFailure, FaultKind::Timeout]);
}

#[test]
fn everything_that_mail_is_accepted_for_has_an_entry() {
    let world = read(EVERYTHING);
    let ours = OrganizationId::new(0);
    let accepted = |name: &str| {
        let id = world.topology.accepted_domain_for(ours, &domain(name));
        id.map(|id| world.topology.accepted_domain(id).name.clone())
    };
    assert_eq!(accepted("contoso.com").as_deref(), Some("contoso.com"));
    assert_eq!(accepted("nwtraders.example").as_deref(), Some("*"));
    let remote = |name: &str| {
        let found = world.topology.remote_domain_for(ours, &domain(name));
        found.map(|remote| (remote.pattern.to_string(), remote.auto_forward))
    };
    let entry = |pattern: &str, forwards| Some((pattern.to_owned(), forwards));
    assert_eq!(remote("a.fabrikam.com"), entry("*.fabrikam.com", true));
    assert_eq!(remote("eu.fabrikam.com"), entry("eu.fabrikam.com", false));
    assert_eq!(remote("nwtraders.example"), entry("*", false));
}

#[test]
fn connectors_are_what_they_say() {
    let world = read(EVERYTHING);
    let parts = world.topology.parts();
    let out = &parts.send_connectors[0];
    assert_eq!(out.missing_sources, ["EX09"]);
    assert_eq!(out.sources.len(), 1);
    assert!(out.scoped && out.force_helo && out.front_end_proxy && out.domain_secure);
    assert_eq!(out.port, 2525);
    assert!(
        out.error_policies
            .contains(&ErrorPolicy::DowngradeDnsFailures)
    );
    assert_eq!(out.error_policies.len(), 1);
    assert_eq!(
        out.address_spaces[1].pattern,
        DomainPattern::Foreign {
            kind: "X400".to_owned(),
            space: "c=us;a=att".to_owned(),
        }
    );
    assert_eq!(out.address_spaces[1].cost, 5);
    let mut receive = parts.receive_connectors.iter();
    let relay = receive
        .find(|each| each.name == "Relay")
        .expect("a connector");
    assert!(!relay.anonymous_relay, "what is denied is not granted");
    assert_eq!(relay.ad_permissions.len(), 2);
    assert_eq!(relay.ad_permissions[1].trustee, Trustee::Anonymous);
    assert_eq!(
        relay.ad_permissions[0].rights,
        [ExtendedRight::AcceptAnyRecipient]
    );
    assert!(relay.tls_domain_capabilities[0].domain.is_none());
    assert!(relay.recipient_domains.reject_single_label && !relay.exchange_authentication);
    assert_eq!(relay.max_header_size, ByteSize(64 << 10));
    let mut receive = parts.receive_connectors.iter();
    let inbound = receive.find(|each| each.name == "In").expect("a connector");
    assert!(inbound.treat_as_internal && inbound.blocked);
    assert_eq!(inbound.associated_domains, [domain("contoso.com")]);
    let mut receive = parts.receive_connectors.iter();
    let partner = receive.find(|each| each.name == "From Fabrikam");
    let partner = partner
        .and_then(|each| each.partner.as_ref())
        .expect("a partner");
    assert!(partner.to_certificate && !partner.to_addresses);
    assert_eq!(partner.sender_domains[0].to_string(), "*.fabrikam.com");
    assert!(inbound.partner.is_none());
    let cloud = |name: &str| {
        let mut all = parts.send_connectors.iter();
        let found = all.find(|each| each.name == name).expect(name);
        (found.via_on_premises, found.rule_scoped)
    };
    assert_eq!(cloud("All"), (true, false));
    assert_eq!(cloud("Scoped"), (false, true));
}

#[test]
fn recipients_are_what_they_say() {
    let world = read(EVERYTHING);
    let parts = world.topology.parts();
    let ann = at(parts, "ann@contoso.com");
    assert_eq!(ann.type_details(), "SharedMailbox");
    let policy = ann.policy();
    assert_eq!(policy.mailbox_type, MailboxType::Shared);
    assert_eq!(policy.recipient_limit, Some(50));
    assert_eq!(policy.max_send_size, Limit::megabytes(5));
    assert_eq!(policy.x500, ["/o=Old/cn=ann"]);
    assert!(!policy.has_database && policy.hidden && policy.forwarding.deliver_too);
    let forwarding = policy.forwarding.address.clone();
    assert_eq!(who(parts, forwarding.as_slice()), ["bob@contoso.com"]);
    assert!(policy.forwarding.inbox_rules[0].redirects);
    assert_eq!(
        who(parts, &policy.accept_only_from),
        [
            "bob@contoso.com",
            "all@contoso.com",
            "nobody gone@contoso.com"
        ]
    );
    let moderation = policy.moderation.clone().expect("moderation");
    assert_eq!(who(parts, &moderation.moderators), ["bob@contoso.com"]);
    let all = at(parts, "all@contoso.com");
    let RecipientKind::DistributionGroup(group) = &all.kind else {
        panic!("{all:?}");
    };
    assert_eq!(
        who(parts, &group.members),
        [
            "ann@contoso.com",
            "everybody@contoso.com",
            "nobody gone@contoso.com"
        ]
    );
    assert_eq!(group.expansion_server.map(|id| id.index()), Some(0));
    assert!(group.report_to_manager && !group.report_to_originator);
    let everybody = at(parts, "everybody@contoso.com");
    assert_eq!(everybody.type_details(), "DynamicDistributionGroup");
    let fax = at(parts, "fax@contoso.com");
    let address = fax.policy().foreign_address.as_ref().expect("an address");
    assert_eq!(
        (address.kind.as_str(), address.address.as_str()),
        ("X400", "c=us;s=Fax")
    );
    assert!(matches!(
        fax.kind,
        RecipientKind::MailUser {
            flavour: MailUserFlavour::Contact,
            target_address: None,
            ..
        }
    ));
    let back = at(parts, "sales@groups.contoso.com");
    assert!(matches!(
        &back.kind,
        RecipientKind::RemoteGroup { target_address: Some(_), members, .. } if members.len() == 1
    ));
    assert!(
        at(parts, "pat_fabrikam.com@contoso.onmicrosoft.com")
            .policy()
            .guest
    );
}

#[test]
fn what_the_wizard_and_administrators_said_is_kept() {
    let world = read(EVERYTHING);
    let parts = world.topology.parts();
    let wizard = &parts.hybrid_configurations[0];
    assert!(wizard.centralized && wizard.sending.is_empty());
    assert_eq!(wizard.edge.len(), 1);
    assert_eq!(
        wizard.domains,
        [domain("contoso.com"), domain("fabrikam.com")]
    );
    let policy = &parts.address_policies[0];
    assert_eq!((policy.priority, policy.templates.len()), (None, 2));
    let send_as = &parts.send_as[0];
    let trustee = std::slice::from_ref(&send_as.trustee);
    assert_eq!(who(parts, trustee), ["bob@contoso.com"]);
    assert!(send_as.identity.is_some());
}

#[test]
fn rules_are_what_they_say() {
    let world = read(EVERYTHING);
    let rules = &world.topology.parts().rules;
    let redirect = &rules[0];
    assert!(redirect.enabled && redirect.enforced && redirect.stops);
    assert_eq!(redirect.priority, 3);
    assert_eq!(
        redirect.conditions[1..],
        [
            Condition::FromScope(Scope::Outside),
            Condition::MessageSizeOver(ByteSize(1 << 20)),
            Condition::Content("SubjectContainsWords"),
        ]
    );
    assert!(matches!(
        redirect.exceptions[..],
        [Condition::RecipientDomainIs(_)]
    ));
    assert!(matches!(
        redirect.actions[..],
        [Action::Redirect(_), Action::Add(_)]
    ));
    let refuse = &rules[1];
    assert!(!refuse.enabled && !refuse.enforced);
    assert_eq!(
        refuse.actions,
        [
            Action::Reject {
                status: "5.7.900".to_owned(),
                text: "Not here".to_owned(),
            },
            Action::RequireTls,
        ]
    );
    assert!(matches!(rules[2].actions[..], [Action::Route(_)]));
}
