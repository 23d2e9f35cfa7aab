//! What a relay does when the next hop refuses, defers or is not there: recipients that are tried again
//! travel together, those that failed are reported at once, and the log says where and why.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use std::net::SocketAddr;

use hybridmx::config::{self, World};
use hybridmx::metrics::Metrics;
use hybridmx::net::{self, Identity, Resolver};
use hybridmx::relay::{AddressBook, Config, Pace, Recognition, Relay};
use hybridmx::spool::Recovered;
use hybridmx::spool::memory::{Memory, Syncing};
use rustls::RootCertStore;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::files::{now, read_text};

const SENDER: &str = "david@contoso.com";
const PATIENCE: Duration = Duration::from_secs(30);

/// Contoso with so many more mailboxes on EX02: u0, u1 … and one on EX01 that forwards to the first.
fn world(users: usize) -> World {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso/world.toml");
    let before = "# Get-RemoteMailbox";
    let more: String = (0..users)
        .map(|user| {
            format!(
                "[[OnPremises.Mailboxes]]\nName = \"u{user}\"\nPrimarySmtpAddress = \
                 \"u{user}@contoso.com\"\nServerName = \"EX02\"\n"
            )
        })
        .collect();
    let keeper = "[[OnPremises.Mailboxes]]\nName = \"keeper\"\nPrimarySmtpAddress = \
                  \"keeper@contoso.com\"\nServerName = \"EX01\"\nInboxRules = [{ ForwardTo = \
                  \"u0@contoso.com\" }]\n";
    let text = read_text(&path).replacen(before, &format!("{more}{keeper}{before}"), 1);
    let (world, diagnostics) = config::read("world.toml", &text, now());
    world.unwrap_or_else(|| panic!("{diagnostics:#?}"))
}

/// EX01 in this process; EX02 is wherever the test wants it.
struct Ex01 {
    relay: Relay,
    smtp: SocketAddr,
    metrics: Arc<Metrics>,
    folder: TempDir,
}

impl Ex01 {
    async fn start(users: usize, next: SocketAddr, pace: u32) -> Self {
        let empty = Recovered {
            messages: Box::new(std::iter::empty()),
            damage: Vec::new(),
        };
        let store = Memory::new(Syncing::AtOnce);
        Self::start_on(Arc::new(store), empty, users, next, pace).await
    }

    async fn start_on(
        store: Arc<Memory>,
        recovered: Recovered,
        users: usize,
        next: SocketAddr,
        pace: u32,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let topology = Arc::new(world(users).topology);
        let server = topology.server_named("EX01").expect("EX01");
        let listener = net::listen("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let smtp = listener.local_addr().expect("an address");
        let nowhere = Resolver::at("127.0.0.1:9".parse().expect("an address")).expect("DNS");
        let metrics = Arc::new(Metrics::new());
        let overrides = [("192.0.2.11".to_owned(), next)];
        let config = Config {
            recognition: Recognition::ByAddress,
            self_signed: Identity::self_signed("ex01.contoso.com").expect("a certificate"),
            topology,
            server,
            addresses: Arc::new(AddressBook::identity(overrides.into_iter().collect())),
            local_address: None,
            external_resolver: nowhere.clone(),
            resolver: nowhere,
            certificates_at: None,
            roots: RootCertStore::empty(),
            identities: std::collections::HashMap::new(),
            store,
            mail_directory: folder.path().to_owned(),
            users: Arc::default(),
            metrics: metrics.clone(),
            pace: Pace(pace),
            observer: None,
        };
        let relay = Relay::start(config, recovered, vec![(25, listener)]);
        Self {
            relay: relay.await.expect("the relay starts"),
            smtp,
            metrics,
            folder,
        }
    }

    /// Hands a message from [`SENDER`] over.
    async fn bring(&self, recipients: &[&str]) {
        self.bring_from(SENDER, recipients).await;
    }

    async fn bring_from(&self, sender: &str, recipients: &[&str]) {
        let stream = net::connect(None, self.smtp, PATIENCE).await;
        let mut stream = BufReader::new(stream.expect("the relay listens"));
        answer(&mut stream, "220").await;
        let mut lines = vec![
            ("EHLO client.example".to_owned(), "250"),
            (format!("MAIL FROM:<{sender}>"), "250"),
        ];
        for user in recipients {
            lines.push((format!("RCPT TO:<{user}@contoso.com>"), "250"));
        }
        let message =
            "X-MS-Exchange-Organization-Hidden: secret\r\nSubject: hello\r\n\r\nhello\r\n.";
        lines.push(("DATA".to_owned(), "354"));
        lines.push((message.to_owned(), "250"));
        for (line, code) in lines {
            say(&mut stream, &line).await;
            answer(&mut stream, code).await;
        }
    }

    /// The sender's notifications, as soon as there are so many.
    async fn reports(&self, wanted: usize) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.mailbox();
            if found.len() >= wanted {
                return found;
            }
            assert!(Instant::now() < until, "{} reports", found.len());
            sleep(Duration::from_millis(5)).await;
        }
    }

    #[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
    fn mailbox(&self) -> Vec<String> {
        let folder = self.folder.path().join("ex01").join(SENDER).join("new");
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let texts = entries.map(|entry| read_text(&entry.expect("a file").path()));
        texts.collect()
    }

    /// The sum of a counter's series.
    fn counted(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        values.sum()
    }
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str) {
    let line = format!("{line}\r\n");
    stream.write_all(line.as_bytes()).await.expect("a line out");
}

