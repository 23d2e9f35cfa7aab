//! The server's end of a session.
//!
//! Policy: the session itself answers whatever concerns syntax, sequence, size and limits; the
//! driver is asked about people and messages: each sender, recipient, message and logon.
//!
//! - What is counted as a protocol error is a command that cannot be recognized or read, or comes at
//!   the wrong time. Choice: `protocol_errors_max` of them are answered, the next one closes the
//!   session; the same for refused logons.
//! - A message with a bare CR or LF, a line that is too long, or more octets than allowed is read to
//!   its real end and refused there. Choice: bare CR and LF are refused always, as Exchange does
//!   with `BareLinefeedRejectionEnabled`, because of SMTP smuggling.
//! - Input behind STARTTLS that was not encrypted is never interpreted: an attacker may have put it
//!   there (RFC 3207 §6, CVE-2011-0411). Choice: the session refuses STARTTLS and closes, because no
//!   honest client pipelines there (RFC 3207 §4). Where the input comes after the `220`, nothing
//!   can be said any more and it only closes.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::mail::{LocalPart, Mailbox, Status};

use super::auth::{self, Credentials, Mechanism, Secret};
use super::command::{Body, Command, CommandError, Mail, Recipient};
use super::config::ServerConfig;
use super::event::{CloseReason, ServerEvent};
use super::line::{CRLF, DataDecoder, DataProblem, InputBuffer, LineSplitter, Split};
use super::path::{ForwardPath, HelloName};
use super::reply::{Keyword, Reply};
use super::texts;

/// Choice: who sends so many octets more without a CRLF speaks no SMTP, and is not listened to for ever.
const OVERLONG_MAX: usize = 1 << 20;

/// What the next input is.
enum Phase {
    Command,
    /// The response of PLAIN.
    Plain,
    /// The user name of LOGIN.
    Username,
    /// The password of LOGIN.
    Password {
        username: String,
    },
    Data(DataDecoder),
    Handshake,
    Closed,
}

/// What the driver was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Mail,
    Recipient,
    DataStart,
    EndOfData,
    Auth,
}

/// The server's end of one connection.
///
/// See the module's front page for how to drive it.
pub struct ServerSession {
    config: Arc<ServerConfig>,
    client: IpAddr,
    phase: Phase,
    question: Option<Question>,
    input: InputBuffer,
    splitter: LineSplitter,
    output: Vec<u8>,
    events: VecDeque<ServerEvent>,
    /// When input or a decision came last.
    active: Duration,
    greeted: bool,
    tls: bool,
    authenticated: bool,
    transaction: Option<Transaction>,
    protocol_errors: u32,
    logon_failures: u32,
    /// Whether input was read behind the line that is being interpreted.
    more_input: bool,
    input_ended: bool,
    shutdown: Option<Reply>,
    /// So many octets of a line that is too long were thrown away.
    overlong: usize,
    /// What the session itself refused, and with which reply.
    refusals: VecDeque<(&'static str, &'static str)>,
}

/// An open mail transaction.
#[derive(Default)]
struct Transaction {
    recipients: usize,
}

impl fmt::Debug for ServerSession {
    /// Without what was read: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSession")
            .field("client", &self.client)
            .field("question", &self.question)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl ServerSession {
    /// A session with `client`, whose greeting is output already; `date` is shown in it.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>, client: IpAddr, date: &str) -> Self {
        let mut session = Self {
            config,
            client,
            phase: Phase::Command,
            question: None,
            input: InputBuffer::default(),
            splitter: LineSplitter::default(),
            output: Vec::new(),
            events: VecDeque::new(),
            active: Duration::ZERO,
            greeted: false,
            tls: false,
            authenticated: false,
            transaction: None,
            protocol_errors: 0,
            logon_failures: 0,
            more_input: false,
            input_ended: false,
            shutdown: None,
            overlong: 0,
            refusals: VecDeque::new(),
        };
        let greeting = session.greeting(date);
        session.say_reply(&greeting);
        session
    }

