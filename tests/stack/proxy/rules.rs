//! Rules that define which request gets which fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A fault and the requests that get it. If several rules match a request, the first whose timing applies is used.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    /// Method in capitals; absent matches any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A part of the path without its query. `^` matches its start and `$` its end, so that `/clients$` matches the
    /// list and no single client.
    #[serde(default)]
    pub path: String,
    /// A part of the query, such as `watch=true`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// A part of a header line, such as `Bearer ...`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub header: String,
    /// A part of the body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Which of the matching requests get the fault.
    #[serde(default)]
    pub when: FaultTiming,
    /// The fault.
    pub fault: ProxyFault,
}

/// Which of the requests that match a rule get its fault, counted from 1.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultTiming {
    /// Each.
    #[default]
    Always,
    /// Only this one.
    Nth(u64),
    /// This many at the start.
    First(u64),
    /// Every multiple of this number.
    Every(u64),
    /// A percentage, drawn from a seed: the same requests in each run that sends requests in the same order.
    Chance {
        /// Percentage.
        percent: u64,
        /// Seed of the draw.
        #[serde(default)]
        seed: u64,
    },
}

/// A fault.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ProxyFault {
    /// None: the request is forwarded, and later rules are not checked.
    None,
    /// The request is forwarded with an additional header line, such as `x-forwarded-for: 203.0.113.9`.
    With(String),
    /// The request is forwarded after this many milliseconds.
    Delay(u64),
    /// The request is executed, and the connection is closed without a response.
    DropAfter,
    /// The connection is closed, and the request is not forwarded.
    DropBefore,
    /// The request is executed and never answered.
    HangAfter,
    /// The connection is closed, and the request is forwarded this many milliseconds later.
    Late(u64),
    /// The request is neither answered nor forwarded.
    Hang,
    /// The connection is closed after this many bytes of the body.
    Truncate(usize),
    /// The body is sent with this many milliseconds between two bytes.
    Slow(u64),
    /// The body is this many bytes of white space, without a content length.
    Huge(u64),
    /// The body ends in the middle, and its content length matches that.
    Malformed,
    /// The response is that to a GET of this path.
    Elsewhere(String),
    /// This response.
    Answer(CannedAnswer),
}

/// A response of the proxy itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CannedAnswer {
    /// Status code.
    pub status: u16,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body.
    #[serde(default)]
    pub body: String,
    /// Whether the request is executed anyway.
    #[serde(default)]
    pub after: bool,
}

impl FaultRule {
    /// Makes a rule that applies to each request.
    pub fn new(method: &str, path: &str, fault: ProxyFault) -> Self {
        let method = Some(method.to_owned()).filter(|method| !method.is_empty());
        let (path, query, header, body) = (path.to_owned(), String::new(), String::new(), String::new());
        Self { method, path, query, header, body, when: FaultTiming::Always, fault }
    }

    /// Restricts the rule to requests with this text in the query.
    #[must_use]
    pub fn with_query(self, query: &str) -> Self {
        Self { query: query.to_owned(), ..self }
    }

    /// Restricts the rule to some of the requests.
    #[must_use]
    pub fn with_timing(self, when: FaultTiming) -> Self {
        Self { when, ..self }
    }

    /// Restricts the rule to requests with this text in a header line.
    #[must_use]
    pub fn with_header(self, header: &str) -> Self {
        Self { header: header.to_owned(), ..self }
    }

    /// Restricts the rule to requests with this text in the body.
    #[must_use]
    pub fn with_body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    fn matches_request(&self, request: &RequestView<'_>) -> bool {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        self.method.as_ref().is_none_or(|method| method == request.method)
            && format!("^{path}$").contains(&self.path)
            && query.contains(&self.query)
            && (self.header.is_empty() || request.headers.iter().any(|line| line.contains(&self.header)))
            && request.body.contains(&self.body)
    }
}

impl FaultTiming {
    fn applies_to(self, number: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(nth) => number == nth,
            Self::First(first) => number <= first,
            Self::Every(every) => number.is_multiple_of(every.max(1)),
            Self::Chance { percent, seed } => random_number(seed, number) % 100 < percent,
        }
    }
}

/// Returns a number of the generator `splitmix64`, which gives unrelated numbers for neighbouring seeds.
fn random_number(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A request as the rules see it.
pub struct RequestView<'a> {
    /// Method.
    pub method: &'a str,
    /// Path with its query.
    pub target: &'a str,
    /// Header lines.
    pub headers: &'a [String],
    /// Body.
    pub body: &'a str,
}

/// A received request.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// When it was completely received.
    pub at: Instant,
    /// Method.
    pub method: String,
    /// Path with its query.
    pub target: String,
    /// Body.
    pub body: String,
    /// Whether it got a fault.
    pub is_faulty: bool,
}

/// The active rules and their counts.
#[derive(Default)]
pub struct RuleBook {
    rules: Vec<(FaultRule, RuleCount)>,
    seen: Vec<SeenRequest>,
    /// Number of requests with a fault.
    fault_count: u64,
    /// Numbers of those whose response is not finished.
    open: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct RuleCount {
    matched: u64,
    done: u64,
}

/// Maximum number of requests that are remembered, because a proxy may run for days.
const MAX_SEEN_REQUESTS: usize = 100_000;

impl RuleBook {
    /// Replaces the rules and resets their counts.
    pub fn set_rules(&mut self, rules: Vec<FaultRule>) {
        self.rules = rules.into_iter().map(|rule| (rule, RuleCount::default())).collect();
    }

