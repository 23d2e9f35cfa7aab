//! Prediction against observation: every flow of a world sent as a real message, and what came of it
//! read from outside: replies, delivered mail, notifications.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use lettre::message::header::ContentType;
use tokio::time::Instant;

use super::build::{Lab, LabError, PASSWORD, is_third_party};
use super::mailboxes::Stored;
use super::outside::{self, Handover, Told};
use crate::dns::Targets;
use crate::flow::{Disposition, FlagKind, Fork, Question, Submission};
use crate::mail::{EnhancedStatus, Mailbox, read_report};
use crate::model::Topology;
use crate::verify::Row;

/// How one fork ended, in the words that both sides can say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// Who it was for, in the end.
    pub recipient: String,
    /// How it ended.
    pub disposition: Disposition,
    /// The servers it was at, as far as what arrived tells.
    pub path: Vec<String>,
    /// The status its sender was told, where one was.
    pub status: Option<EnhancedStatus>,
    /// The AuthAs it arrived with.
    pub trust: Option<String>,
    /// Whether it is the sender's own message.
    pub echo: bool,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.recipient, self.disposition)?;
        if !self.path.is_empty() {
            write!(f, " {}", self.path.join(" → "))?;
        }
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        if let Some(trust) = &self.trust {
            write!(f, " {trust}")?;
        }
        if self.echo { f.write_str(" echo") } else { Ok(()) }
    }
}

/// One flow, sent.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The classes and the size it stands for.
    pub flow: String,
    /// From whom to whom.
    pub example: String,
    /// What the verifier said.
    pub predicted: Vec<Ending>,
    /// What happened.
    pub observed: Vec<Ending>,
}

impl Comparison {
    /// Whether they are the same.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.predicted == self.observed
    }
}

/// Everything that was sent, and what could not be.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// Flows that were sent.
    pub results: Vec<Comparison>,
    /// Flows that were not, and why.
    pub untestable: Vec<(String, String)>,
}

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

/// One flow: the rows of the table that belong to one question.
struct Sent<'a> {
    name: String,
    question: &'a Question,
    forks: Vec<&'a Fork>,
    token: String,
    told: Told,
}

