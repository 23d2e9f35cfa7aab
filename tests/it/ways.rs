//! Ways of single messages through changed copies of shipped worlds: centralized mail transport, DNS
//! that fails, hop counts, and what becomes of the report of a failure.

use std::path::Path;

use hybridmx::config;
use hybridmx::dns::{Fault, FaultKind, Zones};
use hybridmx::flow::{Disposition, FlagKind, Flow, Fork, Question, origin, walk};
use hybridmx::mail::{ByteSize, Domain, Mailbox, MessageKind, NamePattern, ReversePath};
use hybridmx::model::{
    Action, AddressSpace, DomainPattern, ErrorPolicy, Matcher, Member, OrganizationId,
    OrganizationKind, Parts, Settings, Topology, TransportRule,
};

use crate::files::{now, read_text};

/// A world, and its DNS.
struct Place {
    topology: Topology,
    zones: Zones,
}

/// A shipped world with a change.
fn changed(world: &str, change: impl FnOnce(&mut Parts)) -> Place {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testnet")
        .join(world);
    let (world, diagnostics) = config::load(&path, now());
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    let world = world.expect("a world without diagnostics is loaded");
    let mut parts = world.topology.parts().clone();
    change(&mut parts);
    Place {
        topology: Topology::new(parts),
        zones: world.zones,
    }
}

/// Contoso with other words in some places of its file, and more at its end.
fn contoso(changes: &[(&str, &str)], more: &str) -> Place {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso/world.toml");
    let mut text = read_text(&path);
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let (world, diagnostics) = config::read("world.toml", &format!("{text}\n{more}"), now());
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    let world = world.expect("a world without diagnostics is loaded");
    Place {
        topology: world.topology,
        zones: world.zones,
    }
}

/// Contoso, all of whose cloud mail goes through its own servers.
fn centralized(change: impl FnOnce(&mut Parts)) -> Place {
    changed("contoso", |parts| {
        for connector in &mut parts.send_connectors {
            if connector.name == "Outbound to Contoso" {
                connector.via_on_premises = true;
                connector.address_spaces = vec![AddressSpace::new(DomainPattern::Any, 1)];
            }
        }
        change(parts);
    })
}

impl Place {
    fn flow(&self, from: &str, to: &str) -> Flow {
        self.sized(from, to, ByteSize(10_240))
    }

    fn sized(&self, from: &str, to: &str, size: ByteSize) -> Flow {
        let from: ReversePath = from.parse().expect("an address");
        let submission = origin(&self.topology, &from, None).expect("a sender");
        let question = Question {
            from,
            to: vec![Mailbox::parse(to).expect("an address")],
            size,
            kind: MessageKind::Message,
            submission,
        };
        walk(&self.topology, &self.zones, &question)
    }

    /// `MAIL EOP EXO: Delivered Anonymous`, a line for each end.
    fn ways(&self, from: &str, to: &str) -> Vec<String> {
        let flow = self.flow(from, to);
        flow.forks.iter().map(|fork| self.way(fork)).collect()
    }

    fn way(&self, fork: &Fork) -> String {
        let servers = fork.hops.iter().map(|hop| self.topology.server(hop.server));
        let names: Vec<&str> = servers.map(|server| server.name.as_str()).collect();
        let status = fork
            .status
            .as_ref()
            .filter(|_| fork.disposition.is_failure());
        let status = status.map_or_else(String::new, |status| format!(" {}", status.enhanced));
        let trust = fork
            .trust
            .filter(|_| fork.disposition == Disposition::Delivered);
        let trust = trust.map_or_else(String::new, |trust| format!(" {trust}"));
        format!("{}: {}{status}{trust}", names.join(" "), fork.disposition)
    }
}

fn assert_ways(place: &Place, from: &str, to: &str, expected: &[&str]) {
    assert_eq!(place.ways(from, to), expected, "{from} to {to}");
}

