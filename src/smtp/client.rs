//! The client's end of a session: what to say next, and what each reply means.
//!
//! Policy:
//!
//! - Hello is EHLO; HELO follows if EHLO is refused for good (RFC 5321 §3.2).
//! - A refused greeting, hello, demanded STARTTLS or logon ends the session; so does 421 at any
//!   time (RFC 5321 §3.8), a reply nobody asked for, and a reply that makes no sense where it comes.
//! - The envelope goes out at once where PIPELINING is offered, else step by step (RFC 2920).
//! - No message is sent that nobody is to get. Where DATA was pipelined and `354` came although all
//!   recipients were refused, a lone dot ends the empty message (RFC 2920 §3.1).
//! - A transaction that ends before its message ends with RSET, so that the next one starts clean.
//! - Credentials go out under TLS only.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::mail::Mailbox;

use super::auth::{self, Mechanism};
use super::command::{Command, Mail, Recipient};
use super::config::{ClientConfig, Envelope, TlsUse};
use super::event::{Cause, ClientEvent, Phase};
use super::line::{CRLF, DotStuffer, InputBuffer, LineSplitter, Split};
use super::path::ForwardPath;
use super::reply::{Extensions, Keyword, Reply, ReplyError, ReplyReader};

/// What the next reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    /// AUTH with all that is needed.
    Auth,
    /// AUTH LOGIN, which asks for the user name.
    AuthUsername,
    /// The user name, after which the password is asked for.
    AuthPassword,
    Mail,
    Recipient(usize),
    Data,
    EndOfData,
    /// The reply to an empty message that ends a transaction nobody gets anything of.
    LoneDot,
    Reset,
    Quit,
}

/// What the session is about.
enum State {
    /// Something was said; replies are expected.
    Talking,
    Handshake,
    Idle,
    Body(DotStuffer),
    Over,
}

/// A mail transaction on its way.
struct Transaction {
    recipients: Vec<Mailbox>,
    /// Recipients whose RCPT was said.
    said: usize,
    accepted: usize,
    mail_accepted: bool,
    mail_refused: bool,
}

/// The client's end of one connection.
///
/// See the module's front page for how to drive it.
pub struct ClientSession {
    config: ClientConfig,
    state: State,
    expected: VecDeque<Expected>,
    input: InputBuffer,
    splitter: LineSplitter,
    reader: ReplyReader,
    output: Vec<u8>,
    events: VecDeque<ClientEvent>,
    /// The name by which the server greeted.
    greeting: Option<String>,
    extensions: Extensions,
    tls: bool,
    transaction: Option<Transaction>,
    /// When something was said or heard last.
    active: Duration,
}

