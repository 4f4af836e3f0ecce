//! The other end: where the repository is, who asks for it, and what its answers mean.
//!
//! Credentials are taken out of the url before anything else sees it, so that no error, log or file can tell
//! them.

use super::{GitError, TIP, disk, why};
use gix::bstr::ByteSlice;
use gix::error::{ErrorExt, ResultExt};
use gix::object::Kind;
use gix::protocol::handshake::Ref;
use gix::protocol::transport::client::blocking_io::{Transport, http};
use gix::remote::{Direction, fetch::Tags, ref_map};
use gix::sec::identity::Account;
use gix::url::Scheme;
use gix::{ObjectId, Url, open, progress};
use plumb_compiler::diagnostics::nearest;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// So that ssh notices when the other end is gone. What the user says comes before it, and ssh takes what comes
/// first.
const ALIVE: &str = " -o ConnectTimeout=20 -o ServerAliveInterval=10 -o ServerAliveCountMax=3";

/// A connection over whatever the url asks for.
type Connection<'a, 'r> = gix::remote::Connection<'a, 'a, 'r, Box<dyn Transport + Send>>;

/// A branch or tag of a repository elsewhere. It has no `Debug`: it holds what is secret.
pub(super) struct Remote {
    /// Without what is secret.
    url: Url,
    /// The same as text.
    pub(super) shown: String,
    /// As the user wrote it; none: what the remote's HEAD stands for.
    reference: Option<String>,
    account: Option<Account>,
    /// `GIT_SSH_COMMAND`.
    ssh: Option<String>,
    /// An answer over http that has come to a halt for this long is given up.
    stall: Duration,
}

/// What a reference stands for at the other end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tip {
    /// Its whole name: `refs/heads/main`.
    pub(super) name: String,
    /// A commit, or the tag that names one.
    pub(super) object: ObjectId,
}

