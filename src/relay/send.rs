//! SMTP Send: a connection of a queue takes deliveries one after another, obeys the connector's
//! demand for TLS, and gives every reply to `route::outcome`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::message::{Message, name_anew};
use super::progress::{delivered, put_off, put_off_each};
use super::queue::{Delivery, Queue};
use super::record::Endpoint;
use super::replies::Replies;
use super::shared::{Recognition, Shared};
use super::tracking::{Flagged, NO_CONNECTOR, Noted};
use super::trouble::{Trouble, not_connected};
use crate::dns::{NoHost, Target, Targets};
use crate::mail::{Domain, Mailbox, NamePattern, ReversePath, Status};
use crate::model::{Certificate, ServerId, Settings, SmartHost};
use crate::net::{self, Connected, Identity, PeerCertificate};
use crate::route::{self, Connection, Copy, Event, Happened, NextHop, Peer, Presented, Subject};
use crate::smtp::{
    Body, Cause, ClientConfig, ClientEvent, ClientSession, Envelope, HelloName, Phase, TlsUse,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection without work stays open.
const IDLE: Duration = Duration::from_secs(2);

/// How long a server may owe a reply that changes nothing.
const OWED: Duration = Duration::from_secs(10);

/// Opens a connection for a queue.
pub(super) fn open(shared: &Arc<Shared>, queue: &Arc<Queue>) {
    let (shared, queue) = (shared.clone(), queue.clone());
    tokio::spawn(async move {
        loop {
            serve(&shared, &queue).await;
            if !queue.closed() || shared.ending.is_wanted() {
                break;
            }
        }
    });
}

/// One connection's life: as long as there is work, or might be soon.
async fn serve(shared: &Arc<Shared>, queue: &Arc<Queue>) {
    while let Some(first) = next(shared, queue).await {
        let reached = match find(shared, &first.copy).await {
            Ok(reached) => reached,
            Err(happened) => {
                let way = if happened == Happened::BestMxIsSelf {
                    Way::To(None)
                } else {
                    Way::Unknown
                };
                fail_all(shared, queue, first, &Trouble::nowhere(happened), way);
                continue;
            }
        };
        let to = reached.first().and_then(|reached| reached.server);
        match Session::open(shared, queue, reached, &first.copy).await {
            Ok(mut session) => {
                session.run(shared, queue, first).await;
                return;
            }
            Err(trouble) => {
                let way = if trouble.happened == Happened::CertificateMissing {
                    Way::Unknown
                } else {
                    Way::To(to)
                };
                fail_all(shared, queue, first, &trouble, way);
            }
        }
    }
}

/// Where deliveries that fail were to go.
#[derive(Clone, Copy)]
enum Way {
    /// They did not get so far.
    Unknown,
    /// To this server; to a host outside the world where there is none.
    To(Option<ServerId>),
}

/// The next delivery, waiting a little for one. When the relay ends there is none: the others stay in
/// the spool.
async fn next(shared: &Shared, queue: &Queue) -> Option<Delivery> {
    if shared.ending.is_wanted() {
        return None;
    }
    if let Some(delivery) = queue.pop() {
        return Some(delivery);
    }
    tokio::select! {
        biased;
        _ = tokio::time::timeout(IDLE, queue.arrived.notified()) => queue.pop(),
        () = shared.ending.wanted() => None,
    }
}

/// The next hop cannot be reached: that concerns everything in the queue.
fn fail_all(shared: &Arc<Shared>, queue: &Queue, first: Delivery, trouble: &Trouble, way: Way) {
    for delivery in std::iter::once(first).chain(queue.drain()) {
        if let Way::To(to) = way {
            flag_path(shared, &delivery, to);
        }
        put_off(shared, delivery, trouble);
    }
}

/// Compares the way out with the one the premises prescribe, when it is taken first.
fn flag_path(shared: &Shared, delivery: &Delivery, to: Option<ServerId>) {
    if delivery.attempts > 0 {
        return;
    }
    for reason in crate::flow::misroutes(&shared.topology, shared.server, to, &delivery.copy) {
        shared.flag(
            &delivery.pending.message_id,
            &delivery.recipients[0],
            Flagged::Misrouted(reason),
        );
    }
}

/// A next hop with its address.
struct Reached {
    name: String,
    address: SocketAddr,
    /// The server of the world that is there, and its address in the world.
    server: Option<ServerId>,
    world: Option<IpAddr>,
    port: u16,
}

impl Reached {
    fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: self.name.clone(),
            address: self.address,
        }
    }
}

