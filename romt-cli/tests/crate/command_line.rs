//! Statements 1 to 5: the command line.

use crate::world::{Mirror, Origin, Tool};

with_each_tool!(
    statement_01_an_unknown_command_is_refused_before_anything_runs,
    statement_02_what_is_missing_or_misplaced_has_its_status,
    statement_03_very_quiet_is_silent,
    statement_04_options_may_be_shortened_and_joined,
    statement_05_list_does_not_announce_itself,
);

fn statement_01_an_unknown_command_is_refused_before_anything_runs(tool: Tool) {
    let mirror = Mirror::nowhere(tool);
    let finished = mirror.krate(&["frob"]).expect(1);
    assert_eq!(finished.stdout.trim_end(), "error: invalid COMMAND 'frob'");
    let args = ["init", "frob", "--index-url", "./nowhere"];
    mirror.krate(&args).expect(1);
    assert!(!mirror.has("crates") && !mirror.has("git"));
}

fn statement_02_what_is_missing_or_misplaced_has_its_status(tool: Tool) {
    let mirror = Mirror::nowhere(tool);
    let finished = mirror.krate(&[]).expect(0);
    assert_eq!(finished.stdout.trim_end(), "Nothing to do (try --help)");
    mirror.romt(&[]).expect(1);
    mirror.romt(&["bogus"]).expect(2);
    mirror.romt(&["--verbose", "crate", "list"]).expect(2);
}

fn statement_03_very_quiet_is_silent(tool: Tool) {
    let mirror = Mirror::updated(tool, &Origin::small());
    let finished = mirror.krate(&["-qq", "--start", "nosuch", "list"]);
    let finished = finished.expect(1);
    assert_eq!((finished.stdout, finished.stderr), Default::default());
}

fn statement_04_options_may_be_shortened_and_joined(tool: Tool) {
    let mirror = Mirror::updated(tool, &Origin::small());
    let all = ["a@1.0.0", "bb@1.0.0", "ccc@1.0.0"];
    assert_eq!(mirror.list(&["--sta", "0"]), all);
    assert_eq!(mirror.list(&["-j=4", "--start=0"]), all);
    assert_eq!(mirror.list(&["-j4", "--start", "0"]), all);
    let finished = mirror.krate(&["--filter=a", "list", "--start", "0"]);
    assert_eq!(finished.expect(0).stdout, "a@1.0.0\n");
}

fn statement_05_list_does_not_announce_itself(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::init(tool, &origin);
    let finished = mirror.krate(&["pull", "list"]).expect(0);
    assert_eq!(finished.stdout, "pull...\na@1.0.0\nbb@1.0.0\nccc@1.0.0\n");
    let finished = mirror.krate(&["list"]).expect(0);
    assert_eq!(finished.stdout, "a@1.0.0\nbb@1.0.0\nccc@1.0.0\n");
}
