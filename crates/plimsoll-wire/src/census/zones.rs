//! Which part of the world a time zone is in.

/// What a census shows instead of a place.
pub const REGIONS: [&str; 9] =
    ["Americas", "Europe", "Asia", "Africa", "Pacific", "Oceania", "Antarctica", "Other", "Unknown"];

/// The region of a time zone by its name in the time zone database: one of [`REGIONS`].
///
/// As v1 has them: Australia is `Oceania`, `Pacific/` a region of its own, zones of the Atlantic, the Indian Ocean and the
/// Arctic are `Other`, and one that is a place nowhere is `Unknown`. Beyond v1, the older names of American zones are
/// known, and UTC under its other names.
///
/// ```
/// assert_eq!(plimsoll_wire::census::zones::region("Europe/Berlin"), "Europe");
/// assert_eq!(plimsoll_wire::census::zones::region(""), "Unknown");
/// ```
#[must_use]
pub fn region(timezone: &str) -> &'static str {
    let area = timezone.split_once('/').map_or(timezone, |(area, _)| area);
    match area {
        "America" | "US" | "Canada" | "Brazil" | "Chile" | "Mexico" => "Americas",
        "Europe" => "Europe",
        "Asia" => "Asia",
        "Africa" => "Africa",
        "Pacific" => "Pacific",
        "Australia" => "Oceania",
        "Antarctica" => "Antarctica",
        "" | "Unknown" | "Local" | "UTC" | "UCT" | "GMT" | "Universal" | "Zulu" | "Etc" => "Unknown",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_lie_where_v1_has_them_lie() {
        let table = [
            ("America/New_York", "Americas"),
            ("America/Argentina/Buenos_Aires", "Americas"),
            ("US/Pacific", "Americas"),
            ("Canada/Eastern", "Americas"),
            ("Europe/Berlin", "Europe"),
            ("Asia/Tokyo", "Asia"),
            ("Africa/Lagos", "Africa"),
            ("Pacific/Auckland", "Pacific"),
            ("Australia/Sydney", "Oceania"),
            ("Antarctica/Troll", "Antarctica"),
            ("Atlantic/Reykjavik", "Other"),
            ("Indian/Maldives", "Other"),
            ("Arctic/Longyearbyen", "Other"),
            ("Japan", "Other"),
            ("CET", "Other"),
            ("Europa/Berlin", "Other"),
            ("<b>", "Other"),
            ("Etc/UTC", "Unknown"),
            ("GMT", "Unknown"),
            ("UTC", "Unknown"),
            ("Unknown", "Unknown"),
            ("", "Unknown"),
        ];
        for (timezone, expected) in table {
            assert_eq!(region(timezone), expected, "{timezone}");
            assert!(REGIONS.contains(&expected));
        }
    }
}