/// Where a copy is to be sent.
async fn find(shared: &Shared, copy: &Copy) -> Result<Vec<Reached>, Happened> {
    match &copy.next_hop {
        NextHop::Servers { servers, port, .. } => Ok(servers
            .iter()
            .filter_map(|id| at_server(shared, *id, *port))
            .collect()),
        NextHop::Dns { domain, port, .. } => {
            let began = Instant::now();
            let targets = resolver(shared, copy).targets(domain).await;
            count_lookup(shared, "MX", &targets, began);
            hosts(shared, targets, (domain, false), *port)
        }
        NextHop::SmartHosts { hosts, port, .. } => smart_hosts(shared, copy, hosts, *port).await,
        NextHop::Mailbox(_) | NextHop::NoDatabase | NextHop::Unreachable => {
            Err(Happened::Unreachable)
        }
    }
}

fn at_server(shared: &Shared, id: ServerId, port: u16) -> Option<Reached> {
    let server = shared.topology.server(id);
    let named = shared.addresses.named(server.fqdn.as_str());
    let world = server.addresses.first();
    Some(Reached {
        name: server.fqdn.to_string(),
        address: named.or_else(|| world.map(|world| shared.addresses.real(*world, port)))?,
        server: Some(id),
        world: world.copied(),
        port,
    })
}

fn resolver<'a>(shared: &'a Shared, copy: &Copy) -> &'a net::Resolver {
    let external = copy
        .next_hop
        .connector()
        .is_some_and(|id| shared.topology.send_connector(id).use_external_dns);
    if external {
        &shared.external_resolver
    } else {
        &shared.resolver
    }
}

fn count_lookup(shared: &Shared, kind: &str, targets: &Targets, began: Instant) {
    let outcome = if matches!(targets, Targets::Failed(_)) {
        "failed"
    } else {
        "answered"
    };
    let labels = [shared.name(), kind, outcome];
    shared.metrics.count("dns_lookups_total", &labels);
    let seconds = began.elapsed().as_secs_f64();
    shared
        .metrics
        .observe("dns_lookup_seconds", &labels, seconds);
}

/// The addresses to try, best first.
fn hosts(
    shared: &Shared,
    targets: Targets,
    (name, smart_host): (&Domain, bool),
    port: u16,
) -> Result<Vec<Reached>, Happened> {
    let world = |address: &IpAddr| shared.addresses.world(*address);
    let own = |host: &Target| {
        host.addresses
            .iter()
            .any(|address| shared.this().addresses.contains(&world(address)))
    };
    let hosts = targets.usable(own, smart_host).map_err(|why| match why {
        NoHost::BestIsSelf => Happened::BestMxIsSelf,
        NoHost::NameError => Happened::DomainNotFound {
            name: name.clone(),
            smart_host,
        },
        NoHost::NoAnswer(_) | NoHost::Unknown(_) => Happened::NoAnswer,
        NoHost::NullMx => Happened::NullMx,
    })?;
    let mut reached = Vec::new();
    for host in hosts {
        for address in &host.addresses {
            let world = world(address);
            let real = shared
                .addresses
                .named(host.host.as_str())
                .unwrap_or_else(|| shared.addresses.real(world, port));
            let server = shared.topology.server_at(world);
            reached.push(Reached {
                name: host.host.to_string(),
                address: real,
                server,
                world: Some(world),
                port,
            });
        }
    }
    Ok(reached)
}

async fn smart_hosts(
    shared: &Shared,
    copy: &Copy,
    wanted: &[SmartHost],
    port: u16,
) -> Result<Vec<Reached>, Happened> {
    let mut reached = Vec::new();
    let mut why = Happened::NoAnswer;
    for host in wanted {
        match host {
            SmartHost::Address(address) => reached.push(Reached {
                name: format!("[{address}]"),
                address: shared.addresses.real(*address, port),
                server: shared.topology.server_at(*address),
                world: Some(*address),
                port,
            }),
            SmartHost::Name(name) => {
                if let Some(address) = shared.addresses.named(name.as_str()) {
                    let world = shared.addresses.world(address.ip());
                    let named = || shared.topology.server_named(name.as_str());
                    let server = shared.topology.server_at(world).or_else(named);
                    reached.push(Reached {
                        name: name.to_string(),
                        address,
                        server,
                        world: Some(world),
                        port,
                    });
                    continue;
                }
                let began = Instant::now();
                let targets = resolver(shared, copy).targets(name).await;
                count_lookup(shared, "A", &targets, began);
                match hosts(shared, targets, (name, true), port) {
                    Ok(mut found) => reached.append(&mut found),
                    Err(happened) => why = happened,
                }
            }
        }
    }
    if reached.is_empty() {
        Err(why)
    } else {
        Ok(reached)
    }
}

