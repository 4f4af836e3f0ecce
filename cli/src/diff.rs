//! What sets two sides apart: two commits, a commit and the working tree, or a cluster and what applying makes of it.
//!
//! ```text
//! commits: the manifests of both ─ plumb_compiler::changes ───────────────────────> Report, plain data
//! cluster: what is there, what the server would make of it ─ plumb_reconciler::preview ─> the same
//!   -> text       for people
//!   -> markdown   for pull requests
//!   -> data       for programs
//! ```

mod cluster;
mod commits;
mod data;
mod markdown;
mod text;

use crate::args::{self, Differences};
use crate::chain::{cut, short};
use crate::commands::{Stop, number};
use crate::terminal::Colour;
use plumb_compiler::changes::{Difference, EFFECTS, Effect, Identity};
use plumb_compiler::syntax::ast::Name;
use plumb_compiler::value::{Data, Value};
use plumb_reconciler::owned::Owner;
use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};

/// The sides differ, or it cannot be told: what `diff` and `kubectl diff` exit with.
const DIFFERENT: u8 = 1;

/// Values longer than this are cut, in characters: an image with its digest is whole.
const MAX_VALUE: usize = 160;

/// The lines that are shown of what differs between two texts.
const MAX_LINES: usize = 24;

/// Tells what sets two sides apart in an environment; gives the exit code.
///
/// # Errors
///
/// Where a side cannot be read, or has mistakes in its `plumb.toml`.
pub(crate) fn run(args: &args::Diff, colour: Colour) -> Result<u8, Stop> {
    match &args.from {
        Some(from) => commits::run(args, from, colour),
        None => cluster::run(args, colour),
    }
}

/// All there is to print.
struct Report<'v> {
    environment: String,
    from: Named,
    to: Named,
    /// The gravest first.
    objects: Vec<Object<'v>>,
    same: usize,
    incomplete: Vec<Incomplete>,
    /// What is neither the same nor told as an object, in words with its number.
    others: Vec<String>,
    /// What else is to be known, a sentence each.
    notes: Vec<String>,
}

/// What a side is called.
struct Named {
    /// In a sentence: `main (1a2b3c4)`.
    shown: String,
    /// Nothing of these for the working tree and for a cluster.
    revision: Option<String>,
    commit: Option<String>,
    summary: Option<String>,
    /// The cluster, if it is one.
    cluster: Option<String>,
}

/// An object that differs.
struct Object<'v> {
    identity: Identity,
    api_version: String,
    effect: Effect,
    /// The request that makes it, with its package.
    request: Name,
    /// Where that is declared, in words.
    declared: String,
    /// What makes it, or made it.
    source: Source,
    /// Each with what made its value, as it will be or, where it is taken out, as it was.
    differences: Vec<(Difference<'v>, Source)>,
}

/// What made a value.
#[derive(Default)]
struct Source {
    is_old: bool,
    by: By,
    /// The line that made it; of what the server fills in, the one around it.
    origin: Option<Origin>,
    left_to: Option<Name>,
    /// Who set it in the cluster, or what it stands in the place of.
    owner: Option<Owner>,
}

/// Who made a value.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum By {
    /// A line in git.
    #[default]
    Git,
    /// The server, which fills in what nobody says.
    Server,
    /// Nobody any more: it was applied once.
    Nobody,
    /// Another manager of fields.
    Manager,
    /// It is how Plumb knows its objects.
    Plumb,
}

/// A line of the sources.
struct Origin {
    layer: String,
    place: String,
    span: Json,
    /// The fields of the request that it was computed from.
    from: Vec<String>,
}

/// A request that one side says too little of.
struct Incomplete {
    request: Name,
    /// The request itself does not build there; otherwise another one of its package.
    is_blocked: bool,
    is_old: bool,
    /// It builds on neither side.
    is_both: bool,
    /// The objects that are left out for that reason.
    objects: usize,
}

