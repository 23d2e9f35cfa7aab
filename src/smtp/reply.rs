//! Replies, and the keywords a server announces itself with.

use std::fmt;

use crate::mail::{EnhancedStatus, Status};

use super::auth::Mechanism;

/// What a server answers (RFC 5321 §4.2): a code and one or more lines of text.
///
/// The lines are as on the wire, enhanced status included, so that reading and `Display` are inverses
/// and no word of a peer is lost; only characters that no reply may have become `?`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// A reply whose lines are told here; characters that no reply may have become `?`.
    ///
    /// # Panics
    /// When there is no line, or the code is none (RFC 5321 §4.2: `[2-5][0-5][0-9]`).
    #[must_use]
    pub fn new<T: AsRef<str>>(code: u16, lines: &[T]) -> Self {
        assert!(is_code(code), "{code} is no reply code");
        assert!(!lines.is_empty(), "a reply has a line");
        Self {
            code,
            lines: lines.iter().map(|line| printable(line.as_ref())).collect(),
        }
    }

    /// The reply code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The text of each line, enhanced status included.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The enhanced status, if the first line begins with one. RFC 2034 §4 demands the class of the
    /// code; Exchange answers `451 5.7.3`, and whoever reads that wants to know why.
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedStatus> {
        let word = self.lines.first()?.split(' ').next()?;
        let enhanced: EnhancedStatus = word.parse().ok()?;
        let is_failure = |class: u16| matches!(class, 4 | 5);
        let class = u16::from(enhanced.class);
        let fits = class == self.class() || (is_failure(class) && is_failure(self.class()));
        fits.then_some(enhanced)
    }

    /// The words, without enhanced status, lines joined with a space.
    #[must_use]
    pub fn text(&self) -> String {
        let prefix = self.enhanced().map(|enhanced| enhanced.to_string());
        let words = self.lines.iter().map(|line| {
            let rest = prefix
                .as_ref()
                .and_then(|prefix| line.strip_prefix(prefix.as_str()));
            rest.unwrap_or(line).trim()
        });
        words.collect::<Vec<_>>().join(" ").trim().to_owned()
    }

    /// The reply as a status; without an enhanced one of its own it has `class.0.0`.
    #[must_use]
    pub fn to_status(&self) -> Status {
        // RFC 3463 §2 knows no class 3, and a reply has no class above 5.
        let class = u8::try_from(self.class()).unwrap_or(5);
        let enhanced = self.enhanced().unwrap_or(EnhancedStatus::new(class, 0, 0));
        Status {
            code: self.code,
            enhanced,
            text: self.text().into(),
        }
    }

    /// 2: done.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.class() == 2
    }

    /// 3: go on.
    #[must_use]
    pub fn is_intermediate(&self) -> bool {
        self.class() == 3
    }

    /// 4: not now.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == 4
    }

    /// 5: never.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.class() == 5
    }

    fn class(&self) -> u16 {
        self.code / 100
    }
}

impl From<&Status> for Reply {
    /// # Panics
    /// When the status has no reply code.
    fn from(status: &Status) -> Self {
        // RFC 2034 §4: 3yz has no enhanced status. Others keep theirs even where its class is not the
        // code's, as Exchange does.
        let line = if status.code / 100 == 3 {
            status.text.to_string()
        } else {
            format!("{} {}", status.enhanced, status.text)
        };
        Self::new(status.code, &[line])
    }
}

impl fmt::Display for Reply {
    /// All lines, each with its CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lines.len() - 1;
        for (at, line) in self.lines.iter().enumerate() {
            let separator = if at == last { ' ' } else { '-' };
            write!(f, "{}{separator}{line}\r\n", self.code)?;
        }
        Ok(())
    }
}

/// RFC 5321 §4.2: `Reply-code = %x32-35 %x30-35 %x30-39`.
fn is_code(code: u16) -> bool {
    (200..=559).contains(&code) && code / 10 % 10 <= 5
}

