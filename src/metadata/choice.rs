//! Which labels are shown, and which containers are read.

use glob::Pattern;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Mutex, PoisonError},
};

/// Why a choice is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// Not a glob.
    #[error("\"{0}\" is not a glob")]
    BadGlob(String),
    /// Not a term of the known forms.
    #[error("expected name=GLOB, image=GLOB or label=KEY[=GLOB], found \"{0}\"")]
    BadTerm(String),
    /// Two labels would get the same name.
    #[error("\"{0}\" and \"{1}\" would both be the label {2}")]
    Collision(String, String, String),
}

/// Turns a Docker label key into a Prometheus label name: anything but `[a-zA-Z0-9_]` becomes `_`.
#[must_use]
pub fn sanitise(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn glob(text: &str) -> Result<Pattern, SelectionError> {
    Pattern::new(text).map_err(|_| SelectionError::BadGlob(text.to_owned()))
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// How many pairs of labels are warned about. The configuration of one host has no more, unless a user
/// invents labels.
const MAX_WARNED: usize = 64;

/// The pairs of labels that were warned about, as hashes because keys can be long.
static WARNED: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// Warns once about two labels that would get the same name.
fn warn_of(kept: &str, left_out: &str) {
    let mut hasher = DefaultHasher::new();
    (kept, left_out).hash(&mut hasher);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.len() >= MAX_WARNED || !warned.insert(hasher.finish()) {
        return;
    }
    let is_last = warned.len() == MAX_WARNED;
    drop(warned);
    let short = |key: &str| key.chars().take(200).collect::<String>();
    let (kept, left_out) = (short(kept), short(left_out));
    let name = format!("container_label_{}", sanitise(&kept));
    tracing::warn!(kept, left_out, "two labels of Docker would both be {name}: one is left out");
    if is_last {
        tracing::warn!("further labels that share a name are not logged");
    }
}

/// A label or an environment variable of a container that becomes a Prometheus label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chosen {
    /// The Prometheus name.
    pub name: String,
    /// The value.
    pub value: String,
    /// What it is in Docker.
    pub origin: Origin,
    /// Docker's name for it.
    pub key: String,
}

/// What a Prometheus label is in Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A label of the container.
    Label,
    /// An environment variable.
    Environment,
}

impl Chosen {
    /// A label or variable, named after its key.
    #[must_use]
    pub fn new(origin: Origin, key: &str, value: &str) -> Self {
        let begin = match origin {
            Origin::Label => "container_label_",
            Origin::Environment => "container_env_",
        };
        let name = format!("{begin}{}", sanitise(key));
        Self { name, value: value.to_owned(), origin, key: key.to_owned() }
    }
}

/// Which of a container's labels and environment variables become Prometheus labels.
#[derive(Debug, Clone)]
pub struct Labels {
    labels: Vec<Pattern>,
    environment: Vec<String>,
}

impl Labels {
    /// Globs of label keys, and exact names of environment variables.
    ///
    /// # Errors
    /// A bad glob, or two keys that are the same label once sanitised.
    pub fn new(labels: &[String], environment: &[String]) -> Result<Self, SelectionError> {
        let exact: Vec<_> = labels.iter().filter(|key| !is_glob(key)).cloned().collect();
        for keys in [&exact, &environment.to_vec()] {
            let mut names: BTreeMap<String, &String> = BTreeMap::new();
            for key in keys {
                if let Some(other) = names.insert(sanitise(key), key).filter(|other| *other != key) {
                    return Err(SelectionError::Collision(other.clone(), key.clone(), sanitise(key)));
                }
            }
        }
        let labels = labels.iter().map(|key| glob(key)).collect::<Result<_, _>>()?;
        Ok(Self { labels, environment: environment.to_vec() })
    }

    /// The chosen labels and variables of a container, sorted by their Prometheus names. If two keys that
    /// match a glob get the same name, the key that sorts first is kept, and one warning names the other.
    pub fn choose<'a>(
        &self,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        environment: impl Iterator<Item = &'a str>,
    ) -> Vec<Chosen> {
        let mut chosen: BTreeMap<String, Chosen> = BTreeMap::new();
        let mut labels: Vec<_> =
            labels.filter(|(key, _)| self.labels.iter().any(|glob| glob.matches(key))).collect();
        labels.sort_unstable();
        for (key, value) in labels {
            let label = Chosen::new(Origin::Label, key, value);
            if let Some(first) = chosen.get(&label.name) {
                warn_of(&first.key, key);
            } else {
                chosen.insert(label.name.clone(), label);
            }
        }
        for variable in environment {
            if let Some((key, value)) =
                variable.split_once('=').filter(|(key, _)| self.environment.iter().any(|name| name == key))
            {
                let variable = Chosen::new(Origin::Environment, key, value);
                chosen.insert(variable.name.clone(), variable);
            }
        }
        // Prometheus treats a label with an empty value as missing.
        chosen.into_values().filter(|chosen| !chosen.value.is_empty()).collect()
    }
}

