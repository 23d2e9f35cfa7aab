//! What `test` found.

use serde::Serialize;

use crate::verify;

/// Every flow that was sent, those that were not, and their count.
#[derive(Serialize)]
pub(super) struct Agreement<'a> {
    results: Vec<Comparison<'a>>,
    untestable: Vec<Untestable<'a>>,
    summary: Summary,
}

impl<'a> Agreement<'a> {
    pub(super) fn new(agreement: &'a verify::Agreement) -> Self {
        let disagree = agreement.disagreements();
        Self {
            results: agreement.results.iter().map(Comparison::new).collect(),
            untestable: agreement.untestable.iter().map(Untestable::new).collect(),
            summary: Summary {
                sent: agreement.results.len(),
                agree: agreement.results.len() - disagree,
                disagree,
                untestable: agreement.untestable.len(),
            },
        }
    }
}

#[derive(Serialize)]
struct Summary {
    sent: usize,
    agree: usize,
    disagree: usize,
    untestable: usize,
}

#[derive(Serialize)]
struct Comparison<'a> {
    flow: &'a str,
    example: Example<'a>,
    predicted: Vec<Ending<'a>>,
    observed: Vec<Ending<'a>>,
    agree: bool,
}

impl<'a> Comparison<'a> {
    fn new(comparison: &'a verify::Comparison) -> Self {
        Self {
            flow: &comparison.flow,
            example: Example {
                from: &comparison.from,
                to: &comparison.to,
            },
            predicted: comparison.predicted.iter().map(Ending::new).collect(),
            observed: comparison.observed.iter().map(Ending::new).collect(),
            agree: comparison.agree(),
        }
    }
}

#[derive(Serialize)]
struct Example<'a> {
    from: &'a str,
    to: &'a str,
}

/// A row of the flow table, as far as it can be seen from outside.
#[derive(Serialize)]
struct Ending<'a> {
    recipient: &'a str,
    disposition: &'static str,
    path: &'a [String],
    status: Option<String>,
    trust: Option<&'a str>,
    echo: bool,
}

impl<'a> Ending<'a> {
    fn new(ending: &'a verify::Ending) -> Self {
        Self {
            recipient: &ending.recipient,
            disposition: ending.disposition.as_str(),
            path: &ending.path,
            status: ending.status.map(|status| status.to_string()),
            trust: ending.trust.as_deref(),
            echo: ending.echo,
        }
    }
}

#[derive(Serialize)]
struct Untestable<'a> {
    flow: &'a str,
    reason: &'a str,
}

impl<'a> Untestable<'a> {
    fn new(untestable: &'a verify::Untestable) -> Self {
        Self {
            flow: &untestable.flow,
            reason: &untestable.reason,
        }
    }
}
