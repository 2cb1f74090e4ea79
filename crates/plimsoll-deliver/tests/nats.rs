//! Delivery into a real JetStream: what it refuses, and what it has after servers were killed under load.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, consumer};
use futures_util::{StreamExt as _, stream};
use plimsoll_deliver::config::{Durability, Secret, TargetConfig, TargetKind, TlsConfig};
use plimsoll_deliver::courier::Outgoing;
use plimsoll_deliver::format::{Coding, Content, Format};
use plimsoll_deliver::nats::NatsTransport;
use plimsoll_deliver::verdict::{Answer, Fault};
use plimsoll_deliver::{Common, Figures, Intake, Target, Transport};
use plimsoll_testkit::databases::Nats;
use plimsoll_testkit::wait_until_async;
use plimsoll_wire::line_protocol::Precision;
use plimsoll_wire::point::{Point, Value};
use tokio::sync::mpsc;

const STREAM: &str = "metrics";
const SUBJECT: &str = "plimsoll.metrics";
const PATIENCE: Duration = Duration::from_secs(60);

fn config(url: &str) -> TargetConfig {
    TargetConfig { url: url.to_owned(), ..TargetConfig::new("queue", TargetKind::Nats) }
}

fn outgoing(body: &[u8]) -> Outgoing {
    let format = Format { content: Content::Lines(Precision::Milliseconds), coding: Coding::None };
    Outgoing { seq: 1, part: (0, 1), format, points: 1, last: 0, body: body.to_vec() }
}

/// What a test holds an attempt to: the status, or the reason why there was none.
fn word(outcome: Result<Answer, Fault>) -> String {
    outcome.map_or_else(|fault| fault.reason.to_owned(), |answer| answer.status.to_string())
}

async fn make_stream(jetstream: &jetstream::Context, replicas: usize) {
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        storage: StorageType::File,
        num_replicas: replicas,
        duplicate_window: Duration::from_secs(120),
        max_message_size: 100_000,
        ..Config::default()
    };
    jetstream.create_stream(config).await.unwrap();
}

/// Who leads the stream, as a position among the members.
fn leader(members: &[Nats]) -> Option<usize> {
    let seen = members.iter().find(|member| member.pid().is_some())?.jetstream();
    let detail = &seen["account_details"][0]["stream_detail"][0];
    let name = detail["cluster"]["leader"].as_str()?.strip_prefix('n')?;
    name.parse::<usize>().ok()?.checked_sub(1)
}

const BATCHES: u64 = 3000;
const LINES: u64 = 5;
/// Batches of a round, after how many of them something happens to a server, and when it is started again.
const ROUND: (u64, u64, u64) = (500, 150, 300);

fn batch(number: u64) -> Intake {
    let point = |line| {
        let mut point = Point::default();
        point.begin("batch", 1_700_000_000_000_000_000);
        point.tag("line", &format!("{line}"));
        point.field("number", Value::Unsigned(number));
        point
    };
    Intake::Points((0..LINES).map(point).collect())
}

fn delivered(figures: &Arc<Mutex<Figures>>) -> u64 {
    figures.lock().unwrap().account.delivered() / LINES
}

