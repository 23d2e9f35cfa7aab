//! Zones from master-file text (RFC 1035 §5). hickory's parser reads the data of each record; it is
//! given one record at a time, because it stops at the first mistake and knows no places.

use std::ops::Range;

use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::txt::Parser;

use super::zones::{Owner, Record, RecordData, View, Zone};
use crate::diag::{Diagnostic, Location};
use crate::mail::Domain;

const DEFAULT_TTL_SECONDS: u32 = 3600;

/// Reads the records of a zone; `locate` turns a span of `text` into a place in the user's file.
/// Every mistake is reported, and the records around it are kept.
pub fn parse_zone(
    name: &Domain,
    view: View,
    text: &str,
    locate: impl Fn(Range<usize>) -> Location,
) -> (Zone, Vec<Diagnostic>) {
    let mut reader = Reader {
        zone: name.clone(),
        origin: name.clone(),
        owner: None,
        ttl_seconds: DEFAULT_TTL_SECONDS,
        records: Vec::new(),
        diagnostics: Vec::new(),
    };
    for entry in entries(text) {
        let place = locate(entry.span.clone());
        if let Err((message, help)) = reader.read(&entry, &place) {
            reader
                .diagnostics
                .push(Diagnostic::new("invalid-record", Some(place), message).help(help));
        }
    }
    reader.refuse_data_beside_aliases();
    let location = Some(locate(0..0));
    (
        Zone {
            name: name.clone(),
            view,
            records: reader.records,
            location,
        },
        reader.diagnostics,
    )
}

/// One logical line: a directive or a record, its comments and line breaks removed.
struct Entry {
    tokens: Vec<String>,
    /// Whether the line begins with white space, so that the last owner holds.
    inherits_owner: bool,
    brackets: Brackets,
    span: Range<usize>,
}

/// Whether the parentheses that join lines come in pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brackets {
    Paired,
    /// One opens and is never closed: what follows it is part of the record.
    Unclosed,
    /// One closes and none was open.
    Unopened,
}

/// Splits master-file text into logical lines: parentheses join lines, `;` starts a comment.
fn entries(text: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut entry: Option<Entry> = None;
    let (mut depth, mut offset) = (0_usize, 0_usize);
    for line in text.split_inclusive('\n') {
        let (tokens, opened, closed, span) = tokenize(line);
        if !tokens.is_empty() || opened + closed > 0 {
            let open = entry.get_or_insert_with(|| Entry {
                tokens: Vec::new(),
                inherits_owner: line.starts_with([' ', '\t']),
                brackets: Brackets::Paired,
                span: offset + span.start..offset + span.end,
            });
            open.tokens.extend(tokens);
            open.span.end = offset + span.end;
            if closed > depth + opened {
                open.brackets = Brackets::Unopened;
            }
        }
        depth = (depth + opened).saturating_sub(closed);
        if depth == 0 {
            found.extend(entry.take());
        }
        offset += line.len();
    }
    found.extend(entry.map(|entry| Entry {
        brackets: Brackets::Unclosed,
        ..entry
    }));
    found
}

/// The tokens of one line with quotes kept, the parentheses opened and closed, and the span.
fn tokenize(line: &str) -> (Vec<String>, usize, usize, Range<usize>) {
    let (mut tokens, mut token) = (Vec::new(), String::new());
    let (mut opened, mut closed, mut quoted, mut escaped) = (0, 0, false, false);
    let (mut start, mut end) = (None, 0);
    for (at, c) in line.char_indices() {
        let plain = !quoted && !escaped;
        match c {
            ';' if plain => break,
            c @ ('(' | ')') if plain => {
                opened += usize::from(c == '(');
                closed += usize::from(c == ')');
                start.get_or_insert(at);
                end = at + 1;
            }
            c if plain && c.is_whitespace() => {}
            c => {
                start.get_or_insert(at);
                end = at + c.len_utf8();
                quoted ^= c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                token.push(c);
                continue;
            }
        }
        if !token.is_empty() {
            tokens.push(std::mem::take(&mut token));
        }
    }
    if !token.is_empty() {
        tokens.push(token);
    }
    (tokens, opened, closed, start.unwrap_or(0)..end)
}