impl fmt::Debug for ClientSession {
    /// Without what is to be written: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("expected", &self.expected)
            .field("extensions", &self.extensions)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl ClientSession {
    /// A session that waits for the server's greeting.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            state: State::Talking,
            expected: VecDeque::from([Expected::Greeting]),
            input: InputBuffer::default(),
            splitter: LineSplitter::default(),
            reader: ReplyReader::default(),
            output: Vec::new(),
            events: VecDeque::new(),
            greeting: None,
            extensions: Extensions::default(),
            tls: false,
            transaction: None,
            active: Duration::ZERO,
        }
    }

    /// Takes what was read.
    pub fn handle_input(&mut self, input: &[u8], now: Duration) {
        self.active = now;
        self.input.extend(input);
        let mut buffer = std::mem::take(&mut self.input);
        while !buffer.is_empty() && !matches!(self.state, State::Over) {
            let used = self.interpret(buffer.as_slice());
            if used == 0 {
                break;
            }
            buffer.consume(used);
        }
        if !matches!(self.state, State::Over) {
            self.input = buffer;
        }
    }

    /// The server sends no more.
    pub fn handle_eof(&mut self) {
        if matches!(self.state, State::Over) {
            return;
        }
        match self.phase() {
            // Some servers close without a reply to QUIT.
            Phase::Quit => self.finish(ClientEvent::Closed),
            _ => self.fail(Cause::EndOfInput),
        }
    }

    /// Time passed; fails the session if its deadline has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            match self.phase() {
                Phase::Quit => self.finish(ClientEvent::Closed),
                _ => self.fail(Cause::Timeout),
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called. None while the session is idle: how long a
    /// connection is kept is the driver's affair.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let minutes = match (&self.state, self.phase()) {
            (State::Over | State::Idle, _) => return None,
            // RFC 5321 §4.5.3.2: the least that a client must wait.
            (State::Body(_), _) => 3,
            (State::Talking | State::Handshake, Phase::Data) => 2,
            (State::Talking | State::Handshake, Phase::EndOfData) => 10,
            // Choice: nothing depends on the reply to QUIT.
            (State::Talking | State::Handshake, Phase::Quit) => 1,
            (State::Talking | State::Handshake, _) => 5,
        };
        Some(
            self.active
                .saturating_add(Duration::from_secs(minutes * 60)),
        )
    }

    /// What is to be written next.
    pub fn poll_output(&mut self) -> Option<Vec<u8>> {
        let output = std::mem::take(&mut self.output);
        (!output.is_empty()).then_some(output)
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// The name by which the server greeted (RFC 5321 §4.2).
    #[must_use]
    pub fn greeting(&self) -> Option<&str> {
        self.greeting.as_deref()
    }

    /// What the server offers since its last hello.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whether the session runs under TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether the driver is to read: not during a handshake, and not after the end.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !matches!(self.state, State::Handshake | State::Over)
    }

    /// Where the session stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match (&self.state, self.expected.front()) {
            (State::Idle, _) => Phase::Idle,
            (State::Body(_), _) => Phase::Body,
            (State::Handshake, _) | (_, Some(Expected::StartTls)) => Phase::Tls,
            (_, Some(Expected::Greeting)) => Phase::Greeting,
            (_, Some(Expected::Ehlo | Expected::Helo)) => Phase::Hello,
            (_, Some(Expected::Auth | Expected::AuthUsername | Expected::AuthPassword)) => {
                Phase::Auth
            }
            (_, Some(Expected::Mail)) => Phase::Mail,
            (_, Some(Expected::Recipient(_))) => Phase::Recipient,
            (_, Some(Expected::Data)) => Phase::Data,
            (_, Some(Expected::EndOfData)) => Phase::EndOfData,
            (_, Some(Expected::LoneDot | Expected::Reset)) => Phase::Reset,
            (_, Some(Expected::Quit)) => Phase::Quit,
            (_, None) => Phase::Idle,
        }
    }

    /// The session between mail transactions, after [`ClientEvent::Ready`]; `None` where it is at
    /// something else, or failed meanwhile, which an event tells.
    #[must_use = "nothing is said before the handle is used"]
    pub fn idle(&mut self) -> Option<Idle<'_>> {
        matches!(self.state, State::Idle).then_some(Idle(self))
    }

    /// The session that wants its message, after [`ClientEvent::NeedBody`]; `None` where it wants
    /// none, or failed meanwhile, which an event tells.
    #[must_use = "nothing is sent before the handle is used"]
    pub fn message(&mut self) -> Option<MessageText<'_>> {
        matches!(self.state, State::Body(_)).then_some(MessageText(self))
    }

    /// The session that waits for TLS, after [`ClientEvent::WantTls`]; `None` where it does not, or
    /// failed meanwhile, which an event tells.
    #[must_use = "the session waits until the handle is used"]
    pub fn handshake(&mut self) -> Option<Handshake<'_>> {
        matches!(self.state, State::Handshake).then_some(Handshake(self))
    }

    /// Takes one line of a reply, and says how many bytes of `input` it was.
    fn interpret(&mut self, input: &[u8]) -> usize {
        if matches!(self.state, State::Handshake) {
            self.fail(Cause::Injection);
            return input.len();
        }
        match self.splitter.split(input, self.config.reply_line_max) {
            Split::Partial(0) => 0,
            Split::Partial(used) | Split::Overlong(used) => {
                self.fail(Cause::NotAReply(ReplyError::TooLong));
                used
            }
            Split::Line(line, used) => {
                match self.reader.line(line) {
                    Ok(None) => {}
                    Ok(Some(reply)) => self.reply(reply),
                    Err(error) => self.fail(Cause::NotAReply(error)),
                }
                used
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        let is_last_word = reply.code() == 421 && !matches!(self.phase(), Phase::Quit);
        if is_last_word {
            return self.fail(Cause::Refused(reply));
        }
        // Nothing is expected while a message goes out, but RFC 5321 lets a server give up then.
        if matches!(self.state, State::Body(_)) && (reply.is_transient() || reply.is_permanent()) {
            return self.fail(Cause::Refused(reply));
        }
        let Some(expected) = self.expected.front().copied() else {
            return self.fail(Cause::Unexpected(reply));
        };
        match expected {
            Expected::Greeting => self.greeted(reply),
            Expected::Ehlo | Expected::Helo => self.said_hello(expected, reply),
            Expected::StartTls => self.tls_reply(reply),
            Expected::Auth | Expected::AuthUsername | Expected::AuthPassword => {
                self.auth_reply(expected, reply);
            }
            Expected::Mail => self.mail_reply(reply),
            Expected::Recipient(index) => self.recipient_reply(index, reply),
            Expected::Data => self.data_reply(reply),
            Expected::EndOfData => self.message_reply(reply),
            Expected::LoneDot => {
                self.expected.pop_front();
                self.ready();
            }
            Expected::Reset if reply.is_positive() => {
                self.expected.pop_front();
                self.ready();
            }
            Expected::Reset => self.refused(reply),
            Expected::Quit => self.finish(ClientEvent::Closed),
        }
    }

    /// Fails at a reply that is not the one wanted: a refusal, or nonsense.
    fn refused(&mut self, reply: Reply) {
        if reply.is_transient() || reply.is_permanent() {
            // RFC 5321 §3.1: a client that is refused still says QUIT; nobody waits for the reply.
            self.output.extend_from_slice(b"QUIT\r\n");
            self.fail(Cause::Refused(reply));
        } else {
            self.fail(Cause::Unexpected(reply));
        }
    }

    fn greeted(&mut self, reply: Reply) {
        if reply.code() != 220 {
            return self.refused(reply);
        }
        let words = reply.lines().first().map(|line| line.split_whitespace());
        self.greeting = words.and_then(|mut words| words.next().map(str::to_owned));
        self.expected.pop_front();
        self.hello();
    }

    fn hello(&mut self) {
        if self.config.helo_only {
            let helo = Command::Helo(self.config.hello_name.clone());
            return self.say(&helo, Expected::Helo);
        }
        self.say(
            &Command::Ehlo(self.config.hello_name.clone()),
            Expected::Ehlo,
        );
    }

    fn said_hello(&mut self, expected: Expected, reply: Reply) {
        if expected == Expected::Ehlo && reply.is_permanent() {
            self.expected.pop_front();
            let helo = Command::Helo(self.config.hello_name.clone());
            return self.say(&helo, Expected::Helo);
        }
        if !reply.is_positive() {
            return self.refused(reply);
        }
        if expected == Expected::Ehlo {
            self.extensions = Extensions::from_reply(&reply);
        }
        let is_offered = self.extensions.has(&Keyword::StartTls);
        match self.config.tls {
            TlsUse::IfOffered | TlsUse::Required if is_offered && !self.tls => {
                self.expected.pop_front();
                self.say(&Command::StartTls, Expected::StartTls);
            }
            TlsUse::Required if !self.tls => {
                // RFC 5321 §4.1.1.10.
                self.output.extend_from_slice(b"QUIT\r\n");
                self.expected = VecDeque::from([Expected::StartTls]);
                self.fail(Cause::TlsNotOffered);
            }
            TlsUse::Never | TlsUse::IfOffered | TlsUse::Required => {
                self.expected.pop_front();
                self.log_on();
            }
        }
    }

    fn tls_reply(&mut self, reply: Reply) {
        if reply.code() == 220 {
            self.expected.pop_front();
            self.state = State::Handshake;
            self.events.push_back(ClientEvent::WantTls);
        } else if self.config.tls == TlsUse::IfOffered && !reply.is_positive() {
            // RFC 3207 §4.1: what to do without TLS is the client's decision.
            self.expected.pop_front();
            self.log_on();
        } else {
            self.refused(reply);
        }
    }

    fn log_on(&mut self) {
        let Some(credentials) = self.config.credentials.as_ref() else {
            return self.ready();
        };
        let offers = |wanted| {
            self.extensions
                .mechanisms()
                .any(|offered| *offered == wanted)
        };
        let (command, expected) = if !self.tls {
            return self.no_auth();
        } else if offers(Mechanism::Plain) {
            let response = credentials.to_plain();
            (
                Command::Auth(Mechanism::Plain, Some(response)),
                Expected::Auth,
            )
        } else if offers(Mechanism::Login) {
            (
                Command::Auth(Mechanism::Login, None),
                Expected::AuthUsername,
            )
        } else {
            return self.no_auth();
        };
        self.say(&command, expected);
    }

    fn no_auth(&mut self) {
        self.output.extend_from_slice(b"QUIT\r\n");
        self.expected = VecDeque::from([Expected::Auth]);
        self.fail(Cause::AuthNotOffered);
    }

    fn auth_reply(&mut self, expected: Expected, reply: Reply) {
        let Some(credentials) = self.config.credentials.as_ref() else {
            unreachable!("only who has credentials logs on");
        };
        let next = match expected {
            Expected::AuthUsername if reply.code() == 334 => {
                (auth::encode(&credentials.username), Expected::AuthPassword)
            }
            Expected::AuthPassword if reply.code() == 334 => {
                (auth::encode(credentials.password.reveal()), Expected::Auth)
            }
            Expected::Auth if reply.is_positive() => {
                self.expected.pop_front();
                return self.ready();
            }
            _ => return self.refused(reply),
        };
        let (response, expected) = next;
        self.expected.pop_front();
        self.say_line(response.reveal(), expected);
    }

    fn mail_reply(&mut self, reply: Reply) {
        if reply.is_intermediate() {
            return self.refused(reply);
        }
        self.expected.pop_front();
        let is_accepted = reply.is_positive();
        let transaction = self.transaction();
        transaction.mail_accepted = is_accepted;
        transaction.mail_refused = !is_accepted;
        if !is_accepted {
            let phase = Phase::Mail;
            self.events
                .push_back(ClientEvent::MessageReply { phase, reply });
        }
        self.go_on();
    }

    fn recipient_reply(&mut self, index: usize, reply: Reply) {
        if reply.is_intermediate() {
            return self.refused(reply);
        }
        self.expected.pop_front();
        let is_accepted = reply.is_positive();
        let transaction = self.transaction();
        transaction.accepted += usize::from(is_accepted);
        if !transaction.mail_refused {
            self.events
                .push_back(ClientEvent::RecipientReply { index, reply });
        }
        self.go_on();
    }

    fn data_reply(&mut self, reply: Reply) {
        let transaction = self.transaction();
        let is_wanted = transaction.accepted > 0 && !transaction.mail_refused;
        let is_started = reply.code() == 354;
        if !is_started && !reply.is_transient() && !reply.is_permanent() {
            // The server thinks a message is here where none was sent; nothing it says can be
            // understood any more.
            return self.fail(Cause::Unexpected(reply));
        }
        self.expected.pop_front();
        match (is_started, is_wanted) {
            (true, true) => {
                self.state = State::Body(DotStuffer::default());
                self.events.push_back(ClientEvent::NeedBody);
            }
            // RFC 2920 §3.1.
            (true, false) => self.say_line(".", Expected::LoneDot),
            (false, true) => {
                let phase = Phase::Data;
                self.events
                    .push_back(ClientEvent::MessageReply { phase, reply });
                self.end_transaction();
            }
            (false, false) => self.end_transaction(),
        }
    }

    fn message_reply(&mut self, reply: Reply) {
        if reply.is_intermediate() {
            return self.refused(reply);
        }
        self.expected.pop_front();
        let phase = Phase::EndOfData;
        self.events
            .push_back(ClientEvent::MessageReply { phase, reply });
        self.ready();
    }

    /// Says the next command of the envelope, if it was not said already.
    fn go_on(&mut self) {
        if !self.expected.is_empty() {
            return;
        }
        let transaction = self.transaction();
        if transaction.mail_refused {
            return self.end_transaction();
        }
        if self.say_recipient() {
            return;
        }
        if self.transaction().accepted > 0 {
            self.say(&Command::Data, Expected::Data);
        } else {
            self.end_transaction();
        }
    }

    /// Says the next recipient; false when all were said.
    fn say_recipient(&mut self) -> bool {
        let transaction = self.transaction();
        let index = transaction.said;
        let Some(mailbox) = transaction.recipients.get(index) else {
            return false;
        };
        let recipient = Recipient::new(ForwardPath::Mailbox(mailbox.clone()));
        transaction.said += 1;
        self.say(&Command::Rcpt(recipient), Expected::Recipient(index));
        true
    }

    /// Ends a transaction whose message was not sent.
    fn end_transaction(&mut self) {
        if self.transaction().mail_accepted {
            self.say(&Command::Rset, Expected::Reset);
        } else {
            self.ready();
        }
    }

    fn transaction(&mut self) -> &mut Transaction {
        self.transaction
            .as_mut()
            .expect("replies of a mail transaction come in one")
    }

    fn ready(&mut self) {
        self.transaction = None;
        self.state = State::Idle;
        self.events.push_back(ClientEvent::Ready);
    }

    /// Leaves whatever it waited in.
    fn talk(&mut self, now: Duration) {
        self.active = now;
        self.state = State::Talking;
    }

    fn say(&mut self, command: &Command, expected: Expected) {
        self.say_line(&command.to_string(), expected);
    }

    fn say_line(&mut self, line: &str, expected: Expected) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(CRLF);
        self.expected.push_back(expected);
    }

    fn fail(&mut self, cause: Cause) {
        let phase = self.phase();
        self.finish(ClientEvent::Failed { phase, cause });
    }

    fn finish(&mut self, event: ClientEvent) {
        self.state = State::Over;
        self.expected.clear();
        self.transaction = None;
        self.input = InputBuffer::default();
        self.events.push_back(event);
    }
}