/// RFC 5321 §4.2: text is tab, space and printable ASCII; anything else could be taken for a line
/// end, or needs SMTPUTF8.
fn printable(line: &str) -> String {
    let allowed = |c: char| c == '\t' || c == ' ' || c.is_ascii_graphic();
    let replace = |c: char| if allowed(c) { c } else { '?' };
    line.chars().map(replace).collect()
}

/// Why what a server sent is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// A line, or the whole of it, is longer than anybody needs.
    TooLong,
    /// It does not have the form of a reply.
    Syntax,
}

/// Collects the lines of one reply after the other.
#[derive(Debug, Default)]
pub struct ReplyReader {
    begun: Option<Reply>,
}

impl ReplyReader {
    /// Choice: a reply has at most so many lines; EHLO, the longest, needs about thirty.
    const LINES_MAX: usize = 128;

    /// Takes a line without its CRLF; gives the reply when this was its last line.
    ///
    /// # Errors
    /// When the line, or the reply with it, is none.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let (code, is_last, text) = parse_line(line).ok_or(ReplyError::Syntax)?;
        let reply = self.begun.get_or_insert(Reply {
            code,
            lines: Vec::new(),
        });
        // RFC 5321 §4.2.1: all lines of a reply have the same code.
        if reply.code != code {
            return Err(ReplyError::Syntax);
        }
        if reply.lines.len() == Self::LINES_MAX {
            return Err(ReplyError::TooLong);
        }
        reply.lines.push(text);
        Ok(if is_last { self.begun.take() } else { None })
    }
}

/// Code, whether it is the last line, text.
fn parse_line(line: &[u8]) -> Option<(u16, bool, String)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let code = digits.iter().fold(0, |code, digit| {
        code * 10 + u16::from(digit.wrapping_sub(b'0'))
    });
    if !is_number || !is_code(code) {
        return None;
    }
    let (is_last, text) = match rest.split_first() {
        // RFC 5321 §4.2: a reply without text, and without the space before it, is to be accepted.
        None => (true, &[][..]),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    Some((code, is_last, printable(&String::from_utf8_lossy(text))))
}

/// A service extension as announced in the reply to EHLO (RFC 5321 §4.1.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Keyword {
    /// RFC 1870; the limit in octets, if one is told. 0 tells that there is none.
    Size(Option<u64>),
    /// RFC 2920.
    Pipelining,
    /// RFC 3461.
    Dsn,
    /// RFC 2034.
    EnhancedStatusCodes,
    /// RFC 3207.
    StartTls,
    /// RFC 4954.
    Auth(Vec<Mechanism>),
    /// RFC 6152.
    EightBitMime,
    /// RFC 3030.
    BinaryMime,
    /// RFC 3030.
    Chunking,
    /// RFC 6531.
    SmtpUtf8,
    /// Any other, in upper case, with its parameters as written.
    Other(String, String),
}

