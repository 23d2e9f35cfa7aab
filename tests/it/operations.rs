//! What the administrator of a relay lives with: files and who may read them, the log, the metrics, what
//! is said where it cannot start.

use std::path::Path;
use std::process::Stdio;

use crate::files::{create, is_file, make_folder, modes, read_text, write};
use crate::mail_client::{Told, send};
use crate::process::Process;

const DAVID: &str = "david@contoso.com";
const STRANGER: &str = "ann@fabrikam.com";

fn world(name: &str) -> String {
    read_text(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("testnet")
            .join(name)
            .join("world.toml"),
    )
}

fn relay() -> Process {
    let process = Process::new("EX01", &world("contoso"), "Users = \"users\"\n");
    process.put("users", "david@contoso.com:secret\n");
    process
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work);
}

/// One message for David, said line by line.
const MESSAGE: [&str; 5] = [
    "EHLO mail.fabrikam.com",
    "MAIL FROM:<ann@fabrikam.com>",
    "RCPT TO:<david@contoso.com>",
    "DATA",
    "Subject: hello\r\n\r\nhello\r\n.",
];

#[test]
fn nobody_else_can_read_the_mail() {
    run(async {
        let relay = relay().start();
        relay.talk(&MESSAGE).await;
        relay.mailbox_of(DAVID, 1).await;
        let mut found = modes(&relay.path("spool"));
        assert!(found.len() >= 2, "{found:?}");
        found.extend(modes(&relay.path("mail")));
        found.retain(|(_, mode)| mode & 0o077 != 0);
        // The name of the server is no secret.
        found.retain(|(path, _)| !path.ends_with("spool/server"));
        assert_eq!(found, []);
    });
}

#[test]
fn the_log_says_who_sent_what_to_whom() {
    run(async {
        // A stranger who is refused does not wait here: that is another test's matter.
        let server = "Name = \"Default Frontend EX01\"";
        let quick =
            world("contoso").replace(server, &format!("{server}\nTarpitInterval = \"00:00:00\""));
        let process = Process::new("EX01", &quick, "Users = \"users\"\n");
        process.put("users", "david@contoso.com:secret\n");
        let mut relay = process.start();
        let to = format!("{DAVID},carol@contoso.com");
        let told = send(relay.smtp, None, None, STRANGER, &to, "hello").await;
        assert_eq!(told, Told::Accepted);
        let received = relay.logged("event=\"RECEIVE\"");
        assert_eq!(received.len(), 1, "{}", relay.log());
        for part in [
            "sender=ann@fabrikam.com",
            "client_ip=127.0.0.1",
            "recipient_count=2",
            "david@contoso.com;carol@contoso.com",
            "total_bytes=",
        ] {
            assert!(
                received[0].contains(part),
                "{part} is not in {}",
                received[0]
            );
        }
        // A refusal is one line, and a client that goes on fills no log.
        let mut lines = vec!["EHLO mail.fabrikam.com", "MAIL FROM:<ann@fabrikam.com>"];
        lines.extend(["RCPT TO:<ann@tailspintoys.com>"; 30]);
        relay.talk(&lines).await;
        let refused = relay.logged("refused=\"RCPT\"");
        assert_eq!(refused.len(), 10, "{}", relay.log());
        assert!(refused[0].contains("client_ip=127.0.0.1"), "{refused:?}");
        assert!(refused[0].contains("5.7.54"), "{refused:?}");
        assert!(refused[0].contains("ann@tailspintoys.com"), "{refused:?}");
        let user = Some((DAVID, "wrong-password"));
        send(relay.submission, None, user, DAVID, DAVID, "hello").await;
        let failed = relay.logged("a logon failed");
        assert_eq!(failed.len(), 1, "{}", relay.log());
        assert!(
            failed[0].contains("WARN") && failed[0].contains(DAVID),
            "{failed:?}"
        );
        assert!(!relay.log().contains("wrong-password"));
        let started = relay.logged("the relay starts");
        assert!(
            started[0].contains(&format!("25 at {}", relay.smtp)),
            "{started:?}"
        );
        assert!(
            started[0].contains(&format!("587 at {}", relay.submission)),
            "{started:?}"
        );
        assert!(started[0].contains("recovered=0"), "{started:?}");
        relay.terminate();
        assert!(relay.ended().success());
        assert_eq!(
            relay.logged("the relay has stopped").len(),
            1,
            "{}",
            relay.log()
        );
    });
}

