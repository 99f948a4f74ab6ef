//! Gzip on all cores.
//!
//! The data is cut into blocks of one size, and each becomes a gzip member of its
//! own. Every gzip reader reads members as one stream. Where the cuts are depends
//! on nothing but the data, so neither does what comes out.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::mpsc,
};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::InvalidValue;

/// How many bytes become one member.
const BLOCK: usize = 1 << 20;

/// A member's header: no name, no time, no system, so nothing of this machine.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The longest stored piece of a deflate stream.
const STORED: usize = 65535;

/// How hard gzip tries, from 0 (not at all, but fast) to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GzipLevel(u8);

impl GzipLevel {
    /// Level 0 to 9.
    pub fn new(level: u8) -> Result<Self, InvalidValue> {
        if level > 9 {
            let text = level.to_string();
            return Err(InvalidValue::new("gzip level", text, "0 to 9 are possible"));
        }
        Ok(Self(level))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// Compresses what is written to it.
pub(super) struct ParallelGzip<W> {
    output: W,
    level: GzipLevel,
    block: Block,
    in_flight: VecDeque<mpsc::Receiver<Block>>,
    spare: Vec<Block>,
    /// How many blocks there may be between here and the output.
    bound: usize,
    #[cfg(test)]
    blocks_made: usize,
}

/// A piece of the data, and what becomes of it.
#[derive(Default)]
struct Block {
    data: Vec<u8>,
    member: Vec<u8>,
}

impl<W: Write> ParallelGzip<W> {
    pub(super) fn new(output: W, level: GzipLevel) -> Self {
        Self {
            output,
            level,
            block: Block::default(),
            in_flight: VecDeque::new(),
            spare: Vec::new(),
            bound: rayon::current_num_threads() + 2,
            #[cfg(test)]
            blocks_made: 1,
        }
    }

    /// Writes what is still on its way.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.dispatch()?;
        while !self.in_flight.is_empty() {
            self.write_oldest()?;
        }
        Ok(self.output)
    }

    /// Has the block compressed and begins another one.
    fn dispatch(&mut self) -> io::Result<()> {
        if self.block.data.is_empty() {
            return Ok(());
        }
        if self.in_flight.len() >= self.bound {
            self.write_oldest()?;
        }
        let next = self.spare.pop().unwrap_or_else(|| {
            #[cfg(test)]
            {
                self.blocks_made += 1;
            }
            Block::default()
        });
        let mut block = std::mem::replace(&mut self.block, next);
        let (sender, receiver) = mpsc::sync_channel(1);
        let level = self.level;
        rayon::spawn(move || {
            block.compress(level);
            // Nobody waits for it any more after a failed write.
            let _ = sender.send(block);
        });
        self.in_flight.push_back(receiver);
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(receiver) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let mut block = receive(&receiver)?;
        self.output.write_all(&block.member)?;
        block.data.clear();
        block.member.clear();
        self.spare.push(block);
        Ok(())
    }
}

/// Waits for a block. On a thread that is to compress blocks itself, does so.
fn receive(receiver: &mpsc::Receiver<Block>) -> io::Result<Block> {
    let lost = |_| io::Error::other("the compression of a block stopped");
    loop {
        match receiver.try_recv() {
            Ok(block) => return Ok(block),
            Err(mpsc::TryRecvError::Empty) => {}
            Err(mpsc::TryRecvError::Disconnected) => return Err(lost(mpsc::RecvError)),
        }
        match rayon::yield_now() {
            None => return receiver.recv().map_err(lost),
            Some(rayon::Yield::Executed) => {}
            Some(rayon::Yield::Idle) => std::thread::yield_now(),
        }
    }
}

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.block.data.len() == BLOCK {
            self.dispatch()?;
        }
        let block = &mut self.block.data;
        if block.capacity() == 0 {
            block.reserve_exact(BLOCK);
        }
        let count = data.len().min(BLOCK - block.len());
        block.extend_from_slice(&data[..count]);
        Ok(count)
    }

    /// Does nothing: a member that is cut short would depend on the caller.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Block {
    fn compress(&mut self, level: GzipLevel) {
        let Self { data, member } = self;
        member.reserve(data.len() + data.len() / 1000 + 64);
        member.extend_from_slice(&HEADER);
        if level.0 == 0 {
            store(data, member);
        } else {
            deflate(data, member, level);
        }
        let mut crc = Crc::new();
        crc.update(data);
        member.extend_from_slice(&crc.sum().to_le_bytes());
        member.extend_from_slice(&crc.amount().to_le_bytes());
    }
}

