//! Commands: `smtp-proto`'s requests lowered to ours, and how ours are written.
//!
//! `smtp-proto` decides verbs, mechanisms and the values of parameters. Paths are read from the
//! line itself, because it unquotes local-parts and makes `<postmaster>` the same as `<>`; so are
//! unknown parameters, which it does not keep, sizes beyond 64 bits, NOTIFY, and ORCPT, whose type it
//! drops.

use std::fmt;

use crate::mail::ReversePath;
use smtp_proto::Request;

use super::auth::{Mechanism, Secret};
use super::path::{self, ForwardPath, HelloName};

/// What a client says (RFC 5321 §4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// RFC 4954; the response in base64 if it came with the command.
    Auth(Mechanism, Option<Secret>),
    /// The message follows.
    Data,
    /// Hello, with service extensions.
    Ehlo(HelloName),
    /// Expand a mailing list.
    Expn(String),
    /// Hello, without service extensions.
    Helo(HelloName),
    /// Help.
    Help,
    /// A mail transaction begins.
    Mail(Mail),
    /// Nothing.
    Noop,
    /// Good-bye.
    Quit,
    /// One recipient more.
    Rcpt(Recipient),
    /// The mail transaction ends.
    Rset,
    /// RFC 3207.
    StartTls,
    /// Is this a user?
    Vrfy(String),
}

/// MAIL FROM with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Whom to tell of a failure.
    pub reverse_path: ReversePath,
    /// Octets of the message (RFC 1870); more than 64 bits hold is the most they hold.
    pub size: Option<u64>,
    /// What kind of text the message is (RFC 6152).
    pub body: Option<Body>,
    /// Who submitted the message (RFC 4954 §5), in xtext as written; `<>` if unknown.
    pub auth: Option<String>,
    /// What a notification returns, `FULL` or `HDRS` (RFC 3461 §4.3), as written.
    pub ret: Option<String>,
    /// The sender's name for the transaction (RFC 3461 §4.4), in xtext as written.
    pub envid: Option<String>,
    /// Parameters of no extension known here.
    pub others: Vec<Parameter>,
}

impl Mail {
    /// MAIL FROM without parameters.
    #[must_use]
    pub fn new(reverse_path: ReversePath) -> Self {
        Self {
            reverse_path,
            size: None,
            body: None,
            auth: None,
            ret: None,
            envid: None,
            others: Vec::new(),
        }
    }
}

/// RCPT TO with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Whom the message is for.
    pub forward_path: ForwardPath,
    /// When a notification is wanted (RFC 3461 §4.1), as written.
    pub notify: Option<String>,
    /// The address the sender wrote (RFC 3461 §4.2): type, `;`, xtext, as written.
    pub orcpt: Option<String>,
    /// Parameters of no extension known here.
    pub others: Vec<Parameter>,
}

impl Recipient {
    /// RCPT TO without parameters.
    #[must_use]
    pub fn new(forward_path: ForwardPath) -> Self {
        Self {
            forward_path,
            notify: None,
            orcpt: None,
            others: Vec::new(),
        }
    }
}

/// The value of BODY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Body {
    /// Octets below 128 only.
    SevenBit,
    /// Any octet, in lines (RFC 6152).
    EightBitMime,
    /// Any octet, lines or not (RFC 3030).
    BinaryMime,
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        })
    }
}

/// A parameter of MAIL or RCPT as written (RFC 5321 §4.1.2 `esmtp-param`), keyword in upper case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Parameter {
    /// Before the `=`.
    pub keyword: String,
    /// Behind the `=`, if there is one.
    pub value: Option<String>,
}

impl Parameter {
    fn parse(text: &str) -> Option<Self> {
        let (keyword, value) = match text.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (text, None),
        };
        let is_keyword = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_value = |b: u8| b.is_ascii_graphic() && b != b'=';
        let well_formed = !keyword.is_empty()
            && !keyword.starts_with('-')
            && keyword.bytes().all(is_keyword)
            && value.is_none_or(|value| !value.is_empty() && value.bytes().all(is_value));
        well_formed.then(|| Self {
            keyword: keyword.to_ascii_uppercase(),
            value: value.map(str::to_owned),
        })
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keyword)?;
        match &self.value {
            Some(value) => write!(f, "={value}"),
            None => Ok(()),
        }
    }
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The argument is missing, malformed, or one too many.
    Arguments,
    /// The argument of EHLO or HELO is no host.
    HelloName,
    /// The argument of RCPT TO is no forward-path.
    Recipient,
    /// The argument of MAIL FROM is no reverse-path.
    Sender,
    /// There is no such command.
    Unrecognized,
}

