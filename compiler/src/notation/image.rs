//! References to container images.

use super::quoted;
use smol_str::SmolStr;

/// A reference to a container image, in the parts it was written with: nothing is filled in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ImageRef {
    /// `registry.example.org:5000`; `None` is Docker Hub.
    pub registry: Option<SmolStr>,
    /// `team/shop`
    pub repository: SmolStr,
    /// `1.2`
    pub tag: Option<SmolStr>,
    /// `sha256:…`; without one, the image is not pinned.
    pub digest: Option<SmolStr>,
}

/// Reads a reference as the kubelet reads it: the grammar of the `distribution/reference` project with
/// Docker's rule for what is a registry (a first part with a dot, a colon or an upper-case letter, or
/// `localhost`).
pub fn image(text: &str) -> Result<ImageRef, String> {
    parse(text).map_err(|reason| format!("{} is not an image: {reason}", quoted(text)))
}

fn parse(text: &str) -> Result<ImageRef, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.chars().any(char::is_whitespace) {
        return Err("a space stands in it".to_owned());
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!("an image has no `{scheme}://`; write {}", quoted(rest)));
    }
    if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("64 hexadecimal digits are an image's id, which cannot be pulled".to_owned());
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(check_digest(digest)?)),
        None => (text, None),
    };
    let (registry, rest) = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => (Some(check_registry(first)?), rest),
        _ => (None, name),
    };
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(check_tag(tag)?)),
        None => (rest, None),
    };
    check_repository(repository)?;
    Ok(ImageRef { registry, repository: repository.into(), tag, digest })
}

fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn check_registry(text: &str) -> Result<SmolStr, String> {
    let wrong = |reason: &str| Err(format!("the registry {} {reason}", quoted(text)));
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else { return wrong("lacks a `]`") };
            if address.is_empty()
                || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
            {
                return wrong("is no IPv6 address");
            }
            match after.strip_prefix(':') {
                _ if after.is_empty() => return Ok(text.into()),
                Some(port) => ("", port),
                None => return wrong("has something other than a port after its address"),
            }
        }
        None => match text.split_once(':') {
            Some(parts) => parts,
            None => (text, "0"),
        },
    };
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong("has a port that is no number");
    }
    let component = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !text.starts_with('[') && !host.split('.').all(component) {
        return wrong("is no host name");
    }
    Ok(text.into())
}

fn check_repository(text: &str) -> Result<(), String> {
    if text.len() > 255 {
        return Err(format!("its name has {} characters, 255 are allowed", text.len()));
    }
    for part in text.split('/') {
        if part.is_empty() {
            return Err("a part of its name is empty".to_owned());
        }
        if let Some(c) = part
            .chars()
            .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(*c)))
        {
            let shown = quoted(c.encode_utf8(&mut [0; 4]));
            return Err(if c.is_uppercase() {
                format!(
                    "{shown} is upper case, which a repository cannot have; write {}",
                    quoted(&part.to_lowercase())
                )
            } else {
                format!("{shown} cannot stand in a repository")
            });
        }
        // Between letters and digits: one dot, one or two underscores, or any number of dashes.
        let mut separators =
            part.split(|c: char| c.is_ascii_alphanumeric()).filter(|between| !between.is_empty());
        let joined = separators.all(|between| {
            matches!(between, "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
        });
        let ends = part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric());
        if !ends || !joined {
            return Err(format!(
                "the part {} has dots, dashes or underscores where letters should be",
                quoted(part)
            ));
        }
    }
    Ok(())
}

fn check_tag(text: &str) -> Result<SmolStr, String> {
    if text.is_empty() {
        return Err("the tag after `:` is missing".to_owned());
    }
    if text.len() > 128 {
        return Err(format!("the tag has {} characters, 128 are allowed", text.len()));
    }
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if !first || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return Err(format!(
            "{} is no tag: letters, digits, `_`, `.` and `-`, a letter, digit or `_` first",
            quoted(text)
        ));
    }
    Ok(text.into())
}

/// The algorithms that the kubelet's container libraries register, with the length of a digest.
const ALGORITHMS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

