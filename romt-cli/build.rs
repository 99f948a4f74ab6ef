//! Tells the tests whether romt for Python is here to judge.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(romt_python_tool)");
    println!("cargo::rerun-if-env-changed=ROMT_PYTHON_TOOL");
    if std::env::var_os("ROMT_PYTHON_TOOL").is_some_and(|tool| !tool.is_empty()) {
        println!("cargo::rustc-cfg=romt_python_tool");
    }
}
