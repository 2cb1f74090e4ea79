//! Rows of tables as they are.

use rusqlite::types::{ToSql, ValueRef};
use rusqlite::{Connection, Row};
use serde_json::{Map, Value};

use super::Sqlite;
use crate::census::facts::Day;
use crate::census::view::{Kind, date_text, real, time_text};
use crate::census::{CensusError, DatabasePage, DatabaseView, Table};

impl Sqlite {
    pub(in crate::census) async fn database_view(
        &self,
        view: DatabaseView,
        sort: &'static str,
    ) -> Result<DatabasePage, CensusError> {
        self.read("read a table", move |on| page(on, &view, sort)).await
    }

    /// Reports with an id above `after`, in the order of ids.
    pub(in crate::census) async fn reports_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Map<String, Value>>, CensusError> {
        self.read("read reports", move |on| {
            let columns = Table::Reports.column_names().join(", ");
            let sql = format!("SELECT {columns} FROM telemetry_reports WHERE id > ? ORDER BY id LIMIT ?");
            let mut statement = on.prepare_cached(&sql)?;
            let rows = statement.query_map((after, limit), |row| object(row, Table::Reports))?;
            rows.collect()
        })
        .await
    }
}

fn page(on: &Connection, view: &DatabaseView, sort: &str) -> rusqlite::Result<DatabasePage> {
    let (table, direction) = (view.table, if view.ascending { "ASC" } else { "DESC" });
    let id = view.installation_id.as_ref().filter(|_| table.has_installations());
    let only = if id.is_some() { "WHERE installation_id = ?" } else { "" };
    let only_id: Vec<&dyn ToSql> = id.iter().map(|id| *id as &dyn ToSql).collect();
    let total: i64 =
        on.query_row(&format!("SELECT count(*) FROM {table} {only}"), &*only_id, |row| row.get(0))?;
    let columns = table.column_names().join(", ");
    // Ids are sorted alone: rows are long.
    let sql = format!(
        "SELECT {columns} FROM {table} WHERE id IN (SELECT id FROM {table} {only} ORDER BY {sort} {direction}, \
         id {direction} LIMIT ? OFFSET ?) ORDER BY {sort} {direction}, id {direction}"
    );
    let (limit, offset) =
        (view.limit.min(DatabaseView::MAX_LIMIT), i64::try_from(view.offset).unwrap_or(i64::MAX));
    let mut values = only_id;
    values.extend([&limit as &dyn ToSql, &offset]);
    let mut statement = on.prepare_cached(&sql)?;
    let rows = statement.query_map(&*values, |row| object(row, table).map(Value::Object))?;
    Ok(DatabasePage { rows: rows.collect::<rusqlite::Result<_>>()?, total: total.cast_unsigned() })
}

fn object(row: &Row<'_>, table: Table) -> rusqlite::Result<Map<String, Value>> {
    let mut object = Map::new();
    for (at, (name, kind)) in table.columns().iter().enumerate() {
        let value = match (kind, row.get_ref(at)?) {
            (Kind::Whole, ValueRef::Integer(number)) => number.into(),
            (Kind::Whole | Kind::Real, ValueRef::Null) => 0.into(),
            (Kind::Text, ValueRef::Null) => "".into(),
            (Kind::Text, text) => text.as_str()?.into(),
            (Kind::Real, ValueRef::Real(number)) => real(number as f32),
            (Kind::Time, ValueRef::Integer(at)) => time_text(at.saturating_mul(1000)).into(),
            (Kind::Date, ValueRef::Integer(day)) => date_text(Day::try_from(day).unwrap_or(0)).into(),
            (Kind::Json, ValueRef::Text(json)) => serde_json::from_slice(json).unwrap_or(Value::Null),
            _ => Value::Null,
        };
        object.insert((*name).to_owned(), value);
    }
    Ok(object)
}
