//! `memory.stat`.

use super::{
    ParseError,
    scan::{FlatKey, flat_keyed, take_number},
};
use memchr::memchr_iter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bytes,
    Count,
}

macro_rules! keys {
    ($(#[$unit:meta] $variant:ident = $key:literal as $kind:ident;)*) => {
        /// A key of `memory.stat` (cgroup-v2.rst, "Memory Interface Files"), in the kernel's order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Key { $(#[$unit] $variant),* }

        impl Key {
            /// Every known key, in the kernel's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            const LINES: &[FlatKey] = &[$(FlatKey::new(concat!($key, " "))),*];

            /// The key as the kernel spells it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $key),* }
            }

            const KINDS: &[Kind] = &[$(keys!(@ $kind)),*];

            /// Whether the value is an amount of memory in bytes, not a count of events or pages.
            #[must_use]
            pub fn is_bytes(self) -> bool {
                Self::KINDS.get(self as usize) == Some(&Kind::Bytes)
            }
        }
    };
    (@ bytes) => { Kind::Bytes };
    (@ count) => { Kind::Count };
}

keys! {
    /// Anonymous memory, bytes.
    Anon = "anon" as bytes;
    /// Page cache, tmpfs and shared memory included, bytes.
    File = "file" as bytes;
    /// All kernel memory (Linux 5.18), bytes.
    Kernel = "kernel" as bytes;
    /// Kernel stacks, bytes.
    KernelStack = "kernel_stack" as bytes;
    /// Page tables, bytes.
    Pagetables = "pagetables" as bytes;
    /// Secondary page tables (KVM), bytes.
    SecPagetables = "sec_pagetables" as bytes;
    /// Per-CPU kernel data, bytes.
    Percpu = "percpu" as bytes;
    /// Network buffers, bytes.
    Sock = "sock" as bytes;
    /// vmalloc areas, bytes.
    Vmalloc = "vmalloc" as bytes;
    /// tmpfs, shared anonymous mappings and IPC, bytes.
    Shmem = "shmem" as bytes;
    /// The compressed pool of zswap, bytes.
    Zswap = "zswap" as bytes;
    /// What zswap holds, before compression, bytes.
    Zswapped = "zswapped" as bytes;
    /// Page cache mapped by processes, bytes.
    FileMapped = "file_mapped" as bytes;
    /// Page cache waiting to be written, bytes.
    FileDirty = "file_dirty" as bytes;
    /// Page cache being written, bytes.
    FileWriteback = "file_writeback" as bytes;
    /// Swap cached in memory, bytes.
    Swapcached = "swapcached" as bytes;
    /// Anonymous memory in huge pages, bytes.
    AnonThp = "anon_thp" as bytes;
    /// Page cache in huge pages, bytes.
    FileThp = "file_thp" as bytes;
    /// Shared memory in huge pages, bytes.
    ShmemThp = "shmem_thp" as bytes;
    /// Anonymous memory on the inactive list, bytes.
    InactiveAnon = "inactive_anon" as bytes;
    /// Anonymous memory on the active list, bytes.
    ActiveAnon = "active_anon" as bytes;
    /// Page cache on the inactive list, bytes.
    InactiveFile = "inactive_file" as bytes;
    /// Page cache on the active list, bytes.
    ActiveFile = "active_file" as bytes;
    /// Memory that can't be reclaimed, bytes.
    Unevictable = "unevictable" as bytes;
    /// Reclaimable kernel objects, bytes.
    SlabReclaimable = "slab_reclaimable" as bytes;
    /// Unreclaimable kernel objects, bytes.
    SlabUnreclaimable = "slab_unreclaimable" as bytes;
    /// Kernel objects, bytes.
    Slab = "slab" as bytes;
    /// Huge TLB pages, where they are accounted as memory (Linux 6.7), bytes.
    Hugetlb = "hugetlb" as bytes;
    /// Refaults of evicted anonymous pages, pages.
    WorkingsetRefaultAnon = "workingset_refault_anon" as count;
    /// Refaults of evicted file pages, pages.
    WorkingsetRefaultFile = "workingset_refault_file" as count;
    /// Pages scanned by reclaim, pages.
    Pgscan = "pgscan" as count;
    /// Pages reclaimed, pages.
    Pgsteal = "pgsteal" as count;
    /// Page faults, events.
    Pgfault = "pgfault" as count;
    /// Major page faults, events.
    Pgmajfault = "pgmajfault" as count;
}

/// The known keys of one `memory.stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStat {
    values: [u64; Key::ALL.len()],
    /// The keys that are present, one bit each.
    present: u64,
    /// For each key, the number of bytes between the line of the present key before it and its own line.
    gaps: [u16; Key::ALL.len()],
}

const _: () = assert!(Key::ALL.len() <= 64, "a bit each");

impl Default for MemoryStat {
    fn default() -> Self {
        Self { values: [0; Key::ALL.len()], present: 0, gaps: [0; Key::ALL.len()] }
    }
}

