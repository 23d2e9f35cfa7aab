//! The server session under test. Directives:
//!
//! - `@refuse-mail`, `@refuse-rcpt`, `@refuse-data`, `@refuse-message`, `@refuse-auth STATUS`: the
//!   answer to the next such question; everything else is accepted. `@queue STATUS` answers the next
//!   message.
//! - `@hold`: from now on questions are not answered; `@decide`: they are.
//! - `@tls`, `@wait SECONDS`, `@eof`, `@shut-down STATUS`.

use std::sync::Arc;
use std::time::Duration;

use hybridmx::mail::{Domain, Status};
use hybridmx::smtp::{CloseReason, DataProblem, ServerConfig, ServerEvent, ServerSession};

use super::drive::{Agenda, Driver, Log, take};

/// A session, the driver's decisions, and whether it waits with them.
pub(super) struct Driven {
    session: ServerSession,
    agenda: Agenda,
    holds: bool,
    /// The question not answered yet.
    question: Option<&'static str>,
    message: Vec<u8>,
    is_over: bool,
}

impl Driven {
    pub(super) fn new(settings: &[(&str, &str)], log: &mut Log) -> Self {
        let config = Arc::new(config(settings));
        let date = "Fri, 5 Aug 2016 16:24:41 -0700";
        let mut driven = Self {
            session: ServerSession::new(config, [192, 0, 2, 7].into(), date),
            agenda: Agenda::new(),
            holds: false,
            question: None,
            message: Vec::new(),
            is_over: false,
        };
        driven.drain(log);
        driven
    }

    fn drain(&mut self, log: &mut Log) {
        loop {
            while let Some(output) = self.session.poll_output() {
                log.said.extend(output);
            }
            let Some(event) = self.session.poll_event() else {
                break;
            };
            assert!(!self.is_over, "something follows the end: {event:?}");
            self.event(&event, log);
            self.answer(log);
        }
        let deadline = self.session.next_deadline();
        let waits = !self.is_over && self.question.is_none();
        assert_eq!(deadline.is_some(), waits, "who waits has a deadline");
    }

    fn event(&mut self, event: &ServerEvent, log: &mut Log) {
        match event {
            ServerEvent::Mail(_) => self.question = Some("mail"),
            ServerEvent::Recipient { .. } => self.question = Some("rcpt"),
            ServerEvent::DataStart => self.question = Some("data"),
            ServerEvent::EndOfData { .. } => {
                log.messages.push(std::mem::take(&mut self.message));
                self.question = Some("message");
            }
            ServerEvent::Auth(_) => self.question = Some("auth"),
            ServerEvent::Data(text) => return self.message.extend(text),
            ServerEvent::MessageRefused(_) => {
                log.messages.push(std::mem::take(&mut self.message));
            }
            ServerEvent::Closed(_) => self.is_over = true,
            ServerEvent::Hello { .. } | ServerEvent::Reset | ServerEvent::StartTls => {}
        }
        log.reported.push(shown(event));
    }

    fn answer(&mut self, log: &Log) {
        if self.holds {
            return;
        }
        let Some(question) = self.question.take() else {
            return;
        };
        let refusal = take(&mut self.agenda, &format!("refuse-{question}"));
        let queued = || (question == "message").then(|| take(&mut self.agenda, "queue"))?;
        match refusal.or_else(queued) {
            Some(text) => self.session.reply(&status(&text), log.now),
            None => self.session.accept(log.now),
        }
    }
}

impl Driver for Driven {
    fn input(&mut self, bytes: &[u8], log: &mut Log) {
        self.session.handle_input(bytes, log.now);
        self.drain(log);
    }

    fn directive(&mut self, word: &str, argument: &str, log: &mut Log) {
        match word {
            "hold" => self.holds = true,
            "decide" => {
                self.holds = false;
                self.answer(log);
            }
            "tls" => self.session.tls_started(log.now),
            "wait" => {
                log.now += Duration::from_secs(argument.parse().expect("seconds"));
                self.session.handle_timeout(log.now);
            }
            "eof" => self.session.handle_eof(),
            "shut-down" => self.session.shut_down(&status(argument)),
            _ => {
                let known = [
                    "refuse-mail",
                    "refuse-rcpt",
                    "refuse-data",
                    "refuse-message",
                ];
                let known = known.contains(&word) || ["refuse-auth", "queue"].contains(&word);
                assert!(known, "unknown directive @{word}");
                self.agenda
                    .push_back((word.to_owned(), argument.to_owned()));
            }
        }
        self.drain(log);
    }

