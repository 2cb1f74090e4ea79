//! The machine's own files: `/proc/stat`, `loadavg`, `meminfo`, `vmstat`, `diskstats`, `pressure/*` and `net/dev`.

use super::{MICRO, number, words};

/// Times of a processor by column of its line in `/proc/stat`, in clock ticks: user, nice, system, idle, iowait, irq,
/// softirq, steal, guest, guest nice. Old kernels lack the last ones.
pub type Times = [Option<u64>; 10];

/// The lines of processors in `/proc/stat`, `cpuN` and its times, by number. The kernel lists those that are online.
pub fn processors(bytes: &[u8], mut each: impl FnMut(u64, &Times)) {
    for line in bytes.split(|byte| *byte == b'\n') {
        // They come first, and what follows them can be long: a number for each interrupt.
        let Some(rest) = line.strip_prefix(b"cpu") else { break };
        let mut words = words(rest);
        let is_total = rest.first().is_none_or(|byte| !byte.is_ascii_digit());
        let Some(processor) = words.next().and_then(number).filter(|_| !is_total) else { continue };
        each(processor, &columns(words));
    }
}

/// Lines that begin with a word and a number, such as `ctxt 1234`, `MemFree: 1234 kB` and `pgfault 1234`. `each` is told
/// the position of the word in `wanted` and the number; a colon after the word does not belong to it. Where a word stands
/// twice, it is told twice.
pub fn fields(bytes: &[u8], wanted: &[&str], mut each: impl FnMut(usize, u64)) {
    // Both are mostly in the kernel's order: the next line is the next word that is wanted, or none.
    let mut next = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(end) = line.iter().position(|byte| matches!(byte, b' ' | b':')) else { continue };
        let word = &line[..end];
        let is_word = |at: &usize| wanted[*at].as_bytes() == word;
        let Some(at) = (next..wanted.len()).chain(0..next).find(is_word) else { continue };
        next = at + 1;
        if let Some(value) =
            words(line[end..].strip_prefix(b":").unwrap_or(&line[end..])).next().and_then(number)
        {
            each(at, value);
        }
    }
}

/// `/proc/loadavg`: the averages over one, five and fifteen minutes, in billionths.
#[must_use]
pub fn load(bytes: &[u8]) -> [Option<u64>; 3] {
    let mut words = words(bytes);
    [(); 3].map(|()| words.next().and_then(hundredths))
}

/// A number with two decimals, in billionths.
fn hundredths(text: &[u8]) -> Option<u64> {
    let dot = text.len().checked_sub(3).filter(|dot| text[*dot] == b'.')?;
    let (whole, rest) = (number(&text[..dot])?, number(&text[dot + 1..])?);
    whole.checked_mul(100)?.checked_add(rest)?.checked_mul(10_000_000)
}

/// Columns of `/proc/diskstats` after the device's name; old kernels lack the last ones.
pub type Disk = [Option<u64>; 17];

/// `/proc/diskstats`: major and minor number, name, and the columns of each device.
pub fn disks(bytes: &[u8], mut each: impl FnMut(&[u8], &Disk)) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let numbers = [words.next().and_then(number), words.next().and_then(number)];
        if let ([Some(_), Some(_)], Some(name)) = (numbers, words.next()) {
            each(name, &columns(words));
        }
    }
}

/// Whether node_exporter shows this disk by default: no disk in memory, no loop device, no partition.
#[must_use]
pub fn is_shown_disk(name: &[u8]) -> bool {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let stem = &name[..name.len() - digits];
    if digits == 0 {
        return true;
    }
    match stem {
        b"ram" | b"loop" | b"fd" => false,
        // A partition of a SCSI, IDE, virtio or Xen disk.
        [b'h' | b's' | b'v', b'd', b'a'..=b'z'] | [b'x', b'v', b'd', b'a'..=b'z'] => false,
        _ => !is_nvme_partition(stem),
    }
}

/// Whether this is `nvmeXnYp`, which a partition's number follows.
fn is_nvme_partition(stem: &[u8]) -> bool {
    let inner = stem.strip_prefix(b"nvme").and_then(|rest| rest.strip_suffix(b"p"));
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    inner.is_some_and(|inner| {
        let mut parts = inner.splitn(2, |byte| *byte == b'n');
        [parts.next(), parts.next()].into_iter().all(|part| part.is_some_and(is_number))
    })
}

/// The beginning of the names of container's network devices on the machine. Not shown: hundreds of them would be thousands of
/// series, and the containers' own metrics have the same numbers.
const CONTAINER_INTERFACES: &[u8] = b"veth";

