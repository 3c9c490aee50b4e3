//! A line for the shell that the user wrote, such as the one that prints a passphrase; and words
//! quoted for a line that the user may run. Stands apart from `command`, which runs programs of our
//! own choice and never a shell.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::Signal;

use crate::model::path::shown;

use super::command::{DRAIN, LineSink, LineSplitter, TICK, in_own_session, signal_group};
use super::rights::works_as_another;
use super::stop::{Stop, Stopped};

#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error("cannot start sh")]
    Start(#[source] io::Error),
    #[error("the command ended with {0}")]
    Failed(ExitStatus),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Runs `sh -c LINE` and gives what it wrote to stdout. Its stdin is empty, its stderr is ours, so
/// that it can complain, and it may ask at our terminal; `hidden` variables are not in its
/// environment. A wish to stop ends the wait for it, and it.
///
/// Where the terminal is root's and this process another user's, who may enter the command
/// (ptrace(2)), it has no terminal, and `complain` gets each line of its complaints.
pub fn run_shell_line(
    line: &OsStr,
    hidden: &[&str],
    stop: &Stop,
    complain: &mut LineSink,
) -> Result<Vec<u8>, ShellError> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).stdin(Stdio::null()).stderr(Stdio::inherit());
    for variable in hidden {
        command.env_remove(variable);
    }
    let apart = works_as_another();
    if apart {
        in_own_session(&mut command);
        command.stderr(Stdio::piped());
    }
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(ShellError::Start)?;
    let ended = wait_for(&mut child, stop, complain);
    if ended.is_err() {
        // Ctrl-C reaches what it started in our session, and nothing in another one.
        if apart && matches!(child.try_wait(), Ok(None)) {
            signal_group(&child, Signal::SIGKILL);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    match ended? {
        (status, _) if !status.success() => Err(ShellError::Failed(status)),
        (_, said) => said.map_err(ShellError::Start),
    }
}

/// Waits for the child's end and for that of its output; for the output of one that failed only
/// until it has ended.
fn wait_for(
    child: &mut Child,
    stop: &Stop,
    complain: &mut LineSink,
) -> Result<(ExitStatus, io::Result<Vec<u8>>), ShellError> {
    let output = listen(child).map_err(ShellError::Start)?;
    let complaints = overhear(child).map_err(ShellError::Start)?;
    let (mut said, mut lines) = (None, LineSplitter::default());
    let status = loop {
        stop.check()?;
        complaints.try_iter().for_each(|piece| lines.feed(&piece, complain));
        said = said.or_else(|| output.recv_timeout(TICK).ok());
        match child.try_wait().map_err(ShellError::Start)? {
            Some(status) if !status.success() || said.is_some() => break status,
            None if said.is_some() => std::thread::sleep(TICK),
            _ => {}
        }
    };
    while let (Ok(()), Ok(piece)) = (stop.check(), complaints.recv_timeout(DRAIN)) {
        lines.feed(&piece, complain);
    }
    lines.finish(complain);
    Ok((status, said.unwrap_or_else(|| Ok(Vec::new()))))
}

/// Reads what the child writes, on a thread of its own.
fn listen(child: &mut Child) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (send, receive) = channel();
    let out = child.stdout.take();
    let read = move || {
        let mut bytes = Vec::new();
        let read = out.map_or(Ok(0), |mut out| out.read_to_end(&mut bytes));
        // Where nobody listens any more the wait was given up.
        let _ = send.send(read.map(|_| bytes));
    };
    std::thread::Builder::new().name("output of a command".into()).spawn(read)?;
    Ok(receive)
}

/// Reads what the child complains of as it comes, on a thread of its own; nothing if its stderr is
/// ours.
fn overhear(child: &mut Child) -> io::Result<Receiver<Vec<u8>>> {
    let (send, receive) = channel();
    let Some(mut complaints) = child.stderr.take() else { return Ok(receive) };
    let read = move || {
        let mut buffer = [0; 4096];
        while let Ok(got @ 1..) = complaints.read(&mut buffer) {
            if send.send(buffer[..got].to_vec()).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("error output of a command".into()).spawn(read)?;
    Ok(receive)
}

/// A word as one writes it for bash, on one line and in ASCII where it could be taken for another.
pub fn quoted(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(is_plain) {
        return word.to_string_lossy().into_owned();
    }
    match word.to_str() {
        Some(text) if shown(bytes) == text => format!("'{}'", text.replace('\'', "'\\''")),
        _ => {
            let escaped = |&byte: &u8| match byte {
                b'\\' | b'\'' => format!("\\{}", char::from(byte)),
                b' '..=b'~' => char::from(byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", bytes.iter().map(escaped).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str, hidden: &[&str]) -> Result<Vec<u8>, ShellError> {
        run_shell_line(OsStr::new(line), hidden, &Stop::new(), &mut |_| {})
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

    /// bash itself reads them back.
    #[test]
    fn a_quoted_word_is_read_as_it_was() {
        let words: [&[u8]; 9] = [
            b"",
            b"/srv/photos",
            b"a b",
            b"it's",
            b"$(x) `y` \\ \"z\" !",
            "\u{e4}\u{202e}".as_bytes(),
            "\u{e4}".as_bytes(),
            b"\x1b[m'\\a1",
            b"\xffb",
        ];
        for word in words {
            let quoted = quoted(OsStr::from_bytes(word));
            assert!(!quoted.contains(char::is_control) && !quoted.contains('\u{202e}'), "{quoted}");
            let script = format!("printf %s {quoted}");
            let output = Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(output.stdout, word, "{quoted}");
        }
    }

    #[test]
    fn a_failure_names_the_exit_status() {
        assert_eq!(
            run("exit 7", &[]).unwrap_err().to_string(),
            "the command ended with exit status: 7"
        );
    }
}
