//! Where metrics are asked for.

use std::net::{IpAddr, Ipv4Addr};

use hyper::Uri;
use hyper::http::HeaderValue;
use hyper::http::uri::PathAndQuery;
use plimsoll_model::Container;
use plimsoll_model::text::bounded;

/// How much of an address or label is shown, in bytes.
const MAX_SHOWN: usize = 200;

/// An address that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// A name or an IP address, this one without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: PathAndQuery,
    /// What goes into the header `Host`.
    pub(super) authority: HeaderValue,
}

impl Address {
    /// Reads `http://…`. The problem is to be read after the address.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            return Err("is of https, which is not spoken here: ask a local proxy that speaks it, or let a collector \
                        of type exec run curl"
                .to_owned());
        }
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("is no address ({error}): it takes http://host:port/path"))?;
        let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("is no address of http: it takes http://host:port/path".to_owned());
        };
        if authority.as_str().contains('@') {
            return Err("has a user's name in it: put it into the header Authorization".to_owned());
        }
        let has_odd_port =
            authority.as_str().len() > authority.host().len() && authority.port_u16().is_none();
        if authority.host().is_empty() || has_odd_port {
            return Err("has no host, or no port behind its colon: it takes http://host:port/path".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(80);
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let authority = HeaderValue::from_str(authority.as_str());
        let authority = authority.map_err(|_| "has a host that is none".to_owned())?;
        Ok(Self { host, port, path, authority })
    }

    pub(super) fn of_ip(ip: IpAddr, port: u16, path: PathAndQuery) -> Self {
        let authority = std::net::SocketAddr::new(ip, port).to_string();
        let authority = HeaderValue::from_str(&authority).unwrap_or(HeaderValue::from_static("localhost"));
        Self { host: ip.to_string(), port, path, authority }
    }

    /// The address without its query, which may be a secret.
    pub(super) fn shown(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let whole = format!("http://{host}:{}{}", self.port, self.path.path());
        bounded(&whole, MAX_SHOWN).to_owned()
    }
}

/// What is asked of a container whose label does not say it.
#[derive(Clone, Debug)]
pub(super) struct Usual {
    pub(super) port: Option<u16>,
    pub(super) path: PathAndQuery,
}

/// Where a container with this label is to be asked. `find` looks for the container whose network it shares.
///
/// Whoever makes a container chooses its labels, so a label must not lead anywhere but to the container: the address is the
/// one that the engine has given it, and what the label says of a host is only compared with that.
pub(super) fn of_container(
    label: &str,
    container: &Container,
    usual: &Usual,
    find: impl FnOnce(&str) -> Option<std::sync::Arc<Container>>,
) -> Result<Address, String> {
    let label = label.trim();
    let (first, own) = reachable(container, find)?;
    if label.contains("://") {
        let address = Address::parse(label).map_err(|problem| format!("its label {problem}"))?;
        let Ok(host) = address.host.parse::<IpAddr>() else {
            return Err(
                "its label names a host; it may only name the container's own address, or a port".to_owned()
            );
        };
        if !own.contains(&host) {
            return Err(format!(
                "its label leads to {host}, which is not the container's own address; write a port instead"
            ));
        }
        return Ok(Address::of_ip(host, address.port, address.path));
    }
    let (port, path) = match label.find('/') {
        Some(at) => label.split_at(at),
        None => (label, ""),
    };
    let port = match port {
        "" => usual.port.ok_or("its label names no port, and there is no usual one; set `port`")?,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => port_of(digits)?,
        _ => {
            return Err(
                "its label is none of PORT, PORT/path, /path, http://its-address:PORT/path".to_owned()
            );
        }
    };
    let path = match path {
        "" => usual.path.clone(),
        path => path.parse().map_err(|error| format!("its label has a path that is none ({error})"))?,
    };
    Ok(Address::of_ip(first, port, path))
}

/// A port as it is written. `+80` is a number, too, but nobody's port.
pub(super) fn port_of(digits: &str) -> Result<u16, String> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if port > 0 && is_number => Ok(port),
        _ => Err("its label has a port beyond 1 to 65535".to_owned()),
    }
}

/// The addresses that a container can be reached at, and the first of them. `find` looks for the container whose network it
/// shares.
pub(super) fn reachable(
    container: &Container,
    find: impl FnOnce(&str) -> Option<std::sync::Arc<Container>>,
) -> Result<(IpAddr, Vec<IpAddr>), String> {
    let own = match container.network_mode.strip_prefix("container:") {
        Some(other) => match find(other) {
            Some(other) => own_addresses(&other),
            None => return Err("it shares the network of a container that is not known".to_owned()),
        },
        None => own_addresses(container),
    };
    let first =
        own.first().ok_or("it has no network address; a collector of type exec can ask inside of it")?;
    Ok((*first, own))
}

/// The addresses that a container can be reached at, the first one first.
fn own_addresses(container: &Container) -> Vec<IpAddr> {
    if container.network_mode == "host" {
        return vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    }
    container.networks.iter().filter_map(|network| network.address.parse().ok()).collect()
}

/// What was given as an address or a label, as it is shown in errors. What may be a secret stands behind a question mark, or
/// before an `@`.
pub(super) fn shown(given: &str) -> String {
    let given = given.split('?').next().unwrap_or_default();
    match given.rsplit_once('@') {
        Some((_, host)) => format!("…@{}", bounded(host, MAX_SHOWN)),
        None => bounded(given, MAX_SHOWN).to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests;
