//! Relabelling with the rules and the meaning of Prometheus' `write_relabel_configs`.

mod letters;
mod md5;
mod name;
mod pattern;
mod template;

pub use name::is_label;

use crate::advice::shown;
use pattern::Pattern;
use std::{borrow::Cow, num::NonZeroU64};
use template::Template;

/// The name of a series, as a label.
const NAME: &str = "__name__";

/// A rule as it is written, before it is checked. What is not written is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// What is done; `replace` if it is not written.
    pub action: Option<String>,
    /// Labels whose values are joined.
    pub source_labels: Option<Vec<String>>,
    /// What stands between them; `;` if it is not written.
    pub separator: Option<String>,
    /// A regular expression in RE2's syntax that must match the whole text; `(.*)` if it is not written.
    pub regex: Option<String>,
    /// The label that is written to.
    pub target_label: Option<String>,
    /// What is written; `$1` if it is not written.
    pub replacement: Option<String>,
    /// Into how many parts `hashmod` divides.
    pub modulus: Option<u64>,
}

/// Why a rule is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// There is no such action.
    #[error("action: expected {ACTIONS}, found \"{}\"", shown(.0))]
    Action(String),
    /// The expression is not one, or needs what we do not have.
    #[error("regex: \"{}\" is not understood: {}", shown(.0), shown(.1))]
    Regex(String, String),
    /// Something that the action needs is missing.
    #[error("action {0} needs {1}")]
    Needs(&'static str, &'static str),
    /// Something was written that the action does not use.
    #[error("action {0} has no use for {1}")]
    NoUse(&'static str, &'static str),
    /// A text is not the name of a label.
    #[error("{0}: expected a label's name (letters, digits and _), found \"{found}\"", found = shown(.1))]
    Label(&'static str, String),
}

const ACTIONS: &str = "replace, keep, drop, labeldrop, labelkeep, labelmap, lowercase, uppercase, keepequal, \
                       dropequal or hashmod";

/// A rule that was checked.
#[derive(Debug, Clone)]
pub struct Rule {
    source: Vec<String>,
    separator: String,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Keep(Pattern),
    Drop(Pattern),
    KeepEqual(String),
    DropEqual(String),
    Replace { pattern: Pattern, target: Template, replacement: Template },
    Lowercase(String),
    Uppercase(String),
    LabelMap { pattern: Pattern, replacement: Template },
    LabelDrop(Pattern),
    LabelKeep(Pattern),
    HashMod { target: String, modulus: NonZeroU64 },
}

