//! SMTP Receive: drives one server session. `route` decides about senders, recipients and messages.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::categorizer;
use super::message::Message;
use super::record::Record;
use super::replies::Replies;
use super::send::{self, Outgoing, ProxyDelivery};
use super::shared::Shared;
use super::tracking::{Flagged, Noted};
use crate::clock;
use crate::mail::{AuthAs, ByteSize, Directionality, Mailbox, NamePattern, ReversePath, Status};
use crate::model::{PermissionGroup, ReceiveConnector, ReceiveConnectorId, RecipientKind, replies};
use crate::net::Connected;
use crate::route::{
    self, Admission, Arrival, ClientCertificate, Connection, Event, MailItem, NextHop, Peer,
    Reason, Step, Subject, Trace, Transfer,
};
use crate::smtp::{Mail, ServerConfig, ServerEvent, ServerSession};
use crate::spool::{Error as SpoolError, NewMessage};

/// The submission port: who comes here must log on.
const SUBMISSION_PORT: u16 = 587;

/// Choice: nothing is taken that is larger than the largest message Exchange Online can be set to
/// send, because a message is in memory while it is received.
const SIZE_MAX: u64 = 150 << 20;

/// How much is read at once while a message is on its way.
const READ_IN_TRANSACTION: usize = 32 * 1024;

/// The same for a client that has not begun a message: most sessions that are open are idle, and
/// each of them holds its buffer.
const READ_BETWEEN_TRANSACTIONS: usize = 1024;

/// The server's own address that a client of the world connects to.
fn own_address(shared: &Shared, client: IpAddr) -> Option<IpAddr> {
    let own = &shared.this().addresses;
    let same = own.iter().find(|own| own.is_ipv4() == client.is_ipv4());
    same.copied()
}

/// Serves one client from greeting to end.
pub(super) async fn serve(
    shared: Arc<Shared>,
    stream: Box<dyn Connected>,
    client: SocketAddr,
    port: u16,
) {
    let remote = shared.addresses.world(client.ip());
    let plain = Connection {
        remote_address: Some(remote),
        local_address: own_address(&shared, remote),
        port,
        peer: Peer::Anonymous,
        tls: false,
        certificate: None,
    };
    let (endpoint, _) = route::endpoint(&shared.topology, shared.server, &plain);
    let Some(endpoint) = endpoint else {
        let mut stream = stream;
        let _ = stream
            .write_all(format!("{}\r\n", replies::NOT_ACTIVE).as_bytes())
            .await;
        return;
    };
    let connector = shared.topology.receive_connector(endpoint);
    let known = shared.topology.server_at(remote).is_some_and(|from| {
        route::recognises(&shared.topology, from, shared.server, Some(remote), port)
    });
    let peer = if known {
        Peer::ExchangeServer
    } else {
        Peer::Anonymous
    };
    let config = Arc::new(config(&shared, connector, port, peer));
    let label = connector.name.clone();
    shared
        .metrics
        .count("smtp_sessions_total", &[shared.name(), "in", &label]);
    shared
        .metrics
        .add("smtp_sessions", &[shared.name(), "in", &label], 1);
    let session = ServerSession::new(config, client.ip(), &clock::rfc5322(clock::now()));
    let connection = Connection { peer, ..plain };
    let mut receive = Receive {
        shared: shared.clone(),
        stream,
        session,
        began: Instant::now(),
        connection,
        endpoint,
        client: remote,
        hello: String::new(),
        user: None,
        transaction: None,
        replies: Replies::new(&shared, "in", &label),
    };
    receive.run().await;
    shared
        .metrics
        .add("smtp_sessions", &[shared.name(), "in", &label], -1);
}

fn config(shared: &Shared, connector: &ReceiveConnector, port: u16, peer: Peer) -> ServerConfig {
    let hostname = connector
        .fqdn
        .clone()
        .unwrap_or_else(|| shared.this().fqdn.clone());
    let mut config = ServerConfig::new(hostname);
    // Servers of the organization pass over the limit of the connector, and a submission is as the
    // mailbox transport would take it (`route::admit`).
    let unlimited =
        peer == Peer::ExchangeServer || connector.externally_secured || port == SUBMISSION_PORT;
    config.size_max = Some(if unlimited {
        SIZE_MAX
    } else {
        connector.max_message_size.0
    });
    config.postmaster_domain = super::bounce::postmaster(shared).domain;
    config.starttls = connector.offers_tls;
    config.require_tls = connector.require_tls;
    config.auth = port == SUBMISSION_PORT
        && connector
            .permission_groups
            .contains(&PermissionGroup::ExchangeUsers);
    config
}

