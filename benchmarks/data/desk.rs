//! A library's desk in one file: what benchmarks/keystrokes.py types into.

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
        assert_eq!(
            shelf.take_back("Emma").map(|loan| loan.reader),
            Some("Ada".to_string())
        );
    }
}

mod parse {
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
}

mod report {
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
}

mod waiting {
    use std::collections::{HashMap, HashSet, VecDeque};

    /// Readers who wait for books that are out, first come first served.
    #[derive(Debug, Clone, Default)]
    pub struct WaitingList {
        queues: HashMap<String, VecDeque<String>>,
        limit: Option<usize>,
    }

    /// Why a reader could not queue.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum QueueError {
        AlreadyWaiting,
        Full,
    }

    impl WaitingList {
        /// Creates a list without a limit.
        pub fn new() -> Self {
            Self::default()
        }

        /// Creates a list where at most `limit` readers wait for a book.
        pub fn with_limit(limit: usize) -> Self {
            Self {
                queues: HashMap::new(),
                limit: Some(limit),
            }
        }

        /// Adds a reader and returns how many are before them.
        pub fn join(&mut self, title: &str, reader: &str) -> Result<usize, QueueError> {
            let queue = self.queues.entry(title.to_string()).or_default();
            if queue.iter().any(|waiting| waiting == reader) {
                return Err(QueueError::AlreadyWaiting);
            }
            if self.limit.is_some_and(|limit| queue.len() >= limit) {
                return Err(QueueError::Full);
            }
            queue.push_back(reader.to_string());
            Ok(queue.len() - 1)
        }

        /// Removes and returns the reader whose turn it is.
        pub fn next(&mut self, title: &str) -> Option<String> {
            let queue = self.queues.get_mut(title)?;
            let reader = queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(title);
            }
            reader
        }

        /// Removes a reader from every queue and returns the titles they waited for.
        pub fn leave(&mut self, reader: &str) -> Vec<String> {
            let mut titles = Vec::new();
            for (title, queue) in &mut self.queues {
                let before = queue.len();
                queue.retain(|waiting| waiting != reader);
                if queue.len() < before {
                    titles.push(title.clone());
                }
            }
            self.queues.retain(|_, queue| !queue.is_empty());
            titles.sort();
            titles
        }

        /// Returns all the readers who wait for something.
        pub fn readers(&self) -> HashSet<&str> {
            self.queues
                .values()
                .flat_map(|queue| queue.iter().map(String::as_str))
                .collect()
        }

        /// Returns the title that most readers wait for.
        pub fn most_wanted(&self) -> Option<(&str, usize)> {
            self.queues
                .iter()
                .map(|(title, queue)| (title.as_str(), queue.len()))
                .max_by_key(|(_, count)| *count)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn first_come_first_served() {
            let mut list = WaitingList::new();
            assert_eq!(list.join("Emma", "Ada"), Ok(0));
            assert_eq!(list.join("Emma", "Bob"), Ok(1));
            assert_eq!(list.join("Emma", "Ada"), Err(QueueError::AlreadyWaiting));
            assert_eq!(list.next("Emma"), Some("Ada".to_string()));
            assert_eq!(list.next("Emma"), Some("Bob".to_string()));
            assert_eq!(list.next("Emma"), None);
        }

        #[test]
        fn a_limit_holds() {
            let mut list = WaitingList::with_limit(1);
            assert_eq!(list.join("Emma", "Ada"), Ok(0));
            assert_eq!(list.join("Emma", "Bob"), Err(QueueError::Full));
            assert_eq!(list.leave("Ada"), vec!["Emma".to_string()]);
            assert_eq!(list.join("Emma", "Bob"), Ok(0));
        }
    }
}

mod calendar {
    use std::fmt;
    use std::ops::{Add, Sub};
    use std::str::FromStr;

    const MONTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

    /// A day, counted from the first of January 1970.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Day(pub u32);

    impl Day {
        /// Returns year, month and day of the month.
        pub fn civil(self) -> (u32, u32, u32) {
            let mut year = 1970;
            let mut rest = self.0;
            while rest >= days_in_year(year) {
                rest -= days_in_year(year);
                year += 1;
            }
            let mut month = 1;
            while rest >= days_in_month(year, month) {
                rest -= days_in_month(year, month);
                month += 1;
            }
            (year, month, rest + 1)
        }
    }

    fn is_leap(year: u32) -> bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    fn days_in_year(year: u32) -> u32 {
        if is_leap(year) {
            366
        } else {
            365
        }
    }

    fn days_in_month(year: u32, month: u32) -> u32 {
        let days = MONTHS[month as usize - 1];
        if month == 2 && is_leap(year) {
            days + 1
        } else {
            days
        }
    }

    impl Add<u32> for Day {
        type Output = Day;

        fn add(self, days: u32) -> Day {
            Day(self.0 + days)
        }
    }

    impl Sub for Day {
        type Output = u32;

        fn sub(self, earlier: Day) -> u32 {
            self.0.saturating_sub(earlier.0)
        }
    }

    impl fmt::Display for Day {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let (year, month, day) = self.civil();
            write!(f, "{year:04}-{month:02}-{day:02}")
        }
    }

    impl FromStr for Day {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            text.parse()
                .map(Day)
                .map_err(|err| format!("{text}: {err}"))
        }
    }
}

mod names {
    use std::borrow::Cow;

    /// Puts "The Waves" as "Waves, The", so that articles do not count in the order of titles.
    pub fn sort_key(title: &str) -> Cow<'_, str> {
        for article in ["The ", "A ", "An "] {
            if let Some(rest) = title.strip_prefix(article) {
                return Cow::Owned(format!("{rest}, {}", article.trim_end()));
            }
        }
        Cow::Borrowed(title)
    }

    /// Returns the initials of a name.
    pub fn initials(name: &str) -> String {
        name.split_whitespace()
            .filter_map(|word| word.chars().next())
            .collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn articles_go_last() {
            assert_eq!(sort_key("The Waves"), "Waves, The");
            assert_eq!(initials("Jane Austen"), "JA");
        }
    }
}
