//! Sockets that systemd opened and hands over, as sd_listen_fds(3) describes it.
//!
//! They are the descriptors from 3 on, `LISTEN_FDS` of them, for the process `LISTEN_PID`; their names are in
//! `LISTEN_FDNAMES`. Streams that listen are taken, over the network or as unix sockets, and everything else is refused,
//! because a socket that nobody serves looks to its clients as if somebody did.

use plimsoll_web::Listener;

use crate::failure::Failure;

/// One of them.
pub(super) struct Handed {
    pub(super) listener: Listener,
    /// Its address, where it has one.
    pub(super) address: Option<std::net::SocketAddr>,
    /// What to call it.
    pub(super) name: String,
}

const UNIT: &str = "start the agent by a socket unit, such as deploy/systemd/plimsoll.socket, or take web_systemd_socket out";

/// Whether there are any for this process.
pub(super) fn are_there() -> bool {
    number("LISTEN_PID") == Some(std::process::id()) && number("LISTEN_FDS").is_some_and(|count| count > 0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "descriptors are no settings, and these variables are about them"
)]
fn number(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

/// Takes all of them. To be called once, by whoever owns the process.
#[cfg(target_os = "linux")]
pub(super) fn sockets() -> Result<Vec<Handed>, Failure> {
    /// More than anybody listens at; a number that is wrong must not make descriptors up.
    const MOST: u32 = 64;

    if number("LISTEN_FDS").is_some_and(|count| count > MOST) {
        return Err(Failure::caller(format!("LISTEN_FDS counts more than {MOST} sockets")).remedy(UNIT));
    }
    let handed = sd_listen_fds::get().map_err(|error| {
        Failure::caller("cannot understand which sockets are handed over").remedy(UNIT).because(error)
    })?;
    if handed.is_empty() {
        return Err(Failure::caller(
            "no socket was handed over, and web_systemd_socket says that systemd does",
        )
        .remedy(UNIT));
    }
    let numbered = handed.into_iter().zip(3..);
    numbered.map(|((name, fd), number)| linux::listener(fd.into_std(), number, name)).collect()
}

/// There is no systemd.
#[cfg(not(target_os = "linux"))]
pub(super) fn sockets() -> Result<Vec<Handed>, Failure> {
    Err(Failure::caller("this system has no systemd that could hand sockets over")
        .remedy("take web_systemd_socket out, and choose an address with --listen"))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;

    use rustix::io::{FdFlags, fcntl_setfd};
    use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
    use rustix::net::{AddressFamily, SocketType};

    use super::Handed;
    use crate::failure::Failure;

    /// What a descriptor is served as.
    pub(super) fn listener(fd: OwnedFd, number: u32, name: Option<String>) -> Result<Handed, Failure> {
        let shown = match name.filter(|name| !name.is_empty()) {
            Some(name) => format!("socket {number} ({name})"),
            None => format!("socket {number}"),
        };
        let refuse = |what: &str, remedy: &str| {
            Failure::caller(format!("{shown} of systemd {what}")).remedy(remedy.to_owned())
        };
        let failed = |error: io::Error| refuse("cannot be served", "look at the socket unit").because(error);
        // Commands that the agent runs must not have it.
        fcntl_setfd(&fd, FdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        match socket_type(&fd) {
            Ok(SocketType::STREAM) => {}
            Err(rustix::io::Errno::NOTSOCK) => {
                return Err(refuse("is no socket", "have the unit open sockets with ListenStream= alone"));
            }
            Err(error) => return Err(failed(error.into())),
            Ok(_) => {
                return Err(refuse(
                    "is no stream",
                    "open it with ListenStream= instead of ListenDatagram= or ListenSequentialPacket=",
                ));
            }
        }
        if !socket_acceptconn(&fd).map_err(|error| failed(error.into()))? {
            return Err(refuse("is a connection and does not listen", "set Accept=no in the socket unit"));
        }
        let domain = socket_domain(&fd).map_err(|error| failed(error.into()))?;
        if domain == AddressFamily::UNIX {
            let listener = UnixListener::from(fd);
            let at = listener.local_addr().ok().and_then(|at| Some(at.as_pathname()?.display().to_string()));
            listener.set_nonblocking(true).map_err(failed)?;
            let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?.into();
            return Ok(Handed { listener, address: None, name: format!("unix:{}", at.unwrap_or(shown)) });
        }
        if domain != AddressFamily::INET && domain != AddressFamily::INET6 {
            return Err(refuse(
                "is of another family than IP and unix",
                "have the unit listen at an address or a path",
            ));
        }
        let listener = TcpListener::from(fd);
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?.into();
        Ok(Handed { listener, address: Some(address), name: address.to_string() })
    }

    #[cfg(test)]
    mod tests {
        use std::net::{TcpStream, UdpSocket};
        use std::os::unix::net::{UnixDatagram, UnixStream};

        use super::*;

        #[tokio::test]
        async fn streams_that_listen_are_taken_and_nothing_else() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("p.sock");
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let at = tcp.local_addr().unwrap();
            let connection = TcpStream::connect(at).unwrap();
            let file = std::fs::File::open("/dev/null").unwrap();
            let cases: [(OwnedFd, Result<String, &str>); 7] = [
                (tcp.into(), Ok(at.to_string())),
                (UnixListener::bind(&path).unwrap().into(), Ok(format!("unix:{}", path.display()))),
                (UdpSocket::bind("127.0.0.1:0").unwrap().into(), Err("no stream")),
                (UnixDatagram::unbound().unwrap().into(), Err("no stream")),
                (connection.into(), Err("is a connection")),
                (UnixStream::pair().unwrap().0.into(), Err("is a connection")),
                (file.into(), Err("is no socket")),
            ];
            for (fd, expected) in cases {
                let handed = listener(fd, 3, Some("web".to_owned())).map(|handed| handed.name);
                match expected {
                    Ok(name) => assert_eq!(handed.unwrap(), name),
                    Err(part) => {
                        let told = handed.unwrap_err().told();
                        assert!(told.contains("socket 3 (web) of systemd ") && told.contains(part), "{told}");
                        assert!(told.contains("to do: "), "{told}");
                    }
                }
            }
        }
    }
}
