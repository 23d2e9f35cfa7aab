//! Every Prometheus metric: name, type, labels and help text in one table, and what counts them.
//!
//! Label values come from closed sets and are set to zero at the start, so the number of series does
//! not depend on traffic.
//!
//! Invariant: a metric that is not in the table does not exist.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets of seconds.
    Histogram,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, without the prefix `hybridmx_`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, behind `server` where a server counts it.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
    /// Whether each server counts it, or the process once.
    pub scope: Scope,
    /// Upper bounds of a histogram, in seconds.
    pub buckets: &'static [f64],
}

/// Who counts a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The process, for all its servers.
    Process,
    /// Each server, which its first label names.
    Server,
}

impl Metric {
    /// All its labels.
    fn all_labels(&self) -> Vec<&'static str> {
        let server = (self.scope == Scope::Server).then_some("server");
        server
            .into_iter()
            .chain(self.labels.iter().copied())
            .collect()
    }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        help,
        scope: Scope::Server,
        buckets: &[],
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        kind: Kind::Gauge,
        ..counter(name, labels, help)
    }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    buckets: &'static [f64],
) -> Metric {
    Metric {
        kind: Kind::Histogram,
        buckets,
        ..counter(name, labels, help)
    }
}

/// What disks, name servers and the like take, in seconds.
const SHORT: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// What mail takes: at once, with a retry or several, or until it expires, in seconds.
const LONG: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0,
    43_200.0, 86_400.0, 172_800.0,
];

/// Every metric, in alphabetical order.
pub const TABLE: &[Metric] = &[
    histogram(
        "delivery_latency_seconds",
        &["connector"],
        "Time from acceptance to a recipient's delivery, here or to the next hop.",
        LONG,
    ),
    histogram(
        "dns_lookup_seconds",
        &["type", "outcome"],
        "Time until the hosts of a domain were found.",
        SHORT,
    ),
    counter(
        "dns_lookups_total",
        &["type", "outcome"],
        "Questions asked of name servers.",
    ),
    counter(
        "duplicate_deliveries_total",
        &[],
        "Copies dropped because the mailbox had the message already.",
    ),
    counter(
        "echo_back_total",
        &["expected"],
        "Own messages that came back to their senders.",
    ),
    counter("group_messages_total", &["outcome"], "Messages to groups."),
    counter(
        "loops_total",
        &["kind"],
        "Messages that went round, by what found out.",
    ),
    counter(
        "messages_bounced_total",
        &["connector", "enhanced"],
        "Recipients that failed and were reported by this server. Nobody is told of a message with the null reverse-path, so its recipients are not among them.",
    ),
    counter(
        "messages_deferred_total",
        &["connector", "enhanced"],
        "Attempts that are to be repeated.",
    ),
    counter(
        "messages_delivered_total",
        &["connector"],
        "Recipients delivered to mailboxes of this server.",
    ),
    counter(
        "messages_expired_total",
        &["connector"],
        "Recipients given up after the expiration time; those that were reported are among the bounced ones as well.",
    ),
    counter(
        "messages_received_total",
        &["connector"],
        "Messages taken over.",
    ),
    counter(
        "messages_rejected_total",
        &["connector", "enhanced"],
        "Recipients and messages refused in the session.",
    ),
    counter(
        "messages_relayed_total",
        &["connector"],
        "Recipients handed to another server.",
    ),
    counter(
        "misrouted_total",
        &["reason"],
        "Messages that left the path their premises prescribe.",
    ),
    gauge(
        "queue_messages",
        &["queue", "connector"],
        "Messages in a queue, those being sent and those to be tried again included; one that goes to several next hops counts at each.",
    ),
    gauge(
        "queue_oldest_age_seconds",
        &["queue", "connector"],
        "Time since the oldest message in a queue was taken over; 0 where there is none.",
    ),
    counter(
        "smtp_replies_total",
        &["direction", "connector", "class"],
        "SMTP replies, said to clients (in) and heard from servers (out).",
    ),
    gauge(
        "smtp_sessions",
        &["direction", "connector"],
        "SMTP sessions open.",
    ),
    counter(
        "smtp_sessions_total",
        &["direction", "connector"],
        "SMTP sessions begun.",
    ),
    gauge("spool_bytes", &[], "Space the spool takes up on the disk."),
    histogram(
        "spool_sync_seconds",
        &[],
        "Time of a sync of the spool.",
        SHORT,
    ),
    counter(
        "tls_handshakes_total",
        &["direction", "version", "outcome"],
        "TLS handshakes; one that failed has no version.",
    ),
    Metric {
        scope: Scope::Process,
        ..gauge(
            "world_findings",
            &["severity"],
            "What `hybridmx check` finds in the world, counted at the start.",
        )
    },
    counter(
        "wrong_trust_total",
        &["direction"],
        "Messages that arrived with another trust than their path gives.",
    ),
];

