//! The numbers of `docker stats`, written as `docker stats` writes them.
//!
//! Memory is in binary units with four significant digits, network and block I/O in decimal units with three,
//! percentages have two decimals. What is not known is `--`, never a zero.

/// What stands where a number is not known.
const UNKNOWN: &str = "--";

/// The length of a shortened identifier.
const SHORT_ID: usize = 12;

const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// One container's line. Every number that could not be read is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// As it was asked for on the command line, else its short identifier.
    pub(crate) container: String,
    /// The whole identifier.
    pub(crate) id: String,
    /// The name, without the leading slash.
    pub(crate) name: String,
    /// Processor use in percent, 100 = one core.
    pub(crate) cpu_percent: Option<f64>,
    /// Memory without what the kernel can drop at once (bytes).
    pub(crate) memory: Option<u64>,
    /// The limit that applies, else the machine's memory (bytes).
    pub(crate) memory_limit: Option<u64>,
    /// Memory in percent of that limit.
    pub(crate) memory_percent: Option<f64>,
    /// Received and sent (bytes).
    pub(crate) net: Option<(u64, u64)>,
    /// Read from and written to block devices (bytes).
    pub(crate) block: Option<(u64, u64)>,
    /// Processes and threads.
    pub(crate) pids: Option<u64>,
}

/// What a placeholder can name, in the order in which the JSON keys come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Read and written.
    BlockIo,
    /// Processor use.
    CpuPerc,
    /// As asked for.
    Container,
    /// The identifier.
    Id,
    /// Memory in percent.
    MemPerc,
    /// Memory and its limit.
    MemUsage,
    /// The name.
    Name,
    /// Received and sent.
    NetIo,
    /// Processes and threads.
    Pids,
}

impl Field {
    /// Every field, in the order of the JSON keys.
    pub(crate) const ALL: [Field; 9] = [
        Field::BlockIo,
        Field::CpuPerc,
        Field::Container,
        Field::Id,
        Field::MemPerc,
        Field::MemUsage,
        Field::Name,
        Field::NetIo,
        Field::Pids,
    ];

    /// The name in templates and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::BlockIo => "BlockIO",
            Field::CpuPerc => "CPUPerc",
            Field::Container => "Container",
            Field::Id => "ID",
            Field::MemPerc => "MemPerc",
            Field::MemUsage => "MemUsage",
            Field::Name => "Name",
            Field::NetIo => "NetIO",
            Field::Pids => "PIDs",
        }
    }

    /// The heading of its column.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Field::BlockIo => "BLOCK I/O",
            Field::CpuPerc => "CPU %",
            Field::Container => "CONTAINER",
            Field::Id => "CONTAINER ID",
            Field::MemPerc => "MEM %",
            Field::MemUsage => "MEM USAGE / LIMIT",
            Field::Name => "NAME",
            Field::NetIo => "NET I/O",
            Field::Pids => "PIDS",
        }
    }

    /// Its value in a row. Names are as the engine gave them: whoever prints makes them safe.
    pub(crate) fn value(self, row: &Row, no_trunc: bool) -> String {
        match self {
            Field::BlockIo => pair(row.block),
            Field::CpuPerc => percent(row.cpu_percent),
            Field::Container => row.container.clone(),
            Field::Id if no_trunc => row.id.clone(),
            Field::Id => row.id.chars().take(SHORT_ID).collect(),
            Field::MemPerc => percent(row.memory_percent),
            Field::MemUsage => {
                let [used, limit] = [row.memory, row.memory_limit]
                    .map(|bytes| bytes.map_or_else(|| UNKNOWN.into(), binary_size));
                format!("{used} / {limit}")
            }
            Field::Name if row.name.is_empty() => UNKNOWN.into(),
            Field::Name => row.name.clone(),
            Field::NetIo => pair(row.net),
            Field::Pids => row.pids.map_or_else(|| UNKNOWN.into(), |pids| pids.to_string()),
        }
    }
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.into(), |value| format!("{value:.2}%"))
}

fn pair(value: Option<(u64, u64)>) -> String {
    value.map_or_else(
        || UNKNOWN.into(),
        |(one, other)| format!("{} / {}", decimal_size(one), decimal_size(other)),
    )
}

/// Bytes in binary units, four significant digits: `23.54GiB`.
pub(crate) fn binary_size(bytes: u64) -> String {
    size(bytes, 1024.0, &BINARY, 4)
}

/// Bytes in decimal units, three significant digits: `22.3MB`.
fn decimal_size(bytes: u64) -> String {
    size(bytes, 1000.0, &DECIMAL, 3)
}

