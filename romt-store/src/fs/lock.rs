//! The right to write, by a lock of the operating system.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind, Read as _, Seek as _, Write as _},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, OpenOptions};
use romt_core::{
    Escaped, Key,
    ports::{StoreError, StoreLock},
};

use super::{
    Inner, blocking,
    error::FsError,
    platform,
    sweep::sweep,
    tree::{self, LOCK, OWN, Tree},
};

/// How often to try again when somebody replaces the lock file meanwhile.
const ATTEMPTS: usize = 16;

/// How much of what a holder wrote is shown to others.
const SHOWN: u64 = 1024;

enum Taken {
    Held(File),
    Busy(String),
}

/// The lock, for as long as this is open.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Never deleted: whoever has it open would go on to lock a file that
        // nobody else can find. What it says is true no longer, though.
        let _ = self.0.set_len(0);
        // Closing would do, unless a process that is just being started has a
        // copy of the handle.
        let _ = self.0.unlock();
    }
}

pub(super) async fn lock(inner: &Arc<Inner>, holder: &str) -> Result<StoreLock, StoreError> {
    let key: Key = format!("{OWN}/{LOCK}")
        .parse()
        .expect("the store's own files have keys");
    let this = Arc::clone(inner);
    let holder = Escaped::new(holder).to_string();
    let taken = blocking(move || {
        let taken = take(&this.tree, &holder)?;
        if let Taken::Held(_) = taken {
            sweep(&this.tree);
        }
        Ok(taken)
    });
    match taken.await.map_err(inner.tree.error(&key))? {
        Taken::Held(file) => Ok(StoreLock::new(Held(file))),
        Taken::Busy(holder) => Err(StoreError::Busy {
            store: inner.tree.to_string(),
            holder,
        }),
    }
}

fn take(tree: &Tree, holder: &str) -> Result<Taken, FsError> {
    let failed = FsError::io("lock");
    let own = tree.make_directory(OWN)?;
    for _ in 0..ATTEMPTS {
        let mut file = open(&own)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Taken::Busy(read_holder(&mut file))),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if is_in_place(&own, &file)? {
            write_holder(&mut file, holder).map_err(&failed)?;
            return Ok(Taken::Held(file));
        }
    }
    Err(failed(ErrorKind::ResourceBusy.into()))
}

fn open(own: &Dir) -> Result<File, FsError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options.follow(FollowSymlinks::No).nonblock(true);
    let opened = own.open_with(LOCK, platform::with_mode(&mut options, 0o644));
    // What is no regular file is the better message.
    tree::look_for_object(own, LOCK)?;
    opened
        .map(cap_std::fs::File::into_std)
        .map_err(FsError::io("open"))
}

/// Whether the locked file is still the one that others find.
fn is_in_place(own: &Dir, file: &File) -> Result<bool, FsError> {
    let ours = cap_std::fs::Metadata::from_file(file).map_err(FsError::io("lock"))?;
    let found = tree::look(own, LOCK)?;
    Ok(found.is_some_and(|found| platform::same_file(&ours, &found)))
}

fn write_holder(file: &mut File, holder: &str) -> io::Result<()> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let pid = std::process::id();
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{holder} (process {pid}, since {since})").as_bytes())
}

/// Who holds the lock. Anybody may have written there.
fn read_holder(file: &mut File) -> String {
    let mut text = Vec::new();
    match file.take(SHOWN).read_to_end(&mut text) {
        Ok(_) if !text.is_empty() => Escaped::new(text).to_string(),
        _ => "somebody who has not said who".to_owned(),
    }
}
