//! The house rules about `src/`: who may import whom, what pure code may name, no rings.
//!
//! `src/` is read as text. Each rule is a function from a [`Tree`] to the violations it finds, and
//! each has a test with a small tree that breaks it. What is compiled for tests only is left out,
//! except where a rule says otherwise.

mod graph;
mod names;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use self::graph::{both_ways, rings};
use self::names::Name;
use self::source::{File, Token, Tree, starts_with};

/// A house rule: what a tree does against it.
type Rule = fn(&Tree) -> Vec<String>;

/// What each top-level module may import: rows further up only, so the whole has no ring.
/// `ARCHITECTURE.md` shows the same table.
const LAYERS: &[(&str, &str)] = &[
    ("mail", ""),
    ("diag", ""),
    ("clock", ""),
    ("metrics", ""),
    ("x509", ""),
    ("cli", ""),
    ("smtp", "mail"),
    ("spool", "mail"),
    ("model", "mail diag"),
    ("dns", "mail diag"),
    ("route", "model mail"),
    ("flow", "route model dns mail"),
    ("config", "model dns mail diag x509"),
    // A resolver answers with domains.
    ("net", "dns mail clock x509"),
    ("verify", "flow route model dns mail diag"),
    (
        "relay",
        "flow route model smtp dns mail net spool clock metrics",
    ),
    (
        "lab",
        "relay verify flow route model smtp dns mail net spool clock metrics diag",
    ),
    ("report", "verify flow route model mail diag"),
    ("web", "report verify flow lab relay model mail metrics"),
    // The two crate roots: the library's is a map of its modules and imports none.
    ("lib", ""),
    (
        "main",
        "mail diag clock metrics x509 cli smtp spool model dns route flow config net verify relay \
         lab report web",
    ),
];

/// Modules that take time, chance and every byte as arguments.
const PURE: &[&str] = &[
    "mail", "diag", "x509", "model", "dns", "smtp", "route", "flow", "verify", "report",
];

/// Paths that pure code does not name.
const IMPURE_PATHS: &[&[&str]] = &[&["std", "fs"], &["std", "thread"], &["tokio"], &["rand"]];

/// Words that pure code does not use, wherever they were imported from.
const IMPURE_WORDS: &[&str] = &[
    "Instant",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
];

/// Calls that pure code does not make, wherever the type was imported from.
const IMPURE_CALLS: &[&[&str]] = &[&["Timestamp", "now"], &["Zoned", "now"]];

/// Where an organization may be asked of which kind it is: everywhere else the answer is data.
const ORGANIZATION_KIND: &[&str] = &["model/", "config/", "report/", "verify/hybrid.rs"];

/// Macros that say "not finished".
const UNFINISHED: &[&str] = &["dbg", "todo", "unimplemented"];

#[test]
fn modules_import_lower_layers_only() {
    check_tree(layers);
}

#[test]
fn pure_modules_are_pure() {
    check_tree(impure);
}

#[test]
fn the_kind_of_organization_is_asked_where_dialects_are_read_or_shown() {
    check_tree(organization_kind);
}

#[test]
fn no_folder_has_a_ring() {
    check_tree(rings);
}

#[test]
fn a_folder_module_looks_up_or_down() {
    check_tree(both_ways);
}

#[test]
fn folders_open_with_their_documentation() {
    check_tree(undocumented);
}

#[test]
fn nothing_is_left_unfinished() {
    check_tree(unfinished);
}

/// Holds `src/` against one rule.
#[track_caller]
fn check_tree(rule: Rule) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let tree = Tree::read(&folder).expect("the source tree can be read");
    assert!(
        !tree.files.is_empty(),
        "no source files in {}",
        folder.display()
    );
    let found = rule(&tree);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Holds `files` (path below `src/`, text) against `rule`; each violation must contain the expected
