//! The command line. The comments on its fields are the help that users read.

use crate::terminal::Colour;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use plumb_reconciler::rbac::Account;
use std::fmt;
use std::path::PathBuf;

/// Where inventories are.
const INVENTORY_NAMESPACE: &str = "plumb-system";

const CODES: &str = "\
Exit codes:
  0  fine; warnings are fine
  1  errors were found
  2  could not run: a mistake on the command line, a path or an environment that is not there";

const ROOT_EXAMPLES: &str = "\
Examples:
  plumb check                             everything that is wrong, in all environments
  plumb build --env prod                  the manifests of prod
  plumb build --env prod | kubectl apply --server-side -f -
  plumb why shop.replicas --env prod      where a value comes from
  plumb diff --env prod                   what applying would change in the cluster
  plumb diff --from main --env prod       what your changes do to prod
  plumb apply --env prod                  make the cluster what prod should be
  plumb fmt                               all files in the one style
  plumb init shop                         a workspace to begin with

The workspace is the nearest directory upwards that has a plumb.toml; where there is none, the
directory that is given.";

const CHECK_EXAMPLES: &str = "\
Examples:
  plumb check                     the whole workspace
  plumb check apps/shop           the same, but tell only of apps/shop
  plumb check --output json       for programs
  plumb check --output github     annotations of a pull request, in GitHub Actions
  plumb check --output sarif      for code scanning and editors

