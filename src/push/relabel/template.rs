//! What a rule writes: text with `$1` and `${name}`.

use super::{
    name::is_label,
    pattern::{Groups, Pattern},
};
use std::borrow::Cow;

/// A text whose variables are known to its expression.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Group(usize),
}

impl Template {
    /// Reads a template as Go does: `$name` takes as many letters, digits and `_` as there are, `$$` is a
    /// dollar, and a dollar that begins nothing stays. A group that does not exist is empty.
    pub(super) fn new(template: &str, pattern: &Pattern) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
            } else if let Some((name, after)) = variable(rest) {
                rest = after;
                if let Some(group) = pattern.group(name) {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Group(group));
                }
            } else {
                text.push('$');
            }
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Self(parts)
    }

    /// The text with what the groups matched.
    pub(super) fn fill<'a>(&'a self, groups: &'a Groups<'_>) -> Cow<'a, str> {
        let part = |part: &'a Part| match part {
            Part::Text(text) => text.as_str(),
            Part::Group(group) => groups.get(*group),
        };
        match self.0.as_slice() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(part(one)),
            several => Cow::Owned(several.iter().map(part).collect()),
        }
    }
}

/// The name after a dollar, and what comes after it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let (name, after) = match text.strip_prefix('{') {
        Some(inside) => inside.split_once('}')?,
        None => text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len())),
    };
    (!name.is_empty() && name.chars().all(is_of_name)).then_some((name, after))
}

/// Whether a template can give a label's name: letters, digits, `_` and variables.
pub(super) fn can_be_label(template: &str) -> bool {
    let mut plain = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        let Some((_, after)) = variable(after) else { return false };
        // A variable can stand for anything that may begin a name.
        plain.push('_');
        rest = after;
    }
    plain.push_str(rest);
    is_label(&plain)
}
