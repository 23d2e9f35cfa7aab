//! Findings for those who read tests: a test case for each rule and for each expectation, under the
//! same name in every run, so that their history can be followed.
//!
//! A case fails where a finding counts for the exit code; what does not count stands in the output
//! of a case that passes. An expectation is skipped while errors may hide that it does not hold.

use super::expectation::{self, Judged};
use super::markup::{self, element};
use super::text::{self, Palette};
use super::words::plural;
use crate::diag::{Code, Severity, rules};
use crate::model::Topology;
use crate::verify::{Finding, Report};

/// Everything `check` found in a world, as one test suite. Findings of a severity from `mildest` on
/// are failures.
#[must_use]
pub fn check(topology: &Topology, report: &Report, world: &str, mildest: Severity) -> String {
    let suite = Suite { topology, mildest };
    let judged = expectation::judged(topology, report);
    let cases: Vec<Case> = rules()
        .map(|rule| suite.rule(rule, report, &judged))
        .chain(judged.iter().map(|each| suite.expectation(report, each)))
        .collect();
    let count = |of: Outcome| cases.iter().filter(|case| case.outcome == of).count();
    let tests = cases.len().to_string();
    let failures = count(Outcome::Failed).to_string();
    let skipped = count(Outcome::Skipped).to_string();
    let counts = [
        ("tests", tests.as_str()),
        ("failures", &failures),
        ("errors", "0"),
        ("skipped", &skipped),
    ];
    let named = |name: &'static str| [&[("name", name)], &counts[..]].concat();
    let mut inside = properties(report, world);
    inside += &cases.into_iter().map(|case| case.text).collect::<String>();
    let title = format!("hybridmx check {world}");
    let suite_attributes = [&[("name", title.as_str())], &counts[..]].concat();
    let suite = element("testsuite", &suite_attributes, &format!("\n{inside}"));
    let suites = element("testsuites", &named("hybridmx"), &format!("\n{suite}\n"));
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{suites}\n")
}

/// How much was asked.
fn properties(report: &Report, world: &str) -> String {
    let summary = &report.summary;
    let property = |(name, value): (&str, String)| {
        markup::empty("property", &[("name", name), ("value", &value)])
    };
    let all = [
        ("world", world.to_owned()),
        ("classes", summary.classes.to_string()),
        ("addresses", summary.addresses.to_string()),
    ];
    element("properties", &[], &all.map(property).concat()) + "\n"
}

/// A test case as text.
struct Case {
    text: String,
    outcome: Outcome,
}

/// What became of a test case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Failed,
    Passed,
    Skipped,
}

struct Suite<'a> {
    topology: &'a Topology,
    mildest: Severity,
}

impl Suite<'_> {
    /// The case of a rule: its findings, but for those that are about an expectation.
    fn rule(&self, rule: &Code, report: &Report, judged: &[Judged<'_>]) -> Case {
        let elsewhere = |finding: &&Finding| {
            let mut findings = judged.iter().flat_map(|each| &each.findings);
            findings.any(|own| std::ptr::eq(*own, *finding))
        };
        let findings = report.findings.iter();
        let own = findings.filter(|finding| finding.diagnostic.code == rule.code);
        let own: Vec<&Finding> = own.filter(|finding| !elsewhere(finding)).collect();
        self.case("hybridmx.rules", rule.code, &own)
    }

    fn expectation(&self, report: &Report, judged: &Judged<'_>) -> Case {
        let (class, title) = ("hybridmx.expectations", judged.title());
        if judged.holds(report).is_some() {
            return self.case(class, &title, &judged.findings);
        }
        let why = "errors may hide that it does not hold";
        let skipped = markup::empty("skipped", &[("message", why)]);
        let attributes = [("classname", class), ("name", title.as_str())];
        Case {
            text: element("testcase", &attributes, &skipped) + "\n",
            outcome: Outcome::Skipped,
        }
    }

    fn case(&self, class: &str, name: &str, findings: &[&Finding]) -> Case {
        let counts = |finding: &&&Finding| finding.diagnostic.severity >= self.mildest;
        let (bad, mild): (Vec<&Finding>, Vec<&Finding>) = (
            findings.iter().filter(counts).copied().collect(),
            findings
                .iter()
                .filter(|each| !counts(each))
                .copied()
                .collect(),
        );
        let mut inside = String::new();
        if let Some(first) = bad.first() {
            let message = match bad.len() {
                1 => first.diagnostic.message.clone(),
                more => format!("{}: {}", plural(more, "finding"), first.diagnostic.message),
            };
            let severity = first.diagnostic.severity.to_string();
            let attributes = [("message", message.as_str()), ("type", &severity)];
            inside += &element("failure", &attributes, &self.told(&bad));
        }
        if !mild.is_empty() {
            inside += &element("system-out", &[], &self.told(&mild));
        }
        let place = findings
            .iter()
            .find_map(|each| each.diagnostic.location.as_ref());
        let line = place.map(|place| place.line.to_string());
        let mut attributes = vec![("classname", class), ("name", name)];
        attributes.extend(place.map(|place| ("file", &*place.file)));
        attributes.extend(line.iter().map(|line| ("line", line.as_str())));
        Case {
            text: element("testcase", &attributes, &inside) + "\n",
            outcome: match bad.is_empty() {
                true => Outcome::Passed,
                false => Outcome::Failed,
            },
        }
    }

    /// Findings as the terminal shows them.
    fn told(&self, findings: &[&Finding]) -> String {
        let lines = findings
            .iter()
            .flat_map(|each| text::finding(self.topology, each, Palette::Plain));
        markup::lines(&lines.collect::<Vec<String>>().join("\n"))
    }
}
