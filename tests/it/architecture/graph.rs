//! Who imports whom inside each folder.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{Kind, used_words};
use super::source::{File, Tree};

/// Folders whose files import each other in a ring.
pub(super) fn rings(tree: &Tree) -> Vec<String> {
    folders(tree)
        .iter()
        .filter_map(|folder| Graph::of(tree, folder).ring())
        .collect()
}

/// Folder modules that use their children and are used by them. Either is fine, and both make the
/// folder hard to read even where they make no ring.
pub(super) fn both_ways(tree: &Tree) -> Vec<String> {
    folders(tree)
        .iter()
        .filter_map(|folder| Graph::of(tree, folder).both_ways())
        .collect()
}

/// The modules that have children; the crate root is the layer table's affair.
fn folders(tree: &Tree) -> Vec<&[String]> {
    let named = tree.modules.iter().filter(|module| !module.is_empty());
    named
        .filter(|module| tree.children(module).next().is_some())
        .map(Vec::as_slice)
        .collect()
}

/// The imports between the files of one folder. The folder's own module is the node `mod`; what
/// lies below a child belongs to the child.
struct Graph {
    /// From, to, and the place where the first import is written.
    edges: BTreeMap<String, BTreeMap<String, String>>,
}

/// The name of the folder's own module in its graph.
const OWN: &str = "mod";

impl Graph {
    fn of(tree: &Tree, folder: &[String]) -> Self {
        let mut graph = Self {
            edges: BTreeMap::new(),
        };
        let children: BTreeSet<&str> = tree.children(folder).collect();
        let reexports = reexports(tree, folder, &children);
        for file in tree
            .files
            .iter()
            .filter(|file| file.module.starts_with(folder))
        {
            let from = node(&file.module[folder.len()..]);
            // A folder shows its children's items without using them.
            let used = file
                .names
                .iter()
                .filter(|name| from != OWN || name.kind != Kind::Reexport);
            for name in used {
                let Some(below) = name.ours().and_then(|path| path.strip_prefix(folder)) else {
                    continue;
                };
                let to = target(below, &children, &reexports);
                graph.add(from, to, file.at(name.line));
            }
            if from == OWN {
                graph.add_shown_and_used(file, &reexports);
            }
        }
        graph
    }

    fn add(&mut self, from: &str, to: &str, place: String) {
        if from != to {
            let targets = self.edges.entry(from.to_owned()).or_default();
            targets.entry(to.to_owned()).or_insert(place);
        }
    }

    /// `pub use item::Item;` also brings `Item` into the folder's own scope.
    fn add_shown_and_used(&mut self, file: &File, reexports: &BTreeMap<&str, &str>) {
        for token in used_words(&file.code) {
            if let Some(child) = reexports.get(token.text.as_str()) {
                self.add(OWN, child, file.at(token.line));
            }
        }
    }

    fn targets<'a>(&'a self, from: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let targets = self.edges.get(from).into_iter().flatten();
        targets.map(|(to, place)| (to.as_str(), place.as_str()))
    }

    /// The first ring, if there is one.
    fn ring(&self) -> Option<String> {
        let ring = self.edges.keys().find_map(|start| self.way(start, start))?;
        let steps: Vec<String> = ring
            .iter()
            .map(|(from, to, place)| format!("`{from}` imports `{to}` ({place})"))
            .collect();
        Some(format!("ring: {}", steps.join(", ")))
    }

    /// A shortest way from `start` to `end` of at least one step.
    fn way<'a>(&'a self, start: &'a str, end: &str) -> Option<Vec<Edge<'a>>> {
        let mut reached = BTreeSet::new();
        let mut ways: Vec<Vec<Edge<'a>>> = vec![Vec::new()];
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                let from = way.last().map_or(start, |&(_, to, _)| to);
                for (to, place) in self.targets(from).filter(|&(to, _)| reached.insert(to)) {
                    let mut way = way.clone();
                    way.push((from, to, place));
                    if to == end {
                        return Some(way);
                    }
                    longer.push(way);
                }
            }
            ways = longer;
        }
        None
    }

    fn both_ways(&self) -> Option<String> {
        let (down, down_place) = self.targets(OWN).next()?;
        let children = self.edges.keys().filter(|from| *from != OWN);
        let (up, up_place) = children
            .flat_map(|from| self.targets(from).map(move |to| (from, to)))
            .find_map(|(from, (to, place))| (to == OWN).then_some((from, place)))?;
        Some(format!(
            "{down_place}: the folder's module uses `{down}`, and `{up}` uses it ({up_place})"
        ))
    }
}

/// From, to, place.
type Edge<'a> = (&'a str, &'a str, &'a str);

