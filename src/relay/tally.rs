//! How many messages are in which queue, and since when: for metrics, which ask now and then.
//!
//! A message is in a queue as long as its [`Place`] lives, so no way out of one can be forgotten
//! (Exchange Server, "Queues and messages in queues").

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::lock::lock;
use crate::model::SendConnectorId;

/// The kinds of queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Queued {
    /// On its way to a mailbox or a next hop, or to be tried again.
    Delivery,
    /// Cannot be read, or does not fit the world: nobody tries it again.
    Poison,
    /// The categorizer has it: found at the start, or its sender is to be told of failures.
    Submission,
    /// No connector covers the recipient.
    Unreachable,
}

impl Queued {
    /// The label of metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Poison => "poison",
            Self::Submission => "submission",
            Self::Unreachable => "unreachable",
        }
    }
}

/// A queue as metrics tell them apart.
type Series = (Queued, Option<SendConnectorId>);

/// What is in the queues of a relay: moments at which messages were taken over, oldest first.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<HashMap<Series, BTreeMap<Timestamp, usize>>>);

/// A message in a queue.
#[derive(Debug)]
pub(super) struct Place {
    tally: Arc<Tally>,
    series: Series,
    arrived: Timestamp,
    /// Whether it is there when nobody holds it any more.
    stays: bool,
}

impl Tally {
    /// Puts a message into a queue.
    pub(super) fn enter(
        self: &Arc<Self>,
        queue: Queued,
        connector: Option<SendConnectorId>,
        arrived: Timestamp,
    ) -> Place {
        let series = (queue, connector);
        let mut queues = lock(&self.0);
        *queues
            .entry(series)
            .or_default()
            .entry(arrived)
            .or_default() += 1;
        Place {
            tally: self.clone(),
            series,
            arrived,
            stays: false,
        }
    }

    /// Every queue that ever had a message: how many it has, and when the oldest was taken over.
    pub(super) fn queues(&self) -> Vec<(Series, usize, Option<Timestamp>)> {
        let queues = lock(&self.0);
        let queues = queues.iter().map(|(series, messages)| {
            let oldest = messages.keys().next().copied();
            (*series, messages.values().sum(), oldest)
        });
        queues.collect()
    }
}

impl Place {
    /// Leaves the message where it is until the relay ends.
    pub(super) fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        let mut queues = lock(&self.tally.0);
        let Some(messages) = queues.get_mut(&self.series) else {
            return;
        };
        if let Some(count) = messages.get_mut(&self.arrived) {
            *count -= 1;
            if *count == 0 {
                messages.remove(&self.arrived);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_message_is_in_its_queue_as_long_as_its_place_lives() {
        let tally = Arc::new(Tally::default());
        let enter = |second| tally.enter(Queued::Delivery, None, at(second));
        let (first, twin, second) = (enter(1), enter(1), enter(2));
        let series = (Queued::Delivery, None);
        assert_eq!(tally.queues(), [(series, 3, Some(at(1)))]);
        drop(first);
        assert_eq!(tally.queues(), [(series, 2, Some(at(1)))]);
        drop(twin);
        assert_eq!(tally.queues(), [(series, 1, Some(at(2)))]);
        second.stay();
        assert_eq!(tally.queues(), [(series, 1, Some(at(2)))]);
    }
}
