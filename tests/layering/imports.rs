//! What a file names, and who so imports whom: read from the text, without a compiler.

use std::collections::{BTreeMap, BTreeSet};

/// Words, `::` and single characters, without comments and texts.
pub(crate) fn tokens(code: &str) -> Vec<String> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        match chars[at] {
            '/' if next == '/' => at = end(&chars, at, &['\n']),
            '/' if next == '*' => at = end(&chars, at + 2, &['*', '/']),
            'r' if next == '#' || next == '"' => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                at = end(&chars, at + hashes + 2, &close);
            }
            '"' => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            '\'' if next == '\\' => at = end(&chars, at + 3, &['\'']),
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            ':' if next == ':' => {
                found.push("::".to_owned());
                at += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let word = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_');
                let word: String = word.collect();
                at += word.chars().count();
                found.push(word);
            }
            c => {
                if !c.is_whitespace() {
                    found.push(c.to_string());
                }
                at += 1;
            }
        }
    }
    found
}

/// Where the text after `close` begins.
pub(crate) fn end(chars: &[char], from: usize, close: &[char]) -> usize {
    let rest = chars.get(from..).unwrap_or_default();
    let found = rest.windows(close.len()).position(|window| window == close);
    found.map_or(chars.len(), |found| from + found + close.len())
}

/// A path that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    /// The name under which a `pub use` hands it on.
    pub(crate) handed_on: Option<String>,
}

/// All paths in a file, those in `use` first, and the words of its code.
pub(crate) fn named(code: &str) -> (Vec<Named>, BTreeSet<String>) {
    let tokens = tokens(code);
    let (mut found, mut free, mut words) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            // Not the `use<'a>` of a type.
            "use" if tokens.get(at + 1).is_none_or(|next| next != "<") => {
                let is_handed_on = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
                at = use_tree(&tokens, at + 1, &[], is_handed_on, &mut found);
            }
            // `pub(in crate::room)` is no import.
            "pub" if tokens.get(at + 1).is_some_and(|next| next == "(") => {
                at += tokens[at..].iter().position(|token| token == ")").unwrap();
            }
            "mod" => at += 2,
            word => {
                words.insert(word.to_owned());
                let is_begin = tokens.get(at + 1).is_some_and(|next| next == "::")
                    && (at == 0 || tokens[at - 1] != "::");
                if is_begin {
                    let mut path = vec![word.to_owned()];
                    while tokens.get(at + 1).is_some_and(|next| next == "::") {
                        let Some(next) = tokens.get(at + 2).filter(|next| is_word(next)) else { break };
                        path.push(next.clone());
                        words.insert(next.clone());
                        at += 2;
                    }
                    free.push(Named { path, handed_on: None });
                }
                at += 1;
            }
        }
    }
    found.extend(free);
    (found, words)
}

pub(crate) fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads `a::{b, c::d as e}` from `at` on; where it ends.
pub(crate) fn use_tree(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    handed_on: bool,
    found: &mut Vec<Named>,
) -> usize {
    let mut path = before.to_vec();
    let mut name = None;
    loop {
        match tokens[at].as_str() {
            "::" => {}
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = use_tree(tokens, at, &path, handed_on, found);
                    at += usize::from(tokens[at] == ",");
                }
                return at + 1;
            }
            "as" => {
                at += 1;
                name = Some(tokens[at].clone());
            }
            "," | "}" | ";" => {
                if path.last().is_some_and(|last| last == "self") {
                    path.pop();
                }
                let name = name.or_else(|| path.last().cloned());
                found.push(Named { path, handed_on: name.filter(|_| handed_on) });
                return at;
            }
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
}

/// The modules of the library, each by its path, with its file.
pub(crate) struct Tree(pub(crate) BTreeMap<Vec<String>, Module>);

pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) named: Vec<Named>,
    pub(crate) words: BTreeSet<String>,
}

impl Tree {
    pub(crate) fn new(files: &BTreeMap<String, String>) -> Self {
        let modules =
            files.iter().filter(|(file, _)| !matches!(file.as_str(), "lib.rs" | "main.rs" | "build.rs"));
        let modules = modules.map(|(file, code)| {
            let path = file.strip_suffix("/mod.rs").or_else(|| file.strip_suffix(".rs")).unwrap();
            let (named, words) = named(code);
            (path.split('/').map(str::to_owned).collect(), Module { file: file.clone(), named, words })
        });
        Self(modules.collect())
    }

    /// The module in which that is defined which a module names; `None` if it is of another crate.
    pub(crate) fn home(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut at = from.to_vec();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|first| first == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            // A child of its own; all else is of another crate, or is imported by another path.
            first => {
                at.push(first.to_owned());
                rest = &rest[1..];
                if !self.0.contains_key(&at) {
                    return None;
                }
            }
        }
        while let Some(first) = rest.first() {
            at.push(first.clone());
            if !self.0.contains_key(&at) {
                at.pop();
                break;
            }
            rest = &rest[1..];
        }
        // What a `mod.rs` hands on is defined elsewhere.
        let item = rest.first();
        let handed_on = self.0.get(&at)?.named.iter().find(|named| named.handed_on.as_ref() == item);
        match handed_on.filter(|_| item.is_some()) {
            Some(named) => self.home(&at, &named.path).or(Some(at)),
            None => Some(at),
        }
    }

    /// What each module names, by path.
    pub(crate) fn edges(&self) -> BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> {
        let edges = self.0.iter().map(|(path, module)| {
            // Handing on is no use of its own, unless it is used here too.
            let used = module
                .named
                .iter()
                .filter(|named| named.handed_on.as_ref().is_none_or(|name| module.words.contains(name)));
            let homes = used.filter_map(|named| self.home(path, &named.path));
            (path, homes.filter(|home| home != path && !home.is_empty()).collect())
        });
        edges.collect()
    }

    /// A circle of files in one room, if there is one.
    pub(crate) fn circle(&self, room: &str) -> Option<String> {
        fn walk<'a>(
            edges: &'a BTreeMap<&Vec<String>, BTreeSet<Vec<String>>>,
            at: &'a Vec<String>,
            way: &mut Vec<&'a Vec<String>>,
            done: &mut BTreeSet<&'a Vec<String>>,
        ) -> bool {
            if way.contains(&at) {
                way.push(at);
                return true;
            }
            if !done.insert(at) {
                return false;
            }
            way.push(at);
            let inside = edges[at].iter().filter(|next| next[0] == at[0]);
            for next in inside {
                if walk(edges, next, way, done) {
                    return true;
                }
            }
            way.pop();
            false
        }
        let edges = self.edges();
        let mut done = BTreeSet::new();
        for path in self.0.keys().filter(|path| path[0] == room) {
            let mut way = Vec::new();
            if walk(&edges, path, &mut way, &mut done) {
                let begin = way.iter().position(|step| Some(step) == way.last()).unwrap();
                let steps: Vec<_> = way[begin..].iter().map(|step| self.0[*step].file.as_str()).collect();
                return Some(steps.join(" → "));
            }
        }
        None
    }
}
