//! The labels that every series of one container begins with, escaped once.

use crate::{model::Container, parse::Name};
use memchr::memchr3;

/// `{id="…",name="…",image="…",container_label_…="…"`, ready to be copied into each sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelBlock(Vec<u8>);

impl LabelBlock {
    /// The block of a container: `id` and `name` alone, or all of METRICS' base labels.
    #[must_use]
    pub fn new(container: &Container, core_only: bool) -> Self {
        let mut block = vec![b'{'];
        let mut label = |name: &str, value: &str| {
            if block.len() > 1 {
                block.push(b',');
            }
            push_label(&mut block, name, value);
        };
        label("id", &container.cgroup);
        label("name", container.name());
        if let Some(metadata) = container.metadata.as_ref().filter(|_| !core_only) {
            if let Some(image) = &metadata.image {
                label("image", image);
            }
            for (name, value) in &metadata.labels {
                label(name, value);
            }
        }
        Self(block)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The value of a label that not every series of the container has.
#[derive(Debug, Clone, Copy)]
pub enum LabelValue<'a> {
    /// A short one, which knows whether it must be escaped.
    Name(&'a Name),
    /// Any text.
    Text(&'a str),
}

/// Appends `name="value"`.
#[inline]
pub(super) fn push_label(block: &mut Vec<u8>, name: &str, value: &str) {
    block.extend_from_slice(name.as_bytes());
    block.extend_from_slice(b"=\"");
    push_escaped(block, value, true);
    block.push(b'"');
}

/// Backslash and newline as both formats want them; the quote in label values, and in OpenMetrics' help.
#[inline]
pub(super) fn push_escaped(out: &mut Vec<u8>, text: &str, quotes: bool) {
    // Nearly nothing needs it: one look over the text is cheaper than a decision per byte.
    if memchr3(b'\\', b'\n', b'"', text.as_bytes()).is_none() {
        return out.extend_from_slice(text.as_bytes());
    }
    for &byte in text.as_bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_is_escaped() {
        let mut block = Vec::new();
        push_label(&mut block, "name", "a\"b\\c\nd é");
        push_label(&mut block, "x", "");
        assert_eq!(String::from_utf8(block).unwrap(), r#"name="a\"b\\c\nd é"x="""#);
    }
}
