//! A rustup that asks while a channel moves.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::{
    LATER_NIGHTLY, NIGHTLY,
    dist_support::{Channel, Components, DistTree},
    release, serve, steps,
    support::tripwire::Tripwire,
    user::{User, rustup_of_this_machine},
};

/// How often rustup asks. Without the server's care about half of them fail.
const ROUNDS: usize = 8;

#[test]
fn j37_rustup_never_sees_a_manifest_with_the_digest_of_another() {
    let (Some(rustup), Ok(components)) = (rustup_of_this_machine(), Components::stand_ins()) else {
        println!("skipped: there is no rustup, or no rustc");
        return;
    };
    let scene = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory is made");
    let mirror = scene.path().join("mirror");
    let days = [NIGHTLY, LATER_NIGHTLY].map(|day| release(Channel::Nightly, day));
    let tree = DistTree::new(&mirror);
    for day in &days {
        tree.add(day, &components);
        tree.publish(day);
    }
    let tripwire = Tripwire::new();
    let (server, url) = serve(scene.path(), &tripwire);
    let user = User::new(&rustup, &url, &tripwire);

    let (done, moves) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let _stop = OnDrop(|| done.store(true, Ordering::Relaxed));
        scope.spawn(|| {
            let tree = DistTree::new(&mirror);
            for day in days.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                tree.publish(day);
                moves.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..ROUNDS {
            steps::install(&user, "nightly");
            user.rustup(&["toolchain", "uninstall", "nightly"])
                .expect(0);
        }
    });
    let moves = moves.load(Ordering::Relaxed);
    println!("the channel moved {moves} times");
    assert!(moves > 100, "it hardly moved: {moves} times");
    drop(server.stop());
    assert_eq!(tripwire.touched(), 0, "somebody asked the world");
}

/// Does something at the end, also of a test that fails.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
