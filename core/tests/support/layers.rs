//! Checks the imports of a crate's source files against a table of layers: they only go down, and
//! in no circle.
//!
//! Another crate of this repository includes this file with `#[path]`; see `core/tests/layers.rs`
//! for a table.
//!
//! - A module is a file: `connection/receive.rs` is `connection/receive`, `lib.rs` is `lib`. An
//!   inline `mod` belongs to its file.
//! - An import is a path, in a `use` or elsewhere, that begins with `crate`, `self`, `super` or the
//!   name of a child. `mod child;` alone is no import.
//! - An import counts for the file that declares the item: if `connection.rs` has `pub use
//!   event::Event`, then `crate::connection::Event` imports `connection/event`.
//! - A file that re-exports an item of its own child, and does not name the item elsewhere, does
//!   not import it.
//! - So a parent and a child obey the rule of any two files. A child is below its parent, if the
//!   parent is made of it; or above, if it adds to what the parent declares, such as an `impl`
//!   block. It cannot be both.
//! - Comments, strings and what is behind `#[cfg(test)]` do not count. Macros are not expanded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

/// The modules from the lowest layer to the highest. Modules of one layer may import each other, in
/// no circle.
pub type Layers<'a> = &'a [&'a [&'a str]];

/// What is wrong with the imports of the files in `folder` and below: nothing, if the list is
/// empty.
pub fn check_folder(folder: &Path, layers: Layers<'_>) -> Vec<String> {
    let mut sources = Vec::new();
    collect(folder, "", &mut sources);
    assert!(!sources.is_empty(), "no source files in {}", folder.display());
    check(&sources, layers)
}

/// The same for files in memory: their paths below the folder, and what is in them.
pub fn check(sources: &[(String, String)], layers: Layers<'_>) -> Vec<String> {
    let files = Files::parse(sources);
    let imports = files.imports();
    let mut findings = Vec::new();

    let mut layer_of = BTreeMap::new();
    for (layer, modules) in layers.iter().enumerate() {
        for module in *modules {
            if layer_of.insert(*module, layer).is_some() {
                findings.push(format!("{module} is in the table twice"));
            }
            if !files.0.contains_key(*module) {
                findings.push(format!("{module} is in the table, but there is no such file"));
            }
        }
    }
    for module in files.0.keys().filter(|module| !layer_of.contains_key(&module[..])) {
        findings.push(format!("{module} is not in the table of layers"));
    }
    for ((from, to), place) in &imports {
        if let (Some(low), Some(high)) = (layer_of.get(&from[..]), layer_of.get(&to[..])) {
            if low < high {
                findings.push(format!("{from} imports {to}, which is above it: {place}"));
            }
        }
    }
    findings.extend(circles(&imports));
    findings
}

