//! MD5 (RFC 1321), for the action `hashmod` alone: receivers that share the work of one Prometheus must find
//! the same hash. It protects nothing.

/// How far each step of a round turns.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
const BEGIN: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
const BLOCK: usize = 64;

/// The last eight bytes of the hash, as a number.
pub(super) fn last_half(text: &[u8]) -> u64 {
    let mut padded = text.to_vec();
    padded.push(0x80);
    let zeros = (2 * BLOCK - 8 - padded.len() % BLOCK) % BLOCK;
    padded.resize(padded.len() + zeros, 0);
    padded.extend((text.len() as u64).wrapping_mul(8).to_le_bytes());
    let [_, _, c, d] = padded.chunks_exact(BLOCK).fold(BEGIN, with_block);
    // Each word has its lowest byte first, and the number its highest.
    u64::from(c.swap_bytes()) << 32 | u64::from(d.swap_bytes())
}

fn with_block(state: [u32; 4], block: &[u8]) -> [u32; 4] {
    let mut words = [0_u32; BLOCK / 4];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    let [mut a, mut b, mut c, mut d] = state;
    for (step, constant) in CONSTANTS.into_iter().enumerate() {
        let (mixed, word) = match step / 16 {
            0 => (b & c | !b & d, step),
            1 => (d & b | !d & c, 5 * step + 1),
            2 => (b ^ c ^ d, 3 * step + 5),
            _ => (c ^ (b | !d), 7 * step),
        };
        let word = words.get(word % 16).copied().unwrap_or_default();
        let turn = TURNS.get(step / 16).and_then(|round| round.get(step % 4)).copied().unwrap_or_default();
        let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(word);
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(turn)));
    }
    let [first, second, third, fourth] = state;
    [first.wrapping_add(a), second.wrapping_add(b), third.wrapping_add(c), fourth.wrapping_add(d)]
}

/// The whole part of `2^32 × |sin(n)|` for n from 1, with n in radians.
#[rustfmt::skip]
const CONSTANTS: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_rfc() {
        for (text, last) in [
            ("", 0xe980_0998_ecf8_427e),
            ("a", 0x31c3_99e2_6977_2661),
            ("abc", 0xd696_3f7d_28e1_7f72),
            ("message digest", 0x525a_2f31_aaf1_61d0),
            ("abcdefghijklmnopqrstuvwxyz", 0x7dfb_496c_ca67_e13b),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 0xa561_1c2c_9f41_9d9f),
            (&"12345678901234567890".repeat(4), 0xac49_da2e_2107_b67a),
        ] {
            assert_eq!(last_half(text.as_bytes()), last, "{text}");
        }
    }
}
