//! The two seams: every request is numbered there, may meet a fault, and is carried out on servers that outlive the
//! operator's lives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Notify;

use super::ask::{Ask, Reply, Side};
use super::cluster::{Cluster, Key, Watching};
use super::oracle::Oracle;
use super::platform::Platform;
use super::troubles::Troubles;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Carried out and answered.
    Pass,
    /// The connection breaks; nothing is carried out.
    Lost,
    /// Carried out; the connection breaks before the reply.
    ReplyLost,
    /// The connection breaks, and the request is carried out so much later.
    Late(Duration),
    /// The request is carried out and answered so much later.
    Slow(Duration),
    /// Carried out; the reply comes so much later.
    SlowReply(Duration),
    /// Nothing is carried out and nothing said, until the connection breaks after this time.
    Silent(Duration),
    /// Carried out; the list that is answered lacks this row, as where pages shift or a replica is behind.
    LeftOut(usize),
    /// Answered with this instead; carried out all the same, or not.
    Instead(Box<(Reply, bool)>),
    /// The operator ends right before it, right after it was carried out, or with the reply.
    Crash(When),
}

/// When the operator ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    Done,
    Replied,
}

/// What decides over the requests, by life and number.
pub(crate) type Fates = Box<dyn FnMut((usize, usize), &Ask) -> Fate + Send>;

/// How far clocks are ahead of the operator's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) cluster: SignedDuration,
    pub(crate) platform: SignedDuration,
}

/// What becomes of an answer of the platform on its way to an operator.
pub(crate) type Edit = Box<dyn FnMut(&Ask, &mut Reply) + Send>;

/// A request that lands later.
struct Late {
    id: usize,
    due: Timestamp,
    life: usize,
    ask: Ask,
}

/// What is kept to be replayed.
pub(crate) enum Recorded {
    Asked(Ask, Reply),
    /// The controllers of Kubernetes have worked: the objects as they are then.
    Controllers(Vec<(Key, Value)>),
}

/// Everything that outlives an operator.
pub(crate) struct State {
    pub(crate) cluster: Cluster,
    pub(crate) platform: Arc<Platform>,
    pub(crate) oracle: Oracle,
    /// Requests so far.
    pub(crate) asked: usize,
    pub(crate) fates: Fates,
    /// What something in between, or another release of the platform, makes of its answers.
    pub(crate) edit: Option<Edit>,
    late: Vec<Late>,
    landed: Vec<(usize, Reply)>,
    /// How long after a change watches tell of it.
    pub(crate) lag: Duration,
    /// How far the clocks of the two servers are ahead of the operator's.
    pub(crate) ahead: Ahead,
    /// What lasts for a while.
    pub(crate) troubles: Troubles,
    /// A version at which lists are answered, as after a restart of a server that is behind.
    pub(crate) list_at: Option<u64>,
    /// What happened, for a run that fails.
    pub(crate) story: Vec<String>,
    /// Requests with their answers, where they are to be replayed.
    pub(crate) record: Option<Vec<Recorded>>,
    /// The time at the end of the last life.
    pub(crate) now: Timestamp,
    /// A moment, and how much was asked in it.
    moment: (Timestamp, usize),
}

/// Both servers with all that happens on the way to them.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

/// One life of an operator.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) number: usize,
    ended: Arc<(AtomicBool, Notify)>,
}

impl Life {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, ended: Arc::default() }
    }

    /// Ends it: nothing that it still asks for is carried out.
    pub(crate) fn end(&self) {
        self.ended.0.store(true, Ordering::SeqCst);
        self.ended.1.notify_one();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.0.load(Ordering::SeqCst)
    }

    /// Ends it because it would never pause.
    fn too_much<T>(&self) -> Result<T, Reset> {
        self.end();
        Err(Reset)
    }

    /// Waits for the end.
    pub(crate) async fn over(&self) {
        while !self.has_ended() {
            self.ended.1.notified().await;
        }
    }
}

impl State {
    pub(crate) fn new(cluster: Cluster, platform: Arc<Platform>, now: Timestamp) -> Self {
        Self {
            cluster,
            platform,
            oracle: Oracle::default(),
            asked: 0,
            fates: Box::new(|_, _| Fate::Pass),
            edit: None,
            late: Vec::new(),
            landed: Vec::new(),
            lag: Duration::ZERO,
            ahead: Ahead::default(),
            troubles: Troubles::default(),
            list_at: None,
            story: Vec::new(),
            record: None,
            now,
            moment: (now, 0),
        }
    }