JSON:
  { \"version\": 1, \"diagnostics\": [
    { \"code\", \"severity\": \"error\" | \"warning\", \"message\", \"environments\": [name],
      \"span\", \"related\": [{ \"span\", \"message\" }],
      \"fixes\": [{ \"title\", \"edits\": [{ \"span\", \"text\" }] }], \"help\" }
  ] }
  A span is { \"file\", \"start\", \"end\" }: the file relative to the workspace, the end exclusive, each
  place { \"line\", \"column\", \"offset\" }, lines and columns from 1 in Unicode characters, the offset
  from 0 in bytes. It is null where no line is meant; `help` is null where there is none.";

const BUILD_EXAMPLES: &str = "\
Examples:
  plumb build --env prod                       the manifests of prod as a YAML stream
  plumb build --env prod --annotate            with the line that made each value behind it
  plumb build --env prod apps/shop             only of the requests in apps/shop and below
  plumb build --all-envs --output json         { \"dev\": [ … ], \"prod\": [ … ] }
  plumb build --env prod | kubectl apply --server-side -f -
  plumb build --all-envs --out-dir manifests   a file an object: manifests/prod/shop/deployment-cart.yaml

A request with an error has no manifests; those of the others are printed, and the exit code is 1.
Errors and warnings go to stderr.";

const WHY_EXAMPLES: &str = "\
Examples:
  plumb why shop.replicas --env prod
  plumb why apps.shop.shop.env.LOG_LEVEL --env prod
  plumb why Deployment/shop:spec.replicas --env prod
  plumb why Ingress/cart --env prod              also: why there is none
  plumb why shop.replicas --env prod --output json

The layer that holds comes first, those that lost follow, then what reads the value:
  6   overlay shop in prod    apps/shop/shop.plumb:23
  2   defaults in prod        platform/web.plumb:42       overridden
  used by Deployment/shop spec.replicas";

const DIFF_EXAMPLES: &str = "\
Examples:
  plumb diff --env prod                                what `plumb apply` would change in the cluster
  plumb diff --env prod apps/shop                      only of the requests in apps/shop and below
  plumb diff --from main --env prod                    what the working tree changes in prod
  plumb diff --from main --to HEAD --env prod          what the branch's commits change
  plumb diff --from v1.4 --to v1.5 --env prod apps/shop
  plumb diff --from origin/main --env prod --output markdown     for a pull request
  plumb diff --from \"$(git merge-base origin/main HEAD)\" --to HEAD --env prod

Without --from the API server is asked, by a dry run of each object that is not as declared, and
nothing is kept. With it manifests are compared, without a cluster.

Objects are compared field by field, elements of lists by the keys that Kubernetes has for them:
  restarted: new pods take the place of the old ones
    Deployment/cart@shop  apps.shop.cart
      ~ spec.template.spec.containers[\"cart\"].env[\"CART_TTL\"].value: \"72h\" → \"720h\"
          overlay cart in prod, apps/shop/cart.plumb:17

What is taken out is told with the line that made it in the older commit; in a cluster, with who set
it, where that was not Plumb. Values of Secrets are not shown. Commits are read from the repository,
so nothing is checked out.

JSON:
  { \"version\": 1, \"environment\", \"from\": side, \"to\": side, \"same\",
    \"objects\": [{ \"effect\", \"apiVersion\", \"kind\", \"namespace\", \"name\", \"request\", \"source\",
      \"changes\": [{ \"path\", \"effect\", \"old\", \"new\", \"order\", \"secret\", \"source\" }] }],
    \"incomplete\": [{ \"request\", \"side\", \"objects\" }] }
  Without --from also \"deletes\", of which an action is \"held\", \"unknown\" or \"refused\", \"confirm\" and
  \"diagnostics\", as those of apply.
  A side is { \"revision\", \"commit\", \"summary\", \"cluster\" }, all null for the working tree.
  A source is { \"side\": \"from\" | \"to\", \"by\", \"layer\", \"span\", \"from\": [field of the request], \"owner\" }.
  It is by \"git\": a line says it, and `owner` set it before, if that was somebody else; by \"server\", which
  fills it in, and the line is the next one around it; by \"nobody\" any more; by a \"manager\", `owner`; or
  by \"plumb\", whose label it is. An owner is { \"manager\", \"operation\", \"subresource\", \"time\" }.
  An effect is \"deleted\", \"replaced\", \"restarted\", \"changed\", \"created\" or \"left\": to an owner.
  `old` and `new` are null where nothing is set, and for Secrets; `layer` and `span` where there is no line.

Exit codes:
  0  both are the same
  1  they differ, a request does not build on one side, or the cluster does not take something
  2  could not run: no repository, no such commit, path or environment, a plumb.toml with mistakes, no
     cluster, an inventory that cannot be read";

const APPLY_EXAMPLES: &str = "\
Examples:
  plumb apply --env prod                        apply what prod should have, delete what it should not
  plumb apply --env prod apps/shop              only of the requests in apps/shop and below
  plumb apply --env prod --dry-run              let the API server say what it would do
  plumb apply --env prod --wait --timeout 10m   wait until all of it works
  plumb apply --env prod --confirm 5c1fe0a3b2   delete also what was held back
  plumb apply --env prod --output json          for programs

Objects are applied by server-side apply under the field manager `plumb`; what is as declared is not
sent. Which objects are Plumb's is remembered in the cluster, in the ConfigMap WORKSPACE.ENV of the
namespace plumb-system, as the ApplySet specification says.

What git no longer has is deleted: never what is not in that list with the UID it has, never of a
package that does not build, and not more than ten objects, or a tenth of all, at once. What is held
back, and what cannot be got back (a Namespace, a PersistentVolumeClaim, a CustomResourceDefinition
that has objects), is shown with a hash to confirm.

JSON:
  { \"version\": 1, \"environment\", \"cluster\", \"set\", \"dryRun\",
    \"objects\": [{ \"action\", \"apiVersion\", \"kind\", \"namespace\", \"name\", \"request\", \"reason\", \"message\" }],
    \"deletes\": [{ \"action\", \"kind\", \"group\", \"namespace\", \"name\", \"request\", \"message\" }],
    \"confirm\", \"diagnostics\": [as those of check] }
  An action is \"created\", \"changed\", \"same\", \"refused\", \"foreign\", \"waiting\" or \"not-tried\"; of
  deletes \"deleted\", \"leaving\", \"held\", \"unknown\" or \"refused\". `confirm` is null where nothing is held.

Exit codes:
  0  the cluster has what was asked for
  1  something does not build, was refused or held back, or did not come to work in time
  2  could not run: no such path or environment, no cluster, an inventory that cannot be read";

const DRIFT_EXAMPLES: &str = "\
Examples:
  plumb drift --env prod                  where the cluster is not as it was applied
  plumb drift --env prod apps/shop        only of what the requests in apps/shop and below make
  plumb drift --env prod --watch          the same, and what changes from now on
  plumb drift --env prod --output json    for programs

Only what the sources declare is compared, and only objects that were applied as the sources here have
them: for others `plumb diff` shows what an apply changes. Nothing is written.

JSON, with --watch an object a line:
  { \"version\": 1, \"environment\", \"cluster\", \"notApplied\": number of objects, \"drift\": [
    { \"apiVersion\", \"kind\", \"namespace\", \"name\", \"request\", \"path\", \"difference\", \"declared\", \"live\",
      \"owner\": { \"manager\", \"operation\", \"subresource\", \"time\", \"guess\" }, \"layer\", \"span\", \"layers\": [text] }
  ] }
  A difference is \"changed\", \"removed\", \"deleted\" or \"disowned\"; values of Secrets are null. `owner` is null
  where nobody is known; it is a guess where the field is nobody's and that manager wrote last.

Exit codes:
  0  the cluster is as it was applied
  1  it is not, or a request does not build
  2  could not run: no such path or environment, no cluster, an inventory that cannot be read";

const RBAC_EXAMPLES: &str = "\
Examples:
  plumb rbac --env prod | kubectl apply --server-side --field-manager plumb -f -
  plumb rbac --env prod apps/shop --service-account ci/shop       for one team's pipeline
  plumb rbac --env prod --output json

What is printed is what `plumb apply`, with --watch or without, and `plumb diff` ask the API server
for: a Role in each namespace that has objects of the environment, a ClusterRole for what is in none,
and for kinds in more than 16 namespaces. A role stands in a namespace, so namespaces that the
environment makes are printed as it makes them; with the field manager `plumb` they are its own from
the beginning, and else to be taken over by `plumb apply --adopt`. Others have to be there.

Who makes a role must hold what it grants: the rules of roles that the environment makes are among
those printed.

Print it again when kinds, namespaces or cluster-wide names come; when they go, after they were
deleted. What it was once is what deleting them takes.

Exit codes:
  0  printed
  1  something does not build, so that what it needs is not known
  2  could not run: no such path or environment";

const FMT_EXAMPLES: &str = "\
Examples:
  plumb fmt                       everything in this directory and below
  plumb fmt apps platform         the same of others
  plumb fmt --check               for CI: names the files that are not in the style
  plumb fmt --diff                what would change
  plumb fmt - < shop.plumb        for editors: from stdin to stdout

There is one style and nothing to choose. Comments and the lines you break stay; what a file says
does too: a declaration with a syntax error is left as it is.

Exit codes:
  0  fine; files that were not in the style are now
  1  with --check or --diff: a file is not in the style
  2  could not run: a path that is not there, a file that is not UTF-8 or cannot be written";

/// Typed configuration that becomes Kubernetes manifests.
#[derive(Parser, Debug)]
#[command(name = "plumb", version, max_term_width = 100)]
#[command(after_help = ROOT_EXAMPLES, after_long_help = format!("{ROOT_EXAMPLES}\n\n{CODES}"))]
#[command(arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to use colours. `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Colour,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Find every mistake in every environment
    #[command(after_help = CHECK_EXAMPLES, after_long_help = format!("{CHECK_EXAMPLES}\n\n{CODES}"))]
    Check(Check),
    /// Print the Kubernetes manifests of an environment
    #[command(after_help = BUILD_EXAMPLES, after_long_help = format!("{BUILD_EXAMPLES}\n\n{CODES}"))]
    Build(Build),
    /// Tell where a value comes from: every layer that set it
    #[command(after_help = WHY_EXAMPLES, after_long_help = format!("{WHY_EXAMPLES}\n\n{CODES}"))]
    Why(Why),
    /// Tell what a change does to the objects of an environment: those of the cluster, or of another
    /// commit, which needs no cluster
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(Diff),
    /// Make a cluster what an environment should be
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(Apply),
    /// Tell where a cluster is not as it was applied, who changed it, and the line that says otherwise
    #[command(after_help = DRIFT_EXAMPLES)]
    Drift(DriftArgs),
    /// Print what whoever applies an environment must be allowed to do, as roles and bindings
    #[command(after_help = RBAC_EXAMPLES)]
    Rbac(Rbac),
    /// Write files in the one style
    #[command(after_help = FMT_EXAMPLES)]
    Fmt(Fmt),
    /// Serve an editor: the language server protocol on standard input and output
    #[command(
        after_help = "Editors start this by themselves; docs/editors.md says how to set them up."
    )]
    Lsp {
        /// What it does anyway, for clients that say so
        #[arg(long, hide = true)]
        stdio: bool,
    },
    /// Make a workspace to begin with
    #[command(after_help = "Example:\n  plumb init shop && cd shop && plumb build --env prod")]
    Init {
        /// The directory; made where it is not there. What is in it stays
        #[arg(default_value = ".", hide_default_value = true)]
        directory: PathBuf,
    },
    /// Explain a diagnostic, with an example of the mistake and of how it is mended
    #[command(
        after_help = "Examples:\n  plumb explain unknown-field\n  plumb explain             every code, in a line each"
    )]
    Explain {
        /// Its code, as it stands in brackets before the message
        code: Option<String>,
    },
    /// Print what a shell needs to complete commands
    #[command(
        after_help = "Example:\n  plumb completions bash > ~/.local/share/bash-completion/completions/plumb"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// A directory or file of the workspace: its packages are checked, and those that use them. Only a
    /// check of the whole tells of two requests that make objects of one name
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,

    /// For people, for programs, or for reviews: `github` and `sarif` name files relative to the
    /// directory you are in
    #[arg(long, short, value_name = "FORMAT", default_value = "human")]
    pub(crate) output: Findings,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("environments").required(true))]
pub(crate) struct Build {
    /// A directory of the workspace: only what its requests make is printed. A file stands for its
    /// directory
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,

    /// The environment to build
    #[arg(long, short, value_name = "ENV", group = "environments")]
    pub(crate) env: Option<String>,

    /// Build every environment
    #[arg(long, group = "environments")]
    pub(crate) all_envs: bool,

    /// Say behind each value, in a comment, which line made it
    #[arg(long)]
    pub(crate) annotate: bool,

    /// Write a file for each object below this directory instead: DIR/ENV/NAMESPACE/KIND-NAME.yaml.
    /// Files of an earlier build that are no longer made are removed
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,

    /// A YAML stream or a JSON array
    #[arg(long, short, value_name = "FORMAT", default_value = "yaml")]
    pub(crate) output: Manifests,
}

#[derive(Args, Debug)]
pub(crate) struct Why {
    /// The field of a request, `shop.replicas`, with its package before it where that is needed; or a
    /// value of a manifest, `Deployment/shop:spec.replicas`, its kind as `Kind.group` and its name as
    /// `name@namespace` where that is needed; or a manifest, `Ingress/shop`, also one that is not there
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,

    /// The environment that is asked about
    #[arg(long, short, value_name = "ENV")]
    pub(crate) env: String,

    /// A directory of the workspace
    #[arg(long, value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,

    /// For people or for programs
    #[arg(long, short, value_name = "FORMAT", default_value = "human")]
    pub(crate) output: Report,
}

/// Which cluster, and where in it the inventory is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Where {
    /// The context of the kubeconfig; the current one where none is named, and in a pod its own cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,

    /// The namespace of the inventory; made where it is not there
    #[arg(long, value_name = "NAMESPACE", default_value = INVENTORY_NAMESPACE)]
    pub(crate) inventory_namespace: String,
}

/// What says the same on the command line again.
impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(context) = &self.context {
            write!(f, " --context {context}")?;
        }
        match self.inventory_namespace.as_str() {
            INVENTORY_NAMESPACE => Ok(()),
            other => write!(f, " --inventory-namespace {other}"),
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// A directory of the workspace: only what its requests make is applied and deleted. A file stands
    /// for its directory
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,

    /// The environment that the cluster is
    #[arg(long, short, value_name = "ENV")]
    pub(crate) env: String,

    #[command(flatten)]
    pub(crate) cluster: Where,

    /// Follow a repository: apply each new commit, and tell where the cluster is not as applied, until
    /// stopped
    #[arg(long, requires = "git")]
    pub(crate) watch: bool,

    /// Let the API server check everything and keep nothing
    #[arg(long, conflicts_with = "watch")]
    pub(crate) dry_run: bool,

    /// Wait until what was applied works
    #[arg(long, conflicts_with = "watch")]
    pub(crate) wait: bool,

    /// How long a server that fails is asked again, and how long to wait: 90s, 5m
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: std::time::Duration,

    /// Take over objects that are there already and in no other set
    #[arg(long)]
    pub(crate) adopt: bool,

    /// With --adopt: take over fields that other managers own, too
    #[arg(long)]
    pub(crate) force_conflicts: bool,

    /// Delete also what is held back: the hash that was shown with it
    #[arg(long, value_name = "HASH", conflicts_with = "watch")]
    pub(crate) confirm: Option<String>,

    /// For people or for programs
    #[arg(long, short, value_name = "FORMAT", default_value = "human")]
    pub(crate) output: Report,

    // Last: its heading is that of whatever follows.
    #[command(flatten)]
    pub(crate) follow: Follow,
}

#[derive(Args, Debug)]
pub(crate) struct DriftArgs {
    /// A directory of the workspace: only what its requests make is looked at. A file stands for its
    /// directory
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,

    /// The environment that the cluster is
    #[arg(long, short, value_name = "ENV")]
    pub(crate) env: String,

    #[command(flatten)]
    pub(crate) cluster: Where,

    /// Go on, and tell what changes, until stopped
    #[arg(long)]
    pub(crate) watch: bool,

    /// For people or for programs
    #[arg(long, short, value_name = "FORMAT", default_value = "human")]
    pub(crate) output: Report,
}

/// What is followed, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of --watch")]
pub(crate) struct Follow {
    /// The repository: https, ssh or a directory. PLUMB_GIT_TOKEN has the token for https
    #[arg(long, value_name = "URL", requires = "watch", conflicts_with = "path")]
    pub(crate) git: Option<String>,

    /// A branch or tag; what HEAD stands for where none is named
    #[arg(long = "ref", value_name = "REF", requires = "watch")]
    pub(crate) reference: Option<String>,

    /// The directory of the workspace in the repository
    #[arg(long = "path", value_name = "DIR", requires = "watch")]
    pub(crate) directory: Option<String>,

    /// Between two looks at the repository: 10s, 1m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) interval: std::time::Duration,

    /// What becomes of drift where an object does not say by its annotation plumb.dev/drift
    #[arg(long, value_name = "POLICY", default_value = "report")]
    pub(crate) drift: Drift,

    /// Where to serve /healthz, /readyz, /metrics and, with a secret in PLUMB_WEBHOOK_SECRET, /webhook:
    /// 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS", requires = "watch")]
    pub(crate) listen: Option<std::net::SocketAddr>,

    /// Where what was fetched is kept; by default below XDG_STATE_HOME
    #[arg(long, value_name = "DIR", requires = "watch")]
    pub(crate) state: Option<PathBuf>,
}

/// What becomes of drift.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Drift {
    /// It is told
    Report,
    /// It is told, and undone
    Correct,
}