impl Command {
    /// Reads a line without its CRLF.
    ///
    /// # Errors
    /// When it is no command.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        // What is not UTF-8 is not ASCII either, and that is all a command may have here.
        let line = String::from_utf8_lossy(line);
        // RFC 5321 §4.1.1: white space before the end of a line is tolerated.
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim_start_matches(' ');
        // `smtp-proto` would skip what is not a letter before or in a verb.
        if verb.is_empty() || !verb.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(CommandError::Unrecognized);
        }
        match verb.to_ascii_uppercase().as_str() {
            "MAIL" => mail(argument).map(Self::Mail),
            "RCPT" => recipient(argument).map(Self::Rcpt),
            verb => plain(verb, argument),
        }
    }
}

/// Every command but MAIL and RCPT.
fn plain(verb: &str, argument: &str) -> Result<Command, CommandError> {
    let line = format!("{verb} {argument}\r\n");
    let request = Request::parse(&mut line.as_bytes().iter());
    match request {
        Ok(Request::Auth { mechanism, .. }) => auth(mechanism, argument),
        Ok(Request::Data) => alone(Command::Data, argument),
        Ok(Request::Ehlo { .. }) => hello(argument).map(Command::Ehlo),
        Ok(Request::Expn { .. }) => Ok(Command::Expn(argument.to_owned())),
        Ok(Request::Helo { .. }) => hello(argument).map(Command::Helo),
        Ok(Request::Help { .. }) => Ok(Command::Help),
        Ok(Request::Noop { .. }) => Ok(Command::Noop),
        Ok(Request::Quit) => alone(Command::Quit, argument),
        Ok(Request::Rset) => alone(Command::Rset, argument),
        Ok(Request::StartTls) => alone(Command::StartTls, argument),
        Ok(Request::Vrfy { .. }) => Ok(Command::Vrfy(argument.to_owned())),
        Ok(
            Request::Lhlo { .. }
            | Request::Bdat { .. }
            | Request::Etrn { .. }
            | Request::Atrn { .. }
            | Request::Burl { .. }
            | Request::Mail { .. }
            | Request::Rcpt { .. },
        )
        | Err(smtp_proto::Error::UnknownCommand) => Err(CommandError::Unrecognized),
        Err(_) if matches!(verb, "EHLO" | "HELO") => Err(CommandError::HelloName),
        Err(_) if matches!(verb, "AUTH" | "EXPN" | "VRFY") => Err(CommandError::Arguments),
        Err(_) => Err(CommandError::Unrecognized),
    }
}

/// A command that has no argument (RFC 5321 §4.1.1.4 and following; RFC 3207 §4).
fn alone(command: Command, argument: &str) -> Result<Command, CommandError> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::Arguments)
    }
}

fn hello(argument: &str) -> Result<HelloName, CommandError> {
    HelloName::parse(argument).ok_or(CommandError::HelloName)
}

fn auth(known: u64, argument: &str) -> Result<Command, CommandError> {
    let (name, response) = match argument.split_once(' ') {
        Some((name, response)) => (name, Some(response)),
        None => (argument, None),
    };
    let mechanism = match known {
        smtp_proto::AUTH_LOGIN => Some(Mechanism::Login),
        smtp_proto::AUTH_PLAIN => Some(Mechanism::Plain),
        _ => Mechanism::parse(name),
    };
    let well_formed = response.is_none_or(|response| !response.contains(' '));
    match mechanism {
        Some(mechanism) if well_formed => {
            let response = response.map(|response| Secret::new(response.to_owned()));
            Ok(Command::Auth(mechanism, response))
        }
        _ => Err(CommandError::Arguments),
    }
}