/// The last line of a reply, which has this code.
async fn answer(stream: &mut BufReader<TcpStream>, code: &str) {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a line");
        assert!(line.starts_with(code), "{line}");
        if line.as_bytes().get(3) != Some(&b'-') {
            return;
        }
    }
}

/// What EX02 says to a line; nothing at all where it says nothing.
type Says = fn(line: &str, transaction: usize) -> Option<String>;

/// What EX02 heard: commands in their order, of each session.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn count(&self, what: &str) -> usize {
        let lines = self.0.lock().expect("no panic");
        lines.iter().filter(|line| line.starts_with(what)).count()
    }

    async fn wait_for(&self, what: &str, count: usize) {
        let until = Instant::now() + PATIENCE;
        while self.count(what) < count {
            assert!(Instant::now() < until, "{:#?}", self.0.lock());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A next hop without TLS that answers as the test wants.
fn sink(says: Says) -> (SocketAddr, Heard) {
    let listener = net::listen("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let heard = Heard::default();
    let told = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(session(BufReader::new(stream), told.clone(), says));
        }
    });
    (address, heard)
}

async fn session(mut stream: BufReader<TcpStream>, heard: Heard, says: Says) -> Option<()> {
    stream.write_all(b"220 ex02.contoso.com\r\n").await.ok()?;
    let mut in_message = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if in_message && line != "." {
            continue;
        }
        in_message = false;
        heard.0.lock().expect("no panic").push(line.to_owned());
        let Some(reply) = says(line, heard.count("MAIL FROM")) else {
            continue;
        };
        if reply == "close" {
            return None;
        }
        in_message = reply.starts_with("354");
        let reply = format!("{reply}\r\n");
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
}

/// What a server says that takes everything.
fn takes(line: &str) -> Option<String> {
    let reply = match line.split(' ').next().unwrap_or_default() {
        "EHLO" => "250-ex02.contoso.com\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES",
        "DATA" => "354 go on",
        "QUIT" => "221 2.0.0 bye",
        _ => "250 2.0.0 OK",
    };
    Some(reply.to_owned())
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let bounded = async { timeout(Duration::from_secs(60), work).await };
    let ended = runtime.expect("a runtime").block_on(bounded);
    ended.expect("the test ends in time");
}

