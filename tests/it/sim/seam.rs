//! The connections to the two servers: every request is numbered, may meet a fault, and is carried out on servers that
//! survive the operator's lives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Notify;

use super::ask::{SimReply, SimRequest, SimServer};
use super::cluster::{SimCluster, SimObjectKey, WatchState};
use super::oracle::Oracle;
use super::platform::SimPlatform;
use super::troubles::LastingFaults;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestFate {
    /// Carried out and answered.
    Pass,
    /// The connection breaks. Nothing is carried out.
    Lost,
    /// Carried out; the connection breaks before the reply.
    ReplyLost,
    /// The connection breaks, and the request is carried out after this time.
    Late(Duration),
    /// The request is carried out and answered after this time.
    Slow(Duration),
    /// Carried out; the reply arrives after this time.
    SlowReply(Duration),
    /// Nothing is carried out or answered, until the connection breaks after this time.
    Silent(Duration),
    /// Carried out; the list in the answer lacks this row, as when pages shift or a replica is behind.
    RowMissing(usize),
    /// Answered with this reply instead. The flag is true if the request is carried out all the same.
    Replaced(Box<(SimReply, bool)>),
    /// The operator crashes right before the request, right after it was carried out, or with the reply.
    Crash(CrashPoint),
}

/// When the operator crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    BeforeRequest,
    BeforeReply,
    AfterReply,
}

/// Chooses the fate of requests, by life and number.
pub(crate) type FateChooser = Box<dyn FnMut((usize, usize), &SimRequest) -> RequestFate + Send>;

/// How far clocks are ahead of the operator's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClockOffsets {
    pub(crate) cluster: SignedDuration,
    pub(crate) platform: SignedDuration,
}

/// Edits an answer of the platform on its way to an operator.
pub(crate) type ReplyEdit = Box<dyn FnMut(&SimRequest, &mut SimReply) + Send>;

/// A request that is carried out later.
struct DelayedRequest {
    id: usize,
    due: Timestamp,
    life: usize,
    ask: SimRequest,
}

/// A recorded event for the replay.
pub(crate) enum RecordedEvent {
    Request(SimRequest, SimReply),
    /// The controllers of Kubernetes have run, with the objects afterwards.
    Controllers(Vec<(SimObjectKey, Value)>),
}

/// The state that survives an operator.
pub(crate) struct SimState {
    pub(crate) cluster: SimCluster,
    pub(crate) platform: Arc<SimPlatform>,
    pub(crate) oracle: Oracle,
    /// Number of requests.
    pub(crate) asked: usize,
    pub(crate) fates: FateChooser,
    /// Edits answers as an intermediary, or another release of the platform, would.
    pub(crate) edit: Option<ReplyEdit>,
    late: Vec<DelayedRequest>,
    landed: Vec<(usize, SimReply)>,
    /// Delay between a change and its watch event.
    pub(crate) lag: Duration,
    /// How far the clocks of the two servers are ahead of the operator's.
    pub(crate) ahead: ClockOffsets,
    /// Faults that last for some time.
    pub(crate) troubles: LastingFaults,
    /// Version at which lists are answered, as after a restart of a server that is behind.
    pub(crate) list_at: Option<u64>,
    /// The log of the run, for a failure.
    pub(crate) story: Vec<String>,
    /// Requests with their answers, if they will be replayed.
    pub(crate) record: Option<Vec<RecordedEvent>>,
    /// The time at the end of the last life.
    pub(crate) now: Timestamp,
    /// A time, and the number of requests in it.
    moment: (Timestamp, usize),
}

/// Both servers with all faults on the way to them.
#[derive(Clone)]
pub(crate) struct SimWorld(Arc<Mutex<SimState>>);

/// One life of an operator.
#[derive(Clone)]
pub(crate) struct OperatorLife {
    pub(crate) number: usize,
    ended: Arc<(AtomicBool, Notify)>,
}

impl OperatorLife {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, ended: Arc::default() }
    }

    /// Ends the life. None of its later requests is carried out.
    pub(crate) fn end(&self) {
        self.ended.0.store(true, Ordering::SeqCst);
        self.ended.1.notify_one();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.0.load(Ordering::SeqCst)
    }

    /// Ends a life whose requests would never pause.
    fn end_endless_life<T>(&self) -> Result<T, BrokenConnection> {
        self.end();
        Err(BrokenConnection)
    }

    /// Waits for the end.
    pub(crate) async fn wait_for_end(&self) {
        while !self.has_ended() {
            self.ended.1.notified().await;
        }
    }
}

impl SimState {
    pub(crate) fn new(cluster: SimCluster, platform: Arc<SimPlatform>, now: Timestamp) -> Self {
        Self {
            cluster,
            platform,
            oracle: Oracle::default(),
            asked: 0,
            fates: Box::new(|_, _| RequestFate::Pass),
            edit: None,
            late: Vec::new(),
            landed: Vec::new(),
            lag: Duration::ZERO,
            ahead: ClockOffsets::default(),
            troubles: LastingFaults::default(),
            list_at: None,
            story: Vec::new(),
            record: None,
            now,
            moment: (now, 0),
        }
    }

