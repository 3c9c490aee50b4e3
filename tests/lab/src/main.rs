//! `lab-burner serve SOCKET DIR`, and `lab-burner ctl SOCKET words…`.

use std::path::Path;
use std::process::ExitCode;

use coldcut_lab::control;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["serve", socket, dir] => control::serve(Path::new(socket), Path::new(dir))
            .map(|()| String::new())
            .map_err(|e| e.to_string()),
        ["ctl", socket, rest @ ..] => control::ask(Path::new(socket), &rest.join(" ")),
        _ => Err("lab-burner serve SOCKET DIR | lab-burner ctl SOCKET words…".to_owned()),
    };
    match done {
        Ok(words) => {
            println!("{words}");
            ExitCode::SUCCESS
        }
        Err(words) => {
            eprintln!("{words}");
            ExitCode::FAILURE
        }
    }
}
