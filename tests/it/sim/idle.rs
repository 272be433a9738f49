//! Decides when a world is at rest, and whether its state is then correct.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cluster::{CLIENTS, PARTNERS, SimCluster, SimObjectKey};
use super::exchange::{SimState, SimWorld};
use super::newer_release::is_newer;
use super::operator_life::OPERATOR_NAMESPACE;
use super::oracle::has_finalizer;
use super::oracle::owner_spec::management_mode;
use super::platform::{SimPlatform, SimTenant};

/// Creates a world on this thread's platform, with the namespaces `a` and `b` and a connection in each.
pub(crate) fn new_default_world() -> SimWorld {
    new_world(false, false)
}

/// Creates a world for random runs: the accounts of the namespaces have different hosts, and settings are read from a
/// Secret.
pub(crate) fn new_two_account_world() -> SimWorld {
    new_world(false, true)
}

/// Creates a world on a platform with only the documented API. Its credential belongs to a partner.
pub(crate) fn new_documented_world() -> SimWorld {
    thread_local! {
        static DOCUMENTED: Arc<SimPlatform> = Arc::new(SimPlatform::start(true));
    }
    world_on(DOCUMENTED.with(Arc::clone), false, false)
}

/// As above, with recorded requests.
pub(crate) fn new_recorded_world() -> SimWorld {
    new_world(true, false)
}

fn new_world(is_recorded: bool, is_wide: bool) -> SimWorld {
    thread_local! {
        static PLATFORM: Arc<SimPlatform> = Arc::new(SimPlatform::start(false));
    }
    world_on(PLATFORM.with(Arc::clone), is_recorded, is_wide)
}

fn world_on(platform: Arc<SimPlatform>, is_recorded: bool, is_wide: bool) -> SimWorld {
    platform.reset();
    let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let world = SimWorld::new(SimState::new(SimCluster::new(&[OPERATOR_NAMESPACE], now), platform, now));
    tenantry_runtime::clock::follow_tokio_clock(now);
    world.lock().record = is_recorded.then(Vec::new);
    world.lock().lasting_faults.has_second_host = is_wide;
    world.create_namespace("a");
    world.create_namespace("b");
    if is_wide {
        world.create_default_duo_secret();
    }
    world
}

/// Returns a condition of an object: status and reason.
pub(crate) fn condition(object: &Value, kind: &str) -> Option<(String, String)> {
    let all = object["status"]["conditions"].as_array()?;
    let found = all.iter().find(|condition| condition["type"] == *kind)?;
    Some((found["status"].as_str()?.to_owned(), found["reason"].as_str()?.to_owned()))
}

/// Returns whether an object is Ready for its current spec.
pub(crate) fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| {
        one["type"] == "Ready"
            && one["status"] == "True"
            && one["observedGeneration"] == object["metadata"]["generation"]
    })
}

