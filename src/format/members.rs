//! Names of members in archives (format 3.2 and 3.3): the source's own paths, and the corner
//! `.coldcut-…` that is coldcut's.

use crate::model::RelPath;

const OURS: &[u8] = b".coldcut-";
const SOURCE: &[u8] = b".coldcut-source";
const PARTS: &[u8] = b".coldcut-parts";

/// The name under which a path is stored whole: the path itself, or `.coldcut-source/PATH`
/// for a path that could be taken for one of coldcut's own.
pub fn member_name(path: &RelPath) -> RelPath {
    if !is_ours(path) {
        return path.clone();
    }
    path.components().fold(component(SOURCE), |name, part| name.join(part))
}

/// The path that is stored whole under a member's name: [`member_name`] undone.
pub fn path_of(member: &RelPath) -> RelPath {
    let mut names = member.components();
    if names.next() != Some(SOURCE) {
        return member.clone();
    }
    names.fold(RelPath::root(), |path, name| path.join(name))
}

/// The name of a part of the content `id`, counted from 1.
pub fn part_name(id: u64, part: u32) -> RelPath {
    part_dir(id).join(format!("{part:04}").as_bytes())
}

/// What the names of all parts of a content begin with; SNAPSHOT names the content so.
pub fn part_dir(id: u64) -> RelPath {
    component(PARTS).join(format!("{id:016x}").as_bytes())
}

/// The content's id in a name that [`part_dir`] or [`part_name`] made.
pub fn part_id(member: &RelPath) -> Option<u64> {
    let mut parts = member.components();
    let id = parts.next().filter(|&first| first == PARTS).and(parts.next())?;
    let hex = id.len() == 16 && id.iter().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u64::from_str_radix(std::str::from_utf8(id).ok()?, 16).ok())?
}

fn is_ours(path: &RelPath) -> bool {
    path.components().next().is_some_and(|first| first.starts_with(OURS))
}

fn component(name: &[u8]) -> RelPath {
    RelPath::root().join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_paths_that_look_like_ours_get_another_name() {
        for same in [".", "a", "a/.coldcut-parts", ".coldcut", "x.coldcut-parts/1"] {
            assert_eq!(member_name(&path(same)), path(same));
            assert_eq!(path_of(&path(same)), path(same));
        }
        for ours in [".coldcut-parts/1/2", ".coldcut-source", ".coldcut-"] {
            let expected = format!(".coldcut-source/{ours}");
            assert_eq!(member_name(&path(ours)), path(&expected));
            assert_eq!(path_of(&path(&expected)), path(ours));
        }
    }

    #[test]
    fn parts_are_named_after_the_content_and_counted_in_four_digits_or_more() {
        assert_eq!(part_name(0xab, 7), path(".coldcut-parts/00000000000000ab/0007"));
        assert_eq!(part_name(u64::MAX, 12345), path(".coldcut-parts/ffffffffffffffff/12345"));
        assert_eq!(part_id(&part_dir(0xab)), Some(0xab));
        assert_eq!(part_id(&part_name(u64::MAX, 3)), Some(u64::MAX));
        for other in
            [".", "a", ".coldcut-parts", ".coldcut-parts/+0000000000000ab", "x/0123456789abcdef"]
        {
            assert_eq!(part_id(&path(other)), None, "{other}");
        }
    }
}
