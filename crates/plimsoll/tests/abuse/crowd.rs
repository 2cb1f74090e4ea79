//! Thousands of connections that ask nothing, or begin to.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use plimsoll_testkit::footprint::Footprint;
use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::agent::Agent;
use crate::machine::Machine;
use crate::process::run;
use crate::{MOST_MEMORY, mib};

/// How many connections.
const CROWD: usize = 10_000;

/// Descriptors of this process that are something else.
const OTHERS: u64 = 512;

/// Scrapes while the crowd is there, and as many while it comes again and again.
const SCRAPES: usize = 20;

/// What each third of the crowd begins with: nothing, half a request, half a handshake.
const BEGINNINGS: [&[u8]; 3] = [b"", b"GET /metrics HTTP/1.1\r\nHost", b"\x16\x03\x01\x02\x00\x01\x00"];

/// One of the crowd. Not everybody gets through, and nobody waits for an answer.
fn come(address: SocketAddr, index: usize) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    let _ = stream.write_all(BEGINNINGS[index % BEGINNINGS.len()]);
    Some(stream)
}

/// As many connections as there may be descriptors for.
fn crowd() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let all = limit.maximum.unwrap_or(u64::MAX);
    let wanted = all.min(CROWD as u64 + OTHERS);
    let current = limit.current.unwrap_or(u64::MAX).max(wanted);
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum }).unwrap();
    usize::try_from(current - OTHERS).unwrap_or(usize::MAX).min(CROWD)
}

/// Scrapes, each of which has to be answered. Gives the longest time that one took.
fn scrapes(scrape: &dyn Fn()) -> Duration {
    let times = (0..SCRAPES).map(|_| {
        let began = Instant::now();
        scrape();
        began.elapsed()
    });
    times.max().unwrap_or_default()
}

/// Whether the agent stayed small while a crowd was there.
fn bears(agent: &Agent, what: &str, scrape: &dyn Fn()) -> bool {
    let alone = scrapes(scrape);
    let before = Footprint::of(agent.id());
    let began = Instant::now();
    let all = crowd();
    let mut held: Vec<_> = (0..all).filter_map(|index| come(agent.address(), index)).collect();
    let came = began.elapsed();
    let among = scrapes(scrape);
    let during = Footprint::of(agent.id());
    let is_over = AtomicBool::new(false);
    let (again, more) = std::thread::scope(|scope| {
        let coming = scope.spawn(|| {
            let mut more = 0;
            while !is_over.load(Ordering::Relaxed) {
                let place = more % held.len();
                if let Some(stream) = come(agent.address(), more) {
                    held[place] = stream;
                }
                more += 1;
            }
            more
        });
        let again = scrapes(scrape);
        is_over.store(true, Ordering::Relaxed);
        (again, coming.join().unwrap())
    });
    let after = Footprint::of(agent.id());
    let peak = after.peak.saturating_sub(after.files);
    println!(
        "{what}: {} connections in {came:.1?}; the longest of {SCRAPES} scrapes alone {alone:.1?}, among them {among:.1?}, \
         while {more} more come {again:.1?}; memory {} before, {} with them, at most {} beside the program; descriptors {} before, {} with them",
        held.len(),
        mib(before.resident),
        mib(during.resident),
        mib(peak),
        before.descriptors,
        during.descriptors,
    );
    drop(held);
    peak <= MOST_MEMORY && during.descriptors < before.descriptors + 300
}

#[test]
fn a_crowd_that_asks_nothing_keeps_no_scrape_out() {
    let machine = Machine::new();
    let agent = Agent::start(&machine, &[]);
    agent.wait_ready();
    let plain = bears(&agent, "in the clear", &|| {
        assert!(!agent.metrics().containers().is_empty());
    });

    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = folder.path().join("web.yml");
    fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    fs::set_permissions(folder.path().join("key.pem"), Permissions::from_mode(0o600)).unwrap();
    fs::write(&config, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}").unwrap();
    let config = config.display().to_string();
    let agent = Agent::start(&machine, &["--web.config.file", &config]);
    let url = format!("https://{}/metrics", agent.address());
    // A process each, which the time has in it.
    let secured = bears(&agent, "under TLS", &|| {
        run(&["healthcheck", "--web.config.file", &config, "--timeout", "15s", "--url", &url]).ok();
    });
    assert!(plain && secured, "the agent stays small");
}
