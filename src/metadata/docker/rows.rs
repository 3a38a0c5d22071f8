//! Cuts a list of containers into rows as it arrives. A list can be of any length, but what is kept of it is
//! limited.

use super::{problem::Problem, transport::MAX_OBJECTS};

/// The longest row that is read: as long as an inspection may be, because both contain all labels of a
/// container.
const MAX_ROW: usize = 4 << 20;

/// A row; `None` for one that is too long or too deeply nested to be read.
pub(super) type RowText<'a> = Option<&'a [u8]>;

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Before,
    Inside,
    After,
}

/// Splits the text of a JSON array, which arrives piece by piece.
pub(super) struct Splitter {
    place: Place,
    /// How many brackets are open inside the row.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    row: Vec<u8>,
    objects: usize,
    is_too_much: bool,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Before,
            depth: 0,
            in_string: false,
            is_escaped: false,
            row: Vec::new(),
            objects: 0,
            is_too_much: false,
        }
    }

    /// Takes a piece, and passes on the rows that end in it.
    ///
    /// # Errors
    /// If it is not an array.
    pub(super) fn take(&mut self, piece: &[u8], on_row: &mut dyn FnMut(RowText<'_>)) -> Result<(), Problem> {
        for byte in piece {
            let is_blank = byte.is_ascii_whitespace();
            match (&self.place, *byte) {
                (Place::Before, b'[') => self.place = Place::Inside,
                (Place::Inside, b',') if !self.in_string && self.depth == 0 => self.end_row(on_row),
                (Place::Inside, b']') if !self.in_string && self.depth == 0 => {
                    // An array may be empty, but a row may not.
                    if !self.row.is_empty() || self.is_too_much {
                        self.end_row(on_row);
                    }
                    self.place = Place::After;
                }
                (Place::Inside, _) if is_blank && !self.in_string => {}
                (Place::Inside, byte) => self.push(byte),
                (Place::Before | Place::After, _) if is_blank => {}
                _ => return Err(Problem::Odd("expected a list".into())),
            }
        }
        Ok(())
    }

    /// # Errors
    /// If the array has not ended.
    pub(super) fn end(&self) -> Result<(), Problem> {
        if self.place == Place::After {
            return Ok(());
        }
        Err(Problem::Odd("an incomplete list".into()))
    }

    fn push(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_string => self.is_escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => {
                self.depth += 1;
                self.objects += 1;
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.is_too_much |= self.row.len() >= MAX_ROW || self.objects > MAX_OBJECTS;
        if self.is_too_much {
            self.row = Vec::new();
        } else {
            self.row.push(byte);
        }
    }

    fn end_row(&mut self, on_row: &mut dyn FnMut(RowText<'_>)) {
        on_row((!self.is_too_much).then_some(self.row.as_slice()));
        self.row.clear();
        self.objects = 0;
        self.is_too_much = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a text that arrives in pieces of a given size; `None` for a row that is too long.
    fn rows(text: &str, size: usize) -> Result<Vec<Option<String>>, Problem> {
        let mut found = Vec::new();
        let mut splitter = Splitter::new();
        for piece in text.as_bytes().chunks(size) {
            let mut on_row = |row: RowText<'_>| {
                found.push(row.map(|row| String::from_utf8(row.to_vec()).unwrap()));
            };
            splitter.take(piece, &mut on_row)?;
        }
        splitter.end().map(|()| found)
    }

    #[test]
    fn a_list_is_cut_into_its_rows_wherever_its_pieces_end() {
        let text = r#" [ {"a": "],[{\"\\", "b": [1, {}]} , 7,"x,\"y" ,{}]
"#;
        let expected: Vec<_> = [r#"{"a":"],[{\"\\","b":[1,{}]}"#, "7", r#""x,\"y""#, "{}"]
            .map(|row| Some(row.to_owned()))
            .into();
        for size in 1..text.len() {
            assert_eq!(rows(text, size).unwrap(), expected);
        }
        assert_eq!(rows("[]", 1).unwrap(), []);
    }

    #[test]
    fn what_is_no_whole_list_is_none() {
        for wrong in ["", "{}", "[{}", "[{}] x", "7", "[\"]", "[[]"] {
            assert!(rows(wrong, 2).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_row_that_is_too_much_costs_itself_alone() {
        let long = "x".repeat(2 * MAX_ROW);
        let intricate = vec!["{}"; 2 * MAX_OBJECTS].join(",");
        let text = format!("[{{}},{{\"a\":\"{long}\"}},{{\"b\":[{intricate}]}},{{}}]");
        let brief = Some("{}".to_owned());
        assert_eq!(rows(&text, 1000).unwrap(), [brief.clone(), None, None, brief]);
    }
}
