-- What is known of the installations that have reported before. Nobody knows when a report came: its own time counts.

INSERT INTO census_installations(installation_id, report_id, report_at, first_seen, last_seen)
SELECT DISTINCT ON (t.installation_id) t.installation_id, t.id, t.timestamp, f.first_seen, least(t.timestamp, now())
FROM telemetry_reports t
JOIN (SELECT installation_id, min(timestamp) AS first_seen FROM telemetry_reports GROUP BY 1) f USING (installation_id)
ORDER BY t.installation_id, t.timestamp DESC, t.id DESC
ON CONFLICT DO NOTHING;

INSERT INTO census_history(day, installation_id, containers, hosts, images)
SELECT DISTINCT ON (installation_id, (timestamp AT TIME ZONE 'UTC')::date)
    (timestamp AT TIME ZONE 'UTC')::date, installation_id, total_containers, host_count, coalesce(unique_images, 0)
FROM telemetry_reports
WHERE isfinite(timestamp)
ORDER BY installation_id, (timestamp AT TIME ZONE 'UTC')::date, timestamp DESC, id DESC
ON CONFLICT DO NOTHING;
