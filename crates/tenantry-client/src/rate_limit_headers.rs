//! Numbers and times in the headers of an answer. Each form that an RFC or a common server uses is parsed, and every
//! value is bounded. Times are milliseconds since the epoch, passed as arguments.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use super::rate_limit_budget::{RateLimitHeaders, WindowReset};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const BUCKET: HeaderName = HeaderName::from_static("x-ratelimit-bucket");

/// Longest time that a header can impose as a wait: two of the documented windows of a minute.
pub(super) const MAX_WAIT_MS: i64 = 120_000;
/// Maximum budget, so that sums of budgets never overflow.
const MAX_COUNT: i64 = 1_000_000_000;
/// Maximum length of a bucket name that is kept.
const MAX_BUCKET_NAME: usize = 128;
/// Clocks that differ by less count as equal: `Date` has no fractions of a second.
const CLOCK_TOLERANCE_MS: i64 = 2_000;

/// What an answer reports about budgets, and what in it is implausible.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HeaderReading {
    pub(super) rate_limit: RateLimitHeaders,
    /// The bucket that the request was counted in.
    pub(super) bucket: Option<String>,
    /// When the platform may be asked again, in milliseconds since the epoch.
    pub(super) retry_at: Option<i64>,
    /// The first header that was clamped or ignored.
    pub(super) implausible: Option<ImplausibleHeader>,
}

/// A header with an implausible value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ImplausibleHeader {
    pub(super) header: &'static str,
    pub(super) value: String,
}

/// Parses the headers of an answer that arrived at `now`.
pub(super) fn read_headers(headers: &HeaderMap, now: i64) -> HeaderReading {
    let clock = ClockOffset::from_headers(headers, now);
    let mut reading = HeaderReading { bucket: bucket_name(headers), ..HeaderReading::default() };
    reading.rate_limit.limit = reading.read_count(headers, &LIMIT, "x-ratelimit-limit").filter(|limit| *limit > 0);
    reading.rate_limit.remaining = reading.read_count(headers, &REMAINING, "x-ratelimit-remaining");
    reading.rate_limit.reset = reading.read_reset(headers, clock);
    reading.retry_at = reading.read_retry_at(headers, clock);
    reading
}

/// Returns what is left of a budget according to the headers.
pub(super) fn read_remaining(headers: &HeaderMap) -> Option<u64> {
    let left = parse_count(&header_text(headers, &REMAINING)?)?;
    u64::try_from(left).ok()
}

impl HeaderReading {
    fn read_count(&mut self, headers: &HeaderMap, name: &HeaderName, shown: &'static str) -> Option<i64> {
        let text = header_text(headers, name)?;
        let count = parse_count(&text);
        if count.is_none() {
            self.record_implausible(shown, &text);
        }
        count
    }

    fn read_reset(&mut self, headers: &HeaderMap, clock: ClockOffset) -> Option<WindowReset> {
        let text = header_text(headers, &RESET)?;
        let reset = clock.parse_reset_time(&text).map(|at| clock.bound_reset(at));
        if reset.is_none_or(|reset| !reset.is_plausible) {
            self.record_implausible("x-ratelimit-reset", &text);
        }
        reset
    }

    /// Parses `Retry-After`: a number of seconds or a date, RFC 9110 section 10.2.3.
    fn read_retry_at(&mut self, headers: &HeaderMap, clock: ClockOffset) -> Option<i64> {
        let text = header_text(headers, &RETRY_AFTER)?;
        let at = match parse_number(&text) {
            Some(seconds) => (seconds >= 0.0).then(|| clock.seconds_from_now(seconds)),
            None => parse_date(&text).map(|date| clock.to_local(date)),
        };
        let bounded = at.map(|at| clock.bound_reset(at));
        if bounded.is_none_or(|bounded| !bounded.is_plausible) {
            self.record_implausible("retry-after", &text);
        }
        bounded.map(|WindowReset { at, is_plausible: _ }| at)
    }

    fn record_implausible(&mut self, header: &'static str, value: &str) {
        if self.implausible.is_none() {
            self.implausible = Some(ImplausibleHeader { header, value: value.chars().take(40).collect() });
        }
    }
}

/// Our time, and how far it is ahead of the platform's: the headers use the platform's clock, the waits use ours.
#[derive(Clone, Copy)]
struct ClockOffset {
    now: i64,
    ahead: i64,
}

