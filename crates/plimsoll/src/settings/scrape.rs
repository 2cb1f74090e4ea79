//! Collectors that have a setting of their own: whoever wants no more than an address or a folder writes no table.

use std::collections::BTreeMap;

use plimsoll_collect::metrics::MAX_NAME;
use plimsoll_model::text::bounded;
use serde_json::Value as Json;

use crate::settings::collector::CollectorTable;
use crate::settings::origin::Origin;
use crate::settings::schema::Settings;
use crate::settings::value::{self, Expected, Raw};

/// The name and the type of the collector that reads files.
const TEXTFILE: &str = "textfile";

/// How much of an address is a label, in bytes.
const MAX_INSTANCE: usize = 200;

/// Addresses to ask. Whether they are any is seen when the collectors are made.
pub(crate) fn urls(raw: &Raw) -> Result<Vec<String>, Expected> {
    value::texts(raw, "an address, or a list of addresses, such as [\"http://localhost:9100/metrics\"]")
}

/// Folders with files.
pub(crate) fn folders(raw: &Raw) -> Result<Vec<String>, Expected> {
    value::texts(raw, "a folder, or a list of folders")
}

/// The collectors that these settings ask for, as if they were tables.
pub(super) fn implied(settings: &Settings, origin: impl Fn(&str) -> Origin) -> Vec<CollectorTable> {
    let mut tables: Vec<CollectorTable> = Vec::new();
    for (place, url) in settings.scrape.iter().enumerate() {
        if settings.scrape[..place].contains(url) {
            continue;
        }
        let mut name = name_of(url);
        let is_taken = |name: &str| tables.iter().any(|table| table.name == name);
        if is_taken(&name) {
            // Addresses that differ in what a name cannot hold.
            name = format!("{}-{}", bounded(&name, MAX_NAME - 6), place + 1);
        }
        let mut table = table(name, "http", origin("scrape"));
        table.labels.insert("instance".to_owned(), instance_of(url));
        table.parameters.insert("url".to_owned(), url.clone().into());
        tables.push(table);
    }
    if !settings.textfile.is_empty() {
        let mut table = table(TEXTFILE.to_owned(), TEXTFILE, origin("textfile"));
        table.parameters.insert("folder".to_owned(), settings.textfile.clone().into());
        tables.push(table);
    }
    tables
}

fn table(name: String, type_name: &str, origin: Origin) -> CollectorTable {
    CollectorTable {
        name,
        type_name: type_name.to_owned(),
        enabled: true,
        interval: None,
        timeout: None,
        retry_attempts: None,
        retry_delay: None,
        labels: BTreeMap::new(),
        parameters: BTreeMap::<String, Json>::new(),
        origin,
    }
}

/// An address without what is before its host and behind its path: either may be a secret.
fn without_secrets(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    rest.rsplit_once('@').map_or(rest, |(_, rest)| rest)
}

/// `scrape-HOST-PORT`, and the path if it is not the usual one.
fn name_of(url: &str) -> String {
    let place = without_secrets(url).trim_end_matches('/');
    let place = place.strip_suffix("/metrics").unwrap_or(place);
    let clean = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
    let name: String = place.chars().map(clean).collect();
    let name = format!("scrape-{}", name.trim_matches('-'));
    bounded(&name, MAX_NAME).to_owned()
}

/// `HOST:PORT`, as Prometheus' label `instance` has it.
fn instance_of(url: &str) -> String {
    let authority = without_secrets(url).split('/').next().unwrap_or_default();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let port = if has_port { "" } else { ":80" };
    format!("{}{port}", bounded(authority, MAX_INSTANCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_its_host_and_path() {
        for (url, name, instance) in [
            ("http://localhost:9100/metrics", "scrape-localhost-9100", "localhost:9100"),
            ("http://localhost:9100/", "scrape-localhost-9100", "localhost:9100"),
            ("http://app.example/stats?key=secret", "scrape-app.example-stats", "app.example:80"),
            ("http://[::1]:9100", "scrape-::1--9100", "[::1]:9100"),
            ("http://[::1]", "scrape-::1", "[::1]:80"),
            ("http://me:secret@host:1/a b", "scrape-host-1-a-b", "host:1"),
        ] {
            let name = name.replace(':', "-").replace("scrape---1", "scrape-1");
            assert_eq!((name_of(url), instance_of(url)), (name, instance.to_owned()), "{url}");
        }
        assert!(name_of(&format!("http://{}", "x".repeat(500))).len() <= MAX_NAME);
    }

    #[test]
    fn no_two_have_one_name() {
        let urls = ["http://a:1/", "http://a:1/metrics", "http://a:1/", "http://a:1/?x=y"];
        let settings = Settings {
            scrape: urls.map(str::to_owned).to_vec(),
            textfile: vec!["/var/lib/metrics".to_owned()],
            ..Settings::default()
        };
        let tables = implied(&settings, |_| Origin::Default);
        let shown: Vec<_> = tables.iter().map(|table| (&*table.name, &*table.type_name)).collect();
        let expected = [
            ("scrape-a-1", "http"),
            ("scrape-a-1-2", "http"),
            ("scrape-a-1-4", "http"),
            ("textfile", "textfile"),
        ];
        assert_eq!(shown, expected);
        assert!(implied(&Settings::default(), |_| Origin::Default).is_empty());
    }
}
