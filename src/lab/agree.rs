//! Prediction against observation: every flow of a world sent as a real message, and what came of it
//! read from outside: replies, delivered mail, notifications.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;
use lettre::message::header::ContentType;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::build::{Lab, LabError, PASSWORD, is_third_party};
use super::mailboxes::Stored;
use super::outside::{self, Handover, Told};
use crate::dns::{NoHost, Target, Targets};
use crate::flow::{Disposition, Fork, Question, Submission, walk};
use crate::mail::{
    ByteSize, EnhancedStatus, Mailbox, MessageKind, ReversePath, Status, read_report,
};
use crate::model::{ServerId, Topology};
use crate::relay::Pace;
use crate::route::{self, Happened, Outcome};
use crate::verify::{Agreement, Comparison, Ending, Row, Untestable};

/// As many messages are handed over at the same time.
const SENDERS: usize = 8;
/// When all that was predicted has arrived and the servers are not at rest, what nobody predicted gets
/// so long to arrive as well.
const AFTERMATH: Duration = Duration::from_secs(3);
/// A notification carries the header of what it reports, and no body: it is not larger than this.
const NOTIFICATION: ByteSize = ByteSize(10 * 1024);

/// How flows are sent.
#[derive(Clone, Copy, Debug)]
pub struct AgreeOptions {
    /// Flows of larger messages are not sent.
    pub size_max: u64,
    /// How long to wait for what is predicted, beyond what retries need.
    pub patience: Duration,
    /// How long a deferred message may take to expire.
    pub expiry: Duration,
}

impl AgreeOptions {
    /// What suits a lab of this pace; `large` sends every size that a limit sets apart.
    #[must_use]
    pub fn at(pace: Pace, large: bool) -> Self {
        Self {
            size_max: if large { LARGE } else { ORDINARY },
            patience: Duration::from_secs(if large { 120 } else { 30 }),
            expiry: pace.real(EXPIRY),
        }
    }
}

/// The largest message that is ordinary.
const ORDINARY: u64 = 1 << 20;
/// The largest message that is sent at all: more than any connector of Exchange takes.
const LARGE: u64 = 150 << 20;
/// Longer than any organization tries.
const EXPIRY: SignedDuration = SignedDuration::from_hours(50);

/// One flow: the rows of the table that belong to one question.
struct Sent<'a> {
    name: String,
    question: &'a Question,
    forks: Vec<&'a Fork>,
    token: String,
    handed: Handed,
}

/// What the sender saw when it handed the message over.
enum Handed {
    /// A server answered, or was there and did not.
    Told(Told),
    /// There was nobody to hand it to.
    Nobody(Happened),
}

/// A message in a mailbox, and which one it is.
struct Arrived {
    stored: Stored,
    message_id: String,
    in_reply_to: String,
}

/// What lies in the mailboxes, with the names by which it is found read once.
fn arrived(lab: &Lab) -> Vec<Arrived> {
    let stored = lab.mailboxes().list(None);
    let read = |stored: Stored| {
        let headers = stored.headers();
        let field = |name: &str| headers.get(name).map(|value| value.to_string());
        let message_id = field("Message-ID").unwrap_or_default();
        let in_reply_to = field("In-Reply-To").unwrap_or_default();
        Arrived {
            stored,
            message_id,
            in_reply_to,
        }
    };
    stored.into_iter().map(read).collect()
}

/// Sends every flow of a table and compares.
///
/// # Errors
/// When the lab cannot be asked.
pub async fn agree(lab: &Lab, rows: &[Row], options: &AgreeOptions) -> Result<Agreement, LabError> {
    let mut agreement = Agreement::default();
    let mut testable = Vec::new();
    for (flow, question, forks) in flows(rows) {
        match untestable(lab, question, &forks, options) {
            Some(reason) => agreement.untestable.push(Untestable { flow, reason }),
            None => testable.push((flow, question, forks)),
        }
    }
    let sent = send(lab, testable).await?;
    wait(lab, &sent, options).await;
    let arrived = arrived(lab);
    for each in &sent {
        agreement.results.push(Comparison {
            flow: each.name.clone(),
            from: each.question.from.to_string(),
            to: recipient(each.question).to_string(),
            predicted: predicted_of(lab, each),
            observed: observed_of(lab, each, &arrived),
        });
    }
    Ok(agreement)
}

