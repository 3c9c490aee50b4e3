//! The field GF(2^16) that PAR2 reckons in (Parity Volume Set Specification 2.0, "Recovery Slice
//! Packet"), as far as recovery blocks that grow disc by disc need it. `par2` itself wants all
//! files at once.

use std::sync::OnceLock;

/// x^16 + x^12 + x^3 + x + 1.
const GENERATOR: u32 = 0x1100B;
/// Elements beside zero.
const ORDER: u32 = 65_535;

struct FieldTables {
    powers: Vec<u16>,
    logarithms: Vec<u16>,
}

fn tables() -> &'static FieldTables {
    static TABLES: OnceLock<FieldTables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = FieldTables { powers: vec![0; 65_536], logarithms: vec![0; 65_536] };
        let mut element: u32 = 1;
        for power in 0..ORDER {
            tables.powers[power as usize] = element as u16;
            tables.logarithms[element as usize] = power as u16;
            element <<= 1;
            if element & 0x1_0000 != 0 {
                element ^= GENERATOR;
            }
        }
        tables
    })
}

/// The constant that belongs to a file's first block, by its place in the set: powers of two whose
/// exponent shares no factor with 65,535, so that none repeats early.
fn constant_power(place: usize) -> u32 {
    let coprime = |n: &u32| n % 3 != 0 && n % 5 != 0 && n % 17 != 0 && n % 257 != 0;
    // A group has far fewer discs than there are such numbers.
    (1..ORDER).filter(coprime).nth(place).unwrap_or(1)
}

/// Multiplies by one element, two bytes at a time.
pub struct Multiplier {
    low: [u16; 256],
    high: [u16; 256],
}

impl Multiplier {
    /// For the file at this place of a set, and the recovery block with this exponent.
    pub fn new(place: usize, exponent: u32) -> Multiplier {
        let power = u64::from(constant_power(place)) * u64::from(exponent);
        let power = (power % u64::from(ORDER)) as u32;
        let product = |element: u16| match element {
            0 => 0,
            _ => {
                let tables = tables();
                let sum = u32::from(tables.logarithms[element as usize]) + power;
                tables.powers[(sum % ORDER) as usize]
            }
        };
        Multiplier {
            low: std::array::from_fn(|byte| product(byte as u16)),
            high: std::array::from_fn(|byte| product((byte as u16) << 8)),
        }
    }

    /// Adds the product of `data` to `sum`. What `data` lacks in length counts as zeros.
    pub fn add_product(&self, data: &[u8], sum: &mut [u8]) {
        let mut words = data.chunks_exact(2);
        for (word, sum) in words.by_ref().zip(sum.chunks_exact_mut(2)) {
            let product = self.low[word[0] as usize] ^ self.high[word[1] as usize];
            sum[0] ^= product as u8;
            sum[1] ^= (product >> 8) as u8;
        }
        if let (&[last], Some(sum)) = (words.remainder(), sum.get_mut(data.len() - 1..)) {
            let product = self.low[last as usize].to_le_bytes();
            sum.iter_mut().zip(product).for_each(|(sum, byte)| *sum ^= byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_those_of_the_specification() {
        let powers: Vec<u32> = (0..8).map(constant_power).collect();
        assert_eq!(powers, [1, 2, 4, 7, 8, 11, 13, 14]);
        let first = Multiplier::new(0, 1);
        let mut sum = [0; 4];
        first.add_product(&[1, 0, 0, 0x80], &mut sum);
        // 1 x 2 = 2; 0x8000 x 2 = 0x1100B without its highest bit.
        assert_eq!(sum, [2, 0, 0x0B, 0x10]);
        let none = Multiplier::new(5, 0);
        let mut sum = [0; 4];
        none.add_product(&[7, 8, 9], &mut sum);
        assert_eq!(sum, [7, 8, 9, 0]);
    }
}
