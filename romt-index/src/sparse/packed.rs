//! Index files, gzipped for keeping.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use romt_core::crates::MAX_INDEX_FILE_SIZE;

/// Gzips `body`. Equal bodies are packed to equal bytes.
pub(super) fn pack(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let packed = encoder.write_all(body).and_then(|()| encoder.finish());
    packed.unwrap_or_default().into()
}

/// The body that was packed, or `None` if these bytes are no such thing or hold
/// more than any index file may.
pub(super) fn unpack(packed: &[u8]) -> Option<Bytes> {
    let mut body = Vec::new();
    let mut decoder = GzDecoder::new(packed).take(MAX_INDEX_FILE_SIZE + 1);
    decoder.read_to_end(&mut body).ok()?;
    (body.len() as u64 <= MAX_INDEX_FILE_SIZE).then(|| body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_round_trip() {
        for body in [&b""[..], b"line\n", &vec![b'x'; 100_000]] {
            assert_eq!(unpack(&pack(body)).unwrap(), body);
        }
    }

    #[test]
    fn hostile_i07_damage_and_bombs_are_refused() {
        assert_eq!(unpack(b"not gzip"), None);
        let packed = pack(&[b'x'; 1000]);
        assert_eq!(unpack(&packed[..packed.len() - 9]), None);
        let bomb = pack(&vec![0; usize::try_from(MAX_INDEX_FILE_SIZE).unwrap() + 1]);
        assert_eq!(unpack(&bomb), None);
    }
}
