//! What words are, for colours: what the grammar cannot know.

use super::meaning::{Reading, Symbol};
use super::references::text_of;
use plumb_compiler::Db;
use plumb_compiler::items::{extent, item, keyed_items, spans};
use plumb_compiler::source::{ItemId, Kind, SourceFile, Workspace};
use plumb_compiler::syntax::ast::*;
use plumb_compiler::versions::kubernetes;

/// What a word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Color {
    /// A package, a group of Kubernetes kinds or a version of one.
    Package,
    /// A schema.
    Schema,
    /// Another type.
    Type,
    /// A Kubernetes kind or a part of one.
    Kind,
    /// A request.
    Request,
    /// An environment.
    Environment,
    /// A field, an output.
    Field,
    /// A function.
    Function,
    /// A parameter of a function.
    Parameter,
    /// A `let`, a name of a block or loop.
    Variable,
    /// A word of the language that is a value.
    Word,
}

/// A word with what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Colored {
    /// Where; on one line.
    pub range: TextRange,
    /// What it is.
    pub color: Color,
    /// It is declared here.
    pub declares: bool,
    /// It has a value that nothing changes.
    pub readonly: bool,
    /// Kubernetes means to remove it.
    pub deprecated: bool,
    /// It comes with Plumb or Kubernetes.
    pub library: bool,
}

/// The words of a part of a file, in the order of the text.
pub fn colors(
    db: &dyn Db,
    workspace: Workspace,
    file: SourceFile,
    part: TextRange,
) -> Vec<Colored> {
    let mut found: Vec<Colored> = Vec::new();
    for id in keyed_items(db, file) {
        let at = extent(db, *id);
        if at.end < part.start || part.end < at.start {
            continue;
        }
        let Some(reading) = Reading::new(db, workspace, *id) else { continue };
        let spans = spans(db, *id);
        for it in reading.occurrences() {
            let Some(range) = spans.get(it.node.0 as usize).copied() else { continue };
            let text = text_of(db, file).get(range.start as usize..range.end as usize);
            // Texts that stand for something look like the others.
            if text.is_none_or(|it| it.is_empty() || it.contains('\n') || it.starts_with('"')) {
                continue;
            }
            let Some(color) = color(db, &it.symbol) else { continue };
            found.push(Colored {
                range,
                color,
                declares: it.declares,
                readonly: matches!(color, Color::Variable | Color::Parameter | Color::Environment),
                deprecated: is_deprecated(db, workspace, &it.symbol),
                library: is_library(db, &it.symbol),
            });
        }
    }
    found.retain(|it| part.start <= it.range.end && it.range.start <= part.end);
    found.sort_by_key(|it| it.range);
    // A word has one colour.
    found.dedup_by_key(|it| it.range);
    found
}

fn color(db: &dyn Db, symbol: &Symbol) -> Option<Color> {
    Some(match symbol {
        Symbol::Item(id) => match id.kind(db) {
            Kind::Schema => Color::Schema,
            Kind::Type => Color::Type,
            Kind::Request => Color::Request,
            Kind::Environment => Color::Environment,
            Kind::Fn => Color::Function,
            Kind::Let => Color::Variable,
            _ => return None,
        },
        Symbol::Field(..) | Symbol::Output(..) => Color::Field,
        Symbol::ObjectField(..) | Symbol::BuiltInField(_) => Color::Field,
        Symbol::Local(id, node) if is_parameter(db, *id, *node) => Color::Parameter,
        Symbol::Local(..) => Color::Variable,
        Symbol::Package(_) | Symbol::Group(_) => Color::Package,
        Symbol::Kind(_) | Symbol::Object(_) => Color::Kind,
        Symbol::Builtin(_) => Color::Function,
        Symbol::Word(name) if matches!(name.as_str(), "file" | "initial") => Color::Function,
        Symbol::Word(_) => Color::Word,
        Symbol::BuiltInType(_) => Color::Type,
    })
}

fn is_parameter(db: &dyn Db, id: ItemId, node: NodeId) -> bool {
    match item(db, id).as_deref().map(|it| &it.kind) {
        Some(ItemKind::Fn { params, .. }) => params.iter().any(|it| it.name.id == node),
        _ => false,
    }
}

fn is_deprecated(db: &dyn Db, workspace: Workspace, symbol: &Symbol) -> bool {
    match symbol {
        Symbol::Kind(kind) => kubernetes(db, workspace).kind_facts(*kind).deprecated.is_some(),
        _ => false,
    }
}

fn is_library(db: &dyn Db, symbol: &Symbol) -> bool {
    match symbol {
        Symbol::Item(id) => id.file(db) == db.prelude(),
        Symbol::Field(..) | Symbol::Output(..) | Symbol::Local(..) | Symbol::Package(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ide::fixture::{Fixture, SHOP};

    fn shown(text: &str) -> String {
        let it = Fixture::new(text);
        let text = &it.texts[it.file.path(&it.db)];
        let part = TextRange::new(0, text.len() as u32);
        let shown = colors(&it.db, it.workspace, it.file, part).into_iter().map(|it| {
            let word = &text[it.range.start as usize..it.range.end as usize];
            let marks = [
                (it.declares, " declared"),
                (it.readonly, " readonly"),
                (it.deprecated, " deprecated"),
                (it.library, " library"),
            ];
            let marks: String = marks.iter().filter(|it| it.0).map(|it| it.1).collect();
            format!("{word} {:?}{marks}\n", it.color)
        });
        shown.collect()
    }

    #[test]
    fn words_are_what_they_stand_for() {
        insta::assert_snapshot!(shown(&SHOP.replace("package {", "$0package {")), @r#"
        platform Package
        cart Request declared
        platform Package
        Web Schema
        image Field
        owner Field
        cart Request
        prod Environment readonly
        replicas Field
        size Field
        "#);
        insta::assert_snapshot!(shown("use k8s.core.v1.{Endpoints}\nfn f(a: Port, b: [Int]) -> Int = len(b) + a\nlet x = [for i in [1] => f(i, b = $0])\n"), @r#"
        k8s Package library
        core Package library
        v1 Package library
        Endpoints Kind deprecated library
        f Function declared
        a Parameter declared readonly
        Port Type library
        b Parameter declared readonly
        Int Type library
        Int Type library
        len Function library
        b Parameter readonly
        a Parameter readonly
        x Variable declared readonly
        i Variable declared readonly
        f Function
        i Variable readonly
        b Parameter readonly
        "#);
    }

    #[test]
    fn a_part_of_a_file_has_its_own_words() {
        let it = Fixture::new("let a = 1\nlet b = a\nlet c = b$0\n");
        let found = colors(&it.db, it.workspace, it.file, TextRange::new(10, 19));
        assert_eq!(found.len(), 2);
    }
}