impl Remote {
    /// Takes a url apart; `environment` is asked for variables.
    ///
    /// Over https, a password in the url counts, or else `PLUMB_GIT_TOKEN` with the user of the url,
    /// `PLUMB_GIT_USERNAME` or `x-access-token`, which is what GitHub wants; GitLab and Gitea take any.
    pub(super) fn new(
        url: &str,
        reference: Option<&str>,
        stall: Duration,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, GitError> {
        // The url is not repeated: what does not parse may hold a password anywhere.
        let mut url = gix::url::parse(url)
            .map_err(|_| GitError::Url("the URL of the repository is malformed".to_owned()))?;
        let password = url.set_password(None);
        // Over ssh the user is a part of the address: `git@`.
        let user = if url.scheme == Scheme::Ssh { None } else { url.set_user(None) };
        let variable = |name| environment(name).map(|it| it.trim().to_owned());
        // A secret that comes from a file often ends its line.
        let token = variable("PLUMB_GIT_TOKEN").filter(|it| !it.is_empty());
        let named = || variable("PLUMB_GIT_USERNAME").unwrap_or("x-access-token".to_owned());
        let account = match url.scheme {
            Scheme::Http | Scheme::Https => match (user, password, token) {
                (user, Some(password), _) => Some((user.unwrap_or_default(), password)),
                (user, None, Some(token)) => Some((user.unwrap_or_else(named), token)),
                // GitHub takes a token for a user.
                (Some(user), None, None) => Some((user, String::new())),
                (None, None, None) => None,
            },
            _ => None,
        };
        let shown = url.to_bstring().to_string();
        match url.scheme {
            Scheme::Http if account.is_some() => Err(GitError::Url(format!(
                "`{shown}` would send the credentials in clear text: use https"
            ))),
            Scheme::Http | Scheme::Https | Scheme::Ssh | Scheme::File => Ok(()),
            _ => Err(GitError::Url(format!("`{shown}` is neither https, ssh nor file"))),
        }?;
        Ok(Remote {
            url,
            shown,
            reference: reference.map(str::to_owned),
            account: account.map(|(username, password)| Account {
                username,
                password,
                oauth_refresh_token: None,
            }),
            ssh: environment("GIT_SSH_COMMAND"),
            stall,
        })
    }

    /// Asks what the reference stands for, and for nothing else. The repository here lends its configuration.
    pub(super) fn ask(&self, place: &Path) -> Result<Tip, GitError> {
        let wanted = match &self.reference {
            None => vec!["HEAD".to_owned()],
            Some(name) if name.starts_with("refs/") => vec![name.clone()],
            Some(name) => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
        };
        let is_name = |it: &String| gix::validate::reference::name(it.as_bytes().into()).is_ok();
        let there = match wanted.iter().all(is_name) {
            true => self.list(place, &wanted)?,
            false => Vec::new(),
        };
        let found = wanted.iter().find_map(|name| there.iter().find_map(|it| tip(it, name)));
        match found {
            Some(tip) => Ok(tip),
            None => Err(self.unknown(place)?),
        }
    }

    /// Why the reference is none, as a repository tells that answers.
    fn unknown(&self, place: &Path) -> Result<GitError, GitError> {
        let branches = self.list(place, &["+refs/heads/*:refs/heads/*".to_owned()])?;
        let tags = self.list(place, &["+refs/tags/*:refs/tags/*".to_owned()])?;
        let short = |it: &Ref| {
            let name = it.unpack().0.to_str_lossy();
            let short = name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/tags/"));
            short.map(str::to_owned)
        };
        let names: Vec<String> = branches.iter().chain(&tags).filter_map(short).collect();
        let url = self.shown.clone();
        if names.is_empty() {
            return Ok(GitError::Empty { url });
        }
        let names = || names.iter().map(String::as_str);
        let suggestion = match &self.reference {
            // A remote's name before a branch is a habit of those who work in a clone.
            Some(wrong) => nearest(wrong, names())
                .or_else(|| {
                    let end = wrong.rsplit('/').next();
                    names().find(|it| Some(*it) == end)
                })
                .map(str::to_owned),
            None => names().next().map(str::to_owned),
        };
        Ok(GitError::NoSuchReference { url, reference: self.reference.clone(), suggestion })
    }

    fn list(&self, place: &Path, wanted: &[String]) -> Result<Vec<Ref>, GitError> {
        let repository = self.open(place)?;
        let options = ref_map::Options::default();
        let list = |connection: Connection<'_, '_>| connection.ref_map(progress::Discard, options);
        match self.speak(&repository, wanted, list) {
            Ok((found, _)) => Ok(found.remote_refs),
            Err(error) if error.is_permission_denied() => Err(self.refused()),
            Err(error) => {
                Err(self.explain(&error).unwrap_or_else(|| self.unreachable(why(&error))))
            }
        }
    }

    /// Receives what the reference stands for with all that led to it, and lets [`TIP`] stand for it. Gives the
    /// commit.
    pub(super) fn receive(
        &self,
        place: &Path,
        tip: &Tip,
        interrupt: &AtomicBool,
    ) -> Result<ObjectId, GitError> {
        let repository = self.open(place)?;
        // Forced: history that was rewritten is history.
        let wanted = [format!("+{}:{TIP}", tip.name)];
        let receive = |connection: Connection<'_, '_>| {
            connection
                .prepare_fetch(progress::Discard, Default::default())?
                .receive(progress::Discard, interrupt)
        };
        let failed = |error: gix::Error| disk(place, why(&error));
        self.speak(&repository, &wanted, receive)
            .map_err(|error| self.explain(&error).unwrap_or_else(|| failed(error)))?;
        let peel = || repository.find_reference(TIP)?.id().object()?.peel_tags_to_end();
        let end = peel().map_err(failed)?;
        match end.kind {
            Kind::Commit => Ok(end.id),
            kind => {
                Err(GitError::NotACommit { reference: tip.name.clone(), kind: kind.to_string() })
            }
        }
    }

    fn speak<'r, T>(
        &self,
        repository: &'r gix::Repository,
        wanted: &[String],
        then: impl FnOnce(Connection<'_, 'r>) -> gix::Result<T>,
    ) -> gix::Result<T> {
        let remote = repository
            .remote_at(self.url.clone())?
            .with_fetch_tags(Tags::None)
            .with_refspecs(wanted.iter().map(String::as_str), Direction::Fetch)?;
        let mut connection = remote.connect(Direction::Fetch)?.with_credentials(|_| {
            Err(gix::error::unauthenticated("nobody is asked for credentials").raise())
        });
        if let Some(account) = &self.account {
            connection.transport_mut().set_identity(account.clone()).or_error()?;
        }
        let url = self.url.to_bstring();
        if let Some(mut options) = repository.transport_options(url.as_bstr(), None)? {
            if let Some(options) = options.downcast_mut::<http::Options>() {
                options.backend = Some(Arc::new(Mutex::new(self.http())));
            }
            connection = connection.with_transport_options(options);
        }
        then(connection)
    }

