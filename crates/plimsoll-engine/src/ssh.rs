//! A connection through `ssh`, as the `docker` command makes it.
//!
//! The other end runs `docker system dial-stdio`, which copies between its standard input and output and the engine
//! there. So ssh's own configuration, keys and agent serve, and nothing has to listen on a network. A connection costs a
//! process here, one there, and a login; the transport keeps idle ones.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, Join};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::SshHost;
use crate::error::{Obstacle, excerpt};

/// How many times as long as any other a connection through ssh may take: it exchanges keys, logs in, and starts a
/// program, each over the network and perhaps by way of a third machine.
pub(crate) const PATIENCE: u32 = 10;

/// The last bytes of what ssh and the program at the other end said on standard error, for messages.
const MAX_WORDS: usize = 4 * 1024;

/// How long ssh may take to end when its connection is over, before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// How often the other end must show that it is there, in seconds; after three misses ssh gives up. Without that, a link
/// that dies in silence leaves an event stream waiting for ever.
const ALIVE_INTERVAL: u32 = 15;

/// What the engine's bytes go through.
pub(crate) type Stream = Join<ChildStdout, ChildStdin>;

/// A running `ssh`. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    words: Arc<Mutex<Vec<u8>>>,
    listener: JoinHandle<()>,
}

/// Starts `program` towards `host`. That it starts says nothing: only an answer of the engine does.
pub(crate) fn open(
    program: &Path,
    host: &SshHost,
    patience: Duration,
) -> Result<(Stream, Process), Obstacle> {
    let mut command = Command::new(program);
    command.args(arguments(host, patience));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // Of its own group: an interrupt from the terminal is for us, and ssh follows when we close its input.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| {
        Obstacle::secure(match error.kind() {
            io::ErrorKind::NotFound => "there is no ssh command; install OpenSSH's client".to_owned(),
            _ => format!("the ssh command cannot be started: {error}"),
        })
    })?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Obstacle::secure("the ssh command has no standard input and output"));
    };
    let words = Arc::default();
    let listener = tokio::spawn(listen(stderr, Arc::clone(&words)));
    Ok((tokio::io::join(stdout, stdin), Process { child, words, listener }))
}

