//! Programs that people really use, against a running lab. A test without its program says so and
//! ends: `tests/run` installs them where it may.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

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

    /// Ends it as a service manager would.
    fn stop(mut self) {
        let id = self.process.id().to_string();
        let told = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("`kill` runs");
        assert!(told.success());
        let status = self.process.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "the lab did not stop in order");
    }
}

/// No lab outlives its test, also where the test fails.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program; its output, or nothing where it is not installed.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn tool(program: &str, arguments: &[&str], input: Stdio) -> Option<String> {
    let output = match Command::new(program).args(arguments).stdin(input).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: {program} cannot be run ({error})");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    // Swaks without the library it uses for TLS.
    if text.contains("TLS not available") || errors.contains("TLS not available") {
        eprintln!("skipped: {program} has no TLS here");
        return None;
    }
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{errors}"
    );
    Some(text)
}

#[test]
fn a_lab_stops_in_order() {
    Running::start().stop();
}

#[test]
fn swaks_submits_with_starttls_and_a_password() {
    let lab = Running::start();
    let server = lab.server("EX01", "submission").to_string();
    let words = [
        "--server",
        &server,
        "--tls",
        "--auth",
        "PLAIN",
        "--auth-user",
        "david@contoso.com",
        "--auth-password",
        "lab",
        "--from",
        "david@contoso.com",
        "--to",
        "carol@contoso.com",
        "--header",
        "Subject: by-swaks",
    ];
    if tool("swaks", &words, Stdio::null()).is_some() {
        arrived(&lab, "carol@contoso.com", "by-swaks");
    }
    lab.stop();
}

#[test]
fn python_submits_with_starttls_and_a_password() {
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
    if tool("python3", &["-c", &script], Stdio::null()).is_some() {
        arrived(&lab, "david@contoso.com", "by-python");
    }
    lab.stop();
}

/// The mailbox has the message, by curl where that is installed.
fn arrived(lab: &Running, address: &str, subject: &str) {
    let url = lab.http(&format!("/mailboxes/{address}/wait?subject={subject}"));
    if let Some(text) = tool("curl", &["-sS", "--fail", &url], Stdio::null()) {
        assert!(text.contains(subject), "{text}");
    }
}

#[test]
fn openssl_sees_the_certificate_of_the_world() {
    let lab = Running::start();
    let server = lab.server("EX01", "smtp").to_string();
    let words = ["s_client", "-starttls", "smtp", "-connect", &server];
    if let Some(text) = tool("openssl", &words, Stdio::null()) {
        assert!(text.contains("mail.contoso.com"), "{text}");
    }
    lab.stop();
}

#[test]
fn dig_sees_the_mx_record_of_the_group_domain() {
    let lab = Running::start();
    let (server, port) = (format!("@{}", lab.dns().ip()), lab.dns().port().to_string());
    let words = [&server, "-p", &port, "groups.contoso.com", "MX", "+short"];
    if let Some(text) = tool("dig", &words, Stdio::null()) {
        assert_eq!(text, "0 groups-contoso-com.mail.protection.outlook.com.\n");
    }
    lab.stop();
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let lab = Running::start();
    if let Some(text) = tool(
        "curl",
        &["-sS", "--fail", &lab.http("/metrics")],
        Stdio::null(),
    ) {
        assert!(text.contains("hybridmx_loops_total"), "{text}");
        let mut curl = Command::new("curl");
        let curl = curl
            .args(["-sS", &lab.http("/metrics")])
            .stdout(Stdio::piped())
            .spawn();
        let mut curl = curl.expect("curl ran a moment ago");
        let metrics = curl.stdout.take().expect("its output");
        tool("promtool", &["check", "metrics"], metrics.into());
        curl.wait().expect("curl ends");
    }
    lab.stop();
}
