//! What is asked of an API server, and what it says.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ControlPlane;

/// What an API server made of an applied object.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object as the server keeps it, with its defaults.
    pub object: Value,
    /// The texts of the answer's `Warning` headers, such as the notice of a deprecated API version.
    pub warnings: Vec<String>,
}

/// How a patch says what to change.
#[derive(Clone, Copy, Debug)]
pub enum Patch<'a> {
    /// The fields that change; null removes one.
    Merge,
    /// Operations, one after the other (RFC 6902).
    Json,
    /// As kubectl: lists are merged by the keys of their elements.
    Strategic,
    /// All that this field manager wants, as [`ControlPlane::server_side_apply`] does for `plumb`.
    Apply {
        /// The field manager.
        manager: &'a str,
        /// Whether it takes over what others manage; else that is a conflict, HTTP 409.
        force: bool,
    },
}

/// An answer of the API server.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) warnings: Vec<String>,
}

/// How the API server is reached.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) agent: ureq::Agent,
    pub(super) url: String,
    pub(super) token: String,
}

impl ControlPlane {
    /// GETs a path (`/api/v1/namespaces`): the HTTP status and the body.
    ///
    /// # Errors
    ///
    /// Only when no answer came. A refusal is an answer.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        self.client.ask("GET", path, None).map(|answer| (answer.status, answer.body))
    }

    /// GETs a path: what the server warns of it.
    ///
    /// # Errors
    ///
    /// When no answer came, or another than 200.
    pub fn warnings(&self, path: &str) -> Result<Vec<String>, String> {
        let answer = self.client.ask("GET", path, None)?;
        match answer.status {
            200 => Ok(answer.warnings),
            status => Err(format!("{path} answered HTTP {status}: {}", answer.body)),
        }
    }

    /// GETs a path: the object or list that is there.
    ///
    /// # Errors
    ///
    /// The server's message, with the HTTP status before it.
    pub fn read(&self, path: &str) -> Result<Value, String> {
        self.send("GET", path, None).map(|it| it.object)
    }

    /// GETs a path: the items of the list that is there.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::read`].
    pub fn list(&self, path: &str) -> Result<Vec<Value>, String> {
        match self.read(path)?["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(format!("{path} is no list")),
        }
    }

    /// GETs a path until what is there is as a test wants it: an object, a list, or a refusal, whose `code`
    /// is 404 where nothing is. Returns it.
    ///
    /// # Errors
    ///
    /// When it is not so within half a minute: what is there instead.
    pub fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (_, body) = self.get(path)?;
            let found = serde_json::from_str(&body).unwrap_or_default();
            if wanted(&found) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(format!("{path} is not as wanted after 30 seconds: {body}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// POSTs an object to the path of its list, or to a subresource. Returns what the server made of it.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::read`].
    pub fn create(&self, path: &str, object: &Value) -> Result<Value, String> {
        self.send("POST", path, Some(("application/json", object))).map(|it| it.object)
    }

    /// PUTs an object. Returns what the server made of it.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::read`].
    pub fn replace(&self, path: &str, object: &Value) -> Result<Value, String> {
        self.send("PUT", path, Some(("application/json", object))).map(|it| it.object)
    }

    /// PATCHes an object, or a subresource (`/scale`, `/status`). Returns what the server made of it.
    ///
    /// The path of a patch that is no apply may say who it is by: `?fieldManager=kubectl-edit`.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::read`].
    pub fn patch(&self, path: &str, patch: Patch<'_>, body: &Value) -> Result<Value, String> {
        let content_type = match patch {
            Patch::Merge => "application/merge-patch+json",
            Patch::Json => "application/json-patch+json",
            Patch::Strategic => "application/strategic-merge-patch+json",
            // JSON is YAML; the server knows an apply by this type alone.
            Patch::Apply { .. } => "application/apply-patch+yaml",
        };
        let path = match patch {
            Patch::Apply { manager, force } => {
                let and = if path.contains('?') { '&' } else { '?' };
                format!("{path}{and}fieldManager={manager}&force={force}")
            }
            _ => path.to_owned(),
        };
        self.send("PATCH", &path, Some((content_type, body))).map(|it| it.object)
    }

    /// DELETEs what is at a path. Objects with finalizers, and those that others depend on when the query
    /// says `propagationPolicy=Foreground`, stay a while.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::read`].
    pub fn delete(&self, path: &str) -> Result<Value, String> {
        self.send("DELETE", path, None).map(|it| it.object)
    }

    /// A bearer token of a service account, which is made unless it exists. It may do what its roles say: at
    /// first, nothing but ask what there is.
    ///
    /// # Errors
    ///
    /// As [`ControlPlane::read`].
    pub fn service_account_token(&self, namespace: &str, name: &str) -> Result<String, String> {
        self.ensure_namespace(namespace)?;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.ensure(&path, name)?;
        let made = self.create(&format!("{path}/{name}/token"), &json!({}))?;
        let token = made["status"]["token"].as_str();
        token.map(str::to_owned).ok_or_else(|| format!("no token: {made}"))
    }

    /// Applies an object as the field manager `plumb`: server-side, strict about unknown fields, taking
    /// over fields that others manage.
    ///
    /// The resource comes from the server's own discovery. A namespaced object without
    /// `metadata.namespace` goes to `default`. A namespace that does not exist is made first, see
    /// [`ControlPlane::ensure_namespace`].
    ///
    /// # Errors
    ///
    /// The server's message, with the HTTP status before it; or what `object` lacks to be one.
    pub fn server_side_apply(&self, object: &Value) -> Result<Applied, String> {
        let path = self.path(object)?;
        if let Some(namespace) = namespace_of(&path) {
            self.ensure_namespace(namespace)?;
        }
        self.apply_to(&path, object)
    }

    /// The path of an object, by the server's own discovery. A namespaced object without
    /// `metadata.namespace` is in `default`.
    ///
    /// # Errors
    ///
    /// What `object` lacks to be one, or that the server does not have its kind.
    pub fn path(&self, object: &Value) -> Result<String, String> {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("an object without {pointer}"))
        };
        let (api_version, kind, name) =
            (text("/apiVersion")?, text("/kind")?, text("/metadata/name")?);
        let (base, resource) = self.resource(api_version, kind)?;
        let plural = resource["name"].as_str().unwrap_or_default();
        Ok(if resource["namespaced"] == true {
            let namespace = text("/metadata/namespace").unwrap_or("default");
            format!("{base}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{base}/{plural}/{name}")
        })
    }

    /// Makes a namespace unless it exists. Without a controller manager nobody makes `default` but us.
    ///
    /// # Errors
    ///
    /// The server's message.
    pub fn ensure_namespace(&self, name: &str) -> Result<(), String> {
        self.ensure("/api/v1/namespaces", name)
    }

    /// Makes an object that is nothing but its name, unless it exists.
    fn ensure(&self, list: &str, name: &str) -> Result<(), String> {
        if self.get(&format!("{list}/{name}"))?.0 == 200 {
            return Ok(());
        }
        match self.create(list, &json!({ "metadata": { "name": name } })) {
            // Somebody else was faster.
            Err(error) if !error.starts_with("HTTP 409") => Err(error),
            _ => Ok(()),
        }
    }

    fn apply_to(&self, path: &str, object: &Value) -> Result<Applied, String> {
        let path = format!("{path}?fieldManager=plumb&fieldValidation=Strict&force=true");
        self.send("PATCH", &path, Some(("application/apply-patch+yaml", object)))
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Applied, String> {
        let answer = self.client.ask(method, path, body)?;
        let object: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        if (200..300).contains(&answer.status) {
            return Ok(Applied { object, warnings: answer.warnings });
        }
        let message = object["message"].as_str().unwrap_or(&answer.body);
        Err(format!("HTTP {}: {message}", answer.status))
    }

    /// The path of a group version and the entry of a kind in its resource list.
    fn resource(&self, api_version: &str, kind: &str) -> Result<(String, Value), String> {
        let base = if api_version.contains('/') {
            format!("/apis/{api_version}")
        } else {
            format!("/api/{api_version}")
        };
        let find = |list: &Value| {
            let entries = list["resources"].as_array()?;
            // Subresources (`deployments/scale`) have kinds too.
            entries
                .iter()
                .find(|it| {
                    it["kind"] == kind && it["name"].as_str().is_some_and(|it| !it.contains('/'))
                })
                .cloned()
        };
        let known =
            self.resources.lock().unwrap_or_else(PoisonError::into_inner).get(&base).cloned();
        if let Some(entry) = known.as_deref().and_then(find) {
            return Ok((base, entry));
        }
        // Not known yet, or made since by a CustomResourceDefinition.
        let (status, body) = self.get(&base)?;
        if status != 200 {
            return Err(format!("the server has no {api_version} (HTTP {status})"));
        }
        let list: Value = serde_json::from_str(&body)
            .map_err(|error| format!("{base} answered no JSON: {error}"))?;
        let entry = find(&list);
        self.resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(base.clone(), Arc::new(list));
        entry.map(|it| (base, it)).ok_or_else(|| format!("{api_version} has no {kind}"))
    }
}