#[derive(Debug, Clone)]
enum Term {
    Name(Pattern),
    Image(Pattern),
    Label(String, Option<Pattern>),
}

impl Term {
    fn parse(text: &str) -> Result<Self, SelectionError> {
        match text.split_once('=') {
            None if !text.is_empty() => Ok(Self::Name(glob(text)?)),
            Some(("name", pattern)) => Ok(Self::Name(glob(pattern)?)),
            Some(("image", pattern)) => Ok(Self::Image(glob(pattern)?)),
            Some(("label", rest)) => Ok(match rest.split_once('=') {
                None => Self::Label(rest.to_owned(), None),
                Some((key, pattern)) => Self::Label(key.to_owned(), Some(glob(pattern)?)),
            }),
            _ => Err(SelectionError::BadTerm(text.to_owned())),
        }
    }

    fn matches(&self, name: &str, image: &str, label: &dyn Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::Name(glob) => glob.matches(name),
            Self::Image(glob) => glob.matches(image),
            Self::Label(key, glob) => {
                label(key).is_some_and(|value| glob.as_ref().is_none_or(|glob| glob.matches(&value)))
            }
        }
    }
}

/// Which containers are read at all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    include: Vec<Term>,
    exclude: Vec<Term>,
}

impl Filter {
    /// Terms are `name=GLOB` (or just `GLOB`), `image=GLOB`, `label=KEY`, `label=KEY=GLOB`. Without
    /// `include`, all containers are read; `exclude` wins over `include`.
    ///
    /// # Errors
    /// A term that is none of these.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, SelectionError> {
        let parse = |terms: &[String]| -> Result<Vec<Term>, _> {
            terms.iter().map(|term| Term::parse(term)).collect()
        };
        Ok(Self { include: parse(include)?, exclude: parse(exclude)? })
    }

    /// The labels that any term asks for. Only these must be kept to filter the container again under another
    /// name.
    #[must_use]
    pub fn kept(&self, labels: &HashMap<String, String>) -> Vec<(String, String)> {
        let keys = self.include.iter().chain(&self.exclude).filter_map(|term| match term {
            Term::Label(key, _) => Some(key),
            Term::Name(_) | Term::Image(_) => None,
        });
        keys.filter_map(|key| labels.get_key_value(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Whether a container is to be read.
    #[must_use]
    pub fn lets_through(&self, name: &str, image: &str, label: &dyn Fn(&str) -> Option<String>) -> bool {
        let any = |terms: &[Term]| terms.iter().any(|term| term.matches(name, image, label));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn colliding_labels_are_refused_by_name() {
        let error = Labels::new(&strings(&["a.b", "a-b"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "\"a.b\" and \"a-b\" would both be the label a_b");
        assert!(Labels::new(&strings(&["a.b", "a.b", "a.c"]), &[]).is_ok());
        assert!(Labels::new(&[], &strings(&["A-B", "A_B"])).is_err());
        assert!(Labels::new(&strings(&["a[b"]), &[]).is_err());
    }

    #[test]
    fn globs_choose_labels_and_names_choose_environment() {
        let labels = Labels::new(&strings(&["com.*", "x"]), &strings(&["TIER"])).unwrap();
        let given = [("com.b-c", "1"), ("com.b.c", "2"), ("x", ""), ("secret", "3")];
        let chosen = labels.choose(given.into_iter(), ["TIER=gold", "TIERS=no", "PASSWORD=x"].into_iter());
        assert_eq!(
            chosen,
            [Chosen::new(Origin::Environment, "TIER", "gold"), Chosen::new(Origin::Label, "com.b-c", "1")]
        );
        let names: Vec<_> = chosen.iter().map(|chosen| chosen.name.as_str()).collect();
        assert_eq!(names, ["container_env_TIER", "container_label_com_b_c"]);
    }

    #[test]
    fn however_many_labels_collide_only_so_many_are_warned_of() {
        for number in 0..2 * MAX_WARNED {
            warn_of(&format!("a.{number}"), &format!("a-{number}"));
        }
        assert_eq!(WARNED.lock().unwrap().len(), MAX_WARNED);
    }

    #[test]
    fn exclusion_wins_over_inclusion() {
        let filter = Filter::new(&strings(&["web*", "label=team=a*"]), &strings(&["image=*:debug"])).unwrap();
        let label = |key: &str| (key == "team").then(|| "alpha".to_owned());
        let none = |_: &str| None;
        assert!(filter.lets_through("web1", "nginx", &none));
        assert!(filter.lets_through("db", "nginx", &label));
        assert!(!filter.lets_through("db", "nginx", &none));
        assert!(!filter.lets_through("web1", "nginx:debug", &label));
        assert!(Filter::new(&strings(&["owner=me"]), &[]).is_err());
        assert!(Filter::new(&strings(&[""]), &[]).is_err());
    }
}