impl Report<'_> {
    /// Prints it, with more to say to programs.
    fn write(&self, format: Differences, colour: Colour, more: &[(&str, Json)]) -> io::Result<()> {
        let stream = io::stdout().lock();
        let colour = colour.on(&stream);
        let mut out = BufWriter::new(stream);
        match format {
            Differences::Human => out.write_all(text::render(self, colour).as_bytes())?,
            Differences::Markdown => out.write_all(markdown::render(self).as_bytes())?,
            Differences::Json => {
                let mut shown = data::render(self);
                more.iter().for_each(|(key, value)| shown[*key] = value.clone());
                serde_json::to_writer_pretty(&mut out, &shown).map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        out.flush()
    }

    /// "1 deleted, 3 restarted; 40 the same".
    fn summary(&self) -> String {
        let counts = EFFECTS.iter().filter_map(|effect| {
            let count = self.objects.iter().filter(|it| it.effect == *effect).count();
            (count > 0).then(|| format!("{count} {}", word(*effect)))
        });
        let mut parts: Vec<String> = counts.collect();
        let lacking = self.not_compared().len();
        if lacking > 0 {
            parts.push(format!("{} not compared", number(lacking, "request")));
        }
        parts.extend(self.others.iter().cloned());
        let same = number(self.same, "object");
        match parts.is_empty() {
            true => format!("no difference in {same}"),
            false => format!("{}; {same} the same", parts.join(", ")),
        }
    }

    /// What a side says too little of, a sentence for each request.
    fn not_compared(&self) -> Vec<String> {
        let once = self.incomplete.iter().filter(|it| !(it.is_both && it.is_old));
        once.map(|it| self.told(it)).collect()
    }

    fn told(&self, incomplete: &Incomplete) -> String {
        let Incomplete { request, is_blocked, is_old, is_both, objects } = incomplete;
        if *is_both {
            return format!("{request} builds on neither side");
        }
        let side = if *is_old { &self.from.shown } else { &self.to.shown };
        let theirs = |count: usize| match count {
            1 => "its object is".to_owned(),
            count => format!("its {count} objects are"),
        };
        match (is_blocked, is_old, objects) {
            (true, _, 0) => format!("{request} does not build in {side}"),
            (true, true, count) => {
                let theirs = theirs(*count);
                format!("{request} does not build in {side}, so whether {theirs} new is not known")
            }
            (true, false, count) => {
                format!("{request} does not build in {side}, so {} left as they were", theirs(*count))
            }
            (false, _, count) => format!(
                "{request} is not in {side}, but its package does not build there, so {} left as they were",
                theirs(*count)
            ),
        }
        .replace("object is left as they were", "object is left as it was")
    }
}

/// What becomes of objects, in a word.
fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Deleted => "deleted",
        Effect::Replaced => "replaced",
        Effect::Restarted => "restarted",
        Effect::Changed => "changed in place",
        Effect::Created => "created",
        Effect::Left => "left alone",
    }
}

/// What that means, where the word does not say it all.
fn meaning(effect: Effect) -> Option<&'static str> {
    match effect {
        Effect::Replaced => Some(
            "what differs cannot be changed in place, so that it takes deleting and making anew",
        ),
        Effect::Restarted => Some("new pods take the place of the old ones"),
        Effect::Left => {
            Some("what differs is set when an object is made, and then left to its owner")
        }
        Effect::Deleted | Effect::Changed | Effect::Created => None,
    }
}