    /// Adds a rule after the others.
    pub fn add_rule(&mut self, rule: FaultRule) {
        self.rules.push((rule, RuleCount::default()));
    }

    /// Returns the fault of a request.
    pub fn choose_fault(&mut self, request: &RequestView<'_>) -> ProxyFault {
        let mut fault = None;
        for (rule, count) in &mut self.rules {
            if !rule.matches_request(request) {
                continue;
            }
            count.matched += 1;
            if fault.is_none() && rule.when.applies_to(count.matched) {
                count.done += 1;
                fault = Some(rule.fault.clone());
            }
        }
        let fault = fault.unwrap_or(ProxyFault::None);
        if self.seen.len() >= MAX_SEEN_REQUESTS {
            self.seen.drain(..MAX_SEEN_REQUESTS / 2);
        }
        self.seen.push(SeenRequest {
            at: Instant::now(),
            method: request.method.to_owned(),
            target: request.target.to_owned(),
            body: request.body.to_owned(),
            is_faulty: !matches!(fault, ProxyFault::None),
        });
        fault
    }

    /// Records that a request with a fault is being answered. Returns its number.
    pub fn begin(&mut self) -> u64 {
        self.fault_count += 1;
        self.open.insert(self.fault_count);
        self.fault_count
    }

    /// Records that its response has ended or the client has closed the connection.
    pub fn end(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Returns the requests with a fault whose response is not finished.
    pub fn open(&self) -> BTreeSet<u64> {
        self.open.clone()
    }

    /// Returns how often each rule was applied.
    pub fn fault_counts(&self) -> Vec<u64> {
        self.rules.iter().map(|(_, count)| count.done).collect()
    }

    /// Returns the received requests.
    pub fn seen_requests(&self) -> Vec<SeenRequest> {
        self.seen.clone()
    }

    /// Returns the response to `GET /__faults`.
    pub fn to_json(&self) -> serde_json::Value {
        let rules: Vec<_> = self
            .rules
            .iter()
            .map(|(rule, count)| serde_json::json!({"rule": rule, "matched": count.matched, "done": count.done}))
            .collect();
        serde_json::json!({"requests": self.seen.len(), "rules": rules})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_pattern(rules: Vec<FaultRule>, targets: &[&str]) -> Vec<bool> {
        let mut rule_book = RuleBook::default();
        rule_book.set_rules(rules);
        let headers = ["authorization: Bearer one".to_owned()];
        let ask = |target| RequestView { method: "POST", target, headers: &headers, body: "{\"name\":\"Globex\"}" };
        targets.iter().map(|target| !matches!(rule_book.choose_fault(&ask(target)), ProxyFault::None)).collect()
    }

    #[test]
    fn a_rule_fits_by_method_path_and_body() {
        let targets = ["/api/v2/tenants/msp_1/clients?x=/clients", "/api/v2/tenants/msp_1/clients/client_2"];
        let of = |rule: FaultRule| fault_pattern(vec![rule], &targets);
        assert_eq!(of(FaultRule::new("", "", ProxyFault::Hang)), [true, true]);
        assert_eq!(of(FaultRule::new("POST", "/clients$", ProxyFault::Hang)), [true, false]);
        assert_eq!(of(FaultRule::new("GET", "", ProxyFault::Hang)), [false, false]);
        assert_eq!(of(FaultRule::new("", "^/clients", ProxyFault::Hang)), [false, false]);
        assert_eq!(of(FaultRule::new("", "", ProxyFault::Hang).with_query("x=")), [true, false]);
        assert_eq!(of(FaultRule::new("", "client_2", ProxyFault::Hang).with_body("Globex")), [false, true]);
        assert_eq!(of(FaultRule::new("", "", ProxyFault::Hang).with_body("Initech")), [false, false]);
        assert_eq!(of(FaultRule::new("", "", ProxyFault::Hang).with_header("Bearer one")), [true, true]);
        assert_eq!(of(FaultRule::new("", "", ProxyFault::Hang).with_header("Bearer two")), [false, false]);
    }

    #[test]
    fn a_rule_strikes_when_its_turn_comes_and_the_first_that_strikes_counts() {
        let of = |when| fault_pattern(vec![FaultRule::new("", "", ProxyFault::Hang).with_timing(when)], &["/"; 6]);
        assert_eq!(of(FaultTiming::Nth(2)), [false, true, false, false, false, false]);
        assert_eq!(of(FaultTiming::First(2)), [true, true, false, false, false, false]);
        assert_eq!(of(FaultTiming::Every(3)), [false, false, true, false, false, true]);
        let spared = vec![FaultRule::new("", "", ProxyFault::None), FaultRule::new("", "", ProxyFault::Hang)];
        assert_eq!(fault_pattern(spared, &["/"]), [false]);
    }

    #[test]
    fn chance_is_the_same_in_each_run_and_about_as_frequent_as_asked_for() {
        let when = FaultTiming::Chance { percent: 30, seed: 7 };
        let drawn: Vec<bool> = (1..=1000).map(|number| when.applies_to(number)).collect();
        let again: Vec<bool> = (1..=1000).map(|number| when.applies_to(number)).collect();
        let hits = drawn.iter().filter(|hit| **hit).count();
        assert!(drawn == again && (250..350).contains(&hits), "{hits}");
    }
}