struct Reader {
    zone: Domain,
    origin: Domain,
    owner: Option<Owner>,
    ttl_seconds: u32,
    records: Vec<Record>,
    diagnostics: Vec<Diagnostic>,
}

/// What is wrong and what to do about it.
type Mistake = (String, String);

impl Reader {
    fn read(&mut self, entry: &Entry, place: &Location) -> Result<(), Mistake> {
        match entry.brackets {
            Brackets::Paired => {}
            Brackets::Unclosed => {
                return Err(mistake(
                    "the `(` in this record is never closed, so the rest of the zone is part of it",
                    "close it with `)`, or remove it (RFC 1035 §5.1)",
                ));
            }
            Brackets::Unopened => {
                return Err(mistake(
                    "the `)` in this record closes nothing",
                    "remove it, or open it with `(` (RFC 1035 §5.1)",
                ));
            }
        }
        // Parentheses around nothing are an empty line.
        let Some(first) = entry.tokens.first().map(String::as_str) else {
            return Ok(());
        };
        if first.starts_with('$') {
            return self.directive(&entry.tokens);
        }
        // An indented line belongs to the last name (RFC 1035 §5.1) if it begins as such a line
        // must; people also indent whole zones, and mean a name then.
        let continues =
            is_type(first) || first.eq_ignore_ascii_case("IN") || parse_ttl(first).is_some();
        let rest = if entry.inherits_owner && continues {
            let apex = || Owner {
                wildcard: false,
                domain: self.origin.clone(),
            };
            self.owner = Some(self.owner.take().unwrap_or_else(apex));
            &entry.tokens[..]
        } else {
            self.owner = Some(self.owner_of(first)?);
            &entry.tokens[1..]
        };
        let owner = self
            .owner
            .clone()
            .ok_or_else(|| mistake("the record has no name", "begin the line with one"))?;
        if !owner.domain.is_within(&self.zone) {
            return Err(mistake(
                &format!("`{owner}` is outside the zone `{}`", self.zone),
                "put it in a zone of its own, or leave the final dot away if a name below this zone is meant",
            ));
        }
        let (ttl_seconds, data) = self.data(rest)?;
        self.records.push(Record {
            owner,
            ttl_seconds,
            data,
            location: Some(place.clone()),
        });
        Ok(())
    }

    fn directive(&mut self, tokens: &[String]) -> Result<(), Mistake> {
        match (tokens[0].to_ascii_uppercase().as_str(), tokens.get(1)) {
            ("$ORIGIN", Some(name)) => {
                self.origin = self.owner_of(name)?.domain;
                Ok(())
            }
            ("$TTL", Some(text)) => {
                self.ttl_seconds = parse_ttl(text).ok_or_else(|| {
                    mistake(
                        &format!("`{text}` is not a time to live"),
                        "write seconds, as in `$TTL 3600`",
                    )
                })?;
                Ok(())
            }
            ("$INCLUDE", _) => Err(mistake(
                "`$INCLUDE` is refused: a zone reads no other files",
                "copy the records here",
            )),
            (other, _) => Err(mistake(
                &format!("`{other}` is not a directive, or lacks its argument"),
                "`$ORIGIN name` and `$TTL seconds` are known",
            )),
        }
    }

