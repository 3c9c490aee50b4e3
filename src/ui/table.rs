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
    /// Which columns are left out on a terminal that is too narrow for all, the first of these first.
    const MINOR: &'static [usize] = &[];
    /// As many cells as headings; `-` or nothing where there is nothing to say.
    fn cells(&self) -> Vec<String>;
}

/// What the last column of a table has at least before minor columns are left out for it; longer
/// cells are cut.
const LAST: usize = 16;

/// Prints rows: as objects where `--json` was given, else as a table. A reader that wants no more
/// (`| head`) ends it without an error.
pub fn print<R: Row>(screen: &Screen, rows: &[R]) -> io::Result<()> {
    until_nobody_reads(match screen.json() {
        true => rows.iter().try_for_each(|row| screen.object(&row.object())),
        false => screen.result(&table(rows, screen.columns())),
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

/// The rows with a heading above, columns as wide as they need; nothing for no rows. Columns without
/// any content are left out. `room`: how many columns the terminal has, if there is one.
fn table<R: Row>(rows: &[R], room: Option<usize>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let headings = R::HEADINGS.iter().map(|heading| (*heading).to_owned()).collect();
    let mut lines: Vec<Vec<String>> = vec![headings];
    lines.extend(rows.iter().map(|row| row.cells().iter().map(|c| shown(c.as_bytes())).collect()));
    let widths: Vec<usize> = (0..R::HEADINGS.len())
        .map(|column| lines.iter().map(|line| width(&line[column])).max().unwrap_or(0))
        .collect();
    let mut columns: Vec<usize> = (0..R::HEADINGS.len())
        .filter(|&column| column == 0 || has_content(&lines, column))
        .collect();
    if let Some(room) = room {
        leave_out(&mut columns, R::MINOR, &widths, room);
    }
    let line = |line: &Vec<String>| cut(layout::<R>(line, &columns, &widths), room) + "\n";
    lines.iter().map(line).collect()
}

/// Below its heading.
fn has_content(lines: &[Vec<String>], column: usize) -> bool {
    lines.iter().skip(1).any(|line| !matches!(line[column].as_str(), "" | "-"))
}

/// Leaves out minor columns until the others have room.
fn leave_out(columns: &mut Vec<usize>, minor: &[usize], widths: &[usize], room: usize) {
    for left_out in minor {
        let Some((&last, others)) = columns.split_last() else { return };
        let wide: usize = others.iter().map(|&column| widths[column] + GAP.len()).sum();
        if wide + widths[last].min(LAST) <= room {
            return;
        }
        columns.retain(|column| column != left_out);
    }
}

/// Between two columns.
const GAP: &str = "  ";

fn layout<R: Row>(cells: &[String], columns: &[usize], widths: &[usize]) -> String {
    let mut line = String::new();
    for &column in columns {
        let cell = &cells[column];
        let fill = " ".repeat(widths[column].saturating_sub(width(cell)));
        match R::NUMBERS.contains(&column) {
            true => line.extend([fill.as_str(), cell, GAP]),
            false => line.extend([cell, fill.as_str(), GAP]),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// What a terminal has no room for.
fn cut(line: String, room: Option<usize>) -> String {
    match room {
        Some(room) if width(&line) > room => {
            line.chars().take(room.saturating_sub(1)).chain(['…']).collect()
        }
        _ => line,
    }
}

/// Columns on a terminal, as far as characters tell; wide scripts stand a little crooked.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::super::screen::testing::{screen, terminal};
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

    struct FruitRow(&'static str, &'static str, &'static str);

    impl Object for FruitRow {
        type Json = ();
        fn object(&self) {}
    }

    impl Row for FruitRow {
        const HEADINGS: &'static [&'static str] = &["FRUIT", "COLOUR", "SHELF"];
        const NUMBERS: &'static [usize] = &[];
        const MINOR: &'static [usize] = &[1];
        fn cells(&self) -> Vec<String> {
            [self.0, self.1, self.2].map(str::to_owned).to_vec()
        }
    }

    #[test]
    fn columns_without_content_are_left_out() {
        let text = table(&[FruitRow("-", "", "A"), FruitRow("fig", "-", "-")], None);
        assert_eq!(text, "FRUIT  SHELF\n-      A\nfig    -\n");
        assert_eq!(table(&[FruitRow("-", "", "-")], None), "FRUIT\n-\n");
    }

    #[test]
    fn a_narrow_terminal_costs_minor_columns_and_then_the_end_of_the_last() {
        let rows = [FruitRow("pear", "green", "the upper one")];
        let all = "FRUIT  COLOUR  SHELF\npear   green   the upper one\n";
        assert_eq!(table(&rows, None), all);
        assert_eq!(table(&rows, Some(28)), all);
        assert_eq!(table(&rows, Some(27)), "FRUIT  SHELF\npear   the upper one\n");
        assert_eq!(table(&rows, Some(20)), "FRUIT  SHELF\npear   the upper one\n");
        assert_eq!(table(&rows, Some(19)), "FRUIT  SHELF\npear   the upper o…\n");
        // A long cell takes no column from the others.
        let long = [FruitRow("pear", "green", "the upper one in the hall, behind the door")];
        let text = table(&long, Some(31));
        assert_eq!(text, "FRUIT  COLOUR  SHELF\npear   green   the upper one i…\n");
    }

    #[test]
    fn the_width_is_that_of_the_terminal_of_the_screen() {
        let (screen, shown) = terminal(10);
        print(&screen, &[FruitRow("pear", "-", "the upper one")]).unwrap();
        assert_eq!(shown.text(), "FRUIT  SH…\npear   th…\n");
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