/// Exchange hybrid, "Transport routing in Exchange hybrid deployments", with centralized mail
/// transport enabled.
#[test]
fn centralized_mail_passes_the_on_premises_organization_once() {
    let place = centralized(|_| {});
    let internet = "mail.fabrikam.com";
    // From the Internet to both sides.
    let round = format!("{internet} EOP EXO EX01 EOP EXO: Delivered Anonymous");
    assert_ways(&place, "ann@fabrikam.com", "julie@contoso.com", &[&round]);
    let there = format!("{internet} EOP EXO EX01: Delivered Anonymous");
    assert_ways(&place, "ann@fabrikam.com", "david@contoso.com", &[&there]);
    // From the cloud to the Internet, to the other side, and to the same side.
    let out = format!("EXO EX01 {internet}: Delivered");
    assert_ways(&place, "julie@contoso.com", "ann@fabrikam.com", &[&out]);
    let across = "EXO EX01: Delivered Internal";
    assert_ways(&place, "julie@contoso.com", "david@contoso.com", &[across]);
    let stays = "EXO: Delivered Internal";
    assert_ways(&place, "julie@contoso.com", "mike@contoso.com", &[stays]);
    // What comes from on premises is not touched.
    let up = "EX01 EOP EXO: Delivered Internal";
    assert_ways(&place, "david@contoso.com", "julie@contoso.com", &[up]);
}

/// Exchange hybrid, "Email delivery to Microsoft 365 Groups fails in hybrid configuration".
#[test]
fn an_open_group_refuses_strangers_on_premises_under_centralized_mail_transport() {
    let place = centralized(|_| {});
    let flow = place.flow("ann@fabrikam.com", "sales@groups.contoso.com");
    let fork = &flow.forks[0];
    let refused = "mail.fabrikam.com EOP EXO EX01: Bounced 5.7.133";
    assert_eq!(place.way(fork), refused);
    // The report is made on premises and leaves by a connector of that side.
    let report = fork.report.as_ref().expect("the sender is told");
    assert_eq!(
        place.way(&report.forks[0]),
        "EX01 mail.fabrikam.com: Delivered"
    );
    assert_eq!(report.from.to_string(), "postmaster@contoso.com");
    assert_eq!(report.status.enhanced.to_string(), "5.7.133");
    // A group that wants authenticated senders says so before the way through the premises.
    let told = "mail.fabrikam.com EOP EXO: Rejected 5.7.193";
    assert_ways(
        &place,
        "ann@fabrikam.com",
        "engineering@groups.contoso.com",
        &[told],
    );
}

/// "Some messages aren't routed through the on-premises organization when you use centralized mail
/// transport": copies for on-premises members of a post from there go by MX.
#[test]
fn a_post_from_on_premises_does_not_go_back_by_centralized_mail_transport() {
    let ways = centralized(|_| {}).ways("david@contoso.com", "engineering@groups.contoso.com");
    assert_eq!(ways[0], "EX01 EOP EXO: Delivered Internal");
    assert!(
        ways.contains(&"EX01 EOP EXO EOP EXO EX01 EX02: Delivered Anonymous".to_owned()),
        "{ways:#?}"
    );
}

/// "Users in your Exchange 2013-based hybrid deployment experience mail issues after April 15, 2016":
/// the on-premises servers must let the cloud relay.
#[test]
fn centralized_mail_needs_servers_that_relay_for_the_cloud() {
    let place = centralized(|parts| {
        for connector in &mut parts.receive_connectors {
            connector.tls_domain_capabilities.clear();
        }
    });
    let way = "EXO EX01: Bounced 5.7.54";
    assert_ways(&place, "julie@contoso.com", "ann@fabrikam.com", &[way]);
}

/// Exchange Online, "Fix NDR error code 5.4.6 through 5.4.20 in Exchange Online".
#[test]
fn centralized_mail_loops_where_attribution_or_the_connector_fails() {
    let stranger = centralized(|parts| {
        for connector in &mut parts.receive_connectors {
            if let Matcher::Peer {
                tls_sender_certificate_name,
                ..
            } = &mut connector.matcher
            {
                *tls_sender_certificate_name = NamePattern::parse("old.contoso.com").ok();
            }
        }
    });
    let flow = stranger.flow("ann@fabrikam.com", "julie@contoso.com");
    let fork = &flow.forks[0];
    assert!(
        stranger.way(fork).ends_with(": Looped 5.4.14"),
        "{}",
        stranger.way(fork)
    );
    assert!(!fork.cycle.servers().is_empty());
    // A connector that does not cover the domain: the message goes by MX and comes back.
    let scoped = centralized(|parts| {
        for connector in &mut parts.send_connectors {
            if connector.via_on_premises {
                let domain = Domain::parse("contoso.com").expect("a domain");
                connector.address_spaces = vec![AddressSpace::new(DomainPattern::Exact(domain), 1)];
            }
        }
    });
    let ways = scoped.ways("ann@fabrikam.com", "sales@groups.contoso.com");
    assert!(ways[0].ends_with(": Looped 5.4.14"), "{ways:#?}");
}

