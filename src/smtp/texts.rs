//! Replies of the server session, in Exchange's words where they are known.
//!
//! Sources: Exchange Server, "Use Telnet to test SMTP communication on Exchange servers" and
//! "Receive connectors"; the enhanced statuses are RFC 3463's.

/// The default answers to what the driver accepts.
pub(super) const SENDER_OK: &str = "250 2.1.0 Sender OK";
pub(super) const RECIPIENT_OK: &str = "250 2.1.5 Recipient OK";
pub(super) const START_INPUT: &str = "354 Start mail input; end with <CRLF>.<CRLF>";
pub(super) const QUEUED: &str = "250 2.6.0 Queued mail for delivery";
pub(super) const AUTHENTICATED: &str = "235 2.7.0 Authentication successful";

/// Commands that always succeed.
pub(super) const NOOP: &str = "250 2.0.0 OK";
pub(super) const RESET: &str = "250 2.0.0 Resetting";
pub(super) const READY_FOR_TLS: &str = "220 2.0.0 SMTP server ready";
pub(super) const CANNOT_VERIFY: &str = "252 2.1.5 Cannot VRFY user";
pub(super) const GOODBYE: &str = "221 2.0.0 Service closing transmission channel";

/// Requests for the parts of AUTH LOGIN: `Username:`, `Password:`.
pub(super) const GIVE_USERNAME: &str = "334 VXNlcm5hbWU6";
pub(super) const GIVE_PASSWORD: &str = "334 UGFzc3dvcmQ6";
/// The request for the response of AUTH PLAIN, which is empty (RFC 4954 §4).
pub(super) const GIVE_RESPONSE: &str = "334 ";

/// Errors of syntax and sequence.
pub(super) const UNRECOGNIZED: &str = "500 5.3.3 Unrecognized command";
pub(super) const NOT_IMPLEMENTED: &str = "502 5.3.3 Command not implemented";
pub(super) const LINE_TOO_LONG: &str = "500 5.5.2 Line too long";
pub(super) const INVALID_LINE: &str = "500 5.5.2 Syntax error: control character in command";
pub(super) const INVALID_ARGUMENTS: &str = "501 5.5.4 Invalid arguments";
pub(super) const INVALID_DOMAIN: &str = "501 5.5.4 Invalid domain name";
pub(super) const UNSUPPORTED_PARAMETER: &str = "555 5.5.4 Unsupported parameter";
pub(super) const INVALID_SENDER: &str = "501 5.1.7 Invalid address";
pub(super) const INVALID_RECIPIENT: &str = "501 5.1.3 Invalid address";
pub(super) const SEND_HELLO: &str = "503 5.5.2 Send hello first";
pub(super) const NEED_MAIL: &str = "503 5.5.2 Need mail command";
pub(super) const NEED_RECIPIENT: &str = "503 5.5.2 Need rcpt command";
pub(super) const SENDER_GIVEN: &str = "503 5.5.2 Sender already specified";
pub(super) const TLS_ACTIVE: &str = "503 5.5.2 TLS is already active";
pub(super) const BEHIND_STARTTLS: &str =
    "503 5.5.1 Input behind STARTTLS before TLS, closing transmission channel";
pub(super) const AUTH_GIVEN: &str = "503 5.5.2 Already authenticated";
pub(super) const AUTH_IN_TRANSACTION: &str = "503 5.5.2 AUTH is not allowed in a mail transaction";

/// Refusals.
/// What Exchange 2013 and later say to MAIL, so that a queue waits for TLS instead of giving up.
pub(super) const NEED_TLS_TO_SEND: &str = "451 5.7.3 STARTTLS is required to send mail";
pub(super) const NEED_TLS: &str = "530 5.7.0 Must issue a STARTTLS command first";
pub(super) const UNKNOWN_MECHANISM: &str = "504 5.7.4 Unrecognized authentication type";
pub(super) const CANCELLED: &str = "501 5.7.0 Authentication cancelled";
pub(super) const INVALID_RESPONSE: &str = "501 5.5.2 Invalid authentication response";
pub(super) const TOO_MANY_RECIPIENTS: &str = "452 4.5.3 Too many recipients";
pub(super) const TOO_LARGE: &str = "552 5.3.4 Message size exceeds fixed maximum message size";
pub(super) const TEXT_LINE_TOO_LONG: &str = "554 5.6.0 Message contains a line that is too long";
pub(super) const BARE_LINE_ENDING: &str = "550 5.6.11 Invalid characters";

/// Last words.
pub(super) const TIMEOUT: &str = "451 4.7.0 Timeout waiting for client input";
pub(super) const TOO_MANY_ERRORS: &str =
    "421 4.7.0 Too many errors on this connection, closing transmission channel";

/// HELP (RFC 5321 §4.1.1.8), without what a reply code needs.
pub(super) const HELP: [&str; 2] = [
    "This server supports the following commands:",
    "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH NOOP VRFY",
];
