//! What every [`IndexCatalog`] must do.
//!
//! ```no_run
//! # use romt_core::ports::IndexCatalog;
//! # async fn example(index: &dyn IndexCatalog) {
//! use romt_store::conformance::catalog;
//!
//! // An index of two crates, which have three versions together.
//! let before = catalog::published(index, &["aux", "serde"], 3).await;
//! // … publish another crate …
//! let after = catalog::published(index, &["aux", "serde", "tokio"], 4).await;
//! assert_ne!(before, after);
//! # }
//! ```

use romt_core::ports::{Catalogued, IndexCatalog, Loaded, Position};

/// Checks an index that has published the crates `names`, in order and in lower case,
/// with so many versions in all. Returns where it is.
///
/// # Panics
///
/// If the index does not keep to the contract of its port.
pub async fn published(index: &dyn IndexCatalog, names: &[&str], versions: u64) -> Position {
    let catalog = match index.catalog(None).await {
        Ok(Catalogued::Fresh(catalog)) => catalog,
        other => panic!("who knows nothing is told all, and not {other:?}"),
    };
    let found: Vec<&str> = catalog.names.iter().map(|name| &**name).collect();
    assert_eq!(found, names, "all names are told, in order");
    let position = catalog.position;
    let again = index.catalog(Some(&position)).await;
    assert!(
        matches!(again, Ok(Catalogued::Unchanged)),
        "nothing was published since, and this is told: {again:?}"
    );
    let elsewhere = Position::new("no such position");
    let again = index.catalog(Some(&elsewhere)).await;
    assert!(
        matches!(again, Ok(Catalogued::Fresh(_))),
        "another state is not this one: {again:?}"
    );
    for name in names {
        let name = name.parse().expect("the name is valid");
        let loaded = index.load(&name, None).await;
        assert!(
            matches!(loaded, Ok(Loaded::Fresh { .. })),
            "{name} is catalogued, so it is there: {loaded:?}"
        );
    }
    let count = |at| async move { index.count_versions(at).await.expect("it can be read") };
    assert_eq!(count(&position).await, Some(versions), "all are counted");
    assert_eq!(
        count(&elsewhere).await,
        None,
        "what is not shown is not counted"
    );
    position
}

/// Checks an index that never published anything.
///
/// # Panics
///
/// If the index does not keep to the contract of its port.
pub async fn unpublished(index: &dyn IndexCatalog) {
    let catalog = index.catalog(None).await;
    assert!(
        matches!(catalog, Ok(Catalogued::Unpublished)),
        "there is nothing yet: {catalog:?}"
    );
}
