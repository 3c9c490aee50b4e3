//! Encrypted files, opened while their bytes pass by to be hashed: only whoever reads a message to its
//! end can tell whether it is what was encrypted, and nothing is read twice for it.

use std::io::{self, Read};

use crossbeam_channel::{Receiver, Sender};

use crate::codec::openpgp::{IntegrityError, OpenError, Opener};
use crate::port::notice::OpenedFiles;

/// What became of one.
#[derive(Debug)]
pub(super) enum Seal {
    Whole,
    Locked,
    Broken(String),
}

/// Whether a file of a disc is encrypted: its name says it (format 3.1).
pub fn is_sealed(path: &str) -> bool {
    path.ends_with(".gpg")
}

/// Counts a file; what is wrong with it.
pub(super) fn count(seal: Seal, among: &mut OpenedFiles) -> Option<String> {
    match seal {
        Seal::Whole => among.opened += 1,
        Seal::Locked => among.locked += 1,
        Seal::Broken(what) => {
            among.opened += 1;
            return Some(what);
        }
    }
    None
}

pub(super) fn check(opener: &Opener, mut passing: Passing) -> Seal {
    let proved = opener.prove(&mut passing);
    // What could not be opened passes by as well.
    let _ = io::copy(&mut passing, &mut io::sink());
    match proved {
        Ok(()) => Seal::Whole,
        Err(error) if error.is_of_another_key() => Seal::Locked,
        Err(OpenError::Damaged(_) | OpenError::Read(_)) => Seal::Broken(IntegrityError.to_string()),
        Err(error) => Seal::Broken(format!("cannot be decrypted: {error}")),
    }
}

/// Blocks of a file, each handed on once it was read.
pub(super) struct Passing {
    blocks: Receiver<Filled>,
    done: Sender<Filled>,
    block: Option<Filled>,
    at: usize,
}

impl Passing {
    pub fn new(blocks: Receiver<Filled>, done: Sender<Filled>) -> Passing {
        Passing { blocks, done, block: None, at: 0 }
    }
}

impl Read for Passing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((block, filled)) = &self.block {
                let left = &block[self.at..*filled];
                if !left.is_empty() {
                    let len = left.len().min(buf.len());
                    buf[..len].copy_from_slice(&left[..len]);
                    self.at += len;
                    return Ok(len);
                }
            }
            if let Some(block) = self.block.take() {
                // It fails where nothing more is read.
                let _ = self.done.send(block);
            }
            match self.blocks.recv() {
                Ok(block) => (self.block, self.at) = (Some(block), 0),
                Err(_) => return Ok(0),
            }
        }
    }
}

/// A block, and how much of it is filled.
pub(super) type Filled = (Vec<u8>, usize);