impl Keyword {
    /// Reads a line of the reply; `None` when it has no keyword.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (name, parameters) = line.split_once(' ').unwrap_or((line, ""));
        // `AUTH=` is how AUTH was written before RFC 2554; some servers do so to this day.
        let (name, parameters) = match line.get(..5) {
            Some(old) if old.eq_ignore_ascii_case("AUTH=") => ("AUTH", &line[5..]),
            _ => (name, parameters.trim()),
        };
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if name.is_empty() || !is_name || name.starts_with('-') {
            return None;
        }
        Some(Self::lower(&name.to_ascii_uppercase(), parameters))
    }

    fn lower(name: &str, parameters: &str) -> Self {
        match (name, parameters) {
            ("SIZE", "") => Self::Size(None),
            ("SIZE", number) => match number.parse() {
                Ok(size) => Self::Size(Some(size)),
                Err(_) => Self::Other(name.to_owned(), number.to_owned()),
            },
            ("PIPELINING", "") => Self::Pipelining,
            ("DSN", "") => Self::Dsn,
            ("ENHANCEDSTATUSCODES", "") => Self::EnhancedStatusCodes,
            ("STARTTLS", "") => Self::StartTls,
            ("AUTH", list) => Self::Auth(
                list.split_whitespace()
                    .filter_map(Mechanism::parse)
                    .collect(),
            ),
            ("8BITMIME", "") => Self::EightBitMime,
            ("BINARYMIME", "") => Self::BinaryMime,
            ("CHUNKING", "") => Self::Chunking,
            // RFC 6531 §3.1: parameters of SMTPUTF8 are to be ignored.
            ("SMTPUTF8", _) => Self::SmtpUtf8,
            (name, parameters) => Self::Other(name.to_owned(), parameters.to_owned()),
        }
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(None) => f.write_str("SIZE"),
            Self::Size(Some(octets)) => write!(f, "SIZE {octets}"),
            Self::Pipelining => f.write_str("PIPELINING"),
            Self::Dsn => f.write_str("DSN"),
            Self::EnhancedStatusCodes => f.write_str("ENHANCEDSTATUSCODES"),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Auth(mechanisms) => {
                f.write_str("AUTH")?;
                mechanisms
                    .iter()
                    .try_for_each(|mechanism| write!(f, " {mechanism}"))
            }
            Self::EightBitMime => f.write_str("8BITMIME"),
            Self::BinaryMime => f.write_str("BINARYMIME"),
            Self::Chunking => f.write_str("CHUNKING"),
            Self::SmtpUtf8 => f.write_str("SMTPUTF8"),
            Self::Other(name, parameters) if parameters.is_empty() => f.write_str(name),
            Self::Other(name, parameters) => write!(f, "{name} {parameters}"),
        }
    }
}

/// All that a server announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions(Vec<Keyword>);

impl Extensions {
    /// What the reply to EHLO announces; the first line is a greeting.
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Self {
        let lines = reply.lines().iter().skip(1);
        Self(lines.filter_map(|line| Keyword::parse(line)).collect())
    }

    /// Whether a keyword without parameters was announced.
    #[must_use]
    pub fn has(&self, keyword: &Keyword) -> bool {
        self.0.contains(keyword)
    }

    /// Whether a message's size may be told, and the limit if there is one.
    #[must_use]
    pub fn size(&self) -> Option<Option<u64>> {
        self.0.iter().find_map(|keyword| match keyword {
            // RFC 1870 §4: 0 means that no fixed limit is in force.
            Keyword::Size(limit) => Some(limit.filter(|&octets| octets > 0)),
            _ => None,
        })
    }

    /// The mechanisms of AUTH, in the server's order.
    pub fn mechanisms(&self) -> impl Iterator<Item = &Mechanism> {
        let lists = self.0.iter().filter_map(|keyword| match keyword {
            Keyword::Auth(mechanisms) => Some(mechanisms),
            _ => None,
        });
        lists.flatten()
    }

    /// The keywords in the server's order.
    #[must_use]
    pub fn keywords(&self) -> &[Keyword] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Option<Reply>, ReplyError> {
        let mut reader = ReplyReader::default();
        let mut last = Ok(None);
        for line in text.split_terminator("\r\n") {
            last = reader.line(line.as_bytes());
            if last != Ok(None) {
                return last;
            }
        }
        last
    }

    fn reply(text: &str) -> Reply {
        parse(text)
            .expect("the syntax is right")
            .expect("it is complete")
    }

