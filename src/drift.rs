//! The drift check: lists the tenants of the platform page by page and enqueues only the objects whose tenant changed,
//! so that watching N tenants costs N/100 requests and not N.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tenantry_api::{Partner, Reason, TenantClient};
use tenantry_client::{CallError, PlatformClient};
use tenantry_core::{PassOutcome, Place};
use tenantry_wire::{TIME_FORMAT, TenantSearchItem};
use tokio::task::JoinHandle;

use super::context::{Context, KindState, VerifiedVersion, stable_jitter};
use super::installation::is_managed_elsewhere;
use super::pass_stop::PassStop;
use super::resolve_references::{has_new_material, locate_tenant};
use super::tenant_object::{TenantObject, active_pause, is_deleting, is_status_current, unique_id};

/// The platform's times have whole seconds: a read closer than this to the last change may have missed one.
const TIME_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);
/// Number of objects whose references are read at the same time.
const CONCURRENT_READS: usize = 32;
/// Timeout for the references of one object; a request to the API server has a deadline of 30 s.
const OBJECT_TIMEOUT: Duration = Duration::from_secs(45);
/// A list with more pages than this is assumed to have no end.
const MAX_PAGES: i64 = 1000;
/// Where the platform reports no changes, every tenant is read within this time.
const FULL_READ_INTERVAL: Duration = Duration::from_hours(24);

/// Drift checks in progress, by kind, host and account.
type RunningDriftChecks = HashMap<(&'static str, String, String), JoinHandle<()>>;

/// Runs drift checks until the process ends.
pub(crate) async fn poll_drift(context: Arc<Context>) {
    let interval = context.settings.drift_interval;
    let mut running = RunningDriftChecks::new();
    let mut round: u64 = 0;
    loop {
        // Jitter of up to a tenth, earlier or later, so that operators started together drift apart.
        let shift = f64::from(stable_jitter(&format!("{}{round}", context.cluster))) / 500.0 - 0.1;
        tokio::time::sleep(interval.mul_f64(1.0 + shift)).await;
        running.retain(|_, look| !look.is_finished());
        start_checks::<Partner>(&context, round, &mut running).await;
        start_checks::<TenantClient>(&context, round, &mut running).await;
        let partners = context.partners.store.state();
        for partner in partners.iter().filter(|partner| !is_managed_elsewhere(partner.as_ref(), &context)) {
            // Only this pass updates its counts of clients.
            context.partners.enqueue(ObjectRef::from_obj(partner.as_ref()));
        }
        // Caches must not grow without bound: images are large, and entries of removed objects must go.
        context.config_maps.clear();
        context.partners.remove_memory_of_deleted();
        context.clients.remove_memory_of_deleted();
        context.activity.record_drift_check();
        round = round.wrapping_add(1);
    }
}

/// Objects whose tenants are in one place, reached through one platform client.
struct PlaceGroup<K> {
    platform: PlatformClient,
    place: Place,
    objects: Vec<Arc<K>>,
}

/// Starts a check for each account; its places are checked one after the other. A slow or silent platform delays only
/// its own next check.
async fn start_checks<K: TenantObject>(context: &Arc<Context>, round: u64, running: &mut RunningDriftChecks) {
    let mut accounts: HashMap<_, Vec<PlaceGroup<K>>> = HashMap::new();
    for group in group_by_place::<K>(context, round).await {
        let key = (K::KIND.name(), group.platform.host(), group.platform.tenant_id().to_owned());
        accounts.entry(key).or_default().push(group);
    }
    for (key, groups) in accounts {
        running.entry(key).or_insert_with(|| tokio::spawn(check_groups(groups, Arc::clone(context), round)));
    }
}

async fn check_groups<K: TenantObject>(groups: Vec<PlaceGroup<K>>, context: Arc<Context>, round: u64) {
    let kind_state = K::kind_state(&context);
    for group in groups {
        let checked = check_place(&group, kind_state, &context, round).await;
        context.metrics.count_drift_check(K::KIND, checked.is_ok());
        let Err(error) = checked else { continue };
        tracing::warn!(kind = K::KIND.name(), parent = group.place.parent_id(), %error, "drift was not looked for");
        match error {
            // Each object reports that itself, and none of them sends anything while the credential is blocked.
            CallError::Unauthorised { .. } => {
                for object in &group.objects {
                    kind_state.enqueue(ObjectRef::from_obj(object.as_ref()));
                }
            }
            // One object finds out for all: the others would only wait for the same platform.
            _ => enqueue_one(kind_state, &group.objects, round),
        }
    }
}

/// Enqueues one of many objects, another one in each round.
fn enqueue_one<K: TenantObject>(kind_state: &KindState<K>, objects: &[Arc<K>], round: u64) {
    let count = u64::try_from(objects.len()).unwrap_or(u64::MAX).max(1);
    if let Some(object) = usize::try_from(round % count).ok().and_then(|index| objects.get(index)) {
        kind_state.enqueue(ObjectRef::from_obj(object.as_ref()));
    }
}

/// The result of checking the references of an object.
enum ReferenceCheck {
    /// They are unchanged, and lead to this platform and place.
    Same(Box<(PlatformClient, Place)>),
    /// They changed; a pass finds out how and reports it.
    Changed,
    /// The API server did not answer.
    Unread,
}

async fn group_by_place<K: TenantObject>(context: &Arc<Context>, round: u64) -> Vec<PlaceGroup<K>> {
    let kind_state = K::kind_state(context);
    let now = tenantry_runtime::clock::now();
    let due = kind_state.store.state().into_iter().filter(|object| {
        if active_pause(object.as_ref(), now).is_some()
            || is_deleting(object.as_ref())
            || is_managed_elsewhere(object.as_ref(), context)
        {
            return false;
        }
        let is_settled = unique_id(object.as_ref()).is_some() && is_status_current(object.as_ref());
        if !is_settled {
            // Somebody may have removed its status while no process watched.
            kind_state.enqueue(ObjectRef::from_obj(object.as_ref()));
        }
        is_settled
    });
    // Many at the same time, each on its own: an object whose Secret cannot be read delays no other.
    let checks = due.map(|object| check_references(object, Arc::clone(context)));
    let mut checked = futures::stream::iter(checks).buffer_unordered(CONCURRENT_READS);
    let mut groups: HashMap<(String, String, String), PlaceGroup<K>> = HashMap::new();
    let mut unread = Vec::new();
    while let Some((object, looked)) = checked.next().await {
        match looked {
            ReferenceCheck::Same(stands) => {
                let (platform, place) = *stands;
                let key = (platform.host(), platform.tenant_id().to_owned(), place.parent_id().to_owned());
                let group = groups.entry(key).or_insert_with(|| PlaceGroup { platform, place, objects: Vec::new() });
                group.objects.push(object);
            }
            ReferenceCheck::Changed => kind_state.enqueue(ObjectRef::from_obj(object.as_ref())),
            ReferenceCheck::Unread => unread.push(object),
        }
    }
    if !unread.is_empty() {
        tracing::warn!(kind = K::KIND.name(), objects = unread.len(), "the API server did not answer for these");
        enqueue_one(kind_state, &unread, round);
    }
    groups.into_values().collect()
}

fn check_references<K: TenantObject>(
    object: Arc<K>,
    context: Arc<Context>,
) -> BoxFuture<'static, (Arc<K>, ReferenceCheck)> {
    async move {
        let references = tokio::time::timeout(OBJECT_TIMEOUT, compare_references(object.as_ref(), &context)).await;
        let checked = match references {
            Ok(Ok(looked)) => looked,
            Err(_) | Ok(Err(PassStop::Outcome(PassOutcome::Failed(Reason::ClusterUnavailable, _)))) => {
                ReferenceCheck::Unread
            }
            // A Secret, an image or a reference changed.
            Ok(Err(PassStop::Outcome(_) | PassStop::Stale)) => ReferenceCheck::Changed,
        };
        (object, checked)
    }
    .boxed()
}