#[test]
fn recipients_that_were_greylisted_together_are_sent_together() {
    run(async {
        let (next, heard) = sink(|line, transaction| {
            if line.starts_with("RCPT") && transaction == 1 {
                return Some("451 4.7.1 Greylisted".to_owned());
            }
            if line == "DATA" && transaction == 1 {
                return Some("554 5.5.1 No valid recipients".to_owned());
            }
            takes(line)
        });
        let relay = Ex01::start(20, next, 600).await;
        let names: Vec<String> = (0..20).map(|user| format!("u{user}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        relay.bring(&names).await;
        heard.wait_for(".", 1).await;
        while relay.counted("hybridmx_messages_relayed_total") < 20 {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(heard.count("MAIL FROM"), 2);
        assert_eq!(heard.count("."), 1);
        assert_eq!(heard.count("RCPT"), 40);
        relay.relay.stop().await;
    });
}

#[test]
fn recipients_of_a_dropped_session_stay_together() {
    run(async {
        let (next, heard) = sink(|line, transaction| {
            if line == "." && transaction == 1 {
                return Some("close".to_owned());
            }
            takes(line)
        });
        let relay = Ex01::start(5, next, 600).await;
        relay.bring(&["u0", "u1", "u2", "u3", "u4"]).await;
        while relay.counted("hybridmx_messages_relayed_total") < 5 {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(heard.count("MAIL FROM"), 2);
        relay.relay.stop().await;
    });
}

/// u0 and u1 do not exist, the others are not wanted now.
fn mixed(line: &str, _: usize) -> Option<String> {
    match line {
        "RCPT TO:<u0@contoso.com>" | "RCPT TO:<u1@contoso.com>" => {
            Some("550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found".to_owned())
        }
        line if line.starts_with("RCPT") => Some("451 4.7.1 Later".to_owned()),
        line => takes(line),
    }
}

#[test]
fn failures_are_reported_while_others_wait_and_together() {
    run(async {
        let (next, heard) = sink(mixed);
        let relay = Ex01::start(4, next, 600).await;
        relay.bring(&["u0", "u1", "u2", "u3"]).await;
        let reports = relay.reports(1).await;
        assert_eq!(
            reports[0].matches("Action: failed").count(),
            2,
            "{}",
            reports[0]
        );
        assert!(
            reports[0].contains("Remote-MTA: dns;ex02.contoso.com"),
            "{}",
            reports[0]
        );
        assert!(!reports[0].contains("secret"), "{}", reports[0]);
        assert!(
            !reports[0].contains("Organization-Network"),
            "{}",
            reports[0]
        );
        heard.wait_for("RCPT TO:<u3", 3).await;
        assert_eq!(heard.count("RCPT TO:<u0"), 1);
        assert_eq!(relay.mailbox().len(), 1);
        assert_eq!(relay.counted("hybridmx_messages_bounced_total"), 2);
        relay.relay.stop().await;
    });
}

#[test]
fn nobody_is_told_of_a_message_without_a_sender_and_nothing_is_counted_as_told() {
    run(async {
        let (next, _) = sink(mixed);
        let relay = Ex01::start(2, next, 600).await;
        relay.bring_from("", &["u0", "u1"]).await;
        while relay.relay.finished() < 1 {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(relay.relay.taken(), 1);
        assert_eq!(relay.counted("hybridmx_messages_bounced_total"), 0);
        relay.relay.stop().await;
    });
}

/// The order of the writes: the failure, then its report, then that it is over.
#[test]
fn a_crash_between_a_failure_and_its_report_loses_neither() {
    run(async {
        let (next, heard) = sink(mixed);
        let store = Arc::new(Memory::new(Syncing::WhenTold));
        let empty = Recovered {
            messages: Box::new(std::iter::empty()),
            damage: Vec::new(),
        };
        let relay = Ex01::start_on(store.clone(), empty, 4, next, 1).await;
        let bring = relay.bring(&["u0", "u2"]);
        let sync = async {
            while store.unsynced() == 0 {
                sleep(Duration::from_millis(5)).await;
            }
            store.sync();
        };
        tokio::join!(bring, sync);
        // The failure, and the report behind it.
        while store.unsynced() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
        let (after, recovered) = store.crash(1);
        let after = Arc::new(after);
        let again = Ex01::start_on(after.clone(), recovered, 4, next, 1).await;
        while again.mailbox().is_empty() {
            after.sync();
            sleep(Duration::from_millis(5)).await;
        }
        heard.wait_for("RCPT TO:<u2", 2).await;
        assert_eq!(heard.count("RCPT TO:<u0"), 1);
        let report = again.mailbox().remove(0);
        assert!(
            report.contains("Final-Recipient: rfc822;u0@contoso.com"),
            "{report}"
        );
    });
}

/// What a keeper forwards is not wanted now; what David sends is.
fn later_from_the_keeper(line: &str, _: usize) -> Option<String> {
    match line {
        line if line.starts_with("MAIL FROM:<keeper@") => Some("451 4.7.1 Later".to_owned()),
        line => takes(line),
    }
}

/// One address gets two copies of a message; a crash comes when it has the first.
#[test]
fn a_crash_between_two_copies_for_one_address_loses_neither() {
    run(async {
        let (next, heard) = sink(later_from_the_keeper);
        let store = Arc::new(Memory::new(Syncing::AtOnce));
        let empty = Recovered {
            messages: Box::new(std::iter::empty()),
            damage: Vec::new(),
        };
        let relay = Ex01::start_on(store.clone(), empty, 1, next, 1).await;
        relay.bring(&["keeper", "u0"]).await;
        heard.wait_for("MAIL FROM:<keeper@", 1).await;
        // David's copy and the keeper's own.
        while relay.counted("hybridmx_messages_relayed_total") < 1
            || relay.counted("hybridmx_messages_delivered_total") < 1
        {
            sleep(Duration::from_millis(5)).await;
        }
        relay.relay.stop().await;
        let (after, recovered) = store.crash(0);
        let (next, heard) = sink(|line, _| takes(line));
        let again = Ex01::start_on(Arc::new(after), recovered, 1, next, 1).await;
        heard.wait_for("MAIL FROM:<keeper@", 1).await;
        again.relay.stop().await;
        assert_eq!(heard.count("MAIL FROM:<david@"), 0);
    });
}

#[test]
fn a_server_that_refuses_everybody_and_then_says_nothing_is_believed_at_once() {
    run(async {
        let (next, _) = sink(|line, _| match line {
            "DATA" => None,
            line if line.starts_with("RCPT") => Some("550 5.7.1 No".to_owned()),
            line => takes(line),
        });
        let relay = Ex01::start(2, next, 1).await;
        let began = Instant::now();
        relay.bring(&["u0", "u1"]).await;
        relay.reports(1).await;
        assert!(
            began.elapsed() < Duration::from_secs(9),
            "{:?}",
            began.elapsed()
        );
        relay.relay.stop().await;
    });
}

#[test]
fn a_server_that_refuses_the_sender_and_then_says_nothing_is_believed_at_once() {
    run(async {
        let (next, _) = sink(|line, _| match line {
            line if line.starts_with("MAIL") => Some("550 5.7.1 No".to_owned()),
            line if line.starts_with("RCPT") || line == "DATA" => None,
            line => takes(line),
        });
        let relay = Ex01::start(1, next, 1).await;
        let began = Instant::now();
        relay.bring(&["u0"]).await;
        relay.reports(1).await;
        assert!(began.elapsed() < Duration::from_secs(9));
        relay.relay.stop().await;
    });
}

#[test]
fn the_sender_is_told_of_a_delay_once_and_of_the_last_error_in_the_end() {
    run(async {
        // Nobody listens there.
        let listener = net::listen("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let next = listener.local_addr().expect("an address");
        drop(listener);
        let relay = Ex01::start(2, next, 40_000).await;
        relay.bring(&["u0", "u1"]).await;
        let reports = relay.reports(2).await;
        let with = |what: &str| {
            let found: Vec<&String> = reports.iter().filter(|text| text.contains(what)).collect();
            assert_eq!(found.len(), 1, "{what}: {reports:#?}");
            found[0].clone()
        };
        let delayed = with("Action: delayed");
        assert_eq!(delayed.matches("Action: delayed").count(), 2, "{delayed}");
        for part in [
            "Subject: Delivery delayed:hello",
            "Status: 4.4.7",
            "Diagnostic-Code: smtp;400 4.4.7 Message delayed",
            "Will-Retry-Until: ",
        ] {
            assert!(delayed.contains(part), "{part}: {delayed}");
        }
        let failed = with("Action: failed");
        let last = format!(
            " - Remote Server at ex02.contoso.com (127.0.0.1) returned '441 4.4.1 Error encountered \
             while communicating with primary target IP address: \"Failed to connect. Winsock error \
             code: 10061, Win32 error code: 10061.\" Attempted failover to alternate host, but that \
             did not succeed. Either there are no alternate hosts, or delivery failed to all \
             alternate hosts. The last endpoint attempted was {next}'"
        );
        assert!(failed.contains(&last), "{failed}");
        assert!(
            failed.contains("(127.0.0.1) returned '550 4.4.7 QUEUE.Expired; message expired'"),
            "{failed}"
        );
        assert!(!failed.contains("Remote-MTA"), "{failed}");
        relay.relay.stop().await;
    });
}
