//! The keys of remote domains, which both dialects have (Exchange PowerShell, "Set-RemoteDomain").

use super::kind::{Key, boolean, choice, switch};

pub(super) const REMOTE_IS_INTERNAL: Key = boolean(
    "IsInternal",
    "false",
    "Whether its recipients count as the organization's own.",
);
pub(super) const REMOTE_AUTO_FORWARD: Key = switch(
    "AutoForwardEnabled",
    "Whether mail is forwarded to it automatically; absent: true, but for the Default domain on premises.",
);
pub(super) const REMOTE_TRUSTED_IN: Key = boolean(
    "TrustedMailInboundEnabled",
    "false",
    "Whether mail from it passes the recipient filter.",
);
pub(super) const REMOTE_TRUSTED_OUT: Key = boolean(
    "TrustedMailOutboundEnabled",
    "false",
    "Whether mail to it is treated as trusted.",
);
pub(super) const REMOTE_NDR: Key = boolean("NDREnabled", "true", "Whether NDRs go to it.");
pub(super) const REMOTE_DELIVERY_REPORT: Key = boolean(
    "DeliveryReportEnabled",
    "true",
    "Whether delivery receipts go to it.",
);
pub(super) const REMOTE_OOF: Key = choice(
    "AllowedOOFType",
    &["External", "ExternalLegacy", "InternalLegacy", "None"],
    "Which automatic replies go to it; routing does not ask.",
)
.default("External");
