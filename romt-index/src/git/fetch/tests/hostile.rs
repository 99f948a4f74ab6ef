//! Servers that mean no good.

use std::{
    io::Write as _,
    net::TcpStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use romt_core::ErrorClass;

use super::{
    super::BRANCH,
    Scene,
    server::{Answer, say},
};

/// A server that is git's until it is to send a pack, and then says `then`.
fn instead_of_a_pack(
    scene: &Scene,
    then: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Arc<Answer> {
    let real = scene.backend(true);
    Arc::new(move |request, stream| {
        let is_fetch = request.body.windows(13).any(|it| it == b"command=fetch");
        if !is_fetch {
            return real(request, stream);
        }
        say(
            stream,
            "200 x",
            "application/x-git-upload-pack-result",
            b"000dpackfile\n",
        )?;
        then(stream)
    })
}

fn band(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut packet = format!("{:04x}", bytes.len() + 5).into_bytes();
    packet.push(number);
    packet.extend_from_slice(bytes);
    packet
}

#[test]
fn hostile_b16_servers_that_never_finish_are_given_up() {
    let scene = Scene::new(29);
    scene.history.git.set(BRANCH, scene.history.commits[5]);
    let begun = Instant::now();
    let stalls = instead_of_a_pack(&scene, |stream| {
        stream.write_all(&band(1, b"PACK"))?;
        thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    assert_eq!(scene.fails(stalls).class(), ErrorClass::Upstream);
    assert!(begun.elapsed() < Duration::from_secs(15));
    let cut = instead_of_a_pack(&scene, |stream| {
        stream.write_all(&band(1, b"PACK\0\0\0\x02"))
    });
    scene.fails(cut);
    let error = instead_of_a_pack(&scene, |stream| stream.write_all(&band(3, b"no\x1b[31m")));
    scene.fails(error);
}

#[test]
fn hostile_b16_talk_without_end_is_refused() {
    let scene = Scene::new(30);
    scene.history.git.set(BRANCH, scene.history.commits[5]);
    let talks = instead_of_a_pack(&scene, |stream| {
        let packet = band(2, &vec![b'x'; 60_000]);
        loop {
            stream.write_all(&packet)?;
        }
    });
    let error = scene.fails(talks);
    assert_eq!(error.class(), ErrorClass::Refused, "{error:?}");
    let endless_greeting: Arc<Answer> = Arc::new(|_, stream| {
        let kind = "application/x-git-upload-pack-advertisement";
        say(
            stream,
            "200 x",
            kind,
            b"001e# service=git-upload-pack\n0000",
        )?;
        let line = format!("{} refs/heads/{}\n", "1".repeat(40), "x".repeat(60_000));
        loop {
            write!(stream, "{:04x}{line}", line.len() + 4)?;
        }
    });
    let error = scene.fails(endless_greeting);
    assert_ne!(error.class(), ErrorClass::Bug, "{error:?}");
}

#[test]
fn hostile_b16_a_pack_that_is_none_is_refused() {
    let scene = Scene::new(31);
    scene.history.git.set(BRANCH, scene.history.commits[5]);
    let garbage = instead_of_a_pack(&scene, |stream| {
        stream.write_all(&band(1, &[b'P'; 1000]))?;
        stream.write_all(b"0000")
    });
    assert_eq!(scene.fails(garbage).class(), ErrorClass::Refused);
}
