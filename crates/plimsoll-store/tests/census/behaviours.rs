//! How a census behaves, whatever keeps it.

use std::ops::ControlFlow;
use std::pin::Pin;

use plimsoll_model::census::Report;
use plimsoll_store::census::{CensusError, CensusStore, DatabaseView, GrowthDay, Ingested, Table};

use crate::common::{DAY, HOUR, NOW, content, images, report, rows};

type Behaviour = fn(CensusStore) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! table {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[(&str, Behaviour)] = &[$((stringify!($name), |store| Box::pin($name(store)))),*];
    };
}

table!(
    the_window_is_seven_days_of_the_servers_clock,
    clocks_of_others_count_within_a_day,
    later_reports_of_one_slice_win,
    concurrent_reports_of_one_make_one_row,
    images_follow_the_reports,
    everything_comes_out_as_it_went_in,
    history_has_one_row_a_day,
    weeks_are_counted_and_kept,
    forgotten_is_forgotten,
    what_is_too_old_is_removed,
    tables_are_shown_by_the_page,
    odd_names_are_kept_as_they_are,
);

async fn ingest(store: &CensusStore, report: &Report, now: i64) -> Ingested {
    store.ingest(std::slice::from_ref(report), now).await.unwrap()[0]
}

async fn the_window_is_seven_days_of_the_servers_clock(store: CensusStore) {
    let one = report("a", &[("nginx", 1)]);
    for (after, expected) in [
        (0, Ingested::New),
        (7 * DAY, Ingested::Update),
        (14 * DAY + 1, Ingested::New),
        (14 * DAY + 2, Ingested::Update),
    ] {
        assert_eq!(ingest(&store, &one, NOW + after).await, expected, "{after}");
    }
    assert_eq!(ingest(&store, &report("b", &[]), NOW).await, Ingested::New);
    assert_eq!(store.counts().await.unwrap().reports, 3);
    let kinds: Vec<_> =
        store.recent_events(10, 0).await.unwrap().into_iter().map(|event| event.event_type).collect();
    assert_eq!(kinds, ["new", "update", "new", "update", "new"]);
    let last = store.recent_events(1, 0).await.unwrap();
    assert_eq!((last.len(), last[0].containers, last[0].hosts), (1, 0, 2));
    assert!(store.recent_events(10, last[0].id).await.unwrap().is_empty());
}

async fn clocks_of_others_count_within_a_day(store: CensusStore) {
    let year_one = -62_135_596_800_000;
    let said = [None, Some(year_one), Some(NOW + 1000 * DAY), Some(NOW - 23 * HOUR), Some(NOW + 23 * HOUR)];
    let kept = [NOW, NOW, NOW, NOW - 23 * HOUR, NOW + 23 * HOUR];
    for (at, (said, kept)) in said.into_iter().zip(kept).enumerate() {
        let one = Report { timestamp_ms: said, ..report("a", &[("nginx", at as u64)]) };
        let expected = if at == 0 { Ingested::New } else { Ingested::Update };
        assert_eq!(ingest(&store, &one, NOW).await, expected, "{said:?}");
        let facts = store.facts(NOW, 30).await.unwrap();
        assert_eq!(facts.installations.len(), 1);
        assert_eq!(facts.installations[0].timestamp_ms, kept, "{said:?}");
    }
}

async fn later_reports_of_one_slice_win(store: CensusStore) {
    let slice = [
        report("a", &[("nginx", 1)]),
        report("b", &[("redis", 2)]),
        report("a", &[("nginx", 3)]),
        report("a", &[("nginx", 4)]),
    ];
    let expected = [Ingested::New, Ingested::New, Ingested::Update, Ingested::Update];
    assert_eq!(store.ingest(&slice, NOW).await.unwrap(), expected);
    assert!(store.ingest(&[], NOW).await.unwrap().is_empty());
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.reports, counts.events, counts.installations, counts.history), (2, 4, 2, 2));
    let facts = store.facts(NOW, 30).await.unwrap();
    let mut containers: Vec<_> = facts.installations.iter().map(|row| row.containers).collect();
    containers.sort_unstable();
    assert_eq!(containers, [2, 4]);
    let bad = [report("c", &[]), report("", &[])];
    assert!(matches!(store.ingest(&bad, NOW).await, Err(CensusError::BadReport { .. })));
    assert_eq!(store.counts().await.unwrap().reports, 2);
}

