//! Open relays: strangers who may send anywhere (Exchange Server, "Allow anonymous relay on Exchange
//! servers").

use crate::flow::{Flow, Question, Submission, walk};
use crate::mail::{ByteSize, MessageKind, ReversePath};
use crate::model::{
    AdPermission, ExtendedRight, IpRange, Matcher, PermissionGroup, ReceiveConnector, ServerRole,
    Trustee,
};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Notes, check)];

/// Receive connectors that serve everyone and let everyone relay. A gateway of somebody else's does so by
/// nature, and is nobody's to mend.
fn check(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let open = topology
        .receive_connectors()
        .map(|(_, connector)| connector)
        .filter(|c| is_open(c) && topology.server(c.server).role != ServerRole::Host);
    open.map(|connector| open_relay(context, connector))
        .collect()
}

fn open_relay(context: &Context<'_>, connector: &ReceiveConnector) -> Found {
    let server = &context.topology.server(connector.server).name;
    let name = format!("{server}\\{}", connector.name);
    let identity = powershell::quoted(&name);
    let place = connector.settings.at("RemoteIPRanges");
    let draft = Finding::of(
        "open-relay",
        place,
        format!("anyone on the Internet may relay through `{name}`"),
    )
    .because("its RemoteIPRanges contain every IPv4 or IPv6 address");
    let draft = if connector.externally_secured {
        let script = format!("Set-ReceiveConnector -Identity {identity} -AuthMechanism Tls");
        let tls = edit::list(["Tls".to_owned()]);
        draft
            .because("AuthMechanism ExternalAuthoritative takes every client as authenticated")
            .fix(
                Side::OnPremises,
                script,
                edit::set_key(&connector.settings, "AuthMechanism", &tls),
            )
    } else {
        let script = format!(
            "Get-ReceiveConnector {identity} | Remove-ADPermission -User \"NT AUTHORITY\\ANONYMOUS LOGON\" -ExtendedRights \"ms-Exch-SMTP-Accept-Any-Recipient\""
        );
        let rights = relaying(connector).filter_map(without_relay);
        draft
            .because("anonymous clients have Ms-Exch-SMTP-Accept-Any-Recipient")
            .fix(Side::OnPremises, script, rights)
    };
    let draft = draft.help("or name the hosts that need it in RemoteIPRanges");
    let witness = stranger_to_stranger(context, connector);
    // Servers that send spam are listed, and then everybody's mail is refused.
    let people = people::count(context.topology, connector.organization);
    draft.claims_nothing(people, witness)
}

/// What gives anonymous clients the right to relay.
fn relaying(connector: &ReceiveConnector) -> impl Iterator<Item = &AdPermission> {
    connector.ad_permissions.iter().filter(|given| {
        let rights = &given.rights;
        given.trustee == Trustee::Anonymous
            && !given.deny
            && rights.contains(&ExtendedRight::AcceptAnyRecipient)
    })
}

/// The same rights but this one.
fn without_relay(given: &AdPermission) -> Option<Edit> {
    let rest = given.rights.iter();
    let rest = rest.filter(|right| **right != ExtendedRight::AcceptAnyRecipient);
    let rest: Vec<String> = rest.map(|right| right.as_str().to_owned()).collect();
    if rest.is_empty() {
        return edit::remove_object(&given.settings, []);
    }
    edit::set_key(&given.settings, "ExtendedRights", &edit::list(rest))
}

/// A message that neither begins nor ends here, handed to the connector's server.
pub(super) fn stranger_to_stranger(
    context: &Context<'_>,
    connector: &ReceiveConnector,
) -> Option<Flow> {
    let topology = context.topology;
    let (sender, host) = topology.parts().outside_senders.first()?;
    let client = topology.server(*host).addresses.first().copied();
    let strangers = topology.parts().outside_recipients.iter();
    let mut strangers = strangers.chain(
        topology
            .parts()
            .outside_senders
            .iter()
            .map(|(each, _)| each),
    );
    let recipient = strangers.find(|each| each.domain != sender.domain)?;
    let question = Question {
        from: ReversePath::Mailbox(sender.clone()),
        to: vec![recipient.clone()],
        size: ByteSize(10 * 1024),
        kind: MessageKind::Message,
        submission: Submission::Anonymous {
            server: connector.server,
            address: client,
        },
    };
    Some(walk(topology, context.zones, &question))
}

fn is_open(connector: &ReceiveConnector) -> bool {
    let Matcher::Endpoint {
        remote_ip_ranges, ..
    } = &connector.matcher
    else {
        return false;
    };
    let everyone = IpRange::are_for_everyone(remote_ip_ranges);
    let anonymous = connector.anonymous_relay
        && connector
            .permission_groups
            .contains(&PermissionGroup::AnonymousUsers);
    connector.enabled && everyone && (anonymous || connector.externally_secured)
}
