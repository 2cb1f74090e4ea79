//! Which containers are meant, and what is said where none is.

use super::world::{DAY_ZERO, World, every_second};
use crate::{Error, Range, Selector};

const A: &str = "aaaa1111000000000000000000000000000000000000000000000000000000aa";
const B: &str = "aaaa2222000000000000000000000000000000000000000000000000000000bb";
const C: &str = "cccc3333000000000000000000000000000000000000000000000000000000cc";

const EVER: Range = Range { from: DAY_ZERO, until: DAY_ZERO + 86_400_000 };

/// A web server, a database of a Compose project, and one whose name looks like an id.
fn world() -> World {
    let mut world = World::new();
    let compose = [
        ("com.docker.compose.project", "shop"),
        ("com.docker.compose.service", "db"),
        ("tier", "back"),
        ("empty", ""),
    ];
    for (id, name, image, labels) in [
        (A, "web", "nginx:1.27", &[("tier", "front")][..]),
        (B, "shop-db-1", "postgres:17", &compose),
        (C, "aaaa", "busybox", &[]),
    ] {
        let number = world.container_with(id, name, image, labels, DAY_ZERO);
        world.add(number, &every_second(DAY_ZERO, 10, |_| 1), &[]);
    }
    world
}

#[test]
fn containers_are_chosen_by_all_that_is_said() {
    let history = world().history();
    let by = |change: fn(&mut Selector)| {
        let mut selector = Selector::default();
        change(&mut selector);
        selector
    };
    for (selector, names) in [
        (Selector::default(), "aaaa shop-db-1 web"),
        (Selector::of_container("web"), "web"),
        (Selector::of_container("/web"), "web"),
        (Selector::of_container(B), "shop-db-1"),
        (Selector::of_container("aaaa1"), "web"),
        // A name comes before the beginning of an id, as it does for engines.
        (Selector::of_container("aaaa"), "aaaa"),
        (by(|s| s.name = Some("*-db-?".to_owned())), "shop-db-1"),
        (by(|s| s.name = Some("nothing*".to_owned())), ""),
        (by(|s| s.image = Some("nginx:*".to_owned())), "web"),
        (by(|s| s.labels = vec![("tier".to_owned(), None)]), "shop-db-1 web"),
        (by(|s| s.labels = vec![("tier".to_owned(), Some("f*".to_owned()))]), "web"),
        (
            by(|s| s.labels = vec![("tier".to_owned(), None), ("empty".to_owned(), Some(String::new()))]),
            "shop-db-1",
        ),
        (by(|s| s.project = Some("shop".to_owned())), "shop-db-1"),
        (by(|s| s.service = Some("db".to_owned())), "shop-db-1"),
        (by(|s| (s.service, s.name) = (Some("db".to_owned()), Some("web".to_owned()))), ""),
        (by(|s| s.engine = Some("docker".to_owned())), "aaaa shop-db-1 web"),
        (by(|s| s.engine = Some("podman".to_owned())), ""),
        (by(|s| s.host = true), "host"),
    ] {
        let found = history.containers(&selector, EVER).unwrap();
        let found: Vec<_> = found.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(found.join(" "), names, "{selector:?}");
    }
}

#[test]
fn what_cannot_be_found_is_said_with_what_is_like_it() {
    let history = world().history();
    let ask = |selector: &Selector| history.containers(selector, EVER).unwrap_err();
    match ask(&Selector::of_container("wep")) {
        Error::NoSuchContainer { asked, nearest } => {
            assert_eq!((asked.as_str(), nearest), ("wep", vec!["web".to_owned()]))
        }
        other => panic!("{other}"),
    }
    match ask(&Selector::of_container("shop-db")) {
        Error::NoSuchContainer { nearest, .. } => {
            assert_eq!(nearest.first().map(String::as_str), Some("shop-db-1"))
        }
        other => panic!("{other}"),
    }
    // Three characters are no beginning of an id.
    assert!(matches!(ask(&Selector::of_container("ccc")), Error::NoSuchContainer { .. }));
    let bad = Selector { name: Some("a**b[".to_owned()), ..Selector::default() };
    assert!(matches!(ask(&bad), Error::BadPattern { .. }));
    let range = Range { from: EVER.until, until: EVER.from };
    assert!(matches!(history.containers(&Selector::default(), range), Err(Error::UpsideDown { .. })));

    let mut world = world();
    let number = world.container(&A.replace("1111", "2299"), "other", DAY_ZERO);
    world.add(number, &every_second(DAY_ZERO, 5, |_| 1), &[]);
    match world.history().containers(&Selector::of_container("aaaa22"), EVER) {
        Err(Error::Ambiguous { ids, .. }) => assert_eq!(ids.len(), 2, "{ids:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_goes_on_when_its_container_is_created_anew() {
    let mut world = World::new();
    let old = world.container(A, "web", DAY_ZERO);
    world.add(old, &every_second(DAY_ZERO, 60, |_| 100), &[60]);
    world.finish(old);
    let new = world.container(B, "web", DAY_ZERO + 100_000);
    world.add(new, &every_second(DAY_ZERO + 100_000, 20, |_| 300), &[10]);
    let history = world.history();

    let lines = history.containers(&Selector::of_container("web"), EVER).unwrap();
    assert_eq!(lines.len(), 1);
    let seams: Vec<_> =
        lines[0].containers.iter().map(|member| (member.id.as_str(), member.since, member.last)).collect();
    assert_eq!(seams, [(A, DAY_ZERO, DAY_ZERO + 59_000), (B, DAY_ZERO + 100_000, DAY_ZERO + 119_000)]);
    // Who is not there in the range is not shown.
    let later = Range { from: DAY_ZERO + 90_000, until: EVER.until };
    let lines = history.containers(&Selector::of_container("web"), later).unwrap();
    assert_eq!(lines[0].containers.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), [B]);
    // By id it is that container alone.
    let lines = history.containers(&Selector::of_container(A), EVER).unwrap();
    assert_eq!(lines[0].containers.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), [A]);
}

#[test]
fn a_container_that_is_renamed_is_in_both_lines() {
    let mut world = World::new();
    let number = world.container(A, "blue", DAY_ZERO);
    world.rename(number, A, "green", "nginx:1.27", &[], DAY_ZERO + 30_000);
    world.add(number, &every_second(DAY_ZERO, 60, |second| second.unsigned_abs()), &[40]);
    let history = world.history();
    for (name, from, count) in [("blue", DAY_ZERO, 30), ("green", DAY_ZERO + 30_000, 30)] {
        let answer = history
            .series(&crate::SeriesQuery {
                selector: Selector::of_container(name),
                metrics: vec!["container_memory_usage_bytes".to_owned()],
                range: Range { from: DAY_ZERO, until: DAY_ZERO + 60_000 },
                step: Some(1_000),
                function: None,
            })
            .unwrap();
        assert_eq!((answer.lines.len(), answer.series.len()), (1, 1), "{name}");
        let points = &answer.series[0].points;
        assert_eq!(points.iter().flatten().count(), count, "{name}");
        let first = points.iter().position(Option::is_some).unwrap() as i64;
        assert_eq!(DAY_ZERO + first * 1_000, from, "{name}");
        let line = &answer.lines[0];
        assert_eq!((line.name.as_str(), line.containers[0].name.as_str()), (name, name));
    }
}
