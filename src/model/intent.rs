//! What the owner of a world wants to be true.

use super::place::Settings;
use crate::diag::Location;
use crate::mail::AuthAs;

/// One `[[Expect]]` of a world. It holds if every class of `from` × `to` satisfies every key that is
/// present. The words of dispositions and flags are those that `flows` prints.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// Whose mail: addresses, `*@domain`, class names, or the words of the documentation.
    pub from: Vec<(String, Option<Location>)>,
    /// To whom.
    pub to: Vec<(String, Option<Location>)>,
    /// How it must end.
    pub disposition: Option<String>,
    /// The status it must end with, as `5.7.193` or `550 5.7.193`.
    pub status: Option<String>,
    /// Connectors that it must use.
    pub through: Vec<String>,
    /// Connectors that it must not use.
    pub not_through: Vec<String>,
    /// How it must arrive.
    pub trust: Option<AuthAs>,
    /// The only flags it may have; `None`: any.
    pub flags: Option<Vec<String>>,
    /// Whether every hop between organizations must use TLS.
    pub tls: Option<bool>,
    /// Where it is written.
    pub settings: Settings,
}
