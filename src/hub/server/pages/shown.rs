//! Sizes, times and names, as a page shows them.

use crate::model::Bytes;
use crate::model::path::shown;
use crate::port::clock::Moment;

/// Text of somebody else's: characters that would hide or turn what stands beside them are escaped.
pub fn text(text: &str) -> String {
    shown(text.as_bytes())
}

pub fn size(bytes: u64) -> String {
    Bytes(bytes).to_string()
}

/// `2026-11-29 07:15`, where this system is; nothing for nothing.
pub fn minute(date: Option<&str>) -> String {
    date.and_then(Moment::parse).map_or_else(String::new, Moment::local_minute)
}

/// `07:15`
pub fn clock(moment: Moment) -> String {
    moment.local_minute().split(' ').nth(1).unwrap_or_default().to_owned()
}

pub fn day(date: Option<&str>) -> String {
    date.and_then(Moment::parse).map_or_else(|| "never".to_owned(), Moment::local_day)
}

/// Rounded down: 100 is only what is finished.
pub fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        total => (u128::from(done) * 100 / u128::from(total)).min(100) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_never_runs_ahead() {
        assert_eq!(
            [percent(0, 9), percent(8, 9), percent(9, 9), percent(99, 9)],
            [0, 88, 100, 100]
        );
        assert_eq!([percent(0, 0), percent(u64::MAX, u64::MAX)], [100, 100]);
    }

    #[test]
    fn names_do_not_turn_what_stands_beside_them() {
        assert_eq!(text("a\u{202e}b\u{1b}[2J"), "a\\u{202e}b\\u{1b}[2J");
        assert_eq!(minute(Some("nonsense")), "");
    }
}
