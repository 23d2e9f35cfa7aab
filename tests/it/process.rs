//! A relay as a process of its own, in a folder of its own.

use std::io::{BufRead as _, BufReader as LineReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use hybridmx::net::{self, Connected, Identity, TlsMaterials};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::authority::{Authority, Issued};
use crate::files::{create, now, read_text, write};

/// The folder of a relay, and what runs in it.
pub(crate) struct Process {
    pub(crate) folder: TempDir,
    pub(crate) smtp: SocketAddr,
    pub(crate) submission: SocketAddr,
    pub(crate) http: SocketAddr,
    server: String,
    child: Option<Child>,
}

impl Process {
    /// The files of a relay that runs as `server`, with `more` in its settings.
    pub(crate) fn new(server: &str, world: &str, more: &str) -> Self {
        let [smtp, submission, http] = free_addresses();
        let process = Self {
            folder: tempfile::tempdir().expect("a folder"),
            smtp,
            submission,
            http,
            server: server.to_owned(),
            child: None,
        };
        let settings = format!(
            "Listen = \"{}\"\nSubmissionListen = \"{}\"\nMetricsListen = \"{}\"\n\
             NameServer = \"127.0.0.1:9\"\nSpoolDirectory = \"spool\"\nMailDirectory = \"mail\"\n{more}",
            process.smtp, process.submission, process.http
        );
        process.put("world.toml", world);
        process.put("relay.toml", &settings);
        process
    }

    /// Puts a file beside its settings.
    pub(crate) fn put(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    /// Puts a certificate with its key there, as `NAME.pem` and `NAME.key`.
    pub(crate) fn put_certificate(&self, authority: &Authority, name: &str, hosts: &[&str]) {
        let Issued {
            certificate, key, ..
        } = authority.issue(hosts, (2020, 2030));
        self.put(&format!("{name}.pem"), &certificate);
        self.put(&format!("{name}.key"), &key);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        // Where nothing is kept from others unless the program does it.
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 0; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_hybridmx"))
            .arg("relay")
            .arg(self.path("world.toml"))
            .args(["--server", &self.server, "--settings"])
            .arg(self.path("relay.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(create(&self.path("log")));
        command
    }

    /// Starts it, and waits until it says that it takes mail.
    pub(crate) fn start(mut self) -> Self {
        self.begin();
        self
    }

    /// The same, in place.
    pub(crate) fn begin(&mut self) {
        let mut child = self.command().spawn().expect("the relay starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output");
        LineReader::new(stdout)
            .read_line(&mut line)
            .expect("a line when it is ready");
        assert!(line.contains("takes mail"), "{line}{}", self.log());
        self.child = Some(child);
    }

    /// Runs it where it is not to start, with this standard output; its exit code, and what it said.
    pub(crate) fn refuses(&self, stdout: Stdio) -> (Option<i32>, String) {
        let status = self.command().stdout(stdout).status();
        (status.expect("the program starts").code(), self.log())
    }

    /// Says lines to it, one after the other; the greeting and its answers.
    pub(crate) async fn talk(&self, lines: &[&str]) -> Vec<String> {
        let stream = net::connect(None, self.smtp, Duration::from_secs(5)).await;
        let mut stream = BufReader::new(stream.expect("the relay listens"));
        let mut answers = vec![answer(&mut stream).await];
        for line in lines {
            answers.push(say(&mut stream, line).await);
        }
        answers
    }

    /// The same under TLS, with this certificate: without the greeting.
    pub(crate) async fn talk_as(&self, identity: &Identity, lines: &[&str]) -> Vec<String> {
        let stream = net::connect(None, self.smtp, Duration::from_secs(5)).await;
        let mut stream = BufReader::new(stream.expect("the relay listens"));
        answer(&mut stream).await;
        say(&mut stream, "EHLO client.example").await;
        say(&mut stream, "STARTTLS").await;
        let tls = TlsMaterials::new(rustls::RootCertStore::empty());
        let connector = tls.connector(Some(identity.clone())).expect("TLS");
        let stream: Box<dyn Connected> = Box::new(stream.into_inner());
        let secured = tls.connect(&connector, "mail.contoso.com", stream, now());
        let mut stream = BufReader::new(secured.await.expect("a handshake").stream);
        let mut answers = Vec::new();
        for line in lines {
            answers.push(say(&mut stream, line).await);
        }
        answers
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it ran");
        child.wait().expect("it ends")
    }

    /// What it said on standard error.
    pub(crate) fn log(&self) -> String {
        read_text(&self.path("log"))
    }

    /// The lines of its log that say this.
    pub(crate) fn logged(&self, what: &str) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains(what));
        lines.map(str::to_owned).collect()
    }

    /// The messages of a mailbox that nobody has read.
    pub(crate) fn mailbox(&self, address: &str) -> Vec<String> {
        let folder = self.path("mail").join(self.server.to_lowercase());
        texts(&folder.join(address).join("new"))
    }

    /// Waits until a mailbox has so many messages.
    pub(crate) async fn mailbox_of(&self, address: &str, count: usize) -> Vec<String> {
        for _ in 0..1500 {
            let messages = self.mailbox(address);
            if messages.len() >= count {
                return messages;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{address} has no {count} messages: {}", self.log());
    }

    /// What its HTTP door answers.
    pub(crate) async fn get(&self, path: &str) -> String {
        let stream = net::connect(None, self.http, Duration::from_secs(5)).await;
        let mut stream = stream.expect("HTTP is there");
        let request = format!("GET {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n");
        let written = stream.write_all(request.as_bytes()).await;
        written.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    /// The value of a series, which must be there.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        let value = line.unwrap_or_else(|| panic!("{series} is not in {text}"));
        value.trim().parse().expect("a number")
    }
}

async fn say<S: Connected>(stream: &mut BufReader<S>, line: &str) -> String {
    let line = format!("{line}\r\n");
    stream.write_all(line.as_bytes()).await.expect("a line out");
    stream.flush().await.expect("a line out");
    answer(stream).await
}

/// All lines of an answer.
async fn answer<S: Connected>(stream: &mut BufReader<S>) -> String {
    let mut answer = String::new();
    loop {
        let start = answer.len();
        let read = stream.read_line(&mut answer).await.expect("a line");
        if read == 0 || answer.as_bytes().get(start + 3) != Some(&b'-') {
            return answer;
        }
    }
}

/// No relay outlives its test, also where the test fails.
impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The files of a folder; none where there is no folder.
#[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
fn texts(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| read_text(&entry.path())).collect()
}

/// Addresses that nobody listens on at present. All are held until the last is found, so that no two are
/// the same.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let any = "127.0.0.1:0".parse().expect("an address");
    let listeners = [(); N].map(|()| net::listen(any).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address"))
}