fn check_digest(text: &str) -> Result<SmolStr, String> {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return Err("the digest after `@` is written `sha256:…`".to_owned());
    };
    let Some((_, length)) = ALGORITHMS.iter().find(|(name, _)| *name == algorithm) else {
        return Err(format!("{} is no known digest; use sha256", quoted(algorithm)));
    };
    if hex.len() != *length || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(format!(
            "a {algorithm} digest is {length} digits 0-9 a-f; this one has {} characters",
            hex.chars().count()
        ));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (String, String, String, String) {
        let ImageRef { registry, repository, tag, digest } =
            image(text).unwrap_or_else(|error| panic!("{error}"));
        let text = |part: Option<SmolStr>| part.unwrap_or_default().to_string();
        (text(registry), repository.to_string(), text(tag), text(digest))
    }

    #[test]
    fn an_image_is_taken_apart() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let image = |registry: &str, repository: &str, tag: &str, digest: &str| {
            (registry.to_owned(), repository.to_owned(), tag.to_owned(), digest.to_owned())
        };
        assert_eq!(parts("nginx"), image("", "nginx", "", ""));
        assert_eq!(parts("nginx:1.27"), image("", "nginx", "1.27", ""));
        assert_eq!(parts("team/shop"), image("", "team/shop", "", ""));
        assert_eq!(parts("localhost/shop"), image("localhost", "shop", "", ""));
        assert_eq!(parts("ghcr.io/a/b__c/d--e:v1"), image("ghcr.io", "a/b__c/d--e", "v1", ""));
        assert_eq!(parts("registry:5000/a"), image("registry:5000", "a", "", ""));
        assert_eq!(parts("Registry/a"), image("Registry", "a", "", ""));
        assert_eq!(parts("[::1]:5000/a"), image("[::1]:5000", "a", "", ""));
        assert_eq!(parts("[::1]/a"), image("[::1]", "a", "", ""));
        assert_eq!(parts(&format!("a.b/c:t@{digest}")), image("a.b", "c", "t", &digest));
        assert_eq!(parts(&format!("nginx@{digest}")), image("", "nginx", "", &digest));
    }

    #[test]
    fn what_is_no_image_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "it is empty"),
            (" nginx", "a space stands in it"),
            ("https://ghcr.io/a", "an image has no `https://`; write `ghcr.io/a`"),
            ("Nginx", "`N` is upper case, which a repository cannot have; write `nginx`"),
            ("a/B", "`B` is upper case"),
            ("nginx:", "the tag after `:` is missing"),
            ("nginx:-x", "`-x` is no tag"),
            ("nginx:a:b", "`a:b` is no tag"),
            ("nginx@sha256:12", "a sha256 digest is 64 digits 0-9 a-f; this one has 2 characters"),
            ("nginx@md5:12", "`md5` is no known digest; use sha256"),
            ("nginx@abc", "the digest after `@` is written `sha256:…`"),
            ("a//b", "a part of its name is empty"),
            ("a/", "a part of its name is empty"),
            ("ghcr.io/", "a part of its name is empty"),
            ("-a", "the part `-a` has dots, dashes or underscores where letters should be"),
            ("a..b", "the part `a..b` has dots"),
            ("a___b", "the part `a___b` has dots"),
            ("a$b", "`$` cannot stand in a repository"),
            ("ghcr.io:x/a", "the registry `ghcr.io:x` has a port that is no number"),
            ("-b.c/a", "the registry `-b.c` is no host name"),
            ("[::1/a.b", "the registry `[::1` lacks a `]`"),
            ("[g:]/a", "the registry `[g:]` is no IPv6 address"),
        ] {
            let error = image(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(image(&"a".repeat(64)).unwrap_err().contains("an image's id"));
        assert!(image(&"z".repeat(256)).unwrap_err().contains("255 are allowed"));
        assert!(image(&format!("a:{}", "t".repeat(129))).unwrap_err().contains("128 are allowed"));
        assert!(
            image(&format!("a@sha256:{}", "A".repeat(64))).is_err(),
            "upper-case digests do not compare"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-a-zA-Z0-9./:@_\\[\\]]{0,24}|\\PC{0,20}") {
            let _ = image(&text);
        }
    }
}
