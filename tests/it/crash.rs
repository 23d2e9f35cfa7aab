//! What was acknowledged arrives, however often the relay is killed: a child process, SIGKILL in the
//! middle of many messages, and a start on what it left.
//!
//! `MESSAGES=2000 KILLS=20` is the long run; without them it is short. `SEED=n` replays the moments.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hybridmx::net;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::process::free_addresses;
use crate::support::{Dice, seeds};

/// Clients that send at the same time.
const CLIENTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(90);
/// How the test names a process that brought a message to the next server.
const RELAY: &str = "relay ";

/// What the test and the clients share.
#[derive(Default)]
struct Run {
    /// Messages that were begun.
    begun: AtomicUsize,
    /// Tokens that were answered with 250.
    acknowledged: Mutex<BTreeSet<String>>,
    /// Which relay is running: kills so far.
    generation: AtomicUsize,
    /// What the next server got: token, and the relay that brought it.
    brought: Mutex<Vec<(String, usize)>>,
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work);
}

#[test]
fn what_was_acknowledged_arrives_after_every_kill() {
    let (messages, kills) = (number("MESSAGES", 300), number("KILLS", 4));
    let seed = seeds(1)[0];
    run(survive(messages, kills, seed, End::Kill));
}

/// A relay that is told to stop has acknowledged all that it took and heard of all that it sent: nothing
/// is in the spool that its client brings again, and nothing is sent twice.
#[test]
fn nothing_comes_twice_where_the_relay_is_told_to_stop() {
    let (messages, stops) = (number("MESSAGES", 600), number("STOPS", 4));
    let seed = seeds(1)[0];
    run(survive(messages, stops, seed, End::Terminate));
}

/// How a relay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
}

impl End {
    fn bring(self, relay: &mut Child) {
        match self {
            Self::Kill => relay.kill().expect("the relay runs"),
            Self::Terminate => {
                let id = relay.id().to_string();
                let status = Command::new("kill").args(["-TERM", &id]).status();
                assert!(status.expect("kill runs").success());
            }
        }
        let status = relay.wait().expect("the relay ended");
        assert_eq!(status.success(), self == Self::Terminate);
    }
}

async fn survive(messages: usize, kills: usize, seed: u64, end: End) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Arc::new(Run::default());
    let sink = net::listen("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let next_server = sink.local_addr().expect("an address");
    tokio::spawn(serve(sink, run.clone()));
    let [address] = free_addresses();
    let settings = settings(folder.path(), address, next_server);
    let mut relay = start(&settings, &log(folder.path()));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(client(run.clone(), address, messages));
    }
    let mut dice = Dice::new(seed);
    for kill in 1..=kills {
        let target = messages * kill / (kills + 1);
        let until = Instant::now() + PATIENCE;
        while acknowledged(&run) < target {
            assert!(
                Instant::now() < until,
                "seed {seed}: {} messages after kill {}",
                acknowledged(&run),
                kill - 1
            );
            sleep(Duration::from_millis(2)).await;
        }
        sleep(Duration::from_micros(dice.below(30_000) as u64)).await;
        end.bring(&mut relay);
        run.generation.fetch_add(1, Ordering::SeqCst);
        relay = start(&settings, &log(folder.path()));
    }
    while clients.join_next().await.is_some() {}
    let arrived = arrival(&run, folder.path(), seed).await;
    let dropped = dropped(folder.path());
    end.bring(&mut relay);
    report(&run, &arrived, dropped, seed, kills);
    if end == End::Terminate {
        let acknowledged = run.acknowledged.lock().expect("no panic");
        let arrived: Vec<_> = arrived
            .iter()
            .map(|(token, processes)| (token, processes.len()))
            .collect();
        let wanted: Vec<_> = acknowledged.iter().map(|token| (token, 1)).collect();
        assert_eq!(arrived, wanted, "seed {seed}");
        assert_eq!(dropped, 0, "seed {seed}");
    }
}

