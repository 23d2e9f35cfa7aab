//! Replies as a status: the SMTP code, the enhanced status (RFC 3463) and the text; and what each
//! status that Exchange and Exchange Online use means.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// `class.subject.detail` (RFC 3463 §2). Exchange Online uses details above 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnhancedStatus {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What the status is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 7 policy.
    pub subject: u16,
    /// The particular condition.
    pub detail: u16,
}

impl EnhancedStatus {
    /// A status from its three numbers.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl FromStr for EnhancedStatus {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut number = |digits: usize| {
            let part = parts.next().ok_or(())?;
            let well_formed =
                (1..=digits).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            if well_formed {
                part.parse::<u16>().map_err(|_| ())
            } else {
                Err(())
            }
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        match (class, parts.next()) {
            (2 | 4 | 5, None) => Ok(Self {
                class: if class == 2 {
                    2
                } else if class == 4 {
                    4
                } else {
                    5
                },
                subject,
                detail,
            }),
            _ => Err(()),
        }
    }
}

/// A reply or a queue's last error: code, enhanced status, text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status {
    /// The three-digit SMTP reply code (RFC 5321 §4.2).
    pub code: u16,
    /// The enhanced status.
    pub enhanced: EnhancedStatus,
    /// The words after the two codes.
    pub text: Cow<'static, str>,
}

impl Status {
    /// A status with a fixed text.
    #[must_use]
    pub const fn new(code: u16, enhanced: (u8, u16, u16), text: &'static str) -> Self {
        let (class, subject, detail) = enhanced;
        Self {
            code,
            enhanced: EnhancedStatus::new(class, subject, detail),
            text: Cow::Borrowed(text),
        }
    }

    /// The same codes with another text.
    #[must_use]
    pub fn with_text(&self, text: String) -> Self {
        Self {
            text: Cow::Owned(text),
            ..*self
        }
    }

    /// Whether the peer has taken it. The reply code decides here and below, not the enhanced status
    /// (RFC 5321 §4.2.1): Exchange says `451 5.7.3`.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether the peer is to try again later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// Whether it is refused for good.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.code, self.enhanced, self.text)
    }
}

impl FromStr for Status {
    type Err = ();
    /// What `Display` writes.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, ' ');
        let code = parts.next().and_then(|code| code.parse().ok()).ok_or(())?;
        let enhanced = parts.next().ok_or(())?.parse()?;
        Ok(Self {
            code,
            enhanced,
            text: Cow::Owned(parts.next().unwrap_or_default().to_owned()),
        })
    }
}

/// What a status means, for `explain`.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// The enhanced status.
    pub enhanced: EnhancedStatus,
    /// How the reply begins.
    pub reply: &'static str,
    /// Which side says it.
    pub said_by: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What to look at first.
    pub look_at: &'static str,
    /// The document it comes from.
    pub source: &'static str,
}

/// The explanations of a status; one status may have several meanings.
pub fn explain(enhanced: EnhancedStatus) -> impl Iterator<Item = &'static Explanation> {
    EXPLANATIONS
        .iter()
        .filter(move |row| row.enhanced == enhanced)
}

/// Every status that can be explained.
#[must_use]
pub fn explanations() -> &'static [Explanation] {
    EXPLANATIONS
}

const ON_PREMISES_NDR: &str = "Exchange Server, \"DSNs and NDRs in Exchange Server\"";
const ONLINE_NDR: &str =
    "Exchange Online, \"Email non-delivery reports and SMTP errors in Exchange Online\"";
const GROUPS: &str =
    "Exchange Server, \"Configure Microsoft 365 Groups with on-premises Exchange hybrid\"";
const GROUP_FAILS: &str =
    "Exchange hybrid, \"Email delivery to Microsoft 365 Groups fails in a hybrid environment\"";
const WRONG_REGION: &str = "Exchange hybrid, \"Mail sent to the wrong Office 365 region\"";
const UNTRUSTED: &str =
    "Exchange hybrid, \"Mail flow to Exchange Online stops and event ID 2004 is logged\"";
const OUT_OF_DATE: &str = "Exchange Online, \"Throttling and blocking email from persistently vulnerable Exchange servers to Exchange Online\"";