/// Sends every flow of a table and compares.
///
/// # Errors
/// When the lab cannot be asked.
pub async fn agree(lab: &Lab, rows: &[Row], options: &AgreeOptions) -> Result<Agreement, LabError> {
    let mut agreement = Agreement::default();
    let mut sent = Vec::new();
    for (number, (name, question, forks)) in flows(rows).into_iter().enumerate() {
        if let Some(why) = untestable(lab.topology(), question, &forks, options) {
            agreement.untestable.push((name, why));
            continue;
        }
        let token = format!("flow{number}x{}", crate::clock::now().as_nanosecond());
        let told = submit(lab, question, &token).await?;
        sent.push(Sent { name, question, forks, token, told });
    }
    let deadline = Instant::now() + options.patience;
    let expiry = Instant::now() + options.patience + options.expiry;
    loop {
        let arrived = lab.mailboxes().list(None);
        let waiting = sent.iter().filter(|each| !is_complete(lab, each, &arrived));
        let slow = |each: &Sent<'_>| each.forks.iter().any(|fork| is_slow(fork));
        let (mut any, mut any_slow) = (false, false);
        for each in waiting {
            any = true;
            any_slow |= slow(each);
        }
        let limit = if any_slow { expiry } else { deadline };
        if !any || Instant::now() >= limit {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What nobody predicted gets a moment to arrive as well.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let arrived = lab.mailboxes().list(None);
    for each in &sent {
        let predicted = sorted(each.forks.iter().map(|fork| predicted(lab.topology(), each.question, fork)));
        let observed = sorted(observed(lab, each, &arrived).into_iter());
        let example = format!("{} → {}", each.question.from, recipient(each.question));
        agreement.results.push(Comparison { flow: each.name.clone(), example, predicted, observed });
    }
    Ok(agreement)
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
fn untestable(topology: &Topology, question: &Question, forks: &[&Fork], options: &AgreeOptions) -> Option<String> {
    if forks.iter().any(|fork| fork.disposition == Disposition::Unknown) {
        return Some("a fact is missing from the world".to_owned());
    }
    if forks.iter().any(|fork| fork.disposition == Disposition::LeftWorld) {
        return Some("it leaves the world".to_owned());
    }
    if question.size.0 > options.size_max {
        return Some(format!("{} is more than this run sends", question.size));
    }
    if let Submission::Host(host) = question.submission
        && is_third_party(topology, host)
    {
        return Some("the sender's host is played by a server that takes no notifications".to_owned());
    }
    let reported = |fork: &&Fork| fork.disposition.is_failure() && fork.disposition != Disposition::Rejected;
    let hears = question.from.mailbox().is_some_and(|sender| hears(topology, sender));
    if forks.iter().any(reported) && !hears {
        return Some("the sender has no mailbox that could be told".to_owned());
    }
    None
}

/// Whether somebody would read a notification to this address.
fn hears(topology: &Topology, sender: &Mailbox) -> bool {
    let outside = topology.parts().outside_senders.iter().any(|(address, _)| address == sender);
    let mailbox = topology.organizations().any(|(organization, _)| {
        topology.recipients_at(organization, sender).iter().any(|id| {
            matches!(topology.recipient(*id).kind, crate::model::RecipientKind::Mailbox { .. })
        })
    });
    outside || mailbox
}

/// Whether a fork ends only when the message expires.
fn is_slow(fork: &Fork) -> bool {
    matches!(fork.disposition, Disposition::Deferred | Disposition::Unreachable)
}

/// Hands a message over at its origin.
async fn submit(lab: &Lab, question: &Question, token: &str) -> Result<Told, LabError> {
    let to = recipient(question);
    let message = message(question, token);
    let handover = match &question.submission {
        Submission::User(server) => {
            let Some(to_server) = lab.address_of(*server, 587) else {
                return Ok(Told::Failed("the server has no address".to_owned()));
            };
            let user = question.from.mailbox().map(|user| (user.clone(), PASSWORD.to_owned()));
            Handover { to_server, from_address: None, user }
        }
        Submission::Anonymous { server, .. } => {
            let Some(to_server) = lab.address_of(*server, 25) else {
                return Ok(Told::Failed("the server has no address".to_owned()));
            };
            Handover { to_server, from_address: None, user: None }
        }
        Submission::Host(host) => {
            let local = lab.topology().accepted_domain_for(lab.topology().server(*host).organization, &to.domain);
            if local.is_some() {
                let Some(to_server) = lab.address_of(*host, 25) else {
                    return Ok(Told::Failed("the host has no address".to_owned()));
                };
                Handover { to_server, from_address: lab.local_address(*host), user: None }
            } else {
                // A stranger's own server finds its way by MX, and keeps what it cannot hand over.
                match lab.resolver()?.targets(&to.domain).await {
                    Targets::Hosts(hosts) => {
                        let Some(address) = hosts.iter().find_map(|host| host.addresses.first()) else {
                            return Ok(Told::Failed("no address".to_owned()));
                        };
                        let port = lab.address_of(*host, 25).map_or(25, |own| own.port());
                        let to_server = std::net::SocketAddr::new(*address, port);
                        Handover { to_server, from_address: lab.local_address(*host), user: None }
                    }
                    Targets::NullMx | Targets::Failed(_) => return Ok(Told::Failed("no MX".to_owned())),
                }
            }
        }
    };
    Ok(outside::send(&handover, &question.from, to, &message).await)
}

/// A message of about the wanted size, with a token that nothing else has.
fn message(question: &Question, token: &str) -> Vec<u8> {
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
    builder.body(body).map(|message| message.formatted()).unwrap_or_default()
}

/// What the prediction says, in words that can be observed.
fn predicted(topology: &Topology, question: &Question, fork: &Fork) -> Ending {
    let delivered = fork.disposition == Disposition::Delivered;
    let path = if delivered { path_of(topology, question, fork) } else { Vec::new() };
    let status = match fork.disposition {
        Disposition::Rejected | Disposition::Bounced => fork.status.as_ref(),
        Disposition::Looped | Disposition::Deferred | Disposition::Unreachable => fork.final_status.as_ref(),
        _ => None,
    };
    let reported = fork.disposition.is_failure();
    let to = if fork.disposition == Disposition::Rejected { recipient(question) } else { &fork.recipient };
    Ending {
        recipient: to.to_string().to_lowercase(),
        // From outside an NDR is an NDR, whatever made it.
        disposition: if reported { as_seen(fork.disposition) } else { fork.disposition },
        path,
        status: status.map(|status| status.enhanced),
        trust: fork.trust.filter(|_| delivered).map(|trust| trust.to_string()),
        echo: delivered && fork.flags.iter().any(|flag| flag.kind == FlagKind::EchoBack),
    }
}

/// Looped, deferred and unreachable mail shows itself as an NDR with its own status.
fn as_seen(disposition: Disposition) -> Disposition {
    match disposition {
        Disposition::Looped | Disposition::Deferred | Disposition::Unreachable => Disposition::Bounced,
        other => other,
    }
}

/// The servers of a prediction as Received fields show them: the submitting host leaves none.
fn path_of(topology: &Topology, question: &Question, fork: &Fork) -> Vec<String> {
    let skip = usize::from(matches!(question.submission, Submission::Host(_)) && fork.hops.len() > 1);
    let mut names: Vec<String> =
        fork.hops.iter().skip(skip).map(|hop| topology.server(hop.server).name.clone()).collect();
    names.dedup();
    names
}

/// What came of a flow.
fn observed(lab: &Lab, sent: &Sent<'_>, arrived: &[Stored]) -> Vec<Ending> {
    let mut endings = Vec::new();
    if let Told::Refused { text, .. } = &sent.told {
        endings.push(Ending {
            recipient: recipient(sent.question).to_string().to_lowercase(),
            disposition: Disposition::Rejected,
            path: Vec::new(),
            status: enhanced_in(text),
            trust: None,
            echo: false,
        });
    }
    if let Told::Failed(text) = &sent.told
        && sent.forks.iter().any(|fork| is_slow(fork))
        && matches!(sent.question.submission, Submission::Host(_))
    {
        // Nobody to connect to: the stranger's own server would wait and give up.
        let fork = sent.forks[0];
        tracing::debug!(text, "not handed over");
        endings.push(predicted(lab.topology(), sent.question, fork));
    }
    let sender = sent.question.from.mailbox().map(|sender| sender.to_string().to_lowercase());
    for stored in arrived {
        let headers = stored.headers();
        let about = |name: &str| headers.get(name).is_some_and(|value| value.contains(&sent.token));
        if about("Message-ID") {
            endings.push(delivered(lab, stored, sender.as_deref()));
        } else if about("In-Reply-To") && Some(stored.address.as_str()) == sender.as_deref() {
            endings.extend(reported(&stored.raw));
        }
    }
    let seen: BTreeSet<String> = endings.iter().map(|ending| ending.recipient.clone()).collect();
    for fork in &sent.forks {
        let silent = fork.disposition == Disposition::Suppressed;
        if silent && !seen.contains(&fork.recipient.to_string().to_lowercase()) && sent.told == Told::Accepted {
            endings.push(predicted(lab.topology(), sent.question, fork));
        }
    }
    endings
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
    let trust = headers.get("X-MS-Exchange-Organization-AuthAs").filter(|_| !outside);
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
fn reported(raw: &Bytes) -> Vec<Ending> {
    read_report(raw)
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

/// Whether everything predicted has happened.
fn is_complete(lab: &Lab, sent: &Sent<'_>, arrived: &[Stored]) -> bool {
    let predicted = sorted(sent.forks.iter().map(|fork| predicted(lab.topology(), sent.question, fork)));
    let observed = sorted(observed(lab, sent, arrived).into_iter());
    predicted == observed
}

