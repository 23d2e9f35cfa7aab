//! SMTP Receive: drives one server session. `route` decides about senders, recipients and messages.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use super::categorizer;
use super::ending;
use super::health::Part;
use super::message::Message;
use super::record::Record;
use super::replies::Replies;
use super::send::{self, ProxyDelivery};
use super::shared::{Recognition, Shared};
use super::tracking::{Flagged, Noted, Taken};
use crate::clock;
use crate::mail::{AuthAs, ByteSize, Directionality, Domain, Mailbox, ReversePath, Status};
use crate::model::{
    PermissionGroup, ReceiveConnector, ReceiveConnectorId, RecipientKind, ServerId, replies,
};
use crate::net::Connected;
use crate::route::{
    self, Admission, Arrival, ClientCertificate, Connection, Event, MailItem, NextHop, Peer,
    Reason, Step, Subject, Trace, Transfer,
};
use crate::smtp::{Credentials, Mail, ServerConfig, ServerEvent, ServerSession};
use crate::spool::{Error as SpoolError, NewMessage};

/// The submission port: who comes here must log on.
const SUBMISSION_PORT: u16 = 587;

/// Choice: nothing is taken that is larger than the largest message Exchange Online can be set to
/// send, because a message is in memory while it is received.
const SIZE_MAX: u64 = 150 << 20;

/// Exchange Server, "Message rate limits and throttling".
static TOO_MANY_SESSIONS: Status = Status::new(
    421,
    (4, 3, 2),
    "The maximum number of concurrent connections has exceeded a limit, closing transmission channel",
);

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
/// So many refusals of one session have a line in the log.
const REFUSALS_LOGGED: u32 = 10;

/// So much of a name that somebody tried to log on with is shown.
const USER_SHOWN: usize = 100;

/// Serves one client from greeting to end.
pub(super) async fn serve(
    shared: Arc<Shared>,
    stream: Box<dyn Connected>,
    client: SocketAddr,
    local: Option<IpAddr>,
    port: u16,
) {
    let plain = connection(&shared, client.ip(), local, port);
    let remote = shared.addresses.world(client.ip());
    let (endpoint, _) = route::endpoint(&shared.topology, shared.server, &plain);
    let Some(endpoint) = endpoint else {
        return turn_away(stream, &replies::NOT_ACTIVE).await;
    };
    let connector = shared.topology.receive_connector(endpoint);
    let place = shared.sessions.enter(endpoint, &connector.sessions, remote);
    let Some(_place) = place else {
        shared.count_refusal(endpoint, &TOO_MANY_SESSIONS.enhanced.to_string());
        return turn_away(stream, &TOO_MANY_SESSIONS).await;
    };
    let labels = [shared.name(), "in", &connector.name];
    shared.metrics.count("smtp_sessions_total", &labels);
    shared.metrics.add("smtp_sessions", &labels, 1);
    let (neighbour, peer) = seeming(&shared, &plain);
    let connection = Connection { peer, ..plain };
    Receive::new(
        &shared,
        stream,
        client.ip(),
        endpoint,
        connection,
        neighbour,
    )
    .run()
    .await;
    shared.metrics.add("smtp_sessions", &labels, -1);
}

/// The session before anybody says anything.
fn connection(shared: &Shared, client: IpAddr, local: Option<IpAddr>, port: u16) -> Connection {
    let remote = shared.addresses.world(client);
    // An address that the world does not know, as behind a translating router, says nothing.
    let local = local
        .map(|address| shared.addresses.world(address))
        .filter(|address| shared.this().addresses.contains(address));
    Connection {
        remote_address: Some(remote),
        local_address: local.or_else(|| own_address(shared, remote)),
        port,
        peer: Peer::Anonymous,
        tls: false,
        certificate: None,
    }
}

/// The whole of a session that is not begun.
async fn turn_away(mut stream: Box<dyn Connected>, status: &Status) {
    let _ = stream.write_all(format!("{status}\r\n").as_bytes()).await;
}

/// The server of the organization that a client is by its address, and whether that makes it one.
fn seeming(shared: &Shared, plain: &Connection) -> (Option<ServerId>, Peer) {
    let at = |address| shared.topology.server_at(address);
    let neighbour = plain
        .remote_address
        .and_then(at)
        .filter(|from| route::recognises(&shared.topology, *from, shared.server, plain));
    let peer = match shared.recognition {
        Recognition::ByAddress if neighbour.is_some() => Peer::ExchangeServer,
        Recognition::ByAddress | Recognition::ByCertificate => Peer::Anonymous,
    };
    (neighbour, peer)
}

