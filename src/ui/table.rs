//! Results in rows: aligned columns for people, objects for programs. What the rows are is said
//! in `lines`; this knows only how rows are laid out.

use super::screen::Screen;
use crate::model::path::shown;
use serde::Serialize;
use std::io;

/// A result for programs.
pub trait Object {
    /// A type of `ui::json`.
    type Json: Serialize;

    fn object(&self) -> Self::Json;
}

/// One row of a table.
pub trait Row: Object {
    /// Headings of the columns.
    const HEADINGS: &'static [&'static str];
    /// Which columns hold numbers, and are aligned at their right ends.
    const NUMBERS: &'static [usize];
    /// As many cells as headings.
    fn cells(&self) -> Vec<String>;
}

/// Prints rows: as objects where `--json` was given, else as a table. A reader that wants no more
/// (`| head`) ends it without an error.
pub fn print<R: Row>(screen: &Screen, rows: &[R]) -> io::Result<()> {
    until_nobody_reads(match screen.json() {
        true => rows.iter().try_for_each(|row| screen.object(&row.object())),
        false => screen.result(&table(rows)),
    })
}

/// Prints rows one by one, for lists that may not fit into memory: the caller's `line` lays each
/// out by itself.
pub fn print_each<R: Object>(
    screen: &Screen,
    rows: impl IntoIterator<Item = R>,
    line: impl Fn(&R) -> String,
) -> io::Result<()> {
    until_nobody_reads(rows.into_iter().try_for_each(|row| match screen.json() {
        true => screen.object(&row.object()),
        false => screen.result(&line(&row)),
    }))
}

fn until_nobody_reads(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The rows with a heading above, columns as wide as they need; nothing for no rows.
fn table<R: Row>(rows: &[R]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let headings = R::HEADINGS.iter().map(|heading| (*heading).to_owned()).collect();
    let mut lines: Vec<Vec<String>> = vec![headings];
    lines.extend(rows.iter().map(|row| row.cells().iter().map(|c| shown(c.as_bytes())).collect()));
    let widths: Vec<usize> = (0..R::HEADINGS.len())
        .map(|column| lines.iter().map(|line| width(&line[column])).max().unwrap_or(0))
        .collect();
    lines.iter().map(|line| layout::<R>(line, &widths)).collect()
}

fn layout<R: Row>(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, &wide)) in cells.iter().zip(widths).enumerate() {
        let gap = " ".repeat(wide.saturating_sub(width(cell)));
        match R::NUMBERS.contains(&column) {
            true => line.extend([gap.as_str(), cell, "  "]),
            false => line.extend([cell, gap.as_str(), "  "]),
        }
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

/// Columns on a terminal, as far as characters tell; wide scripts stand a little crooked.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::super::screen::testing::screen;
    use super::*;

    struct Fruit(&'static str, u64);

    #[derive(Serialize)]
    struct FruitObject {
        id: &'static str,
        count: u64,
    }

    impl Row for Fruit {
        const HEADINGS: &'static [&'static str] = &["FRUIT", "COUNT"];
        const NUMBERS: &'static [usize] = &[1];
        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_string()]
        }
    }

    impl Object for Fruit {
        type Json = FruitObject;
        fn object(&self) -> FruitObject {
            FruitObject { id: self.0, count: self.1 }
        }
    }

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let (screen, _, results) = screen(false);
        print(&screen, &[Fruit("pear", 7), Fruit("Äpfel\x1b", 12345)]).unwrap();
        assert_eq!(results.text(), "FRUIT        COUNT\npear             7\nÄpfel\\u{1b}  12345\n");
    }

    #[test]
    fn programs_get_an_object_a_line_and_no_heading() {
        let (screen, _, results) = screen(true);
        print(&screen, &[Fruit("pear", 7)]).unwrap();
        print_each(&screen, [Fruit("fig", 1)], |_| unreachable!()).unwrap();
        assert_eq!(results.text(), "{\"count\":7,\"id\":\"pear\"}\n{\"count\":1,\"id\":\"fig\"}\n");
    }

    #[test]
    fn no_rows_print_nothing() {
        let (screen, _, results) = screen(false);
        print::<Fruit>(&screen, &[]).unwrap();
        assert_eq!(results.text(), "");
    }

    #[test]
    fn a_reader_that_leaves_is_no_error() {
        struct Closed;
        impl io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let screen = Screen::over(Box::new(io::sink()), Box::new(Closed), false);
        let endless = std::iter::repeat_with(|| Fruit("fig", 1));
        print_each(&screen, endless, |fruit| fruit.0.to_owned()).unwrap();
    }
}
