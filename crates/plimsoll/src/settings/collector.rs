//! One `[[collector]]` table, as plain data.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use crate::settings::origin::Origin;
use crate::settings::value::show_duration;

/// The key in the file.
pub(crate) const KEY: &str = "collector";

/// One collector, as the file has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CollectorTable {
    /// Its name, unlike that of any other.
    pub(crate) name: String,
    /// The name of its type.
    pub(crate) type_name: String,
    /// Whether it runs at all.
    pub(crate) enabled: bool,
    /// The time between two collections, where it says so.
    pub(crate) interval: Option<Duration>,
    /// How long an attempt may take, where it says so.
    pub(crate) timeout: Option<Duration>,
    /// How often a failed collection is tried again, where it says so.
    pub(crate) retry_attempts: Option<u32>,
    /// The wait before the second attempt, where it says so.
    pub(crate) retry_delay: Option<Duration>,
    /// Labels that every value gets.
    pub(crate) labels: BTreeMap<String, String>,
    /// What its type is told.
    pub(crate) parameters: BTreeMap<String, Json>,
    /// Where it begins.
    pub(crate) origin: Origin,
}

impl CollectorTable {
    /// The table as it may stand in a file.
    pub(crate) fn to_toml(&self) -> String {
        let mut table = toml::Table::new();
        table.insert("name".to_owned(), self.name.clone().into());
        table.insert("type".to_owned(), self.type_name.clone().into());
        table.insert("enabled".to_owned(), self.enabled.into());
        for (key, duration) in
            [("interval", self.interval), ("timeout", self.timeout), ("retry_delay", self.retry_delay)]
        {
            if let Some(duration) = duration {
                table.insert(key.to_owned(), show_duration(duration).into());
            }
        }
        if let Some(attempts) = self.retry_attempts {
            table.insert("retry_attempts".to_owned(), i64::from(attempts).into());
        }
        for (key, value) in &self.parameters {
            if let Ok(value) = toml::Value::try_from(value) {
                table.insert(key.clone(), value);
            }
        }
        if !self.labels.is_empty() {
            let labels: toml::Table =
                self.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            table.insert("labels".to_owned(), labels.into());
        }
        // As a whole document, so that a table in the table has its full name as heading.
        let tables = vec![table.into()];
        let document = toml::Table::from_iter([(KEY.to_owned(), toml::Value::Array(tables))]);
        format!("\n# {}\n{document}", self.origin)
    }
}
