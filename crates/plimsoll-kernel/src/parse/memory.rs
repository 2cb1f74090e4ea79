//! `memory.*`.

use plimsoll_model::Slot;

use super::{Numbers, UNLIMITED, pairs};

/// `memory.stat` of v1. The `total_` fields cover the cgroup and those below.
pub fn v1_stat(bytes: &[u8], out: &mut Numbers) {
    pairs(bytes, |key, value| {
        let slot = match key {
            b"pgfault" => Slot::PgfaultContainer,
            b"pgmajfault" => Slot::PgmajfaultContainer,
            b"total_cache" => Slot::MemoryCache,
            b"total_rss" => Slot::MemoryRss,
            b"total_shmem" => Slot::MemoryShmem,
            b"total_mapped_file" => Slot::MemoryMappedFile,
            b"total_dirty" => Slot::FileDirty,
            b"total_writeback" => Slot::FileWriteback,
            b"total_workingset_refault_anon" => Slot::RefaultAnon,
            b"total_workingset_refault_file" => Slot::RefaultFile,
            b"total_swap" => Slot::MemorySwap,
            b"total_pgfault" => Slot::PgfaultHierarchy,
            b"total_pgmajfault" => Slot::PgmajfaultHierarchy,
            b"total_active_file" => Slot::MemoryActiveFile,
            b"total_inactive_file" => Slot::MemoryInactiveFile,
            b"hierarchical_memory_limit" if value < UNLIMITED => Slot::MemoryLimit,
            b"hierarchical_memsw_limit" if value < UNLIMITED => Slot::MemorySwapLimit,
            _ => return,
        };
        out.set(slot, value);
    });
}

/// `memory.oom_control` of v1; `oom_kill` since Linux 4.13.
pub fn v1_oom_control(bytes: &[u8], out: &mut Numbers) {
    pairs(bytes, |key, value| {
        if key == b"oom_kill" {
            out.set(Slot::MemoryEventOomKill, value);
        }
    });
}

/// `memory.stat` of v2, which covers the cgroup and those below.
pub fn v2_stat(bytes: &[u8], out: &mut Numbers) {
    pairs(bytes, |key, value| {
        let slot = match key {
            b"anon" => Slot::MemoryRss,
            b"file" => Slot::MemoryCache,
            b"kernel" => Slot::MemoryKernel,
            b"kernel_stack" => Slot::MemoryKernelStack,
            b"pagetables" => Slot::MemoryPageTables,
            b"sock" => Slot::MemorySock,
            b"shmem" => Slot::MemoryShmem,
            b"zswap" => Slot::MemoryZswapCompressed,
            b"zswapped" => Slot::MemoryZswapOriginal,
            b"file_mapped" => Slot::MemoryMappedFile,
            b"file_dirty" => Slot::FileDirty,
            b"file_writeback" => Slot::FileWriteback,
            b"inactive_file" => Slot::MemoryInactiveFile,
            b"active_file" => Slot::MemoryActiveFile,
            b"slab_reclaimable" => Slot::MemorySlabReclaimable,
            b"slab_unreclaimable" => Slot::MemorySlabUnreclaimable,
            b"workingset_refault_anon" => Slot::RefaultAnon,
            b"workingset_refault_file" => Slot::RefaultFile,
            b"pgscan" => Slot::Pgscan,
            b"pgsteal" => Slot::Pgsteal,
            b"pgfault" => {
                out.set(Slot::PgfaultContainer, value);
                Slot::PgfaultHierarchy
            }
            b"pgmajfault" => {
                out.set(Slot::PgmajfaultContainer, value);
                Slot::PgmajfaultHierarchy
            }
            _ => return,
        };
        out.set(slot, value);
    });
}

/// `memory.events` of v2.
pub fn v2_events(bytes: &[u8], out: &mut Numbers) {
    pairs(bytes, |key, value| {
        let slot = match key {
            b"low" => Slot::MemoryEventLow,
            b"high" => Slot::MemoryEventHigh,
            b"max" => Slot::MemoryEventMax,
            b"oom" => Slot::MemoryEventOom,
            b"oom_kill" => Slot::MemoryEventOomKill,
            b"oom_group_kill" => Slot::MemoryEventOomGroupKill,
            _ => return,
        };
        out.set(slot, value);
    });
}

/// `memory.swap.events` of v2.
pub fn v2_swap_events(bytes: &[u8], out: &mut Numbers) {
    pairs(bytes, |key, value| {
        let slot = match key {
            b"high" => Slot::SwapEventHigh,
            b"max" => Slot::SwapEventMax,
            b"fail" => Slot::SwapEventFail,
            _ => return,
        };
        out.set(slot, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_takes_the_totals_and_no_limit_is_absent() {
        let mut out = Numbers::default();
        v1_stat(
            b"cache 1\nrss 2\npgfault 3\nhierarchical_memory_limit 9223372036854771712\ntotal_cache 4\ntotal_rss 5\ntotal_pgfault 6\n",
            &mut out,
        );
        assert_eq!(out.get(Slot::MemoryCache), Some(4));
        assert_eq!(out.get(Slot::MemoryRss), Some(5));
        assert_eq!(out.get(Slot::PgfaultContainer), Some(3));
        assert_eq!(out.get(Slot::PgfaultHierarchy), Some(6));
        assert_eq!(out.get(Slot::MemoryLimit), None);
        v1_stat(b"hierarchical_memory_limit 67108864\n", &mut out);
        assert_eq!(out.get(Slot::MemoryLimit), Some(67_108_864));
    }

    #[test]
    fn v2() {
        let mut out = Numbers::default();
        v2_stat(
            b"anon 49152\nfile 0\nkernel 172032\npgfault 2039\nzswap 1\nzswapped 2\nfuture 9\n",
            &mut out,
        );
        v2_events(b"low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n", &mut out);
        v2_swap_events(b"high 0\nmax 0\nfail 5\n", &mut out);
        assert_eq!(out.get(Slot::MemoryRss), Some(49152));
        assert_eq!(out.get(Slot::MemoryCache), Some(0), "a zero that was read is a zero");
        assert_eq!(out.get(Slot::PgfaultContainer), Some(2039));
        assert_eq!(out.get(Slot::MemoryEventOomKill), Some(2));
        assert_eq!(out.get(Slot::SwapEventFail), Some(5));
        assert_eq!(out.get(Slot::MemorySock), None);
    }
}
