//! Plans all objects: Partners first, since Clients inherit from their Partner.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use tenantry_api::TenantPhase;
use tenantry_client::{CallError, PlatformClient, platform_error_outcome};
use tenantry_core::object::{
    ParentRef, TenantResource, effective_settings, ensure_no_used_package_dropped, resolve_place, unique_id,
};
use tenantry_core::{DesiredTenant, Digest, LifecycleState, PassOutcome, Place};

use super::api_validation::KindDefinitions;
use super::attach_by_mark::attach_by_mark;
use super::evaluate::{Evaluation, EvaluationContext, evaluate_object, plan_under_new_partner};
use super::prepare::{self, PrepareResult, PreparedObject};
use super::row::{PlanRow, PlannedAction};
use crate::connection::ConnectionOverride;
use crate::failure::Failure;
use crate::inventory::{Inventory, InventoryObject};
use crate::manifest::ObjectKey;
use crate::object_platform::is_connection_error;
use crate::output::ProgressLine;
use crate::references::{ReferenceError, ReferenceReader};
use crate::tenant_rows::{self, TenantRows};

/// Number of objects that are evaluated at the same time.
const CONCURRENT_EVALUATIONS: usize = 8;
/// Up to this number, the tenants of a place are read one by one instead of listed: a page costs ten times as much as a
/// read.
const MAX_UNLISTED_TENANTS: usize = 2;

/// Options of a plan.
pub(super) struct PlanOptions {
    /// Cluster id that the flag gives.
    pub(super) cluster_id: Option<String>,
    /// Whether every tenant is read, even if a list proves that it is unchanged.
    pub(super) read_all: bool,
}

/// The state of the planner.
struct Planner {
    ground: Inventory,
    definitions: KindDefinitions,
    /// The planned action of each Partner.
    actions: BTreeMap<ObjectKey, PlannedAction>,
    references: ReferenceReader,
    options: PlanOptions,
    cluster_id: String,
    lists: BTreeMap<(String, Place), Option<TenantRows>>,
    /// Why a platform could not be reached, by the fingerprint of its connection. It is not queried again.
    errors_by_platform: BTreeMap<Digest, PassOutcome>,
    /// Partners that could not be evaluated, and why.
    unknown_partners: BTreeMap<ObjectKey, (Option<&'static str>, String)>,
}

/// Returns the rows of all selected objects, in the order of their names.
pub(super) async fn plan_all_objects(
    inventory: Inventory,
    connection_override: ConnectionOverride,
    options: &PlanOptions,
) -> Result<Vec<PlanRow>, Vec<Failure>> {
    let cluster_id = resolve_cluster_id(&inventory, options).await?;
    let references = ReferenceReader::new(&inventory, connection_override);
    let options = PlanOptions { cluster_id: options.cluster_id.clone(), read_all: options.read_all };
    let mut planner = Planner {
        ground: inventory,
        definitions: KindDefinitions::new(),
        actions: BTreeMap::new(),
        references,
        options,
        cluster_id,
        lists: BTreeMap::new(),
        errors_by_platform: BTreeMap::new(),
        unknown_partners: BTreeMap::new(),
    };
    let mut partners = planner.prepare_partners().await;
    let mut clients = planner.prepare_clients().await;
    let mut progress = ProgressLine::begin("tenants looked at");
    let all = partners.len() + clients.len();
    let mut rows = planner.evaluate_partners(&mut partners, &clients, &mut progress, all).await?;
    rows.extend(planner.evaluate_clients(&mut clients, &mut progress, all).await?);
    rows.sort_by(|one, other| (&one.namespace, other.kind, &one.name).cmp(&(&other.namespace, one.kind, &other.name)));
    Ok(rows)
}

/// Returns the cluster id that the operator puts into its marks; empty if it is not known.
async fn resolve_cluster_id(inventory: &Inventory, options: &PlanOptions) -> Result<String, Failure> {
    if let Some(id) = &options.cluster_id {
        return Ok(id.clone());
    }
    let Some(cluster) = &inventory.cluster else { return Ok(String::new()) };
    cluster.cluster_id().await?.ok_or_else(|| {
        Failure::new("the id of the cluster cannot be read (the UID of namespace `kube-system`): say `--cluster-id`, as the operator was told")
    })
}

type PrepareResults = BTreeMap<ObjectKey, PrepareResult>;

impl Planner {
    async fn prepare_partners(&mut self) -> PrepareResults {
        let mut prepareds = PrepareResults::new();
        for key in selected_keys(&self.ground.partners) {
            let Some(mut subject) = self.ground.partners.remove(&key) else { continue };
            let preparation =
                prepare::prepare_partner(&mut subject, &self.ground, &mut self.references, &self.cluster_id).await;
            self.ground.partners.insert(key.clone(), subject);
            prepareds.insert(key, preparation);
        }
        prepareds
    }

