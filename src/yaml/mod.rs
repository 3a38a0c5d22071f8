//! YAML as a tree whose parts know their line.
//!
//! An error names a line and a key. It shows no value, except where the caller says that the value is no
//! secret.

mod duration;

use crate::advice::shown;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::{collections::HashMap, time::Duration};

/// How deep lists and sections may be nested.
const MAX_DEPTH: usize = 16;
/// How many values a file may have, those that aliases repeat counted again.
const MAX_NODES: usize = 20_000;

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// What is wrong, in words.
    pub problem: String,
    /// What it has to do with.
    pub about: About,
}

/// What a mistake has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The text is no YAML, or none that is understood here.
    Yaml,
    /// Keys and their values.
    Keys,
    /// A file that is named and can't be used.
    File,
}

impl Mistake {
    /// A mistake at a line.
    pub fn new(line: usize, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into(), about: About::Keys }
    }

    /// A line names a file that can't be used.
    pub fn of_file(line: usize, problem: impl Into<String>) -> Self {
        Self { about: About::File, ..Self::new(line, problem) }
    }
}

/// A value with its line.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins, or where its key is.
    pub line: usize,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Nothing, `~` or `null`.
    Nothing,
    Scalar(String),
    List(Vec<Node>),
    Section(Vec<(String, Node)>),
}

impl Node {
    /// Reads a text with one document.
    ///
    /// # Errors
    /// If the text is no YAML, has several documents, or is nested too deep or too large.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        Self::document(text).map_err(|mistake| Mistake { about: About::Yaml, ..mistake })
    }

    fn document(text: &str) -> Result<Self, Mistake> {
        let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0 };
        let mut root = Self { line: 1, kind: Kind::Nothing };
        let mut documents = 0;
        while let Some((event, span)) = reader.next()? {
            match event {
                Event::DocumentStart(..) => documents += 1,
                Event::StreamStart | Event::DocumentEnd | Event::StreamEnd => continue,
                event => root = reader.node(event, span, 0)?,
            }
            if documents > 1 {
                return Err(Mistake::new(
                    span.start.line(),
                    "expected one document, found another after ---",
                ));
            }
        }
        Ok(root)
    }

    /// The value as a section: no value is an empty one.
    ///
    /// # Errors
    /// If it is no section, or has a key that is not known.
    pub fn section<'a>(&'a self, keys: &'a Keys) -> Result<Section<'a>, Mistake> {
        let entries = match &self.kind {
            Kind::Nothing => &[][..],
            Kind::Section(entries) => entries.as_slice(),
            _ => return Err(self.wrong(keys.name, "keys with values")),
        };
        for (key, value) in entries {
            if keys.not_supported.contains(&key.as_str()) {
                return Err(Mistake::new(value.line, format!("{key} is not supported in {}", keys.name)));
            }
            if !keys.known.iter().chain(keys.no_effect).any(|known| known == key) {
                let known = keys.known.join(", ");
                let key = named(key, !matches!(value.kind, Kind::Nothing));
                let problem = format!("unknown {key} in {}; known keys: {known}", keys.name);
                return Err(Mistake::new(value.line, problem));
            }
        }
        Ok(Section { line: self.line, keys, entries })
    }

    /// The value as a list: no value is an empty one.
    ///
    /// # Errors
    /// If it is no list.
    pub fn list(&self, key: &str) -> Result<&[Self], Mistake> {
        match &self.kind {
            Kind::Nothing => Ok(&[]),
            Kind::List(list) => Ok(list),
            _ => Err(self.wrong(key, "a list")),
        }
    }

    /// The names and values of a section whose keys are the user's.
    ///
    /// # Errors
    /// If it is no section.
    pub fn pairs(&self, key: &str) -> Result<Vec<(&str, &Self)>, Mistake> {
        match &self.kind {
            Kind::Nothing => Ok(Vec::new()),
            Kind::Section(entries) => Ok(entries.iter().map(|(name, node)| (name.as_str(), node)).collect()),
            _ => Err(self.wrong(key, "names with values")),
        }
    }

    /// The value as text. No value is an empty text.
    ///
    /// # Errors
    /// If it is a list or a section.
    pub fn text(&self, key: &str) -> Result<&str, Mistake> {
        match &self.kind {
            Kind::Nothing => Ok(""),
            Kind::Scalar(text) => Ok(text),
            _ => Err(self.wrong(key, "one value")),
        }
    }

    fn wrong(&self, key: &str, expected: &str) -> Mistake {
        let found = match self.kind {
            Kind::Nothing => "nothing",
            Kind::Scalar(_) => "one value",
            Kind::List(_) => "a list",
            Kind::Section(_) => "keys with values",
        };
        Mistake::new(self.line, format!("{key}: expected {expected}, found {found}"))
    }
}

/// The keys of a kind of section.
#[derive(Debug)]
pub struct Keys {
    /// What errors call the section.
    pub name: &'static str,
    /// Keys that have a meaning.
    pub known: &'static [&'static str],
    /// Keys that are Prometheus' and do nothing here.
    pub no_effect: &'static [&'static str],
    /// Keys that are Prometheus' and can't be left out without changing what happens.
    pub not_supported: &'static [&'static str],
}

