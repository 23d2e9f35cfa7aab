//! The header section of a message without re-encoding it, the Received field, and the organization
//! headers that decide trust (RFC 5322 §2.2; Exchange Server, "Header firewall").

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::address::Domain;

/// Prefix of the headers that only an organization's own servers may set.
pub const ORGANIZATION_PREFIX: &str = "X-MS-Exchange-Organization-";
/// Prefix of the headers of a forest.
pub const FOREST_PREFIX: &str = "X-MS-Exchange-Forest-";
/// Prefix that organization headers have between two premises.
pub const CROSS_PREMISES_PREFIX: &str = "X-MS-Exchange-CrossPremises-";

/// Value of `X-MS-Exchange-Organization-AuthAs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuthAs {
    /// Nobody vouched for the sender.
    Anonymous,
    /// An authenticated member of the organization, or a trusted server, sent it.
    Internal,
    /// A partner proved its domain with mutual TLS.
    Partner,
}

impl fmt::Display for AuthAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Internal => "Internal",
            Self::Partner => "Partner",
        })
    }
}

impl FromStr for AuthAs {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Anonymous, Self::Internal, Self::Partner];
        all.into_iter()
            .find(|value| text.trim().eq_ignore_ascii_case(&value.to_string()))
            .ok_or(())
    }
}

/// Value of `X-MS-Exchange-Organization-MessageDirectionality`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Directionality {
    /// From somewhere else to the organization.
    Incoming,
    /// Sent by the organization itself, from either premises.
    Originating,
}

impl fmt::Display for Directionality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incoming => "Incoming",
            Self::Originating => "Originating",
        })
    }
}

impl FromStr for Directionality {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Incoming, Self::Originating];
        all.into_iter()
            .find(|value| text.trim().eq_ignore_ascii_case(&value.to_string()))
            .ok_or(())
    }
}

/// One field, as it stands in the message: name, colon, value, line ends and folds included.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    raw: Bytes,
    /// Length of the name.
    name: usize,
}

impl Field {
    fn name(&self) -> &[u8] {
        &self.raw[..self.name]
    }

    /// The value without folds and surrounding white space (RFC 5322 §2.2.3).
    fn value(&self) -> String {
        let value = self.raw.get(self.name + 1..).unwrap_or_default();
        String::from_utf8_lossy(value)
            .replace(['\r', '\n'], "")
            .trim()
            .to_owned()
    }
}

/// The fields of a message, in order. What nobody changes goes out byte for byte as it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderSection {
    fields: Vec<Field>,
    /// Whether an empty line follows, which a message without one gets.
    bytes: usize,
}

impl HeaderSection {
    /// Splits a message into its header section and its body; the empty line between them belongs to
    /// neither. A first line that is no field begins the body.
    #[must_use]
    pub fn split(message: &Bytes) -> (Self, Bytes) {
        let mut section = Self::default();
        let mut at = 0;
        while at < message.len() {
            let end = line_end(message, at);
            if &message[at..end] == b"\r\n" {
                return (section, message.slice(end..));
            }
            let Some(name) = field_name(&message[at..end]) else {
                break;
            };
            let mut next = end;
            while next < message.len() && (message[next] == b' ' || message[next] == b'\t') {
                next = line_end(message, next);
            }
            section.push(Field {
                raw: message.slice(at..next),
                name,
            });
            at = next;
        }
        (section, message.slice(at..))
    }

    fn push(&mut self, field: Field) {
        self.bytes += field.raw.len();
        self.fields.push(field);
    }

    /// The value of the first field of a name, unfolded.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.all(name).next()
    }

    /// The values of every field of a name, unfolded, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = String> {
        self.fields
            .iter()
            .filter(move |field| field.name().eq_ignore_ascii_case(name.as_bytes()))
            .map(Field::value)
    }

    /// Removes every field whose name begins so, in any case; returns how many there were.
    pub fn remove_prefix(&mut self, prefix: &str) -> usize {
        let before = self.fields.len();
        self.fields
            .retain(|field| !has_prefix(field.name(), prefix));
        self.count();
        before - self.fields.len()
    }

    /// Removes every field of a name.
    pub fn remove(&mut self, name: &str) {
        self.fields
            .retain(|field| !field.name().eq_ignore_ascii_case(name.as_bytes()));
        self.count();
    }

    /// Gives every field whose name begins with `from` the same name with `to` in its place; returns
    /// how many there were.
    pub fn rename_prefix(&mut self, from: &str, to: &str) -> usize {
        let mut renamed = 0;
        for field in self
            .fields
            .iter_mut()
            .filter(|field| has_prefix(field.name(), from))
        {
            let mut raw = to.as_bytes().to_vec();
            raw.extend_from_slice(&field.raw[from.len()..]);
            *field = Field {
                raw: raw.into(),
                name: field.name - from.len() + to.len(),
            };
            renamed += 1;
        }
        self.count();
        renamed
    }

    /// Puts a field before all others; `value` may hold folds (`\r\n` and a blank).
    pub fn prepend(&mut self, name: &str, value: &str) {
        let raw = Bytes::from(format!("{name}: {value}\r\n"));
        self.bytes += raw.len();
        self.fields.insert(
            0,
            Field {
                raw,
                name: name.len(),
            },
        );
    }

    /// Puts a field in the place of all fields of its name, at the end.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.push(Field {
            raw: Bytes::from(format!("{name}: {value}\r\n")),
            name: name.len(),
        });
    }

    /// The number of bytes, without the empty line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields and the empty line that ends them.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.bytes + 2);
        for field in &self.fields {
            bytes.extend_from_slice(&field.raw);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.into()
    }

    fn count(&mut self) {
        self.bytes = self.fields.iter().map(|field| field.raw.len()).sum();
    }
}