/// What goes with an object that is deleted.
fn goes_with(object: &Object<'_>) -> Option<&'static str> {
    if !matches!(object.effect, Effect::Deleted | Effect::Replaced) {
        return None;
    }
    match object.identity.kind.as_str() {
        "Namespace" => Some("with all that is in it"),
        "CustomResourceDefinition" => Some("with all objects of its kind"),
        "PersistentVolumeClaim" => Some("with its data, unless its volume is retained"),
        _ => None,
    }
}

/// "overlay cart in prod, apps/shop/cart.plumb:17, from env.CART_TTL"; of what was taken out, with the commit
/// that has the line; of what no line made, who did.
fn source_words(source: &Source, report: &Report<'_>) -> String {
    let Source { origin, owner, .. } = source;
    let owner = owner.as_ref();
    let who = match source.by {
        By::Git => owner.map(|it| format!("was set by {}", manager(it))),
        By::Server => Some("filled in by the API server".to_owned()),
        By::Nobody => Some(match owner.and_then(time) {
            Some(time) => format!("no longer declared; was applied {time}"),
            None => "no longer declared".to_owned(),
        }),
        By::Manager => owner.map(|it| format!("set by {}", manager(it))),
        By::Plumb => Some("makes it an object of this workspace".to_owned()),
    };
    let line = origin.as_ref().map(|Origin { layer, place, from, .. }| {
        let from = match from.as_slice() {
            [] => String::new(),
            from => format!(", from {}", from.join(", ")),
        };
        let commit = match source.is_old {
            true => format!(" in {}", report.from.shown),
            false => String::new(),
        };
        format!("{layer}, {place}{commit}{from}")
    });
    who.into_iter().chain(line).collect::<Vec<_>>().join("; ")
}

/// What makes an object, or made it: a line, or, of what no line makes any more, when it was applied.
fn maker(source: &Source) -> String {
    match (&source.origin, source.owner.as_ref().and_then(time)) {
        (Some(Origin { layer, place, .. }), _) => format!("{layer}, {place}"),
        (None, Some(time)) => format!("was applied {time}"),
        (None, None) => "was applied".to_owned(),
    }
}

/// "kubectl-edit on 2026-01-31 at 12:03 UTC"
fn manager(owner: &Owner) -> String {
    let time = time(owner).map(|it| format!(" {it}")).unwrap_or_default();
    format!("{}{time}", owner.manager)
}

/// "on 2026-01-31 at 12:03 UTC", of `2026-01-31T12:03:59Z`, as API servers write times.
fn time(owner: &Owner) -> Option<String> {
    let (date, time) = owner.time.as_deref()?.split_once('T')?;
    Some(format!("on {date} at {} UTC", time.get(..5)?))
}

/// What is to be known of a difference beside its values, where there is something.
fn remark(difference: &Difference<'_>, source: &Source) -> Option<String> {
    match (difference.effect, &source.left_to) {
        (Effect::Replaced, _) => Some("cannot be changed in place".to_owned()),
        (Effect::Left, Some(owner)) => {
            Some(format!("left to {owner}: an object that is there keeps what it has"))
        }
        _ if difference.is_order => Some("the same elements in another order".to_owned()),
        _ => None,
    }
}

/// A value on one line.
fn shown(value: &Value, difference: &Difference<'_>) -> String {
    match difference.is_secret {
        true => "(hidden)".to_owned(),
        false => cut(&short(Some(value)), MAX_VALUE),
    }
}

/// What is behind the sign of a line.
type Line = (char, String);

/// The lines that differ between two texts of several lines, with one around them.
fn lines(difference: &Difference<'_>) -> Option<Vec<Line>> {
    let text = |value: Option<&Value>| match &value?.data {
        Data::String(text) => Some(text.to_string()),
        _ => None,
    };
    let (old, new) = (text(difference.old)?, text(difference.new)?);
    if difference.is_secret || !(old.contains('\n') && new.contains('\n')) {
        return None;
    }
    let compared = TextDiff::from_lines(&old, &new);
    let mut lines: Vec<Line> = Vec::new();
    for group in compared.grouped_ops(1) {
        if !lines.is_empty() {
            lines.push((' ', "…".to_owned()));
        }
        for change in group.iter().flat_map(|op| compared.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value().trim_end_matches(['\n', '\r']);
            lines.push((sign, cut(line, MAX_VALUE)));
        }
    }
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push((' ', format!("… {}", number(more, "more line"))));
    }
    // Only the ends of lines differ, or the last one.
    (!lines.is_empty()).then_some(lines)
}

/// Objects that are there on one side alone, by request: where that is declared, and the objects.
fn by_request<'r, 'v>(
    report: &'r Report<'v>,
    effect: Effect,
) -> Vec<(&'r Name, &'r str, Vec<&'r Object<'v>>)> {
    let mut groups: Vec<(&Name, &str, Vec<&Object<'v>>)> = Vec::new();
    for object in report.objects.iter().filter(|it| it.effect == effect) {
        let Object { request, declared, .. } = object;
        match groups.last_mut() {
            Some((last, _, objects)) if *last == request => objects.push(object),
            _ => groups.push((request, declared, vec![object])),
        }
    }
    groups
}

/// Whether objects of an effect are on one side alone, so that there are no fields to tell of.
fn is_alone(effect: Effect) -> bool {
    matches!(effect, Effect::Created | Effect::Deleted)
}

/// Objects of an effect that differ alike, in the order of the first: a change of a platform is told once,
/// with all whom it concerns.
fn alike<'r, 'v>(
    report: &'r Report<'v>,
    effect: Effect,
    body: impl Fn(&Object<'v>) -> String,
) -> Vec<(String, Vec<&'r Object<'v>>)> {
    let mut groups: Vec<(String, Vec<&Object<'v>>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for object in report.objects.iter().filter(|it| it.effect == effect) {
        let body = body(object);
        match known.get(&body) {
            Some(at) => groups[*at].1.push(object),
            None => {
                known.insert(body.clone(), groups.len());
                groups.push((body, vec![object]));
            }
        }
    }
    groups
}