    fn http(&self) -> http::reqwest::Options {
        let stall = self.stall;
        http::reqwest::Options {
            // Held against the headers of an answer, and each piece of its body.
            configure_client: Some(Box::new(move |client| Ok(client.timeout(stall)))),
            configure_request: None,
        }
    }

    /// Configuration says how git gets through: `core.sshCommand`, `url.<base>.insteadOf`. What the environment
    /// says of repositories is meant for another one.
    fn open(&self, place: &Path) -> Result<gix::Repository, GitError> {
        let open = || {
            let mut permissions = open::Permissions::isolated();
            permissions.config = open::permissions::Config::all();
            permissions.config.git_binary = false;
            permissions.env.home = gix::sec::Permission::Allow;
            permissions.env.xdg_config_home = gix::sec::Permission::Allow;
            let mut repository =
                gix::open_opts(place, open::Options::default().permissions(permissions))?;
            let mut configuration = repository.config_snapshot_mut();
            let configured = || configuration.string("core.sshCommand").map(|it| it.to_string());
            let mut command = self.ssh.clone().or_else(configured).unwrap_or("ssh".to_owned());
            let program = command.split_whitespace().next().unwrap_or_default();
            if program == "ssh" || program.ends_with("/ssh") {
                command.push_str(ALIVE);
                configuration.set_raw_value("ssh.variant", "ssh")?;
            }
            configuration.set_raw_value("core.sshCommand", command.as_str())?;
            configuration.commit()?;
            Ok(repository)
        };
        open().map_err(|error: gix::Error| disk(place, why(&error)))
    }

    /// What an error means to the user, if it came from the other end.
    fn explain(&self, error: &gix::Error) -> Option<GitError> {
        let url = self.shown.clone();
        let http = error.downcast_any_ref::<reqwest::Error>();
        if let Some(status) = http.and_then(reqwest::Error::status) {
            return Some(match status.as_u16() {
                401 | 403 => self.refused(),
                404 | 410 => GitError::NoSuchRepository { url },
                _ => self.unreachable(format!("it answered `{status}`")),
            });
        }
        if error.is_unauthenticated() {
            return Some(self.refused());
        }
        let mut why = why(error);
        if why.starts_with("invalid peer certificate") {
            why.push_str("; SSL_CERT_FILE can name the certificates to trust");
        }
        // gix has no other word for it.
        if why.contains("header to indicate 'smart' protocol") {
            return Some(GitError::NotGit { url });
        }
        if self.url.scheme == Scheme::File && !self.url.path.to_path_lossy().exists() {
            return Some(GitError::NoSuchRepository { url });
        }
        let mut causes = error.iter_errors().filter_map(|it| it.downcast_ref::<io::Error>());
        if causes.any(|it| it.kind() == io::ErrorKind::UnexpectedEof) {
            let ended = match self.url.scheme {
                Scheme::Ssh => "the connection ended too early, and what ssh wrote may say why",
                _ => "the answer ended too early",
            };
            return Some(self.unreachable(ended.to_owned()));
        }
        http.is_some().then(|| self.unreachable(why))
    }

    fn unreachable(&self, why: String) -> GitError {
        GitError::Unreachable { url: self.shown.clone(), why }
    }

