//! Where everything of a lab is.

use serde::Serialize;

use crate::report::surroundings::{Running, Surroundings};

/// The ready line of a lab.
#[derive(Serialize)]
pub(super) struct Lab<'a> {
    dns: String,
    dns_internal: String,
    http: String,
    servers: Vec<Server<'a>>,
}

impl<'a> Lab<'a> {
    pub(super) fn new(surroundings: &'a Surroundings) -> Self {
        Self {
            dns: surroundings.dns.to_string(),
            dns_internal: surroundings.dns_internal.to_string(),
            http: format!("http://{}", surroundings.http),
            servers: surroundings.servers.iter().map(Server::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct Server<'a> {
    name: &'a str,
    role: &'static str,
    smtp: String,
    submission: Option<String>,
}

impl<'a> Server<'a> {
    fn new(running: &'a Running) -> Self {
        Self {
            name: &running.name,
            role: running.role,
            smtp: running.smtp.to_string(),
            submission: running.submission.map(|address| address.to_string()),
        }
    }
}
