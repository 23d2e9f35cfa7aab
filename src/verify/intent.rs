//! What the owner of a world wants to be true: every `[[Expect]]` against the flows it speaks of.
//!
//! An expectation speaks of ordinary sizes. Forks that are dropped by design satisfy everything,
//! unless the expectation is about them.

use super::context::{Context, Found};
use super::finding::Finding;
use super::questions::Asked;
use super::stage::{Rule, Stage};
use crate::diag::{Location, did_you_mean};
use crate::flow::{Disposition, Flag, Flow, Fork, Hop, Question, origin, walk};
use crate::mail::{AuthAs, ByteSize, Domain, Mailbox, MessageKind, ReversePath, Status};
use crate::model::{Expectation, Topology};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::new(Stage::Expectations, check)];

/// Checks every expectation; what a finding already explains is not said twice, and neither is what
/// several expectations say of one flow.
fn check(context: &Context<'_>) -> Vec<Found> {
    let expectations = &context.topology.parts().expectations;
    let mut found = Vec::new();
    let mut unmet: Vec<Unmet> = Vec::new();
    for expectation in expectations {
        let unknown = selects_nobody(context, expectation);
        // What speaks of nobody is judged when it speaks of somebody.
        if unknown.is_empty()
            && let Some(next) = examine(context, expectation)
        {
            let same =
                |other: &&mut Unmet| other.flows.iter().any(|flow| next.flows.contains(flow));
            match unmet.iter_mut().find(same) {
                Some(other) => other.more.push(next.why),
                None => unmet.push(next),
            }
        }
        found.extend(unknown);
    }
    found.extend(unmet.into_iter().map(Unmet::found));
    found
}

/// An expectation that does not hold.
struct Unmet {
    place: Option<Location>,
    /// What is otherwise.
    why: String,
    /// What other expectations say of the same flows.
    more: Vec<String>,
    /// The flows for which it does not hold; never empty.
    flows: Vec<Flow>,
}

impl Unmet {
    fn found(mut self) -> Found {
        let flow = self.flows.swap_remove(0);
        let to: Vec<String> = flow.question.to.iter().map(ToString::to_string).collect();
        let message = format!(
            "mail from `{}` to `{}` is not as expected: {}",
            flow.question.from,
            to.join(", "),
            self.why
        );
        let mut draft = Finding::of("expectation-not-met", self.place.as_ref(), message)
            .help("mend the path, or correct the expectation");
        for why in self.more {
            draft = draft.because(format!("another expectation about it does not hold: {why}"));
        }
        draft.claims_nothing(1 + to.len(), Some(flow))
    }
}

/// Its selectors of which no sender, or no recipient, is one.
fn selects_nobody(context: &Context<'_>, expectation: &Expectation) -> Vec<Found> {
    let senders = expectation
        .from
        .iter()
        .filter(|(text, _)| !selects_senders(context, text));
    let senders = senders.map(|(text, place)| nothing(context, text, place.as_ref(), "senders"));
    let recipients = expectation
        .to
        .iter()
        .filter(|(text, _)| !selects_recipients(context, text));
    let recipients =
        recipients.map(|(text, place)| nothing(context, text, place.as_ref(), "recipients"));
    senders.chain(recipients).collect()
}

fn examine(context: &Context<'_>, expectation: &Expectation) -> Option<Unmet> {
    let mut first = None;
    let mut flows = flows_of(context, expectation);
    flows.retain(|flow| {
        let mut forks = flow.forks.iter();
        let why = forks.find_map(|fork| breach(context.topology, expectation, flow, fork));
        let fails = why.is_some();
        first = first.take().or(why);
        fails
    });
    let (key, why) = first?;
    Some(Unmet {
        place: expectation.settings.at(key).cloned(),
        why,
        more: Vec::new(),
        flows,
    })
}

fn nothing(context: &Context<'_>, text: &str, place: Option<&Location>, what: &str) -> Found {
    let classes = context
        .survey
        .senders
        .iter()
        .map(|class| class.name.as_str());
    let classes = classes.chain(
        context
            .survey
            .recipients
            .iter()
            .map(|class| class.name.as_str()),
    );
    let help = match did_you_mean(text, classes.chain(WORDS.iter().copied())) {
        Some(known) if known == text => format!("the world has no {text}"),
        Some(known) => format!("did you mean `{known}`?"),
        None => format!(
            "name an address, `*@domain`, a class as `flows` prints it, or one of: {}",
            WORDS.join(", ")
        ),
    };
    let message = format!("no {what} are `{text}`");
    Finding::of("expectation-matches-nothing", place, message)
        .help(help)
        .claims_nothing(0, None)
}

/// The words that stand for kinds of senders and recipients.
const WORDS: &[&str] = &[
    "on-premises mailboxes",
    "cloud mailboxes",
    "mailboxes",
    "groups",
    "groups open to external senders",
    "distribution groups",
    "contacts",
    "external senders",
    "anonymous devices",
    "everyone",
];