    fn refused(&self) -> GitError {
        let why = match self.url.scheme {
            Scheme::Ssh => "accepts no key that ssh has: may one of them read it?",
            Scheme::File => "may not be read by this user",
            _ if self.account.is_some() => {
                "refuses the credentials: may they read it, and are they still valid?"
            }
            _ => {
                "wants credentials: set PLUMB_GIT_TOKEN, or look whether the repository exists, since \
                 some servers answer so for one that does not"
            }
        };
        GitError::Authentication { url: self.shown.clone(), why }
    }
}

/// What a line of the answer says of a reference, if it is this one.
fn tip(line: &Ref, wanted: &str) -> Option<Tip> {
    let (name, object, _) = line.unpack();
    if name != wanted {
        return None;
    }
    let name = match line {
        Ref::Symbolic { target, .. } => target.as_bstr(),
        _ => name,
    };
    Some(Tip { name: name.to_str().ok()?.to_owned(), object: object?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables = &'static [(&'static str, &'static str)];

    fn remote(url: &str, variables: Variables) -> Result<Remote, String> {
        let variable = |name: &str| Some(variables.iter().find(|it| it.0 == name)?.1.to_owned());
        Remote::new(url, None, Duration::ZERO, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn credentials_are_taken_out_of_the_url_or_the_environment() {
        let token: Variables = &[("PLUMB_GIT_TOKEN", "secret\n")];
        let named: Variables = &[("PLUMB_GIT_TOKEN", "secret"), ("PLUMB_GIT_USERNAME", "ada")];
        for (url, variables, shown, account) in [
            ("https://acme.test/a.git", &[] as Variables, "https://acme.test/a.git", None),
            (
                "https://acme.test/a.git",
                &[("PLUMB_GIT_TOKEN", " ")],
                "https://acme.test/a.git",
                None,
            ),
            (
                "https://acme.test/a",
                token,
                "https://acme.test/a",
                Some(("x-access-token", "secret")),
            ),
            ("https://acme.test/a", named, "https://acme.test/a", Some(("ada", "secret"))),
            ("https://bob@acme.test/a", named, "https://acme.test/a", Some(("bob", "secret"))),
            ("https://bob:p%40ss@acme.test/a", token, "https://acme.test/a", Some(("bob", "p@ss"))),
            ("https://:word@acme.test/a", &[], "https://acme.test/a", Some(("", "word"))),
            (
                "https://ghp_secret@acme.test/a",
                &[],
                "https://acme.test/a",
                Some(("ghp_secret", "")),
            ),
            ("https://acme.test:8443/a", &[], "https://acme.test:8443/a", None),
            ("ssh://git:word@acme.test/a", token, "ssh://git@acme.test/a", None),
            ("git@acme.test:a.git", token, "git@acme.test:a.git", None),
            ("file:///srv/a.git", token, "file:///srv/a.git", None),
        ] {
            let remote = remote(url, variables).unwrap();
            assert_eq!(remote.shown, shown, "{url}");
            assert!(!remote.url.to_bstring().to_str_lossy().contains("word"), "{url}");
            let found = remote.account.as_ref().map(|it| (&*it.username, &*it.password));
            assert_eq!(found, account, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_asked_is_told_without_what_is_secret() {
        let token: Variables = &[("PLUMB_GIT_TOKEN", "secret")];
        for (url, said) in [
            (
                "http://acme.test/a",
                "`http://acme.test/a` would send the credentials in clear text: use https",
            ),
            (
                "http://bob:secret@acme.test/a",
                "`http://acme.test/a` would send the credentials in clear text: use https",
            ),
            ("ftp://bob:secret@acme.test/a", "`ftp://acme.test/a` is neither https, ssh nor file"),
            ("git://acme.test/a", "`git://acme.test/a` is neither https, ssh nor file"),
            ("https://bob:secret@", "the URL of the repository is malformed"),
            ("", "the URL of the repository is malformed"),
        ] {
            assert_eq!(remote(url, token).err().as_deref(), Some(said), "{url}");
        }
    }
}