impl SimWorld {
    /// Waits for a state, for at most four hours.
    pub(crate) async fn wait_until(&self, what: &str, is_so: impl Fn(&SimWorld) -> bool) {
        for _ in 0..4 * 240 {
            if is_so(self) {
                return;
            }
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
        let now = tenantry_runtime::clock::now();
        let mut state = self.lock();
        state.add_log_line(now, format!(" ! in vain waited for: {what}"));
        state.oracle.violations.push(format!("in vain waited for: {what}"));
    }

    /// Returns the waits that timed out.
    pub(crate) fn unmet_waits(&self) -> Vec<String> {
        let state = self.lock();
        state.oracle.violations.iter().filter(|one| one.starts_with("in vain waited for")).cloned().collect()
    }

    /// Returns everything that people and programs see, without what differs from run to run.
    pub(crate) fn final_state(&self) -> Value {
        let state = self.lock();
        let mut objects = Vec::new();
        for (key, object) in state.cluster.partners_and_clients() {
            let conditions: Vec<Value> = object["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| json!([one["type"], one["status"], one["reason"], one["message"]]))
                .collect();
            objects.push(json!({
                "at": format!("{} {}/{}", key.resource.kind, key.namespace, key.name), "spec": object["spec"],
                "held": has_finalizer(object), "deleting": object["metadata"]["deletionTimestamp"].is_string(),
                "conditions": conditions, "phase": object["status"]["phase"], "effective": object["status"]["effective"],
                "clients": object["status"]["clients"],
            }));
        }
        let tenants: Vec<Value> = state
            .platform
            .tenants()
            .iter()
            .map(|SimTenant { name, state, place, settings, .. }| json!([name, state, place, settings]))
            .collect();
        let evidence =
            state.cluster.all(super::cluster::CONFIG_MAPS).filter(|(map, _)| map.name.starts_with("terminated-"));
        json!({"objects": objects, "tenants": tenants, "evidence": evidence.count()})
    }

    /// Returns what is wrong in a world that should be at rest.
    pub(crate) fn idle_faults(&self) -> Vec<String> {
        let tenants = self.tenants();
        let state = self.lock();
        let mut faults = state.oracle.violations.clone();
        faults.extend(state.oracle.duplicate_tenants());
        faults.extend(tenants_with_two_managers(&state.cluster));
        for (key, object) in state.cluster.partners_and_clients() {
            let check = IdleCheck { key, object, tenants: &tenants, state: &state };
            faults.extend(check.object_fault().map(|fault| format!("{}/{}: {fault}", key.namespace, key.name)));
        }
        faults
    }
}

/// Checks an object and its tenant at rest.
struct IdleCheck<'a> {
    key: &'a SimObjectKey,
    object: &'a Value,
    tenants: &'a [SimTenant],
    state: &'a SimState,
}

/// Returns the objects that manage the same tenant.
fn tenants_with_two_managers(cluster: &SimCluster) -> Vec<String> {
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let manages = |object: &Value| is_ready(object) && object["spec"]["management"]["mode"] != "Observe";
    for (key, object) in cluster.partners_and_clients().filter(|(_, object)| manages(object)) {
        let id = object["status"]["uniqueId"].as_str().unwrap_or_default();
        owners.entry(id).or_default().push(&key.name);
    }
    owners.into_iter().filter(|(_, all)| all.len() > 1).map(|(id, all)| format!("{id} has owners {all:?}")).collect()
}

impl IdleCheck<'_> {
    fn mark_place(&self) -> String {
        let SimObjectKey { resource, namespace, name } = self.key;
        format!("sim/{}/{namespace}/{name}", resource.kind)
    }

    fn tenant(&self) -> Option<&SimTenant> {
        self.tenants.iter().find(|tenant| self.object["status"]["uniqueId"] == *tenant.id)
    }

    /// Returns the Partner object of a Client.
    fn partner(&self) -> Option<&Value> {
        let reference = &self.object["spec"]["partnerRef"];
        let namespace = reference["namespace"].as_str().unwrap_or(&self.key.namespace);
        self.state.cluster.get(&SimObjectKey::new(PARTNERS, namespace, reference["name"].as_str()?))
    }

    /// Returns what an operator may do with the tenant now. Between two lives the state holds the time.
    fn management_mode(&self) -> &str {
        management_mode(self.object, self.state.now.max(tenantry_runtime::clock::now()))
    }

