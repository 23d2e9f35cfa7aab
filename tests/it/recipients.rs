//! Single messages to recipients of every sort: what a shipped world has no place for, because it
//! would be a fault there.

use std::path::{Path, PathBuf};

use hybridmx::config::{self, World};
use hybridmx::flow::{Disposition, FlagKind, Flow, Question, origin, walk};
use hybridmx::mail::{ByteSize, Mailbox, MessageKind, ReversePath};
use hybridmx::model::Topology;
use hybridmx::route::{self, Arrival, LoopKind, MailItem};

use crate::files::{now, read_text};

/// The world of recipients, with more objects at its end.
pub(crate) fn world(more: &str) -> World {
    let text = read_text(&folder().join("world.toml"));
    let (world, diagnostics) = config::read("world.toml", &format!("{text}\n{more}"), now());
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    world.expect("a world without diagnostics is loaded")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/recipients")
}

#[test]
fn messages_go_where_the_documents_say() {
    let file = folder().join("flows.toml");
    assert_eq!(crate::testnet::check_flows(&world(""), &file), 13);
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("an address")
}

/// A message that does not enter as ordinary ones do.
struct Sent<'a> {
    from: &'a str,
    to: &'a str,
    size: u64,
    kind: MessageKind,
}

fn follow(world: &World, sent: &Sent<'_>) -> Flow {
    let from: ReversePath = sent.from.parse().expect("an address");
    let submission = origin(&world.topology, &from, None).expect("a sender");
    let question = Question {
        from,
        to: vec![mailbox(sent.to)],
        size: ByteSize(sent.size),
        kind: sent.kind,
        submission,
    };
    walk(&world.topology, &world.zones, &question)
}

/// Recipient, end and status of every fork.
fn ends(flow: &Flow) -> Vec<String> {
    let end = |fork: &hybridmx::flow::Fork| {
        let status = fork
            .status
            .as_ref()
            .filter(|_| fork.disposition.is_failure());
        let status = status.map_or_else(String::new, |status| format!(" {}", status.enhanced));
        format!("{} {}{status}", fork.recipient, fork.disposition)
    };
    flow.forks.iter().map(end).collect()
}

fn message(world: &World, from: &str, to: &str) -> Vec<String> {
    ends(&follow(
        world,
        &Sent {
            from,
            to,
            size: 10_240,
            kind: MessageKind::Message,
        },
    ))
}

/// `MaxRecipientEnvelopeLimit` counts the envelope as it was submitted, and holds for all of it
/// (Exchange Server, "Message size and recipient limits").
#[test]
fn a_message_has_one_envelope() {
    let world = world("");
    let mut parts = world.topology.parts().clone();
    for organization in &mut parts.organizations {
        organization.transport.max_recipients = Some(2);
    }
    let topology = Topology::new(parts);
    let ask = |to: &[&str]| {
        let from = ReversePath::Mailbox(mailbox("david@contoso.com"));
        let question = Question {
            submission: origin(&topology, &from, None).expect("a sender"),
            from,
            to: to.iter().map(|to| mailbox(to)).collect(),
            size: ByteSize(1),
            kind: MessageKind::Message,
        };
        ends(&walk(&topology, &world.zones, &question))
    };
    let two = ["carol@contoso.com", "julie@contoso.com"];
    assert_eq!(ask(&two).len(), 2);
    assert_eq!(ask(&two)[0], "carol@contoso.com Delivered");
    // An address that is named twice is one recipient.
    assert_eq!(ask(&[two[0], two[0], two[1]]), ask(&two));
    let three = [two[0], two[1], "carol.other@contoso.com"];
    assert_eq!(ask(&three), three.map(|to| format!("{to} Bounced 5.5.3")));
}

/// Two mailboxes that forward to each other and keep nothing (Exchange Server, "Recipient resolution",
/// broken recipient loops): the failure says which.
#[test]
fn mailboxes_that_forward_to_each_other_alone_are_a_loop() {
    let world = world(
        r#"
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "one@contoso.com"
ServerName = "EX01"
ForwardingAddress = "two@contoso.com"
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "two@contoso.com"
ServerName = "EX01"
ForwardingSmtpAddress = "one@contoso.com"
"#,
    );
    let flow = follow(
        &world,
        &Sent {
            from: "david@contoso.com",
            to: "one@contoso.com",
            size: 1,
            kind: MessageKind::Message,
        },
    );
    let [fork] = &flow.forks[..] else {
        panic!("{:?}", ends(&flow))
    };
    assert_eq!(
        fork.status
            .as_ref()
            .map(|status| status.to_string().contains("5.4.6")),
        Some(true)
    );
    let flag = fork.flags.iter().find(|flag| flag.kind == FlagKind::Loop);
    assert_eq!(flag.map(|flag| flag.reason), Some("forwarding"));
    let topology = &world.topology;
    let server = topology.server_named("EX01").expect("a server");
    let item = submitted(&world, "david@contoso.com", &["one@contoso.com"]);
    let categorized = route::categorize(topology, server, &item);
    let looped = categorized.failures[0].looped.as_ref().expect("a loop");
    assert_eq!(looped.kind, LoopKind::Forwarding);
    assert_eq!(
        looped.cycle,
        [mailbox("one@contoso.com"), mailbox("two@contoso.com")]
    );
}

