//! Tells the tests which judges are here: romt for Python, and a browser.

fn main() {
    for (variable, cfg) in [
        ("ROMT_PYTHON_TOOL", "romt_python_tool"),
        ("ROMT_CHROMEDRIVER", "romt_chromedriver"),
    ] {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        println!("cargo::rerun-if-env-changed={variable}");
        if std::env::var_os(variable).is_some_and(|tool| !tool.is_empty()) {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
