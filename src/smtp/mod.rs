//! The protocol: both ends of an SMTP session as machines without input, output or a clock.
//!
//! Not here: sockets and TLS (`net`), what a server accepts and where mail goes (`route`), and who
//! drives a session (`relay`). The grammar of verbs, mechanisms and parameter values is
//! `smtp-proto`'s; lines, paths, unknown parameters and replies are read here.
//!
//! **The drain contract**, the same for [`ServerSession`] and [`ClientSession`]. Bytes, the end of
//! input, passing time and decisions go in with `handle_input`, `handle_eof`, `handle_timeout` and
//! the methods that answer an event. `now` is always the time since the session began. After *each*
//! of them, and once after creation, the driver
//!
//! 1. calls `poll_event` until it gives nothing, acting on each event;
//! 2. calls `poll_output` until it gives nothing, and writes what it gives in that order;
//! 3. asks `next_deadline`, and calls `handle_timeout` when that time has come.
//!
//! Output that exists when an event is taken belongs before it: `StartTls` and `WantTls` are acted
//! upon after the output is written. An event that wants a decision stops a server session: what
//! was read behind it stays buffered and is interpreted after the decision. So commands may be
//! pipelined (RFC 2920), replies keep their order, and memory is bounded by one read as long as the
//! driver reads only while `wants_input` says so.
//!
//! Invariant: however the input is split, the session says and reports the same. Only what comes too
//! early is a matter of time: input behind STARTTLS in the clear, and a reply before its command.
//! Invariant: a line ends in CRLF and in nothing else (RFC 5321 §2.3.8); the message ends at
//! `<CRLF>.<CRLF>` and at nothing that looks like it.
//! Invariant: what a session keeps is bounded by its configuration, whatever the peer sends.
//! Invariant: a password is in no `Debug` text.
//!
//! Bugs: no CHUNKING, BINARYMIME or SMTPUTF8 yet; DSN parameters are passed on as written. A
//! mailbox at an address literal is refused, because mail is routed by domain.
//!
//! Sources: RFC 5321, RFC 1870 (SIZE), RFC 2034 (enhanced statuses), RFC 2920 (PIPELINING), RFC
//! 3207 (STARTTLS), RFC 3461 (DSN), RFC 4954 (AUTH), RFC 6152 (8BITMIME); Exchange Server, "Receive
//! connectors" and "Use Telnet to test SMTP communication on Exchange servers".

mod auth;
mod client;
mod command;
mod config;
mod event;
mod line;
mod path;
mod reply;
mod server;
mod texts;

pub use auth::{Credentials, Mechanism, Secret};
pub use client::{ClientSession, Handshake, Idle, MessageText};
pub use command::{Body, Command, CommandError, Mail, Parameter, Recipient};
pub use config::{ClientConfig, Envelope, EnvelopeError, ServerConfig, TlsUse};
pub use event::{Cause, ClientEvent, CloseReason, Phase, ServerEvent};
pub use line::{DataDecoder, DataProblem, DotStuffer};
pub use path::{ForwardPath, HelloName};
pub use reply::{Extensions, Keyword, Reply, ReplyError, ReplyReader};
pub use server::ServerSession;
