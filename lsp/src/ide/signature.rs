//! What a call takes, while it is written.

use super::references::text_of;
use plumb_compiler::Db;
use plumb_compiler::builtins::Builtin;
use plumb_compiler::infer::signature;
use plumb_compiler::items::{documentation, keyed_items};
use plumb_compiler::names::{Target, resolve_path};
use plumb_compiler::source::{Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::{Ident, Name, NodeId};
use plumb_compiler::syntax::{Token, TokenKind, tokens};
use plumb_compiler::types::display;

/// A function as a call sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// `memory(size: Size) -> Quantity`
    pub label: String,
    /// Markdown.
    pub documentation: Option<String>,
    /// The parameters, as parts of the label, in bytes.
    pub parameters: Vec<(u32, u32)>,
    /// The one that the cursor is at; `None` where there are too many arguments.
    pub active: Option<usize>,
}

/// The function that is called around a place. Read from the tokens before it, so a call need not be whole.
pub fn signature_at(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    offset: u32,
) -> Option<Signature> {
    let text = text_of(db, file);
    let call = Call::around(text, offset)?;
    let (name, parameters, result, documentation) = match call.callee.as_slice() {
        [name] if name == "file" => (
            name.clone(),
            vec![("path".to_owned(), "String".to_owned())],
            Some("String".to_owned()),
            Some("The text of a file, by its path from the directory of the package.".to_owned()),
        ),
        [name] if name == "initial" => (
            name.clone(),
            ["value", "owner"].map(|it| (it.to_owned(), String::new())).to_vec(),
            None,
            Some(
                "A value that is set when the object is created and then left to its owner."
                    .to_owned(),
            ),
        ),
        words => match declared(db, workspace, file, words) {
            Some(found) => found,
            None => {
                let [name] = words else { return None };
                return Some(built_in(Builtin::from_name(name)?, &call));
            }
        },
    };
    let parameters = parameters.into_iter().map(|(name, ty)| {
        let shown = if ty.is_empty() { name.clone() } else { format!("{name}: {ty}") };
        (name, shown)
    });
    Some(call.signature(&name, parameters.collect(), result, documentation, false))
}

type Declared = (Name, Vec<(String, String)>, Option<String>, Option<String>);

fn declared(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    words: &[Name],
) -> Option<Declared> {
    let segments: Vec<Ident> =
        words.iter().map(|it| Ident { id: NodeId(0), text: it.clone() }).collect();
    let any = keyed_items(db, file).first()?;
    let Ok(Target::Item(id)) = resolve_path(db, workspace, *any, &segments) else { return None };
    if id.kind(db) != Kind::Fn {
        return None;
    }
    let (parameters, result) = signature(db, workspace, id).as_ref()?;
    let parameters =
        parameters.iter().map(|(name, ty)| (name.to_string(), display(db, workspace, ty)));
    Some((
        id.name(db).clone(),
        parameters.collect(),
        Some(display(db, workspace, result)),
        documentation(db, id, NodeId(0)).map(|it| it.to_string()),
    ))
}

fn built_in(it: Builtin, call: &Call) -> Signature {
    let shown = it.parameters().iter().map(|it| {
        let (before, after) = if it.optional { ("[", "]") } else { ("", "") };
        let more = if it.repeated { "…" } else { "" };
        (it.name.to_owned(), format!("{before}{}{more}{after}", it.name))
    });
    let repeats = it.parameters().last().is_some_and(|it| it.repeated);
    let documentation = Some(it.documentation().to_owned());
    call.signature(it.name(), shown.collect(), None, documentation, repeats)
}

/// A call that is open at a place.
struct Call {
    /// The words before the parenthesis.
    callee: Vec<Name>,
    /// The arguments before the one at the place.
    before: usize,
    /// The name of the one at the place, where it is given by name.
    named: Option<Name>,
}

