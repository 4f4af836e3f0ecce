//! A workspace as text.

use crate::model::{
    Composition, Condition, Entry, EntryId, EntryKind, Expression, Made, Operation, Piece, Said,
    Schema, Statement, Step, Type, Value, Workspace,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The files of a workspace.
#[derive(Clone, Default)]
pub(crate) struct Text {
    pub files: BTreeMap<String, String>,
    /// The file and line of each entry.
    pub places: BTreeMap<EntryId, (String, usize)>,
    /// The file and line of each request's head.
    pub heads: Vec<(String, usize)>,
}

pub(crate) fn render(workspace: &Workspace) -> Text {
    let mut writer = Writer { workspace, text: Text::default(), path: String::new(), depth: 0 };
    writer.environments();
    writer.schemas();
    writer.defaults();
    writer.requests();
    writer.text
}

/// A string literal of the language.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for it in text.chars() {
        match it {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '$' => out.push_str("\\$"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out + "\""
}

pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::None => "none".into(),
        Value::Bool(it) => it.to_string(),
        Value::Int(it) => it.to_string(),
        Value::Text(it) => quoted(it),
        Value::Quantity(it) => format!("{}{}", it.amount, it.unit),
        Value::List(list) => {
            let elements: Vec<String> = list.iter().map(literal).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Record(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, it)| format!("{} = {}", name(key), literal(it))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}

/// A key as it is written before `=`.
fn name(key: &str) -> String {
    let plain = key.starts_with(|it: char| it.is_ascii_alphabetic())
        && key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    if plain { key.to_string() } else { quoted(key) }
}

struct Writer<'w> {
    workspace: &'w Workspace,
    text: Text,
    path: String,
    depth: usize,
}

impl Writer<'_> {
    fn open(&mut self, path: &str) {
        self.path = path.to_string();
        self.text.files.entry(path.to_string()).or_default();
    }

    /// Writes a line; gives its number.
    fn line(&mut self, line: &str) -> usize {
        let text = self.text.files.get_mut(&self.path).expect("a file is open");
        let _ = writeln!(text, "{:width$}{line}", "", width = self.depth * 4);
        text.lines().count()
    }

    fn environments(&mut self) {
        self.open("envs/env.plumb");
        self.line("schema Env {");
        self.line("    domain: String = \"example.test\"");
        self.line("    tier: \"low\" | \"high\" = \"low\"");
        self.line("}");
        for it in &self.workspace.environments {
            let word = if it.is_abstract { "abstract environment" } else { "environment" };
            let from = match it.parent {
                Some(parent) => format!(" from {}", self.workspace.environments[parent].name),
                None => String::new(),
            };
            let mut set = Vec::new();
            set.extend(it.domain.map(|it| format!("domain = {}", quoted(it))));
            set.extend(it.tier.map(|it| format!("tier = {}", quoted(it))));
            self.line(&format!("{word} {}: Env{from} {{ {} }}", it.name, set.join(", ")));
        }
    }

    fn ty(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "Bool".into(),
            Type::Int(None) => "Int".into(),
            Type::Int(Some((least, most))) => format!("Int where it in {least}..={most}"),
            Type::Text => "String".into(),
            Type::Choice(choices) => {
                choices.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(" | ")
            }
            Type::Quantity(None) => "Quantity".into(),
            Type::Quantity(Some(most)) => {
                format!(
                    "Quantity where it <= {} else \"too much\"",
                    literal(&Value::Quantity(*most))
                )
            }
            Type::Optional(inner) => format!("{}?", self.inner(inner)),
            Type::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, ty)| format!("{name}: {}", self.inner(ty))).collect();
                format!("{{ {} }}", fields.join(", "))
            }
            Type::Schema(schema) => self.workspace.schemas[*schema].name.into(),
            Type::Map(value) => format!("{{String: {}}}", self.inner(value)),
            Type::List(element) => format!("[{}]", self.inner(element)),
            Type::Keyed(schema) => {
                format!("[{} by name]", self.workspace.schemas[*schema].name)
            }
        }
    }

    /// A type as a part of another.
    fn inner(&self, ty: &Type) -> String {
        match ty {
            Type::Int(Some(_)) | Type::Quantity(Some(_)) | Type::Choice(_) => {
                format!("({})", self.ty(ty))
            }
            _ => self.ty(ty),
        }
    }

    /// The path of a schema's file: parts stand in a package of their own.
    fn schema_file(schema: &Schema) -> String {
        match schema.composition {
            Some(_) => format!("platform/{}.plumb", schema.name.to_lowercase()),
            None => "parts/parts.plumb".into(),
        }
    }

    fn schemas(&mut self) {
        let parts: Vec<&str> = self.parts();
        for schema in &self.workspace.schemas {
            self.open(&Self::schema_file(schema));
            if schema.composition.is_some() {
                self.line("use k8s.apps.v1 as apps");
                self.line("use k8s.core.v1 as core");
                if !parts.is_empty() {
                    self.line(&format!("use parts.{{{}}}", parts.join(", ")));
                }
            }
            self.line(&format!("schema {} {{", schema.name));
            self.depth = 1;
            for field in &schema.fields {
                let word = if field.sealed { "final " } else { "" };
                let head = format!("{word}{}: {}", field.name, self.ty(&field.ty));
                match &field.default {
                    None => {
                        self.line(&head);
                    }
                    Some(Said::Expression(it)) => {
                        let it = self.expression(it, usize::MAX);
                        self.line(&format!("{head} = {it}"));
                    }
                    Some(Said::Braces(entries)) => {
                        self.braces(&format!("{head} = "), entries, usize::MAX)
                    }
                }
            }
            self.entries(&schema.seals, usize::MAX);
            for condition in &schema.conditions {
                match condition {
                    Condition::AtMost(a, b) => {
                        self.line(&format!("require {a} <= {b} else \"{a} is over {b}\""));
                    }
                    Condition::If(a, b, n) => {
                        self.line(&format!("if {a} {{"));
                        self.line(&format!("    require {b} >= {n}"));
                        self.line("}");
                    }
                    Condition::IfThere(a, b) => {
                        self.line(&format!("if {a} != none {{"));
                        self.line(&format!("    require self.{b} != \"\" else \"{b} is empty\""));
                        self.line("}");
                    }
                }
            }
            self.depth = 0;
            self.line("}");
            if let Some(composition) = &schema.composition {
                self.composition(schema, composition);
            }
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        let parts = self.workspace.schemas.iter().filter(|it| it.composition.is_none());
        parts.map(|it| it.name).collect()
    }

    fn defaults(&mut self) {
        let mut used: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for defaults in &self.workspace.defaults {
            let schema = &self.workspace.schemas[defaults.schema];
            let package = if schema.composition.is_some() { "platform" } else { "parts" };
            let file = if defaults.beside_environments {
                "envs/defaults.plumb"
            } else {
                &format!("{package}/defaults.plumb")
            };
            self.open(file);
            let used = used.entry(file.to_string()).or_default();
            if defaults.beside_environments && !used.contains(&schema.name) {
                used.push(schema.name);
                self.line(&format!("use {package}.{{{}}}", schema.name));
            }
            let head = format!("defaults {}{} ", schema.name, self.within(&defaults.environments));
            self.braces(&head, &defaults.entries, usize::MAX);
        }
    }

    fn within(&self, environments: &[usize]) -> String {
        if environments.is_empty() {
            return String::new();
        }
        let names: Vec<&str> =
            environments.iter().map(|it| self.workspace.environments[*it].name).collect();
        format!(" in {}", names.join(", "))
    }

    fn requests(&mut self) {
        for (index, team) in self.workspace.teams.iter().enumerate() {
            let path = format!("apps/{0}/{0}.plumb", team.name);
            self.open(&path);
            self.line("use platform");
            for other in self.workspace.teams.iter().filter(|it| it.name != team.name) {
                self.line(&format!("use apps.{}", other.name));
            }
            let behind = if team.is_split { "-${environment.name}" } else { "" };
            self.line(&format!("package {{ namespace = \"{}{behind}\" }}", team.name));
            for it in self.workspace.lets.iter().filter(|it| it.team == index) {
                self.line(&format!("let {} = {}", it.name, literal(&it.value)));
            }
        }
        for request in &self.workspace.requests {
            self.open(&format!("apps/{0}/{0}.plumb", self.workspace.teams[request.team].name));
            let head = format!(
                "request {}: platform.{}{} {{",
                request.name,
                self.workspace.schemas[request.schema].name,
                self.within(&request.environments)
            );
            let line = self.line(&head);
            self.text.heads.push((self.path.clone(), line));
            self.depth = 1;
            if !request.after.is_empty() {
                let after: Vec<String> =
                    request.after.iter().map(|it| self.request(*it, request.team)).collect();
                self.line(&format!("after = [{}]", after.join(", ")));
            }
            self.entries(&request.entries, request.team);
            self.depth = 0;
            self.line("}");
        }
        for overlay in &self.workspace.overlays {
            let team = self.workspace.requests[overlay.requests[0]].team;
            let name = self.workspace.teams[team].name;
            let file = if overlay.apart { "overlays" } else { name };
            self.open(&format!("apps/{name}/{file}.plumb"));
            if overlay.apart && self.text.files[&self.path].is_empty() {
                for other in self.workspace.teams.iter().filter(|it| it.name != name) {
                    self.line(&format!("use apps.{}", other.name));
                }
            }
            let names: Vec<&str> =
                overlay.requests.iter().map(|it| self.workspace.requests[*it].name).collect();
            let head =
                format!("overlay {}{} ", names.join(", "), self.within(&overlay.environments));
            self.braces(&head, &overlay.entries, team);
        }
    }

    /// A request as `team` calls it.
    fn request(&self, request: usize, team: usize) -> String {
        let it = &self.workspace.requests[request];
        if it.team == team {
            it.name.into()
        } else {
            format!("{}.{}", self.workspace.teams[it.team].name, it.name)
        }
    }

    fn braces(&mut self, head: &str, entries: &[Entry], team: usize) {
        if entries.is_empty() {
            self.line(&format!("{head}{{}}"));
            return;
        }
        self.line(&format!("{head}{{"));
        self.depth += 1;
        self.entries(entries, team);
        self.depth -= 1;
        self.line("}");
    }

    fn entries(&mut self, entries: &[Entry], team: usize) {
        for entry in entries {
            let before = self.text.files[&self.path].lines().count();
            match &entry.kind {
                // What it brings in is told where it was written, so it has no line of its own.
                EntryKind::Spread(index) => {
                    let it = &self.workspace.lets[*index];
                    let shown = self.shared(*index, team);
                    debug_assert!(it.team == team || shown.contains('.'));
                    self.line(&format!("...{shown}"));
                }
                EntryKind::Set { path, operation, sealed, said } => {
                    self.text.places.insert(entry.id, (self.path.clone(), before + 1));
                    let word = match (sealed, operation) {
                        (true, _) => "final ",
                        (_, Operation::Replace) => "replace ",
                        _ => "",
                    };
                    let sign = if *operation == Operation::Append { "+=" } else { "=" };
                    let head = format!("{word}{} {sign} ", shown_path(path, entry.id));
                    match said {
                        Said::Braces(entries) => self.braces(&head, entries, team),
                        Said::Expression(it) => {
                            let it = self.expression(it, team);
                            self.line(&format!("{head}{it}"));
                        }
                    }
                }
            }
        }
    }

    fn shared(&self, index: usize, team: usize) -> String {
        let it = &self.workspace.lets[index];
        if it.team == team {
            it.name.into()
        } else {
            format!("{}.{}", self.workspace.teams[it.team].name, it.name)
        }
    }

    fn expression(&self, expression: &Expression, team: usize) -> String {
        match expression {
            Expression::Literal(value) => literal(value),
            Expression::Let(index) => self.shared(*index, team),
            Expression::Sibling(name, 0) => (*name).into(),
            Expression::Sibling(name, more) => format!("{name} + {more}"),
            Expression::Text(pieces) => {
                let mut out = String::from("\"");
                for piece in pieces {
                    match piece {
                        Piece::Plain(text) => out.push_str(text),
                        Piece::Environment(name) => {
                            let _ = write!(out, "${{environment.{name}}}");
                        }
                        Piece::Own(name) => {
                            let _ = write!(out, "${{self.{name}}}");
                        }
                        Piece::Other(request, name) => {
                            let request = self.request(*request, team);
                            let _ = write!(out, "${{{request}.{name}}}");
                        }
                    }
                }
                out + "\""
            }
        }
    }

    fn composition(&mut self, schema: &Schema, composition: &Composition) {
        self.line(&format!("compose {} as svc {{", schema.name));
        self.depth = 1;
        for statement in &composition.statements {
            self.statement(schema, statement);
        }
        let behind = composition.url.map(|it| format!("/${{svc.{it}}}")).unwrap_or_default();
        self.line(&format!(
            "output url: String = \"http://${{svc.name}}.${{svc.namespace}}{behind}\""
        ));
        self.depth = 0;
        self.line("}");
    }

    fn statements(
        &mut self,
        schema: &Schema,
        head: &str,
        then: &[Statement],
        otherwise: &[Statement],
    ) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        then.iter().for_each(|it| self.statement(schema, it));
        self.depth -= 1;
        if !otherwise.is_empty() {
            self.line("} else {");
            self.depth += 1;
            otherwise.iter().for_each(|it| self.statement(schema, it));
            self.depth -= 1;
        }
        self.line("}");
    }

    fn statement(&mut self, schema: &Schema, statement: &Statement) {
        match statement {
            Statement::Config { suffix, label, data } => {
                self.line("emit core.ConfigMap {");
                self.line(&format!("    metadata.name = \"${{svc.name}}{suffix}\""));
                if let Some(label) = label {
                    self.line(&format!("    metadata.labels = {{ part = {} }}", quoted(label)));
                }
                for (key, made) in data {
                    let made = self.made(schema, made);
                    self.line(&format!("    data.{} = {made}", name(key)));
                }
                self.line("}");
            }
            Statement::Service { port } => {
                self.line("emit core.Service {");
                self.line("    metadata.name = svc.name");
                self.line(
                    "    spec = { selector = { app = svc.name }, ports = [{ port = svc.PORT }] }"
                        .replace("PORT", port)
                        .as_str(),
                );
                self.line("}");
            }
            Statement::Deployment { replicas } => {
                self.line("let marks = { app = svc.name }");
                self.line("emit apps.Deployment {");
                self.line("    metadata = { name = svc.name, labels = marks }");
                if let Some(replicas) = replicas {
                    self.line(&format!("    spec.replicas = svc.{replicas}"));
                }
                self.line("    spec.selector.matchLabels = marks");
                self.line("    spec.template.metadata.labels = marks");
                self.line("    spec.template.spec.containers = [{ name = \"main\", image = \"example.test/main\" }]");
                self.line("}");
            }
            Statement::If(field, then, otherwise) => {
                self.statements(schema, &format!("if svc.{field}"), then, otherwise);
            }
            Statement::IfLet(field, then, otherwise) => {
                self.statements(schema, &format!("if let found = svc.{field}"), then, otherwise);
            }
            Statement::ForEntries(field) => {
                self.line(&format!("for key, value in svc.{field} {{"));
                self.line(&format!("    emit core.ConfigMap {{ metadata = {{ name = \"${{svc.name}}-{field}-${{key}}\" }}, data = {{ value = \"${{value}}\" }} }}"));
                self.line("}");
            }
            Statement::ForElements(field) => {
                self.line(&format!("for index, value in svc.{field} {{"));
                self.line(&format!("    emit core.ConfigMap {{ metadata = {{ name = \"${{svc.name}}-{field}-${{index}}\" }}, data = {{ value = \"${{value}}\" }} }}"));
                self.line("}");
            }
            Statement::Held { field, least, most } => {
                self.line(&format!("let held: (Int where it in {least}..={most}) = svc.{field}"));
            }
            Statement::Nested { bound, schema: nested, set } => {
                let set: Vec<String> = set
                    .iter()
                    .map(|(name, made)| format!("{name} = {}", self.made(schema, made)))
                    .collect();
                self.line(&format!(
                    "emit {bound} = {} {{ {} }}",
                    self.workspace.schemas[*nested].name,
                    set.join(", ")
                ));
                self.line("emit core.ConfigMap {");
                self.line(&format!("    metadata.name = \"${{svc.name}}-reads-{bound}\""));
                self.line(&format!("    data = {{ name = {bound}.name, url = {bound}.url }}"));
                self.line("}");
            }
        }
    }

    fn made(&self, schema: &Schema, made: &Made) -> String {
        match made {
            Made::Literal(value) => literal(value),
            Made::Field(name) => format!("svc.{name}"),
            Made::Json(name) => {
                let optional = schema.field(name).is_some_and(|it| it.ty.is_optional());
                if optional {
                    format!("if let it = svc.{name} => json(it) else \"none\"")
                } else {
                    format!("json(svc.{name})")
                }
            }
            Made::Otherwise(name, value) => format!("string(svc.{name} ?? {})", literal(value)),
            Made::Written(name) => format!("\"${{svc.{name}}}\""),
            Made::Match(name, arms) => {
                let mut shown = Vec::new();
                for (index, (choice, result)) in arms.iter().enumerate() {
                    let pattern = if index + 1 == arms.len() { "_".into() } else { quoted(choice) };
                    shown.push(format!("{pattern} => {}", quoted(result)));
                }
                format!("match svc.{name} {{ {} }}", shown.join(", "))
            }
            Made::Joined(name, skipped) => format!(
                "join([for it in svc.{name} if it != {} => \"<${{it}}>\"], \",\")",
                quoted(skipped)
            ),
            Made::Found => "string(found)".into(),
            Made::EnvironmentName => "environment.name".into(),
        }
    }
}

fn shown_path(path: &[Step], id: EntryId) -> String {
    let mut out = String::new();
    for (index, step) in path.iter().enumerate() {
        match step {
            Step::Field(field) | Step::Key(field) if index == 0 => out.push_str(&name(field)),
            Step::Field(field) => {
                let _ = write!(out, ".{field}");
            }
            // The ways to write one key, by turns.
            Step::Key(key) => {
                let _ = match id % 3 {
                    0 => write!(out, "[{}]", quoted(key)),
                    1 => write!(out, ".{}", quoted(key)),
                    _ => write!(out, ".{}", name(key)),
                };
            }
            Step::Element(key) => {
                let _ = write!(out, "[{}]", quoted(key));
            }
        }
    }
    out
}
