//! An attacker, and a model that knows who stands behind each number.
//!
//! The model takes from the rule alone which image went into which atom. For each row of each answer it makes the set of
//! pairs of installations and images from that, sees that the row's number is that set's, and then looks at who is behind
//! everything that follows by subtraction.

use std::collections::{BTreeMap, BTreeSet};

mod world;

use fastrand::Rng;
use plimsoll_store::census::{Facts, LatestRow};
use plimsoll_wire::census::images::{normalise, registry, trend_name};
use serde_json::Value;

use super::atoms::{Atoms, HIDDEN, Kind, together};
use super::shown;
use crate::answers::Question;
use crate::census::Census;
use crate::images::Images;
use crate::parameters::Parameters;
use crate::table::{DAY_MS, Table};

const K: u64 = 10;
const NOW: i64 = 1_795_000_000_000;

/// Who is behind a number: the containers that each installation has in it.
type Behind = BTreeMap<usize, i64>;

/// How many installations are behind a difference.
fn left(of: &Behind, less: &[&Behind]) -> u64 {
    let mut left = of.clone();
    for less in less {
        for (installation, containers) in *less {
            *left.entry(*installation).or_default() -= containers;
        }
    }
    left.values().filter(|containers| **containers != 0).count() as u64
}

/// A world as the model sees it.
struct Model<'a> {
    facts: &'a Facts,
    /// Those of the last 30 days.
    installations: Vec<usize>,
    images: Images,
    atoms: Atoms,
}

impl<'a> Model<'a> {
    fn new(facts: &'a Facts) -> Self {
        let is_recent = |at: &usize| facts.installations[*at].timestamp_ms >= NOW - 30 * DAY_MS;
        let installations = (0..facts.installations.len()).filter(is_recent).collect();
        let images = Images::of(facts);
        let whole = Table::whole(facts, &images, 30);
        let atoms = Atoms::settle(facts, &images, &whole, K);
        Self { facts, installations, images, atoms }
    }

    /// What kind of atom an image is in; `None` if it is hidden.
    fn kind(&self, image: &str) -> Option<Kind> {
        let number = self.facts.images.find(image).unwrap();
        let atom = self.atoms.atom_of[self.images.leaf_of[number as usize] as usize];
        (atom != HIDDEN).then(|| self.atoms.atoms[atom as usize].kind)
    }

    fn all(&self) -> u64 {
        self.installations.len() as u64
    }

    /// What installations have of the images that are wanted.
    fn behind(&self, is_wanted: impl Fn(&str) -> bool) -> Behind {
        let mut behind = Behind::new();
        for at in &self.installations {
            for (image, containers) in self.facts.uses_of(&self.facts.installations[*at]) {
                if is_wanted(self.facts.images.get(*image)) {
                    *behind.entry(*at).or_default() += i64::from(*containers);
                }
            }
        }
        behind
    }

    /// All containers that installations say they have.
    fn containers(&self) -> Behind {
        let containers = |at: &usize| (*at, i64::from(self.facts.installations[*at].containers));
        self.installations.iter().map(containers).filter(|(_, containers)| *containers > 0).collect()
    }

    fn count(&self, is_wanted: impl Fn(&LatestRow) -> bool) -> u64 {
        self.installations.iter().filter(|at| is_wanted(&self.facts.installations[**at])).count() as u64
    }
}

fn safe(installations: u64, what: &str) {
    assert!(installations == 0 || installations >= K, "{installations} installations stand behind {what}");
}

fn sum(behind: &Behind) -> u64 {
    behind.values().sum::<i64>().cast_unsigned()
}

fn add(one: &Behind, other: &Behind) -> Behind {
    let mut all = one.clone();
    for (installation, containers) in other {
        *all.entry(*installation).or_default() += containers;
    }
    all
}

fn ask(census: &Census, question: &str) -> Value {
    let (path, query) = question.split_once('?').unwrap_or((question, ""));
    let given = Parameters::of(&format!("/?{query}").parse().unwrap()).unwrap();
    let question = Question::of(path, &given).unwrap().unwrap();
    serde_json::from_slice(&census.answer(&question, false)).unwrap()
}

fn rows(answer: &Value) -> &[Value] {
    answer.as_array().unwrap()
}

fn number(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_else(|| panic!("{key} in {row}"))
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap()
}

/// A partition of the installations, as far as it is shown.
fn check_partition(model: &Model<'_>, what: &str, cells: &[(u64, u64)]) {
    for (shown, is) in cells {
        assert_eq!(shown, is, "{what}");
        safe(*is, what);
    }
    // How many there are is not told either, if they are few.
    if model.all() < K {
        assert!(cells.is_empty(), "{what} of {} installations", model.all());
        return;
    }
    safe(model.all() - cells.iter().map(|(_, is)| is).sum::<u64>(), &format!("all that is not in {what}"));
}

