//! Which request meets which fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A fault and the requests that meet it. Of the rules that fit a request the first whose turn it is counts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    /// Method in capitals; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A part of the path without its query; `^` stands for its beginning and `$` for its end, so that `/clients$` is
    /// the list and no single client.
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
    /// Which of the requests that fit.
    #[serde(default)]
    pub when: FaultTiming,
    /// What happens to them.
    pub fault: ProxyFault,
}

/// Which of the requests that fit a rule, counted from 1.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FaultTiming {
    /// Each.
    #[default]
    Always,
    /// That one alone.
    Nth(u64),
    /// So many at the beginning.
    First(u64),
    /// Each that this number divides.
    Every(u64),
    /// So many in a hundred, drawn from a seed: the same ones in each run that asks in the same order.
    Chance {
        /// Percentage.
        percent: u64,
        /// Start of the draw.
        #[serde(default)]
        seed: u64,
    },
}

/// What goes wrong.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ProxyFault {
    /// Nothing: the request goes through, and no later rule sees it.
    None,
    /// The request goes through with one header line more, such as `x-forwarded-for: 203.0.113.9`.
    With(String),
    /// So many milliseconds pass before the request is sent on.
    Delay(u64),
    /// The request is carried out and the connection closed without an answer.
    DropAfter,
    /// The connection is closed and the request never sent on.
    DropBefore,
    /// The request is carried out and never answered.
    HangAfter,
    /// The connection is closed, and the request sent on so many milliseconds later.
    Late(u64),
    /// There is never an answer, and the request is not sent on.
    Hang,
    /// Of the body only so many bytes come before the connection is closed.
    Truncate(usize),
    /// The body comes with so many milliseconds between two bytes.
    Slow(u64),
    /// The body is so many bytes of white space, and its length is not told.
    Huge(u64),
    /// The body ends in the middle, and its length says so.
    Malformed,
    /// The answer is that to a GET of this path.
    Elsewhere(String),
    /// This answer.
    Answer(CannedAnswer),
}

/// An answer of the proxy's own.
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
    /// Whether the request is carried out all the same.
    #[serde(default)]
    pub after: bool,
}

impl FaultRule {
    /// A fault that each request meets.
    pub fn new(method: &str, path: &str, fault: ProxyFault) -> Self {
        let method = Some(method.to_owned()).filter(|method| !method.is_empty());
        let (path, query, header, body) = (path.to_owned(), String::new(), String::new(), String::new());
        Self { method, path, query, header, body, when: FaultTiming::Always, fault }
    }

    /// The rule for requests with this text in the query only.
    #[must_use]
    pub fn with_query(self, query: &str) -> Self {
        Self { query: query.to_owned(), ..self }
    }

    /// The rule for some of the requests only.
    #[must_use]
    pub fn with_timing(self, when: FaultTiming) -> Self {
        Self { when, ..self }
    }

    /// The rule for requests with this text in a header line only.
    #[must_use]
    pub fn with_header(self, header: &str) -> Self {
        Self { header: header.to_owned(), ..self }
    }

    /// The rule for requests whose body has this text only.
    #[must_use]
    pub fn with_body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    fn matches_request(&self, asked: &RequestView<'_>) -> bool {
        let (path, query) = asked.target.split_once('?').unwrap_or((asked.target, ""));
        self.method.as_ref().is_none_or(|method| method == asked.method)
            && format!("^{path}$").contains(&self.path)
            && query.contains(&self.query)
            && (self.header.is_empty() || asked.headers.iter().any(|line| line.contains(&self.header)))
            && asked.body.contains(&self.body)
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

/// The generator `splitmix64`: spreads well from neighbouring seeds.
fn random_number(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A request as rules see it.
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

/// A request that came.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// When it had been read.
    pub at: Instant,
    /// Method.
    pub method: String,
    /// Path with its query.
    pub target: String,
    /// Body.
    pub body: String,
    /// Whether it met a fault.
    pub is_faulty: bool,
}

/// The rules in force, and what has come of them.
#[derive(Default)]
pub struct RuleBook {
    rules: Vec<(FaultRule, RuleCount)>,
    seen: Vec<SeenRequest>,
    /// Requests that met a fault so far.
    struck: u64,
    /// Those of them whose answer goes on, by that number.
    open: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct RuleCount {
    matched: u64,
    done: u64,
}

/// Requests beyond which the oldest are forgotten: a proxy may run for days.
const MAX_SEEN_REQUESTS: usize = 100_000;

impl RuleBook {
    /// Puts other rules in force; their counts begin anew.
    pub fn set_rules(&mut self, rules: Vec<FaultRule>) {
        self.rules = rules.into_iter().map(|rule| (rule, RuleCount::default())).collect();
    }

    /// Puts one more rule in force, after the others.
    pub fn add_rule(&mut self, rule: FaultRule) {
        self.rules.push((rule, RuleCount::default()));
    }

    /// The fault of a request.
    pub fn choose_fault(&mut self, asked: &RequestView<'_>) -> ProxyFault {
        let mut fault = None;
        for (rule, count) in &mut self.rules {
            if !rule.matches_request(asked) {
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
            method: asked.method.to_owned(),
            target: asked.target.to_owned(),
            body: asked.body.to_owned(),
            is_faulty: !matches!(fault, ProxyFault::None),
        });
        fault
    }

    /// A request that met a fault is being answered; its number.
    pub fn begin(&mut self) -> u64 {
        self.struck += 1;
        self.open.insert(self.struck);
        self.struck
    }

    /// Its answer has ended, or the client has had enough.
    pub fn end(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// The requests that met a fault and whose answer goes on.
    pub fn open(&self) -> BTreeSet<u64> {
        self.open.clone()
    }

    /// How often each rule struck.
    pub fn fault_counts(&self) -> Vec<u64> {
        self.rules.iter().map(|(_, count)| count.done).collect()
    }

    /// The requests that came.
    pub fn seen_requests(&self) -> Vec<SeenRequest> {
        self.seen.clone()
    }

    /// What `GET /__faults` answers.
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
        let mut book = RuleBook::default();
        book.set_rules(rules);
        let headers = ["authorization: Bearer one".to_owned()];
        let ask = |target| RequestView { method: "POST", target, headers: &headers, body: "{\"name\":\"Globex\"}" };
        targets.iter().map(|target| !matches!(book.choose_fault(&ask(target)), ProxyFault::None)).collect()
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