    /// Numbers a request. Returns `None` if the current moment already has too many, which would never end.
    fn number_request(&mut self, now: Timestamp) -> Option<usize> {
        self.asked += 1;
        self.moment = if self.moment.0 == now { (now, self.moment.1 + 1) } else { (now, 1) };
        if self.moment.1 == MAX_REQUESTS_AT_ONCE {
            self.oracle.violations.push(format!("{now}: {MAX_REQUESTS_AT_ONCE} requests without a pause"));
        }
        (self.moment.1 < MAX_REQUESTS_AT_ONCE).then_some(self.asked)
    }

    /// Returns the fate of a request under the lasting faults.
    fn lasting_fate(&mut self, life: usize, ask: &SimRequest, now: Timestamp) -> RequestFate {
        if let Some(leading) = self.oracle.leading_life() {
            self.troubles.update_leader(leading);
        }
        self.troubles.fate(life, ask, now)
    }

    /// Adds a line to the story.
    pub(crate) fn add_story_line(&mut self, at: Timestamp, text: impl AsRef<str>) {
        self.story.push(format!("{} {}", at.strftime("%d %H:%M:%S%.3f"), text.as_ref()));
    }

    /// Carries out a request now, after all delayed ones that are due. Life 0 is that of the people.
    pub(crate) fn carry_out(&mut self, life: usize, ask: &SimRequest, at: Timestamp) -> SimReply {
        self.carry_out_delayed(at);
        self.carry_out_at(life, ask, at)
    }

    fn carry_out_at(&mut self, life: usize, ask: &SimRequest, at: Timestamp) -> SimReply {
        let stale = self.list_at.filter(|_| life > 0 && ask.parameter("limit").is_some());
        let mut reply = match (ask.side, stale) {
            (SimServer::Cluster, Some(version)) => self.cluster.stale_list(ask, version),
            (SimServer::Cluster, None) => self.cluster.carry_out(ask, at),
            (SimServer::Platform, _) => self.platform.carry_out(ask, at),
        };
        if life > 0 && ask.side == SimServer::Platform {
            self.rewrite_platform_reply(ask, &mut reply, at);
        }
        if let Some(edit) = self.edit.as_mut().filter(|_| life > 0 && ask.side == SimServer::Platform) {
            edit(ask, &mut reply);
        }
        if let Some(record) = &mut self.record
            && ask.side == SimServer::Cluster
        {
            record.push(RecordedEvent::Request(ask.clone(), reply.clone()));
        }
        let ahead = if ask.side == SimServer::Cluster { self.ahead.cluster } else { self.ahead.platform };
        let date = (at + ahead).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        reply.headers.push(("date".to_owned(), date));
        let tenants = (ask.side == SimServer::Platform && ask.is_write()).then(|| self.platform.tenants());
        self.add_story_line(at, format!("   life {life} {} -> {}", ask.log_line(), reply.status));
        let Self { oracle, cluster, .. } = self;
        oracle.record_reply(life, ask, &reply, cluster, tenants, at);
        reply
    }

    /// Rewrites the platform's answer for an operator: outdated, or normalised.
    fn rewrite_platform_reply(&mut self, ask: &SimRequest, reply: &mut SimReply, at: Timestamp) {
        if let Some(shown) = self.troubles.late_reply(ask, at) {
            *reply = shown.reply.clone();
            self.oracle.shown_late = Some(shown);
        } else if reply.is_success() {
            self.troubles.remember_read(ask, reply, &self.oracle.tenants, at);
        }
        self.troubles.normalise_reply(ask, reply);
    }

    /// Carries out the delayed requests that are due.
    pub(crate) fn carry_out_delayed(&mut self, now: Timestamp) {
        while let Some(index) =
            (0..self.late.len()).filter(|i| self.late[*i].due <= now).min_by_key(|i| self.late[*i].due)
        {
            let DelayedRequest { id, due, life, ask } = self.late.remove(index);
            let reply = self.carry_out_at(life, &ask, due);
            self.landed.push((id, reply));
        }
    }

    /// Runs the controllers of Kubernetes.
    pub(crate) fn run_controllers(&mut self, now: Timestamp) {
        self.cluster.run_controllers(now);
        let all = self.cluster.partners_and_clients();
        let objects = all.map(|(key, object)| (key.clone(), object.clone())).collect();
        if let Some(record) = &mut self.record {
            record.push(RecordedEvent::Controllers(objects));
        }
    }

    /// Returns whether requests are delayed.
    pub(crate) fn has_delayed_requests(&self) -> bool {
        !self.late.is_empty()
    }
}

/// More requests than a moment of a simulation can have.
const MAX_REQUESTS_AT_ONCE: usize = 1_000;

/// A broken connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection was reset")]
pub(crate) struct BrokenConnection;