    /// Numbers a request; false for one of many in a moment, which would go on without end.
    fn number(&mut self, now: Timestamp) -> Option<usize> {
        self.asked += 1;
        self.moment = if self.moment.0 == now { (now, self.moment.1 + 1) } else { (now, 1) };
        if self.moment.1 == MOST {
            self.oracle.violations.push(format!("{now}: {MOST} requests without a pause"));
        }
        (self.moment.1 < MOST).then_some(self.asked)
    }

    /// What lasts for a while makes this of a request.
    fn trouble(&mut self, (life, ask): (usize, &Ask), now: Timestamp) -> Fate {
        if let Some(leading) = self.oracle.leading() {
            self.troubles.led_by(leading);
        }
        self.troubles.fate(life, ask, now)
    }

    /// A line of the story.
    pub(crate) fn tell(&mut self, at: Timestamp, text: impl AsRef<str>) {
        self.story.push(format!("{} {}", at.strftime("%d %H:%M:%S%.3f"), text.as_ref()));
    }

    /// Carries a request out now, after all that should have landed before. Life 0 are the people.
    pub(crate) fn carry_out(&mut self, life: usize, ask: &Ask, at: Timestamp) -> Reply {
        self.land(at);
        self.carry_out_at(life, ask, at)
    }

    fn carry_out_at(&mut self, life: usize, ask: &Ask, at: Timestamp) -> Reply {
        let stale = self.list_at.filter(|_| life > 0 && ask.parameter("limit").is_some());
        let mut reply = match (ask.side, stale) {
            (Side::Cluster, Some(version)) => self.cluster.stale_list(ask, version),
            (Side::Cluster, None) => self.cluster.answer(ask, at),
            (Side::Platform, _) => self.platform.answer(ask, at),
        };
        if life > 0 && ask.side == Side::Platform {
            self.look(ask, &mut reply, at);
        }
        if let Some(edit) = self.edit.as_mut().filter(|_| life > 0 && ask.side == Side::Platform) {
            edit(ask, &mut reply);
        }
        if let Some(record) = &mut self.record
            && ask.side == Side::Cluster
        {
            record.push(Recorded::Asked(ask.clone(), reply.clone()));
        }
        let ahead = if ask.side == Side::Cluster { self.ahead.cluster } else { self.ahead.platform };
        let date = (at + ahead).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        reply.headers.push(("date".to_owned(), date));
        let tenants = (ask.side == Side::Platform && ask.is_write()).then(|| self.platform.tenants());
        self.tell(at, format!("   life {life} {} -> {}", ask.line(), reply.status));
        let Self { oracle, cluster, .. } = self;
        oracle.answered((life, ask, &reply), (cluster, tenants), at);
        reply
    }

    /// What the platform shows an operator of a tenant: late, or in a form of its own.
    fn look(&mut self, ask: &Ask, reply: &mut Reply, at: Timestamp) {
        if let Some(shown) = self.troubles.late_read(ask, at) {
            *reply = shown.reply.clone();
            self.oracle.shown_late = Some(shown);
        } else if reply.is_success() {
            self.troubles.note(ask, (reply, &self.oracle.tenants), at);
        }
        self.troubles.normalise(ask, reply);
    }

    /// Carries out what is due.
    pub(crate) fn land(&mut self, now: Timestamp) {
        while let Some(index) =
            (0..self.late.len()).filter(|i| self.late[*i].due <= now).min_by_key(|i| self.late[*i].due)
        {
            let Late { id, due, life, ask } = self.late.remove(index);
            let reply = self.carry_out_at(life, &ask, due);
            self.landed.push((id, reply));
        }
    }

    /// The controllers of Kubernetes do what is due.
    pub(crate) fn controllers(&mut self, now: Timestamp) {
        self.cluster.controllers(now);
        let all = self.cluster.ours();
        let objects = all.map(|(key, object)| (key.clone(), object.clone())).collect();
        if let Some(record) = &mut self.record {
            record.push(Recorded::Controllers(objects));
        }
    }

    /// Whether requests are still on their way.
    pub(crate) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }
}

/// Requests that no moment of a simulation has.
const MOST: usize = 1_000;

