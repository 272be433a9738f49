//! The clock and the wire's two time formats. The store keeps milliseconds since 1970.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use tenantry_wire::TIME_FORMAT;

/// Milliseconds in a second; times on the wire have whole seconds.
const SECOND: i64 = 1000;

/// Returns the current time.
pub(super) fn now() -> i64 {
    tenantry_runtime::clock::now().as_millisecond()
}

/// Formats a stored time for the wire.
pub(super) fn to_wire(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned(TimeZone::UTC).strftime(TIME_FORMAT).to_string()
}

/// Formats a stored time with its milliseconds, to distinguish two times within a second.
pub(super) fn to_wire_millis(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_zoned(TimeZone::UTC).strftime(&TIME_FORMAT.replace("%S", "%S%.3f")).to_string()
}

/// Parses a search date. Returns the half-open range of stored times that it covers: a second, or a day for a bare
/// date. Dates are in GMT unless they have an offset. A `+` of the offset that arrives as a blank is restored.
pub(super) fn parse_span(text: &str) -> Option<(i64, i64)> {
    let text = text.trim();
    if let Ok(date) = Date::strptime("%Y-%m-%d", text) {
        let start = to_millis(date.to_datetime(jiff::civil::Time::midnight()))?;
        return Some((start, start + 24 * 60 * 60 * SECOND));
    }
    let start = if let Ok(datetime) = DateTime::strptime("%Y-%m-%dT%H:%M:%S", text) {
        to_millis(datetime)?
    } else if let Ok(time) = text.parse::<Timestamp>() {
        time.as_millisecond() / SECOND * SECOND
    } else {
        let text = text.replace(' ', "+");
        jiff::fmt::strtime::parse(TIME_FORMAT, &text).ok()?.to_timestamp().ok()?.as_millisecond()
    };
    Some((start, start + SECOND))
}

fn to_millis(datetime: DateTime) -> Option<i64> {
    Some(datetime.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_wire_writes_it() {
        assert_eq!(to_wire(1_472_472_308_123), "2016-08-29T12:05:08+0000");
        assert_eq!(to_wire_millis(1_472_472_308_037), "2016-08-29T12:05:08.037+0000");
        assert_eq!(to_wire_millis(1_472_472_308_000), "2016-08-29T12:05:08.000+0000");
    }

    #[test]
    fn search_dates_are_read_in_every_form() {
        let second = Some((1_472_472_308_000, 1_472_472_309_000));
        for text in [
            "2016-08-29T12:05:08+0000",
            "2016-08-29T12:05:08 0000",
            "2016-08-29T14:05:08+0200",
            "2016-08-29T12:05:08Z",
            "2016-08-29T12:05:08",
        ] {
            assert_eq!(parse_span(text), second, "{text}");
        }
        assert_eq!(parse_span("2016-08-29"), Some((1_472_428_800_000, 1_472_515_200_000)));
        assert_eq!(parse_span("yesterday"), None);
    }
}