fn selects_senders(context: &Context<'_>, text: &str) -> bool {
    let classes = &context.survey.senders;
    let named = context
        .survey
        .asked
        .iter()
        .any(|asked| context.survey.sender_name(asked) == text);
    let known = |address: &Mailbox| {
        origin(
            context.topology,
            &ReversePath::Mailbox(address.clone()),
            None,
        )
        .is_ok()
    };
    named
        || classes
            .iter()
            .any(|class| selects(text, &class.name, class.kind, &class.members))
        || address(text).is_some_and(|address| {
            classes
                .iter()
                .any(|class| class.members.contains(&&address))
                || known(&address)
        })
}

fn selects_recipients(context: &Context<'_>, text: &str) -> bool {
    let classes = &context.survey.recipients;
    classes
        .iter()
        .any(|class| selects(text, &class.name, class.kind, &class.members))
        || address(text).is_some()
}

/// Whether a selector takes in a class.
fn selects(text: &str, name: &str, kind: &str, members: &[&Mailbox]) -> bool {
    if let Some(domain) = text
        .strip_prefix("*@")
        .and_then(|domain| Domain::parse(domain).ok())
    {
        // Nobody who writes to such an address means the device that a class of its own stands for.
        return kind != "anonymous devices" && members.iter().any(|member| member.domain == domain);
    }
    match text {
        "everyone" => true,
        "mailboxes" => kind.ends_with("mailboxes"),
        "groups" => kind.starts_with("groups"),
        "contacts" => kind == "mail users" || kind == "external recipients",
        _ => text == kind || text == name,
    }
}

fn address(text: &str) -> Option<Mailbox> {
    Mailbox::parse(text)
        .ok()
        .filter(|_| !text.starts_with("*@"))
}

/// Every flow that an expectation speaks of.
fn flows_of(context: &Context<'_>, expectation: &Expectation) -> Vec<Flow> {
    let mut flows = Vec::new();
    for (from, _) in &expectation.from {
        for (to, _) in &expectation.to {
            match (address(from), address(to)) {
                (None, None) => flows.extend(
                    context
                        .open()
                        .filter(|(_, asked)| selected(context, asked, from, to))
                        .map(|(_, asked)| asked.ordinary().clone()),
                ),
                (from_address, to_address) => {
                    flows.extend(asked_for(context, from, to, from_address, to_address))
                }
            }
        }
    }
    flows
}

fn selected(context: &Context<'_>, asked: &Asked, from: &str, to: &str) -> bool {
    let (sender, recipient) = (
        &context.survey.senders[asked.from],
        &context.survey.recipients[asked.to],
    );
    let sender_name = context.survey.sender_name(asked);
    let sends = from == sender_name || selects(from, &sender.name, sender.kind, &sender.members);
    sends && selects(to, &recipient.name, recipient.kind, &recipient.members)
}

/// Where an address is named its own flow is walked: a class would say the same.
fn asked_for(
    context: &Context<'_>,
    from: &str,
    to: &str,
    from_address: Option<Mailbox>,
    to_address: Option<Mailbox>,
) -> Vec<Flow> {
    let senders: Vec<Mailbox> = match from_address {
        Some(address) => vec![address],
        None => {
            let classes = context.survey.senders.iter();
            classes
                .filter(|class| selects(from, &class.name, class.kind, &class.members))
                .map(|c| c.members[0].clone())
                .collect()
        }
    };
    let recipients: Vec<Mailbox> = match to_address {
        Some(address) => vec![address],
        None => {
            let classes = context.survey.recipients.iter();
            classes
                .filter(|class| selects(to, &class.name, class.kind, &class.members))
                .map(|c| c.members[0].clone())
                .collect()
        }
    };
    let mut flows = Vec::new();
    for sender in &senders {
        for recipient in &recipients {
            if is_explained(context, sender, recipient) {
                continue;
            }
            let from = ReversePath::Mailbox(sender.clone());
            let known = context
                .survey
                .senders
                .iter()
                .find(|class| class.members.contains(&sender));
            let submission = known
                .map(|class| class.submission.clone())
                .or_else(|| origin(context.topology, &from, None).ok());
            if let Some(submission) = submission {
                let question = Question {
                    from,
                    to: vec![recipient.clone()],
                    size: ByteSize(10 * 1024),
                    kind: MessageKind::Message,
                    submission,
                };
                flows.push(walk(context.topology, context.zones, &question));
            }
        }
    }
    flows
}

/// Whether a finding already explains the flows between two addresses.
fn is_explained(context: &Context<'_>, sender: &Mailbox, recipient: &Mailbox) -> bool {
    let concerns = |asked: &&Asked| {
        context.survey.senders[asked.from].members.contains(&sender)
            && context.survey.recipients[asked.to]
                .members
                .contains(&recipient)
    };
    let asked = context.survey.asked.iter().any(|asked| concerns(&asked));
    asked && !context.open().any(|(_, asked)| concerns(&asked))
}

