//! Active Directory sites and the links between them (Exchange Server, "Mail routing in Exchange
//! Server").

use super::id::OrganizationId;
use super::place::Settings;
use crate::mail::Limit;

/// An Active Directory site.
#[derive(Clone, Debug)]
pub struct Site {
    /// Whose forest it is in.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// `HubSiteEnabled`: messages whose least-cost path leads through it stop here.
    pub hub: bool,
    /// Where it is described.
    pub settings: Settings,
}

/// An IP site link.
#[derive(Clone, Debug)]
pub struct SiteLink {
    /// Whose forest it is in.
    pub organization: OrganizationId,
    /// Its name.
    pub name: String,
    /// The names of the sites that it joins, each with each.
    pub sites: Vec<String>,
    /// Its cost in Active Directory.
    pub cost: u32,
    /// `ExchangeCost`, which replaces the cost for mail.
    pub exchange_cost: Option<u32>,
    /// Larger messages do not pass.
    pub max_message_size: Limit,
    /// Where it is described.
    pub settings: Settings,
}
