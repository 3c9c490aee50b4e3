//! Types of positions. Separate because blocks of bytes and texts of names are divided in the same
//! way.

/// Finds the LMS positions of a text that is not constant and writes them to `lms`, ascending.
/// Calls `see` for each position, from the last to the first, with the symbol there and whether
/// it is of type S.
pub fn classify<T: Copy + Ord>(text: &[T], lms: &mut Vec<u32>, mut see: impl FnMut(T, bool)) {
    let first_is_s = starts_with_s(text);
    lms.resize(text.len() / 2 + 1, 0);
    let (mut free, mut next, mut next_is_s) = (lms.len() - 1, text[0], first_is_s);
    let mut last_is_s = false;
    for (at, &symbol) in text.iter().enumerate().rev() {
        let is_s = (symbol < next) | ((symbol == next) & next_is_s);
        see(symbol, is_s);
        // Round the end: position 0 is dealt with below.
        let next_is_lms = next_is_s & !is_s & (at + 1 < text.len());
        lms[free] = at as u32 + 1;
        free -= usize::from(next_is_lms);
        if at + 1 == text.len() {
            last_is_s = is_s;
        }
        (next, next_is_s) = (symbol, is_s);
    }
    if first_is_s && !last_is_s {
        lms[free] = 0;
    } else {
        free += 1;
    }
    lms.drain(..free);
}

/// Decided by the first symbol that differs from the one at position 0.
fn starts_with_s<T: Copy + Ord>(text: &[T]) -> bool {
    text.iter().find(|&&symbol| symbol != text[0]).is_some_and(|&symbol| symbol > text[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lms_of(text: &[u8]) -> (Vec<u32>, Vec<bool>) {
        let (mut lms, mut types) = (Vec::new(), Vec::new());
        classify(text, &mut lms, |_, is_s| types.insert(0, is_s));
        (lms, types)
    }

    proptest! {
        #[test]
        fn types_say_how_a_rotation_compares_with_the_next(
            text in prop::collection::vec(0_u8..3, 2..30)
        ) {
            prop_assume!(text.iter().any(|&byte| byte != text[0]));
            let (lms, types) = lms_of(&text);
            let n = text.len();
            let rotation = |at: usize| [&text[at % n..], &text[..at % n]].concat();
            let expected: Vec<bool> = (0..n).map(|at| rotation(at) < rotation(at + 1)).collect();
            prop_assert_eq!(&types, &expected);
            let s_after_l = |&at: &usize| expected[at] && !expected[(at + n - 1) % n];
            let expected: Vec<u32> = (0..n).filter(s_after_l).map(|at| at as u32).collect();
            prop_assert_eq!(lms, expected);
        }
    }
}
