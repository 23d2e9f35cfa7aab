//! Files → a world: a [`Topology`] and its [`Zones`]. Reading never stops at the first mistake.
//!
//! A world is one document in TOML or JSON, and side files with more recipients (`rows`). An encoding (`toml`, `json`) gives a located tree;
//! `reader` holds it against one table of keys (`keys`) and gives objects (`object`); a dialect
//! (`onprem`, `exchange_online`) or `surroundings` lowers them to the model, and `zones` to DNS.
//! After that nobody asks who wrote what.
//!
//! Not here: what follows from a world (`route`, `flow`, `verify`). Text goes in; a world and
//! diagnostics come out, and no world where one of them is an error.
//!
//! What every server, site or tenant has without saying so is implied: see `onprem`,
//! `exchange_online`, `surroundings` and `zones`. Implied objects have no place.
//!
//! Invariant: every diagnostic has a place and a suggestion.
//! Invariant: the place of a value in [`Settings`](crate::model::Settings) is exactly the bytes of
//! that value, so that another value may be written over them. An object's place is its header in
//! TOML, its opening brace in JSON and in inline tables.
//! Invariant: what a real organization can contain (an address held twice, a member that nobody
//! is) is no mistake.
//!
//! Bugs: a mistake of JSON's syntax ends the reading of the file; behind a mistake of TOML's syntax,
//! missing keys, unknown names and conflicts are not looked for, because the part that could not be
//! read may have held what is missing.
//!
//! Sources: TOML 1.0, RFC 8259, RFC 3339, RFC 1035 §5, Exchange PowerShell (the cmdlets of each kind
//! of object; see `keys`).

mod build;
mod certificates;
mod directory;
mod exchange_online;
mod file;
mod json;
mod keys;
mod object;
mod onprem;
mod pasted;
mod policy;
mod reader;
mod remote;
mod rows;
mod rules;
mod schema;
mod sending;
mod settings;
mod surroundings;
mod toml;
mod zones;

use std::path::Path;

use jiff::Timestamp;

use self::build::Build;
use self::file::{Folder, Wanted};
use self::object::{Node, Object, Value};
use crate::diag::{Diagnostic, Location, Severity, Source};
use crate::dns::Zones;
use crate::model::{OrganizationId, OrganizationKind, Topology};

pub use self::certificates::HeldCertificate;
pub use self::schema::schema;
pub use self::settings::{LogLevel, Password, Settings, load_settings};

/// Both organizations, the Internet around them, and DNS.
#[derive(Clone, Debug)]
pub struct World {
    /// Everything but DNS.
    pub topology: Topology,
    /// What DNS says.
    pub zones: Zones,
}

/// Reads a world from a file, or from a folder with a `world.toml` or `world.json`, the first of
/// which is preferred; `now` is used where the world states no `AsOf`.
///
/// The world is absent where a diagnostic is an error.
#[must_use]
pub fn load(path: &Path, now: Timestamp) -> (Option<World>, Vec<Diagnostic>) {
    match file::read_world(path) {
        Ok(source) => assemble(&source, &Folder::of(&source), now),
        Err(diagnostic) => (None, vec![*diagnostic]),
    }
}

/// The text of a file that a world was read from, under the name that places give it.
///
/// # Errors
/// When it cannot be read any more, or is no text.
pub fn source(file: &str) -> Result<Source, Box<Diagnostic>> {
    file::read(Path::new(file), Wanted::World)
}

/// Reads a world from text; `file` is its name in diagnostics, and decides by its ending: `.json` is
/// JSON, anything else TOML. Such a world has no other files.
///
/// The world is absent where a diagnostic is an error.
#[must_use]
pub fn read(file: &str, text: &str, now: Timestamp) -> (Option<World>, Vec<Diagnostic>) {
    assemble(&Source::new(file, text), &Folder::Nowhere, now)
}

