//! Archives go from one tool to the other, round by round, and the mirrors on
//! both sides of the gap are the same. Statement 42.

use romt_store::conformance::scripted::Fault;

use crate::world::{IMPORT, Mirror, Origin, ROUNDS, Tool, carry, failed, happen, served};

#[test]
fn statement_42_ours_to_ours() {
    exchange(Tool::Ours, Tool::Ours);
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn statement_42_ours_to_python() {
    exchange(Tool::Ours, Tool::Python);
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn statement_42_python_to_ours() {
    exchange(Tool::Python, Tool::Ours);
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn statement_42_python_to_python() {
    exchange(Tool::Python, Tool::Python);
}

/// A mirror on either side of the gap.
struct Sides {
    origin: Origin,
    exporter: Mirror,
    importer: Mirror,
}

impl Sides {
    fn new(exporter: Tool, importer: Tool) -> Self {
        let origin = Origin::varied();
        Self {
            exporter: Mirror::init(exporter, &origin),
            importer: Mirror::init_import(importer),
            origin,
        }
    }

    /// One export, and its import.
    #[track_caller]
    fn pass(&self, more: &[&str]) {
        let export = [more, &["export"]].concat();
        self.exporter.from(&self.origin, &export).expect(0);
        carry(&self.exporter, &self.importer);
        self.importer.krate(IMPORT).expect(0);
    }

    /// Both sides have what upstream has; nothing on either side is of its own.
    #[track_caller]
    fn assert_mirrors(&self) {
        let state = self.exporter.state();
        assert_eq!(state.crates, self.origin.crate_files());
        for (name, commit) in &state.branches {
            assert_eq!(*commit, self.origin.tip(), "{name}");
        }
        assert_eq!(state.branches.len(), 5, "{state:#?}");
        assert_eq!(self.importer.state(), state);
        for side in [&self.exporter, &self.importer] {
            assert_eq!(side.head(), "refs/heads/working");
            assert_eq!(side.shown("master").len(), self.origin.count());
            side.assert_clean();
        }
    }
}

/// Every round of upstream goes across.
fn exchange(exporter: Tool, importer: Tool) {
    let mut sides = Sides::new(exporter, importer);
    sides.pass(&[]);
    sides.assert_mirrors();
    for round in 0..ROUNDS {
        happen(&mut sides.origin, round);
        sides.pass(&[]);
        sides.assert_mirrors();
        println!("round {round} went across");
    }
    // The other tool sees the same in the same directory.
    let holdings = sides.importer.holdings();
    for side in [&mut sides.exporter, &mut sides.importer] {
        side.tool = side.tool.other();
        assert_eq!(side.holdings(), holdings);
        assert_eq!(side.list(&[]), [""; 0]);
        side.krate(&["--start", "0", "verify"]).expect(0);
    }
}

/// Over several rounds the Python tool does not see every removal.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn rounds_that_are_missed_go_across_in_one() {
    for exporter in Tool::BOTH {
        for importer in Tool::BOTH {
            let mut sides = Sides::new(exporter, importer);
            sides.pass(&[]);
            for round in 0..ROUNDS {
                happen(&mut sides.origin, round);
            }
            sides.pass(&[]);
            for side in [&sides.exporter, &sides.importer] {
                let state = side.state();
                let expected = sides.origin.crate_files();
                let mut held = state.crates;
                if !side.tool.is_ours() {
                    held.retain(|path, _| expected.contains_key(path));
                }
                assert_eq!(held, expected, "{exporter:?} to {importer:?}");
                for (name, commit) in &state.branches {
                    assert_eq!(*commit, sides.origin.tip(), "{name}");
                }
                assert_eq!(side.shown("master").len(), sides.origin.count());
                side.assert_clean();
            }
            assert_eq!(sides.importer.holdings(), sides.exporter.holdings());
        }
    }
}

#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn either_side_keeps_a_config_of_its_own() {
    for (exporter, importer) in [(Tool::Ours, Tool::Python), (Tool::Python, Tool::Ours)] {
        let mut sides = Sides::new(exporter, importer);
        let config = ["pull", "config", "--server-url", "http://inside:1"];
        sides.exporter.krate(&config).expect(0);
        sides.pass(&["--start", "0"]);
        let config = ["config", "--server-url", "http://outside:1"];
        sides.importer.krate(&config).expect(0);
        for round in 0..ROUNDS {
            // Upstream's is another one each time.
            let theirs = format!("{{\"dl\":\"https://upstream{round}.invalid\"}}\n");
            sides.origin.set_config(&theirs);
            happen(&mut sides.origin, round);
            sides.pass(&[]);
            let (exporter, importer) = (&sides.exporter, &sides.importer);
            assert!(exporter.config("master").contains("//inside:1/"));
            assert!(importer.config("master").contains("//outside:1/"));
            assert_eq!(importer.tree("master"), exporter.tree("master"));
            assert_eq!(importer.crate_files(), sides.origin.crate_files());
            assert_eq!(importer.holdings(), exporter.holdings());
            importer.assert_clean();
            exporter.assert_clean();
        }
    }
}

/// A crate that cannot be had travels as a line without a crate, and is not shown
/// by ours on either side.
#[test]
#[cfg_attr(not(romt_python_tool), ignore = "ROMT_PYTHON_TOOL names no judge")]
fn a_gap_goes_across() {
    for exporter in Tool::BOTH {
        for importer in Tool::BOTH {
            let mut sides = Sides::new(exporter, importer);
            sides.pass(&[]);
            sides.origin.publish("serde", "3.0.0");
            sides.origin.publish("serde", "3.1.0");
            sides.origin.commit();
            let lost = served("serde", "3.0.0");
            sides.origin.server.fault_forever(&lost, Fault::status(404));
            let export = ["--keep-going", "export"];
            sides.exporter.from(&sides.origin, &export).expect(0);
            carry(&sides.exporter, &sides.importer);
            failed(sides.importer.krate(IMPORT));
            sides.importer.krate(&["--keep-going", "import"]).expect(0);
            let wanted = sides.origin.count() - 1;
            for side in [&sides.exporter, &sides.importer] {
                assert_eq!(side.crate_files().len(), wanted);
                assert_eq!(side.commit("mark"), Some(sides.origin.tip()));
                if side.tool.is_ours() {
                    assert_eq!(side.shown("master").len(), wanted);
                    assert_eq!(side.shown("HEAD").len(), wanted);
                }
            }
        }
    }
}
