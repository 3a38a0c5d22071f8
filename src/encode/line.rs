//! A page of text that grows, and the short lines that are written into it in place, with their digits.

use crate::table::Number;

/// Text that grows at its end. Some memory after it is initialized too, so that a short line is written in
/// place after a single check for enough room.
#[derive(Debug, Default)]
pub struct Text {
    memory: Vec<u8>,
    len: usize,
}

/// How many bytes are initialized at once. More would only make unused memory resident.
const STEP: usize = 16 * 1024;

impl Text {
    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }

    /// How many bytes the text has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Cuts off everything after `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// An empty text in the same memory. If that is more than four times what the last text needed, the
    /// memory is freed: after most containers have gone, it is not needed.
    #[must_use]
    pub fn cleared(self) -> Self {
        let Self { mut memory, len } = self;
        if memory.len() > len.saturating_mul(4).max(64 * 1024) {
            memory = Vec::with_capacity(len);
        }
        Self { memory, len: 0 }
    }

    /// Appends.
    pub fn push(&mut self, text: &[u8]) {
        self.reserve(text.len());
        if let Some(room) = self.memory.get_mut(self.len..).and_then(|room| room.get_mut(..text.len())) {
            room.copy_from_slice(text);
            self.len += text.len();
        }
    }

    /// Where a short line can be written in place, if there is room after the text. The line belongs to the
    /// text only after [`Self::keep_line`].
    #[inline]
    pub(super) fn short_line(&mut self) -> Option<ShortLine<'_>> {
        let room = self.memory.get_mut(self.len..self.len + ShortLine::ROOM);
        let room = room.and_then(<[u8]>::first_chunk_mut)?;
        Some(ShortLine { room, len: 0 })
    }

    /// Appends the line that was just written to [`Self::short_line`], given its length. Returns `false`, and
    /// appends nothing, if the line became too long.
    #[inline]
    pub(super) fn keep_line(&mut self, len: usize) -> bool {
        let is_whole = len < ShortLine::MOST;
        if is_whole {
            self.len += len;
        }
        is_whole
    }

    /// Appends the end of a line: the brace that closes the labels, if there are any, the value and the
    /// newline.
    pub(super) fn push_end(&mut self, labels: bool, value: Number) {
        self.reserve(ShortLine::ROOM);
        if let Some(mut line) = self.short_line() {
            line.push_end(labels, value);
            let len = line.len();
            self.keep_line(len);
        }
    }

    #[inline]
    fn reserve(&mut self, more: usize) {
        if self.memory.len() - self.len < more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.memory.resize(self.memory.len() + more.max(STEP), 0);
    }
}

/// A line that is discarded if it becomes too long. So its pieces need no check for enough room: positions
/// are masked instead. This makes rendering cheaper.
pub(super) struct ShortLine<'a> {
    room: &'a mut [u8; ShortLine::ROOM],
    len: usize,
}

#[expect(clippy::indexing_slicing, reason = "masked")]
impl ShortLine<'_> {
    /// A line of this length is discarded, and written in the way for longer lines.
    pub(super) const MOST: usize = 1024;
    const ROOM: usize = 2 * Self::MOST;

    /// How many bytes were written.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8]) {
        let (at, len) = (self.len % Self::MOST, text.len() % Self::MOST);
        self.room[at..at + len].copy_from_slice(&text[..len]);
        self.len += text.len();
    }

    /// Appends text that is padded after its first `len` bytes: copying a fixed length needs no call.
    #[inline]
    pub(super) fn push_padded<const N: usize>(&mut self, text: &[u8; N], len: usize) {
        const { assert!(N <= ShortLine::MOST, "padding beyond a line") };
        let at = self.len % Self::MOST;
        self.room[at..at + N].copy_from_slice(text);
        self.len += len;
    }

    /// The end of a line: the brace that closes the labels, if there are any, the value and the newline.
    #[inline]
    pub(super) fn push_end(&mut self, labels: bool, value: Number) {
        match value {
            // A fast path, because very many values have a single digit.
            Number::Int(value @ 0..=9) | Number::Scaled(value @ 0, _) => {
                #[expect(clippy::cast_possible_truncation, reason = "a digit")]
                let digit = b'0' + value as u8;
                if labels {
                    self.push_padded(&[b'}', b' ', digit, b'\n'], 4);
                } else {
                    self.push_padded(&[b' ', digit, b'\n'], 3);
                }
            }
            value => self.push_long_end(labels, value),
        }
    }

    #[inline(never)]
    fn push_long_end(&mut self, labels: bool, value: Number) {
        if let Number::Float(value) = value {
            return self.push_float_end(labels, value);
        }
        let at = self.len % Self::MOST;
        let Some(room) = self.room[at..].first_chunk_mut() else { return };
        let mut end = LineEnd::new(room);
        match value {
            Number::Int(value) => end.push_digits(value),
            Number::Scaled(value, places) => end.push_scaled(value, places),
            Number::Signed(value) => {
                end.push_digits(value.unsigned_abs());
                if value < 0 {
                    end.push(b'-');
                }
            }
            Number::Float(_) => {}
        }
        end.push(b' ');
        if labels {
            end.push(b'}');
        }
        self.len += end.move_to_front();
    }

    /// A float as both formats write it: `+Inf`, `-Inf`, `NaN`, otherwise the shortest digits that read back
    /// the same.
    #[inline(never)]
    fn push_float_end(&mut self, labels: bool, value: f64) {
        self.push(if labels { b"} " } else { b" " });
        if value.is_finite() {
            // Much cheaper than Rust's own formatting.
            let mut buffer = zmij::Buffer::new();
            let digits = buffer.format_finite(value);
            self.push(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
        } else if value.is_nan() {
            self.push(b"NaN");
        } else {
            self.push(if value > 0.0 { b"+Inf" } else { b"-Inf" });
        }
        self.push(b"\n");
    }
}

