//! The wire format of Protocol Buffers: as much as requests of samples need.

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// Writes messages.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends fields that were written elsewhere.
    pub(super) fn append(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn key(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field << 3 | wire as u32));
    }

    /// An integer or enum. Zero is left out: readers assume it.
    pub(super) fn uint(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.key(field, Wire::Varint);
            self.varint(number);
        }
    }

    /// An `int64`. Zero is left out: readers assume it.
    pub(super) fn int(&mut self, field: u32, number: i64) {
        self.uint(field, u64::from_ne_bytes(number.to_ne_bytes()));
    }

    /// Eight bytes, such as the bits of a double. Written even if they are zero.
    pub(super) fn fixed64(&mut self, field: u32, bits: u64) {
        self.key(field, Wire::Fixed64);
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    /// A string or bytes. Written even if empty.
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, Wire::Bytes);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A number of a packed list; the list is written with [`Self::message`].
    pub(super) fn packed(&mut self, number: u32) {
        self.varint(u64::from(number));
    }

    /// Eight bytes of a packed list; the list is written with [`Self::message`].
    pub(super) fn packed64(&mut self, bits: u64) {
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    /// A message in this message, or a packed list.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.key(field, Wire::Bytes);
        let start = self.0.len();
        write(self);
        let end = self.0.len();
        // The length comes before the message, but is known only after it.
        self.varint((end - start) as u64);
        let length_bytes = self.0.len() - end;
        if let Some(both) = self.0.get_mut(start..) {
            both.rotate_right(length_bytes);
        }
    }
}

/// The value of a field that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// An integer or enum.
    Int(u64),
    /// Eight bytes, such as the bits of a double.
    Fixed64(u64),
    /// A string, a message, or a packed list.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32,
}

/// Reads the fields of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// What was read is not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number and value of the next field.
    pub(super) fn next(&mut self) -> Option<Result<(u64, Field<'a>), Malformed>> {
        (!self.0.is_empty()).then(|| self.field().ok_or(Malformed))
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            wire if wire == Wire::Varint as u64 => Field::Int(self.varint()?),
            wire if wire == Wire::Fixed64 as u64 => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Field::Fixed64(u64::from_le_bytes(*bytes))
            }
            wire if wire == Wire::Bytes as u64 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            wire if wire == Wire::Fixed32 as u64 => {
                self.0 = self.0.get(4..)?;
                Field::Fixed32
            }
            _ => return None,
        };
        Some((key >> 3, value))
    }

    /// The next number of a packed list.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_at_any_length() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000] {
            let text = vec![b'x'; length];
            let mut writer = Writer::default();
            writer.int(1, -5);
            writer.message(3, |inner| {
                inner.bytes(1, &text);
                inner.fixed64(2, f64::NAN.to_bits());
            });
            writer.message(4, |list| {
                [0, 127, 128, u32::MAX].into_iter().for_each(|number| list.packed(number))
            });
            writer.uint(5, 0);
            let mut reader = Reader(writer.as_bytes());
            let mut next = || reader.next().unwrap().unwrap();
            assert_eq!(next(), (1, Field::Int(u64::MAX - 4)));
            let (3, Field::Bytes(inner)) = next() else { panic!("no message") };
            let (4, Field::Bytes(mut list)) = next() else { panic!("no list") };
            assert!(reader.next().is_none());
            let mut inner = Reader(inner);
            assert_eq!(inner.next(), Some(Ok((1, Field::Bytes(&text)))));
            assert_eq!(inner.next(), Some(Ok((2, Field::Fixed64(f64::NAN.to_bits())))));
            assert!(inner.next().is_none());
            let mut numbers = Reader(list);
            list = &[];
            let numbers: Vec<_> = std::iter::from_fn(|| numbers.varint()).collect();
            assert_eq!((numbers, list.len()), (vec![0, 127, 128, u64::from(u32::MAX)], 0));
        }
    }

    #[test]
    fn a_torn_message_is_malformed_and_never_read_beyond_its_end() {
        let mut writer = Writer::default();
        writer.bytes(1, b"name");
        writer.fixed64(2, 7);
        let whole = writer.as_bytes();
        for length in 0..whole.len() {
            let mut reader = Reader(&whole[..length]);
            let mut read = 0;
            while let Some(Ok(_)) = reader.next() {
                read += 1;
            }
            assert!(read <= usize::from(length >= 6), "{length}: {read}");
        }
        assert_eq!(Reader(&[0xff; 11]).next(), Some(Err(Malformed)));
    }
}