/// Waits until everything acknowledged is there; tokens with the relays that brought them.
async fn arrival(run: &Run, folder: &Path, seed: u64) -> BTreeMap<String, Vec<String>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (token, generation) in run.brought.lock().expect("no panic").iter() {
            arrived
                .entry(token.clone())
                .or_default()
                .push(format!("{RELAY}{generation}"));
        }
        for (token, process) in mailbox(&folder.join("mail/ex01/david@contoso.com/new")) {
            arrived.entry(token).or_default().push(process);
        }
        let acknowledged = run.acknowledged.lock().expect("no panic").clone();
        let missing: Vec<&String> = acknowledged
            .iter()
            .filter(|token| !arrived.contains_key(*token))
            .collect();
        if missing.is_empty() {
            return arrived;
        }
        assert!(
            Instant::now() < until,
            "seed {seed}: {} acknowledged messages are lost: {missing:?}",
            missing.len()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// A message that came twice came from two processes: one was killed after it had handed the message
/// over and before it had noted that (RFC 1047). That is so for the next server, which takes what it is
/// given; a mailbox drops what it has.
#[expect(
    clippy::print_stdout,
    reason = "what a person who runs the long test wants to know"
)]
fn report(
    run: &Run,
    arrived: &BTreeMap<String, Vec<String>>,
    dropped: usize,
    seed: u64,
    kills: usize,
) {
    let mut duplicates = 0;
    for (token, processes) in arrived {
        let different: BTreeSet<&String> = processes.iter().collect();
        assert_eq!(
            different.len(),
            processes.len(),
            "seed {seed}: {token} came twice from one process: {processes:?}"
        );
        let at_mailbox = |process: &&String| !process.starts_with(RELAY);
        let copies = processes.iter().filter(at_mailbox).count();
        assert!(
            copies < 2,
            "seed {seed}: {token} is in a mailbox twice: {processes:?}"
        );
        duplicates += processes.len() - 1;
    }
    println!(
        "seed {seed}: {kills} kills; {} messages acknowledged, all arrived; {} unacknowledged ones arrived as well; \
         {duplicates} arrived again at the next server, and {dropped} that came again to their mailbox were dropped there: \
         the relay was killed after it had handed them over and before it had noted that",
        acknowledged(run),
        arrived.len() - acknowledged(run)
    );
}

fn acknowledged(run: &Run) -> usize {
    run.acknowledged.lock().expect("no panic").len()
}

