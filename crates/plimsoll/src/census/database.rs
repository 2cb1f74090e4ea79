//! The database of a census, as a command line or the environment names it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use clap::{Arg, ArgMatches, ValueHint};
use plimsoll_store::census::CensusStore;

use crate::failure::Failure;
use crate::settings::Settings;

/// The file where nothing else is named, in the folder of the census.
const FILE: &str = "census.db";

/// How the addresses of a PostgreSQL begin.
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

/// The argument that names a database.
pub(super) fn argument() -> Arg {
    Arg::new("database")
        .long("database")
        .value_name("DATABASE")
        .value_hint(ValueHint::Other)
        .help("The database: a SQLite file, or postgres://… [environment: DATABASE_URL]")
        .long_help(
            "The database: a SQLite file, which is made if it is not there, or postgres://USER:PASSWORD@HOST:PORT/NAME, also that \
             of a Container Census, which is taken over as it is. Others can see a command line, so a password is better in \
             DATABASE_URL. Without either it is census.db in the folder of `census_state`.",
        )
        .help_heading("Database")
}

/// Opens the database.
///
/// # Errors
/// If it cannot be opened. A PostgreSQL that is down is none: it is reached when it is there.
pub(super) async fn open(settings: &Settings, matches: &ArgMatches) -> anyhow::Result<CensusStore> {
    let given = matches.get_one::<String>("database").cloned();
    let given = given.or_else(|| settings.census.server.database_url.clone());
    if let Some(url) = given.as_ref().filter(|given| is_postgres(given)) {
        return Ok(CensusStore::open_postgres(url)?);
    }
    if given.as_ref().is_some_and(|given| given.contains("://")) {
        // What it is may hold a password, so it is not repeated.
        return Err(Failure::caller("the database is neither a file nor a PostgreSQL")
            .remedy("write postgres://USER:PASSWORD@HOST:5432/DATABASE, or the path of a file")
            .into());
    }
    let path = given.map_or_else(|| settings.census_folder().join(FILE), Into::into);
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        Failure::world(format!("cannot make the folder {}", folder.display()))
            .remedy("name another file with --database")
            .because(error)
    })?;
    Ok(CensusStore::open_sqlite(&path).await?)
}

/// Whether a text is the address of a PostgreSQL.
pub(super) fn is_postgres(text: &str) -> bool {
    POSTGRES.iter().any(|scheme| text.starts_with(scheme))
}
