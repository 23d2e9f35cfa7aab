//! What kept a delivery from its next hop, in the words of Exchange's LastError.

use super::record::Endpoint;
use crate::mail::Status;
use crate::route::Happened;

/// What came of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) happened: Happened,
    /// Where the attempt went, if it got as far as an address.
    pub(super) endpoint: Option<Endpoint>,
    /// Why there is no connection.
    pub(super) detail: Option<String>,
}

impl From<Happened> for Trouble {
    fn from(happened: Happened) -> Self {
        Self {
            happened,
            endpoint: None,
            detail: None,
        }
    }
}

impl Trouble {
    /// That, before any address was tried.
    pub(super) fn nowhere(happened: Happened) -> Self {
        happened.into()
    }

    /// That, at this address.
    pub(super) fn at(happened: Happened, endpoint: Endpoint) -> Self {
        Self {
            happened,
            endpoint: Some(endpoint),
            detail: None,
        }
    }

    /// No connection with this address came about.
    pub(super) fn no_connection(detail: String, endpoint: Endpoint) -> Self {
        Self {
            happened: Happened::NoConnection,
            endpoint: Some(endpoint),
            detail: Some(detail),
        }
    }

    /// Whether the other end said what the sender is told.
    pub(super) fn said_there(&self) -> bool {
        let said = matches!(self.happened, Happened::Reply(_) | Happened::Greeting(_));
        said && self.endpoint.is_some()
    }

    /// The queue's last error, with the particulars that a prediction cannot know.
    pub(super) fn in_words(&self, status: &Status) -> Status {
        let (Happened::NoConnection, Some(endpoint)) = (&self.happened, &self.endpoint) else {
            return status.clone();
        };
        let detail = self.detail.as_deref().unwrap_or("Failed to connect.");
        status.with_text(format!(
            "{}: \"{detail}\" Attempted failover to alternate host, but that did not succeed. \
             Either there are no alternate hosts, or delivery failed to all alternate hosts. \
             The last endpoint attempted was {}",
            status.text, endpoint.address
        ))
    }
}

/// Why a connection was not made, as Exchange says it: by the numbers that Windows has for it.
pub(super) fn not_connected(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let number = match error.kind() {
        ErrorKind::NetworkUnreachable => 10051,
        ErrorKind::ConnectionReset => 10054,
        ErrorKind::TimedOut => 10060,
        ErrorKind::ConnectionRefused => 10061,
        ErrorKind::HostUnreachable => 10065,
        // No number is better than a wrong one.
        _ => return format!("Failed to connect. {error}."),
    };
    format!("Failed to connect. Winsock error code: {number}, Win32 error code: {number}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EXCHANGE_SERVER;

    #[test]
    fn a_refused_connection_says_where_and_why() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let endpoint = Endpoint {
            host: "next.example".to_owned(),
            address: "10.0.0.1:25".parse().unwrap(),
        };
        let trouble = Trouble::no_connection(not_connected(&refused), endpoint);
        assert_eq!(
            trouble.in_words(&EXCHANGE_SERVER.no_connection).to_string(),
            "441 4.4.1 Error encountered while communicating with primary target IP address: \
             \"Failed to connect. Winsock error code: 10061, Win32 error code: 10061.\" Attempted \
             failover to alternate host, but that did not succeed. Either there are no alternate \
             hosts, or delivery failed to all alternate hosts. The last endpoint attempted was \
             10.0.0.1:25"
        );
    }
}
