//! What mailboxes forward automatically (Exchange Online, "Configuring and controlling external email
//! forwarding in Microsoft 365"; Exchange Server, "Recipient resolution"): to where nothing may be
//! forwarded, past the premises, or round in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::centralized;
use super::passing;
use crate::flow::{FlagKind, Flow, Fork};
use crate::mail::Mailbox;
use crate::model::{OrganizationId, Recipient, RecipientKind, RemoteDomain, Topology};
use crate::route::{self, Held, LoopKind};
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid;
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Outcome, rings),
    Rule::new(Stage::Outcome, refused),
    Rule::new(Stage::Outcome, dropped),
    Rule::new(Stage::Centralized, past_the_premises),
];

/// A mailbox that forwards to an address of somebody else.
#[derive(Clone, Copy)]
struct Forwards<'a> {
    mailbox: &'a Recipient,
    target: &'a Mailbox,
    /// The key that says so.
    key: &'static str,
}

/// What the mailboxes of a world forward automatically, in the order of their addresses.
fn automatic(topology: &Topology) -> Vec<Forwards<'_>> {
    let mut all = Vec::new();
    for (_, mailbox) in topology.exceptions() {
        if !matches!(mailbox.kind, RecipientKind::Mailbox { .. }) {
            continue;
        }
        let forwarding = &mailbox.policy().forwarding;
        // `ForwardingAddress`, to an object of the organization, goes before it.
        let address = forwarding.smtp_address.iter();
        let address = address.filter(|_| forwarding.address.is_none());
        all.extend(address.map(|target| Forwards {
            mailbox,
            target,
            key: "ForwardingSmtpAddress",
        }));
        all.extend(forwarding.inbox_rules.iter().map(|rule| Forwards {
            mailbox,
            target: &rule.target,
            key: "InboxRules",
        }));
    }
    all.sort_by_key(|one| (one.mailbox.primary(), one.target));
    all
}

impl Forwards<'_> {
    fn held(&self, topology: &Topology) -> Option<Held> {
        route::forwarding_is_held(topology, self.mailbox.organization, &self.target.domain)
    }

    /// Whether a mailbox gets what it forwards as well.
    fn keeps(&self) -> bool {
        self.key == "InboxRules" || self.mailbox.policy().forwarding.deliver_too
    }

    /// The line that ends the forwarding.
    fn end(&self) -> String {
        let identity = powershell::quoted(self.mailbox.primary());
        match self.key {
            "InboxRules" => format!("Get-InboxRule -Mailbox {identity} | Disable-InboxRule"),
            key => format!("Set-Mailbox -Identity {identity} -{key} $null"),
        }
    }

    fn without(&self) -> Option<Edit> {
        edit::remove_key(&self.mailbox.settings, self.key)
    }
}

/// The forks of a question, of any size, in which mail goes on to one of these addresses: mail that is
/// addressed to them is another matter.
fn forwarded<'a>(
    asked: &'a Asked,
    targets: &'a BTreeSet<&Mailbox>,
) -> impl Iterator<Item = &'a Fork> {
    let forks = asked.answers.iter().flat_map(|(_, flow)| {
        let addressed = |fork: &&Fork| flow.question.to.contains(&fork.recipient);
        flow.forks.iter().filter(move |fork| !addressed(fork))
    });
    forks.filter(|fork| targets.contains(&fork.recipient))
}

fn targets<'a>(all: &[Forwards<'a>]) -> BTreeSet<&'a Mailbox> {
    all.iter().map(|one| one.target).collect()
}