/// A cluster of three, of which the server that leads the stream dies and hangs in turn while batches come: each of them is in the
/// stream once.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_die_cost_nothing_and_double_nothing() {
    let mut members = Nats::start_cluster();
    let urls = members.each_ref().map(Nats::url).join(",");
    let client = async_nats::connect(
        urls.split(',').map(|url| url.parse().unwrap()).collect::<Vec<async_nats::ServerAddr>>(),
    );
    let jetstream = jetstream::new(client.await.unwrap());
    make_stream(&jetstream, 3).await;

    let spool = tempfile::tempdir().unwrap();
    let config = TargetConfig {
        durability: Durability::Always,
        backoff: (Duration::from_millis(50), Duration::from_secs(1)),
        timeout: Duration::from_secs(1),
        max_in_flight: 32,
        ..config(&urls)
    };
    let nats = Arc::new(NatsTransport::new(&config).unwrap());
    let way = Arc::clone(&nats);
    let transport = Transport::Custom(Box::new(move |outgoing| {
        let (way, outgoing) = (Arc::clone(&way), outgoing.clone());
        Box::pin(async move { way.send(&outgoing).await })
    }));
    let common = Common::default();
    let target =
        Target::new(config, &common, Some(spool.path()), Duration::from_secs(10), transport).unwrap();
    let figures = target.figures();
    let (feed, fed) = mpsc::channel(1);
    let (_commands, obeyed) = mpsc::channel(1);
    let intake = stream::unfold(fed, |mut fed| async { fed.recv().await.map(|taken| (taken, fed)) });
    let began = Instant::now();
    let work = tokio::spawn(target.run(Box::pin(intake), obeyed, PATIENCE));
    let feeder = feed.clone();

    for first in (0..BATCHES).step_by(usize::try_from(ROUND.0).unwrap()) {
        let feeder = feeder.clone();
        let feeding = tokio::spawn(async move {
            for number in first..first + ROUND.0 {
                feeder.send(batch(number)).await.unwrap();
            }
        });
        wait_until_async(PATIENCE, "some of a round is delivered", || async {
            delivered(&figures) >= first + ROUND.1
        })
        .await;
        assert!(delivered(&figures) < first + ROUND.0, "it happens under load");
        let victim = leader(&members).expect("the stream has a leader");
        if (first / ROUND.0).is_multiple_of(2) {
            members[victim].kill();
            wait_until_async(PATIENCE, "the others go on", || async {
                delivered(&figures) >= first + ROUND.2
            })
            .await;
            members[victim].relaunch();
            feeding.await.unwrap();
            tokio::task::block_in_place(|| members[victim].wait_until_up());
        } else {
            // What waits for its answer is sent again, and then it comes twice.
            let before = figures.lock().unwrap().account.resent();
            members[victim].hang();
            wait_until_async(PATIENCE, "something is sent again", || async {
                figures.lock().unwrap().account.resent() > before
            })
            .await;
            members[victim].resume();
            feeding.await.unwrap();
        }
    }
    drop((feed, feeder));
    let account = work.await.unwrap().account;
    let took = began.elapsed();
    assert_eq!((account.delivered(), account.queued()), (BATCHES * LINES, 0));
    assert_eq!((account.rejected(), account.dropped()), (0, 0));

    let found = read_back(&jetstream).await;
    let resent = account.resent() / LINES;
    eprintln!(
        "{BATCHES} batches, 3 deaths, 3 hangs, {took:.1?}; sent again: {resent}, of which known: {}",
        nats.duplicates()
    );
    assert_eq!(found.len() as u64, BATCHES);
    assert!(nats.duplicates() > 0, "something came twice, and was kept once");
    assert!(found.into_iter().eq((0..BATCHES).map(|number| (number, 1))), "each once");
}

/// How often each number is in the stream.
async fn read_back(jetstream: &jetstream::Context) -> BTreeMap<u64, u64> {
    let mut stream = jetstream.get_stream(STREAM).await.unwrap();
    let messages = stream.info().await.unwrap().state.messages;
    let config =
        consumer::pull::Config { ack_policy: consumer::AckPolicy::None, ..consumer::pull::Config::default() };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut found = BTreeMap::new();
    let mut all = consumer.messages().await.unwrap().take(usize::try_from(messages).unwrap());
    while let Some(message) = tokio::time::timeout(PATIENCE, all.next()).await.unwrap() {
        let body = String::from_utf8(message.unwrap().payload.to_vec()).unwrap();
        let numbers = body.lines().map(|line| {
            let value = line.split_once("number=").unwrap().1;
            value.split(['i', 'u', ' ']).next().unwrap().parse::<u64>().unwrap()
        });
        let numbers: Vec<_> = numbers.collect();
        assert_eq!(numbers, vec![numbers[0]; usize::try_from(LINES).unwrap()], "a message is a batch");
        *found.entry(numbers[0]).or_default() += 1;
    }
    found
}