fn collect(folder: &Path, prefix: &str, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), sources);
        } else if name.ends_with(".rs") {
            sources.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Who imports whom, and where it says so for the first time.
type Imports = BTreeMap<(String, String), String>;

/// The shortest circle through each import that is part of one.
fn circles(imports: &Imports) -> BTreeSet<String> {
    let mut circles = BTreeSet::new();
    for (from, to) in imports.keys() {
        // Backwards from `from`, so that following `next` leads from `to` to it.
        let mut next = BTreeMap::from([(from, from)]);
        let mut queue = VecDeque::from([from]);
        while let Some(module) = queue.pop_front() {
            for (before, _) in imports.keys().filter(|(_, imported)| imported == module) {
                if !next.contains_key(before) {
                    next.insert(before, module);
                    queue.push_back(before);
                }
            }
        }
        if !next.contains_key(to) {
            continue;
        }
        let (mut circle, mut module) = (vec![&from[..]], to);
        while module != from {
            circle.push(module);
            module = next[module];
        }
        // The same circle begins with the same module, whichever import it was found by.
        let first = (0..circle.len()).min_by_key(|i| circle[*i]).unwrap();
        circle.rotate_left(first);
        circle.push(circle[0]);
        circles.insert(format!("a circle of imports: {}", circle.join(" -> ")));
    }
    circles
}

/// The files by module.
struct Files(BTreeMap<String, File>);

impl Files {
    fn parse(sources: &[(String, String)]) -> Self {
        let mut files = BTreeMap::new();
        for (path, text) in sources {
            let module = path.strip_suffix(".rs").unwrap_or(path);
            let module = module.strip_suffix("/mod").unwrap_or(module);
            files.insert(module.to_owned(), File::parse(module, text));
        }
        // A file that is a module in tests only, and what is below it.
        let tests: Vec<String> = files
            .values()
            .flat_map(|file| file.tests.iter().map(|name| file.child(name).join("/")))
            .collect();
        files.retain(|module, file| {
            !file.is_test
                && !tests.iter().any(|test| {
                    module
                        .strip_prefix(&test[..])
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
        });
        Self(files)
    }

    fn get(&self, path: &[String]) -> Option<(&String, &File)> {
        if path.is_empty() {
            return self.0.get_key_value("lib").or_else(|| self.0.get_key_value("main"));
        }
        self.0.get_key_value(&path.join("/"))
    }

    fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (module, file) in &self.0 {
            for import in &file.imports {
                let Some(imported) = self.resolve(file, import, 0) else { continue };
                let facade = import.is_public && self.0[imported].path.starts_with(&file.path);
                let is_named = import.name == "*" || file.idents.contains(&import.name);
                if imported != module && (!facade || is_named) {
                    let place = format!("line {}, {}", import.line, import.path.join("::"));
                    imports.entry((module.clone(), imported.clone())).or_insert(place);
                }
            }
        }
        imports
    }

    /// The module that declares what is imported; `None` for another crate's.
    fn resolve(&self, file: &File, import: &Import, depth: usize) -> Option<&String> {
        let mut at = [&file.path[..], &import.scope].concat();
        let mut path = import.path.iter().peekable();
        match &path.peek()?[..] {
            "crate" => at.clear(),
            "self" | "super" => {}
            child if import.scope.is_empty() && file.children.contains(child) => {}
            _ => return None,
        }
        for segment in path {
            let next = [&at[..], std::slice::from_ref(segment)].concat();
            match &segment[..] {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                _ if self.get(&next).is_some() => at = next,
                item => {
                    let (module, declaring) = self.enclosing(&at)?;
                    let moved_on =
                        declaring.imports.iter().find(|import| import.is_use && import.name == item);
                    // Names may lead round in a circle, in code that does not compile.
                    return match moved_on {
                        Some(import) if depth < 16 => {
                            self.resolve(declaring, import, depth + 1).or(Some(module))
                        }
                        _ => Some(module),
                    };
                }
            }
        }
        Some(self.enclosing(&at)?.0)
    }

    /// The file that a path of modules is in, the last of which may be inline.
    fn enclosing(&self, path: &[String]) -> Option<(&String, &File)> {
        (0..=path.len()).rev().find_map(|len| self.get(&path[..len]))
    }
}

/// What one file says about others.
#[derive(Default)]
struct File {
    /// `["connection", "receive"]`; empty for `lib.rs`.
    path: Vec<String>,
    /// Whether all of it is for tests.
    is_test: bool,
    /// Names of its `mod child;`.
    children: BTreeSet<String>,
    /// Those that are for tests.
    tests: Vec<String>,
    imports: Vec<Import>,
    /// The identifiers outside imports.
    idents: BTreeSet<String>,
}

struct Import {
    path: Vec<String>,
    /// What it is called in the file: the last of the path or what is behind `as`.
    name: String,
    line: usize,
    is_use: bool,
    is_public: bool,
    /// The inline modules it is in.
    scope: Vec<String>,
}

impl File {
    fn parse(module: &str, text: &str) -> Self {
        let path = match module {
            "lib" | "main" => Vec::new(),
            module => module.split('/').map(str::to_owned).collect(),
        };
        let tokens = tokens(text);
        let mut file = Self { path, ..Self::default() };
        file.children = tokens
            .windows(3)
            .filter(|window| window[0].text == "mod" && window[2].text == ";")
            .map(|window| window[1].text.clone())
            .collect();
        let mut reader = Reader { tokens: &tokens, at: 0 };
        file.read(&mut reader);
        file
    }

    fn child(&self, name: &str) -> Vec<String> {
        [&self.path[..], &[name.to_owned()]].concat()
    }

    fn read(&mut self, reader: &mut Reader<'_>) {
        // For each open brace the name of the inline module that it opens, if it does.
        let mut braces: Vec<Option<String>> = Vec::new();
        let mut is_public = false;
        while let Some(token) = reader.next() {
            let scope = || braces.iter().flatten().cloned().collect::<Vec<_>>();
            let was_public = std::mem::take(&mut is_public);
            match &token.text[..] {
                "#" => {
                    let is_inner = reader.eat("!");
                    if !reader.attribute_is_for_tests() {
                        continue;
                    }
                    if is_inner && braces.is_empty() {
                        self.is_test = true;
                        return;
                    }
                    self.tests.extend(reader.skip_item());
                }
                "pub" => {
                    is_public = true;
                    if reader.eat("(") {
                        reader.skip_to_closing();
                    }
                }
                "{" => braces.push(None),
                "}" => drop(braces.pop()),
                "mod" if reader.peek(1) == "{" => {
                    let name = reader.next().unwrap().text.clone();
                    reader.at += 1;
                    braces.push(Some(name));
                }
                // `use<'a>` among bounds is no import.
                "use" if reader.peek(0) != "<" => {
                    let mut paths = Vec::new();
                    reader.use_tree(Vec::new(), &mut paths);
                    for (path, name) in paths {
                        let (line, scope) = (token.line, scope());
                        self.imports.push(Import {
                            path,
                            name,
                            line,
                            is_use: true,
                            is_public: was_public,
                            scope,
                        });
                    }
                }
                first if reader.peek(0) == "::" && self.begins_path(first, reader) => {
                    let mut path = vec![first.to_owned()];
                    while reader.peek(0) == "::" && is_ident(reader.peek(1)) {
                        path.push(reader.peek(1).to_owned());
                        reader.at += 2;
                    }
                    let (name, line) = (path.last().unwrap().clone(), token.line);
                    let scope = scope();
                    self.imports.push(Import { path, name, line, is_use: false, is_public: false, scope });
                }
                ident => {
                    self.idents.insert(ident.to_owned());
                }
            }
        }
    }

    /// Whether the token that was just read begins a path into this crate; `::` follows it.
    fn begins_path(&self, first: &str, reader: &Reader<'_>) -> bool {
        let before = reader.at.checked_sub(2).map_or("", |before| &reader.tokens[before].text);
        before != "::" && (matches!(first, "crate" | "self" | "super") || self.children.contains(first))
    }
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<&'t Token> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn peek(&self, ahead: usize) -> &'t str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.peek(0) == text;
        self.at += usize::from(found);
        found
    }

    /// Behind the bracket that closes the one that was just read. Returns what is between them.
    fn skip_to_closing(&mut self) -> &'t [Token] {
        let (start, mut depth) = (self.at, 1);
        while let Some(token) = self.next() {
            match &token.text[..] {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return &self.tokens[start..self.at - 1];
            }
        }
        &self.tokens[start..]
    }

    /// Whether it is a `cfg` that holds in tests only, such as `cfg(all(test, unix))`.
    fn attribute_is_for_tests(&mut self) -> bool {
        if !self.eat("[") {
            return false;
        }
        let attribute = self.skip_to_closing();
        let has = |text| attribute.iter().any(|token| token.text == text);
        attribute.first().is_some_and(|token| token.text == "cfg")
            && has("test")
            && !has("not")
            && !has("any")
    }

    /// Behind the item, field or arm that begins here. Returns its name if it is `mod name;`.
    fn skip_item(&mut self) -> Option<String> {
        const ITEMS: [&str; 15] = [
            "async",
            "const",
            "enum",
            "extern",
            "fn",
            "impl",
            "macro_rules",
            "mod",
            "static",
            "struct",
            "trait",
            "type",
            "union",
            "unsafe",
            "use",
        ];
        while self.eat("#") {
            self.at += 1;
            self.skip_to_closing();
        }
        if self.eat("pub") && self.eat("(") {
            self.skip_to_closing();
        }
        let first = self.peek(0);
        if first == "mod" && self.peek(2) == ";" {
            let name = self.peek(1).to_owned();
            self.at += 3;
            return Some(name);
        }
        while self.peek(0) != "}" {
            match &self.next()?.text[..] {
                ";" => break,
                "," if !ITEMS.contains(&first) => break,
                "(" | "[" => drop(self.skip_to_closing()),
                "{" => {
                    self.skip_to_closing();
                    if !matches!(first, "use" | "const" | "static") {
                        break;
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The paths of a `use`, and what each is called in the file.
    fn use_tree(&mut self, mut path: Vec<String>, paths: &mut Vec<(Vec<String>, String)>) {
        loop {
            match self.peek(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.peek(0), "}" | "") {
                        self.use_tree(path.clone(), paths);
                        self.eat(",");
                    }
                    self.at += 1;
                    return;
                }
                // `::name` is another crate's; so it stays at the beginning of the path.
                "::" if path.is_empty() => path.push("::".to_owned()),
                "::" => {}
                "*" => {
                    self.at += 1;
                    paths.push((path, "*".to_owned()));
                    return;
                }
                // `{self}` is the path before the brace.
                "self" if !path.is_empty() => {}
                segment if is_ident(segment) => path.push(segment.to_owned()),
                _ => return,
            }
            self.at += 1;
            if matches!(self.peek(0), "," | "}" | ";" | "as" | "") {
                let alias = if self.eat("as") { self.next().map(|token| token.text.clone()) } else { None };
                let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
                paths.push((path, name));
                return;
            }
        }
    }
}

struct Token {
    text: String,
    line: usize,
}

fn is_ident(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphanumeric() || first == '_')
}

/// Identifiers, `::` and other single characters; no comments, strings, characters and lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let ident = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
        let behind = &rest[ident.len()..];
        let hashes = behind.len() - behind.trim_start_matches('#').len();
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment_len(rest)
        } else if matches!(ident, "r" | "br" | "cr") && behind[hashes..].starts_with('"') {
            let (start, end) = (ident.len() + hashes + 1, format!("\"{}", "#".repeat(hashes)));
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if matches!(ident, "" | "b" | "c") && behind.starts_with('"')
            || matches!(ident, "" | "b") && is_char(behind)
        {
            ident.len() + quoted_len(behind)
        } else if ident == "r" && hashes == 1 {
            2 // of r#type
        } else if first == '\'' {
            1 + behind[1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(behind.len() - 1)
        } else if first.is_whitespace() {
            first.len_utf8()
        } else {
            let len = match ident.len() {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                len => len,
            };
            tokens.push(Token { text: rest[..len].to_owned(), line });
            len
        };
        line += rest[..len].matches('\n').count();
        rest = &rest[len..];
    }
    tokens
}

/// Whether a quote begins a character, not a lifetime.
fn is_char(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('\'') && (chars.next() == Some('\\') || chars.next() == Some('\''))
}

/// The length of what is between two quotes, with them.
fn quoted_len(text: &str) -> usize {
    let quote = text.chars().next();
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !is_escaped && Some(c) == quote {
            return at + 1;
        }
        is_escaped = !is_escaped && c == '\\';
    }
    text.len()
}

/// The length of a comment, in which there may be others.
fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}
