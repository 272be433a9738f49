//! Random faults, reproducible by seed: the fate of each request, the delay of watches, and when the operator crashes.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::cluster::responses::{error_status, expired_watch};
use super::exchange::{CrashPoint, FateChooser, RequestFate};
use super::request::{SimReply, SimRequest, SimServer};

/// The frequency of faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultRates {
    pub(crate) seed: u64,
    /// Requests in a thousand that meet a fault.
    pub(crate) faults: u16,
    /// Requests in a thousand at which the operator crashes.
    pub(crate) crashes: u16,
}

impl FaultRates {
    /// Returns the fate chooser with these rates.
    pub(crate) fn fate_chooser(self) -> FateChooser {
        let mut chance = StdRng::seed_from_u64(self.seed);
        let mut left_out: Option<Timestamp> = None;
        Box::new(move |_, ask| {
            if chance.random_range(0..1000) < self.crashes {
                let whens = [CrashPoint::BeforeRequest, CrashPoint::BeforeReply, CrashPoint::AfterReply];
                return RequestFate::Crash(whens[chance.random_range(0..3)]);
            }
            if chance.random_range(0..1000) >= self.faults {
                return RequestFate::Pass;
            }
            // Of consecutive lists only one lacks a tenant.
            let now = tenantry_runtime::clock::now();
            let is_free = left_out.is_none_or(|last| now.duration_since(last) > SignedDuration::from_mins(1));
            if ask.is_list() && is_free && chance.random_bool(0.4) {
                left_out = Some(now);
                return RequestFate::RowMissing(chance.random_range(0..100));
            }
            random_fate(&mut chance, ask)
        })
    }
}

fn random_fate(chance: &mut StdRng, request: &SimRequest) -> RequestFate {
    if request.parameter("watch").is_some() {
        let expired = RequestFate::Replaced(Box::new((expired_watch(), false)));
        return if chance.random_bool(0.5) { expired } else { RequestFate::Lost };
    }
    let is_write = request.method != Method::GET;
    let pause = Duration::from_millis(chance.random_range(1..55_000));
    let broken = match chance.random_range(0..7) {
        0 => RequestFate::Lost,
        1 => RequestFate::ReplyLost,
        2 if is_write => RequestFate::Late(pause),
        3 if is_write => RequestFate::Slow(pause),
        4 => RequestFate::SlowReply(pause),
        5 => RequestFate::Silent(Duration::from_secs(295)),
        _ => random_error_reply(chance, request, is_write),
    };
    if !is_write && broken == RequestFate::ReplyLost { RequestFate::Lost } else { broken }
}

/// Returns an error of an intermediary, or of a server in trouble.
fn random_error_reply(chance: &mut StdRng, request: &SimRequest, is_write: bool) -> RequestFate {
    let is_done = is_write && chance.random_bool(0.5);
    let plain = |status: u16, body: &'static str, headers: Vec<(String, String)>| SimReply {
        status,
        headers,
        body: Bytes::from_static(body.as_bytes()),
    };
    let reply = match (request.side, chance.random_range(0..5)) {
        (SimServer::Cluster, 0) if is_write && !is_done => {
            error_status(409, "Conflict", "the object has been modified")
        }
        (SimServer::Cluster, 1) => {
            return RequestFate::Replaced(Box::new((error_status(429, "TooManyRequests", "slow down"), false)));
        }
        (SimServer::Cluster, 2) => error_status(504, "Timeout", "request timed out"),
        (SimServer::Cluster, _) => error_status(500, "InternalError", "etcdserver: leader changed"),
        (SimServer::Platform, 0) => {
            let after = vec![("retry-after".to_owned(), chance.random_range(1..40).to_string())];
            return RequestFate::Replaced(Box::new((plain(429, "", after), false)));
        }
        (SimServer::Platform, 1) => return RequestFate::Replaced(Box::new((plain(429, "", Vec::new()), false))),
        (SimServer::Platform, 2) => plain(502, "<html>Bad Gateway</html>", Vec::new()),
        (SimServer::Platform, 3) => plain(200, "<html>Welcome</html>", Vec::new()),
        (SimServer::Platform, _) => plain(503, r#"{"code":"0005","message":"Try again later"}"#, Vec::new()),
    };
    RequestFate::Replaced(Box::new((reply, is_done)))
}
