//! Writes bits, the most significant first. Separate because all parts of a stream are written
//! through it, and none begins at a whole byte.

/// Bits on their way to `out`.
pub struct BitsOut<'a> {
    out: &'a mut Vec<u8>,
    /// The bits that are not in `out` yet, in the low end.
    held: u64,
    /// How many those are, below 32.
    count: u32,
}

impl<'a> BitsOut<'a> {
    /// Writes after what `out` has already.
    pub fn new(out: &'a mut Vec<u8>) -> BitsOut<'a> {
        BitsOut { out, held: 0, count: 0 }
    }

    /// Writes the low `bits` bits of `value`, at most 32. The higher ones must be 0.
    #[inline]
    pub fn put(&mut self, value: u32, bits: u32) {
        debug_assert!(bits <= 32 && u64::from(value) >> bits == 0);
        self.held = (self.held << bits) | u64::from(value);
        self.count += bits;
        if self.count >= 32 {
            self.count -= 32;
            self.out.extend_from_slice(&((self.held >> self.count) as u32).to_be_bytes());
        }
    }

    /// Writes the low `bits` bits of `value`, 32 to 64.
    pub fn put_long(&mut self, value: u64, bits: u32) {
        self.put((value >> 32) as u32, bits - 32);
        self.put(value as u32, 32);
    }

    /// Writes the bits that are held, with zeros up to the next whole byte. Without it the last
    /// bits are missing.
    pub fn finish(self) {
        let whole = self.held << (32 - self.count);
        let bytes = self.count.div_ceil(8) as usize;
        self.out.extend_from_slice(&(whole as u32).to_be_bytes()[..bytes]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_out_in_order_and_zeros_fill_the_last_byte(
            parts in prop::collection::vec((any::<u64>(), 0_u32..=64), 0..50)
        ) {
            let (mut out, mut expected) = (Vec::new(), String::new());
            let mut bits = BitsOut::new(&mut out);
            for (value, width) in parts {
                let value = value & ((1_u128 << width) - 1) as u64;
                match width {
                    0..=32 => bits.put(value as u32, width),
                    _ => bits.put_long(value, width),
                }
                expected.push_str(&format!("{value:064b}")[64 - width as usize..]);
            }
            bits.finish();
            expected.push_str(&"0".repeat(expected.len().next_multiple_of(8) - expected.len()));
            let written: String = out.iter().map(|byte| format!("{byte:08b}")).collect();
            prop_assert_eq!(written, expected);
        }
    }
}
