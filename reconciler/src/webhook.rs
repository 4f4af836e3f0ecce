//! What a forge says when somebody pushed: headers, the body as it came, and the secret that both know.
//!
//! | forge | header | what it holds |
//! |---|---|---|
//! | [GitHub](https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries) | `X-Hub-Signature-256` | `sha256=`, the HMAC of the body in hex |
//! | [Gitea](https://docs.gitea.com/usage/repository/webhooks), Forgejo | `X-Gitea-Signature` | the same without a prefix; GitHub's header as well |
//! | [GitLab](https://docs.gitlab.com/user/project/integrations/webhooks/) | `X-Gitlab-Token` | the secret itself |
//! | GitLab with a signing token | `webhook-signature` | `v1,`, the HMAC of id, time and body in base64, as [Standard Webhooks](https://www.standardwebhooks.com) has it |
//!
//! Everything compares in the same time, whatever it finds. How old a message is does not count: one that is sent
//! again has us look again, no more.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::fmt;

/// The longest body that is read, in bytes. GitHub sends up to 25 MB, for pushes of thousands of commits; then it
/// is left to the next poll.
pub const MAX_BODY: usize = 1 << 20;

/// What the forge and this process know. It has no `Debug`, and nothing gives it back.
pub struct Secret(String);

impl Secret {
    /// Without the white space around it, which files bring along; none where nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Secret(text.to_owned()))
    }
}

/// A reference has come to stand for something else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Push {
    /// Its whole name: `refs/heads/main`.
    pub reference: String,
    /// The commit that it stands for now; none: it was deleted.
    pub commit: Option<String>,
}

/// Why a message is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Nothing in it shows that it comes from the forge.
    Unsigned,
    /// What should show it does not.
    Forged,
    /// It is a form, not JSON.
    Form,
    /// It says that it is a push and cannot be read as one.
    Malformed,
}

impl Refusal {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Refusal::Unsigned | Refusal::Forged => 401,
            Refusal::Form => 415,
            Refusal::Malformed => 400,
        }
    }

    /// One word for it, to count by.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Unsigned => "unsigned",
            Refusal::Forged => "forged",
            Refusal::Form => "form",
            Refusal::Malformed => "malformed",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Unsigned => {
                "the message is not signed: give the webhook the secret that plumb has"
            }
            Refusal::Forged => "the signature is of another secret or another message",
            Refusal::Form => {
                "the message is a form: give the webhook the content type application/json"
            }
            Refusal::Malformed => "the message says that it is a push, but names no reference",
        })
    }
}

impl std::error::Error for Refusal {}

/// Reads a message that the forge of this secret has sent; none where it tells of something else than a push, as
/// GitHub's first one does.
pub fn read(headers: &HeaderMap, body: &[u8], secret: &Secret) -> Result<Option<Push>, Refusal> {
    verify(headers, body, secret)?;
    let header = |name| headers.get(name).and_then(|it| it.to_str().ok());
    if header("content-type").is_some_and(|it| it.starts_with("application/x-www-form-urlencoded"))
    {
        return Err(Refusal::Form);
    }
    let event = ["x-gitea-event", "x-github-event", "x-gitlab-event"].into_iter().find_map(header);
    // What watches a whole GitLab says in the body what it is about.
    let is_system = event == Some("System Hook");
    if !is_system && !matches!(event, Some("push" | "Push Hook" | "Tag Push Hook")) {
        return Ok(None);
    }
    let message: Message = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    if is_system && !matches!(message.event_name.as_deref(), Some("push" | "tag_push")) {
        return Ok(None);
    }
    let reference = message.reference.filter(|it| it.starts_with("refs/"));
    let is_commit = |it: &String| {
        matches!(it.len(), 40 | 64)
            && it.bytes().all(|it| it.is_ascii_hexdigit())
            && it.bytes().any(|it| it != b'0')
    };
    Ok(Some(Push {
        reference: reference.ok_or(Refusal::Malformed)?,
        commit: message.after.filter(is_commit),
    }))
}

/// What all forges call alike.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "ref")]
    reference: Option<String>,
    after: Option<String>,
    event_name: Option<String>,
}