/// `90s`, `5m`, `1h`
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "write a number and its unit: 90s, 5m, 1h".to_owned();
    let end = text.find(|it: char| !it.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // A year is enough, and can be added to any time.
    Ok(std::time::Duration::from_secs(number.saturating_mul(factor).min(365 * 24 * 3600)))
}

#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// A directory of the workspace: only what its requests make is compared. A file stands for its
    /// directory
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,

    /// The commit to compare with: a branch, a tag, a hash, HEAD~2. Where none is named, the cluster
    #[arg(long, value_name = "REV", conflicts_with_all = ["Where", "adopt", "force_conflicts"])]
    pub(crate) from: Option<String>,

    /// The commit that is compared; the working tree where none is named
    #[arg(long, value_name = "REV", requires = "from")]
    pub(crate) to: Option<String>,

    /// The environment whose manifests are compared
    #[arg(long, short, value_name = "ENV")]
    pub(crate) env: String,

    #[command(flatten)]
    pub(crate) cluster: Where,

    /// As if objects that are in the cluster already, and in no other set, were taken over
    #[arg(long)]
    pub(crate) adopt: bool,

    /// With --adopt: as if fields that other managers own were taken over, too
    #[arg(long)]
    pub(crate) force_conflicts: bool,

    /// For people, for programs, or for the description of a pull request
    #[arg(long, short, value_name = "FORMAT", default_value = "human")]
    pub(crate) output: Differences,
}