/// A session that may be given a mail transaction, or be ended.
#[derive(Debug)]
pub struct Idle<'a>(&'a mut ClientSession);

impl Idle<'_> {
    /// Begins a mail transaction. SIZE and BODY are told where the server offers them; whether it
    /// can take an 8-bit message at all is for the driver to ask ([`ClientSession::extensions`]).
    pub fn begin(self, envelope: Envelope, now: Duration) {
        let session = self.0;
        session.talk(now);
        let extensions = &session.extensions;
        let mail = Mail {
            size: envelope.size.filter(|_| extensions.size().is_some()),
            body: envelope
                .body
                .filter(|_| extensions.has(&Keyword::EightBitMime)),
            ..Mail::new(envelope.reverse_path)
        };
        session.transaction = Some(Transaction {
            recipients: envelope.recipients,
            said: 0,
            accepted: 0,
            mail_accepted: false,
            mail_refused: false,
        });
        session.say(&Command::Mail(mail), Expected::Mail);
        if session.extensions.has(&Keyword::Pipelining) {
            while session.say_recipient() {}
            session.say(&Command::Data, Expected::Data);
        }
    }

    /// Says good-bye.
    pub fn quit(self, now: Duration) {
        self.0.talk(now);
        self.0.say(&Command::Quit, Expected::Quit);
    }
}