fn mail(argument: &str) -> Result<Mail, CommandError> {
    let (inner, parameters) = argument_of("FROM:", argument)?;
    let reverse_path = path::reverse_path(inner).ok_or(CommandError::Sender)?;
    let mut mail = Mail::new(reverse_path);
    for parameter in read_parameters(parameters)? {
        let value = parameter.value.clone();
        match (parameter.keyword.as_str(), value) {
            ("SIZE", Some(value)) => mail.size = Some(size(&value)?),
            ("BODY", Some(value)) => mail.body = Some(body(&value)?),
            ("AUTH", Some(value)) => mail.auth = Some(checked("AUTH", value)?),
            ("RET", Some(value)) => mail.ret = Some(checked("RET", value)?),
            ("ENVID", Some(value)) => mail.envid = Some(checked("ENVID", value)?),
            ("SIZE" | "BODY" | "AUTH" | "RET" | "ENVID", None) => {
                return Err(CommandError::Arguments);
            }
            _ => mail.others.push(parameter),
        }
    }
    Ok(mail)
}

fn recipient(argument: &str) -> Result<Recipient, CommandError> {
    let (inner, parameters) = argument_of("TO:", argument)?;
    let forward_path = path::forward_path(inner).ok_or(CommandError::Recipient)?;
    let mut recipient = Recipient::new(forward_path);
    for parameter in read_parameters(parameters)? {
        let value = parameter.value.clone();
        match (parameter.keyword.as_str(), value) {
            ("NOTIFY", Some(value)) => recipient.notify = Some(notify(value)?),
            ("ORCPT", Some(value)) => recipient.orcpt = Some(original(value)?),
            ("NOTIFY" | "ORCPT", None) => return Err(CommandError::Arguments),
            _ => recipient.others.push(parameter),
        }
    }
    Ok(recipient)
}

/// The content of the path behind `FROM:` or `TO:`, and what follows it.
///
/// Choice: spaces before the path are accepted, because many clients send one; RFC 5321 §3.3 calls
/// that an error of theirs.
fn argument_of<'a>(word: &str, argument: &'a str) -> Result<(&'a str, &'a str), CommandError> {
    let prefix = argument.get(..word.len()).unwrap_or("");
    if !prefix.eq_ignore_ascii_case(word) {
        return Err(CommandError::Arguments);
    }
    let rest = argument[word.len()..].trim_start_matches(' ');
    let bad = match word {
        "TO:" => CommandError::Recipient,
        _ => CommandError::Sender,
    };
    path::split_path(rest).ok_or(bad)
}

/// Parameters, each at most once (RFC 5321 §4.1.1.11).
fn read_parameters(text: &str) -> Result<Vec<Parameter>, CommandError> {
    if !text.is_empty() && !text.starts_with(' ') {
        return Err(CommandError::Arguments);
    }
    let mut parameters: Vec<Parameter> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let parameter = Parameter::parse(word).ok_or(CommandError::Arguments)?;
        if parameters
            .iter()
            .any(|other| other.keyword == parameter.keyword)
        {
            return Err(CommandError::Arguments);
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

/// RFC 1870 §3: 1 to 20 digits.
fn size(value: &str) -> Result<u64, CommandError> {
    if value.len() > 20 || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CommandError::Arguments);
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Result<Body, CommandError> {
    let line = format!("MAIL FROM:<> BODY={value}\r\n");
    let Ok(Request::Mail { from }) = Request::parse(&mut line.as_bytes().iter()) else {
        return Err(CommandError::Arguments);
    };
    match from.flags {
        smtp_proto::MAIL_BODY_7BIT => Ok(Body::SevenBit),
        smtp_proto::MAIL_BODY_8BITMIME => Ok(Body::EightBitMime),
        smtp_proto::MAIL_BODY_BINARYMIME => Ok(Body::BinaryMime),
        _ => Err(CommandError::Arguments),
    }
}

/// The value itself, if `smtp-proto` accepts it as the parameter of MAIL with that name.
fn checked(keyword: &str, value: String) -> Result<String, CommandError> {
    let line = format!("MAIL FROM:<> {keyword}={value}\r\n");
    match Request::parse(&mut line.as_bytes().iter()) {
        Ok(_) => Ok(value),
        Err(_) => Err(CommandError::Arguments),
    }
}

/// RFC 3461 §4.1: `NEVER` alone, or a list of the others; `smtp-proto` lets them mix.
fn notify(value: String) -> Result<String, CommandError> {
    let is_event = |word: &str| {
        let events = ["SUCCESS", "FAILURE", "DELAY"];
        events.iter().any(|event| word.eq_ignore_ascii_case(event))
    };
    if value.eq_ignore_ascii_case("NEVER") || value.split(',').all(is_event) {
        Ok(value)
    } else {
        Err(CommandError::Arguments)
    }
}

/// RFC 3461 §4.2: address type, `;`, address in xtext.
fn original(value: String) -> Result<String, CommandError> {
    let is_type = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    match value.split_once(';') {
        Some((kind, address))
            if !kind.is_empty() && !address.is_empty() && kind.bytes().all(is_type) =>
        {
            Ok(value)
        }
        _ => Err(CommandError::Arguments),
    }
}

impl fmt::Display for Command {
    /// The line without its CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(mechanism, None) => write!(f, "AUTH {mechanism}"),
            Self::Auth(mechanism, Some(response)) => {
                write!(f, "AUTH {mechanism} {}", response.reveal())
            }
            Self::Data => f.write_str("DATA"),
            Self::Ehlo(name) => write!(f, "EHLO {name}"),
            Self::Expn(list) => write!(f, "EXPN {list}"),
            Self::Helo(name) => write!(f, "HELO {name}"),
            Self::Help => f.write_str("HELP"),
            Self::Mail(mail) => mail.fmt(f),
            Self::Noop => f.write_str("NOOP"),
            Self::Quit => f.write_str("QUIT"),
            Self::Rcpt(recipient) => recipient.fmt(f),
            Self::Rset => f.write_str("RSET"),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Vrfy(user) => write!(f, "VRFY {user}"),
        }
    }
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reverse_path {
            ReversePath::Null => f.write_str("MAIL FROM:<>")?,
            ReversePath::Mailbox(mailbox) => write!(f, "MAIL FROM:<{mailbox}>")?,
        }
        optional(f, "SIZE", self.size.as_ref())?;
        optional(f, "BODY", self.body.as_ref())?;
        optional(f, "AUTH", self.auth.as_ref())?;
        optional(f, "RET", self.ret.as_ref())?;
        optional(f, "ENVID", self.envid.as_ref())?;
        self.others
            .iter()
            .try_for_each(|other| write!(f, " {other}"))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RCPT TO:{}", self.forward_path)?;
        optional(f, "NOTIFY", self.notify.as_ref())?;
        optional(f, "ORCPT", self.orcpt.as_ref())?;
        self.others
            .iter()
            .try_for_each(|other| write!(f, " {other}"))
    }
}

