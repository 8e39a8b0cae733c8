//! Makes a PNG larger without changing the picture: a private ancillary chunk of noise.

use crate::simulator::latency::random;

/// The last chunk of every PNG.
const END_BYTES: usize = 12;
/// Length, name and checksum of a chunk.
const CHUNK_BYTES: usize = 12;
/// Ancillary, private, safe to copy.
const NAME: &[u8; 4] = b"paDd";

/// The file with exactly `wanted` bytes; unchanged when that is too few for it and an empty chunk.
pub(super) fn png(file: Vec<u8>, wanted: usize, seed: u64) -> Vec<u8> {
    let Some(noise) = wanted.checked_sub(file.len() + CHUNK_BYTES) else { return file };
    let (Ok(length), Some(end)) = (u32::try_from(noise), file.len().checked_sub(END_BYTES)) else {
        return file;
    };
    let (head, tail) = file.split_at(end);
    let mut padded = Vec::with_capacity(wanted);
    padded.extend_from_slice(head);
    padded.extend_from_slice(&length.to_be_bytes());
    let start = padded.len();
    padded.extend_from_slice(NAME);
    padded.extend((0..).flat_map(|index| random(seed, index).to_le_bytes()).take(noise));
    let sum = checksum(padded.get(start..).unwrap_or_default());
    padded.extend_from_slice(&sum.to_be_bytes());
    padded.extend_from_slice(tail);
    padded
}

/// CRC-32 as PNG wants it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum(b"IEND"), 0xAE42_6082);
    }
}