/// text in its place, and there must be no other.
#[track_caller]
fn check(rule: Rule, files: &[(&str, &str)], expected: &[&str]) {
    let owned = files
        .iter()
        .map(|&(path, text)| (path.to_owned(), text.to_owned()));
    let found = rule(&Tree::new(owned));
    assert_eq!(found.len(), expected.len(), "found {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "`{expected}` is not in `{found}`");
    }
}

/// Imports of top-level modules that the table does not allow.
fn layers(tree: &Tree) -> Vec<String> {
    tree.files
        .iter()
        .flat_map(|file| layers_of(tree, file))
        .collect()
}

fn layers_of(tree: &Tree, file: &File) -> Vec<String> {
    let from = file.top();
    let Some(allowed) = may_import(from) else {
        return vec![format!(
            "{}: `{from}` has no row in the layer table",
            file.at(1)
        )];
    };
    let report = |name: &Name| {
        let target = name.ours()?.first()?;
        let problem = if !tree.modules.contains(std::slice::from_ref(target)) {
            format!("`{target}` is no module; name what it stands for by its module")
        } else if target != from && !allowed.contains(&target.as_str()) {
            format!("`{from}` may not import `{target}`")
        } else {
            return None;
        };
        Some(format!(
            "{}: {problem} ({})",
            file.at(name.line),
            name.path.join("::")
        ))
    };
    file.names.iter().filter_map(report).collect()
}

fn may_import(module: &str) -> Option<Vec<&'static str>> {
    let (_, allowed) = LAYERS.iter().find(|(name, _)| *name == module)?;
    Some(allowed.split_whitespace().collect())
}

/// Sockets, files, clocks, threads and chance in pure modules.
fn impure(tree: &Tree) -> Vec<String> {
    let pure = tree.files.iter().filter(|file| PURE.contains(&file.top()));
    pure.flat_map(impure_in).collect()
}

fn impure_in(file: &File) -> Vec<String> {
    let paths = file.names.iter().filter(|name| is_impure(&name.path));
    let paths = paths.map(|name| (name.line, name.path.join("::")));
    let words = file
        .code
        .iter()
        .filter(|token| IMPURE_WORDS.contains(&token.text.as_str()));
    let words = words.map(|token| (token.line, token.text.clone()));
    let found: BTreeSet<(usize, String)> = paths.chain(words).collect();
    let module = file.top();
    let report = |(line, what)| format!("{}: `{module}` is pure but names `{what}`", file.at(line));
    found.into_iter().map(report).collect()
}

fn is_impure(path: &[String]) -> bool {
    IMPURE_PATHS
        .iter()
        .any(|banned| path.iter().take(banned.len()).eq(banned.iter()))
        || IMPURE_CALLS
            .iter()
            .any(|call| path.windows(call.len()).any(|part| part == *call))
}

/// Uses of `OrganizationKind` where the kind of organization must not matter.
fn organization_kind(tree: &Tree) -> Vec<String> {
    let elsewhere = tree.files.iter().filter(|file| {
        !ORGANIZATION_KIND
            .iter()
            .any(|allowed| file.path.starts_with(allowed))
    });
    let uses = elsewhere.flat_map(|file| {
        let named = file
            .code
            .iter()
            .filter(|token| token.text == "OrganizationKind");
        named.map(|token| file.at(token.line))
    });
    uses.map(|place| format!("{place}: `OrganizationKind` is not for this module"))
        .collect()
}

/// Folders, and the crate, that do not open with what they are.
fn undocumented(tree: &Tree) -> Vec<String> {
    let fronts = tree
        .files
        .iter()
        .filter(|file| file.path.ends_with("/mod.rs") || file.path == "lib.rs");
    let silent = fronts.filter(|file| !file.text.starts_with("//!"));
    silent
        .map(|file| format!("{}: does not open with a `//!` doc", file.at(1)))
        .collect()
}

/// Macros that say "not finished", in tests too.
fn unfinished(tree: &Tree) -> Vec<String> {
    tree.files.iter().flat_map(unfinished_in).collect()
}

