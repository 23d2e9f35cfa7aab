//! The envelope of a message as the spool keeps it.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mail::{AuthAs, ByteSize, Directionality, Mailbox, MessageKind, ReversePath, Status};
use crate::model::{OrganizationId, Topology};
use crate::route::{Arrival, MailItem, Properties, Trace};

/// A [`MailItem`] in words that another process, and another version of the world, can read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) reverse_path: String,
    pub(super) recipients: Vec<String>,
    size: u64,
    auth_as: String,
    directionality: String,
    arrival: u8,
    organization: String,
    resolved: bool,
    received_by: Vec<String>,
    attributions: Vec<(String, u32)>,
    #[serde(default)]
    external_forwards: Vec<(String, u32)>,
    #[serde(default)]
    rules_loop: u32,
    #[serde(default)]
    forwarded_for: Vec<String>,
    #[serde(default)]
    redirected_by: Vec<String>,
    #[serde(default)]
    kind: String,
    /// Recipient and original recipient (RFC 3461 §4.2).
    #[serde(default)]
    orcpt: Vec<(String, String)>,
    #[serde(default)]
    original_size: Option<u64>,
    #[serde(default)]
    notify_never: bool,
    #[serde(default)]
    require_tls: bool,
    #[serde(default)]
    passing: Option<String>,
    /// When the server took it.
    pub(super) arrived: Timestamp,
    /// The marks of copies that are over: delivered, reported or dropped.
    pub(super) done: Vec<String>,
    /// Recipients that failed and are not reported yet: nobody tries them again.
    #[serde(default)]
    pub(super) failed: Vec<Failure>,
    /// Recipients of whose delay the sender was told.
    #[serde(default)]
    pub(super) delayed: Vec<String>,
}

/// A recipient of which the sender is to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// As rewritten.
    #[serde(with = "in_words")]
    pub(super) recipient: Mailbox,
    /// The mark of its copy.
    #[serde(default)]
    pub(super) mark: String,
    /// The reverse-path of its copy, null where nobody is to be told; absent: that of the message.
    #[serde(default)]
    pub(super) told: Option<String>,
    /// What its sender is told.
    #[serde(with = "in_words")]
    pub(super) status: Status,
    /// What the last attempt met, where that is not the status.
    pub(super) last_error: Option<String>,
    /// Where the last attempt went, if it got as far as an address.
    pub(super) endpoint: Option<Endpoint>,
    /// Whether the status is what was said there.
    pub(super) said_there: bool,
    /// The label of the Send connector.
    pub(super) connector: String,
    /// When that was found out.
    pub(super) at: Timestamp,
}

/// The other end of a connection that was made or tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) address: SocketAddr,
}

/// What has a form that people read is kept in that form.
mod in_words {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| de::Error::custom(format!("`{text}` cannot be read")))
    }
}

impl Failure {
    /// The mark of its copy: its recipient, where nothing else is known.
    pub(super) fn mark(&self) -> Cow<'_, str> {
        match self.mark.is_empty() {
            true => Cow::Owned(self.recipient.to_string()),
            false => Cow::Borrowed(&self.mark),
        }
    }
}

impl Record {
    /// What a copy for this recipient is called here. One address may get several copies of a message: one
    /// that reports to a group's manager, or one that a user's rule sends on as a message of its own.
    pub(super) fn mark(
        &self,
        recipient: &Mailbox,
        reverse_path: &ReversePath,
        anew: bool,
    ) -> String {
        let told = reverse_path.to_string();
        match (told == self.reverse_path, anew) {
            (true, false) => recipient.to_string(),
            (false, false) => format!("{recipient} from {told}"),
            (_, true) => format!("{recipient} anew from {told}"),
        }
    }

    /// Whether the copy for this recipient is over, or failed and waits for its report.
    pub(super) fn is_over(
        &self,
        recipient: &Mailbox,
        reverse_path: &ReversePath,
        anew: bool,
    ) -> bool {
        let mark = self.mark(recipient, reverse_path, anew);
        self.done.contains(&mark) || self.failed.iter().any(|failure| failure.mark() == mark)
    }

