//! The text file: `title; author` a line, then `; reader; day` where the book is out.

use std::fmt;
use std::num::ParseIntError;

use crate::{LendError, Shelf};

/// Why a line was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    pub line: usize,
    pub kind: ParseErrorKind,
}

/// What was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseErrorKind {
    MissingAuthor,
    BadDay(ParseIntError),
    Lend(LendError),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.kind {
            ParseErrorKind::MissingAuthor => f.write_str("no author"),
            ParseErrorKind::BadDay(err) => write!(f, "the day is not a number: {err}"),
            ParseErrorKind::Lend(err) => write!(f, "{err}"),
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads a whole shelf; empty lines and lines that start with `#` are skipped.
pub fn parse_shelf(text: &str) -> Result<Shelf, ParseError> {
    let mut shelf = Shelf::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        parse_line(&mut shelf, line).map_err(|kind| ParseError {
            line: index + 1,
            kind,
        })?;
    }
    Ok(shelf)
}

fn parse_line(shelf: &mut Shelf, line: &str) -> Result<(), ParseErrorKind> {
    let mut fields = line.split(';').map(str::trim);
    let title = fields.next().unwrap_or_default();
    let author = fields.next().ok_or(ParseErrorKind::MissingAuthor)?;
    shelf.add(title, author);
    if let Some(reader) = fields.next() {
        let day: u32 = fields
            .next()
            .unwrap_or("0")
            .parse()
            .map_err(ParseErrorKind::BadDay)?;
        if day > shelf.today() {
            shelf.advance(day - shelf.today());
        }
        shelf.lend(title, reader).map_err(ParseErrorKind::Lend)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_line_it_refuses() {
        let err = parse_shelf("Emma; Jane Austen\nUlysses\n").unwrap_err();
        assert_eq!(err.line, 2);
        assert_eq!(err.to_string(), "line 2: no author");
    }
}
