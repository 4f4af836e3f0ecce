//! What whoever applies an environment must be allowed to do, for who allows it.

use crate::args::{self, Manifests};
use crate::cluster::Session;
use crate::commands::{FOUND_ERRORS, Stop};
use crate::terminal::Colour;
use plumb_compiler::answers::Finding;
use plumb_compiler::{json, yaml};
use plumb_reconciler::rbac::{Account, granted};
use serde_json::Value as Json;
use std::io::{self, BufWriter, Write};

/// Prints roles and bindings; gives the exit code.
///
/// # Errors
///
/// Where the sources cannot be read, or make nothing.
pub(crate) fn run(args: &args::Rbac, colour: Colour) -> Result<u8, Stop> {
    let session = Session::open(&args.path, &args.env, colour, false)?;
    let mistakes: Vec<Finding> = session.render.errors().cloned().collect();
    if !mistakes.is_empty() {
        session.report(&mistakes);
        // Whoever lacks a rule is told so only when it is too late.
        return Ok(FOUND_ERRORS);
    }
    let set = session.set(&args.inventory_namespace)?;
    let Some(origin) = session.render.objects.first().map(|it| it.manifest.object.origin) else {
        return Err(Stop::Failed(format!(
            "{} makes nothing, so there is nothing to allow",
            args.env
        )));
    };
    let Account { namespace, name } = &args.service_account;
    let is_chosen = |package: &str| session.loaded.selects_package(package);
    let all = granted(&session.render, &is_chosen, &set, &args.service_account);
    let mut out = BufWriter::new(io::stdout().lock());
    match args.output {
        Manifests::Json => {
            let objects: Vec<&Json> = all.iter().map(|it| &it.object).collect();
            serde_json::to_writer_pretty(&mut out, &objects).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Manifests::Yaml => {
            writeln!(
                out,
                "# What service account {namespace}/{name} needs to apply {}, and no more.",
                set.name
            )?;
            for it in &all {
                let mut text = String::new();
                yaml::write_document(&mut text, &json::value(&it.object, origin));
                writeln!(out, "---")?;
                for note in &it.notes {
                    writeln!(out, "# {note}")?;
                }
                out.write_all(text.as_bytes())?;
            }
        }
    }
    out.flush()?;
    Ok(0)
}
