//! Rules about what is forwarded, and about mail-flow rules.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "automatic-forwarding-dropped",
        severity: Severity::Warning,
        summary: "a mailbox forwards to a domain to which nothing may be forwarded automatically",
        matters: "the copy is not sent, and neither the sender nor the user is told; the mailbox keeps the message",
        fix: "end the forwarding, or Set-RemoteDomain -AutoForwardEnabled $true for the domain; on premises the remote domain Default forbids it unless somebody allowed it",
        source: "Exchange PowerShell, \"Set-RemoteDomain\"",
        live: "",
    },
    Code {
        code: "automatic-forwarding-refused",
        severity: Severity::Error,
        summary: "a mailbox forwards to another organization, and the outbound spam filter policy does not allow it",
        matters: "whoever writes to the mailbox gets an NDR with 5.7.520; where the mailbox keeps no copy the message is lost",
        fix: "end the forwarding, or allow it for these users in an outbound spam filter policy of their own",
        source: "Microsoft 365, \"Configuring and controlling external email forwarding in Microsoft 365\"",
        live: "",
    },
    Code {
        code: "forwarded-mail-vanishes",
        severity: Severity::Error,
        summary: "a mailbox forwards everything, keeps nothing, and nothing may be forwarded automatically to the domain",
        matters: "mail for the mailbox is in no mailbox, and nobody is told",
        fix: "end the forwarding, or Set-Mailbox -DeliverToMailboxAndForward $true, or Set-RemoteDomain -AutoForwardEnabled $true for the domain",
        source: "Exchange PowerShell, \"Set-RemoteDomain\"",
        live: "nothing fails: the message is taken, and no mailbox has it",
    },
    Code {
        code: "forwarding-bypasses-premises",
        severity: Severity::Warning,
        summary: "what a cloud mailbox forwards leaves straight for the Internet although mail transport is centralized",
        matters: "the message has been on premises before it was forwarded, and is not taken there again: it leaves by the MX record of its target, from addresses that its sender's SPF record need not name",
        fix: "Set-Mailbox -ForwardingSmtpAddress $null, or accept it",
        source: "Exchange hybrid, \"Some messages aren't routed through the on-premises organization when you use centralized mail transport\"",
        live: "",
    },
    Code {
        code: "forwarding-loop",
        severity: Severity::Error,
        summary: "mailboxes forward to each other, and none keeps what it forwards",
        matters: "mail for any of them ends with 5.4.6 at the server that resolves it, and so may the NDR",
        fix: "Set-Mailbox -ForwardingAddress $null or -DeliverToMailboxAndForward $true for one of them",
        source: "Exchange Server, \"Recipient resolution\"",
        live: "",
    },
    Code {
        code: "rule-chooses-disabled-connector",
        severity: Severity::Warning,
        summary: "a mail-flow rule chooses an outbound connector that is disabled",
        matters: "messages that the rule applies to do not take the way that its author meant",
        fix: "Set-OutboundConnector -Enabled $true, or another connector in the rule",
        source: "Exchange PowerShell, \"New-TransportRule\"",
        live: "mail takes its usual way, and arrives",
    },
    Code {
        code: "rule-never-applies",
        severity: Severity::Warning,
        summary: "no message can meet a mail-flow rule that is in use",
        matters: "whatever the rule is for does not happen",
        fix: "correct the conditions, exceptions or priorities, or Disable-TransportRule",
        source: "Exchange PowerShell, \"New-TransportRule\"",
        live: "no message shows it",
    },
    Code {
        code: "rule-runs-twice",
        severity: Severity::Error,
        summary: "a mail-flow rule that adds or replaces recipients meets a message again after it has been elsewhere",
        matters: "rules of a tenant may change the recipients of a message once: the second time it is rejected with 5.7.128",
        fix: "Set-TransportRule with an exception: for the domains whose mail comes back, or for messages with a header that the rule sets",
        source: "Exchange Online, \"Loop Prevention in Exchange Online Demystified\"",
        live: "",
    },
    Code {
        code: "site-link-too-small",
        severity: Severity::Error,
        summary: "a site link on the way of internal mail has a lower size limit than the organization",
        matters: "messages between the limits fail with 5.3.4 on their way from site to site: another way is not looked for",
        fix: "Set-AdSiteLink -MaxMessageSize Unlimited, or a lower limit for the whole organization",
        source: "Exchange Server, \"Message size and recipient limits in Exchange Server\"",
        live: "",
    },
];
