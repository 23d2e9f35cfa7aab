//! One relay as a process of its own, with real certificates: what its connectors demand of the next hop
//! happens as predicted, and its metrics say what is in its queues.

use std::io::{BufRead as _, BufReader as LineReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hybridmx::config::{self, World};
use hybridmx::flow::{Disposition, Fork, Question, origin, walk};
use hybridmx::mail::{ByteSize, MessageKind, ReversePath};
use hybridmx::net::{self, Connected, PeerCertificate, TlsMaterials};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::authority::{Authority, Issued};
use crate::files::{create, now, read_text, write};
use crate::process::free_addresses;

/// A user of EX01, and a stranger whose mail for Julie takes the same way from there on.
const USER: &str = "david@contoso.com";
const STRANGER: &str = "ann@fabrikam.com";
/// Her mailbox is in the cloud, so mail for her leaves by the hybrid Send connector.
const TO: &str = "julie@contoso.com";
const CONNECTOR: &str = "Outbound to Office 365";
const PATIENCE: Duration = Duration::from_secs(30);

/// The world of Contoso whose hybrid Send connector sends to one host, not by MX.
fn world(smart_host: &str, more: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso/world.toml");
    let text = read_text(&path);
    let by_mx = "\"groups.contoso.com\"]\nDNSRoutingEnabled = true\n";
    assert!(text.contains(by_mx));
    let by_host = format!(
        "\"groups.contoso.com\"]\nDNSRoutingEnabled = false\nSmartHosts = [\"{smart_host}\"]\n"
    );
    text.replacen(by_mx, &by_host, 1) + more
}

/// What is to become of a message that leaves EX01.
fn predicted(world: &str) -> Fork {
    let (world, diagnostics) = config::read("world.toml", world, now());
    let World { topology, zones } = world.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let from = ReversePath::Mailbox(USER.parse().expect("an address"));
    let question = Question {
        submission: origin(&topology, &from, None).expect("a server"),
        from,
        to: vec![TO.parse().expect("an address")],
        size: ByteSize(1000),
        kind: MessageKind::Message,
    };
    walk(&topology, &zones, &question).forks.remove(0)
}

/// A relay that runs as EX01.
struct Running {
    process: Child,
    folder: TempDir,
    smtp: SocketAddr,
    http: SocketAddr,
}

impl Running {
    /// With a certificate of `authority`, which it trusts; `host` is at `next`.
    fn start(world: &str, authority: &Authority, host: &str, next: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [smtp, http] = free_addresses();
        let names = ["mail.contoso.com", "autodiscover.contoso.com"];
        let Issued {
            certificate, key, ..
        } = authority.issue(&names, (2020, 2027));
        let settings = format!(
            "Listen = \"{smtp}\"\nNameServer = \"127.0.0.1:9\"\nHostOverrides = [\"{host}={next}\"]\n\
             SpoolDirectory = \"spool\"\nMailDirectory = \"mail\"\nMetricsListen = \"{http}\"\n\
             TrustedRoots = \"roots.pem\"\n[[Certificates]]\nSubject = \"CN=mail.contoso.com\"\n\
             CertificateFile = \"mail.pem\"\nKeyFile = \"mail.key\"\n"
        );
        for (name, text) in [
            ("world.toml", world),
            ("relay.toml", &settings),
            ("roots.pem", &authority.root()),
            ("mail.pem", &certificate),
            ("mail.key", &key),
        ] {
            write(&folder.path().join(name), text);
        }
        Self {
            process: spawn(folder.path()),
            folder,
            smtp,
            http,
        }
    }

    /// Kills it, and starts another on what it left.
    fn restart(&mut self) {
        self.end();
        self.process = spawn(self.folder.path());
    }

    fn end(&mut self) {
        self.process.kill().expect("the relay runs");
        self.process.wait().expect("the relay ends");
    }

    /// The lines of its log that say this.
    fn logged(&self, what: &str) -> Vec<String> {
        let log = read_text(&self.folder.path().join("log"));
        let lines = log.lines().filter(|line| line.contains(what));
        lines.map(str::to_owned).collect()
    }

    async fn metrics(&self) -> String {
        let stream = net::connect(None, self.http, Duration::from_secs(5)).await;
        let mut stream = stream.expect("HTTP is there");
        let request = b"GET /metrics HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    /// The value of a series, which must be there.
    async fn metric(&self, series: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        let value = line.unwrap_or_else(|| panic!("{series} is not in {text}"));
        value.trim().parse().expect("a number")
    }

    /// Waits until a series has a value.
    async fn wait_for(&self, series: &str, value: f64) {
        let until = Instant::now() + PATIENCE;
        while self.metric(series).await < value {
            assert!(Instant::now() < until, "{}", self.metrics().await);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Hands a message over, as a stranger.
    async fn bring(&self) {
        let stream = net::connect(None, self.smtp, Duration::from_secs(5)).await;
        let mut stream = BufReader::new(stream.expect("the relay listens"));
        answer(&mut stream, "220").await;
        for (line, code) in [
            ("EHLO mail.fabrikam.com", "250"),
            (&format!("MAIL FROM:<{STRANGER}>"), "250"),
            (&format!("RCPT TO:<{TO}>"), "250"),
            ("DATA", "354"),
            ("Subject: hello\r\n\r\nhello\r\n.", "250"),
            ("QUIT", "221"),
        ] {
            say(&mut stream, line).await;
            answer(&mut stream, code).await;
        }
    }

    /// The certificate that it shows to clients.
    async fn shown(&self, authority: &Authority) -> PeerCertificate {
        let stream = net::connect(None, self.smtp, Duration::from_secs(5)).await;
        let mut stream = BufReader::new(stream.expect("the relay listens"));
        answer(&mut stream, "220").await;
        say(&mut stream, "EHLO mail.fabrikam.com").await;
        answer(&mut stream, "250").await;
        say(&mut stream, "STARTTLS").await;
        answer(&mut stream, "220").await;
        let tls = TlsMaterials::new(authority.roots());
        let connector = tls.connector(None).expect("TLS");
        let stream: Box<dyn Connected> = Box::new(stream.into_inner());
        let secured = tls.connect(&connector, "mail.contoso.com", stream, now());
        let secured = secured.await.expect("a handshake");
        secured.peer.expect("a certificate")
    }
}

/// No relay outlives its test, also where the test fails.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a relay, and waits until it says that it takes mail.
fn spawn(folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridmx"));
    let command = command
        .arg("relay")
        .arg(folder.join("world.toml"))
        .args(["--server", "EX01", "--settings"])
        .arg(folder.join("relay.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(create(&folder.join("log")));
    let mut process = command.spawn().expect("the relay starts");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("its output");
    LineReader::new(stdout)
        .read_line(&mut line)
        .expect("a line when it is ready");
    assert!(line.starts_with("EX01 takes mail"), "{line}");
    process
}

async fn say<S: Connected>(stream: &mut BufReader<S>, line: &str) {
    let line = format!("{line}\r\n");
    stream.write_all(line.as_bytes()).await.expect("a line out");
}

/// The last line of a reply, which has this code.
async fn answer<S: Connected>(stream: &mut BufReader<S>, code: &str) {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a line");
        assert!(line.starts_with(code), "{line}");
        if line.as_bytes().get(3) != Some(&b'-') {
            return;
        }
    }
}

/// What the next hop was told.
struct Got {
    client: Option<PeerCertificate>,
    message: String,
}

/// A next hop that demands nothing and shows this certificate.
fn next_hop(authority: &Authority, shown: Issued) -> (SocketAddr, mpsc::UnboundedReceiver<Got>) {
    let listener = net::listen("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let tls = Arc::new(TlsMaterials::new(authority.roots()));
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(session(
                Box::new(stream),
                tls.clone(),
                shown.identity.clone(),
                sender.clone(),
            ));
        }
    });
    (address, receiver)
}

async fn session(
    stream: Box<dyn Connected>,
    tls: Arc<TlsMaterials>,
    identity: net::Identity,
    got: mpsc::UnboundedSender<Got>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 next.example").await;
    let mut client = None;
    let mut message: Option<String> = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(text) = message.as_mut().filter(|_| line != ".\r\n") {
            text.push_str(&line);
            continue;
        }
        match line.trim_end() {
            "." => {
                let message = message.take()?;
                let client = client.clone();
                got.send(Got { client, message }).ok()?;
                say(&mut stream, "250 2.6.0 Queued").await;
            }
            "STARTTLS" => {
                say(&mut stream, "220 2.0.0 go").await;
                let acceptor = tls.acceptor(identity.clone()).ok()?;
                let plain = stream.into_inner();
                let secured = tls.accept(&acceptor, plain, now()).await.ok()?;
                client = secured.peer;
                stream = BufReader::new(secured.stream);
            }
            "DATA" => {
                message = Some(String::new());
                say(&mut stream, "354 go on").await;
            }
            "QUIT" => say(&mut stream, "221 2.0.0 bye").await,
            line if line.starts_with("EHLO") => {
                say(&mut stream, "250-next.example").await;
                say(&mut stream, "250 STARTTLS").await;
            }
            _ => say(&mut stream, "250 2.0.0 OK").await,
        }
    }
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work);
}

#[test]
fn mail_goes_to_the_cloud_when_its_certificate_has_the_right_name() {
    run(async {
        let host = "contoso-com.mail.protection.outlook.com";
        let world = world(host, "");
        assert_eq!(predicted(&world).disposition, Disposition::Delivered);
        let authority = Authority::new();
        let shown = authority.issue(&["mail.protection.outlook.com"], (2020, 2090));
        let (next, mut got) = next_hop(&authority, shown);
        let relay = Running::start(&world, &authority, host, next);
        relay.bring().await;
        let got = timeout(PATIENCE, got.recv()).await.expect("in time");
        let got = got.expect("the message");
        assert!(got.message.contains("Subject: hello"), "{}", got.message);
        // What the world says the connector shows; the cloud knows the tenant by it.
        let client = got.client.expect("the relay shows a certificate");
        assert!(client.trusted, "{client:?}");
        assert_eq!(client.says.names[0], "mail.contoso.com");
        let served = relay.shown(&authority).await;
        assert!(served.trusted, "{served:?}");
        assert_eq!(served.says.names[0], "mail.contoso.com");
        let relayed =
            format!("hybridmx_messages_relayed_total{{connector=\"{CONNECTOR}\",server=\"EX01\"}}");
        relay.wait_for(&relayed, 1.0).await;
        assert_eq!(relay.metric(&queue("messages")).await, 0.0);
        // One line for each event, without the reasons.
        let events: Vec<String> = relay.logged("event=");
        assert_eq!(events.len(), 2, "{events:#?}");
        assert!(events[0].contains("event=\"RECEIVE\""), "{events:#?}");
        assert!(events[1].contains("event=\"SENDEXTERNAL\""), "{events:#?}");
        assert_eq!(relay.logged("because"), Vec::<String>::new());
        for (series, least) in [
            (
                "hybridmx_tls_handshakes_total{direction=\"out\",outcome=\"succeeded\",server=\"EX01\",version=\"1.3\"}",
                1.0,
            ),
            ("hybridmx_spool_sync_seconds_count{server=\"EX01\"}", 1.0),
            ("hybridmx_spool_bytes{server=\"EX01\"}", 1.0),
            (
                &format!(
                    "hybridmx_smtp_replies_total{{class=\"3\",connector=\"{CONNECTOR}\",direction=\"out\",server=\"EX01\"}}"
                ),
                1.0,
            ),
            (
                "hybridmx_smtp_replies_total{class=\"2\",connector=\"Default Frontend EX01\",direction=\"in\",server=\"EX01\"}",
                6.0,
            ),
            (
                &format!(
                    "hybridmx_delivery_latency_seconds_count{{connector=\"{CONNECTOR}\",server=\"EX01\"}}"
                ),
                1.0,
            ),
            ("hybridmx_world_findings{severity=\"error\"}", 0.0),
        ] {
            assert!(relay.metric(series).await >= least, "{series}");
        }
    });
}

#[test]
fn mail_waits_when_the_certificate_has_another_name() {
    run(async {
        let host = "mail.fabrikam.com";
        let theirs = "\n[[Certificates]]\nSubject = \"CN=mail.fabrikam.com\"\nServers = [\"mail.fabrikam.com\"]\n";
        let world = world(host, theirs);
        let fork = predicted(&world);
        assert_eq!(fork.disposition, Disposition::Deferred);
        let status = fork.status.expect("a status").enhanced.to_string();
        assert_eq!(status, "4.7.5");
        let authority = Authority::new();
        let shown = authority.issue(&[host], (2020, 2090));
        let (next, mut got) = next_hop(&authority, shown);
        let mut relay = Running::start(&world, &authority, host, next);
        relay.bring().await;
        let deferred = format!(
            "hybridmx_messages_deferred_total{{connector=\"{CONNECTOR}\",enhanced=\"{status}\",server=\"EX01\"}}"
        );
        relay.wait_for(&deferred, 1.0).await;
        assert!(got.try_recv().is_err(), "it was sent all the same");
        let events = relay.logged("event=\"DEFER\"");
        assert_eq!(events.len(), 1, "{events:#?}");
        assert!(events[0].contains("SubjectMismatch"), "{events:#?}");
        for part in [
            format!("host=\"{host}\""),
            format!("next_hop=\"{host}\""),
            format!("address={next}"),
            format!("connector=\"{CONNECTOR}\""),
        ] {
            assert!(events[0].contains(&part), "{part}: {events:#?}");
        }
        assert_eq!(relay.metric(&queue("messages")).await, 1.0);
        relay.wait_for(&queue("oldest_age_seconds"), 1.0).await;
        // Another process finds the same message, as old as it was.
        relay.restart();
        relay.wait_for(&deferred, 1.0).await;
        assert_eq!(relay.metric(&queue("messages")).await, 1.0);
        assert!(relay.metric(&queue("oldest_age_seconds")).await >= 1.0);
        assert!(got.try_recv().is_err(), "it was sent all the same");
        // In a world without its organization nobody can say where it goes; it is not lost.
        let organization = "[[OnPremises]]\nName = \"Contoso\"";
        let other = world.replacen(organization, "[[OnPremises]]\nName = \"Litware\"", 1);
        write(&relay.folder.path().join("world.toml"), &other);
        relay.restart();
        let poison = "hybridmx_queue_messages{connector=\"none\",queue=\"poison\",server=\"EX01\"}";
        assert_eq!(relay.metric(poison).await, 1.0);
        assert_eq!(relay.metric(&queue("messages")).await, 0.0);
        // And with the right world it is there again.
        write(&relay.folder.path().join("world.toml"), &world);
        relay.restart();
        assert_eq!(relay.metric(poison).await, 0.0);
        assert_eq!(relay.metric(&queue("messages")).await, 1.0);
    });
}

/// A series of the delivery queue of the hybrid Send connector.
fn queue(what: &str) -> String {
    format!("hybridmx_queue_{what}{{connector=\"{CONNECTOR}\",queue=\"delivery\",server=\"EX01\"}}")
}