    fn object_fault(&self) -> Option<String> {
        if self.object["metadata"]["deletionTimestamp"].is_string() {
            return self.unexplained_deletion();
        }
        let mode = self.management_mode();
        if mode == "Paused" {
            return None;
        }
        if is_ready(self.object) {
            return (mode != "Observe").then(|| self.differs_from_spec())?;
        }
        let (_, reason) = condition(self.object, "Ready").unwrap_or_default();
        let is_so = match reason.as_str() {
            "NameTaken" => self.tenants.iter().any(|tenant| {
                // A tenant of a former life may have the name that the object now requests for another tenant.
                let asked = &self.object["spec"]["adoption"]["uniqueId"];
                let is_other = tenant.place.as_deref() != Some(&self.mark_place());
                tenant.name == self.object["spec"]["details"]["name"]
                    && tenant.state != "TERMINATED"
                    && (is_other || asked.as_str().is_some_and(|asked| asked != tenant.id))
            }),
            "TenantMissing" => self.tenant().is_none_or(|tenant| tenant.state == "TERMINATED"),
            "HandedOver" => self.tenant().is_none_or(|tenant| tenant.place.as_deref() != Some(&self.mark_place())),
            "OwnedElsewhere" => {
                let is_other = |tenant: &SimTenant| tenant.place.as_deref() != Some(&self.mark_place());
                let asked = &self.object["spec"]["adoption"]["uniqueId"];
                self.tenant().or_else(|| self.tenants.iter().find(|tenant| *asked == *tenant.id)).is_some_and(is_other)
            }
            "AdoptionTargetNotFound" => {
                let asked = &self.object["spec"]["adoption"]["uniqueId"];
                let parent = self.partner().map(|partner| partner["status"]["uniqueId"].clone());
                let is_elsewhere = |tenant: &SimTenant| parent.as_ref().is_some_and(|parent| *parent != *tenant.parent);
                self.tenants
                    .iter()
                    .all(|tenant| *asked != *tenant.id || tenant.state == "TERMINATED" || is_elsewhere(tenant))
            }
            "AmbiguousCreate" => self
                .tenants
                .iter()
                .any(|tenant| tenant.place.as_deref() == Some(&self.mark_place()) && tenant.state != "TERMINATED"),
            "ParentChanged" | "PartnerNotFound" | "PartnerNotReady" | "PartnerTerminating" | "PartnerSuspended" => {
                self.partner().is_none_or(|partner| {
                    let is_up = self
                        .tenants
                        .iter()
                        .any(|tenant| partner["status"]["uniqueId"] == *tenant.id && tenant.state == "ACTIVE");
                    !is_up
                        || !is_ready(partner)
                        || partner["metadata"]["deletionTimestamp"].is_string()
                        || reason == "ParentChanged"
                })
            }
            "CredentialsUnavailable" => self
                .state
                .cluster
                .get(&SimObjectKey::new(super::cluster::SECRETS, &self.key.namespace, "platform"))
                .is_none(),
            "NotUnderstood" => is_newer(self.object),
            // After a write whose reply was lost, or a crash after a write, the platform keeps its normalised value:
            // the next write does not change it, which cannot be distinguished from a platform that applies nothing.
            "NotTakenByPlatform" => self.state.lasting_faults.normalises,
            "ApprovalNeeded" => self.object["spec"]["management"]["approval"]["mode"].is_string(),
            _ => false,
        };
        (!is_so).then(|| format!("not Ready because of `{reason}`: {}", self.object["status"]["conditions"]))
    }

    /// Returns how the tenant of a Ready object differs from its spec.
    fn differs_from_spec(&self) -> Option<String> {
        let Some(tenant) = self.tenant() else { return Some("Ready without a tenant".to_owned()) };
        let spec = &self.object["spec"];
        let mut faults = Vec::new();
        let mut same = |declared: &Value, found: &Value, what: &str| {
            if !declared.is_null() && declared != found {
                faults.push(format!("{what} is {found} and not {declared}"));
            }
        };
        same(&spec["details"]["name"], &json!(tenant.name), "the name");
        same(&spec["details"]["city"], &tenant.settings["city"], "the city");
        same(&spec["details"]["address"], &tenant.settings["address"], "the address");
        let wanted = spec["tenantState"].as_str().map(str::to_uppercase);
        same(&json!(wanted), &json!(tenant.state), "the state");
        if spec["adoption"].is_null() || tenant.place.is_some() {
            same(&json!(self.mark_place()), &json!(tenant.place), "the mark's place");
            same(&self.object["metadata"]["uid"], &json!(tenant.uid), "the mark's uid");
        }
        if let Some(key) =
            self.inherited_secret_value().filter(|key| self.state.oracle.keys.get(&tenant.id) != Some(key))
        {
            faults.push(format!("it was last given {:?} and not `{key}`", self.state.oracle.keys.get(&tenant.id)));
        }
        if tenant.state == "TERMINATED" {
            faults.push("its tenant is ended".to_owned());
        }
        (!faults.is_empty()).then(|| format!("{} [{}]", faults.join("; "), tenant.id))
    }

    /// Returns the value that the tenant inherits from a Secret in its Partner's defaults.
    fn inherited_secret_value(&self) -> Option<String> {
        let partner = self.partner()?;
        let reference = &partner["spec"]["clients"]["defaults"]["access"]["duo"]["secretKeySecretRef"];
        let namespace = partner["metadata"]["namespace"].as_str()?;
        let secret = self.state.cluster.get(&SimObjectKey::new(
            super::cluster::SECRETS,
            namespace,
            reference["name"].as_str()?,
        ))?;
        let value = STANDARD.decode(secret["data"][reference["key"].as_str()?].as_str()?).ok()?;
        String::from_utf8(value).ok()
    }

