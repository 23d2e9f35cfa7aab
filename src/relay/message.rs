//! A message in memory, and what its headers say to routing: the organization headers and the
//! Received fields on the way in, the header firewall on the way out (Exchange Server, "Header
//! firewall"; RFC 5321 §4.4).

use bytes::Bytes;
use jiff::Timestamp;

use crate::clock;
use crate::mail::{
    AuthAs, ByteSize, CROSS_PREMISES_PREFIX, Directionality, Domain, FOREST_PREFIX, HeaderSection,
    Mailbox, MessageKind, ORGANIZATION_PREFIX, received_by,
};
use crate::model::{OrganizationId, Topology};
use crate::route::{Copy, MailItem, Properties, Trace, Transfer};

const AUTH_AS: &str = "X-MS-Exchange-Organization-AuthAs";
const AUTH_SOURCE: &str = "X-MS-Exchange-Organization-AuthSource";
const CROSS_AUTH_AS: &str = "X-MS-Exchange-CrossPremises-AuthAs";
const DIRECTIONALITY: &str = "X-MS-Exchange-Organization-MessageDirectionality";
const NETWORK_MESSAGE_ID: &str = "X-MS-Exchange-Organization-Network-Message-Id";
/// Choice: Exchange keeps the mark in properties that are not documented; this header is ours.
const RESOLVED: &str = "X-MS-Exchange-Organization-Hybridmx-Resolved";
const ATTRIBUTED: &str = "X-EOPTenantAttributedMessage";
const ORIGINAL_SIZE: &str = "X-MS-Exchange-Organization-OriginalSize";
/// Choice: Exchange keeps these two in properties that are not documented; the headers are ours.
const ORCPT: &str = "X-MS-Exchange-Organization-Hybridmx-Orcpt";
const NOTIFY_NEVER: &str = "X-MS-Exchange-Organization-Hybridmx-Notify-Never";
const REQUIRE_TLS: &str = "X-MS-Exchange-Organization-Hybridmx-Require-Tls";
const CONTENT_CLASS: &str = "Content-Class";
const CALENDAR: &str = "urn:content-classes:calendarmessage";
const FORWARDED: &str = "X-LD-Processed";
const RULES_LOOP: &str = "X-MS-Exchange-Transport-Rules-Loop";
const FORWARDING_LOOP: &str = "X-MS-Exchange-ForwardingLoop";
const INBOX_RULES_LOOP: &str = "X-MS-Exchange-Inbox-Rules-Loop";
const PRESERVED: &str = "X-OrganizationHeadersPreserved";
const PROMOTED: &str = "X-CrossPremisesHeadersPromoted";
const FILTERED: &str = "X-CrossPremisesHeadersFiltered";
const FILTERED_BY_CONNECTOR: &str = "X-CrossPremisesHeadersFilteredBySendConnector";

/// A message: header section apart from the body.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) headers: HeaderSection,
    pub(super) body: Bytes,
}

impl Message {
    /// Splits what came after DATA.
    pub(super) fn split(message: &Bytes) -> Self {
        let (headers, body) = HeaderSection::split(message);
        Self { headers, body }
    }

    /// Its Message-ID; one that has none is given one, by which the log knows it, and with its date a
    /// mailbox a second copy.
    ///
    /// RFC 5321 §6.4 leaves it to the server. Choice: every server does it, not only the submitter's,
    /// because a copy that goes another way must say the same.
    pub(super) fn identify(&mut self, id: &str, host: &Domain) -> String {
        self.headers.get("Message-ID").unwrap_or_else(|| {
            let message_id = format!("<{id}@{host}>");
            self.headers.set("Message-ID", &message_id);
            message_id
        })
    }

    /// Gives it the present as its date, where its author left that out; see [`Self::identify`].
    pub(super) fn date(&mut self, now: Timestamp) {
        if self.headers.get("Date").is_none() {
            self.headers.set("Date", &clock::rfc5322(now));
        }
    }

    /// Takes off the routing headers (Exchange Server, "Header firewall").
    pub(super) fn remove_routing(&mut self) {
        self.headers.remove("Received");
        self.headers.remove_prefix("Resent-");
    }

