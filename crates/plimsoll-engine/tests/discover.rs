//! Machines as they are found: sockets in a folder that plays the root, and settings of the `docker` command.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use plimsoll_engine::{
    Certificates, Endpoint, Found, MAX_ENGINES, Surroundings, context, contexts, discover,
};
use sha2::{Digest, Sha256};

struct Machine {
    root: tempfile::TempDir,
    sockets: Vec<UnixListener>,
}

impl Machine {
    /// With sockets at these paths.
    fn new(sockets: &[&str]) -> Self {
        // Not in a deep folder: the path of a socket has some hundred bytes.
        let mut machine = Self { root: tempfile::tempdir().unwrap(), sockets: Vec::new() };
        sockets.iter().for_each(|path| machine.socket(path));
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn socket(&mut self, path: &str) {
        self.sockets.push(UnixListener::bind(self.path(path)).unwrap());
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
    }

    /// A context as `docker context create` leaves it, and where its TLS files belong.
    fn context(&self, name: &str, endpoints: &str) -> String {
        let id = format!("{:x}", Sha256::digest(name));
        let meta = format!(r#"{{"Name":{name:?},"Metadata":{{}},"Endpoints":{endpoints}}}"#);
        self.write(&format!("home/me/.docker/contexts/meta/{id}/meta.json"), &meta);
        format!("home/me/.docker/contexts/tls/{id}/docker")
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            home: Some(self.root.path().join("home/me")),
            uid: 1000,
            xdg_runtime_dir: Some(self.root.path().join("run/user/1000")),
            root: self.root.path().to_owned(),
            ..Surroundings::default()
        }
    }

    /// What was found, one a line: flavour, qualifier, address below the root, and how.
    fn show(&self, found: &[Found]) -> Vec<String> {
        let root = format!("unix://{}/", self.root.path().display());
        let line = |found: &Found| {
            let flavour = found.flavour.map_or("?", |flavour| flavour.name());
            let url = found.endpoint.to_string().replace(&root, "");
            format!("{flavour} [{}] {url} ({})", found.qualifier, found.origin)
        };
        found.iter().map(line).collect()
    }

    #[track_caller]
    fn check(&self, surroundings: &Surroundings, found: &[&str], problems: &[&str]) {
        let discovery = discover(surroundings);
        assert_eq!(self.show(&discovery.found), found, "{:?}", discovery.problems);
        assert_eq!(discovery.problems.len(), problems.len(), "{:?}", discovery.problems);
        for (problem, part) in discovery.problems.iter().zip(problems) {
            let text = problem.to_string();
            assert!(text.contains(part) && !text.contains('\n'), "no {part:?} in: {text}");
        }
    }
}

const DOCKER: &str = "docker [] var/run/docker.sock (the usual place)";

#[test]
fn the_usual_places() {
    let machine = Machine::new(&[]);
    machine.check(&machine.surroundings(), &[], &[]);
    for (socket, expected) in [
        ("var/run/docker.sock", DOCKER),
        ("run/docker.sock", "docker [] run/docker.sock (the usual place)"),
        ("run/podman/podman.sock", "podman [] run/podman/podman.sock (the usual place)"),
        ("run/user/7/docker.sock", "docker [7] run/user/7/docker.sock (the usual place)"),
        ("run/user/1000/docker.sock", "docker [1000] run/user/1000/docker.sock (the usual place)"),
        ("run/user/7/podman/podman.sock", "podman [7] run/user/7/podman/podman.sock (the usual place)"),
        (
            "run/user/1000/podman/podman-machine-default-api.sock",
            "podman [machine] run/user/1000/podman/podman-machine-default-api.sock (the usual place)",
        ),
        (
            "home/me/.docker/run/docker.sock",
            "docker [desktop] home/me/.docker/run/docker.sock (the usual place)",
        ),
        (
            "home/me/.docker/desktop/docker.sock",
            "docker [desktop] home/me/.docker/desktop/docker.sock (the usual place)",
        ),
        (
            "home/me/.colima/default/docker.sock",
            "docker [colima] home/me/.colima/default/docker.sock (the usual place)",
        ),
        (
            "home/me/.config/colima/dev/docker.sock",
            "docker [colima-dev] home/me/.config/colima/dev/docker.sock (the usual place)",
        ),
        (
            "home/me/.orbstack/run/docker.sock",
            "docker [orbstack] home/me/.orbstack/run/docker.sock (the usual place)",
        ),
        ("home/me/.rd/docker.sock", "docker [rancher] home/me/.rd/docker.sock (the usual place)"),
        (
            "home/me/.local/share/containers/podman/machine/podman.sock",
            "podman [machine] home/me/.local/share/containers/podman/machine/podman.sock (the usual place)",
        ),
        (
            "home/me/.local/share/containers/podman/machine/big/podman.sock",
            "podman [machine-big] home/me/.local/share/containers/podman/machine/big/podman.sock \
             (the usual place)",
        ),
    ] {
        let machine = Machine::new(&[socket]);
        machine.check(&machine.surroundings(), &[expected], &[]);
    }
    // A runtime folder elsewhere has the user's number too.
    let elsewhere = Machine::new(&["runtime/docker.sock"]);
    let surroundings = Surroundings {
        xdg_runtime_dir: Some(elsewhere.root.path().join("runtime")),
        ..elsewhere.surroundings()
    };
    elsewhere.check(&surroundings, &["docker [1000] runtime/docker.sock (the usual place)"], &[]);
}

#[test]
fn several_at_once_and_each_once() {
    let machine =
        Machine::new(&["run/docker.sock", "run/podman/podman.sock", "run/user/1000/podman/podman.sock"]);
    // As on every system of today, and as Colima leaves it.
    std::fs::create_dir(machine.root.path().join("var")).unwrap();
    symlink("../run", machine.path("var/run")).unwrap();
    machine.write("run/user/1001/docker.sock", "a file is no socket");
    std::fs::create_dir_all(machine.root.path().join("run/user/1002/docker.sock")).unwrap();
    symlink("nowhere", machine.path("run/user/1003/docker.sock")).unwrap();
    machine.check(
        &machine.surroundings(),
        &[
            DOCKER,
            "podman [] run/podman/podman.sock (the usual place)",
            "podman [1000] run/user/1000/podman/podman.sock (the usual place)",
        ],
        &[],
    );

    // The package podman-docker makes Docker's socket another name of Podman's.
    let machine = Machine::new(&["run/podman/podman.sock"]);
    symlink("podman/podman.sock", machine.path("run/docker.sock")).unwrap();
    machine.check(&machine.surroundings(), &["podman [] run/docker.sock (the usual place)"], &[]);
}

#[test]
fn what_the_docker_command_would_take_comes_first() {
    let machine =
        Machine::new(&["var/run/docker.sock", "home/me/.colima/default/docker.sock", "tmp/own.sock"]);
    let home = machine.root.path().join("home/me");
    machine.context(
        "colima",
        &format!(r#"{{"docker":{{"Host":"unix://{}/.colima/default/docker.sock"}}}}"#, home.display()),
    );
    machine.context("prod", r#"{"docker":{"Host":"ssh://me@prod.example"}}"#);
    machine.write("home/me/.docker/config.json", r#"{"auths":{},"currentContext":"colima"}"#);
    let colima = "docker [colima] home/me/.colima/default/docker.sock";
    let own = format!("unix://{}", machine.root.path().join("tmp/own.sock").display());
    let tcp = "tcp://build.example:2375".to_owned();
    let usual = format!("{colima} (the usual place)");
    for (docker_host, docker_context, first) in [
        (None, None, Some(format!("{colima} (context colima)"))),
        (None, Some("prod"), Some("? [prod] ssh://me@prod.example (context prod)".to_owned())),
        (None, Some("default"), None),
        (None, Some(""), Some(format!("{colima} (context colima)"))),
        (
            Some(tcp.clone()),
            Some("prod"),
            Some("? [build.example] tcp://build.example:2375 (DOCKER_HOST)".to_owned()),
        ),
        (
            Some("build.example".to_owned()),
            None,
            Some("? [build.example] tcp://build.example:2375 (DOCKER_HOST)".to_owned()),
        ),
        (
            Some("tcp://build.example/".to_owned()),
            None,
            Some("? [build.example] tcp://build.example:2375 (DOCKER_HOST)".to_owned()),
        ),
        (Some(own), None, Some("? [own] tmp/own.sock (DOCKER_HOST)".to_owned())),
        (Some(" ".to_owned()), Some("default"), None),
    ] {
        let surroundings = Surroundings {
            docker_host,
            docker_context: docker_context.map(str::to_owned),
            ..machine.surroundings()
        };
        let mut expected: Vec<&str> = first.iter().map(String::as_str).collect();
        expected.push(DOCKER);
        if !expected[0].starts_with(colima) {
            expected.push(&usual);
        }
        machine.check(&surroundings, &expected, &[]);
    }
    // The usual socket keeps its name when it is spelled out, and Podman's variable adds another engine.
    let surroundings = Surroundings {
        docker_host: Some(format!("unix://{}", machine.root.path().join("var/run/docker.sock").display())),
        container_host: Some("ssh://core@127.0.0.1:50000/run/user/501/podman/podman.sock".to_owned()),
        ..machine.surroundings()
    };
    machine.check(
        &surroundings,
        &[
            "docker [] var/run/docker.sock (DOCKER_HOST)",
            "podman [127.0.0.1] ssh://core@127.0.0.1:50000/run/user/501/podman/podman.sock (CONTAINER_HOST)",
            &usual,
        ],
        &[],
    );
    assert_eq!(contexts(&machine.surroundings()), ["default", "colima", "prod"]);
}

#[test]
fn settings_that_are_wrong_hide_nobody() {
    let machine = Machine::new(&["var/run/docker.sock"]);
    machine.context("kube", r#"{"kubernetes":{"Host":"https://k8s"}}"#);
    machine.context("odd", r#"{"docker":{"Host":"npipe:////./pipe/docker_engine"}}"#);
    machine.context("list", "[]");
    machine.context("cut", "");
    let host = |text: &str| Surroundings { docker_host: Some(text.to_owned()), ..machine.surroundings() };
    let chosen =
        |name: &str| Surroundings { docker_context: Some(name.to_owned()), ..machine.surroundings() };
    for (surroundings, part) in [
        (host("npipe:////./pipe/x"), "DOCKER_HOST: engine address \"npipe"),
        (host("tcp://host:99999"), "1 to 65535"),
        (host("fd://"), "scheme is unknown"),
        (chosen("none"), "no docker context \"none\"; there are: default, kube, list, odd"),
        (chosen("../../x"), "no docker context \"../../x\""),
        (chosen("kube"), "meta.json names no engine (Endpoints.docker.Host); mend it"),
        (chosen("list"), "names no engine"),
        (chosen("cut"), "meta.json is no valid JSON; mend it, or make the context anew"),
        (chosen("odd"), "context odd: engine address \"npipe"),
        (
            Surroundings { container_host: Some("podman".to_owned()), ..machine.surroundings() },
            "CONTAINER_HOST: engine address \"podman\"",
        ),
    ] {
        machine.check(&surroundings, &[DOCKER], &[part]);
    }
    for (text, part) in
        [("{\"currentContext\":", "config.json is no valid JSON"), (&" ".repeat(2_000_000), "larger than")]
    {
        machine.write("home/me/.docker/config.json", text);
        machine.check(&machine.surroundings(), &[DOCKER], &[part]);
    }
    for fine in ["{}", r#"{"currentContext":""}"#, r#"{"currentContext":5}"#, "[]"] {
        machine.write("home/me/.docker/config.json", fine);
        machine.check(&machine.surroundings(), &[DOCKER], &[]);
    }
    // Nobody's home, and no variables: the system's own engines alone.
    let nobody = Surroundings { root: machine.root.path().to_owned(), ..Surroundings::default() };
    machine.check(&nobody, &[DOCKER], &[]);
}

#[test]
fn certificates_where_docker_has_them() {
    let machine = Machine::new(&[]);
    let tls =
        machine.context("prod", r#"{"docker":{"Host":"tcp://prod.example:2376","SkipTLSVerify":false}}"#);
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        machine.write(&format!("{tls}/{file}"), "");
        machine.write(&format!("certs/{file}"), "");
    }
    machine.write("home/me/.docker/ca.pem", "");
    machine.context("blind", r#"{"docker":{"Host":"tcp://prod.example:2376","SkipTLSVerify":true}}"#);
    machine.context("plain", r#"{"docker":{"Host":"tcp://prod.example:2375"}}"#);
    let all = |folder: &Path| Certificates {
        ca: Some(folder.join("ca.pem")),
        certificate: Some(folder.join("cert.pem")),
        key: Some(folder.join("key.pem")),
        verify: true,
    };
    let tcp = |port| Endpoint::Tcp { host: "prod.example".to_owned(), port };
    let root = machine.root.path();
    for (name, expected) in [
        ("prod", tcp(2376).with_tls(all(&root.join(&tls)))),
        ("blind", tcp(2376).with_tls(Certificates { verify: false, ..Certificates::default() })),
        ("plain", tcp(2375)),
    ] {
        assert_eq!(context(&machine.surroundings(), name).unwrap().endpoint, expected);
    }

    let only_ca = Certificates { ca: Some(root.join("home/me/.docker/ca.pem")), ..Certificates::default() };
    let certs = Some(root.join("certs"));
    for (host, docker_tls_verify, docker_cert_path, expected) in [
        ("tcp://prod.example:2376", true, certs.clone(), tcp(2376).with_tls(all(&root.join("certs")))),
        ("tcp://prod.example", true, certs.clone(), tcp(2376).with_tls(all(&root.join("certs")))),
        ("tcp://prod.example", true, None, tcp(2376).with_tls(only_ca)),
        ("https://prod.example:1", false, certs.clone(), tcp(1).with_tls(all(&root.join("certs")))),
        // As `docker` does: it is the other variable that turns TLS on.
        ("tcp://prod.example:2376", false, certs.clone(), tcp(2376)),
        ("/x/docker.sock", true, certs, Endpoint::Unix("/x/docker.sock".into())),
    ] {
        let surroundings = Surroundings {
            docker_host: Some(host.to_owned()),
            docker_tls_verify,
            docker_cert_path,
            ..machine.surroundings()
        };
        assert_eq!(discover(&surroundings).found[0].endpoint, expected, "{host}");
        assert_eq!(context(&surroundings, "default").unwrap().endpoint, expected, "{host}");
    }
    let usual = context(&machine.surroundings(), "default").unwrap();
    assert_eq!(machine.show(&[usual]), [DOCKER], "whether it exists or not");
}

#[test]
fn names_are_unique_and_engines_are_bounded() {
    let mut machine = Machine::new(&[
        "home/me/.docker/desktop/docker.sock",
        "home/me/.docker/run/docker.sock",
        "home/me/.colima/default/docker.sock",
        "home/me/.config/colima/default/docker.sock",
    ]);
    let surroundings =
        Surroundings { docker_host: Some("tcp://desktop:1".to_owned()), ..machine.surroundings() };
    machine.check(
        &surroundings,
        &[
            "? [desktop] tcp://desktop:1 (DOCKER_HOST)",
            "docker [desktop-2] home/me/.docker/run/docker.sock (the usual place)",
            "docker [desktop-3] home/me/.docker/desktop/docker.sock (the usual place)",
            "docker [colima] home/me/.colima/default/docker.sock (the usual place)",
            "docker [colima-2] home/me/.config/colima/default/docker.sock (the usual place)",
        ],
        &[],
    );
    for user in 0..MAX_ENGINES {
        machine.socket(&format!("run/user/{user}/docker.sock"));
    }
    let discovery = discover(&surroundings);
    assert_eq!(discovery.found.len(), MAX_ENGINES);
    assert_eq!(
        discovery.problems[0].text,
        "more than 32 engines were found and 5 left out; name those to watch"
    );
}

#[test]
fn contexts_as_the_docker_command_writes_them() {
    let machine = Machine::new(&["var/run/docker.sock"]);
    let config = machine.root.path().join("config");
    let docker = |args: &[&str]| {
        let output = std::process::Command::new("docker").arg("--config").arg(&config).args(args).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    docker(&["context", "create", "prod", "--docker", "host=tcp://prod.example:2376,skip-tls-verify=true"]);
    docker(&["context", "create", "build-1", "--docker", "host=ssh://me@build.example:22"]);
    docker(&["context", "use", "prod"]);
    let surroundings = Surroundings { docker_config: Some(config.clone()), ..machine.surroundings() };
    machine.check(&surroundings, &["? [prod] https://prod.example:2376 (context prod)", DOCKER], &[]);
    let build = context(&surroundings, "build-1").unwrap();
    assert_eq!(machine.show(&[build]), ["? [build-1] ssh://me@build.example:22 (context build-1)"]);
    assert_eq!(contexts(&surroundings), ["default", "build-1", "prod"]);
}
