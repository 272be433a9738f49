//! Faults at random, the same ones for the same seed: what becomes of each request, how far watches are behind, and when
//! the operator ends.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::ask::{Ask, Reply, Side};
use super::cluster::answer::{expired, refuse};
use super::seam::{Fate, Fates, When};

/// How bad it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    /// Requests in a thousand that meet a fault.
    pub(crate) faults: u16,
    /// Requests in a thousand at which the operator ends.
    pub(crate) crashes: u16,
}

impl Weather {
    /// What decides over the requests in this weather.
    pub(crate) fn fates(self) -> Fates {
        let mut chance = StdRng::seed_from_u64(self.seed);
        let mut left_out: Option<Timestamp> = None;
        Box::new(move |_, ask| {
            if chance.random_range(0..1000) < self.crashes {
                let whens = [When::Before, When::Done, When::Replied];
                return Fate::Crash(whens[chance.random_range(0..3)]);
            }
            if chance.random_range(0..1000) >= self.faults {
                return Fate::Pass;
            }
            // Of lists that are asked for one after the other only one leaves a tenant out.
            let now = tenantry::clock::now();
            let is_free = left_out.is_none_or(|last| now.duration_since(last) > SignedDuration::from_mins(1));
            if ask.is_list() && is_free && chance.random_bool(0.4) {
                left_out = Some(now);
                return Fate::LeftOut(chance.random_range(0..100));
            }
            fate(&mut chance, ask)
        })
    }
}

fn fate(chance: &mut StdRng, ask: &Ask) -> Fate {
    if ask.parameter("watch").is_some() {
        let expired = Fate::Instead(Box::new((expired(), false)));
        return if chance.random_bool(0.5) { expired } else { Fate::Lost };
    }
    let is_write = ask.method != Method::GET;
    let pause = Duration::from_millis(chance.random_range(1..55_000));
    let broken = match chance.random_range(0..7) {
        0 => Fate::Lost,
        1 => Fate::ReplyLost,
        2 if is_write => Fate::Late(pause),
        3 if is_write => Fate::Slow(pause),
        4 => Fate::SlowReply(pause),
        5 => Fate::Silent(Duration::from_secs(295)),
        _ => instead(chance, ask, is_write),
    };
    if !is_write && broken == Fate::ReplyLost { Fate::Lost } else { broken }
}

/// An answer of something in between, or of a server in trouble.
fn instead(chance: &mut StdRng, ask: &Ask, is_write: bool) -> Fate {
    let is_done = is_write && chance.random_bool(0.5);
    let plain = |status: u16, body: &'static str, headers: Vec<(String, String)>| Reply {
        status,
        headers,
        body: Bytes::from_static(body.as_bytes()),
    };
    let reply = match (ask.side, chance.random_range(0..5)) {
        (Side::Cluster, 0) if is_write && !is_done => refuse(409, "Conflict", "the object has been modified"),
        (Side::Cluster, 1) => return Fate::Instead(Box::new((refuse(429, "TooManyRequests", "slow down"), false))),
        (Side::Cluster, 2) => refuse(504, "Timeout", "request timed out"),
        (Side::Cluster, _) => refuse(500, "InternalError", "etcdserver: leader changed"),
        (Side::Platform, 0) => {
            let after = vec![("retry-after".to_owned(), chance.random_range(1..40).to_string())];
            return Fate::Instead(Box::new((plain(429, "", after), false)));
        }
        (Side::Platform, 1) => return Fate::Instead(Box::new((plain(429, "", Vec::new()), false))),
        (Side::Platform, 2) => plain(502, "<html>Bad Gateway</html>", Vec::new()),
        (Side::Platform, 3) => plain(200, "<html>Welcome</html>", Vec::new()),
        (Side::Platform, _) => plain(503, r#"{"code":"0005","message":"Try again later"}"#, Vec::new()),
    };
    Fate::Instead(Box::new((reply, is_done)))
}
