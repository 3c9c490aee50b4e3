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
    pub fn code(self) -> u8 {
        match self {
            // POSIX shells say 128 + signal; signal numbers are below 128.
            Exit::Interrupted(signal) => 128_u8.saturating_add(u8::try_from(signal).unwrap_or(0)),
            Exit::Usage => 2,
            Exit::Busy => 6,
            Exit::Failed => 1,
            Exit::DiscMissing => 4,
            Exit::Damage => 5,
            Exit::Incomplete => 3,
            Exit::Done => 0,
        }
    }

    /// Of two ends of one run, the one that is told: the order is that of `docs/exit-codes.md`.
    pub fn and(self, other: Exit) -> Exit {
        if other.rank() < self.rank() { other } else { self }
    }

    fn rank(self) -> u8 {
        match self {
            Exit::Interrupted(_) => 0,
            Exit::Usage => 1,
            Exit::Busy => 2,
            Exit::Failed => 3,
            Exit::DiscMissing => 4,
            Exit::Damage => 5,
            Exit::Incomplete => 6,
            Exit::Done => 7,
        }
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

    const IN_ORDER: [(Exit, u8); 10] = [
        (Exit::Interrupted(2), 130),
        (Exit::Interrupted(15), 143),
        (Exit::Interrupted(1), 129),
        (Exit::Usage, 2),
        (Exit::Busy, 6),
        (Exit::Failed, 1),
        (Exit::DiscMissing, 4),
        (Exit::Damage, 5),
        (Exit::Incomplete, 3),
        (Exit::Done, 0),
    ];

    #[test]
    fn the_codes_are_the_documented_ones() {
        let page = include_str!("../../docs/exit-codes.md");
        let documented: Vec<u8> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"))
            .flat_map(|(codes, _)| codes.split(", ").map(|code| code.parse().ok()))
            .flatten()
            .collect();
        assert_eq!(documented, IN_ORDER.map(|(_, code)| code));
        for (exit, code) in IN_ORDER {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }

    #[test]
    fn of_two_ends_the_first_in_the_table_is_told() {
        for pair in IN_ORDER.windows(2) {
            let [(before, _), (after, _)] = pair else { unreachable!() };
            assert_eq!(before.and(*after), *before);
            if !matches!(after, Exit::Interrupted(_)) {
                assert_eq!(after.and(*before), *before);
            }
        }
    }
}
