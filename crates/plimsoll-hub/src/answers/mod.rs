//! Questions, and the answers to them from a [`Table`] and the facts. No I/O, no clock.
//!
//! Keys and types are v1's. Where v1 is wrong, the answer is right instead:
//!
//! - an installation counts once, by its latest report in the window;
//! - registries go by the hosts in the names, so that `localhost:5000/x` is not Docker Hub's;
//! - `sort_by=size` sorts by size;
//! - the summary counts the installations of the last 30 days, not those of all times;
//! - a list with nothing in it is `[]`, not `null`.

mod images;
mod installations;
mod number;
mod trends;

use plimsoll_store::census::Facts;
use serde::Serialize;

use crate::images::Images;
use crate::parameters::{LARGEST, Parameters};
use crate::table::Table;

/// The days that facts go back, and the most that can be asked for.
pub(crate) const MOST_DAYS: u32 = 365;

/// The windows of questions that say none.
pub(crate) const DEFAULT_DAYS: [u32; 3] = [MONTH, QUARTER, WEEK];

const MONTH: u32 = 30;
const QUARTER: u32 = 90;
const WEEK: u32 = 7;

/// What answers are made of.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) images: &'a Images,
    pub(crate) table: &'a Table,
}

/// What may be asked about everything together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    TopImages { limit: usize, days: u32 },
    ImageDetails { limit: usize, offset: usize, days: u32, search: String, by: By, ascending: bool },
    Growth { days: u32 },
    Installations { days: u32 },
    Summary,
    Registries { days: u32 },
    Versions,
    Hours { days: u32 },
    Intervals,
    Geography,
    Connections { days: u32 },
    Hottest { limit: usize, days: u32, containers: bool, adoption: bool },
    Movers { limit: usize, weeks: i32, min_installations: Option<u64> },
    NewEntries { limit: usize, days: u32, min_installations: Option<u64> },
}

/// What images are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Name,
    Count,
    Size,
}

impl Question {
    /// The last parts of the paths, below `/api/stats/`.
    pub(crate) const PATHS: [&str; 14] = [
        "top-images",
        "image-details",
        "growth",
        "installations",
        "summary",
        "registries",
        "versions",
        "activity-heatmap",
        "scan-intervals",
        "geography",
        "connection-metrics",
        "hottest",
        "movers",
        "new-entries",
    ];

    /// What is asked. `None` if there is no such path.
    ///
    /// # Errors
    /// What is wrong with a parameter.
    pub(crate) fn of(path: &str, given: &Parameters) -> Result<Option<Self>, String> {
        let days = |default: u32| given.number("days", default.into(), 1..=MOST_DAYS.into());
        let limit = |default, most| given.number("limit", default, 1..=most);
        let min_installations = || {
            let is_given = given.text("min_installations").is_some();
            let number = given.number("min_installations", 0, 0..=LARGEST)?;
            Ok::<_, String>(is_given.then_some(number))
        };
        Ok(Some(match path {
            "top-images" => Self::TopImages { limit: limit(20, 1000)?, days: days(MONTH)? },
            "image-details" => Self::ImageDetails {
                limit: limit(100, 1000)?,
                offset: given.number("offset", 0, 0..=LARGEST)?,
                days: days(MONTH)?,
                search: given
                    .short("search", plimsoll_wire::census::MAX_IMAGE)?
                    .unwrap_or_default()
                    .to_owned(),
                by: given.word(
                    "sort_by",
                    &[("name", By::Name), ("count", By::Count), ("size", By::Size)],
                    By::Count,
                )?,
                ascending: ascending(given)?,
            },
            "growth" => Self::Growth { days: days(QUARTER)? },
            "installations" => Self::Installations { days: days(MONTH)? },
            "summary" => Self::Summary,
            "registries" => Self::Registries { days: days(MONTH)? },
            "versions" => Self::Versions,
            "activity-heatmap" => Self::Hours { days: days(MONTH)? },
            "scan-intervals" => Self::Intervals,
            "geography" => Self::Geography,
            "connection-metrics" => Self::Connections { days: days(MONTH)? },
            "hottest" => {
                let metrics =
                    [("containers", (true, false)), ("adoption", (false, true)), ("both", (true, true))];
                let (containers, adoption) = given.word("metric", &metrics, (true, true))?;
                Self::Hottest { limit: limit(20, 100)?, days: days(WEEK)?, containers, adoption }
            }
            "movers" => Self::Movers {
                limit: limit(10, 50)?,
                weeks: given.number("weeks", 1, 1..=4)?,
                min_installations: min_installations()?,
            },
            "new-entries" => Self::NewEntries {
                limit: limit(20, 50)?,
                days: days(MONTH)?,
                min_installations: min_installations()?,
            },
            _ => return Ok(None),
        }))
    }

    /// The window that the answer needs.
    pub(crate) fn days(&self) -> u32 {
        match *self {
            Self::TopImages { days, .. }
            | Self::ImageDetails { days, .. }
            | Self::Growth { days }
            | Self::Installations { days }
            | Self::Registries { days }
            | Self::Hours { days }
            | Self::Connections { days }
            | Self::Hottest { days, .. } => days,
            _ => crate::anonymity::PUBLIC_DAYS,
        }
    }

    /// The answer, as JSON. `k` is the configured least number of installations, which is the default of
    /// `min_installations`.
    pub(crate) fn answer(&self, view: View<'_>, k: u64) -> Vec<u8> {
        let table = view.table;
        match *self {
            Self::TopImages { limit, .. } => json(&images::top(view, limit)),
            Self::ImageDetails { limit, offset, ref search, by, ascending, .. } => {
                json(&images::details(view, search, (by, ascending), (offset, limit)))
            }
            Self::Registries { .. } => json(&images::registries(view)),
            Self::Growth { .. } => json(&installations::growth(table)),
            Self::Installations { .. } => json(&installations::installations(table)),
            Self::Summary => json(&installations::summary(table)),
            Self::Versions => json(&installations::versions(view)),
            Self::Hours { .. } => json(&installations::hours(table)),
            Self::Intervals => json(&installations::intervals(table)),
            Self::Geography => json(&installations::geography(view)),
            Self::Connections { .. } => json(&installations::connections(table)),
            Self::Hottest { limit, containers, adoption, .. } => {
                json(&trends::hottest(view, limit, containers, adoption))
            }
            Self::Movers { limit, weeks, min_installations } => {
                json(&trends::movers(view, limit, weeks, min_installations.unwrap_or(k).max(table.floor)))
            }
            Self::NewEntries { limit, days, min_installations } => {
                json(&trends::new_entries(view, limit, days, min_installations.unwrap_or(k).max(table.floor)))
            }
        }
    }
}

/// Whether `sort_order` says so.
pub(crate) fn ascending(given: &Parameters) -> Result<bool, String> {
    given.word("sort_order", &[("asc", true), ("desc", false)], false)
}

fn json(answer: &impl Serialize) -> Vec<u8> {
    // Nothing in an answer can fail to be written: no map has keys that are not text.
    serde_json::to_vec(answer).unwrap_or_default()
}