/// Sends messages until all are acknowledged; one without an answer is sent again under a new name.
async fn client(run: Arc<Run>, address: SocketAddr, messages: usize) {
    let mut connection: Option<BufReader<TcpStream>> = None;
    loop {
        let number = run.begun.fetch_add(1, Ordering::SeqCst);
        if number >= messages {
            return;
        }
        for attempt in 0.. {
            let token = format!("m{number}a{attempt}");
            let to = if number.is_multiple_of(2) {
                "david@contoso.com"
            } else {
                "carol@contoso.com"
            };
            let headers = format!("Message-ID: <{token}@test>\r\nSubject: {token}\r\n");
            if send(&mut connection, address, to, &headers).await.is_some() {
                run.acknowledged.lock().expect("no panic").insert(token);
                break;
            }
            connection = None;
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// One message; `None` where anything but a 250 at its end was heard.
async fn send(
    connection: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    to: &str,
    headers: &str,
) -> Option<()> {
    if connection.is_none() {
        let stream = net::connect(None, address, Duration::from_secs(1))
            .await
            .ok()?;
        let mut stream = BufReader::new(stream);
        reply(&mut stream).await.filter(|code| *code == 220)?;
        say(&mut stream, "EHLO client.example", 250).await?;
        *connection = Some(stream);
    }
    let stream = connection.as_mut()?;
    say(stream, "MAIL FROM:<stranger@elsewhere.example>", 250).await?;
    say(stream, &format!("RCPT TO:<{to}>"), 250).await?;
    say(stream, "DATA", 354).await?;
    say(stream, &format!("{headers}\r\nhello\r\n."), 250).await
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str, wanted: u16) -> Option<()> {
    stream
        .write_all(format!("{line}\r\n").as_bytes())
        .await
        .ok()?;
    reply(stream).await.filter(|code| *code == wanted).map(drop)
}

async fn reply(stream: &mut BufReader<TcpStream>) -> Option<u16> {
    loop {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_line(&mut line)).await;
        if read.ok()?.ok()? == 0 {
            return None;
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return line.get(..3)?.parse().ok();
        }
    }
}

/// A server that takes every message and remembers who brought it.
async fn serve(listener: tokio::net::TcpListener, run: Arc<Run>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(session(BufReader::new(stream), run.clone()));
    }
}

async fn session(mut stream: BufReader<TcpStream>, run: Arc<Run>) -> Option<()> {
    let generation = run.generation.load(Ordering::SeqCst);
    stream.write_all(b"220 next.example\r\n").await.ok()?;
    let (mut data, mut token) = (false, String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        let answer = match (data, line) {
            (true, ".") => {
                data = false;
                run.brought
                    .lock()
                    .expect("no panic")
                    .push((std::mem::take(&mut token), generation));
                "250 2.0.0 OK\r\n"
            }
            (true, line) => {
                if let Some(id) = line.strip_prefix("Message-ID: <") {
                    token = id.split('@').next().unwrap_or_default().to_owned();
                }
                continue;
            }
            (false, line) if line.starts_with("EHLO") => "250-next.example\r\n250 PIPELINING\r\n",
            (false, "DATA") => {
                data = true;
                "354 go on\r\n"
            }
            (false, "QUIT") => "221 bye\r\n",
            (false, _) => "250 2.0.0 OK\r\n",
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// Where every relay of a run says what it does.
fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// How many copies mailboxes dropped because they had the message.
#[expect(clippy::disallowed_methods, reason = "a log is a file")]
fn dropped(folder: &Path) -> usize {
    let log = std::fs::read(log(folder)).expect("the relay has said something");
    String::from_utf8_lossy(&log)
        .matches("DUPLICATEDELIVER")
        .count()
}

/// A relay that adds to a log. Its death waits for nobody, so the last line may be cut.
#[expect(clippy::disallowed_methods, reason = "a log is a file")]
fn start(settings: &Path, log: &Path) -> Child {
    let mut options = std::fs::OpenOptions::new();
    let log = options.create(true).append(true).open(log);
    let log = log.expect("a file can be written");
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridmx"));
    command
        .arg("relay")
        .arg(world)
        .args(["--server", "EX01", "--settings"])
        .arg(settings);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().expect("the relay starts")
}

/// The same message for a mailbox again and again, through two processes: it is there once.
#[test]
fn a_message_that_comes_again_is_dropped_also_after_a_kill() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let [address, nobody] = free_addresses();
        let settings = settings(folder.path(), address, nobody);
        for generation in 1..=2 {
            let mut relay = start(&settings, &log(folder.path()));
            // Another date makes it another message.
            for second in [0, 0, generation] {
                let date = format!("Date: Sun, 22 Nov 2026 00:00:0{second} +0000");
                deliver(address, &format!("Message-ID: <same@test>\r\n{date}\r\n")).await;
            }
            let until = Instant::now() + PATIENCE;
            while dropped(folder.path()) < 2 * generation - 1 {
                assert!(
                    Instant::now() < until,
                    "nothing is dropped by relay {generation}"
                );
                sleep(Duration::from_millis(10)).await;
            }
            let found = wait_for_mail(folder.path(), 1 + generation).await;
            assert_eq!(found, 1 + generation);
            relay.kill().expect("the relay runs");
            relay.wait().expect("the relay ended");
        }
        // More, where the relay was killed before it had noted what it had delivered.
        assert!(dropped(folder.path()) >= 3);
        assert_eq!(wait_for_mail(folder.path(), 3).await, 3);
    });
}

/// Hands over a message for the mailbox, as soon as the relay takes it.
async fn deliver(address: SocketAddr, headers: &str) {
    let until = Instant::now() + PATIENCE;
    let mut connection = None;
    while send(&mut connection, address, "david@contoso.com", headers)
        .await
        .is_none()
    {
        assert!(Instant::now() < until, "the relay takes no message");
        connection = None;
        sleep(Duration::from_millis(10)).await;
    }
}

/// How many messages the mailbox has, as soon as there are so many.
async fn wait_for_mail(folder: &Path, wanted: usize) -> usize {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = mailbox(&folder.join("mail/ex01/david@contoso.com/new")).len();
        if found >= wanted || Instant::now() >= until {
            return found;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the relay reads its settings from a file"
)]
fn settings(folder: &Path, address: SocketAddr, next_server: SocketAddr) -> PathBuf {
    let path = folder.join("relay.toml");
    let text = format!(
        "Listen = \"{address}\"\nNameServer = \"127.0.0.1:9\"\nHostOverrides = [\"192.0.2.11={next_server}\"]\n\
         SpoolDirectory = \"spool\"\nMailDirectory = \"mail\"\n"
    );
    std::fs::write(&path, text).expect("a file can be written");
    path
}

/// The messages of a Maildir: the token of each, and the process that wrote it, which its name begins
/// with.
#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn mailbox(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let text = std::fs::read_to_string(entry.path()).ok()?;
            let (_, rest) = text.split_once("Message-ID: <")?;
            let token = rest.split('@').next()?.to_owned();
            let name = entry.file_name().to_string_lossy().into_owned();
            Some((token, name.split('-').next()?.to_owned()))
        })
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "settings of a test that a person gives by hand"
)]
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}
