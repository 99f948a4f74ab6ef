//! What happens at an upstream over time.

use super::Origin;

/// How many rounds [`happen`] knows.
pub(crate) const ROUNDS: usize = 7;

/// What happens in a round, after [`Origin::varied`]. Each brings at least one
/// crate: the Python tool breaks the chain of its archives at one that has none.
pub(crate) fn happen(origin: &mut Origin, round: usize) {
    match round {
        // Names of every length, and versions of every form.
        0 => {
            origin.publish("serde", "2.0.0");
            origin.publish("b", "0.0.0");
            origin.publish("Q9", "0.1.0-alpha.1+exp.sha-5114f85");
            origin.publish("Xyz", "1.0.0+001");
            origin.publish("with-dash_and_more", "18446744073709551615.0.0");
        }
        // A yank, one that is taken back, and another dependency.
        1 => {
            origin.yank("a", "1.0.0");
            origin.yank("serde", "1.9.0");
            origin.depend("ccc", "0.1.0", "bb");
            origin.publish("serde", "2.0.1");
        }
        // Versions and crates go.
        2 => {
            origin.remove_version("a", "1.0.1");
            origin.remove_crate("ccc");
            origin.remove_crate("MyCrate");
            origin.publish("serde", "2.1.0");
        }
        // The same version, other bytes.
        3 => {
            origin.publish_as("bb", "0.1.0", &[], b"what bb is from now on".to_vec());
            origin.publish("Q9", "0.1.0");
        }
        // The history is replaced.
        4 => {
            origin.publish("after-the-squash", "1.0.0");
            origin.squash();
            return;
        }
        // What went comes back, in another case.
        5 => origin.publish("mycrate", "0.1.0"),
        // Several commits in one round, of which one undoes what another did.
        6 => {
            origin.publish("passing", "1.0.0");
            origin.commit();
            origin.remove_crate("passing");
            origin.publish("a", "1.2.0");
        }
        _ => panic!("there is no round {round}"),
    }
    origin.commit();
}