    /// Returns an error for a pending deletion, unless something blocks it that only a person or time can change.
    fn unexplained_deletion(&self) -> Option<String> {
        if !has_finalizer(self.object) {
            return None;
        }
        let spec = &self.object["spec"];
        let policy = spec["deletion"]["policy"].as_str().unwrap_or("Retain");
        let (_, reason) = condition(self.object, "DeletionBlocked")
            .or_else(|| condition(self.object, "Reconciling"))
            .unwrap_or_default();
        let children = || {
            self.state.cluster.all(CLIENTS).any(|(_, child)| child["spec"]["partnerRef"]["name"] == *self.key.name)
                || self
                    .tenants
                    .iter()
                    .any(|tenant| self.object["status"]["uniqueId"] == *tenant.parent && tenant.state != "TERMINATED")
        };
        let is_so = match reason.as_str() {
            "ConfirmationNeeded" => policy == "Terminate" && spec["deletion"]["confirm"].is_null(),
            "ConfirmationInvalid" => policy == "Terminate" && !spec["deletion"]["confirm"].is_null(),
            "ClientsRemain" => children(),
            "ManagementPaused" => self.management_mode() != "Manage",
            "OwnedElsewhere" => self.tenant().is_some_and(|tenant| {
                tenant.place.as_deref() != Some(&self.mark_place())
                    || self.object["metadata"]["uid"] != json!(tenant.uid)
            }),
            "PartnerNotFound" => self.partner().is_none(),
            "PartnerNotReady" => self.partner().is_none_or(|partner| !is_ready(partner)),
            "CredentialsUnavailable" => self
                .state
                .cluster
                .get(&SimObjectKey::new(super::cluster::SECRETS, &self.key.namespace, "platform"))
                .is_none(),
            // Clients that are being deleted may need its connection for their own termination. An approved termination
            // may have suspended the tenant.
            "NotUnderstood" => {
                let was_agreed = !self.object["status"]["termination"]["confirmDigest"].is_null();
                is_newer(self.object) && (policy != "Retain" || children() || was_agreed)
            }
            "ParentChanged" | "AmbiguousCreate" | "GracePeriod" | "BreakerOpen" => true,
            _ => false,
        };
        (!is_so)
            .then(|| format!("is still being deleted because of `{reason}`: {}", self.object["status"]["conditions"]))
    }
}

/// Waits until nothing was written for a quarter of an hour, and then for some drift checks that must not write
/// anything.
pub(crate) async fn wait_until_idle(world: &SimWorld, checks: u64) {
    wait_until_quiet(world, checks, SimWorld::run_controllers).await;
}

/// As above, while a person repairs what was deleted: a definition that is being deleted can only be created again once
/// its last object is gone.
pub(crate) async fn wait_until_idle_restored(world: &SimWorld, checks: u64) {
    wait_until_quiet(world, checks, SimWorld::restore_prerequisites).await;
}

async fn wait_until_quiet(world: &SimWorld, checks: u64, controllers: impl Fn(&SimWorld)) {
    let quiet = SignedDuration::from_mins(16);
    for _ in 0..48 {
        tokio::time::sleep(Duration::from_mins(5)).await;
        controllers(world);
        let now = tenantry_runtime::clock::now();
        let is_quiet = {
            let state = world.lock();
            !state.has_delayed_requests()
                && state.oracle.quiet_since().is_some_and(|last| now.duration_since(last) > quiet)
        };
        if is_quiet && world.idle_faults().is_empty() {
            break;
        }
    }
    let before = world.lock().oracle.writes;
    tokio::time::sleep(Duration::from_mins(11 * checks)).await;
    let mut state = world.lock();
    let more = state.oracle.writes - before;
    let vain = 2 * usize::try_from(checks).unwrap() * count_ineffective_writes(&state.cluster);
    // A blocked termination writes its status once more after half an hour, since its state is unknown from then on.
    let held = state
        .cluster
        .partners_and_clients()
        .filter(|(_, object)| object["metadata"]["deletionTimestamp"].is_string())
        .count();
    if more > vain + held {
        state.oracle.violations.push(format!("{more} writes in a world at rest"));
    }
}

/// Counts the objects for which each drift check and each retry makes an ineffective write: a name that is taken, or a
/// value that the platform does not show as written.
fn count_ineffective_writes(cluster: &SimCluster) -> usize {
    let is_vain = |object: &Value| {
        let (_, reason) = condition(object, "Ready").unwrap_or_default();
        ["NameTaken", "NotTakenByPlatform"].contains(&reason.as_str()) && object["status"]["uniqueId"].is_string()
    };
    cluster.partners_and_clients().filter(|(_, object)| is_vain(object)).count()
}
