//! Rust source as a tree of files and each file as tokens, as far as the house rules need it.
//!
//! Comments, strings, characters and lifetimes are no tokens, so no rule trips over them. Macros
//! are not expanded: what a macro names, it must name in the open.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::names::{self, Name};

/// All files below `src/`, by path.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// The paths of all modules that have a file; the crate root is the empty path.
    pub(super) modules: BTreeSet<Vec<String>>,
}

/// One source file.
pub(super) struct File {
    /// Below `src/`, with `/` between folders.
    pub(super) path: String,
    /// Path of the module below the crate root; empty for `lib.rs` and `main.rs`.
    pub(super) module: Vec<String>,
    pub(super) text: String,
    /// Everything, tests included.
    pub(super) tokens: Vec<Token>,
    /// Without what is compiled for tests only.
    pub(super) code: Vec<Token>,
    /// The paths that `code` names.
    pub(super) names: Vec<Name>,
}

/// An identifier, a number, `::`, or one other character.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Counted from 1.
    pub(super) line: usize,
}

impl Tree {
    /// Reads every `.rs` file below `folder`.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let mut sources = Vec::new();
        read_folder(folder, "", &mut sources)?;
        Ok(Self::new(sources))
    }

    /// A tree of files given as path below `src/` and text.
    pub(super) fn new(sources: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut files: Vec<File> = sources.into_iter().map(|(p, t)| File::new(p, t)).collect();
        let test_modules: BTreeSet<Vec<String>> =
            files.iter().flat_map(File::test_modules).collect();
        files.retain(|file| !test_modules.iter().any(|m| file.module.starts_with(m)));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let modules = files.iter().map(|file| file.module.clone()).collect();
        for file in &mut files {
            file.names = names::collect(&file.code, &file.module, &modules);
        }
        Self { files, modules }
    }

    /// The modules directly below `parent`.
    pub(super) fn children<'a>(&'a self, parent: &'a [String]) -> impl Iterator<Item = &'a str> {
        self.modules
            .iter()
            .filter(move |module| module.len() == parent.len() + 1 && module.starts_with(parent))
            .filter_map(|module| module.last())
            .map(String::as_str)
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let tokens = tokenize(&text);
        let code = without_tests(&tokens);
        let module = module_of(&path);
        Self {
            path,
            module,
            text,
            tokens,
            code,
            names: Vec::new(),
        }
    }

    /// The module at the top level this file belongs to; `lib` and `main` for the two roots.
    pub(super) fn top(&self) -> &str {
        match self.module.first() {
            Some(module) => module,
            None => self.path.trim_end_matches(".rs"),
        }
    }

    /// A place in this file, as violations print it.
    pub(super) fn at(&self, line: usize) -> String {
        format!("src/{}:{line}", self.path)
    }

    /// Modules that are compiled for tests only and have their own file.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let texts: Vec<&str> = self
            .tokens
            .iter()
            .map(|token| token.text.as_str())
            .collect();
        texts
            .windows(10)
            .filter(|w| w[..8] == ["#", "[", "cfg", "(", "test", ")", "]", "mod"] && w[9] == ";")
            .map(|w| {
                self.module
                    .iter()
                    .cloned()
                    .chain([w[8].to_owned()])
                    .collect()
            })
            .collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the source tree is what is tested here"
)]
fn read_folder(folder: &Path, below: &str, found: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), found)?;
        } else if path.ends_with(".rs") {
            found.push((path, std::fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

/// `route/mod.rs` is `[route]`, `route/item.rs` is `[route, item]`, `lib.rs` is `[]`.
fn module_of(path: &str) -> Vec<String> {
    let mut module: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    let is_root = module.len() == 1 && (module[0] == "lib" || module[0] == "main");
    if is_root || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The tokens of `text`.
pub(super) fn tokenize(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        rest: text,
        line: 1,
        tokens: Vec::new(),
    };
    while let Some(first) = lexer.rest.chars().next() {
        lexer.next(first);
    }
    lexer.tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn next(&mut self, first: char) {
        if self.rest.starts_with("//") {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.block_comment();
        } else if first == '"' {
            self.quoted('"');
        } else if first == '\'' {
            self.character_or_lifetime();
        } else if is_word(first) {
            self.word();
        } else if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else if self.rest.starts_with("::") {
            self.token(2);
        } else {
            self.token(first.len_utf8());
        }
    }

    fn skip(&mut self, size_bytes: usize) {
        let (skipped, rest) = self.rest.split_at(size_bytes);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }

    fn token(&mut self, size_bytes: usize) {
        self.tokens.push(Token {
            text: self.rest[..size_bytes].to_owned(),
            line: self.line,
        });
        self.skip(size_bytes);
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.skip(self.rest.chars().next().map_or(0, char::len_utf8));
            }
        }
    }

    /// A string or character with escapes; `rest` starts with the quote.
    fn quoted(&mut self, quote: char) {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|&(_, c)| {
            let closes = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        self.skip(end.map_or(self.rest.len(), |(at, c)| at + c.len_utf8()));
    }

    /// `'a'` and `'\n'` are characters, `'a` is a lifetime.
    fn character_or_lifetime(&mut self) {
        let mut following = self.rest.chars().skip(1);
        let (second, third) = (following.next(), following.next());
        if second == Some('\\') || third == Some('\'') {
            self.quoted('\'');
        } else {
            self.skip(1);
            self.skip(self.word_size());
        }
    }

    /// An identifier or number, or a literal that starts like one (`r"…"`, `b'…'`, `r#name`).
    fn word(&mut self) {
        let size = self.word_size();
        let (word, after) = self.rest.split_at(size);
        let hashes = after.len() - after.trim_start_matches('#').len();
        let is_raw = matches!(word, "r" | "br" | "cr");
        if is_raw && after[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = size + hashes + 1;
            let end = self.rest[body..].find(&close);
            self.skip(end.map_or(self.rest.len(), |at| body + at + close.len()));
        } else if word == "r" && hashes == 1 {
            self.skip(2);
            self.token(self.word_size());
        } else if matches!(word, "b" | "c") && after.starts_with(['"', '\'']) {
            self.skip(size);
        } else {
            self.token(size);
        }
    }

    fn word_size(&self) -> usize {
        self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len())
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Leaves out every item, field or arm under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
pub(super) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match test_attribute(&tokens[at..]) {
            Some(size) => at += size + item_size(&tokens[at + size..]),
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// How many tokens the attribute takes that `tokens` starts with, if it means "only for tests".
fn test_attribute(tokens: &[Token]) -> Option<usize> {
    if !starts_with(tokens, &["#", "[", "cfg", "("]) {
        return None;
    }
    let size = attribute_size(tokens);
    let has = |word| tokens[..size].iter().any(|token| token.text == word);
    (has("test") && !has("not") && !has("any")).then_some(size)
}

fn attribute_size(tokens: &[Token]) -> usize {
    tokens
        .iter()
        .position(|token| token.text == "]")
        .map_or(tokens.len(), |at| at + 1)
}

/// How many tokens the item, field or arm takes that `tokens` starts with.
fn item_size(tokens: &[Token]) -> usize {
    let mut at = 0;
    while starts_with(&tokens[at..], &["#", "["]) {
        at += attribute_size(&tokens[at..]);
    }
    let end = item_end(&tokens[at..]);
    let mut depth = 0;
    while at < tokens.len() {
        let text = tokens[at].text.as_str();
        match text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 && end.contains(&text) {
            return at;
        }
    }
    at
}

/// What ends an item outside brackets: `use a::{b};` goes on behind its brace, a function does not,
/// and a comma ends fields and arms only.
fn item_end(item: &[Token]) -> &'static [&'static str] {
    const QUALIFIERS: [&str; 9] = [
        "pub", "(", ")", "crate", "super", "in", "unsafe", "async", "extern",
    ];
    let mut words = item
        .iter()
        .map(|token| token.text.as_str())
        .filter(|word| !QUALIFIERS.contains(word));
    match (words.next(), words.next()) {
        (Some("const"), Some("fn")) => &[";", "}"],
        (Some("const" | "let" | "static" | "type" | "use"), _) => &[";"],
        (Some("enum" | "fn" | "impl" | "macro_rules" | "mod" | "struct" | "trait"), _) => {
            &[";", "}"]
        }
        _ => &[";", "}", ","],
    }
}

/// Whether the first tokens are these texts.
pub(super) fn starts_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len()
        && tokens
            .iter()
            .zip(texts)
            .all(|(token, text)| token.text == *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(tokens: &[Token]) -> String {
        tokens
            .iter()
            .map(|token| token.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn comments_and_literals_are_no_tokens() {
        for (text, expected) in [
            ("a // b\nc", "a c"),
            ("a /* b /* c */ d */ e", "a e"),
            (r#"f("g \" h", 'i', '\'', '"') j"#, "f ( , , , ) j"),
            ("r\"a\" b r#\"c \" d\"# e br\"\\\" f", "b e f"),
            ("b\"a\" b'\\'' c\"d\" e", "e"),
            ("fn f<'a>(x: &'a str)", "fn f < > ( x : & str )"),
            ("r#type::b 1_000", "type :: b 1_000"),
        ] {
            assert_eq!(joined(&tokenize(text)), expected, "{text}");
        }
    }

    #[test]
    fn lines_count_through_comments_and_strings() {
        let tokens = tokenize("/*\n*/ \"\n\" a\nb");
        assert_eq!(
            tokens.iter().map(|token| token.line).collect::<Vec<_>>(),
            [3, 4]
        );
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        for (text, expected) in [
            ("a; #[cfg(test)] mod tests { use b; { } } c", "a ; c"),
            (
                "#[cfg(test)] #[allow(x)] pub(crate) fn f<A, B>() { g } c",
                "c",
            ),
            ("#[cfg(all(test, unix))] use a::{b, c}; d", "d"),
            ("#[cfg(test)] const A: B = B { c }; d", "d"),
            ("#[cfg(test)] const fn a() { } d", "d"),
            ("struct A { #[cfg(test)] b: C, d: E }", "struct A { d : E }"),
            ("struct A { #[cfg(test)] b: C }", "struct A { }"),
            (
                "#[cfg(not(test))] mod a { }",
                "# [ cfg ( not ( test ) ) ] mod a { }",
            ),
        ] {
            assert_eq!(joined(&without_tests(&tokenize(text))), expected, "{text}");
        }
    }

    #[test]
    fn a_module_for_tests_may_have_its_own_file() {
        let tree = Tree::new(
            [
                ("a/mod.rs", "#[cfg(test)]\nmod tests;"),
                ("a/tests.rs", ""),
                ("b/tests.rs", ""),
            ]
            .map(|(path, text)| (path.to_owned(), text.to_owned())),
        );
        let paths: Vec<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a/mod.rs", "b/tests.rs"]);
    }

    #[test]
    fn paths_give_modules() {
        for (path, expected) in [
            ("lib.rs", ""),
            ("diag.rs", "diag"),
            ("a/mod.rs", "a"),
            ("a/b.rs", "a::b"),
        ] {
            assert_eq!(module_of(path).join("::"), expected, "{path}");
        }
    }
}