impl ClockOffset {
    fn from_headers(headers: &HeaderMap, now: i64) -> Self {
        let theirs = header_text(headers, &DATE).and_then(|text| parse_date(&text));
        let ahead = theirs.map_or(0, |theirs| now.saturating_sub(theirs));
        Self { now, ahead: if ahead.saturating_abs() < CLOCK_TOLERANCE_MS { 0 } else { ahead } }
    }

    /// Converts a time of the platform's clock to ours.
    fn to_local(self, theirs: i64) -> i64 {
        theirs.saturating_add(self.ahead)
    }

    fn seconds_from_now(self, seconds: f64) -> i64 {
        self.now.saturating_add(to_milliseconds(seconds))
    }

    /// Parses a reset time. It is documented as seconds since the epoch; other servers send milliseconds, microseconds,
    /// seconds from now, or a date.
    fn parse_reset_time(self, text: &str) -> Option<i64> {
        let Some(number) = parse_number(text) else { return parse_date(text).map(|date| self.to_local(date)) };
        let seconds = match number {
            negative if negative < 0.0 => return None,
            // Three years: no wait is that long, and no clock is that old.
            from_now if from_now < 1e8 => return Some(self.seconds_from_now(from_now)),
            seconds if seconds < 1e11 => seconds,
            milliseconds if milliseconds < 1e14 => milliseconds / 1e3,
            microseconds if microseconds < 1e17 => microseconds / 1e6,
            _ => return None,
        };
        Some(self.to_local(to_milliseconds(seconds)))
    }

    fn bound_reset(self, at: i64) -> WindowReset {
        let latest = self.now.saturating_add(MAX_WAIT_MS);
        WindowReset { at: at.min(latest), is_plausible: at <= latest }
    }
}

/// Converts seconds to milliseconds. A float beyond the range saturates, so nothing overflows.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float to an integer saturates")]
fn to_milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Returns the header's value without quotes. From a list, or an item with parameters, it returns the first item.
fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let whole = headers.get(name)?.to_str().ok()?.trim();
    let is_date = whole.starts_with(|first: char| first.is_ascii_alphabetic());
    let first = if is_date { whole } else { whole.split([',', ';']).next().unwrap_or_default() };
    let bare = first.trim().trim_matches('"').trim();
    (!bare.is_empty()).then(|| bare.to_owned())
}

fn parse_number(text: &str) -> Option<f64> {
    // `inf` and `nan` are numbers only to the parser.
    let is_numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|number: &f64| is_numeric && number.is_finite())
}

/// Parses a number of requests; a negative number becomes 0.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float to an integer saturates")]
fn parse_count(text: &str) -> Option<i64> {
    parse_number(text).map(|number| (number.floor() as i64).clamp(0, MAX_COUNT))
}

/// Parses the three date forms of RFC 9110 section 5.6.7, and RFC 3339.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let civil = |format| DateTime::strptime(format, text).ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()
        .or_else(|| civil("%A, %d-%b-%y %H:%M:%S GMT"))
        .or_else(|| civil("%a %b %e %H:%M:%S %Y"))
        .or_else(|| text.parse::<Timestamp>().ok())
        .map(Timestamp::as_millisecond)
}