async fn concurrent_reports_of_one_make_one_row(store: CensusStore) {
    for round in 0..10 {
        let id = format!("round {round}");
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let (store, one) = (store.clone(), report(&id, &[("nginx", number)]));
                tokio::spawn(async move { ingest(&store, &one, NOW).await })
            })
            .collect();
        let mut new = 0;
        for task in tasks {
            new += usize::from(task.await.unwrap() == Ingested::New);
        }
        assert_eq!(new, 1);
        assert_eq!(store.counts().await.unwrap().reports, round + 1);
    }
}

async fn images_follow_the_reports(store: CensusStore) {
    let all = async |store: &CensusStore| while store.follow_images(2).await.unwrap() == 2 {};
    let owned = |id: &str, image: &str, count| (id.to_owned(), image.to_owned(), count);
    for id in ["a", "b", "c"] {
        ingest(&store, &report(id, &[("nginx", 2), ("redis", 1)]), NOW).await;
    }
    assert_eq!(store.counts().await.unwrap().images_pending, 3);
    all(&store).await;
    assert_eq!(store.counts().await.unwrap().images_pending, 0);
    assert_eq!(images(&store).await.len(), 6);
    ingest(&store, &report("a", &[("nginx", 9)]), NOW + DAY).await;
    ingest(&store, &report("b", &[("caddy", 1)]), NOW + 8 * DAY).await;
    ingest(&store, &report("c", &[]), NOW + DAY).await;
    all(&store).await;
    let expected =
        [owned("a", "nginx", 9), owned("b", "caddy", 1), owned("b", "nginx", 2), owned("b", "redis", 1)];
    assert_eq!(images(&store).await, expected);
}

