//! The look for drift: lists what lives on the platform page by page and wakes only the objects whose tenant changed,
//! so that watching N tenants costs N/100 requests and not N.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::task::JoinHandle;

use super::context::{Context, Room, jitter};
use super::dereference::{has_new_material, tenancy};
use super::object::{TenantObject, is_deleting, mode, unique_id};
use crate::api::{ManagementMode, Partner, TenantClient};
use crate::connect::{Error, Place, Platform};
use crate::wire::TIME_FORMAT;

/// The wire's times have whole seconds: a read closer than this to the last change may have missed one.
const UNSURE: SignedDuration = SignedDuration::from_secs(2);
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
        for partner in context.partners.store.state() {
            // Its counts of clients move only here.
            context.partners.wake(ObjectRef::from_obj(partner.as_ref()));
        }
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
    for group in groups(K::room(context), context).await {
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
        if let Err(error) = looked {
            // Each object says so on its own once it is due; one line is enough here.
            tracing::warn!(kind = K::KIND.name(), parent = group.place.parent(), %error, "drift was not looked for");
            for object in &group.objects {
                room.wake(ObjectRef::from_obj(object.as_ref()));
            }
        }
    }
}

async fn groups<K: TenantObject>(room: &Room<K>, context: &Context) -> Vec<Group<K>> {
    let mut groups: HashMap<(String, String, String), Group<K>> = HashMap::new();
    for object in room.store.state() {
        let is_paused = mode(object.as_ref()) == ManagementMode::Paused;
        if is_paused || is_deleting(object.as_ref()) || unique_id(object.as_ref()).is_none() {
            continue;
        }
        let changed = has_new_material(object.as_ref(), context).await.unwrap_or(true);
        match tenancy(object.as_ref(), context).await {
            Ok((platform, place, _)) if !changed => {
                let key = (platform.host(), platform.tenant_id().to_owned(), place.parent().to_owned());
                groups
                    .entry(key)
                    .or_insert_with(|| Group { platform, place, objects: Vec::new() })
                    .objects
                    .push(object);
            }
            // A Secret, an image or a reference changed: a pass finds out and says so.
            Ok(_) | Err(_) => room.wake(ObjectRef::from_obj(object.as_ref())),
        }
    }
    groups.into_values().collect()
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
    let updated = updated_times(&platform, &group.place).await?;
    for object in &group.objects {
        let listed = unique_id(object.as_ref()).and_then(|id| updated.get(id)).copied().flatten();
        // Absence from a page is never "gone": the pass asks for the tenant itself.
        let is_same = listed.is_some_and(|updated| {
            room.remember(object, |memory| memory.verified)
                .is_some_and(|(verified, read)| verified == Some(updated) && read.duration_since(updated) >= UNSURE)
        });
        if !is_same {
            room.wake(ObjectRef::from_obj(object.as_ref()));
        }
    }
    Ok(())
}

async fn updated_times(platform: &Platform, place: &Place) -> Result<HashMap<String, Option<Timestamp>>, Error> {
    let mut updated = HashMap::new();
    let mut number = 1;
    loop {
        let page = platform.page(place, number).await?;
        for item in page.results {
            let time = item.updated_time.as_deref().and_then(|text| Timestamp::strptime(TIME_FORMAT, text).ok());
            updated.insert(item.unique_id, time);
        }
        if !page.next_page {
            return Ok(updated);
        }
        number = page.next_page_no.filter(|next| *next > number).unwrap_or(number + 1);
    }
}
