//! The check of the image: every bit counts.

use smartnic_firmware::image::{CRC_AT, Fault, HEADER_BYTES, MAGIC, check, crc};
use smartnic_firmware::{MAP_MAJOR, VERSION_WORD};

fn image(words: usize) -> Vec<u32> {
    let mut image: Vec<u32> = (0..words as u32)
        .map(|i| i.wrapping_mul(0x9e37_79b9))
        .collect();
    image[1] = MAGIC;
    image[2] = 4 * words as u32;
    image[4] = VERSION_WORD;
    image[5] = MAP_MAJOR;
    image[CRC_AT / 4] = crc(image.iter().copied(), CRC_AT / 4);
    image
}

fn checked(image: &[u32]) -> Result<u32, Fault> {
    // The RAM behind the image is not the image's.
    let word = |i: usize| image.get(i).copied().unwrap_or(0xdead_beef);
    check(word, 14336, 1)
}

#[test]
fn the_crc_is_that_of_ethernet() {
    let words = |text: &[u8]| -> Vec<u32> {
        let word = |c: &[u8]| u32::from_le_bytes(c.try_into().unwrap());
        text.chunks(4).map(word).collect()
    };
    // CRC-32/ISO-HDLC of twelve bytes, from its catalogue's polynomial by long division.
    let text = b"123456789abc";
    let mut want = u32::MAX;
    for byte in text {
        want ^= u32::from(*byte);
        for _ in 0..8 {
            want = if want & 1 == 1 {
                want >> 1 ^ 0xedb8_8320
            } else {
                want >> 1
            };
        }
    }
    assert_eq!(crc(words(text).into_iter(), usize::MAX), !want);
}

#[test]
fn a_flipped_bit_is_found() {
    for words in [HEADER_BYTES / 4, 7, 100] {
        let good = image(words);
        assert_eq!(checked(&good), Ok(good[3]));
        for bit in 0..32 * words {
            let mut bad = good.clone();
            bad[bit / 32] ^= 1 << (bit % 32);
            assert!(checked(&bad).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn each_fault_has_its_name() {
    let good = image(64);
    let with = |at: usize, value: u32| {
        let mut bad = good.clone();
        bad[at] = value;
        bad[3] = crc(bad.iter().copied(), 3);
        checked(&bad)
    };
    assert_eq!(with(1, 0), Err(Fault::Magic));
    for bytes in [0, 20, 255, 14340, u32::MAX] {
        assert_eq!(with(2, bytes), Err(Fault::Length), "{bytes}");
    }
    assert_eq!(with(4, VERSION_WORD + 1), Err(Fault::Version));
    assert_eq!(with(5, MAP_MAJOR + 1), Err(Fault::Map));
    assert_eq!(
        check(|i| good[i], 14336, 2),
        Err(Fault::Map),
        "another card"
    );
    let mut bad = good.clone();
    bad[3] ^= 1;
    assert_eq!(checked(&bad), Err(Fault::Crc));
}
