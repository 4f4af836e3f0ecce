//! Ten mistakes that everybody makes, exactly as a person reads them in a terminal.
//!
//! Each file of `rendered/` is a workspace beside the small platform here and, after `>>>`, what
//! `plumb check` prints. `docs/errors.md` shows the same. After a change that is meant,
//! `PLUMB_BLESS=1 cargo test --test rendered` writes both anew.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

const PLATFORM: &str = r#"use k8s.apps.v1 as apps

type Size = "small" | "medium" | "large"

schema Env {
    domain: Hostname
    tier: "dev" | "staging" | "prod"
}

environment dev: Env { domain = "dev.acme.test", tier = "dev" }
environment staging: Env { domain = "staging.acme.test", tier = "staging" }
environment prod: Env { domain = "acme.test", tier = "prod" }

/// A stateless HTTP service.
schema Service {
    image: Image
    replicas: Int where it in 1..=50 = 1
    size: Size = "small"
    env: {EnvName: String} = {}
    host: Hostname?
    final team: String = "web" else "every service is the web team's"
}

defaults Service in prod {
    final host = environment.domain else "certificates are issued for it"
}

compose Service as svc {
    let labels = { app = svc.name, team = svc.team }
    emit apps.Deployment {
        metadata = { name = svc.name, labels = labels }
        spec = {
            replicas = svc.replicas
            selector.matchLabels = labels
            template.metadata.labels = labels
            template.spec.containers = [{
                name = svc.name
                image = svc.image
                env = [for name, value in svc.env => { name = name, value = value }]
            }]
        }
    }
}
"#;

const END: &str = "\n>>>\n";

/// What `plumb check` prints for a workspace: the findings, then the summary.
fn printed(sources: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("plumb.toml", "name = \"acme\"\n");
    write("platform/platform.plumb", PLATFORM);
    for part in sources.split("--- ").skip(1) {
        let (path, text) = part.split_once('\n').unwrap();
        write(path, text);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .current_dir(folder.path())
        .arg("check")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// Where on the page the block stands that follows `<!-- rendered: NAME -->`.
fn block(page: &str, name: &str) -> Range<usize> {
    let opening = format!("<!-- rendered: {name} -->\n```text\n");
    let (before, _) = page.split_once(&opening).unwrap_or_else(|| panic!("no {name} on the page"));
    let start = before.len() + opening.len();
    let length = page[start..].find("```\n").expect("a block is closed");
    start..start + length
}

#[test]
fn mistakes_are_shown_with_their_line_the_reason_and_the_mend() {
    let bless = std::env::var_os("PLUMB_BLESS").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rendered");
    let page_path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let mut page = fs::read_to_string(&page_path).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (sources, expected) = text.split_once(END).unwrap_or((&text, ""));
        let found = printed(&format!("{sources}\n"));
        let name = path.file_stem().unwrap().to_str().unwrap();
        let shown = block(&page, name);
        if bless {
            fs::write(&path, format!("{sources}{END}{found}")).unwrap();
            page.replace_range(shown, &found);
        } else {
            assert_eq!(found, expected, "{}", path.display());
            assert_eq!(page[shown], found, "{name} on {}", page_path.display());
        }
        count += 1;
    }
    if bless {
        fs::write(&page_path, page).unwrap();
    }
    assert_eq!(count, 10);
}
