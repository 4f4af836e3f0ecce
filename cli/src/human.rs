//! Findings for people: what is wrong, with the lines it speaks of.

use crate::terminal::visible;
use ariadne::{Color, Config, IndexType, Label, Report, ReportKind, Source};
use plumb_compiler::answers::{Finding, Location};
use plumb_compiler::diagnostics::Severity;
use plumb_compiler::syntax::ast::Name;
use plumb_workspace::Loaded;
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

/// Lines longer than this, in bytes, are not shown: they are generated, and would fill the screen.
const MAX_LINE: u32 = 1000;

/// Writes findings, one after the other.
pub(crate) struct Printer<'a> {
    loaded: &'a Loaded,
    /// From the directory the user is in to the root of the workspace, so that terminals can open
    /// what is printed.
    prefix: String,
    /// All environments there are.
    environments: &'a [Name],
    colour: bool,
    shown: HashMap<Name, Source>,
}

impl<'a> Printer<'a> {
    /// `directory` is the one that paths are printed relative to.
    pub(crate) fn new(
        loaded: &'a Loaded,
        directory: &Path,
        environments: &'a [Name],
        colour: bool,
    ) -> Self {
        let prefix = prefix(directory, &loaded.root);
        Printer { loaded, prefix, environments, colour, shown: HashMap::new() }
    }

    /// Writes a finding and an empty line.
    pub(crate) fn print(&mut self, out: &mut impl Write, finding: &Finding) -> io::Result<()> {
        let (kind, colour) = match finding.severity {
            Severity::Error => (ReportKind::Error, Color::Red),
            Severity::Warning => (ReportKind::Warning, Color::Yellow),
        };
        let mut labels = Vec::new();
        let mut notes = Vec::new();
        if let Some(location) = &finding.location
            && let Some(span) = self.span(location)
        {
            labels.push((span, finding.label.as_str(), colour));
        }
        // Where the finding itself cannot be shown, other lines would pass for it.
        for (location, text) in &finding.related {
            match self.span(location).filter(|_| !labels.is_empty()) {
                Some(span) => labels.push((span, text, Color::Blue)),
                None => notes.push(format!("{text}: {}", self.place(location))),
            }
        }
        notes.extend(in_environments(&finding.environments, self.environments));
        let message = visible(&finding.message);
        let helps = helps(finding);

        let Some(((path, range), ..)) = labels.first() else {
            // As much like the others as it can be without lines.
            writeln!(
                out,
                "{}",
                self.paint(colour, &format!("[{}] {kind}:", finding.code)) + " " + &message
            )?;
            if let Some(location) = &finding.location {
                writeln!(out, "   at {}", self.place(location))?;
            }
            if !finding.label.is_empty() {
                writeln!(out, "   {}", visible(&finding.label))?;
            }
            for help in helps {
                writeln!(out, "   Help: {}", visible(help))?;
            }
            for note in notes {
                writeln!(out, "   Note: {}", visible(&note))?;
            }
            return writeln!(out);
        };
        let config = Config::default().with_index_type(IndexType::Byte).with_color(self.colour);
        let mut report = Report::build(kind, (path.clone(), range.clone()))
            .with_config(config)
            .with_code(finding.code)
            .with_message(message);
        // A file is shown once, in the order of its lines, the one of the finding first.
        let path = path.clone();
        labels.sort_by_key(|((other, range), ..)| (*other != path, other.clone(), range.end));
        for (span, text, colour) in labels {
            // What has no words is not underlined.
            let text = if text.is_empty() { "here".to_owned() } else { visible(text) };
            report.add_label(Label::new(span).with_color(colour).with_message(text));
        }
        report.with_helps(helps.iter().map(|help| visible(help)));
        report.with_notes(notes.iter().map(|note| visible(note)));
        // A report is made of many small writes.
        let mut text = Vec::new();
        report.finish().write(&mut *self, &mut text)?;
        // Spaces at the ends of lines are noise to whoever copies them.
        for line in String::from_utf8_lossy(&text).lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)
    }

    /// `path:line:column` as far as it can be known.
    fn place(&self, location: &Location) -> String {
        let path = format!("{}{}", self.prefix, visible(&location.path));
        match self.loaded.text(&location.path) {
            Some(text) => {
                let start = position(text, location.range.start);
                format!("{path}:{}:{}", start.line, start.column)
            }
            None => path,
        }
    }

    /// The path of a location as it is printed: relative to the directory the user is in.
    pub(crate) fn path(&self, location: &Location) -> String {
        format!("{}{}", self.prefix, location.path)
    }

    /// In which environments a finding shows, in words; `None` where it is none of theirs.
    pub(crate) fn environments(&self, finding: &Finding) -> Option<String> {
        in_environments(&finding.environments, self.environments)
    }

    /// `path:line` as far as it can be known.
    pub(crate) fn line(&self, location: &Location) -> String {
        let place = self.place(location);
        match (self.loaded.text(&location.path), place.rsplit_once(':')) {
            (Some(_), Some((line, _))) => line.to_owned(),
            _ => place,
        }
    }

    /// The bytes of a file to show for a location, if they can be shown.
    fn span(&mut self, location: &Location) -> Option<(Name, Range<usize>)> {
        let text = self.loaded.text(&location.path)?;
        let start = floor(text, location.range.start);
        let end = floor(text, location.range.end).max(start);
        let first = line(text, start);
        let last = line(text, end);
        if first.len().max(last.len()) > MAX_LINE as usize {
            return None;
        }
        self.shown.entry(location.path.clone()).or_insert_with(|| Source::from(visible(text)));
        Some((location.path.clone(), start..end))
    }

    fn paint(&self, colour: Color, text: &str) -> String {
        match (self.colour, colour) {
            (false, _) => text.to_owned(),
            (true, Color::Yellow) => format!("\x1b[33m{text}\x1b[0m"),
            (true, _) => format!("\x1b[31m{text}\x1b[0m"),
        }
    }
}