/// The same pair where both keep a copy is a harmless loop: each has one.
#[test]
fn mailboxes_that_deliver_and_forward_to_each_other_have_one_copy_each() {
    let world = world(
        r#"
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "one@contoso.com"
ServerName = "EX01"
ForwardingAddress = "two@contoso.com"
DeliverToMailboxAndForward = true
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "two@contoso.com"
ServerName = "EX01"
ForwardingAddress = "one@contoso.com"
DeliverToMailboxAndForward = true
"#,
    );
    assert_eq!(
        message(&world, "david@contoso.com", "one@contoso.com"),
        [
            "one@contoso.com Delivered",
            "two@contoso.com Delivered",
            "one@contoso.com Suppressed"
        ]
    );
}

/// `ForwardingAddress` names an object; one that is gone fails.
#[test]
fn a_forwarding_address_that_is_nobodys_fails() {
    let world = world(
        r#"
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "one@contoso.com"
ServerName = "EX01"
ForwardingAddress = "gone@contoso.com"
"#,
    );
    assert_eq!(
        message(&world, "david@contoso.com", "one@contoso.com"),
        ["gone@contoso.com Bounced 5.1.1"]
    );
}

/// RFC 5321 §4.5.5: what has the null reverse-path keeps it, whoever forwards it, or a report that fails
/// on its way would be reported for ever.
#[test]
fn a_report_that_a_rule_forwards_is_not_reported_again() {
    let world = world(
        r#"
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "one@contoso.com"
ServerName = "EX01"
InboxRules = [{ ForwardTo = "gone@contoso.com" }]
"#,
    );
    let flow = follow(
        &world,
        &Sent {
            from: "one@contoso.com",
            to: "missing@contoso.com",
            size: 1000,
            kind: MessageKind::Message,
        },
    );
    assert_eq!(ends(&flow), ["missing@contoso.com Bounced 5.1.10"]);
    let report = flow.forks[0].report.as_ref().expect("a report");
    let told: Vec<_> = report
        .forks
        .iter()
        .map(|fork| {
            (
                fork.recipient.to_string(),
                fork.disposition,
                fork.report.is_none(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("one@contoso.com".to_owned(), Disposition::Delivered, true),
            ("gone@contoso.com".to_owned(), Disposition::Bounced, true),
        ]
    );
}

/// An invitation goes to those who want events, and to users of the other premises, who cannot choose.
#[test]
fn an_invitation_goes_to_event_subscribers() {
    let world = world(
        r#"
[[ExchangeOnline.UnifiedGroups]]
PrimarySmtpAddress = "events@groups.contoso.com"
Members = ["julie@contoso.com", "mike@contoso.com", "carol@contoso.com"]
Subscribers = ["julie@contoso.com", "carol@contoso.com"]
EventSubscribers = ["mike@contoso.com"]
"#,
    );
    let to = |kind| {
        let sent = Sent {
            from: "oscar@contoso.com",
            to: "events@groups.contoso.com",
            size: 10_240,
            kind,
        };
        let mut ends = ends(&follow(&world, &sent));
        ends.sort();
        ends
    };
    assert_eq!(
        to(MessageKind::Message),
        [
            "carol@contoso.com Delivered",
            "events@groups.contoso.com Delivered",
            "julie@contoso.com Delivered"
        ]
    );
    assert_eq!(
        to(MessageKind::Invitation),
        [
            "carol@contoso.com Delivered",
            "events@groups.contoso.com Delivered",
            "mike@contoso.com Delivered"
        ]
    );
}

/// The organization's limits hold where sender and recipient have none of their own (Exchange Server,
/// "Message size and recipient limits").
#[test]
fn sizes_are_held_against_the_organization_unless_both_have_limits_of_their_own() {
    let world = world(
        r#"
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "large@contoso.com"
ServerName = "EX01"
MaxSendSize = "30MB"
MaxReceiveSize = "30MB"
"#,
    );
    let end = |from, to| {
        let sent = Sent {
            from,
            to,
            size: 20 << 20,
            kind: MessageKind::Message,
        };
        ends(&follow(&world, &sent)).remove(0)
    };
    assert_eq!(
        end("large@contoso.com", "large@contoso.com"),
        "large@contoso.com Delivered"
    );
    assert_eq!(
        end("large@contoso.com", "tiny@contoso.com"),
        "tiny@contoso.com Bounced 5.2.3"
    );
    assert_eq!(
        end("large@contoso.com", "carol@contoso.com"),
        "carol@contoso.com Bounced 5.2.3"
    );
    assert_eq!(
        end("carol@contoso.com", "large@contoso.com"),
        "large@contoso.com Bounced 5.2.3"
    );
}

/// A dynamic group whose query is broken, and a mailbox that lost its database.
#[test]
fn what_is_broken_in_the_directory_has_a_code_of_its_own() {
    let world = world(
        r#"
[[OnPremises.DynamicDistributionGroups]]
PrimarySmtpAddress = "broken@contoso.com"
RecipientFilter = "x"
Broken = true
"#,
    );
    assert_eq!(
        message(&world, "david@contoso.com", "broken@contoso.com"),
        ["broken@contoso.com Bounced 5.2.4"]
    );
}

fn submitted(world: &World, from: &str, to: &[&str]) -> MailItem {
    let server = world.topology.server_named("EX01").expect("a server");
    MailItem {
        reverse_path: from.parse().expect("an address"),
        recipients: to.iter().map(|text| mailbox(text)).collect(),
        size: ByteSize(1),
        auth_as: hybridmx::mail::AuthAs::Internal,
        directionality: hybridmx::mail::Directionality::Originating,
        arrival: Arrival::Submission,
        organization: world.topology.server(server).organization,
        resolved: false,
        properties: route::Properties::default(),
        trace: route::Trace::default(),
    }
}

/// The recipients of a message are one expansion: somebody who is addressed and a member has one copy,
/// and the address that the sender wrote stays known.
#[test]
fn an_envelope_is_one_expansion() {
    let world = world("");
    let topology = &world.topology;
    let server = topology.server_named("EX01").expect("a server");
    let item = submitted(
        &world,
        "david@contoso.com",
        &[
            "carol@contoso.com",
            "everybody@contoso.com",
            "frank@contoso.com",
        ],
    );
    let categorized = route::categorize(topology, server, &item);
    let copies = categorized
        .copies
        .iter()
        .map(|copy| copy.transfer.recipients[0].to_string());
    let carol = copies
        .filter(|recipient| recipient == "carol@contoso.com")
        .count();
    assert_eq!(carol, 1);
    assert!(categorized.failures.is_empty());
    let item = submitted(&world, "david@contoso.com", &["frank@contoso.com"]);
    let categorized = route::categorize(topology, server, &item);
    let [copy] = &categorized.copies[..] else {
        panic!("{categorized:?}")
    };
    let orcpt = &copy.transfer.properties.orcpt;
    assert_eq!(
        orcpt.get(&mailbox("carol@contoso.com")),
        Some(&mailbox("frank@contoso.com"))
    );
}

/// A group says who is told of its members' failures: the sender, its manager, or nobody.
#[test]
fn reports_of_a_group_go_to_its_manager() {
    let world = world("");
    let topology = &world.topology;
    let server = topology.server_named("EX02").expect("a server");
    let mut item = submitted(&world, "carol@contoso.com", &["branch@contoso.com"]);
    item.size = ByteSize(30 << 10);
    let categorized = route::categorize(topology, server, &item);
    let manager = Some(ReversePath::Mailbox(mailbox("david@contoso.com")));
    assert_eq!(categorized.failures[0].told.as_deref(), manager.as_ref());
    assert_eq!(
        Some(&categorized.copies[0].transfer.reverse_path),
        manager.as_ref()
    );
    let dsn = MailItem {
        reverse_path: ReversePath::Null,
        ..item
    };
    let categorized = route::categorize(topology, server, &dsn);
    let recipients = categorized
        .copies
        .iter()
        .map(|copy| copy.transfer.recipients[0].to_string());
    assert_eq!(recipients.collect::<Vec<_>>(), ["david@contoso.com"]);
}

/// A pair across the premises is no loop of the directory: hop counts end it.
#[test]
fn forwarding_in_the_cloud_stops_at_the_mailbox_that_forwarded_before() {
    let world = world(
        r#"
[[ExchangeOnline.Mailboxes]]
PrimarySmtpAddress = "there@contoso.com"
EmailAddresses = ["smtp:there@contoso.mail.onmicrosoft.com"]
ForwardingSmtpAddress = "here@contoso.com"
[[ExchangeOnline.MailUsers]]
PrimarySmtpAddress = "here@contoso.com"
ExternalEmailAddress = "here@contoso.com"
[[OnPremises.Mailboxes]]
PrimarySmtpAddress = "here@contoso.com"
ServerName = "EX01"
ForwardingSmtpAddress = "there@contoso.com"
[[OnPremises.RemoteMailboxes]]
PrimarySmtpAddress = "there@contoso.com"
RemoteRoutingAddress = "there@contoso.mail.onmicrosoft.com"
"#,
    );
    let flow = follow(
        &world,
        &Sent {
            from: "david@contoso.com",
            to: "there@contoso.com",
            size: 10_240,
            kind: MessageKind::Message,
        },
    );
    let [fork] = &flow.forks[..] else {
        panic!("{:?}", ends(&flow))
    };
    assert_eq!(
        fork.disposition,
        Disposition::Delivered,
        "{:?}",
        ends(&flow)
    );
    assert_eq!(fork.recipient, mailbox("there@contoso.com"));
}