    async fn prepare_clients(&mut self) -> PrepareResults {
        let mut prepareds = PrepareResults::new();
        for key in selected_keys(&self.ground.clients) {
            let Some(subject) = self.ground.clients.remove(&key) else { continue };
            let preparation =
                prepare::prepare_client(&subject, &self.ground, &mut self.references, &self.cluster_id).await;
            self.ground.clients.insert(key.clone(), subject);
            prepareds.insert(key, preparation);
        }
        prepareds
    }

    async fn evaluate_partners(
        &mut self,
        prepared_objects: &mut PrepareResults,
        clients: &PrepareResults,
        progress: &mut ProgressLine,
        all: usize,
    ) -> Result<Vec<PlanRow>, Failure> {
        let places = prepared_objects.values().filter_map(|prepared| prepared.as_ref().ok()).map(|prepared| {
            (prepared.platform.clone(), Place::Partners { sp: prepared.platform.tenant_id().to_owned() })
        });
        let places: Vec<_> = places.collect();
        self.list_places(&places).await;
        self.attach_partners_by_mark(prepared_objects)?;
        let mut evaluations = Vec::new();
        for (key, prepared) in &*prepared_objects {
            let Some(subject) = self.ground.partners.get(key) else { continue };
            let keeps =
                prepared.as_ref().map_or(Ok(()), |prepared| self.check_client_use(key, &prepared.desired, clients));
            evaluations.push(self.evaluate_one(subject, prepared, keeps));
        }
        let evaluations = evaluate_all(evaluations, progress, all).await;
        let mut rows = Vec::new();
        for (key, judged) in prepared_objects.keys().zip(evaluations) {
            let Evaluation { mut row, observed } = judged;
            if let Some(subject) = self.ground.partners.get(key) {
                row = self.definitions.with_api_validation(subject, row);
            }
            if let Some(subject) = self.ground.partners.get_mut(key)
                && let Some(observed) = observed
            {
                let is_stopped = observed.lifecycle != LifecycleState::Active
                    && row.action != PlannedAction::Activate
                    && !row.requests.iter().any(|request| request.step == "activate");
                let status = subject.object.status_mut().get_or_insert_default();
                status.unique_id = Some(observed.unique_id);
                status.phase = Some(if is_stopped { TenantPhase::Suspended } else { TenantPhase::Active });
            }
            self.actions.insert(key.clone(), row.action);
            if row.action == PlannedAction::Unknown {
                self.unknown_partners.insert(key.clone(), (row.reason, row.message.clone().unwrap_or_default()));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// Verifies that a Partner drops no packages that its Clients still use. A Client that is planned too counts with
    /// its planned state.
    fn check_client_use(
        &self,
        key: &ObjectKey,
        desired: &DesiredTenant,
        clients: &PrepareResults,
    ) -> Result<(), PassOutcome> {
        let wanted = ParentRef::Object(key.0.clone(), key.1.clone());
        let of = self.ground.clients.iter().filter(|(_, subject)| subject.object.parent() == wanted);
        let planned = of.map(|(key, subject)| {
            let mut client = subject.object.clone();
            if let Some(Ok(prepared)) = clients.get(key)
                && let Some(status) = client.status_mut()
            {
                status.effective = effective_settings(&prepared.desired);
            }
            std::sync::Arc::new(client)
        });
        ensure_no_used_package_dropped(desired, &planned.collect::<Vec<_>>())
    }

    async fn evaluate_clients(
        &mut self,
        prepared_objects: &mut PrepareResults,
        progress: &mut ProgressLine,
        all: usize,
    ) -> Result<Vec<PlanRow>, Failure> {
        let mut places = Vec::new();
        for (key, prepared) in &*prepared_objects {
            if let (Ok(prepared), Some(subject)) = (prepared, self.ground.clients.get(key))
                && let Ok(place) = self.tenant_place(&subject.object, prepared)
            {
                places.push((prepared.platform.clone(), place));
            }
        }
        self.list_places(&places).await;
        self.attach_clients_by_mark(prepared_objects)?;
        let mut evaluations = Vec::new();
        for (key, prepared) in &*prepared_objects {
            let Some(subject) = self.ground.clients.get(key) else { continue };
            evaluations.push(self.evaluate_one(subject, prepared, Ok(())));
        }
        let evaluations = evaluate_all(evaluations, progress, all).await;
        let subjects = prepared_objects.keys().filter_map(|key| self.ground.clients.get(key));
        Ok(subjects
            .zip(evaluations)
            .map(|(subject, judged)| self.definitions.with_api_validation(subject, judged.row))
            .collect())
    }

    fn tenant_place<K: TenantResource>(&self, object: &K, prepared: &PreparedObject) -> Result<Place, PassOutcome> {
        resolve_place(object, prepared.platform.tenant_id(), self.ground.partner_of(object))
    }

    /// Returns whether the Partner of an object does not exist yet and will be created.
    fn has_new_partner<K: TenantResource>(&self, object: &K) -> bool {
        let ParentRef::Object(namespace, name) = object.parent() else { return false };
        matches!(self.actions.get(&(namespace, name)), Some(PlannedAction::Create | PlannedAction::Wait))
    }

    /// Returns why the Partner of an object could not be evaluated.
    fn failed_partner<K: TenantResource>(&self, object: &K) -> Option<&(Option<&'static str>, String)> {
        let ParentRef::Object(namespace, name) = object.parent() else { return None };
        self.unknown_partners.get(&(namespace, name))
    }

    async fn evaluate_one<K: TenantResource>(
        &self,
        subject: &InventoryObject<K>,
        prepared: &PrepareResult,
        client_use_check: Result<(), PassOutcome>,
    ) -> Evaluation {
        let alone = |row| Evaluation { row, observed: None };
        let stopped = |outcome| alone(PlanRow::from_object(subject).with_outcome(outcome));
        let prepared = match prepared {
            Err(ReferenceError::Outcome(outcome)) => return stopped(outcome.clone()),
            Err(ReferenceError::Failure(failure)) => {
                return alone(PlanRow::from_object(subject).into_unknown(None, failure.message.clone()));
            }
            Ok(prepared) => prepared,
        };
        if let Some(outcome) = self.errors_by_platform.get(&prepared.platform.fingerprint()) {
            return stopped(outcome.clone());
        }
        match self.tenant_place(&subject.object, prepared) {
            Err(_) if let Some((reason, message)) = self.failed_partner(&subject.object) => {
                alone(PlanRow::from_object(subject).into_unknown(*reason, message.clone()))
            }
            Err(_) if self.has_new_partner(&subject.object) && unique_id(&subject.object).is_none() => {
                Evaluation { row: plan_under_new_partner(subject, prepared).await, observed: None }
            }
            Err(outcome) => stopped(outcome),
            Ok(place) => {
                let rows = self.lists.get(&(prepared.platform.host(), place.clone())).cloned().flatten();
                let site = EvaluationContext {
                    platform: &prepared.platform,
                    place,
                    rows,
                    partner: self.ground.partner_of(&subject.object),
                    cluster: self.ground.cluster.as_ref(),
                    ground: &self.ground,
                    has_connection_override: self.references.has_connection_override(),
                    written: &prepared.written,
                    edited: &prepared.edited,
                };
                Box::pin(evaluate_object(subject, prepared, &site, client_use_check)).await
            }
        }
    }

    /// Lists the places with more than a few objects, on platforms whose lists prove something.
    async fn list_places(&mut self, places: &[(PlatformClient, Place)]) {
        let mut counts: BTreeMap<(String, &Place), (usize, &PlatformClient)> = BTreeMap::new();
        for (platform, place) in places {
            counts.entry((platform.host(), place)).or_insert((0, platform)).0 += 1;
        }
        let is_needed = self.ground.cluster.is_none();
        for ((host, place), (count, platform)) in counts {
            let is_wanted = is_needed || count > MAX_UNLISTED_TENANTS && !self.options.read_all;
            if !is_wanted || self.errors_by_platform.contains_key(&platform.fingerprint()) {
                continue;
            }
            match list_tenant_rows(platform, place).await {
                Ok(rows) => drop(self.lists.insert((host, place.clone()), rows)),
                Err(error) if is_connection_error(&error) => {
                    self.errors_by_platform
                        .insert(platform.fingerprint(), platform_error_outcome(place.kind(), &error));
                }
                // Only this place cannot be listed: each of its objects is evaluated by its own read.
                Err(_) => drop(self.lists.insert((host, place.clone()), None)),
            }
        }
    }

    fn attach_partners_by_mark(&mut self, prepared_objects: &mut PrepareResults) -> Result<(), Failure> {
        if self.ground.cluster.is_some() {
            return Ok(());
        }
        for (key, prepared) in prepared_objects {
            let (Ok(prepared), Some(subject)) = (prepared, self.ground.partners.get_mut(key)) else { continue };
            let sp = prepared.platform.tenant_id().to_owned();
            let place = Place::Partners { sp };
            if let Some(rows) = self.lists.get(&(prepared.platform.host(), place.clone())).cloned().flatten() {
                attach_by_mark(&mut subject.object, &mut prepared.desired, &rows, &self.cluster_id, place.parent_id())?;
            }
        }
        Ok(())
    }

    fn attach_clients_by_mark(&mut self, prepared_objects: &mut PrepareResults) -> Result<(), Failure> {
        if self.ground.cluster.is_some() {
            return Ok(());
        }
        for (key, prepared) in prepared_objects {
            let Ok(prepared) = prepared else { continue };
            let Some(mut subject) = self.ground.clients.remove(key) else { continue };
            let place = self.tenant_place(&subject.object, prepared);
            let known = place.ok().and_then(|place| {
                let rows = self.lists.get(&(prepared.platform.host(), place.clone())).cloned().flatten();
                rows.map(|rows| (place, rows))
            });
            let recognised = known.map_or(Ok(()), |(place, rows)| {
                attach_by_mark(&mut subject.object, &mut prepared.desired, &rows, &self.cluster_id, place.parent_id())
            });
            self.ground.clients.insert(key.clone(), subject);
            recognised?;
        }
        Ok(())
    }
}

/// Lists the rows of a place. Returns `None` if they prove nothing.
async fn list_tenant_rows(platform: &PlatformClient, place: &Place) -> Result<Option<TenantRows>, CallError> {
    if platform.has_extensions().await? {
        tenant_rows::list_tenant_rows(platform, place).await.map(Some)
    } else {
        Ok(None)
    }
}

fn selected_keys<K>(subjects: &BTreeMap<ObjectKey, InventoryObject<K>>) -> Vec<ObjectKey> {
    subjects.iter().filter(|(_, subject)| subject.is_selected).map(|(key, _)| key.clone()).collect()
}

/// Evaluates all objects, several at the same time, and keeps their order.
async fn evaluate_all(
    evaluations: Vec<impl Future<Output = Evaluation>>,
    progress: &mut ProgressLine,
    all: usize,
) -> Vec<Evaluation> {
    let mut done = Vec::new();
    let mut judged = futures::stream::iter(evaluations).buffered(CONCURRENT_EVALUATIONS);
    while let Some(one) = judged.next().await {
        progress.count_one(all);
        done.push(one);
    }
    done
}
