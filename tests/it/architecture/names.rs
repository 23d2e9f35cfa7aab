//! The paths a file names, in `use` declarations and elsewhere, seen from the crate root.

use std::collections::BTreeSet;

use super::source::Token;

/// A path that a file names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    /// `[crate, route, item]` for what is ours, however it was written; otherwise as written. Ends
    /// in `*` for a glob.
    pub(super) path: Vec<String>,
    /// Where the path starts.
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// How a path is named.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Outside a `use` declaration.
    Inline,
    /// `use`.
    Import,
    /// `pub use`, for however small a public.
    Reexport,
}

impl Name {
    /// The path below the crate root, if it is ours.
    pub(super) fn ours(&self) -> Option<&[String]> {
        match self.path.split_first() {
            Some((root, below)) if root == "crate" => Some(below),
            _ => None,
        }
    }
}

/// All paths that the `code` of `module` names. `modules` are those that have files.
pub(super) fn collect(
    code: &[Token],
    module: &[String],
    modules: &BTreeSet<Vec<String>>,
) -> Vec<Name> {
    let mut reader = Reader {
        code,
        at: 0,
        scope: Scope::new(module, modules),
        names: Vec::new(),
    };
    while reader.at < code.len() {
        reader.step();
    }
    reader.names
}

/// The words outside `use` declarations that may stand for an imported item: not the names that
/// `mod`, `fn` and fields bring along themselves.
pub(super) fn used_words(code: &[Token]) -> impl Iterator<Item = &Token> {
    let mut in_use = false;
    code.iter().enumerate().filter_map(move |(at, token)| {
        in_use = in_use || starts_use(code, at);
        let kept = !in_use && is_word(&token.text) && !is_own_name(code, at);
        in_use = in_use && token.text != ";";
        kept.then_some(token)
    })
}

fn is_own_name(code: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |at| &code[at].text);
    let after = code.get(at + 1).map_or("", |token| &token.text);
    matches!(before, "." | "fn" | "mod") || after == ":"
}

/// Whether a `use` declaration starts here; `impl Trait + use<'a>` is none.
fn starts_use(code: &[Token], at: usize) -> bool {
    code[at].text == "use" && code.get(at + 1).is_some_and(|next| next.text != "<")
}

struct Reader<'a> {
    code: &'a [Token],
    at: usize,
    scope: Scope<'a>,
    names: Vec<Name>,
}

impl Reader<'_> {
    fn step(&mut self) {
        match self.text(0) {
            "{" => self.scope.open(),
            "}" => self.scope.close(),
            "mod" if self.text(2) == "{" => self.scope.enter(self.text(1).to_owned()),
            "use" if starts_use(self.code, self.at) => {
                // Only a visibility can stand before `use` on the same item.
                let is_public = matches!(self.before(1), "pub" | ")");
                self.at += 1;
                self.tree(
                    &[],
                    if is_public {
                        Kind::Reexport
                    } else {
                        Kind::Import
                    },
                );
                return;
            }
            _ if self.starts_path() => {
                self.path();
                return;
            }
            _ => {}
        }
        self.at += 1;
    }

    fn text(&self, ahead: usize) -> &str {
        self.code
            .get(self.at + ahead)
            .map_or("", |token| &token.text)
    }

    fn before(&self, back: usize) -> &str {
        self.at
            .checked_sub(back)
            .map_or("", |at| &self.code[at].text)
    }

    /// A path is words joined by `::`. `pub(in a::b)` uses nothing.
    fn starts_path(&self) -> bool {
        let is_visibility = self.before(1) == "in" && self.before(2) == "(";
        is_word(self.text(0)) && self.text(1) == "::" && self.before(1) != "." && !is_visibility
    }

    /// Reads a path outside `use`. What follows `<T as Trait>::` is read as a path of its own; it
    /// starts with no root and no module, so it resolves to nothing of ours.
    fn path(&mut self) {
        let line = self.code[self.at].line;
        let mut path = vec![self.text(0).to_owned()];
        while self.text(1) == "::" && is_word(self.text(2)) {
            path.push(self.text(2).to_owned());
            self.at += 2;
        }
        // The last word, and a `::` before generic arguments.
        self.at += if self.text(1) == "::" { 2 } else { 1 };
        self.name(path, line, Kind::Inline);
    }

    /// Reads one branch of a `use` tree, and its brace with all branches below it.
    fn tree(&mut self, stem: &[String], kind: Kind) {
        let line = self.code.get(self.at).map_or(0, |token| token.line);
        let mut path = stem.to_vec();
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    self.branches(&path, kind);
                    return;
                }
                "self" if !path.is_empty() => self.at += 1,
                "as" => self.at += 2,
                word if is_word(word) || word == "*" => {
                    path.push(word.to_owned());
                    self.at += 1;
                }
                _ => break,
            }
        }
        self.name(path, line, kind);
    }

    fn branches(&mut self, stem: &[String], kind: Kind) {
        loop {
            match self.text(0) {
                "," => self.at += 1,
                "}" => {
                    self.at += 1;
                    return;
                }
                "" | ";" => return,
                _ => {
                    let before = self.at;
                    self.tree(stem, kind);
                    // Whatever is not a tree must not hold us up.
                    self.at = self.at.max(before + 1);
                }
            }
        }
    }

    fn name(&mut self, path: Vec<String>, line: usize, kind: Kind) {
        let path = self.scope.resolve(path);
        if !path.is_empty() {
            self.names.push(Name { path, line, kind });
        }
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Where in the module tree the reader stands.
struct Scope<'a> {
    module: Vec<String>,
    modules: &'a BTreeSet<Vec<String>>,
    depth: usize,
    /// The depths at which inline modules were entered.
    inline: Vec<usize>,
}