async fn compare_references<K: TenantObject>(object: &K, context: &Context) -> Result<ReferenceCheck, PassStop> {
    let (platform, place, partner) = locate_tenant(object, context).await?;
    let is_changed = has_new_material(object, partner.as_deref(), context).await?;
    Ok(if is_changed { ReferenceCheck::Changed } else { ReferenceCheck::Same(Box::new((platform, place))) })
}

async fn check_place<K: TenantObject>(
    group: &PlaceGroup<K>,
    kind_state: &KindState<K>,
    context: &Context,
    round: u64,
) -> Result<(), CallError> {
    let platform = group.platform.for_polling();
    if !platform.has_extensions().await? {
        let slices = (FULL_READ_INTERVAL.as_secs() / context.settings.drift_interval.as_secs().max(1)).max(1);
        for object in &group.objects {
            if u64::from(stable_jitter(&object.uid().unwrap_or_default())) % slices == round % slices {
                kind_state.enqueue(ObjectRef::from_obj(object.as_ref()));
            }
        }
        return Ok(());
    }
    let rows = list_row_versions(&platform, &group.place).await?;
    for object in &group.objects {
        let row = unique_id(object.as_ref()).and_then(|id| rows.get(id));
        // Absence from a page never means that the tenant is gone: the pass reads the tenant itself.
        let is_same = row.is_some_and(|row| {
            kind_state.with_memory(object, |memory| memory.verified).is_some_and(|verified| row.is_unchanged(verified))
        });
        if !is_same {
            kind_state.enqueue(ObjectRef::from_obj(object.as_ref()));
        }
    }
    Ok(())
}

/// What a row of a page reports about changes.
#[derive(Clone, Copy, Debug)]
struct RowVersion {
    revision: Option<i64>,
    updated: Option<Timestamp>,
}