/// A session whose server waits for the message.
#[derive(Debug)]
pub struct MessageText<'a>(&'a mut ClientSession);

impl MessageText<'_> {
    /// Sends the next part; write the output before there is much of it.
    pub fn write(&mut self, text: &[u8], now: Duration) {
        if let State::Body(stuffer) = &mut self.0.state {
            stuffer.encode(text, &mut self.0.output);
        }
        self.0.active = now;
    }

    /// Ends the message.
    pub fn end(self, now: Duration) {
        let session = self.0;
        if let State::Body(stuffer) = std::mem::replace(&mut session.state, State::Talking) {
            stuffer.finish(&mut session.output);
        }
        session.active = now;
        session.expected.push_back(Expected::EndOfData);
    }
}

/// A session that waits for the driver's handshake.
#[derive(Debug)]
pub struct Handshake<'a>(&'a mut ClientSession);

impl Handshake<'_> {
    /// TLS is there.
    pub fn started(self, now: Duration) {
        let session = self.0;
        session.talk(now);
        session.tls = true;
        // RFC 3207 §4.2: what the server offered before is forgotten.
        session.extensions = Extensions::default();
        session.hello();
    }

    /// The handshake failed.
    pub fn failed(self) {
        self.0.fail(Cause::TlsFailed);
    }
}

