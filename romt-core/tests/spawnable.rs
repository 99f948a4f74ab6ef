//! What takes long can be a task of its own: its futures are `Send`.
//!
//! That this compiles is the test. Whether a future is `Send` follows from what it
//! holds while it waits, and changes where nobody looks.

use std::{future::Future, io, sync::Arc};

use romt_core::{
    EventSink, Mirror, Selection, Source, SyncOptions, Upstream,
    crates::DownloadTemplate,
    dist::{CarriedList, DistSession, Release, UnpackedReleases, Wanted},
    full::Session,
    installers::InstallerSession,
    rustup::RustupVersion,
    toolchain::{ManifestName, TargetName},
    transfer::{ArchiveOutput, Compression},
};

fn spawnable<F: Future + Send>(_: F) {}

type Create = fn() -> io::Result<Box<dyn ArchiveOutput>>;
type Input = Box<dyn io::Read + Send>;

fn of_mirror(
    mirror: &Mirror,
    upstream: &Upstream,
    selection: &Selection,
    options: &SyncOptions,
    events: Arc<dyn EventSink>,
) {
    spawnable(mirror.sync(upstream, selection, options, events));
}

fn of_session(
    session: &mut Session,
    source: Arc<dyn Source>,
    template: &DownloadTemplate,
    create: Create,
    input: Input,
) {
    spawnable(session.pull());
    spawnable(session.range());
    spawnable(session.download(source, template));
    spawnable(session.verify());
    spawnable(session.prune());
    spawnable(session.mark());
    spawnable(session.config(b""));
    spawnable(session.pack(create, Compression::None));
    spawnable(session.unpack(input, "x"));
}

fn of_dist(
    session: &mut DistSession,
    (source, shared): (&dyn Source, Arc<dyn Source>),
    (name, wanted): (&ManifestName, &[Wanted]),
    (releases, since): (&[(Release, Vec<Wanted>)], &CarriedList),
    (create, input, unpacked): (Create, Input, &UnpackedReleases),
) {
    spawnable(session.fetch(source, name));
    spawnable(session.load(name));
    spawnable(session.download(shared, wanted));
    spawnable(session.verify(wanted));
    spawnable(session.publish(name));
    spawnable(session.plan_prune(1));
    spawnable(session.pack(releases, since, create, Compression::None));
    spawnable(session.unpack(input, "x"));
    spawnable(session.take_back(unpacked));
}

fn of_installers(
    session: &mut InstallerSession,
    source: Arc<dyn Source>,
    (version, targets): (RustupVersion, &[TargetName]),
    (create, input): (Create, Input),
) {
    spawnable(session.versions());
    spawnable(session.download(source, version, targets, false));
    spawnable(session.verify(version, targets));
    spawnable(session.pack(&[], create, Compression::None));
    spawnable(session.unpack(input, "x"));
}

#[test]
fn whatever_takes_long_can_be_a_task() {
    let _ = (of_mirror, of_session, of_dist, of_installers);
}