/// An open connection to a next hop.
struct Session {
    stream: Box<dyn Connected>,
    machine: ClientSession,
    began: Instant,
    remote: Reached,
    tls: bool,
    /// Whether this server and the next hop proved to each other that they are of one organization.
    proven: bool,
    /// Whether the machine waits for orders.
    idle: bool,
    /// Whether it has ended.
    over: bool,
    buffer: Vec<u8>,
    replies: Replies,
}

/// A message as it leaves.
struct Outgoing {
    reverse_path: ReversePath,
    headers: Bytes,
    body: Bytes,
}

impl Outgoing {
    /// What is said before the message; the status of its recipients where it cannot be said.
    fn envelope(&self, recipients: Vec<Mailbox>) -> Result<Envelope, Status> {
        let size = (self.headers.len() + self.body.len()) as u64;
        let eight_bit = !self.headers.is_ascii() || !self.body.is_ascii();
        let body = eight_bit.then_some(Body::EightBitMime);
        Envelope::new(self.reverse_path.clone(), recipients, Some(size), body).map_err(|error| {
            Status::new(554, (5, 6, 0), "Corrupt message content")
                .with_text(format!("Corrupt envelope: {error:?}"))
        })
    }
}

/// What the next hop answered in a mail transaction.
#[derive(Default)]
struct Answers {
    /// By the place of the recipient in the envelope, as far as it came to them.
    recipients: BTreeMap<usize, Status>,
    /// To the message; what became of the connection, where it ended before.
    message: Option<Status>,
    /// Whether the connection can be used again.
    reusable: bool,
}

impl Answers {
    /// Whether nothing that may follow changes what becomes of any recipient.
    fn are_final(&self, recipients: usize) -> bool {
        let refused = |status: &Status| !status.is_success();
        let all_refused =
            self.recipients.len() == recipients && self.recipients.values().all(refused);
        self.message.is_some() || all_refused
    }

    /// What they say to one recipient: the refusal of its RCPT TO, else what was said to the message.
    fn to(&self, index: usize) -> Status {
        let refused = self.recipients.get(&index);
        let refused = refused.filter(|status| !status.is_success());
        refused
            .or(self.message.as_ref())
            .cloned()
            .unwrap_or_else(|| lost(Phase::EndOfData, &Cause::EndOfInput))
    }
}

impl Session {
    /// Connects to the first address that answers, and gets as far as the first mail transaction.
    async fn open(
        shared: &Arc<Shared>,
        queue: &Queue,
        reached: Vec<Reached>,
        copy: &Copy,
    ) -> Result<Self, Trouble> {
        if let Presented::Missing(_) = copy.presented {
            return Err(Trouble::nowhere(Happened::CertificateMissing));
        }
        let label = shared.connector_label(queue.key.connector());
        let mut last = Trouble::nowhere(Happened::NoConnection);
        for remote in reached {
            let connected =
                net::connect(shared.local_address, remote.address, CONNECT_TIMEOUT).await;
            let stream = match connected {
                Ok(stream) => stream,
                Err(error) => {
                    last = Trouble::no_connection(not_connected(&error), remote.endpoint());
                    continue;
                }
            };
            let replies = Replies::new(shared, "out", &label);
            let mut session = Self::over(stream, config(shared, copy), remote, replies);
            shared
                .metrics
                .count("smtp_sessions_total", &[shared.name(), "out", &label]);
            let ready = session.hello(shared, copy).await;
            let known = session.log_on(shared, copy);
            last = match (ready, known) {
                (Ok(()), Ok(_)) => return Ok(session),
                (Err(trouble), _) => trouble,
                (Ok(()), Err(happened)) => Trouble::at(happened, session.remote.endpoint()),
            };
            session.close().await;
            // RFC 5321 §5.1: the next address may have a server that greets.
            if last.happened != Happened::NoConnection {
                break;
            }
        }
        Err(last)
    }

