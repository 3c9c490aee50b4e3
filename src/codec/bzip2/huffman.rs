//! Prefix codes: how long the code of each symbol is, by how often it occurs, and the codes
//! themselves. Knows nothing of blocks and tables.

use super::MAX_ALPHABET;

/// The longest code that is written, as libbz2 does since 1.0.3 (`compress.c`).
const LONGEST: usize = 17;

/// Lengths of the best code, none above [`LONGEST`]. Each symbol gets one, also those that do not
/// occur. There must be 2 to [`MAX_ALPHABET`] symbols.
pub fn lengths(counts: &[u32], lengths: &mut [u8]) {
    let sorted = &rarest_first(counts)[..counts.len()];
    let mut nodes = [0; MAX_ALPHABET];
    let nodes = &mut nodes[..counts.len()];
    nodes.iter_mut().zip(sorted).for_each(|(weight, &(count, _))| *weight = count);
    inner_depths(nodes);
    let mut rest = sorted.iter();
    for (length, number) in limited(leaves(nodes)).into_iter().enumerate().rev() {
        for &(_, symbol) in rest.by_ref().take(number as usize) {
            lengths[usize::from(symbol)] = length as u8;
        }
    }
}

/// Lengths that are all equal or, where that leaves codes over, differ by one. The rarest symbols
/// have the longer codes.
pub fn plain_lengths(counts: &[u32], lengths: &mut [u8]) {
    let short = counts.len().ilog2();
    let long_ones = 2 * (counts.len() - (1 << short));
    for (at, &(_, symbol)) in rarest_first(counts)[..counts.len()].iter().enumerate() {
        lengths[usize::from(symbol)] = short as u8 + u8::from(at < long_ones);
    }
}

/// Counts, at least 1, with their symbols.
fn rarest_first(counts: &[u32]) -> [(u32, u16); MAX_ALPHABET] {
    let mut sorted = [(0, 0); MAX_ALPHABET];
    for (symbol, (place, &count)) in (0..).zip(sorted.iter_mut().zip(counts)) {
        *place = (count.max(1), symbol);
    }
    sorted[..counts.len()].sort_unstable();
    sorted
}

/// Turns ascending weights into the depths of the inner nodes of their tree, the root last but
/// one, in place (Moffat and Katajainen, "In-Place Calculation of Minimum-Redundancy Codes", 1995,
/// phases 1 and 2).
fn inner_depths(nodes: &mut [u32]) {
    let len = nodes.len();
    let (mut inner, mut leaf) = (0, 0);
    for next in 0..len - 1 {
        // The two lightest: inner nodes that have no parent yet, and leaves.
        let mut weight = 0;
        for _ in 0..2 {
            if leaf >= len || (inner < next && nodes[inner] < nodes[leaf]) {
                weight += nodes[inner];
                nodes[inner] = next as u32;
                inner += 1;
            } else {
                weight += nodes[leaf];
                leaf += 1;
            }
        }
        nodes[next] = weight;
    }
    nodes[len - 2] = 0;
    for node in (0..len - 2).rev() {
        nodes[node] = nodes[nodes[node] as usize] + 1;
    }
}

/// How many leaves there are at each depth. Those too deep are counted as [`LONGEST`].
fn leaves(nodes: &[u32]) -> [u32; LONGEST + 1] {
    let mut leaves = [0; LONGEST + 1];
    let mut inner = nodes[..nodes.len() - 1].iter().rev().peekable();
    let (mut rest, mut open, mut depth) = (nodes.len() as u32, 1, 0);
    while open > 0 {
        let mut parents = 0;
        while inner.next_if(|&&node| node == depth).is_some() {
            parents += 1;
        }
        leaves[LONGEST.min(depth as usize)] += open - parents;
        rest -= open - parents;
        (open, depth) = (2 * parents, depth + 1);
    }
    debug_assert_eq!(rest, 0, "each symbol is a leaf");
    leaves
}

/// Moves leaves until all codes fit into [`LONGEST`] bits: each step takes one from the deepest
/// level and hangs it beside a leaf of the deepest level above, which both go one deeper.
fn limited(mut leaves: [u32; LONGEST + 1]) -> [u32; LONGEST + 1] {
    let space = |leaves: &[u32]| (0..).zip(leaves).map(|(at, &n)| n << (LONGEST - at)).sum::<u32>();
    for _ in 1 << LONGEST..space(&leaves) {
        let above = (1..LONGEST).rev().find(|&depth| leaves[depth] > 0);
        // 258 leaves do not fill a level of 2^17: some are above.
        let Some(above) = above else { break };
        leaves[LONGEST] -= 1;
        leaves[above] -= 1;
        leaves[above + 1] += 2;
    }
    leaves
}

