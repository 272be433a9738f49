//! Numbers and times in the headers of an answer: each form that an RFC or a common server has is read, and none is
//! believed without bounds. Times are milliseconds since the epoch, and arguments.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use super::budget::{Reset, Told};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const BUCKET: HeaderName = HeaderName::from_static("x-ratelimit-bucket");

/// Longest time that a header can make anybody wait: two of the documented windows of a minute.
pub(super) const LONGEST_WAIT: i64 = 120_000;
/// No budget is larger, so that sums of budgets stay far from any overflow.
const LARGEST_COUNT: i64 = 1_000_000_000;
/// Longest name of a bucket that is remembered.
const LONGEST_NAME: usize = 128;
/// Clocks that differ by less are taken to be the same: `Date` has no fractions of a second.
const SAME_CLOCK: i64 = 2_000;

/// What an answer says of budgets, and what in it cannot be meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) told: Told,
    /// The bucket that the request was counted in.
    pub(super) bucket: Option<String>,
    /// When the platform may be asked again.
    pub(super) retry_at: Option<i64>,
    /// The first header that was cut or left out.
    pub(super) doubted: Option<Doubted>,
}

/// A header that cannot mean what it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Doubted {
    pub(super) header: &'static str,
    pub(super) value: String,
}

/// Reads the headers of an answer that came at `now`.
pub(super) fn read(headers: &HeaderMap, now: i64) -> Reading {
    let clock = Clock::of(headers, now);
    let mut reading = Reading { bucket: bucket(headers), ..Reading::default() };
    reading.told.limit = reading.count(headers, &LIMIT, "x-ratelimit-limit").filter(|limit| *limit > 0);
    reading.told.remaining = reading.count(headers, &REMAINING, "x-ratelimit-remaining");
    reading.told.reset = reading.reset(headers, clock);
    reading.retry_at = reading.retry_at(headers, clock);
    reading
}

/// What the headers say is left of a budget.
pub(super) fn remaining(headers: &HeaderMap) -> Option<u64> {
    let left = count(&text(headers, &REMAINING)?)?;
    u64::try_from(left).ok()
}

impl Reading {
    fn count(&mut self, headers: &HeaderMap, name: &HeaderName, shown: &'static str) -> Option<i64> {
        let text = text(headers, name)?;
        let count = count(&text);
        if count.is_none() {
            self.doubt(shown, &text);
        }
        count
    }

    fn reset(&mut self, headers: &HeaderMap, clock: Clock) -> Option<Reset> {
        let text = text(headers, &RESET)?;
        let reset = clock.time(&text).map(|at| clock.bounded(at));
        if reset.is_none_or(|reset| !reset.is_sure) {
            self.doubt("x-ratelimit-reset", &text);
        }
        reset
    }

    /// `Retry-After` is a number of seconds or a date, RFC 9110 section 10.2.3.
    fn retry_at(&mut self, headers: &HeaderMap, clock: Clock) -> Option<i64> {
        let text = text(headers, &RETRY_AFTER)?;
        let at = match number(&text) {
            Some(seconds) => (seconds >= 0.0).then(|| clock.after(seconds)),
            None => date(&text).map(|date| clock.ours(date)),
        };
        let bounded = at.map(|at| clock.bounded(at));
        if bounded.is_none_or(|bounded| !bounded.is_sure) {
            self.doubt("retry-after", &text);
        }
        bounded.map(|Reset { at, is_sure: _ }| at)
    }

    fn doubt(&mut self, header: &'static str, value: &str) {
        if self.doubted.is_none() {
            self.doubted = Some(Doubted { header, value: value.chars().take(40).collect() });
        }
    }
}

/// Our time, and how far it is ahead of the platform's: the times in headers are of its clock, the waits are of ours.
#[derive(Clone, Copy)]
struct Clock {
    now: i64,
    ahead: i64,
}

impl Clock {
    fn of(headers: &HeaderMap, now: i64) -> Self {
        let theirs = text(headers, &DATE).and_then(|text| date(&text));
        let ahead = theirs.map_or(0, |theirs| now.saturating_sub(theirs));
        Self { now, ahead: if ahead.saturating_abs() < SAME_CLOCK { 0 } else { ahead } }
    }

    /// A time of the platform's clock, by ours.
    fn ours(self, theirs: i64) -> i64 {
        theirs.saturating_add(self.ahead)
    }

    fn after(self, seconds: f64) -> i64 {
        self.now.saturating_add(milliseconds(seconds))
    }

    /// A reset: seconds since the epoch as documented; other servers write milliseconds, microseconds, seconds from
    /// now on, or a date.
    fn time(self, text: &str) -> Option<i64> {
        let Some(number) = number(text) else { return date(text).map(|date| self.ours(date)) };
        let seconds = match number {
            negative if negative < 0.0 => return None,
            // Three years: no wait is as long, and no clock is as old.
            from_now if from_now < 1e8 => return Some(self.after(from_now)),
            seconds if seconds < 1e11 => seconds,
            milliseconds if milliseconds < 1e14 => milliseconds / 1e3,
            microseconds if microseconds < 1e17 => microseconds / 1e6,
            _ => return None,
        };
        Some(self.ours(milliseconds(seconds)))
    }

    fn bounded(self, at: i64) -> Reset {
        let latest = self.now.saturating_add(LONGEST_WAIT);
        Reset { at: at.min(latest), is_sure: at <= latest }
    }
}