async fn everything_comes_out_as_it_went_in(store: CensusStore) {
    let mut one = report("a", &[("ghcr.io/x/y:1", 2), ("nginx", 1)]);
    one.timestamp_ms = Some(NOW - 5);
    one.containers_running = 3;
    one.total_image_size = 1 << 50;
    one.avg_restarts = 0.57;
    ingest(&store, &one, NOW).await;
    let mut exported = Vec::new();
    store
        .export_reports(|stored| {
            exported.push(stored.report);
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert_eq!(exported, [one]);
    let facts = store.facts(NOW, 30).await.unwrap();
    let row = &facts.installations[0];
    let (version, timezone) = (facts.versions.get(row.version), facts.timezones.get(row.timezone));
    assert_eq!((version, timezone, row.timestamp_ms), ("1.6.0", "Europe/Berlin", NOW - 5));
    let numbers = (row.scan_interval, row.hosts, row.agents, row.containers, row.compose_projects);
    assert_eq!(numbers, (300, 2, 1, 3, 3));
    assert!((row.avg_connections - 1.5).abs() < f32::EPSILON);
    let uses: Vec<_> =
        facts.uses_of(row).iter().map(|(image, count)| (facts.images.get(*image), *count)).collect();
    assert_eq!(uses, [("ghcr.io/x/y:1", 2), ("nginx", 1)]);
    // Somebody whose last report is older than the asked days is not there.
    assert!(store.facts(NOW + 31 * DAY, 30).await.unwrap().installations.is_empty());
}

async fn history_has_one_row_a_day(store: CensusStore) {
    for (id, at, containers) in
        [("a", 0, 1), ("a", HOUR, 2), ("b", 0, 5), ("a", DAY, 3), ("b", 9 * DAY, 7), ("a", 9 * DAY, 1)]
    {
        ingest(&store, &report(id, &[("nginx", containers)]), NOW + at).await;
        store.refresh_days(NOW + at).await.unwrap();
    }
    let day = (NOW / DAY) as i32;
    let growth = |day, installations, containers| GrowthDay { day, installations, containers };
    let expected = [growth(day, 2, 7), growth(day + 1, 1, 3), growth(day + 9, 2, 8)];
    assert_eq!(store.facts(NOW + 9 * DAY, 30).await.unwrap().growth, expected);
    // Counting again changes nothing.
    store.refresh_days(NOW + 9 * DAY).await.unwrap();
    assert_eq!(store.facts(NOW + 9 * DAY, 30).await.unwrap().growth, expected);
}

async fn weeks_are_counted_and_kept(store: CensusStore) {
    ingest(&store, &report("a", &[("nginx:1", 1), ("docker.io/library/nginx:2", 2)]), NOW).await;
    ingest(&store, &report("b", &[("nginx:1", 4), ("redis", 1)]), NOW).await;
    store.refresh_days(NOW).await.unwrap();
    // What is not used any more in this week is not counted in it.
    ingest(&store, &report("b", &[("nginx:1", 5)]), NOW + 1).await;
    store.refresh_days(NOW + 1).await.unwrap();
    ingest(&store, &report("a", &[("nginx:3", 8)]), NOW + 7 * DAY).await;
    let next = store.facts(NOW + 7 * DAY, 30).await.unwrap();
    store.refresh_days(NOW + 7 * DAY).await.unwrap();
    let again = store.facts(NOW + 7 * DAY, 30).await.unwrap();
    assert_eq!(content(&next).len(), content(&again).len());
    let weeks: Vec<_> = again
        .weeks
        .iter()
        .map(|week| (week.week, again.trends.get(week.image), week.containers, week.installations))
        .collect();
    // NOW is a Wednesday.
    let monday = (NOW / DAY) as i32 - 2;
    assert_eq!(weeks, [(monday, "nginx", 8, 2), (monday + 7, "nginx", 8, 1)]);
    let first: Vec<_> =
        again.first_seen.iter().map(|(image, day)| (again.trends.get(*image), *day)).collect();
    assert!(first.contains(&("nginx", monday + 2)), "{first:?}");
}

async fn forgotten_is_forgotten(store: CensusStore) {
    let private = "registry.mycorp.example/secret";
    for id in ["a", "b"] {
        ingest(&store, &report(id, &[("nginx", 3)]), NOW).await;
    }
    let one = store.facts(NOW, 30).await.unwrap();
    ingest(&store, &report("gone", &[("nginx", 1), (private, 1)]), NOW - 8 * DAY).await;
    ingest(&store, &report("gone", &[("nginx", 1), (private, 1)]), NOW).await;
    store.follow_images(10).await.unwrap();
    store.refresh_days(NOW).await.unwrap();
    assert!(content(&store.facts(NOW, 30).await.unwrap()).iter().any(|line| line.contains(private)));
    assert!(store.forget("gone").await.unwrap() >= 8);
    assert_eq!(store.forget("gone").await.unwrap(), 0);
    for table in Table::ALL {
        let text = format!("{:?}", rows(&store, table).await);
        assert!(!text.contains("gone") && !text.contains(private), "{text}");
    }
    let facts = store.facts(NOW, 30).await.unwrap();
    assert!(!content(&facts).iter().any(|line| line.contains(private)));
    assert_eq!(facts.installations.len(), one.installations.len());
    let today = facts.growth.last().unwrap();
    assert_eq!((today.installations, today.containers), (2, 6));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.installations, counts.history, counts.reports), (2, 2, 2));
}