/// The node of a file, by its module below the folder.
fn node(below: &[String]) -> &str {
    below.first().map_or(OWN, String::as_str)
}

/// The node that a path below the folder leads to, through what the folder re-exports.
fn target<'a>(
    below: &'a [String],
    children: &BTreeSet<&str>,
    reexports: &BTreeMap<&str, &'a str>,
) -> &'a str {
    match below.first() {
        Some(first) if children.contains(first.as_str()) => first,
        Some(first) => reexports.get(first.as_str()).copied().unwrap_or(OWN),
        None => OWN,
    }
}

/// What the folder's module re-exports from its children: item and child. A glob says nothing
/// about items, so what comes through one counts as the folder's own.
fn reexports<'a>(
    tree: &'a Tree,
    folder: &[String],
    children: &BTreeSet<&str>,
) -> BTreeMap<&'a str, &'a str> {
    let own = tree.files.iter().filter(|file| file.module == folder);
    let shown = own
        .flat_map(|file| &file.names)
        .filter(|name| name.kind == Kind::Reexport);
    let below = shown.filter_map(|name| name.ours()?.strip_prefix(folder));
    let items = below.filter_map(|path| match path {
        [child, .., item] if children.contains(child.as_str()) && item != "*" => {
            Some((item.as_str(), child.as_str()))
        }
        _ => None,
    });
    items.collect()
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn siblings_that_name_each_other_are_a_ring() {
        let files = [
            ("route/mod.rs", ""),
            ("route/item.rs", "use crate::route::step::Step;"),
            ("route/select.rs", "use super::item::Item;"),
            ("route/step.rs", "\nuse super::select;"),
        ];
        let expected = "ring: `item` imports `step` (src/route/item.rs:1), `step` imports `select` \
                        (src/route/step.rs:2), `select` imports `item` (src/route/select.rs:1)";
        check(rings, &files, &[expected]);
        check(rings, &files[..3], &[]);
    }

    #[test]
    fn a_folder_and_its_child_are_a_ring() {
        for own in [
            "use walk::walk;",
            "use self::walk::walk;",
            "use crate::flow::walk;",
            "fn f() { walk::walk() }",
            "pub use walk::walk; fn f() { walk() }",
        ] {
            let files = [
                ("flow/mod.rs", own),
                ("flow/walk.rs", "use super::Question;"),
            ];
            check(rings, &files, &["ring: `mod` imports `walk`"]);
        }
    }

    #[test]
    fn showing_a_child_is_not_using_it() {
        let files = [
            (
                "flow/mod.rs",
                "mod walk; pub use walk::{walk, Breadcrumb as Crumb}; pub struct Question;",
            ),
            ("flow/walk.rs", "use super::Question;"),
        ];
        check(rings, &files, &[]);
        check(both_ways, &files, &[]);
    }

    #[test]
    fn a_ring_through_the_front_door_is_found() {
        let files = [
            ("route/mod.rs", "pub use item::Item; pub use step::*;"),
            ("route/item.rs", "use super::step;"),
            ("route/step.rs", "use super::Item;"),
        ];
        check(rings, &files, &["ring: `item` imports `step`"]);
    }

    #[test]
    fn what_lies_deeper_belongs_to_the_child() {
        let files = [
            ("a/mod.rs", ""),
            ("a/b/mod.rs", ""),
            ("a/b/c.rs", "use super::super::d;"),
            ("a/d.rs", "use super::b::c;"),
        ];
        check(rings, &files, &["ring: `b` imports `d` (src/a/b/c.rs:1)"]);
    }

    #[test]
    fn tests_make_no_ring() {
        let tests =
            "use super::item; #[cfg(test)] mod tests { use super::*; use crate::route::X; }";
        let files = [
            ("route/mod.rs", "fn f() { select::g() }"),
            (
                "route/item.rs",
                "#[cfg(test)] mod tests { use super::*; use super::super::select; }",
            ),
            ("route/select.rs", tests),
        ];
        check(rings, &files, &[]);
        check(both_ways, &files, &[]);
    }

    #[test]
    fn a_folder_module_that_looks_up_and_down_is_found_without_a_ring() {
        let files = [
            ("verify/mod.rs", "use dead::find;\npub struct Check;"),
            ("verify/dead.rs", "use crate::model;"),
            ("verify/diff.rs", "use super::Check;"),
        ];
        let expected = "src/verify/mod.rs:1: the folder's module uses `dead`, and `diff` uses it \
                        (src/verify/diff.rs:1)";
        check(both_ways, &files, &[expected]);
        check(rings, &files, &[]);
        check(both_ways, &files[..2], &[]);
        check(
            both_ways,
            &[("verify/mod.rs", "pub struct Check;"), files[2]],
            &[],
        );
    }
}
