//! What containers' labels ask for in the words that people use with Prometheus: `prometheus.io/scrape` and its like.
//!
//! The words come from annotations of Kubernetes (`prometheus.io/scrape`, `port`, `path`, `scheme`), which Compose files took
//! over as labels, often with dots or underscores: discoveries of Prometheus and others show every label with underscores.

use plimsoll_model::Container;

use super::USUAL_PATH;
use super::address::{Address, port_of, reachable};

/// The ways to write one word, the strongest first.
type Word = [&'static str; 5];

const SCRAPE: Word = [
    "prometheus.io/scrape",
    "prometheus.io.scrape",
    "prometheus.scrape",
    "prometheus_io_scrape",
    "prometheus_scrape",
];
const PORT: Word =
    ["prometheus.io/port", "prometheus.io.port", "prometheus.port", "prometheus_io_port", "prometheus_port"];
const PATH: Word =
    ["prometheus.io/path", "prometheus.io.path", "prometheus.path", "prometheus_io_path", "prometheus_path"];
const SCHEME: Word = [
    "prometheus.io/scheme",
    "prometheus.io.scheme",
    "prometheus.scheme",
    "prometheus_io_scheme",
    "prometheus_scheme",
];

/// How many ports are named in an error.
const MAX_NAMED: usize = 5;

fn said<'a>(container: &'a Container, word: &Word) -> Option<&'a str> {
    let text = word.iter().find_map(|label| container.labels.get(*label))?.trim();
    (!text.is_empty()).then_some(text)
}

/// Whether a container says that it wants to be asked.
pub(in crate::metrics) fn wants(container: &Container) -> bool {
    said(container, &SCRAPE).is_some_and(|answer| answer.eq_ignore_ascii_case("true"))
}