/// How an answer's number of installations can tell: itself, and all less it.
fn check_count(model: &Model<'_>, shown: u64, what: &str) {
    assert!(shown >= K && shown <= model.all(), "{what} has {shown} of {}", model.all());
    safe(model.all() - shown, &format!("all less {what}"));
}

/// Everything that the whole table tells, and every difference in it.
fn check_images(model: &Model<'_>, census: &Census) {
    let total = model.containers();
    let details = ask(census, "image-details?limit=1000");
    let mut tags: Vec<(&str, &str, Behind)> = Vec::new();
    for row in rows(&details["images"]) {
        let (image, host) = (text(row, "image"), text(row, "registry"));
        let behind = model.behind(|name| normalise(name) == image && registry(name).short() == host);
        assert_eq!(number(row, "count"), sum(&behind), "{row}");
        safe(behind.len() as u64, image);
        check_count(model, number(row, "installation_count"), image);
        tags.push((image, host, behind));
    }
    let in_tags = tags.iter().fold(Behind::new(), |all, (_, _, behind)| add(&all, behind));
    for row in rows(&ask(census, "top-images?limit=1000")) {
        let image = text(row, "image");
        let of_it: Vec<_> = tags.iter().filter(|(tag, _, _)| *tag == image).collect();
        let together = of_it.iter().fold(Behind::new(), |all, (_, _, behind)| add(&all, behind));
        assert_eq!(number(row, "count"), sum(&together), "{row}: more than the tags of image-details");
        let most = of_it.iter().map(|(_, _, behind)| behind.len() as u64).max().unwrap();
        let shown = number(row, "installation_count");
        assert!(shown == most || shown == model.all(), "{row} tells more than the largest of its tags");
    }

    let mut in_names = Behind::new();
    for row in rows(&ask(census, "hottest?limit=100&metric=containers")["by_containers"]) {
        let trend = text(row, "image");
        let is_rest = |name: &str| trend_name(name) == trend && model.kind(name) == Some(Kind::Name);
        let of_it: Vec<_> = tags.iter().filter(|(tag, _, _)| trend_name(tag) == trend).collect();
        let in_its_tags = of_it.iter().fold(Behind::new(), |all, (_, _, behind)| add(&all, behind));
        let whole = add(&in_its_tags, &model.behind(is_rest));
        assert_eq!(number(row, "total_containers"), sum(&whole), "{row}");
        safe(left(&whole, &[]), trend);
        safe(left(&whole, &[&in_its_tags]), &format!("{trend} less its tags"));
        for (at, one) in of_it.iter().enumerate() {
            safe(left(&whole, &[&one.2]), &format!("{trend} less {}", one.0));
            for other in &of_it[at + 1..] {
                safe(left(&whole, &[&one.2, &other.2]), &format!("{trend} less {} and {}", one.0, other.0));
            }
        }
        let hosts: BTreeSet<_> = model.facts.images.iter().map(|name| registry(name).short()).collect();
        let rests = hosts
            .into_iter()
            .map(|host| model.behind(|name| is_rest(name) && registry(name).short() == host));
        let atoms =
            of_it.iter().map(|(_, _, behind)| behind.clone()).chain(rests).filter(|atom| !atom.is_empty());
        let atoms: Vec<BTreeSet<usize>> = atoms.map(|behind| behind.into_keys().collect()).collect();
        check_union(model, number(row, "installation_count"), &atoms, trend);
        in_names = add(&in_names, &whole);
    }

    let mut in_registries = Behind::new();
    for row in rows(&ask(census, "registries")) {
        let title = text(row, "registry");
        let of_it = |kinds: &[Kind]| {
            let is_in = |name: &str| model.kind(name).is_some_and(|kind| kinds.contains(&kind));
            model.behind(|name| registry(name).title == title && is_in(name))
        };
        let whole = of_it(&[Kind::Tag, Kind::Name, Kind::Registry]);
        assert_eq!(number(row, "count"), sum(&whole), "{row}");
        safe(left(&whole, &[]), title);
        safe(left(&whole, &[&of_it(&[Kind::Tag, Kind::Name])]), &format!("{title} less its names"));
        safe(left(&whole, &[&of_it(&[Kind::Tag])]), &format!("{title} less its tags"));
        in_registries = add(&in_registries, &whole);
    }
    safe(left(&in_registries, &[&in_names]), "registries less names");
    safe(left(&in_registries, &[&in_tags]), "registries less tags");
    let shown = number(&ask(census, "summary"), "total_containers");
    if shown > 0 {
        assert_eq!(shown, sum(&total));
        safe(left(&total, &[]), "all containers");
        safe(left(&total, &[&in_registries]), "all containers less those of registries");
        safe(left(&total, &[&in_names]), "all containers less those of names");
        safe(left(&total, &[&in_tags]), "all containers less those of tags");
    }
}

