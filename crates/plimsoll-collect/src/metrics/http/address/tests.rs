use std::sync::Arc;

use plimsoll_model::State;
use plimsoll_model::container::Network;

use super::*;

/// A container of this id that runs.
pub(in super::super) fn running(id: &str, mode: &str, addresses: &[&str], label: Option<&str>) -> Container {
    let networks =
        addresses.iter().map(|address| Network { name: "n".into(), address: (*address).to_owned() });
    Container {
        state: State::Running,
        network_mode: mode.to_owned(),
        networks: networks.collect(),
        labels: label.map(|label| ("port".to_owned(), label.to_owned())).into_iter().collect(),
        ..Container::new(id, "docker".into())
    }
}

#[test]
fn a_label_leads_to_its_container_alone() {
    let bridge = |label| running("c", "bridge", &["", "172.17.0.2", "10.0.0.2"], Some(label));
    let other = "its label leads to ";
    let named = "its label names a host; it may only name the container's own address, or a port";
    for (container, expected) in [
        (bridge("9100"), Ok("http://172.17.0.2:9100/metrics")),
        (bridge(" 9100 "), Ok("http://172.17.0.2:9100/metrics")),
        (bridge("9100/a/b?c=d"), Ok("http://172.17.0.2:9100/a/b")),
        (bridge("/a"), Ok("http://172.17.0.2:8080/a")),
        (bridge(""), Ok("http://172.17.0.2:8080/metrics")),
        (bridge("http://172.17.0.2/a"), Ok("http://172.17.0.2:80/a")),
        (bridge("http://10.0.0.2:81"), Ok("http://10.0.0.2:81/")),
        (running("c", "n", &["fd00::2"], Some("9100")), Ok("http://[fd00::2]:9100/metrics")),
        (running("c", "n", &["fd00::2"], Some("http://[fd00::2]:5/")), Ok("http://[fd00::2]:5/")),
        (running("c", "host", &[], Some("9100")), Ok("http://127.0.0.1:9100/metrics")),
        (running("c", "host", &["10.0.0.9"], Some("http://127.0.0.1:1/")), Ok("http://127.0.0.1:1/")),
        (running("c", "container:pod", &[], Some("9100")), Ok("http://10.88.0.7:9100/metrics")),
        (running("c", "container:hosts", &[], Some("9100")), Ok("http://127.0.0.1:9100/metrics")),
        (
            running("c", "container:gone", &[], Some("9100")),
            Err("it shares the network of a container that is not known"),
        ),
        (
            running("c", "none", &[], Some("9100")),
            Err("it has no network address; a collector of type exec can ask inside of it"),
        ),
        (running("c", "bridge", &["", "x"], Some("9100")), Err("it has no network address")),
        (running("c", "none", &[], Some("http://127.0.0.1/")), Err("it has no network address")),
        (running("c", "host", &[], Some("http://localhost/")), Err(named)),
        (running("c", "host", &[], Some("http://169.254.169.254/")), Err(other)),
        (
            bridge("http://169.254.169.254/latest/meta-data"),
            Err(
                "its label leads to 169.254.169.254, which is not the container's own address; write a port instead",
            ),
        ),
        (bridge("http://127.0.0.1:2375/"), Err(other)),
        (bridge("http://[::1]/"), Err(other)),
        (bridge("http://[::ffff:172.17.0.2]/"), Err(other)),
        (bridge("http://172.17.0.20/"), Err(other)),
        (bridge("http://172.17.0.2.evil.example/"), Err(named)),
        (bridge("http://evil.example/172.17.0.2"), Err(named)),
        (bridge("http://0xac110002/"), Err(named)),
        (bridge("http://2886795266/"), Err(named)),
        (bridge("http://172.17.0.2@evil.example/"), Err("its label has a user's name in it")),
        (bridge("http://172.17.0.2:80@evil.example/"), Err("its label has a user's name in it")),
        (bridge("http://172.17.0.2\\@evil.example/"), Err("its label ")),
        (bridge("https://172.17.0.2/"), Err("its label is of https, which is not spoken here")),
        (bridge("file:///etc/passwd"), Err("its label is no address")),
        (bridge("//evil.example/"), Ok("http://172.17.0.2:8080//evil.example/")),
        (
            bridge("9100@evil.example"),
            Err("its label is none of PORT, PORT/path, /path, http://its-address:PORT/path"),
        ),
        (bridge("evil.example/a"), Err("its label is none of PORT")),
        (bridge("172.17.0.2:9100"), Err("its label is none of PORT")),
        (bridge("+80"), Err("its label is none of PORT")),
        (bridge("-1"), Err("its label is none of PORT")),
        (bridge("0"), Err("its label has a port beyond 1 to 65535")),
        (bridge("65536/a"), Err("its label has a port beyond 1 to 65535")),
        (bridge("80/a b"), Err("its label has a path that is none")),
        (bridge("80/a\r\nX: y"), Err("its label has a path that is none")),
    ] {
        let label = container.label("port").to_owned();
        let find = |id: &str| match id {
            "pod" => Some(Arc::new(running("pod", "podman", &["10.88.0.7"], None))),
            "hosts" => Some(Arc::new(running("hosts", "host", &[], None))),
            _ => None,
        };
        let usual = Usual { port: Some(8080), path: "/metrics".parse().unwrap() };
        let found = of_container(&label, &container, &usual, find);
        match (found.map(|address| address.shown()), expected) {
            (Ok(url), Ok(expected)) => assert_eq!(url, expected, "{label}"),
            (Err(problem), Err(expected)) => assert!(problem.starts_with(expected), "{label}: {problem}"),
            (found, _) => panic!("{label}: {found:?}"),
        }
    }
    let usual = Usual { port: None, path: "/".parse().unwrap() };
    let problem = of_container("/a", &bridge("/a"), &usual, |_| None).unwrap_err();
    assert_eq!(problem, "its label names no port, and there is no usual one; set `port`");
}
