//! What goes away: an installation that asks for it, and what is too old.

use super::Postgres;
use super::types::Time;
use crate::census::CensusError;
use crate::census::trend::trend_name;
use crate::census::uses::each_use;

impl Postgres {
    pub(in crate::census) async fn forget(&self, id: &str) -> Result<u64, CensusError> {
        let failed = self.failed("forget an installation");
        let mut lent = self.lend(&self.background).await?;
        let on = lent.on.client.transaction().await.map_err(&failed)?;
        // Whoever reports meanwhile waits, and begins anew.
        on.query("SELECT FROM census_installations WHERE installation_id = $1 FOR UPDATE", &[&id])
            .await
            .map_err(&failed)?;
        let images =
            "SELECT coalesce(image_stats::text, 'null') FROM telemetry_reports WHERE installation_id = $1";
        let mut names = Vec::new();
        for row in on.query(images, &[&id]).await.map_err(&failed)? {
            each_use(row.get(0), |image| names.push(trend_name(&image.image).to_owned()));
        }
        // A name that nobody else uses tells of its user also without the id.
        let weekly = "DELETE FROM image_stats_weekly WHERE image = ANY($1) AND installation_count <= 1";
        let mut gone = on.execute(weekly, &[&names]).await.map_err(&failed)?;
        on.execute(
            "UPDATE census_days d SET installations = d.installations - 1, containers = greatest(0, d.containers - \
             h.containers) FROM census_history h WHERE h.day = d.day AND h.installation_id = $1",
            &[&id],
        )
        .await
        .map_err(&failed)?;
        for table in [
            "telemetry_reports",
            "image_stats",
            "submission_events",
            "census_history",
            "census_installations",
        ] {
            let sql = format!("DELETE FROM {table} WHERE installation_id = $1");
            gone += on.execute(&sql, &[&id]).await.map_err(&failed)?;
        }
        on.commit().await.map_err(&failed)?;
        lent.give_back();
        Ok(gone)
    }

    pub(in crate::census) async fn retain(&self, cut_ms: i64) -> Result<u64, CensusError> {
        let failed = self.failed("remove what is too old");
        let lent = self.lend(&self.background).await?;
        let cut = Time::from_ms(cut_ms);
        let mut gone = 0;
        for (table, column) in [
            ("telemetry_reports", "timestamp"),
            ("image_stats", "timestamp"),
            ("submission_events", "timestamp"),
            ("census_history", "day"),
            ("census_installations", "last_seen"),
        ] {
            // In pieces, so that nobody waits long for a lock.
            let sql = format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {column} < $1 LIMIT 10000))"
            )
            .replace("day < $1", "day < ($1::timestamptz AT TIME ZONE 'UTC')::date");
            let statement = lent.on.client.prepare(&sql).await.map_err(&failed)?;
            loop {
                let rows = lent.on.client.execute(&statement, &[&cut]).await.map_err(&failed)?;
                gone += rows;
                if rows < 10_000 {
                    break;
                }
            }
        }
        lent.give_back();
        Ok(gone)
    }
}
