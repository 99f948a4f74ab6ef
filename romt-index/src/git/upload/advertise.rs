//! Telling clients what there is.

use bytes::Bytes;
use gix::ObjectId;

use super::{
    super::refs::SHOWN,
    GitProtocol,
    pktline::{FLUSH, line},
    request::RefsRequest,
};

/// What can be asked for in versions 0 and 1.
const CAPABILITIES: &str = "multi_ack multi_ack_detailed no-done thin-pack side-band \
    side-band-64k ofs-delta no-progress include-tag object-format=sha1";

/// Who answers.
const AGENT: &str = "agent=romt";

/// What a client is told first: the one branch that is shown, and that `HEAD` is it,
/// whatever it is in the repository; or, in version 2, what may be asked for.
pub(super) fn advertisement(protocol: GitProtocol, tip: Option<ObjectId>) -> Bytes {
    let mut out = Vec::new();
    if protocol == GitProtocol::V2 {
        line(&mut out, "version 2");
        line(&mut out, AGENT);
        line(&mut out, "ls-refs=unborn");
        line(&mut out, "fetch");
        line(&mut out, "object-format=sha1");
        out.extend_from_slice(FLUSH);
        return out.into();
    }
    line(&mut out, "# service=git-upload-pack");
    out.extend_from_slice(FLUSH);
    if protocol == GitProtocol::V1 {
        line(&mut out, "version 1");
    }
    if let Some(tip) = tip {
        let head = format!("{tip} HEAD\0{CAPABILITIES} symref=HEAD:{SHOWN} {AGENT}");
        line(&mut out, head);
        line(&mut out, format!("{tip} {SHOWN}"));
    } else {
        let nothing = ObjectId::null(gix::hash::Kind::Sha1);
        let none = format!("{nothing} capabilities^{{}}\0{CAPABILITIES} {AGENT}");
        line(&mut out, none);
    }
    out.extend_from_slice(FLUSH);
    out.into()
}

/// The refs that are asked for.
pub(super) fn refs(request: &RefsRequest, tip: Option<ObjectId>) -> Vec<u8> {
    let mut out = Vec::new();
    let target = if request.symrefs {
        format!(" symref-target:{SHOWN}")
    } else {
        String::new()
    };
    match tip {
        Some(tip) => {
            if request.wants("HEAD") {
                line(&mut out, format!("{tip} HEAD{target}"));
            }
            if request.wants(SHOWN) {
                line(&mut out, format!("{tip} {SHOWN}"));
            }
        }
        None if request.unborn && request.wants("HEAD") => {
            line(&mut out, format!("unborn HEAD{target}"));
        }
        None => {}
    }
    out.extend_from_slice(FLUSH);
    out
}
