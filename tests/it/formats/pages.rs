//! What browsers and CI read: HTML, SVG, JUnit.

use std::collections::BTreeSet;
use std::path::Path;

use hybridmx::diag::{Severity, rules};
use hybridmx::report::{html, junit, svg};
use hybridmx::verify;
use roxmltree::{Document, Node};

use super::{all, checked, forking, hostile, page, words, xml};
use crate::files::golden;
use crate::testnet::{counted, load, worlds};

/// Whether an element would make a browser ask for something, or run something.
fn reaches_out(node: Node<'_, '_>) -> bool {
    let banned = [
        "script",
        "iframe",
        "img",
        "image",
        "link",
        "object",
        "embed",
        "base",
        "form",
        "use",
        "foreignObject",
    ];
    let name = node.tag_name().name();
    banned.contains(&name)
        || node.attributes().any(|attribute| {
            let refers = matches!(
                attribute.name(),
                "src" | "href" | "srcset" | "action" | "data"
            );
            attribute.name().starts_with("on") || refers && !attribute.value().starts_with('#')
        })
        || name == "style" && words(node).contains("url(")
        || name == "style" && words(node).contains("@import")
}

#[track_caller]
fn stands_alone(about: &str, document: &Document<'_>) {
    let outside = document.descendants().find(|node| reaches_out(*node));
    assert!(outside.is_none(), "{about}: {outside:?}");
}

/// Every anchor that is referred to, and no identifier twice.
#[track_caller]
fn anchors_hold(about: &str, document: &Document<'_>) {
    let mut ids = BTreeSet::new();
    // Each drawing brings its own arrow heads, which are the same.
    let nodes = document.descendants();
    for node in nodes.filter(|node| !node.has_tag_name("marker")) {
        let id = node.attribute("id");
        assert!(id.is_none_or(|id| ids.insert(id)), "{about}: {id:?} twice");
    }
    for node in document.descendants() {
        if let Some(target) = node.attribute("href") {
            assert!(ids.contains(&target[1..]), "{about}: {target}");
        }
    }
}

/// What a change board would take for a fault: the sign stands in the explanation of signs, and nowhere
/// else.
#[test]
fn the_page_of_a_healthy_world_shows_no_fault() {
    for path in [worlds("contoso"), worlds("fabrikam")].concat() {
        let world = load(&path);
        let report = checked(&world);
        assert!(counted(&report).is_empty(), "{}", path.display());
        let rows = verify::flows(&world.topology, &world.zones);
        let text = html::check(&world.topology, &report, &rows, "a healthy world");
        assert_eq!(text.matches('✗').count(), 1, "{}", path.display());
    }
}

#[test]
fn pages_stand_alone_whatever_the_names_are() {
    for (name, world) in all() {
        let report = checked(&world);
        let rows = verify::flows(&world.topology, &world.zones);
        let text = html::check(&world.topology, &report, &rows, &name);
        let page = page(&name, &text);
        stands_alone(&name, &page);
        anchors_hold(&name, &page);
        let tables = page.descendants().filter(|node| node.has_tag_name("tbody"));
        let longest = tables.map(|body| body.children().filter(Node::is_element).count());
        assert_eq!(longest.max(), Some(rows.len()), "{name}");
        let drawings = page
            .descendants()
            .filter(|node| node.attribute("role") == Some("img"));
        let witnesses = report.findings.iter().filter(|each| each.witness.is_some());
        assert_eq!(drawings.count(), 1 + witnesses.count(), "{name}");
    }
}

#[test]
fn drawings_show_every_fork_whatever_the_names_are() {
    for path in worlds("") {
        let name = path.display().to_string();
        let world = load(&path);
        for world in [hostile(&world), world] {
            let flow = forking(&world);
            let text = svg::trace(&world.topology, &flow);
            let drawing = xml(&name, &text);
            stands_alone(&name, &drawing);
            let texts = drawing
                .descendants()
                .filter(|node| node.has_tag_name("text"));
            let texts: Vec<String> = texts.map(words).collect();
            for fork in &flow.forks {
                let recipient = fork.recipient.to_string();
                let ends = texts.iter().filter(|text| **text == recipient).count();
                let same = flow
                    .forks
                    .iter()
                    .filter(|other| other.recipient == fork.recipient);
                assert_eq!(ends, same.count(), "{name}: {recipient}");
            }
        }
    }
}

#[test]
fn a_drawing_is_as_it_was() {
    let world = load(&worlds("contoso")[0]);
    let drawn = svg::trace(&world.topology, &forking(&world));
    golden(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats/trace.svg"),
        &drawn,
    );
}

#[test]
fn suites_count_what_they_hold_and_fail_as_the_exit_code_does() {
    for (name, world) in all() {
        let report = checked(&world);
        for mildest in [Severity::Error, Severity::Warning] {
            let text = junit::check(&world.topology, &report, &name, mildest);
            let document = xml(&name, &text);
            let suite = document
                .descendants()
                .find(|node| node.has_tag_name("testsuite"));
            let suite = suite.expect("a suite");
            let has = |word: &str| {
                let cases = suite.descendants().filter(|node| node.has_tag_name(word));
                cases.count().to_string()
            };
            assert_eq!(suite.attribute("tests"), Some(&*has("testcase")), "{name}");
            assert_eq!(
                suite.attribute("failures"),
                Some(&*has("failure")),
                "{name}"
            );
            assert_eq!(suite.attribute("skipped"), Some(&*has("skipped")), "{name}");
            let failed = report.worst() >= Some(mildest);
            assert_eq!(has("failure") != "0", failed, "{name}");
            let cases = suite
                .children()
                .filter(|node| node.has_tag_name("testcase"));
            let names: Vec<&str> = cases.filter_map(|case| case.attribute("name")).collect();
            let known: Vec<&str> = rules().map(|rule| rule.code).collect();
            assert_eq!(names[..known.len()], known, "{name}");
            let expectations = world.topology.parts().expectations.len();
            assert_eq!(names.len(), known.len() + expectations, "{name}");
        }
    }
}
