//! What the owner of a world expects, and which finding says that it is not so.

use crate::diag::Severity;
use crate::model::{Expectation, Topology};
use crate::verify::{Finding, Report};

/// An expectation with the findings about it: none where it holds.
pub(super) struct Judged<'a> {
    /// What is expected.
    pub(super) expectation: &'a Expectation,
    /// What breaks it.
    pub(super) findings: Vec<&'a Finding>,
}

impl Judged<'_> {
    /// Whether it holds; `None` where an error of the report may hide that it does not: what one error
    /// explains is not found twice.
    pub(super) fn holds(&self, report: &Report) -> Option<bool> {
        let hides = |finding: &Finding| {
            let diagnostic = &finding.diagnostic;
            diagnostic.severity == Severity::Error && !diagnostic.code.starts_with("expectation-")
        };
        match self.findings.is_empty() {
            false => Some(false),
            true => (!report.findings.iter().any(hides)).then_some(true),
        }
    }

    /// `everyone → groups: Delivered, Trust Internal`.
    pub(super) fn title(&self) -> String {
        let names = |list: &[(String, _)]| {
            let names: Vec<&str> = list.iter().map(|(name, _)| name.as_str()).collect();
            names.join(", ")
        };
        let each = self.expectation;
        let mut wanted: Vec<String> = each.disposition.iter().cloned().collect();
        wanted.extend(each.status.iter().map(|status| format!("status {status}")));
        let through = each.through.iter();
        wanted.extend(through.map(|name| format!("through {name}")));
        let not_through = each.not_through.iter();
        wanted.extend(not_through.map(|name| format!("not through {name}")));
        wanted.extend(each.trust.map(|trust| format!("trust {trust}")));
        wanted.extend(each.flags.as_ref().map(|flags| match flags.as_slice() {
            [] => "no flags".to_owned(),
            flags => format!("no flags but {}", flags.join(", ")),
        }));
        wanted.extend(each.tls.map(|tls| match tls {
            true => "TLS".to_owned(),
            false => "no TLS".to_owned(),
        }));
        let (from, to) = (names(&each.from), names(&each.to));
        format!("{from} → {to}: {}", wanted.join(", "))
    }
}

/// Every expectation of a world, in its order.
///
/// A finding is about the expectation in which its place lies.
pub(super) fn judged<'a>(topology: &'a Topology, report: &'a Report) -> Vec<Judged<'a>> {
    let expectations = topology.parts().expectations.iter();
    expectations
        .map(|expectation| {
            let findings = report.findings.iter();
            let own = findings.filter(|finding| is_about(expectation, finding));
            Judged {
                expectation,
                findings: own.collect(),
            }
        })
        .collect()
}

fn is_about(expectation: &Expectation, finding: &Finding) -> bool {
    let Some(place) = &finding.diagnostic.location else {
        return false;
    };
    let settings = &expectation.settings;
    let values = settings.values.iter().map(|(_, place)| place);
    let names = expectation.from.iter().chain(&expectation.to);
    let names = names.filter_map(|(_, place)| place.as_ref());
    let mut places = settings.object.iter().chain(values).chain(names);
    places.any(|own| own == place)
}
