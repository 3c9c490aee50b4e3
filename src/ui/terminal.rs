//! The terminal that bars are drawn on. It may go away while a run goes on (a closed window, a lost
//! connection): what cannot be drawn any more is not drawn, and nothing else happens.

use indicatif::{ProgressDrawTarget, TermLike};
use rustix::termios::tcgetwinsize;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::Mutex;

use super::lock::locked;

/// Drawings a second.
const RATE: u8 = 20;
/// Of a terminal that does not tell its size: what terminals had when they were of glass.
const USUAL: (u16, u16) = (80, 24);

/// Where bars are drawn: stderr, if it is a terminal.
pub(super) fn target() -> ProgressDrawTarget {
    match io::stderr().is_terminal() {
        true => ProgressDrawTarget::term_like_with_hz(Box::<BarTerminal>::default(), RATE),
        false => ProgressDrawTarget::hidden(),
    }
}

/// How results look on the stream that they go to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    pub colours: bool,
    /// Of the terminal; `None`: it is not one, and lines are as long as they are.
    pub columns: Option<usize>,
}

impl Look {
    /// Of stdout. NO_COLOR: see no-color.org.
    pub fn of_results() -> Look {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Look::default();
        }
        let columns = match tcgetwinsize(&stdout) {
            Ok(size) if size.ws_col > 0 => size.ws_col,
            _ => USUAL.0,
        };
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Look { colours: !unwanted && !is_dumb(), columns: Some(usize::from(columns)) }
    }
}

/// It knows no escape sequences.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}

/// One drawing is one write. No error comes out of it: indicatif panics when it hears of one.
#[derive(Debug, Default)]
struct BarTerminal(Mutex<String>);

impl BarTerminal {
    fn add(&self, text: std::fmt::Arguments) -> io::Result<()> {
        // Writing to a string does not fail.
        let _ = locked(&self.0).write_fmt(text);
        Ok(())
    }

    fn turn(&self, count: usize, way: char) -> io::Result<()> {
        match count {
            0 => Ok(()),
            count => self.add(format_args!("\x1b[{count}{way}")),
        }
    }

    fn size() -> (u16, u16) {
        match tcgetwinsize(io::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => USUAL,
        }
    }
}

/// Sequences of ECMA-48, which every terminal that can move its cursor knows.
impl TermLike for BarTerminal {
    fn width(&self) -> u16 {
        BarTerminal::size().0
    }
    fn height(&self) -> u16 {
        BarTerminal::size().1
    }
    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.turn(lines, 'A')
    }
    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.turn(lines, 'B')
    }
    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.turn(columns, 'C')
    }
    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.turn(columns, 'D')
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(format_args!("{text}\n"))
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(format_args!("{text}"))
    }
    fn clear_line(&self) -> io::Result<()> {
        self.add(format_args!("\r\x1b[2K"))
    }
    fn flush(&self) -> io::Result<()> {
        let drawing = std::mem::take(&mut *locked(&self.0));
        let _ = io::stderr().write_all(drawing.as_bytes());
        Ok(())
    }
}
