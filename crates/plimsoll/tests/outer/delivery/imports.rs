//! `import`: points of others.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use plimsoll_testkit::sink::{Answer, Sink};
use plimsoll_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};

use super::{Place, Taken, influx};
use crate::agent::SOON;
use crate::process::{Done, Lines, Running, command};

/// Runs a command that is told something.
fn with_input(mut command: Command, input: &str) -> Done {
    command.stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writing = std::thread::spawn(move || {
        // Who has ended does not read on.
        let _ = pipe.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn both_formats_from_a_pipe() {
    let sink = Sink::start();
    let place = Place::new(&[influx("one", &sink.url(), "precision = 's'")]);
    let lines = "cpu,host=a usage=1 5\ncpu,host=b usage=2 6\nno line\ncpu,host=c usage=3 7\nm f= 1\n";
    let done = with_input(command(&place.with_flags(&["import", "--precision", "s", "-"])), lines);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.out.starts_with("points read 3, lines that are none 2\none (influxdb-v2, "), "{done:?}");
    assert!(done.out.ends_with("collected 3, delivered 3, rejected 0, dropped 0, waiting 0\n"), "{done:?}");
    assert!(
        done.err.contains("standard input, line 3: at byte ") && done.err.contains("line 5: "),
        "{done:?}"
    );
    let sent = sink.requests()[0].text().to_owned();
    assert!(sent.starts_with("cpu,host=a usage=1 5\ncpu,host=b usage=2 6\n"), "{sent}");

    sink.forget();
    let text = "# TYPE jobs gauge\njobs{queue=\"a b\"} 3 5000\njobs{queue=\"c\"} 4 6000\nno number\n";
    let done = with_input(command(&place.with_flags(&["import", "--format", "prometheus"])), text);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.out.starts_with("points read 2, lines that are none 1\n"), "{done:?}");
    let sent = sink.requests()[0].text().to_owned();
    assert!(sent.contains("queue=a\\ b") && sent.contains("=3") && sent.contains(" 6\n"), "{sent}");

    std::fs::write(place.file("good.lp"), "m f=1 1\nm f=2 2\n").unwrap();
    let file = place.file("good.lp");
    let told = place.run(&["import", "--target", "one", file.to_str().unwrap()]).ok();
    assert!(told.starts_with("points read 2, lines that are none 0\n"), "{told}");
    let told = place.run(&["import", "/nowhere/file"]).failed(1);
    assert!(told.contains("cannot read /nowhere/file"), "{told}");
}

#[test]
fn a_slow_target_makes_the_reader_wait_and_loses_nothing() {
    const POINTS: u64 = 30_000;
    let sink = Sink::start();
    let taken = Taken::default();
    let notes = taken.clone();
    sink.answer(move |request| {
        if request.number % 5 == 1 {
            return Answer::new(503);
        }
        notes.note(request);
        Answer::new(204)
    });
    let small = "durability = 'none'\nmax_points = 500\nqueue_points = 2000\nqueue_bytes = '64KiB'\nmax_bytes = '32KiB'";
    let place = Place::new(&[influx("one", &sink.url(), small)]);
    let mut lines = String::new();
    for point in 1..=POINTS {
        writeln!(lines, "m,host=h{} value={point} {point}000000000", point % 7).unwrap();
    }
    let done = with_input(command(&place.with_flags(&["import"])), &lines);
    assert_eq!((done.code, &*done.err), (Some(0), ""), "{done:?}");
    assert!(
        done.out.contains(&format!("collected {POINTS}, delivered {POINTS}, rejected 0, dropped 0")),
        "{done:?}"
    );
    assert_eq!((taken.lines(), taken.repeated()), (POINTS, Vec::new()));
}

#[test]
fn what_a_dead_target_does_not_take_is_kept() {
    let mut sink = Sink::start();
    sink.stop();
    let place = Place::new(&[influx("one", &sink.url(), "")]);
    let done =
        with_input(command(&place.with_flags(&["import", "--drain-timeout", "0s"])), "m f=1 1\nm f=2 2\n");
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.out.contains("waiting 2 (kept in the spool)\n  trouble: connect"), "{done:?}");
    sink.restart();
    let told = place.run(&["spool", "replay"]).ok();
    assert!(told.contains("delivered 2,"), "{told}");
}

#[test]
fn sockets_take_points_until_a_signal() {
    let sink = Sink::start();
    let taken = Taken::by(&sink);
    let place = Place::new(&[influx("one", &sink.url(), "max_wait = '100ms'")]);
    let socket = place.file("points.sock");
    // What a process left that was killed is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    for listen in [format!("unix:{}", socket.display()), "tcp:127.0.0.1:0".to_owned()] {
        let before = taken.lines();
        let mut import =
            Running(command(&place.with_flags(&["import", "--listen", &listen])).spawn().unwrap());
        let (out, err) = (import.0.stdout.take().unwrap(), import.0.stderr.take().unwrap());
        let (out, err) = (Lines::of(out), Lines::of(err));
        let mut address = String::new();
        wait_until(SOON, "it listens", || {
            let told = err.with("listening at ").pop();
            address = told.map_or(String::new(), |line| line.split_once(" at ").unwrap().1.to_owned());
            !address.is_empty()
        });
        let connect = || -> Box<dyn std::io::Write> {
            match address.strip_prefix("tcp:") {
                Some(address) => Box::new(TcpStream::connect(address).unwrap()),
                None => Box::new(UnixStream::connect(&socket).unwrap()),
            }
        };
        let kind = &listen[..4];
        let mut first = connect();
        write!(first, "{kind}a f=1\n{kind}b f=").unwrap();
        let mut second = connect();
        write!(second, "{kind}c f=1 1000000000\nno\n").unwrap();
        drop(second);
        wait_until(SOON, "points of both", || taken.lines() == before + 2);
        // A line in pieces, and one without an end when the end comes.
        write!(first, "2\n{kind}d f=4").unwrap();
        wait_until(SOON, "the third", || taken.lines() == before + 3);
        kill_process(Pid::from_child(&import.0), Signal::INT).unwrap();
        assert_eq!(import.wait(Duration::from_secs(10)).code(), Some(1), "one line was none: {}", err.all());
        assert_eq!(taken.lines(), before + 4, "what was begun is finished");
        wait_until(SOON, "a summary", || out.with("lines that are none 1").len() == 1);
        assert!(out.with("points read 4")[0].starts_with("points read 4"), "{}", out.all());
        assert_eq!(err.with("line 2: ").len(), 1, "{}", err.all());
        assert!(!socket.exists());
    }
    let told = place.run(&["import", "--listen", "tcp:0.0.0.0:0"]).failed(2);
    assert!(told.contains("other machines can reach") && told.contains("--allow-remote"), "{told}");
}