/// RFC 2308 §7; Exchange Server, "DSNs and NDRs in Exchange Server".
#[test]
fn a_stated_dns_fault_defers_and_says_which() {
    let mut place = changed("contoso", |_| {});
    let fault = Fault {
        name: Domain::parse("groups.contoso.com").expect("a domain"),
        kind: None,
        view: None,
        fault: FaultKind::ServerFailure,
        location: None,
    };
    place.zones = place.zones.with_faults(vec![fault]);
    let flow = place.flow("david@contoso.com", "engineering@groups.contoso.com");
    assert_eq!(place.way(&flow.forks[0]), "EX01: Deferred 4.4.0");
    let said = flow.forks[0].hops[0].steps.iter();
    let said = said.flat_map(|step| &step.because).map(ToString::to_string);
    assert!(
        said.into_iter()
            .any(|reason| reason == "the query for `groups.contoso.com` ends with SERVFAIL")
    );
}

/// Exchange PowerShell, "Set-SendConnector", `ErrorPolicies`.
#[test]
fn a_domain_that_does_not_exist_can_wait() {
    let wait = |policy: Option<ErrorPolicy>| {
        let mut place = changed("contoso", |parts| {
            for connector in &mut parts.send_connectors {
                connector.error_policies.extend(policy);
            }
        });
        let zones = place.zones.all().to_vec();
        let own = |zone: &hybridmx::dns::Zone| zone.name.as_str() != "tailspintoys.com";
        let mut zones: Vec<_> = zones.into_iter().filter(own).collect();
        for zone in &mut zones {
            if zone.name.as_str() == "fabrikam.com" {
                zone.name = Domain::parse("com").expect("a domain");
            }
        }
        place.zones = Zones::new(zones);
        place.ways("david@contoso.com", "pat@tailspintoys.com")
    };
    assert_eq!(wait(None), ["EX01: Bounced 5.4.4"]);
    let policy = Some(ErrorPolicy::DowngradeDnsFailures);
    assert_eq!(wait(policy), ["EX01: Deferred 4.4.0"]);
}

/// A legal way over a low limit goes round nowhere.
#[test]
fn a_low_hop_count_is_no_loop() {
    let place = changed("contoso", |parts| {
        for connector in &mut parts.receive_connectors {
            connector.max_hop_count = 3;
        }
    });
    let flow = place.flow("ann@fabrikam.com", "david@contoso.com");
    let fork = &flow.forks[0];
    let short = "mail.fabrikam.com EOP EXO EX01: Bounced 5.4.6";
    assert_eq!(place.way(fork), short);
    assert!(fork.flags.is_empty(), "{:?}", fork.flags);
}

/// Exchange Server, "Recipient resolution", broken recipient loops.
#[test]
fn recipients_that_lead_to_each_other_are_a_loop_without_a_network() {
    let place = changed("contoso", |parts| {
        let address = |text: &str| Some(Mailbox::parse(text).expect("an address"));
        for recipient in &mut parts.recipients {
            let own = recipient.primary().to_string();
            if let hybridmx::model::RecipientKind::MailUser { target_address, .. } =
                &mut recipient.kind
            {
                match own.as_str() {
                    "julie@contoso.com" => *target_address = address("mike@contoso.com"),
                    "mike@contoso.com" => *target_address = address("julie@contoso.com"),
                    _ => {}
                }
            }
        }
    });
    let flow = place.flow("david@contoso.com", "mike@contoso.com");
    let fork = &flow.forks[0];
    assert_eq!(place.way(fork), "EX01: Looped 5.4.6");
    let cycle: Vec<String> = fork
        .cycle
        .recipients()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(cycle, ["mike@contoso.com", "julie@contoso.com"]);
}

