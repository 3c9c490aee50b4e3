//! A line for the shell that the user wrote, such as the one that prints a passphrase. Stands
//! apart from `command`, which runs programs of our own choice and never a shell.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// The variable that may hold a passphrase; no program that we start gets it.
pub const PASSPHRASE: &str = "COLDCUT_PASSPHRASE";

#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error("cannot start sh")]
    Start(#[source] io::Error),
    #[error("the command ended with {0}")]
    Failed(ExitStatus),
}

/// Runs `sh -c LINE` and gives what it wrote to stdout. Its stdin is empty and its stderr is ours,
/// so that it can complain; `hidden` variables are not in its environment.
pub fn run_shell_line(line: &OsStr, hidden: &[&str]) -> Result<Vec<u8>, ShellError> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).stdin(Stdio::null()).stderr(Stdio::inherit());
    for variable in hidden {
        command.env_remove(variable);
    }
    let output = command.output().map_err(ShellError::Start)?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(ShellError::Failed(output.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str, hidden: &[&str]) -> Result<Vec<u8>, ShellError> {
        run_shell_line(OsStr::new(line), hidden)
    }

    #[test]
    fn the_output_comes_back_as_bytes() {
        assert_eq!(run("printf 'a\\377\\n'", &[]).unwrap(), b"a\xff\n");
    }

    #[test]
    fn a_hidden_variable_is_not_passed_on() {
        assert_ne!(run("printf %s \"$PATH\"", &[]).unwrap(), b"");
        assert_eq!(run("env | /bin/grep -c ^CARGO_MANIFEST_DIR=; true", &[]).unwrap(), b"1\n");
        let hidden = ["CARGO_MANIFEST_DIR"];
        assert_eq!(run("env | /bin/grep -c ^CARGO_MANIFEST_DIR=; true", &hidden).unwrap(), b"0\n");
    }

    #[test]
    fn a_failure_names_the_exit_status() {
        assert_eq!(
            run("exit 7", &[]).unwrap_err().to_string(),
            "the command ended with exit status: 7"
        );
    }
}