fn optional<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    keyword: &str,
    value: Option<&T>,
) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {keyword}={value}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn shown(line: &str, expected: &str) {
        let command = Command::parse(line.as_bytes()).expect("a command");
        assert_eq!(command.to_string(), expected);
        assert_eq!(Command::parse(expected.as_bytes()), Ok(command));
    }

    #[test]
    fn commands_are_read_as_they_are_shown() {
        for (line, expected) in [
            ("ehlo Mail.Example", "EHLO Mail.Example"),
            ("HELO [192.0.2.1] ", "HELO [192.0.2.1]"),
            ("mail from:<>", "MAIL FROM:<>"),
            (
                "MAIL FROM: <ann@contoso.com>",
                "MAIL FROM:<ann@contoso.com>",
            ),
            (
                "MAIL FROM:<\"a> b\"@contoso.com> body=8bitmime SIZE=99999999999999999999 X-Y=z Q",
                "MAIL FROM:<\"a> b\"@contoso.com> SIZE=18446744073709551615 BODY=8BITMIME X-Y=z Q",
            ),
            (
                "MAIL FROM:<a@b> AUTH=<> RET=HDRS ENVID=q+2B1",
                "MAIL FROM:<a@b> AUTH=<> RET=HDRS ENVID=q+2B1",
            ),
            ("RCPT TO:<Postmaster>", "RCPT TO:<postmaster>"),
            (
                "rcpt to:<@a,@b:ann@contoso.com> ORCPT=rfc822;Ann+2B@c NOTIFY=SUCCESS,DELAY",
                "RCPT TO:<ann@contoso.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann+2B@c",
            ),
            ("DATA", "DATA"),
            ("NOOP whatever", "NOOP"),
            ("HELP mail", "HELP"),
            ("VRFY ann", "VRFY ann"),
            ("EXPN staff", "EXPN staff"),
            ("AUTH plain AGFubgBwdw==", "AUTH PLAIN AGFubgBwdw=="),
            ("auth LOGIN", "AUTH LOGIN"),
            ("AUTH ntlm =", "AUTH NTLM ="),
            ("STARTTLS", "STARTTLS"),
            ("Rset", "RSET"),
            ("quit\t", "QUIT"),
        ] {
            shown(line, expected);
        }
    }

    #[test]
    fn what_is_no_command_says_why() {
        use CommandError as E;
        for (line, error) in [
            ("", E::Unrecognized),
            (" NOOP", E::Unrecognized),
            ("HELLO x", E::Unrecognized),
            ("NOOP\tx", E::Unrecognized),
            ("LHLO x", E::Unrecognized),
            ("BDAT 1 LAST", E::Unrecognized),
            ("EHLO", E::HelloName),
            ("EHLO a b", E::HelloName),
            ("EHLO -a", E::HelloName),
            ("MAIL", E::Arguments),
            ("MAIL TO:<a@b>", E::Arguments),
            ("MAIL FROM:a@b", E::Sender),
            ("MAIL FROM:<a>", E::Sender),
            ("MAIL FROM:<postmaster>", E::Sender),
            ("MAIL FROM:<a@b", E::Sender),
            ("MAIL FROM:<\u{e4}@b>", E::Sender),
            ("MAIL FROM:<a@b>SIZE=1", E::Arguments),
            ("MAIL FROM:<a@b> SIZE=1 SIZE=2", E::Arguments),
            ("MAIL FROM:<a@b> SIZE=-1", E::Arguments),
            ("MAIL FROM:<a@b> SIZE", E::Arguments),
            ("MAIL FROM:<a@b> SIZE=", E::Arguments),
            ("MAIL FROM:<a@b> BODY=9BIT", E::Arguments),
            ("MAIL FROM:<a@b> RET=ALL", E::Arguments),
            ("MAIL FROM:<a@b> =x", E::Arguments),
            ("RCPT TO:<>", E::Recipient),
            ("RCPT TO:<a@[192.0.2.1]>", E::Recipient),
            ("RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS", E::Arguments),
            ("RCPT TO:<a@b> ORCPT=a@b", E::Arguments),
            ("DATA now", E::Arguments),
            ("QUIT now", E::Arguments),
            ("STARTTLS now", E::Arguments),
            ("AUTH", E::Arguments),
            ("AUTH PLAIN a b", E::Arguments),
            ("VRFY", E::Arguments),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Err(error), "{line}");
        }
        let not_utf8 = b"RCPT TO:<\xff@b>";
        assert_eq!(Command::parse(not_utf8), Err(E::Recipient));
    }

    #[test]
    fn a_response_is_not_shown_by_debug() {
        let command = Command::parse(b"AUTH PLAIN AGFubgBwdw==").expect("a command");
        assert!(!format!("{command:?}").contains("AGFu"));
    }

    fn mailbox() -> impl Strategy<Value = String> {
        let local = prop_oneof![
            "[a-z!#$%&'*+/=?^_`{|}~-]{1,8}(\\.[a-z0-9]{1,4})?",
            "\"[ -!#-\\[\\]-~]{0,8}\""
        ];
        (local, "[a-z]([a-z0-9_]{0,5}[a-z0-9])?(\\.[a-z]{1,5}){0,2}")
            .prop_map(|(local, domain)| format!("{local}@{domain}"))
    }

    proptest! {
        #[test]
        fn shown_mail_is_read_again(
            address in mailbox(),
            size in any::<Option<u64>>(),
            eight_bit in any::<bool>(),
            others in prop::collection::btree_map("X[A-Z]{0,4}", "[!-<>-~]{1,6}", 0..3),
        ) {
            let reverse_path = address.parse().expect("an address");
            let body = eight_bit.then_some(Body::EightBitMime);
            let others = others.into_iter().map(|(keyword, value)| Parameter {
                keyword,
                value: Some(value),
            });
            let others = others.collect();
            let mail = Mail { size, body, others, ..Mail::new(reverse_path) };
            let command = Command::Mail(mail);
            prop_assert_eq!(Command::parse(command.to_string().as_bytes()), Ok(command));
        }

        #[test]
        fn what_is_read_reads_the_same_again(
            line in "(MAIL FROM:|RCPT TO:|AUTH |EHLO |VRFY |NOOP )?[ -~é\t]{0,30}",
        ) {
            if let Ok(command) = Command::parse(line.as_bytes()) {
                let again = Command::parse(command.to_string().as_bytes());
                prop_assert_eq!(again, Ok(command));
            }
        }

        #[test]
        fn no_line_breaks_the_parser(line in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Command::parse(&line);
        }
    }
}
