//! What is said of each code.

use crate::diag::severity::Severity;

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
    /// Why no live run can show it; empty where mail shows it.
    pub live: &'static str,
}

/// The article on groups in hybrid deployments.
pub(super) const GROUPS: &str =
    "Exchange Server, \"Configure Microsoft 365 Groups with on-premises Exchange hybrid\"";

/// For mistakes in files.
pub(super) const IN_FILES: &str =
    "it is about files: nothing runs until it is mended or has been read";