/// Where a container is to be asked; `find` looks for the one whose network it shares. The address is its own whatever its
/// labels hold: they choose a port and a path there.
pub(super) fn address(
    container: &Container,
    find: impl FnOnce(&str) -> Option<std::sync::Arc<Container>>,
) -> Result<Address, String> {
    match said(container, &SCHEME) {
        None => {}
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => {}
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => {
            return Err(
                "its label says https, which is not spoken here: let a collector of type exec run curl"
                    .to_owned(),
            );
        }
        Some(_) => return Err("its label has a scheme that is none: it takes http".to_owned()),
    }
    let port = match (said(container, &PORT), &*container.exposed_ports) {
        (Some(told), _) => port_of(told)?,
        (None, [one]) => *one,
        (None, []) => return Err("it exposes no port; say which with a label prometheus.io/port".to_owned()),
        (None, several) => {
            let named: Vec<_> = several.iter().take(MAX_NAMED).map(ToString::to_string).collect();
            let more = if several.len() > MAX_NAMED { ", …" } else { "" };
            return Err(format!(
                "it exposes the ports {}{more}; say which with a label prometheus.io/port",
                named.join(", ")
            ));
        }
    };
    let told = said(container, &PATH).unwrap_or(USUAL_PATH);
    // A path alone; Prometheus takes one without its slash, too.
    let path = match told {
        path if path.starts_with('/') => path.to_owned(),
        other if other.contains(':') => {
            return Err("its label has a path that is none: it takes one like /metrics".to_owned());
        }
        path => format!("/{path}"),
    };
    let path = path.parse().map_err(|error| format!("its label has a path that is none ({error})"))?;
    let (first, _) = reachable(container, find)?;
    Ok(Address::of_ip(first, port, path))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::address::tests::running;
    use super::*;

    fn labelled(labels: &[(&str, &str)], ports: &[u16]) -> Container {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Container {
            labels: labels.collect(),
            exposed_ports: ports.to_vec(),
            ..running("c", "bridge", &["172.17.0.2"], None)
        }
    }

    #[test]
    fn who_wants_to_be_asked_says_so() {
        for (name, value, expected) in [
            ("prometheus.io/scrape", "true", true),
            ("prometheus.io/scrape", " True ", true),
            ("prometheus.io.scrape", "true", true),
            ("prometheus.scrape", "true", true),
            ("prometheus_io_scrape", "true", true),
            ("prometheus_scrape", "true", true),
            ("prometheus.io/scrape", "false", false),
            ("prometheus.io/scrape", "", false),
            ("prometheus.io/scrape", "9100", false),
            ("prometheus.io/port", "9100", false),
            ("prometheus/scrape", "true", false),
        ] {
            assert_eq!(wants(&labelled(&[(name, value)], &[])), expected, "{name}={value}");
        }
        let both = [("prometheus.io/scrape", "false"), ("prometheus.scrape", "true")];
        assert!(!wants(&labelled(&both, &[])), "the first of several holds");
    }

    #[test]
    fn labels_choose_a_port_and_a_path_of_the_container_and_nothing_else() {
        let none = "its label has a path that is none";
        for (labels, ports, expected) in [
            (&[("prometheus.io/port", "9100")][..], &[][..], Ok("http://172.17.0.2:9100/metrics")),
            (
                &[("prometheus.port", " 9100 "), ("prometheus_path", "/a/b?c=d")],
                &[80],
                Ok("http://172.17.0.2:9100/a/b"),
            ),
            (&[("prometheus.io/path", "a")], &[80], Ok("http://172.17.0.2:80/a")),
            (&[("prometheus.io/path", "")], &[80], Ok("http://172.17.0.2:80/metrics")),
            (&[("prometheus.io/scheme", "HTTP")], &[80], Ok("http://172.17.0.2:80/metrics")),
            // What looks like another host is a path there.
            (
                &[("prometheus.io/path", "//evil.example/a")],
                &[80],
                Ok("http://172.17.0.2:80//evil.example/a"),
            ),
            (&[("prometheus.io/path", "@evil.example/")], &[80], Ok("http://172.17.0.2:80/@evil.example/")),
            (&[("prometheus.io/path", "http://evil.example/a")], &[80], Err(none)),
            (&[("prometheus.io/path", "/a HTTP/1.1\r\nHost: evil.example")], &[80], Err(none)),
            (&[("prometheus.io/path", "/a\r\nX: y")], &[80], Err(none)),
            (&[], &[], Err("it exposes no port; say which with a label prometheus.io/port")),
            (&[], &[80, 9100], Err("it exposes the ports 80, 9100; say which with")),
            (&[], &[1, 2, 3, 4, 5, 6], Err("it exposes the ports 1, 2, 3, 4, 5, …; say which with")),
            (&[("prometheus.io/port", "0")], &[80], Err("its label has a port beyond 1 to 65535")),
            (&[("prometheus.io/port", "65536")], &[80], Err("its label has a port")),
            (&[("prometheus.io/port", "+80")], &[80], Err("its label has a port")),
            (&[("prometheus.io/port", "80@evil.example")], &[80], Err("its label has a port")),
            (&[("prometheus.io/port", "evil.example:80")], &[80], Err("its label has a port")),
            (&[("prometheus.io/scheme", "https")], &[80], Err("its label says https, which is not spoken")),
            (&[("prometheus.io/scheme", "file")], &[80], Err("its label has a scheme that is none")),
            (&[("prometheus.io/scheme", "http://evil.example/")], &[80], Err("its label has a scheme")),
        ] {
            let container = labelled(labels, ports);
            match (address(&container, |_| None), expected) {
                (Ok(address), Ok(expected)) => {
                    assert_eq!(address.shown(), expected, "{labels:?}");
                    assert_eq!(address.host, "172.17.0.2");
                }
                (Err(problem), Err(expected)) => {
                    assert!(problem.starts_with(expected), "{labels:?}: {problem}");
                }
                (found, _) => panic!("{labels:?} {ports:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn the_network_decides_where_a_container_is() {
        let at = |mode: &str, addresses: &[&str]| {
            let container = Container { exposed_ports: vec![80], ..running("c", mode, addresses, None) };
            let pod = |id: &str| (id == "pod").then(|| Arc::new(running("pod", "n", &["10.88.0.7"], None)));
            address(&container, pod).map(|address| address.shown())
        };
        assert_eq!(at("host", &[]).unwrap(), "http://127.0.0.1:80/metrics");
        assert_eq!(at("container:pod", &[]).unwrap(), "http://10.88.0.7:80/metrics");
        assert!(at("container:gone", &[]).unwrap_err().starts_with("it shares the network of a container"));
        assert!(at("none", &[]).unwrap_err().starts_with("it has no network address"));
    }
}