/// Exchange Online, "Loop detection in Exchange Online", X-MS-Exchange-Transport-Rules-Loop: a rule that asks
/// for the recipient holds before the way through the premises, and once more after it.
#[test]
fn a_rule_about_a_recipient_runs_on_both_passes() {
    let place = contoso(
        &[(
            "RecipientDomains = [\"contoso.com\"]",
            "RecipientDomains = [\"*\"]\nRouteAllMessagesViaOnPremises = true",
        )],
        r#"
[[ExchangeOnline.TransportRules]]
Name = "Copies"
SentTo = ["julie@contoso.com"]
BlindCopyTo = ["mike@contoso.com"]
"#,
    );
    let ways = [
        "mail.fabrikam.com EOP EXO: Delivered Anonymous",
        "mail.fabrikam.com EOP EXO EX01 EOP EXO: Bounced 5.7.128",
    ];
    assert_ways(&place, "ann@fabrikam.com", "julie@contoso.com", &ways);
}

/// Each way on from a group that is met again is followed to its end, and whoever goes some of the way
/// fails of the same round.
#[test]
fn a_round_with_two_ways_is_seen_on_both() {
    let members = r#"Members = ["carol@contoso.com", "julie@contoso.com"]"#;
    let more = r#"Members = ["carol@contoso.com", "one@contoso.com", "two@contoso.com"]
Subscribers = ["carol@contoso.com", "one@contoso.com", "two@contoso.com"]"#;
    let sales = r#"RequireSenderAuthenticationEnabled = false
"#;
    let place = contoso(
        &[(&format!("{sales}{members}"), &format!("{sales}{more}"))],
        r#"
[[OnPremises.DistributionGroups]]
PrimarySmtpAddress = "one@contoso.com"
Members = ["sales@groups.contoso.com"]

[[OnPremises.DistributionGroups]]
PrimarySmtpAddress = "two@contoso.com"
Members = ["sales@groups.contoso.com"]

[[OnPremises.AcceptedDomains]]
DomainName = "two.contoso.com"

[[OnPremises.MailContacts]]
PrimarySmtpAddress = "two@two.contoso.com"
ExternalEmailAddress = "two@contoso.com"

[[ExchangeOnline.AcceptedDomains]]
DomainName = "two.contoso.com"
DomainType = "InternalRelay"

[[ExchangeOnline.MailContacts]]
PrimarySmtpAddress = "one@contoso.com"
ExternalEmailAddress = "one@contoso.com"

[[ExchangeOnline.MailContacts]]
PrimarySmtpAddress = "two@contoso.com"
ExternalEmailAddress = "two@two.contoso.com"

[[ExchangeOnline.OutboundConnectors]]
Name = "The other way"
ConnectorType = "OnPremises"
RecipientDomains = ["two.contoso.com"]
SmartHosts = ["mail.contoso.com"]
CloudServicesMailEnabled = true
"#,
    );
    let flow = place.flow("julie@contoso.com", "sales@groups.contoso.com");
    let looped = flow.forks.iter();
    let looped = looped.filter(|fork| fork.disposition == Disposition::Looped);
    let looped: Vec<String> = looped.map(|fork| fork.recipient.to_string()).collect();
    for recipient in ["one@contoso.com", "two@two.contoso.com"] {
        assert!(looped.iter().any(|own| own == recipient), "{looped:?}");
    }
    // Carol's copy is refused with the one that goes round.
    assert!(looped.iter().any(|own| own == "carol@contoso.com"));
    for fork in &flow.forks {
        let last = fork.hops.iter().flat_map(|hop| &hop.steps);
        let mut last = last.filter(|step| step.event == hybridmx::route::Event::Receive);
        let last = last.next_back().and_then(|step| step.recipient.clone());
        if fork.disposition == Disposition::Looped {
            assert_eq!(last.as_ref(), Some(&fork.recipient));
        }
    }
}