/// Whether whoever sent it knows the secret: one proof is enough, since each needs it.
fn verify(headers: &HeaderMap, body: &[u8], Secret(secret): &Secret) -> Result<(), Refusal> {
    let header = |name| headers.get(name).map(|it| it.as_bytes());
    let mut proofs = Vec::new();
    if let Some(signature) = header("x-hub-signature-256") {
        let signature = signature.strip_prefix(b"sha256=").and_then(hex);
        proofs.push(signature.is_some_and(|it| is_of(&it, secret.as_bytes(), &[body])));
    }
    if let Some(signature) = header("x-gitea-signature") {
        proofs.push(hex(signature).is_some_and(|it| is_of(&it, secret.as_bytes(), &[body])));
    }
    if let Some(token) = header("x-gitlab-token") {
        let signed = mac(secret.as_bytes(), &[token]).finalize().into_bytes();
        proofs.push(is_of(&signed, secret.as_bytes(), &[secret.as_bytes()]));
    }
    if let (Some(signatures), Some(id), Some(time)) =
        (header("webhook-signature"), header("webhook-id"), header("webhook-timestamp"))
    {
        let key = secret.strip_prefix("whsec_").and_then(|it| STANDARD.decode(it).ok());
        let parts = [id, b".", time, b".", body];
        // Several, while the token is changed for another.
        proofs.push(key.is_some_and(|key| {
            signatures.split(|it| *it == b' ').any(|it| {
                let signature = it.strip_prefix(b"v1,").and_then(|it| STANDARD.decode(it).ok());
                signature.is_some_and(|it| is_of(&it, &key, &parts))
            })
        }));
    }
    match proofs.as_slice() {
        [] => Err(Refusal::Unsigned),
        proofs if proofs.contains(&true) => Ok(()),
        _ => Err(Refusal::Forged),
    }
}

/// Whether a signature is that of a message, compared in the same time whatever they are.
fn is_of(signature: &[u8], key: &[u8], message: &[&[u8]]) -> bool {
    mac(key, message).verify_slice(signature).is_ok()
}

