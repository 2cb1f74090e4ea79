//! Reading and delivering side by side, until there is nothing more.

use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_util::{Stream, stream};
use plimsoll_deliver::{Figures, Intake};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::feed::{Counts, Feed};
use super::listen::{self, Listener};
use super::read::Reader;
use super::{Options, Source};
use crate::delivery::progress::Progress;
use crate::delivery::{choose, work};
use crate::failure::Failure;
use crate::pipeline;
use crate::settings::Settings;
use crate::settings::target::TargetTable;
use crate::signals;

/// Pieces of a source that wait for a target.
const PIECES: usize = 4;

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// What to do where a running agent has the spool.
const INSTEAD: &str = "give this command another folder with --spool, or end the agent first";

/// Reads points, and delivers them.
pub(crate) fn run(settings: &Settings, options: &Options) -> anyhow::Result<ExitCode> {
    let chosen = choose::chosen(settings, &options.targets)?;
    let runtime = pipeline::runtime()?;
    let outcome = runtime.block_on(import(settings, options, &chosen));
    runtime.shutdown_background();
    outcome
}

/// From where points come, ready to be read.
enum Opened {
    Bytes(Box<dyn Read + Send>, String, Option<u64>),
    Listener(Listener),
}

fn open(source: &Source) -> Result<Opened, Failure> {
    match source {
        Source::Stdin => Ok(Opened::Bytes(Box::new(io::stdin()), "standard input".to_owned(), None)),
        Source::File(path) => {
            let cannot = |error| Failure::world(format!("cannot read {}", path.display())).because(error);
            let file = File::open(path).map_err(cannot)?;
            let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|facts| facts.len());
            Ok(Opened::Bytes(Box::new(file), path.display().to_string(), size))
        }
        Source::Tcp(address) => Listener::tcp(*address).map(Opened::Listener),
        #[cfg(unix)]
        Source::Unix(path) => Listener::unix(path).map(Opened::Listener),
        #[cfg(not(unix))]
        Source::Unix(_) => Err(Failure::caller("this system has no such sockets").remedy("listen at tcp:")),
    }
}

async fn import(settings: &Settings, options: &Options, chosen: &[&TargetTable]) -> anyhow::Result<ExitCode> {
    let source = open(&options.source)?;
    let mut opened = Vec::new();
    for table in chosen {
        let mut table = (*table).clone();
        // What is read from a file may be as old as it likes.
        table.config.max_age = Duration::ZERO;
        opened.push((work::open(&table, settings, INSTEAD)?, table));
    }
    let (stop, stopped) = watch::channel(false);
    let (mut senders, mut works) = (Vec::new(), Vec::new());
    for (target, table) in opened {
        let (sender, receiver) = mpsc::channel(PIECES);
        // Connections end what they have begun, and a file that is interrupted is not read on.
        let ends_early = matches!(source, Opened::Bytes(..)).then(|| stopped.clone());
        works.push(work::begin(target, &table, settings, intake(receiver, ends_early))?);
        senders.push(sender);
    }
    let feed = Feed::new(senders);
    let counts = Arc::clone(&feed.counts);
    let figures: Vec<_> = works.iter().map(work::Work::figures).collect();
    let is_whole = read(source, options, feed, figures, &stop).await?;
    let outcomes = work::finish(works).await;
    work::tell(&counts.told(), &outcomes)?;
    let is_complete = is_whole && counts.is_well() && outcomes.iter().all(work::Outcome::is_complete);
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads until the end, or until a signal. Gives whether all was read that there was.
async fn read(
    source: Opened,
    options: &Options,
    feed: Feed,
    figures: Vec<Arc<Mutex<Figures>>>,
    stop: &watch::Sender<bool>,
) -> anyhow::Result<bool> {
    let ended = std::pin::pin!(signals::ended());
    let counts = Arc::clone(&feed.counts);
    let (format, precision) = (options.format, options.precision);
    match source {
        Opened::Bytes(bytes, place, size) => {
            let _progress = Progress::show({
                let counts = Arc::clone(&counts);
                move || format!("{}; {}", so_far(&counts, size), work::progress(&figures))
            });
            let (done, is_done) = oneshot::channel();
            let reader = Reader::new(format, precision, place.clone(), counts);
            let handle = Handle::current();
            thread::Builder::new().name("reader".to_owned()).spawn(move || {
                read_all(bytes, &place, reader, &feed, &handle);
                drop(feed);
                // Nobody waits any more where a signal came.
                let _ = done.send(());
            })?;
            tokio::select! {
                _ = is_done => Ok(true),
                () = ended => {
                    stop.send_replace(true);
                    Ok(false)
                }
            }
        }
        Opened::Listener(listener) => {
            crate::output::warn(&format!("listening at {}", listener.place()));
            let _progress = Progress::show({
                let counts = Arc::clone(&counts);
                move || format!("{}; {}", so_far(&counts, None), work::progress(&figures))
            });
            let stopped = stop.subscribe();
            let serving = tokio::spawn(listen::serve(listener, format, precision, feed, stopped));
            ended.await;
            stop.send_replace(true);
            Ok(serving.await.is_ok())
        }
    }
}

fn so_far(counts: &Counts, size: Option<u64>) -> String {
    let part = size.filter(|size| *size > 0).map(|size| counts.bytes().min(size) * 100 / size);
    let part = part.map_or(String::new(), |percent| format!("{percent}%, "));
    format!("{part}points read {}", counts.points())
}

/// Reads in a thread of its own, since a pipe may be silent for ever.
fn read_all(mut bytes: Box<dyn Read + Send>, place: &str, mut reader: Reader, feed: &Feed, handle: &Handle) {
    let mut piece = vec![0; PIECE];
    loop {
        let pushed = match bytes.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => reader.push(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error.to_string()),
        };
        if let Err(what) = pushed {
            feed.counts.broken(place, &what);
            return;
        }
        if handle.block_on(listen::hand_over(&mut reader, feed)).is_err() {
            return;
        }
    }
    reader.end();
    // Who does not take any more was told to end.
    let _ = handle.block_on(listen::hand_over(&mut reader, feed));
}

/// What comes for a target. Once `stopped`, what was handed over is still taken, and nothing else.
fn intake(
    receiver: mpsc::Receiver<Intake>,
    stopped: Option<watch::Receiver<bool>>,
) -> impl Stream<Item = Intake> + Send + 'static {
    stream::unfold((receiver, stopped), |(mut receiver, mut stopped)| async move {
        if let Some(signal) = &mut stopped {
            let taken = tokio::select! {
                biased;
                () = listen::told(signal) => Err(()),
                taken = receiver.recv() => Ok(taken),
            };
            match taken {
                Ok(taken) => return taken.map(|taken| (taken, (receiver, stopped))),
                Err(()) => receiver.close(),
            }
            stopped = None;
        }
        receiver.recv().await.map(|taken| (taken, (receiver, stopped)))
    })
}