    /// What stands behind STARTTLS in the clear is refused because it is there: when it is not there
    /// yet, the reply to STARTTLS is another one.
    fn whole_from(&self, flight: &[u8]) -> usize {
        let mut lines = flight.windows(10);
        let starts = lines.position(|line| line.eq_ignore_ascii_case(b"STARTTLS\r\n"));
        starts.map_or(flight.len(), |at| at + 10)
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

/// A server called `mail.contoso.com`, as the script wants it.
pub(super) fn config(settings: &[(&str, &str)]) -> ServerConfig {
    let mut config = ServerConfig::new(Domain::parse("mail.contoso.com").expect("a domain"));
    for &(key, value) in settings {
        let number = || value.parse::<usize>().expect("a number");
        match key {
            "banner" => config.banner = Some(value.to_owned()),
            "postmaster-domain" => config.postmaster_domain = value.parse().expect("a domain"),
            "size-max" => config.size_max = value.parse().ok(),
            "recipients-max" => config.recipients_max = number(),
            "starttls" => config.starttls = true,
            "auth" => config.auth = true,
            "require-tls" => config.require_tls = true,
            "dsn" => config.dsn = true,
            "protocol-errors-max" => config.protocol_errors_max = value.parse().expect("a number"),
            "logon-failures-max" => config.logon_failures_max = value.parse().expect("a number"),
            "text-line-max" => config.text_line_max = number(),
            other => panic!("unknown setting {other}"),
        }
    }
    config
}

/// Reads `550 5.7.54 Words`.
fn status(text: &str) -> Status {
    let mut words = text.splitn(3, ' ');
    let mut word = || words.next().expect("code, enhanced status, text");
    Status {
        code: word().parse().expect("a code"),
        enhanced: word().parse().expect("an enhanced status"),
        text: word().to_owned().into(),
    }
}

/// An event as `E:` lines show it.
fn shown(event: &ServerEvent) -> String {
    match event {
        ServerEvent::Hello { name, extended } => {
            format!("hello {name} {}", if *extended { "ehlo" } else { "helo" })
        }
        ServerEvent::Mail(mail) => mail.to_string().replace("MAIL FROM:", "mail "),
        ServerEvent::Recipient {
            mailbox,
            notify,
            orcpt,
        } => {
            let notify = notify.iter().map(|value| format!(" NOTIFY={value}"));
            let orcpt = orcpt.iter().map(|value| format!(" ORCPT={value}"));
            let parameters: String = notify.chain(orcpt).collect();
            format!("rcpt {mailbox}{parameters}")
        }
        ServerEvent::DataStart => "data".to_owned(),
        ServerEvent::Data(_) => unreachable!("not shown"),
        ServerEvent::EndOfData { size } => format!("end-of-data {size}"),
        ServerEvent::MessageRefused(problem) => {
            format!("message-refused {}", problem_name(*problem))
        }
        ServerEvent::Reset => "reset".to_owned(),
        ServerEvent::StartTls => "starttls".to_owned(),
        ServerEvent::Auth(credentials) => {
            format!(
                "auth {} {}",
                credentials.username,
                credentials.password.reveal()
            )
        }
        ServerEvent::Closed(reason) => format!("closed {}", reason_name(*reason)),
    }
}

fn problem_name(problem: DataProblem) -> &'static str {
    match problem {
        DataProblem::BareLineEnding => "bare-line-ending",
        DataProblem::LineTooLong => "line-too-long",
        DataProblem::TooLarge => "too-large",
    }
}

fn reason_name(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::EndOfInput => "end-of-input",
        CloseReason::Injection => "injection",
        CloseReason::Quit => "quit",
        CloseReason::Refused => "refused",
        CloseReason::ShutDown => "shut-down",
        CloseReason::Timeout => "timeout",
        CloseReason::TooManyErrors => "too-many-errors",
        CloseReason::TooManyLogonFailures => "too-many-logon-failures",
    }
}