/// A number of installations in several sets: of which of them it can be the number, and what that tells beside their own
/// numbers.
fn check_union(model: &Model<'_>, shown: u64, atoms: &[BTreeSet<usize>], what: &str) {
    check_count(model, shown, what);
    let sizes: Vec<u64> = atoms.iter().map(|atom| atom.len() as u64).collect();
    let is_coarse = |number: u64| number == shown || (shown == model.all() && model.all() - number < K);
    // One atom's own number says nothing new.
    if sizes.iter().any(|size| is_coarse(*size)) {
        return;
    }
    let tells_nothing = (1_u32..1 << atoms.len()).any(|choice| {
        let chosen: Vec<_> = (0..atoms.len()).filter(|at| choice >> at & 1 == 1).collect();
        let union: BTreeSet<usize> = chosen.iter().flat_map(|at| &atoms[*at]).copied().collect();
        let is_few = |number: usize| 0 < number && (number as u64) < K;
        let differences = chosen.iter().all(|at| !is_few(union.len() - atoms[*at].len()));
        let common = match &*chosen {
            [one, other] => atoms[*one].intersection(&atoms[*other]).count(),
            _ => 0,
        };
        is_coarse(union.len() as u64) && differences && !is_few(common)
    });
    assert!(tells_nothing, "{shown} of {what} tells of a few");
}

fn check_installations(model: &Model<'_>, census: &Census) {
    let facts = model.facts;
    let of = |answer: &Value, key: &str, is: &dyn Fn(&Value) -> u64| -> Vec<(u64, u64)> {
        rows(answer).iter().map(|row| (number(row, key), is(row))).collect()
    };
    let versions = of(&ask(census, "versions"), "installations", &|row| {
        model.count(|latest| facts.versions.get(latest.version) == text(row, "version"))
    });
    let intervals = of(&ask(census, "scan-intervals"), "installations", &|row| {
        model.count(|latest| u64::from(latest.scan_interval) == number(row, "interval"))
    });
    let zones = of(&ask(census, "geography"), "installations", &|row| {
        model.count(|latest| facts.timezones.get(latest.timezone) == text(row, "timezone"))
    });
    let hours = of(&ask(census, "activity-heatmap"), "report_count", &|row| {
        let time = |latest: &LatestRow| jiff::Timestamp::from_millisecond(latest.timestamp_ms).unwrap();
        model.count(|latest| {
            let time = jiff::tz::TimeZone::UTC.to_datetime(time(latest));
            i64::from(time.weekday().to_sunday_zero_offset()) == row["day_of_week"]
                && i64::from(time.hour()) == row["hour_of_day"]
        })
    });
    for (what, cells) in [
        ("versions", versions),
        ("scan-intervals", intervals),
        ("geography", zones),
        ("activity-heatmap", hours),
    ] {
        check_partition(model, what, &cells);
    }
    for row in rows(&ask(census, "growth")) {
        check_count(model, number(row, "installations"), text(row, "date"));
    }
    let summary = ask(census, "summary");
    let connections = ask(census, "connection-metrics");
    type Figure = fn(&LatestRow) -> u32;
    let figures: [(&Value, &str, Figure); 6] = [
        (&summary, "total_containers", |row| row.containers),
        (&summary, "total_hosts", |row| row.hosts),
        (&summary, "total_agents", |row| row.agents),
        (&connections, "compose_project_count", |row| row.compose_projects),
        (&connections, "containers_in_compose", |row| row.in_compose),
        (&connections, "network_count", |row| row.networks),
    ];
    for (answer, key, figure) in figures {
        if number(answer, key) > 0 {
            safe(model.count(|row| figure(row) > 0), key);
        }
    }
    let installations = number(&ask(census, "installations"), "total_installations");
    assert_eq!(installations, if model.all() < K { 0 } else { model.all() });
    safe(installations, "all installations");
    safe(
        number(&summary, "total_submissions").saturating_sub(installations),
        "submissions less installations",
    );
}

