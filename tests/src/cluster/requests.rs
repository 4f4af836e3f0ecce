//! What is asked of an API server, and what it says.

use std::sync::{Arc, PoisonError};

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
        let path = if resource["namespaced"] == true {
            let namespace = text("/metadata/namespace").unwrap_or("default");
            self.ensure_namespace(namespace)?;
            format!("{base}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{base}/{plural}/{name}")
        };
        self.apply_to(&path, object)
    }

    /// Makes a namespace unless it exists. Without a controller manager nobody makes `default` but us.
    ///
    /// # Errors
    ///
    /// The server's message.
    pub fn ensure_namespace(&self, name: &str) -> Result<(), String> {
        let path = format!("/api/v1/namespaces/{name}");
        if self.get(&path)?.0 == 200 {
            return Ok(());
        }
        self.apply_to(
            &path,
            &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
        )
        .map(drop)
    }

    fn apply_to(&self, path: &str, object: &Value) -> Result<Applied, String> {
        let path = format!("{path}?fieldManager=plumb&fieldValidation=Strict&force=true");
        let answer = self.client.ask("PATCH", &path, Some(object))?;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        if matches!(answer.status, 200 | 201) {
            return Ok(Applied { object: body, warnings: answer.warnings });
        }
        let message = body["message"].as_str().unwrap_or(&answer.body);
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
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let failed = |error: ureq::Error| format!("{method} {}{path}: {error}", self.url);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Accept", "application/json, */*");
        let request = match body {
            // JSON is YAML; the server knows an apply by this type alone.
            Some(_) => request.header("Content-Type", "application/apply-patch+yaml"),
            None => request,
        };
        let body = body.map(Value::to_string).unwrap_or_default();
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
