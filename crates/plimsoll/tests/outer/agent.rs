//! A running agent.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use plimsoll_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};

use crate::exposition::Exposition;
use crate::machine::Machine;
use crate::process::{self, Lines, Running};

/// Longer than anything that an agent does. Only what never happens reaches it.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Between two looks at the metrics.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// An agent on a free port.
pub(crate) const LISTENING: [&str; 5] = ["agent", "--listen", "127.0.0.1:0", "--history", "off"];

/// An agent on a free port of this machine. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    process: Running,
    address: SocketAddr,
    log: Lines,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Agent {
    /// Starts one on a captured machine with these arguments, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(machine: &Machine, arguments: &[&str]) -> Self {
        Self::spawn(process::command(&machine.on(&[&LISTENING[..], arguments].concat())))
    }

    /// Starts one on this machine with these arguments, and waits until it listens.
    #[track_caller]
    pub(crate) fn start_here(arguments: &[&str]) -> Self {
        Self::spawn(process::command(&[&LISTENING[..], arguments].concat()))
    }

    /// Starts this command, which is an agent, and waits until it listens.
    #[track_caller]
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = Running(command.spawn().unwrap());
        let log = Lines::of(process.0.stderr.take().unwrap());
        let mut address = None;
        wait_until(SOON, "the agent listens", || {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "the agent ended with {ended:?}:\n{}", log.all());
            let serving = log.with("serving http").pop();
            address = serving.and_then(|line| {
                let whole = line.split_once("serving http")?.1.split_once("://")?.1;
                whole.split('/').next()?.parse::<SocketAddr>().ok()
            });
            address.is_some()
        });
        Self { process, address: address.unwrap(), log }
    }

    /// Its process.
    #[allow(dead_code, reason = "the tests of abuse use it")]
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The log.
    pub(crate) fn log(&self) -> &Lines {
        &self.log
    }

    /// A connection to it.
    #[track_caller]
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// Asks for a path.
    #[track_caller]
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers)
    }

    /// Sends a request and reads the whole answer.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = self.connect();
        stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        answer(&bytes)
    }

    /// What Prometheus gets.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Exposition {
        let answer = self.get("/metrics", &[]);
        assert_eq!(answer.code, 200, "{}", answer.text());
        Exposition::parse(answer.text())
    }

    /// Waits until `/-/ready` says so.
    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        wait_until(SOON, "the agent is ready", || self.get("/-/ready", &[]).code == 200);
    }

    /// Waits until the metrics are as wanted, and gives them. Without avail, it tells what they were.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, is_wanted: impl Fn(&Exposition) -> bool) -> Exposition {
        let began = Instant::now();
        loop {
            let exposition = self.metrics();
            if is_wanted(&exposition) {
                return exposition;
            }
            if began.elapsed() > SOON {
                let log = self.log.all();
                panic!("waited {SOON:?} in vain: {what}\n{}\n{log}", exposition.life_cycles());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Sends a signal and waits for the end, for at most so long.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal, within: Duration) -> ExitStatus {
        kill_process(Pid::from_child(&self.process.0), signal).unwrap();
        self.process.wait(within)
    }
}

fn answer(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let code = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Answer { code, headers, body: bytes[end + 4..].to_vec() }
}