/// The end of a line. It is written backwards from the newline, because the last digit is known first.
struct LineEnd<'a> {
    room: &'a mut [u8; 2 * LineEnd::MOST],
    start: usize,
}

#[expect(clippy::indexing_slicing, reason = "masked, or below 200")]
impl<'a> LineEnd<'a> {
    /// More than enough for `} `, twenty digits and a point, and the newline.
    const MOST: usize = 32;
    const PAIRS: &'static [u8; 200] = b"00010203040506070809101112131415161718192021222324\
          25262728293031323334353637383940414243444546474849\
          50515253545556575859606162636465666768697071727374\
          75767778798081828384858687888990919293949596979899";

    #[inline]
    fn new(room: &'a mut [u8; 2 * LineEnd::MOST]) -> Self {
        room[Self::MOST - 1] = b'\n';
        Self { room, start: Self::MOST - 1 }
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.start = self.start.wrapping_sub(1) % Self::MOST;
        self.room[self.start] = byte;
    }

    /// Writes the last two digits.
    #[inline]
    fn push_pair(&mut self, value: u64) {
        let pair = 2 * (value % 100) as usize;
        self.start = self.start.wrapping_sub(2) % Self::MOST;
        self.room[self.start] = Self::PAIRS[pair];
        self.room[self.start + 1] = Self::PAIRS[pair + 1];
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a digit")]
    fn push_digits(&mut self, mut value: u64) {
        while value >= 100 {
            self.push_pair(value);
            value /= 100;
        }
        if value >= 10 {
            self.push_pair(value);
        } else {
            self.push(b'0' + value as u8);
        }
    }

    /// Writes a decimal fraction with this many digits after the point, without trailing zeros.
    #[inline]
    fn push_scaled(&mut self, mut value: u64, mut places: u8) {
        while places > 0 && value % 10 == 0 {
            value /= 10;
            places -= 1;
        }
        if places > 0 {
            if places % 2 == 1 {
                self.push(b'0' + (value % 10) as u8);
                value /= 10;
            }
            for _ in 0..places / 2 {
                self.push_pair(value);
                value /= 100;
            }
            self.push(b'.');
        }
        self.push_digits(value);
    }

    /// Moves it to the beginning of its room, and returns its length.
    #[inline]
    fn move_to_front(self) -> usize {
        let start = self.start % Self::MOST;
        // Uses a copy, because `copy_within` is a call.
        let mut end = [0; Self::MOST];
        end.copy_from_slice(&self.room[start..start + Self::MOST]);
        self.room[..Self::MOST].copy_from_slice(&end);
        Self::MOST - start
    }
}

/// A number alone, as it stands in a line.
pub(super) fn written(number: f64) -> String {
    let mut text = Text::default();
    text.push_end(false, Number::Float(number));
    String::from_utf8_lossy(text.as_bytes().trim_ascii()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let shown = |value| {
            let mut text = Text::default();
            text.push_end(false, value);
            String::from_utf8(text.as_bytes().to_vec()).unwrap().trim().to_owned()
        };
        assert_eq!(shown(Number::Int(u64::MAX)), "18446744073709551615");
        assert_eq!(shown(Number::Int(0)), "0");
        assert_eq!(shown(Number::Signed(-1)), "-1");
        assert_eq!(shown(Number::Signed(i64::MIN)), "-9223372036854775808");
        assert_eq!(shown(Number::Scaled(1_253_067, 6)), "1.253067");
        assert_eq!(shown(Number::Scaled(2_000_000, 6)), "2");
        assert_eq!(shown(Number::Scaled(10_050, 6)), "0.01005");
        assert_eq!(shown(Number::Scaled(0, 6)), "0");
        assert_eq!(shown(Number::Scaled(1, 6)), "0.000001");
        assert_eq!(shown(Number::Scaled(u64::MAX, 6)), "18446744073709.551615");
        assert_eq!(shown(Number::Float(0.25)), "0.25");
        assert_eq!(shown(Number::Float(1_763_563_201.0)), "1763563201");
        assert_eq!(shown(Number::Float(0.000_001_25)), "1.25e-6");
        assert_eq!(shown(Number::Float(f64::INFINITY)), "+Inf");
        assert_eq!(shown(Number::Float(f64::NEG_INFINITY)), "-Inf");
        assert_eq!(shown(Number::Float(f64::NAN)), "NaN");
    }

    #[test]
    fn text_of_any_length_stays_as_it_was_pushed() {
        let mut text = Text::default();
        let mut expected = Vec::new();
        for len in [0, 1, STEP - 2, 1, 3, 5 * STEP, 7] {
            let piece = vec![b'x'; len];
            text.push(&piece);
            text.push_end(true, Number::Int(12));
            expected.extend_from_slice(&piece);
            expected.extend_from_slice(b"} 12\n");
        }
        assert_eq!(text.as_bytes(), expected);
        assert_eq!(text.cleared().as_bytes(), b"");
    }

    #[test]
    fn memory_is_kept_for_the_next_text_unless_it_was_for_many_more() {
        let mut text = Text::default();
        text.push(&[b'x'; 1_000_000]);
        let address = text.memory.as_ptr();
        let mut text = text.cleared();
        assert_eq!((text.memory.as_ptr(), text.len()), (address, 0));
        text.push(b"few");
        assert!(text.cleared().memory.capacity() < 1000);
    }
}