/// Exchange Server, "Allow anonymous relay on Exchange servers": what an externally secured connector
/// takes is internal, on every server after it as on the first.
#[test]
fn whom_an_externally_secured_connector_trusts_the_servers_after_it_do() {
    let place = contoso(
        &[],
        r#"
[[OnPremises.ReceiveConnectors]]
Server = "EX01"
Name = "Applications"
Bindings = ["0.0.0.0:25"]
RemoteIPRanges = ["198.51.100.25"]
TransportRole = "FrontendTransport"
AuthMechanism = ["Tls", "ExternalAuthoritative"]
PermissionGroups = ["ExchangeServers"]
"#,
    );
    let from: ReversePath = "ann@fabrikam.com".parse().expect("an address");
    let servers = place.topology.servers();
    let mut servers = servers.filter(|(_, server)| server.name == "EX01");
    let (server, _) = servers.next().expect("a server");
    let submission = origin(&place.topology, &from, Some(server)).expect("a sender");
    let question = Question {
        from,
        to: vec![Mailbox::parse("engineering@groups.contoso.com").expect("an address")],
        size: ByteSize(10_240),
        kind: MessageKind::Message,
        submission,
    };
    let flow = walk(&place.topology, &place.zones, &question);
    assert_eq!(
        place.way(&flow.forks[0]),
        "EX01 EOP EXO: Delivered Internal"
    );
    assert!(flow.forks[0].flags.is_empty(), "{:?}", flow.forks[0].flags);
}

/// Exchange PowerShell, "New-InboxRule", ForwardTo and RedirectTo: what is forwarded is a message of its own,
/// which a mailbox takes besides the first; what is redirected is the first once more.
#[test]
fn who_has_a_message_gets_it_forwarded_all_the_same() {
    let ways = |rule: &str| {
        let david = "PrimarySmtpAddress = \"david@contoso.com\"\nServerName";
        let ruled = format!("InboxRules = [{{ {rule} = \"carol@contoso.com\" }}]\n{david}");
        let place = contoso(&[(david, &ruled)], "");
        let mut question = place
            .flow("julie@contoso.com", "david@contoso.com")
            .question;
        question
            .to
            .push(Mailbox::parse("carol@contoso.com").expect("an address"));
        let flow = walk(&place.topology, &place.zones, &question);
        let ways = flow.forks.iter().map(|fork| place.way(fork));
        ways.collect::<Vec<_>>()
    };
    let first = "EXO EX01: Delivered Internal";
    let beside = "EXO EX01 EX02: Delivered Internal";
    assert_eq!(ways("ForwardTo"), [first, beside, beside]);
    assert_eq!(ways("RedirectTo"), [first, beside, "EXO EX01: Suppressed"]);
}

/// Exchange PowerShell, "Set-SendConnector", `ErrorPolicies`: they are about what the connector sends, not
/// about the way to its source.
#[test]
fn error_policies_do_not_reach_the_way_to_the_source() {
    let internet = "Name = \"Internet\"\n";
    let strict = format!("{internet}ErrorPolicies = [\"UpgradeCustomFailures\"]\n");
    let place = contoso(
        &[(internet, &strict)],
        r#"
[[OnPremises.ReceiveConnectors]]
Server = "EX01"
Name = "Default EX01"
Enabled = false
"#,
    );
    let waits = "EX02: Deferred 4.3.2";
    assert_ways(
        &place,
        "carol@contoso.com",
        "pat@tailspintoys.com",
        &[waits],
    );
}

/// RFC 5321 §4.5.3.1.10; a client has no queue.
#[test]
fn a_client_is_told_of_one_recipient_too_many() {
    let connector = "Name = \"Default Frontend EX01\"\n";
    let place = contoso(
        &[(
            connector,
            &format!("{connector}MaxRecipientsPerMessage = 1\n"),
        )],
        "",
    );
    let servers = place.topology.servers();
    let mut servers = servers.filter(|(_, server)| server.name == "EX01");
    let (server, _) = servers.next().expect("a server");
    let to = ["david@contoso.com", "carol@contoso.com"];
    let question = Question {
        from: "ann@fabrikam.com".parse().expect("an address"),
        to: to
            .map(|to| Mailbox::parse(to).expect("an address"))
            .to_vec(),
        size: ByteSize(10_240),
        kind: MessageKind::Message,
        submission: hybridmx::flow::Submission::Anonymous {
            server,
            address: None,
        },
    };
    let flow = walk(&place.topology, &place.zones, &question);
    let mut ways: Vec<String> = flow.forks.iter().map(|fork| place.way(fork)).collect();
    ways.sort();
    assert_eq!(ways, ["EX01: Delivered Anonymous", "EX01: Rejected 4.5.3"]);
}

