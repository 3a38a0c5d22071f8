//! Labels in one piece of memory.

/// Names and values of labels. There are many containers with many labels, and most texts are short: one of
/// its own for each name and value would need twice the room.
#[derive(Debug, Default)]
pub struct Labels {
    /// All names and values, one after the other.
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[usize]>,
}

impl Labels {
    /// Keeps these labels in this order.
    #[must_use]
    pub fn new(labels: &[(&str, &str)]) -> Self {
        let texts = || labels.iter().flat_map(|(name, value)| [*name, *value]);
        let mut end = 0;
        let ends = texts().map(|text| {
            end += text.len();
            end
        });
        Self { ends: ends.collect(), text: texts().collect() }
    }

    /// Each label's name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut begin = 0;
        let mut until = move |end: &usize| {
            let text = self.text.get(begin..*end).unwrap_or_default();
            begin = *end;
            text
        };
        self.ends.chunks_exact(2).filter_map(move |ends| match ends {
            [name, value] => Some((until(name), until(value))),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_given() {
        for labels in [&[][..], &[("", "")], &[("id", "/a"), ("empty", ""), ("näme", "ö\n"), ("x", "y")]] {
            assert_eq!(Labels::new(labels).iter().collect::<Vec<_>>(), labels);
        }
    }
}
