//! Bytes cut into packets: RFC 9580, section 4.2.
//!
//! Only the frame is looked at, and only packets that say how long they are are taken.
//! Nothing is opened, so nothing nests.

/// A packet: its type and its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawPacket<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

/// The packet types that are told apart.
pub(super) mod tag {
    pub(crate) const SIGNATURE: u8 = 2;
    pub(crate) const SECRET_KEY: u8 = 5;
    pub(crate) const PUBLIC_KEY: u8 = 6;
    pub(crate) const SECRET_SUBKEY: u8 = 7;
    pub(crate) const MARKER: u8 = 10;
    pub(crate) const TRUST: u8 = 12;
    pub(crate) const USER_ID: u8 = 13;
    pub(crate) const PUBLIC_SUBKEY: u8 = 14;
    pub(crate) const USER_ATTRIBUTE: u8 = 17;
    pub(crate) const PADDING: u8 = 21;
}

/// Cuts `bytes` into packets. What cannot be cut is an error, once, and the end.
pub(super) fn packets(bytes: &[u8]) -> Packets<'_> {
    Packets { rest: bytes }
}

#[derive(Debug)]
pub(super) struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<RawPacket<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match cut(self.rest) {
            Ok((packet, rest)) => {
                self.rest = rest;
                Some(Ok(packet))
            }
            Err(reason) => {
                self.rest = &[];
                Some(Err(reason))
            }
        }
    }
}

fn cut(bytes: &[u8]) -> Result<(RawPacket<'_>, &[u8]), &'static str> {
    const SHORT: &str = "a packet is longer than the file";
    let (first, rest) = bytes.split_first().ok_or(SHORT)?;
    let (tag, (length, rest)) = match first & 0xc0 {
        0xc0 => (first & 0x3f, new_length(rest)?),
        0x80 => (first >> 2 & 0x0f, old_length(first & 3, rest)?),
        _ => return Err("it has bytes that are no packet"),
    };
    let (body, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(SHORT)?;
    Ok((RawPacket { tag, body }, rest))
}

fn new_length(bytes: &[u8]) -> Result<(u32, &[u8]), &'static str> {
    match *bytes {
        [one @ 0..=191, ref rest @ ..] => Ok((one.into(), rest)),
        [high @ 192..=223, low, ref rest @ ..] => {
            Ok(((u32::from(high) - 192) * 256 + u32::from(low) + 192, rest))
        }
        [224..=254, ..] => Err("a packet comes in parts of unknown number"),
        [255, a, b, c, d, ref rest @ ..] => Ok((u32::from_be_bytes([a, b, c, d]), rest)),
        _ => Err("it ends in the head of a packet"),
    }
}

fn old_length(kind: u8, bytes: &[u8]) -> Result<(u32, &[u8]), &'static str> {
    match (kind, bytes) {
        (0, &[a, ref rest @ ..]) => Ok((a.into(), rest)),
        (1, &[a, b, ref rest @ ..]) => Ok((u16::from_be_bytes([a, b]).into(), rest)),
        (2, &[a, b, c, d, ref rest @ ..]) => Ok((u32::from_be_bytes([a, b, c, d]), rest)),
        (3, _) => Err("a packet does not say how long it is"),
        _ => Err("it ends in the head of a packet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_all(bytes: &[u8]) -> Result<Vec<(u8, usize)>, &'static str> {
        packets(bytes)
            .map(|packet| packet.map(|packet| (packet.tag, packet.body.len())))
            .collect()
    }

    #[test]
    fn both_kinds_of_heads_are_read() {
        assert_eq!(
            cut_all(&[0x88, 1, 7, 0xc2, 2, 7, 7]),
            Ok(vec![(2, 1), (2, 2)])
        );
        assert_eq!(cut_all(&[0x89, 0, 1, 7]), Ok(vec![(2, 1)]));
        assert_eq!(cut_all(&[0x8a, 0, 0, 0, 1, 7]), Ok(vec![(2, 1)]));
        assert_eq!(cut_all(&[0xc2, 255, 0, 0, 0, 1, 7]), Ok(vec![(2, 1)]));
        let long = [&[0xc2, 192, 8][..], &[7; 200]].concat();
        assert_eq!(cut_all(&long), Ok(vec![(2, 200)]));
    }

    #[test]
    fn hostile_s12_lengths_that_lie_are_refused() {
        for bad in [
            &[0xc2, 3, 7, 7][..],
            &[0xc2, 255, 255, 255, 255, 255, 7],
            &[0xc2, 255, 0, 0],
            &[0xc2, 192],
            &[0xc2],
            &[0x89, 0],
            &[0x8b, 7, 7],
            &[0xc2, 224, 7],
            &[0xc2, 254],
            &[0x00, 1, 7],
            &[0x7f],
        ] {
            assert!(cut_all(bad).is_err(), "{bad:?}");
        }
        // An error is told once.
        assert_eq!(packets(&[0; 1000]).count(), 1);
    }
}
