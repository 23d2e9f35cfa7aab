//! Rules about recipients and their addresses.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "address-in-unverified-domain",
        severity: Severity::Error,
        summary: "a mailbox on premises has an address in a domain that neither side accepts",
        matters: "directory synchronization leaves the address out, or the whole recipient: cloud users cannot write to it",
        fix: "take the address away, or verify the domain in the tenant and accept it on both sides",
        source: "Exchange hybrid, \"A mail user who has proxy addresses that use non-verified domains isn't synced in an Exchange hybrid deployment\"",
        live: "",
    },
    Code {
        code: "ambiguous-address",
        severity: Severity::Error,
        summary: "several recipients of one organization hold the same address",
        matters: "mail to it is refused with 5.1.4 as ambiguous",
        fix: "take the address from all but one of them",
        source: "Exchange Server, \"Recipient resolution\"",
        live: "",
    },
    Code {
        code: "cloud-mailbox-unknown-on-premises",
        severity: Severity::Error,
        summary: "a mailbox of the tenant has an address that nobody on premises has, in a domain that is Authoritative there",
        matters: "users and applications on premises get 5.1.10 for an address that exists; mail from outside as well, where the MX record leads on premises",
        fix: "Enable-RemoteMailbox for the user, with the address in the domain of the hybrid wizard as RemoteRoutingAddress; New-RemoteMailbox where there is no user",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
        live: "",
    },
    Code {
        code: "mail-user-targets-own-tenant",
        severity: Severity::Error,
        summary: "a mail user of the tenant has a target address of the same tenant, and no mailbox has it",
        matters: "mail to the user follows the MX record back into the tenant, goes round there, and is refused with 5.4.14; copies of posts to groups that the user belongs to as well",
        fix: "give the user a mailbox (a licence), or let ExternalEmailAddress lead where the mailbox is; of a synchronized user it is changed on premises, as targetAddress",
        source: "Exchange Online, \"Fix email delivery issues for error code 5.4.6 or 5.4.14 in Exchange Online\"",
        live: "",
    },
    Code {
        code: "mail-user-without-target-address",
        severity: Severity::Error,
        summary: "a mail user, mail contact or remote mailbox has no target address",
        matters: "nobody knows where the mailbox is: mail to it is refused with 5.1.10, copies of posts to groups as well",
        fix: "Set-MailUser -ExternalEmailAddress in the tenant, Set-RemoteMailbox -RemoteRoutingAddress on premises, with an address that the other side's mailbox has; of a synchronized user it is changed on premises, as targetAddress",
        source: "Exchange Server, \"Recipient resolution\"",
        live: "",
    },
    Code {
        code: "on-premises-group-unknown-in-cloud",
        severity: Severity::Error,
        summary: "a distribution group on premises has an address that the tenant does not know, in a domain that is Authoritative there",
        matters: "dynamic groups are never synchronized: the service refuses mail from outside for them with 5.4.1, and mail of cloud users with 5.1.10",
        fix: "New-MailContact in the tenant with the group's address; a group that is not dynamic can be synchronized instead",
        source: "Exchange Online, \"Use Directory-Based Edge Blocking to reject messages sent to invalid recipients in Exchange Online\"",
        live: "",
    },
    Code {
        code: "on-premises-recipient-not-synchronized",
        severity: Severity::Error,
        summary: "a recipient on premises has an address that the tenant does not know, in a domain that is Authoritative there",
        matters: "the service refuses mail from outside for it at its edge with 5.4.1, and mail of cloud users with 5.1.10; nobody can add it to a group",
        fix: "bring it into the scope of directory synchronization; where recipients cannot be synchronized, make the domain InternalRelay and have a connector carry it",
        source: "Exchange Online, \"Use Directory-Based Edge Blocking to reject messages sent to invalid recipients in Exchange Online\"",
        live: "",
    },
    Code {
        code: "routing-address-is-primary",
        severity: Severity::Warning,
        summary: "the primary address of a mailbox lies in the domain that the hybrid wizard made for routing",
        matters: "people see an address of Microsoft's and answer to it; an email address policy with the routing address as its first template does it to everybody at once",
        fix: "correct EnabledEmailAddressTemplates of the email address policy, then Set-RemoteMailbox -PrimarySmtpAddress where the policy does not apply",
        source: "Exchange hybrid, \"Transport routing in Exchange hybrid deployments\"",
        live: "mail to either address arrives: what is wrong is the address that people see",
    },
    Code {
        code: "target-addresses-form-a-loop",
        severity: Severity::Error,
        summary: "target addresses lead from one recipient to the next and back to the first",
        matters: "nobody has the mailbox: across premises the message goes round until 5.4.6 or 5.4.14, inside one organization it fails at once with 5.4.6",
        fix: "decide where the mailbox is and make one there: a licence for the synchronized user in the cloud, or Enable-Mailbox on premises in the place of the mail user",
        source: "Exchange Server, \"Recipient resolution\"",
        live: "",
    },
];