    fn over(stream: TcpStream, config: ClientConfig, remote: Reached, replies: Replies) -> Self {
        Self {
            stream: Box::new(stream),
            machine: ClientSession::new(config),
            began: Instant::now(),
            remote,
            tls: false,
            proven: false,
            idle: false,
            over: false,
            buffer: vec![0; 16 * 1024],
            replies,
        }
    }

    /// Greeting, EHLO, STARTTLS; the certificate is judged before anything is sent.
    async fn hello(&mut self, shared: &Arc<Shared>, copy: &Copy) -> Result<(), Trouble> {
        let greeted = self.greet(shared, copy).await;
        greeted.map_err(|trouble| Trouble {
            endpoint: Some(self.remote.endpoint()),
            ..trouble
        })
    }

    async fn greet(&mut self, shared: &Arc<Shared>, copy: &Copy) -> Result<(), Trouble> {
        let own = shared.this().fqdn.as_str();
        loop {
            match self.event().await {
                // Whoever greets as ourselves is this server, or has its name.
                ClientEvent::WantTls | ClientEvent::Ready
                    if self
                        .machine
                        .greeting()
                        .is_some_and(|name| name.eq_ignore_ascii_case(own)) =>
                {
                    return Err(Happened::OwnGreeting.into());
                }
                ClientEvent::WantTls => {
                    let certificate = self.handshake(shared, copy).await?;
                    let certificate = certificate.map(|peer| as_certificate(&peer));
                    let now = shared.judged_at();
                    self.proven = self.is_proven(shared, certificate.as_ref(), now);
                    route::judge(&copy.tls, true, certificate.as_ref(), now)
                        .map_err(Happened::Tls)?;
                }
                ClientEvent::Ready => {
                    if self.tls {
                        return Ok(());
                    }
                    // STARTTLS was not offered: that may be what the connector demands.
                    return match route::judge(&copy.tls, false, None, shared.topology.as_of()) {
                        Ok(_) => Ok(()),
                        Err(what) => Err(Happened::Tls(what).into()),
                    };
                }
                ClientEvent::Failed { phase, cause } => {
                    return Err(Trouble {
                        detail: Some(before_greeting(&cause)),
                        ..failure(phase, &cause).into()
                    });
                }
                ClientEvent::Closed => return Err(Happened::NoConnection.into()),
                ClientEvent::RecipientReply { .. }
                | ClientEvent::NeedBody
                | ClientEvent::MessageReply { .. } => {}
            }
        }
    }

    async fn handshake(
        &mut self,
        shared: &Arc<Shared>,
        copy: &Copy,
    ) -> Result<Option<PeerCertificate>, Happened> {
        let identity = match (&copy.presented, self.own_certificate(shared)) {
            (_, Some(own)) => own.clone(),
            (Presented::Certificate(_), None) => {
                let connector = copy.next_hop.connector();
                let connector = connector.map(|id| shared.topology.send_connector(id));
                let id = route::chosen(&shared.topology, shared.server, connector);
                shared.identity(id)
            }
            (Presented::SelfSigned | Presented::Missing(_), None) => shared.self_signed.clone(),
        };
        let failed =
            |what: &dyn std::fmt::Display| Happened::Tls(format!("the handshake failed: {what}"));
        let connector = shared
            .tls
            .connector(Some(identity))
            .map_err(|error| failed(&error))?;
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let result = shared
            .tls
            .connect(&connector, &self.remote.name, plain, shared.judged_at())
            .await;
        shared.count_handshake("out", &result);
        match result {
            Ok(secured) => {
                self.stream = secured.stream;
                self.tls = true;
                if let Some(handshake) = self.machine.handshake() {
                    handshake.started(self.began.elapsed());
                }
                Ok(secured.peer)
            }
            Err(error) => {
                if let Some(handshake) = self.machine.handshake() {
                    handshake.failed();
                }
                Err(failed(&error))
            }
        }
    }