    /// Takes what was read.
    pub fn handle_input(&mut self, input: &[u8], now: Duration) {
        self.active = now;
        if self.input.is_empty() {
            let used = self.interpret(input);
            self.input.extend(&input[used..]);
        } else {
            self.input.extend(input);
            self.resume();
        }
    }

    /// The client sends no more. What it sent is still answered.
    pub fn handle_eof(&mut self) {
        self.input_ended = true;
        self.settle();
    }

    /// Time passed; closes the session if its deadline has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            if !matches!(self.phase, Phase::Handshake) {
                self.say(texts::TIMEOUT);
            }
            self.close(CloseReason::Timeout);
        }
    }

    /// When [`Self::handle_timeout`] is to be called. None while the driver is asked something.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let waits = self.question.is_none() && !matches!(self.phase, Phase::Closed);
        waits.then(|| self.active.saturating_add(self.config.inactivity_max))
    }

    /// What is to be written next.
    pub fn poll_output(&mut self) -> Option<Vec<u8>> {
        let output = std::mem::take(&mut self.output);
        (!output.is_empty()).then_some(output)
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// What the session refused next without asking: `MAIL`, `RCPT` or `DATA`, and the reply. Errors of
    /// syntax and sequence are not among them.
    pub fn poll_refusal(&mut self) -> Option<(&'static str, &'static str)> {
        self.refusals.pop_front()
    }

    /// Whether the driver is to read: not while it is asked something, and not after the end.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        let takes = !matches!(self.phase, Phase::Handshake | Phase::Closed);
        takes && self.question.is_none() && !self.input_ended
    }

    /// Whether the session runs under TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Answers a question with yes, in Exchange's usual words.
    ///
    /// # Panics
    /// When nothing was asked.
    pub fn accept(&mut self, now: Duration) {
        let question = self.question.expect("a question is outstanding");
        let line = match question {
            Question::Mail => texts::SENDER_OK,
            Question::Recipient => texts::RECIPIENT_OK,
            Question::DataStart => texts::START_INPUT,
            Question::EndOfData => texts::QUEUED,
            Question::Auth => texts::AUTHENTICATED,
        };
        self.say(line);
        self.decided(question, true, now);
    }

    /// Answers a question: yes with a code of class 2 (class 3 where the message is to start), no
    /// with any other; 421 also closes the session.
    ///
    /// # Panics
    /// When nothing was asked, or the status has no reply code.
    pub fn reply(&mut self, status: &Status, now: Duration) {
        let question = self.question.expect("a question is outstanding");
        let reply = Reply::from(status);
        self.say_reply(&reply);
        let is_yes = match question {
            Question::DataStart => reply.is_intermediate(),
            Question::Mail | Question::Recipient | Question::EndOfData | Question::Auth => {
                reply.is_positive()
            }
        };
        // RFC 5321 §3.8: after 421 the server closes.
        if reply.code() == 421 {
            self.question = None;
            return self.close(CloseReason::Refused);
        }
        self.decided(question, is_yes, now);
    }

    /// What the session is told, from now on: TLS can show a client to be another than it seemed.
    pub fn reconfigure(&mut self, config: Arc<ServerConfig>) {
        self.config = config;
    }

    /// The handshake after [`ServerEvent::StartTls`] is done; input is from now on what TLS brings.
    ///
    /// # Panics
    /// When the session did not ask for TLS.
    pub fn tls_started(&mut self, now: Duration) {
        match self.phase {
            Phase::Handshake => {}
            // Unencrypted input came before the handshake.
            Phase::Closed => return,
            _ => panic!("TLS starts after STARTTLS"),
        }
        self.active = now;
        self.phase = Phase::Command;
        self.tls = true;
        // RFC 3207 §4.2: what the client said before is forgotten.
        self.greeted = false;
        self.transaction = None;
        self.settle_shutdown();
    }

    /// Closes the session with a reply of class 4, before the next command; a message that is being
    /// received is received and answered first.
    ///
    /// # Panics
    /// When the status has no reply code.
    pub fn shut_down(&mut self, status: &Status) {
        self.shutdown = Some(Reply::from(status));
        self.settle();
    }

    /// Does what a decision leads to.
    fn decided(&mut self, question: Question, is_yes: bool, now: Duration) {
        self.question = None;
        self.active = now;
        match question {
            Question::Mail if is_yes => self.transaction = Some(Transaction::default()),
            Question::Recipient if is_yes => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients += 1;
                }
            }
            Question::DataStart if is_yes => {
                let config = &self.config;
                let decoder = DataDecoder::new(config.text_line_max, config.size_max);
                self.phase = Phase::Data(decoder);
            }
            Question::Mail | Question::Recipient | Question::DataStart => {}
            Question::EndOfData => self.transaction = None,
            Question::Auth if is_yes => self.authenticated = true,
            Question::Auth => self.logon_failed(),
        }
        self.settle_shutdown();
        self.resume();
        self.settle();
    }

    fn logon_failed(&mut self) {
        self.logon_failures += 1;
        if self.logon_failures > self.config.logon_failures_max {
            self.say(texts::TOO_MANY_ERRORS);
            self.close(CloseReason::TooManyLogonFailures);
        }
    }

    /// Interprets what was buffered.
    fn resume(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        let used = self.interpret(input.as_slice());
        input.consume(used);
        self.input = input;
    }

    /// Ends the session if its input ended and nothing more follows from it.
    fn settle(&mut self) {
        self.settle_shutdown();
        let is_closed = matches!(self.phase, Phase::Closed);
        if self.input_ended && self.question.is_none() && !is_closed {
            self.close(CloseReason::EndOfInput);
        }
    }

    /// Ends the session if it is to be shut down and stands between two commands.
    fn settle_shutdown(&mut self) {
        if matches!(self.phase, Phase::Command)
            && self.question.is_none()
            && let Some(reply) = self.shutdown.take()
        {
            self.say_reply(&reply);
            self.close(CloseReason::ShutDown);
        }
    }

    /// Interprets as much as possible and says how much that was.
    fn interpret(&mut self, input: &[u8]) -> usize {
        let mut used = 0;
        while used < input.len() && self.question.is_none() {
            let rest = &input[used..];
            let step = match &mut self.phase {
                Phase::Closed => rest.len(),
                Phase::Handshake => self.injected(rest),
                Phase::Data(_) => self.data(rest),
                Phase::Command | Phase::Plain | Phase::Username | Phase::Password { .. } => {
                    self.line(rest)
                }
            };
            if step == 0 {
                break;
            }
            used += step;
            self.settle_shutdown();
        }
        used
    }

    /// Input in the clear after the `220` of STARTTLS.
    fn injected(&mut self, rest: &[u8]) -> usize {
        self.close(CloseReason::Injection);
        rest.len()
    }

    fn data(&mut self, input: &[u8]) -> usize {
        let Phase::Data(decoder) = &mut self.phase else {
            unreachable!("only called while a message comes");
        };
        let mut text = Vec::with_capacity(input.len());
        let used = decoder.decode(input, &mut text);
        let end = decoder
            .is_finished()
            .then(|| (decoder.problem(), decoder.size()));
        if !text.is_empty() {
            self.events.push_back(ServerEvent::Data(text));
        }
        if let Some((problem, size)) = end {
            self.phase = Phase::Command;
            self.end_of_data(problem, size);
        }
        used
    }

    fn end_of_data(&mut self, problem: Option<DataProblem>, size: u64) {
        let Some(problem) = problem else {
            return self.ask(Question::EndOfData, ServerEvent::EndOfData { size });
        };
        let line = match problem {
            DataProblem::BareLineEnding => texts::BARE_LINE_ENDING,
            DataProblem::LineTooLong => texts::TEXT_LINE_TOO_LONG,
            DataProblem::TooLarge => texts::TOO_LARGE,
        };
        self.refuse("DATA", line);
        self.transaction = None;
        self.events.push_back(ServerEvent::MessageRefused(problem));
    }

    fn line(&mut self, input: &[u8]) -> usize {
        match self.splitter.split(input, self.line_max(input)) {
            Split::Partial(used) => {
                self.overlong += used;
                if self.overlong > OVERLONG_MAX {
                    self.say(texts::LINE_TOO_LONG);
                    self.say(texts::TOO_MANY_ERRORS);
                    self.close(CloseReason::TooManyErrors);
                    return input.len();
                }
                used
            }
            Split::Overlong(used) => {
                self.overlong = 0;
                self.phase = Phase::Command;
                self.error(texts::LINE_TOO_LONG);
                used
            }
            Split::Line(line, used) => {
                self.more_input = used < input.len();
                self.whole_line(line);
                used
            }
        }
    }

    fn line_max(&self, input: &[u8]) -> usize {
        let verb = input.get(..5).unwrap_or(input);
        match self.phase {
            Phase::Command if !verb.eq_ignore_ascii_case(b"AUTH ") => self.config.command_line_max,
            _ => self.config.auth_line_max,
        }
    }

    fn whole_line(&mut self, line: &[u8]) {
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        // RFC 5321 §2.3.8, §4.1.2: no CR or LF alone, no other control character.
        if line.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            return self.error(texts::INVALID_LINE);
        }
        match phase {
            Phase::Plain => self.response(line, Self::plain),
            Phase::Username => self.response(line, Self::username),
            Phase::Password { username } => {
                self.response(line, |session, response| {
                    session.password(username, response)
                });
            }
            Phase::Command | Phase::Data(_) | Phase::Handshake | Phase::Closed => {
                match Command::parse(line) {
                    Ok(command) => self.command(command),
                    Err(error) => self.unreadable(error),
                }
            }
        }
    }

    fn unreadable(&mut self, error: CommandError) {
        self.error(match error {
            CommandError::Arguments => texts::INVALID_ARGUMENTS,
            CommandError::HelloName => texts::INVALID_DOMAIN,
            CommandError::Recipient => texts::INVALID_RECIPIENT,
            CommandError::Sender => texts::INVALID_SENDER,
            CommandError::Unrecognized => texts::UNRECOGNIZED,
        });
    }

    fn command(&mut self, command: Command) {
        let before_tls = matches!(
            command,
            Command::Ehlo(_) | Command::Helo(_) | Command::Noop | Command::Quit | Command::StartTls
        );
        // RFC 3207 §4: the commands allowed before TLS where it is required.
        if self.config.require_tls && !self.tls && !before_tls {
            let sends = matches!(command, Command::Mail(_));
            return self.error(if sends {
                texts::NEED_TLS_TO_SEND
            } else {
                texts::NEED_TLS
            });
        }
        match command {
            Command::Auth(mechanism, response) => self.auth(&mechanism, response),
            Command::Data => self.start_data(),
            Command::Ehlo(name) => self.hello(name, true),
            Command::Helo(name) => self.hello(name, false),
            // RFC 5321 §7.3: EXPN tells strangers who is who.
            Command::Expn(_) => self.error(texts::NOT_IMPLEMENTED),
            Command::Help => self.say_reply(&Reply::new(214, &texts::HELP)),
            Command::Mail(mail) => self.mail(mail),
            Command::Noop => self.say(texts::NOOP),
            Command::Quit => {
                self.say(texts::GOODBYE);
                self.close(CloseReason::Quit);
            }
            Command::Rcpt(recipient) => self.recipient(recipient),
            Command::Rset => {
                self.reset();
                self.say(texts::RESET);
            }
            Command::StartTls => self.start_tls(),
            Command::Vrfy(_) => self.say(texts::CANNOT_VERIFY),
        }
    }

    fn hello(&mut self, name: HelloName, extended: bool) {
        // RFC 5321 §4.1.4: a new hello is also RSET.
        self.transaction = None;
        self.greeted = true;
        let host = format!("{} Hello [{}]", self.config.hostname, self.client);
        let mut lines = vec![host];
        if extended {
            lines.extend(self.keywords().iter().map(Keyword::to_string));
        }
        self.say_reply(&Reply::new(250, &lines));
        self.events.push_back(ServerEvent::Hello { name, extended });
    }

    /// What is offered now, in Exchange's order.
    fn keywords(&self) -> Vec<Keyword> {
        let auth = Keyword::Auth(vec![Mechanism::Plain, Mechanism::Login]);
        let offers = [
            (Keyword::Size(self.config.size_max), true),
            (Keyword::Pipelining, true),
            (Keyword::Dsn, self.config.dsn),
            (Keyword::EnhancedStatusCodes, true),
            (Keyword::StartTls, self.offers_tls()),
            (auth, self.offers_auth()),
            (Keyword::EightBitMime, true),
        ];
        let offered = offers.into_iter().filter(|(_, is_offered)| *is_offered);
        offered.map(|(keyword, _)| keyword).collect()
    }

    fn offers_tls(&self) -> bool {
        self.config.starttls && !self.tls
    }

    /// RFC 4954 §4: a password in the clear only under TLS.
    fn offers_auth(&self) -> bool {
        self.config.auth && self.tls
    }

    fn mail(&mut self, mail: Mail) {
        if !self.greeted {
            return self.error(texts::SEND_HELLO);
        }
        if self.transaction.is_some() {
            return self.error(texts::SENDER_GIVEN);
        }
        let dsn = mail.ret.is_some() || mail.envid.is_some();
        // RFC 5321 §4.1.1.11.
        if !mail.others.is_empty() || (dsn && !self.config.dsn) {
            return self.error(texts::UNSUPPORTED_PARAMETER);
        }
        if mail.body == Some(Body::BinaryMime) {
            return self.error(texts::INVALID_ARGUMENTS);
        }
        // RFC 1870 §6.1.
        if let (Some(size), Some(size_max)) = (mail.size, self.config.size_max)
            && size > size_max
        {
            return self.refuse("MAIL", texts::TOO_LARGE);
        }
        self.ask(Question::Mail, ServerEvent::Mail(mail));
    }

    fn recipient(&mut self, recipient: Recipient) {
        let Some(transaction) = &self.transaction else {
            return self.error(self.missing_mail());
        };
        let dsn = recipient.notify.is_some() || recipient.orcpt.is_some();
        if !recipient.others.is_empty() || (dsn && !self.config.dsn) {
            return self.error(texts::UNSUPPORTED_PARAMETER);
        }
        // RFC 5321 §4.5.3.1.10.
        if transaction.recipients >= self.config.recipients_max {
            return self.refuse("RCPT", texts::TOO_MANY_RECIPIENTS);
        }
        let Some(mailbox) = self.mailbox(recipient.forward_path) else {
            return self.error(texts::INVALID_RECIPIENT);
        };
        let (notify, orcpt) = (recipient.notify, recipient.orcpt);
        let event = ServerEvent::Recipient {
            mailbox,
            notify,
            orcpt,
        };
        self.ask(Question::Recipient, event);
    }

    fn mailbox(&self, forward_path: ForwardPath) -> Option<Mailbox> {
        match forward_path {
            ForwardPath::Mailbox(mailbox) => Some(mailbox),
            ForwardPath::Postmaster => Some(Mailbox {
                local_part: LocalPart::parse("postmaster").ok()?,
                domain: self.config.postmaster_domain.clone(),
            }),
        }
    }

    fn start_data(&mut self) {
        match &self.transaction {
            None => self.error(self.missing_mail()),
            // RFC 2920 §3.1: also what a pipelining client gets whose recipients were all refused.
            Some(transaction) if transaction.recipients == 0 => self.error(texts::NEED_RECIPIENT),
            Some(_) => self.ask(Question::DataStart, ServerEvent::DataStart),
        }
    }

    fn missing_mail(&self) -> &'static str {
        if self.greeted {
            texts::NEED_MAIL
        } else {
            texts::SEND_HELLO
        }
    }

    fn reset(&mut self) {
        if self.transaction.take().is_some() {
            self.events.push_back(ServerEvent::Reset);
        }
    }

    fn start_tls(&mut self) {
        if self.tls {
            return self.error(texts::TLS_ACTIVE);
        }
        if !self.config.starttls {
            return self.error(texts::NOT_IMPLEMENTED);
        }
        if !self.greeted {
            return self.error(texts::SEND_HELLO);
        }
        if self.more_input {
            self.say(texts::BEHIND_STARTTLS);
            return self.close(CloseReason::Injection);
        }
        self.reset();
        self.say(texts::READY_FOR_TLS);
        self.phase = Phase::Handshake;
        self.events.push_back(ServerEvent::StartTls);
    }

    fn auth(&mut self, mechanism: &Mechanism, response: Option<Secret>) {
        if !self.greeted {
            return self.error(texts::SEND_HELLO);
        }
        // RFC 4954 §4: not twice, and not in a mail transaction.
        if self.authenticated {
            return self.error(texts::AUTH_GIVEN);
        }
        if self.transaction.is_some() {
            return self.error(texts::AUTH_IN_TRANSACTION);
        }
        match (mechanism, response) {
            (Mechanism::Other(_), _) => self.error(texts::UNKNOWN_MECHANISM),
            _ if !self.offers_auth() => self.error(texts::UNKNOWN_MECHANISM),
            (Mechanism::Plain, Some(response)) => self.plain(response.reveal()),
            (Mechanism::Plain, None) => self.challenge(texts::GIVE_RESPONSE, Phase::Plain),
            (Mechanism::Login, Some(response)) => self.username(response.reveal()),
            (Mechanism::Login, None) => self.challenge(texts::GIVE_USERNAME, Phase::Username),
        }
    }

    fn challenge(&mut self, line: &str, phase: Phase) {
        self.say(line);
        self.phase = phase;
    }

    /// A line of the authentication exchange.
    fn response(&mut self, line: &[u8], next: impl FnOnce(&mut Self, &str)) {
        match std::str::from_utf8(line) {
            // RFC 4954 §4: the client gives up.
            Ok("*") => self.error(texts::CANCELLED),
            Ok(response) => next(self, response),
            Err(_) => self.error(texts::INVALID_RESPONSE),
        }
    }

    fn plain(&mut self, response: &str) {
        match Credentials::from_plain(response) {
            Some(credentials) => self.ask(Question::Auth, ServerEvent::Auth(credentials)),
            None => self.error(texts::INVALID_RESPONSE),
        }
    }

    fn username(&mut self, response: &str) {
        match auth::decode(response) {
            Some(username) => self.challenge(texts::GIVE_PASSWORD, Phase::Password { username }),
            None => self.error(texts::INVALID_RESPONSE),
        }
    }

    fn password(&mut self, username: String, response: &str) {
        let Some(password) = auth::decode(response) else {
            return self.error(texts::INVALID_RESPONSE);
        };
        let password = Secret::new(password);
        let credentials = Credentials { username, password };
        self.ask(Question::Auth, ServerEvent::Auth(credentials));
    }

    fn ask(&mut self, question: Question, event: ServerEvent) {
        self.question = Some(question);
        self.events.push_back(event);
    }

    fn refuse(&mut self, asked: &'static str, line: &'static str) {
        self.say(line);
        self.refusals.push_back((asked, line));
    }

    /// Answers a protocol error, or closes because of it.
    fn error(&mut self, line: &str) {
        self.protocol_errors += 1;
        if self.protocol_errors > self.config.protocol_errors_max {
            self.say(texts::TOO_MANY_ERRORS);
            self.close(CloseReason::TooManyErrors);
        } else {
            self.say(line);
        }
    }

    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(CRLF);
    }

    fn say_reply(&mut self, reply: &Reply) {
        self.output.extend_from_slice(reply.to_string().as_bytes());
    }

    fn close(&mut self, reason: CloseReason) {
        self.phase = Phase::Closed;
        self.input = InputBuffer::default();
        self.events.push_back(ServerEvent::Closed(reason));
    }

    /// RFC 5321 §4.3.1; Exchange Server, "Modify the SMTP banner on Receive connectors".
    fn greeting(&self, date: &str) -> Reply {
        let banner = self.config.banner.as_deref();
        match banner.and_then(|banner| banner.strip_prefix("220")) {
            Some(text) => Reply::new(220, &[text.trim_start()]),
            None => {
                let host = &self.config.hostname;
                let text = format!("{host} Microsoft ESMTP MAIL Service ready at {date}");
                Reply::new(220, &[text])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mail::Domain;

    use super::*;

    const NOW: Duration = Duration::from_secs(7);

    fn session(change: impl FnOnce(&mut ServerConfig)) -> ServerSession {
        let mut config = ServerConfig::new(Domain::parse("mail.contoso.com").expect("a domain"));
        change(&mut config);
        ServerSession::new(Arc::new(config), [192, 0, 2, 7].into(), "now")
    }

    #[test]
    fn an_open_question_stops_reading_and_the_clock() {
        let mut session = session(|_| {});
        session.handle_input(b"HELO a.example\r\nMAIL FROM:<>\r\nNOOP\r\n", NOW);
        assert!(!session.wants_input());
        assert_eq!(session.next_deadline(), None);
        assert_eq!(session.input.as_slice(), b"NOOP\r\n");
        session.accept(NOW * 2);
        assert!(session.wants_input() && session.input.is_empty());
        assert_eq!(
            session.next_deadline(),
            Some(NOW * 2 + Duration::from_secs(300))
        );
    }

    #[test]
    fn nothing_is_kept_of_what_is_too_long() {
        let mut session = session(|config| config.size_max = Some(10));
        for _ in 0..100 {
            session.handle_input(&[b'x'; 10_000], NOW);
            assert!(session.input.as_slice().len() <= 1);
        }
        session.handle_input(b"\r\nHELO a.example\r\nMAIL FROM:<>\r\n", NOW);
        session.accept(NOW);
        session.handle_input(b"RCPT TO:<postmaster>\r\n", NOW);
        session.accept(NOW);
        session.handle_input(b"DATA\r\n", NOW);
        session.accept(NOW);
        while session.poll_event().is_some() {}
        session.handle_input(&[b'x'; 10_000], NOW);
        session.handle_input(&[b'x'; 10_000], NOW);
        assert_eq!(
            session.poll_event(),
            Some(ServerEvent::Data(vec![b'x'; 10]))
        );
        assert_eq!(session.poll_event(), None);
        assert!(session.input.is_empty());
    }

    #[test]
    fn a_line_without_end_ends_the_session() {
        let mut session = session(|_| {});
        let mut sent = 0;
        while session.wants_input() && sent < 10 << 20 {
            session.handle_input(&[b'x'; 10_000], NOW);
            sent += 10_000;
        }
        assert!(sent < 2 << 20, "{sent} octets");
        let output = session.poll_output().expect("last words");
        let output = String::from_utf8(output).expect("text");
        let mut lines = output.lines().skip(1);
        assert_eq!(lines.next(), Some(texts::LINE_TOO_LONG));
        assert_eq!(lines.next(), Some(texts::TOO_MANY_ERRORS));
        let closed = ServerEvent::Closed(CloseReason::TooManyErrors);
        assert_eq!(session.poll_event(), Some(closed));
    }

    #[test]
    fn a_password_is_not_shown() {
        let mut session = session(|config| {
            config.starttls = true;
            config.auth = true;
        });
        session.handle_input(b"HELO a.example\r\nSTARTTLS\r\n", NOW);
        session.tls_started(NOW);
        session.handle_input(b"HELO a.example\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n", NOW);
        session.handle_input(b"AUTH PLAIN AGFu", NOW);
        let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
        let shown = format!("{events:?} {session:?}");
        assert!(shown.contains("Auth(Credentials { username: \"ann\""));
        assert!(!shown.contains("secret\"") && !shown.contains("AGFu"));
    }

    #[test]
    #[should_panic(expected = "a question is outstanding")]
    fn nobody_answers_what_was_not_asked() {
        session(|_| {}).accept(NOW);
    }
}
