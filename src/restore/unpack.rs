//! Members out of a row of frames, in order, each by its place: a damaged one does not cost the
//! next, as long as the data after it can be expanded.

use std::io::{self, Read};

use super::assembly::{MemberFailure, in_words};
use super::index::Fetch;
use crate::codec::read_member::{ReadMember, read_member};

/// Takes the content of a member; the reader stands at its data.
pub type TakeMember<'a> =
    dyn FnMut(&Fetch, &ReadMember, &mut dyn Read) -> Result<(), MemberFailure> + 'a;

/// A reader that knows how far it has come.
struct PositionReader<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Read for PositionReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Finds each member in the expanded data and hands it on. `fetches` are of one row of frames, in
/// the order of their places.
pub fn unpack(
    expanded: impl Read,
    fetches: &[Fetch],
    take: &mut TakeMember,
    mut failed: impl FnMut(&Fetch, MemberFailure),
) {
    let mut input = PositionReader { inner: expanded, at: 0 };
    for fetch in fetches {
        if let Err(failure) = unpack_one(&mut input, fetch, take) {
            failed(fetch, failure);
        }
    }
}

fn unpack_one(
    input: &mut PositionReader<impl Read>,
    fetch: &Fetch,
    take: &mut TakeMember,
) -> Result<(), MemberFailure> {
    let damaged = |error: io::Error| MemberFailure::Disc(in_words(&error));
    let behind = || MemberFailure::Disc("the listing's places overlap".to_owned());
    let skip = fetch.frames.tar_offset.checked_sub(input.at).ok_or_else(behind)?;
    let skipped = io::copy(&mut input.take(skip), &mut io::sink()).map_err(damaged)?;
    if skipped < skip {
        return Err(MemberFailure::Disc("the archive ends before that place".to_owned()));
    }
    let nothing = || MemberFailure::Disc("there is no member where the listing says".to_owned());
    let member = read_member(input)?.ok_or_else(nothing)?;
    take(fetch, &member, input)
}