impl ariadne::Cache<Name> for &mut Printer<'_> {
    type Storage = String;

    fn fetch(&mut self, path: &Name) -> Result<&Source, impl std::fmt::Debug> {
        self.shown.get(path).ok_or("no text")
    }

    fn display<'b>(&self, path: &'b Name) -> Option<impl std::fmt::Display + 'b> {
        Some(format!("{}{}", self.prefix, visible(path)))
    }
}

/// The mends, in words. A help speaks for the fixes beside it.
fn helps(finding: &Finding) -> Vec<&str> {
    match &finding.help {
        Some(help) => vec![help],
        None => finding.fixes.iter().map(|fix| fix.title.as_str()).collect(),
    }
}

/// "in staging and prod"; nothing where no environment is meant.
fn in_environments(environments: &[Name], all: &[Name]) -> Option<String> {
    match environments {
        [] => None,
        [one] => Some(format!("in {one}")),
        several if several.len() == all.len() => Some("in every environment".to_owned()),
        [first @ .., last] => Some(format!("in {} and {last}", first.join(", "))),
    }
}

/// What stands before a path relative to `root` to make it relative to `directory`.
pub(crate) fn prefix(directory: &Path, root: &Path) -> String {
    let mut prefix = match (root.strip_prefix(directory), directory.strip_prefix(root)) {
        (Ok(down), _) => down.display().to_string(),
        (_, Ok(up)) => vec![".."; up.components().count()].join("/"),
        _ => root.display().to_string(),
    };
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    prefix
}

/// A place in a text as people count: from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    /// Lines end with a newline.
    pub(crate) line: usize,
    /// In Unicode characters.
    pub(crate) column: usize,
    /// In bytes from the start of the text, from 0.
    pub(crate) offset: usize,
}

/// Where an offset lies; one past the end is the end, one within a character its start.
pub(crate) fn position(text: &str, offset: u32) -> Position {
    let offset = floor(text, offset);
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[start..].chars().count() + 1,
        offset,
    }
}

fn floor(text: &str, offset: u32) -> usize {
    text.floor_char_boundary(offset as usize)
}

/// The line that an offset lies in.
fn line(text: &str, offset: usize) -> &str {
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].split('\n').next().unwrap_or_default()
}

/// "2 errors and 1 warning"; `None` where there are none.
pub(crate) fn count(findings: &[Finding]) -> Option<String> {
    let errors = errors(findings);
    let of = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    match (of(errors, "error"), of(findings.len() - errors, "warning")) {
        (Some(errors), Some(warnings)) => Some(format!("{errors} and {warnings}")),
        (one, other) => one.or(other),
    }
}