fn config(shared: &Shared, connector: &ReceiveConnector, connection: &Connection) -> ServerConfig {
    let port = connection.port;
    let hostname = connector
        .fqdn
        .clone()
        .unwrap_or_else(|| shared.this().fqdn.clone());
    let mut config = ServerConfig::new(hostname);
    // Servers of the organization pass over the limit of the connector, and a submission is as the
    // mailbox transport would take it (`route::admit`).
    let unlimited =
        !route::is_size_limited(&shared.topology, connector, connection) || port == SUBMISSION_PORT;
    config.size_max = Some(if unlimited {
        SIZE_MAX
    } else {
        connector.max_message_size.0
    });
    config.recipients_max = usize::try_from(connector.max_recipients).unwrap_or(usize::MAX);
    config.postmaster_domain = route::default_domain(&shared.topology, shared.server).clone();
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
    /// The server of the organization that it is, or seems to be by its address.
    neighbour: Option<ServerId>,
    hello: String,
    /// The address that logged on.
    user: Option<Mailbox>,
    transaction: Option<Transaction>,
    /// When it ends whatever the client does, because the relay ends.
    leaves: Option<Instant>,
    /// How often it was refused something.
    refusals: u32,
    replies: Replies,
    /// How long a stranger waits for a refusal.
    tarpit: Duration,
    /// Whether one is waiting.
    held: bool,
}

/// An open mail transaction.
struct Transaction {
    reverse_path: ReversePath,
    recipients: Vec<(Mailbox, Admission)>,
    data: Vec<u8>,
}

