//! Books, and who borrowed them.

pub mod parse;
pub mod report;

use std::collections::BTreeMap;
use std::fmt;

/// A book, and the loan it is out on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    pub title: String,
    pub author: String,
    pub loan: Option<Loan>,
}

/// Who has a book, and since which day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    pub reader: String,
    pub title: String,
    pub day: u32,
}

/// What can go wrong at the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LendError {
    UnknownBook(String),
    AlreadyOut { title: String, reader: String },
}

impl fmt::Display for LendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LendError::UnknownBook(title) => write!(f, "no book called {title}"),
            LendError::AlreadyOut { title, reader } => write!(f, "{reader} has {title}"),
        }
    }
}

impl std::error::Error for LendError {}

/// All the books, by title.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    books: BTreeMap<String, Book>,
    today: u32,
}

impl Shelf {
    /// Creates an empty shelf.
    pub fn new() -> Self {
        Self {
            books: BTreeMap::new(),
            today: 0,
        }
    }

    /// Adds a book and returns the one that had its title.
    pub fn add(&mut self, title: &str, author: &str) -> Option<Book> {
        let book = Book {
            title: title.to_string(),
            author: author.to_string(),
            loan: None,
        };
        self.books.insert(title.to_string(), book)
    }

    /// Returns the number of books, lent ones included.
    pub fn len(&self) -> usize {
        self.books.len()
    }

    /// Returns true if there are no books.
    pub fn is_empty(&self) -> bool {
        self.books.is_empty()
    }

    /// Returns the book with this title.
    pub fn get(&self, title: &str) -> Option<&Book> {
        self.books.get(title)
    }

    /// Iterates over the books in the order of their titles.
    pub fn iter(&self) -> impl Iterator<Item = &Book> {
        self.books.values()
    }

    /// Returns the day it is.
    pub fn today(&self) -> u32 {
        self.today
    }

    /// Lets days go by.
    pub fn advance(&mut self, days: u32) {
        self.today += days;
    }

    /// Lends a book to a reader.
    pub fn lend(&mut self, title: &str, reader: &str) -> Result<(), LendError> {
        let today = self.today;
        let book = self
            .books
            .get_mut(title)
            .ok_or_else(|| LendError::UnknownBook(title.to_string()))?;
        if let Some(loan) = &book.loan {
            return Err(LendError::AlreadyOut {
                title: title.to_string(),
                reader: loan.reader.clone(),
            });
        }
        book.loan = Some(Loan {
            reader: reader.to_string(),
            title: title.to_string(),
            day: today,
        });
        Ok(())
    }

    /// Takes a book back and returns its loan.
    pub fn take_back(&mut self, title: &str) -> Option<Loan> {
        self.books.get_mut(title)?.loan.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_lent_once() {
        let mut shelf = Shelf::new();
        shelf.add("Emma", "Jane Austen");
        assert_eq!(shelf.lend("Emma", "Ada"), Ok(()));
        assert!(shelf.lend("Emma", "Bob").is_err());
        assert_eq!(shelf.take_back("Emma").map(|loan| loan.reader), Some("Ada".to_string()));
    }
}
