//! The agent under measurement, and what the kernel tells of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::containers::Fleet;
use crate::interrupt;
use crate::options::Options;

/// How often a starting agent is asked whether it is ready.
const ASKED_EVERY: Duration = Duration::from_millis(2);

/// How long it may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running agent with default settings. It is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    process: Child,
    address: SocketAddr,
    /// From the start of the process until it said that it is ready.
    pub(crate) ready_after: Duration,
    /// By thread.
    spent: BTreeMap<u32, Spent>,
}

/// A thread's processor time. Its number may be used again after its end.
#[derive(Debug, Default)]
struct Spent {
    now: u64,
    by_earlier: u64,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    pub(crate) body: Vec<u8>,
}

impl Agent {
    /// Starts the agent and waits until it has a complete sample.
    pub(crate) fn start(options: &Options, engine: &Path, fleet: &Fleet) -> anyhow::Result<Self> {
        Self::start_on(options, engine, &fleet.pattern)
    }

    /// The same for all containers of an engine whose names are like this.
    pub(crate) fn start_on(options: &Options, engine: &Path, pattern: &str) -> anyhow::Result<Self> {
        Self::start_with(options, engine, pattern, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(
        options: &Options,
        engine: &Path,
        pattern: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        // Nobody else takes the port in the moment between.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(&options.program);
        command
            .arg("agent")
            .args(["--engine", &format!("unix://{}", engine.display())])
            .args(["--listen", &address.to_string()])
            .args(["--include-name", pattern])
            .args(["--history", "off"])
            .args(arguments)
            .args(["--log-level", "warn", "--config", "/dev/null"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let began = Instant::now();
        let process =
            command.spawn().with_context(|| format!("cannot start {}", options.program.display()))?;
        let mut agent = Self { process, address, ready_after: Duration::ZERO, spent: BTreeMap::new() };
        while !agent.get("/-/ready", false).is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = agent.process.try_wait()? {
                bail!("the agent ended at once: {status}");
            }
            ensure!(began.elapsed() < PATIENCE, "the agent was not ready after {PATIENCE:?}");
            interrupt::pause(ASKED_EVERY)?;
        }
        agent.ready_after = began.elapsed();
        Ok(agent)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks the agent.
    pub(crate) fn get(&self, path: &str, gzip: bool) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        let accept = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{accept}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let status = answer.get(9..12).and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        match (head, status) {
            (Some(head), Some(status)) => Ok(Answer { status, body: answer.split_off(head + 4) }),
            _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }

    /// The processor time that all its threads have used, as far as it was asked for while they lived.
    pub(crate) fn processor_time(&mut self) -> anyhow::Result<Duration> {
        for entry in fs::read_dir(self.proc("task"))? {
            let entry = entry?;
            let thread = entry.file_name().to_string_lossy().parse()?;
            // A thread that has just ended keeps what it had.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            let now = text.split(' ').next().and_then(|word| word.parse().ok()).context("schedstat")?;
            let spent = self.spent.entry(thread).or_default();
            if now < spent.now {
                spent.by_earlier += spent.now;
            }
            spent.now = now;
        }
        Ok(Duration::from_nanos(self.spent.values().map(|spent| spent.now + spent.by_earlier).sum()))
    }

    /// Seconds of processor time in user mode and in the kernel, with the coarse clock that tells them apart.
    pub(crate) fn user_and_system(&self) -> anyhow::Result<(f64, f64)> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        let (_, after_name) = stat.rsplit_once(") ").context("stat")?;
        let mut times = after_name.split(' ').skip(11).map(str::parse::<f64>);
        let (Some(Ok(user)), Some(Ok(system))) = (times.next(), times.next()) else { bail!("stat: {stat}") };
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Ok((user / ticks, system / ticks))
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    /// Bytes that it has had written to disk.
    pub(crate) fn written(&self) -> anyhow::Result<u64> {
        let io = fs::read_to_string(self.proc("io"))?;
        let line =
            io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("no write_bytes")?;
        Ok(line.trim().parse()?)
    }

    pub(crate) fn threads_and_descriptors(&self) -> anyhow::Result<String> {
        let count = |name| anyhow::Ok(fs::read_dir(self.proc(name))?.count());
        Ok(format!("{}, {}", count("task")?, count("fd")?))
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.process.id().to_string()).join(name)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