/// Whether the traffic of a network device of the machine is shown: neither the loopback's, which leaves nobody, nor that of
/// the machine's ends of containers' links.
#[must_use]
pub fn is_shown_interface(name: &[u8]) -> bool {
    name != b"lo" && !name.starts_with(CONTAINER_INTERFACES)
}

/// Columns of `net/dev` after the interface's name: eight of what was received, eight of what was sent.
pub type Traffic = [Option<u64>; 16];

/// `net/dev`: two head lines, then `NAME: ` and sixteen numbers a line.
pub fn interfaces(bytes: &[u8], mut each: impl FnMut(&[u8], &Traffic)) {
    for line in bytes.split(|byte| *byte == b'\n').skip(2) {
        // A name can hold a colon (an alias), a number cannot: the last one ends the name.
        let Some(colon) = line.iter().rposition(|byte| *byte == b':') else { continue };
        let name = line[..colon].trim_ascii();
        if !name.is_empty() {
            each(name, &columns(words(&line[colon + 1..])));
        }
    }
}

/// The totals of a file of `/proc/pressure`, in nanoseconds: of `some` and of `full`. Old kernels have no `full` for
/// processors, and newer ones write 0 there, which says nothing.
#[must_use]
pub fn pressure(bytes: &[u8]) -> [Option<u64>; 2] {
    let mut totals = [None; 2];
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let place = match words.next() {
            Some(b"some") => 0,
            Some(b"full") => 1,
            _ => continue,
        };
        let total = words.find_map(|word| word.strip_prefix(b"total="));
        totals[place] = total.and_then(number).and_then(|micros| micros.checked_mul(MICRO));
    }
    totals
}

