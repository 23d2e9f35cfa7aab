//! How many sessions are open at each Receive connector, in all and from each address (Exchange
//! Server, "Message rate limits and throttling").

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{ReceiveConnectorId, SessionLimits};

/// The sessions that are open.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<ReceiveConnectorId, Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_source: HashMap<IpAddr, u32>,
}

/// One open session; it counts until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    sessions: Arc<Sessions>,
    connector: ReceiveConnectorId,
    source: IpAddr,
}

impl Sessions {
    /// A place for a session, unless its connector or its client has as many as are allowed.
    pub(super) fn enter(
        self: &Arc<Self>,
        connector: ReceiveConnectorId,
        limits: &SessionLimits,
        source: IpAddr,
    ) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.entry(connector).or_default();
        let of_source = here.by_source.get(&source).copied().unwrap_or_default();
        if !limits.admit(here.total, of_source) {
            return None;
        }
        here.total += 1;
        here.by_source.insert(source, of_source + 1);
        Some(Place {
            sessions: self.clone(),
            connector,
            source,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = &self.sessions.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(here) = open.get_mut(&self.connector) else {
            return;
        };
        here.total = here.total.saturating_sub(1);
        if let Some(count) = here.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                here.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_ends_makes_room() {
        let sessions = Arc::new(Sessions::default());
        let limits = SessionLimits {
            total: Some(3),
            per_source: Some(2),
            percent_per_source: 100,
        };
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let enter = |source| sessions.enter(ReceiveConnectorId::new(0), &limits, address(source));
        let first = enter("192.0.2.1").expect("nobody is there");
        let _second = enter("192.0.2.1").expect("one is there");
        assert!(enter("192.0.2.1").is_none(), "two of one source");
        let _third = enter("192.0.2.2").expect("another source");
        assert!(enter("192.0.2.3").is_none(), "three in all");
        drop(first);
        assert!(enter("192.0.2.1").is_some());
    }
}