/// A section whose keys are all known.
#[derive(Debug)]
pub struct Section<'a> {
    /// Where it begins.
    pub line: usize,
    keys: &'a Keys,
    entries: &'a [(String, Node)],
}

impl<'a> Section<'a> {
    /// A key's value.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The keys that are there and have no effect.
    pub fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        let entries = self.entries;
        self.keys.no_effect.iter().copied().filter(|key| entries.iter().any(|(name, _)| name == key))
    }

    /// A text that is not empty.
    ///
    /// # Errors
    /// If the value is a list or a section.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, Mistake> {
        let text = self.get(key).map(|node| node.text(key)).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// A text that may be empty.
    ///
    /// # Errors
    /// If the value is a list or a section.
    pub fn any_text(&self, key: &str) -> Result<Option<&'a str>, Mistake> {
        self.get(key)
            .filter(|node| !matches!(node.kind, Kind::Nothing))
            .map(|node| node.text(key))
            .transpose()
    }

    /// `true` or `false`, with the other words that YAML has for them.
    ///
    /// # Errors
    /// If it is another word.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Mistake> {
        let yes_or_no = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        };
        self.of(key, "true or false", yes_or_no)
    }

    /// A time, as Prometheus writes it.
    ///
    /// # Errors
    /// If it is no time.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, Mistake> {
        self.of(key, "a time such as 30s, 1m30s or 500ms", duration::parse)
    }

    /// A value of which there are few, so that it is no secret.
    ///
    /// # Errors
    /// If `read` does not know it. The error says what was `expected`.
    pub fn of<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Mistake> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let line = self.get(key).map_or(self.line, |node| node.line);
        let wrong = || Mistake::new(line, format!("{key}: expected {expected}, found \"{}\"", shown(text)));
        read(text).map(Some).ok_or_else(wrong)
    }
}

/// A key in an error. What has no value, or characters that no key has, may be a value, and so a secret: the
/// key in `{password:abc}` is all of it.
fn named(key: &str, has_value: bool) -> String {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if has_value && key.chars().all(is_of_key) {
        format!("key \"{}\"", shown(key))
    } else {
        "key (not shown: it may be a value)".to_owned()
    }
}

