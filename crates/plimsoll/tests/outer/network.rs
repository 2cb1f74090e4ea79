//! The agent on a network: TLS, client certificates, passwords, tokens and sockets of systemd, asked by the program itself with
//! the agent's own settings; and configurations that are broken, at the start and later.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use plimsoll_testkit::port::Port;
use plimsoll_testkit::wait_until;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::agent::{Agent, SOON};
use crate::census::census;
use crate::faults::says;
use crate::machine::Machine;
use crate::process::{Done, Lines, Running, command, finish, run};

/// A server's certificate, and nothing else.
const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

/// A user, whose password nobody knows here.
const USERS: &str =
    "basic_auth_users: {ann: '$2y$04$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG'}\n";

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An authority that lives as long as a test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate of this machine, valid in these years, and its key.
    fn pair(&self, years: (i32, i32)) -> (String, String) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A machine, and a folder with the settings of its agent, which listens at a port of its own.
struct Site {
    machine: Machine,
    folder: TempDir,
    port: Port,
    authority: Authority,
}

impl Site {
    /// With this web configuration; `settings` come first in the agent's file.
    fn new(web: &str, settings: &str) -> Self {
        let site = Self {
            machine: Machine::new(),
            folder: tempfile::tempdir().unwrap(),
            port: Port::reserve(),
            authority: Authority::new(),
        };
        let (certificate, key) = site.authority.pair((2000, 4000));
        site.put("cert.pem", &certificate, 0o644);
        site.put("key.pem", &key, 0o600);
        site.put("ca.pem", &site.authority.certificate, 0o644);
        site.put("token", TOKEN, 0o600);
        site.put("web.yml", web, 0o600);
        let own = |name: &str| site.path(name).display().to_string();
        let listen = if settings.contains("listen =") {
            String::new()
        } else {
            format!("listen = \"{}\"\n", site.port.address())
        };
        let text = format!(
            "{settings}\n{listen}history = \"off\"\nspool = \"FOLDER/spool\"\nweb_config_file = \"{}\"\n\
             [[target]]\nname = \"file\"\ntype = \"file\"\npath = \"{}\"\n",
            own("web.yml"),
            own("points"),
        );
        site.put("plimsoll.toml", &text.replace("FOLDER", &site.folder.path().display().to_string()), 0o600);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file there as a whole.
    fn put(&self, name: &str, text: &str, mode: u32) {
        let new = self.path("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(mode)).unwrap();
        fs::rename(&new, self.path(name)).unwrap();
    }

    fn with_config(&self, arguments: &[&str]) -> Vec<String> {
        let config = self.path("plimsoll.toml").display().to_string();
        let whole = [arguments, &["--config", &config]].concat();
        whole.into_iter().map(str::to_owned).collect()
    }

    /// What the agent's command line is.
    fn agent_arguments(&self, more: &[&str]) -> Vec<String> {
        let arguments = self.with_config(&[&["agent"], more].concat());
        self.machine.on(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn agent(&self) -> Agent {
        Agent::spawn(command(&self.agent_arguments(&[])))
    }

    /// Runs a command with the agent's own settings.
    fn run(&self, arguments: &[&str]) -> Done {
        run(&self.with_config(arguments))
    }

    /// Waits until the agent says that it is well, to whoever has its settings.
    #[track_caller]
    fn wait_healthy(&self) {
        wait_until(SOON, "the agent is well", || self.run(&["healthcheck"]).code == Some(0));
    }
}

/// What flush says when it is done.
#[track_caller]
fn flushed(done: Done) {
    let told = done.ok();
    assert!(told.starts_with("file: delivered "), "{told}");
}

#[test]
fn healthcheck_and_flush_need_nothing_but_the_agents_settings() {
    let token = "web_token_file = [\"FOLDER/token\"]";
    let socket = "listen = [\"unix:FOLDER/agent.sock\", \"127.0.0.1:0\"]";
    let any = format!("{TLS}  client_auth_type: RequireAnyClientCert\n");
    let verified = format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
    let named = format!("{verified}  client_allowed_sans: [prometheus.example]\n");
    for (web, settings, scheme) in [
        (USERS.to_owned(), token.to_owned(), "http://"),
        (TLS.to_owned(), String::new(), "https://"),
        (format!("{TLS}{USERS}"), token.to_owned(), "https://"),
        // The agent shows its own certificate to itself.
        (any, String::new(), "https://"),
        (verified, token.to_owned(), "https://"),
        // Where that does not do, over a socket.
        (named, socket.to_owned(), "unix:"),
    ] {
        let site = Site::new(&web, &settings);
        let agent = site.agent();
        site.wait_healthy();
        let told = site.run(&["healthcheck"]).ok();
        assert!(told.starts_with(scheme) && told.ends_with("/health answers 200\n"), "{web}: {told}");
        flushed(site.run(&["flush"]));
        drop(agent);
        let message = site.run(&["healthcheck"]).failed(1);
        says(&message, &["does not answer"]);
    }
}

#[test]
fn what_healthcheck_and_flush_cannot_do_is_said_with_the_way_out() {
    // Only hashes of passwords are there.
    let site = Site::new(&format!("{TLS}{USERS}"), "");
    let _agent = site.agent();
    site.wait_healthy();
    let message = site.run(&["flush"]).failed(1);
    says(&message, &["asks for a password or a token", "to do:", "web_token_file", "SIGUSR1"]);
    let url = format!("https://{}/metrics", site.port.address());
    says(&site.run(&["healthcheck", "--url", &url]).failed(1), &["answers 401"]);
    let message = run(&["healthcheck", "--url", &url]).failed(2);
    says(&message, &["no certificate", "--web.config.file"]);
    // Somebody else's certificate is another one, whoever signed it.
    let (certificate, _) = site.authority.pair((2000, 4000));
    site.put("other.pem", &certificate, 0o644);
    site.put("other.yml", &TLS.replace("cert.pem", "other.pem"), 0o644);
    let other = site.path("other.yml").display().to_string();
    let message = site.run(&["healthcheck", "--web.config.file", &other]).failed(1);
    says(&message, &["shows another certificate", "other.yml"]);
    let message = site.run(&["flush", "--web.config.file", &other]).failed(1);
    says(&message, &["shows another certificate"]);
    assert!(!message.contains("is the agent running"), "{message}");

    let named = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
                 client_allowed_sans: [prometheus.example]\n";
    let site = Site::new(&format!("{TLS}{named}"), "");
    let _agent = site.agent();
    let message = site.run(&["healthcheck"]).failed(1);
    says(&message, &["clients need a certificate", "unix socket first"]);
}

/// The program behind `systemd-socket-activate`, which listens where the arguments say, and starts it when somebody comes.
fn activated(site: &Site, sockets: &[&str], arguments: &[String]) -> (Running, Lines) {
    let mut command = command::<&str>(&[]);
    let program = command.get_program().to_owned();
    command = {
        let mut command = std::process::Command::new("systemd-socket-activate");
        command.args(sockets).arg(program).args(arguments).env_clear();
        command.current_dir(site.folder.path());
        command
    };
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let mut process = Running(command.stderr(std::process::Stdio::piped()).spawn().unwrap());
    let log = Lines::of(process.0.stderr.take().unwrap());
    let count = sockets.iter().filter(|argument| argument.starts_with("--listen")).count();
    wait_until(SOON, "it listens", || log.with("Listening on").len() >= count);
    (process, log)
}

#[test]
fn sockets_of_systemd_are_served() {
    let site = Site::new(&format!("{TLS}{USERS}"), "web_systemd_socket = true");
    let socket = site.path("handed.sock").display().to_string();
    let (address, at) = (site.port.address().to_string(), format!("unix:{socket}"));
    let listen = [format!("--listen={address}"), format!("--listen={socket}")];
    let (mut process, log) =
        activated(&site, &[&listen[0], &listen[1], "--fdname=web:local"], &site.agent_arguments(&[]));
    // The first who comes has the agent started, and is answered by it.
    site.wait_healthy();
    let told = site.run(&["healthcheck", "--listen", &at]).ok();
    assert!(told.starts_with("unix:") && told.ends_with("answers 200\n"), "{told}");
    assert_eq!(log.with(&format!("serving https://{address}/")).len(), 1, "{}", log.all());
    assert_eq!(log.with(&format!("serving {at}")).len(), 1, "{}", log.all());
    assert!(log.with("healthcheck").is_empty(), "`listen` says where: {}", log.all());
    rustix::process::kill_process(rustix::process::Pid::from_child(&process.0), Signal::TERM).unwrap();
    assert!(process.wait(SOON).success());
    assert!(Path::new(&socket).exists(), "it is systemd's");
}

#[test]
fn sockets_that_cannot_be_served_are_refused() {
    let site = Site::new(TLS, "web_systemd_socket = true");
    let message = finish(command(&site.agent_arguments(&[]))).failed(2);
    says(&message, &["no socket was handed over", "to do:", "plimsoll.socket"]);
    // What others were handed is not for this process.
    let mut other = command(&site.agent_arguments(&[]));
    other.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    says(&finish(other).failed(2), &["no socket was handed over"]);

    let address = site.port.address().to_string();
    let listen = format!("--listen={address}");
    let (mut process, log) =
        activated(&site, &["--datagram", "--fdname=web", &listen], &site.agent_arguments(&[]));
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.send_to(b"x", &*address).unwrap();
    assert_eq!(process.wait(SOON).code(), Some(2), "{}", log.all());
    wait_until(SOON, "the message is there", || !log.with("to do:").is_empty());
    let told = log.all();
    assert!(
        told.contains("socket 3 (web) of systemd is no stream") && told.contains("ListenStream="),
        "{told}"
    );
}

#[test]
fn sockets_that_nobody_asked_for_are_told_of() {
    let site = Site::new(TLS, "");
    let handed = Port::reserve();
    let listen = format!("--listen={}", handed.address());
    let (_process, log) = activated(&site, &[&listen], &site.agent_arguments(&[]));
    let _first = TcpStream::connect(handed.address()).unwrap();
    site.wait_healthy();
    assert_eq!(log.with("nobody serves them").len(), 1, "{}", log.all());
}

#[test]
fn an_agent_does_not_start_with_a_broken_web_configuration() {
    let site = Site::new(TLS, "");
    let (certificate, key) = site.authority.pair((2000, 2001));
    site.put("expired.pem", &certificate, 0o644);
    site.put("expired-key.pem", &key, 0o600);
    site.put("open.pem", &fs::read_to_string(site.path("key.pem")).unwrap(), 0o604);
    site.put("open-token", TOKEN, 0o644);
    let expired = TLS.replace("cert.pem", "expired.pem").replace("key.pem", "expired-key.pem");
    for (web, parts) in [
        (expired, &["expired.pem", "has expired", "renew"][..]),
        (TLS.replace("key.pem", "expired-key.pem"), &["do not belong together"]),
        (TLS.replace("key.pem", "open.pem"), &["open.pem", "604 open it to every user", "chmod o="]),
        (USERS.replace("$04$", "$18$"), &["cost 18", "htpasswd"]),
        ("tls_server_confg: {}".to_owned(), &["tls_server_confg", "tls_server_config"]),
        (format!("{USERS}  x: ["), &["is no YAML"]),
    ] {
        site.put("web.yml", &web, 0o600);
        let message = finish(command(&site.agent_arguments(&[]))).failed(1);
        says(&message, &["cannot serve as it was asked for", "web.yml", "to do:"]);
        says(&message, parts);
        assert!(!message.contains("$2y$") && !message.contains("PRIVATE"), "{message}");
        let report = site.machine.on(&["check"]);
        let config = ["--config".to_owned(), site.path("plimsoll.toml").display().to_string()];
        let report = run(&[report, config.to_vec()].concat());
        assert!(report.out.contains(parts[0]), "check tells, too: {report:?}");
    }
    site.put("web.yml", TLS, 0o600);
    let open = site.path("open-token").display().to_string();
    let message = finish(command(&site.agent_arguments(&["--web.token-file", &open]))).failed(1);
    says(&message, &["open-token", "644 open it to every user"]);
    assert!(!message.contains(TOKEN), "{message}");
}

#[test]
fn a_broken_change_is_told_and_the_last_good_state_holds() {
    let site = Site::new(TLS, "");
    // As Kubernetes mounts secrets for a pod with a group.
    fs::set_permissions(site.path("key.pem"), Permissions::from_mode(0o440)).unwrap();
    let agent = site.agent();
    site.wait_healthy();
    site.put("web.yml", "tls_server_config: [", 0o600);
    wait_until(SOON, "the agent tells", || !agent.log().with("the last good one stays in force").is_empty());
    let told = agent.log().with("the last good one stays in force").remove(0);
    assert!(told.contains("ERROR") && told.contains("web.yml: is no YAML"), "{told}");
    // Under the configuration that was: the same certificate, and nobody is asked.
    site.put("old.yml", TLS, 0o600);
    let old = site.path("old.yml").display().to_string();
    let url = format!("https://{}/metrics", site.port.address());
    let told = site.run(&["healthcheck", "--web.config.file", &old, "--url", &url]).ok();
    assert!(told.ends_with("answers 200\n"), "{told}");
    // Mended, it holds by itself.
    site.put("web.yml", &format!("{TLS}{USERS}"), 0o600);
    wait_until(SOON, "the change holds", || !agent.log().with("is in force").is_empty());
    says(&site.run(&["healthcheck", "--url", &url]).failed(1), &["answers 401"]);
    assert_eq!(agent.log().with("the last good one stays in force").len(), 1, "{}", agent.log().all());
}

#[test]
fn scans_and_reports_go_under_the_same_tls() {
    let site = Site::new(
        &format!("{TLS}{USERS}"),
        "census_state = \"FOLDER/census\"\ncensus_agent_listen = \"127.0.0.1:0\"\nweb_token_file = [\"FOLDER/token\"]",
    );
    let agent = site.agent();
    site.wait_healthy();
    let line = agent.log().with("answering scans by Census servers at https://").pop().expect("it is told");
    let at = line.split_once("https://").unwrap().1.split('/').next().unwrap().to_owned();
    // Its own token is enough: a Census server has no password to show.
    let trusting = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("SSL_CERT_FILE", site.path("ca.pem"));
        finish(command)
    };
    let token = site.path("census/agent-token").display().to_string();
    let host = format!("https://{at}");
    let scanned = trusting(&["census", "scan", "--host", &host, "--token-file", &token, "--format", "json"]);
    assert!(scanned.ok().contains("plimsoll-cap-"), "the containers are told");
    let mut plain = TcpStream::connect(&at).unwrap();
    plain.write_all(b"GET /info HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"), "in the clear nothing is told");

    let database = site.path("census.db").display().to_string();
    let (web, tokens) =
        (site.path("web.yml").display().to_string(), site.path("token").display().to_string());
    let mut serve = command(&[
        "census",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database",
        &database,
        "--web.config.file",
        &web,
        "--web.token-file",
        &tokens,
    ]);
    let mut server = Running(serve.spawn().unwrap());
    let log = Lines::of(server.0.stderr.take().unwrap());
    wait_until(SOON, "the server listens", || !log.with("counts installations at https://").is_empty());
    let line = log.with("counts installations at https://").remove(0);
    let at = line.split_once("https://").unwrap().1.split('/').next().unwrap().to_owned();
    // The key of an endpoint is a token of the server's.
    for (key, is_taken) in [("", false), (&*format!(" key={tokens}"), true)] {
        let endpoint = format!("https://{at}/api/ingest{key}");
        let state = site.path("state").display().to_string();
        let report = ["report", "--send", "--census-endpoint", &endpoint, "--census-state", &state];
        let report = census(&site.machine, &report);
        let reported = trusting(&report.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(reported.code == Some(0), is_taken, "{key}: {reported:?}");
    }
    let health = format!("https://{at}/health");
    trusting(&["healthcheck", "--web.config.file", &web, "--url", &health]).ok();
}