    /// A name relative to the origin; `@` is the origin; U-labels become A-labels.
    fn owner_of(&self, token: &str) -> Result<Owner, Mistake> {
        let (wildcard, name) = match token.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None if token == "*" => (true, "@"),
            None => (false, token),
        };
        let full = if name == "@" {
            self.origin.to_string()
        } else if name.ends_with('.') {
            name.to_owned()
        } else {
            format!("{name}.{}", self.origin)
        };
        match Domain::parse(&full) {
            Ok(domain) => Ok(Owner { wildcard, domain }),
            Err(_) => Err(mistake(
                &format!("`{token}` is not a name"),
                "write a host name, `@` for the zone itself, or `*`",
            )),
        }
    }

    /// Reads `[ttl] [class] type data…` with hickory's parser.
    fn data(&self, tokens: &[String]) -> Result<(u32, RecordData), Mistake> {
        let mut ttl_seconds = self.ttl_seconds;
        let mut rest = tokens;
        while let [first, tail @ ..] = rest {
            if first.eq_ignore_ascii_case("IN") {
                rest = tail;
            } else if let Some(ttl) =
                parse_ttl(first).filter(|_| first.starts_with(|c: char| c.is_ascii_digit()))
            {
                ttl_seconds = ttl;
                rest = tail;
            } else {
                break;
            }
        }
        let [kind, data @ ..] = rest else {
            return Err(mistake(
                "the record has no type",
                "write name, type and data, as in `groups MX 0 host.`",
            ));
        };
        let kind = kind.to_ascii_uppercase();
        if !is_type(&kind) {
            let known = crate::diag::did_you_mean(&kind, TYPES.iter().copied());
            let help = known.map_or_else(
                || format!("known types: {}", TYPES.join(", ")),
                |t| format!("did you mean `{t}`?"),
            );
            return Err(mistake(
                &format!("`{kind}` is not a record type that a zone here may have"),
                &help,
            ));
        }
        let data: Vec<String> = data.iter().map(|token| to_ascii(token)).collect();
        if kind == "MX" && data.len() == 1 {
            return Err(mistake(
                &format!("`MX {}` has no preference", data[0]),
                &format!("write `MX 0 {}`", data[0]),
            ));
        }
        let line = format!(
            "$TTL {ttl_seconds}\nx {ttl_seconds} IN {kind} {}\n",
            data.join(" ")
        );
        let origin = Name::from_ascii(format!("{}.", self.origin))
            .map_err(|e| mistake(&e.to_string(), EXAMPLE))?;
        let bad = |detail: String| {
            mistake(
                &format!("`{kind} {}` is not a record: {detail}", data.join(" ")),
                EXAMPLE,
            )
        };
        let (_, sets) = Parser::new(line, None, Some(origin))
            .parse()
            .map_err(|e| bad(e.to_string()))?;
        let record = sets
            .values()
            .flat_map(|set| set.records_without_rrsigs())
            .next()
            .cloned();
        let record = record.ok_or_else(|| bad("it has no data".to_owned()))?;
        refuse_long_text(&record.data)?;
        Ok((
            ttl_seconds,
            lower(&kind, &record.data)
                .ok_or_else(|| bad("its host is not a domain name".to_owned()))?,
        ))
    }

    /// RFC 1034 §3.6.2: a name with a CNAME has nothing else.
    fn refuse_data_beside_aliases(&mut self) {
        let aliases = self
            .records
            .iter()
            .filter(|record| matches!(record.data, RecordData::Cname(_)));
        for alias in aliases {
            if self
                .records
                .iter()
                .any(|other| other.owner == alias.owner && !std::ptr::eq(other, alias))
            {
                let message = format!("`{}` has a CNAME record beside other data", alias.owner);
                self.diagnostics.push(
                    Diagnostic::new("invalid-record", alias.location.clone(), message)
                        .help("remove the CNAME record, or everything else of this name (RFC 1034 §3.6.2)"),
                );
            }
        }
    }
}

/// RFC 1035 §3.3: a string is one octet for its length, and that many octets. A longer one could not be
/// sent.
fn refuse_long_text(data: &RData) -> Result<(), Mistake> {
    let longest = match data {
        RData::TXT(text) => text.txt_data.iter().map(|part| part.len()).max(),
        _ => None,
    };
    match longest {
        Some(octets) if octets > TEXT_OCTETS_MAX => Err(mistake(
            &format!("a text of this record has {octets} octets, and {TEXT_OCTETS_MAX} fit"),
            "write several texts, each in quotes: those who read the record put them together",
        )),
        _ => Ok(()),
    }
}

const TEXT_OCTETS_MAX: usize = 255;
const EXAMPLE: &str = "as in `groups MX 0 groups-contoso-com.mail.protection.outlook.com.`; a name without a final dot is taken below the zone";
const TYPES: &[&str] = &[
    "A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TLSA", "TXT",
];