/// How many of them are errors.
pub(crate) fn errors(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.severity == Severity::Error).count()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use plumb_compiler::answers::Fix;
    use plumb_compiler::diagnostics::code;
    use plumb_compiler::source::Content;
    use plumb_compiler::syntax::ast::TextRange;
    use plumb_workspace::Manifest;

    /// A workspace of these files.
    pub(crate) fn loaded(files: &[(&str, &str)]) -> Loaded {
        Loaded {
            dependencies: Vec::new(),
            root: "/home/ann/acme".into(),
            selected: "".into(),
            files: files
                .iter()
                .map(|(path, text)| ((*path).into(), Content::Text((*text).into())))
                .collect(),
            manifest: Manifest::default(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn at(path: &str, start: u32, end: u32) -> Location {
        Location { path: path.into(), range: TextRange { start, end } }
    }

    /// The first place where `what` stands in the file.
    pub(crate) fn find(loaded: &Loaded, path: &str, what: &str) -> Location {
        let start = loaded.text(path).unwrap().find(what).unwrap() as u32;
        at(path, start, start + what.len() as u32)
    }

    pub(crate) fn finding(message: &str, location: Option<Location>) -> Finding {
        Finding {
            code: code::SYNTAX_ERROR,
            severity: Severity::Error,
            message: message.to_owned(),
            environments: Vec::new(),
            location,
            label: String::new(),
            related: Vec::new(),
            help: None,
            fixes: Vec::new(),
        }
    }

    fn environments() -> Vec<Name> {
        ["dev", "staging", "prod"].map(Name::from).to_vec()
    }

    fn render(loaded: &Loaded, finding: &Finding) -> String {
        let environments = environments();
        let mut printer = Printer::new(loaded, Path::new("/home/ann/acme"), &environments, false);
        let mut out = Vec::new();
        printer.print(&mut out, finding).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn acme() -> Loaded {
        loaded(&[
            (
                "apps/shop/shop.plumb",
                "use platform\n\nrequest shop: platform.Service {\n    image = \"shop\"\n    replica = 90\n}\n",
            ),
            (
                "platform/web.plumb",
                "schema Service {\n    /// Pods that serve.\n    replicas: Int where it in 1..=50 = 1\n}\n",
            ),
        ])
    }

    #[test]
    fn a_finding_shows_its_line_the_other_places_and_the_mend() {
        let loaded = acme();
        let mut finding = finding(
            "`platform.Service` has no field `replica`",
            Some(find(&loaded, "apps/shop/shop.plumb", "replica")),
        );
        finding.label = "no such field".to_owned();
        finding.environments = vec!["staging".into(), "prod".into()];
        finding.related = vec![
            (
                find(&loaded, "platform/web.plumb", "Service"),
                "its fields are declared here".to_owned(),
            ),
            (
                find(&loaded, "apps/shop/shop.plumb", "platform.Service"),
                "requested here".to_owned(),
            ),
        ];
        finding.fixes = vec![Fix { title: "rename to `replicas`".to_owned(), edits: Vec::new() }];
        insta::assert_snapshot!(render(&loaded, &finding));
    }

    #[test]
    fn a_help_speaks_for_the_fixes_beside_it() {
        let mut finding = finding("m", None);
        finding.fixes = vec![Fix { title: "rename".to_owned(), edits: Vec::new() }];
        assert_eq!(helps(&finding), ["rename"]);
        finding.help = Some("did you mean this?".to_owned());
        assert_eq!(helps(&finding), ["did you mean this?"]);
    }

    #[test]
    fn a_warning_of_several_lines_says_so() {
        let loaded = acme();
        let mut finding =
            finding("this schema is used by nobody", Some(at("platform/web.plumb", 0, 83)));
        finding.severity = Severity::Warning;
        finding.environments = environments();
        insta::assert_snapshot!(render(&loaded, &finding));
    }

    #[test]
    fn a_finding_of_the_whole_workspace_needs_no_lines() {
        let mut finding = finding("no environment is declared", None);
        finding.help = Some("declare one: environment dev: Env { }".to_owned());
        insta::assert_snapshot!(render(&acme(), &finding), @r"
        [syntax-error] Error: no environment is declared
           Help: declare one: environment dev: Env { }
        ");
    }

    #[test]
    fn a_file_without_text_and_a_line_without_end_are_named_only() {
        let mut loaded = acme();
        loaded.files.insert("a.plumb".into(), Content::Unreadable("is not UTF-8".to_owned()));
        let unreadable = finding("a.plumb is not UTF-8", Some(at("a.plumb", 0, 0)));
        insta::assert_snapshot!(render(&loaded, &unreadable), @r"
        [syntax-error] Error: a.plumb is not UTF-8
           at a.plumb
        ");
        let long = format!("let a = 1\nlet b = \"{}\"\n", "x".repeat(5000));
        loaded.files.insert("b.plumb".into(), Content::Text(long.into()));
        let mut long = finding("too long", Some(at("b.plumb", 14, 15)));
        long.label = "here".to_owned();
        long.related = vec![(at("b.plumb", 4, 5), "the first".to_owned())];
        insta::assert_snapshot!(render(&loaded, &long), @r"
        [syntax-error] Error: too long
           at b.plumb:2:5
           here
           Note: the first: b.plumb:1:5
        ");
    }

    #[test]
    fn any_place_in_any_text_can_be_shown() {
        let texts = [
            "",
            "\n",
            "é",
            "a\tüb\r\n\r\n𝄞 x\n",
            "x",
            "{\n\n\n}",
            "\u{feff}a\u{2028}b\u{85}c\rd\u{b}e",
        ];
        for text in texts {
            let loaded = loaded(&[("a.plumb", text), ("b.plumb", "b")]);
            let end = text.len() as u32 + 2;
            for start in 0..=end {
                for end in start.saturating_sub(1)..=end {
                    let mut finding = finding("m", Some(at("a.plumb", start, end)));
                    finding.label = "LABEL".to_owned();
                    finding.related = vec![
                        (at("b.plumb", end, start), "OTHER".to_owned()),
                        (at("a.plumb", 0, start), "SAME".to_owned()),
                    ];
                    let shown = render(&loaded, &finding);
                    for word in ["LABEL", "OTHER", "SAME"] {
                        assert!(shown.contains(word), "{text:?} {start}..{end}:\n{shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn lines_and_columns_are_the_same_for_people_and_programs() {
        let text = "a\rb\u{85}c\u{2028}d\u{b}e\né é x\n";
        let loaded = loaded(&[("a.plumb", text)]);
        let x = text.find('x').unwrap() as u32;
        let position = position(text, x);
        assert_eq!((position.line, position.column), (2, 5));
        let shown = render(&loaded, &finding("m", Some(at("a.plumb", x, x + 1))));
        assert!(shown.contains("a.plumb:2:5"), "{shown}");
    }

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        let loaded = loaded(&[("a.plumb", "let a = \u{1b}[31m\u{202e}\n")]);
        let mut finding = finding("bad \u{1b}]0;title\u{7}", Some(at("a.plumb", 4, 5)));
        finding.label = "\u{1b}[2J".to_owned();
        finding.help = Some("\u{9b}2J".to_owned());
        let shown = render(&loaded, &finding);
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{shown:?}");
    }

    #[test]
    fn environments_are_told_as_people_say_them() {
        let say = |names: &[&str]| {
            let names: Vec<Name> = names.iter().map(|name| (*name).into()).collect();
            in_environments(&names, &environments())
        };
        assert_eq!(say(&[]), None);
        assert_eq!(say(&["dev"]).unwrap(), "in dev");
        assert_eq!(say(&["staging", "prod"]).unwrap(), "in staging and prod");
        assert_eq!(say(&["dev", "staging", "prod"]).unwrap(), "in every environment");
        let many = ["a", "b", "c"].map(Name::from);
        assert_eq!(in_environments(&many, &[]).unwrap(), "in a, b and c");
    }

    #[test]
    fn paths_are_relative_to_where_the_user_is() {
        let prefix = |directory, root| prefix(Path::new(directory), Path::new(root));
        assert_eq!(prefix("/a/b", "/a/b"), "");
        assert_eq!(prefix("/a", "/a/b/c"), "b/c/");
        assert_eq!(prefix("/a/b/c", "/a"), "../../");
        assert_eq!(prefix("/x", "/a"), "/a/");
        assert_eq!(prefix("/x", "/"), "../");
    }

    #[test]
    fn findings_are_counted() {
        let error = finding("m", None);
        let warning = Finding { severity: Severity::Warning, ..error.clone() };
        let count = |errors: usize, warnings: usize| {
            let mut findings = vec![error.clone(); errors];
            findings.extend(vec![warning.clone(); warnings]);
            super::count(&findings)
        };
        assert_eq!(count(0, 0), None);
        assert_eq!(count(1, 0).unwrap(), "1 error");
        assert_eq!(count(0, 2).unwrap(), "2 warnings");
        assert_eq!(count(2, 1).unwrap(), "2 errors and 1 warning");
    }

    #[test]
    fn colours_are_only_in_what_is_coloured() {
        let loaded = acme();
        let finding = finding("m", Some(at("platform/web.plumb", 0, 6)));
        let mut out = Vec::new();
        Printer::new(&loaded, Path::new("/"), &[], true).print(&mut out, &finding).unwrap();
        assert!(out.contains(&0x1b));
        assert!(!render(&loaded, &finding).contains('\x1b'));
    }
}
