//! The places where the agent listens, and who may ask there.

mod systemd;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use plimsoll_web::Listener;
use plimsoll_web::security::{Caller, Security, SecurityError};
use tokio::net::TcpSocket;
use tracing::{info, warn};

use crate::failure::Failure;
use crate::settings::Settings;
use crate::settings::listen::Listen;

/// Who may connect and ask.
pub(crate) fn security(settings: &Settings) -> Result<Arc<Security>, Failure> {
    let tokens = settings.web_token_file.iter().map(Into::into).collect();
    let opened = Security::open(settings.web_config_file.clone(), tokens);
    opened.map(Arc::new).map_err(|error| broken("cannot serve as it was asked for", error))
}

/// How to ask an agent with the same settings.
pub(crate) fn caller(settings: &Settings) -> Result<Caller, Failure> {
    Caller::read(settings.web_config_file.as_deref())
        .map_err(|error| broken("cannot tell how to ask the agent", error))
}

fn broken(what: &str, error: SecurityError) -> Failure {
    let remedy = error.remedy().to_owned();
    Failure::world(what).remedy(remedy).because(error)
}

/// The first of the tokens, to show to an agent with the same settings.
pub(crate) fn token(settings: &Settings) -> Result<Option<String>, Failure> {
    let Some(path) = settings.web_token_file.first() else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let remedy = "name a file that this user may read with --web.token-file";
        Failure::world(format!("cannot read {path}")).remedy(remedy).because(error)
    })?;
    let token = text.lines().map(str::trim).find(|line| !line.is_empty());
    match token {
        Some(token) if token.chars().all(|character| character.is_ascii_graphic()) => {
            Ok(Some(token.to_owned()))
        }
        _ => Err(Failure::world(format!("{path} begins with no token")).remedy("write one token a line")),
    }
}

/// Sockets that listen already, so that what is wrong with one is told before anything is started.
pub(crate) struct Listening {
    listeners: Vec<(Listener, String, bool)>,
    sockets: Sockets,
}

impl Listening {
    /// Listens where the settings say.
    pub(crate) fn of(settings: &Settings) -> Result<Self, Failure> {
        if settings.web_systemd_socket {
            return Self::of_systemd(&settings.listen);
        }
        if systemd::are_there() {
            warn!(
                "systemd hands sockets over, and nobody serves them: set web_systemd_socket, or stop the socket unit"
            );
        }
        Self::begin(&settings.listen)
    }

    /// Takes the sockets that systemd hands over. `places` are where they are said to be.
    fn of_systemd(places: &[Listen]) -> Result<Self, Failure> {
        let handed = systemd::sockets()?;
        let is_there = |place: &Listen| {
            handed.iter().any(|handed| match (place, handed.address) {
                (Listen::Address(place), Some(address)) => {
                    address == *place || (address.port() == place.port() && address.ip().is_unspecified())
                }
                _ => place.to_string() == handed.name,
            })
        };
        if let Some(first) = places.first()
            && !is_there(first)
            && let Some(found) = handed.first()
        {
            warn!(
                "`plimsoll healthcheck` and `plimsoll flush` ask at {first}, and systemd's sockets are elsewhere: \
                 set `listen` to {}",
                found.name
            );
        }
        let mut listening = Self { listeners: Vec::new(), sockets: Sockets::default() };
        for systemd::Handed { listener, address, name } in handed {
            let place = address.map_or_else(String::new, |address| address.to_string());
            if place.is_empty() {
                info!("serving {name}, a socket of systemd's");
            }
            let is_local = address.is_none_or(|address| address.ip().is_loopback());
            listening.listeners.push((listener, place, is_local));
        }
        Ok(listening)
    }

    /// Listens at every place.
    fn begin(places: &[Listen]) -> Result<Self, Failure> {
        let mut listening = Self { listeners: Vec::new(), sockets: Sockets::default() };
        for place in places {
            match place {
                Listen::Address(address) => {
                    let listener = bind(*address)?;
                    let address = listener.local_addr().unwrap_or(*address);
                    let is_local = address.ip().is_loopback();
                    listening.listeners.push((listener.into(), address.to_string(), is_local));
                }
                Listen::Unix(path) => {
                    let listener = listening.sockets.bind(path)?;
                    listening.listeners.push((listener, String::new(), true));
                    info!("serving {place}");
                }
            }
        }
        Ok(listening)
    }

    /// Says where, with the prefix of all paths, and what is open to whom. The sockets' files are there as long as the
    /// last part of the answer.
    pub(crate) fn tell(self, security: &Security, prefix: &str) -> (Vec<Listener>, Sockets) {
        let scheme = if security.has_tls() { "https" } else { "http" };
        for (_, address, is_local) in &self.listeners {
            if address.is_empty() {
                continue;
            }
            let base = format!("{scheme}://{address}{prefix}");
            info!("serving {base}/ (metrics at {base}/metrics)");
            if !is_local {
                warn_of(address, security);
            }
        }
        (self.listeners.into_iter().map(|(listener, ..)| listener).collect(), self.sockets)
    }
}

