//! The answer of `why` for people: a line a layer, the one that holds first.

use crate::terminal::visible;
use plumb_compiler::answers::{Location, Why, WhyLayer};
use plumb_compiler::value::{Data, Value};

/// Values longer than this are cut, in characters, so that a line fits a screen.
const MAX_VALUE: usize = 40;

/// The chain of layers of `address` as text that ends with a newline. `place` says where a location
/// is: `apps/shop/shop.plumb:23`.
pub(crate) fn render(address: &str, why: &Why, place: impl Fn(&Location) -> String) -> String {
    let mut out = String::new();
    if let Some(note) = &why.note {
        out += &format!("{note}\n");
    }
    // Of a record or a list, each layer may have said a part: then none of the lines is the whole.
    let in_parts =
        why.layers.iter().any(|layer| !layer.path.is_empty() || layer.effect == "appended");
    match &why.value {
        None if why.layers.is_empty() && why.note.is_none() => {
            out += &format!("{address} has no value, and no layer sets one\n")
        }
        Some(value) if in_parts => {
            out += &format!("{address} = {}\n", cut(&short(Some(value)), 80))
        }
        _ => {}
    }
    let rows: Vec<[String; 4]> = why
        .layers
        .iter()
        .map(|layer| {
            let effect = layer.effect.to_owned();
            [cell(layer), layer.layer.clone(), place(&layer.location), effect]
        })
        .collect();
    let width = |column: usize, least: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(least)
    };
    let (values, layers, places) = (width(0, 1), width(1, 1), width(2, 1));
    for [value, layer, place, effect] in &rows {
        let line = format!("{value:values$}   {layer:layers$}    {place:places$}    {effect}");
        out += line.trim_end();
        out.push('\n');
    }
    for user in &why.uses {
        out += &format!("used by {user}\n");
    }
    visible(&out)
}

/// What a layer set.
fn cell(layer: &WhyLayer) -> String {
    let value = cut(&short(layer.value.as_ref()), MAX_VALUE);
    match layer.path.as_str() {
        "" => value,
        path => format!("{path} = {value}"),
    }
}

/// A value on one line, near to how it would be written.
pub(crate) fn short(value: Option<&Value>) -> String {
    let Some(value) = value.filter(|value| !value.is_none()) else { return "none".to_owned() };
    let mut text = String::new();
    plumb_compiler::json::write(&mut text, value, false);
    match value.data {
        // Numbers with a unit are written without quotes.
        Data::Quantity(_) | Data::Duration(_) => text.trim_matches('"').to_owned(),
        _ => text,
    }
}

pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most - 1) {
        Some((end, last)) if end + last.len_utf8() < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use plumb_compiler::source::{Content, ItemId, Kind, SourceFile};
    use plumb_compiler::syntax::ast::{Name, NodeId, TextRange};
    use plumb_compiler::value::{Fields, Origin};

    /// An origin for values whose origin does not matter.
    pub(crate) fn origin() -> Origin {
        let db = salsa::DatabaseImpl::default();
        let file = SourceFile::new(&db, "a.plumb".into(), Content::Text("".into()));
        let [name, environments] = ["shop", ""].map(Name::from);
        let item = ItemId::new(&db, file, Kind::Request, name, environments, 0);
        Origin { item, node: NodeId(0) }
    }

    fn layer(
        path: &str,
        data: Option<Data>,
        layer: &str,
        line: u32,
        effect: &'static str,
    ) -> WhyLayer {
        let path_of = if layer.starts_with("overlay") {
            "apps/shop/shop.plumb"
        } else {
            "platform/web.plumb"
        };
        WhyLayer {
            path: path.to_owned(),
            value: data.map(|data| Value::new(data, origin())),
            layer: layer.to_owned(),
            location: Location { path: path_of.into(), range: TextRange::new(line, line) },
            effect,
        }
    }

    /// Locations here hold the line instead of the offset.
    fn shown(address: &str, why: &Why) -> String {
        render(address, why, |location| format!("{}:{}", location.path, location.range.start))
    }

    #[test]
    fn the_layer_that_holds_comes_first_and_the_columns_line_up() {
        let why = Why {
            note: None,
            value: Some(Value::new(Data::Int(6), origin())),
            layers: vec![
                layer("", Some(Data::Int(6)), "overlay shop in prod", 23, ""),
                layer("", Some(Data::Int(2)), "defaults in prod", 42, "overridden"),
                layer("", Some(Data::Int(1)), "schema Service", 27, "overridden"),
            ],
            uses: vec!["Deployment/shop spec.replicas".to_owned()],
        };
        insta::assert_snapshot!(shown("shop.replicas", &why), @r"
        6   overlay shop in prod    apps/shop/shop.plumb:23
        2   defaults in prod        platform/web.plumb:42      overridden
        1   schema Service          platform/web.plumb:27      overridden
        used by Deployment/shop spec.replicas
        ");
    }

    #[test]
    fn a_value_made_of_parts_is_shown_whole_first() {
        let mut fields = Fields::default();
        fields.insert("LOG_LEVEL".into(), Value::new(Data::String("warn".into()), origin()));
        let why = Why {
            note: None,
            value: Some(Value::record(fields, origin())),
            layers: vec![
                layer(
                    "LOG_LEVEL",
                    Some(Data::String("warn".into())),
                    "overlay shop in prod",
                    9,
                    "",
                ),
                layer("TZ", None, "defaults in prod", 3, ""),
            ],
            uses: Vec::new(),
        };
        insta::assert_snapshot!(shown("shop.env", &why), @r#"
        shop.env = {"LOG_LEVEL":"warn"}
        LOG_LEVEL = "warn"   overlay shop in prod    apps/shop/shop.plumb:9
        TZ = none            defaults in prod        platform/web.plumb:3
        "#);
    }

    #[test]
    fn long_values_are_cut() {
        let long = Data::String("x".repeat(100).into());
        let why = Why {
            note: None,
            value: Some(Value::new(long.clone(), origin())),
            layers: vec![layer("", Some(long), "overlay shop in prod", 9, "")],
            uses: Vec::new(),
        };
        let shown = shown("shop.motd", &why);
        assert!(shown.starts_with(&format!("\"{}…   overlay", "x".repeat(38))), "{shown}");
        assert_eq!(cut("ééé", 3), "ééé");
        assert_eq!(cut("éééé", 3), "éé…");
    }

    #[test]
    fn what_nobody_sets_is_told() {
        let why = Why { note: None, value: None, layers: Vec::new(), uses: Vec::new() };
        assert_eq!(shown("shop.host", &why), "shop.host has no value, and no layer sets one\n");
    }

    #[test]
    fn a_layer_that_takes_a_field_out_says_none() {
        let why = Why {
            note: None,
            value: None,
            layers: vec![layer("", None, "overlay shop in prod", 4, "")],
            uses: Vec::new(),
        };
        assert_eq!(
            shown("shop.host", &why),
            "none   overlay shop in prod    apps/shop/shop.plumb:4\n"
        );
    }
}
