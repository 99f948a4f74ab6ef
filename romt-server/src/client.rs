//! What a client is told.

/// The name under which the lines below make the mirror known to cargo.
pub const CLIENT_REGISTRY: &str = "romt";

/// The value of cargo's `registries.*.index` for the mirror served at `base_url`,
/// with or without a trailing slash.
///
/// ```
/// assert_eq!(
///     romt_server::client_index("http://127.0.0.1:8000"),
///     "sparse+http://127.0.0.1:8000/index/"
/// );
/// ```
pub fn client_index(base_url: &str) -> String {
    format!("sparse+{}/index/", base_url.trim_end_matches('/'))
}

/// The lines of a cargo configuration that replace crates.io by the mirror served
/// at `base_url`.
///
/// The mirror stands in `[registries]`, where cargo's commands and its
/// credentials can name it, and crates.io is replaced by that.
pub fn client_config(base_url: &str) -> String {
    format!(
        "[source.crates-io]\nreplace-with = \"{CLIENT_REGISTRY}\"\n\n\
         [registries.{CLIENT_REGISTRY}]\nindex = \"{}\"\n",
        client_index(base_url)
    )
}

/// The lines of a cargo configuration by which cargo sends a token to a mirror that
/// needs one, once it was told the token.
pub fn token_config() -> String {
    let variable = format!("CARGO_REGISTRIES_{}_TOKEN", CLIENT_REGISTRY.to_uppercase());
    format!(
        "# The token is set by `cargo login --registry {CLIENT_REGISTRY}`, or in {variable}.\n\
         [registry]\nglobal-credential-providers = [\"cargo:token\"]\n"
    )
}

/// `base_url` as those need it who send a token in the address, which is everybody but
/// cargo. What is in the place of the token is for people to replace.
pub(crate) fn with_token(base_url: &str) -> String {
    match base_url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://me:TOKEN@{rest}"),
        None => base_url.to_owned(),
    }
}

/// What is set in the environment of rustup so that it takes toolchains and itself
/// from the mirror served at `base_url`, a variable a line.
///
/// ```
/// assert_eq!(
///     romt_server::rustup_environment("http://127.0.0.1:8000"),
///     "RUSTUP_DIST_SERVER=http://127.0.0.1:8000\n\
///      RUSTUP_UPDATE_ROOT=http://127.0.0.1:8000/rustup\n"
/// );
/// ```
pub fn rustup_environment(base_url: &str) -> String {
    let base_url = base_url.trim_end_matches('/');
    format!("RUSTUP_DIST_SERVER={base_url}\nRUSTUP_UPDATE_ROOT={base_url}/rustup\n")
}
