//! Streams and lines, whole, damaged and in both dialects.

use super::*;
use proptest::prelude::*;

fn split(chunks: &[&[u8]]) -> (Vec<String>, u64) {
    let mut splitter = Splitter::default();
    let mut objects = Vec::new();
    for chunk in chunks {
        splitter.push(chunk, |object| objects.push(String::from_utf8_lossy(object).into_owned()));
    }
    splitter.finish();
    (objects, splitter.skipped)
}

#[test]
fn objects_are_found_in_any_chunking() {
    let cases: [(&[u8], &[&str], u64); 8] = [
        (b"{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"], 0),
        (b"{\"a\":{}}{\"b\":[{}]}\r\n\n", &["{\"a\":{}}", "{\"b\":[{}]}"], 0),
        (br#"{"a":"}\"{\\"}{"b":1}"#, &[r#"{"a":"}\"{\\"}"#, r#"{"b":1}"#], 0),
        (b"garbage {\"a\":1}\n{\"b\":2}\n", &["{\"b\":2}"], 1),
        (b"{\"a\":1} trailing\n{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"], 1),
        (b"{\"a\":\n{\"b\":2}\n", &["{\"b\":2}"], 1),
        (b"{\"a\":\"x\n{\"b\":2}\n{\"c\":", &["{\"b\":2}"], 2),
        (b"", &[], 0),
    ];
    for (bytes, objects, skipped) in cases {
        let whole = split(&[bytes]);
        assert_eq!(whole, (objects.iter().map(ToString::to_string).collect(), skipped));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(split(&single), whole);
    }
}

#[test]
fn an_over_long_line_is_skipped_and_the_next_one_read() {
    let long = format!("{{\"a\":\"{}\"}}\n{{\"b\":2}}\n", "x".repeat(MAX_LINE));
    assert_eq!(split(&[long.as_bytes()]), (vec!["{\"b\":2}".to_owned()], 1));
    let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LINE - 8));
    assert_eq!(split(&[fits.as_bytes()]), (vec![fits.clone()], 0));
}

