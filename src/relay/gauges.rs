//! What metrics want to know of a relay that nobody counts while mail goes through: queues and spool.

use std::sync::{Arc, Mutex, Weak};

use tokio::time::Instant;

use super::lock::lock;
use super::shared::Shared;
use crate::clock;
use crate::metrics::Metrics;
use crate::spool::Observer;

/// Sets the gauges of a relay whenever metrics are shown, as long as it runs.
pub(super) fn keep(shared: &Arc<Shared>) {
    let relay: Weak<Shared> = Arc::downgrade(shared);
    shared.metrics.before_render(move |metrics| {
        let relay = relay.upgrade();
        relay.inspect(|shared| set(shared, metrics)).is_some()
    });
}

fn set(shared: &Shared, metrics: &Metrics) {
    let now = clock::now();
    for ((queue, connector), messages, oldest) in shared.tally.queues() {
        let connector = shared.connector_label(connector);
        let labels = [shared.name(), queue.as_str(), &connector];
        let age = oldest.map_or(0, |oldest| now.duration_since(oldest).as_secs().max(0));
        let messages = i64::try_from(messages).unwrap_or(i64::MAX);
        metrics.set("queue_messages", &labels, messages);
        metrics.set("queue_oldest_age_seconds", &labels, age);
    }
    let bytes = i64::try_from(shared.store.usage().disk_bytes).unwrap_or(i64::MAX);
    metrics.set("spool_bytes", &[shared.name()], bytes);
}

/// Measures how long a spool's syncs take.
pub struct SyncMeter {
    metrics: Arc<Metrics>,
    server: String,
    began: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for SyncMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncMeter")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl SyncMeter {
    /// Counts for the server of this name.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, server: &str) -> Self {
        Self {
            metrics,
            server: server.to_owned(),
            began: Mutex::default(),
        }
    }
}

impl Observer for SyncMeter {
    fn sync_begins(&self) {
        *lock(&self.began) = Some(Instant::now());
    }

    fn sync_ended(&self, _: bool) {
        if let Some(began) = lock(&self.began).take() {
            let seconds = began.elapsed().as_secs_f64();
            self.metrics
                .observe("spool_sync_seconds", &[&self.server], seconds);
        }
    }
}
