//! Containers with some life in them.

use std::time::{Duration, Instant};

use plimsoll_testkit::docker::{Container, docker, try_docker};

use crate::random::Random;

/// How soon a container is in one of its lives: the engine waits up to a minute before one that fails again and again.
const RENAMED_WITHIN: Duration = Duration::from_secs(90);

/// What a container does: its name, its options, and its script.
type Duty = (&'static str, &'static [&'static str], &'static str);

/// They are many on few processors, so each does little. Every one ends at once when it is told to.
const DUTIES: [Duty; 8] = [
    ("idle", &["--network", "none"], "trap 'exit 0' TERM; sleep 100000 & wait"),
    ("busy", &["--network", "none", "--cpus", "0.05"], "trap 'exit 0' TERM; (while :; do :; done) & wait"),
    (
        "memory",
        &["--network", "none", "--tmpfs", "/tmp", "--memory", "64m"],
        "trap 'exit 0' TERM; while :; do for size in 1 9 4 16; do head -c ${size}000000 /dev/zero > /tmp/memory; sleep 0.7 & wait $!; done; done",
    ),
    (
        "network",
        &[],
        "trap 'exit 0' TERM; ping -i 0.5 -s 500 $(ip route | sed -n 's/default via //;s/ .*//p;q') > /dev/null & wait",
    ),
    (
        "disk",
        &["--network", "none"],
        "trap 'exit 0' TERM; while :; do dd if=/dev/zero of=/file bs=64k count=4 conv=fsync 2>/dev/null; sleep 0.9 & wait $!; done",
    ),
    (
        "processes",
        &["--network", "none", "--pids-limit", "50"],
        "trap 'exit 0' TERM; while :; do for n in 1 2 3 4; do sleep 1.5 & done; sleep 0.8 & wait $!; done",
    ),
    (
        "failing",
        &["--network", "none", "--restart", "on-failure:1000"],
        "trap 'exit 0' TERM; sleep 3 & wait $!; exit 3",
    ),
    (
        "checked",
        &[
            "--network",
            "none",
            "--health-cmd",
            "test $(( $(date +%s) / 4 % 2 )) = 0",
            "--health-interval",
            "2s",
        ],
        "trap 'exit 0' TERM; sleep 100000 & wait",
    ),
];

/// What the names of all containers of this process begin with.
pub(crate) fn pattern() -> String {
    format!("plimsoll-test-{}-*", std::process::id())
}

/// Those of the duties that cost a machine next to nothing.
const LIGHT: [usize; 2] = [0, 3];

/// The container at a place of the fleet, doing its duty. Those beyond the first few do what is light.
fn container(at: usize) -> Container {
    let (name, options, script) = DUTIES[if at < DUTIES.len() { at } else { LIGHT[at % LIGHT.len()] }];
    Container::run(name, options, &["sh", "-c", script])
}

/// The containers of a test.
#[derive(Debug)]
pub(crate) struct Fleet {
    members: Vec<Container>,
    renamed: Option<Renamed>,
}

impl Fleet {
    pub(crate) fn start(size: usize) -> Self {
        Self { members: (0..size).map(container).collect(), renamed: None }
    }

    /// Does something to one of them, and says what.
    pub(crate) fn change(&mut self, random: &mut Random) -> &'static str {
        if self.renamed.take().is_some() {
            return "renamed back";
        }
        let at = random.below(self.members.len());
        let name = self.members[at].name().to_owned();
        match random.below(6) {
            0 => {
                // One that failed and waits for its policy is not running; it comes by itself.
                let _ = try_docker(&["kill", &name]);
                docker(&["start", &name]);
                "killed and started"
            }
            1 => {
                docker(&["restart", "-t", "0", &name]);
                "restarted"
            }
            2 => {
                if try_docker(&["pause", &name]).is_ok() {
                    std::thread::sleep(Duration::from_millis(1500));
                    docker(&["unpause", &name]);
                }
                "paused"
            }
            3 => {
                self.renamed = Renamed::from(name);
                "renamed"
            }
            4 => {
                self.members[at] = container(at);
                "replaced"
            }
            _ => {
                // One that is between two of its lives does nothing.
                let _ = try_docker(&["exec", &name, "sh", "-c", "head -c 3000000 /dev/zero | md5sum"]);
                "made to work"
            }
        }
    }
}

/// A container under another name, until this is dropped.
#[derive(Debug)]
struct Renamed(String);

impl Renamed {
    /// `None` where it cannot be renamed now.
    fn from(name: String) -> Option<Self> {
        try_docker(&["rename", &name, &format!("{name}-renamed")]).is_ok().then_some(Self(name))
    }
}

impl Drop for Renamed {
    fn drop(&mut self) {
        if let Err(error) = rename(&format!("{}-renamed", self.0), &self.0) {
            println!("{error}");
        }
    }
}

/// Renames a container. The engine cannot while one is between two of its lives: its network is gone, and not yet there again.
fn rename(from: &str, to: &str) -> Result<(), String> {
    let until = Instant::now() + RENAMED_WITHIN;
    loop {
        match try_docker(&["rename", from, to]) {
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(100)),
            done => return done.map(drop),
        }
    }
}
