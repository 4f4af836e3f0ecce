//! Colours, progress, and writing that can fail.

use clap::ValueEnum;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

impl Colour {
    /// Whether to write colours to a stream.
    pub(crate) fn on(self, stream: &impl IsTerminal) -> bool {
        self.decide(stream.is_terminal(), |name| std::env::var_os(name))
    }

    /// By <https://no-color.org> and <https://bixense.com/clicolors/>; what is said on the command
    /// line comes before both.
    fn decide(self, is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
        let says = |name, value: &str| variable(name).is_some_and(|set| set == value);
        let set = |name| variable(name).is_some_and(|set| !set.is_empty());
        match self {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto if set("NO_COLOR") => false,
            Colour::Auto if set("CLICOLOR_FORCE") && !says("CLICOLOR_FORCE", "0") => true,
            Colour::Auto => is_terminal && !says("CLICOLOR", "0") && !says("TERM", "dumb"),
        }
    }
}

/// A line that says what is going on while a person waits, and is gone when this is dropped.
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    /// Says it, if a person sees stderr.
    pub(crate) fn new(text: &str) -> Self {
        let mut stderr = io::stderr();
        let shown =
            stderr.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if shown {
            let _ = write!(stderr, "{text} …").and_then(|()| stderr.flush());
        }
        Progress { shown }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let mut stderr = io::stderr();
            let _ = stderr.write_all(b"\r\x1b[2K").and_then(|()| stderr.flush());
        }
    }
}

/// Says something beside the product, on stderr. When nobody can hear it, nobody is told.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

/// `text` with everything that would steer a terminal or hide text from a reader replaced by marks of
/// the same length in bytes, so that places in it stay what they are.
///
/// Sources and names may come from anybody; a review in a terminal must show what is there. Newlines
/// and tabs stay.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let harmful = match char {
            '\n' | '\t' => false,
            // A carriage return alone lets what follows overwrite the line.
            '\r' => chars.peek() != Some(&'\n'),
            // Bidirectional controls show text in another order than it is read.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
            // These end lines for some programs and for others not: line numbers would differ.
            '\u{2028}' | '\u{2029}' => true,
            _ => char.is_control(),
        };
        out.push_str(match (harmful, char.len_utf8()) {
            (false, _) => {
                out.push(char);
                continue;
            }
            (true, 1) => "?",
            (true, 2) => "\u{bf}",
            (true, _) => "\u{fffd}",
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(colour: Colour, is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        colour.decide(is_terminal, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn colours_are_for_terminals() {
        assert!(decide(Colour::Auto, true, &[]));
        assert!(!decide(Colour::Auto, false, &[]));
        assert!(!decide(Colour::Auto, true, &[("TERM", "dumb")]));
    }

    #[test]
    fn no_color_and_clicolor_are_heard() {
        assert!(!decide(Colour::Auto, true, &[("NO_COLOR", "1")]));
        assert!(decide(Colour::Auto, true, &[("NO_COLOR", "")]));
        assert!(!decide(Colour::Auto, true, &[("CLICOLOR", "0")]));
        assert!(decide(Colour::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!decide(Colour::Auto, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!decide(Colour::Auto, true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn the_command_line_comes_before_the_variables() {
        assert!(decide(Colour::Always, false, &[("NO_COLOR", "1")]));
        assert!(!decide(Colour::Never, true, &[("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn what_steers_a_terminal_is_shown_as_a_mark_of_the_same_length() {
        for text in ["\u{1b}[2J", "\u{9b}2J", "a\rb", "\u{202e}x", "\u{2028}", "\u{85}", "\0"] {
            let shown = visible(text);
            assert_eq!(shown.len(), text.len(), "{text:?}");
            assert!(!shown.chars().any(|char| char.is_control()), "{shown:?}");
        }
        assert_eq!(visible("a\tb\r\né\n"), "a\tb\r\né\n");
    }
}