async fn what_is_too_old_is_removed(store: CensusStore) {
    for days in [0, 30, 60] {
        ingest(&store, &report("a", &[("nginx", 1)]), NOW + days * DAY).await;
        ingest(&store, &report(&format!("only {days}"), &[("nginx", 1)]), NOW + days * DAY).await;
        store.follow_images(10).await.unwrap();
    }
    store.refresh_days(NOW + 60 * DAY).await.unwrap();
    let growth = store.facts(NOW + 60 * DAY, 365).await.unwrap().growth;
    assert_eq!(growth.len(), 3);
    // Of the first day 2 reports, 2 events, 2 images, 2 days and one installation.
    assert_eq!(store.retain(NOW + 60 * DAY, 31).await.unwrap(), 9);
    assert_eq!(store.retain(NOW + 60 * DAY, 31).await.unwrap(), 0);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.reports, counts.events, counts.installations, counts.history), (4, 4, 3, 4));
    assert_eq!(rows(&store, Table::Images).await.len(), 4);
    // Numbers of days have nobody in them, and stay.
    store.refresh_days(NOW + 60 * DAY).await.unwrap();
    assert_eq!(store.facts(NOW + 60 * DAY, 365).await.unwrap().growth, growth);
}

async fn tables_are_shown_by_the_page(store: CensusStore) {
    for number in 0..5 {
        let one =
            Report { timestamp_ms: Some(NOW - number), ..report(&format!("i{number}"), &[("nginx", 1)]) };
        ingest(&store, &one, NOW).await;
    }
    let view = DatabaseView { limit: 2, offset: 1, ..DatabaseView::of(Table::Reports) };
    let page = store.database_view(&view).await.unwrap();
    let ids: Vec<_> = page.rows.iter().map(|row| row["installation_id"].as_str().unwrap()).collect();
    assert_eq!((ids, page.total), (vec!["i1", "i2"], 5));
    let row = &page.rows[0];
    assert_eq!(row["timestamp"], "2025-11-19T11:59:59.999Z");
    assert_eq!(row["avg_cpu_percent"], 2.89);
    assert_eq!(row["image_stats"], serde_json::json!([{"image": "nginx", "count": 1, "size_bytes": 1000}]));
    assert_eq!(row["agent_versions"], serde_json::json!({"1.6.0": 1}));
    let mut keys: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = Table::Reports.column_names();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);

    let only = DatabaseView { installation_id: Some("i3".to_owned()), ..DatabaseView::of(Table::Events) };
    let page = store.database_view(&only).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (1, 1));
    for sort_by in ["id; DROP TABLE image_stats", "count", "\"", ""] {
        let view = DatabaseView { sort_by: Some(sort_by.to_owned()), ..DatabaseView::of(Table::Reports) };
        let error = store.database_view(&view).await.unwrap_err();
        assert!(matches!(error, CensusError::NoSuchColumn { .. }), "{error}");
    }
}

async fn odd_names_are_kept_as_they_are(store: CensusStore) {
    let odd = [
        "'; DROP TABLE telemetry_reports; --",
        "a\"b\\c",
        "naïve\u{202e}",
        "{\"image\":1}",
        "tab\tnew\nline",
    ];
    let named: Vec<_> = odd.iter().map(|name| (*name, 1)).collect();
    let mut one = report("'; DROP TABLE census_meta; --", &named);
    one.version = "1\\\"'".to_owned();
    ingest(&store, &one, NOW).await;
    store.follow_images(10).await.unwrap();
    let mut kept: Vec<_> = images(&store).await.into_iter().map(|(_, image, _)| image).collect();
    let mut expected = odd.map(str::to_owned);
    expected.sort();
    kept.sort();
    assert_eq!(kept, expected);
    let facts = store.facts(NOW, 30).await.unwrap();
    let mut names: Vec<_> = facts.images.iter().collect();
    names.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(facts.versions.get(facts.installations[0].version), "1\\\"'");
    let zero = report("zero", &[("a\0b", 1)]);
    ingest(&store, &zero, NOW).await;
    assert!(store.facts(NOW, 30).await.unwrap().images.find("ab").is_some());
}