fn has_prefix(name: &[u8], prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// The offset behind the line that begins at `at`.
fn line_end(message: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &message[at..]).map_or(message.len(), |found| at + found + 1)
}

/// The length of a field's name; `None` where the line is no field (RFC 5322 §2.2).
fn field_name(line: &[u8]) -> Option<usize> {
    let colon = memchr::memchr(b':', line)?;
    let name = &line[..colon];
    let printable = !name.is_empty() && name.iter().all(|byte| (33..=126).contains(byte));
    printable.then_some(colon)
}

/// The name after `by` in the value of a Received field (RFC 5321 §4.4).
#[must_use]
pub fn received_by(value: &str) -> Option<Domain> {
    let mut words = value.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("by"))?;
    Domain::parse(words.next()?.trim_end_matches(';')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &'static str) -> (HeaderSection, Bytes) {
        HeaderSection::split(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn what_nobody_changes_stays_as_it_came() {
        let text =
            "Received: from a\r\n\tby b.example; now\r\nsubject:  x \r\nX-Y:\r\n\r\nbody\r\n";
        let (headers, body) = section(text);
        assert_eq!(&*body, b"body\r\n");
        assert_eq!(
            [&headers.to_bytes()[..], &body[..]].concat(),
            text.as_bytes()
        );
        assert_eq!(headers.get("Subject").as_deref(), Some("x"));
        assert_eq!(
            headers.get("RECEIVED").as_deref(),
            Some("from a\tby b.example; now")
        );
        assert_eq!(headers.len() + 2, headers.to_bytes().len());
    }

    #[test]
    fn a_message_without_fields_or_without_a_body_is_split_as_well() {
        assert_eq!(&*section("no field here\r\n").1, b"no field here\r\n");
        assert_eq!(&*section("\r\nbody").1, b"body");
        let (headers, body) = section("A: 1\r\n");
        assert_eq!((headers.get("a").as_deref(), &*body), (Some("1"), &b""[..]));
        let (headers, body) = section("A: 1\r\nnot a field\r\n");
        assert_eq!(
            (headers.get("a").as_deref(), &*body),
            (Some("1"), &b"not a field\r\n"[..])
        );
    }

    #[test]
    fn families_are_removed_and_renamed_by_prefix() {
        let (mut headers, _) = section(
            "X-MS-Exchange-Organization-AuthAs: Internal\r\nx-ms-exchange-organization-scl: -1\r\nTo: a\r\n\r\n",
        );
        assert_eq!(
            headers.rename_prefix(ORGANIZATION_PREFIX, CROSS_PREMISES_PREFIX),
            2
        );
        assert_eq!(
            headers.get("X-MS-Exchange-CrossPremises-AuthAs").as_deref(),
            Some("Internal")
        );
        assert_eq!(headers.remove_prefix(CROSS_PREMISES_PREFIX), 2);
        headers.set("To", "b");
        headers.prepend("X-A", "1");
        assert_eq!(&*headers.to_bytes(), b"X-A: 1\r\nTo: b\r\n\r\n");
    }

    #[test]
    fn received_fields_name_the_server_that_took_the_message() {
        for (value, by) in [
            (
                "from a (1.2.3.4) by EX01.contoso.com (192.0.2.10) with Microsoft SMTP Server id 15.2; x",
                Some("ex01.contoso.com"),
            ),
            ("by mail.example; Mon", Some("mail.example")),
            ("from nobody", None),
        ] {
            assert_eq!(
                received_by(value)
                    .map(|domain| domain.to_string())
                    .as_deref(),
                by,
                "{value}"
            );
        }
    }
}