    /// The record of an item that was just taken.
    pub(super) fn new(topology: &Topology, item: &MailItem, arrived: Timestamp) -> Self {
        let organization = |id| topology.organization(id).name.clone();
        let counts = |counts: &[(OrganizationId, u32)]| {
            let named = counts.iter().map(|(id, count)| (organization(*id), *count));
            named.collect()
        };
        Self {
            reverse_path: item.reverse_path.to_string(),
            recipients: item.recipients.iter().map(ToString::to_string).collect(),
            size: item.size.0,
            auth_as: item.auth_as.to_string(),
            directionality: item.directionality.to_string(),
            arrival: match item.arrival {
                Arrival::External => 0,
                Arrival::Internal => 1,
                Arrival::Submission => 2,
            },
            organization: organization(item.organization),
            resolved: item.resolved,
            received_by: item
                .trace
                .received_by
                .iter()
                .map(ToString::to_string)
                .collect(),
            attributions: counts(&item.trace.attributions),
            external_forwards: counts(&item.trace.external_forwards),
            rules_loop: item.trace.rules_loop,
            forwarded_for: written(&item.trace.forwarded_for),
            redirected_by: written(&item.trace.redirected_by),
            kind: item.properties.kind.to_string(),
            orcpt: item
                .properties
                .orcpt
                .iter()
                .map(|(recipient, original)| (recipient.to_string(), original.to_string()))
                .collect(),
            original_size: item.properties.original_size.map(|size| size.0),
            notify_never: item.properties.notify_never,
            require_tls: item.properties.require_tls,
            passing: item.properties.passing.map(|auth_as| auth_as.to_string()),
            arrived,
            done: Vec::new(),
            failed: Vec::new(),
            delayed: Vec::new(),
        }
    }

    /// The item again; `None` where the world no longer has its organization, or the record is not
    /// readable.
    pub(super) fn item(&self, topology: &Topology) -> Option<MailItem> {
        let organization = |name: &str| {
            topology
                .organizations()
                .find(|(_, each)| each.name == name)
                .map(|(id, _)| id)
        };
        let counts = |counts: &[(String, u32)]| {
            let known = counts
                .iter()
                .filter_map(|(name, count)| Some((organization(name)?, *count)));
            known.collect()
        };
        Some(MailItem {
            reverse_path: self.reverse_path.parse::<ReversePath>().ok()?,
            recipients: self
                .recipients
                .iter()
                .map(|text| Mailbox::parse(text).ok())
                .collect::<Option<_>>()?,
            size: ByteSize(self.size),
            auth_as: self.auth_as.parse::<AuthAs>().ok()?,
            directionality: self.directionality.parse::<Directionality>().ok()?,
            arrival: match self.arrival {
                0 => Arrival::External,
                1 => Arrival::Internal,
                _ => Arrival::Submission,
            },
            organization: organization(&self.organization)?,
            resolved: self.resolved,
            trace: Trace {
                received_by: self
                    .received_by
                    .iter()
                    .filter_map(|name| name.parse().ok())
                    .collect(),
                attributions: counts(&self.attributions),
                external_forwards: counts(&self.external_forwards),
                rules_loop: self.rules_loop,
                forwarded_for: mailboxes(&self.forwarded_for),
                redirected_by: mailboxes(&self.redirected_by),
            },
            properties: self.properties(),
        })
    }

    fn properties(&self) -> Properties {
        let known = |(recipient, original): &(String, String)| {
            Some((
                Mailbox::parse(recipient).ok()?,
                Mailbox::parse(original).ok()?,
            ))
        };
        Properties {
            kind: self.kind.parse().unwrap_or(MessageKind::Message),
            orcpt: self.orcpt.iter().filter_map(known).collect(),
            original_size: self.original_size.map(ByteSize),
            // Here it is whole.
            envelope: None,
            notify_never: self.notify_never,
            require_tls: self.require_tls,
            passing: self.passing.as_ref().and_then(|text| text.parse().ok()),
        }
    }

    /// As the spool keeps it.
    pub(super) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self)
            .map(Bytes::from)
            .unwrap_or_default()
    }

    /// From what the spool kept.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
fn written(mailboxes: &[Mailbox]) -> Vec<String> {
    mailboxes.iter().map(ToString::to_string).collect()
}

fn mailboxes(written: &[String]) -> Vec<Mailbox> {
    let parsed = written.iter().map(|text| Mailbox::parse(text));
    parsed.filter_map(Result::ok).collect()
}
