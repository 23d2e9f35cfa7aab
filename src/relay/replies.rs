//! Counts SMTP replies by their class in the bytes that carry them, however these are cut.

use super::shared::Shared;
use crate::metrics::Counter;

/// The first digit of a reply (RFC 5321 §4.2.1); 1 is not used by SMTP.
const CLASSES: [&str; 4] = ["2", "3", "4", "5"];

/// What a session's replies are counted with.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// One for each class.
    counters: Vec<Counter>,
    /// The first bytes of the present line.
    head: [u8; 4],
    /// How many bytes of the line there are, 4 at most.
    seen: usize,
}

impl Replies {
    /// For sessions of a connector; `direction` is `in` or `out`.
    pub(super) fn new(shared: &Shared, direction: &str, connector: &str) -> Self {
        let counter = |class: &&str| {
            let labels = [shared.name(), direction, connector, class];
            shared.metrics.counter("smtp_replies_total", &labels)
        };
        Self {
            counters: CLASSES.iter().filter_map(counter).collect(),
            ..Self::default()
        }
    }

    /// Counts the replies that end in these bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (line, next) = rest.split_at(end.unwrap_or(rest.len()));
            let taken = line.len().min(self.head.len() - self.seen);
            self.head[self.seen..self.seen + taken].copy_from_slice(&line[..taken]);
            self.seen += taken;
            rest = match end {
                Some(_) => {
                    self.end_line();
                    &next[1..]
                }
                None => next,
            };
        }
    }

    /// A line of a reply that goes on has a hyphen behind the code.
    fn end_line(&mut self) {
        let is_last = self.seen >= 3 && self.head[3] != b'-';
        let class = usize::from(self.head[0].wrapping_sub(b'2'));
        if let Some(counter) = self.counters.get(class).filter(|_| is_last) {
            counter.add(1);
        }
        self.head = [0; 4];
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn replies_are_counted_however_their_bytes_are_cut() {
        let text = b"220 hi\r\n250-a\r\n250-b\r\n250 c\r\n354\r\n550 5.1.1 no\r\nnonsense\r\n";
        for size in 1..text.len() {
            let metrics = Metrics::new();
            let counter = |class: &&str| {
                metrics.counter("smtp_replies_total", &["EX01", "in", "none", class])
            };
            let mut replies = Replies {
                counters: CLASSES.iter().filter_map(counter).collect(),
                ..Replies::default()
            };
            text.chunks(size).for_each(|part| replies.read(part));
            let shown = metrics.render();
            for (class, count) in [("2", 2), ("3", 1), ("4", 0), ("5", 1)] {
                let line = format!(
                    "hybridmx_smtp_replies_total{{class=\"{class}\",connector=\"none\",direction=\"in\",server=\"EX01\"}} {count}"
                );
                assert!(shown.contains(&line), "{size}: {line} is not in {shown}");
            }
        }
    }
}
