//! What a Receive connector does to clients who come too often, or ask for what they may not have.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use hybridmx::net;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::files::read_text;
use crate::process::Process;

/// EX01 of Contoso, with more settings of the connector at port 25.
fn relay(settings: &str) -> Process {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso/world.toml");
    let connector = "Name = \"Default Frontend EX01\"\n";
    let world = read_text(&path);
    assert!(world.contains(connector));
    let world = world.replace(connector, &format!("{connector}{settings}\n"));
    let process = Process::new("EX01", &world, "");
    process.put("users", "");
    process.start()
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work);
}

/// A session from an address of this machine, and its first line.
async fn begin(relay: &Process, from: &str) -> (BufReader<TcpStream>, String) {
    let from: IpAddr = from.parse().expect("an address");
    let stream = net::connect(Some(from), relay.smtp, Duration::from_secs(5)).await;
    let mut stream = BufReader::new(stream.expect("the relay listens"));
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("a line");
    (stream, line)
}

/// That a client is turned away, with what is said, and that nothing follows.
async fn is_turned_away(relay: &Process, from: &str) {
    let (mut stream, line) = begin(relay, from).await;
    let said = "421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel\r\n";
    assert_eq!(line, said);
    let mut rest = String::new();
    let more = stream.read_line(&mut rest).await;
    assert!(matches!(more, Ok(0) | Err(_)), "{rest}");
}

/// Exchange Server, "Message rate limits and throttling": MaxInboundConnection,
/// MaxInboundConnectionPerSource.
#[test]
fn who_comes_too_often_is_turned_away_until_somebody_leaves() {
    run(async {
        let relay = relay(
            "MaxInboundConnection = 3\nMaxInboundConnectionPerSource = 2\nMaxInboundConnectionPercentagePerSource = 100",
        );
        let (first, line) = begin(&relay, "127.0.0.1").await;
        assert!(line.starts_with("220 "), "{line}");
        let (_second, line) = begin(&relay, "127.0.0.1").await;
        assert!(line.starts_with("220 "), "{line}");
        is_turned_away(&relay, "127.0.0.1").await;
        let (_third, line) = begin(&relay, "127.0.0.2").await;
        assert!(line.starts_with("220 "), "{line}");
        is_turned_away(&relay, "127.0.0.3").await;
        drop(first);
        let until = Instant::now() + Duration::from_secs(20);
        while !begin(&relay, "127.0.0.3").await.1.starts_with("220 ") {
            assert!(Instant::now() < until, "the place of the first stays taken");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let refused = "hybridmx_messages_rejected_total{connector=\"Default Frontend EX01\",enhanced=\"4.3.2\",server=\"EX01\"}";
        assert!(relay.metric(refused).await >= 2.0);
    });
}

/// Exchange PowerShell, "Set-ReceiveConnector", TarpitInterval. What is not refused may take however
/// long it likes, so only the least is asked for.
#[test]
fn a_stranger_waits_for_every_refusal() {
    run(async {
        let relay = relay("TarpitInterval = \"00:00:01\"");
        let began = Instant::now();
        let answers = relay
            .talk(&[
                "EHLO client.example",
                "MAIL FROM:<ann@fabrikam.com>",
                "RCPT TO:<bob@fabrikam.com>",
                "RCPT TO:<ann@tailspintoys.com>",
            ])
            .await;
        let took = began.elapsed();
        assert!(answers[3].starts_with("550 5.7.54"), "{answers:?}");
        assert!(answers[4].starts_with("550 5.7.54"), "{answers:?}");
        assert!(took >= Duration::from_secs(2), "{took:?}");
    });
}