/// The numbers at the beginning of a row. From a word on that is no number, they are absent.
fn columns<'a, const N: usize>(mut words: impl Iterator<Item = &'a [u8]>) -> [Option<u64>; N] {
    let mut columns = [None; N];
    for column in &mut columns {
        *column = words.next().and_then(number);
        if column.is_none() {
            break;
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.18 wrote them on a machine with two processors.
    const STAT: &[u8] = b"cpu  81387 0 19115 35483 1443 0 182 570 0 0
cpu0 39677 0 8406 20330 410 0 17 287 0 0
cpu1 41710 0 10709 15153 1032 0 165 283 0 0
intr 649188 0 0 14 0
ctxt 1040036
btime 1795799349
processes 23312
procs_running 6
procs_blocked 1
softirq 305223 0 41860 53 5686 91690 0 114 57724 0 108096
";

    #[test]
    fn times_of_processors() {
        let mut seen = vec![];
        processors(STAT, |processor, times| seen.push((processor, *times)));
        let times = |times: [u64; 10]| times.map(Some);
        let expected = [
            (0, times([39677, 0, 8406, 20330, 410, 0, 17, 287, 0, 0])),
            (1, times([41710, 0, 10709, 15153, 1032, 0, 165, 283, 0, 0])),
        ];
        assert_eq!(seen, expected);
        // Linux 2.6.32 had no guests of low priority; a processor may be offline.
        let mut seen = vec![];
        processors(b"cpu  9 9\ncpu7 1 2 3 4 5 6 7 8 9\n", |processor, times| seen.push((processor, *times)));
        assert_eq!(seen[0].0, 7);
        assert_eq!((seen[0].1[8], seen[0].1[9]), (Some(9), None));
    }

    fn told(bytes: &[u8], wanted: &[&str]) -> Vec<(usize, u64)> {
        let mut told = vec![];
        fields(bytes, wanted, |at, value| told.push((at, value)));
        told
    }

    #[test]
    fn fields_in_any_order() {
        let wanted = ["intr", "ctxt", "btime", "processes", "procs_running", "procs_blocked"];
        let expected = [(0, 649_188), (1, 1_040_036), (2, 1_795_799_349), (3, 23_312), (4, 6), (5, 1)];
        assert_eq!(told(STAT, &wanted), expected);
        assert_eq!(told(STAT, &["btime", "ctxt"]), [(1, 1_040_036), (0, 1_795_799_349)]);
        assert_eq!(told(STAT, &[]), []);
    }

    #[test]
    fn fields_of_memory() {
        let meminfo = b"MemTotal:       24684092 kB
MemFree:        10837596 kB
Active(anon):       1628 kB
Committed_AS:     650300 kB
HugePages_Total:       3
Broken:              -1 kB
NoNumber:
";
        let wanted =
            ["MemTotal", "Active(anon)", "Committed_AS", "HugePages_Total", "Broken", "NoNumber", "Mem"];
        assert_eq!(told(meminfo, &wanted), [(0, 24_684_092), (1, 1628), (2, 650_300), (3, 3)]);
        assert_eq!(
            told(b"nr_free_pages 1\npgfault 21223873\noom_kill 2\n", &["pgfault", "oom_kill"]),
            [(0, 21_223_873), (1, 2),]
        );
    }

    #[test]
    fn averages_of_load() {
        assert_eq!(
            load(b"0.52 12.00 0.09 2/345 6789\n"),
            [520_000_000, 12_000_000_000, 90_000_000].map(Some)
        );
        assert_eq!(load(b"1 .50 0.5\n"), [None; 3]);
        assert_eq!(load(b""), [None; 3]);
    }

    #[test]
    fn devices_of_three_generations() {
        let text = b"   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 84402 8713 6862786 83470 28094 55417 28850536 165936 0 24748 252939 8544 44 1506784 3290 2659 241
 259       1 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
   8       0 sda 1 2 3 4 5 6 7 8 9 10 11
   8       1 sda1 1 x 3
nonsense
";
        let mut seen = vec![];
        disks(text, |name, disk| seen.push((String::from_utf8_lossy(name).into_owned(), *disk)));
        assert_eq!(
            seen.iter().map(|(name, _)| &**name).collect::<Vec<_>>(),
            ["loop0", "vda", "nvme0n1", "sda", "sda1"]
        );
        let vda = seen[1].1;
        assert_eq!(
            (vda[0], vda[2], vda[10], vda[16]),
            (Some(84402), Some(6_862_786), Some(252_939), Some(241))
        );
        assert_eq!((seen[2].1[14], seen[2].1[15]), (Some(15), None), "before Linux 5.5 without flushes");
        assert_eq!((seen[3].1[10], seen[3].1[11]), (Some(11), None), "before Linux 4.18 without discards");
        assert_eq!(
            seen[4].1[..3],
            [Some(1), None, None],
            "a number that is none, and what follows it, is absent"
        );
    }

    #[test]
    fn disks_and_devices_that_are_shown() {
        for (name, shown) in [
            ("vda", true),
            ("vda1", false),
            ("sda", true),
            ("sda12", false),
            ("sdaa1", true),
            ("xvda1", false),
            ("xvda", true),
            ("hdc1", false),
            ("nvme0n1", true),
            ("nvme0n1p2", false),
            ("nvme10n12p34", false),
            ("nvmexn1p2", true),
            ("nvme0c0n1", true),
            ("loop7", false),
            ("loop", true),
            ("ram0", false),
            ("fd0", false),
            ("zram0", true),
            ("dm-3", true),
            ("md127", true),
            ("md127p1", true),
            ("mmcblk0p1", true),
            ("sr0", true),
            ("", true),
            ("7", true),
        ] {
            assert_eq!(is_shown_disk(name.as_bytes()), shown, "{name}");
        }
        for (name, shown) in
            [("eth0", true), ("lo", false), ("lo0", true), ("veth237e71df", false), ("docker0", true)]
        {
            assert_eq!(is_shown_interface(name.as_bytes()), shown, "{name}");
        }
    }

    #[test]
    fn all_columns_of_interfaces() {
        let text = b"Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:   47417      59    0    0    0     0          0         0    47417      59    0    0    0     0       0          0
eth0:1 231015138 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
";
        let mut seen = vec![];
        interfaces(text, |name, traffic| seen.push((String::from_utf8_lossy(name).into_owned(), *traffic)));
        assert_eq!((seen[0].0.as_str(), seen[0].1[0], seen[0].1[9]), ("lo", Some(47417), Some(59)));
        assert_eq!((seen[1].0.as_str(), seen[1].1[0], seen[1].1[15]), ("eth0", Some(1), Some(15)));
    }

    #[test]
    fn totals_of_pressure() {
        let text = b"some avg10=7.37 avg60=4.78 avg300=1.71 total=11636739\nfull avg10=4.93 avg60=3.62 avg300=1.29 total=9521332\n";
        assert_eq!(pressure(text), [Some(11_636_739_000), Some(9_521_332_000)]);
        assert_eq!(pressure(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"), [Some(1000), None]);
        assert_eq!(pressure(b"some total=18446744073709551615\n"), [None, None], "more than fits");
    }
}
