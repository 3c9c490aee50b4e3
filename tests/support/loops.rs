//! An image whose directories have no end.

use std::fs;
use std::path::Path;

/// The record of `archives` names the root directory as its own extent.
pub fn make_directory_loop(image: &Path) {
    let mut bytes = fs::read(image).unwrap();
    let place = 16 * 2048 + 158;
    let root: [u8; 4] = bytes[place..place + 4].try_into().unwrap();
    let start = u32::from_le_bytes(root) as usize * 2048;
    let name = bytes[start..].windows(8).position(|window| window == b"ARCHIVES").unwrap();
    let record = start + name - 33;
    bytes[record + 2..record + 6].copy_from_slice(&root);
    bytes[record + 6..record + 10].copy_from_slice(&u32::from_le_bytes(root).to_be_bytes());
    fs::write(image, bytes).unwrap();
}