fn mac(key: &[u8], message: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("a key may have any length");
    message.iter().for_each(|part| mac.update(part));
    mac
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks() else { return None };
    let digit = |it: u8| char::from(it).to_digit(16).map(|it| it as u8);
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    /// Of the example in GitHub's documentation.
    const KEY: &str = "It's a Secret to Everybody";

    const GITHUB: &str = r#"{
        "ref": "refs/heads/main",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c",
        "repository": { "id": 35129377, "name": "public-repo", "full_name": "acme/config", "private": false },
        "pusher": { "name": "ada", "email": "ada@example.org" },
        "created": false, "deleted": false, "forced": false, "base_ref": null,
        "commits": [{ "id": "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c", "message": "Scale \"web\"",
                      "added": [], "removed": [], "modified": ["apps/web.plumb"] }]
    }"#;

    const GITEA: &str = r#"{
        "ref": "refs/heads/develop",
        "before": "28e1879d029cb852e4844d9c718537df08844e03",
        "after": "bffeb74224043ba2feb48d137756c8a9331c449a",
        "compare_url": "http://localhost:3000/gitea/webhooks/compare/28e1879...bffeb742",
        "commits": [{ "id": "bffeb74224043ba2feb48d137756c8a9331c449a", "message": "Webhooks Yay!",
                      "author": { "name": "Gitea", "email": "someone@gitea.io", "username": "gitea" } }],
        "repository": { "id": 140, "owner": { "id": 1, "login": "gitea" }, "name": "webhooks" }
    }"#;

    const GITLAB: &str = r#"{
        "object_kind": "push", "event_name": "push",
        "before": "95790bf891e76fee5e1747ab589903a6a1f80f22",
        "after": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
        "ref": "refs/heads/master", "ref_protected": true,
        "checkout_sha": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
        "user_id": 4, "user_name": "John Smith", "project_id": 15,
        "commits": [], "total_commits_count": 4
    }"#;

    const TAG: &str = r#"{
        "object_kind": "tag_push", "event_name": "tag_push",
        "before": "0000000000000000000000000000000000000000",
        "after": "82b3d5ae55f7080f1e6022629cdb57bfae7cccc7",
        "ref": "refs/tags/v1.0.0", "checkout_sha": "82b3d5ae55f7080f1e6022629cdb57bfae7cccc7"
    }"#;

    fn digits(bytes: &[u8]) -> String {
        bytes.iter().map(|it| format!("{it:02x}")).collect()
    }

    fn signature(body: &str) -> String {
        digits(&mac(KEY.as_bytes(), &[body.as_bytes()]).finalize().into_bytes())
    }

    fn headers(of: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        of.iter().map(pair).collect()
    }

    fn read_with(secret: &str, of: &[(&str, &str)], body: &str) -> Result<Option<Push>, Refusal> {
        read(&headers(of), body.as_bytes(), &Secret::new(secret).unwrap())
    }

    fn push(reference: &str, commit: &str) -> Result<Option<Push>, Refusal> {
        let commit = (!commit.is_empty()).then(|| commit.to_owned());
        Ok(Some(Push { reference: reference.to_owned(), commit }))
    }

    fn github(event: &str, body: &str) -> Result<Option<Push>, Refusal> {
        let signature = format!("sha256={}", signature(body));
        let of = [
            ("X-GitHub-Event", event),
            ("X-Hub-Signature-256", &signature),
            ("Content-Type", "application/json"),
        ];
        read_with(KEY, &of, body)
    }

    #[test]
    fn the_signature_is_the_one_of_githubs_documentation() {
        let known = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(signature("Hello, World!"), known);
    }

    #[test]
    fn a_push_names_its_reference_and_its_commit() {
        let main = push("refs/heads/main", "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c");
        assert_eq!(github("push", GITHUB), main);

        let signed = signature(GITEA);
        let prefixed = format!("sha256={signed}");
        let of = [
            ("X-GitHub-Event", "push"),
            ("X-Gogs-Event", "push"),
            ("X-Gitea-Event", "push"),
            ("X-Gitea-Event-Type", "push"),
            ("X-Gitea-Signature", signed.as_str()),
            ("X-Gogs-Signature", signed.as_str()),
            ("X-Hub-Signature-256", prefixed.as_str()),
        ];
        let develop = push("refs/heads/develop", "bffeb74224043ba2feb48d137756c8a9331c449a");
        assert_eq!(read_with(KEY, &of, GITEA), develop);
        assert_eq!(read_with(KEY, &of[2..5], GITEA), develop);

        let master = push("refs/heads/master", "da1560886d4f094c3e6c9ef40349f7d38b5d27d7");
        let tag = push("refs/tags/v1.0.0", "82b3d5ae55f7080f1e6022629cdb57bfae7cccc7");
        for (event, body, found) in [
            ("Push Hook", GITLAB, &master),
            ("System Hook", GITLAB, &master),
            ("Tag Push Hook", TAG, &tag),
            ("System Hook", TAG, &tag),
            ("System Hook", r#"{ "event_name": "project_create" }"#, &Ok(None)),
            ("Merge Request Hook", r#"{ "object_kind": "merge_request" }"#, &Ok(None)),
        ] {
            let of = [("X-Gitlab-Event", event), ("X-Gitlab-Token", KEY)];
            assert_eq!(&read_with(KEY, &of, body), found, "{event}");
        }
    }

    #[test]
    fn gitlabs_signing_token_is_a_standard_webhook() {
        // Of the specification's test vectors.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = r#"{"test": 2432232314}"#;
        let of = |signature| {
            [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", signature),
                ("X-Gitlab-Event", "Issue Hook"),
            ]
        };
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(read_with(secret, &of(right), body), Ok(None));
        let both = "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(read_with(secret, &of(both), body), Ok(None));
        assert_eq!(read_with(secret, &of(right), "{}"), Err(Refusal::Forged));
        assert_eq!(read_with(secret, &of("v1,AAAA"), body), Err(Refusal::Forged));
        assert_eq!(read_with(KEY, &of(right), body), Err(Refusal::Forged));
        assert_eq!(read_with(secret, &of(right)[..2], body), Err(Refusal::Unsigned));
    }

    #[test]
    fn other_events_are_no_push() {
        for event in ["ping", "pull_request", "create", "delete", "Push"] {
            let body = r#"{ "zen": "Keep it logically awesome.", "hook_id": 1 }"#;
            assert_eq!(github(event, body), Ok(None), "{event}");
        }
    }

    #[test]
    fn a_reference_that_was_deleted_stands_for_nothing() {
        for after in ["0000000000000000000000000000000000000000", "", "main", "../../etc/passwd"] {
            let body = format!(r#"{{ "ref": "refs/heads/main", "after": "{after}" }}"#);
            assert_eq!(github("push", &body), push("refs/heads/main", ""));
        }
        assert_eq!(github("push", r#"{ "ref": "refs/heads/main" }"#), push("refs/heads/main", ""));
    }

    #[test]
    fn what_is_not_signed_with_the_secret_is_refused() {
        let signed = format!("sha256={}", signature(GITHUB));
        let (forged, unsigned) = (Err(Refusal::Forged), Err(Refusal::Unsigned));
        let upper = signed.to_uppercase().replace("SHA256", "sha256");
        assert!(read_with(KEY, &[("X-Hub-Signature-256", &upper)], GITHUB).is_ok());
        for (name, value, refused) in [
            ("X-Hub-Signature-256", signed.replace(['0', '1'], "2"), &forged),
            ("X-Hub-Signature-256", signed[..signed.len() - 1].to_owned(), &forged),
            ("X-Hub-Signature-256", signed[..signed.len() - 2].to_owned(), &forged),
            ("X-Hub-Signature-256", format!("{signed}00"), &forged),
            ("X-Hub-Signature-256", signed.replace("sha256=", ""), &forged),
            ("X-Hub-Signature-256", "sha256=".to_owned(), &forged),
            ("X-Hub-Signature-256", "sha256=zz".to_owned(), &forged),
            ("X-Gitea-Signature", signed.clone(), &forged),
            ("X-Gitea-Signature", String::new(), &forged),
            ("X-Gitlab-Token", KEY.to_lowercase(), &forged),
            ("X-Gitlab-Token", KEY[..9].to_owned(), &forged),
            ("X-Gitlab-Token", String::new(), &forged),
            // The one that SHA-1 makes is not enough.
            ("X-Hub-Signature", signed.clone(), &unsigned),
            ("Authorization", format!("Bearer {KEY}"), &unsigned),
        ] {
            assert_eq!(&read_with(KEY, &[(name, &value)], GITHUB), refused, "{name}: {value}");
        }
        let of = [("X-Hub-Signature-256", signed.as_str())];
        assert_eq!(read_with("another", &of, GITHUB), forged);
        assert_eq!(read_with(KEY, &of, GITEA), forged);
    }

    #[test]
    fn hostile_bodies_are_told_from_pushes_even_when_they_are_signed() {
        let deep = format!(r#"{{ "x": {}1{} }}"#, "[".repeat(100_000), "]".repeat(100_000));
        for body in [
            "",
            "null",
            "[]",
            "{",
            "\u{0}",
            r#"{ "ref": 1 }"#,
            r#"{ "ref": null }"#,
            r#"{ "ref": "main" }"#,
            r#"{ "ref": "refs/a", "ref": "refs/b" }"#,
            &deep,
        ] {
            assert_eq!(github("push", body), Err(Refusal::Malformed), "{:.40}", body);
        }
    }

    #[test]
    fn a_form_says_which_content_type_is_wanted() {
        let body = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D";
        let signature = format!("sha256={}", signature(body));
        let of = [
            ("X-GitHub-Event", "push"),
            ("X-Hub-Signature-256", &*signature),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        assert_eq!(read_with(KEY, &of, body), Err(Refusal::Form));
    }

    #[test]
    fn a_secret_is_what_stands_between_white_space() {
        assert!(Secret::new(" \n").is_none());
        let of = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", KEY)];
        assert!(read_with(&format!("{KEY}\n"), &of, GITLAB).is_ok());
    }
}