    /// What the message says of its past and of its sender.
    pub(super) fn claims(&self, topology: &Topology) -> Claims {
        let received = self
            .headers
            .all("Received")
            .filter_map(|value| received_by(&value));
        // The newest field stands first; the trace begins with the oldest.
        let mut received: Vec<_> = received.collect();
        received.reverse();
        let attributions = self.headers.all(ATTRIBUTED).filter_map(|value| {
            let (tenant, count) = value.rsplit_once(':')?;
            Some((
                organization(topology, tenant)?,
                count.parse::<u32>().ok()? + 1,
            ))
        });
        let mut trace = Trace {
            received_by: received,
            attributions: Vec::new(),
            external_forwards: self.forwards(topology),
            rules_loop: self.number(RULES_LOOP).unwrap_or_default(),
            forwarded_for: self.mailboxes(FORWARDING_LOOP),
            redirected_by: self.mailboxes(INBOX_RULES_LOOP),
        };
        for (tenant, count) in attributions {
            match trace.attributions.iter_mut().find(|(id, _)| *id == tenant) {
                Some((_, known)) => *known = count.max(*known),
                None => trace.attributions.push((tenant, count)),
            }
        }
        let value = |name| self.headers.get(name);
        Claims {
            organization: value(AUTH_AS).and_then(|text| text.parse().ok()),
            cross_premises: value(CROSS_AUTH_AS).and_then(|text| text.parse().ok()),
            directionality: value(DIRECTIONALITY).and_then(|text| text.parse().ok()),
            resolved: value(RESOLVED).is_some(),
            properties: self.properties(),
            trace,
        }
    }

    /// What goes with it from server to server.
    fn properties(&self) -> Properties {
        let original = |text: String| {
            let (recipient, original) = text.split_once(' ')?;
            Some((
                Mailbox::parse(recipient).ok()?,
                Mailbox::parse(original).ok()?,
            ))
        };
        let class = self.headers.get(CONTENT_CLASS);
        Properties {
            kind: match class.is_some_and(|class| class.trim().eq_ignore_ascii_case(CALENDAR)) {
                true => MessageKind::Invitation,
                false => MessageKind::Message,
            },
            orcpt: self.headers.all(ORCPT).filter_map(original).collect(),
            original_size: self.number(ORIGINAL_SIZE).map(ByteSize),
            // The first server has all of it.
            envelope: None,
            notify_never: self.headers.get(NOTIFY_NEVER).is_some(),
            require_tls: self.headers.get(REQUIRE_TLS).is_some(),
            passing: None,
        }
    }

    /// How often tenants forwarded it.
    fn forwards(&self, topology: &Topology) -> Vec<(OrganizationId, u32)> {
        let mut forwards: Vec<(OrganizationId, u32)> = Vec::new();
        let tenants = self.headers.all(FORWARDED);
        let tenants = tenants.filter_map(|text| organization(topology, text.trim()));
        for tenant in tenants {
            match forwards.iter_mut().find(|(id, _)| *id == tenant) {
                Some((_, count)) => *count += 1,
                None => forwards.push((tenant, 1)),
            }
        }
        forwards
    }

    fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        let values = self.headers.all(name);
        values
            .filter_map(|text| Mailbox::parse(text.trim()).ok())
            .collect()
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.headers.get(name)?.trim().parse().ok()
    }

    /// What loop detectors count, as the item has it.
    fn stamp_loops(&mut self, topology: &Topology, item: &MailItem) {
        let headers = &mut self.headers;
        headers.remove(ATTRIBUTED);
        for (tenant, count) in &item.trace.attributions {
            let name = &topology.organization(*tenant).name;
            headers.prepend(ATTRIBUTED, &format!("{name}:{}", count.saturating_sub(1)));
        }
        headers.remove(FORWARDED);
        for (tenant, count) in &item.trace.external_forwards {
            for _ in 0..*count {
                headers.prepend(FORWARDED, &topology.organization(*tenant).name);
            }
        }
        set_forwarders(headers, &item.trace);
        if item.trace.rules_loop > 0 {
            headers.set(RULES_LOOP, &item.trace.rules_loop.to_string());
        } else {
            headers.remove(RULES_LOOP);
        }
    }

    /// The header section as this server keeps it: the organization's headers say what was decided,
    /// whoever wrote some before; `received` is prepended, the last one first.
    pub(super) fn stamp(
        &mut self,
        topology: &Topology,
        server: &str,
        item: &MailItem,
        promoted: bool,
        received: &[String],
        id: &str,
    ) {
        let headers = &mut self.headers;
        if promoted {
            headers.remove_prefix(ORGANIZATION_PREFIX);
            if headers.rename_prefix(CROSS_PREMISES_PREFIX, ORGANIZATION_PREFIX) > 0 {
                headers.set(PROMOTED, server);
            }
        } else {
            if item.properties.passing.is_none() && headers.remove_prefix(CROSS_PREMISES_PREFIX) > 0
            {
                headers.set(FILTERED, server);
            }
            if !item.is_from_inside() {
                headers.remove_prefix(ORGANIZATION_PREFIX);
            }
        }
        if !item.is_from_inside() {
            headers.remove_prefix(FOREST_PREFIX);
        }
        headers.set(AUTH_AS, &item.auth_as.to_string());
        if headers.get(AUTH_SOURCE).is_none() {
            headers.set(AUTH_SOURCE, server);
        }
        headers.set(DIRECTIONALITY, &item.directionality.to_string());
        if headers.get(NETWORK_MESSAGE_ID).is_none() {
            headers.set(NETWORK_MESSAGE_ID, id);
        }
        self.stamp_loops(topology, item);
        for field in received {
            self.headers.prepend("Received", field);
        }
    }

    /// The header section as it leaves for a peer: what the header firewall lets out.
    pub(super) fn outgoing(
        &self,
        transfer: &Transfer,
        server: &str,
        by_connector: bool,
    ) -> HeaderSection {
        let mut headers = self.headers.clone();
        // Only a gateway that leaves headers alone keeps such ones when it takes a message.
        let passing = transfer.cross_premises.is_some() && headers.get(CROSS_AUTH_AS).is_some();
        if !passing {
            headers.remove_prefix(CROSS_PREMISES_PREFIX);
        }
        // The front end by which the session leaves is named as it will be.
        let named = headers
            .all("Received")
            .filter_map(|field| received_by(&field));
        for by in transfer.trace.received_by.iter().skip(named.count()) {
            let now = clock::rfc5322(clock::now());
            headers.prepend(
                "Received",
                &format!("from {server} by {by} with SMTP; {now}"),
            );
        }
        // Who sent it on here, and what rules did, counts for everybody who takes it.
        set_forwarders(&mut headers, &transfer.trace);
        if transfer.trace.rules_loop > 0 {
            headers.set(RULES_LOOP, &transfer.trace.rules_loop.to_string());
        }
        if !passing {
            vouch(&mut headers, transfer);
        }
        if transfer.organization.is_some() {
            if transfer.resolved {
                headers.set(RESOLVED, "1");
            } else {
                headers.remove(RESOLVED);
            }
            set_properties(&mut headers, &transfer.properties);
            return headers;
        }
        headers.remove(RESOLVED);
        headers.remove_prefix(FOREST_PREFIX);
        if passing {
            headers.remove_prefix(ORGANIZATION_PREFIX);
        } else if transfer.cross_premises.is_some() {
            headers.rename_prefix(ORGANIZATION_PREFIX, CROSS_PREMISES_PREFIX);
            headers.set(PRESERVED, server);
        } else if headers.remove_prefix(ORGANIZATION_PREFIX) > 0 && by_connector {
            headers.set(FILTERED_BY_CONNECTOR, server);
        }
        headers
    }
}