    /// Sends deliveries until there are no more, or the connection ends.
    async fn run(&mut self, shared: &Arc<Shared>, queue: &Arc<Queue>, first: Delivery) {
        let mut delivery = Some(first);
        while let Some(current) = delivery.take() {
            let held = shared.ending.hold();
            if shared.ending.is_wanted() {
                break;
            }
            if !self.transact(shared, current).await {
                return;
            }
            drop(held);
            delivery = next(shared, queue).await;
        }
        self.close().await;
    }

    /// One mail transaction; says whether the connection can be used again.
    async fn transact(&mut self, shared: &Arc<Shared>, delivery: Delivery) -> bool {
        flag_path(shared, &delivery, self.remote.server);
        let outgoing = self.outgoing(shared, &delivery.copy, &delivery.pending.message);
        let envelope = match outgoing.envelope(delivery.recipients.clone()) {
            Ok(envelope) => envelope,
            Err(status) => {
                put_off(shared, delivery, &Trouble::nowhere(Happened::Reply(status)));
                return true;
            }
        };
        let answers = self.offer(envelope, &outgoing).await;
        self.conclude(shared, delivery, &answers);
        answers.reusable || self.ready_again().await
    }

    /// Waits a little for a server that owes replies which change nothing any more.
    async fn ready_again(&mut self) -> bool {
        let ready = async {
            while !self.idle && !self.over {
                self.event().await;
            }
        };
        let _ = tokio::time::timeout(OWED, ready).await;
        self.idle
    }

    /// What goes over the wire for a delivery.
    fn outgoing(&self, shared: &Shared, copy: &Copy, message: &Message) -> Outgoing {
        // Without a logon no session came so far that needs one.
        let peer = self.log_on(shared, copy).unwrap_or(Peer::Anonymous);
        let transfer = copy.transfer_to(peer);
        let by_connector = copy.next_hop.connector().is_some();
        let mut headers = message.outgoing(&transfer, &shared.this().name, by_connector);
        name_anew(&mut headers, copy);
        Outgoing {
            reverse_path: transfer.reverse_path,
            headers: headers.to_bytes(),
            body: message.body.clone(),
        }
    }

    /// Says an envelope and a message, and collects what the next hop answers.
    async fn offer(&mut self, envelope: Envelope, outgoing: &Outgoing) -> Answers {
        let mut answers = Answers::default();
        let recipients = envelope.recipients().len();
        if let Some(idle) = self.machine.idle() {
            idle.begin(envelope, self.began.elapsed());
        }
        loop {
            match self.event().await {
                ClientEvent::RecipientReply { index, reply } => {
                    answers.recipients.insert(index, reply.to_status());
                }
                ClientEvent::NeedBody => self.write(&outgoing.headers, &outgoing.body),
                ClientEvent::MessageReply { reply, .. } => {
                    answers.message = Some(reply.to_status());
                }
                ClientEvent::Ready => {
                    answers.reusable = true;
                    return answers;
                }
                ClientEvent::Failed { phase, cause } => {
                    answers.message.get_or_insert_with(|| lost(phase, &cause));
                    return answers;
                }
                ClientEvent::Closed | ClientEvent::WantTls => return answers,
            }
            if answers.are_final(recipients) {
                return answers;
            }
        }
    }

    /// What the next hop's answers mean for the recipients.
    fn conclude(&self, shared: &Arc<Shared>, mut delivery: Delivery, answers: &Answers) {
        let mut troubles = Vec::new();
        let recipients = std::mem::take(&mut delivery.recipients);
        for (index, recipient) in recipients.into_iter().enumerate() {
            let status = answers.to(index);
            if status.is_success() {
                self.sent(shared, &delivery, &recipient);
                continue;
            }
            let trouble = Trouble::at(Happened::Reply(status), self.remote.endpoint());
            troubles.push((recipient, trouble));
        }
        put_off_each(shared, delivery, troubles);
    }

    /// The next hop has the message for this recipient.
    fn sent(&self, shared: &Arc<Shared>, delivery: &Delivery, recipient: &Mailbox) {
        let event = if delivery.copy.exchange_authenticated {
            Event::Send
        } else {
            Event::SendExternal
        };
        let chosen = self
            .remote
            .server
            .map_or_else(|| Subject::Host(self.remote.name.clone()), Subject::Server);
        let connector = delivery.copy.next_hop.connector();
        let noted = Noted::of(event, recipient).via(&chosen);
        shared.note(&delivery.pending.message_id, &noted);
        shared.count("messages_relayed_total", connector, None);
        shared.observe_latency(delivery.pending.arrived, connector);
        delivered(shared, delivery, recipient);
    }

