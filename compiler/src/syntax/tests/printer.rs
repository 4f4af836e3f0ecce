//! Trees as short lines, for tests only.

use super::*;

pub(super) fn item(item: &Item) -> String {
    let mut out: String = item
        .annotations
        .iter()
        .map(|a| format!("@{}({}) ", name(&a.name), args(&a.args)))
        .collect();
    if item.private {
        out.push_str("private ");
    }
    let rest = match &item.kind {
        ItemKind::Use { path: p, names, alias } => {
            let names = names.as_ref().map(|names| {
                let all: Vec<String> = names
                    .iter()
                    .map(|n| match &n.alias {
                        Some(alias) => format!("{}>{}", name(&n.name), name(alias)),
                        None => name(&n.name),
                    })
                    .collect();
                format!(" {{{}}}", all.join(" "))
            });
            let alias = alias.as_ref().map(|alias| format!(" as {}", name(alias)));
            format!("use {}{}{}", path(p), names.unwrap_or_default(), alias.unwrap_or_default())
        }
        ItemKind::Package { record: r } => format!("package {}", record(r)),
        ItemKind::Let(binding) => let_binding(binding),
        ItemKind::Schema { name: n, members } => {
            format!("schema {} [{}]", name(n), joined(members, member))
        }
        ItemKind::Type { name: n, ty: t } => format!("type {} {}", name(n), ty(t)),
        ItemKind::Environment { is_abstract, name: n, schema, parent, record: r } => format!(
            "{}environment {}: {}{} {}",
            if *is_abstract { "abstract " } else { "" },
            name(n),
            path(schema),
            parent.as_ref().map(|parent| format!(" from {}", name(parent))).unwrap_or_default(),
            record(r)
        ),
        ItemKind::Defaults { schema, environments, record: r } => {
            format!("defaults {}{} {}", path(schema), envs(environments), record(r))
        }
        ItemKind::Compose { schema, binder, block: b } => {
            format!("compose {} as {} {}", path(schema), name(binder), block(b))
        }
        ItemKind::Policy { name: n, target, binder, environments, block: b } => format!(
            "policy {} for {} as {}{} {}",
            name(n),
            path(target),
            name(binder),
            envs(environments),
            block(b)
        ),
        ItemKind::Fn { name: n, params, result, body } => format!(
            "fn {}({}) -> {} = {}",
            name(n),
            joined(params, |p| format!("{}: {}", name(&p.name), ty(&p.ty))),
            ty(result),
            expr(body)
        ),
        ItemKind::Request { name: n, schema, environments, record: r } => {
            format!("request {}: {}{} {}", name(n), path(schema), envs(environments), record(r))
        }
        ItemKind::Overlay { requests, environments, record: r } => {
            format!("overlay {}{} {}", joined(requests, name), envs(environments), record(r))
        }
        ItemKind::Adjust { subject, target, environments, record: r } => {
            format!(
                "adjust {}: {}{} {}",
                path(subject),
                path(target),
                envs(environments),
                record(r)
            )
        }
        ItemKind::Test { name: n, environments, block: b } => {
            format!("test {}{} {}", expr(n), envs(environments), block(b))
        }
    };
    out + &rest
}