#[test]
fn refusals_of_the_session_itself_are_counted() {
    run(async {
        let relay = relay().start();
        let rejected = |enhanced: &str| {
            format!(
                "hybridmx_messages_rejected_total{{connector=\"Default Frontend EX01\",enhanced=\"{enhanced}\",server=\"EX01\"}}"
            )
        };
        let size = "MAIL FROM:<ann@fabrikam.com> SIZE=999999999999";
        let answers = relay.talk(&["EHLO a.example", size]).await;
        assert!(answers[2].starts_with("552 5.3.4"), "{answers:?}");
        assert_eq!(relay.metric(&rejected("5.3.4")).await, 1.0);
        let mut bare = MESSAGE;
        bare[4] = "Subject: hello\n\r\nhello\r\n.";
        let answers = relay.talk(&bare).await;
        assert!(answers[5].starts_with("550 5.6.11"), "{answers:?}");
        assert_eq!(relay.metric(&rejected("5.6.11")).await, 1.0);
        assert_eq!(relay.metric(&rejected("other")).await, 0.0);
    });
}

#[test]
fn a_mailbox_that_cannot_be_written_is_named_and_makes_the_relay_unwell() {
    run(async {
        let relay = relay();
        let mailbox = relay.path("mail/ex01/david@contoso.com");
        make_folder(&relay.path("mail/ex01"));
        write(&mailbox, "no folder");
        let relay = relay.start();
        assert!(relay.get("/healthz").await.starts_with("HTTP/1.1 200"));
        relay.talk(&MESSAGE).await;
        while relay.logged("event=\"DEFER\"").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let failed = relay.logged("a mailbox cannot be written");
        assert!(
            failed[0].contains(&mailbox.display().to_string()),
            "{failed:?}"
        );
        let deferred = relay.logged("event=\"DEFER\"");
        assert!(deferred[0].contains("4.3.1"), "{deferred:?}");
        assert!(!deferred[0].contains("IP address"), "{deferred:?}");
        let health = relay.get("/healthz").await;
        assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    });
}

#[test]
fn what_cut_off_deliveries_left_behind_is_removed_at_the_start() {
    run(async {
        let relay = relay();
        let temporary = relay.path("mail/ex01/david@contoso.com/tmp");
        make_folder(&temporary);
        let (ours, theirs) = (
            temporary.join("18ab-1f,T=1,D=0f"),
            temporary.join("17.M1P2.host"),
        );
        write(&ours, "half");
        write(&theirs, "somebody else's");
        let _relay = relay.start();
        assert!(!is_file(&ours) && is_file(&theirs));
    });
}

#[test]
fn a_relay_that_cannot_do_its_work_does_not_start() {
    run(async {
        let mail = relay();
        mail.put("mail", "a file");
        let spool = relay();
        make_folder(&spool.path("spool"));
        spool.put("spool/server", "EX02\n");
        let port = relay();
        let _taken = hybridmx::net::listen(port.smtp).expect("a free port");
        let full = relay();
        for (relay, stdout, parts) in [
            (
                mail,
                Stdio::null(),
                ["the mailboxes cannot be kept", "mail"],
            ),
            (
                spool,
                Stdio::null(),
                ["is that of `EX02`", "SpoolDirectory"],
            ),
            (port, Stdio::null(), ["`Listen`", "ss -ltnp"]),
            (
                full,
                Stdio::from(create(Path::new("/dev/full"))),
                ["standard output", "cannot write"],
            ),
        ] {
            let (code, said) = relay.refuses(stdout);
            assert_eq!(code, Some(3), "{said}");
            for part in parts {
                assert!(said.contains(part), "{part} is not in {said}");
            }
        }
    });
}

#[test]
fn a_broken_world_is_told_at_the_start() {
    run(async {
        let world = world("broken-group-domain-not-on-hybrid-connector");
        let broken = Process::new("EX01", &world, "").start();
        assert_eq!(
            broken.logged("this world is broken").len(),
            1,
            "{}",
            broken.log()
        );
        assert!(relay().start().logged("this world is broken").is_empty());
    });
}