/// Exchange Server, "DSNs and NDRs in Exchange Server", 5.3.5.
#[test]
fn a_next_hop_with_the_own_name_is_misconfigured() {
    let place = changed("contoso", |parts| {
        let cloud = parts.servers.iter().find(|server| server.name == "EXO");
        let name = cloud.expect("a server").fqdn.clone();
        for connector in &mut parts.receive_connectors {
            if connector.name == "Default Frontend EX01" {
                connector.fqdn = Some(name.clone());
            }
        }
    });
    let way = "EXO: Bounced 5.3.5";
    assert_ways(&place, "julie@contoso.com", "david@contoso.com", &[way]);
}

/// Exchange Server, "DSNs and NDRs in Exchange Server"; "Remote domains", `NDREnabled`.
#[test]
fn a_report_is_a_flow_of_its_own_and_can_be_lost() {
    let place = changed("contoso", |_| {});
    let flow = place.flow("david@contoso.com", "nobody@contoso.com");
    let report = flow.forks[0].report.as_ref().expect("the sender is told");
    assert_eq!(place.way(&report.forks[0]), "EX01: Delivered Internal");
    assert!(report.from.to_string().starts_with("MicrosoftExchange329e"));

    let flow = place.flow("<>", "nobody@contoso.com");
    assert!(flow.forks.iter().all(|fork| fork.report.is_none()));

    let silent = changed("contoso", |parts| {
        for remote in &mut parts.remote_domains {
            remote.reports_failures = false;
        }
    });
    let flow = silent.flow("david@contoso.com", "nobody@contoso.com");
    assert_eq!(flow.forks[0].report, None, "NDREnabled is false");

    // Without the Internet connector the report of an on-premises server cannot leave.
    let stuck = centralized(|parts| {
        for connector in &mut parts.send_connectors {
            connector.enabled &= connector.name != "Internet";
        }
    });
    let flow = stuck.flow("ann@fabrikam.com", "sales@groups.contoso.com");
    let flags: Vec<&str> = flow.forks[0]
        .flags
        .iter()
        .map(|flag| flag.kind.as_str())
        .collect();
    assert_eq!(flags, ["Lost"]);
}

/// Exchange Online, "Loop detection": X-MS-Exchange-Transport-Rules-Loop, with centralized mail
/// transport.
#[test]
fn a_rule_that_adds_recipients_meets_centralized_mail_twice() {
    let place = centralized(|parts| {
        let is_tenant = |kind| kind == OrganizationKind::ExchangeOnline;
        let mut kinds = parts.organizations.iter().map(|each| each.kind);
        let tenant = kinds.position(is_tenant).expect("a tenant");
        let mike = Mailbox::parse("mike@contoso.com").expect("an address");
        parts.rules.push(TransportRule {
            organization: OrganizationId::new(tenant),
            name: "Copy to Mike".to_owned(),
            priority: 0,
            enabled: true,
            enforced: true,
            conditions: Vec::new(),
            exceptions: Vec::new(),
            actions: vec![Action::Add(vec![Member::Nobody(mike)])],
            stops: false,
            settings: Settings::default(),
        });
    });
    let mut ways = place.ways("ann@fabrikam.com", "julie@contoso.com");
    ways.sort();
    assert_eq!(
        ways,
        [
            "mail.fabrikam.com EOP EXO EX01 EOP EXO: Bounced 5.7.128",
            "mail.fabrikam.com EOP EXO: Delivered Anonymous",
        ]
    );
}