fn bucket_name(headers: &HeaderMap) -> Option<String> {
    header_text(headers, &BUCKET).filter(|name| name.len() <= MAX_BUCKET_NAME)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    /// Nov 15 1994 08:12:01.
    const SERVER: i64 = 784_887_121_000;

    fn header_map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn reset_of(value: &str) -> Option<WindowReset> {
        read_headers(&header_map(&[("x-ratelimit-reset", value)]), SERVER).rate_limit.reset
    }

    fn retry_at_of(value: &str) -> Option<i64> {
        read_headers(&header_map(&[("retry-after", value)]), SERVER).retry_at
    }

    /// shows: faults/50
    #[test]
    fn a_reset_is_read_in_each_unit_and_form() {
        for form in [
            "784887151",
            "\"784887151\"",
            "784887151.0",
            "784887151000",
            "784887151000000",
            "30",
            "30.0",
            "3e1",
            "30;w=60",
            "30, 60",
            "Tue, 15 Nov 1994 08:12:31 GMT",
            "Tuesday, 15-Nov-94 08:12:31 GMT",
            "Tue Nov 15 08:12:31 1994",
            "1994-11-15T08:12:31Z",
            "1994-11-15T09:12:31+01:00",
        ] {
            assert_eq!(reset_of(form), Some(WindowReset { at: SERVER + 30_000, is_plausible: true }), "{form}");
        }
    }

    #[test]
    fn an_impossible_reset_is_no_reset_or_one_of_two_windows() {
        for form in ["86400", "4102444800", "4102444800000", "9999999999999999", "Fri, 01 Jan 9999 00:00:00 GMT"] {
            let reading = read_headers(&header_map(&[("x-ratelimit-reset", form)]), SERVER);
            assert_eq!(
                reading.rate_limit.reset,
                Some(WindowReset { at: SERVER + MAX_WAIT_MS, is_plausible: false }),
                "{form}"
            );
            assert_eq!(reading.implausible.map(|doubted| doubted.header), Some("x-ratelimit-reset"), "{form}");
        }
        let huge = "9".repeat(400);
        for form in ["-1", "-9223372036854775808", "9223372036854775807", "1e300", &huge, "inf", "NaN", "soon", "0x20"]
        {
            let reading = read_headers(&header_map(&[("x-ratelimit-reset", form)]), SERVER);
            assert_eq!(reading.rate_limit.reset, None, "{form}");
            assert!(reading.implausible.is_some_and(|doubted| doubted.value.len() <= 40), "{form}");
        }
        assert_eq!(reset_of("0").map(|reset| reset.at), Some(SERVER), "it is over");
    }

    #[test]
    fn counts_are_read_as_integer_float_and_text_and_are_bounded() {
        for (form, wanted) in [
            ("7", Some(7)),
            ("\"7\"", Some(7)),
            (" 7 ", Some(7)),
            ("7.9", Some(7)),
            ("7, 7;w=60", Some(7)),
            ("-3", Some(0)),
            ("99999999999999999999999", Some(MAX_COUNT)),
            ("many", None),
            ("", None),
        ] {
            let reading = read_headers(&header_map(&[("x-ratelimit-remaining", form)]), SERVER);
            assert_eq!(reading.rate_limit.remaining, wanted, "{form}");
        }
        assert_eq!(
            read_headers(&header_map(&[("x-ratelimit-limit", "0")]), SERVER).rate_limit.limit,
            None,
            "nothing ever is no limit"
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_of_the_platforms_clock() {
        assert_eq!(retry_at_of("3"), Some(SERVER + 3000));
        assert_eq!(retry_at_of("0"), Some(SERVER));
        assert_eq!(retry_at_of("1.5"), Some(SERVER + 1500));
        assert_eq!(retry_at_of("Tue, 15 Nov 1994 08:12:04 GMT"), Some(SERVER + 3000));
        assert_eq!(retry_at_of("86400"), Some(SERVER + MAX_WAIT_MS));
        assert_eq!(retry_at_of("Fri, 01 Jan 9999 00:00:00 GMT"), Some(SERVER + MAX_WAIT_MS));
        for form in ["-1", "never", ""] {
            assert_eq!(retry_at_of(form), None, "{form}");
        }
        let apart =
            header_map(&[("retry-after", "Tue, 15 Nov 1994 08:12:04 GMT"), ("date", "Tue, 15 Nov 1994 08:12:01 GMT")]);
        assert_eq!(read_headers(&apart, SERVER + 3_600_000).retry_at, Some(SERVER + 3_603_000));
    }

    #[test]
    fn times_are_moved_to_our_clock_however_far_the_two_are_apart() {
        let at = |date: &str, now| {
            read_headers(&header_map(&[("x-ratelimit-reset", "784887151"), ("date", date)]), now).rate_limit.reset
        };
        let date = "Tue, 15 Nov 1994 08:12:01 GMT";
        assert_eq!(at(date, SERVER + 900), Some(WindowReset { at: SERVER + 30_000, is_plausible: true }));
        for apart in [60_000, -60_000, 90_000_000, -90_000_000] {
            let moved = Some(WindowReset { at: SERVER + apart + 30_000, is_plausible: true });
            assert_eq!(at(date, SERVER + apart), moved, "{apart}");
        }
        // An invalid date, or one of another age, moves nothing beyond the bounds.
        assert_eq!(at("yesterday", SERVER), Some(WindowReset { at: SERVER + 30_000, is_plausible: true }));
        for date in ["Fri, 01 Jan 9999 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"] {
            assert!(at(date, SERVER).is_none_or(|reset| reset.at <= SERVER + MAX_WAIT_MS), "{date}");
        }
    }

    #[test]
    fn a_bucket_has_a_name_of_some_length() {
        let named = |name: &str| read_headers(&header_map(&[("x-ratelimit-bucket", name)]), SERVER).bucket;
        assert_eq!(named("\"other-write\"").as_deref(), Some("other-write"));
        assert_eq!(named(""), None);
        assert_eq!(named(&"x".repeat(MAX_BUCKET_NAME + 1)), None);
    }
}