fn unfinished_in(file: &File) -> Vec<String> {
    let called = |at: &usize| {
        let tokens: &[Token] = &file.tokens[*at..];
        let is_call = ["(", "[", "{"]
            .iter()
            .any(|open| starts_with(&tokens[1..], &["!", open]));
        is_call && UNFINISHED.contains(&tokens[0].text.as_str())
    };
    let calls = (0..file.tokens.len())
        .filter(called)
        .map(|at| &file.tokens[at]);
    calls
        .map(|token| format!("{}: `{}!` is left", file.at(token.line), token.text))
        .collect()
}

/// Every rule on small trees: what it must find, and what it must let pass.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_table_has_no_ring_and_no_unknown_module() {
        for (at, (module, _)) in LAYERS.iter().enumerate() {
            for import in may_import(module).unwrap() {
                let above = LAYERS[..at].iter().any(|(name, _)| *name == import);
                assert!(
                    above,
                    "`{module}` imports `{import}`, which is not above it"
                );
            }
        }
        assert!(PURE.iter().all(|module| may_import(module).is_some()));
    }

    #[test]
    fn a_pure_module_imports_pure_modules_only() {
        for module in PURE {
            for import in may_import(module).unwrap() {
                assert!(
                    PURE.contains(&import),
                    "`{module}` is pure and imports `{import}`"
                );
            }
        }
    }

    #[test]
    fn only_main_imports_web_and_cli() {
        for outer in ["web", "cli"] {
            let importers = LAYERS
                .iter()
                .filter(|(_, allowed)| allowed.split_whitespace().any(|import| import == outer));
            assert_eq!(
                importers.map(|(name, _)| *name).collect::<Vec<_>>(),
                ["main"]
            );
        }
    }

    #[test]
    fn a_forbidden_import_is_found_however_it_is_written() {
        for text in [
            "use crate::smtp::line;",
            "use crate::{diag, mail::{self, Domain}, smtp::{self}};",
            "use super::smtp::line;",
            "use super::{smtp};",
            "pub use crate::smtp;",
            "fn f() -> crate::smtp::Line { g() }",
            "mod inner { use super::super::smtp; }",
            "#[cfg(not(test))] use crate::smtp;",
            "use crate::smtp as mail;",
        ] {
            let files = [
                ("model/mod.rs", text),
                ("smtp/mod.rs", ""),
                ("mail.rs", ""),
                ("diag.rs", ""),
            ];
            check(
                layers,
                &files,
                &["src/model/mod.rs:1: `model` may not import `smtp`"],
            );
        }
    }

    #[test]
    fn a_deeper_file_climbs_further() {
        let files = [
            ("dns/mod.rs", ""),
            (
                "dns/zones.rs",
                "use super::Name;\nuse super::super::route::Item;",
            ),
            ("route/mod.rs", ""),
        ];
        check(
            layers,
            &files,
            &["src/dns/zones.rs:2: `dns` may not import `route`"],
        );
    }

    #[test]
    fn an_allowed_import_passes_and_so_does_what_is_no_import() {
        let text = r#"
            //! [`crate::web`]
            use crate::mail::Domain;
            use self::item::Item;
            pub(crate) fn f(smtp: &str) { g("crate::web", smtp::x) } // crate::web
            #[cfg(test)]
            mod tests { use crate::config; }
        "#;
        let files = [
            ("route/mod.rs", text),
            ("route/item.rs", "use crate::route::Other;"),
            ("mail/mod.rs", ""),
            ("smtp/mod.rs", ""),
            ("web/mod.rs", ""),
            ("config/mod.rs", ""),
        ];
        check(layers, &files, &[]);
    }

    #[test]
    fn the_roots_are_held_to_the_table_too() {
        let modules = [("cli.rs", ""), ("web/mod.rs", ""), ("mail.rs", "")];
        let main = "mod cli;\nuse cli::Args;\nuse hybridmx::web;\nuse hybridmx::run;";
        let lib = "pub mod mail;\npub use mail::Domain;";
        let files: Vec<_> = modules
            .into_iter()
            .chain([("main.rs", main), ("lib.rs", lib)])
            .collect();
        let expected = [
            "src/lib.rs:2: `lib` may not import `mail`",
            "src/main.rs:4: `run` is no module",
        ];
        check(layers, &files, &expected);
    }

    #[test]
    fn what_hides_its_module_or_has_no_row_is_found() {
        check(
            layers,
            &[("mail.rs", "use crate::*;")],
            &["`*` is no module"],
        );
        check(
            layers,
            &[("mail.rs", "use crate::Error;")],
            &["`Error` is no module"],
        );
        check(
            layers,
            &[("utils.rs", "")],
            &["src/utils.rs:1: `utils` has no row"],
        );
    }

    #[test]
    fn impure_names_are_found() {
        for (text, expected) in [
            ("use std::fs;", "std::fs"),
            (
                "use std::{collections::BTreeMap, fs::File};",
                "std::fs::File",
            ),
            ("fn f() { std::thread::yield_now() }", "std::thread"),
            ("use std::net::{IpAddr, UdpSocket};", "UdpSocket"),
            ("use std::net; fn f(_: net::TcpStream) {}", "TcpStream"),
            ("use std::time::{Duration, Instant};", "Instant"),
            ("use tokio::sync::mpsc;", "tokio::sync::mpsc"),
            ("use rand::Rng;", "rand::Rng"),
            (
                "use jiff::Timestamp; fn f() { Timestamp::now(); }",
                "Timestamp::now",
            ),
        ] {
            let report = format!("src/flow/walk.rs:1: `flow` is pure but names `{expected}");
            let files = [("flow/walk.rs", text), ("net/tcp.rs", text)];
            let owned = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
            let found = impure(&Tree::new(owned));
            assert!(
                found.iter().any(|found| found.starts_with(&report)),
                "{text}: {found:#?}"
            );
            assert!(
                !found.iter().any(|found| found.contains("net/tcp.rs")),
                "{text}: {found:#?}"
            );
        }
    }

    #[test]
    fn pure_code_may_name_values_and_test_with_anything() {
        let text = r"
            use std::net::IpAddr;
            use std::time::Duration;
            use jiff::Timestamp;
            fn f(now: Timestamp, rand: u8, thread: fs) { fs(now) } // std::fs, Instant
            #[cfg(test)]
            mod tests { use std::fs; use std::time::Instant; }
        ";
        check(impure, &[("dns/mod.rs", text)], &[]);
    }

    #[test]
    fn the_kind_of_organization_is_found_outside_its_places() {
        let text = "use crate::model::OrganizationKind;";
        let files = [
            "config/onprem.rs",
            "model/organization.rs",
            "report/text.rs",
            "verify/hybrid.rs",
        ];
        check(organization_kind, &files.map(|path| (path, text)), &[]);
        let files = ["route/select.rs", "verify/dead.rs"].map(|path| (path, text));
        check(
            organization_kind,
            &files,
            &["src/route/select.rs:1", "src/verify/dead.rs:1"],
        );
    }

    #[test]
    fn a_silent_front_page_is_found() {
        let files = [
            ("lib.rs", "//! The map."),
            ("mail/address.rs", "use x;"),
            ("mail/mod.rs", "// Not a doc.\n//! Too late."),
            ("smtp/mod.rs", "//! What it is."),
        ];
        check(undocumented, &files, &["src/mail/mod.rs:1"]);
        check(undocumented, &[("lib.rs", "")], &["src/lib.rs:1"]);
    }

    #[test]
    fn unfinished_code_is_found_in_tests_too() {
        let text =
            "fn f() { todo!() }\n#[cfg(test)]\nmod tests { fn g() { dbg!(1); unimplemented![] } }";
        let expected = [
            "src/a.rs:1: `todo!`",
            "src/a.rs:3: `dbg!`",
            "src/a.rs:3: `unimplemented!`",
        ];
        check(unfinished, &[("a.rs", text)], &expected);
        check(
            unfinished,
            &[("a.rs", "// todo!()\nfn todo() { todo != \"todo!()\" }")],
            &[],
        );
    }
}
