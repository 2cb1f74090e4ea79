//! Captured replies, and what a hostile or broken engine could make of them.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

macro_rules! fixture {
    ($path:literal) => {
        include_str!(concat!("../../../../fixtures/engine/docker-api-", $path))
    };
}

fn read<T: for<'de> Deserialize<'de>>(json: &str) -> T {
    serde_json::from_str::<Object<T>>(json).unwrap().0.unwrap()
}

fn inspect(json: &str) -> Details {
    details(read(json)).unwrap()
}

#[test]
fn versions() {
    let old = Version::from(read::<VersionWire>(fixture!("1.41/version.json")));
    assert_eq!(old.version.as_deref(), Some("20.10.24+dfsg1"));
    assert_eq!((old.api_version.as_str(), old.min_api_version.as_deref()), ("1.41", Some("1.12")));
    assert_eq!((old.os.as_deref(), old.arch.as_deref()), (Some("linux"), Some("amd64")));
    assert_eq!(old.kernel.as_deref(), Some("6.18.0"));
    let new = Version::from(read::<VersionWire>(fixture!("1.56/version.json")));
    assert_eq!((new.api_version.as_str(), new.min_api_version.as_deref()), ("1.56", Some("1.40")));
    assert_eq!((old.flavour, new.flavour), (Flavour::Docker, Flavour::Docker));
    for (json, version, api) in [
        (include_str!("../../../../fixtures/engine/podman-4.3/version.json"), "4.3.1", "1.41"),
        (include_str!("../../../../fixtures/engine/podman-6.0/version.json"), "6.0.0-dev", "1.44"),
    ] {
        let podman = Version::from(read::<VersionWire>(json));
        assert_eq!((podman.version.as_deref(), podman.api_version.as_str()), (Some(version), api));
        assert_eq!(podman.flavour, Flavour::Podman);
    }
}

