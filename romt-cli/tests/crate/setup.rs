//! Statements 6 to 15: how a mirror is set up, and what its branches mean.

use std::{collections::BTreeMap, fs};

use crate::world::{IMPORT, Mirror, Origin, Tool, archive::BundleHead, carry};

with_each_tool!(
    statement_06_init_sets_up_a_repository,
    statement_07_a_second_init_is_refused,
    statement_08_init_import_pulls_from_the_bundle,
    statement_09_a_pull_moves_neither_mark_nor_master,
    statement_10_an_update_ends_with_everything_at_one_commit,
    statement_11_config_is_the_same_with_and_without_a_slash,
    statement_12_the_config_of_upstream_does_not_replace_ours,
    statement_13_a_replaced_history_travels,
    statement_14_an_index_without_a_working_branch_gets_one,
    statement_15_mark_beside_a_checked_out_master,
);

const CONFIG_TOML: &str = "prefix = \"lower\"\narchive_prefix = \"lower\"\n";

const CONFIG_JSON: &str = "{
    \"dl\": \"http://h:1/crates/{crate}/{crate}-{version}.crate\",
    \"api\": \"http://h:1/\"
}
";

fn statement_06_init_sets_up_a_repository(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::nowhere(tool);
    // A relative path is made absolute.
    std::os::unix::fs::symlink(origin.repository(), mirror.path().join("up")).unwrap();
    mirror.krate(&["init", "--index-url", "up"]).expect(0);
    let config = |key| mirror.git(&["config", "--get-all", key]);
    assert_eq!(mirror.head(), "refs/heads/working");
    let url = config("remote.origin.url");
    assert!(url.starts_with('/') && url.ends_with("/up"), "{url}");
    let fetch = config("remote.origin.fetch");
    assert_eq!(fetch, "+refs/heads/*:refs/remotes/origin/*");
    assert_eq!(config("branch.working.remote"), "origin");
    assert_eq!(config("branch.working.merge"), "refs/heads/master");
    assert_eq!(config("core.bare"), "false");
    assert_eq!(mirror.read("crates/config.toml"), CONFIG_TOML);
    assert_eq!(mirror.refs(), BTreeMap::new());
}

fn statement_07_a_second_init_is_refused(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::init(tool, &origin);
    for args in [&["init", "--index-url", "up"][..], &["init-import"]] {
        let finished = mirror.krate(args).expect(1);
        let wanted = "error: index directory 'git/crates.io-index' already exists";
        assert!(finished.stdout.contains(wanted), "{finished:#?}");
    }
    fs::remove_dir_all(mirror.index()).unwrap();
    let finished = mirror.krate(&["init-import"]).expect(1);
    let wanted = "error: crates directory 'crates' already exists";
    assert!(finished.stdout.contains(wanted), "{finished:#?}");
}

fn statement_08_init_import_pulls_from_the_bundle(tool: Tool) {
    let mirror = Mirror::init_import(tool);
    let config = |key| mirror.git(&["config", "--get-all", key]);
    let fetch = config("remote.origin.fetch");
    let wanted = "+refs/heads/*:refs/remotes/origin/*\n+refs/heads/bundle/*:refs/remotes/origin/*";
    assert_eq!(fetch, wanted);
    let url = config("remote.origin.url");
    let bundle = fs::canonicalize(mirror.index()).unwrap();
    assert_eq!(url, bundle.join("origin.bundle").to_str().unwrap());
    assert_eq!(mirror.head(), "refs/heads/working");
    assert_eq!(mirror.read("crates/config.toml"), CONFIG_TOML);
}

fn statement_09_a_pull_moves_neither_mark_nor_master(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::init(tool, &origin);
    mirror.krate(&["pull"]).expect(0);
    let names = [
        "refs/heads/origin_master",
        "refs/heads/working",
        "refs/remotes/origin/master",
    ];
    let wanted = names.map(|name| (name.to_owned(), origin.tip()));
    assert_eq!(mirror.refs(), BTreeMap::from(wanted));
}

fn statement_10_an_update_ends_with_everything_at_one_commit(tool: Tool) {
    let mut origin = Origin::small();
    let mirror = Mirror::updated(tool, &origin);
    for round in 0..2 {
        for name in ["mark", "master", "working", "HEAD"] {
            assert_eq!(mirror.commit(name), Some(origin.tip()), "{name} in {round}");
        }
        assert_eq!(mirror.head(), "refs/heads/working");
        mirror.assert_clean();
        origin.publish("a", "2.0.0");
        origin.commit();
        mirror.from(&origin, &["update"]).expect(0);
    }
}