fn size(bytes: u64, base: f64, units: &[&str], digits: usize) -> String {
    let mut scaled = bytes as f64;
    let mut unit = 0;
    while scaled >= base && unit + 1 < units.len() {
        scaled /= base;
        unit += 1;
    }
    format!("{}{}", significant(scaled, digits), units[unit])
}

/// A number, 0 or at least 1, with so many significant digits and no trailing zeros: C's `%.*g`. What rounds up to
/// one digit more than there is room for comes out as `1e+03`, which is what `docker stats` shows for 999.6 kB.
fn significant(value: f64, digits: usize) -> String {
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: usize = exponent.parse().unwrap_or(0);
    if exponent >= digits {
        return format!("{}e+{exponent:02}", without_trailing_zeros(mantissa));
    }
    without_trailing_zeros(&format!("{value:.*}", digits - 1 - exponent)).to_owned()
}

fn without_trailing_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected texts from docker/go-units v0.5.0 (`BytesSize`, `HumanSizeWithPrecision(_, 3)`), run with Go 1.24.
    #[test]
    fn sizes_are_those_of_the_docker_command_line() {
        let cases: [(u64, &str, &str); 41] = [
            (0, "0B", "0B"),
            (1, "1B", "1B"),
            (9, "9B", "9B"),
            (10, "10B", "10B"),
            (99, "99B", "99B"),
            (100, "100B", "100B"),
            (536, "536B", "536B"),
            (999, "999B", "999B"),
            (1000, "1000B", "1kB"),
            (1001, "1001B", "1kB"),
            (1005, "1005B", "1kB"),
            (1015, "1015B", "1.01kB"),
            (1023, "1023B", "1.02kB"),
            (1024, "1KiB", "1.02kB"),
            (1025, "1.001KiB", "1.02kB"),
            (1034, "1.01KiB", "1.03kB"),
            (1100, "1.074KiB", "1.1kB"),
            (9994, "9.76KiB", "9.99kB"),
            (9995, "9.761KiB", "9.99kB"),
            (9996, "9.762KiB", "10kB"),
            (99949, "97.61KiB", "99.9kB"),
            (99950, "97.61KiB", "100kB"),
            (99951, "97.61KiB", "100kB"),
            (999499, "976.1KiB", "999kB"),
            (999500, "976.1KiB", "1e+03kB"),
            (999600, "976.2KiB", "1e+03kB"),
            (1000000, "976.6KiB", "1MB"),
            (1047552, "1023KiB", "1.05MB"),
            (1048575, "1024KiB", "1.05MB"),
            (1048576, "1MiB", "1.05MB"),
            (1081344, "1.031MiB", "1.08MB"),
            (22300000, "21.27MiB", "22.3MB"),
            (25276055552, "23.54GiB", "25.3GB"),
            (67108864, "64MiB", "67.1MB"),
            (565248, "552KiB", "565kB"),
            (999999999, "953.7MiB", "1e+03MB"),
            (1099511627776, "1TiB", "1.1TB"),
            (1125899906842624, "1PiB", "1.13PB"),
            (1152921504606846976, "1EiB", "1.15EB"),
            (18446744073709551615, "16EiB", "18.4EB"),
            (12345678901234567890, "10.71EiB", "12.3EB"),
        ];
        for (bytes, binary, decimal) in cases {
            assert_eq!(binary_size(bytes), binary, "{bytes}");
            assert_eq!(decimal_size(bytes), decimal, "{bytes}");
        }
    }

    #[test]
    fn what_is_not_known_is_never_a_zero() {
        let empty = Row::default();
        let partial = Row {
            cpu_percent: Some(5.5),
            memory: Some(24),
            memory_percent: Some(10.2),
            net: Some((0, 1234)),
            pids: Some(10),
            id: "b95a83497c9161c9b444".into(),
            name: "web".into(),
            ..Row::default()
        };
        let cases = [
            (Field::BlockIo, "--", "--"),
            (Field::CpuPerc, "--", "5.50%"),
            (Field::Container, "", ""),
            (Field::Id, "", "b95a83497c91"),
            (Field::MemPerc, "--", "10.20%"),
            (Field::MemUsage, "-- / --", "24B / --"),
            (Field::Name, "--", "web"),
            (Field::NetIo, "--", "0B / 1.23kB"),
            (Field::Pids, "--", "10"),
        ];
        for (field, of_empty, of_partial) in cases {
            assert_eq!(field.value(&empty, false), of_empty);
            assert_eq!(field.value(&partial, false), of_partial);
        }
        assert_eq!(Field::Id.value(&partial, true), "b95a83497c9161c9b444");
    }
}
