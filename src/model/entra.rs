//! Directory synchronization, as far as group writeback depends on it.

use jiff::Timestamp;

use super::place::Settings;

/// How users of the forest log on to the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignInMethod {
    /// Federation.
    Adfs,
    /// Not with their account on premises.
    Nothing,
    /// Password hash synchronization.
    PasswordHash,
    /// Pass-through authentication.
    PassThrough,
}

/// Microsoft Entra Connect as a world describes it; rules ask it, routing never does (Exchange
/// hybrid, "Configure Microsoft 365 Groups with on-premises Exchange hybrid").
#[derive(Clone, Debug)]
pub struct EntraConnect {
    /// Its version as printed.
    pub version: Option<String>,
    /// Licences of the tenant, such as `P1`.
    pub licenses: Vec<String>,
    /// How users log on.
    pub sign_in: Option<SignInMethod>,
    /// Optional features that are on, such as `GroupWriteback`.
    pub features: Vec<String>,
    /// The organizational unit that groups are written to.
    pub writeback_unit: Option<String>,
    /// The forest of that unit.
    pub writeback_forest: Option<String>,
    /// Whether the account may write there.
    pub writeback_permitted: bool,
    /// When it last ran.
    pub last_sync: Option<Timestamp>,
    /// Whether users manage groups themselves.
    pub self_service_groups: bool,
    /// Where it is described.
    pub settings: Settings,
}
