//! The look for drift: lists what lives on the platform page by page and wakes only the objects whose tenant changed,
//! so that watching N tenants costs N/100 requests and not N.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::task::JoinHandle;

use super::context::{Context, Room, Verified, jitter};
use super::dereference::{has_new_material, tenancy};
use super::error::Stop;
use super::installation::is_elsewhere;
use super::object::{TenantObject, is_deleting, is_settled, pause, unique_id};
use crate::api::{Partner, Reason, TenantClient};
use crate::connect::{Error, Place, Platform};
use crate::plan::Outcome;
use crate::wire::{SearchItem, TIME_FORMAT};

/// The wire's times have whole seconds: a read closer than this to the last change may have missed one.
const UNSURE: SignedDuration = SignedDuration::from_secs(2);
/// Objects whose references are read at the same time.
const AT_ONCE: usize = 32;
/// Longest time for the references of one object; a request to the API server has a deadline of 30 s.
const ONE_OBJECT: Duration = Duration::from_secs(45);
/// Pages beyond which a list is taken to have no end.
const PAGES: i64 = 1000;
/// Where the platform does not say that something changed, every tenant is read within this time.
const SLICED: Duration = Duration::from_hours(24);

/// Looks under way, by kind, host and account.
type Looks = HashMap<(&'static str, String, String), JoinHandle<()>>;

/// Looks again and again, until the process ends.
pub(crate) async fn poll(context: Arc<Context>) {
    let interval = context.settings.drift_interval;
    let mut looks = Looks::new();
    let mut round: u64 = 0;
    loop {
        // Up to a tenth earlier or later, so that operators started together do not stay together.
        let shift = f64::from(jitter(&format!("{}{round}", context.cluster))) / 500.0 - 0.1;
        tokio::time::sleep(interval.mul_f64(1.0 + shift)).await;
        looks.retain(|_, look| !look.is_finished());
        look_at::<Partner>(&context, round, &mut looks).await;
        look_at::<TenantClient>(&context, round, &mut looks).await;
        let partners = context.partners.store.state();
        for partner in partners.iter().filter(|partner| !is_elsewhere(partner.as_ref(), &context)) {
            // Its counts of clients move only here.
            context.partners.wake(ObjectRef::from_obj(partner.as_ref()));
        }
        // What is remembered has an end: images are large, and objects that have gone leave nothing behind.
        context.config_maps.clear();
        context.partners.sweep();
        context.clients.sweep();
        context.activity.looked();
        round = round.wrapping_add(1);
    }
}

/// Objects whose tenants stand in one place, reached by one platform.
struct Group<K> {
    platform: Platform,
    place: Place,
    objects: Vec<Arc<K>>,
}

/// Begins a look for each account, one place after the other. A platform that answers slowly or not at all holds up only
/// the next look at itself.
async fn look_at<K: TenantObject>(context: &Arc<Context>, round: u64, looks: &mut Looks) {
    let mut accounts: HashMap<_, Vec<Group<K>>> = HashMap::new();
    for group in groups::<K>(context, round).await {
        let key = (K::KIND.name(), group.platform.host(), group.platform.tenant_id().to_owned());
        accounts.entry(key).or_default().push(group);
    }
    for (key, groups) in accounts {
        looks.entry(key).or_insert_with(|| tokio::spawn(look_through(groups, Arc::clone(context), round)));
    }
}

async fn look_through<K: TenantObject>(groups: Vec<Group<K>>, context: Arc<Context>, round: u64) {
    let room = K::room(&context);
    for group in groups {
        let looked = look_in(&group, room, (&context, round)).await;
        context.metrics.looked(K::KIND, looked.is_ok());
        let Err(error) = looked else { continue };
        tracing::warn!(kind = K::KIND.name(), parent = group.place.parent(), %error, "drift was not looked for");
        match error {
            // Each object says so on its own, and none of them sends anything while the credential is refused.
            Error::Unauthorised { .. } => {
                for object in &group.objects {
                    room.wake(ObjectRef::from_obj(object.as_ref()));
                }
            }
            // One finds out for all: the others would only wait for the same platform.
            _ => wake_one(room, &group.objects, round),
        }
    }
}

/// Wakes one of many, another one in each round.
fn wake_one<K: TenantObject>(room: &Room<K>, objects: &[Arc<K>], round: u64) {
    let count = u64::try_from(objects.len()).unwrap_or(u64::MAX).max(1);
    if let Some(object) = usize::try_from(round % count).ok().and_then(|index| objects.get(index)) {
        room.wake(ObjectRef::from_obj(object.as_ref()));
    }
}

/// What a look at the references of an object comes to.
enum Looked {
    /// They are as they were, and lead here.
    Same(Box<(Platform, Place)>),
    /// A pass finds out what changed and says so.
    Changed,
    /// The API server did not answer.
    Unread,
}

async fn groups<K: TenantObject>(context: &Arc<Context>, round: u64) -> Vec<Group<K>> {
    let room = K::room(context);
    let now = crate::clock::now();
    let due = room.store.state().into_iter().filter(|object| {
        if pause(object.as_ref(), now).is_some()
            || is_deleting(object.as_ref())
            || is_elsewhere(object.as_ref(), context)
        {
            return false;
        }
        let is_settled = unique_id(object.as_ref()).is_some() && is_settled(object.as_ref());
        if !is_settled {
            // Somebody may have taken its status away while nobody watched.
            room.wake(ObjectRef::from_obj(object.as_ref()));
        }
        is_settled
    });
    // Many at the same time, and each for itself: one whose Secret cannot be read holds up no other.
    let looks = due.map(|object| look_up(object, Arc::clone(context)));
    let mut looked = futures::stream::iter(looks).buffer_unordered(AT_ONCE);
    let mut groups: HashMap<(String, String, String), Group<K>> = HashMap::new();
    let mut unread = Vec::new();
    while let Some((object, looked)) = looked.next().await {
        match looked {
            Looked::Same(stands) => {
                let (platform, place) = *stands;
                let key = (platform.host(), platform.tenant_id().to_owned(), place.parent().to_owned());
                let group = groups.entry(key).or_insert_with(|| Group { platform, place, objects: Vec::new() });
                group.objects.push(object);
            }
            Looked::Changed => room.wake(ObjectRef::from_obj(object.as_ref())),
            Looked::Unread => unread.push(object),
        }
    }
    if !unread.is_empty() {
        tracing::warn!(kind = K::KIND.name(), objects = unread.len(), "the API server did not answer for these");
        wake_one(room, &unread, round);
    }
    groups.into_values().collect()
}

fn look_up<K: TenantObject>(object: Arc<K>, context: Arc<Context>) -> BoxFuture<'static, (Arc<K>, Looked)> {
    async move {
        let references = tokio::time::timeout(ONE_OBJECT, references(object.as_ref(), &context)).await;
        let looked = match references {
            Ok(Ok(looked)) => looked,
            Err(_) | Ok(Err(Stop::Outcome(Outcome::Failed(Reason::ClusterUnavailable, _)))) => Looked::Unread,
            // A Secret, an image or a reference changed.
            Ok(Err(Stop::Outcome(_) | Stop::Stale)) => Looked::Changed,
        };
        (object, looked)
    }
    .boxed()
}