fn is_type(token: &str) -> bool {
    TYPES.iter().any(|kind| token.eq_ignore_ascii_case(kind))
}

fn mistake(message: &str, help: &str) -> Mistake {
    // Quoted text may run over lines; what is said of it stays on one.
    (message.replace(['\r', '\n'], " "), help.to_owned())
}

/// Seconds, or `1h`, `2d` and the like.
fn parse_ttl(text: &str) -> Option<u32> {
    hickory_proto::serialize::txt::parse_ttl(text).ok()
}

/// The A-label form of a name token; quoted text and ASCII stay as they are.
fn to_ascii(token: &str) -> String {
    if token.is_ascii() || token.starts_with('"') {
        return token.to_owned();
    }
    idna::domain_to_ascii(token).unwrap_or_else(|_| token.to_owned())
}

/// hickory's record data as ours.
fn lower(kind: &str, data: &RData) -> Option<RecordData> {
    let domain = |name: &Name| Domain::parse(&name.to_ascii()).ok();
    Some(match data {
        RData::A(a) => RecordData::A(a.0),
        RData::AAAA(aaaa) => RecordData::Aaaa(aaaa.0),
        RData::CNAME(name) => RecordData::Cname(domain(&name.0)?),
        RData::MX(mx) if mx.exchange.is_root() => RecordData::Mx {
            preference: mx.preference,
            exchange: None,
        },
        RData::MX(mx) => RecordData::Mx {
            preference: mx.preference,
            exchange: Some(domain(&mx.exchange)?),
        },
        other => RecordData::Other(kind.to_owned(), other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::zones::{Answer, Failure, RecordType, Zones};
    use super::super::{Targets, targets};
    use super::*;
    use crate::diag::Source;

    fn zone(text: &str) -> (Zones, Vec<String>) {
        let source = Source::new("zone", text);
        let name = Domain::parse("contoso.com").expect("a domain");
        let (zone, diagnostics) =
            parse_zone(&name, View::Public, text, |span| source.location(span));
        let said = diagnostics
            .iter()
            .map(|d| format!("{} {}", d.location.as_ref().expect("a place"), d.message));
        (Zones::new(vec![zone]), said.collect())
    }

    fn domain(text: &str) -> Domain {
        Domain::parse(text).expect("a domain")
    }

    #[test]
    fn records_of_every_form_are_read() {
        let (zones, said) = zone(
            "\n@ 300 IN MX 10 mail\n groups MX 0 groups-contoso-com.mail.protection.outlook.com.\n\
             autodiscover.groups CNAME autodiscover.outlook.com.\n\
             mail A 192.0.2.10 ; the server\n      AAAA 2001:db8::1\n\
             $TTL 60\n@ TXT \"v=spf1 ; include:x\"\n\
             @ SOA ns hostmaster (\n 1 2 3 ; numbers\n 4 5 )\nnull MX 0 .\nbücher A 192.0.2.99\n",
        );
        assert_eq!(said, Vec::<String>::new());
        let hosts = |name: &str| match targets(&zones, View::Public, &domain(name)) {
            Targets::Hosts(hosts) => hosts
                .iter()
                .map(|h| (h.preference, h.host.to_string(), h.addresses.len()))
                .collect(),
            other => vec![(0, format!("{other:?}"), 0)],
        };
        assert_eq!(
            hosts("contoso.com"),
            [(10, "mail.contoso.com".to_owned(), 2)]
        );
        assert_eq!(
            hosts("mail.contoso.com"),
            [(0, "mail.contoso.com".to_owned(), 2)]
        );
        assert_eq!(
            hosts("xn--bcher-kva.contoso.com"),
            [(0, "xn--bcher-kva.contoso.com".to_owned(), 1)]
        );
        assert_eq!(
            targets(&zones, View::Public, &domain("null.contoso.com")),
            Targets::NullMx
        );
        let unknown = Failure::Unknown(domain("groups-contoso-com.mail.protection.outlook.com"));
        assert_eq!(
            targets(&zones, View::Public, &domain("groups.contoso.com")),
            Targets::Failed(unknown)
        );
    }

    #[test]
    fn an_existing_name_without_records_is_not_an_absent_one() {
        let (zones, _) =
            zone("autodiscover.groups CNAME autodiscover.outlook.com.\n*.wild A 192.0.2.1\n");
        let ask = |name: &str| zones.query(View::Public, &domain(name), RecordType::Mx);
        assert_eq!(ask("groups.contoso.com"), Answer::Failed(Failure::NoData));
        assert_eq!(
            ask("nothing.contoso.com"),
            Answer::Failed(Failure::NameError)
        );
        assert_eq!(ask("x.wild.contoso.com"), Answer::Failed(Failure::NoData));
        assert_eq!(ask("wild.contoso.com"), Answer::Failed(Failure::NoData));
        assert_eq!(
            ask("fabrikam.com"),
            Answer::Failed(Failure::Unknown(domain("fabrikam.com")))
        );
    }

    #[test]
    fn an_internal_zone_hides_public_ones_below_it_unless_it_delegates_them() {
        let read = |name: &str, view, text: &str| {
            parse_zone(&domain(name), view, text, |span| {
                Source::new("z", text).location(span)
            })
            .0
        };
        let public = || read("groups.contoso.com", View::Public, "@ MX 0 mail.example.\n");
        let ask = |inside: &str| {
            let internal = read("contoso.com", View::Internal, inside);
            let zones = Zones::new(vec![public(), internal]);
            matches!(
                zones.query(
                    View::Internal,
                    &domain("groups.contoso.com"),
                    RecordType::Mx
                ),
                Answer::Records(_)
            )
        };
        assert!(!ask("www A 192.0.2.1\n"));
        assert!(ask("groups NS ns.example.\n"));
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let (zones, said) = zone(
            "groups MX groups-contoso-com.\n$INCLUDE other\nmail A 192.0.2\nmail A 192.0.2.1\n\
             www CNAME mail\nwww A 192.0.2.2\nx.fabrikam.com. A 192.0.2.3\nmail MXX 1 a\n",
        );
        let places: Vec<&str> = said
            .iter()
            .filter_map(|line| line.split_once(' ').map(|(place, _)| place))
            .collect();
        assert_eq!(
            places,
            [
                "zone:1:1", "zone:2:1", "zone:3:1", "zone:7:1", "zone:8:1", "zone:5:1"
            ],
            "{said:#?}"
        );
        assert!(said[4].contains("`MXX`"), "{said:?}");
        assert!(matches!(
            zones.query(View::Public, &domain("mail.contoso.com"), RecordType::A),
            Answer::Records(_)
        ));
    }

    #[test]
    fn parentheses_come_in_pairs() {
        assert_eq!(zone("( )\na ( A\n 192.0.2.1 )\n").1, Vec::<String>::new());
        let (zones, said) = zone("mail A 192.0.2.1\na TXT ( b\nwww A 192.0.2.2\n");
        assert_eq!(
            said,
            [
                "zone:2:1 the `(` in this record is never closed, so the rest of the zone is part of it"
            ]
        );
        assert!(matches!(
            zones.query(View::Public, &domain("mail.contoso.com"), RecordType::A),
            Answer::Records(_)
        ));
        for text in ["a A 192.0.2.1 )\n", ")\n"] {
            assert_eq!(
                zone(text).1,
                ["zone:1:1 the `)` in this record closes nothing"]
            );
        }
        assert_eq!(zone("www A 192.0.2.2\n(").1.len(), 1);
    }

    #[test]
    fn a_text_fits_into_its_length_octet() {
        let part = "x".repeat(255);
        assert_eq!(
            zone(&format!("a TXT \"{part}\" \"{part}\"\n")).1,
            Vec::<String>::new()
        );
        assert_eq!(
            zone(&format!("a TXT \"{part}x\"\n")).1,
            ["zone:1:1 a text of this record has 256 octets, and 255 fit"]
        );
    }
}