/// Hands every message over, several at a time.
async fn send<'a>(
    lab: &Lab,
    flows: Vec<(String, &'a Question, Vec<&'a Fork>)>,
) -> Result<Vec<Sent<'a>>, LabError> {
    let mut sent = Vec::new();
    let mut tasks: JoinSet<(usize, Told)> = JoinSet::new();
    for (number, (name, question, forks)) in flows.into_iter().enumerate() {
        let token = format!("flow{number}x{}", crate::clock::now().as_nanosecond());
        let mut handed = Handed::Told(Told::Failed("not sent".to_owned()));
        match handover(lab, question).await? {
            Ok(handover) => {
                let message = message(lab.topology(), question, &token);
                let (from, to) = (question.from.clone(), recipient(question).clone());
                tasks.spawn(async move {
                    (number, outside::send(&handover, &from, &to, &message).await)
                });
            }
            Err(happened) => handed = Handed::Nobody(happened),
        }
        sent.push(Sent {
            name,
            question,
            forks,
            token,
            handed,
        });
        if tasks.len() >= SENDERS {
            note(&mut sent, tasks.join_next().await);
        }
    }
    while let Some(done) = tasks.join_next().await {
        note(&mut sent, Some(done));
    }
    Ok(sent)
}

/// Notes what a sender was told; one that did not live to say it was told nothing.
fn note(sent: &mut [Sent<'_>], done: Option<Result<(usize, Told), tokio::task::JoinError>>) {
    if let Some(Ok((number, told))) = done {
        sent[number].handed = Handed::Told(told);
    }
}

/// Waits until nothing more can arrive, or until all that was predicted has, or would have by now.
///
/// That the servers are at rest is seen from inside, and only ends the wait: what arrived is read
/// afterwards, from outside.
async fn wait(lab: &Lab, sent: &[Sent<'_>], options: &AgreeOptions) {
    let begin = Instant::now();
    let mut complete: Option<Instant> = None;
    let mut missing: Vec<&Sent<'_>> = sent.iter().collect();
    while !lab.is_quiet() {
        let arrived = arrived(lab);
        missing.retain(|each| predicted_of(lab, each) != observed_of(lab, each, &arrived));
        let slow = missing
            .iter()
            .any(|each| each.forks.iter().any(|fork| is_slow(fork)));
        let until = if missing.is_empty() {
            *complete.get_or_insert_with(Instant::now) + AFTERMATH
        } else if slow {
            begin + options.patience + options.expiry
        } else {
            begin + options.patience
        };
        if Instant::now() >= until {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn predicted_of(lab: &Lab, sent: &Sent<'_>) -> Vec<Ending> {
    // Nor does a failure of which the sender's report gets lost, is not written, or goes to somebody else.
    let hushed = |fork: &Fork| {
        fork.disposition.is_failure()
            && fork.held_by.is_some()
            && !fork.report.as_ref().is_some_and(|report| {
                report.forks.iter().any(|end| {
                    end.disposition == Disposition::Delivered
                        && is_senders(lab.topology(), sent.question, &end.recipient)
                })
            })
    };
    let shown: BTreeSet<&Mailbox> = sent
        .forks
        .iter()
        .filter(|fork| fork.disposition != Disposition::Suppressed && !hushed(fork))
        .map(|fork| &fork.recipient)
        .collect();
    // A copy that is dropped because its recipient is met elsewhere shows itself in nothing but that
    // there is no second one, which the comparison sees.
    let silent = |fork: &Fork| {
        fork.disposition == Disposition::Suppressed && shown.contains(&fork.recipient)
    };
    let forks = sent
        .forks
        .iter()
        .filter(|fork| !silent(fork) && !hushed(fork));
    sorted(forks.map(|fork| predicted(lab.topology(), sent.question, fork)))
}

fn observed_of(lab: &Lab, sent: &Sent<'_>, arrived: &[Arrived]) -> Vec<Ending> {
    sorted(observed(lab, sent, arrived).into_iter())
}

fn sorted(endings: impl Iterator<Item = Ending>) -> Vec<Ending> {
    let mut endings: Vec<Ending> = endings.collect();
    endings.sort();
    endings
}

/// The rows by question, with a name.
fn flows(rows: &[Row]) -> Vec<(String, &Question, Vec<&Fork>)> {
    let mut flows: Vec<(String, &Question, Vec<&Fork>)> = Vec::new();
    for row in rows {
        if row.index == 0 {
            let name = format!("{} → {} ({})", row.from_class, row.to_class, row.size);
            flows.push((name, &row.example, Vec::new()));
        }
        if let Some((_, _, forks)) = flows.last_mut() {
            forks.push(&row.fork);
        }
    }
    flows
}

fn recipient(question: &Question) -> &Mailbox {
    &question.to[0]
}

/// Why a flow cannot be sent or seen.
fn untestable(
    lab: &Lab,
    question: &Question,
    forks: &[&Fork],
    options: &AgreeOptions,
) -> Option<String> {
    let topology = lab.topology();
    if forks
        .iter()
        .any(|fork| fork.disposition == Disposition::Unknown)
    {
        return Some("a fact is missing from the world".to_owned());
    }
    if forks
        .iter()
        .any(|fork| fork.disposition == Disposition::LeftWorld)
    {
        return Some("it leaves the world".to_owned());
    }
    if question.size.0 > options.size_max {
        return Some(format!("{} is more than this run sends", question.size));
    }
    if let Submission::Host(host) = question.submission
        && is_third_party(topology, host)
    {
        return Some(
            "the sender's host is played by a server that takes no notifications".to_owned(),
        );
    }
    let reported =
        |fork: &&Fork| fork.disposition.is_failure() && fork.disposition != Disposition::Rejected;
    let hears = question
        .from
        .mailbox()
        .is_some_and(|sender| hears(topology, sender));
    if forks.iter().any(reported) && !hears {
        return Some("the sender has no mailbox that could be told".to_owned());
    }
    let lost = |fork: &&Fork| fork.reported_by.is_some_and(|by| !tells(lab, by, question));
    if forks.iter().any(lost) {
        return Some("a notification to the sender does not arrive".to_owned());
    }
    None
}

/// Whether a notification that a server makes reaches the sender: it goes by the same rules as any
/// message that begins there.
fn tells(lab: &Lab, server: ServerId, question: &Question) -> bool {
    let to = question.from.mailbox().cloned();
    let notification = Question {
        from: ReversePath::Null,
        to: to.into_iter().collect(),
        size: question.size.min(NOTIFICATION),
        kind: MessageKind::Message,
        submission: Submission::User(server),
    };
    let flow = walk(lab.topology(), lab.zones(), &notification);
    let arrives = |fork: &Fork| fork.disposition == Disposition::Delivered;
    // Whose mail goes to somebody else alone hears nothing.
    let own = |fork: &Fork| is_senders(lab.topology(), question, &fork.recipient);
    flow.forks.iter().all(arrives) && flow.forks.iter().any(own)
}

/// Whether a mailbox is that of the sender of a message.
fn is_senders(topology: &Topology, question: &Question, mailbox: &Mailbox) -> bool {
    question.from.mailbox().is_some_and(|sender| {
        let mut organizations = topology.organizations();
        sender == mailbox
            || organizations.any(|(organization, _)| {
                let holders = topology.recipients_at(organization, sender);
                let mut holders = holders.iter().map(|id| topology.recipient(*id));
                holders.any(|holder| holder.addresses.contains(mailbox))
            })
    })
}

/// Whether somebody would read a notification to this address.
fn hears(topology: &Topology, sender: &Mailbox) -> bool {
    let outside = topology
        .parts()
        .outside_senders
        .iter()
        .any(|(address, _)| address == sender);
    let mailbox = topology.organizations().any(|(organization, _)| {
        topology
            .recipients_at(organization, sender)
            .iter()
            .any(|id| {
                matches!(
                    topology.recipient(*id).kind,
                    crate::model::RecipientKind::Mailbox { .. }
                )
            })
    });
    outside || mailbox
}

/// Whether a fork ends only when the message expires.
fn is_slow(fork: &Fork) -> bool {
    matches!(
        fork.disposition,
        Disposition::Deferred | Disposition::Unreachable
    )
}

/// How a message is handed over at its origin, or why it cannot be.
async fn handover(lab: &Lab, question: &Question) -> Result<Result<Handover, Happened>, LabError> {
    let at = |server, port| lab.address_of(server, port).ok_or(Happened::NoConnection);
    Ok(match &question.submission {
        Submission::User(server) => {
            let user = question
                .from
                .mailbox()
                .map(|user| (user.clone(), PASSWORD.to_owned()));
            at(*server, 587).map(|to_server| Handover {
                to_server,
                from_address: None,
                user,
            })
        }
        Submission::Anonymous { server, .. } => at(*server, 25).map(|to_server| Handover {
            to_server,
            from_address: None,
            user: None,
        }),
        Submission::Host(host) => {
            let found = foreign(lab, *host, recipient(question)).await?;
            found.map(|to_server| Handover {
                to_server,
                from_address: lab.local_address(*host),
                user: None,
            })
        }
    })
}

/// Where a stranger's own server finds the next one: itself, or the best MX host.
async fn foreign(
    lab: &Lab,
    host: ServerId,
    to: &Mailbox,
) -> Result<Result<SocketAddr, Happened>, LabError> {
    let organization = lab.topology().server(host).organization;
    if lab
        .topology()
        .accepted_domain_for(organization, &to.domain)
        .is_some()
    {
        return Ok(lab.address_of(host, 25).ok_or(Happened::NoConnection));
    }
    let targets: Targets = lab.resolver()?.targets(&to.domain).await;
    let local = lab.local_address(host);
    let own = |target: &Target| local.is_some_and(|local| target.addresses.contains(&local));
    let hosts = match targets.usable(own, false) {
        Ok(hosts) => hosts,
        Err(why) => {
            return Ok(Err(match why {
                NoHost::NameError => Happened::DomainNotFound {
                    name: to.domain.clone(),
                    smart_host: false,
                },
                NoHost::NullMx => Happened::NullMx,
                NoHost::BestIsSelf => Happened::BestMxIsSelf,
                NoHost::NoAnswer(_) | NoHost::Unknown(_) => Happened::NoAnswer,
            }));
        }
    };
    // Answers of the lab's DNS are addresses of this machine already.
    let port = lab.port(25);
    let address = hosts.iter().find_map(|host| host.addresses.first());
    Ok(address
        .map(|address| SocketAddr::new(*address, port))
        .ok_or(Happened::NoAnswer))
}

/// A message of about the wanted size, with a token that nothing else has.
///
/// A host outside has taken it from its user, and says so, as any server does (RFC 5321 §4.4).
fn message(topology: &Topology, question: &Question, token: &str) -> Vec<u8> {
    let trace = match question.submission {
        Submission::Host(host) => format!(
            "Received: from client.lab.invalid by {} with ESMTPSA id {token}; Thu, 1 Jan 2026 00:00:00 +0000\r\n",
            topology.server(host).fqdn
        ),
        Submission::Anonymous { .. } | Submission::User(_) => String::new(),
    };
    let address = |mailbox: &Mailbox| mailbox.to_string().parse().ok();
    let mut builder = lettre::Message::builder()
        .subject(format!("hybridmx test {token}"))
        .message_id(Some(format!("<{token}@test.lab.invalid>")))
        .header(ContentType::TEXT_PLAIN);
    if let Some(from) = question.from.mailbox().and_then(address) {
        builder = builder.from(lettre::message::Mailbox::new(None, from));
    }
    if let Some(to) = address(recipient(question)) {
        builder = builder.to(lettre::message::Mailbox::new(None, to));
    }
    // Every line has 80 octets with its end. The servers add header fields, so an ordinary message
    // stays well below its size, and a large one goes well above its limit.
    let lines = usize::try_from(question.size.0 / 80 + 20).unwrap_or_default();
    let body = format!("{}\r\n", "x".repeat(78)).repeat(lines);
    let message = builder.body(body).map(|message| message.formatted());
    [trace.into_bytes(), message.unwrap_or_default()].concat()
}

/// What the prediction says, in words that can be observed.
fn predicted(topology: &Topology, question: &Question, fork: &Fork) -> Ending {
    let delivered = fork.disposition == Disposition::Delivered;
    let path = if delivered {
        path_of(topology, fork)
    } else {
        Vec::new()
    };
    let status = match fork.disposition {
        Disposition::Rejected | Disposition::Bounced => fork.status.as_ref(),
        Disposition::Looped | Disposition::Deferred | Disposition::Unreachable => {
            fork.final_status.as_ref()
        }
        _ => None,
    };
    let reported = fork.disposition.is_failure();
    let to = if fork.disposition == Disposition::Rejected {
        recipient(question)
    } else {
        &fork.recipient
    };
    Ending {
        recipient: to.to_string().to_lowercase(),
        // From outside an NDR is an NDR, whatever made it.
        disposition: if reported {
            as_seen(fork.disposition)
        } else {
            fork.disposition
        },
        path,
        status: status.map(|status| status.enhanced),
        trust: fork
            .trust
            .filter(|_| delivered)
            .map(|trust| trust.to_string()),
        echo: delivered
            && !writes_to_self(topology, question)
            && question.from.mailbox() == Some(to),
    }
}

/// Looped, deferred and unreachable mail shows itself as an NDR with its own status.
fn as_seen(disposition: Disposition) -> Disposition {
    match disposition {
        Disposition::Looped | Disposition::Deferred | Disposition::Unreachable => {
            Disposition::Bounced
        }
        other => other,
    }
}

/// The servers of a prediction as Received fields show them.
fn path_of(topology: &Topology, fork: &Fork) -> Vec<String> {
    let mut names: Vec<String> = fork
        .hops
        .iter()
        .map(|hop| topology.server(hop.server).name.clone())
        .collect();
    names.dedup();
    names
}

/// What came of a flow.
fn observed(lab: &Lab, sent: &Sent<'_>, arrived: &[Arrived]) -> Vec<Ending> {
    let mut endings: Vec<Ending> = turned_away(lab.topology(), sent).into_iter().collect();
    let sender = sent
        .question
        .from
        .mailbox()
        .map(|sender| sender.to_string().to_lowercase());
    // Mail to oneself is no echo: it comes back by way of somebody else.
    let is_own = !writes_to_self(lab.topology(), sent.question);
    for Arrived {
        stored,
        message_id,
        in_reply_to,
    } in arrived
    {
        if message_id.contains(&sent.token) {
            endings.push(delivered(
                lab,
                stored,
                is_own.then_some(sender.as_deref()).flatten(),
            ));
        } else if in_reply_to.contains(&sent.token)
            && Some(stored.address.as_str()) == sender.as_deref()
        {
            endings.extend(reported(stored));
        }
    }
    endings.extend(silent(sent, &endings));
    endings
}

/// Whether the recipient is the sender, by this or another address.
fn writes_to_self(topology: &Topology, question: &Question) -> bool {
    let Some(sender) = question.from.mailbox() else {
        return false;
    };
    let to = recipient(question);
    let mut organizations = topology.organizations();
    sender == to
        || organizations.any(|(id, _)| {
            topology
                .recipients_at(id, to)
                .iter()
                .any(|id| topology.recipient(*id).addresses.contains(sender))
        })
}

/// What the sender learned while it handed the message over, if that was the end: its own rules say
/// what a refusal means.
fn turned_away(topology: &Topology, sent: &Sent<'_>) -> Option<Ending> {
    let happened = match &sent.handed {
        Handed::Told(Told::Accepted) => return None,
        Handed::Told(Told::Refused { code, text }) => {
            let enhanced = enhanced_in(text).map_or((0, 0, 0), |e| (e.class, e.subject, e.detail));
            Happened::Reply(Status::new(*code, enhanced, "").with_text(text.clone()))
        }
        Handed::Told(Told::Failed(_)) => Happened::NoConnection,
        Handed::Nobody(happened) => happened.clone(),
    };
    // A client that is no server has no queue.
    let client = matches!(sent.question.submission, Submission::Anonymous { .. });
    if let (true, Happened::Reply(said)) = (client, &happened) {
        return Some(refused_at_once(sent.question, said));
    }
    let outcome = route::outcome(
        topology.server(sent.question.submission.server()),
        &BTreeSet::new(),
        &happened,
        SignedDuration::ZERO,
    );
    let (disposition, status) = match outcome {
        Outcome::Delivered => return None,
        Outcome::Fail(status) => (Disposition::Rejected, status),
        Outcome::Defer { final_status, .. } => (Disposition::Bounced, final_status),
    };
    Some(Ending {
        disposition,
        ..refused_at_once(sent.question, &status)
    })
}

/// A refusal that the sender reads itself.
fn refused_at_once(question: &Question, status: &Status) -> Ending {
    Ending {
        recipient: recipient(question).to_string().to_lowercase(),
        disposition: Disposition::Rejected,
        path: Vec::new(),
        status: Some(status.enhanced),
        trust: None,
        echo: false,
    }
}

/// The recipients that should hear nothing, and did not.
fn silent(sent: &Sent<'_>, endings: &[Ending]) -> Vec<Ending> {
    let heard: BTreeSet<&str> = endings
        .iter()
        .map(|ending| ending.recipient.as_str())
        .collect();
    let suppressed = sent
        .forks
        .iter()
        .filter(|fork| fork.disposition == Disposition::Suppressed);
    let recipients = suppressed.map(|fork| fork.recipient.to_string().to_lowercase());
    let accepted = matches!(sent.handed, Handed::Told(Told::Accepted));
    recipients
        .filter(|recipient| accepted && !heard.contains(recipient.as_str()))
        .map(|recipient| Ending {
            recipient,
            disposition: Disposition::Suppressed,
            path: Vec::new(),
            status: None,
            trust: None,
            echo: false,
        })
        .collect()
}

/// A message in a mailbox.
fn delivered(lab: &Lab, stored: &Stored, sender: Option<&str>) -> Ending {
    let headers = stored.headers();
    let name = |fqdn: &String| {
        let known = lab.topology().server_named(fqdn);
        known.map_or_else(|| fqdn.clone(), |id| lab.topology().server(id).name.clone())
    };
    let mut path: Vec<String> = stored.received_by().iter().map(name).collect();
    path.dedup();
    let outside = lab
        .topology()
        .server_named(&stored.server)
        .is_some_and(|id| lab.topology().server(id).takes_every_address());
    let trust = headers
        .get("X-MS-Exchange-Organization-AuthAs")
        .filter(|_| !outside);
    Ending {
        recipient: stored.address.clone(),
        disposition: Disposition::Delivered,
        path,
        status: None,
        trust,
        echo: sender == Some(stored.address.as_str()),
    }
}

/// The recipients of a notification.
fn reported(stored: &Stored) -> Vec<Ending> {
    read_report(&stored.head)
        .into_iter()
        .map(|(recipient, _, status)| Ending {
            recipient: recipient.to_string().to_lowercase(),
            disposition: Disposition::Bounced,
            path: Vec::new(),
            status: Some(status),
            trust: None,
            echo: false,
        })
        .collect()
}

/// The enhanced status in a reply's text.
fn enhanced_in(text: &str) -> Option<EnhancedStatus> {
    text.split_whitespace().find_map(|word| word.parse().ok())
}