/// Closed sets of label values that are known without a world.
const PRESET: &[(&str, &[&[&str]])] = &[
    (
        "loops_total",
        &[&[
            "hop_count",
            "local_hop_count",
            "mx_self",
            "revisit",
            "attribution",
            "recipient",
            "forwarding",
        ]],
    ),
    (
        "misrouted_total",
        &[&[
            "not_hybrid_connector",
            "group_domain_not_eop",
            "third_party",
            "wrong_premises",
        ]],
    ),
    (
        "wrong_trust_total",
        &[&["anonymous_expected_internal", "internal_expected_anonymous"]],
    ),
    ("echo_back_total", &[&["true", "false"]]),
    ("group_messages_total", &[&["delivered", "refused"]]),
    (
        "tls_handshakes_total",
        &[
            &["in", "out"],
            &["1.2", "1.3", "none"],
            &["succeeded", "failed"],
        ],
    ),
    (
        "dns_lookups_total",
        &[&["MX", "A"], &["answered", "failed"]],
    ),
    (
        "dns_lookup_seconds",
        &[&["MX", "A"], &["answered", "failed"]],
    ),
    ("world_findings", &[&["error", "warning", "note"]]),
];

/// The statuses that `enhanced` may name; anything else is `other`.
const ENHANCED: &[&str] = &[
    "4.2.0", "4.3.1", "4.3.2", "4.4.0", "4.4.1", "4.4.4", "4.4.7", "4.4.312", "4.4.316", "4.4.317",
    "4.5.3", "4.7.0", "4.7.5", "5.1.0", "5.1.1", "5.1.3", "5.1.4", "5.1.5", "5.1.6", "5.1.7",
    "5.1.10", "5.2.3", "5.2.4", "5.3.4", "5.3.5", "5.4.1", "5.4.4", "5.4.6", "5.4.14", "5.5.3",
    "5.6.0", "5.6.11", "5.7.1", "5.7.3", "5.7.12", "5.7.51", "5.7.54", "5.7.57", "5.7.60",
    "5.7.64", "5.7.68", "5.7.124", "5.7.129", "5.7.133", "5.7.134", "5.7.136", "5.7.193",
    "5.7.520", "5.7.711",
];

/// The values that a label of a metric can have; `None` where they are names of the world.
#[must_use]
pub fn closed_values(metric: &str, label: &str) -> Option<Vec<&'static str>> {
    let row = TABLE.iter().find(|row| row.name == metric)?;
    let position = row.labels.iter().position(|other| *other == label)?;
    let own = PRESET
        .iter()
        .find(|(name, _)| *name == metric)
        .map(|(_, sets)| sets[position].to_vec());
    own.or_else(|| match label {
        "enhanced" => Some(ENHANCED.iter().copied().chain(["other"]).collect()),
        "direction" => Some(vec!["in", "out"]),
        "class" => Some(vec!["2", "3", "4", "5"]),
        "queue" => Some(vec!["submission", "delivery", "unreachable", "poison"]),
        _ => None,
    })
}

/// The value of `enhanced` for a status.
#[must_use]
pub fn enhanced_label(status: &str) -> &'static str {
    ENHANCED
        .iter()
        .copied()
        .find(|known| *known == status)
        .unwrap_or("other")
}

enum Family {
    Counter(IntCounterVec),
    Gauge(IntGaugeVec),
    Histogram(HistogramVec),
}

/// One series of a counter, for those who count often.
#[derive(Clone, Debug)]
pub struct Counter(IntCounter);

impl Counter {
    /// Counts so many more.
    pub fn add(&self, by: u64) {
        self.0.inc_by(by);
    }
}

/// What sets gauges before they are shown; false when there is nothing left to set them from.
type Refresh = Box<dyn Fn(&Metrics) -> bool + Send + Sync>;

