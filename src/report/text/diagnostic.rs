//! The house form of a diagnostic: what, where, why, what to do.

use super::palette::{Ink, Palette};
use crate::diag::{Diagnostic, Severity};
use crate::report::words::plural;

/// Diagnostics about an input, one after the other, with their number at the end where there are
/// several.
#[must_use]
pub fn diagnostics(diagnostics: &[Diagnostic], palette: Palette) -> String {
    let mut lines = Vec::new();
    for each in diagnostics {
        lines.extend(head(each, palette));
        lines.extend(part(palette, "help", each.help.as_deref()));
        lines.push(String::new());
    }
    if diagnostics.len() > 1 {
        lines.push(format!("{} in all", count(diagnostics)));
        lines.push(String::new());
    }
    lines.pop();
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Headline, place and reasons.
pub(super) fn head(diagnostic: &Diagnostic, palette: Palette) -> Vec<String> {
    let severity = diagnostic.severity.to_string();
    let title = format!("{severity}[{}]", diagnostic.code);
    let message = palette.paint(Ink::Strong, &diagnostic.message);
    let title = palette.paint(ink(diagnostic.severity), &title);
    let mut lines = vec![format!("{title}: {message}")];
    if let Some(location) = &diagnostic.location {
        let arrow = palette.paint(Ink::Faint, "-->");
        let place = palette.paint(Ink::Plain, &location.to_string());
        lines.push(format!("  {arrow} {place}"));
    }
    let reasons = diagnostic.because.iter();
    lines.extend(reasons.flat_map(|reason| part(palette, "because", Some(reason))));
    lines
}

/// `  label: text`, if there is a text.
pub(super) fn part(palette: Palette, label: &str, text: Option<&str>) -> Option<String> {
    let text = text.filter(|text| !text.is_empty())?;
    let label = palette.paint(Ink::Faint, &format!("{label}:"));
    Some(format!("  {label} {}", palette.paint(Ink::Plain, text)))
}

/// The colour of a severity.
pub(super) const fn ink(severity: Severity) -> Ink {
    match severity {
        Severity::Error => Ink::Bad,
        Severity::Note => Ink::Note,
        Severity::Warning => Ink::Warning,
    }
}

fn count(diagnostics: &[Diagnostic]) -> String {
    let of = |severity| {
        let same = diagnostics.iter().filter(|each| each.severity == severity);
        same.count()
    };
    let severities = [Severity::Error, Severity::Warning, Severity::Note];
    let counts = severities.map(|severity| (of(severity), severity));
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = counts
        .map(|(count, severity)| plural(*count, &severity.to_string()))
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Source;

    fn mistake() -> Diagnostic {
        let source = Source::new("world.toml", "a = 1\nAddressSpaces = []\n");
        Diagnostic::new(
            "invalid-value",
            Some(source.location(22..24)),
            "`x` is no\nsize",
        )
        .because("it has no unit")
        .help("write `35MB`")
    }

    #[test]
    fn a_diagnostic_has_one_line_for_each_part() {
        let expected = "\
error[invalid-value]: `x` is no\\nsize
  --> world.toml:2:17
  because: it has no unit
  help: write `35MB`
";
        assert_eq!(diagnostics(&[mistake()], Palette::Plain), expected);
    }

    #[test]
    fn several_are_counted() {
        let mut bare = mistake();
        (bare.location, bare.help) = (None, None);
        let text = diagnostics(&[bare, mistake()], Palette::Plain);
        assert!(text.contains("unit\n\nerror["), "{text}");
        assert!(text.ends_with("MB`\n\n2 errors in all\n"), "{text}");
        assert_eq!(diagnostics(&[], Palette::Plain), "");
    }
}