/// A session with what it knows.
struct Receive {
    shared: Arc<Shared>,
    stream: Box<dyn Connected>,
    session: ServerSession,
    began: Instant,
    connection: Connection,
    endpoint: ReceiveConnectorId,
    client: IpAddr,
    hello: String,
    /// The address that logged on.
    user: Option<Mailbox>,
    transaction: Option<Transaction>,
    replies: Replies,
}

/// An open mail transaction.
struct Transaction {
    reverse_path: ReversePath,
    recipients: Vec<(Mailbox, Admission)>,
    data: Vec<u8>,
}

impl Receive {
    async fn run(&mut self) {
        let mut buffer = Vec::new();
        loop {
            while let Some(event) = self.session.poll_event() {
                if self.write().await.is_err() {
                    return;
                }
                if !self.handle(event).await {
                    let _ = self.write().await;
                    let _ = self.stream.shutdown().await;
                    return;
                }
            }
            if self.write().await.is_err() {
                return;
            }
            if !self.session.wants_input() {
                continue;
            }
            let wanted = if self.transaction.is_some() {
                READ_IN_TRANSACTION
            } else {
                READ_BETWEEN_TRANSACTIONS
            };
            if buffer.len() != wanted {
                buffer = vec![0; wanted];
            }
            let deadline = self.session.next_deadline().map(|at| self.began + at);
            let read = self.stream.read(&mut buffer);
            let read = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, read).await,
                None => Ok(read.await),
            };
            let now = self.began.elapsed();
            match read {
                Ok(Ok(0) | Err(_)) => self.session.handle_eof(),
                Ok(Ok(count)) => self.session.handle_input(&buffer[..count], now),
                Err(_) => self.session.handle_timeout(now),
            }
        }
    }

    async fn write(&mut self) -> std::io::Result<()> {
        let mut wrote = false;
        while let Some(output) = self.session.poll_output() {
            self.replies.read(&output);
            self.stream.write_all(&output).await?;
            wrote = true;
        }
        if wrote {
            self.stream.flush().await
        } else {
            Ok(())
        }
    }

    fn accept(&mut self) {
        self.session.accept(self.began.elapsed());
    }

    fn reply(&mut self, status: &Status) {
        if status.enhanced.class != 2 {
            self.shared.count_refusal(self.endpoint, status);
        }
        self.session.reply(status, self.began.elapsed());
    }

    /// Acts on an event; says whether the session goes on.
    async fn handle(&mut self, event: ServerEvent) -> bool {
        match event {
            ServerEvent::Hello { name, .. } => {
                name.as_str().clone_into(&mut self.hello);
                self.transaction = None;
            }
            ServerEvent::Mail(mail) => self.mail(mail),
            ServerEvent::Recipient { mailbox, .. } => self.recipient(mailbox),
            ServerEvent::DataStart => self.accept(),
            ServerEvent::Data(chunk) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.data.extend_from_slice(&chunk);
                }
            }
            ServerEvent::EndOfData { .. } => self.end_of_data().await,
            ServerEvent::MessageRefused(_) | ServerEvent::Reset => self.transaction = None,
            ServerEvent::StartTls => return self.start_tls().await,
            ServerEvent::Auth(credentials) => {
                let user = credentials.username.to_lowercase();
                let right = self
                    .shared
                    .users
                    .get(&user)
                    .is_some_and(|password| password == credentials.password.reveal());
                match Mailbox::parse(&user).ok().filter(|_| right) {
                    Some(user) => {
                        self.user = Some(user);
                        self.connection.peer = Peer::User;
                        self.accept();
                    }
                    None => self.reply(&Status::new(535, (5, 7, 3), "Authentication unsuccessful")),
                }
            }
            ServerEvent::Closed(_) => return false,
        }
        true
    }

    fn mail(&mut self, mail: Mail) {
        // The submission port is for those who logged on.
        let anonymous =
            self.connection.port == SUBMISSION_PORT && self.connection.peer != Peer::User;
        let permitted =
            route::may_begin(&self.shared.topology, self.shared.server, &self.connection);
        if let Err(status) = permitted.and(if anonymous {
            Err(replies::NOT_AUTHENTICATED.clone())
        } else {
            Ok(())
        }) {
            return self.reply(&status);
        }
        if let Some(user) = &self.user
            && !self.owns(user, &mail.reverse_path)
        {
            let status = Status::new(
                550,
                (5, 7, 60),
                "SMTP; Client does not have permissions to send as this sender",
            );
            return self.reply(&status);
        }
        self.transaction = Some(Transaction {
            reverse_path: mail.reverse_path,
            recipients: Vec::new(),
            data: Vec::new(),
        });
        self.accept();
    }

    /// Whether a user may send as an address.
    fn owns(&self, user: &Mailbox, reverse_path: &ReversePath) -> bool {
        let organization = self.shared.this().organization;
        route::may_send_as(&self.shared.topology, organization, user, reverse_path)
    }

    fn recipient(&mut self, recipient: Mailbox) {
        let Some(transaction) = &mut self.transaction else {
            return self.reply(&Status::new(503, (5, 5, 2), "Need mail command"));
        };
        let shared = &self.shared;
        let verdict = route::accept(
            &shared.topology,
            shared.server,
            &self.connection,
            &transaction.reverse_path,
            &recipient,
        );
        let first = transaction
            .recipients
            .first()
            .map(|(_, admission)| admission.organization);
        match verdict.decision {
            // One message is one organization's: the rest comes in a transaction of its own.
            Ok(admission) if first.is_some_and(|first| first != admission.organization) => {
                self.reply(&Status::new(452, (4, 5, 3), "Too many recipients"));
            }
            Ok(admission) => {
                // Naming somebody twice is one delivery.
                if transaction
                    .recipients
                    .iter()
                    .all(|(known, _)| *known != recipient)
                {
                    transaction.recipients.push((recipient, admission));
                }
                self.accept();
            }
            Err(status) => {
                shared.track("", &[verdict.step]);
                self.reply(&status);
            }
        }
    }

    async fn start_tls(&mut self) -> bool {
        let shared = self.shared.clone();
        let connector = shared.topology.receive_connector(self.endpoint);
        let identity = shared.identity(route::served(&shared.topology, connector));
        let Ok(acceptor) = shared.tls.acceptor(identity) else {
            return false;
        };
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let result = shared
            .tls
            .accept(&acceptor, plain, shared.judged_at())
            .await;
        shared.count_handshake("in", &result);
        let Ok(secured) = result else {
            return false;
        };
        self.stream = secured.stream;
        self.connection.tls = true;
        self.connection.certificate = secured.peer.map(|peer| {
            let certificate = send::as_certificate(&peer);
            let valid = certificate.is_valid_at(shared.judged_at());
            let names: Vec<NamePattern> = certificate.names;
            ClientCertificate {
                names,
                trusted: certificate.trusted && valid,
            }
        });
        self.session.tls_started(self.began.elapsed());
        true
    }

    /// The message is complete: taken, refused, or handed to the hub.
    async fn end_of_data(&mut self) {
        let Some(transaction) = self.transaction.take() else {
            return self.reply(&Status::new(503, (5, 5, 2), "Need rcpt command"));
        };
        let status = match self.take(transaction).await {
            Ok(status) | Err(status) => status,
        };
        self.reply(&status);
    }

    async fn take(&mut self, transaction: Transaction) -> Result<Status, Status> {
        let Transaction {
            reverse_path,
            recipients,
            data,
        } = transaction;
        let shared = self.shared.clone();
        let mut message = Message::split(&Bytes::from(data));
        let claims = message.claims(&shared.topology);
        let size = ByteSize((message.headers.len() + 2 + message.body.len()) as u64);
        let admission = recipients[0].1.clone();
        let transfer = Transfer {
            reverse_path,
            recipients: recipients
                .into_iter()
                .map(|(recipient, _)| recipient)
                .collect(),
            size,
            organization: claims.organization,
            cross_premises: claims.cross_premises,
            directionality: claims
                .directionality
                .filter(|_| self.connection.peer == Peer::ExchangeServer),
            resolved: claims.resolved,
            properties: claims.properties,
            trace: claims.trace,
        };
        let id = shared.unique();
        message.date(clock::now());
        let message_id = message.identify(&id, &shared.this().fqdn);
        let known = transfer.trace.received_by.len();
        let (item, added) = if self.connection.peer == Peer::User {
            (self.submitted(transfer, &message_id), 1)
        } else {
            let item = self.admit(&admission, &transfer, &message_id)?;
            let added = item.trace.received_by.len() - known;
            (item, added)
        };
        self.flag_trust(&message_id, &item);
        let received = self.received(&item, added, &id);
        message.stamp(
            &shared.topology,
            &shared.this().name,
            &item,
            admission.promote,
            &received,
            &id,
        );
        let categorized = route::categorize(&shared.topology, shared.server, &item);
        if let Some(status) = categorized.refusal(item.arrival) {
            for failure in &categorized.failures {
                shared.track(&message_id, &failure.steps);
            }
            shared
                .metrics
                .count("group_messages_total", &[shared.name(), "refused"]);
            return Err(status.clone());
        }
        if shared.this().is_front_end() {
            return self.hand_on(&categorized, &item, &message).await;
        }
        self.keep(item, message, categorized, &message_id).await
    }

    /// A message from somebody else, as `route` takes or refuses it.
    fn admit(
        &self,
        admission: &Admission,
        transfer: &Transfer,
        message_id: &str,
    ) -> Result<MailItem, Status> {
        let shared = &self.shared;
        match route::admit(
            &shared.topology,
            shared.server,
            &self.connection,
            admission,
            transfer,
        ) {
            Ok((item, step)) => {
                shared.track(message_id, &[step]);
                Ok(item)
            }
            Err(refusal) => {
                self.flag_loop(message_id, &transfer.recipients[0], &refusal.step.because);
                shared.track(message_id, &[refusal.step]);
                Err(refusal.status)
            }
        }
    }

    /// A user's own server takes the message as the mailbox transport does: whatever its size, with
    /// one Received field.
    fn submitted(&self, transfer: Transfer, message_id: &str) -> MailItem {
        let shared = &self.shared;
        let step =
            Step::new(Event::Submit, &transfer.recipients[0]).because(Reason::AuthenticatedUser);
        shared.track(message_id, &[step]);
        MailItem {
            reverse_path: transfer.reverse_path,
            recipients: transfer.recipients,
            size: transfer.size,
            auth_as: AuthAs::Internal,
            directionality: Directionality::Originating,
            arrival: Arrival::Submission,
            organization: shared.this().organization,
            resolved: false,
            properties: transfer.properties,
            trace: Trace {
                received_by: vec![shared.this().fqdn.clone()],
                ..Trace::default()
            },
        }
    }

    /// A front end: the hub's answer is the client's.
    async fn hand_on(
        &self,
        categorized: &route::Categorized,
        item: &MailItem,
        message: &Message,
    ) -> Result<Status, Status> {
        let failed = Status::new(
            451,
            (4, 3, 2),
            "Temporary server error. Please try again later",
        );
        let Some(copy) = categorized
            .copies
            .first()
            .filter(|copy| matches!(copy.next_hop, NextHop::Servers { .. }))
        else {
            return Err(failed);
        };
        let transfer = copy.transfer_to(Peer::ExchangeServer);
        let headers = message
            .outgoing(&transfer, &self.shared.this().name, false)
            .to_bytes();
        let delivery = ProxyDelivery {
            copy: copy.clone(),
            recipients: item.recipients.clone(),
            message: Outgoing {
                reverse_path: transfer.reverse_path,
                headers,
                body: message.body.clone(),
            },
        };
        Ok(send::proxy(&self.shared, &delivery).await)
    }

    /// Keeps the message; 250 only when it is durable.
    async fn keep(
        &self,
        item: MailItem,
        message: Message,
        categorized: route::Categorized,
        message_id: &str,
    ) -> Result<Status, Status> {
        let shared = &self.shared;
        let event = match item.arrival {
            Arrival::Submission => Event::Submit,
            Arrival::External | Arrival::Internal => Event::Receive,
        };
        let via = Subject::ReceiveConnector(self.endpoint);
        let record = Record::new(&shared.topology, &item, clock::now());
        let new = NewMessage {
            envelope: record.to_bytes(),
            body: vec![message.headers.to_bytes(), message.body.clone()],
        };
        let id = shared.store.accept(new).await.map_err(|error| {
            tracing::error!(server = shared.name(), %error, "a message cannot be kept");
            match error {
                SpoolError::TooLarge(_) => replies::TOO_LARGE.clone(),
                _ => Status::new(452, (4, 3, 1), "Insufficient system resources"),
            }
        })?;
        let noted = Noted::of(event, &item.recipients[0]).via(&via);
        shared.note(message_id, &noted);
        let connector = shared.topology.receive_connector(self.endpoint);
        shared
            .metrics
            .count("messages_received_total", &[shared.name(), &connector.name]);
        categorizer::dispatch(shared, id, &item, Arc::new(message), record, categorized);
        let hostname = &shared.this().fqdn;
        Ok(replies::QUEUED.with_text(format!(
            "{message_id} [InternalId={id}, Hostname={hostname}] Queued mail for delivery"
        )))
    }

    /// The Received fields that this server adds, oldest first (RFC 5321 §4.4).
    fn received(&self, item: &MailItem, added: usize, id: &str) -> Vec<String> {
        let shared = &self.shared;
        let date = clock::rfc5322(clock::now());
        let own = shared.this().addresses.first().copied();
        let own = own.map_or_else(String::new, |address| format!(" ({address})"));
        let names = &item.trace.received_by[item.trace.received_by.len() - added..];
        let count = names.len();
        let field = |(index, name): (usize, &crate::mail::Domain)| {
            let from = if index == 0 {
                format!("{} ({})", self.hello, self.client)
            } else {
                format!("{name}{own}")
            };
            let tls = if index == 0 && self.connection.tls {
                " (TLS)"
            } else {
                ""
            };
            let via = if index + 1 < count {
                " via Frontend Transport"
            } else {
                ""
            };
            let with = if item.arrival == Arrival::Submission {
                "mapi"
            } else {
                "Microsoft SMTP Server"
            };
            format!("from {from}\r\n by {name}{own} with {with}{tls} id {id}{via};\r\n {date}")
        };
        names.iter().enumerate().map(field).collect()
    }

    fn flag_loop(&self, message_id: &str, recipient: &Mailbox, because: &[Reason]) {
        let kind = because.iter().find_map(|reason| match reason {
            Reason::HopCount { local: true, .. } => Some("local_hop_count"),
            Reason::HopCount { .. } => Some("hop_count"),
            Reason::TooManyAttributions { .. } => Some("attribution"),
            _ => None,
        });
        if let Some(kind) = kind {
            self.shared.flag(message_id, recipient, Flagged::Loop(kind));
        }
    }

    /// A message of one of our own users, from a server of ours or of a partner, that nobody vouches
    /// for.
    fn flag_trust(&self, message_id: &str, item: &MailItem) {
        let topology = &self.shared.topology;
        let Some(sender) = item
            .reverse_path
            .mailbox()
            .filter(|_| item.auth_as != AuthAs::Internal)
        else {
            return;
        };
        let Some(from) = topology.server_at(self.client) else {
            return;
        };
        let from = topology.server(from).organization;
        let family = |id| {
            id == item.organization
                || topology
                    .organization(item.organization)
                    .partners
                    .contains(&id)
        };
        let user = topology
            .organizations()
            .filter(|(id, _)| family(*id))
            .any(|(id, _)| {
                topology
                    .recipients_at(id, sender)
                    .iter()
                    .any(|id| matches!(topology.recipient(*id).kind, RecipientKind::Mailbox { .. }))
            });
        if user && family(from) {
            self.shared.flag(
                message_id,
                &item.recipients[0],
                Flagged::WrongTrust("anonymous_expected_internal"),
            );
        }
    }
}

impl Shared {
    fn count_refusal(&self, endpoint: ReceiveConnectorId, status: &Status) {
        let connector = &self.topology.receive_connector(endpoint).name;
        let enhanced = crate::metrics::enhanced_label(&status.enhanced.to_string());
        self.metrics.count(
            "messages_rejected_total",
            &[self.name(), connector, enhanced],
        );
    }
}
