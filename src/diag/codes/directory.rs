//! Rules about recipients and their addresses.

use super::row::Code;
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
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
        code: "mail-user-targets-own-tenant",
        severity: Severity::Error,
        summary: "a mail user of the tenant has a target address of the same tenant, and no mailbox has it",
        matters: "mail to the user follows the MX record back into the tenant, goes round there, and is refused with 5.4.14; copies of posts to groups that the user belongs to as well",
        fix: "give the user a mailbox (a licence), or let ExternalEmailAddress lead where the mailbox is; of a synchronized user it is changed on premises, as targetAddress",
        source: "Exchange Online, \"Fix email delivery issues for error code 5.4.6 or 5.4.14 in Exchange Online\"",
        live: "",
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