fn joined<T>(all: &[T], one: impl Fn(&T) -> String) -> String {
    all.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn name(ident: &Ident) -> String {
    if ident.is_hole() { "?".into() } else { ident.text.to_string() }
}

fn path(path: &Path) -> String {
    path.segments.iter().map(name).collect::<Vec<_>>().join(".")
}

fn envs(environments: &[Ident]) -> String {
    if environments.is_empty() {
        String::new()
    } else {
        format!(" in {}", joined(environments, name))
    }
}

fn let_binding(binding: &Let) -> String {
    let ty = binding.ty.as_ref().map(|t| format!(": {}", ty(t))).unwrap_or_default();
    format!("let {}{ty} = {}", name(&binding.name), expr(&binding.value))
}

fn otherwise(text: Option<&Expr>) -> String {
    text.as_ref().map(|text| format!(" else {}", expr(text))).unwrap_or_default()
}

fn member(member: &Member) -> String {
    match &member.kind {
        MemberKind::Include(p) => format!("(...{})", path(p)),
        MemberKind::Field { annotations, is_final, name: n, ty: t, default, otherwise: o } => {
            format!(
                "({}{}{}: {}{}{})",
                annotations
                    .iter()
                    .map(|a| format!("@{}({}) ", name(&a.name), args(&a.args)))
                    .collect::<String>(),
                if *is_final { "final " } else { "" },
                name(n),
                ty(t),
                default.as_ref().map(|value| format!(" = {}", expr(value))).unwrap_or_default(),
                otherwise(o.as_ref())
            )
        }
        MemberKind::If(i) => if_rest(i),
        MemberKind::Rule(r) => rule(r),
        MemberKind::Final { path, value, otherwise: o } => {
            format!("(final {} = {}{})", field_path(path), expr(value), otherwise(o.as_ref()))
        }
    }
}

fn rule(rule: &Rule) -> String {
    format!("({:?} {}{})", rule.level, expr(&rule.condition), otherwise(rule.otherwise.as_ref()))
        .to_lowercase()
}

fn if_rest(i: &If) -> String {
    let rest = i.otherwise.as_ref().map(|b| format!(" else {}", block(b))).unwrap_or_default();
    format!("(if {} {}{rest})", head(&i.head), block(&i.then))
}

fn head(head: &Head) -> String {
    match &head.bind {
        Some(bind) => format!("let {} = {}", name(bind), expr(&head.expr)),
        None => expr(&head.expr),
    }
}

fn block(block: &Block) -> String {
    format!("[{}]", joined(&block.statements, statement))
}

fn statement(statement: &Statement) -> String {
    match &statement.kind {
        StatementKind::Let(binding) => format!("({})", let_binding(binding)),
        StatementKind::Emit { bind, value } => {
            let bind = bind.as_ref().map(|bind| format!("{} = ", name(bind))).unwrap_or_default();
            format!("(emit {bind}{})", expr(value))
        }
        StatementKind::Output { name: n, ty: t, value } => {
            format!("(output {}: {} = {})", name(n), ty(t), expr(value))
        }
        StatementKind::If(i) => if_rest(i),
        StatementKind::For { clause, body } => {
            format!("(for {} {})", for_clause(clause), block(body))
        }
        StatementKind::Rule(r) => rule(r),
    }
}

fn for_clause(clause: &ForClause) -> String {
    let second =
        clause.second.as_ref().map(|second| format!(", {}", name(second))).unwrap_or_default();
    format!("{}{second} in {}", name(&clause.first), expr(&clause.iter))
}

pub(super) fn ty(t: &Type) -> String {
    match &t.kind {
        TypeKind::Hole => "?".into(),
        TypeKind::Literal(l) => literal(l),
        TypeKind::Path(p) => path(p),
        TypeKind::List { item, keys } if keys.is_empty() => format!("[{}]", ty(item)),
        TypeKind::List { item, keys } => format!("[{} by {}]", ty(item), joined(keys, name)),
        TypeKind::Map { key, value } => format!("{{{}: {}}}", path(key), ty(value)),
        TypeKind::Record { fields, open } => format!(
            "{{{}{}}}",
            joined(fields, |f| format!("{}: {}", name(&f.name), ty(&f.ty))),
            if *open { " ..." } else { "" }
        ),
        TypeKind::Union(arms) => {
            format!("({})", arms.iter().map(ty).collect::<Vec<_>>().join(" | "))
        }
        TypeKind::Optional(t) => format!("{}?", ty(t)),
        TypeKind::Where { base, condition, otherwise } => {
            let rest =
                otherwise.as_ref().map(|text| format!(" else {}", expr(text))).unwrap_or_default();
            format!("({} where {}{rest})", ty(base), expr(condition))
        }
    }
}

fn literal(literal: &Literal) -> String {
    match literal {
        Literal::None => "none".into(),
        Literal::Null => "null".into(),
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Float(bits) => format!("{:?}", f64::from_bits(*bits)),
        Literal::Unit(text) | Literal::Date(text) => text.to_string(),
        Literal::String(text) => format!("{text:?}"),
        Literal::Raw(text) => format!("r{text:?}"),
    }
}

fn args(args: &[Arg]) -> String {
    joined(args, |arg| match &arg.name {
        Some(n) => format!("{}={}", name(n), expr(&arg.value)),
        None => expr(&arg.value),
    })
}

pub(super) fn expr(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Hole => "?".into(),
        ExprKind::Literal(l) => literal(l),
        ExprKind::Interpolated(parts) => joined(parts, |part| match part {
            StringPart::Text(text) => format!("{text:?}"),
            StringPart::Value(value) => format!("${{{}}}", expr(value)),
        }),
        ExprKind::Name(n) => n.to_string(),
        ExprKind::Field { base, name: n, optional } => {
            format!("{}{}{}", expr(base), if *optional { "?." } else { "." }, name(n))
        }
        ExprKind::Index { base, keys } => format!("{}[{}]", expr(base), joined(keys, expr)),
        ExprKind::Call { callee, args: a } => format!("{}({})", expr(callee), args(a)),
        ExprKind::Record(r) => record(r),
        ExprKind::Named { path: p, record: r } => format!("{}{}", path(p), record(r)),
        ExprKind::List(elements) => format!(
            "[{}]",
            joined(elements, |e| format!(
                "{}{}",
                if e.spread { "..." } else { "" },
                expr(&e.value)
            ))
        ),
        ExprKind::ListFor { clause, condition, value } => format!(
            "[for {}{} => {}]",
            for_clause(clause),
            condition.as_ref().map(|c| format!(" if {}", expr(c))).unwrap_or_default(),
            expr(value)
        ),
        ExprKind::If { head: h, then, otherwise } => {
            format!("(if {} => {} else {})", head(h), expr(then), expr(otherwise))
        }
        ExprKind::Match { subject, arms } => format!(
            "(match {} [{}])",
            expr(subject),
            joined(arms, |arm| format!("({} => {})", pattern(&arm.pattern), expr(&arm.value)))
        ),
        ExprKind::Unary { op, operand } => {
            format!("({} {})", if *op == UnaryOp::Not { "!" } else { "-" }, expr(operand))
        }
        ExprKind::Binary { op, left, right } => {
            let op = match op {
                BinaryOp::Multiply => "*",
                BinaryOp::Divide => "/",
                BinaryOp::Remainder => "%",
                BinaryOp::Add => "+",
                BinaryOp::Subtract => "-",
                BinaryOp::Otherwise => "??",
                BinaryOp::Range => "..=",
                BinaryOp::Equal => "==",
                BinaryOp::NotEqual => "!=",
                BinaryOp::Less => "<",
                BinaryOp::LessOrEqual => "<=",
                BinaryOp::Greater => ">",
                BinaryOp::GreaterOrEqual => ">=",
                BinaryOp::In => "in",
                BinaryOp::Matches => "matches",
                BinaryOp::And => "&&",
                BinaryOp::Or => "||",
            };
            format!("({op} {} {})", expr(left), expr(right))
        }
    }
}

