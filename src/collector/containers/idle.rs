//! Containers that are only a directory with an ID, and when each of them is looked at again.

/// How many are looked at in one pass for a first process.
const IDLE_PER_PASS: usize = 512;

/// Containers that are neither live nor named by Docker.
#[derive(Debug, Default)]
pub(super) struct Idle {
    pub(super) roots: Turns,
    /// Those with no directory but in users' subtrees.
    pub(super) users: Turns,
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) known: usize,
    /// Where this pass began to look, and the next one will.
    first: usize,
    next: usize,
    looked_at: usize,
}

impl Idle {
    pub(super) fn of_mut(&mut self, is_delegated: bool) -> &mut Turns {
        if is_delegated { &mut self.users } else { &mut self.roots }
    }
}

impl Turns {
    pub(super) fn begin_pass(&mut self) {
        *self = Self { first: self.next, ..Self::default() };
    }

    /// Whether one is looked at in this pass. After a pass that came to the end it goes on from the
    /// beginning.
    pub(super) fn is_its_turn(&mut self, at: usize) -> bool {
        if at < self.first || self.looked_at == IDLE_PER_PASS {
            return false;
        }
        self.looked_at += 1;
        self.next = if self.looked_at == IDLE_PER_PASS { at + 1 } else { 0 };
        true
    }
}