fn store(data: &[u8], member: &mut Vec<u8>) {
    let mut pieces = data.chunks(STORED).peekable();
    while let Some(piece) = pieces.next() {
        // At most 65,535.
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        member.push(u8::from(pieces.peek().is_none()));
        member.extend_from_slice(&length.to_le_bytes());
        member.extend_from_slice(&(!length).to_le_bytes());
        member.extend_from_slice(piece);
    }
}

fn deflate(data: &[u8], member: &mut Vec<u8>, level: GzipLevel) {
    let mut compress = Compress::new(Compression::new(u32::from(level.0)), false);
    loop {
        // At most a block.
        let done = usize::try_from(compress.total_in()).unwrap_or(data.len());
        let status = compress
            .compress_vec(&data[done..], member, FlushCompress::Finish)
            .expect("deflate without a dictionary takes any data");
        if status == Status::StreamEnd {
            return;
        }
        member.reserve(64 * 1024);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn data(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Some runs, some noise.
            if state >> 30 == 0 {
                0
            } else {
                (state >> 24) as u8
            }
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        let mut decoder = flate2::bufread::MultiGzDecoder::new(bytes);
        decoder.read_to_end(&mut data).unwrap();
        data
    }

    #[test]
    fn what_was_written_comes_out_at_every_level_and_length() {
        for length in [
            1,
            STORED,
            STORED + 1,
            BLOCK - 1,
            BLOCK,
            BLOCK + 1,
            3 * BLOCK + 7,
        ] {
            let data = data(length);
            for level in [0, 1, 6, 9] {
                let mut gzip = ParallelGzip::new(Vec::new(), GzipLevel::new(level).unwrap());
                for piece in data.chunks(300_001) {
                    gzip.write_all(piece).unwrap();
                }
                assert!(
                    gunzip(&gzip.finish().unwrap()) == data,
                    "{length} at {level}"
                );
            }
        }
        assert!(GzipLevel::new(10).is_err());
    }

    #[test]
    fn neither_threads_nor_the_size_of_writes_change_the_bytes() {
        let data = data(5 * BLOCK / 2);
        let zip = |threads, piece| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let mut gzip = ParallelGzip::new(Vec::new(), GzipLevel::new(6).unwrap());
                for piece in data.chunks(piece) {
                    gzip.write_all(piece).unwrap();
                }
                gzip.finish().unwrap()
            })
        };
        // One thread, and the caller is on it: it compresses while it waits.
        let one = zip(1, 1 << 16);
        assert!(one == zip(3, 4567));
    }

    #[test]
    fn memory_does_not_grow_with_the_data() {
        let mut gzip = ParallelGzip::new(io::sink(), GzipLevel::new(0).unwrap());
        let zeros = vec![0; BLOCK];
        for _ in 0..200 {
            gzip.write_all(&zeros).unwrap();
        }
        // Those in flight, and the one being filled.
        assert!(gzip.blocks_made <= gzip.bound + 1, "{}", gzip.blocks_made);
        let longest = |block: &Block| block.data.capacity().max(block.member.capacity());
        assert!(gzip.spare.iter().all(|block| longest(block) < 2 * BLOCK));
        gzip.finish().unwrap();
    }

    #[test]
    fn a_failed_write_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut gzip = ParallelGzip::new(Full, GzipLevel::new(0).unwrap());
        gzip.write_all(b"x").unwrap();
        let error = gzip.finish().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
