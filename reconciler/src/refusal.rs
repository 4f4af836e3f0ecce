//! What an API server says when it does not do what was asked: whether asking again helps, and which fields it means.

use serde_json::Value as Json;
use std::fmt;
use std::time::Duration;

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Which kind of reason.
    pub kind: Reason,
    /// What the server said, or what went wrong on the way to it.
    pub message: String,
    /// The fields that it named, each with what it said of it: `spec.template.spec.containers[0].image`.
    pub causes: Vec<(String, String)>,
    /// When to ask again, where it said so.
    pub retry_after: Option<Duration>,
}

/// Kinds of reasons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// The object is not one that the server takes.
    Invalid,
    /// A field belongs to another manager.
    Owned,
    /// Whoever asks may not.
    Forbidden,
    /// An admission webhook or policy said no.
    Denied,
    /// The namespace is not there.
    NoNamespace,
    /// The kind is not served, perhaps not yet.
    NoKind,
    /// The object, or what stands around it, is being deleted.
    Terminating,
    /// It changed since it was read.
    Stale,
    /// There is no such object.
    Gone,
    /// The server has too much to do.
    Busy,
    /// The server failed, or could not be reached.
    Unavailable,
}

impl Reason {
    /// Whether the same request may be granted a moment later without anybody doing anything for it.
    pub fn may_pass(self) -> bool {
        match self {
            Reason::NoKind
            | Reason::Terminating
            | Reason::Stale
            | Reason::Gone
            | Reason::Busy
            | Reason::Unavailable => true,
            Reason::Invalid
            | Reason::Owned
            | Reason::Forbidden
            | Reason::Denied
            | Reason::NoNamespace => false,
        }
    }

    /// In a word, for metrics and programs.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Invalid => "invalid",
            Reason::Owned => "owned",
            Reason::Forbidden => "forbidden",
            Reason::Denied => "denied",
            Reason::NoNamespace => "no-namespace",
            Reason::NoKind => "no-kind",
            Reason::Terminating => "terminating",
            Reason::Stale => "stale",
            Reason::Gone => "gone",
            Reason::Busy => "busy",
            Reason::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Refusal {
    /// That a server could not be asked.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Refusal {
            kind: Reason::Unavailable,
            message: message.into(),
            causes: Vec::new(),
            retry_after: None,
        }
    }

    /// Reads an answer that is no success. What is no `Status` is no API server's, but of something before it.
    pub fn read(code: u16, retry_after: Option<u64>, body: &str) -> Self {
        let status: Json = serde_json::from_str(body).unwrap_or_default();
        let is_status = status["kind"] == "Status";
        let message = match status["message"].as_str() {
            Some(message) if is_status && !message.is_empty() => message.to_owned(),
            _ if body.trim_start().starts_with('<') => {
                format!("something before the API server answered {code} with a web page")
            }
            _ => format!(
                "the server answered {code}: {}",
                body.trim().chars().take(200).collect::<String>()
            ),
        };
        let reason = status["reason"].as_str().unwrap_or_default();
        let details = &status["details"];
        let causes: Vec<(&str, &str, &str)> = details["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| {
                let text = |name: &str| cause[name].as_str().unwrap_or_default();
                (text("reason"), text("field"), text("message"))
            })
            .collect();
        let has_cause = |wanted: &str| causes.iter().any(|(reason, _, _)| *reason == wanted);
        let kind = match code {
            // Server-side apply of a field that the schema does not have comes without a reason
            // (`apimachinery/pkg/util/managedfields`, measured on 1.36).
            500 if message.contains("field not declared in schema")
                || message.contains("failed to create typed patch object") =>
            {
                Reason::Invalid
            }
            _ if has_cause("NamespaceTerminating") => Reason::Terminating,
            _ if message.contains("admission webhook")
                && message.contains("denied the request") =>
            {
                Reason::Denied
            }
            422 if message.contains("ValidatingAdmissionPolicy") => Reason::Denied,
            400 | 405 | 406 | 413 | 415 | 422 => Reason::Invalid,
            401 | 403 => Reason::Forbidden,
            404 if details["kind"] == "namespaces" => Reason::NoNamespace,
            404 if !is_status || details["name"].is_null() => Reason::NoKind,
            404 | 410 => Reason::Gone,
            409 if has_cause("FieldManagerConflict") => Reason::Owned,
            409 => Reason::Stale,
            429 => Reason::Busy,
            _ if reason == "Timeout" || reason == "ServerTimeout" => Reason::Busy,
            _ => Reason::Unavailable,
        };
        let named = causes.iter().filter(|(_, field, _)| !field.is_empty());
        let mut causes: Vec<(String, String)> = named
            .map(|(_, field, message)| {
                (field.trim_start_matches('.').to_owned(), (*message).to_owned())
            })
            .collect();
        if let (Reason::Invalid, true, Some(cause)) =
            (kind, causes.is_empty(), undeclared(&message))
        {
            causes.push(cause);
        }
        let said = details["retryAfterSeconds"].as_u64().filter(|it| *it > 0);
        Refusal {
            kind,
            message,
            causes,
            retry_after: retry_after.or(said).map(Duration::from_secs),
        }
    }
}

