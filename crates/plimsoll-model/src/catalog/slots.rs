//! The dense indices of the catalog: one for every number of a container, an interface or a device.

/// A dense index into [`crate::Values`].
pub trait SlotIndex: Copy {
    /// The position, from 0.
    fn index(self) -> usize;
}

macro_rules! slots {
    ($(#[$doc:meta])* $name:ident { $($slot:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the catalog's help text says what each slot means")]
        pub enum $name { $($slot,)* }

        impl $name {
            /// Every slot, by index.
            pub const ALL: &'static [Self] = &[$(Self::$slot,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();
        }

        impl SlotIndex for $name {
            #[inline]
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

slots! {
    /// A number of a container. Times are in nanoseconds, percentages, cores and ratios in billionths.
    Slot {
        State, Status, HealthNone, HealthStarting, HealthHealthy, HealthUnhealthy, HealthFailingStreak,
        Created, Started, Finished, ExitCode, ExitsZero, ExitsSignal, ExitsError, Restarts, StartsPolicy,
        StartsManual, Uptime, OomKilled, LastSeen,

        CpuUsage, CpuUser, CpuSystem, CfsPeriods, CfsThrottledPeriods, CfsThrottledTime, CfsBurstPeriods,
        CfsBurstTime, CpuLimit, CpuQuota, CpuPeriod, CpuShares, CpuWeight, CpuPercent, CpusetCpus,

        PressureCpuWaiting, PressureCpuStalled, PressureMemoryWaiting, PressureMemoryStalled,
        PressureIoWaiting, PressureIoStalled, PressureIrqStalled,
        PressureCpuSome10, PressureCpuSome60, PressureCpuSome300,
        PressureCpuFull10, PressureCpuFull60, PressureCpuFull300,
        PressureMemorySome10, PressureMemorySome60, PressureMemorySome300,
        PressureMemoryFull10, PressureMemoryFull60, PressureMemoryFull300,
        PressureIoSome10, PressureIoSome60, PressureIoSome300,
        PressureIoFull10, PressureIoFull60, PressureIoFull300,
        PressureIrqFull10, PressureIrqFull60, PressureIrqFull300,

        MemoryUsage, MemoryWorkingSet, MemoryRss, MemoryCache, MemoryMappedFile, MemoryActiveFile,
        MemoryInactiveFile, MemoryShmem, MemorySlabReclaimable, MemorySlabUnreclaimable, MemoryKernel,
        MemoryKernelStack, MemoryPageTables, MemorySock, MemorySwap, MemoryZswapCompressed,
        MemoryZswapOriginal, MemoryLimit, MemoryUsagePercent, MemoryReservation, MemoryHigh, MemoryMin,
        MemorySwapLimit, MemoryMaxUsage, MemoryEventLow, MemoryEventHigh, MemoryEventMax, MemoryEventOom,
        MemoryEventOomKill, MemoryEventOomGroupKill, OomEvents, PgfaultContainer, PgfaultHierarchy,
        PgmajfaultContainer, PgmajfaultHierarchy, Pgscan, Pgsteal, RefaultFile, RefaultAnon, FileDirty,
        FileWriteback, SwapEventHigh, SwapEventMax, SwapEventFail,

        SocketsTcp, SocketsTcpTimeWait, SocketsUdp, SocketsRaw, SocketsTcp6, SocketsUdp6, SocketsRaw6,

        Processes, Threads, ThreadsMax, ThreadsPeak, PidsLimitEvents, CgroupsLive, CgroupsDying,

        MemoryMigrate,
    }
}

slots! {
    /// A number of a network interface.
    InterfaceSlot {
        RxBytes, RxPackets, RxErrors, RxDropped, TxBytes, TxPackets, TxErrors, TxDropped,
    }
}

slots! {
    /// A number of a block device, as one container used it. Times are in nanoseconds.
    DeviceSlot {
        ReadBytes, WriteBytes, DiscardBytes, Reads, Writes, Discards,
        CostUsage, CostWait, CostIndebt, CostIndelay,
        ReadTime, WriteTime, IoTime, IoWait, IoTimeWeighted, ReadsMerged, WritesMerged, IoCurrent,
    }
}