fn pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Hole => "?".into(),
        Pattern::Literals(all) => all.iter().map(|(_, l)| literal(l)).collect::<Vec<_>>().join("|"),
        Pattern::Typed { name: n, ty: t } => format!("{}: {}", name(n), ty(t)),
        Pattern::None => "none".into(),
        Pattern::Any => "_".into(),
    }
}

fn record(r: &Record) -> String {
    format!("{{{}}}", joined(&r.entries, entry))
}

fn entry(entry: &Entry) -> String {
    match &entry.kind {
        EntryKind::Spread(value) => format!("...{}", expr(value)),
        EntryKind::Set { modifier, path, append, value, otherwise: o } => format!(
            "({}{} {} {}{})",
            match modifier {
                Some(Modifier::Final) => "final ",
                Some(Modifier::Replace) => "replace ",
                None => "",
            },
            field_path(path),
            if *append { "+=" } else { "=" },
            expr(value),
            otherwise(o.as_deref())
        ),
        EntryKind::For { clause, condition, path, value } => format!(
            "(for {}{} => {} = {})",
            for_clause(clause),
            condition.as_ref().map(|c| format!(" if {}", expr(c))).unwrap_or_default(),
            field_path(path),
            expr(value)
        ),
    }
}

fn field_path(path: &FieldPath) -> String {
    let mut out = String::new();
    for segment in &path.segments {
        match &segment.kind {
            SegmentKind::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(if key.is_empty() { "?" } else { key });
            }
            SegmentKind::Index(keys) => out.push_str(&format!("[{}]", joined(keys, expr))),
        }
    }
    out
}
