//! Postfix's load generators: smtp-source before a relay, smtp-sink behind it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hybridmx::net;
use tokio::time::{Instant, sleep};

use super::{blocking, http_get, stop, tool};
use crate::process::free_addresses;

const MESSAGES: usize = 500;
const SESSIONS: usize = 10;
/// Whom the world's EX02 has a mailbox for.
const TO: &str = "carol@contoso.com";
const PATIENCE: Duration = Duration::from_secs(60);

mod smtp_source {
    use super::*;

    #[test]
    #[ignore = "needs smtp-source and smtp-sink; tests/run runs it where they are"]
    fn keeps_its_connections() {
        carries_everything_once(&["-d"]);
    }

    #[test]
    #[ignore = "needs smtp-source and smtp-sink; tests/run runs it where they are"]
    fn connects_for_every_message() {
        carries_everything_once(&[]);
    }
}

/// What smtp-source handed to the relay is at smtp-sink: all of it, each message once.
fn carries_everything_once(mode: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let [address, sink_address, metrics] = blocking(async { free_addresses() });
    let dumps = dumps(folder.path());
    let _sink = Ended(sink(&dumps, sink_address));
    let settings = settings(folder.path(), address, sink_address, metrics);
    let mut relay = Ended(relay(&settings));
    wait_until("both listen", || listens(sink_address) && listens(metrics));
    let (sessions, messages) = (SESSIONS.to_string(), MESSAGES.to_string());
    let load = ["-s", &sessions, "-m", &messages, "-l", "1024"];
    let envelope = ["-f", "stranger@elsewhere.example", "-t", TO];
    let to = address.to_string();
    let words = [mode, &load, &envelope, &[&to]].concat();
    tool("smtp-source", &words, Stdio::null());
    // The relay says when it is done with all; what it did is counted at the sink.
    wait_until("all are handed on", || {
        counted(metrics, "hybridmx_messages_relayed_total") >= MESSAGES
    });
    stop(&mut relay.0);
    let arrived = message_ids(&dumps);
    let different: BTreeSet<&String> = arrived.iter().collect();
    assert_eq!((arrived.len(), different.len()), (MESSAGES, MESSAGES));
}

/// A program that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// smtp-sink, which keeps every message in a file of its own.
fn sink(dumps: &Path, address: SocketAddr) -> Child {
    let mut command = Command::new("smtp-sink");
    // It does not work as root, and there is nobody else it could be than nobody.
    if tool("id", &["-u"], Stdio::null()).trim() == "0" {
        command.args(["-u", "nobody"]);
    }
    command.arg("-d").arg(dumps.join("%s."));
    command.arg(address.to_string()).arg("100");
    command.spawn().expect("smtp-sink starts")
}

/// The relay as its user starts it: EX01, with the sink in the place of EX02.
fn relay(settings: &Path) -> Child {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridmx"));
    command.arg("relay").arg(world);
    command
        .args(["--server", "EX01", "--settings"])
        .arg(settings);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null());
    command.spawn().expect("the relay starts")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the relay reads its settings from a file"
)]
fn settings(folder: &Path, listen: SocketAddr, sink: SocketAddr, metrics: SocketAddr) -> PathBuf {
    let path = folder.join("relay.toml");
    let text = format!(
        "Listen = \"{listen}\"\nNameServer = \"127.0.0.1:9\"\nHostOverrides = [\"192.0.2.11={sink}\"]\n\
         SpoolDirectory = \"spool\"\nMailDirectory = \"mail\"\nMetricsListen = \"{metrics}\"\n"
    );
    std::fs::write(&path, text).expect("a file can be written");
    path
}

/// A folder that smtp-sink may write to, whoever it is.
#[expect(clippy::disallowed_methods, reason = "smtp-sink writes files")]
fn dumps(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let dumps = folder.join("dumps");
    std::fs::create_dir(&dumps).expect("a folder");
    for (path, mode) in [(folder, 0o755), (&dumps, 0o777)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).expect("it is ours");
    }
    dumps
}

/// The Message-ID of every message that smtp-sink has.
#[expect(clippy::disallowed_methods, reason = "smtp-sink writes files")]
fn message_ids(dumps: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dumps).expect("the folder is there");
    let texts = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        std::fs::read_to_string(path).expect("text of smtp-source")
    });
    let id = |text: String| {
        let line = text.lines().find(|line| line.starts_with("Message-Id: "));
        line.expect("every message has one").to_owned()
    };
    texts.map(id).collect()
}

/// The sum of a counter's series.
fn counted(metrics: SocketAddr, name: &str) -> usize {
    let text = http_get(metrics, "/metrics");
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
    values.sum()
}

fn listens(address: SocketAddr) -> bool {
    blocking(net::connect(None, address, Duration::from_secs(1))).is_ok()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "not within a minute: {what}");
        blocking(async { sleep(Duration::from_millis(20)).await });
    }
}