impl Receive {
    fn new(
        shared: &Arc<Shared>,
        stream: Box<dyn Connected>,
        client: IpAddr,
        endpoint: ReceiveConnectorId,
        connection: Connection,
        neighbour: Option<ServerId>,
    ) -> Self {
        let connector = shared.topology.receive_connector(endpoint);
        let config = Arc::new(config(shared, connector, &connection));
        Self {
            shared: shared.clone(),
            stream,
            session: ServerSession::new(config, client, &clock::rfc5322(clock::now())),
            began: Instant::now(),
            connection,
            endpoint,
            client: shared.addresses.world(client),
            neighbour,
            hello: String::new(),
            user: None,
            transaction: None,
            leaves: None,
            refusals: 0,
            replies: Replies::new(shared, "in", &connector.name),
            tarpit: match connector.externally_secured {
                true => Duration::ZERO,
                false => shared.pace.real(connector.tarpit),
            },
            held: false,
        }
    }

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
            if self.ends() {
                continue;
            }
            let Some(read) = self.read(&mut buffer).await else {
                continue;
            };
            let now = self.began.elapsed();
            match read {
                Ok(Ok(0) | Err(_)) => self.session.handle_eof(),
                Ok(Ok(count)) => self.session.handle_input(&buffer[..count], now),
                Err(_) if self.is_overdue() => return self.leave().await,
                Err(_) => self.session.handle_timeout(now),
            }
        }
    }

    /// Begins the session's end, once, when the relay's has come.
    fn ends(&mut self) -> bool {
        let begins = self.leaves.is_none() && self.shared.ending.is_wanted();
        if begins {
            self.leaves = Some(Instant::now() + ending::GRACE);
            self.session.shut_down(&replies::NOT_ACTIVE);
        }
        begins
    }

    /// What the client sends, or that it takes too long; nothing when the relay's end comes first.
    async fn read(&mut self, buffer: &mut [u8]) -> Option<Result<std::io::Result<usize>, Elapsed>> {
        let deadline = self.session.next_deadline().map(|at| self.began + at);
        let deadline = [deadline, self.leaves].into_iter().flatten().min();
        let stream = &mut self.stream;
        let read = async {
            let read = stream.read(buffer);
            match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, read).await,
                None => Ok(read.await),
            }
        };
        tokio::select! {
            biased;
            read = read => Some(read),
            () = self.shared.ending.wanted(), if self.leaves.is_none() => None,
        }
    }

    /// Whether the client had its time to finish the message it is sending.
    fn is_overdue(&self) -> bool {
        self.leaves.is_some_and(|at| at <= Instant::now())
    }

    /// In the middle of a message, which is not taken.
    async fn leave(&mut self) {
        let line = format!("{}\r\n", replies::NOT_ACTIVE);
        let _ = self.stream.write_all(line.as_bytes()).await;
        let _ = self.stream.shutdown().await;
    }

    async fn write(&mut self) -> std::io::Result<()> {
        while let Some((asked, reply)) = self.session.poll_refusal() {
            let enhanced = reply.split(' ').nth(1).unwrap_or_default();
            self.note_refusal(asked, &"", enhanced, reply);
        }
        let mut wrote = false;
        if std::mem::take(&mut self.held) {
            tokio::time::sleep(self.tarpit).await;
        }
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
        // Exchange PowerShell, "Set-ReceiveConnector", TarpitInterval: strangers who guess addresses
        // are slowed down.
        self.held = status.is_permanent() && self.connection.peer == Peer::Anonymous;
        self.session.reply(status, self.began.elapsed());
    }

    /// Says no to what was asked, and notes that.
    fn refuse(&mut self, asked: &'static str, about: &dyn Display, status: &Status) {
        self.note_refusal(
            asked,
            about,
            &status.enhanced.to_string(),
            &status.to_string(),
        );
        self.reply(status);
    }

    /// Counts a refusal, and says in one line who was refused what.
    ///
    /// Choice: a session has so many lines, because a client that tries addresses would fill the log.
    fn note_refusal(&mut self, asked: &str, about: &dyn Display, enhanced: &str, reply: &str) {
        let shared = &self.shared;
        shared.count_refusal(self.endpoint, enhanced);
        self.refusals += 1;
        if self.refusals > REFUSALS_LOGGED {
            return;
        }
        let further = (self.refusals == REFUSALS_LOGGED).then_some("not shown for this session");
        tracing::info!(
            server = shared.name(),
            refused = asked,
            about = %about,
            client_ip = %self.client,
            hello = self.hello,
            reply,
            further,
        );
    }

    /// Whether a user may log on. Who may not is named in the log; what was given as password never.
    fn log_on(&mut self, credentials: &Credentials) {
        let user = credentials.username.to_lowercase();
        let right = self
            .shared
            .users
            .get(&user)
            .is_some_and(|password| password == credentials.password.reveal());
        if let Some(user) = Mailbox::parse(&user).ok().filter(|_| right) {
            self.user = Some(user);
            self.connection.peer = Peer::User;
            return self.accept();
        }
        let status = Status::new(535, (5, 7, 3), "Authentication unsuccessful");
        self.shared
            .count_refusal(self.endpoint, &status.enhanced.to_string());
        // The client wrote it: it may hold anything, and is long where somebody means harm.
        let user: String = user.chars().take(USER_SHOWN).collect();
        let server = self.shared.name();
        tracing::warn!(server, client_ip = %self.client, ?user, "a logon failed");
        self.reply(&status);
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
            ServerEvent::Auth(credentials) => self.log_on(&credentials),
            ServerEvent::Closed(_) => return false,
        }
        true
    }

    fn mail(&mut self, mail: Mail) {
        if let Some(neighbour) = self.neighbour
            && self.connection.peer == Peer::Anonymous
        {
            self.shared.note_unproven(neighbour, self.client);
        }
        // The submission port is for those who logged on.
        let anonymous =
            self.connection.port == SUBMISSION_PORT && self.connection.peer != Peer::User;
        let permitted = route::may_begin(
            &self.shared.topology,
            self.shared.server,
            &self.connection,
            &mail.reverse_path,
        );
        if let Err(status) = permitted.and(if anonymous {
            Err(self.shared.this().profile.not_authenticated.clone())
        } else {
            Ok(())
        }) {
            return self.refuse("MAIL", &mail.reverse_path, &status);
        }
        if let Some(user) = &self.user {
            let (topology, server) = (&self.shared.topology, self.shared.server);
            if let Err(status) = route::may_send_as(topology, server, user, &mail.reverse_path) {
                return self.refuse("MAIL", &mail.reverse_path, &status);
            }
        }
        self.transaction = Some(Transaction {
            reverse_path: mail.reverse_path,
            recipients: Vec::new(),
            data: Vec::new(),
        });
        self.accept();
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
                let status = Status::new(452, (4, 5, 3), "Too many recipients");
                self.refuse("RCPT", &recipient, &status);
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
                self.refuse("RCPT", &recipient, &status);
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
            ClientCertificate {
                vouched: route::vouched(&certificate, shared.judged_at()),
                names: certificate.names,
            }
        });
        self.recognise();
        self.session.tls_started(self.began.elapsed());
        true
    }

    /// Under TLS a client can prove to be a server of the organization; that decides all that the
    /// session may do.
    fn recognise(&mut self) {
        let shared = &self.shared;
        let certificate = self.connection.certificate.as_ref();
        let proven = certificate
            .filter(|_| shared.recognition == Recognition::ByCertificate)
            .and_then(|shown| route::certified(&shared.topology, shown, shared.server))
            .filter(|from| {
                route::recognises(&shared.topology, *from, shared.server, &self.connection)
            });
        if let Some(from) = proven {
            self.neighbour = Some(from);
            self.connection.peer = Peer::ExchangeServer;
            let connector = shared.topology.receive_connector(self.endpoint);
            let config = config(shared, connector, &self.connection);
            self.session.reconfigure(Arc::new(config));
        }
    }

    /// The message is complete: taken, refused, or handed to the hub.
    async fn end_of_data(&mut self) {
        let Some(transaction) = self.transaction.take() else {
            return self.reply(&Status::new(503, (5, 5, 2), "Need rcpt command"));
        };
        let sender = transaction.reverse_path.clone();
        match self.take(transaction).await {
            Ok(status) if status.is_success() => self.reply(&status),
            Ok(status) | Err(status) => self.refuse("DATA", &sender, &status),
        }
    }

    async fn take(&mut self, transaction: Transaction) -> Result<Status, Status> {
        let shared = self.shared.clone();
        let mut message = Message::split(&Bytes::from(transaction.data));
        let admission = transaction.recipients[0].1.clone();
        let recipients = transaction.recipients.into_iter();
        let recipients = recipients.map(|(recipient, _)| recipient).collect();
        let transfer = self.transfer(transaction.reverse_path, recipients, &message);
        let id = shared.unique();
        message.date(clock::now());
        let message_id = message.identify(&id, &shared.this().fqdn);
        let (item, added) = if self.connection.peer == Peer::User {
            (self.submitted(transfer, &message_id), 1)
        } else {
            let item = self.admit(&admission, &transfer, &message_id)?;
            let past = &transfer.trace.received_by;
            // The Received fields of the past are taken off where the session may not bring them.
            let kept = item.trace.received_by.starts_with(past);
            if !kept {
                message.remove_routing();
            }
            let added = item.trace.received_by.len() - if kept { past.len() } else { 0 };
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

    /// A message as it came, with what it says of itself.
    fn transfer(
        &self,
        reverse_path: ReversePath,
        recipients: Vec<Mailbox>,
        message: &Message,
    ) -> Transfer {
        let claims = message.claims(&self.shared.topology);
        Transfer {
            reverse_path,
            recipients,
            size: ByteSize((message.headers.len() + 2 + message.body.len()) as u64),
            organization: claims.organization,
            cross_premises: claims.cross_premises,
            directionality: claims
                .directionality
                .filter(|_| self.connection.peer == Peer::ExchangeServer),
            resolved: claims.resolved,
            properties: claims.properties,
            trace: claims.trace,
        }
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
                self.flag_loop(message_id, transfer, &refusal.step.because);
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
        let delivery = ProxyDelivery {
            copy,
            recipients: &item.recipients,
            message,
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
            if !matches!(error, SpoolError::TooLarge(_)) {
                shared.health.failed(Part::Spool);
            }
            match error {
                SpoolError::TooLarge(_) => replies::TOO_LARGE.clone(),
                _ => replies::NO_RESOURCES.clone(),
            }
        })?;
        shared.health.works(Part::Spool);
        let taken = Taken {
            sender: &item.reverse_path,
            recipients: &item.recipients,
            size: item.size,
            client: self.client,
        };
        let noted = Noted::of(event, &item.recipients[0]);
        shared.note(message_id, &noted.taken(taken).via(&via));
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

    /// A loop detector refused a message that was here before; a legal way over a low limit is none.
    fn flag_loop(&self, message_id: &str, transfer: &Transfer, because: &[Reason]) {
        let services = &self.shared.this().services;
        let here = |name: &Domain| services.iter().any(|service| service.received_by == *name);
        if !transfer.trace.received_by.iter().any(here) {
            return;
        }
        let recipient = &transfer.recipients[0];
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
            .filter(|_| item.auth_as != AuthAs::Internal && item.is_for_own(topology))
        else {
            return;
        };
        let Some(from) = self.neighbour.or_else(|| topology.server_at(self.client)) else {
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
    fn count_refusal(&self, endpoint: ReceiveConnectorId, enhanced: &str) {
        let connector = &self.topology.receive_connector(endpoint).name;
        let enhanced = crate::metrics::enhanced_label(enhanced);
        self.metrics.count(
            "messages_rejected_total",
            &[self.name(), connector, enhanced],
        );
    }
}
