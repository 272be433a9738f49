//! The connections to the two servers: every request is numbered, may meet a fault, and is carried out on servers that
//! survive the operator's lives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Notify;

use super::cluster::{SimCluster, SimObjectKey, WatchState};
use super::lasting_faults::LastingFaults;
use super::oracle::Oracle;
use super::platform::SimPlatform;
use super::request::{SimReply, SimRequest, SimServer};

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
    request: SimRequest,
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
    pub(crate) request_count: usize,
    pub(crate) fates: FateChooser,
    /// Edits answers as an intermediary, or another release of the platform, would.
    pub(crate) edit: Option<ReplyEdit>,
    delayed: Vec<DelayedRequest>,
    finished: Vec<(usize, SimReply)>,
    /// Delay between a change and its watch event.
    pub(crate) watch_delay: Duration,
    /// How far the clocks of the two servers are ahead of the operator's.
    pub(crate) clock_offsets: ClockOffsets,
    /// Faults that last for some time.
    pub(crate) lasting_faults: LastingFaults,
    /// Version at which lists are answered, as after a restart of a server that is behind.
    pub(crate) list_at: Option<u64>,
    /// The log of the run, for a failure.
    pub(crate) log: Vec<String>,
    /// Requests with their answers, if they will be replayed.
    pub(crate) record: Option<Vec<RecordedEvent>>,
    /// The time at the end of the last life.
    pub(crate) now: Timestamp,
    /// A time, and the number of requests in it.
    requests_at: (Timestamp, usize),
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
    fn fail_if_never_ended<T>(&self) -> Result<T, BrokenConnection> {
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
            request_count: 0,
            fates: Box::new(|_, _| RequestFate::Pass),
            edit: None,
            delayed: Vec::new(),
            finished: Vec::new(),
            watch_delay: Duration::ZERO,
            clock_offsets: ClockOffsets::default(),
            lasting_faults: LastingFaults::default(),
            list_at: None,
            log: Vec::new(),
            record: None,
            now,
            requests_at: (now, 0),
        }
    }

    /// Numbers a request. Returns `None` if the current moment already has too many, which would never end.
    fn number_request(&mut self, now: Timestamp) -> Option<usize> {
        self.request_count += 1;
        self.requests_at = if self.requests_at.0 == now { (now, self.requests_at.1 + 1) } else { (now, 1) };
        if self.requests_at.1 == MAX_REQUESTS_AT_ONCE {
            self.oracle.violations.push(format!("{now}: {MAX_REQUESTS_AT_ONCE} requests without a pause"));
        }
        (self.requests_at.1 < MAX_REQUESTS_AT_ONCE).then_some(self.request_count)
    }

    /// Returns the fate of a request under the lasting faults.
    fn lasting_fate(&mut self, life: usize, request: &SimRequest, now: Timestamp) -> RequestFate {
        if let Some(leading) = self.oracle.leading_life() {
            self.lasting_faults.update_leader(leading);
        }
        self.lasting_faults.fate(life, request, now)
    }

    /// Adds a line to the story.
    pub(crate) fn add_log_line(&mut self, at: Timestamp, text: impl AsRef<str>) {
        self.log.push(format!("{} {}", at.strftime("%d %H:%M:%S%.3f"), text.as_ref()));
    }

    /// Carries out a request now, after all delayed ones that are due. Life 0 is that of the people.
    pub(crate) fn execute(&mut self, life: usize, request: &SimRequest, at: Timestamp) -> SimReply {
        self.execute_delayed(at);
        self.execute_at(life, request, at)
    }

    fn execute_at(&mut self, life: usize, request: &SimRequest, at: Timestamp) -> SimReply {
        let stale = self.list_at.filter(|_| life > 0 && request.parameter("limit").is_some());
        let mut reply = match (request.side, stale) {
            (SimServer::Cluster, Some(version)) => self.cluster.stale_list(request, version),
            (SimServer::Cluster, None) => self.cluster.carry_out(request, at),
            (SimServer::Platform, _) => self.platform.carry_out(request, at),
        };
        if life > 0 && request.side == SimServer::Platform {
            self.rewrite_platform_reply(request, &mut reply, at);
        }
        if let Some(edit) = self.edit.as_mut().filter(|_| life > 0 && request.side == SimServer::Platform) {
            edit(request, &mut reply);
        }
        if let Some(record) = &mut self.record
            && request.side == SimServer::Cluster
        {
            record.push(RecordedEvent::Request(request.clone(), reply.clone()));
        }
        let ahead =
            if request.side == SimServer::Cluster { self.clock_offsets.cluster } else { self.clock_offsets.platform };
        let date = (at + ahead).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        reply.headers.push(("date".to_owned(), date));
        let tenants = (request.side == SimServer::Platform && request.is_write()).then(|| self.platform.tenants());
        self.add_log_line(at, format!("   life {life} {} -> {}", request.log_line(), reply.status));
        let Self { oracle, cluster, .. } = self;
        oracle.record_reply(life, request, &reply, cluster, tenants, at);
        reply
    }

    /// Rewrites the platform's answer for an operator: outdated, or normalised.
    fn rewrite_platform_reply(&mut self, request: &SimRequest, reply: &mut SimReply, at: Timestamp) {
        if let Some(shown) = self.lasting_faults.late_reply(request, at) {
            *reply = shown.reply.clone();
            self.oracle.shown_late = Some(shown);
        } else if reply.is_success() {
            self.lasting_faults.remember_read(request, reply, &self.oracle.tenants, at);
        }
        self.lasting_faults.normalise_reply(request, reply);
    }

    /// Carries out the delayed requests that are due.
    pub(crate) fn execute_delayed(&mut self, now: Timestamp) {
        while let Some(index) =
            (0..self.delayed.len()).filter(|i| self.delayed[*i].due <= now).min_by_key(|i| self.delayed[*i].due)
        {
            let DelayedRequest { id, due, life, request: ask } = self.delayed.remove(index);
            let reply = self.execute_at(life, &ask, due);
            self.finished.push((id, reply));
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
        !self.delayed.is_empty()
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
        request: SimRequest,
    ) -> Result<SimReply, BrokenConnection> {
        if life.has_ended() {
            return std::future::pending().await;
        }
        let now = tenantry_runtime::clock::now();
        let fate = {
            let mut state = self.lock();
            state.execute_delayed(now);
            let Some(number) = state.number_request(now) else { return life.fail_if_never_ended() };
            let fate = match (state.fates)((life.number, number), &request) {
                RequestFate::Pass => state.lasting_fate(life.number, &request, now),
                fate => fate,
            };
            if fate != RequestFate::Pass {
                state.add_log_line(now, format!(" ! {number} {fate:?}: {}", request.log_line()));
            }
            let SimState { oracle, cluster, .. } = &mut *state;
            if !matches!(fate, RequestFate::Crash(CrashPoint::BeforeRequest)) {
                oracle.check_request((life.number, &request), cluster, now);
            }
            fate
        };
        self.apply_fate(life, request, fate, now).await
    }

    /// Begins a watch, or answers instead of it. Faults break the connection or answer.
    pub(crate) async fn begin_watch(
        &self,
        life: &OperatorLife,
        request: &SimRequest,
    ) -> Result<Result<WatchState, SimReply>, BrokenConnection> {
        if life.has_ended() {
            return std::future::pending().await;
        }
        let now = tenantry_runtime::clock::now();
        let fate = {
            let mut state = self.lock();
            state.execute_delayed(now);
            let Some(number) = state.number_request(now) else { return life.fail_if_never_ended() };
            (state.fates)((life.number, number), request)
        };
        match fate {
            RequestFate::Pass => Ok(self.lock().cluster.begin_watch(request)),
            RequestFate::Crash(CrashPoint::AfterReply) => {
                life.end();
                Ok(self.lock().cluster.begin_watch(request))
            }
            RequestFate::Crash(_) => {
                life.end();
                std::future::pending().await
            }
            RequestFate::Replaced(instead) => Ok(Err(instead.0)),
            RequestFate::Slow(pause) | RequestFate::SlowReply(pause) => {
                tokio::time::sleep(pause).await;
                Ok(self.lock().cluster.begin_watch(request))
            }
            RequestFate::RowMissing(_) => Ok(self.lock().cluster.begin_watch(request)),
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
        request: SimRequest,
        fate: RequestFate,
        now: Timestamp,
    ) -> Result<SimReply, BrokenConnection> {
        let carry_out = || self.lock().execute(life.number, &request, now);
        match fate {
            RequestFate::Pass => Ok(carry_out()),
            RequestFate::Lost => Err(BrokenConnection),
            RequestFate::ReplyLost => {
                carry_out();
                Err(BrokenConnection)
            }
            RequestFate::Late(pause) => {
                self.delay_request(life, &request, now + pause);
                Err(BrokenConnection)
            }
            RequestFate::Slow(pause) => {
                let id = self.delay_request(life, &request, now + pause);
                tokio::time::sleep(pause).await;
                let mut state = self.lock();
                state.execute_delayed(now + pause);
                let index = state.finished.iter().position(|(landed, _)| *landed == id).unwrap();
                Ok(state.finished.remove(index).1)
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
                    self.lock().oracle.has_omitted_tenant = true;
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

    fn delay_request(&self, life: &OperatorLife, request: &SimRequest, due: Timestamp) -> usize {
        let mut state = self.lock();
        let id = state.request_count;
        state.delayed.push(DelayedRequest { id, due, life: life.number, request: request.clone() });
        id
    }
}