fn statement_11_config_is_the_same_with_and_without_a_slash(tool: Tool) {
    let origin = Origin::small();
    let mirror = Mirror::updated(tool, &origin);
    for url in ["http://h:1", "http://h:1/"] {
        mirror.krate(&["config", "--server-url", url]).expect(0);
        for state in ["working", "mark", "master"] {
            assert_eq!(mirror.config(state), CONFIG_JSON);
        }
        let count = mirror.git(&["rev-list", "--count", &format!("{}..master", origin.tip())]);
        assert_eq!(count, "1", "commits after {url}");
        mirror.assert_clean();
    }
}

fn statement_12_the_config_of_upstream_does_not_replace_ours(tool: Tool) {
    let mut origin = Origin::small();
    let mirror = Mirror::updated(tool, &origin);
    let config = ["config", "--server-url", "http://h:1"];
    mirror.krate(&config).expect(0);
    origin.set_config("{\"dl\":\"https://elsewhere.invalid\"}\n");
    origin.publish("dddd", "1.0.0");
    origin.commit();
    mirror.krate(&["pull"]).expect(0);
    assert_eq!(mirror.config("working"), CONFIG_JSON);
    mirror.from(&origin, &["update"]).expect(0);
    assert_eq!(mirror.config("master"), CONFIG_JSON);
    assert_eq!(mirror.list(&["--start", "0"]).len(), 4);
    mirror.assert_clean();
}

fn statement_13_a_replaced_history_travels(tool: Tool) {
    let mut origin = Origin::small();
    let exporter = Mirror::init(tool, &origin);
    exporter.from(&origin, &["export"]).expect(0);
    let importer = Mirror::init_import(tool);
    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    let config = ["config", "--server-url", "http://h:1"];
    importer.krate(&config).expect(0);

    origin.publish("dddd", "1.0.0");
    origin.squash();
    let finished = exporter.from(&origin, &["pull", "list"]).expect(0);
    assert!(finished.stdout.ends_with("dddd@1.0.0\n"), "{finished:#?}");
    assert_eq!(finished.stdout.matches('@').count(), 1, "{finished:#?}");
    exporter.from(&origin, &["export"]).expect(0);
    let head = BundleHead::in_archive(&exporter.archive());
    assert_eq!(head.prerequisites, [""; 0]);

    carry(&exporter, &importer);
    importer.krate(IMPORT).expect(0);
    assert_eq!(importer.config("master"), CONFIG_JSON);
    assert_eq!(importer.crate_files(), exporter.crate_files());
    assert_eq!(importer.holdings(), exporter.holdings());
    importer.assert_clean();
}

/// Puts HEAD on `master`, as an early release of the Python tool left it.
fn stand_on_master(mirror: &Mirror) {
    mirror.git(&["symbolic-ref", "HEAD", "refs/heads/master"]);
}

fn statement_14_an_index_without_a_working_branch_gets_one(tool: Tool) {
    let mut origin = Origin::small();
    let mirror = Mirror::updated(tool, &origin);
    let published = origin.tip();
    stand_on_master(&mirror);
    mirror.git(&["branch", "-D", "working"]);
    origin.publish("a", "2.0.0");
    origin.commit();
    mirror.krate(&["pull"]).expect(0);
    assert_eq!(mirror.commit("working"), Some(origin.tip()));
    assert_eq!(mirror.commit("master"), Some(published.clone()));
    if tool.is_ours() {
        // What is not yet published is not what clients of git see.
        assert_eq!(mirror.commit("HEAD"), Some(published));
        mirror.from(&origin, &["update"]).expect(0);
        assert_eq!(mirror.head(), "refs/heads/working");
    } else {
        assert_eq!(mirror.head(), "refs/heads/working");
        stand_on_master(&mirror);
        mirror.krate(&["pull"]).expect(0);
        assert_eq!(mirror.head(), "refs/heads/master");
    }
}

fn statement_15_mark_beside_a_checked_out_master(tool: Tool) {
    let mut origin = Origin::small();
    let mirror = Mirror::updated(tool, &origin);
    let first = origin.tip();
    origin.publish("a", "2.0.0");
    origin.commit();
    mirror.from(&origin, &["pull", "download"]).expect(0);
    stand_on_master(&mirror);
    mirror.krate(&["mark", "--end", "working"]).expect(0);
    assert_eq!(mirror.commit("mark"), Some(origin.tip()));
    // The Python tool leaves a branch alone that is HEAD; ours has HEAD follow
    // what is published.
    let master = if tool.is_ours() { origin.tip() } else { first };
    assert_eq!(mirror.commit("master"), Some(master));
}