impl Rule {
    /// Checks a rule as Prometheus does.
    ///
    /// # Errors
    /// [`RuleError`], which names the key.
    pub fn new(draft: Draft) -> Result<Self, RuleError> {
        let written = draft.action.as_deref().unwrap_or("replace");
        let name = KNOWN
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(written))
            .ok_or_else(|| RuleError::Action(written.to_owned()))?;
        let of_labels = matches!(name, "labeldrop" | "labelkeep");
        let of_equality = matches!(name, "keepequal" | "dropequal");
        let is_written = [
            ("source_labels", of_labels && draft.source_labels.is_some()),
            ("target_label", of_labels && draft.target_label.is_some()),
            ("separator", (of_labels || of_equality) && draft.separator.is_some()),
            ("regex", of_equality && draft.regex.is_some()),
            ("modulus", (of_labels || of_equality) && draft.modulus.is_some_and(|modulus| modulus > 0)),
            (
                "replacement",
                (of_labels || of_equality || matches!(name, "lowercase" | "uppercase"))
                    && draft.replacement.as_deref().is_some_and(|replacement| replacement != "$1"),
            ),
        ];
        if let Some((key, _)) = is_written.into_iter().find(|(_, is_written)| *is_written) {
            return Err(RuleError::NoUse(name, key));
        }
        let source = draft.source_labels.unwrap_or_default();
        if let Some(wrong) = source.iter().find(|label| !is_label(label)) {
            return Err(RuleError::Label("source_labels", wrong.clone()));
        }
        let regex = draft.regex.unwrap_or_else(|| "(.*)".to_owned());
        let pattern = || Pattern::new(&regex).map_err(|why| RuleError::Regex(regex.clone(), why));
        let replacement = draft.replacement.unwrap_or_else(|| "$1".to_owned());
        let target = draft.target_label.unwrap_or_default();
        let fixed_target = || match target.as_str() {
            "" => Err(RuleError::Needs(name, "target_label")),
            label if is_label(label) => Ok(target.clone()),
            _ => Err(RuleError::Label("target_label", target.clone())),
        };
        let action = match name {
            "keep" => Action::Keep(pattern()?),
            "drop" => Action::Drop(pattern()?),
            "labeldrop" => Action::LabelDrop(pattern()?),
            "labelkeep" => Action::LabelKeep(pattern()?),
            "keepequal" => Action::KeepEqual(fixed_target()?),
            "dropequal" => Action::DropEqual(fixed_target()?),
            "lowercase" => Action::Lowercase(fixed_target()?),
            "uppercase" => Action::Uppercase(fixed_target()?),
            "hashmod" => {
                let modulus = draft.modulus.and_then(NonZeroU64::new);
                let modulus = modulus.ok_or(RuleError::Needs(name, "a modulus above 0"))?;
                Action::HashMod { target: fixed_target()?, modulus }
            }
            "labelmap" => {
                let pattern = pattern()?;
                if !template::can_be_label(&replacement) {
                    return Err(RuleError::Label("replacement", replacement));
                }
                let replacement = Template::new(&replacement, &pattern);
                Action::LabelMap { pattern, replacement }
            }
            _ => {
                let pattern = pattern()?;
                if target.contains('$') && !template::can_be_label(&target) {
                    return Err(RuleError::Label("target_label", target));
                }
                if !target.contains('$') {
                    fixed_target()?;
                }
                let target = Template::new(&target, &pattern);
                let replacement = Template::new(&replacement, &pattern);
                Action::Replace { pattern, target, replacement }
            }
        };
        Ok(Self { source, separator: draft.separator.unwrap_or_else(|| ";".to_owned()), action })
    }

    /// Applies the rule; `false` if the series is dropped.
    fn apply(&self, labels: &mut Vec<(String, String)>) -> bool {
        match &self.action {
            Action::Keep(pattern) => return pattern.is_match(&self.text(labels)),
            Action::Drop(pattern) => return !pattern.is_match(&self.text(labels)),
            Action::KeepEqual(target) => return *self.text(labels) == *get(labels, target),
            Action::DropEqual(target) => return *self.text(labels) != *get(labels, target),
            Action::Replace { pattern, target, replacement } => {
                let text = self.text(labels);
                // Without a match nothing is replaced.
                let Some(groups) = pattern.groups(&text) else { return true };
                let target = target.fill(&groups);
                if !is_label(&target) {
                    return true;
                }
                let value = replacement.fill(&groups).into_owned();
                let target = target.into_owned();
                set(labels, &target, value);
            }
            Action::Lowercase(target) => {
                let value = self.text(labels).chars().map(letters::lower).collect();
                set(labels, target, value);
            }
            Action::Uppercase(target) => {
                let value = self.text(labels).chars().map(letters::upper).collect();
                set(labels, target, value);
            }
            Action::HashMod { target, modulus } => {
                let part = md5::last_half(self.text(labels).as_bytes()) % *modulus;
                set(labels, target, part.to_string());
            }
            Action::LabelMap { pattern, replacement } => {
                // All are looked at before any is written.
                let mapped: Vec<_> = labels
                    .iter()
                    .filter_map(|(name, value)| {
                        let groups = pattern.groups(name)?;
                        Some((replacement.fill(&groups).into_owned(), value.clone()))
                    })
                    .collect();
                // A name that is none would make a receiver refuse the whole request.
                for (name, value) in mapped.into_iter().filter(|(name, _)| is_label(name)) {
                    set(labels, &name, value);
                }
            }
            Action::LabelDrop(pattern) => labels.retain(|(name, _)| !pattern.is_match(name)),
            Action::LabelKeep(pattern) => labels.retain(|(name, _)| pattern.is_match(name)),
        }
        true
    }

    /// The values of the source labels, joined.
    fn text<'a>(&self, labels: &'a [(String, String)]) -> Cow<'a, str> {
        match self.source.as_slice() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(get(labels, one)),
            several => {
                let values: Vec<_> = several.iter().map(|name| get(labels, name)).collect();
                Cow::Owned(values.join(&self.separator))
            }
        }
    }
}

const KNOWN: [&str; 11] = [
    "replace",
    "keep",
    "drop",
    "labeldrop",
    "labelkeep",
    "labelmap",
    "lowercase",
    "uppercase",
    "keepequal",
    "dropequal",
    "hashmod",
];

/// Applies rules, one after the other, to the labels of a series, its name among them as `__name__`. Labels
/// are sorted by name, before and after.
///
/// `false` means that the series is not sent: a rule has dropped it, or made a value longer than any receiver
/// takes, or it has no label left.
pub fn apply(rules: &[Rule], labels: &mut Vec<(String, String)>) -> bool {
    let mut fits =
        |rule: &Rule| rule.apply(labels) && labels.iter().all(|(_, value)| value.len() <= LONGEST_VALUE);
    rules.iter().all(&mut fits) && !labels.is_empty()
}

/// The longest value of a label, in bytes. Rules that use a value twice could make it grow without a bound.
const LONGEST_VALUE: usize = 64 << 10;

/// Whether a label can be an external one: any but the name of the series.
#[must_use]
pub fn is_external_label(text: &str) -> bool {
    is_label(text) && text != NAME
}

fn find(labels: &[(String, String)], name: &str) -> Result<usize, usize> {
    labels.binary_search_by(|(label, _)| label.as_str().cmp(name))
}

/// A label's value; a label that is not there counts as empty.
fn get<'a>(labels: &'a [(String, String)], name: &str) -> &'a str {
    let found = find(labels, name).ok().and_then(|at| labels.get(at));
    found.map_or("", |(_, value)| value.as_str())
}

/// Writes a label. An empty value removes it.
fn set(labels: &mut Vec<(String, String)>, name: &str, value: String) {
    match find(labels, name) {
        Ok(at) if value.is_empty() => {
            labels.remove(at);
        }
        Ok(at) => {
            if let Some((_, old)) = labels.get_mut(at) {
                *old = value;
            }
        }
        Err(_) if value.is_empty() => {}
        Err(at) => labels.insert(at, (name.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests;
