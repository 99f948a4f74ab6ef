//! Judging a delta as it is inflated, without its base.

/// Follows the commands of a delta, and knows how long its result is.
#[derive(Debug, Default)]
pub(in crate::git::pack) struct Judge {
    state: State,
    base: u64,
    result: u64,
    made: u64,
}

#[derive(Debug)]
enum State {
    Base {
        shift: u32,
    },
    Result {
        shift: u32,
    },
    Command,
    /// The parts of a copy that are still to come are the bits of `left`.
    Copy {
        left: u8,
        offset: u64,
        length: u64,
    },
    Insert {
        left: usize,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Base { shift: 0 }
    }
}

impl Judge {
    /// Takes the next bytes of the delta.
    pub(in crate::git::pack) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            self.state = match std::mem::take(&mut self.state) {
                State::Base { shift } => match push(&mut self.base, shift, byte)? {
                    Some(shift) => State::Base { shift },
                    None => State::Result { shift: 0 },
                },
                State::Result { shift } => match push(&mut self.result, shift, byte)? {
                    Some(shift) => State::Result { shift },
                    None => State::Command,
                },
                State::Command => self.command(byte)?,
                State::Copy {
                    left,
                    mut offset,
                    mut length,
                } => {
                    let bit = left.trailing_zeros();
                    if bit < 4 {
                        offset |= u64::from(byte) << (8 * bit);
                    } else {
                        length |= u64::from(byte) << (8 * (bit - 4));
                    }
                    self.copy(left & (left - 1), offset, length)?
                }
                State::Insert { left } => {
                    let skipped = bytes.len().min(left - 1);
                    bytes = &bytes[skipped..];
                    match left - 1 - skipped {
                        0 => State::Command,
                        left => State::Insert { left },
                    }
                }
            };
        }
        Ok(())
    }

    /// How long the result is, if all of it was fed and says the truth.
    pub(in crate::git::pack) fn finish(&self) -> Result<u64, String> {
        match self.state {
            State::Command if self.made == self.result => Ok(self.made),
            State::Command => Err("a delta makes less than it declares".to_owned()),
            _ => Err("a delta ends too early".to_owned()),
        }
    }

    fn command(&mut self, byte: u8) -> Result<State, String> {
        if byte == 0 {
            return Err("a delta has an unknown command".to_owned());
        }
        if byte & 0x80 != 0 {
            return self.copy(byte & 0x7f, 0, 0);
        }
        self.make(byte.into())?;
        Ok(State::Insert { left: byte.into() })
    }

    fn copy(&mut self, left: u8, offset: u64, length: u64) -> Result<State, String> {
        if left != 0 {
            return Ok(State::Copy {
                left,
                offset,
                length,
            });
        }
        let length = if length == 0 { 0x1_0000 } else { length };
        if offset + length > self.base {
            return Err("a delta copies from beyond its base".to_owned());
        }
        self.make(length)?;
        Ok(State::Command)
    }

    fn make(&mut self, length: u64) -> Result<(), String> {
        self.made += length;
        if self.made > self.result {
            return Err("a delta makes more than it declares".to_owned());
        }
        Ok(())
    }
}

/// Takes one byte of a size; where the next one goes, if there is one.
fn push(value: &mut u64, shift: u32, byte: u8) -> Result<Option<u32>, String> {
    if shift > 56 {
        return Err("a size in a delta has no bounds".to_owned());
    }
    *value |= u64::from(byte & 0x7f) << shift;
    Ok((byte & 0x80 != 0).then_some(shift + 7))
}