/// The arguments, in the order in which the `docker` command gives them, and two options more: it never asks for a
/// password, and it notices when the other end is gone.
fn arguments(host: &SshHost, patience: Duration) -> Vec<String> {
    let SshHost { user, host, port, socket } = host;
    let mut arguments = Vec::new();
    if let Some(user) = user {
        arguments.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(port) = port {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    for option in [
        // A second less than we wait ourselves, so that ssh's own words come first.
        format!("ConnectTimeout={}", patience.as_secs().saturating_sub(1).max(1)),
        "BatchMode=yes".to_owned(),
        format!("ServerAliveInterval={ALIVE_INTERVAL}"),
    ] {
        arguments.extend(["-o".to_owned(), option]);
    }
    arguments.extend(["-T".to_owned(), "--".to_owned(), host.clone(), remote_command(socket.as_deref())]);
    arguments
}

/// One string, as the other end's shell takes it apart.
fn remote_command(socket: Option<&str>) -> String {
    let Some(socket) = socket else { return "docker system dial-stdio".to_owned() };
    let url = quote(&format!("unix://{socket}"));
    // A machine with Podman alone has no docker command, and Podman has this one.
    if socket.contains("podman") {
        format!("podman --url {url} system dial-stdio")
    } else {
        format!("docker --host {url} system dial-stdio")
    }
}

/// For a POSIX shell.
fn quote(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/:.-_@%+,=".contains(&byte)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Reads for as long as somebody may speak, so that nobody blocks on a full pipe, and keeps the end of it.
async fn listen(mut stderr: ChildStderr, words: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let mut words = lock(&words);
        words.extend_from_slice(&buffer[..count]);
        let excess = words.len().saturating_sub(MAX_WORDS);
        words.drain(..excess);
    }
}

fn lock(words: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    words.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// Waits until ssh has ended by itself, kills it if it does not, and tells what it meant. The stream must have been
    /// dropped: that is what ends ssh.
    pub(crate) async fn end(mut self, host: &SshHost) -> Obstacle {
        let status = timeout(GRACE, self.child.wait()).await.ok().and_then(Result::ok);
        if status.is_none() {
            self.child.start_kill().ok();
            // Its zombie is gone when this returns.
            timeout(GRACE, self.child.wait()).await.ok();
        }
        // A master process that ssh left behind (ControlPersist) may hold it open; all that matters was said by now.
        timeout(GRACE, &mut self.listener).await.ok();
        let words = lock(&self.words).clone();
        let ended =
            status.map_or_else(|| "ssh did not end".to_owned(), |status| format!("ssh ended with {status}"));
        meaning(&words, &ended, host)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn meaning(words: &[u8], ended: &str, host: &SshHost) -> Obstacle {
    let words = String::from_utf8_lossy(words);
    let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let said = last.map_or_else(
        || format!("{ended} and said nothing"),
        |line| excerpt(line.trim_end_matches('.').as_bytes()),
    );
    let lower = words.to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    let shown = shown(host);
    let denied = has("permission denied");
    let hint = if has("host key verification failed") {
        format!("connect once by hand to get to know the machine: {shown}")
    } else if denied && has("sock") {
        "let that user join the group docker there".to_owned()
    } else if denied {
        format!("it must log in without a password; try {shown}")
    } else if has("not found") || has("no such file") {
        "is the engine, with its command, installed and running there?".to_owned()
    } else {
        format!("try {shown}")
    };
    Obstacle::Secure { problem: format!("{said}; {hint}"), denied }
}

/// What to type in order to see for oneself.
fn shown(host: &SshHost) -> String {
    let SshHost { user, host, port, .. } = host;
    let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = port.map(|port| format!("-p {port} ")).unwrap_or_default();
    format!("ssh {port}{user}{host} docker version")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use plimsoll_testkit::fake_engine::FakeEngine;
    use plimsoll_testkit::wait_until_async;

    use super::*;
    use crate::transport::Transport;
    use crate::{Endpoint, Timeouts};

    fn host(url: &str) -> SshHost {
        match url.parse() {
            Ok(Endpoint::Ssh(host)) => *host,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn arguments_as_docker_gives_them() {
        let options = "-o ConnectTimeout=19 -o BatchMode=yes -o ServerAliveInterval=15 -T --";
        for (url, before, after) in [
            ("ssh://build", "", "build docker system dial-stdio"),
            ("ssh://me@build:2222", "-l me -p 2222 ", "build docker system dial-stdio"),
            ("ssh://[::1]/", "", "::1 docker system dial-stdio"),
            ("ssh://h/a/b.sock", "", "h docker --host unix:///a/b.sock system dial-stdio"),
            ("ssh://h/a b';reboot", "", r"h docker --host 'unix:///a b'\'';reboot' system dial-stdio"),
            (
                "ssh://h/run/podman/podman.sock",
                "",
                "h podman --url unix:///run/podman/podman.sock system dial-stdio",
            ),
        ] {
            let arguments = arguments(&host(url), Duration::from_secs(20));
            assert_eq!(arguments.join(" "), format!("{before}{options} {after}"));
        }
    }

    #[test]
    fn what_ssh_says_and_what_to_try() {
        let try_it = "try ssh -p 22 me@build docker version";
        for (words, denied, said, hint) in [
            ("", false, "ssh ended with exit status: 255 and said nothing", try_it),
            (
                "Warning: added.\r\nme@build: Permission denied (publickey).\r\n",
                true,
                "me@build: Permission denied (publickey);",
                "it must log in without a password; try ssh -p 22 me@build docker version",
            ),
            (
                "@@@@\nHost key verification failed.\n",
                false,
                "Host key verification failed;",
                "connect once by hand to get to know the machine: ssh -p 22 me@build docker version",
            ),
            ("bash: docker: command not found\n", false, "bash: docker: command not found", "is the engine,"),
            (
                "dial unix /var/run/docker.sock: connect: permission denied",
                true,
                "dial unix /var/run/docker.sock: connect: permission denied",
                "let that user join the group docker there",
            ),
            ("ssh: connect to host build port 22: Connection refused", false, "ssh: connect", try_it),
            ("a\x1b[31m\n", false, "a\\u{1b}[31m", try_it),
        ] {
            let obstacle =
                meaning(words.as_bytes(), "ssh ended with exit status: 255", &host("ssh://me@build:22"));
            let Obstacle::Secure { problem, denied: refused } = obstacle else { panic!("{obstacle:?}") };
            assert!(problem.starts_with(said) && problem.contains(&format!("; {hint}")), "{problem}");
            assert_eq!(refused, denied, "{problem}");
        }
    }

    /// An `ssh` whose behaviour is the host's name. The good one does what a login at the other end would do.
    const FAKE_SSH: &str = r#"#!/bin/bash
echo "$$ $*" >>DIR/calls
while [ "$1" != -- ]; do shift; done
case $2 in
  good) exec docker --host unix://SOCKET system dial-stdio ;;
  down) exec docker --host unix://DIR/none.sock system dial-stdio ;;
  noisy) head -c 300000 /dev/zero | tr '\0' x >&2; exec docker --host unix://SOCKET system dial-stdio ;;
  denied) echo 'me@denied: Permission denied (publickey).' >&2; exit 255 ;;
  gone) exit 1 ;;
  silent) exec sleep 1000 ;;
esac
"#;

    struct Fake {
        engine: FakeEngine,
        folder: tempfile::TempDir,
    }

    impl Fake {
        fn new() -> Self {
            use std::os::unix::fs::PermissionsExt;
            let (engine, folder) = (FakeEngine::start(), tempfile::tempdir().unwrap());
            let script = FAKE_SSH
                .replace("DIR", folder.path().to_str().unwrap())
                .replace("SOCKET", engine.socket().to_str().unwrap());
            // Under another name first: a file that is open for writing cannot be executed.
            let path = folder.path().join("ssh");
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            Self { engine, folder }
        }

        fn transport(&self, host: &str, connect: Duration) -> Transport {
            let endpoint = format!("ssh://me@{host}").parse().unwrap();
            let timeouts = Timeouts { connect, request: Duration::from_secs(60) };
            let mut transport = Transport::new(endpoint, timeouts);
            transport.ssh = self.folder.path().join("ssh");
            transport
        }

        /// The processes that were started.
        fn processes(&self) -> Vec<PathBuf> {
            let calls = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
            let pid = |call: &str| call.split(' ').next().map(|pid| PathBuf::from(format!("/proc/{pid}")));
            calls.lines().filter_map(pid).collect()
        }

        async fn all_are_gone(&self) {
            let gone = async || self.processes().iter().all(|process| !process.exists());
            wait_until_async(Duration::from_secs(60), "every ssh to be gone", gone).await;
        }
    }

    const SOON: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn one_connection_serves_many_requests() {
        let fake = Fake::new();
        for host in ["good", "noisy"] {
            fake.engine.forget();
            let before = fake.processes().len();
            let transport = fake.transport(host, SOON);
            for _ in 0..3 {
                transport.get("/version", 10_000).await.unwrap();
            }
            let stream = transport.stream("/events").await.unwrap();
            assert_eq!(fake.processes().len(), before + 2, "one is kept, the other has no end");
            // Pings are ours, one a connection, and the docker command's own.
            let requests = fake.engine.requests().into_iter().map(|(_, path)| path);
            let paths: Vec<String> = requests.filter(|path| path != "/_ping").collect();
            assert_eq!(paths, ["/version", "/version", "/version", "/events"]);
            drop((stream, transport));
            fake.all_are_gone().await;
        }
    }

    #[tokio::test]
    async fn ssh_that_does_not_come_through() {
        let fake = Fake::new();
        for (host, denied, part) in [
            ("denied", true, "me@denied: Permission denied (publickey); it must log in without a password"),
            ("gone", false, "ssh ended with exit status: 1 and said nothing; try ssh me@gone docker version"),
            ("down", false, "; is the engine, with its command, installed and running there?"),
        ] {
            let error = fake.transport(host, SOON).get("/version", 10_000).await.unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with(&format!("cannot connect to ssh://me@{host}: ")), "{message}");
            assert!(message.contains(part) && !message.contains('\n'), "{message}");
            assert_eq!((error.is_permission(), error.is_unreachable()), (denied, !denied));
        }
        let mut transport = fake.transport("good", SOON);
        transport.ssh = fake.folder.path().join("none");
        let error = transport.get("/version", 10_000).await.unwrap_err();
        assert!(error.to_string().ends_with("there is no ssh command; install OpenSSH's client"), "{error}");
        fake.all_are_gone().await;
    }

    #[tokio::test]
    async fn ssh_that_hangs_is_killed() {
        let fake = Fake::new();
        let transport = fake.transport("silent", Duration::from_millis(50));
        let error = transport.get("/version", 10_000).await.unwrap_err();
        assert!(error.is_timeout() && error.to_string().contains("longer than 500ms"), "{error}");
        assert_eq!(fake.processes().len(), 1);
        fake.all_are_gone().await;
    }
}