/// The first key that a fork does not satisfy, and how.
fn breach(
    topology: &Topology,
    expectation: &Expectation,
    flow: &Flow,
    fork: &Fork,
) -> Option<(&'static str, String)> {
    let wanted = expectation.disposition.as_deref();
    // What is dropped by design satisfies everything that is not about it.
    if fork.disposition == Disposition::Suppressed && wanted != Some("Suppressed") {
        return None;
    }
    let keys = [
        ("Disposition", disposition(expectation, fork)),
        ("Status", status(expectation, fork)),
        ("Through", through(topology, expectation, fork)),
        ("NotThrough", not_through(topology, expectation, fork)),
        ("Trust", trust(expectation, flow, fork)),
        ("Flags", flags(expectation, fork)),
        ("Tls", tls(topology, expectation, fork)),
    ];
    keys.into_iter().find_map(|(key, why)| Some((key, why?)))
}

fn disposition(expectation: &Expectation, fork: &Fork) -> Option<String> {
    let wanted = expectation.disposition.as_deref()?;
    let status = fork.status.as_ref();
    let status = status
        .map(|status| format!(" with `{status}`"))
        .unwrap_or_default();
    (wanted != fork.disposition.as_str()).then(|| {
        format!(
            "{wanted} expected, and `{}` ends {}{status}",
            fork.recipient, fork.disposition
        )
    })
}

fn status(expectation: &Expectation, fork: &Fork) -> Option<String> {
    let wanted = expectation.status.as_ref()?;
    let short = |status: &Status| format!("{} {}", status.code, status.enhanced);
    let is = fork.status.as_ref().map_or("none".to_owned(), short);
    (!has_status(fork, wanted)).then(|| format!("status {wanted} expected, and it is {is}"))
}

/// The Send connectors that brought a fork where it is.
fn used<'a>(topology: &'a Topology, fork: &Fork) -> Vec<&'a str> {
    let connectors = fork.hops.iter().filter_map(|hop| hop.connector);
    connectors
        .map(|id| topology.send_connector(id).name.as_str())
        .collect()
}

fn through(topology: &Topology, expectation: &Expectation, fork: &Fork) -> Option<String> {
    let used = used(topology, fork);
    let missing = expectation
        .through
        .iter()
        .find(|name| !used.contains(&name.as_str()))?;
    Some(format!(
        "connector `{missing}` expected, and it goes by {}",
        connectors(&used)
    ))
}

fn not_through(topology: &Topology, expectation: &Expectation, fork: &Fork) -> Option<String> {
    let used = used(topology, fork);
    let unwanted = expectation
        .not_through
        .iter()
        .find(|name| used.contains(&name.as_str()))?;
    Some(format!("it goes by `{unwanted}`"))
}

/// A copy that somebody forwards to others outside arrives where nobody says who vouches for it.
fn trust(expectation: &Expectation, flow: &Flow, fork: &Fork) -> Option<String> {
    let asked = flow.question.to.contains(&fork.recipient);
    if fork.disposition == Disposition::Delivered && fork.trust.is_none() && !asked {
        return None;
    }
    let wanted = expectation
        .trust
        .filter(|wanted| fork.trust != Some(*wanted))?;
    let trust = fork.trust.unwrap_or(AuthAs::Anonymous);
    Some(format!("trust {wanted} expected, and it arrives {trust}"))
}

fn flags(expectation: &Expectation, fork: &Fork) -> Option<String> {
    let allowed = expectation.flags.as_ref()?;
    let is_allowed = |flag: &&Flag| allowed.iter().any(|word| word == flag.kind.as_str());
    let flag = fork.flags.iter().find(|flag| !is_allowed(flag))?;
    Some(format!("the flag {} is raised", flag.kind))
}

fn tls(topology: &Topology, expectation: &Expectation, fork: &Fork) -> Option<String> {
    let wanted = expectation.tls?;
    let organization = |hop: &Hop| topology.server(hop.server).organization;
    let plain = fork
        .hops
        .windows(2)
        .any(|hops| organization(&hops[0]) != organization(&hops[1]) && !hops[1].tls);
    match (wanted, plain) {
        (true, true) => Some("a hop between organizations goes without TLS".to_owned()),
        (false, false) => Some("every hop between organizations uses TLS".to_owned()),
        (true, false) | (false, true) => None,
    }
}

fn has_status(fork: &Fork, wanted: &str) -> bool {
    [&fork.status, &fork.final_status]
        .into_iter()
        .flatten()
        .any(|status| {
            wanted == status.enhanced.to_string()
                || wanted == format!("{} {}", status.code, status.enhanced)
        })
}

fn connectors(used: &[&str]) -> String {
    if used.is_empty() {
        "none".to_owned()
    } else {
        used.iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}
