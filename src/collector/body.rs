//! Rendered pages. All scrapers of one pass share a page, and its memory is used again for later pages.

use crate::encode::Text;
use std::sync::Arc;

/// One rendered page.
#[derive(Debug, Default)]
pub struct Body {
    text: Text,
}

impl Body {
    /// A page for tests of the code that passes pages on.
    #[cfg(test)]
    pub(crate) fn of(length: usize) -> Self {
        let mut text = Text::default();
        text.push(&vec![b'x'; length]);
        Self { text }
    }

    /// The page as it was rendered.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Keeps the last page so that its buffer can be used again. The page of many containers is large: allocating
/// it for each scrape would cost page faults, and would need memory just when the host may have none left.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    last: Option<Arc<Body>>,
}

impl Bodies {
    /// The buffer of the last page if nothing holds that page any more, otherwise a new one.
    pub(super) fn take_buffer(&mut self) -> Text {
        let last = self.last.take().and_then(|body| Arc::try_unwrap(body).ok());
        last.map(|body| body.text.cleared()).unwrap_or_default()
    }

    pub(super) fn keep(&mut self, text: Text) -> Arc<Body> {
        let body = Arc::new(Body { text });
        self.last = Some(Arc::clone(&body));
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_nobody_holds_gives_its_memory_to_the_next() {
        let mut bodies = Bodies::default();
        let mut text = bodies.take_buffer();
        text.push(&[b'x'; 1000]);
        let address = text.as_bytes().as_ptr();
        let body = bodies.keep(text);
        let other = bodies.take_buffer();
        assert_ne!(other.as_bytes().as_ptr(), address);
        assert_eq!(body.text().len(), 1000);
        bodies.last = Some(body);
        let again = bodies.take_buffer();
        assert_eq!((again.as_bytes().as_ptr(), again.len()), (address, 0));
    }
}
