//! What the desk wants to know at the end of a day.

use std::collections::HashMap;
use std::fmt;

use crate::{Loan, Shelf};

/// Counts of books and loans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub books: usize,
    pub lent: usize,
    pub by_reader: HashMap<String, usize>,
}

impl Summary {
    /// Counts what is on the shelf and what is not.
    pub fn of(shelf: &Shelf) -> Self {
        let mut by_reader = HashMap::new();
        for loan in shelf.iter().filter_map(|book| book.loan.as_ref()) {
            *by_reader.entry(loan.reader.clone()).or_insert(0) += 1;
        }
        Self {
            books: shelf.len(),
            lent: by_reader.values().sum(),
            by_reader,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} books, {} lent", self.books, self.lent)?;
        let mut readers: Vec<_> = self.by_reader.iter().collect();
        readers.sort();
        for (reader, count) in readers {
            writeln!(f, "{reader}: {count}")?;
        }
        Ok(())
    }
}

/// Returns the loans that are older than `days`, oldest first.
pub fn overdue(shelf: &Shelf, days: u32) -> Vec<&Loan> {
    let mut loans: Vec<&Loan> = shelf
        .iter()
        .filter_map(|book| book.loan.as_ref())
        .filter(|loan| shelf.today() - loan.day > days)
        .collect();
    loans.sort_by_key(|loan| loan.day);
    loans
}
