//! Whole targets under a clock that does not wait, against a target that is scripted.

mod life;
mod schedules;

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::BoxFuture;
use futures_util::stream::poll_fn;
use plimsoll_wire::line_protocol::Precision;
use plimsoll_wire::point::Value;
use tokio::task::JoinHandle;

use super::*;
use crate::config::{Compression, TargetKind, WhenFull};

const SECOND: Duration = Duration::from_secs(1);

/// How long the scripted target thinks, and what it says.
type Reply = (Duration, Result<Answer, Fault>);
type Script = Arc<dyn Fn(&Outgoing) -> Reply + Send + Sync>;

/// A target by a script, and what it was sent: when, and what.
#[derive(Clone)]
struct Server {
    script: Arc<Mutex<Script>>,
    sent: Arc<Mutex<Vec<(Instant, Outgoing)>>>,
}

impl Server {
    fn new(script: impl Fn(&Outgoing) -> Reply + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(Mutex::new(Arc::new(script))), sent: Arc::default() }
    }

    /// One that takes everything, and thinks so long about each request.
    fn well(thinks: Duration) -> Self {
        Self::new(move |_| (thinks, status(204)))
    }

    fn becomes(&self, script: impl Fn(&Outgoing) -> Reply + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    fn transport(&self) -> Transport {
        let server = self.clone();
        let send = move |outgoing: &Outgoing| -> BoxFuture<'static, Result<Answer, Fault>> {
            server.sent.lock().unwrap().push((Instant::now(), outgoing.clone()));
            let script = Arc::clone(&server.script.lock().unwrap());
            let (thinks, reply) = script(outgoing);
            async move {
                tokio::time::sleep(thinks).await;
                reply
            }
            .boxed()
        };
        Transport::Custom(Box::new(send))
    }

    fn sent(&self) -> Vec<(Instant, Outgoing)> {
        self.sent.lock().unwrap().clone()
    }

    /// How many points each request had.
    fn sizes(&self) -> Vec<u64> {
        self.sent().iter().map(|(_, outgoing)| outgoing.points).collect()
    }
}

fn status(status: u16) -> Result<Answer, Fault> {
    Ok(Answer { status, ..Answer::default() })
}

fn gone() -> Result<Answer, Fault> {
    Err(Fault { reason: "connect", message: "nobody is there".to_owned(), may_have_arrived: false })
}