const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        enhanced: EnhancedStatus::new(2, 1, 5),
        reply: "250 2.1.5 Recipient OK",
        said_by: "any server",
        meaning: "the recipient was accepted at RCPT TO; on a Mailbox server this says nothing about whether it exists",
        look_at: "nothing: this is success",
        source: "RFC 3463 §3.2",
    },
    Explanation {
        enhanced: EnhancedStatus::new(2, 6, 0),
        reply: "250 2.6.0 Queued mail for delivery",
        said_by: "Exchange Server, Exchange Online",
        meaning: "the server took responsibility for the message (RFC 5321 §6.1)",
        look_at: "nothing: this is success",
        source: "RFC 3463 §3.7",
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 2, 0),
        reply: "420 4.2.0 Recipient deferred because there is no Mdb",
        said_by: "Exchange Server",
        meaning: "the mailbox has no database that is mounted, so the message waits in the queue",
        look_at: "Get-Mailbox, Database; Get-MailboxDatabaseCopyStatus",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 3, 1),
        reply: "452 4.3.1 Insufficient system resources",
        said_by: "any server",
        meaning: "the server has no room for the message at present: its disk or its spool is full, or a mailbox cannot be written",
        look_at: "free space on the disk of the server that said it; on Exchange Server, event 15004 and 15006 (back pressure)",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 3, 2),
        reply: "421 4.3.2 Service not active",
        said_by: "any server",
        meaning: "no Receive connector that is enabled serves the connection, or the service behind it cannot be reached",
        look_at: "RemoteIPRanges and Enabled of the Receive connectors on that port; Get-ServerComponentState",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 0),
        reply: "451 4.4.0 DNS query failed",
        said_by: "Exchange Server, in the queue",
        meaning: "the next hop's name could not be resolved now: no such records for a name that exists, SERVFAIL or a time-out; retried until the message expires with 4.4.7",
        look_at: "the MX record of the recipient domain in the view the sending server uses; the smart host's name",
        source: "Exchange Server, \"451 4.4.0 DNS query failed\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 1),
        reply: "441 4.4.1 Error encountered while communicating with primary target IP address",
        said_by: "Exchange Server, in the queue",
        meaning: "no address of the next hop took a connection, or none greeted; retried until the message expires with 4.4.7",
        look_at: "the quoted reason (10060: no answer, 10061: nobody listens), the port in firewalls, the MX record or smart host",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 2),
        reply: "421 4.4.2 Connection dropped",
        said_by: "any server, in the queue",
        meaning: "the session ended before the next hop had answered for the message; it may have it all the same (RFC 1047)",
        look_at: "what inspects or cuts SMTP sessions on the way; the next hop's own log",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 3),
        reply: "451 4.4.3 Directory server failure",
        said_by: "hosts on the Internet",
        meaning: "the name of the next hop could not be resolved now",
        look_at: "the name servers of the recipient domain",
        source: "RFC 3463 §3.5",
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 4),
        reply: "451 4.4.4 Mail received as unauthenticated … ATTR5",
        said_by: "Exchange Online Protection",
        meaning: "no inbound connector recognised the session, and the tenant of the recipient has no licence for mail",
        look_at: "licences of the tenant; the certificate and addresses of the inbound connector",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 7),
        reply: "550 4.4.7 QUEUE.Expired; message expired",
        said_by: "Exchange Server",
        meaning: "the message was retried, or stayed in the Unreachable queue, until MessageExpirationTimeout (2 days) was over; the last error in the queue tells the cause",
        look_at: "the LastError of the queue and the connector's next hop",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 62),
        reply: "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35",
        said_by: "Exchange Online Protection",
        meaning: "the session came to an endpoint of another region than the tenant's: an obsolete name such as *.mail.messaging.microsoft.com, a fixed address, or the host of somebody else's domain",
        look_at: "SmartHosts of the Send connector, and MX records that are not the ones of the admin center; MailFlowRegion of the organization and of the accepted domain",
        source: WRONG_REGION,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 312),
        reply: "450 4.4.312 DNS query failed",
        said_by: "Exchange Online",
        meaning: "the next hop's name gives no records, or a smart host's name does not exist; becomes 5.4.312 when the message expires after a day",
        look_at: "the smart host of the outbound connector, or the MX record of the recipient domain",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 316),
        reply: "450 4.4.316 Connection refused",
        said_by: "Exchange Online",
        meaning: "nothing listens at the next hop's address; becomes 5.4.316 when the message expires",
        look_at: "port 25 of the on-premises host and the firewall in front of it",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 4, 317),
        reply: "450 4.4.317 Cannot connect to remote server",
        said_by: "Exchange Online",
        meaning: "the TLS that the outbound connector demands cannot be had: no STARTTLS, a certificate that is not trusted, or another name in it; becomes 5.4.317 when the message expires",
        look_at: "TlsCertificateName of the Receive connector that answers, TlsDomain of the outbound connector",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 5, 3),
        reply: "452 4.5.3 Too many recipients",
        said_by: "any server",
        meaning: "the transaction has as many recipients as the Receive connector takes; the rest is to be sent in another one",
        look_at: "MaxRecipientsPerMessage of the Receive connector",
        source: "RFC 5321 §4.5.3.1.10",
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 7, 0),
        reply: "454 4.7.0 Failed to establish appropriate TLS channel: UntrustedRoot: Access Denied",
        said_by: "Exchange Online Protection",
        meaning: "the certificate that the sending server presents comes from an authority that nobody trusts, such as one of the organization's own; the message waits in the queue",
        look_at: "RootCAType of the certificate; TlsCertificateName of the Send connector; Get-ExchangeCertificate for a second certificate with the same name that SMTP may choose",
        source: UNTRUSTED,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 7, 0),
        reply: "451 4.7.0 Timeout waiting for client input",
        said_by: "any server",
        meaning: "the client said nothing for too long, or made too many mistakes, and the session was closed; with another text, a temporary refusal by policy",
        look_at: "ConnectionInactivityTimeout and MaxProtocolErrors of the Receive connector; what the client waits for",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 7, 5),
        reply: "454 4.7.5 Certificate validation failure",
        said_by: "Exchange Server, in the queue",
        meaning: "the certificate of the next hop, or the one this server must present, is not what the Send connector demands; retried until the message expires with 4.4.7",
        look_at: "where the MX record leads, TlsDomain, TlsAuthLevel and TlsCertificateName of the Send connector",
        source: "Exchange Server, \"Send connectors in Exchange Server\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(4, 7, 230),
        reply: "450 4.7.230 Connecting Exchange server version is out-of-date; connection to Exchange Online throttled …",
        said_by: "Exchange Online Protection",
        meaning: "the server that hands mail over by an inbound connector of type OnPremises is out of support or long unpatched: its mail is delayed, and later blocked with 5.7.230",
        look_at: "AdminDisplayVersion of Get-ExchangeServer; the report on out-of-date connecting servers in the Exchange admin center, where enforcement can be paused",
        source: OUT_OF_DATE,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 0),
        reply: "550 5.1.0 RESOLVER.ADR.InvalidInSmtp; invalid address",
        said_by: "Exchange Server",
        meaning: "an encapsulated address (IMCEA) is of a type that SMTP cannot carry",
        look_at: "the address of the recipient, and where it was taken from: an old entry of an address book, often",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 1),
        reply: "550 5.1.1 Bad destination mailbox address",
        said_by: "hosts on the Internet, Exchange 2013 and older",
        meaning: "the recipient does not exist",
        look_at: "the spelling of the address; whether its mailbox was moved or removed",
        source: "RFC 3463 §3.2",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 2),
        reply: "550 5.1.2 Bad destination system address",
        said_by: "hosts on the Internet",
        meaning: "the domain of the recipient does not exist",
        look_at: "the spelling of the domain and its DNS",
        source: "RFC 3463 §3.2",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 3),
        reply: "501 5.1.3 Invalid address",
        said_by: "any server",
        meaning: "what RCPT TO names is no address",
        look_at: "the address: a quote, a space or a character that is not ASCII",
        source: "RFC 3463 §3.2",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 4),
        reply: "550 5.1.4 RESOLVER.ADR.Ambiguous; ambiguous address",
        said_by: "Exchange Server",
        meaning: "two recipients of the organization have the same address",
        look_at: "which objects hold the address: Get-Recipient -Filter \"EmailAddresses -eq 'smtp:…'\"",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 5),
        reply: "550 5.1.5 Recipient address reserved by RFC 2606",
        said_by: "the Receive connector of an Exchange server",
        meaning: "the recipient's domain is one that is reserved for tests and examples, and the connector refuses those",
        look_at: "RejectReservedTopLevelRecipientDomains and RejectReservedSecondLevelRecipientDomains of the Receive connector",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 6),
        reply: "550 5.1.6 Recipient addresses in single label domains not accepted",
        said_by: "the Receive connector of an Exchange server",
        meaning: "the recipient's domain has no dot",
        look_at: "RejectSingleLabelRecipientDomains of the Receive connector",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 7),
        reply: "501 5.1.7 Invalid address",
        said_by: "any server",
        meaning: "what MAIL FROM names is no address",
        look_at: "the sender's address as the client writes it",
        source: "RFC 3463 §3.2",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 1, 10),
        reply: "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        said_by: "Exchange Server 2016 and later, Exchange Online",
        meaning: "the domain is Authoritative on this side, and no recipient of this side has the address",
        look_at: "the DomainType of the recipient's domain; for a group whether it is written back, and whether the address is its primary one",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 2, 0),
        reply: "550 5.2.0 RESOLVER.ADR.BadPrimary",
        said_by: "Exchange Server",
        meaning: "an object of the directory has no address that mail could be sent to",
        look_at: "PrimarySmtpAddress and ExternalEmailAddress of the recipient",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 2, 3),
        reply: "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient",
        said_by: "Exchange Server or Exchange Online",
        meaning: "the message is larger than the recipient, the sender or the organization may receive or send; the words say which",
        look_at: "MaxReceiveSize and MaxSendSize of the mailbox and of Get-TransportConfig",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 2, 4),
        reply: "550 5.2.4 RESOLVER.GRP.FilterInvalid; misconfigured dynamic distribution group",
        said_by: "Exchange Server or Exchange Online",
        meaning: "the filter of a dynamic distribution group cannot be evaluated",
        look_at: "RecipientFilter of Get-DynamicDistributionGroup",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 3, 3),
        reply: "500 5.3.3 Unrecognized command",
        said_by: "any server",
        meaning: "the server does not know the command, or does not do it",
        look_at: "what the client says; a firewall that replaces commands by XXXX",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 3, 4),
        reply: "552 5.3.4 Message size exceeds fixed maximum message size",
        said_by: "Exchange Server, Exchange Online",
        meaning: "the Receive connector refuses the size, or every connector with a matching address space is too small",
        look_at: "MaxMessageSize of the connectors on the path",
        source: "Exchange Server, \"Message size and recipient limits in Exchange Server\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 3, 5),
        reply: "550 5.3.5 System incorrectly configured",
        said_by: "the sending server",
        meaning: "the next hop greets by the sending server's own name: mail would go round",
        look_at: "the Fqdn of the Receive connector there, and smart hosts or MX records that lead back",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 1),
        reply: "550 5.4.1 Recipient address rejected: Access denied",
        said_by: "Exchange Online",
        meaning: "Directory Based Edge Blocking: the domain is Authoritative in the tenant, and no recipient has the address",
        look_at: "whether the recipient is synchronized; the type of the tenant's accepted domain",
        source: "Exchange Online, \"Use Directory-Based Edge Blocking to reject messages sent to invalid recipients\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 4),
        reply: "554 5.4.4 SMTPSEND.DNS.NonExistentDomain; nonexistent domain",
        said_by: "Exchange Server",
        meaning: "the recipient domain of a DNS-routed connector does not exist (NXDOMAIN)",
        look_at: "the MX record of the recipient domain in the view the sending server uses",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 4),
        reply: "554 5.4.4 SMTPSEND.DNS.MxLoopback; DNS records for this domain are configured in a loop",
        said_by: "Exchange Server",
        meaning: "the best MX host of the recipient domain is the sending server itself",
        look_at: "the MX record of the recipient domain; for a group domain it must point to Exchange Online Protection",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 6),
        reply: "554 5.4.6 Hop count exceeded - possible mail loop",
        said_by: "Exchange Server; always the on-premises side",
        meaning: "the message carries more Received fields than MaxHopCount, or more that name this server than MaxLocalHopCount, allows",
        look_at: "the servers that repeat in the Received fields; for a group domain whether an Edge server sends it, or its MX points on premises",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 6),
        reply: "550 5.4.6 RESOLVER.FWD.Loop; recipient forwarding loop",
        said_by: "Exchange Server, Exchange Online",
        meaning: "the recipient's mail is sent on to a recipient whose mail is sent back: nobody ever has it",
        look_at: "the external addresses of the mail users that name each other",
        source: "Exchange Server, \"Recipient resolution in Exchange Server\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 14),
        reply: "554 5.4.14 Hop count exceeded - possible mail loop ATTR34",
        said_by: "Exchange Online; always the cloud side",
        meaning: "the same message entered the same tenant too often",
        look_at: "domains that are InternalRelay on both sides, stale target addresses, outbound connectors that route by MX",
        source: "Exchange Online, \"Fix NDR error code 5.4.6 through 5.4.20 in Exchange Online\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 300),
        reply: "550 5.4.300 Message expired",
        said_by: "Exchange Online",
        meaning: "the message was retried for a day",
        look_at: "the transient error before it",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 310),
        reply: "550 5.4.310 DNS domain <domain> does not exist",
        said_by: "Exchange Online",
        meaning: "the recipient domain does not exist (NXDOMAIN); of a smart host whose name does not exist it says 4.4.312",
        look_at: "DNS",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 312),
        reply: "550 5.4.312 Message expired, DNS query failed",
        said_by: "Exchange Online",
        meaning: "the next hop's name gave no records for a day",
        look_at: "the smart host of the outbound connector, or the MX record of the recipient domain",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 316),
        reply: "550 5.4.316 Message expired, connection refused",
        said_by: "Exchange Online",
        meaning: "4.4.316 lasted until the message expired",
        look_at: "port 25 of the on-premises host and the firewall in front of it",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 4, 317),
        reply: "550 5.4.317 Message expired, cannot connect to remote server",
        said_by: "Exchange Online",
        meaning: "4.4.317 lasted until the message expired",
        look_at: "TlsCertificateName of the Receive connector that answers, TlsDomain of the outbound connector",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 5, 1),
        reply: "503 5.5.1 Input behind STARTTLS before TLS, closing transmission channel",
        said_by: "this relay",
        meaning: "a client sent something in the clear behind STARTTLS, which somebody on the way could have put there",
        look_at: "the client: it must wait for the reply to STARTTLS",
        source: "RFC 3207 §4.2",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 5, 2),
        reply: "503 5.5.2 Need mail command",
        said_by: "any server",
        meaning: "a command came out of order, or is no command line",
        look_at: "what the client says before it; RSET begins anew",
        source: "RFC 3463 §3.6",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 5, 3),
        reply: "550 5.5.3 RESOLVER.ADR.RecipLimit; too many recipients",
        said_by: "Exchange Server or Exchange Online",
        meaning: "the message has more recipients than the sender or the organization allows; a group counts as one",
        look_at: "RecipientLimits of the mailbox, MaxRecipientEnvelopeLimit of Get-TransportConfig",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 5, 4),
        reply: "501 5.5.4 Invalid arguments",
        said_by: "any server",
        meaning: "a parameter of the command is wrong or not known",
        look_at: "the parameters of EHLO, MAIL FROM and RCPT TO, and what the server offers in its reply to EHLO",
        source: "RFC 3463 §3.6",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 6, 0),
        reply: "554 5.6.0 Corrupt message content",
        said_by: "any server",
        meaning: "the message cannot be taken as it is: a line is longer than SMTP allows, or the next hop cannot take its envelope",
        look_at: "the client that wrote the message",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 6, 11),
        reply: "550 5.6.11 Invalid characters",
        said_by: "Exchange Server, Exchange Online",
        meaning: "the message has line feeds or carriage returns that stand alone, which servers read differently (SMTP smuggling)",
        look_at: "the program that writes the message: lines end with CR LF",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 0),
        reply: "530 5.7.0 Must issue a STARTTLS command first",
        said_by: "any server",
        meaning: "the server takes mail, or passwords, under TLS only; or a client gave up its logon",
        look_at: "TLS settings of the client",
        source: "RFC 3207 §4",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 1),
        reply: "550 5.7.1 Relaying denied",
        said_by: "any server",
        meaning: "the server does not do that for this client: relay, or send to this recipient",
        look_at: "who may relay there, and restrictions of the recipient",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 3),
        reply: "535 5.7.3 Authentication unsuccessful",
        said_by: "Exchange Server",
        meaning: "the name or password is wrong",
        look_at: "user name and password; whether the user may log on",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 3),
        reply: "451 5.7.3 STARTTLS is required to send mail",
        said_by: "Exchange Server",
        meaning: "the Receive connector demands TLS; a sending server keeps the message in its queue",
        look_at: "RequireTLS of the Receive connector; why the client did not use STARTTLS",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 4),
        reply: "504 5.7.4 Unrecognized authentication type",
        said_by: "any server",
        meaning: "the server does not offer this mechanism, or not without TLS",
        look_at: "AuthMechanism of the Receive connector; TLS settings of the client",
        source: "RFC 4954 §4",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 12),
        reply: "550 5.7.12 RESOLVER.RST.SenderAuthenticated",
        said_by: "Exchange Server or Exchange Online",
        meaning: "the recipient takes mail from authenticated senders only, and the message arrived as anonymous",
        look_at: "RequireSenderAuthenticationEnabled of the recipient; between the premises, why trust was lost on the way",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 51),
        reply: "550 5.7.51 TenantInboundAttribution; There is a partner connector configured …",
        said_by: "Exchange Online Protection",
        meaning: "a partner connector restricts the sender's domain to a certificate or to addresses, and the session has neither",
        look_at: "RestrictDomainsToCertificate, RestrictDomainsToIPAddresses and SenderDomains of Get-InboundConnector; whether the hybrid certificate is still recognised",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 54),
        reply: "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
        said_by: "Exchange Server 2016 and later",
        meaning: "the session may not relay, and the recipient's domain is not an accepted domain",
        look_at: "accepted domains; for mail from the cloud TlsDomainCapabilities of the Receive connector",
        source: "Exchange Server, \"Allow anonymous relay on Exchange servers\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 57),
        reply: "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
        said_by: "Exchange Server 2016 and later",
        meaning: "the Receive connector that serves this address does not have AnonymousUsers in its PermissionGroups",
        look_at: "which Receive connector has the narrowest RemoteIPRanges that contain the client",
        source: "Exchange Server, \"Receive connectors\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 60),
        reply: "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
        said_by: "Exchange Server, Exchange Online",
        meaning: "a user who has logged on sends from an address of somebody else",
        look_at: "the sender's address in the client; Send As and Send on Behalf permissions",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 64),
        reply: "550 5.7.64 TenantAttribution; Relay Access Denied",
        said_by: "Exchange Online Protection",
        meaning: "no inbound connector attributes the session to a tenant, and the recipient's domain is in no tenant",
        look_at: "TlsSenderCertificateName of the inbound connector against the certificate that the Send connector presents; the tenant's accepted domains",
        source: "Exchange Online, \"Fix NDR error 550 5.7.64 TenantAttribution\"",
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 68),
        reply: "550 5.7.68 TenantInboundAttribution; Direct Send not allowed …",
        said_by: "Exchange Online Protection",
        meaning: "a message from one of the tenant's own domains came without authentication and by no connector, and the tenant rejects Direct Send",
        look_at: "RejectDirectSend of Get-OrganizationConfig; an inbound connector for the device or service that sends",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 230),
        reply: "550 5.7.230 Connecting Exchange server version is out-of-date; connection to Exchange Online blocked …",
        said_by: "Exchange Online Protection",
        meaning: "the server that hands mail over by an inbound connector of type OnPremises is out of support or long unpatched, and the time in which its mail was only throttled (4.7.230) is over",
        look_at: "AdminDisplayVersion of Get-ExchangeServer; the report on out-of-date connecting servers in the Exchange admin center, where enforcement can be paused",
        source: OUT_OF_DATE,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 124),
        reply: "550 5.7.124 Sender not in allowed-senders list",
        said_by: "Exchange Server or Exchange Online",
        meaning: "the group takes mail from certain senders only, or rejects this one",
        look_at: "AcceptMessagesOnlyFromSendersOrMembers and RejectMessagesFromSendersOrMembers of the group",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 128),
        reply: "550 5.7.128 TRANSPORT.RULES.RejectMessage; Transport rules loop count exceeded and message rejected.",
        said_by: "Exchange Online",
        meaning: "a mail-flow rule that redirects or adds recipients has worked on the message before: it came back, for example by centralized transport",
        look_at: "the rule: except messages that come back from the organization's own servers, or let it apply on one side only",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 129),
        reply: "550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission",
        said_by: "Exchange Server or Exchange Online",
        meaning: "the recipient takes mail from certain senders only, or rejects this one",
        look_at: "AcceptMessagesOnlyFromSendersOrMembers and RejectMessagesFromSendersOrMembers of the recipient",
        source: ON_PREMISES_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 133),
        reply: "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup",
        said_by: "Exchange Server, Exchange Online",
        meaning: "the group takes mail from authenticated senders only, and the message arrived as Anonymous; an on-premises sender gets it when the cross-premises trust was lost on the way",
        look_at: "which connector the message left by; the accepted domain; the inbound connector's certificate; on premises the written-back object, which always requires authentication",
        source: GROUP_FAILS,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 134),
        reply: "550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox",
        said_by: "Exchange Server, Exchange Online",
        meaning: "the mailbox takes mail from authenticated senders only",
        look_at: "RequireSenderAuthenticationEnabled of the mailbox; the trust of the path",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 136),
        reply: "550 5.7.136 RESOLVER.RST.SenderNotAuthenticatedForMailUser",
        said_by: "Exchange Server, Exchange Online",
        meaning: "the mail user takes mail from authenticated senders only",
        look_at: "RequireSenderAuthenticationEnabled of the mail user; the trust of the path",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 193),
        reply: "550 5.7.193 UnifiedGroupAgent; Delivery failed because the sender isn't a group member or external senders aren't permitted to send to this group",
        said_by: "Exchange Online",
        meaning: "the group does not accept external senders",
        look_at: "RequireSenderAuthenticationEnabled of the group: closed to external senders is the usual wish",
        source: GROUPS,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 520),
        reply: "550 5.7.520 Access denied, Your organization does not allow external forwarding",
        said_by: "Exchange Online",
        meaning: "mail was forwarded automatically to somebody outside, and the outbound spam policy does not let it",
        look_at: "AutoForwardingMode of Get-HostedOutboundSpamFilterPolicy; AutoForwardEnabled of Get-RemoteDomain",
        source: ONLINE_NDR,
    },
    Explanation {
        enhanced: EnhancedStatus::new(5, 7, 711),
        reply: "550 5.7.711 Access denied, bad inbound connector. AS(2204).",
        said_by: "Exchange Online Protection",
        meaning: "the inbound connector by which the session was recognised is blocked: it sent what looked like spam",
        look_at: "the connector's sources for a compromised sender; then have the connector unblocked",
        source: ONLINE_NDR,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_statuses_parse_and_print() {
        for text in ["5.1.10", "4.4.317", "2.6.0"] {
            assert_eq!(
                text.parse::<EnhancedStatus>()
                    .map(|s| s.to_string())
                    .as_deref(),
                Ok(text)
            );
        }
        for bad in ["", "5.1", "3.1.1", "5.1.1.1", "5.1.1000", "5.+1.1", "550"] {
            assert!(bad.parse::<EnhancedStatus>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_reply_is_explained_twice() {
        let text = |row: &Explanation| row.reply.trim_end_matches(['.', '…', ' ']).to_owned();
        let mut replies: Vec<String> = explanations().iter().map(text).collect();
        replies.sort();
        let twice = replies.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None);
    }

    #[test]
    fn every_explanation_quotes_its_own_status() {
        for row in explanations() {
            assert!(
                row.reply.contains(&row.enhanced.to_string()),
                "{}",
                row.reply
            );
            assert!(explain(row.enhanced).any(|found| found.reply == row.reply));
        }
    }
}
