//! The labels at the beginning of every series of one container, escaped once.

use crate::{
    model::Container,
    table::{BaseLabels, Label},
};
use memchr::memchr3;

/// `{id="…",name="…",image="…",container_label_…="…"`, ready to be copied into each sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelBlock(Vec<u8>);

impl LabelBlock {
    /// The block of a container: only `id` and `name`, or all of [`BaseLabels`].
    #[must_use]
    pub fn new(container: &Container, core_only: bool) -> Self {
        let mut block = vec![b'{'];
        for (name, value) in BaseLabels::of(container, core_only).pairs() {
            if block.len() > 1 {
                block.push(b',');
            }
            labelled(name, value, |piece| block.extend_from_slice(piece));
        }
        Self(block)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The text before a label's value, such as `,device="`, padded so that a fixed number of bytes can be
/// copied.
#[derive(Clone, Copy)]
pub(super) struct LabelStart {
    text: [u8; Self::LONGEST],
    len: usize,
}

impl LabelStart {
    const LONGEST: usize = 32;

    /// The text for each label, in the order of [`Label::ALL`].
    const ALL: [Self; Label::COUNT] = Self::all();

    #[inline]
    pub(super) fn of(label: Label) -> &'static Self {
        static ALL: [LabelStart; Label::COUNT] = LabelStart::ALL;
        #[expect(clippy::indexing_slicing, reason = "as many as there are labels")]
        &ALL[label as usize]
    }

    #[inline]
    pub(super) fn padded(&self) -> (&[u8; Self::LONGEST], usize) {
        (&self.text, self.len)
    }

    #[expect(clippy::indexing_slicing, reason = "in a constant: the compiler looks")]
    const fn all() -> [Self; Label::COUNT] {
        let mut all = [Self { text: [0; Self::LONGEST], len: 0 }; Label::COUNT];
        let mut at = 0;
        while at < Label::COUNT {
            all[at].push(b",");
            all[at].push(Label::ALL[at].name().as_bytes());
            all[at].push(b"=\"");
            at += 1;
        }
        all
    }

    #[expect(clippy::indexing_slicing, reason = "in a constant: the compiler looks")]
    const fn push(&mut self, text: &[u8]) {
        let mut rest = text;
        while let [byte, others @ ..] = rest {
            self.text[self.len] = *byte;
            self.len += 1;
            rest = others;
        }
    }
}

/// Passes on the pieces of `name="value"`.
#[inline]
pub(super) fn labelled(name: &str, value: &str, mut push: impl FnMut(&[u8])) {
    push(name.as_bytes());
    push(b"=\"");
    escaped(value, true, &mut push);
    push(b"\"");
}

/// Passes on the pieces of a text with escapes. Backslash and newline are escaped as both formats require,
/// and quotes as in label values and in OpenMetrics' help.
#[inline]
pub(super) fn escaped(text: &str, quotes: bool, mut push: impl FnMut(&[u8])) {
    // Few texts need escapes: one search over the text is cheaper than a check per byte.
    if memchr3(b'\\', b'\n', b'"', text.as_bytes()).is_none() {
        return push(text.as_bytes());
    }
    for byte in text.as_bytes() {
        match byte {
            b'\\' => push(b"\\\\"),
            b'\n' => push(b"\\n"),
            b'"' if quotes => push(b"\\\""),
            byte => push(&[*byte]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_is_escaped() {
        let mut block = Vec::new();
        for (name, value) in [("name", "a\"b\\c\nd é"), ("x", "")] {
            labelled(name, value, |piece| block.extend_from_slice(piece));
        }
        assert_eq!(String::from_utf8(block).unwrap(), r#"name="a\"b\\c\nd é"x="""#);
    }

    #[test]
    fn each_label_has_its_own_start() {
        for label in Label::ALL {
            let (text, len) = LabelStart::of(*label).padded();
            assert_eq!(std::str::from_utf8(&text[..len]).unwrap(), format!(",{}=\"", label.name()));
        }
    }
}