/// The metrics of all servers of one process.
pub struct Metrics {
    registry: Registry,
    families: BTreeMap<&'static str, Family>,
    refresh: Mutex<Vec<Refresh>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every metric of the table, without a server yet.
    ///
    /// # Panics
    /// When the table is wrong: a mistake of the program.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let mut families = BTreeMap::new();
        for row in TABLE {
            let name = format!("hybridmx_{}", row.name);
            let labels = row.all_labels();
            let wrong = "the table of metrics is well-formed";
            let (family, collector): (Family, Box<dyn Collector>) = match row.kind {
                Kind::Counter => {
                    let family =
                        IntCounterVec::new(Opts::new(name, row.help), &labels).expect(wrong);
                    (Family::Counter(family.clone()), Box::new(family))
                }
                Kind::Gauge => {
                    let family = IntGaugeVec::new(Opts::new(name, row.help), &labels).expect(wrong);
                    (Family::Gauge(family.clone()), Box::new(family))
                }
                Kind::Histogram => {
                    let options = HistogramOpts::new(name, row.help).buckets(row.buckets.to_vec());
                    let family = HistogramVec::new(options, &labels).expect(wrong);
                    (Family::Histogram(family.clone()), Box::new(family))
                }
            };
            registry.register(collector).expect(wrong);
            families.insert(row.name, family);
        }
        let metrics = Self {
            registry,
            families,
            refresh: Mutex::default(),
        };
        metrics.preset_rows(Scope::Process, &[], &[]);
        metrics
    }

    /// Sets every series of a server to zero: `connectors` are the names it may count for.
    pub fn preset(&self, server: &str, connectors: &[&str]) {
        self.preset_rows(Scope::Server, &[server], connectors);
    }

    fn preset_rows(&self, scope: Scope, first: &[&str], connectors: &[&str]) {
        for row in TABLE.iter().filter(|row| row.scope == scope) {
            let mut sets: Vec<Vec<&str>> = first.iter().map(|label| vec![*label]).collect();
            for label in row.labels {
                sets.push(match closed_values(row.name, label) {
                    Some(values) => values,
                    None => connectors.to_vec(),
                });
            }
            for values in product(&sets) {
                match &self.families[row.name] {
                    Family::Counter(family) => family.with_label_values(&values).inc_by(0),
                    Family::Gauge(family) => family.with_label_values(&values).set(0),
                    Family::Histogram(family) => {
                        family.with_label_values(&values);
                    }
                }
            }
        }
    }

    /// The series of a counter with these labels; `None` where there is no such counter.
    #[must_use]
    pub fn counter(&self, name: &str, labels: &[&str]) -> Option<Counter> {
        match self.families.get(name)? {
            Family::Counter(family) => Some(Counter(family.with_label_values(labels))),
            Family::Gauge(_) | Family::Histogram(_) => None,
        }
    }

    /// Has gauges set whenever metrics are shown, until `refresh` gives false.
    pub fn before_render(&self, refresh: impl Fn(&Self) -> bool + Send + Sync + 'static) {
        self.refreshers().push(Box::new(refresh));
    }

    fn refreshers(&self) -> std::sync::MutexGuard<'_, Vec<Refresh>> {
        // A list is whole, whoever panicked beside it.
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more.
    pub fn count(&self, name: &str, labels: &[&str]) {
        if let Some(Family::Counter(family)) = self.families.get(name) {
            family.with_label_values(labels).inc();
        }
    }

    /// Moves a gauge.
    pub fn add(&self, name: &str, labels: &[&str], by: i64) {
        if let Some(Family::Gauge(family)) = self.families.get(name) {
            family.with_label_values(labels).add(by);
        }
    }

    /// Sets a gauge.
    pub fn set(&self, name: &str, labels: &[&str], to: i64) {
        if let Some(Family::Gauge(family)) = self.families.get(name) {
            family.with_label_values(labels).set(to);
        }
    }

    /// Adds a duration to a histogram.
    pub fn observe(&self, name: &str, labels: &[&str], seconds: f64) {
        if let Some(Family::Histogram(family)) = self.families.get(name) {
            family.with_label_values(labels).observe(seconds);
        }
    }

    /// Everything in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.refreshers().retain(|refresh| refresh(self));
        let mut bytes = Vec::new();
        // Writing to memory does not fail; a metric that cannot be shown is left out.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// Every choice of one value from each set.
fn product<'a>(sets: &[Vec<&'a str>]) -> Vec<Vec<&'a str>> {
    sets.iter().fold(vec![Vec::new()], |rows, set| {
        rows.iter()
            .flat_map(|row| {
                set.iter()
                    .map(move |value| [row.as_slice(), &[*value]].concat())
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_exist_before_anything_happens() {
        let metrics = Metrics::new();
        metrics.preset("EX01", &["Internet", "none"]);
        let before = metrics.render().lines().count();
        assert!(
            metrics
                .render()
                .contains("hybridmx_loops_total{kind=\"revisit\",server=\"EX01\"} 0")
        );
        metrics.count("loops_total", &["EX01", "revisit"]);
        metrics.count(
            "messages_bounced_total",
            &["EX01", "Internet", enhanced_label("5.9.9")],
        );
        assert_eq!(metrics.render().lines().count(), before);
        assert!(
            metrics
                .render()
                .contains("hybridmx_loops_total{kind=\"revisit\",server=\"EX01\"} 1")
        );
    }
}