async fn references<K: TenantObject>(object: &K, context: &Context) -> Result<Looked, Stop> {
    let (platform, place, partner) = tenancy(object, context).await?;
    let is_changed = has_new_material(object, partner.as_deref(), context).await?;
    Ok(if is_changed { Looked::Changed } else { Looked::Same(Box::new((platform, place))) })
}

async fn look_in<K: TenantObject>(
    group: &Group<K>,
    room: &Room<K>,
    (context, round): (&Context, u64),
) -> Result<(), Error> {
    let platform = group.platform.polling();
    if !platform.has_extensions().await? {
        let slices = (SLICED.as_secs() / context.settings.drift_interval.as_secs().max(1)).max(1);
        for object in &group.objects {
            if u64::from(jitter(&object.uid().unwrap_or_default())) % slices == round % slices {
                room.wake(ObjectRef::from_obj(object.as_ref()));
            }
        }
        return Ok(());
    }
    let rows = rows(&platform, &group.place).await?;
    for object in &group.objects {
        let row = unique_id(object.as_ref()).and_then(|id| rows.get(id));
        // Absence from a page is never "gone": the pass asks for the tenant itself.
        let is_same = row.is_some_and(|row| {
            room.remember(object, |memory| memory.verified).is_some_and(|verified| row.is_unchanged(verified))
        });
        if !is_same {
            room.wake(ObjectRef::from_obj(object.as_ref()));
        }
    }
    Ok(())
}

