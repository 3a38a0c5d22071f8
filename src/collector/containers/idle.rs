//! Containers of which only directories are known, and when each of them is looked at again.

/// How many of them are checked in one pass for a first process.
const IDLE_PER_PASS: usize = 512;

/// Containers that are neither live nor named by Docker.
#[derive(Debug, Default)]
pub(super) struct Idle {
    pub(super) roots: Turns,
    /// Those whose directories are all in users' subtrees.
    pub(super) users: Turns,
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) known: usize,
    /// Where this pass starts, and where the next one will.
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

    /// Whether the container at this position is looked at in this pass. After a pass that reached the end,
    /// the next one starts at the beginning.
    pub(super) fn is_its_turn(&mut self, at: usize) -> bool {
        if at < self.first || self.looked_at == IDLE_PER_PASS {
            return false;
        }
        self.looked_at += 1;
        self.next = if self.looked_at == IDLE_PER_PASS { at + 1 } else { 0 };
        true
    }
}