/// Makes a tree of events.
struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Mistake> {
        // Its messages show nothing of the file.
        let wrong = |error: granit_parser::ScanError| {
            Mistake::new(error.marker().line(), format!("this is no YAML: {}", error.kind()))
        };
        self.parser.next_event().transpose().map_err(wrong)
    }

    fn some(&mut self, line: usize) -> Result<(Event<'a>, Span), Mistake> {
        self.next()?.ok_or_else(|| Mistake::new(line, "this is no YAML: it ends too early"))
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), Mistake> {
        self.nodes = self.nodes.saturating_add(nodes);
        let is_fine = self.nodes <= MAX_NODES;
        is_fine.then_some(()).ok_or_else(|| Mistake::new(line, format!("more than {MAX_NODES} values")))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Mistake> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err(Mistake::new(line, format!("nested more than {MAX_DEPTH} deep")));
        }
        if event.tag().is_some_and(granit_parser::Tag::is_custom) {
            return Err(Mistake::new(line, "tags (!) are not supported"));
        }
        let before = self.nodes;
        self.count(1, line)?;
        let anchor = event.anchor_id().filter(|id| *id > 0);
        let kind = match event {
            Event::Alias(id) => {
                let (mut node, size) = self.anchors.get(&id).cloned().ok_or_else(|| {
                    Mistake::new(line, "an alias (*) inside what it stands for, or without its anchor (&)")
                })?;
                self.count(size, line)?;
                node.line = line;
                return Ok(node);
            }
            Event::Scalar(text, style, _, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let is_nothing = matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                if is_plain && is_nothing { Kind::Nothing } else { Kind::Scalar(text.into_owned()) }
            }
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match self.some(line)? {
                        (Event::SequenceEnd, _) => break Kind::List(list),
                        (event, span) => list.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => Kind::Section(self.entries(line, depth)?),
            _ => return Err(Mistake::new(line, "this is no YAML")),
        };
        let node = Node { line, kind };
        if let Some(id) = anchor {
            self.anchors.insert(id, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn entries(&mut self, line: usize, depth: usize) -> Result<Vec<(String, Node)>, Mistake> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, span) = self.some(line)?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let at = span.start.line();
            let Event::Scalar(key, style, ..) = event else {
                return Err(Mistake::new(at, "expected a key, found a list or a section"));
            };
            if style == ScalarStyle::Plain && key == "<<" {
                return Err(Mistake::new(at, "merge keys (<<) are not supported: write the keys out"));
            }
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(Mistake::new(at, format!("{} is there twice", named(&key, true))));
            }
            let (event, span) = self.some(at)?;
            let mut node = self.node(event, span, depth + 1)?;
            // An error is told at the line of the key, where it is looked for.
            node.line = at;
            entries.push((key.into_owned(), node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys {
        name: "the test",
        known: &["a", "b", "c", "d"],
        no_effect: &["idle"],
        not_supported: &["sigv4"],
    };

    fn mistake(text: &str) -> (usize, String) {
        let node = Node::read(text);
        let mistake = node.and_then(|node| {
            let section = node.section(&KEYS)?;
            section.flag("a")?;
            section.duration("b")?;
            section.text("c")?;
            section.get("d").map(|node| node.list("d").map(drop)).transpose()
        });
        let mistake = mistake.map(|_| text).unwrap_err();
        (mistake.line, mistake.problem)
    }

    #[test]
    fn values_are_read_as_prometheus_reads_them() {
        let text = "a: yes\nb: 1m30s\nc: 12\nd: [1, \"x\", ~]\nidle: {x: [1]}\n";
        let node = Node::read(text).unwrap();
        let section = node.section(&KEYS).unwrap();
        assert_eq!(section.flag("a"), Ok(Some(true)));
        assert_eq!(section.duration("b"), Ok(Some(Duration::from_secs(90))));
        assert_eq!(section.text("c"), Ok(Some("12")));
        let list: Vec<_> =
            section.get("d").unwrap().list("d").unwrap().iter().map(|node| node.text("d")).collect();
        assert_eq!(list, [Ok("1"), Ok("x"), Ok("")]);
        assert_eq!(section.without_effect().collect::<Vec<_>>(), ["idle"]);
        assert_eq!(section.text("none"), Ok(None));
    }

    #[test]
    fn an_alias_stands_for_its_anchor() {
        let node = Node::read("a: on\nd: &list [1, 2]\nidle: *list\n").unwrap();
        let section = node.section(&KEYS).unwrap();
        assert_eq!(section.get("idle").unwrap().list("idle").unwrap().len(), 2);
    }

    #[test]
    fn an_empty_file_has_no_keys() {
        for text in ["", "# nothing\n", "---\n", "{}", "null"] {
            assert!(Node::read(text).unwrap().section(&KEYS).unwrap().entries.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_mistake_has_a_line_and_no_value() {
        for (text, line, problem) in [
            ("a: maybe", 1, "a: expected true or false, found \"maybe\""),
            ("a: on\n\nb: soon", 3, "b: expected a time such as 30s, 1m30s or 500ms, found \"soon\""),
            ("a: on\nc:\n  - hunter2", 2, "c: expected one value, found a list"),
            ("d: hunter2", 1, "d: expected a list, found one value"),
            ("- hunter2", 1, "the test: expected keys with values, found a list"),
            ("hunter2", 1, "the test: expected keys with values, found one value"),
            ("a: on\nx: hunter2", 2, "unknown key \"x\" in the test; known keys: a, b, c, d"),
            (
                "{a: on, hunter2}",
                1,
                "unknown key (not shown: it may be a value) in the test; known keys: a, b, c, d",
            ),
            (
                "{a: on, c:hunter2}",
                1,
                "unknown key (not shown: it may be a value) in the test; known keys: a, b, c, d",
            ),
            ("c hunter2: 1\nc hunter2: 1", 2, "key (not shown: it may be a value) is there twice"),
            ("sigv4: {secret_key: hunter2}", 1, "sigv4 is not supported in the test"),
            ("a: on\na: hunter2", 2, "key \"a\" is there twice"),
            ("? [hunter2]\n: 1", 1, "expected a key, found a list or a section"),
            ("a: on\n---\na: on", 2, "expected one document, found another after ---"),
            (
                "d: &x {c: hunter2}\nidle:\n  <<: *x",
                3,
                "merge keys (<<) are not supported: write the keys out",
            ),
            ("c: !secret hunter2", 1, "tags (!) are not supported"),
            ("d: &x [*x]", 1, "an alias (*) inside what it stands for, or without its anchor (&)"),
        ] {
            assert_eq!(mistake(text), (line, problem.to_owned()), "{text}");
        }
        for text in [
            "c: \"hunter2",
            "c: hunter2\n\td: 1",
            "c: [hunter2",
            "c: *hunter2",
            "c: {hunter2",
            "a: b: hunter2",
        ] {
            let (_, problem) = mistake(text);
            assert!(problem.starts_with("this is no YAML: ") && !problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn a_mistake_shows_only_the_beginning_of_a_long_text() {
        let long = "x".repeat(500);
        for text in [format!("a: {long}"), format!("{long}: 1"), format!("{long}: 1\n{long}: 1")] {
            let (_, problem) = mistake(&text);
            assert!(problem.len() < 300 && problem.contains("x…"), "{problem}");
        }
    }

    #[test]
    fn a_file_that_grows_when_it_is_read_is_refused() {
        let mut text = String::from("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
        for level in 1..9 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            text += &format!("a{level}: &a{level} [{below}]\n");
        }
        assert_eq!(Node::read(&text).unwrap_err().problem, "more than 20000 values");
        assert!(Node::read(&"- ".repeat(100)).unwrap_err().problem == "nested more than 16 deep");
    }
}