/// The mailboxes in words: the first, and how many others.
fn in_words(all: &[Forwards<'_>]) -> String {
    let mailboxes: BTreeSet<&Mailbox> = all.iter().map(|one| one.mailbox.primary()).collect();
    let first = all.first().map_or_else(String::new, |one| {
        format!(
            "what `{}` forwards to `{}`",
            one.mailbox.primary(),
            one.target
        )
    });
    match mailboxes.len() {
        0 | 1 => first,
        2 => format!("{first}, and what one more mailbox forwards,"),
        count => format!("{first}, and what {} more mailboxes forward,", count - 1),
    }
}

/// What the policy of a tenant refuses: the senders get NDRs.
fn refused(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut of_tenants: BTreeMap<OrganizationId, Vec<Forwards<'_>>> = BTreeMap::new();
    for one in automatic(topology) {
        if let Some(Held::Refused(_)) = one.held(topology) {
            of_tenants
                .entry(one.mailbox.organization)
                .or_default()
                .push(one);
        }
    }
    let found = of_tenants.into_values().map(|all| {
        let message = format!(
            "{} is refused: the outbound spam filter policy does not allow automatic forwarding to others",
            in_words(&all)
        );
        let targets = targets(&all);
        ended(context, "automatic-forwarding-refused", message, &all)
            .help("end the forwarding, or allow it with a policy of its own for these users: New-HostedOutboundSpamFilterPolicy -AutoForwardingMode On")
            .explains(context, |asked| forwarded(asked, &targets).next().is_some())
    });
    found.collect()
}

/// The flow that shows best what becomes of mail for a mailbox that forwards: one that is addressed to
/// it.
fn addressed(context: &Context<'_>, claims: &[usize], all: &[Forwards<'_>]) -> Option<Flow> {
    let to = |index: &&usize| {
        let class = &context.survey.recipients[context.survey.asked[**index].to];
        let mailbox = all.first().map(|one| one.mailbox.primary());
        mailbox.is_some_and(|address| class.members.contains(&address))
    };
    let direct: Vec<usize> = claims.iter().filter(to).copied().collect();
    let shown = if direct.is_empty() { claims } else { &direct };
    context.witness(shown)
}

/// A finding about mailboxes that is mended by ending what they forward.
fn ended(
    context: &Context<'_>,
    code: &'static str,
    message: String,
    all: &[Forwards<'_>],
) -> Draft {
    let first = all.first();
    let place = first.and_then(|one| one.mailbox.settings.at(one.key));
    let lines: BTreeSet<String> = all.iter().map(Forwards::end).collect();
    let lines: Vec<String> = lines.into_iter().collect();
    let mut edits: Vec<Edit> = all.iter().filter_map(Forwards::without).collect();
    edits.dedup();
    let side = first.map_or(Side::OnPremises, |one| {
        hybrid::side(context.topology, one.mailbox.organization)
    });
    Finding::of(code, place, message).fix(side, lines.join("\n"), edits)
}

/// What remote domains hold back: nobody is told.
fn dropped(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut by_rule: BTreeMap<(OrganizationId, bool, String), Vec<Forwards<'_>>> = BTreeMap::new();
    for one in automatic(topology) {
        if let Some(Held::Dropped(_)) = one.held(topology) {
            let organization = one.mailbox.organization;
            let remote = topology.remote_domain_for(organization, &one.target.domain);
            let name = remote.map_or_else(String::new, |remote| remote.name.clone());
            by_rule
                .entry((organization, one.keeps(), name))
                .or_default()
                .push(one);
        }
    }
    let found = by_rule.into_iter().map(|((organization, keeps, _), all)| {
        let first = all.first();
        let remote = first.and_then(|one| topology.remote_domain_for(organization, &one.target.domain));
        let (code, so) = match keeps {
            true => ("automatic-forwarding-dropped", "stays behind"),
            false => ("forwarded-mail-vanishes", "vanishes"),
        };
        let message = format!("{} {so}: {}", in_words(&all), forbids(remote));
        let targets = targets(&all);
        let claims = context.open_where(|asked| forwarded(asked, &targets).next().is_some());
        let witness = addressed(context, &claims, &all);
        ended(context, code, message, &all)
            .help("end the forwarding, or let a remote domain allow it: Set-RemoteDomain -AutoForwardEnabled $true")
            .shown_by(context, claims, witness)
    });
    found.collect()
}

fn forbids(remote: Option<&RemoteDomain>) -> String {
    match remote {
        Some(remote) => format!(
            "AutoForwardEnabled of the remote domain `{}` is false",
            remote.name
        ),
        None => "no remote domain allows it".to_owned(),
    }
}

/// What leaves a tenant straight for the outside, though centralized transport should take it through
/// the premises: it has been there before it was forwarded.
fn past_the_premises(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        let Some(by) = centralized::connector(topology, pair) else {
            continue;
        };
        let mut all = automatic(topology);
        all.retain(|one| one.mailbox.organization == pair.tenant && one.held(topology).is_none());
        all.retain(|one| {
            topology
                .accepted_domain_for(pair.tenant, &one.target.domain)
                .is_none()
        });
        if all.is_empty() {
            continue;
        }
        let targets = targets(&all);
        let claims = context.open_where(|asked| {
            forwarded(asked, &targets).any(|fork| passing::leaves_by_mx(topology, pair, fork))
        });
        if claims.is_empty() {
            continue;
        }
        let message = format!(
            "{} leaves past the premises: `{}` does not take there what has been there before",
            in_words(&all),
            by.name
        );
        let draft = ended(context, "forwarding-bypasses-premises", message, &all)
            .help("end the forwarding, or accept that it leaves by the MX record of its target");
        found.push(draft.claims(context, claims));
    }
    found
}

