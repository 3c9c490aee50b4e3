//! Exit codes: what scripts rely on, so they never change. `docs/exit-codes.md` is for users.

use std::process::ExitCode;

/// How a run ended. One run, one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Stopped by this signal: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    Interrupted(i32),
    /// The command line cannot be understood; nothing was looked at.
    Usage,
    /// Another coldcut is at work; nothing was begun.
    Busy,
    /// The command could not do its work at all.
    Failed,
    /// A disc that is needed never came.
    DiscMissing,
    /// Reading back found damage.
    Damage,
    /// Everything else was done, listed files were not.
    Incomplete,
    Done,
}

impl Exit {
    /// In the order of `docs/exit-codes.md`, counted from 0; the code; the word for programs.
    fn row(self) -> (u8, u8, &'static str) {
        match self {
            // POSIX shells say 128 + signal; signal numbers are below 128.
            Exit::Interrupted(signal) => {
                let code = 128_u8.saturating_add(u8::try_from(signal).unwrap_or(0));
                (0, code, "interrupted")
            }
            Exit::Usage => (1, 2, "usage"),
            Exit::Busy => (2, 6, "busy"),
            Exit::Failed => (3, 1, "failed"),
            Exit::DiscMissing => (4, 4, "disc-missing"),
            Exit::Damage => (5, 5, "damage"),
            Exit::Incomplete => (6, 3, "incomplete"),
            Exit::Done => (7, 0, "done"),
        }
    }

    pub fn code(self) -> u8 {
        self.row().1
    }

    /// The `kind` of the object that reports a failure.
    pub fn kind(self) -> &'static str {
        self.row().2
    }

    /// Of two ends of one run, the one that is told: the order is that of `docs/exit-codes.md`.
    pub fn and(self, other: Exit) -> Exit {
        if other.row().0 < self.row().0 { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_ORDER: [(Exit, u8, &str); 10] = [
        (Exit::Interrupted(2), 130, "interrupted"),
        (Exit::Interrupted(15), 143, "interrupted"),
        (Exit::Interrupted(1), 129, "interrupted"),
        (Exit::Usage, 2, "usage"),
        (Exit::Busy, 6, "busy"),
        (Exit::Failed, 1, "failed"),
        (Exit::DiscMissing, 4, "disc-missing"),
        (Exit::Damage, 5, "damage"),
        (Exit::Incomplete, 3, "incomplete"),
        (Exit::Done, 0, "done"),
    ];

    /// Codes and words of the table of `docs/exit-codes.md`.
    fn documented() -> Vec<(u8, String)> {
        let page = include_str!("../../docs/exit-codes.md");
        let row = |line: &str| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let (codes, word) = (cells.next()?, cells.next()?.trim_matches('`').to_owned());
            let codes: Vec<u8> = codes.split(", ").filter_map(|code| code.parse().ok()).collect();
            Some(codes.into_iter().map(move |code| (code, word.clone())))
        };
        page.lines().filter_map(row).flatten().collect()
    }

    #[test]
    fn the_codes_and_words_are_the_documented_ones() {
        assert_eq!(documented(), IN_ORDER.map(|(_, code, word)| (code, word.to_owned())));
        for (exit, code, word) in IN_ORDER {
            assert_eq!((exit.code(), exit.kind()), (code, word), "{exit:?}");
        }
    }

    #[test]
    fn of_two_ends_the_first_in_the_table_is_told() {
        for pair in IN_ORDER.windows(2) {
            let [(before, ..), (after, ..)] = pair else { unreachable!() };
            assert_eq!(before.and(*after), *before);
            if !matches!(after, Exit::Interrupted(_)) {
                assert_eq!(after.and(*before), *before);
            }
        }
    }
}