/// Codes by their lengths: ascending with the length, then with the symbol (`BZ2_hbAssignCodes`).
pub fn codes(lengths: &[u8]) -> [u32; MAX_ALPHABET] {
    let mut codes = [0; MAX_ALPHABET];
    let mut code = 0;
    for length in 1..=LONGEST as u8 {
        for (symbol, _) in lengths.iter().enumerate().filter(|&(_, &other)| other == length) {
            codes[symbol] = code;
            code += 1;
        }
        code <<= 1;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    fn lengths_of(counts: &[u32]) -> Vec<u8> {
        let mut found = vec![0; counts.len()];
        lengths(counts, &mut found);
        found
    }

    /// Bits of a code without a limit: what is added while the two lightest nodes are joined.
    fn best_cost(counts: &[u32]) -> u64 {
        let mut heap: BinaryHeap<Reverse<u64>> =
            counts.iter().map(|&count| Reverse(u64::from(count.max(1)))).collect();
        let mut cost = 0;
        while let (Some(Reverse(a)), Some(Reverse(b))) = (heap.pop(), heap.pop()) {
            cost += a + b;
            if heap.is_empty() {
                break;
            }
            heap.push(Reverse(a + b));
        }
        cost
    }

    fn cost(counts: &[u32], lengths: &[u8]) -> u64 {
        let bits = |(&count, &length)| u64::from(u32::max(count, 1)) * u64::from(length);
        counts.iter().zip(lengths).map(bits).sum()
    }

    fn space(lengths: &[u8]) -> f64 {
        lengths.iter().map(|&length| 0.5_f64.powi(length.into())).sum()
    }

    #[test]
    fn codes_of_extremely_uneven_counts_end_at_the_limit_and_fill_the_space() {
        let mut fibonacci = vec![1, 1];
        while fibonacci.len() < 30 {
            fibonacci.push(fibonacci[fibonacci.len() - 2..].iter().sum::<u32>());
        }
        let found = lengths_of(&fibonacci);
        assert_eq!(found.iter().max(), Some(&(LONGEST as u8)));
        assert_eq!(space(&found), 1.0);
        assert!(found.is_sorted_by(|a, b| a >= b), "{found:?}");
    }

    proptest! {
        #[test]
        fn no_code_is_shorter_than_the_one_found(
            exponents in prop::collection::vec(0_u32..5, 2..=MAX_ALPHABET)
        ) {
            let counts: Vec<u32> = exponents.iter().map(|&bits| (1 << bits) - 1).collect();
            let found = lengths_of(&counts);
            prop_assert_eq!(space(&found), 1.0);
            // 258 counts below 16 sum up to less than the Fibonacci number that needs 18 bits.
            prop_assert_eq!(cost(&counts, &found), best_cost(&counts));
        }

        #[test]
        fn plain_codes_fill_the_space_and_spare_the_frequent_symbols(
            counts in prop::collection::vec(0_u32..900, 3..=MAX_ALPHABET)
        ) {
            let mut found = vec![0; counts.len()];
            plain_lengths(&counts, &mut found);
            prop_assert_eq!(space(&found), 1.0);
            let longest = found.iter().max().unwrap();
            prop_assert!(found.iter().all(|length| longest - length <= 1));
            let long = (0..counts.len()).filter(|&at| found[at] == *longest);
            let short = (0..counts.len()).filter(|&at| found[at] < *longest);
            let most = long.map(|at| counts[at].max(1)).max();
            prop_assert!(short.map(|at| counts[at].max(1)).min().is_none_or(|least| most <= Some(least)));
        }

        #[test]
        fn no_code_begins_with_another(counts in prop::collection::vec(0_u32..900, 2..60)) {
            let lengths = lengths_of(&counts);
            let codes = codes(&lengths);
            let text = |at: usize| format!("{:0w$b}", codes[at], w = usize::from(lengths[at]));
            let texts: Vec<String> = (0..counts.len()).map(text).collect();
            for (a, first) in texts.iter().enumerate() {
                for (b, second) in texts.iter().enumerate() {
                    prop_assert!(a == b || !second.starts_with(first), "{first} {second}");
                }
            }
        }
    }
}