/// Mailboxes that forward to each other and keep nothing: one finding for each ring.
fn rings(context: &Context<'_>) -> Vec<Found> {
    let mut rings: BTreeMap<(OrganizationId, Vec<Mailbox>), Vec<usize>> = BTreeMap::new();
    for (index, asked) in context.open() {
        let forks = asked.answers.iter().flat_map(|(_, flow)| &flow.forks);
        let here: BTreeSet<_> = forks
            .filter_map(|fork| ring_of(context.topology, fork))
            .collect();
        for ring in here {
            rings.entry(ring).or_default().push(index);
        }
    }
    let found = rings
        .into_iter()
        .filter_map(|((organization, ring), claims)| {
            ring_found(context, organization, &ring, claims)
        });
    found.collect()
}

/// The recipients whose forwarding a message goes round by, from the first by address on.
fn ring_of(topology: &Topology, fork: &Fork) -> Option<(OrganizationId, Vec<Mailbox>)> {
    let by_forwarding = |reason: &str| reason == LoopKind::Forwarding.as_str();
    let mut flags = fork.flags.iter();
    flags.find(|flag| flag.kind == FlagKind::Loop && by_forwarding(flag.reason))?;
    let mut ring = fork.cycle.recipients().to_vec();
    let first = (0..ring.len()).min_by_key(|index| &ring[*index])?;
    ring.rotate_left(first);
    let at = fork.hops.last()?.server;
    Some((topology.server(at).organization, ring))
}

fn ring_found(
    context: &Context<'_>,
    organization: OrganizationId,
    ring: &[Mailbox],
    claims: Vec<usize>,
) -> Option<Found> {
    let topology = context.topology;
    let holder = |address| topology.recipients_at(organization, address).first();
    let members = ring
        .iter()
        .filter_map(holder)
        .map(|id| topology.recipient(*id));
    let (mailbox, key) = members
        .into_iter()
        .find_map(|member| Some((member, forwarding_key(member)?)))?;
    let words: Vec<String> = ring
        .iter()
        .chain(ring.first())
        .map(|one| format!("`{one}`"))
        .collect();
    let message = format!("forwarding goes round: {}", words.join(" → "));
    let identity = powershell::quoted(mailbox.primary());
    let draft = Finding::of("forwarding-loop", mailbox.settings.at(key), message)
        .help("end the forwarding of one of them, or let one keep what it forwards: DeliverToMailboxAndForward")
        .fix(
            hybrid::side(topology, organization),
            format!("Set-Mailbox -Identity {identity} -{key} $null"),
            edit::remove_key(&mailbox.settings, key),
        );
    Some(draft.claims(context, claims))
}

/// The key by which a mailbox forwards.
fn forwarding_key(recipient: &Recipient) -> Option<&'static str> {
    let forwarding = &recipient.policy().forwarding;
    if forwarding.address.is_some() {
        return Some("ForwardingAddress");
    }
    forwarding
        .smtp_address
        .as_ref()
        .map(|_| "ForwardingSmtpAddress")
}