/// The numbers of the points of a request.
fn numbers(outgoing: &Outgoing) -> Vec<u64> {
    let body = String::from_utf8(outgoing.body.clone()).unwrap();
    body.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

/// Points with these numbers, which are their times in seconds.
fn points(numbers: std::ops::Range<u64>) -> Intake {
    let point = |n: u64| {
        let mut point = Point::default();
        point.begin("p", i64::try_from(n).unwrap() * 1_000_000_000);
        point.tag("id", &n.to_string());
        point.field("v", Value::Unsigned(n));
        point
    };
    Intake::Points(numbers.map(point).collect())
}

fn config(name: &str) -> TargetConfig {
    TargetConfig {
        compression: Some(Compression::None),
        precision: Precision::Seconds,
        max_points: 10,
        durability: Durability::None,
        ..TargetConfig::new(name, TargetKind::InfluxV2)
    }
}

/// A target at work.
struct Running {
    intake: mpsc::UnboundedSender<Intake>,
    commands: mpsc::Sender<Command>,
    figures: Arc<Mutex<Figures>>,
    task: JoinHandle<Figures>,
}

impl Running {
    fn start(config: TargetConfig, server: &Server, spool: Option<&Path>, drain: Duration) -> Self {
        let target = Target::new(config, &Common::default(), spool, SECOND, server.transport()).unwrap();
        let (intake, mut taken) = mpsc::unbounded_channel();
        let (commands, obeyed) = mpsc::channel(8);
        let figures = target.figures();
        let stream = poll_fn(move |context| taken.poll_recv(context));
        let task = tokio::spawn(target.run(stream, obeyed, drain));
        Self { intake, commands, figures, task }
    }

    fn take(&self, numbers: std::ops::Range<u64>) {
        self.intake.send(points(numbers)).unwrap();
    }

    fn figures(&self) -> Figures {
        let figures = self.figures.lock().unwrap().clone();
        assert_exact(&figures);
        figures
    }

    fn ask(&self) -> oneshot::Receiver<Flushed> {
        let (answer, answered) = oneshot::channel();
        self.commands.try_send(Command::Flush(answer)).unwrap();
        answered
    }

    async fn end(self) -> Figures {
        drop((self.intake, self.commands));
        let figures = self.task.await.unwrap();
        assert_exact(&figures);
        figures
    }
}

/// Collected = delivered + rejected + dropped + queued.
fn assert_exact(figures: &Figures) {
    let account = &figures.account;
    let known = account.delivered() + account.rejected() + account.dropped() + account.queued();
    assert_eq!(account.collected(), known, "{account:?}");
    assert!(figures.disk_points + figures.open_points <= account.queued(), "{figures:?}");
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_closes_for_each_of_its_causes() {
    let folder = tempfile::tempdir().unwrap();
    let (ten, hour) = (Duration::from_secs(10), Duration::from_secs(3600));
    let usual = TargetConfig { max_wait: hour, ..config("usual") };
    let by_time = TargetConfig { max_wait: ten, ..config("time") };
    let by_bytes = TargetConfig { max_bytes: 60, ..usual.clone() };
    let by_tick = TargetConfig { durability: Durability::Always, ..usual.clone() };
    for (config, cause, sizes) in [
        (usual.clone(), Cause::Points, vec![10, 10]),
        (by_bytes, Cause::Bytes, vec![4; 6]),
        (by_time, Cause::Time, vec![10, 10, 5]),
        (by_tick, Cause::Tick, vec![10, 10, 5]),
        (usual, Cause::Flush, vec![10, 10, 5]),
    ] {
        let server = Server::well(Duration::ZERO);
        let running = Running::start(config, &server, Some(folder.path()), SECOND);
        let began = Instant::now();
        running.take(10..35);
        pass(ten - Duration::from_millis(1)).await;
        if cause == Cause::Flush {
            running.ask().await.unwrap();
        }
        pass(Duration::from_millis(2)).await;
        assert_eq!(server.sizes(), sizes, "{cause:?}");
        let causes = running.figures().batches.closed;
        assert!(causes.contains_key(&cause), "{cause:?}: {causes:?}");
        if cause == Cause::Time {
            assert_eq!(server.sent()[2].0 - began, ten);
        }
        let figures = running.end().await;
        assert_eq!(
            (figures.account.delivered(), figures.account.queued()),
            (25, 0),
            "the end closes the batch"
        );
        let sent: Vec<u64> = server.sent().iter().flat_map(|(_, outgoing)| numbers(outgoing)).collect();
        assert_eq!(sent, (10..35).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_answers_with_the_verdict() {
    let refused = || Ok(Answer { status: 400, body: b"bad line".to_vec(), ..Answer::default() });
    for (reply, expected, trouble) in [
        (status(204), (5, 0, 0, 0), ""),
        (gone(), (0, 0, 0, 5), "nobody is there"),
        (status(503), (0, 0, 0, 5), "server_error"),
        (status(401), (0, 0, 0, 5), "unauthorized"),
        (refused(), (0, 5, 0, 0), ""),
    ] {
        let server = Server::new(move |_| (SECOND, reply.clone()));
        let running = Running::start(config("t"), &server, None, Duration::ZERO);
        for _ in 0..3 {
            // The second and third ask again while the target rests after a failure.
            if server.sent().is_empty() {
                running.take(0..5);
            }
            let began = Instant::now();
            let flushed = running.ask().await.unwrap();
            assert!(began.elapsed() < Duration::from_secs(20), "an attempt is made at once");
            if flushed.queued > 0 || began.elapsed() > Duration::ZERO {
                let counted = (flushed.delivered, flushed.rejected, flushed.dropped, flushed.queued);
                assert_eq!(counted, expected, "{flushed:?}");
                assert!(
                    flushed.trouble.contains(trouble) && flushed.trouble.is_empty() == trouble.is_empty()
                );
            } else {
                assert_eq!(flushed, Flushed::default(), "there is nothing to flush");
            }
        }
        running.figures();
        running.end().await;
    }
}

/// A target that is busy without end must not keep somebody waiting for ever: the question was about what there was.
#[tokio::test(start_paused = true)]
async fn a_flush_is_about_what_came_before_it() {
    let server = Server::well(SECOND);
    let running = Running::start(config("t"), &server, None, Duration::ZERO);
    running.take(0..10);
    pass(Duration::from_millis(100)).await;
    let answered = running.ask();
    let began = Instant::now();
    let feed = running.intake.clone();
    let feeder = tokio::spawn(async move {
        for n in 1..1000 {
            let _ = feed.send(points(n * 10..n * 10 + 10));
            pass(Duration::from_millis(100)).await;
        }
    });
    let flushed = answered.await.unwrap();
    assert!(began.elapsed() <= 2 * SECOND, "{:?}", began.elapsed());
    assert!(flushed.delivered >= 10 && flushed.trouble.is_empty(), "{flushed:?}");
    assert_eq!(flushed.queued, 0, "what came in since is nobody's question");
    feeder.abort();
    let _ = feeder.await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_drains_and_what_is_left_is_delivered_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    for durability in [Durability::Interval, Durability::Always] {
        let config = TargetConfig { max_in_flight: 1, durability, ..config(durability.name()) };
        let server = Server::well(SECOND);
        let running = Running::start(config.clone(), &server, Some(folder.path()), SECOND * 5 / 2);
        running.take(0..45);
        let began = Instant::now();
        let figures = running.end().await;
        assert_eq!(began.elapsed(), SECOND * 5 / 2);
        assert_eq!((figures.account.delivered(), figures.account.queued()), (20, 25));
        assert_eq!(figures.disk_points, 25, "the open batch is on disk as well");
        let before = server.sent();

        let server = Server::well(SECOND);
        let running = Running::start(config, &server, Some(folder.path()), SECOND * 60);
        let figures = running.end().await;
        assert_eq!((figures.account.collected(), figures.account.delivered()), (25, 25));
        let after = server.sent();
        let sent: Vec<u64> = after.iter().flat_map(|(_, outgoing)| numbers(outgoing)).collect();
        assert_eq!(sent, (20..45).collect::<Vec<_>>());
        // What was under way at the end comes again as it was: the same number, the same bytes.
        let (cut, again) = (&before[2].1, &after[0].1);
        assert_eq!((cut.seq, &cut.body), (again.seq, &again.body));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_spool_what_is_left_at_the_end_is_counted_as_queued() {
    let server = Server::new(|_| (Duration::ZERO, gone()));
    let running = Running::start(config("t"), &server, None, SECOND * 3);
    running.take(0..25);
    let began = Instant::now();
    let figures = running.end().await;
    assert_eq!((figures.account.queued(), figures.account.delivered()), (25, 0));
    assert_eq!(began.elapsed(), SECOND * 3, "until then it is tried");
}
