//! What every [`Store`] must do.
//!
//! To run all checks over a store, write one test:
//!
//! ```
//! # use std::sync::Arc;
//! # use romt_store::{MemoryStore, conformance};
//! #[tokio::test(flavor = "multi_thread")]
//! # async fn hidden() {}
//! async fn my_store_conforms() {
//!     conformance::store::store(async || Arc::new(MemoryStore::new())).await;
//! }
//! # tokio::runtime::Runtime::new().unwrap().block_on(my_store_conforms());
//! ```
//!
//! The closure gives a fresh, empty store each time. A store that cannot pass a
//! check says so by running the [`CHECKS`] itself and leaving that one out, where
//! everybody can see it.
//!
//! Some checks wait for what must *not* happen, so the suite takes seconds.

mod bodies;
mod copies;
mod isolation;
mod listing;
mod locks;
mod modes;
mod objects;
mod ranges;
mod tools;

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use romt_core::Store;

/// A check: what it is called, and what it does with an empty store.
pub type Check = (&'static str, fn(Arc<dyn Store>) -> BoxFuture<'static, ()>);

macro_rules! checks {
    ($($module:ident { $($name:ident),* $(,)? })*) => {
        /// All checks, each panicking with the invariant that does not hold.
        pub const CHECKS: &[Check] = &[$($((
            concat!(stringify!($module), "::", stringify!($name)),
            |store| $module::$name(store).boxed(),
        )),*),*];
    };
}

checks! {
    objects {
        what_was_put_is_read,
        all_descriptions_agree,
        nothing_is_read_where_nothing_is,
        what_is_there_can_be_made_durable,
        nothing_is_described_where_nothing_is,
        an_empty_object_is_an_object,
        a_put_replaces,
        a_rewrite_of_the_same_bytes_is_another_version,
        versions_never_come_back,
        a_version_stays_while_nothing_is_written,
        a_deleted_object_is_gone,
        deleting_nothing_is_no_error,
        deleting_leaves_the_neighbours,
        a_key_can_be_used_again,
        unusual_keys_are_told_apart,
        long_and_deep_keys_are_stored,
        the_store_names_itself_on_one_line,
        a_local_path_leads_to_the_bytes,
        many_small_objects_at_once,
    }
    modes {
        create_creates,
        create_refuses_what_exists,
        create_of_a_stream_refuses_what_exists,
        create_works_again_after_a_delete,
        one_of_many_creators_wins,
        replace_replaces_what_was_seen,
        replace_refuses_what_was_changed,
        replace_refuses_what_is_gone,
        a_version_from_a_listing_can_be_replaced,
        one_of_many_replacers_wins,
        no_increment_is_lost,
    }
    copies {
        a_copy_has_the_bytes_and_the_source_stays,
        a_copy_is_independent,
        a_big_object_is_copied,
        a_copy_replaces,
        a_copy_of_nothing_is_not_found,
        a_copy_obeys_create,
        a_copy_obeys_replace,
        a_copy_onto_itself_changes_no_byte,
    }
    ranges {
        the_first_bytes,
        the_last_byte,
        from_the_middle_to_the_end,
        a_late_end_is_clipped,
        a_range_of_no_bytes_is_empty,
        a_start_at_the_end_is_refused,
        a_start_past_the_end_is_refused,
        no_range_of_an_empty_object,
        a_range_of_a_big_object,
        a_range_of_nothing_is_not_found,
    }
    bodies {
        a_stream_is_stored_in_order,
        a_big_stream_in_odd_pieces,
        a_stream_of_nothing_is_an_empty_object,
        empty_pieces_do_not_end_a_body,
        a_short_body_that_fails_leaves_nothing,
        a_long_body_that_fails_leaves_nothing,
        a_body_that_fails_leaves_the_old_object,
        the_failure_of_a_body_is_passed_on,
        an_unfinished_body_is_not_seen,
        a_dropped_put_leaves_nothing,
        a_dropped_put_leaves_the_old_object,
        a_put_dropped_at_any_time_is_whole_or_nothing,
    }
    isolation {
        a_reader_sees_one_writing,
        a_reader_of_a_replaced_object_gets_the_old_bytes,
        a_reader_of_a_deleted_object_gets_the_old_bytes,
        two_writers_end_with_one_of_the_two,
        readers_do_not_disturb_each_other,
    }
    listing {
        an_empty_store_lists_nothing,
        everything_is_listed_once,
        a_prefix_matches_whole_segments,
        a_prefix_of_nothing_lists_nothing,
        an_object_is_not_below_itself,
        a_listing_outlives_deletions,
        only_objects_are_listed,
    }
    locks {
        the_second_writer_is_told_who_is_the_first,
        the_lock_is_free_when_dropped,
        the_lock_hinders_no_reader,
        one_of_many_gets_the_lock,
        a_holder_cannot_speak_to_the_terminal,
    }
}

/// Runs all [`CHECKS`], each over a fresh store, and panics with a list of those
/// that failed.
///
/// Wants a tokio runtime of several threads.
pub async fn store<S: Store>(fresh: impl AsyncFn() -> Arc<S>) {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        tracing::debug!(name, "checking");
        let run = AssertUnwindSafe(check(fresh().await)).catch_unwind();
        if let Err(panic) = run.await {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            failed.push(format!("{name}: {}", text.unwrap_or("it panicked")));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} checks failed:\n{}",
        failed.len(),
        CHECKS.len(),
        failed.join("\n"),
    );
}