fn event(line: &str) -> Event {
    match parse(line.as_bytes()) {
        Line::Event(event) => event,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn both_dialects_and_odd_attributes() {
    let die = event(
        r#"{"Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"exitCode":"137","image":"i","name":"web","container":"label","oldName":"label"}},"timeNano":5}"#,
    );
    assert_eq!(
        die,
        Event {
            kind: Kind::Container,
            action: Action::Die,
            container: Some("c1".into()),
            name: Some("web".into()),
            image: Some("i".into()),
            exit_code: Some(137),
            old_name: None,
            network: None,
            time_nano: Some(5),
        }
    );

    let old = event(r#"{"status":"start","id":"c1","from":"i","time":7}"#);
    assert_eq!((old.action, old.container.as_deref()), (Action::Start, Some("c1")));
    assert_eq!((old.image.as_deref(), old.time_nano), (Some("i"), Some(7_000_000_000)));

    // A label called exitCode is no exit code.
    let start = event(r#"{"Action":"start","Actor":{"ID":"c1","Attributes":{"exitCode":"9"}}}"#);
    assert_eq!(start.exit_code, None);

    let rename = event(r#"{"Action":"rename","Actor":{"ID":"c1","Attributes":{"name":"b","oldName":"/a"}}}"#);
    assert_eq!((rename.name.as_deref(), rename.old_name.as_deref()), (Some("b"), Some("a")));

    let health = event(r#"{"Action":"health_status: unhealthy","id":"c1"}"#);
    assert_eq!(health.action, Action::Health("unhealthy".into()));

    let connect = event(
        r#"{"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"container":"c1","name":"bridge"}}}"#,
    );
    assert_eq!((connect.kind, connect.container.as_deref()), (Kind::Network, Some("c1")));
    assert_eq!((connect.network.as_deref(), connect.name.as_deref()), (Some("n1"), Some("bridge")));

    let gone = event(r#"{"Type":"network","Action":"destroy","Actor":{"ID":"n1"}}"#);
    assert_eq!((gone.action, gone.container), (Action::Destroy, None));

    let other = event(r#"{"Type":"container","Action":"exec_die","Actor":{"ID":"c1"}}"#);
    assert_eq!(other.action, Action::Other("exec_die".into()));
}

#[test]
fn podmans_words() {
    let died = r#"{"Type":"container","Action":"died","Actor":{"ID":"c1","Attributes":{"containerExitCode":"3","image":"i","name":"web","podId":""}},"timeNano":5}"#;
    let die = died.replace(r#""died""#, r#""die""#).replace("containerExitCode", "exitCode");
    assert_eq!(event(died), event(&die));
    assert_eq!(event(died).exit_code, Some(3));

    // It writes the exit code of nothing into every event.
    let remove = event(r#"{"Action":"remove","Actor":{"ID":"c1","Attributes":{"containerExitCode":"0"}}}"#);
    assert_eq!((remove.action, remove.exit_code), (Action::Destroy, None));

    for line in [
        r#"{"Action":"health_status","id":"c1","HealthStatus":"healthy"}"#,
        r#"{"Action":"health_status","Actor":{"ID":"c1","Attributes":{"health_status":"healthy"}}}"#,
        r#"{"Action":"health_status: healthy","Actor":{"ID":"c1","Attributes":{"health_status":"label"}}}"#,
    ] {
        assert_eq!(event(line).action, Action::Health("healthy".into()), "{line}");
    }
    assert_eq!(event(r#"{"Action":"health_status","id":"c1"}"#).action, Action::Health(String::new()));

    let connect = event(
        r#"{"Type":"network","Action":"connect","Actor":{"ID":"c1","Attributes":{"image":"i","name":"web","network":"front"}}}"#,
    );
    assert_eq!((connect.container.as_deref(), connect.network.as_deref()), (Some("c1"), Some("front")));
    assert_eq!(connect.name.as_deref(), Some("front"));
    let disconnect = event(
        r#"{"Type":"network","Action":"disconnect","Actor":{"ID":"c1","Attributes":{"containerExitCode":"0","image":"","name":"web","podId":""}}}"#,
    );
    assert_eq!((disconnect.container.as_deref(), disconnect.network), (Some("c1"), None));
    assert_eq!((disconnect.action, disconnect.name), (Action::Disconnect, None));
}

#[test]
fn both_endpoints_of_podman_tell_the_same() {
    macro_rules! fixture {
        ($path:literal) => {
            include_str!(concat!("../../../../fixtures/engine/podman-", $path))
        };
    }
    fn events(lines: &str) -> Vec<Event> {
        let event = |line: &str| match parse(line.as_bytes()) {
            Line::Event(event) => Some(event),
            Line::Foreign => None,
            Line::Garbage => panic!("{line}"),
        };
        lines.lines().filter_map(event).collect()
    }
    for (compat, libpod, exits) in [
        (fixture!("4.3/events.jsonl"), fixture!("4.3/libpod-events.jsonl"), 1),
        (fixture!("6.0/events.jsonl"), fixture!("6.0/libpod-events.jsonl"), 1),
    ] {
        let events = [events(compat), events(libpod)];
        assert_eq!(events[0], events[1]);
        let died = events[0].iter().filter(|event| event.action == Action::Die);
        let codes: Vec<_> = died.map(|event| event.exit_code).collect();
        assert_eq!(codes, vec![Some(3); exits]);
    }
}

#[test]
fn a_stream_resumes_a_little_before_the_last_event() {
    let filters = r"%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%2C%22event%22%3A%5B%22create";
    assert!(path(None).starts_with(&format!("/events?filters={filters}")));
    for (since, expected) in [
        (1_795_264_327_055_060_020, "&since=1795264327.054060020"),
        (5_000_000_000, "&since=4.999000000"),
        (7, "&since=0.000000000"),
    ] {
        assert_eq!(path(Some(since)), format!("{}{expected}", path(None)));
    }
}

#[test]
fn what_is_no_event() {
    for line in
        ["{}", "[]", "5", "{\"Action\":5}", r#"{"Action":"start"}"#, r#"{"Actor":{"ID":"c1"}}"#, "{\"a\":"]
    {
        assert_eq!(parse(line.as_bytes()), Line::Garbage, "{line}");
    }
    assert_eq!(parse(br#"{"Type":"image","Action":"pull","Actor":{"ID":"i"}}"#), Line::Foreign);
}

proptest! {
    #[test]
    fn any_bytes_in_any_chunking(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..20) {
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(split(&chunks), split(&[&bytes]));
        parse(&bytes);
    }

    #[test]
    fn any_json_like_bytes(text in r#"[{}\[\]":,a\\ \n0-9]{0,80}"#) {
        let (objects, _) = split(&[text.as_bytes()]);
        for object in objects {
            parse(object.as_bytes());
        }
    }
}
