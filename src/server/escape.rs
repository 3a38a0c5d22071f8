//! Text in HTML.

/// Adds a text that may have any characters.
pub(super) fn push_escaped(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            // HTML has no way to write these.
            c if c.is_control() && !matches!(c, '\t' | '\n') => page.push(char::REPLACEMENT_CHARACTER),
            c => page.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_html_can_not_write_is_replaced() {
        let mut page = String::new();
        push_escaped(&mut page, "a\0b\u{1b}c\rd\u{9b}e\tf\n<\u{2028}");
        assert_eq!(page, "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\tf\n&lt;\u{2028}");
    }
}