/// A connection that broke.
#[derive(Debug, thiserror::Error)]
#[error("the connection was reset")]
pub(crate) struct Reset;

impl World {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A request of an operator, from its arrival to its reply.
    pub(crate) async fn exchange(&self, life: &Life, ask: Ask) -> Result<Reply, Reset> {
        if life.has_ended() {
            return std::future::pending().await;
        }
        let now = tenantry::clock::now();
        let fate = {
            let mut state = self.lock();
            state.land(now);
            let Some(number) = state.number(now) else { return life.too_much() };
            let fate = match (state.fates)((life.number, number), &ask) {
                Fate::Pass => state.trouble((life.number, &ask), now),
                fate => fate,
            };
            if fate != Fate::Pass {
                state.tell(now, format!(" ! {number} {fate:?}: {}", ask.line()));
            }
            let State { oracle, cluster, .. } = &mut *state;
            if !matches!(fate, Fate::Crash(When::Before)) {
                oracle.sent((life.number, &ask), cluster, now);
            }
            fate
        };
        self.meet(life, ask, (fate, now)).await
    }

    /// A watch begins: an answer instead of it, or the watch. Faults break the connection or answer.
    pub(crate) async fn begin_watch(&self, life: &Life, ask: &Ask) -> Result<Result<Watching, Reply>, Reset> {
        if life.has_ended() {
            return std::future::pending().await;
        }
        let now = tenantry::clock::now();
        let fate = {
            let mut state = self.lock();
            state.land(now);
            let Some(number) = state.number(now) else { return life.too_much() };
            (state.fates)((life.number, number), ask)
        };
        match fate {
            Fate::Pass => Ok(self.lock().cluster.watching(ask)),
            Fate::Crash(When::Replied) => {
                life.end();
                Ok(self.lock().cluster.watching(ask))
            }
            Fate::Crash(_) => {
                life.end();
                std::future::pending().await
            }
            Fate::Instead(instead) => Ok(Err(instead.0)),
            Fate::Slow(pause) | Fate::SlowReply(pause) => {
                tokio::time::sleep(pause).await;
                Ok(self.lock().cluster.watching(ask))
            }
            Fate::LeftOut(_) => Ok(self.lock().cluster.watching(ask)),
            Fate::Silent(pause) => {
                tokio::time::sleep(pause).await;
                Err(Reset)
            }
            Fate::Lost | Fate::ReplyLost | Fate::Late(_) => Err(Reset),
        }
    }

    async fn meet(&self, life: &Life, ask: Ask, (fate, now): (Fate, Timestamp)) -> Result<Reply, Reset> {
        let carry_out = || self.lock().carry_out(life.number, &ask, now);
        match fate {
            Fate::Pass => Ok(carry_out()),
            Fate::Lost => Err(Reset),
            Fate::ReplyLost => {
                carry_out();
                Err(Reset)
            }
            Fate::Late(pause) => {
                self.later(life, &ask, now + pause);
                Err(Reset)
            }
            Fate::Slow(pause) => {
                let id = self.later(life, &ask, now + pause);
                tokio::time::sleep(pause).await;
                let mut state = self.lock();
                state.land(now + pause);
                let index = state.landed.iter().position(|(landed, _)| *landed == id).unwrap();
                Ok(state.landed.remove(index).1)
            }
            Fate::SlowReply(pause) => {
                let reply = carry_out();
                tokio::time::sleep(pause).await;
                Ok(reply)
            }
            Fate::Silent(pause) => {
                tokio::time::sleep(pause).await;
                Err(Reset)
            }
            Fate::LeftOut(row) => {
                let mut reply = carry_out();
                if reply.leave_out(row) {
                    self.lock().oracle.has_left_out = true;
                }
                Ok(reply)
            }
            Fate::Instead(instead) => {
                let (reply, is_carried_out) = *instead;
                if is_carried_out {
                    carry_out();
                }
                Ok(reply)
            }
            Fate::Crash(when) => {
                let reply = (when != When::Before).then(carry_out);
                life.end();
                match (when, reply) {
                    (When::Replied, Some(reply)) => Ok(reply),
                    _ => std::future::pending().await,
                }
            }
        }
    }

    fn later(&self, life: &Life, ask: &Ask, due: Timestamp) -> usize {
        let mut state = self.lock();
        let id = state.asked;
        state.late.push(Late { id, due, life: life.number, ask: ask.clone() });
        id
    }
}
