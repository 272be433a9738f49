//! Serves `/healthz`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::context::{Context, lock};

/// Time between two heartbeats of the runtime.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// A runtime without a heartbeat for this long is stalled.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// A watch that was silent for this long says nothing about the objects: the API server sends a bookmark each minute,
/// and a silent watch is restarted after two.
const SILENT_WATCH_AFTER: Duration = Duration::from_mins(3);
/// Number of intervals within which a drift check must have ended, and the minimum of that time.
const DRIFT_CHECK_LIMITS: (u32, Duration) = (3, Duration::from_mins(5));

/// Serves the probes until the process ends.
///
/// # Errors
/// If the address cannot be bound.
pub(crate) async fn serve_probes(address: SocketAddr, context: Arc<Context>) -> Result<JoinHandle<()>, std::io::Error> {
    let listener = TcpListener::bind(address).await?;
    let heartbeat = Heartbeat::default();
    let beats = heartbeat.clone();
    tokio::spawn(async move {
        loop {
            beats.beat();
            tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        }
    });
    let router = Router::new()
        .route("/healthz", get(answer_healthz))
        .route("/readyz", get(answer_readyz))
        .route("/metrics", get(answer_metrics))
        .with_state(ProbeState { context, heartbeat });
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the probes ended");
        }
    }))
}

/// What the probes read.
#[derive(Clone)]
struct ProbeState {
    context: Arc<Context>,
    heartbeat: Heartbeat,
}

/// Shows that the runtime still runs tasks that are due.
#[derive(Clone, Default)]
struct Heartbeat(Arc<Mutex<Option<Instant>>>);

impl Heartbeat {
    fn beat(&self) {
        *lock(&self.0) = Some(Instant::now());
    }

    fn is_stalled(&self) -> bool {
        lock(&self.0).is_some_and(|at| at.elapsed() > STALLED_AFTER)
    }
}

/// Answers liveness. Only what a restart would cure counts; an unreachable server is no reason to restart.
async fn answer_healthz(
    State(ProbeState { context, heartbeat: heart }): State<ProbeState>,
) -> (StatusCode, &'static str) {
    if heart.is_stalled() {
        (StatusCode::INTERNAL_SERVER_ERROR, "the runtime is stalled\n")
    } else if context.activity.has_overdue_request() {
        (StatusCode::INTERNAL_SERVER_ERROR, "a request to the API server is past three of its deadlines\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

/// Answers readiness: there is evidence of progress.
async fn answer_readyz(State(ProbeState { context, .. }): State<ProbeState>) -> (StatusCode, String) {
    match not_ready_reason(&context) {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// The evidence of progress.
struct ProgressEvidence {
    is_listed: bool,
    /// Silence of the watch of each kind. `None` between the first list and the first watch.
    silence: [(&'static str, Option<Duration>); 2],
    /// Time since the last drift check ended; only the leader has one.
    since_drift_check: Option<Duration>,
    drift_interval: Duration,
}

/// Returns why there is no evidence of progress; `None` if there is.
fn not_ready_reason(context: &Context) -> Option<String> {
    let Context { activity, claim, settings, .. } = context;
    missing_progress(&ProgressEvidence {
        is_listed: context.is_ready(),
        silence: ["Partner", "Client"].map(|kind| (kind, activity.time_since_watch_event(kind))),
        since_drift_check: activity.time_since_drift_check().filter(|_| claim.is_leading()),
        drift_interval: settings.drift_interval,
    })
}

fn missing_progress(progress: &ProgressEvidence) -> Option<String> {
    let ProgressEvidence { is_listed, silence, since_drift_check: since_look, drift_interval } = progress;
    if !is_listed {
        return Some("waiting for the first list of Partners and Clients".to_owned());
    }
    for (kind, silence) in silence {
        if let Some(silence) = silence.filter(|silence| *silence > SILENT_WATCH_AFTER) {
            return Some(format!("the watch of {kind} objects has brought nothing for {} s", silence.as_secs()));
        }
    }
    let late =
        since_look.filter(|since| *since > (*drift_interval * DRIFT_CHECK_LIMITS.0).max(DRIFT_CHECK_LIMITS.1))?;
    Some(format!("no look for drift has ended for {} s", late.as_secs()))
}

async fn answer_metrics(State(ProbeState { context, .. }): State<ProbeState>) -> impl IntoResponse {
    let text = context.metrics.render(&context);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_was_heard_of_and_has_looked_for_drift_lately() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let good = || ProgressEvidence {
            is_listed: true,
            silence: [("Partner", seconds(59)), ("Client", None)],
            since_drift_check: seconds(1700),
            drift_interval: Duration::from_mins(10),
        };
        assert_eq!(missing_progress(&good()), None);
        let mut bad = good();
        bad.is_listed = false;
        assert!(missing_progress(&bad).unwrap().contains("first list"));
        let mut bad = good();
        bad.silence[1].1 = seconds(181);
        assert!(missing_progress(&bad).unwrap().contains("the watch of Client objects has brought nothing for 181 s"));
        let mut bad = good();
        bad.since_drift_check = seconds(1801);
        assert!(missing_progress(&bad).unwrap().contains("no look for drift"));
        bad.since_drift_check = None;
        assert_eq!(missing_progress(&bad), None, "a standby looks for none");
        let often =
            ProgressEvidence { drift_interval: Duration::from_secs(1), since_drift_check: seconds(299), ..good() };
        assert_eq!(missing_progress(&often), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_heart_that_does_not_beat_is_stalled() {
        let heartbeat = Heartbeat::default();
        assert!(!heartbeat.is_stalled(), "before its first beat");
        heartbeat.beat();
        tokio::time::advance(STALLED_AFTER).await;
        assert!(!heartbeat.is_stalled());
        tokio::time::advance(HEARTBEAT_INTERVAL).await;
        assert!(heartbeat.is_stalled());
    }
}
