//! The envelope of a message as the spool keeps it.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mail::{AuthAs, ByteSize, Directionality, Mailbox, ReversePath};
use crate::model::Topology;
use crate::route::{Arrival, MailItem, Trace};

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
    /// When the server took it.
    pub(super) arrived: Timestamp,
    /// Recipients, as rewritten, that are over: delivered, failed or dropped.
    pub(super) done: Vec<String>,
}

impl Record {
    /// The record of an item that was just taken.
    pub(super) fn new(topology: &Topology, item: &MailItem, arrived: Timestamp) -> Self {
        let organization = |id| topology.organization(id).name.clone();
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
            attributions: item
                .trace
                .attributions
                .iter()
                .map(|(id, count)| (organization(*id), *count))
                .collect(),
            arrived,
            done: Vec::new(),
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
                attributions: self
                    .attributions
                    .iter()
                    .filter_map(|(name, count)| Some((organization(name)?, *count)))
                    .collect(),
            },
        })
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
