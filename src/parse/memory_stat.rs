//! `memory.stat`.

use super::{
    ParseError,
    scan::{FlatKey, flat_keyed},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bytes,
    Count,
    /// Known only to be passed over quickly.
    Skip,
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
    (@ skip) => { Kind::Skip };
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
    /// Refaulted anonymous pages made active at once, pages.
    WorkingsetActivateAnon = "workingset_activate_anon" as skip;
    /// Refaulted file pages made active at once, pages.
    WorkingsetActivateFile = "workingset_activate_file" as skip;
    /// Anonymous pages found to be active before they were evicted, pages.
    WorkingsetRestoreAnon = "workingset_restore_anon" as skip;
    /// File pages found to be active before they were evicted, pages.
    WorkingsetRestoreFile = "workingset_restore_file" as skip;
    /// Shadow nodes reclaimed.
    WorkingsetNodereclaim = "workingset_nodereclaim" as skip;
    /// Demoted by kswapd, pages.
    PgdemoteKswapd = "pgdemote_kswapd" as skip;
    /// Demoted directly, pages.
    PgdemoteDirect = "pgdemote_direct" as skip;
    /// Demoted by khugepaged, pages.
    PgdemoteKhugepaged = "pgdemote_khugepaged" as skip;
    /// Demoted on request, pages.
    PgdemoteProactive = "pgdemote_proactive" as skip;
    /// Promoted, pages.
    PgpromoteSuccess = "pgpromote_success" as skip;
    /// Pages scanned by reclaim, pages.
    Pgscan = "pgscan" as count;
    /// Pages reclaimed, pages.
    Pgsteal = "pgsteal" as count;
    /// Swapped in, pages.
    Pswpin = "pswpin" as skip;
    /// Swapped out, pages.
    Pswpout = "pswpout" as skip;
    /// Scanned by kswapd, pages.
    PgscanKswapd = "pgscan_kswapd" as skip;
    /// Scanned directly, pages.
    PgscanDirect = "pgscan_direct" as skip;
    /// Scanned by khugepaged, pages.
    PgscanKhugepaged = "pgscan_khugepaged" as skip;
    /// Scanned on request, pages.
    PgscanProactive = "pgscan_proactive" as skip;
    /// Reclaimed by kswapd, pages.
    PgstealKswapd = "pgsteal_kswapd" as skip;
    /// Reclaimed directly, pages.
    PgstealDirect = "pgsteal_direct" as skip;
    /// Reclaimed by khugepaged, pages.
    PgstealKhugepaged = "pgsteal_khugepaged" as skip;
    /// Reclaimed on request, pages.
    PgstealProactive = "pgsteal_proactive" as skip;
    /// Page faults, events.
    Pgfault = "pgfault" as count;
    /// Major page faults, events.
    Pgmajfault = "pgmajfault" as count;
    /// Pages moved to the inactive list, pages.
    Pgrefill = "pgrefill" as skip;
    /// Pages moved to the active list, pages.
    Pgactivate = "pgactivate" as skip;
    /// Pages deactivated, pages.
    Pgdeactivate = "pgdeactivate" as skip;
    /// Pages put off to be freed under pressure, pages.
    Pglazyfree = "pglazyfree" as skip;
    /// Of those, pages freed, pages.
    Pglazyfreed = "pglazyfreed" as skip;
    /// Zero-filled pages swapped in without I/O, pages.
    SwpinZero = "swpin_zero" as skip;
    /// Zero-filled pages swapped out without I/O, pages.
    SwpoutZero = "swpout_zero" as skip;
    /// Pages moved out of zswap, pages.
    Zswpin = "zswpin" as skip;
    /// Pages moved into zswap, pages.
    Zswpout = "zswpout" as skip;
    /// Pages written from zswap to swap, pages.
    Zswpwb = "zswpwb" as skip;
    /// Huge pages allocated at a fault.
    ThpFaultAlloc = "thp_fault_alloc" as skip;
    /// Huge pages allocated to collapse small ones.
    ThpCollapseAlloc = "thp_collapse_alloc" as skip;
    /// Huge pages swapped out whole.
    ThpSwpout = "thp_swpout" as skip;
    /// Huge pages split before they were swapped out.
    ThpSwpoutFallback = "thp_swpout_fallback" as skip;
    /// Pages migrated by NUMA balancing, pages.
    NumaPagesMigrated = "numa_pages_migrated" as skip;
    /// Page table entries changed by NUMA balancing.
    NumaPteUpdates = "numa_pte_updates" as skip;
    /// NUMA hinting faults.
    NumaHintFaults = "numa_hint_faults" as skip;
}