impl MemoryStat {
    /// A value, if the kernel printed the key.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key) -> Option<u64> {
        let value = self.values.get(key as usize).copied();
        value.filter(|_| self.present >> key as u64 & 1 != 0)
    }

    /// Values that were found elsewhere, as if the kernel had printed those that are known.
    #[must_use]
    pub fn of(known: &[(Key, Option<u64>)]) -> Self {
        let mut stat = Self::default();
        for (key, value) in known {
            if let (Some(value), Some(slot)) = (value, stat.values.get_mut(*key as usize)) {
                *slot = *value;
                stat.present |= 1 << *key as u64;
            }
        }
        stat
    }

    /// Parses `memory.stat` into the result of an earlier one of the same cgroup.
    ///
    /// # Errors
    /// If the value of a known key is not a number, or if there is neither `anon` nor `file`, which every
    /// kernel prints.
    pub fn parse(&mut self, file: &[u8]) -> Result<(), ParseError> {
        // A number that is cut off is still a number.
        if !file.ends_with(b"\n") {
            return Err(ParseError::new(1, "a newline at the end", file));
        }
        if self.parse_again(file) {
            return Ok(());
        }
        self.present = 0;
        let lines = flat_keyed(file, Key::LINES, |index, value| {
            if let Some(slot) = self.values.get_mut(index) {
                *slot = value;
                self.present |= 1 << index;
            }
            true
        })?;
        if self.get(Key::Anon).is_none() && self.get(Key::File).is_none() {
            return Err(ParseError::new(lines + 1, "anon and file", b"end of file"));
        }
        Ok(())
    }

    /// One cgroup has the same keys for life. So only the keys that were present are searched for, in the
    /// kernel's order, and each one first at its old distance from the key before it. If it is not there, the
    /// rest of the file is searched line by line. `false` if a key is not found. This is cheaper than
    /// examining each line.
    fn parse_again(&mut self, file: &[u8]) -> bool {
        let mut left = self.present;
        let mut rest = file;
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            left &= left - 1;
            let (Some(key), Some(gap)) = (Key::LINES.get(index), self.gaps.get_mut(index)) else {
                return false;
            };
            let Some(value) = key.strip_line(rest, usize::from(*gap)).or_else(|| {
                let newlines = memchr_iter(b'\n', rest).map(|at| at + 1);
                let (at, value) = std::iter::once(0)
                    .chain(newlines)
                    .find_map(|at| Some((at, key.strip_line(rest, at)?)))?;
                *gap = u16::try_from(at).unwrap_or_default();
                Some(value)
            }) else {
                return false;
            };
            let (Some((number, [b'\n', after @ ..])), Some(slot)) =
                (take_number(value), self.values.get_mut(index))
            else {
                return false;
            };
            *slot = number;
            rest = after;
        }
        self.present != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(file: &[u8]) -> Result<MemoryStat, ParseError> {
        let mut stat = MemoryStat::default();
        stat.parse(file).map(|()| stat)
    }

    #[test]
    fn keys_are_found_in_any_order_and_unknown_ones_ignored() {
        let stat = parsed(b"file 2\nanon 1\nfuture_key 1.0\npgfault 9\n").unwrap();
        assert_eq!(stat.get(Key::Anon), Some(1));
        assert_eq!(stat.get(Key::File), Some(2));
        assert_eq!(stat.get(Key::Pgfault), Some(9));
        assert_eq!(stat.get(Key::Kernel), None);
    }

    #[test]
    fn a_bad_value_or_an_empty_file_is_an_error() {
        assert_eq!(
            parsed(b"anon 1\nslab 1k\n").unwrap_err().to_string(),
            "2: expected a number, found \"1k\""
        );
        assert!(parsed(b"").is_err());
    }

    #[test]
    fn a_second_look_sees_what_the_first_saw() {
        let file = b"anon 1\nfile 2\nzswpin 7\npgfault 9\nthp_fault_alloc 3\n";
        let first = parsed(file).unwrap();
        let mut again = first;
        // The first round learns where the keys are.
        for _ in 0..2 {
            assert!(again.parse_again(file));
            assert_eq!((again.values, again.present), (first.values, first.present));
        }
        assert_ne!(again.gaps, first.gaps);
        for (next, anon, file, pgfault) in [
            (&b"anon 4\nfile 5\nnew 1\npgfault 6\n"[..], Some(4), Some(5), Some(6)),
            (b"pgfault 10\nanon 0\nfile 5\n", Some(0), Some(5), Some(10)),
            (b"file 5\n", None, Some(5), None),
        ] {
            let mut stat = first;
            stat.parse(next).unwrap();
            let values = [Key::Anon, Key::File, Key::Pgfault].map(|key| stat.get(key));
            assert_eq!(values, [anon, file, pgfault]);
        }
        let mut wrong = first;
        assert_eq!(wrong.parse(b"anon 1\nfile 2x\npgfault 9\n").unwrap_err().line, 2);
    }

    #[test]
    fn counts_of_pages_are_not_bytes() {
        assert!(Key::Anon.is_bytes() && !Key::Pgscan.is_bytes());
    }
}
