//! Reads a shelf from a file and prints who has which book.
//!
//! `cargo run -- books.txt`

use std::env;
use std::fs;
use std::process::ExitCode;

use shelf::parse::parse_shelf;
use shelf::report::{overdue, Summary};

const LENDING_DAYS: u32 = 28;

fn main() -> ExitCode {
    let Some(path) = env::args().nth(1) else {
        eprintln!("usage: shelf FILE");
        return ExitCode::from(2);
    };
    match run(&path) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("shelf: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|err| format!("{path}: {err}"))?;
    let shelf = parse_shelf(&text).map_err(|err| err.to_string())?;
    let mut report = Summary::of(&shelf).to_string();
    for loan in overdue(&shelf, LENDING_DAYS) {
        report.push_str(&format!("overdue: {} has {}\n", loan.reader, loan.title));
    }
    Ok(report)
}
