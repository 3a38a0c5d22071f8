//! Files that tell of their changes, so that they need not be read until then.

use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        statfs::{CGROUP2_SUPER_MAGIC, fstatfs},
    },
};
use std::{
    fs::File,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

/// How many events are taken at once.
const AT_ONCE: usize = 64;

/// Whether any file of one cgroup has told of a change that was not read yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Arc<AtomicBool>);

impl Told {
    /// Whether it has.
    pub(super) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it has, which is then forgotten. To be called before the files are read, so that a change
    /// during the reading is told of again.
    pub(super) fn take(&self) -> bool {
        self.is_told() && self.0.swap(false, Ordering::Relaxed)
    }
}

/// Asks the kernel which of the watched files have changed.
///
/// The kernel tells (`POLLPRI`) through an open descriptor: at once, or 10 ms after the last change of the
/// same file if that is later. A closed descriptor tells nothing any more.
#[derive(Debug, Default)]
pub struct Changes {
    epoll: Option<Epoll>,
    /// Whether there can be no epoll.
    without: bool,
    /// One for each cgroup; an event has the position. Those that are gone make room.
    cgroups: Vec<Weak<AtomicBool>>,
}

impl Changes {
    /// Watches a file that was read before. What has changed since that reading is told of too. `false` if
    /// the file does not tell: it is not the kernel's, or something has run out.
    pub(super) fn watch(&mut self, file: &File, told: &Told) -> bool {
        // Other file systems may accept the request, and never tell.
        if !fstatfs(file).is_ok_and(|system| system.filesystem_type() == CGROUP2_SUPER_MAGIC) {
            return false;
        }
        if self.epoll.is_none() && !self.without {
            self.epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).ok();
            self.without = self.epoll.is_none();
        }
        let at = self.position(told);
        let Some((epoll, at)) = self.epoll.as_ref().zip(u64::try_from(at).ok()) else { return false };
        let event = EpollEvent::new(EpollFlags::EPOLLPRI | EpollFlags::EPOLLET, at);
        epoll.add(file, event).is_ok()
    }

    /// The position of a cgroup, which is added if it is new.
    fn position(&mut self, told: &Told) -> usize {
        let is_it = |known: &Weak<AtomicBool>| known.as_ptr() == Arc::as_ptr(&told.0);
        // Files of one cgroup come one after the other.
        if let Some(at) = self.cgroups.len().checked_sub(1).filter(|_| self.cgroups.last().is_some_and(is_it))
        {
            return at;
        }
        let free = if self.cgroups.len() < self.cgroups.capacity() {
            None
        } else {
            self.cgroups.iter().position(|known| known.strong_count() == 0 || is_it(known))
        };
        let known = Arc::downgrade(&told.0);
        match free.and_then(|at| Some((at, self.cgroups.get_mut(at)?))) {
            Some((at, slot)) => {
                *slot = known;
                at
            }
            None => {
                self.cgroups.push(known);
                self.cgroups.len() - 1
            }
        }
    }

    /// Takes what the kernel has to tell. Returns whether it was anything. If it can't be known what has
    /// changed, everything has.
    pub fn collect(&mut self) -> bool {
        let Some(epoll) = &self.epoll else { return false };
        let mut events = [EpollEvent::empty(); AT_ONCE];
        let mut any = false;
        // A file that tells again and again does not hold up the pass.
        for _ in 0..=self.cgroups.len() {
            let count = match epoll.wait(&mut events, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(_) => {
                    self.cgroups.iter().for_each(tell);
                    return true;
                }
            };
            for event in events.iter().take(count) {
                any = true;
                let at = usize::try_from(event.data()).ok();
                if let Some(cgroup) = at.and_then(|at| self.cgroups.get(at)) {
                    tell(cgroup);
                }
            }
            if count < AT_ONCE {
                break;
            }
        }
        any
    }
}

fn tell(cgroup: &Weak<AtomicBool>) {
    if let Some(told) = cgroup.upgrade() {
        told.store(true, Ordering::Relaxed);
    }
}
