//! Which coding tables a block gets, and which of them writes which group of symbols: each group
//! takes the table that is the shortest for it, each table becomes the best one for its groups,
//! and again.

use super::{GROUP_SYMBOLS, MAX_ALPHABET, MAX_TABLES, MIN_TABLES, huffman};

/// How often groups choose. libbz2 does it four times; a fifth time takes off 0.01 to 0.03 % (text,
/// source and programs) and costs 1 % of the time.
const PASSES: usize = 5;

/// The first tables' length of symbols that they are not for (`BZ_GREATER_ICOST`).
const UNLIKELY: u8 = 15;

/// Bits that a table must save to be chosen instead of the one before. To keep a table costs one
/// bit, another one two to six. libbz2 does not count them: it takes off 0.05 to 0.1 %.
const CHANGE: u64 = 2;

/// Bits of a table's place in a sum of costs. A group has 50 codes of at most 17 bits.
const COST_BITS: usize = 10;

/// More than [`MAX_ALPHABET`], and an index below it is in bounds for the compiler to see.
const SLOTS: usize = 512;

/// How often each symbol is written by each table.
type SymbolCounts = [[u32; SLOTS]; MAX_TABLES];

/// The tables of a block.
pub struct Tables {
    count: usize,
    alphabet: usize,
    lengths: [[u8; MAX_ALPHABET]; MAX_TABLES],
    /// The table of each group.
    selectors: Vec<u8>,
}

impl Tables {
    pub fn new() -> Tables {
        let lengths = [[0; MAX_ALPHABET]; MAX_TABLES];
        Tables { count: 0, alphabet: 0, lengths, selectors: Vec::new() }
    }

    /// Chooses tables for `symbols`. `counts` says how often each occurs.
    pub fn choose(&mut self, symbols: &[u16], counts: &[u32]) {
        self.count = tables_for(symbols.len());
        self.alphabet = counts.len();
        self.begin(symbols.len() as u32, counts);
        let mut by_table = self.select(symbols);
        self.improve(&by_table);
        for _ in 1..PASSES {
            by_table = self.select(symbols);
            self.improve(&by_table);
        }
        self.write_plainly_if_shorter(counts, self.bits(&by_table));
    }

    /// Divides the alphabet, so that each table is for about as many of the symbols
    /// (`sendMTFValues`).
    fn begin(&mut self, symbols: u32, counts: &[u32]) {
        let (mut from, mut left) = (0, symbols);
        for table in (0..self.count).rev() {
            let share = left / (table as u32 + 1);
            let (mut end, mut sum) = (from, 0);
            while sum < share && end < counts.len() {
                sum += counts[end];
                end += 1;
            }
            let is_inner = table != self.count - 1 && table != 0;
            if end > from + 1 && is_inner && (self.count - table) % 2 == 0 {
                end -= 1;
                sum -= counts[end];
            }
            self.lengths[table] = [UNLIKELY; MAX_ALPHABET];
            self.lengths[table][from..end].fill(0);
            (from, left) = (end, left - sum);
        }
    }

    /// Chooses the table of each group, and counts what each table has to write.
    fn select(&mut self, symbols: &[u16]) -> SymbolCounts {
        let costs = self.costs();
        let mut counts = [[0; SLOTS]; MAX_TABLES];
        let mut last = 0;
        self.selectors.clear();
        for group in symbols.chunks(GROUP_SYMBOLS) {
            let codes: u64 = group.iter().map(|&symbol| costs[slot(symbol)]).sum();
            last = cheapest(codes + change_from(last), self.count);
            self.selectors.push(last as u8);
            let counts = &mut counts[last];
            group.iter().for_each(|&symbol| counts[slot(symbol)] += 1);
        }
        counts
    }

    /// What each symbol costs in all tables, each in [`COST_BITS`] bits of its own.
    fn costs(&self) -> [u64; SLOTS] {
        let mut costs = [0; SLOTS];
        for (table, lengths) in self.lengths().enumerate() {
            let costs = costs.iter_mut().zip(lengths);
            costs.for_each(|(cost, &bits)| *cost |= u64::from(bits) << (COST_BITS * table));
        }
        costs
    }

    fn improve(&mut self, counts: &SymbolCounts) {
        for (lengths, counts) in self.lengths.iter_mut().zip(counts).take(self.count) {
            huffman::lengths(&counts[..self.alphabet], lengths);
        }
    }

    /// Bits of the selectors, the tables and the symbols.
    fn bits(&self, counts: &SymbolCounts) -> u64 {
        let selectors: u64 = self.selector_ranks().map(|rank| u64::from(rank) + 1).sum();
        let table = |(lengths, counts)| table_bits(lengths) + symbol_bits(lengths, counts);
        selectors
            + self.lengths().zip(counts.iter().map(|counts| &counts[..])).map(table).sum::<u64>()
    }

    /// Where symbols are as good as random, the selectors of many tables cost more than they save.
    /// This is what bounds the length of a stream, see `Encoder::encode`.
    fn write_plainly_if_shorter(&mut self, counts: &[u32], bits: u64) {
        let mut plain = [0; MAX_ALPHABET];
        huffman::plain_lengths(counts, &mut plain);
        let lengths = &plain[..self.alphabet];
        let selectors = self.selectors.len() as u64;
        let tables = MIN_TABLES as u64 * table_bits(lengths);
        if selectors + tables + symbol_bits(lengths, counts) < bits {
            self.count = MIN_TABLES;
            self.lengths[..MIN_TABLES].fill(plain);
            self.selectors.fill(0);
        }
    }

