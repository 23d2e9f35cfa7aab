//! Rules about directory synchronization and what groups need of it.

use super::row::{Code, GROUPS};
use crate::diag::severity::Severity;

/// In alphabetical order.
pub(super) const CODES: &[Code] = &[
    Code {
        code: "owners-cannot-manage",
        severity: Severity::Warning,
        summary: "a group has an owner with a mailbox on premises, and self-service group management is off",
        matters: "Outlook offers such owners nothing: the portal is their only place, and it is closed",
        fix: "switch self-service group management on in the Entra admin center",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
    Code {
        code: "shared-content-needs-licence",
        severity: Severity::Note,
        summary: "no licence of the tenant has SharePoint and OneDrive",
        matters: "people on premises get the mail of groups and cannot open the files, site and plans that it is about",
        fix: "assign a suite with SharePoint to those who should",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
    Code {
        code: "single-sign-on-missing",
        severity: Severity::Warning,
        summary: "users cannot log on to the cloud with their account on premises",
        matters: "links in posts to files, sites and plans do not open for people on premises; mail flows",
        fix: "switch password hash synchronization on, or pass-through authentication or federation where that is required",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
    Code {
        code: "writeback-features-unticked",
        severity: Severity::Error,
        summary: "an optional feature that group writeback or the hybrid deployment needs is off in Entra Connect",
        matters: "the wizard writes the whole list: who adds group writeback and loses Exchange hybrid, loses the written-back attributes of users, so that replies to moved users fail with IMCEAEX addresses and 5.1.1; without group writeback itself the objects of groups are deleted in the next run",
        fix: "run the wizard again and select the features beside those that are selected; its sign-in page wants a working administrator",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
    Code {
        code: "writeback-lacks-permission",
        severity: Severity::Warning,
        summary: "the account of Entra Connect may not write to the organizational unit for groups",
        matters: "the export ends in permission errors, and objects are missing or old",
        fix: "Set-ADSyncUnifiedGroupWritebackPermissions for the account of the AD DS connector",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
    Code {
        code: "writeback-not-run-yet",
        severity: Severity::Warning,
        summary: "a group is younger than the last run of Entra Connect",
        matters: "it is not on premises until the next run",
        fix: "Start-ADSyncSyncCycle, then Update-Recipient",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
    Code {
        code: "writeback-ou-unreachable",
        severity: Severity::Warning,
        summary: "groups are written back to a forest in which Exchange is not",
        matters: "Exchange does not see the objects: people on premises cannot pick groups or see their members",
        fix: "choose an organizational unit in the forest of Exchange, in the scope of synchronization",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
    Code {
        code: "writeback-tool-missing-dsacls",
        severity: Severity::Note,
        summary: "a version of Entra Connect may come without DSACLS",
        matters: "the cmdlet that gives the writeback permissions fails without it",
        fix: "install a current version, or the AD DS tools of the Remote Server Administration Tools",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
    Code {
        code: "writeback-without-premium-licence",
        severity: Severity::Warning,
        summary: "the tenant has no licence with Microsoft Entra ID P1 or P2",
        matters: "group writeback does nothing: people on premises cannot pick groups or see their members",
        fix: "buy and assign Microsoft Entra ID P1 or P2, alone or in a suite",
        source: GROUPS,
        live: "directory synchronization is no part of mail: what it leaves out, no message shows",
    },
];