#[derive(Args, Debug)]
pub(crate) struct Rbac {
    /// A directory of the workspace: only what its requests make is applied. A file stands for its
    /// directory
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,

    /// The environment that is applied
    #[arg(long, short, value_name = "ENV")]
    pub(crate) env: String,

    /// Who applies
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "plumb-system/plumb", value_parser = account)]
    pub(crate) service_account: Account,

    /// The namespace of the inventory
    #[arg(long, value_name = "NAMESPACE", default_value = INVENTORY_NAMESPACE)]
    pub(crate) inventory_namespace: String,

    /// A YAML stream or a JSON array
    #[arg(long, short, value_name = "FORMAT", default_value = "yaml")]
    pub(crate) output: Manifests,
}

/// `plumb-system/plumb`
fn account(text: &str) -> Result<Account, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(Account { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("write its namespace and its name: plumb-system/plumb".to_owned()),
    }
}

#[derive(Args, Debug)]
pub(crate) struct Fmt {
    /// Directories and files; `-` is stdin. Of a directory: the .plumb files of its workspace that are
    /// in it or below, without those of workspaces that it depends on
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Write nothing; name the files that are not in the style
    #[arg(long)]
    pub(crate) check: bool,

    /// Write nothing; print what would change, as a patch
    #[arg(long)]
    pub(crate) diff: bool,
}

/// How findings are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Findings {
    Human,
    Json,
    Github,
    Sarif,
}

/// How answers are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    Human,
    Json,
}

/// How differences are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Differences {
    Human,
    Json,
    Markdown,
}

/// How manifests are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manifests {
    Yaml,
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn build_wants_one_environment_or_all() {
        let parse = |words: &str| Cli::try_parse_from(words.split(' '));
        assert!(parse("plumb build --env prod").is_ok());
        assert!(parse("plumb build --all-envs apps").is_ok());
        assert!(parse("plumb build").is_err());
        assert!(parse("plumb build --env prod --all-envs").is_err());
    }
}