impl SimWorld {
    pub(crate) fn new(state: SimState) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SimState> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Processes a request of an operator, from its arrival to its reply.
    pub(crate) async fn exchange_request(
        &self,
        life: &OperatorLife,
        ask: SimRequest,
    ) -> Result<SimReply, BrokenConnection> {
        if life.has_ended() {
            return std::future::pending().await;
        }
        let now = tenantry::clock::now();
        let fate = {
            let mut state = self.lock();
            state.carry_out_delayed(now);
            let Some(number) = state.number_request(now) else { return life.end_endless_life() };
            let fate = match (state.fates)((life.number, number), &ask) {
                RequestFate::Pass => state.lasting_fate(life.number, &ask, now),
                fate => fate,
            };
            if fate != RequestFate::Pass {
                state.add_story_line(now, format!(" ! {number} {fate:?}: {}", ask.log_line()));
            }
            let SimState { oracle, cluster, .. } = &mut *state;
            if !matches!(fate, RequestFate::Crash(CrashPoint::BeforeRequest)) {
                oracle.check_request((life.number, &ask), cluster, now);
            }
            fate
        };
        self.apply_fate(life, ask, fate, now).await
    }

    /// Begins a watch, or answers instead of it. Faults break the connection or answer.
    pub(crate) async fn begin_watch(
        &self,
        life: &OperatorLife,
        ask: &SimRequest,
    ) -> Result<Result<WatchState, SimReply>, BrokenConnection> {
        if life.has_ended() {
            return std::future::pending().await;
        }
        let now = tenantry::clock::now();
        let fate = {
            let mut state = self.lock();
            state.carry_out_delayed(now);
            let Some(number) = state.number_request(now) else { return life.end_endless_life() };
            (state.fates)((life.number, number), ask)
        };
        match fate {
            RequestFate::Pass => Ok(self.lock().cluster.begin_watch(ask)),
            RequestFate::Crash(CrashPoint::AfterReply) => {
                life.end();
                Ok(self.lock().cluster.begin_watch(ask))
            }
            RequestFate::Crash(_) => {
                life.end();
                std::future::pending().await
            }
            RequestFate::Replaced(instead) => Ok(Err(instead.0)),
            RequestFate::Slow(pause) | RequestFate::SlowReply(pause) => {
                tokio::time::sleep(pause).await;
                Ok(self.lock().cluster.begin_watch(ask))
            }
            RequestFate::RowMissing(_) => Ok(self.lock().cluster.begin_watch(ask)),
            RequestFate::Silent(pause) => {
                tokio::time::sleep(pause).await;
                Err(BrokenConnection)
            }
            RequestFate::Lost | RequestFate::ReplyLost | RequestFate::Late(_) => Err(BrokenConnection),
        }
    }

    async fn apply_fate(
        &self,
        life: &OperatorLife,
        ask: SimRequest,
        fate: RequestFate,
        now: Timestamp,
    ) -> Result<SimReply, BrokenConnection> {
        let carry_out = || self.lock().carry_out(life.number, &ask, now);
        match fate {
            RequestFate::Pass => Ok(carry_out()),
            RequestFate::Lost => Err(BrokenConnection),
            RequestFate::ReplyLost => {
                carry_out();
                Err(BrokenConnection)
            }
            RequestFate::Late(pause) => {
                self.delay_request(life, &ask, now + pause);
                Err(BrokenConnection)
            }
            RequestFate::Slow(pause) => {
                let id = self.delay_request(life, &ask, now + pause);
                tokio::time::sleep(pause).await;
                let mut state = self.lock();
                state.carry_out_delayed(now + pause);
                let index = state.landed.iter().position(|(landed, _)| *landed == id).unwrap();
                Ok(state.landed.remove(index).1)
            }
            RequestFate::SlowReply(pause) => {
                let reply = carry_out();
                tokio::time::sleep(pause).await;
                Ok(reply)
            }
            RequestFate::Silent(pause) => {
                tokio::time::sleep(pause).await;
                Err(BrokenConnection)
            }
            RequestFate::RowMissing(row) => {
                let mut reply = carry_out();
                if reply.remove_row(row) {
                    self.lock().oracle.has_left_out = true;
                }
                Ok(reply)
            }
            RequestFate::Replaced(instead) => {
                let (reply, is_carried_out) = *instead;
                if is_carried_out {
                    carry_out();
                }
                Ok(reply)
            }
            RequestFate::Crash(when) => {
                let reply = (when != CrashPoint::BeforeRequest).then(carry_out);
                life.end();
                match (when, reply) {
                    (CrashPoint::AfterReply, Some(reply)) => Ok(reply),
                    _ => std::future::pending().await,
                }
            }
        }
    }

    fn delay_request(&self, life: &OperatorLife, ask: &SimRequest, due: Timestamp) -> usize {
        let mut state = self.lock();
        let id = state.asked;
        state.late.push(DelayedRequest { id, due, life: life.number, ask: ask.clone() });
        id
    }
}
