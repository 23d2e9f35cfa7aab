//! Colours.

use crate::report::printable::one_line;

/// Whether a text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// With the escape sequences of a terminal (ECMA-48 SGR).
    Coloured,
    /// For files and pipes.
    #[default]
    Plain,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Mail or a rule is broken.
    Bad,
    /// Beside the point.
    Faint,
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// No colour.
    Plain,
    /// What the eye looks for.
    Strong,
    /// Works with a loss.
    Warning,
}

impl Ink {
    /// The parameters of its SGR sequence; empty for none.
    const fn parameters(self) -> &'static str {
        match self {
            Self::Bad => "1;31",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Note => "36",
            Self::Plain => "",
            Self::Strong => "1",
            Self::Warning => "33",
        }
    }
}

impl Palette {
    /// The text in a colour, on one line.
    pub(super) fn paint(self, ink: Ink, text: &str) -> String {
        let text = one_line(text);
        match (self, ink.parameters()) {
            (Self::Coloured, parameters) if !parameters.is_empty() && !text.is_empty() => {
                format!("\x1b[{parameters}m{text}\x1b[0m")
            }
            (Self::Coloured | Self::Plain, _) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(Palette::Plain.paint(Ink::Bad, "error"), "error");
        let coloured = Palette::Coloured.paint(Ink::Bad, "error");
        assert_eq!(coloured, "\x1b[1;31merror\x1b[0m");
        assert_eq!(Palette::Coloured.paint(Ink::Plain, "x"), "x");
    }
}