/// The field of "failed to create typed patch object (…): .spec.foo: field not declared in schema".
fn undeclared(message: &str) -> Option<(String, String)> {
    let end = message.find(": field not declared in schema")?;
    let start = message[..end].rfind(' ')? + 1;
    let field = message[start..end].trim_start_matches('.').to_owned();
    Some((field, "the API server knows no such field".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(code: u16, reason: &str, message: &str, details: Json) -> Refusal {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": details, "code": code,
        });
        Refusal::read(code, None, &body.to_string())
    }

    #[test]
    fn what_asking_again_does_not_help_is_told_from_what_it_may() {
        for (code, reason, message, details, expected, may_pass) in [
            (422, "Invalid", "Deployment.apps \"a\" is invalid", json!({}), Reason::Invalid, false),
            (400, "BadRequest", "cannot be handled", json!({}), Reason::Invalid, false),
            (
                500,
                "",
                "failed to create typed patch object (shop/a; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema",
                json!({}),
                Reason::Invalid,
                false,
            ),
            (
                500,
                "InternalError",
                "etcdserver: leader changed",
                json!({}),
                Reason::Unavailable,
                true,
            ),
            (
                500,
                "InternalError",
                "failed calling webhook \"x\": connection refused",
                json!({}),
                Reason::Unavailable,
                true,
            ),
            (403, "Forbidden", "cannot patch", json!({}), Reason::Forbidden, false),
            (
                403,
                "Forbidden",
                "namespace is being terminated",
                json!({ "causes": [{ "reason": "NamespaceTerminating", "field": "metadata.namespace" }] }),
                Reason::Terminating,
                true,
            ),
            (
                400,
                "BadRequest",
                "admission webhook \"x\" denied the request: no",
                json!({}),
                Reason::Denied,
                false,
            ),
            (
                422,
                "Invalid",
                "x is forbidden: ValidatingAdmissionPolicy 'p' denied request: no",
                json!({}),
                Reason::Denied,
                false,
            ),
            (
                404,
                "NotFound",
                "namespaces \"a\" not found",
                json!({ "name": "a", "kind": "namespaces" }),
                Reason::NoNamespace,
                false,
            ),
            (
                404,
                "NotFound",
                "the server could not find the requested resource",
                json!({}),
                Reason::NoKind,
                true,
            ),
            (
                404,
                "NotFound",
                "configmaps \"a\" not found",
                json!({ "name": "a", "kind": "configmaps" }),
                Reason::Gone,
                true,
            ),
            (
                409,
                "Conflict",
                "Apply failed with 1 conflict",
                json!({ "causes": [{ "reason": "FieldManagerConflict", "field": ".spec.replicas", "message": "conflict with \"kubectl\"" }] }),
                Reason::Owned,
                false,
            ),
            (409, "Conflict", "the object has been modified", json!({}), Reason::Stale, true),
            (
                429,
                "TooManyRequests",
                "try later",
                json!({ "retryAfterSeconds": 3 }),
                Reason::Busy,
                true,
            ),
            (503, "ServiceUnavailable", "not yet", json!({}), Reason::Unavailable, true),
            (504, "Timeout", "timed out", json!({}), Reason::Busy, true),
        ] {
            let refusal = status(code, reason, message, details);
            assert_eq!(
                (refusal.kind, refusal.kind.may_pass()),
                (expected, may_pass),
                "{code} {message}"
            );
            assert_eq!(refusal.message, message);
        }
    }

    #[test]
    fn fields_are_named() {
        let refusal = status(
            422,
            "Invalid",
            "…",
            json!({ "causes": [
            { "reason": "FieldValueInvalid", "message": "must be positive", "field": "spec.replicas" },
            { "reason": "FieldValueRequired", "message": "Required value", "field": "spec.template" },
        ] }),
        );
        let expected = [("spec.replicas", "must be positive"), ("spec.template", "Required value")];
        assert_eq!(refusal.causes, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let undeclared = status(
            500,
            "",
            "failed to create typed patch object (shop/a; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema",
            json!({}),
        );
        assert_eq!(undeclared.causes[0].0, "spec.foo");
    }

    #[test]
    fn when_to_ask_again_is_heard() {
        let body = json!({ "kind": "Status", "details": { "retryAfterSeconds": 3 } }).to_string();
        assert_eq!(Refusal::read(429, None, &body).retry_after, Some(Duration::from_secs(3)));
        assert_eq!(Refusal::read(429, Some(1), &body).retry_after, Some(Duration::from_secs(1)));
        assert_eq!(Refusal::read(503, None, "").retry_after, None);
    }

    #[test]
    fn what_is_not_from_an_api_server_is_said_to_be() {
        let page = Refusal::read(502, None, "<html><body>Bad Gateway</body></html>");
        assert_eq!(page.message, "something before the API server answered 502 with a web page");
        assert_eq!(page.kind, Reason::Unavailable);
        let text = Refusal::read(404, None, "404 page not found\n");
        assert_eq!(text.message, "the server answered 404: 404 page not found");
        assert_eq!(text.kind, Reason::NoKind);
    }
}