    #[test]
    fn replies_are_read_with_all_they_say() {
        let read = reply("450-4.4.317 Cannot connect\r\n450 4.4.317 to remote server\r\n");
        assert_eq!(read.enhanced(), Some(EnhancedStatus::new(4, 4, 317)));
        assert_eq!(read.text(), "Cannot connect to remote server");
        assert_eq!(
            read.to_status().to_string(),
            "450 4.4.317 Cannot connect to remote server"
        );
        assert!(read.is_transient());
        assert_eq!(reply("250\r\n").text(), "");
        assert_eq!(reply("550 2.1.5 odd\r\n").enhanced(), None);
        let exchange = reply("451 5.7.3 STARTTLS is required to send mail\r\n").to_status();
        assert_eq!(
            exchange.to_string(),
            "451 5.7.3 STARTTLS is required to send mail"
        );
        assert!(exchange.is_transient());
        assert_eq!(
            reply("354 go\r\n").to_status().enhanced,
            EnhancedStatus::new(3, 0, 0)
        );
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bad in [
            "",
            "25",
            "2500 x",
            "150 x",
            "260 x",
            "650 x",
            "abc",
            "250_x",
            "25\u{e9} x",
        ] {
            let read = ReplyReader::default().line(bad.as_bytes());
            assert_eq!(read, Err(ReplyError::Syntax), "{bad}");
        }
        assert_eq!(parse("250-a\r\n251 b\r\n"), Err(ReplyError::Syntax));
        assert_eq!(parse(&"250-a\r\n".repeat(129)), Err(ReplyError::TooLong));
        assert_eq!(parse("250-a\r\n"), Ok(None));
    }

    #[test]
    fn a_status_cannot_break_out_of_its_line() {
        let status = Status::new(250, (2, 6, 0), "<a\r\n550 b\u{e9}>");
        assert_eq!(
            Reply::from(&status).to_string(),
            "250 2.6.0 <a??550 b?>\r\n"
        );
        let status = Status::new(354, (2, 0, 0), "go");
        assert_eq!(Reply::from(&status).to_string(), "354 go\r\n");
    }

    #[test]
    fn extensions_are_what_was_announced() {
        let read = reply(concat!(
            "250-mail.contoso.com Hello [192.0.2.1]\r\n250-size 37748736\r\n250-Pipelining\r\n",
            "250-AUTH=LOGIN\r\n250-AUTH NTLM LOGIN\r\n250-XRDST\r\n250 8BITMIME\r\n",
        ));
        let extensions = Extensions::from_reply(&read);
        assert_eq!(extensions.size(), Some(Some(37_748_736)));
        assert!(extensions.has(&Keyword::Pipelining) && extensions.has(&Keyword::EightBitMime));
        assert!(!extensions.has(&Keyword::StartTls));
        let mechanisms: Vec<_> = extensions.mechanisms().map(Mechanism::to_string).collect();
        assert_eq!(mechanisms, ["LOGIN", "NTLM", "LOGIN"]);
        assert_eq!(extensions.keywords().len(), 6);
        let unlimited = Extensions::from_reply(&reply("250-a\r\n250 SIZE 0\r\n"));
        assert_eq!(unlimited.size(), Some(None));
    }

    #[test]
    fn keywords_are_read_as_shown() {
        for text in [
            "SIZE",
            "SIZE 0",
            "PIPELINING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "STARTTLS",
            "AUTH",
            "AUTH PLAIN LOGIN XOAUTH2",
            "8BITMIME",
            "BINARYMIME",
            "CHUNKING",
            "SMTPUTF8",
            "XRDST",
            "X-EXPS GSSAPI NTLM",
            "SIZE much",
            "DSN 2",
        ] {
            let keyword = Keyword::parse(text).expect("a keyword");
            assert_eq!(keyword.to_string(), text);
        }
        for bad in ["", " ", "-X", "a_b", "é"] {
            assert_eq!(Keyword::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn shown_replies_are_read_again(
            class in 2_u16..=5,
            second in 0_u16..=5,
            third in 0_u16..=9,
            lines in prop::collection::vec("[ -~\t]{0,40}", 1..5),
        ) {
            let shown = Reply::new(class * 100 + second * 10 + third, &lines);
            prop_assert_eq!(parse(&shown.to_string()), Ok(Some(shown)));
        }

        #[test]
        fn no_line_breaks_the_reader(line in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = ReplyReader::default().line(&line);
        }
    }
}
