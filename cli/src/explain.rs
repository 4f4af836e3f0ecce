//! The pages of the diagnostics, as `docs/diagnostics` has them.

/// Each code with its page, sorted by code.
pub(crate) const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of a code; `None` where there is no such code.
pub(crate) fn page(code: &str) -> Option<&'static str> {
    let place = PAGES.binary_search_by(|(known, _)| known.cmp(&code)).ok()?;
    Some(PAGES[place].1)
}

/// What a page says first, in one line: the first paragraph, without what marks links and code.
pub(crate) fn summary(page: &str) -> String {
    let paragraph: Vec<&str> = page
        .lines()
        .skip_while(|line| line.starts_with('#') || line.is_empty())
        .take_while(|line| !line.is_empty())
        .collect();
    unlinked(&paragraph.join(" "))
}

/// A page for a terminal: links are their texts, code is indented and not fenced. `bold` wraps headings.
pub(crate) fn rendered(page: &str, bold: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            code = !code;
        } else if code {
            let indent = if line.is_empty() { "" } else { "    " };
            out.push_str(indent);
            out.push_str(line);
            out.push('\n');
        } else {
            let heading = line.trim_start_matches('#');
            match heading.len() < line.len() {
                true => out.push_str(&bold(heading.trim_start())),
                false => out.push_str(&unlinked(line)),
            }
            out.push('\n');
        }
    }
    out
}

/// `[text](target)` as `text`.
fn unlinked(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        match after
            .split_once("](")
            .and_then(|(text, after)| Some((text, after.split_once(')')?.1)))
        {
            Some((text, after)) if !text.contains(['[', ']']) => {
                out.push_str(text);
                rest = after;
            }
            _ => {
                out.push('[');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumb_compiler::diagnostics::code::{CODES, OF_CLUSTERS};

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let mut codes: Vec<&str> =
            CODES.iter().chain(OF_CLUSTERS).map(|code| code.as_str()).collect();
        codes.sort_unstable();
        let pages: Vec<&str> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(pages, codes);
        for (code, text) in PAGES {
            assert_eq!(page(code), Some(*text));
            assert!(text.starts_with(&format!("# {code}\n")), "{code}");
            assert!(!summary(text).is_empty(), "{code}");
        }
    }

    #[test]
    fn links_are_their_texts_and_lists_stay() {
        assert_eq!(
            unlinked("see [the page](a.md) of `xs[0]`, [b]"),
            "see the page of `xs[0]`, [b]"
        );
        let shown =
            rendered("# a\n\nsay [b](c)\n\n```plumb\nlet a = [1]\n\n```\n", |it| format!("*{it}*"));
        assert_eq!(shown, "*a*\n\nsay b\n\n    let a = [1]\n\n");
    }
}
