//! What the two sessions report and ask.

use crate::mail::Mailbox;

use super::auth::Credentials;
use super::command::Mail;
use super::line::DataProblem;
use super::path::HelloName;
use super::reply::{Reply, ReplyError};

/// What a server session reports, and what it asks. "Asks" means that nothing more is interpreted
/// until the driver calls [`super::ServerSession::accept`] or [`super::ServerSession::reply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// The client named itself. Whatever mail transaction there was is void.
    Hello {
        /// As it says.
        name: HelloName,
        /// Whether with EHLO.
        extended: bool,
    },
    /// Asks whether this sender may begin a mail transaction.
    Mail(Mail),
    /// Asks whether this recipient is accepted.
    Recipient {
        /// Whom the message is for.
        mailbox: Mailbox,
        /// When a notification is wanted (RFC 3461 §4.1), as written.
        notify: Option<String>,
        /// The address the sender wrote (RFC 3461 §4.2), as written.
        orcpt: Option<String>,
    },
    /// Asks whether the message may come; its recipients were accepted.
    DataStart,
    /// The next part of the message, stuffed dots taken out.
    Data(Vec<u8>),
    /// Asks what becomes of the message. A positive reply makes it the driver's (RFC 5321 §6.1).
    EndOfData {
        /// Octets of the message.
        size: u64,
    },
    /// The message was refused at its end; what came of it is to be thrown away.
    MessageRefused(DataProblem),
    /// The mail transaction is void.
    Reset,
    /// The client was told to begin TLS. Write the output, handshake, then call
    /// [`super::ServerSession::tls_started`]; if the handshake fails, close the connection.
    StartTls,
    /// Asks whether the user may log on.
    Auth(Credentials),
    /// The session is over: write the output, close the connection. An open mail transaction is
    /// void.
    Closed(CloseReason),
}

/// Why a server session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseReason {
    /// The client closed the connection without QUIT.
    EndOfInput,
    /// The client sent unencrypted input behind STARTTLS.
    Injection,
    /// QUIT.
    Quit,
    /// The driver replied 421.
    Refused,
    /// [`super::ServerSession::shut_down`].
    ShutDown,
    /// The client said nothing for too long.
    Timeout,
    /// Too many protocol errors.
    TooManyErrors,
    /// Too many refused logons.
    TooManyLogonFailures,
}

/// Where in a session something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// The server's first word.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS and the handshake.
    Tls,
    /// AUTH.
    Auth,
    /// Between two mail transactions.
    Idle,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Recipient,
    /// DATA.
    Data,
    /// The message goes out.
    Body,
    /// The message is out, its reply is not here. A connection lost now may have delivered it (RFC
    /// 1047).
    EndOfData,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

/// What a client session reports, and what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// Write the output, handshake, then say what came of it with
    /// [`super::ClientSession::handshake`].
    WantTls,
    /// The session is idle: see [`super::ClientSession::idle`]. A mail
    /// transaction that was begun is over, with or without a [`Self::MessageReply`].
    Ready,
    /// What the server says to a recipient, by its index in the envelope. Not told when MAIL was
    /// refused.
    RecipientReply {
        /// Which recipient.
        index: usize,
        /// The reply.
        reply: Reply,
    },
    /// Send the message with [`super::ClientSession::message`]. At least one recipient was
    /// accepted.
    NeedBody,
    /// What the server says to the message for all recipients it accepted: at [`Phase::Mail`] and
    /// [`Phase::Data`] a refusal, at [`Phase::EndOfData`] its verdict.
    MessageReply {
        /// What it answers.
        phase: Phase,
        /// The reply.
        reply: Reply,
    },
    /// The session failed and is over: write the output, close the connection. Recipients without a
    /// verdict have none.
    Failed {
        /// When it failed.
        phase: Phase,
        /// Why.
        cause: Cause,
    },
    /// The session ended with QUIT: close the connection.
    Closed,
}

/// Why a client session failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// AUTH is not offered, or with no mechanism known here, or there is no TLS for it.
    AuthNotOffered,
    /// The connection ended.
    EndOfInput,
    /// Unencrypted input came behind the reply to STARTTLS (CVE-2011-0411).
    Injection,
    /// What came is no reply.
    NotAReply(ReplyError),
    /// The server refuses, or closes with 421.
    Refused(Reply),
    /// The server said nothing for too long.
    Timeout,
    /// The handshake failed.
    TlsFailed,
    /// TLS is required and not offered.
    TlsNotOffered,
    /// A reply that answers nothing, or not what was said.
    Unexpected(Reply),
}