impl RowVersion {
    fn of_item(item: &TenantSearchItem) -> Self {
        let updated = item.updated_time.as_deref().and_then(|text| Timestamp::strptime(TIME_FORMAT, text).ok());
        Self { revision: item.revision, updated }
    }

    /// Returns whether the tenant is unchanged since it was read. A counter is certain. A time of whole seconds counts
    /// only if the read is well after it, and the two times come from two clocks.
    fn is_unchanged(self, VerifiedVersion { revision, updated, read_at: read }: VerifiedVersion) -> bool {
        match (self.revision, revision) {
            (Some(listed), Some(verified)) => listed == verified,
            _ => self
                .updated
                .is_some_and(|listed| updated == Some(listed) && read.duration_since(listed) >= TIME_TOLERANCE),
        }
    }
}

async fn list_row_versions(platform: &PlatformClient, place: &Place) -> Result<HashMap<String, RowVersion>, CallError> {
    let mut rows = HashMap::new();
    let mut number = 1;
    for _ in 0..MAX_PAGES {
        let page = platform.list_page(place, number).await?;
        rows.extend(page.results.into_iter().map(|item| (item.unique_id.clone(), RowVersion::of_item(&item))));
        if !page.next_page {
            return Ok(rows);
        }
        number = page.next_page_no.filter(|next| *next > number).unwrap_or(number + 1);
    }
    Err(CallError::Malformed { message: format!("the search has more than {MAX_PAGES} pages") })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tenantry_client::{ChangeGuard, Connection, HttpService};

    use super::*;

    fn parse_time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Returns a platform whose search answers the query of a page with this function.
    fn platform_answering(answer: impl Fn(&str) -> serde_json::Value + Send + Sync + 'static) -> PlatformClient {
        let answer = Arc::new(answer);
        let wire = HttpService::new(tower::service_fn(move |request: reqwest::Request| {
            let body = if request.url().path().ends_with("/search") {
                answer(request.url().query().unwrap_or_default())
            } else {
                serde_json::json!({"access_token": "t", "expires_in": 7200})
            };
            async move { Ok::<_, tower::BoxError>(http::Response::new(reqwest::Body::from(body.to_string())).into()) }
        }));
        let pairs = [("url", "https://acme.example"), ("tenantId", "1"), ("clientId", "a"), ("clientSecret", "b")];
        let data = pairs.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).into();
        let connection = Connection::from_secret(&data).unwrap();
        PlatformClient::from_service(connection, Duration::from_mins(1), wire, ChangeGuard::new(|| true))
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_without_an_end_is_given_up() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let platform = platform_answering(move |_| {
            let count = count.fetch_add(1, Ordering::SeqCst);
            serde_json::json!({"results": [], "nextPage": count < 1200})
        });
        let place = Place::Clients { msp: "1".to_owned() };
        let error = list_row_versions(&platform, &place).await.unwrap_err().to_string();
        assert!(error.contains("more than 1000 pages"), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 1000);
    }

    #[tokio::test]
    async fn the_next_page_is_the_one_that_is_named_where_it_lies_ahead() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let pages = Arc::clone(&asked);
        let platform = platform_answering(move |query| {
            let number = query.split('&').find_map(|pair| pair.strip_prefix("pageNo=")).unwrap().to_owned();
            // The third page names itself.
            let named = if matches!(number.as_str(), "1" | "3") { 3 } else { 0 };
            pages.lock().unwrap().push(number);
            serde_json::json!({"results": [], "nextPage": named > 0, "nextPageNo": named})
        });
        list_row_versions(&platform, &Place::Clients { msp: "1".to_owned() }).await.unwrap();
        assert_eq!(*asked.lock().unwrap(), ["1", "3", "4"]);
    }

    #[test]
    fn a_counter_decides_before_a_time_of_whole_seconds_and_the_clock_of_this_process() {
        let updated = Some(parse_time("2030-01-01T00:00:00Z"));
        let verified = |revision, read| VerifiedVersion { revision, updated, read_at: parse_time(read) };
        let row = |revision| RowVersion { revision, updated };
        // The clock of this process is an hour ahead: only the counter shows a second change within the same second.
        assert!(!row(Some(8)).is_unchanged(verified(Some(7), "2030-01-01T01:00:00Z")));
        assert!(row(Some(7)).is_unchanged(verified(Some(7), "2030-01-01T00:00:00Z")), "also right after the change");
        assert!(row(None).is_unchanged(verified(None, "2030-01-01T00:00:02Z")));
        assert!(!row(None).is_unchanged(verified(None, "2030-01-01T00:00:01Z")), "it may have missed one");
        assert!(!row(Some(7)).is_unchanged(verified(None, "2030-01-01T00:00:01Z")));
        assert!(!RowVersion { revision: None, updated: None }.is_unchanged(verified(None, "2030-01-01T01:00:00Z")));
    }
}