#[tokio::test]
async fn what_a_stream_refuses_is_told_apart() {
    let nats = Nats::start();
    let transport = NatsTransport::new(&config(&nats.url())).unwrap();
    let answer = transport.send(&outgoing(b"a")).await.unwrap();
    let message = String::from_utf8(answer.body).unwrap();
    assert!(answer.status == 404 && message.contains(SUBJECT), "{message}");

    make_stream(&jetstream::new(async_nats::connect(nats.url()).await.unwrap()), 1).await;
    for (body, expected, messages) in [
        (b"a".to_vec(), "204", 1),
        // Known already, and by that delivered.
        (b"a".to_vec(), "204", 1),
        (b"b".to_vec(), "204", 2),
        // More than the stream takes, and more than the server does.
        (vec![b'x'; 100_001], "413", 2),
        (vec![b'x'; 2_000_000], "413", 2),
        (b"c".to_vec(), "204", 3),
    ] {
        assert_eq!(word(transport.send(&outgoing(&body)).await), expected);
        assert_eq!(nats.messages(STREAM), Some(messages));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_changes_is_read_again() {
    let mut nats = Nats::start_with("authorization { token: old }");
    let admin = async_nats::ConnectOptions::with_token("old".to_owned()).connect(nats.url()).await.unwrap();
    make_stream(&jetstream::new(admin), 1).await;
    let secrets = tempfile::tempdir().unwrap();
    let path = secrets.path().join("token");
    std::fs::write(&path, "wrong\n").unwrap();
    let config = TargetConfig { token: Some(Secret::File(path.clone())), ..config(&nats.url()) };
    let transport = NatsTransport::new(&config).unwrap();
    assert_eq!(word(transport.send(&outgoing(b"a")).await), "401");
    std::fs::write(&path, "old\n").unwrap();
    assert_eq!(word(transport.send(&outgoing(b"a")).await), "204");

    // The server wants another one, while the connection stands.
    let file = nats.dir().join("nats.conf");
    let settings = std::fs::read_to_string(&file).unwrap().replace("token: old", "token: new");
    std::fs::write(&file, settings).unwrap();
    tokio::task::block_in_place(|| nats.restart());
    wait_until_async(PATIENCE, "the old token is refused", || async {
        word(transport.send(&outgoing(b"b")).await) == "401"
    })
    .await;
    std::fs::write(&path, "new\n").unwrap();
    assert_eq!(word(transport.send(&outgoing(b"b")).await), "204");
}

#[tokio::test]
async fn what_is_not_permitted_is_told_at_once() {
    let may = |what: &str| format!("permissions {{ {what} }}");
    let users = [
        ("all", may("publish: \">\"\n subscribe: \">\"")),
        ("mute", may("publish: other\n subscribe: \">\"")),
        ("deaf", may("publish: \">\"\n subscribe: other")),
    ]
    .map(|(name, may)| format!("{{ user: {name}, password: pw, {may} }}"))
    .join(",\n");
    let nats = Nats::start_with(&format!("authorization {{ users: [\n{users}\n] }}"));
    let options = async_nats::ConnectOptions::with_user_and_password("all".to_owned(), "pw".to_owned());
    make_stream(&jetstream::new(options.connect(nats.url()).await.unwrap()), 1).await;
    for (user, expected) in [("all", "204"), ("mute", "403"), ("deaf", "403"), ("nobody", "401")] {
        let config = TargetConfig {
            username: user.to_owned(),
            password: Some(Secret::Inline("pw".to_owned())),
            timeout: PATIENCE,
            ..config(&nats.url())
        };
        let transport = NatsTransport::new(&config).unwrap();
        for _ in 0..2 {
            let outcome = transport.send(&outgoing(user.as_bytes())).await;
            assert_eq!(word(outcome), expected, "{user}");
        }
    }
}

/// Certificates for the server and for the client, both of one authority.
fn certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.pem", params.self_signed(&key).unwrap().pem());
    let authority = Issuer::new(params, key);
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        write(&format!("{name}.pem"), params.signed_by(&key, &authority).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

#[tokio::test]
async fn tls_with_an_authority_and_certificates_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name);
    let nats = Nats::start_with(&format!(
        "tls {{ cert_file: \"{}\"\n key_file: \"{}\"\n ca_file: \"{}\"\n verify: true }}",
        path("server.pem").display(),
        path("server.key").display(),
        path("ca.pem").display()
    ));
    let ours = TlsConfig {
        ca_file: Some(path("ca.pem")),
        cert_file: Some(path("client.pem")),
        key_file: Some(path("client.key")),
        insecure_skip_verify: false,
    };
    let stranger = TlsConfig { ca_file: None, ..ours.clone() };
    let careless = TlsConfig { insecure_skip_verify: true, ..stranger.clone() };
    let nameless = TlsConfig { cert_file: None, key_file: None, ..ours.clone() };
    // 404 comes from beyond the handshake: there is no stream.
    for (tls, expected) in [
        (ours, "404"),
        (careless, "404"),
        (stranger, "tls"),
        (nameless, "tls"),
        (TlsConfig::default(), "tls"),
    ] {
        let config = TargetConfig { tls, ..config(&nats.url()) };
        let outcome = NatsTransport::new(&config).unwrap().send(&outgoing(b"a")).await;
        assert_eq!(word(outcome.clone()), expected, "{outcome:?}");
    }
}