impl Call {
    fn around(text: &str, offset: u32) -> Option<Self> {
        use TokenKind as T;
        let all: Vec<Token> = tokens(text)
            .into_iter()
            .filter(|it| it.range.start < offset)
            .filter(|it| !matches!(it.kind, T::Whitespace | T::Comment | T::Doc))
            .collect();
        let word = |it: &Token| -> &str {
            text.get(it.range.start as usize..it.range.end as usize).unwrap_or_default()
        };
        // The cursor stands behind what it is in: a bracket that it touches from before is not open yet.
        let mut at = all.len();
        let mut depth = 0usize;
        let mut before = 0;
        let mut named = None;
        while at > 0 {
            at -= 1;
            let token = &all[at];
            match token.kind {
                T::RightParen | T::RightBracket | T::RightBrace => depth += 1,
                T::LeftParen | T::LeftBracket | T::LeftBrace if depth > 0 => depth -= 1,
                T::LeftParen => {
                    let mut callee: Vec<Name> = Vec::new();
                    let mut expects_word = true;
                    for it in all[..at].iter().rev() {
                        match (it.kind, expects_word) {
                            (T::Word, true) => callee.insert(0, word(it).into()),
                            (T::Dot, false) => {}
                            _ => break,
                        }
                        expects_word = !expects_word;
                    }
                    if !callee.is_empty() {
                        return Some(Call { callee, before, named });
                    }
                    // Parentheses that only group.
                    (before, named) = (0, None);
                }
                // Elements and fields inside of an argument.
                T::LeftBracket | T::LeftBrace => (before, named) = (0, None),
                T::Comma if depth == 0 => before += 1,
                T::Equal if depth == 0 && before == 0 && named.is_none() => {
                    let it = at.checked_sub(1).map(|it| &all[it]);
                    named = it.filter(|it| it.kind == T::Word).map(|it| word(it).into());
                }
                // A declaration begins: nothing around it is open.
                T::Newline if depth == 0 => {
                    let next = all.get(at + 1);
                    let begins = next.is_some_and(|it| {
                        it.kind == T::Word
                            && it.range.start == token.range.end
                            && is_declaration(word(it))
                    });
                    if begins {
                        return None;
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn signature(
        &self,
        name: &str,
        parameters: Vec<(String, String)>,
        result: Option<String>,
        documentation: Option<String>,
        repeats: bool,
    ) -> Signature {
        let mut label = format!("{name}(");
        let mut parts = Vec::new();
        for (index, (_, shown)) in parameters.iter().enumerate() {
            if index > 0 {
                label += ", ";
            }
            let start = label.len() as u32;
            label += shown;
            parts.push((start, label.len() as u32));
        }
        label += ")";
        if let Some(result) = result {
            label += &format!(" -> {result}");
        }
        let active = match &self.named {
            Some(named) => parameters.iter().position(|(name, _)| *name == named.as_str()),
            None if repeats => Some(self.before.min(parameters.len().saturating_sub(1))),
            None => Some(self.before).filter(|it| *it < parameters.len()),
        };
        Signature { label, documentation, parameters: parts, active }
    }
}

/// The words that begin declarations.
fn is_declaration(word: &str) -> bool {
    matches!(
        word,
        "use"
            | "package"
            | "private"
            | "let"
            | "schema"
            | "type"
            | "abstract"
            | "environment"
            | "defaults"
            | "compose"
            | "policy"
            | "fn"
            | "request"
            | "overlay"
            | "adjust"
            | "test"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::Fixture;

    fn shown(call: &str) -> String {
        let it = Fixture::new(&format!(
            "/// Twice as much.\nfn double(number: Int, of: [String]) -> Int = number * 2\nlet x = {call}\nlet y = 1\n\
             ---- b/b.plumb\nfn other() -> Int = 1\n"
        ));
        match signature_at(&it.db, it.workspace, it.file, it.offset) {
            None => "nothing".to_owned(),
            Some(it) => match it.active.and_then(|at| it.parameters.get(at)) {
                Some((from, to)) => format!(
                    "{}«{}»{}",
                    &it.label[..*from as usize],
                    &it.label[*from as usize..*to as usize],
                    &it.label[*to as usize..]
                ),
                None => it.label,
            },
        }
    }

    #[test]
    fn the_parameter_at_the_cursor_is_marked() {
        let first = "double(«number: Int», of: [String]) -> Int";
        let second = "double(number: Int, «of: [String]») -> Int";
        assert_eq!(shown("double($01, [\"a\", \"b\"])"), first);
        assert_eq!(shown("double(1, [\"a\", \"b\"]$0)"), second);
        assert_eq!(shown("double(of = [\"a\"], number = $01)"), first);
        assert_eq!(shown("double(1, $0)"), second);
        assert_eq!(shown("double(1, [], $0)"), "double(number: Int, of: [String]) -> Int");
        assert_eq!(shown("double(1 + (2 $0))"), first);
        assert_eq!(shown("double(\n    1,\n    $0\n)"), second);
    }

    #[test]
    fn a_call_need_not_be_whole() {
        assert_eq!(shown("double($0"), "double(«number: Int», of: [String]) -> Int");
        assert_eq!(
            shown("[for i in [1] => double(i, {$0"),
            "double(number: Int, «of: [String]») -> Int"
        );
        assert_eq!(shown("join(double(1, []), $0"), "join(list, «separator»)");
    }

    #[test]
    fn built_in_functions_have_signatures_too() {
        assert_eq!(shown("max(1, 2, 3$0)"), "max(«values…»)");
        assert_eq!(shown("range(1, $0)"), "range(from, «[to]»)");
        assert_eq!(shown("file($0)"), "file(«path: String») -> String");
        assert_eq!(shown("initial(1, owner = $0)"), "initial(value, «owner»)");
    }

    #[test]
    fn elsewhere_there_is_none() {
        assert_eq!(shown("double(1, [])$0"), "nothing");
        assert_eq!(shown("nobody($0)"), "nothing");
        assert_eq!(shown("(1 + $0)"), "nothing");
        assert_eq!(shown("double(\nlet z = $0 1"), "nothing");
    }
}
