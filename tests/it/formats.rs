//! The formats that other programs read: each is read here by a reader that is not ours, and says
//! what the others say, whatever the names of a world are.

mod pages;
mod sarif;
mod tables;

use hybridmx::config::{World, source};
use hybridmx::diag::{Severity, Source};
use hybridmx::flow::{Flow, Question, origin, walk};
use hybridmx::mail::{ByteSize, Mailbox, ReversePath};
use hybridmx::model::Topology;
use hybridmx::report::text::Palette;
use hybridmx::report::{html, json, junit, sarif as results, text};
use hybridmx::verify::{self, Report};
use roxmltree::{Document, Node};

use crate::testnet::{load, worlds};

/// Markup, quotes, a placeholder, a link, a formula, an end of line, a change of direction, and what
/// is no character.
const HOSTILE: &str = "=1+<b>&amp;\"'`{0}[x](y)\\N\r\n\u{202e}\u{0}\u{ffff}]]>--<!--";

/// Every shipped world, as it is, and with hostile names.
fn all() -> Vec<(String, World)> {
    let mut all = Vec::new();
    for path in worlds("") {
        let name = path.display().to_string();
        let world = load(&path);
        let renamed = hostile(&world);
        all.extend([(format!("{name} {HOSTILE}"), renamed), (name, world)]);
    }
    all
}

/// The world with names that no format may be broken by.
fn hostile(world: &World) -> World {
    let mut parts = world.topology.parts().clone();
    let rename = |name: &mut String| *name = format!("{HOSTILE}{name}");
    parts
        .servers
        .iter_mut()
        .for_each(|each| rename(&mut each.name));
    parts
        .organizations
        .iter_mut()
        .for_each(|each| rename(&mut each.name));
    parts
        .send_connectors
        .iter_mut()
        .for_each(|each| rename(&mut each.name));
    parts
        .receive_connectors
        .iter_mut()
        .for_each(|each| rename(&mut each.name));
    parts
        .accepted_domains
        .iter_mut()
        .for_each(|each| rename(&mut each.name));
    for each in &mut parts.expectations {
        each.through.iter_mut().for_each(rename);
    }
    World {
        topology: Topology::new(parts),
        zones: world.zones.clone(),
    }
}

fn checked(world: &World) -> Report {
    verify::check(&world.topology, &world.zones)
}

/// A flow that forks: a user writes to a group of five.
fn forking(world: &World) -> Flow {
    let from: ReversePath = "carol@contoso.com".parse().expect("an address");
    let to = Mailbox::parse("engineering@groups.contoso.com").expect("an address");
    let submission = origin(&world.topology, &from, None).expect("she has a mailbox");
    let question = Question {
        from,
        to: vec![to],
        size: ByteSize(10_240),
        kind: hybridmx::mail::MessageKind::Message,
        submission,
    };
    walk(&world.topology, &world.zones, &question)
}

/// The files of a report's places.
fn sources(report: &Report) -> Vec<Source> {
    let places = report
        .findings
        .iter()
        .filter_map(|finding| finding.diagnostic.location.as_ref());
    let mut files: Vec<&str> = places.map(|place| &*place.file).collect();
    files.sort_unstable();
    files.dedup();
    let sources = files
        .into_iter()
        .map(|file| source(file).expect("the world is there"));
    sources.collect()
}

/// The text of an element and of all in it.
fn words(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text);
    texts.filter_map(|text| text.text()).collect()
}

/// XML, read strictly.
#[track_caller]
fn xml<'a>(about: &str, text: &'a str) -> Document<'a> {
    Document::parse(text).unwrap_or_else(|error| panic!("{about}: {error}\n{text}"))
}

/// The page as XML: it is written so that it is both.
#[track_caller]
fn page<'a>(about: &str, text: &'a str) -> Document<'a> {
    let rest = text
        .strip_prefix("<!DOCTYPE html>\n")
        .expect("it is HTML 5");
    xml(about, rest)
}

/// The part of a text before what formats spell differently: quotes, and what is escaped.
fn beginning(message: &str) -> &str {
    let end = message.find(['`', '=', '{']).unwrap_or(message.len());
    message[..end].trim_end()
}

#[test]
fn every_finding_is_in_every_format() {
    for (name, world) in all() {
        let (topology, report) = (&world.topology, checked(&world));
        let rows = verify::flows(topology, &world.zones);
        let told = text::check(topology, &report, Palette::Plain);
        let json: serde_json::Value =
            serde_json::from_str(&json::check(topology, &report)).expect("JSON");
        let sarif: serde_json::Value =
            serde_json::from_str(&results::check(topology, &report, &[])).expect("JSON");
        let junit = junit::check(topology, &report, &name, Severity::Error);
        let junit = words(xml(&name, &junit).root_element());
        let html = html::check(topology, &report, &rows, &name);
        let html = page(&name, &html);
        let articles: Vec<String> = html
            .descendants()
            .filter(|node| node.has_tag_name("article"))
            .map(words)
            .collect();
        assert_eq!(articles.len(), report.findings.len(), "{name}");
        for (at, finding) in report.findings.iter().enumerate() {
            let (code, message) = (finding.diagnostic.code, &finding.diagnostic.message);
            let start = beginning(message);
            let head = format!("[{code}]: {start}");
            assert!(told.contains(&head), "{name}: {head}\n{told}");
            assert!(junit.contains(&head), "{name}: {head}\n{junit}");
            assert!(
                articles[at].contains(code),
                "{name}: {code}\n{}",
                articles[at]
            );
            assert!(
                articles[at].contains(start),
                "{name}: {start}\n{}",
                articles[at]
            );
            assert_eq!(json["findings"][at]["message"], message.as_str(), "{name}");
            let result = &sarif["runs"][0]["results"][at];
            assert_eq!(result["ruleId"], code, "{name}");
            let words = result["message"]["text"].as_str().expect("a text");
            assert!(words.starts_with(start), "{name}: {words}");
        }
    }
}