    /// The lengths of the codes of each table.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.lengths[..self.count].iter().map(|lengths| &lengths[..self.alphabet])
    }

    /// The table of each group.
    pub fn selectors(&self) -> &[u8] {
        &self.selectors
    }

    /// The same as ranks in a list of tables from which each is moved to the front.
    pub fn selector_ranks(&self) -> impl Iterator<Item = u32> {
        let mut list = [0, 1, 2, 3, 4, 5];
        self.selectors.iter().map(move |&table| {
            let rank = list.iter().take_while(|&&other| other != table).count();
            list[..=rank].rotate_right(1);
            rank as u32
        })
    }
}

fn slot(symbol: u16) -> usize {
    usize::from(symbol) & (SLOTS - 1)
}

/// What each table costs in addition if the last one was `table`.
#[inline]
fn change_from(table: usize) -> u64 {
    const ALL: u64 = {
        let (mut all, mut table) = (0, 0);
        while table < MAX_TABLES {
            all |= CHANGE << (COST_BITS * table);
            table += 1;
        }
        all
    };
    ALL - (CHANGE << (COST_BITS * table))
}

#[inline]
fn cheapest(costs: u64, tables: usize) -> usize {
    let cost = |table: &usize| costs >> (COST_BITS * table) & ((1 << COST_BITS) - 1);
    // There are at least two.
    (0..tables).min_by_key(cost).unwrap_or(0)
}

/// Bits of the lengths of a table, as `encode::write_lengths` writes them.
fn table_bits(lengths: &[u8]) -> u64 {
    let steps = lengths.windows(2).map(|pair| u64::from(pair[0].abs_diff(pair[1])));
    5 + lengths.len() as u64 + 2 * steps.sum::<u64>()
}

fn symbol_bits(lengths: &[u8], counts: &[u32]) -> u64 {
    let bits = |(&length, &count)| u64::from(length) * u64::from(count);
    lengths.iter().zip(counts).map(bits).sum()
}

/// How many tables pay off (`sendMTFValues`).
fn tables_for(symbols: usize) -> usize {
    match symbols {
        0..200 => MIN_TABLES,
        200..600 => 3,
        600..1200 => 4,
        1200..2400 => 5,
        2400.. => MAX_TABLES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(symbols: &[u16]) -> Vec<u32> {
        let mut counts = vec![0; usize::from(*symbols.iter().max().unwrap()) + 1];
        symbols.iter().for_each(|&symbol| counts[usize::from(symbol)] += 1);
        counts
    }

    fn chosen(symbols: &[u16]) -> Tables {
        let mut tables = Tables::new();
        tables.choose(symbols, &counts(symbols));
        tables
    }

    #[test]
    fn groups_that_are_alike_share_a_table() {
        let group = |symbol: u16| (0..GROUP_SYMBOLS as u16).map(move |at| symbol + at % 3);
        let symbols: Vec<u16> = (0..200).flat_map(|at| group(at / 20 % 2 * 40)).collect();
        let tables = chosen(&symbols);
        let selectors = tables.selectors();
        assert_ne!(selectors[0], selectors[20]);
        for (at, selector) in selectors.iter().enumerate() {
            assert_eq!(*selector, selectors[at / 20 % 2 * 20], "group {at}");
        }
    }

    #[test]
    fn another_table_is_chosen_if_it_saves_more_than_the_change() {
        let costs = |a: u64, b: u64| a | b << COST_BITS;
        assert_eq!(cheapest(costs(100, 98) + change_from(0), 2), 0);
        assert_eq!(cheapest(costs(100, 97) + change_from(0), 2), 1);
        assert_eq!(cheapest(costs(98, 100) + change_from(1), 2), 0);
        assert_eq!(cheapest(costs(99, 100) + change_from(1), 2), 1);
        assert_eq!(cheapest(change_from(5), 6), 5);
    }

    #[test]
    fn each_group_has_a_table_that_is_there() {
        for len in [1, 49, 50, 51, 199, 200, 599, 600, 1199, 1200, 2399, 2400, 10_000] {
            let symbols: Vec<u16> =
                (0..len).map(|at| (at * at % 251) as u16).chain([251]).collect();
            let tables = chosen(&symbols);
            let count = tables.lengths().len();
            assert!((MIN_TABLES..=MAX_TABLES).contains(&count));
            assert_eq!(tables.selectors().len(), symbols.len().div_ceil(GROUP_SYMBOLS));
            assert!(tables.selectors().iter().all(|&table| usize::from(table) < count));
        }
    }

    #[test]
    fn groups_that_are_all_alike_are_written_by_one_plain_code() {
        let symbols: Vec<u16> = (0..5000).map(|at| at * 7 % 50).chain([50]).collect();
        let tables = chosen(&symbols);
        assert_eq!(tables.lengths().len(), MIN_TABLES);
        assert!(tables.lengths().all(|lengths| lengths.iter().all(|&bits| bits == 5 || bits == 6)));
        assert!(tables.selector_ranks().all(|rank| rank == 0));
    }
}
