//! The CRC-32 of bzip2, which the encoder and the decoder share. It is not the usual one: it takes
//! the most significant bit of each byte first, so `crc32fast` cannot compute it.

/// x^32 is left out; the highest bit is x^31. `BZ2_crc32Table` in crctable.c of bzip2 1.0.8.
const POLYNOMIAL: u32 = 0x04c1_1db7;

/// Bytes that one step takes.
const STEP: usize = 16;

/// `TABLES[k][b]` is what the byte `b` adds to the checksum when `k` more bytes follow it.
static TABLES: [[u32; 256]; STEP] = tables();

const fn tables() -> [[u32; 256]; STEP] {
    let mut tables = [[0; 256]; STEP];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ if crc >> 31 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < STEP {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = (before << 8) ^ tables[0][(before >> 24) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// The checksum of a block: of its bytes before any coding.
pub fn crc(bytes: &[u8]) -> u32 {
    let steps = bytes.chunks_exact(STEP);
    let rest = steps.remainder();
    let crc = steps.fold(u32::MAX, step);
    !rest
        .iter()
        .fold(crc, |crc, byte| (crc << 8) ^ TABLES[0][(crc >> 24) as usize ^ *byte as usize])
}

/// Takes [`STEP`] bytes at once ("slicing by 16").
#[inline]
fn step(crc: u32, bytes: &[u8]) -> u32 {
    let Ok(mut bytes) = <[u8; STEP]>::try_from(bytes) else { return crc }; // never: see the caller
    for (byte, old) in bytes.iter_mut().zip(crc.to_be_bytes()) {
        *byte ^= old;
    }
    bytes.iter().zip(TABLES.iter().rev()).fold(0, |sum, (byte, table)| sum ^ table[*byte as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bit at a time, as the definition has it.
    fn by_bits(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for bit in
            bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)))
        {
            crc = (crc << 1) ^ if crc >> 31 ^ bit == 1 { POLYNOMIAL } else { 0 };
        }
        !crc
    }

    #[test]
    fn the_check_value_of_the_catalogue_of_checksums_comes_out() {
        assert_eq!(crc(b"123456789"), 0xfc89_1918); // CRC-32/BZIP2
    }

    #[test]
    fn steps_of_sixteen_give_what_single_bits_give_at_every_length() {
        let bytes: Vec<u8> = (0..100u32).map(|i| (i * i * 7 + 3) as u8).collect();
        for end in 0..bytes.len() {
            assert_eq!(crc(&bytes[..end]), by_bits(&bytes[..end]), "{end} bytes");
        }
    }
}
