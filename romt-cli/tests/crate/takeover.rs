//! One mirror, kept by one tool and then by the other.

use crate::world::{IMPORT, Mirror, Origin, ROUNDS, Tool, carry, happen};

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn what_the_python_tool_made_ours_keeps_up_and_back() {
    take_turns(Tool::Python);
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn what_ours_made_the_python_tool_keeps_up_and_back() {
    take_turns(Tool::Ours);
}

/// Each round is another tool's.
fn take_turns(first: Tool) {
    let mut origin = Origin::varied();
    let mut mirror = Mirror::updated(first, &origin);
    for round in 0..ROUNDS {
        happen(&mut origin, round);
        mirror.tool = mirror.tool.other();
        mirror.from(&origin, &["update"]).expect(0);
        assert_is_mirror(&mirror, &origin);
        println!("round {round} by {:?}", mirror.tool);
    }
}

#[track_caller]
fn assert_is_mirror(mirror: &Mirror, origin: &Origin) {
    let state = mirror.state();
    assert_eq!(state.crates, origin.crate_files());
    for (name, commit) in &state.branches {
        assert_eq!(*commit, origin.tip(), "{name} after {:?}", mirror.tool);
    }
    assert_eq!(mirror.head(), "refs/heads/working");
    assert_eq!(mirror.shown("master").len(), origin.count());
    mirror.assert_clean();
    // Whoever looks sees the same.
    let other = mirror.tool.other();
    let seen = mirror.seen_by(other).holdings();
    assert_eq!(seen, state.holdings, "as {other:?} sees it");
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn a_config_outlives_the_tool_that_made_it() {
    for first in Tool::BOTH {
        let mut origin = Origin::varied();
        let mut mirror = Mirror::updated(first, &origin);
        let config = ["config", "--server-url", "http://here:1"];
        mirror.krate(&config).expect(0);
        let wanted = mirror.config("master");
        assert!(wanted.contains("//here:1/"), "{wanted}");
        for round in 0..ROUNDS {
            let theirs = format!("{{\"dl\":\"https://upstream{round}.invalid\"}}\n");
            origin.set_config(&theirs);
            happen(&mut origin, round);
            mirror.tool = mirror.tool.other();
            mirror.from(&origin, &["update"]).expect(0);
            assert_eq!(mirror.config("master"), wanted);
            assert_eq!(mirror.commit("master"), mirror.commit("mark"));
            assert_eq!(mirror.crate_files(), origin.crate_files());
            assert_eq!(mirror.shown("master").len(), origin.count());
            mirror.assert_clean();
        }
        // To set what is set already changes nothing.
        let before = mirror.refs();
        mirror.krate(&config).expect(0);
        assert_eq!(mirror.refs(), before);
    }
}

/// The first deed of ours is to set the config.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn a_config_is_set_by_the_tool_that_takes_over() {
    let mut origin = Origin::varied();
    let mut mirror = Mirror::updated(Tool::Python, &origin);
    mirror.tool = Tool::Ours;
    let config = ["config", "--server-url", "http://here:1"];
    mirror.krate(&config).expect(0);
    let wanted = mirror.config("master");
    assert!(wanted.contains("//here:1/"), "{wanted}");
    assert_eq!(mirror.shown("master").len(), origin.count());
    for round in 0..2 {
        happen(&mut origin, round);
        mirror.from(&origin, &["update"]).expect(0);
        assert_eq!(mirror.config("master"), wanted);
        assert_eq!(mirror.crate_files(), origin.crate_files());
        assert_eq!(mirror.shown("master").len(), origin.count());
        mirror.assert_clean();
        mirror.tool = mirror.tool.other();
    }
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn an_exporter_changes_hands() {
    for first in Tool::BOTH {
        let mut origin = Origin::varied();
        let mut exporter = Mirror::init(first, &origin);
        let mut importer = Mirror::init_import(first);
        exporter.from(&origin, &["export"]).expect(0);
        carry(&exporter, &importer);
        importer.krate(IMPORT).expect(0);
        for round in 0..ROUNDS {
            happen(&mut origin, round);
            exporter.tool = exporter.tool.other();
            exporter.from(&origin, &["export"]).expect(0);
            carry(&exporter, &importer);
            // The importer has the other rhythm.
            if round % 2 == 1 {
                importer.tool = importer.tool.other();
            }
            importer.krate(IMPORT).expect(0);
            assert_is_mirror(&exporter, &origin);
            assert_is_mirror(&importer, &origin);
        }
    }
}

/// What one tool left undone the other finishes.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn a_pull_by_one_tool_is_marked_by_the_other() {
    for first in Tool::BOTH {
        let mut origin = Origin::varied();
        let mut mirror = Mirror::updated(first, &origin);
        for round in 0..ROUNDS {
            happen(&mut origin, round);
            mirror.krate(&["pull"]).expect(0);
            mirror.tool = mirror.tool.other();
            mirror.from(&origin, &["update"]).expect(0);
            assert_eq!(mirror.crate_files(), origin.crate_files());
            assert_eq!(mirror.commit("mark"), Some(origin.tip()));
            assert_eq!(mirror.commit("working"), Some(origin.tip()));
            assert_eq!(mirror.commit("HEAD"), Some(origin.tip()));
            mirror.assert_clean();
        }
    }
}