    /// What this server shows to another one of its organization, whatever the connector says: the
    /// other knows it by that. None for everybody else, and where the network says who is who.
    fn own_certificate<'a>(&self, shared: &'a Shared) -> Option<&'a Identity> {
        let to = self.remote.server?;
        let wanted = shared.recognition == Recognition::ByCertificate
            && route::is_own(&shared.topology, shared.server, to);
        wanted.then(|| shared.own_certificate()).flatten()
    }

    /// Whether organization headers may go to the next hop: both showed who they are.
    fn is_proven(&self, shared: &Shared, shown: Option<&Certificate>, now: Timestamp) -> bool {
        let Some((to, shown)) = self.remote.server.zip(shown) else {
            return false;
        };
        self.own_certificate(shared).is_some() && route::proves(&shared.topology, to, shown, now)
    }

    /// Who this server is to the next hop, or that it cannot be what it has to be.
    fn log_on(&self, shared: &Shared, copy: &Copy) -> Result<Peer, Happened> {
        let Some(to) = self.remote.server else {
            return Ok(Peer::Anonymous);
        };
        if shared.recognition == Recognition::ByCertificate && !self.proven {
            return Ok(Peer::Anonymous);
        }
        let connection = Connection {
            remote_address: shared.this().addresses.first().copied(),
            local_address: self.remote.world,
            port: self.remote.port,
            peer: Peer::Anonymous,
            tls: false,
            certificate: None,
        };
        route::peer(&shared.topology, copy, shared.server, to, &connection)
    }

    /// Gives the message to a server that waits for it.
    fn write(&mut self, headers: &[u8], body: &[u8]) {
        let now = self.began.elapsed();
        if let Some(mut message) = self.machine.message() {
            message.write(headers, now);
            message.write(body, now);
            message.end(now);
        }
    }

    /// The next event of the session; reads and writes until there is one.
    async fn event(&mut self) -> ClientEvent {
        loop {
            // Output that was there before an event goes out before it is acted upon.
            let event = self.machine.poll_event();
            while let Some(output) = self.machine.poll_output() {
                if self.stream.write_all(&output).await.is_err() {
                    self.machine.handle_eof();
                }
            }
            if let Some(event) = event {
                self.idle = matches!(event, ClientEvent::Ready);
                self.over = matches!(event, ClientEvent::Closed | ClientEvent::Failed { .. });
                return event;
            }
            if self.stream.flush().await.is_err() {
                self.machine.handle_eof();
                continue;
            }
            let deadline = self.machine.next_deadline().map(|at| self.began + at);
            let read = self.stream.read(&mut self.buffer);
            let read = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, read).await,
                None => Ok(read.await),
            };
            let now = self.began.elapsed();
            match read {
                Ok(Ok(0) | Err(_)) => self.machine.handle_eof(),
                Ok(Ok(count)) => {
                    self.replies.read(&self.buffer[..count]);
                    self.machine.handle_input(&self.buffer[..count], now);
                }
                Err(_) => self.machine.handle_timeout(now),
            }
        }
    }

    /// Says goodbye, without insisting.
    async fn close(&mut self) {
        let farewell = async {
            // A session that is given up on its way ends when the peer has had its say.
            while !self.idle && !self.over {
                self.event().await;
            }
            if let Some(idle) = self.machine.idle() {
                idle.quit(self.began.elapsed());
            }
            while !self.over {
                self.event().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), farewell).await;
    }
}

fn config(shared: &Shared, copy: &Copy) -> ClientConfig {
    let connector = copy
        .next_hop
        .connector()
        .map(|id| shared.topology.send_connector(id));
    let name = connector
        .and_then(|connector| connector.fqdn.as_ref())
        .unwrap_or(&shared.this().fqdn);
    let name = HelloName::parse(name.as_str())
        .unwrap_or_else(|| unreachable!("a domain is a name for EHLO"));
    // Whether TLS is demanded is judged here, so that its failure has the words of the rule.
    ClientConfig {
        tls: if copy.tls.avoided {
            TlsUse::Never
        } else {
            TlsUse::IfOffered
        },
        helo_only: connector.is_some_and(|connector| connector.force_helo),
        ..ClientConfig::new(name)
    }
}