/// Any question of the attacker shows rows of the same table: nothing that is not in the whole answers.
fn random_question(rng: &mut Rng) -> (String, &'static str, &'static str) {
    let search = ["", "app", "app1", "team/app0:1", "corp", "%25", "APP", ":"][rng.usize(..8)];
    let by = ["name", "count", "size"][rng.usize(..3)];
    let order = ["asc", "desc"][rng.usize(..2)];
    let (limit, offset, days) = (rng.u32(1..20), rng.u32(..6), rng.u32(1..365));
    let k = rng.u32(0..20);
    let (question, list, key) = match rng.u32(..7) {
        0 => (format!("top-images?limit={limit}&days={days}"), "", "installation_count"),
        1 => (
            format!(
                "image-details?limit={limit}&offset={offset}&days={days}&search={search}&sort_by={by}&sort_order={order}"
            ),
            "images",
            "installation_count",
        ),
        2 => (
            format!("hottest?limit={limit}&days={days}&metric=containers"),
            "by_containers",
            "installation_count",
        ),
        3 => (
            format!("hottest?limit={limit}&days={days}&metric=adoption"),
            "by_adoption",
            "installation_count",
        ),
        4 => (
            format!("new-entries?limit={limit}&days={days}&min_installations={k}"),
            "new_images",
            "installation_count",
        ),
        5 => (
            format!("movers?weeks={}&min_installations={k}", rng.u32(1..5)),
            "risers",
            "current_installations",
        ),
        _ => (format!("growth?days={days}"), "", "installations"),
    };
    (question, list, key)
}

/// The answers of which rows must be part, by path: how to ask for all of them, and where they are in the answer.
const WHOLES: [(&str, &str, &str); 4] = [
    ("top-images", "top-images?limit=1000", ""),
    ("image-details", "image-details?limit=1000", "images"),
    ("hottest", "hottest?limit=100&metric=containers", "by_containers"),
    ("growth", "growth", ""),
];

fn list_of(answer: &Value, list: &str) -> Value {
    if list.is_empty() { answer.clone() } else { answer[list].clone() }
}

#[test]
fn ten_thousand_questions_show_nobody() {
    let mut shown = 0;
    for seed in 0..500 {
        let mut rng = Rng::with_seed(seed);
        let facts = world::make(&mut rng, NOW);
        let census = Census::new(facts.clone(), K);
        let model = Model::new(&facts);
        if model.all() >= K {
            check_images(&model, &census);
        } else {
            assert_eq!(ask(&census, "summary")["total_containers"], 0);
            assert_eq!(rows(&ask(&census, "top-images")), rows(&ask(&census, "registries")), "seed {seed}");
        }
        check_installations(&model, &census);
        let wholes: Vec<(&str, Value)> =
            WHOLES.iter().map(|(path, whole, list)| (*path, list_of(&ask(&census, whole), list))).collect();
        for _ in 0..20 {
            let (question, list, key) = random_question(&mut rng);
            let answer = ask(&census, &question);
            let path = question.split('?').next().unwrap();
            let whole = wholes.iter().find(|(of, _)| *of == path).map(|(_, whole)| whole);
            for row in rows(&list_of(&answer, list)) {
                shown += 1;
                assert!(number(row, key) >= K, "seed {seed}, {question}: {row}");
                let mut row = row.clone();
                // The rank is the row's place in the answer.
                row.as_object_mut().unwrap().remove("rank");
                let is_same =
                    |other: &Value| row.as_object().unwrap().iter().all(|(key, value)| other[key] == *value);
                let is_part = whole.is_none_or(|whole| rows(whole).iter().any(is_same));
                assert!(is_part, "seed {seed}, {question} makes a row of its own: {row}");
            }
        }
    }
    assert!(shown > 10_000, "only {shown} rows were shown: the worlds are too small to say anything");
}

#[test]
fn sets_are_put_together_as_far_as_nobody_is_told() {
    let set = |range: std::ops::Range<u32>| range.collect::<Vec<u32>>();
    let table = [
        (vec![set(0..30), set(30..50)], 50),
        (vec![set(0..30), set(10..20)], 30),
        // Nine in both.
        (vec![set(0..30), set(21..50)], 30),
        // Nine in the second alone.
        (vec![set(0..30), set(10..39)], 30),
        // Nine in the first alone.
        (vec![set(0..30), set(9..40)], 30),
        (vec![set(0..30), set(9..39), set(40..60)], 50),
    ];
    for (sets, expected) in table {
        assert_eq!(together(sets.iter().map(Vec::as_slice), K), expected, "{sets:?}");
    }
}

#[test]
fn what_all_but_a_few_do_all_do() {
    let table = [(100, 100), (91, 100), (99, 100), (90, 90), (10, 10)];
    for (is, expected) in table {
        assert_eq!(shown(is, 100, K), expected);
    }
}