/// What a row of a page says about changes.
#[derive(Clone, Copy, Debug)]
struct Row {
    revision: Option<i64>,
    updated: Option<Timestamp>,
}

impl Row {
    fn of(item: &SearchItem) -> Self {
        let updated = item.updated_time.as_deref().and_then(|text| Timestamp::strptime(TIME_FORMAT, text).ok());
        Self { revision: item.revision, updated }
    }

    /// Whether the tenant is as it was read. A counter says so for certain; a time of whole seconds only where the read
    /// is well after it, and then by two clocks.
    fn is_unchanged(self, Verified { revision, updated, read }: Verified) -> bool {
        match (self.revision, revision) {
            (Some(listed), Some(verified)) => listed == verified,
            _ => self.updated.is_some_and(|listed| updated == Some(listed) && read.duration_since(listed) >= UNSURE),
        }
    }
}

async fn rows(platform: &Platform, place: &Place) -> Result<HashMap<String, Row>, Error> {
    let mut rows = HashMap::new();
    let mut number = 1;
    for _ in 0..PAGES {
        let page = platform.page(place, number).await?;
        rows.extend(page.results.into_iter().map(|item| (item.unique_id.clone(), Row::of(&item))));
        if !page.next_page {
            return Ok(rows);
        }
        number = page.next_page_no.filter(|next| *next > number).unwrap_or(number + 1);
    }
    Err(Error::Malformed { message: format!("the search has more than {PAGES} pages") })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::connect::{Connection, Guard, Wire};

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A platform whose search answers so to the query of a page.
    fn searched(answer: impl Fn(&str) -> serde_json::Value + Send + Sync + 'static) -> Platform {
        let answer = Arc::new(answer);
        let wire = Wire::new(tower::service_fn(move |request: reqwest::Request| {
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
        Platform::guarded(connection, Duration::from_mins(1), (wire, Guard::new(|| true)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_without_an_end_is_given_up() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let platform = searched(move |_| {
            let count = count.fetch_add(1, Ordering::SeqCst);
            serde_json::json!({"results": [], "nextPage": count < 1200})
        });
        let place = Place::Clients { msp: "1".to_owned() };
        let error = rows(&platform, &place).await.unwrap_err().to_string();
        assert!(error.contains("more than 1000 pages"), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 1000);
    }

    #[tokio::test]
    async fn the_next_page_is_the_one_that_is_named_where_it_lies_ahead() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let pages = Arc::clone(&asked);
        let platform = searched(move |query| {
            let number = query.split('&').find_map(|pair| pair.strip_prefix("pageNo=")).unwrap().to_owned();
            // The third page names itself.
            let named = if matches!(number.as_str(), "1" | "3") { 3 } else { 0 };
            pages.lock().unwrap().push(number);
            serde_json::json!({"results": [], "nextPage": named > 0, "nextPageNo": named})
        });
        rows(&platform, &Place::Clients { msp: "1".to_owned() }).await.unwrap();
        assert_eq!(*asked.lock().unwrap(), ["1", "3", "4"]);
    }

    #[test]
    fn a_counter_decides_before_a_time_of_whole_seconds_and_the_clock_of_this_process() {
        let updated = Some(time("2030-01-01T00:00:00Z"));
        let verified = |revision, read| Verified { revision, updated, read: time(read) };
        let row = |revision| Row { revision, updated };
        // The clock of this process is an hour ahead: a second change within the second is seen by the counter alone.
        assert!(!row(Some(8)).is_unchanged(verified(Some(7), "2030-01-01T01:00:00Z")));
        assert!(row(Some(7)).is_unchanged(verified(Some(7), "2030-01-01T00:00:00Z")), "also right after the change");
        assert!(row(None).is_unchanged(verified(None, "2030-01-01T00:00:02Z")));
        assert!(!row(None).is_unchanged(verified(None, "2030-01-01T00:00:01Z")), "it may have missed one");
        assert!(!row(Some(7)).is_unchanged(verified(None, "2030-01-01T00:00:01Z")));
        assert!(!Row { revision: None, updated: None }.is_unchanged(verified(None, "2030-01-01T01:00:00Z")));
    }
}