impl<'a> Scope<'a> {
    fn new(module: &[String], modules: &'a BTreeSet<Vec<String>>) -> Self {
        Self {
            module: module.to_vec(),
            modules,
            depth: 0,
            inline: Vec::new(),
        }
    }

    /// `mod name` was read, its brace not yet.
    fn enter(&mut self, name: String) {
        self.module.push(name);
        self.inline.push(self.depth);
    }

    fn open(&mut self) {
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.inline.last() == Some(&self.depth) {
            self.inline.pop();
            self.module.pop();
        }
    }

    /// `crate`, the crate's own name, `self`, `super` and the names of child modules all lead to a
    /// path from `crate`; any other path stays as it is.
    fn resolve(&self, path: Vec<String>) -> Vec<String> {
        let Some(first) = path.first() else {
            return path;
        };
        let ups = path.iter().take_while(|word| *word == "super").count();
        let (base, below) = match first.as_str() {
            "crate" | "hybridmx" => (&[][..], &path[1..]),
            "self" if path.get(1).is_some_and(|word| word == "super") => {
                return self.resolve(path[1..].to_vec());
            }
            "self" => (&self.module[..], &path[1..]),
            "super" => (
                &self.module[..self.module.len().saturating_sub(ups)],
                &path[ups..],
            ),
            _ if self.has_child(first) => (&self.module[..], &path[..]),
            _ => return path,
        };
        std::iter::once("crate")
            .chain(base.iter().chain(below).map(String::as_str))
            .map(str::to_owned)
            .collect()
    }

    fn has_child(&self, name: &str) -> bool {
        let child: Vec<String> = self
            .module
            .iter()
            .map(String::as_str)
            .chain([name])
            .map(str::to_owned)
            .collect();
        self.modules.contains(&child)
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tokenize;
    use super::*;

    /// The names in `text`, which stands in `src/a/b.rs` beside `src/a/b/child.rs`.
    fn check(text: &str, expected: &[&str]) {
        let split = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
        let modules = ["a", "a::b", "a::b::child"].map(split).into();
        let names = collect(&tokenize(text), &split("a::b"), &modules);
        let paths: Vec<String> = names.iter().map(|name| name.path.join("::")).collect();
        assert_eq!(paths, expected, "{text}");
    }

    #[test]
    fn use_trees_are_flattened() {
        check("use crate::c;", &["crate::c"]);
        check(
            "use crate::{c, d::{self, E as F, *}, };",
            &["crate::c", "crate::d", "crate::d::E", "crate::d::*"],
        );
        check("use {std::fs, super::c};", &["std::fs", "crate::a::c"]);
        check(
            "use ::std::fs; use hybridmx::c as d;",
            &["std::fs", "crate::c"],
        );
    }

    #[test]
    fn super_and_self_lead_to_the_crate_root() {
        check("use super::super::c::D;", &["crate::c::D"]);
        check("use self::super::c;", &["crate::a::c"]);
        check(
            "self::C::new(); super::c::<D>();",
            &["crate::a::b::C::new", "crate::a::c"],
        );
        check(
            "mod m { use super::x; } use super::x;",
            &["crate::a::b::x", "crate::a::x"],
        );
        check("mod m { fn f() { } use super::x; }", &["crate::a::b::x"]);
    }

    #[test]
    fn children_are_known_without_self() {
        check(
            "use child::C; fn f() { child::d() }",
            &["crate::a::b::child::C", "crate::a::b::child::d"],
        );
        check("other::c(); self.child::<C>();", &["other::c"]);
    }

    #[test]
    fn paths_are_found_in_expressions_and_types() {
        check(
            "let x: Vec<crate::c::D> = crate::e::f::<super::G>(h);",
            &["crate::c::D", "crate::e::f", "crate::a::G"],
        );
        check("for x in crate::c::all() {}", &["crate::c::all"]);
        check("$crate::c!()", &["crate::c"]);
    }

    #[test]
    fn visibility_uses_nothing() {
        check("pub(crate) fn f(); pub(in crate::a) fn g();", &[]);
    }

    #[test]
    fn the_kind_tells_reexports_from_imports() {
        let text = "use a::A; pub use b::B; pub(super) use c::C; d::D;";
        let kinds: Vec<Kind> = collect(&tokenize(text), &[], &BTreeSet::new())
            .iter()
            .map(|name| name.kind)
            .collect();
        assert_eq!(
            kinds,
            [Kind::Import, Kind::Reexport, Kind::Reexport, Kind::Inline]
        );
    }

    #[test]
    fn used_words_are_those_that_may_come_from_an_import() {
        let code = tokenize("use a::{b}; mod m; c; fn d(e: F) -> impl G + use<H> { i.j() }");
        let words: Vec<&str> = used_words(&code).map(|token| token.text.as_str()).collect();
        assert_eq!(words, ["mod", "c", "fn", "F", "impl", "G", "use", "H", "i"]);
    }
}
