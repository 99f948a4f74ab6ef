//! What was packed so far.

use romt_core::{
    crates::Rows,
    ports::{Exported, IndexError, Position},
};

use super::{
    open::Opened,
    refs::{EXPORTED, EXPORTED_LESS, Move, PACKED, PACKED_LESS},
    revision::position,
};

impl Opened {
    /// The last pack that was marked.
    pub(super) fn exported(&self) -> Result<Exported, IndexError> {
        let Some(end) = self.tip(EXPORTED)? else {
            return Ok(if self.is_ours() {
                Exported::Nothing
            } else {
                Exported::Unknown
            });
        };
        Ok(Exported::UpTo {
            end: position(end),
            packed: position(self.tip(EXPORTED_LESS)?.unwrap_or(end)),
        })
    }

    /// Notes that the last pack was marked.
    pub(super) fn set_exported(&self) -> Result<(), IndexError> {
        let moves = [(EXPORTED, PACKED), (EXPORTED_LESS, PACKED_LESS)];
        let moves = moves.into_iter().filter_map(|(name, from)| {
            let to = self.tip(from).transpose()?;
            Some(to.map(|to| Move { name, to }))
        });
        self.move_refs(&moves.collect::<Result<Vec<_>, _>>()?, "mark")
    }

    /// Notes a pack, and what it lacked.
    pub(super) fn set_packed(&self, end: &Position, lacking: &Rows) -> Result<(), IndexError> {
        let end = self.commit_at(end)?.id;
        let less = self.without(end, lacking, "Pack, less what is not here")?;
        let moves = [(PACKED_LESS, less.unwrap_or(end)), (PACKED, end)];
        self.move_refs(&moves.map(|(name, to)| Move { name, to }), "pack")
    }
}