/// Says what is open to whom at an address that other machines can reach.
pub(crate) fn warn_of(address: &str, security: &Security) {
    match (security.asks(), security.has_tls()) {
        (false, _) => {
            warn!(
                "{address} can be reached from other machines, and nobody is asked for a password; \
                 --web.config.file sets some"
            );
        }
        (true, false) => {
            warn!(
                "{address} can be reached from other machines, and passwords travel there in the clear; \
                 tls_server_config of --web.config.file has them encrypted"
            );
        }
        (true, true) => {}
    }
}

/// How many connections may wait to be accepted. Where more come at once, the kernel has them wait a second and longer.
const BACKLOG: u32 = 1024;

/// Listens at an address.
pub(crate) fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, Failure> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Connections of an agent that has just ended must not stand in the way. On Windows it means something else.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there, maybe another agent: end it, or choose another port with --listen"
            }
            io::ErrorKind::PermissionDenied => "choose a port above 1023 with --listen, or run as root",
            io::ErrorKind::AddrNotAvailable => "choose an address of this machine with --listen",
            _ => "choose another address with --listen",
        };
        Failure::world(format!("cannot listen on {address}")).remedy(remedy).because(error)
    })
}

#[cfg(unix)]
mod unix {
    //! Files of unix sockets.

    use std::fs::Permissions;
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};

    use plimsoll_web::Listener;

    use crate::failure::Failure;

    /// Its owner and its group may connect.
    const MODE: u32 = 0o660;

    /// The sockets' files, each with its number. They are removed when this is dropped, if nobody has put others there.
    #[derive(Default)]
    pub(crate) struct Sockets(Vec<(PathBuf, u64)>);

    impl Sockets {
        /// Listens at a path. What an agent left behind that ended without its end is replaced, and nothing else is.
        pub(crate) fn bind(&mut self, path: &Path) -> Result<Listener, Failure> {
            let bound = self.listener(path);
            bound.map_err(|error| {
                let remedy = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "another program listens there, maybe another agent: end it, or choose another path with --listen"
                    }
                    io::ErrorKind::AlreadyExists => "something that is no socket is there: choose another path with --listen",
                    io::ErrorKind::NotFound => "make the folder first, or choose another path with --listen",
                    io::ErrorKind::PermissionDenied => "make the folder writable for this user, or choose another path with --listen",
                    _ => "choose another path with --listen",
                };
                Failure::world(format!("cannot listen on unix:{}", path.display())).remedy(remedy).because(error)
            })
        }

        fn listener(&mut self, path: &Path) -> io::Result<Listener> {
            if let Ok(found) = std::fs::symlink_metadata(path) {
                if !found.file_type().is_socket() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                match UnixStream::connect(path) {
                    // Nobody has it open any more.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        std::fs::remove_file(path)?;
                    }
                    _ => return Err(io::ErrorKind::AddrInUse.into()),
                }
            }
            let listener = UnixListener::bind(path)?;
            let number = std::fs::symlink_metadata(path)?.ino();
            self.0.push((path.to_owned(), number));
            std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
            listener.set_nonblocking(true)?;
            Ok(tokio::net::UnixListener::from_std(listener)?.into())
        }
    }

    impl Drop for Sockets {
        fn drop(&mut self) {
            for (path, number) in &self.0 {
                if std::fs::symlink_metadata(path).is_ok_and(|found| found.ino() == *number) {
                    let _ = std::fs::remove_file(path);
                }
            }
        }
    }
}

#[cfg(unix)]
pub(crate) use unix::Sockets;

/// There are none.
#[cfg(not(unix))]
#[derive(Default)]
pub(crate) struct Sockets;

#[cfg(not(unix))]
impl Sockets {
    fn bind(&mut self, path: &std::path::Path) -> Result<Listener, Failure> {
        Err(Failure::caller(format!("cannot listen on unix:{}", path.display()))
            .remedy("this system has no unix sockets: choose an address with --listen"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn sockets_are_made_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.sock");
        let place = [Listen::Unix(path.clone())];
        let begin = || Listening::begin(&place);
        let listening = begin().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(begin().is_err(), "somebody listens there");
        drop(listening);
        assert!(!path.exists());
        // One that nobody listens at any more.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(begin().unwrap());
        std::fs::write(&path, "mine").unwrap();
        assert!(begin().is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = [Listen::Unix(folder.path().join("no/p.sock"))];
        assert!(Listening::begin(&nowhere).is_err());
    }
}