impl Client {
    /// A body comes with its type.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Answer, String> {
        let failed = |error: ureq::Error| format!("{method} {}{path}: {error}", self.url);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Accept", "application/json, */*");
        let request = match body {
            Some((content_type, _)) => request.header("Content-Type", content_type),
            None => request,
        };
        let body = body.map(|(_, body)| body.to_string()).unwrap_or_default();
        let request = request.body(body).map_err(|error| failed(error.into()))?;
        let mut response = self.agent.run(request).map_err(failed)?;
        let warnings = response.headers().get_all("Warning").iter();
        let warnings = warnings.filter_map(|it| it.to_str().ok()).map(warning_text).collect();
        let status = response.status().as_u16();
        // The largest OpenAPI documents are a few megabytes.
        let body =
            response.body_mut().with_config().limit(64 << 20).read_to_string().map_err(failed)?;
        Ok(Answer { status, body, warnings })
    }
}

/// The namespace of what a path leads to. That of a namespace leads to something without one.
fn namespace_of(path: &str) -> Option<&str> {
    let (_, inside) = path.split_once("/namespaces/")?;
    inside.split_once('/').map(|(namespace, _)| namespace)
}

/// The text of a `Warning` header, `299 - "text"` (RFC 7234 section 5.5).
fn warning_text(header: &str) -> String {
    let quoted = header.splitn(3, ' ').nth(2).unwrap_or(header).trim();
    let inner = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(quoted);
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_warning_is_taken_out_of_its_header() {
        assert_eq!(
            warning_text(r#"299 - "unknown field \"spec.shop\"""#),
            r#"unknown field "spec.shop""#
        );
    }
}
