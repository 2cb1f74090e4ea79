//! Fifty containers of five kinds, removed at the end.

use plimsoll_testkit::docker::{IMAGE, ensure_image, try_docker};

/// A kind of container: its name, how many, options of `docker run`, and what it does in a shell.
const KINDS: &[(&str, usize, &[&str], &str)] = &[
    ("idle", 20, &[], "exec sleep 1000000"),
    ("busy", 8, &["--cpus", "0.02", "--memory", "64m"], "while :; do :; done"),
    (
        "bursty",
        10,
        &["--cpus", "0.1"],
        "while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; sleep $((RANDOM % 9 + 1)); done",
    ),
    (
        "io",
        6,
        &["--memory", "128m"],
        "while :; do dd if=/dev/zero of=/f bs=64k count=$((RANDOM % 32 + 1)) conv=fsync 2>/dev/null; cat /f >/dev/null; rm /f; sleep 2; done",
    ),
    (
        "network",
        6,
        &[],
        "mkdir /w; echo hello >/w/index.html; httpd -p 80 -h /w; while :; do n=$((RANDOM % 20)); while [ $n -gt 0 ]; do wget -q -O /dev/null http://$(hostname -i)/; ping -c 1 -q 172.17.0.1 >/dev/null; n=$((n-1)); done; sleep 1; done",
    ),
];

/// Containers of every kind.
pub(crate) struct Fleet {
    prefix: String,
    names: Vec<String>,
}

impl Fleet {
    pub(crate) fn start() -> Result<Self, String> {
        ensure_image();
        let mut fleet = Self { prefix: format!("plimsoll-hour-{}-", std::process::id()), names: Vec::new() };
        for (kind, count, options, doing) in KINDS {
            for number in 1..=*count {
                let name = format!("{}{kind}-{number}", fleet.prefix);
                fleet.names.push(name.clone());
                let run = [&["run", "-d", "--name", &name], *options, &[IMAGE, "sh", "-c", doing]].concat();
                try_docker(&run)?;
            }
        }
        Ok(fleet)
    }

    /// What the names match.
    pub(crate) fn pattern(&self) -> String {
        format!("{}*", self.prefix)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for name in &self.names {
            if let Err(error) = try_docker(&["rm", "-f", "-v", name]) {
                eprintln!("{error}");
            }
        }
    }
}