/// A float beyond the range becomes its end, so nothing overflows.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float to an integer saturates")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// The header's value without quotes; of a list, and of an item with parameters, the first item.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let whole = headers.get(name)?.to_str().ok()?.trim();
    let is_date = whole.starts_with(|first: char| first.is_ascii_alphabetic());
    let first = if is_date { whole } else { whole.split([',', ';']).next().unwrap_or_default() };
    let bare = first.trim().trim_matches('"').trim();
    (!bare.is_empty()).then(|| bare.to_owned())
}

fn number(text: &str) -> Option<f64> {
    // `inf` and `nan` are numbers for the parser alone.
    let is_numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|number: &f64| is_numeric && number.is_finite())
}

/// A number of requests; less than nothing is nothing.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float to an integer saturates")]
fn count(text: &str) -> Option<i64> {
    number(text).map(|number| (number.floor() as i64).clamp(0, LARGEST_COUNT))
}

/// The three forms of RFC 9110 section 5.6.7, and RFC 3339.
pub(super) fn date(text: &str) -> Option<i64> {
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

fn bucket(headers: &HeaderMap) -> Option<String> {
    text(headers, &BUCKET).filter(|name| name.len() <= LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    /// Nov 15 1994 08:12:01.
    const SERVER: i64 = 784_887_121_000;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn reset(value: &str) -> Option<Reset> {
        read(&headers(&[("x-ratelimit-reset", value)]), SERVER).told.reset
    }

    fn retry_at(value: &str) -> Option<i64> {
        read(&headers(&[("retry-after", value)]), SERVER).retry_at
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
            assert_eq!(reset(form), Some(Reset { at: SERVER + 30_000, is_sure: true }), "{form}");
        }
    }

    #[test]
    fn an_impossible_reset_is_no_reset_or_one_of_two_windows() {
        for form in ["86400", "4102444800", "4102444800000", "9999999999999999", "Fri, 01 Jan 9999 00:00:00 GMT"] {
            let reading = read(&headers(&[("x-ratelimit-reset", form)]), SERVER);
            assert_eq!(reading.told.reset, Some(Reset { at: SERVER + LONGEST_WAIT, is_sure: false }), "{form}");
            assert_eq!(reading.doubted.map(|doubted| doubted.header), Some("x-ratelimit-reset"), "{form}");
        }
        let huge = "9".repeat(400);
        for form in ["-1", "-9223372036854775808", "9223372036854775807", "1e300", &huge, "inf", "NaN", "soon", "0x20"]
        {
            let reading = read(&headers(&[("x-ratelimit-reset", form)]), SERVER);
            assert_eq!(reading.told.reset, None, "{form}");
            assert!(reading.doubted.is_some_and(|doubted| doubted.value.len() <= 40), "{form}");
        }
        assert_eq!(reset("0").map(|reset| reset.at), Some(SERVER), "it is over");
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
            ("99999999999999999999999", Some(LARGEST_COUNT)),
            ("many", None),
            ("", None),
        ] {
            let reading = read(&headers(&[("x-ratelimit-remaining", form)]), SERVER);
            assert_eq!(reading.told.remaining, wanted, "{form}");
        }
        assert_eq!(read(&headers(&[("x-ratelimit-limit", "0")]), SERVER).told.limit, None, "nothing ever is no limit");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_of_the_platforms_clock() {
        assert_eq!(retry_at("3"), Some(SERVER + 3000));
        assert_eq!(retry_at("0"), Some(SERVER));
        assert_eq!(retry_at("1.5"), Some(SERVER + 1500));
        assert_eq!(retry_at("Tue, 15 Nov 1994 08:12:04 GMT"), Some(SERVER + 3000));
        assert_eq!(retry_at("86400"), Some(SERVER + LONGEST_WAIT));
        assert_eq!(retry_at("Fri, 01 Jan 9999 00:00:00 GMT"), Some(SERVER + LONGEST_WAIT));
        for form in ["-1", "never", ""] {
            assert_eq!(retry_at(form), None, "{form}");
        }
        let apart =
            headers(&[("retry-after", "Tue, 15 Nov 1994 08:12:04 GMT"), ("date", "Tue, 15 Nov 1994 08:12:01 GMT")]);
        assert_eq!(read(&apart, SERVER + 3_600_000).retry_at, Some(SERVER + 3_603_000));
    }

    #[test]
    fn times_are_moved_to_our_clock_however_far_the_two_are_apart() {
        let at =
            |date: &str, now| read(&headers(&[("x-ratelimit-reset", "784887151"), ("date", date)]), now).told.reset;
        let date = "Tue, 15 Nov 1994 08:12:01 GMT";
        assert_eq!(at(date, SERVER + 900), Some(Reset { at: SERVER + 30_000, is_sure: true }));
        for apart in [60_000, -60_000, 90_000_000, -90_000_000] {
            let moved = Some(Reset { at: SERVER + apart + 30_000, is_sure: true });
            assert_eq!(at(date, SERVER + apart), moved, "{apart}");
        }
        // A date that is none, or of another age, moves nothing beyond the bounds.
        assert_eq!(at("yesterday", SERVER), Some(Reset { at: SERVER + 30_000, is_sure: true }));
        for date in ["Fri, 01 Jan 9999 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"] {
            assert!(at(date, SERVER).is_none_or(|reset| reset.at <= SERVER + LONGEST_WAIT), "{date}");
        }
    }

    #[test]
    fn a_bucket_has_a_name_of_some_length() {
        let named = |name: &str| read(&headers(&[("x-ratelimit-bucket", name)]), SERVER).bucket;
        assert_eq!(named("\"other-write\"").as_deref(), Some("other-write"));
        assert_eq!(named(""), None);
        assert_eq!(named(&"x".repeat(LONGEST_NAME + 1)), None);
    }
}
