//! The client session under test. Directives:
//!
//! - `@begin <REVERSE-PATH> RECIPIENT … [size=N] [8bit]` and `@quit`: what the driver does, one each
//!   time the session is ready. `@body TEXT`: the next message.
//! - `@tls`, `@tls-failed`, `@wait SECONDS`, `@eof`.

use std::time::Duration;

use hybridmx::smtp::{
    Body, Cause, ClientConfig, ClientEvent, ClientSession, Credentials, Envelope, HelloName, Reply,
    ReplyError, Secret, TlsUse,
};

use super::drive::{Agenda, Driver, Log, take};
use super::script::unescape;

/// A session, and what its driver is to do.
pub(super) struct Driven {
    session: ClientSession,
    agenda: Agenda,
    is_ready: bool,
    is_over: bool,
}

impl Driven {
    pub(super) fn new(settings: &[(&str, &str)]) -> Self {
        Self {
            session: ClientSession::new(config(settings)),
            agenda: Agenda::new(),
            is_ready: false,
            is_over: false,
        }
    }

    fn drain(&mut self, log: &mut Log) {
        loop {
            while let Some(output) = self.session.poll_output() {
                log.said.extend(output);
            }
            if self.is_ready && self.next(log) {
                continue;
            }
            let Some(event) = self.session.poll_event() else {
                break;
            };
            assert!(!self.is_over, "something follows the end: {event:?}");
            log.reported.push(shown(&event));
            self.event(&event, log);
        }
        let waits = !self.is_over && !self.is_ready;
        assert_eq!(
            self.session.next_deadline().is_some(),
            waits,
            "who waits has a deadline"
        );
    }

    fn event(&mut self, event: &ClientEvent, log: &Log) {
        match event {
            ClientEvent::Ready => self.is_ready = true,
            ClientEvent::NeedBody => {
                let Some(text) = take(&mut self.agenda, "body") else {
                    return;
                };
                // A server that gave up meanwhile wants no message.
                let Some(mut message) = self.session.message() else {
                    return;
                };
                for part in unescape(&text).chunks(5) {
                    message.write(part, log.now);
                }
                message.end(log.now);
            }
            ClientEvent::Failed { .. } | ClientEvent::Closed => {
                self.is_over = true;
                self.is_ready = false;
            }
            ClientEvent::WantTls
            | ClientEvent::RecipientReply { .. }
            | ClientEvent::MessageReply { .. } => {}
        }
    }

    /// Does what is next on an idle session.
    fn next(&mut self, log: &Log) -> bool {
        let begins = |(word, _): &(String, String)| word == "begin" || word == "quit";
        let Some(at) = self.agenda.iter().position(begins) else {
            return false;
        };
        let (word, argument) = self.agenda.remove(at).expect("it was found there");
        self.is_ready = false;
        // It may have failed since it was ready.
        match (self.session.idle(), word.as_str()) {
            (Some(idle), "begin") => idle.begin(envelope(&argument), log.now),
            (Some(idle), _) => idle.quit(log.now),
            (None, _) => {}
        }
        true
    }
}

impl Driver for Driven {
    fn input(&mut self, bytes: &[u8], log: &mut Log) {
        self.session.handle_input(bytes, log.now);
        self.drain(log);
    }

    fn directive(&mut self, word: &str, argument: &str, log: &mut Log) {
        match word {
            "tls" | "tls-failed" => match (self.session.handshake(), word) {
                (Some(handshake), "tls") => handshake.started(log.now),
                (Some(handshake), _) => handshake.failed(),
                (None, _) => {}
            },
            "wait" => {
                log.now += Duration::from_secs(argument.parse().expect("seconds"));
                self.session.handle_timeout(log.now);
            }
            "eof" => self.session.handle_eof(),
            _ => {
                assert!(
                    ["begin", "quit", "body"].contains(&word),
                    "unknown directive @{word}"
                );
                self.agenda
                    .push_back((word.to_owned(), argument.to_owned()));
            }
        }
        self.drain(log);
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

fn config(settings: &[(&str, &str)]) -> ClientConfig {
    let name = HelloName::parse("edge.fabrikam.com").expect("a host");
    let mut config = ClientConfig::new(name);
    for &(key, value) in settings {
        match (key, value) {
            ("tls", "never") => config.tls = TlsUse::Never,
            ("tls", "required") => config.tls = TlsUse::Required,
            ("auth", value) => {
                let (username, password) = value.split_once(' ').expect("user and password");
                config.credentials = Some(Credentials {
                    username: username.to_owned(),
                    password: Secret::new(password.to_owned()),
                });
            }
            other => panic!("unknown setting {other:?}"),
        }
    }
    config
}

/// Reads `<REVERSE-PATH> RECIPIENT … [size=N] [8bit]`.
pub(super) fn envelope(text: &str) -> Envelope {
    let mut words = text.split(' ');
    let sender = words.next().expect("a reverse-path");
    let reverse_path = match sender {
        "<>" => sender.parse(),
        _ => sender.trim_matches(['<', '>']).parse(),
    };
    let (mut recipients, mut size, mut body) = (Vec::new(), None, None);
    for word in words {
        match word.strip_prefix("size=") {
            Some(octets) => size = Some(octets.parse().expect("a number")),
            None if word == "8bit" => body = Some(Body::EightBitMime),
            None => recipients.push(word.parse().expect("an address")),
        }
    }
    Envelope::new(
        reverse_path.expect("a reverse-path"),
        recipients,
        size,
        body,
    )
    .expect("an envelope that can be sent")
}

/// An event as `E:` lines show it.
fn shown(event: &ClientEvent) -> String {
    match event {
        ClientEvent::WantTls => "want-tls".to_owned(),
        ClientEvent::Ready => "ready".to_owned(),
        ClientEvent::RecipientReply { index, reply } => {
            format!("recipient {index} {}", line(reply))
        }
        ClientEvent::NeedBody => "need-body".to_owned(),
        ClientEvent::MessageReply { phase, reply } => format!("message {phase:?} {}", line(reply)),
        ClientEvent::Failed { phase, cause } => format!("failed {phase:?} {}", cause_name(cause)),
        ClientEvent::Closed => "closed".to_owned(),
    }
}

fn cause_name(cause: &Cause) -> String {
    match cause {
        Cause::AuthNotOffered => "auth-not-offered".to_owned(),
        Cause::EndOfInput => "end-of-input".to_owned(),
        Cause::Injection => "injection".to_owned(),
        Cause::NotAReply(ReplyError::Syntax) => "not-a-reply".to_owned(),
        Cause::NotAReply(ReplyError::TooLong) => "reply-too-long".to_owned(),
        Cause::Refused(reply) => format!("refused {}", line(reply)),
        Cause::Timeout => "timeout".to_owned(),
        Cause::TlsFailed => "tls-failed".to_owned(),
        Cause::TlsNotOffered => "tls-not-offered".to_owned(),
        Cause::Unexpected(reply) => format!("unexpected {}", line(reply)),
    }
}

fn line(reply: &Reply) -> String {
    reply.to_string().trim_end().replace("\r\n", "|")
}
