//! What a rule or a broken world lacks, and why. Why no live run can show a rule is part of what
//! `hybridmx explain` says (`live`), and not here.

use hybridmx::diag::Severity;

/// An exception for a code.
pub(super) struct Exempt {
    pub(super) code: &'static str,
    pub(super) why: &'static str,
}

const fn exempt(code: &'static str, why: &'static str) -> Exempt {
    Exempt { code, why }
}

/// Rules without a broken world.
pub(super) const WORLD: &[Exempt] = &[
    exempt(
        "group-echo-off",
        "the default, which healthy worlds have as well",
    ),
    exempt(
        "group-footer-links-unusable",
        "by design, and so in healthy worlds as well",
    ),
    exempt(
        "group-not-in-navigation-bar",
        "by design, and so in healthy worlds as well",
    ),
    exempt(
        "mail-loops",
        "for causes that no rule knows: a world whose cause is known gives that rule's finding",
    ),
    exempt(
        "mail-not-delivered",
        "for causes that no rule knows: a world whose cause is known gives that rule's finding",
    ),
    exempt(
        "trust-lost",
        "for causes that no rule knows: a world whose cause is known gives that rule's finding",
    ),
];

/// Rules whose finding has no edits.
pub(super) const EDITS: &[Exempt] = &[
    exempt(
        "expectation-matches-nothing",
        "only its owner knows whom he meant; no setting of Exchange is wrong",
    ),
    exempt(
        "expectation-not-met",
        "only its owner knows whether the path or the expectation is wrong",
    ),
    exempt(
        "unknown-fact",
        "what the world does not say cannot be made up",
    ),
];

/// A world in which a finding is less severe than its code.
pub(super) struct Milder {
    pub(super) world: &'static str,
    pub(super) severity: Severity,
    pub(super) why: &'static str,
}

/// Worlds in which the fault loses no mail.
pub(super) const MILDER: &[Milder] = &[
    Milder {
        world: "broken-group-domain-not-internal-relay-external-relay",
        severity: Severity::Warning,
        why: "what is relayed arrives, whatever the type is called",
    },
    Milder {
        world: "broken-group-domain-not-internal-relay-wider-entry",
        severity: Severity::Warning,
        why: "every group is written back, so mail arrives until the next group is made",
    },
    Milder {
        world: "broken-group-domain-not-internal-relay-written-back",
        severity: Severity::Warning,
        why: "every group is written back, so mail arrives until the next group is made",
    },
    Milder {
        world: "broken-hybrid-server-out-of-date-2019",
        severity: Severity::Warning,
        why: "what the service does with mail of such servers stands in no setting",
    },
    Milder {
        world: "broken-outbound-connectors-compete-later",
        severity: Severity::Warning,
        why: "the hybrid connector wins, for its name sorts first",
    },
    Milder {
        world: "broken-writeback-features-unticked-passwords",
        severity: Severity::Warning,
        why: "users log on in vain, and their mail arrives",
    },
];

/// A world whose fault takes more lines.
pub(super) struct Large {
    pub(super) world: &'static str,
    pub(super) lines: usize,
    pub(super) why: &'static str,
}

/// Worlds that differ from every healthy one by more.
pub(super) const LARGE: &[Large] = &[
    Large {
        world: "broken-certificate-name-too-long-for-edge",
        lines: 11,
        why: "the certificate has another name wherever it is named",
    },
    Large {
        world: "broken-smart-host-of-another-region-endpoint",
        lines: 16,
        why: "the endpoint is another tenant's",
    },
    Large {
        world: "broken-target-addresses-form-a-loop-inside",
        lines: 16,
        why: "two mail users on premises and two in the tenant",
    },
];