/// The known keys of one `memory.stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStat {
    values: [u64; Key::ALL.len()],
    present: [bool; Key::ALL.len()],
    /// How many keys are present, those that are skipped left out.
    found: usize,
}

impl MemoryStat {
    /// A value, where the kernel printed the key.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key) -> Option<u64> {
        let value = self.values.get(key as usize).copied();
        value.filter(|_| self.present.get(key as usize) == Some(&true))
    }
}

/// Parses `memory.stat`, the same cgroup's as `last`: one cgroup has the same keys for life, so what stands behind the
/// last one of them, a third of the file, need not be looked at again.
///
/// # Errors
/// A known key whose value is not a number, or neither `anon` nor `file`, which every kernel prints.
pub fn parse_memory_stat(file: &[u8], last: Option<&MemoryStat>) -> Result<MemoryStat, ParseError> {
    let mut stat = MemoryStat { values: [0; Key::ALL.len()], present: [false; Key::ALL.len()], found: 0 };
    let all = last.map_or(usize::MAX, |last| last.found);
    let lines = flat_keyed(file, Key::LINES, |index, value| {
        if Key::KINDS.get(index) != Some(&Kind::Skip)
            && let Some(slot) = stat.values.get_mut(index)
            && let Some(present) = stat.present.get_mut(index)
        {
            *slot = value;
            stat.found += usize::from(!std::mem::replace(present, true));
        }
        stat.found < all
    })?;
    if stat.get(Key::Anon).is_none() && stat.get(Key::File).is_none() {
        return Err(ParseError::new(lines + 1, "anon and file", b"end of file"));
    }
    Ok(stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order_and_unknown_ones_ignored() {
        let stat = parse_memory_stat(b"file 2\nanon 1\nfuture_key 1.0\npgfault 9\n", None).unwrap();
        assert_eq!(stat.get(Key::Anon), Some(1));
        assert_eq!(stat.get(Key::File), Some(2));
        assert_eq!(stat.get(Key::Pgfault), Some(9));
        assert_eq!(stat.get(Key::Kernel), None);
    }

    #[test]
    fn a_bad_value_or_an_empty_file_is_an_error() {
        assert_eq!(
            parse_memory_stat(b"anon 1\nslab 1k\n", None).unwrap_err().to_string(),
            "2: expected a number, found \"1k\""
        );
        assert!(parse_memory_stat(b"", None).is_err());
    }

    #[test]
    fn a_second_look_sees_what_the_first_saw() {
        let file = b"anon 1\nfile 2\nzswpin 7\npgfault 9\nthp_fault_alloc 3\n";
        let first = parse_memory_stat(file, None).unwrap();
        assert_eq!(parse_memory_stat(file, Some(&first)), Ok(first));
        let later = parse_memory_stat(b"pgfault 10\nanon 0\nfile 5\n", Some(&first)).unwrap();
        let values = [Key::Anon, Key::File, Key::Pgfault].map(|key| later.get(key));
        assert_eq!(values, [Some(0), Some(5), Some(10)]);
        let fewer = parse_memory_stat(b"file 5\n", Some(&first)).unwrap();
        assert_eq!((fewer.get(Key::Anon), fewer.get(Key::File)), (None, Some(5)));
    }

    #[test]
    fn counts_of_pages_are_not_bytes() {
        assert!(Key::Anon.is_bytes() && !Key::Pgscan.is_bytes());
    }
}