/// Says who vouches for the sender of a copy: what a user's rule sends on is a message of the user's, whoever
/// wrote the first.
pub(super) fn vouch(headers: &mut HeaderSection, transfer: &Transfer) {
    let vouched = transfer.organization.or(transfer.cross_premises);
    if let Some(auth_as) = vouched.filter(|_| headers.get(AUTH_AS).is_some()) {
        headers.set(AUTH_AS, &auth_as.to_string());
    }
}

/// Gives what a user's rule sends as a message of its own an identification of its own (RFC 5322 §3.6.4).
pub(super) fn name_anew(headers: &mut HeaderSection, copy: &Copy) {
    let author = copy.transfer.reverse_path.mailbox();
    let first = headers.get("Message-ID");
    if let (Some(author), Some(first)) = (author.filter(|_| copy.sent_anew), first) {
        let author = author.to_string().replace('@', ".");
        let first = first.trim().trim_start_matches('<').to_owned();
        headers.set("Message-ID", &format!("<forwarded.{author}.{first}"));
    }
}

/// Who sent the message on so far: mailboxes that forward it, and those whose Inbox rules did.
fn set_forwarders(headers: &mut HeaderSection, trace: &Trace) {
    for (name, mailboxes) in [
        (FORWARDING_LOOP, &trace.forwarded_for),
        (INBOX_RULES_LOOP, &trace.redirected_by),
    ] {
        headers.remove(name);
        for mailbox in mailboxes.iter().rev() {
            headers.prepend(name, &mailbox.to_string());
        }
    }
}

/// The headers of what goes with a message between servers of one organization.
fn set_properties(headers: &mut HeaderSection, properties: &Properties) {
    headers.remove(ORCPT);
    for (recipient, original) in &properties.orcpt {
        headers.prepend(ORCPT, &format!("{recipient} {original}"));
    }
    match properties.original_size {
        Some(size) => headers.set(ORIGINAL_SIZE, &size.0.to_string()),
        None => headers.remove(ORIGINAL_SIZE),
    }
    match properties.notify_never {
        true => headers.set(NOTIFY_NEVER, "1"),
        false => headers.remove(NOTIFY_NEVER),
    }
    match properties.require_tls {
        true => headers.set(REQUIRE_TLS, "1"),
        false => headers.remove(REQUIRE_TLS),
    }
}

/// What a message says of itself; whom to believe is decided elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    pub(super) organization: Option<AuthAs>,
    pub(super) cross_premises: Option<AuthAs>,
    pub(super) directionality: Option<Directionality>,
    pub(super) resolved: bool,
    pub(super) properties: Properties,
    pub(super) trace: Trace,
}

fn organization(topology: &Topology, name: &str) -> Option<OrganizationId> {
    topology
        .organizations()
        .find(|(_, each)| each.name == name)
        .map(|(id, _)| id)
}