/// Exchange hybrid, "Mail flow stops between your on-premises environment and Exchange Online"
/// (event 2004).
#[test]
fn exchange_online_opens_no_channel_to_a_certificate_of_a_private_authority() {
    let place = changed("contoso", |parts| {
        for certificate in &mut parts.certificates {
            certificate.trusted &= certificate.subject != "CN=mail.contoso.com";
        }
    });
    let refused = "EX01 EOP: Deferred 4.7.0";
    assert_ways(&place, "david@contoso.com", "julie@contoso.com", &[refused]);
    let incomplete = changed("contoso", |parts| {
        for certificate in &mut parts.certificates {
            certificate.trusted &= certificate.subject != "CN=mail.contoso.com";
            certificate.chain_complete = certificate.trusted;
        }
    });
    let as_stranger = "EX01 EOP EXO: Delivered Anonymous";
    assert_ways(
        &incomplete,
        "david@contoso.com",
        "julie@contoso.com",
        &[as_stranger],
    );
    // Who shows none is a stranger as ever.
    let stranger = "mail.fabrikam.com EOP EXO: Delivered Anonymous";
    assert_ways(&place, "ann@fabrikam.com", "julie@contoso.com", &[stranger]);
}

/// Exchange Online, "Exchange Online limits": who has no limit of his own sends 35 MB and receives 36.
#[test]
fn mailboxes_and_groups_of_a_tenant_have_limits_of_size() {
    let sized = |place: &Place, from: &str, to: &str, megabytes: u64| {
        let flow = place.sized(from, to, ByteSize(megabytes << 20));
        place.way(&flow.forks[0])
    };
    let place = contoso(&[], "");
    let (user, group) = ("julie@contoso.com", "engineering@groups.contoso.com");
    assert_eq!(sized(&place, user, group, 35), "EXO: Delivered Internal");
    assert_eq!(sized(&place, user, group, 36), "EXO: Bounced 5.2.3");
    let stranger = "ann@fabrikam.com";
    let delivered = "mail.fabrikam.com EOP EXO: Delivered Anonymous";
    assert_eq!(sized(&place, stranger, user, 36), delivered);
    let bounced = "mail.fabrikam.com EOP EXO: Rejected 5.2.3";
    assert_eq!(sized(&place, stranger, user, 37), bounced);
    // A limit of its own goes before.
    let julie =
        "EmailAddresses = [\"smtp:julie@contoso.mail.onmicrosoft.com\"]\n\n[[ExchangeOnline.";
    let larger = format!("MaxReceiveSize = \"150MB\"\n{julie}");
    let place = contoso(&[(julie, &larger)], "");
    assert_eq!(sized(&place, stranger, user, 100), delivered);
}

/// Exchange PowerShell, "Set-InboundConnector", RequireTls.
#[test]
fn an_inbound_connector_that_goes_by_addresses_may_demand_tls() {
    let place = changed("contoso", |parts| {
        for connector in &mut parts.receive_connectors {
            if let Matcher::Peer {
                tls_sender_certificate_name,
                sender_ip_addresses,
            } = &mut connector.matcher
            {
                *tls_sender_certificate_name = None;
                *sender_ip_addresses = vec!["192.0.2.10".parse().expect("a range")];
                connector.require_tls = true;
            }
        }
        for connector in &mut parts.send_connectors {
            connector.require_tls = false;
            connector.tls_auth_level = None;
            connector.ignore_starttls = true;
        }
    });
    let flow = place.flow("david@contoso.com", "julie@contoso.com");
    let status = flow.forks[0].status.as_ref().expect("a reply");
    assert_eq!(
        status.to_string(),
        "451 5.7.3 STARTTLS is required to send mail"
    );
}

