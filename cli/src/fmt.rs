//! Files in the one style: found, compared, replaced.

use crate::args::Fmt;
use crate::commands::{COULD_NOT_RUN, FOUND_ERRORS, Stop, number, working_directory};
use crate::files::replace;
use crate::human::prefix;
use crate::terminal::{Colour, say, visible};
use plumb_compiler::format;
use plumb_compiler::source::Content;
use plumb_workspace::{MAX_FILE, load};
use similar::TextDiff;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

/// What stands for stdin on the command line.
const STDIN: &str = "-";

/// A file to format.
struct Source {
    /// As it is printed: relative to the directory the user is in.
    name: String,
    /// Its text, or why there is none.
    text: Result<String, String>,
}

/// Formats what the command line names; gives the exit code.
///
/// # Errors
///
/// Where a path is not there or stdout is closed. A file that cannot be read or written is told, and
/// the others are formatted.
pub(crate) fn run(args: &Fmt, colour: Colour) -> Result<u8, Stop> {
    if args.paths.iter().any(|it| it.as_os_str() == STDIN) {
        if args.paths.len() > 1 {
            return Err(Stop::Failed("`-` is stdin and stands alone".to_owned()));
        }
        return stdin(args, colour);
    }
    let sources = sources(&args.paths)?;
    let writes = !args.check && !args.diff;
    let mut out = io::stdout().lock();
    let (mut different, mut failed) = (0, 0);
    for (path, source) in &sources {
        let before = match &source.text {
            Ok(text) => text,
            Err(reason) => {
                say(&format!("plumb: {} {reason}", source.name));
                failed += 1;
                continue;
            }
        };
        let after = formatted(&source.name, before);
        if after == *before {
            continue;
        }
        if writes && let Err(problem) = write(path, &after) {
            say(&format!("plumb: {problem}"));
            failed += 1;
            continue;
        }
        different += 1;
        if writes || args.check {
            writeln!(out, "{}", visible(&source.name))?;
        }
        if args.diff {
            print_diff(&mut out, colour, &source.name, before, &after)?;
        }
    }
    out.flush()?;
    say(&summary(writes, sources.len() - failed, different));
    Ok(match (failed, different) {
        (1.., _) => COULD_NOT_RUN,
        (_, 1..) if !writes => FOUND_ERRORS,
        _ => 0,
    })
}

/// "formatted 2 of 20 files", "2 of 20 files are not formatted".
fn summary(writes: bool, all: usize, different: usize) -> String {
    let files = number(all, "file");
    match (different, writes) {
        (0, _) if all == 1 => "1 file is formatted".to_owned(),
        (0, _) => format!("{files} are formatted"),
        (_, true) => format!("formatted {different} of {files}"),
        (1, false) => format!("1 of {files} is not formatted"),
        (_, false) => format!("{different} of {files} are not formatted"),
    }
}

/// The files that the paths name, each once, by their place without symbolic links: so a link stays a
/// link, and what it leads to is replaced.
fn sources(paths: &[PathBuf]) -> Result<BTreeMap<PathBuf, Source>, Stop> {
    let directory = working_directory();
    let mut found = BTreeMap::new();
    for path in paths {
        let place = match fs::canonicalize(path) {
            Ok(place) => place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Stop::Failed(format!("`{}` does not exist", path.display())));
            }
            Err(error) => {
                return Err(Stop::Failed(format!("`{}` cannot be read: {error}", path.display())));
            }
        };
        if !place.is_dir() {
            let name = path.display().to_string();
            let text = plumb_workspace::read(&place);
            found.entry(place).or_insert(Source { name, text });
            continue;
        }
        let loaded = load(path)?;
        // What is wrong with plumb.toml changes no style; a directory that was left out does.
        for finding in loaded.findings.iter().filter(|it| it.location.is_none()) {
            say(&format!("plumb: {}", finding.message));
        }
        let prefix = prefix(&directory, &loaded.root);
        for name in loaded.selected_sources() {
            let text = match &loaded.files[name] {
                Content::Text(text) => Ok(text.to_string()),
                Content::Unreadable(reason) => Err(reason.clone()),
            };
            let path = loaded.root.join(name.as_str());
            let name = match path.strip_prefix(&directory) {
                Ok(below) => below.display().to_string(),
                Err(_) => format!("{prefix}{name}"),
            };
            let place = fs::canonicalize(&path).unwrap_or(path);
            found.entry(place).or_insert(Source { name, text });
        }
    }
    Ok(found)
}

/// The text in the style. What is left as it is for its errors is told.
fn formatted(name: &str, text: &str) -> String {
    let formatted = format(text);
    if let Some(first) = formatted.left.first() {
        let line = text[..first.start as usize].matches('\n').count() + 1;
        let are = match formatted.left.len() {
            1 => "a declaration has syntax errors and is".to_owned(),
            count => format!("{count} declarations have syntax errors and are"),
        };
        say(&format!("plumb: {name}:{line}: {are} left as it is; `plumb check` says more")
            .replace("are left as it is", "are left as they are"));
    }
    formatted.text
}

/// Replaces a file that may be written, whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), String> {
    if fs::metadata(path).is_ok_and(|it| it.permissions().readonly()) {
        return Err(format!("cannot write {}: it is read-only", path.display()));
    }
    replace(path, text)
}

fn stdin(args: &Fmt, colour: Colour) -> Result<u8, Stop> {
    const NAME: &str = "<stdin>";
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Stop::Failed(format!("cannot read stdin: {error}")))?;
    let before =
        String::from_utf8(bytes).map_err(|_| Stop::Failed("stdin is not UTF-8".to_owned()))?;
    if before.len() as u64 > MAX_FILE {
        return Err(Stop::Failed(format!("stdin is larger than {} MiB", MAX_FILE >> 20)));
    }
    let after = formatted(NAME, &before);
    let mut out = io::stdout().lock();
    if !args.check && !args.diff {
        out.write_all(after.as_bytes())?;
        out.flush()?;
        return Ok(0);
    }
    if after == before {
        return Ok(0);
    }
    if args.check {
        writeln!(out, "{NAME}")?;
    }
    if args.diff {
        print_diff(&mut out, colour, NAME, &before, &after)?;
    }
    out.flush()?;
    Ok(FOUND_ERRORS)
}

/// Prints what `patch -p0` turns one text into the other with. On a terminal nothing in it can steer.
fn print_diff(
    out: &mut (impl Write + IsTerminal),
    colour: Colour,
    name: &str,
    before: &str,
    after: &str,
) -> io::Result<()> {
    let diff = TextDiff::from_lines(before, after).unified_diff().header(name, name).to_string();
    if !out.is_terminal() && !colour.on(out) {
        return out.write_all(diff.as_bytes());
    }
    for line in visible(&diff).lines() {
        let style = match line.as_bytes().first() {
            _ if line.starts_with("+++") || line.starts_with("---") => "1",
            Some(b'+') => "32",
            Some(b'-') => "31",
            Some(b'@') => "36",
            _ => "",
        };
        if style.is_empty() || !colour.on(out) {
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "\x1b[{style}m{line}\x1b[0m")?;
        }
    }
    Ok(())
}
