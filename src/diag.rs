//! What is said about an input: places, diagnostics, and the table of every code.
//!
//! A diagnostic is about what somebody wrote, never about a message: what routing decides is a
//! value with its steps. Rendering is in `report`.
//!
//! Invariant: every code that any part of the program uses stands once in [`CODES`].

use std::fmt;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; never changes an exit code.
    Note,
    /// Works today, or works with a loss.
    Warning,
    /// Mail is lost, refused or misled; or the input cannot be used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A place in a file of the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Offset in bytes from the start of the file.
    pub offset: usize,
    /// Length in bytes of what stands there.
    pub length: usize,
}

impl Location {
    /// The whole file.
    #[must_use]
    pub fn of_file(file: &str) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            offset: 0,
            length: 0,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// Finds lines and columns in one file's text.
#[derive(Clone, Debug)]
pub struct Source {
    file: Arc<str>,
    text: Arc<str>,
    line_starts: Arc<[usize]>,
    /// Characters before every [`STRIDE`]th byte: a whole file may be one line.
    characters: Arc<[usize]>,
}

/// Bytes between two places whose characters are counted in advance.
const STRIDE: usize = 4096;

impl Source {
    /// Indexes a text.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let mut before = 0;
        let counted = text.as_bytes().chunks(STRIDE).map(|chunk| {
            before += characters(chunk);
            before
        });
        let counted = std::iter::once(0).chain(counted).collect();
        Self {
            file: file.into(),
            text: text.into(),
            line_starts: starts,
            characters: counted,
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file as the user named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place of a span of bytes; an offset inside a character counts as that character.
    #[must_use]
    pub fn location(&self, span: std::ops::Range<usize>) -> Location {
        let offset = span.start.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset) - 1;
        // A byte order mark is no column.
        let start = match self.line_starts[line] {
            0 if self.text.starts_with('\u{feff}') => offset.min(3),
            start => start,
        };
        let column = self.characters_before(offset) - self.characters_before(start);
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        Location {
            file: self.file.clone(),
            line: number(line),
            column: number(column),
            offset,
            length: span.end.min(self.text.len()).saturating_sub(offset),
        }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let chunk = offset / STRIDE;
        self.characters[chunk] + characters(&self.text.as_bytes()[chunk * STRIDE..offset])
    }
}

/// The characters that begin in a part of a UTF-8 text.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()
}

/// Something about the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The code, one of [`CODES`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line; user input in back-ticks.
    pub message: String,
    /// Where.
    pub location: Option<Location>,
    /// Why that is so, a line each.
    pub because: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic with the severity its code has.
    ///
    /// # Panics
    /// When the code is not in the table: a mistake of the program.
    #[must_use]
    pub fn new(code: &'static str, location: Option<Location>, message: impl Into<String>) -> Self {
        let row =
            lookup(code).unwrap_or_else(|| unreachable!("the code `{code}` stands in the table"));
        Self {
            code,
            severity: row.severity,
            message: message.into(),
            location,
            because: Vec::new(),
            help: None,
        }
    }

    /// Adds a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.because.push(reason.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The closest of `known` to a word that is not among them, where one is close enough to be meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.chars().count().min(word.chars().count()) / 4
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// One row of the table of codes.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The kebab-case word.
    pub code: &'static str,
    /// How bad it is by default.
    pub severity: Severity,
    /// What it says.
    pub summary: &'static str,
    /// Why it matters.
    pub matters: &'static str,
    /// How it is mended.
    pub fix: &'static str,
    /// The document the rule comes from; empty for mistakes in a file.
    pub source: &'static str,
}

/// The rules about mail flow, without the mistakes in files that stand before them.
pub fn rules() -> impl Iterator<Item = &'static Code> {
    // Each part is in alphabetical order: the second begins where a code sorts before the last one.
    let mut pairs = CODES.windows(2);
    let last = pairs.position(|pair| pair[1].code < pair[0].code);
    CODES.iter().skip(last.map_or(0, |last| last + 1))
}

/// The row of a code.
#[must_use]
pub fn lookup(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|row| row.code == code)
}

const GROUPS: &str =
    "Exchange Server, \"Configure Microsoft 365 Groups with on-premises Exchange hybrid\"";

