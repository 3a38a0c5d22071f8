//! `memory.stat`.

use super::{
    ParseError,
    scan::{key_value, lines, number},
};

macro_rules! keys {
    ($(#[$unit:meta] $variant:ident = $key:literal as $kind:ident;)*) => {
        /// A key of `memory.stat` that is served (cgroup-v2.rst, "Memory Interface Files").
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Key { $(#[$unit] $variant),* }

        impl Key {
            /// Every known key, in the kernel's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The key as the kernel spells it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                let name: &[u8] = match self { $(Self::$variant => $key),* };
                match std::str::from_utf8(name) {
                    Ok(name) => name,
                    Err(_) => "",
                }
            }

            /// Whether the value is an amount of memory in bytes, not a count of events or pages.
            #[must_use]
            pub const fn is_bytes(self) -> bool {
                match self { $(Self::$variant => keys!(@ $kind)),* }
            }

            #[inline]
            fn find(name: &[u8]) -> Option<Self> {
                match name { $($key => Some(Self::$variant),)* _ => None }
            }
        }
    };
    (@ bytes) => { true };
    (@ count) => { false };
}

keys! {
    /// Anonymous memory, bytes.
    Anon = b"anon" as bytes;
    /// Page cache, tmpfs and shared memory included, bytes.
    File = b"file" as bytes;
    /// All kernel memory (Linux 5.18), bytes.
    Kernel = b"kernel" as bytes;
    /// Kernel stacks, bytes.
    KernelStack = b"kernel_stack" as bytes;
    /// Page tables, bytes.
    Pagetables = b"pagetables" as bytes;
    /// Secondary page tables (KVM), bytes.
    SecPagetables = b"sec_pagetables" as bytes;
    /// Per-CPU kernel data, bytes.
    Percpu = b"percpu" as bytes;
    /// Network buffers, bytes.
    Sock = b"sock" as bytes;
    /// vmalloc areas, bytes.
    Vmalloc = b"vmalloc" as bytes;
    /// tmpfs, shared anonymous mappings and IPC, bytes.
    Shmem = b"shmem" as bytes;
    /// The compressed pool of zswap, bytes.
    Zswap = b"zswap" as bytes;
    /// What zswap holds, before compression, bytes.
    Zswapped = b"zswapped" as bytes;
    /// Page cache mapped by processes, bytes.
    FileMapped = b"file_mapped" as bytes;
    /// Page cache waiting to be written, bytes.
    FileDirty = b"file_dirty" as bytes;
    /// Page cache being written, bytes.
    FileWriteback = b"file_writeback" as bytes;
    /// Swap cached in memory, bytes.
    Swapcached = b"swapcached" as bytes;
    /// Anonymous memory in huge pages, bytes.
    AnonThp = b"anon_thp" as bytes;
    /// Page cache in huge pages, bytes.
    FileThp = b"file_thp" as bytes;
    /// Shared memory in huge pages, bytes.
    ShmemThp = b"shmem_thp" as bytes;
    /// Anonymous memory on the inactive list, bytes.
    InactiveAnon = b"inactive_anon" as bytes;
    /// Anonymous memory on the active list, bytes.
    ActiveAnon = b"active_anon" as bytes;
    /// Page cache on the inactive list, bytes.
    InactiveFile = b"inactive_file" as bytes;
    /// Page cache on the active list, bytes.
    ActiveFile = b"active_file" as bytes;
    /// Memory that can't be reclaimed, bytes.
    Unevictable = b"unevictable" as bytes;
    /// Reclaimable kernel objects, bytes.
    SlabReclaimable = b"slab_reclaimable" as bytes;
    /// Unreclaimable kernel objects, bytes.
    SlabUnreclaimable = b"slab_unreclaimable" as bytes;
    /// Kernel objects, bytes.
    Slab = b"slab" as bytes;
    /// Huge TLB pages, where they are accounted as memory (Linux 6.7), bytes.
    Hugetlb = b"hugetlb" as bytes;
    /// Refaults of evicted anonymous pages, pages.
    WorkingsetRefaultAnon = b"workingset_refault_anon" as count;
    /// Refaults of evicted file pages, pages.
    WorkingsetRefaultFile = b"workingset_refault_file" as count;
    /// Pages scanned by reclaim, pages.
    Pgscan = b"pgscan" as count;
    /// Pages reclaimed, pages.
    Pgsteal = b"pgsteal" as count;
    /// Page faults, events.
    Pgfault = b"pgfault" as count;
    /// Major page faults, events.
    Pgmajfault = b"pgmajfault" as count;
}

/// The known keys of one `memory.stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStat {
    values: [Option<u64>; Key::ALL.len()],
}

impl MemoryStat {
    /// A value, where the kernel printed the key.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key) -> Option<u64> {
        self.values.get(key as usize).copied().flatten()
    }
}

/// Parses `memory.stat`.
///
/// # Errors
/// A known key whose value is not a number, or neither `anon` nor `file`, which every kernel prints.
pub fn parse_memory_stat(file: &[u8]) -> Result<MemoryStat, ParseError> {
    let mut stat = MemoryStat { values: [None; Key::ALL.len()] };
    let mut last = 0;
    for line in lines(file) {
        last = line.number;
        let Some((name, value)) = key_value(&line) else { continue };
        let Some(key) = Key::find(name) else { continue };
        let parsed = number(value).ok_or_else(|| ParseError::new(line.number, "a number", value))?;
        if let Some(slot) = stat.values.get_mut(key as usize) {
            *slot = Some(parsed);
        }
    }
    if stat.get(Key::Anon).is_none() && stat.get(Key::File).is_none() {
        return Err(ParseError::new(last + 1, "anon and file", b"end of file"));
    }
    Ok(stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order_and_unknown_ones_ignored() {
        let stat = parse_memory_stat(b"file 2\nanon 1\nfuture_key 1.0\npgfault 9\n").unwrap();
        assert_eq!(stat.get(Key::Anon), Some(1));
        assert_eq!(stat.get(Key::File), Some(2));
        assert_eq!(stat.get(Key::Pgfault), Some(9));
        assert_eq!(stat.get(Key::Kernel), None);
    }

    #[test]
    fn a_bad_value_or_an_empty_file_is_an_error() {
        assert_eq!(
            parse_memory_stat(b"anon 1\nslab 1k\n").unwrap_err().to_string(),
            "2: expected a number, found \"1k\""
        );
        assert!(parse_memory_stat(b"").is_err());
    }

    #[test]
    fn counts_of_pages_are_not_bytes() {
        assert!(Key::Anon.is_bytes() && !Key::Pgscan.is_bytes());
        for key in Key::ALL {
            assert_eq!(Key::find(key.name().as_bytes()), Some(*key));
        }
    }
}
