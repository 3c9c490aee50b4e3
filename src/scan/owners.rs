//! Names of users and groups. Asking the system for one may go over the network: each is asked once.

use std::collections::HashMap;

use nix::unistd::{Gid, Group, Uid, User};

#[derive(Debug, Default)]
pub(super) struct OwnerNames {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
}

impl OwnerNames {
    /// Empty if the system knows no name, or cannot say: the number is stored in any case.
    pub fn user(&mut self, uid: u32) -> Vec<u8> {
        let ask = || User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
        self.users.entry(uid).or_insert_with(|| ask().unwrap_or_default().into_bytes()).clone()
    }

    /// As [`OwnerNames::user`].
    pub fn group(&mut self, gid: u32) -> Vec<u8> {
        let ask = || Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name);
        self.groups.entry(gid).or_insert_with(|| ask().unwrap_or_default().into_bytes()).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_a_stranger_has_none() {
        let mut owners = OwnerNames::default();
        for _ in 0..2 {
            assert_eq!(owners.user(0), b"root");
            assert_eq!(owners.group(0), b"root");
            assert_eq!(owners.user(3_000_000_001), b"");
            assert_eq!(owners.group(3_000_000_001), b"");
        }
    }
}