fn assemble(source: &Source, folder: &Folder, now: Timestamp) -> (Option<World>, Vec<Diagnostic>) {
    if source
        .text()
        .trim_start_matches('\u{feff}')
        .trim()
        .is_empty()
    {
        return (None, vec![empty(source)]);
    }
    let is_json = source.file().to_ascii_lowercase().ends_with(".json");
    let (node, mut diagnostics) = if is_json {
        json::parse(source)
    } else {
        toml::parse(source)
    };
    let is_table = |node: &Node| matches!(node.value, Value::Table(_));
    let is_broken = !diagnostics.is_empty() || !node.as_ref().is_some_and(is_table);
    let world = node.map(|node| {
        let (object, found) = reader::read(&keys::WORLD, &node, source);
        diagnostics.extend(found);
        let build = lower(&object, source, folder, now);
        diagnostics.extend(build.diagnostics);
        World {
            topology: Topology::new(build.parts),
            zones: Zones::new(build.zones).with_faults(build.faults),
        }
    });
    if is_broken {
        diagnostics.retain(|diagnostic| !may_follow_from_form(diagnostic.code));
    }
    sort(&mut diagnostics, source.file());
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    let usable = !diagnostics.iter().any(is_error);
    (world.filter(|_| usable), diagnostics)
}

fn empty(source: &Source) -> Diagnostic {
    let place = Location::of_file(source.file());
    let message = format!("`{}` is empty", source.file());
    Diagnostic::new("unreadable-file", Some(place), message)
        .help("describe an organization: begin with `[[OnPremises]]` or `[[ExchangeOnline]]`")
}

/// Whether a mistake may be none, where a part of the file could not be read.
fn may_follow_from_form(code: &str) -> bool {
    ["conflicting-settings", "missing-key", "unknown-reference"].contains(&code)
}

/// Puts diagnostics in the order of their places, those of the world's own file first.
fn sort(diagnostics: &mut [Diagnostic], file: &str) {
    diagnostics.sort_by_key(|diagnostic| {
        let place = diagnostic.location.as_ref();
        let foreign = place.is_some_and(|place| &*place.file != file);
        (
            foreign,
            place.map(|place| (place.file.clone(), place.offset)),
        )
    });
}

fn lower(world: &Object, source: &Source, folder: &Folder, now: Timestamp) -> Build {
    let mut build = Build {
        folder: folder.clone(),
        ..Build::default()
    };
    build.parts.as_of = world.text("AsOf").and_then(keys::timestamp).unwrap_or(now);
    build.note_addresses(world);
    let on_premises = world.objects("OnPremises");
    let tenants = world.objects("ExchangeOnline");
    let usable = |key: &&str| !world.is_unusable(key);
    if on_premises.is_empty()
        && tenants.is_empty()
        && ["OnPremises", "ExchangeOnline"].iter().all(usable)
    {
        build.report(
            "missing-key",
            &world.location,
            "the world describes no organization",
            "add `[[OnPremises]]`, `[[ExchangeOnline]]`, or both",
        );
    }
    let names = on_premises.iter().filter_map(|object| object.word("Name"));
    build.refuse_duplicates("organization", names);
    for object in on_premises {
        onprem::lower(&mut build, object);
    }
    exchange_online::lower(&mut build, tenants);
    join_partners(&mut build);
    surroundings::internet(&mut build, world.objects("Internet").first());
    surroundings::gateways(&mut build, world.objects("Gateways"));
    surroundings::entra(&mut build, world.objects("EntraConnect"));
    surroundings::certificates(&mut build, world.objects("Certificates"));
    let dns = world.objects("Dns").first();
    let zones = dns.map(|dns| dns.objects("Zones")).unwrap_or_default();
    zones::lower(&mut build, zones, source, folder);
    zones::imply(&mut build);
    build.faults = zones::faults(dns.map(|dns| dns.objects("Faults")).unwrap_or_default());
    surroundings::expectations(&mut build, world.objects("Expect"));
    build
}

/// An on-premises organization and a tenant that accept the same domain are one hybrid deployment
/// (Exchange hybrid, "Hybrid deployment prerequisites": the shared domain).
fn join_partners(build: &mut Build) {
    let of_kind = |kind: OrganizationKind| -> Vec<OrganizationId> {
        let all = build.parts.organizations.iter().enumerate();
        let found = all.filter(|(_, organization)| organization.kind == kind);
        found.map(|(index, _)| OrganizationId::new(index)).collect()
    };
    let (inside, tenants) = (
        of_kind(OrganizationKind::OnPremises),
        of_kind(OrganizationKind::ExchangeOnline),
    );
    for ours in inside {
        for theirs in &tenants {
            if build.share_a_domain(ours, *theirs) {
                build.parts.organizations[ours.index()]
                    .partners
                    .push(*theirs);
                build.parts.organizations[theirs.index()]
                    .partners
                    .push(ours);
            }
        }
    }
}
