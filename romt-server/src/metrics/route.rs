//! What kind of thing a request is for, as far as counters care.

use http::Uri;

/// What kind of thing a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Index,
    Crates,
    Dist,
    Rustup,
    Git,
    Api,
    Pages,
    Health,
    Other,
}

impl Route {
    pub(crate) const ALL: [Self; 9] = [
        Self::Index,
        Self::Crates,
        Self::Dist,
        Self::Rustup,
        Self::Git,
        Self::Api,
        Self::Pages,
        Self::Health,
        Self::Other,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Crates => "crates",
            Self::Dist => "dist",
            Self::Rustup => "rustup",
            Self::Git => "git",
            Self::Api => "api",
            Self::Pages => "pages",
            Self::Health => "health",
            Self::Other => "other",
        }
    }

    /// What `uri` is for, whether or not there is such a thing.
    pub(crate) fn of(uri: &Uri) -> Self {
        let path = uri.path().trim_start_matches('/');
        match path.split('/').next().unwrap_or_default() {
            "index" | "crates-index" => Self::Index,
            "crates" => Self::Crates,
            "dist" => Self::Dist,
            "rustup" | "rustup-init.sh" => Self::Rustup,
            "git" => Self::Git,
            "api" => Self::Api,
            "" | "search" | "crate" | "assets" => Self::Pages,
            "healthz" | "readyz" | "metrics" => Self::Health,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_place() {
        for (at, route) in Route::ALL.iter().enumerate() {
            assert_eq!(*route as usize, at);
        }
        for (path, route) in [
            ("/index/se/rd/serde", Route::Index),
            ("//dist/x", Route::Dist),
            ("/", Route::Pages),
            ("/?utm", Route::Pages),
            ("/crate/serde?page=2", Route::Pages),
            ("/search?q=a", Route::Pages),
            ("/rustup-init.sh", Route::Rustup),
            ("/crate.php", Route::Other),
            ("/indexes", Route::Other),
            ("/readyz", Route::Health),
            ("http://a/crates/x", Route::Crates),
        ] {
            assert_eq!(Route::of(&path.parse().unwrap()), route, "{path}");
        }
    }
}
