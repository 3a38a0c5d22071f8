//! Names of labels.

/// Whether a text can be the name of a label: letters, digits and `_`, and no digit at the
/// begin. Prometheus 3 allows more; receivers before it do not.
#[must_use]
pub fn is_label(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_letter) && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}
