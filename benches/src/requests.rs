//! What the benchmark asks for, independent of who is asked: services as a company has them, each
//! with what is different in staging and in prod.

/// The environments, in the order in which everybody prints them.
pub const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// A service, and what is different of it in each environment.
#[derive(Clone, Debug)]
pub struct Request {
    /// Unlike every other's.
    pub name: String,
    /// The image without its tag.
    pub image: String,
    /// The image's tag.
    pub tag: String,
    /// Where the container listens.
    pub port: u32,
    /// What holds where no overlay says otherwise.
    pub base: Settings,
    /// Where it is reached from outside: every third one is.
    pub host: Option<String>,
    /// By environment, in the order of [`ENVIRONMENTS`].
    pub overlays: [Settings; 3],
}

/// What environments may set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Pods.
    pub replicas: Option<usize>,
    /// Of one pod.
    pub cpu: Option<&'static str>,
    /// Of one pod.
    pub memory: Option<&'static str>,
    /// Environment variables, added to those that are there.
    pub env: Vec<(&'static str, String)>,
}

impl Settings {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_none()
            && self.cpu.is_none()
            && self.memory.is_none()
            && self.env.is_empty()
    }
}

/// The first so many requests. The same number gives the same requests, always.
pub fn requests(count: usize) -> impl Iterator<Item = Request> {
    (0..count).map(request)
}

fn request(index: usize) -> Request {
    let level = |text: &str| ("LOG", text.to_owned());
    Request {
        name: format!("app-{index:05}"),
        image: format!("registry.local/team{}/app{index}", index % 20),
        tag: format!("v1.{}.{}", index % 50, index % 7),
        port: 8000 + (index % 1000) as u32,
        base: Settings {
            replicas: Some(1),
            cpu: Some("100m"),
            memory: Some("128Mi"),
            env: vec![level("debug"), ("APP_ID", index.to_string())],
        },
        host: index.is_multiple_of(3).then(|| format!("app{index}.example.com")),
        overlays: [
            Settings::default(),
            Settings { replicas: Some(2), env: vec![level("info")], ..Settings::default() },
            Settings {
                replicas: Some(2 + index % 5),
                cpu: Some("500m"),
                memory: Some("1Gi"),
                env: vec![level("warn"), ("REGION", "eu".to_owned())],
            },
        ],
    }
}
