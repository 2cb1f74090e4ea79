//! Rows of tables as they are.

use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::types::Time;
use crate::census::facts::Day;
use crate::census::view::{Kind, date_text, real, time_text};
use crate::census::{CensusError, DatabasePage, DatabaseView, Table};

/// How many rows are counted one by one; of larger tables PostgreSQL's estimate is taken.
const COUNTED: u32 = 200_000;

impl Postgres {
    pub(in crate::census) async fn database_view(
        &self,
        view: &DatabaseView,
        sort: &'static str,
    ) -> Result<DatabasePage, CensusError> {
        let failed = self.failed("read a table");
        let (table, direction) = (view.table, if view.ascending { "ASC" } else { "DESC" });
        let id = view.installation_id.as_ref().filter(|_| table.has_installations());
        let only = if id.is_some() { "WHERE installation_id = $3" } else { "" };
        let columns = list(table);
        let limit = i64::from(view.limit.min(DatabaseView::MAX_LIMIT));
        let offset = i64::try_from(view.offset).unwrap_or(i64::MAX);
        // Ids are sorted alone: rows are long.
        let sql = format!(
            "SELECT {columns} FROM {table} JOIN (SELECT id FROM {table} {only} ORDER BY {sort} {direction}, \
             id {direction} LIMIT $1::bigint OFFSET $2::bigint) chosen USING (id) ORDER BY {sort} {direction}, \
             id {direction}"
        );
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&limit, &offset];
        values.extend(id.iter().map(|id| *id as &(dyn ToSql + Sync)));
        let lent = self.lend(&self.reader).await?;
        let on = &lent.on.client;
        let rows = on.query(&sql, &values).await.map_err(&failed)?;
        let total = match id {
            Some(id) => {
                let sql = format!("SELECT count(*) FROM {table} WHERE installation_id = $1");
                on.query_one(&sql, &[id]).await
            }
            None => {
                let sql = format!(
                    "SELECT CASE WHEN reltuples > {COUNTED} THEN reltuples::bigint ELSE (SELECT count(*) FROM \
                     {table}) END FROM pg_class WHERE oid = '{table}'::regclass"
                );
                on.query_one(&sql, &[]).await
            }
        };
        let total = total.map_err(&failed)?.get::<_, i64>(0).cast_unsigned();
        lent.give_back();
        Ok(DatabasePage { rows: rows.iter().map(|row| Value::Object(object(row, table))).collect(), total })
    }

    /// Reports with an id above `after`, in the order of ids.
    pub(in crate::census) async fn reports_after(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Map<String, Value>>, CensusError> {
        let failed = self.failed("read reports");
        let sql = format!(
            "SELECT {} FROM telemetry_reports WHERE id > $1::bigint ORDER BY id LIMIT $2::bigint",
            list(Table::Reports)
        );
        let lent = self.lend(&self.reader).await?;
        let rows = lent.on.client.query(&sql, &[&after, &i64::from(limit)]).await.map_err(&failed)?;
        lent.give_back();
        Ok(rows.iter().map(|row| object(row, Table::Reports)).collect())
    }
}

/// The columns of a table in the types that [`object`] reads.
fn list(table: Table) -> String {
    let column = |(name, kind): &(&str, Kind)| match kind {
        Kind::Whole => format!("{table}.{name}::bigint"),
        Kind::Text | Kind::Json => format!("{table}.{name}::text"),
        Kind::Date => format!("{table}.{name} - DATE '1970-01-01'"),
        Kind::Real | Kind::Time => format!("{table}.{name}"),
    };
    table.columns().iter().map(column).collect::<Vec<_>>().join(", ")
}

fn object(row: &Row, table: Table) -> Map<String, Value> {
    let mut object = Map::new();
    for (at, (name, kind)) in table.columns().iter().enumerate() {
        let value = match kind {
            Kind::Whole => row.get::<_, Option<i64>>(at).unwrap_or(0).into(),
            Kind::Real => real(row.get::<_, Option<f32>>(at).unwrap_or(0.0)),
            Kind::Text => row.get::<_, Option<&str>>(at).unwrap_or_default().into(),
            Kind::Json => row
                .get::<_, Option<&str>>(at)
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or(Value::Null),
            Kind::Time => row.get::<_, Option<Time>>(at).and_then(|time| time_text(time.0)).into(),
            Kind::Date => row.get::<_, Option<Day>>(at).and_then(date_text).into(),
        };
        object.insert((*name).to_owned(), value);
    }
    object
}