#[cfg(test)]
mod tests {
    use crate::mail::ReversePath;

    use super::super::auth::{Credentials, Secret};
    use super::super::path::HelloName;
    use super::*;

    const NOW: Duration = Duration::from_secs(7);

    fn config() -> ClientConfig {
        ClientConfig::new(HelloName::parse("edge.fabrikam.com").expect("a host"))
    }

    fn idle() -> ClientSession {
        let mut session = ClientSession::new(config());
        session.handle_input(b"220 hi\r\n", NOW);
        session.handle_input(b"250 hello\r\n", NOW);
        assert_eq!(session.poll_event(), Some(ClientEvent::Ready));
        session
    }

    fn envelope() -> Envelope {
        let recipients = vec!["bob@contoso.com".parse().expect("an address")];
        Envelope::new(ReversePath::Null, recipients, None, None).expect("an envelope")
    }

    #[test]
    fn a_session_that_failed_meanwhile_does_nothing() {
        let mut session = idle();
        while session.poll_output().is_some() {}
        session.handle_input(b"421 4.3.2 bye\r\n", NOW);
        assert!(session.idle().is_none());
        assert!(session.message().is_none());
        assert!(session.handshake().is_none());
        session.handle_eof();
        assert_eq!(session.poll_output(), None);
        assert!(matches!(
            session.poll_event(),
            Some(ClientEvent::Failed { .. })
        ));
        assert_eq!(session.poll_event(), None);
        assert_eq!(session.next_deadline(), None);
        assert!(!session.wants_input());
    }