/// A failed session as something that happened to the queue.
fn failure(phase: Phase, cause: &Cause) -> Happened {
    match cause {
        Cause::Refused(reply) if phase == Phase::Greeting => Happened::Greeting(reply.to_status()),
        Cause::Refused(reply) | Cause::Unexpected(reply) => Happened::Reply(reply.to_status()),
        Cause::TlsFailed | Cause::TlsNotOffered => Happened::Tls("the handshake failed".to_owned()),
        _ if phase == Phase::Greeting => Happened::NoConnection,
        _ => Happened::Reply(lost(phase, cause)),
    }
}

/// Why a server that took the connection is none for us.
fn before_greeting(cause: &Cause) -> String {
    match cause {
        Cause::Timeout => "The server did not greet in time.".to_owned(),
        Cause::NotAReply(_) => "What the server said is no greeting.".to_owned(),
        _ => "The connection was closed before the greeting.".to_owned(),
    }
}

/// A connection that ended early: tried again.
fn lost(phase: Phase, cause: &Cause) -> Status {
    let why = match cause {
        Cause::Refused(reply) => return reply.to_status(),
        Cause::Timeout => "no reply in time",
        Cause::NotAReply(_) => "what came is no reply",
        _ => "closed by the server",
    };
    Status::new(421, (4, 4, 2), "Connection dropped")
        .with_text(format!("Connection dropped: {why} ({phase:?})"))
}

/// A peer's certificate as the model has them.
pub(super) fn as_certificate(peer: &PeerCertificate) -> Certificate {
    Certificate {
        subject: peer.says.subject.clone(),
        issuer: peer.says.issuer.clone(),
        names: peer
            .says
            .names
            .iter()
            .filter_map(|name| NamePattern::parse(name).ok())
            .collect(),
        not_before: jiff::Timestamp::from_second(peer.says.not_before).ok(),
        not_after: jiff::Timestamp::from_second(peer.says.not_after).ok(),
        trusted: peer.trusted,
        chain_complete: peer.trusted || peer.rooted,
        servers: Vec::new(),
        settings: Settings::default(),
    }
}

/// Sends one message to the hub behind a front end, and gives back what it says to the message.
pub(super) async fn proxy(shared: &Arc<Shared>, delivery: &ProxyDelivery<'_>) -> Status {
    let unreachable = Status::new(
        451,
        (4, 4, 0),
        "Primary target IP address responded with an error",
    );
    let Ok(reached) = find(shared, delivery.copy).await else {
        return unreachable;
    };
    let Some(remote) = reached.into_iter().next() else {
        return unreachable;
    };
    let Ok(stream) = net::connect(shared.local_address, remote.address, CONNECT_TIMEOUT).await
    else {
        return unreachable;
    };
    let replies = Replies::new(shared, "out", NO_CONNECTOR);
    let mut session = Session::over(stream, config(shared, delivery.copy), remote, replies);
    shared
        .metrics
        .count("smtp_sessions_total", &[shared.name(), "out", NO_CONNECTOR]);
    if session.hello(shared, delivery.copy).await.is_err() {
        return unreachable;
    }
    let status = session.hand_over(shared, delivery).await;
    session.close().await;
    status
}

/// A message that a front end hands on while its own client waits.
pub(super) struct ProxyDelivery<'a> {
    pub(super) copy: &'a Copy,
    pub(super) recipients: &'a [Mailbox],
    pub(super) message: &'a Message,
}

impl Session {
    async fn hand_over(&mut self, shared: &Shared, delivery: &ProxyDelivery<'_>) -> Status {
        let dropped = Status::new(451, (4, 4, 2), "Connection dropped");
        let outgoing = self.outgoing(shared, delivery.copy, delivery.message);
        let envelope = match outgoing.envelope(delivery.recipients.to_vec()) {
            Ok(envelope) => envelope,
            Err(status) => return status,
        };
        let answers = self.offer(envelope, &outgoing).await;
        let refused = |status: &Status| !status.is_success();
        let refusal = answers.recipients.into_values().rfind(refused);
        match (answers.message, refusal) {
            // Where only some recipients were taken, the client must try again for all: twice is
            // better than never.
            (Some(message), Some(_)) if message.enhanced.class == 2 => dropped,
            (message, refusal) => message.or(refusal).unwrap_or(dropped),
        }
    }
}