#[test]
fn infos() {
    let old = Info::from(read::<InfoWire>(fixture!("1.41/info.json")));
    let expected = Info {
        id: Some("AAAA:BBBB:CCCC:DDDD:EEEE:FFFF:GGGG:HHHH:IIII:JJJJ:KKKK:LLLL".into()),
        name: Some("host-1".into()),
        driver: Some("overlay2".into()),
        cgroup_driver: Some("cgroupfs".into()),
        cgroup_version: Some("1".into()),
        rootless: false,
        ncpu: Some(2),
        mem_total: Some(25_276_514_304),
        server_version: Some("20.10.24+dfsg1".into()),
        docker_root_dir: Some("/var/lib/docker".into()),
    };
    assert_eq!(old, expected);
    let new = Info::from(read::<InfoWire>(fixture!("1.56/info-v2.json")));
    assert_eq!((new.cgroup_version.as_deref(), new.ncpu), (Some("2"), Some(1)));
    let new = Info::from(read::<InfoWire>(fixture!("1.56/info.json")));
    assert_eq!(new.driver.as_deref(), Some("overlayfs"));

    let rootless = |options: Value| {
        Info::from(read::<InfoWire>(&json!({ "SecurityOptions": options }).to_string())).rootless
    };
    assert!(rootless(json!(["name=seccomp,profile=builtin", "name=rootless"])));
    assert!(!rootless(json!(["name=rootless-not"])));
    assert!(!rootless(json!("name=rootless")));
    let podman = Info::from(read::<InfoWire>(r#"{"SecurityOptions":["name=seccomp"],"Rootless":true}"#));
    assert!(podman.rootless);
    assert_eq!(Info::from(read::<InfoWire>(r#"{"NCPU":0,"MemTotal":0}"#)), Info::default());
}

#[test]
fn listings() {
    let old = listing(fixture!("1.41/list.json").as_bytes()).unwrap();
    let shown: Vec<_> = old.containers.iter().map(|c| (c.name.as_str(), c.state.as_str())).collect();
    let expected = [
        ("oom-1", "exited"),
        ("crash-1", "restarting"),
        ("nocmd-1", "created"),
        ("created-1", "created"),
        ("failed-2", "exited"),
        ("linked-1", "running"),
        ("paused-1", "paused"),
        // Its first name is the legacy link `/linked-1/db`.
        ("web-1", "running"),
    ];
    assert_eq!((shown.as_slice(), old.broken), (&expected[..], 0));
    let web = &old.containers[7];
    assert_eq!((web.id.len(), web.image.as_str(), web.truncated), (64, "busybox:local", 0));
    assert!(web.image_id.starts_with("sha256:"));
    assert_eq!(web.labels["com.docker.compose.service"], "web");
    assert_eq!(web.network_mode.as_deref(), Some("default"));
    assert_eq!(web.health, None, "listings tell it from API 1.52 on");
    assert_eq!(web.created.unwrap() % 1_000_000_000, 0);

    let new = listing(fixture!("1.56/list.json").as_bytes()).unwrap();
    assert_eq!((new.containers.len(), new.broken), (4, 0));
    let health = |name: &str| {
        let container = new.containers.iter().find(|container| container.name == name).unwrap();
        container.health.clone().map(|health| (health.status, health.failing_streak))
    };
    assert_eq!(health("web-1"), Some(("healthy".into(), Some(0))));
    assert_eq!(health("created-1"), Some(("none".into(), Some(0))));
}

#[test]
fn details_of_the_newest_engine() {
    let running = inspect(fixture!("1.56/inspect-running.json"));
    assert_eq!((running.name.as_str(), running.status.as_str()), ("web-1", "running"));
    assert_eq!(running.image, "busybox:local");
    assert!(running.image_id.starts_with("sha256:") && running.pid.is_some());
    assert!(running.started_at > running.created && running.created.is_some());
    assert_eq!((running.exit_code, running.finished_at, running.oom_killed), (None, None, Some(false)));
    assert_eq!(running.health.unwrap().status, "healthy");
    assert_eq!((running.restart_count, running.truncated), (Some(0), 0));
    assert_eq!(running.restart_policy.as_deref(), Some("on-failure"));
    assert_eq!(running.cgroup_parent, None);
    assert_eq!(running.labels["com.docker.compose.project"], "shop");
    let networks: Vec<_> =
        running.networks.iter().map(|n| (n.name.as_str(), n.ip_address.as_deref())).collect();
    assert_eq!(networks, [("none", None)]);
    assert_eq!(running.networks[0].prefix_len, None, "a length without an address says nothing");

    let v2 = inspect(fixture!("1.56/inspect-v2.json"));
    assert_eq!(
        (v2.pid, v2.runtime.as_deref(), v2.hostname.as_deref()),
        (Some(815), Some("new"), Some("c821b566526e"))
    );
    assert_eq!(v2.started_at, Some(1_795_226_925_844_884_425));

    let exited = inspect(fixture!("1.56/inspect-exited.json"));
    assert_eq!((exited.status.as_str(), exited.exit_code, exited.pid), ("exited", Some(3), None));
    assert!(exited.finished_at.is_some());
    let created = inspect(fixture!("1.56/inspect-created.json"));
    assert_eq!((created.exit_code, created.started_at, created.finished_at), (None, None, None));
    let paused = inspect(fixture!("1.56/inspect-paused.json"));
    assert_eq!((paused.status.as_str(), paused.exit_code), ("paused", None));
    assert!(paused.pid.is_some());
}

#[test]
fn exposed_ports_are_those_of_tcp() {
    let ports = |exposed: &str| {
        let json =
            format!("{{\"Id\": \"a\", \"Config\": {{\"ExposedPorts\": {exposed}, \"Image\": \"i\"}}}}");
        let details = inspect(&json);
        assert_eq!(details.image, "i", "{exposed}");
        details.exposed_ports
    };
    for (exposed, expected) in [
        (r#"{"9100/tcp": {}, "80/tcp": {}, "53/udp": {}}"#, &[80, 9100][..]),
        (r#"{"8080": {}, "8080/tcp": {}}"#, &[8080]),
        (r#"{"0/tcp": {}, "65536/tcp": {}, "x/tcp": {}, "": {}}"#, &[]),
        ("null", &[]),
        ("[80]", &[]),
        ("\"80\"", &[]),
        ("{}", &[]),
    ] {
        assert_eq!(ports(exposed), expected, "{exposed}");
    }
}

#[test]
fn details_of_an_old_engine() {
    let running = inspect(fixture!("1.41/inspect-running.json"));
    assert_eq!(
        (running.health.unwrap().status.as_str(), running.restart_policy.as_deref()),
        ("healthy", Some("on-failure"))
    );
    let bridge = &running.networks[0];
    assert_eq!((bridge.name.as_str(), bridge.prefix_len), ("bridge", Some(16)));
    assert!(bridge.ip_address.is_some() && bridge.mac.is_some() && bridge.ipv6_address.is_none());
    assert_eq!(bridge.ipv6_prefix_len, None);

    for (json, status, exit_code) in [
        (fixture!("1.41/inspect-exited.json"), "exited", Some(3)),
        (fixture!("1.41/inspect-oom.json"), "exited", Some(137)),
        (fixture!("1.41/inspect-restarting.json"), "restarting", Some(7)),
        (fixture!("1.41/inspect-created.json"), "created", None),
        // The engine writes 127 for a command that it did not find; nothing ever ran.
        (fixture!("1.41/inspect-never-started.json"), "created", None),
        (fixture!("1.41/inspect-paused.json"), "paused", None),
    ] {
        let details = inspect(json);
        assert_eq!((details.status.as_str(), details.exit_code), (status, exit_code));
        assert_eq!(details.pid.is_some(), status == "paused", "{status}");
    }
    assert!(inspect(fixture!("1.41/inspect-restarting.json")).restart_count.unwrap() > 0);
}

#[test]
fn images() {
    let old = image(read(fixture!("1.41/image-inspect.json"))).unwrap();
    assert_eq!((old.tags.as_slice(), old.digests.len()), (&["busybox:local".to_owned()][..], 0));
    assert!(old.id.starts_with("sha256:") && old.created.is_some());
    let new = image(read(fixture!("1.56/image-inspect.json"))).unwrap();
    assert_eq!((new.tags.len(), new.digests.len(), new.created), (1, 1, Some(1_795_223_493_580_474_831)));
    assert_eq!(image(read("{}")), None);
}

#[test]
fn one_broken_element_never_takes_its_neighbours() {
    let good = |id: &str| format!(r#"{{"Id":"{id}","Names":["/{id}"]}}"#);
    for broken in [
        "null",
        "5",
        "[]",
        "{}",
        r#""text""#,
        r#"{"Id":null}"#,
        r#"{"Id":7}"#,
        r#"{"Id":""}"#,
        r#"{"Id":"../../etc"}"#,
        r#"{"Id":".."}"#,
        r#"{"Id":"a b"}"#,
        r#"{"Id":{"a":["}"]}}"#,
        // These stop the parser, each in its own way.
        r#"{"Id":"x","Id":"y"}"#,
        r#"{"Id":"x","Created":1e999}"#,
        r#"{"Id":"x","Image":"\ud800"}"#,
        r#"{"Id":"x","Image":"\q"}"#,
        "nonsense",
        "",
    ] {
        let body = format!("[{},{broken},{}]", good("a"), good("b"));
        let listing = listing(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
        let ids: Vec<_> = listing.containers.iter().map(|container| container.id.as_str()).collect();
        assert_eq!((ids.as_slice(), listing.broken), (&["a", "b"][..], 1), "{body}");
    }
    // A deep value in a field that nobody reads, or that expects something else, is no harm at all.
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let body = format!(r#"[{{"Id":"a","Labels":{deep},"Mounts":{deep}}}]"#);
    assert_eq!(listing(body.as_bytes()).unwrap().containers.len(), 1);
    // Bytes that are no UTF-8 cost a character.
    let listing = listing(b"[{\"Id\":\"a\",\"Names\":[\"/w\xffb\"]}]").unwrap();
    assert_eq!(listing.containers[0].name, "w\u{fffd}b");
}

#[test]
fn half_a_listing_is_no_listing() {
    let whole = fixture!("1.41/list.json").trim_end();
    for length in 0..whole.len() {
        assert_eq!(listing(&whole.as_bytes()[..length]), None, "{length}");
    }
    for body in ["{}", "null", "5", r#""x""#, "[]x", "<html>[]</html>"] {
        assert_eq!(listing(body.as_bytes()), None, "{body}");
    }
    assert_eq!(listing(b"[]"), Some(Listing::default()));
    assert_eq!(listing(b" [ \n ] "), Some(Listing::default()));
}

#[test]
fn bounds_are_kept_and_counted() {
    use crate::{MAX_INNER, MAX_LABELS, MAX_TEXT};
    let long = "x".repeat(MAX_TEXT + 1);
    let many: serde_json::Map<String, Value> =
        (0..MAX_LABELS + 5).map(|n| (format!("k{n}"), Value::from("v"))).collect();
    let body = json!([
        {"Id": "a", "Names": [format!("/{long}")], "Image": long, "Labels": {long.clone(): long.clone(), "b": "c"}},
        {"Id": "b", "Labels": many},
        {"Id": long},
    ]);
    let listing = listing(body.to_string().as_bytes()).unwrap();
    let [a, b] = listing.containers.as_slice() else { panic!("{listing:?}") };
    assert_eq!((a.truncated, a.image.len(), a.labels.len()), (4, MAX_TEXT, 2));
    assert_eq!((b.truncated, b.labels.len()), (5, MAX_LABELS));
    assert_eq!(listing.broken, 1, "half an id is the id of nothing");

    let networks: serde_json::Map<String, Value> =
        (0..MAX_INNER + 2).map(|n| (format!("n{n}"), json!({}))).collect();
    let body = json!({"Id": "a", "NetworkSettings": {"Networks": networks}, "Config": {"Hostname": long}});
    let details = inspect(&body.to_string());
    assert_eq!((details.networks.len(), details.truncated), (MAX_INNER, 3));
}

/// Every place in a value, as a list of steps.
fn places(value: &Value, at: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    all.push(at.clone());
    let children: Vec<(String, &Value)> = match value {
        Value::Array(items) => items.iter().enumerate().map(|(n, item)| (n.to_string(), item)).collect(),
        Value::Object(map) => map.iter().map(|(key, item)| (key.clone(), item)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        at.push(key);
        places(child, at, all);
        at.pop();
    }
}

#[test]
fn any_field_of_any_type_leaves_the_others_alone() {
    let flips = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!("x"),
        json!([[1]]),
        json!({"a": {}}),
        json!(""),
    ];
    for text in [fixture!("1.56/inspect-running.json"), fixture!("1.41/inspect-running.json")] {
        let original: Value = serde_json::from_str(text).unwrap();
        let expected = inspect(text);
        let mut all = Vec::new();
        places(&original, &mut Vec::new(), &mut all);
        for place in all.iter().filter(|place| !place.is_empty() && place[0] != "Id") {
            for flip in &flips {
                let mut changed = original.clone();
                let pointer: String = place
                    .iter()
                    .map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")))
                    .collect();
                *changed.pointer_mut(&pointer).unwrap() = flip.clone();
                let details = inspect(&changed.to_string());
                assert_eq!(details.id, expected.id);
                if place[0] != "State" {
                    assert_eq!(
                        (details.pid, details.started_at),
                        (expected.pid, expected.started_at),
                        "{place:?}"
                    );
                }
                if place[0] != "Config" {
                    assert_eq!(details.labels, expected.labels, "{place:?} {flip}");
                }
            }
        }
    }
}

/// Parses bytes as everything that the client reads.
fn parse_all(bytes: &[u8]) {
    listing(bytes);
    let details = serde_json::from_slice::<Object<DetailsWire>>(bytes).ok().and_then(|object| object.0);
    drop(details.map(super::details));
    let image = serde_json::from_slice::<Object<ImageWire>>(bytes).ok().and_then(|object| object.0);
    drop(image.map(super::image));
    drop(serde_json::from_slice::<Object<VersionWire>>(bytes).map(|object| object.0.map(Version::from)));
    drop(serde_json::from_slice::<Object<InfoWire>>(bytes).map(|object| object.0.map(Info::from)));
    crate::error::excerpt(bytes);
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse_all(&bytes);
    }

    #[test]
    fn damaged_replies(
        which in 0_usize..4,
        cut in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let replies = [
            fixture!("1.41/list.json"),
            fixture!("1.56/inspect-running.json"),
            fixture!("1.56/image-inspect.json"),
            fixture!("1.41/info.json"),
        ];
        let mut bytes = replies[which].as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        parse_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        parse_all(&bytes);
    }
}

#[test]
fn what_containers_take_on_disk() {
    for (json, rw, rootfs) in [
        (r#"{"SizeRw": 10489856, "SizeRootFs": 12525568}"#, Some(10_489_856), Some(12_525_568)),
        (r#"{"SizeRw": 0, "SizeRootFs": 2035712}"#, Some(0), Some(2_035_712)),
        // Podman, not asked to count.
        (r#"{"SizeRootFs": 0}"#, None, None),
        (r#"{"SizeRw": -1, "SizeRootFs": "x"}"#, None, None),
        (r#"{"SizeRw": null}"#, None, None),
    ] {
        assert_eq!(Sizes::from(read::<SizesWire>(json)), Sizes { rw, rootfs }, "{json}");
    }
}

#[test]
fn what_engines_keep() {
    let kept = |json| {
        let Kept { images, images_bytes, build_cache_bytes } = Kept::from(read::<KeptWire>(json));
        (images, images_bytes, build_cache_bytes)
    };
    assert_eq!(kept(fixture!("1.56/system-df.json")), (Some(1), Some(3_076_559), Some(0)));
    for (json, expected) in [
        (
            r#"{"LayersSize": 7, "Images": [{"Size": 5}, {"Size": 6}],
                "BuildCache": [{"Size": 3}, {"Size": 4, "Shared": true}, {}]}"#,
            (Some(2), Some(7), Some(3)),
        ),
        (
            r#"{"LayersSize": 0, "Images": [{"Size": 5, "SharedSize": 2}, {"Size": 6, "SharedSize": 2}]}"#,
            (Some(2), Some(9), None),
        ),
        (
            r#"{"ImageUsage": {"TotalCount": 2, "TotalSize": 8}, "BuildCacheUsage": {"TotalSize": 9}}"#,
            (Some(2), Some(8), Some(9)),
        ),
        (r#"{"Images": null, "BuildCache": null, "BuilderSize": 6}"#, (None, None, Some(6))),
        (r#"{"Images": null, "LayersSize": "many", "BuildCache": 4}"#, (None, None, None)),
        ("{}", (None, None, None)),
    ] {
        assert_eq!(kept(json), expected, "{json}");
    }
    for (json, count) in [(r#"{"Volumes": [{"Name": "a"}, 7]}"#, Some(2)), (r#"{"Volumes": null}"#, None)] {
        assert_eq!(read::<VolumesWire>(json).count(), count, "{json}");
    }
}

#[test]
fn where_a_container_is_on_disk() {
    let json = r#"{"Id": "a", "LogPath": "/d/a-json.log", "GraphDriver": {"Name": "overlay2", "Data": {
        "LowerDir": "/l", "UpperDir": "/d/overlay2/x/diff"}}, "Mounts": [
        {"Type": "volume", "Name": "data", "Source": "/d/volumes/data/_data", "Destination": "/data", "RW": true},
        {"Type": "bind", "Source": "/etc", "Destination": "/host", "RW": false}]}"#;
    let found = inspect(json);
    assert_eq!(found.upper_dir.as_deref(), Some("/d/overlay2/x/diff"));
    assert_eq!(found.log_path.as_deref(), Some("/d/a-json.log"));
    let mounts: Vec<_> = found.mounts.iter().map(|mount| (&*mount.source, &*mount.destination)).collect();
    assert_eq!(mounts, [("/d/volumes/data/_data", "/data"), ("/etc", "/host")]);
    assert_eq!(found.volumes, ["data"]);
    let long = format!("/{}", "x".repeat(crate::MAX_TEXT));
    for (log, upper) in [
        ("\"\"", "null"),
        ("7", "\"relative\""),
        ("null", "{}"),
        (&*format!("{long:?}"), &*format!("{long:?}")),
    ] {
        let json =
            format!(r#"{{"Id": "a", "LogPath": {log}, "GraphDriver": {{"Data": {{"UpperDir": {upper}}}}}}}"#);
        let found = inspect(&json);
        assert_eq!((found.log_path, found.upper_dir), (None, None), "{json}");
    }
    let newest = inspect(fixture!("1.56/inspect-running.json"));
    assert_eq!(newest.upper_dir, None, "it leaves layers to containerd");
    assert!(newest.log_path.is_some_and(|path| path.ends_with("-json.log")));
}