/// RFC 5321 §4.2.1: the reply code says whether to try again, whatever the enhanced status says.
#[test]
fn a_demand_for_tls_keeps_the_message_in_the_queue() {
    let validated = "DNSRoutingEnabled = true\nRequireTLS = true\nTlsAuthLevel = \"DomainValidation\"\n\
                     TlsDomain = \"mail.protection.outlook.com\"\n";
    let place = contoso(
        &[(validated, "IgnoreSTARTTLS = true\n")],
        r#"
[[ExchangeOnline.InboundConnectors]]
Name = "Everybody under TLS"
ConnectorType = "Partner"
SenderDomains = ["*"]
RequireTls = true
"#,
    );
    let flow = place.flow("david@contoso.com", "julie@contoso.com");
    let [fork] = &flow.forks[..] else {
        panic!("{:?}", place.ways("david@contoso.com", "julie@contoso.com"))
    };
    let words = |status: &Option<hybridmx::mail::Status>| {
        status
            .as_ref()
            .map(|status| format!("{} {}", status.code, status.enhanced))
    };
    assert_eq!(fork.disposition, Disposition::Deferred);
    assert_eq!(words(&fork.status).as_deref(), Some("451 5.7.3"));
    assert_eq!(words(&fork.final_status).as_deref(), Some("550 4.4.7"));
}

fn flags(place: &Place, from: &str, to: &str) -> Vec<FlagKind> {
    let flow = place.flow(from, to);
    let flags = flow.forks.iter().flat_map(|fork| &fork.flags);
    flags
        .map(|flag| flag.kind)
        .filter(|kind| *kind != FlagKind::EchoBack)
        .collect()
}

/// Exchange hybrid, "Configure Microsoft 365 Groups with on-premises Exchange hybrid": a guest's copy
/// goes to the guest's own host.
#[test]
fn a_guest_outside_is_no_third_party() {
    let place = contoso(
        &[],
        r#"
[[ExchangeOnline.MailUsers]]
PrimarySmtpAddress = "pat@tailspintoys.com"
ExternalEmailAddress = "pat@tailspintoys.com"
[[ExchangeOnline.UnifiedGroups]]
PrimarySmtpAddress = "guests@groups.contoso.com"
Members = ["pat@tailspintoys.com", "julie@contoso.com"]
Subscribers = ["pat@tailspintoys.com"]
"#,
    );
    let ways = place.ways("julie@contoso.com", "guests@groups.contoso.com");
    assert!(
        ways.iter()
            .any(|way| way.contains("mail.tailspintoys.com: Delivered")),
        "{ways:?}"
    );
    let flags = flags(&place, "julie@contoso.com", "guests@groups.contoso.com");
    assert_eq!(flags, []);
}

/// Exchange Server, "Send connectors in Exchange Server": an address space of another type leads to a
/// smart host, and what goes there has an address of the organization's own.
#[test]
fn a_fax_that_leaves_by_its_connector_is_no_stray() {
    let place = contoso(
        &[],
        r#"
[[OnPremises.SendConnectors]]
Name = "Fax"
AddressSpaces = ["fax:*;1"]
SmartHosts = ["[203.0.113.25]"]
SourceTransportServers = ["EX01"]
[[OnPremises.MailContacts]]
PrimarySmtpAddress = "fax@contoso.com"
ExternalEmailAddress = "FAX:1234"
"#,
    );
    // The host at that address is none of a fax service: it takes nothing for contoso.com.
    let there = "EX01 mail.tailspintoys.com: Bounced 5.7.1";
    assert_ways(&place, "david@contoso.com", "fax@contoso.com", &[there]);
    assert_eq!(flags(&place, "david@contoso.com", "fax@contoso.com"), []);
}

/// Exchange Online, "Manage mail flow with mailboxes in multiple locations": the Internet by way of
/// Exchange Online Protection.
#[test]
fn internet_mail_by_way_of_the_cloud_is_no_stray() {
    let place = contoso(
        &[(
            "AddressSpaces = [\"*\"]\nDNSRoutingEnabled = true\n",
            "AddressSpaces = [\"*\"]\nRequireTLS = true\n\
             TlsCertificateName = \"<I>CN=Public CA<S>CN=mail.contoso.com\"\n\
             SmartHosts = [\"contoso-mail-onmicrosoft-com.mail.protection.outlook.com\"]\n",
        )],
        "",
    );
    let ways = place.ways("david@contoso.com", "ann@fabrikam.com");
    assert!(
        ways[0].contains("EOP") && ways[0].ends_with("mail.fabrikam.com: Delivered"),
        "{ways:?}"
    );
    assert_eq!(flags(&place, "david@contoso.com", "ann@fabrikam.com"), []);
}