    #[test]
    fn one_transaction_at_a_time() {
        let mut session = idle();
        session.idle().expect("it is idle").begin(envelope(), NOW);
        assert!(session.idle().is_none());
        session.handle_input(b"250 ok\r\n250 ok\r\n354 go\r\n", NOW);
        assert!(session.idle().is_none());
    }

    #[test]
    fn a_password_is_not_shown() {
        let credentials = Credentials {
            username: "ann".into(),
            password: Secret::new("open sesame".into()),
        };
        let config = ClientConfig {
            credentials: Some(credentials),
            ..config()
        };
        assert!(!format!("{config:?}").contains("sesame"));
        let mut session = ClientSession::new(config);
        session.handle_input(b"220 hi\r\n", NOW);
        session.handle_input(b"250-hello\r\n250 STARTTLS\r\n", NOW);
        session.handle_input(b"220 go\r\n", NOW);
        session.handshake().expect("it waits for TLS").started(NOW);
        session.handle_input(b"250-hello\r\n250 AUTH PLAIN\r\n", NOW);
        assert!(!format!("{session:?}").contains("AG"));
        let output = session.poll_output().expect("it logs on");
        assert!(output.ends_with(b"AUTH PLAIN AGFubgBvcGVuIHNlc2FtZQ==\r\n"));
    }
}
