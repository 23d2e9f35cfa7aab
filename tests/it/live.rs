//! Programs that people really use, against a running lab or relay.
//!
//! The tests of a program stand in a module of its name and are ignored, because not every machine has
//! it: `tests/run` installs the programs where it may, runs the tests of those that are there, and
//! says which it skips. A test that runs needs its program, and fails without it.

mod postfix;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hybridmx::net;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A lab as a process of its own.
struct Running {
    process: Child,
    ready: Value,
}

impl Running {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hybridmx"));
        command
            .args(["lab", "--format", "json"])
            .stdin(Stdio::null());
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lab starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its output");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("a line when it is ready");
        let ready = serde_json::from_str(&line).expect("one line of JSON");
        Self { process, ready }
    }

    fn http(&self, path: &str) -> String {
        format!("{}{path}", self.ready["http"].as_str().expect("an address"))
    }

    /// What HTTP says at a path.
    fn get(&self, path: &str) -> String {
        let http = self.ready["http"].as_str().expect("an address");
        let address = http.trim_start_matches("http://");
        http_get(address.parse().expect("a socket address"), path)
    }

    /// The mailbox has the message with this subject, at once or soon.
    fn has(&self, address: &str, subject: &str) {
        let found = self.get(&format!("/mailboxes/{address}/wait?subject={subject}"));
        assert!(found.contains(subject), "{found}");
    }

    fn dns(&self) -> SocketAddr {
        let text = self.ready["dns"].as_str().expect("an address");
        text.parse().expect("a socket address")
    }

    fn server(&self, name: &str, key: &str) -> SocketAddr {
        let servers = self.ready["servers"].as_array().expect("a list");
        let server = servers
            .iter()
            .find(|server| server["name"] == name)
            .expect("the server");
        server[key]
            .as_str()
            .expect("an address")
            .parse()
            .expect("a socket address")
    }

    fn stop(mut self) {
        stop(&mut self.process);
    }
}

/// No lab outlives its test, also where the test fails.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ends a program of ours as a service manager would.
fn stop(process: &mut Child) {
    let id = process.id().to_string();
    let told = Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .expect("`kill` runs");
    assert!(told.success());
    let status = process.wait().expect("it ends");
    assert_eq!(status.code(), Some(0), "it did not stop in order");
}

/// What a server says at a path over HTTP.
fn http_get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let exchange = async {
        let mut stream = net::connect(None, address, Duration::from_secs(5)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = blocking(exchange).expect("an answer in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    body.to_owned()
}

/// Waits for something that is not for these tests to do at the same time as something else.
fn blocking<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work)
}

/// Runs a program to its good end; its output.
#[track_caller]
fn tool(program: &str, arguments: &[&str], input: Stdio) -> String {
    let output = Command::new(program).args(arguments).stdin(input).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{errors}"
    );
    text
}

#[test]
fn a_lab_stops_in_order() {
    Running::start().stop();
}

mod swaks {
    use super::*;

    #[test]
    #[ignore = "needs swaks with TLS; tests/run runs it where that is"]
    fn submits_with_starttls_and_a_password() {
        let lab = Running::start();
        let server = lab.server("EX01", "submission").to_string();
        let connection = ["--server", &server, "--tls"];
        let user = ["--auth", "PLAIN", "--auth-user", "david@contoso.com"];
        let password = ["--auth-password", "lab"];
        let envelope = ["--from", "david@contoso.com", "--to", "carol@contoso.com"];
        let header = ["--header", "Subject: by-swaks"];
        let words = [&connection[..], &user, &password, &envelope, &header].concat();
        tool("swaks", &words, Stdio::null());
        lab.has("carol@contoso.com", "by-swaks");
        lab.stop();
    }
}

mod python3 {
    use super::*;

    #[test]
    #[ignore = "needs python3; tests/run runs it where that is"]
    fn submits_with_starttls_and_a_password() {
        let lab = Running::start();
        let server = lab.server("EXO", "submission");
        let script = format!(
            "import smtplib, ssl\n\
             c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE\n\
             s = smtplib.SMTP('{}', {}); s.starttls(context=c); s.login('julie@contoso.com', 'lab')\n\
             s.sendmail('julie@contoso.com', ['david@contoso.com'], 'Subject: by-python\\r\\n\\r\\nhello\\r\\n'); s.quit()\n",
            server.ip(),
            server.port()
        );
        tool("python3", &["-c", &script], Stdio::null());
        lab.has("david@contoso.com", "by-python");
        lab.stop();
    }
}

mod curl {
    use super::*;

    #[test]
    #[ignore = "needs curl; tests/run runs it where that is"]
    fn reads_mailboxes_and_metrics() {
        let lab = Running::start();
        let get = |path: &str| tool("curl", &["-sS", "--fail", &lab.http(path)], Stdio::null());
        let metrics = get("/metrics");
        assert!(metrics.contains("hybridmx_loops_total"), "{metrics}");
        assert_eq!(get("/mailboxes/david@contoso.com"), "[]");
        lab.stop();
    }
}

mod openssl {
    use super::*;

    #[test]
    #[ignore = "needs openssl; tests/run runs it where that is"]
    fn sees_the_certificate_of_the_world() {
        let lab = Running::start();
        let server = lab.server("EX01", "smtp").to_string();
        let words = ["s_client", "-starttls", "smtp", "-connect", &server];
        let text = tool("openssl", &words, Stdio::null());
        assert!(text.contains("mail.contoso.com"), "{text}");
        lab.stop();
    }
}

mod dig {
    use super::*;

    #[test]
    #[ignore = "needs dig; tests/run runs it where that is"]
    fn sees_the_mx_record_of_the_group_domain() {
        let lab = Running::start();
        let (server, port) = (format!("@{}", lab.dns().ip()), lab.dns().port().to_string());
        let words = [&server, "-p", &port, "groups.contoso.com", "MX", "+short"];
        let text = tool("dig", &words, Stdio::null());
        assert_eq!(text, "0 groups-contoso-com.mail.protection.outlook.com.\n");
        lab.stop();
    }
}

mod promtool {
    use std::io::{Seek as _, Write as _};

    use super::*;

    #[test]
    #[ignore = "needs promtool; tests/run runs it where that is"]
    fn finds_nothing_wrong_with_the_metrics() {
        let lab = Running::start();
        let mut metrics = tempfile::tempfile().expect("a file");
        metrics
            .write_all(lab.get("/metrics").as_bytes())
            .expect("it can be written");
        metrics.rewind().expect("it can be read");
        tool("promtool", &["check", "metrics"], metrics.into());
        lab.stop();
    }
}
