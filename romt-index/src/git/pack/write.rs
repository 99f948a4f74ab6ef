//! Writing a pack that is planned.

use std::io::{self, Read as _, Write};

use flate2::Compression;
use gix::{ObjectId, Repository};

use super::{
    IdMap, IdSet,
    entry::{DELTA, make_all},
    handles::Handles,
    hashing::{Base, Hashing},
    history::Fault,
    plan::Plan,
    reach::in_tree,
    stored::{Form, Packs, Spot},
};

/// What a pack is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::git) enum Purpose {
    /// It is carried elsewhere: what the receiver has need not be in it.
    Carrying,
    /// It is read at once and on this machine: little effort counts, and what it
    /// would build on the reader would have to put into it again.
    HandingOver,
    /// It is sent again and again, to who wants nothing to be elsewhere.
    Keeping,
}

impl Purpose {
    /// Whether deltas may be against what the receiver has.
    fn is_thin(self) -> bool {
        self == Self::Carrying
    }

    fn effort(self) -> Compression {
        match self {
            Self::Carrying | Self::Keeping => Compression::default(),
            Self::HandingOver => Compression::fast(),
        }
    }
}

pub(super) fn pack(
    plan: &Plan,
    repo: &Repository,
    purpose: Purpose,
    out: impl Write,
) -> Result<(), Fault> {
    let objects = plan
        .objects()
        .ok_or_else(|| io::Error::other("a pack cannot hold that many objects"))?;
    let mut out = Hashing::new(out, repo);
    out.begin(objects)?;
    if let Some(body) = &plan.body {
        let (mut entries, length) = body.entries();
        let copied = io::copy(&mut entries.by_ref(), &mut out)?;
        if copied != length {
            return Err(Fault::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    let (packs, handles) = (Packs::of(repo)?, Handles::new(repo));
    let mut writer = Writer {
        plan,
        handles: &handles,
        purpose,
        thin: purpose.is_thin(),
        packs: &packs,
        out,
        offsets: IdMap::default(),
        had: IdSet::default(),
    };
    let rest = writer.copy()?;
    writer.make(&rest)?;
    writer.out.finish()
}

/// A pack under way.
struct Writer<'a, W> {
    plan: &'a Plan,
    packs: &'a Packs,
    handles: &'a Handles,
    purpose: Purpose,
    /// Whether deltas may be against what the receiver has.
    thin: bool,
    out: Hashing<W>,
    /// Where what was written is.
    offsets: IdMap<u64>,
    /// What the receiver has of what entries that could be copied are deltas of.
    had: IdSet,
}

impl<W: Write> Writer<'_, W> {
    /// Writes all that can be copied, and returns the numbers of the rest.
    ///
    /// In the order in which entries lie, what a delta is against comes first, and
    /// was copied too or is the receiver's. Nothing that is copied depends on the
    /// rest, so nothing can depend on itself.
    fn copy(&mut self) -> Result<Vec<usize>, Fault> {
        let objects = &self.plan.objects;
        let mut spots = Vec::with_capacity(objects.len());
        let mut rest = Vec::new();
        for (number, planned) in objects.iter().enumerate() {
            match self.packs.find(&planned.id) {
                Some(spot) => spots.push((spot, number)),
                None => rest.push(number),
            }
        }
        spots.sort_unstable();
        self.look_for_bases(&spots)?;
        for (spot, number) in spots {
            match self.packs.entry(spot) {
                Some(stored) if self.can_stand(&stored.form) => {
                    let (kind, base) = match stored.form {
                        Form::Whole(kind) => (kind, None),
                        Form::Delta(base) => (DELTA, Some(base)),
                    };
                    let id = objects[number].id;
                    self.entry(id, kind, base, stored.size, stored.deflated)?;
                }
                _ => rest.push(number),
            }
        }
        rest.sort_unstable();
        Ok(rest)
    }

    /// Finds out which objects outside of the pack, and not known yet, the receiver
    /// has that entries are deltas of. git makes deltas of whatever is alike.
    fn look_for_bases(&mut self, spots: &[(Spot, usize)]) -> Result<(), Fault> {
        let Some(commit) = self.plan.has.first().filter(|_| self.thin) else {
            return Ok(());
        };
        let inside: IdSet = self.plan.objects.iter().map(|it| it.id).collect();
        let base_of = |it: &(Spot, usize)| self.packs.base(it.0);
        let bases = spots.iter().filter_map(base_of);
        let unknown = |it: &ObjectId| !inside.contains(it) && !self.plan.is_had(it);
        let unknown: IdSet = bases.filter(unknown).collect();
        if !unknown.is_empty() {
            self.had = in_tree(self.handles, *commit, &unknown)?;
        }
        Ok(())
    }

    /// Whether what an entry is a delta of is there for whoever reads the pack.
    fn can_stand(&self, form: &Form) -> bool {
        let Form::Delta(base) = form else {
            return true;
        };
        let is_had = |base| self.plan.is_had(base) || self.had.contains(base);
        self.place_of(base).is_some() || (self.thin && is_had(base))
    }

    /// Where an object begins that is in the pack.
    fn place_of(&self, id: &ObjectId) -> Option<u64> {
        let written = self.offsets.get(id).copied();
        written.or_else(|| self.plan.body.as_ref()?.place_of(id))
    }

    /// Makes and writes what could not be copied, each after its base.
    fn make(&mut self, rest: &[usize]) -> Result<(), Fault> {
        let objects = &self.plan.objects;
        let coming: IdSet = rest.iter().map(|number| objects[*number].id).collect();
        let is_inside = |base: &ObjectId| coming.contains(base) || self.place_of(base).is_some();
        let wanted = rest.iter().map(|number| {
            let planned = &objects[*number];
            let base = planned.base.filter(|base| self.thin || is_inside(base));
            (planned.id, base)
        });
        let wanted: Vec<_> = wanted.collect();
        let level = self.purpose.effort();
        make_all(self.handles, level, &wanted, |it| {
            self.entry(it.id, it.kind, it.base, it.size, &it.deflated)
        })
    }

    fn entry(
        &mut self,
        id: ObjectId,
        kind: u8,
        base: Option<ObjectId>,
        size: u64,
        deflated: &[u8],
    ) -> Result<(), Fault> {
        let base = base.map(|base| match self.place_of(&base) {
            Some(place) => Base::Before(place),
            None => Base::Elsewhere(base),
        });
        self.offsets.insert(id, self.out.at);
        Ok(self.out.entry(kind, base.as_ref(), size, deflated)?)
    }
}
