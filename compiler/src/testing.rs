//! Values for tests.

use crate::source::{Content, ItemId, Kind, SourceFile};
use crate::syntax::ast::{Name, NodeId};
use crate::value::{Data, Fields, Origin, Value};
use proptest::prelude::*;
use std::sync::OnceLock;

/// The origin of every value here.
pub(crate) fn origin() -> Origin {
    static ITEM: OnceLock<ItemId> = OnceLock::new();
    let item = *ITEM.get_or_init(|| {
        let database = salsa::DatabaseImpl::new();
        let file = SourceFile::new(&database, Name::new("a.plumb"), Content::Text("".into()));
        ItemId::new(&database, file, Kind::Let, Name::new("a"), Name::new(""), 0)
    });
    Origin { item, node: NodeId(0) }
}

/// Another origin than [`origin`].
pub(crate) fn other_origin() -> Origin {
    Origin { node: NodeId(1), ..origin() }
}

pub(crate) fn value(data: Data) -> Value {
    Value::new(data, origin())
}

pub(crate) fn int(int: i64) -> Value {
    value(Data::Int(int))
}

pub(crate) fn text(text: &str) -> Value {
    value(Data::String(text.into()))
}

pub(crate) fn none() -> Value {
    value(Data::None)
}

pub(crate) fn list<const N: usize>(elements: [Value; N]) -> Value {
    Value::list(elements.into(), origin())
}

pub(crate) fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields: Fields = fields.into_iter().map(|(key, value)| (key.into(), value)).collect();
    Value::record(fields, origin())
}

/// Texts that a careless printer gets wrong.
pub(crate) fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,12}",
        any::<String>(),
        "[-+0-9a-fA-FxoObBeEpPtTzZ_.:, ]{0,10}",
        "([ \\t]{0,3}[-a#:|>\"'%@&*!?{}\\[\\],]{0,4}[ \\t]{0,2}\\n{0,3}){0,4}",
        prop::sample::select(vec![
            "y",
            "Y",
            "n",
            "yes",
            "No",
            "ON",
            "off",
            "true",
            "False",
            "null",
            "Null",
            "NULL",
            "~",
            "",
            "<<",
            "=",
            "-",
            "--",
            "---",
            "...",
            "--- a",
            "?",
            ":",
            "- a",
            "? a",
            ": a",
            "a:",
            "a: b",
            "a #b",
            "a#b",
            "#a",
            "1e3",
            "1E3",
            "0x1",
            "0o7",
            "0b1",
            "1_000",
            "012",
            "08",
            "12:30",
            "190:20:30.15",
            "2020-01-01",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14 21:59:43.10 -5",
            ".5",
            "+1",
            "-1",
            "1.",
            ".inf",
            "-.INF",
            ".nan",
            "NaN",
            "+.inf",
            "-inf",
            "1.2.3",
            "0x",
            " a",
            "a ",
            "\ta",
            "a\t",
            "\u{85}",
            "a\u{85}b",
            "\u{2028}",
            "\u{feff}a",
            "\u{0}",
            "\u{7f}",
            "\u{a0}",
            "\n",
            "\n\n",
            "a\n",
            "a\nb",
            "a\n\n",
            "\na",
            "  a\n b",
            "\ta\n",
            "a\n \n",
            "a\n  ",
            "a\r\nb",
            "\n a\n",
            " \n",
            "a\n\tb\n",
            "# a\nb\n",
            "---\na\n",
            "!a",
            "&a",
            "*a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "\"a",
            "'a",
            "{a",
            "[a",
            "]a",
            ",a",
            "é",
            "日本語",
            "👩\u{200d}🚀",
            "500m",
            "128Mi",
            "1h30m",
            "-c",
            "--flag",
            "-Xmx1g",
            "-1a",
            "-f",
            "-e",
            "-0x1",
            "C:\\a",
            "http://a",
            "a, b",
            "10.0.0.0/8",
            "!!str a",
        ])
        .prop_map(str::to_owned),
        // Longer than a plain key may be.
        prop_oneof![Just("k".repeat(1100)), Just("k: ".repeat(500))],
    ]
}

/// A value as a text can hold it: no `none`, quantity or duration.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Bool),
        any::<i64>().prop_map(Data::Int),
        prop_oneof![
            any::<f64>().prop_filter("finite", |float| float.is_finite()),
            (-1000_i32..1000).prop_map(f64::from),
            (any::<i32>(), -30_i32..30)
                .prop_map(|(digits, power)| f64::from(digits) * 10_f64.powi(power)),
        ]
        .prop_map(Data::Float),
        hostile_text().prop_map(|text| Data::String(text.into())),
    ]
    .prop_map(value);
    scalar.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|elements| Value::list(elements, origin())),
            prop::collection::vec((hostile_text(), inner), 0..5).prop_map(|fields| {
                let fields: Fields =
                    fields.into_iter().map(|(key, value)| (key.into(), value)).collect();
                Value::record(fields, origin())
            }),
        ]
    })
}