/// Mistakes in files first, then rules about mail flow; each in alphabetical order.
pub const CODES: &[Code] = &[
    Code {
        code: "certificate-differs",
        severity: Severity::Warning,
        summary: "a relay's certificate file is not quite the certificate that the world describes",
        matters: "predictions are about the certificate of the world: what peers see may match another connector, or end on another day",
        fix: "describe the certificate in the world as it is",
        source: "",
    },
    Code {
        code: "certificate-names-missing",
        severity: Severity::Error,
        summary: "a relay's certificate file lacks names that the world says its certificate has",
        matters: "peers choose connectors by these names and refuse a certificate without them, so the relay would not do what the world predicts",
        fix: "name the file of the right certificate, or correct CertificateDomains in the world",
        source: "",
    },
    Code {
        code: "certificate-out-of-date",
        severity: Severity::Warning,
        summary: "a relay's certificate has run out, or is not valid yet",
        matters: "peers that validate it refuse the relay's mail, and send none",
        fix: "renew the certificate",
        source: "",
    },
    Code {
        code: "certificate-without-file",
        severity: Severity::Warning,
        summary: "a relay's settings name no file for a certificate that the world gives its server",
        matters: "the relay shows a self-signed certificate in its place: peers that validate it refuse its mail, and nobody takes it for a server of its organization",
        fix: "add the certificate and its key to the settings",
        source: "",
    },
    Code {
        code: "conflicting-settings",
        severity: Severity::Error,
        summary: "two settings of one object exclude each other",
        matters: "Exchange's own cmdlets refuse the combination, so no real object looks like this",
        fix: "drop one of the two, as the message says",
        source: "",
    },
    Code {
        code: "duplicate-name",
        severity: Severity::Error,
        summary: "two objects of a kind have the same name",
        matters: "references by name would be ambiguous, and Exchange does not allow it",
        fix: "rename or remove one of them",
        source: "",
    },
    Code {
        code: "invalid-record",
        severity: Severity::Error,
        summary: "a line of a DNS zone is not a resource record",
        matters: "the zone could not answer as its owner meant",
        fix: "write the record as in a master file: name, type, data",
        source: "RFC 1035 §5",
    },
    Code {
        code: "invalid-syntax",
        severity: Severity::Error,
        summary: "the file is not TOML, or not JSON",
        matters: "nothing after the mistake can be read with certainty",
        fix: "mend the place that the message names",
        source: "",
    },
    Code {
        code: "invalid-value",
        severity: Severity::Error,
        summary: "a value is not what its key takes",
        matters: "a guess would give answers about another organization",
        fix: "write one of the values the message names",
        source: "",
    },
    Code {
        code: "missing-key",
        severity: Severity::Error,
        summary: "an object lacks a key that it must have",
        matters: "there is no default for it",
        fix: "add the key",
        source: "",
    },
    Code {
        code: "secret-file-readable",
        severity: Severity::Warning,
        summary: "a file with passwords or a private key can be read by other users of the machine",
        matters: "whoever can read it can send as the users, or be this server to others",
        fix: "chmod 600 FILE",
        source: "",
    },
    Code {
        code: "unknown-key",
        severity: Severity::Error,
        summary: "a key is not one of those the object has",
        matters: "a misspelled setting would silently keep its default",
        fix: "use the spelling of the cmdlet's property; `hybridmx schema` prints them all",
        source: "",
    },
    Code {
        code: "unknown-reference",
        severity: Severity::Error,
        summary: "a name refers to something the world does not contain",
        matters: "the object it stands for cannot be found",
        fix: "describe the object, or correct the name",
        source: "",
    },
    Code {
        code: "unreadable-file",
        severity: Severity::Error,
        summary: "a file cannot be read as text",
        matters: "without it there is no world",
        fix: "give a UTF-8 file that ends in .toml or .json, or a folder with a world.toml",
        source: "",
    },
    Code {
        code: "unusable-certificate",
        severity: Severity::Error,
        summary: "a certificate or a private key of a relay's settings cannot be used",
        matters: "without it the relay could not show who it is, or would trust nobody",
        fix: "give certificate and key in PEM, the key being the certificate's own and not encrypted",
        source: "RFC 7468",
    },
    Code {
        code: "user-without-mailbox",
        severity: Severity::Warning,
        summary: "the file of users names an address that is no mailbox of the server's organization",
        matters: "the relay takes mail of a user whom Exchange would not let log on, and predictions do not know him",
        fix: "correct the address, or take the line out of the file",
        source: "",
    },
    Code {
        code: "users-cannot-submit",
        severity: Severity::Warning,
        summary: "a relay has users and no place where they submit, or a file of users without users",
        matters: "nobody can log on to the relay",
        fix: "give SubmissionListen an address, or write users into the file",
        source: "",
    },
    Code {
        code: "wrong-type",
        severity: Severity::Error,
        summary: "a value has another type than its key takes",
        matters: "text, number, boolean and list are not interchangeable",
        fix: "write the type the message names",
        source: "",
    },
    // Rules about mail flow.
    Code {
        code: "accepted-domain-parent-only-by-wildcard",
        severity: Severity::Warning,
        summary: "a domain is accepted only through the wildcard entry of its subdomains",
        matters: "documents disagree on whether `*.contoso.com` covers `contoso.com`; this product takes it that it does",
        fix: "add an accepted domain of its own for the parent",
        source: "Exchange Server, \"Accepted domains in Exchange Server\"",
    },
    Code {
        code: "ambiguous-address",
        severity: Severity::Error,
        summary: "several recipients of one organization hold the same address",
        matters: "mail to it is refused with 5.1.4 as ambiguous",
        fix: "take the address from all but one of them",
        source: "Exchange Server, \"Recipient resolution\"",
    },
    Code {
        code: "cloud-domain-relayed-nowhere",
        severity: Severity::Error,
        summary: "the tenant relays a domain (InternalRelay), and no outbound connector takes it anywhere",
        matters: "mail for an address that nobody has follows the MX record back into the tenant, goes round there, and is refused with 5.4.14 instead of 5.1.10; Directory-Based Edge Blocking is off for the domain",
        fix: "Set-AcceptedDomain -DomainType Authoritative where the tenant knows every recipient; New-OutboundConnector for the domain where others have some of them",
        source: "Exchange Online, \"Fix email delivery issues for error code 5.4.6 or 5.4.14 in Exchange Online\"",
    },
    Code {
        code: "cloud-services-mail-disabled",
        severity: Severity::Error,
        summary: "a connector between the two organizations leaves the organization headers behind",
        matters: "mail of the own users arrives on the other side as Anonymous: it is filtered, and groups and recipients that require authenticated senders refuse it",
        fix: "set CloudServicesMailEnabled to true on the connector",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
    },
    Code {
        code: "domain-relayed-by-both-sides",
        severity: Severity::Error,
        summary: "a domain is InternalRelay on both sides, and each side sends what it does not know to the other",
        matters: "mail for an address that nobody has goes back and forth until a loop detector ends it: with 5.4.14 where the tenant counts first, with 5.4.6 where a server on premises reaches MaxLocalHopCount",
        fix: "Set-AcceptedDomain -DomainType Authoritative on the side that knows every recipient of the domain; synchronize first where neither does",
        source: "Exchange Online, \"Manage accepted domains in Exchange Online\"",
    },
    Code {
        code: "edge-treats-subdomain-as-external",
        severity: Severity::Error,
        summary: "an Edge server sends mail for a subdomain out, because the subdomain is accepted through its parent alone",
        matters: "the address space -- of a subscribed Edge server covers accepted domains by their own names; mail for another subdomain follows its MX record, and where that leads to Exchange Online it comes back and goes round until 5.4.14",
        fix: "New-AcceptedDomain for the subdomain, of the type that the parent has, then Start-EdgeSynchronization",
        source: "Exchange Server, \"'554 5.4.14 Hop count exceeded' NDR for outgoing email sent to an on-premises application in Exchange Server\"",
    },
    Code {
        code: "expectation-matches-nothing",
        severity: Severity::Error,
        summary: "an expectation names senders or recipients that do not exist",
        matters: "it would hold for ever without saying anything",
        fix: "name an address, a class as `hybridmx flows` prints it, or one of the documented words",
        source: "",
    },
    Code {
        code: "expectation-not-met",
        severity: Severity::Error,
        summary: "a flow does not end as its owner expects",
        matters: "what the world's owner wants to be true is not",
        fix: "compare the flow with the expectation; one of the two is wrong",
        source: "",
    },
    Code {
        code: "group-domain-mx-elsewhere",
        severity: Severity::Error,
        summary: "the MX record of the group domain does not point to Exchange Online Protection for the tenant",
        matters: "mail for the groups goes to a third party: the hybrid Send connector refuses its certificate, and what gets through has lost its trust",
        fix: "point the MX record to Exchange Online Protection",
        source: GROUPS,
    },
    Code {
        code: "group-domain-mx-missing",
        severity: Severity::Error,
        summary: "the group domain has no MX record that the on-premises servers can see",
        matters: "the hybrid Send connector resolves the MX record of the group domain; without it mail for the groups waits in the queue and expires with 4.4.7, or fails with 5.4.4 at once where the name does not exist",
        fix: "publish the MX record that the admin center shows, in every view that a transport server asks",
        source: GROUPS,
    },
    Code {
        code: "group-domain-mx-on-premises",
        severity: Severity::Error,
        summary: "the MX record of the group domain points to an on-premises host",
        matters: "the hybrid Send connector follows the MX record: to the sending server itself (5.4.4 at once), to another server whose certificate has the wrong name (4.7.5, expires with 4.4.7), or round in a loop (5.4.6)",
        fix: "point the MX record to Exchange Online Protection",
        source: GROUPS,
    },
    Code {
        code: "group-domain-not-accepted",
        severity: Severity::Error,
        summary: "the group domain is not an accepted domain on premises",
        matters: "the domain is outside the scope of the cross-premises headers: mail for groups arrives in the cloud as Anonymous, and groups that require authenticated senders refuse it with 5.7.133",
        fix: "New-AcceptedDomain with DomainType InternalRelay",
        source: GROUPS,
    },
    Code {
        code: "group-domain-not-in-tenant",
        severity: Severity::Error,
        summary: "the group domain is not an accepted domain of the tenant",
        matters: "Exchange Online Protection takes no mail for it: 5.7.64",
        fix: "add and verify the domain in the tenant",
        source: GROUPS,
    },
    Code {
        code: "group-domain-not-internal-relay",
        severity: Severity::Error,
        summary: "the group domain is accepted on premises, but not as InternalRelay",
        matters: "in an Authoritative domain every group that is not written back yet is unknown on premises: 5.1.10, and the mail never leaves",
        fix: "Set-AcceptedDomain with DomainType InternalRelay",
        source: GROUPS,
    },
    Code {
        code: "group-domain-not-on-hybrid-connector",
        severity: Severity::Error,
        summary: "no hybrid Send connector covers the group domain",
        matters: "mail for groups leaves by the Internet connector without the cross-premises headers, arrives as Anonymous, and groups that require authenticated senders refuse it with 5.7.133; re-running the Hybrid Configuration wizard causes it",
        fix: "Set-SendConnector with the group domain among AddressSpaces; the parameter replaces the list, so repeat what is there",
        source: GROUPS,
    },
    Code {
        code: "group-domain-sent-by-edge",
        severity: Severity::Error,
        summary: "an Edge Transport server is the source of the connector that carries the group domain",
        matters: "a subscribed Edge server hands mail for an InternalRelay domain back to the Mailbox servers, which hand it to the Edge server again, until 5.4.6",
        fix: "carry the group domain on a Send connector whose sources are Mailbox servers",
        source: GROUPS,
    },
    Code {
        code: "group-echo-off",
        severity: Severity::Note,
        summary: "members do not get a copy of what they post to their groups",
        matters: "that is the default; senders who expect a copy report lost mail",
        fix: "Set-MailboxMessageConfiguration -EchoGroupMessageBackToSubscribedSender $true, on premises for the user's mail user in the cloud",
        source: GROUPS,
    },
    Code {
        code: "group-secondary-address",
        severity: Severity::Error,
        summary: "a group has a secondary address that on-premises senders cannot use",
        matters: "only the primary address is written back: a secondary one in an Authoritative domain is unknown on premises, 5.1.10",
        fix: "keep one address per group",
        source: GROUPS,
    },
    Code {
        code: "group-secondary-address-relayed",
        severity: Severity::Warning,
        summary: "a group has a secondary address in a relayed domain",
        matters: "only the primary address is written back; mail to the other one is relayed and works today, but the documentation says that on-premises senders cannot use it",
        fix: "keep one address per group",
        source: GROUPS,
    },
    Code {
        code: "hybrid-certificate-unusable",
        severity: Severity::Error,
        summary: "a certificate that the hybrid connectors name is missing, out of date, or not trusted",
        matters: "sending waits with 4.7.5, the cloud refuses to send with 4.4.317, and the tenant does not recognise the servers",
        fix: "install a valid certificate of a public authority on every hybrid server, and name it in the connectors",
        source: "Exchange hybrid, \"Certificate requirements for hybrid deployments\"",
    },
    Code {
        code: "hybrid-connector-disabled",
        severity: Severity::Error,
        summary: "a hybrid Send connector is disabled, and nothing stands in its place",
        matters: "mail for the cloud leaves by the Internet connector without organization headers, or not at all",
        fix: "Set-SendConnector -Enabled $true",
        source: "Exchange Server, \"Send connectors in Exchange Server\"",
    },
    Code {
        code: "inbound-connector-matches-no-certificate",
        severity: Severity::Error,
        summary: "no certificate that the hybrid Send connectors present satisfies the inbound connector",
        matters: "Exchange Online Protection does not attribute the session to the tenant: everything from on premises arrives as mail from the Internet, Anonymous, and groups that require authenticated senders refuse it with 5.7.133",
        fix: "Set-InboundConnector -TlsSenderCertificateName with a name of the certificate that the Send connector presents",
        source: "Exchange Online, \"Configure a certificate-based connector to relay email messages through Microsoft 365\"",
    },
    Code {
        code: "mail-loops",
        severity: Severity::Error,
        summary: "mail goes round in a loop",
        matters: "it is carried many times and then refused with 5.4.6 or 5.4.14",
        fix: "break the cycle that the finding names",
        source: "Exchange Server, \"DSNs and NDRs in Exchange Server\"",
    },
    Code {
        code: "mail-misrouted-by-size",
        severity: Severity::Warning,
        summary: "larger mail leaves its prescribed path",
        matters: "connectors that are too small are not chosen, so a large message falls through to a less specific connector and loses its trust",
        fix: "raise MaxMessageSize of the connector that should carry it",
        source: "Exchange Server, \"Connector selection in external message routing\"",
    },
    Code {
        code: "mail-not-delivered",
        severity: Severity::Error,
        summary: "mail between recipients of the two organizations does not arrive",
        matters: "people do not get mail that is meant for them",
        fix: "see the last step of the witness flow",
        source: "Exchange Server, \"Mail routing in Exchange Server\"",
    },
    Code {
        code: "mail-user-targets-own-tenant",
        severity: Severity::Error,
        summary: "a mail user of the tenant has a target address of the same tenant, and no mailbox has it",
        matters: "mail to the user follows the MX record back into the tenant, goes round there, and is refused with 5.4.14; copies of posts to groups that the user belongs to as well",
        fix: "give the user a mailbox (a licence), or let ExternalEmailAddress lead where the mailbox is; of a synchronized user it is changed on premises, as targetAddress",
        source: "Exchange Online, \"Fix email delivery issues for error code 5.4.6 or 5.4.14 in Exchange Online\"",
    },
    Code {
        code: "open-relay",
        severity: Severity::Error,
        summary: "an unauthenticated stranger may relay to any domain",
        matters: "the server will be found and used to send spam",
        fix: "narrow RemoteIPRanges of the Receive connector, or take the permission Ms-Exch-SMTP-Accept-Any-Recipient away",
        source: "Exchange Server, \"Allow anonymous relay on Exchange servers\"",
    },
    Code {
        code: "receive-connector-lacks-capability",
        severity: Severity::Error,
        summary: "the Receive connector that serves the cloud does not accept its organization headers",
        matters: "mail of cloud users arrives on premises as Anonymous, and the cloud may not relay",
        fix: "Set-ReceiveConnector -TlsDomainCapabilities mail.protection.outlook.com:AcceptCloudServicesMail",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
    },
    Code {
        code: "target-addresses-form-a-loop",
        severity: Severity::Error,
        summary: "target addresses lead from one recipient to the next and back to the first",
        matters: "nobody has the mailbox: across premises the message goes round until 5.4.6 or 5.4.14, inside one organization it fails at once with 5.4.6",
        fix: "decide where the mailbox is and make one there: a licence for the synchronized user in the cloud, or Enable-Mailbox on premises in the place of the mail user",
        source: "Exchange Server, \"Recipient resolution\"",
    },
    Code {
        code: "target-delivery-domain-missing",
        severity: Severity::Error,
        summary: "an Edge server sends the domain of target addresses back inside, because no remote domain marks it",
        matters: "mail from on premises to moved mailboxes goes round between the Edge server and the Mailbox servers until 5.4.6",
        fix: "Set-RemoteDomain -TargetDeliveryDomain $true, then Start-EdgeSynchronization; the hybrid wizard does it as well",
        source: "Exchange hybrid, \"Edge Transport servers with hybrid deployments\"",
    },
    Code {
        code: "target-domain-not-on-hybrid-connector",
        severity: Severity::Error,
        summary: "no hybrid Send connector covers the domain of the target addresses",
        matters: "mail from on premises to moved mailboxes leaves by the Internet connector without organization headers and arrives as Anonymous",
        fix: "Set-SendConnector with the domain among AddressSpaces; the parameter replaces the list, so repeat what is there",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
    },
    Code {
        code: "trust-lost",
        severity: Severity::Warning,
        summary: "mail between the two organizations arrives as Anonymous",
        matters: "it is filtered as mail from the Internet, and recipients that require authenticated senders refuse it",
        fix: "see where the witness flow loses its organization headers",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
    },
    Code {
        code: "unknown-fact",
        severity: Severity::Warning,
        summary: "a flow depends on a fact that the world does not contain",
        matters: "where the mail goes cannot be said; nothing is guessed",
        fix: "describe what the message names, such as a DNS zone",
        source: "",
    },
    Code {
        code: "unknown-member",
        severity: Severity::Warning,
        summary: "a group has a member that no recipient of its organization is",
        matters: "the member gets nothing",
        fix: "remove the member, or synchronize the recipient",
        source: GROUPS,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let source = Source::new("world.toml", "a = 1\nä = \"x\"\n");
        let place = source.location(11..14);
        assert_eq!((place.line, place.column, place.length), (2, 5, 3));
        assert_eq!(place.to_string(), "world.toml:2:5");
        assert_eq!(source.location(0..1).to_string(), "world.toml:1:1");
        assert_eq!(Location::of_file("x").to_string(), "x");
        let long = format!("\u{feff}{}b\n", "ä".repeat(STRIDE));
        let place = Source::new("x", &long).location(3 + 2 * STRIDE..long.len());
        assert_eq!(place.to_string(), format!("x:1:{}", STRIDE + 1));
    }

    #[test]
    fn rules_are_what_is_no_mistake_in_a_file() {
        let rules: Vec<&str> = rules().map(|row| row.code).collect();
        assert!(rules.contains(&"open-relay"), "{rules:?}");
        assert!(!rules.contains(&"wrong-type"), "{rules:?}");
        assert!(rules.is_sorted(), "{rules:?}");
    }

    #[test]
    fn suggestions_are_close_or_absent() {
        let known = ["AddressSpaces", "RequireTLS", "TlsDomain"];
        assert_eq!(did_you_mean("AdressSpaces", known), Some("AddressSpaces"));
        assert_eq!(did_you_mean("requiretls", known), Some("RequireTLS"));
        assert_eq!(did_you_mean("Colour", known), None);
    }

    #[test]
    fn codes_are_kebab_case_and_unique() {
        for (index, row) in CODES.iter().enumerate() {
            assert!(
                row.code
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{}",
                row.code
            );
            assert!(
                !CODES[..index].iter().any(|other| other.code == row.code),
                "{} twice",
                row.code
            );
        }
    }
}
