//! Names with rules.

use super::quoted;

/// Checks an RFC 1123 label, as most Kubernetes names are: up to 63 lower-case letters, digits and
/// dashes, a letter or digit at both ends.
pub fn dns_label(text: &str) -> Result<(), String> {
    label(text).map_err(|reason| format!("{} is not a DNS label: {reason}", quoted(text)))
}

/// Checks an RFC 1123 subdomain: up to 253 characters, labels joined by dots. Unlike DNS itself,
/// Kubernetes does not limit each label.
pub fn dns_subdomain(text: &str) -> Result<(), String> {
    let reason = if text.len() > 253 {
        Err(format!("it has {} characters, 253 are allowed", text.len()))
    } else {
        text.split('.').try_for_each(characters)
    };
    reason.map_err(|reason| format!("{} is not a DNS name: {reason}", quoted(text)))
}

/// Checks the name of an environment variable by the rule that every supported Kubernetes version
/// accepts: letters, digits, `_`, `-` and `.`, no digit first, and not `.`, nor `..` at its start.
pub fn env_var_name(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let reason = if text.is_empty() {
        "it is empty".to_owned()
    } else if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        format!("{} is not a letter, digit, `_`, `-` or `.`", quoted(c.encode_utf8(&mut [0; 4])))
    } else if text.starts_with(|c: char| c.is_ascii_digit()) {
        "it starts with a digit".to_owned()
    } else if text == "." || text.starts_with("..") {
        "it reads as a directory".to_owned()
    } else {
        return Ok(());
    };
    Err(format!("{} is not a name for an environment variable: {reason}", quoted(text)))
}

fn label(text: &str) -> Result<(), String> {
    if text.len() > 63 {
        return Err(format!("it has {} characters, 63 are allowed", text.len()));
    }
    characters(text)
}

fn characters(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("a part of it is empty".to_owned());
    }
    match text.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')) {
        Some(c) if c.is_ascii_uppercase() => {
            Err(format!("`{c}` is upper case; write {}", quoted(&text.to_lowercase())))
        }
        Some(c) => Err(format!(
            "{} is not a lower-case letter, digit or `-`",
            quoted(c.encode_utf8(&mut [0; 4]))
        )),
        None if text.starts_with('-') || text.ends_with('-') => {
            Err("it needs a letter or digit at both ends".to_owned())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_holds_lower_case_letters_digits_and_dashes() {
        assert_eq!(dns_label("shop-1"), Ok(()));
        assert_eq!(dns_label("1"), Ok(()));
        assert_eq!(dns_label(&"a".repeat(63)), Ok(()));
        for (text, reason) in [
            ("", "`` is not a DNS label: a part of it is empty"),
            ("Shop", "`Shop` is not a DNS label: `S` is upper case; write `shop`"),
            ("a_b", "`a_b` is not a DNS label: `_` is not a lower-case letter, digit or `-`"),
            ("a.b", "`a.b` is not a DNS label: `.` is not a lower-case letter, digit or `-`"),
            ("-a", "`-a` is not a DNS label: it needs a letter or digit at both ends"),
            ("a-", "`a-` is not a DNS label: it needs a letter or digit at both ends"),
            ("é", "`é` is not a DNS label: `é` is not a lower-case letter, digit or `-`"),
        ] {
            assert_eq!(dns_label(text).unwrap_err(), reason);
        }
        assert!(
            dns_label(&"a".repeat(64))
                .unwrap_err()
                .contains("it has 64 characters, 63 are allowed")
        );
    }

    #[test]
    fn a_subdomain_is_labels_and_dots() {
        assert_eq!(dns_subdomain("shop.example.org"), Ok(()));
        assert_eq!(dns_subdomain(&"a".repeat(253)), Ok(()));
        assert!(dns_subdomain(&"a".repeat(254)).is_err());
        assert_eq!(
            dns_subdomain("a..b").unwrap_err(),
            "`a..b` is not a DNS name: a part of it is empty"
        );
        assert!(dns_subdomain("a.-b").is_err());
        assert!(dns_subdomain("*.example.org").is_err());
    }

    #[test]
    fn a_variable_name_has_no_digit_first() {
        for text in ["PATH", "a.b-c_D9", "_", ".a", "-"] {
            assert_eq!(env_var_name(text), Ok(()), "{text}");
        }
        for (text, reason) in [
            ("", "it is empty"),
            ("1A", "it starts with a digit"),
            ("A B", "` ` is not a letter"),
            ("A=B", "`=` is not a letter"),
            (".", "it reads as a directory"),
            ("..a", "it reads as a directory"),
        ] {
            assert!(env_var_name(text).unwrap_err().contains(reason), "{text}");
        }
    }
}
