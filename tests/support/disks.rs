//! Real small file systems: those that are full answer as a user's disk does. Needs root.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Sandbox;

/// Unmounted at the end.
pub struct SmallDisk {
    at: PathBuf,
    /// The file that an ext4 is in.
    image: Option<PathBuf>,
}

impl SmallDisk {
    /// In memory; `options` as mount knows them: `size=3m,nr_inodes=20`. As other file systems are,
    /// closed to all who are not its owner.
    pub fn tmpfs(at: PathBuf, options: &str) -> SmallDisk {
        fs::create_dir_all(&at).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("mode=755,{options}"), "none"], &at);
        SmallDisk { at, image: None }
    }

    /// In a file, over a loop device.
    pub fn ext4(sandbox: &Sandbox, at: PathBuf, megabytes: u64) -> SmallDisk {
        fs::create_dir_all(&at).unwrap();
        let image = sandbox.path("small.ext4");
        fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        // No blocks are kept for root, as whom the tests run.
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image));
        mount(&["-o", "loop", image.to_str().unwrap()], &at);
        SmallDisk { at, image: Some(image) }
    }

    pub fn resize(&self, options: &str) {
        mount(&["-o", &format!("remount,{options}"), "none"], &self.at);
    }

    /// From the moment when `sign` says so, another program eats all the room there is, until the
    /// answer is dropped, which gives it back.
    pub fn eaten_when(&self, sign: impl Fn() -> bool + Send + 'static) -> Eater {
        let (path, full) = (self.at.join("eaten"), Arc::new(AtomicBool::new(false)));
        let (eaten, ended) = (path.clone(), full.clone());
        let thread = std::thread::spawn(move || {
            while !sign() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            eat(&eaten, &ended);
        });
        Eater { path, ended: full, thread: Some(thread) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        if let Some(image) = &self.image {
            let _ = fs::remove_file(image);
        }
    }
}

/// Writes until nothing more goes in, and again as soon as something does.
fn eat(path: &Path, ended: &AtomicBool) {
    let mut file = fs::File::create(path).unwrap();
    while !ended.load(Ordering::Relaxed) {
        match std::io::Write::write(&mut file, &[0; 4096]) {
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                std::thread::sleep(Duration::from_millis(1))
            }
            written => assert!(written.unwrap() > 0),
        }
    }
}

pub struct Eater {
    path: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Eater {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
        let _ = fs::remove_file(&self.path);
    }
}

fn mount(options: &[&str], at: &Path) {
    run(Command::new("mount").args(options).arg(at));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
}
