//! Shows the receivers of push on the pages of the server: neither of the two knows the other.

use crate::{
    push::{Board, TargetStatus},
    server::{TargetShown, Targets},
};

/// The receivers on a board.
pub(super) fn shown(board: Board) -> Targets {
    Targets::new(move || board.snapshot().into_iter().map(one).collect())
}

fn one(status: TargetStatus) -> TargetShown {
    let TargetStatus { name, protocol, waiting_bytes, lag_seconds, last_success, last_error } = status;
    TargetShown { name, protocol, waiting_bytes, lag_seconds, last_success, last_error }
}
