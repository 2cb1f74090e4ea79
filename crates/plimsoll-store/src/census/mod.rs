//! What installations report in a census, kept on SQLite or PostgreSQL behind one type.
//!
//! The tables are those of Container Census' collector (`telemetry_reports`, `image_stats`, `submission_events`,
//! `image_stats_weekly`), so that it can go on with the same database; ours beside them begin with `census_`. A database
//! that it made is taken over in place when it is first reached: what is missing is added, nothing is removed, and a
//! schema that is not known is left as it is.
//!
//! Reports go in by [`CensusStore::ingest`], many in one transaction. No question of a page is answered by SQL: what all
//! of them are computed from comes out in one piece, as [`Facts`].
//!
//! ```
//! use plimsoll_model::census::{ImageUse, Report};
//! use plimsoll_store::census::{CensusStore, Ingested};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("census.db");
//! let store = CensusStore::open_sqlite(&path).await?;
//! let images = vec![ImageUse { image: "nginx:latest".to_owned(), containers: 5, size_bytes: 0 }];
//! let report = Report { installation_id: "a1b2".to_owned(), total_containers: 5, images, ..Report::default() };
//! let now = 1_763_700_000_000;
//! assert_eq!(store.ingest(&[report.clone(), report], now).await?, [Ingested::New, Ingested::Update]);
//!
//! let facts = store.facts(now, 30).await?;
//! assert_eq!(facts.installations[0].containers, 5);
//! # Ok::<(), plimsoll_store::census::CensusError>(())
//! # }).unwrap();
//! ```

mod batch;
mod error;
mod facts;
mod import;
mod load;
mod names;
mod postgres;
mod prepare;
mod sqlite;
mod store;
mod trend;
mod uses;
mod view;

pub use batch::Imported;
pub use error::CensusError;
pub use facts::{Day, Facts, GrowthDay, LatestRow, WeekImage};
pub use names::Names;
pub use store::{CensusStore, Counts, Event, Ingested, Stored};
pub use view::{DatabasePage, DatabaseView, Table, UnknownTable};
