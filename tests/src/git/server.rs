//! `git http-backend` is a CGI program: a request is its environment and input, its output is the answer.

use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Repository, git};

const PAGE: &str = "<!DOCTYPE html>\n<title>Log in</title>\n<p>Who are you?\n";

/// What a server says to whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    /// What git says.
    #[default]
    Git,
    /// What git says to those with this `Authorization`; others get HTTP 401.
    GitFor(String),
    /// This HTTP status.
    Status(u16),
    /// HTTP 200 and a page, as of a proxy that wants a login.
    Html,
    /// Nothing, until something else is to be answered. The connection is closed then.
    Hang,
}

/// A repository served over HTTP on loopback. Dropping it stops it.
#[derive(Debug)]
pub struct GitServer {
    repository: Repository,
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    answers: Answers,
    requests: Vec<String>,
    stopped: bool,
    open: Vec<Weak<TcpStream>>,
}

impl GitServer {
    /// Serves a repository without commits.
    ///
    /// # Errors
    ///
    /// As [`Repository::new`], or when no port is free.
    pub fn start() -> Result<GitServer, String> {
        let repository = Repository::new()?;
        let failed = |error: io::Error| format!("cannot listen on 127.0.0.1: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let root = repository.folder.path().to_owned();
        let shared = Arc::new(Shared { root, state: Mutex::default(), changed: Condvar::new() });
        let listening = Some(listen(listener, &shared)).into();
        Ok(GitServer { repository, address, shared, listening })
    }

    /// The address of the repository.
    pub fn url(&self) -> String {
        format!("http://{}/{}", self.address, Repository::NAME)
    }

    /// The repository that is served.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Says from now on what requests are answered. Those that hang end.
    pub fn answer(&self, answers: Answers) {
        self.shared.state().answers = answers;
        self.shared.changed.notify_all();
    }

    /// The first lines of all requests so far, such as `POST /workspace.git/git-upload-pack`.
    pub fn requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }

    /// Closes the port and all connections.
    pub fn stop(&self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listening) = listening else { return };
        {
            let mut state = self.shared.state();
            state.stopped = true;
            for stream in state.open.drain(..).filter_map(|it| it.upgrade()) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.shared.changed.notify_all();
        // Who waits for connections looks up when one comes.
        let _ = TcpStream::connect(self.address);
        let _ = listening.join();
    }

    /// Serves again, on the same port, after [`GitServer::stop`].
    ///
    /// # Errors
    ///
    /// When somebody else keeps the port.
    pub fn restart(&self) -> Result<(), String> {
        self.stop();
        let deadline = Instant::now() + Duration::from_secs(30);
        let listener = loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("cannot listen on {}: {error}", self.address));
                }
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        };
        self.shared.state().stopped = false;
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(listen(listener, &self.shared));
        Ok(())
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let stream = Arc::new(stream);
            {
                let mut state = shared.state();
                if state.stopped {
                    return;
                }
                state.open.retain(|it| it.strong_count() > 0);
                state.open.push(Arc::downgrade(&stream));
            }
            let shared = Arc::clone(&shared);
            // A connection that breaks is the client's to tell of.
            thread::spawn(move || shared.serve(&stream));
        }
    })
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request; the end of the connection is the end of the answer.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let request = Request::read(&mut BufReader::new(stream))?;
        let answers = {
            let mut state = self.state();
            state.requests.push(format!("{} {}", request.method, request.target));
            state.answers.clone()
        };
        match answers {
            Answers::GitFor(who) if request.header("Authorization") != who => {
                say(stream, 401, "WWW-Authenticate: Basic realm=\"git\"", "who are you?")
            }
            Answers::Git | Answers::GitFor(_) => self.ask_git(&request, stream),
            Answers::Status(status) => {
                say(stream, status, "Content-Type: text/plain", "this server was told to say so")
            }
            Answers::Html => say(stream, 200, "Content-Type: text/html", PAGE),
            Answers::Hang => {
                let hangs = |it: &mut State| it.answers == Answers::Hang && !it.stopped;
                drop(self.changed.wait_while(self.state(), hangs));
                Ok(())
            }
        }
    }

    fn ask_git(&self, request: &Request, mut stream: &TcpStream) -> io::Result<()> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        // A file and no pipe: nobody has to write while somebody reads.
        let mut body = tempfile::tempfile()?;
        body.write_all(&request.body)?;
        body.rewind()?;
        let mut child = git(&self.root)
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", request.header("Content-Type"))
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", request.header("Content-Encoding"))
            .env("GIT_PROTOCOL", request.header("Git-Protocol"))
            .stdin(body)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let Some(stdout) = child.stdout.take() else { return Ok(()) };
        let passed_on = pass_on(&mut BufReader::new(stdout), &mut stream);
        let _ = child.kill();
        let _ = child.wait();
        passed_on
    }
}

/// What a CGI program says, as HTTP: a status that is not 200 is the header `Status`.
fn pass_on(said: &mut impl BufRead, stream: &mut impl Write) -> io::Result<()> {
    let (mut status, mut headers) = ("200 OK".to_owned(), String::new());
    loop {
        let mut line = String::new();
        said.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => match line.strip_prefix("Status: ") {
                Some(other) => status = other.to_owned(),
                None => headers += &format!("{line}\r\n"),
            },
        }
    }
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n")?;
    io::copy(said, stream).map(drop)
}

fn say(mut stream: &TcpStream, status: u16, header: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} Told\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[derive(Debug, Default)]
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(from: &mut impl BufRead) -> io::Result<Request> {
        let first = line(from)?;
        let mut words = first.split(' ').map(str::to_owned);
        let mut request = Request {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            ..Request::default()
        };
        loop {
            let header = line(from)?;
            let Some((name, value)) = header.split_once(':') else { break };
            request.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if request.header("Transfer-Encoding") == "chunked" {
            loop {
                let length = u64::from_str_radix(&line(from)?, 16).map_err(io::Error::other)?;
                from.take(length).read_to_end(&mut request.body)?;
                line(from)?;
                if length == 0 {
                    break;
                }
            }
        } else {
            let length = request.header("Content-Length").parse().unwrap_or(0);
            from.take(length).read_to_end(&mut request.body)?;
        }
        Ok(request)
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match from.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_whether_its_length_is_known_or_not() {
        let known = "POST /a?b HTTP/1.1\r\ncontent-length: 6\r\n\r\n0032wa left";
        let chunked = "POST /a?b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                       4\r\n0032\r\n2\r\nwa\r\n0\r\n\r\nleft";
        for text in [known, chunked] {
            let request = Request::read(&mut text.as_bytes()).unwrap();
            assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/a?b"));
            assert_eq!(request.body, b"0032wa");
        }
    }
}
