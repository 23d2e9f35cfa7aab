//! Runs a dialog: drives the session under test and compares what it says and reports.

use std::collections::VecDeque;
use std::time::Duration;

use super::script::{Action, Script, Side, Step, unescape};
use super::{client, server};

/// How a flight of input is cut into reads.
pub(super) type Cut<'a> = &'a mut dyn FnMut(&[u8]) -> Vec<usize>;

/// A session under test with its driver.
pub(super) trait Driver {
    /// What arrived.
    fn input(&mut self, bytes: &[u8], log: &mut Log);
    /// What the driver is told to do.
    fn directive(&mut self, word: &str, argument: &str, log: &mut Log);
    /// From where on the bytes must arrive in one read with those before.
    fn whole_from(&self, flight: &[u8]) -> usize {
        flight.len()
    }
    /// Whether the session is over.
    fn is_over(&self) -> bool;
}

/// All that a session did.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Log {
    /// When it is.
    pub(super) now: Duration,
    /// Everything it said.
    pub(super) said: Vec<u8>,
    /// Everything it reported but the text of messages.
    pub(super) reported: Vec<String>,
    /// The text of each message.
    pub(super) messages: Vec<Vec<u8>>,
}

/// Runs `script` with its input cut by `cut`, and gives what the session did.
pub(super) fn run(script: &Script, cut: Cut<'_>) -> Log {
    let (log, check, is_over) = play(script, cut);
    check.silent(&log);
    check.over(&log, is_over);
    log
}

/// Runs `script` and checks no more than its lines say; also gives whether the session is over.
pub(super) fn play(script: &Script, cut: Cut<'_>) -> (Log, Check, bool) {
    let settings: Vec<_> = script.steps.iter().filter_map(setting).collect();
    let mut log = Log::default();
    let mut driver: Box<dyn Driver> = match script.side {
        Side::Client => Box::new(client::Driven::new(&settings)),
        Side::Server => Box::new(server::Driven::new(&settings, &mut log)),
    };
    let mut check = Check::default();
    for step in &script.steps {
        check.place = format!("{}.smtp:{}", script.name, step.line);
        match &step.action {
            Action::Input(flight) => feed(driver.as_mut(), flight, cut, &mut log),
            Action::Said(line) => check.said(&log, line),
            Action::Reported(event) => check.reported(&log, event),
            Action::Directive(word, argument) => match word.as_str() {
                "set" => {}
                "silent" => check.silent(&log),
                "message" => check.message(&log, &unescape(argument)),
                _ => driver.directive(word, argument, &mut log),
            },
        }
    }
    (log, check, driver.is_over())
}

fn setting(step: &Step) -> Option<(&str, &str)> {
    match &step.action {
        Action::Directive(word, argument) if word == "set" => {
            Some(argument.split_once(' ').unwrap_or((argument, "")))
        }
        _ => None,
    }
}

fn feed(driver: &mut dyn Driver, flight: &[u8], cut: Cut<'_>, log: &mut Log) {
    let mut cuts = cut(flight);
    let whole_from = driver.whole_from(flight);
    cuts.retain(|&at| at < whole_from);
    cuts.push(flight.len());
    cuts.sort_unstable();
    let mut from = 0;
    for to in cuts {
        if from < to {
            driver.input(&flight[from..to], log);
            from = to;
        }
    }
}

/// How far what was said and reported is checked.
#[derive(Default)]
pub(super) struct Check {
    place: String,
    said: usize,
    reported: usize,
}

impl Check {
    fn said(&mut self, log: &Log, expected: &[u8]) {
        let rest = &log.said[self.said..];
        let shown = String::from_utf8_lossy(rest);
        let end = rest.windows(2).position(|pair| pair == b"\r\n");
        let place = &self.place;
        let end = end.unwrap_or_else(|| panic!("{place}: nothing more was said but {shown:?}"));
        assert!(
            matches(&rest[..end], expected),
            "{place}: expected {:?}, then came {shown:?}",
            String::from_utf8_lossy(expected),
        );
        self.said += end + 2;
    }

    fn silent(&self, log: &Log) {
        let rest = String::from_utf8_lossy(&log.said[self.said..]);
        assert!(rest.is_empty(), "{}: {rest:?} was said too", self.place);
    }

    /// The event comes after those that were checked already.
    fn reported(&mut self, log: &Log, expected: &str) {
        let rest = &log.reported[self.reported..];
        let found = rest.iter().position(|event| event == expected);
        let found = found.unwrap_or_else(|| panic!("{}: reported {rest:#?}", self.place));
        self.reported += found + 1;
    }

    fn message(&self, log: &Log, expected: &[u8]) {
        let shown = log
            .messages
            .last()
            .map(|text| String::from_utf8_lossy(text));
        assert_eq!(
            shown,
            Some(String::from_utf8_lossy(expected)),
            "{}",
            self.place
        );
    }

    /// A session that is over says so, and a script says that it is.
    fn over(&self, log: &Log, is_over: bool) {
        let last = log.reported.last().map_or("", String::as_str);
        let says_so = last.starts_with("closed") || last.starts_with("failed");
        assert_eq!(is_over, says_so, "{}: {:#?}", self.place, log.reported);
        let told = self.reported == log.reported.len();
        assert!(
            !is_over || told,
            "{}: the script must end with E: {last}",
            self.place
        );
    }
}

fn matches(line: &[u8], expected: &[u8]) -> bool {
    match expected.strip_suffix(b"ready at *") {
        Some(start) => line.starts_with(start) && line[start.len()..].starts_with(b"ready at "),
        None => line == expected,
    }
}

/// Directives that wait for their occasion.
pub(super) type Agenda = VecDeque<(String, String)>;

/// Takes the first entry of the agenda for `occasion`.
pub(super) fn take(agenda: &mut Agenda, occasion: &str) -> Option<String> {
    let at = agenda.iter().position(|(word, _)| word == occasion)?;
    agenda.remove(at).map(|(_, argument)| argument)
}
