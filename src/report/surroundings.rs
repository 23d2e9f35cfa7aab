//! What a running lab has to show, in plain values.

use std::net::SocketAddr;

use crate::mail::Mailbox;

/// Where everything of a lab is.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// DNS as the Internet sees it.
    pub dns: SocketAddr,
    /// DNS as the servers inside see it.
    pub dns_internal: SocketAddr,
    /// Mailboxes and metrics.
    pub http: SocketAddr,
    /// The servers, in the order of the world.
    pub servers: Vec<Running>,
    /// A user to try things with, and where that user submits.
    pub user: Option<(Mailbox, SocketAddr)>,
    /// A group to write to.
    pub group: Option<Mailbox>,
    /// The password of every user.
    pub password: &'static str,
}

/// A running server.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its name in the world.
    pub name: String,
    /// What it is.
    pub role: &'static str,
    /// Where it takes mail.
    pub smtp: SocketAddr,
    /// Where its users submit.
    pub submission: Option<SocketAddr>,
}
