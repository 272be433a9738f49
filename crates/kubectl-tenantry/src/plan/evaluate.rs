//! Evaluates what the operator would do with an object: its own stages, without the writes between them.

use std::collections::BTreeSet;

use tenantry_api::{Adoption, ConditionType, DriftPolicy, ManagementMode, Partner, Reason};
use tenantry_client::{
    ListFreshness, Lookup, PlatformClient, load_image_digests, lookup_tenant, needs_branding, platform_error_outcome,
    read_unterminated_tenant,
};
use tenantry_core::object::{
    ParentRef, TenantResource, adoption_target_missing_outcome, check_own_connection, check_pinned_connection,
    check_recorded_tenant, drift_policy, ensure_extensions_not_hidden, ensure_not_foreign, ensure_not_handed_over,
    ensure_partner_not_deleting, find_misspelt_value, is_adoption_recorded, is_deleting, management_mode,
    other_namespace_outcome, requested_adoption, restrict_to_edits, unique_id,
};
use tenantry_core::{
    DesiredTenant, EffectiveSettings, LifecycleState, ObservedMark, ObservedTenant, ObservedValue, OwnerStatus,
    Ownership, PassOutcome, Place, Plan, PlanStep, Proposal, TenantKind, WriteRecord, check_adoption, diff,
    is_awaiting_approval, needs_approval, propose_plan,
};

use super::owner::OwnershipQuery;
use super::prepare::PreparedObject;
use super::row::{PlanRow, PlannedAction, planned_requests};
use crate::cluster::Cluster;
use crate::inventory::{Inventory, InventoryObject};
use crate::tenant_rows::{TenantRows, observe_from_row};

/// The context of a tenant before it is read.
pub(super) struct EvaluationContext<'a> {
    /// The platform.
    pub(super) platform: &'a PlatformClient,
    /// The tenant's place.
    pub(super) place: Place,
    /// Rows of the place; `None` if it was not listed.
    pub(super) rows: Option<TenantRows>,
    /// The Partner object above it.
    pub(super) partner: Option<&'a Partner>,
    /// The cluster.
    pub(super) cluster: Option<&'a Cluster>,
    /// Objects of the manifests and of the cluster.
    pub(super) ground: &'a Inventory,
    /// Whether a flag named the platform.
    pub(super) has_connection_override: bool,
    /// Earlier writes, as status records them.
    pub(super) written: &'a WriteRecord,
    /// Paths whose declared value differs from the one that was last applied.
    pub(super) edited: &'a BTreeSet<String>,
}

/// The result for an object.
pub(super) struct Evaluation {
    /// Its row of the plan.
    pub(super) row: PlanRow,
    /// The current state of its tenant.
    pub(super) observed: Option<ObservedTenant>,
}

/// Evaluates an object. `keeps` is what its Clients still use.
pub(super) async fn evaluate_object<K: TenantResource>(
    subject: &InventoryObject<K>,
    prepared: &PreparedObject,
    context: &EvaluationContext<'_>,
    client_use_check: Result<(), PassOutcome>,
) -> Evaluation {
    let object = &subject.object;
    let mut row = PlanRow::from_object(subject);
    if let Err(outcome) = check_connection(object, context) {
        return Evaluation { row: row.with_outcome(outcome), observed: None };
    }
    row.notes.extend(prepared.notes.iter().chain(&prepared.desired.effective.advice).cloned());
    let EffectiveSettings { tolerated, refused, .. } = &prepared.desired.effective;
    row.notes.extend(tolerated.iter().chain(refused).map(ToString::to_string));
    if is_deleting(object) {
        return Evaluation { row: plan_deleting_object(object, row), observed: None };
    }
    match resolve_tenant(object, &prepared.desired, context).await {
        Err(outcome) => Evaluation { row: row.with_outcome(outcome), observed: None },
        Ok(ResolvedTenant { observed, is_adopted }) => {
            if let Err(outcome) = client_use_check {
                return Evaluation { row: row.with_outcome(outcome), observed };
            }
            plan_steps(object, &prepared.desired, observed.as_ref(), is_adopted, context, &mut row).await;
            Evaluation { row, observed }
        }
    }
}

/// Verifies that the object may use the connection.
fn check_connection<K: TenantResource>(object: &K, context: &EvaluationContext<'_>) -> Result<(), PassOutcome> {
    if context.has_connection_override {
        return Ok(());
    }
    let (host, account) = (context.platform.host(), context.platform.tenant_id());
    if matches!(object.parent(), ParentRef::Object(..)) {
        check_own_connection(object, (&host, account), context.partner)?;
    }
    check_pinned_connection(object, &host, account, &context.place)
}

/// Plans an object whose Partner does not exist yet, so that its tenant cannot exist either.
pub(super) async fn plan_under_new_partner<K: TenantResource>(
    subject: &InventoryObject<K>,
    prepared: &PreparedObject,
) -> PlanRow {
    let mut row = PlanRow::from_object(subject);
    let PreparedObject { desired, notes, .. } = prepared;
    if let Some(id) = requested_adoption(&subject.object).and_then(|adoption| adoption.unique_id.as_deref()) {
        return row.with_outcome(adoption_target_missing_outcome(&subject.object, id));
    }
    row.notes.extend(notes.iter().chain(&desired.effective.advice).cloned());
    let plan = diff(desired, None, &prepared.written);
    if let Err(message) = misspelling_message(&plan, desired, &prepared.platform, &mut row).await {
        return row.into_refused(Reason::InvalidValue.name(), message);
    }
    row.set_action(&plan, false);
    row.requests = planned_requests(&plan, desired, None);
    row.notes.push("its Partner comes first".to_owned());
    // The hash covers the id of the Partner's tenant, which does not exist yet.
    apply_approval(&subject.object, &plan, None, &mut row);
    row
}

/// Plans an object that is being deleted. The operator has already published what it does and what it waits for.
fn plan_deleting_object<K: TenantResource>(object: &K, mut row: PlanRow) -> PlanRow {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let condition = [ConditionType::DeletionBlocked, ConditionType::Ready].into_iter().find_map(|kind| {
        conditions.iter().find(|one| one.type_ == kind.name() && (kind == ConditionType::Ready || one.status == "True"))
    });
    row.action = PlannedAction::End;
    row.message = Some(condition.map_or_else(
        || "the object is being deleted".to_owned(),
        |told| format!("the object is being deleted ({}): {}", told.reason, told.message),
    ));
    row
}

/// Adds the steps, what blocks them, and notes for people.
async fn plan_steps<K: TenantResource>(
    object: &K,
    desired: &DesiredTenant,
    observed: Option<&ObservedTenant>,
    is_adopted: bool,
    context: &EvaluationContext<'_>,
    row: &mut PlanRow,
) {
    let whole = diff(desired, observed, context.written);
    row.unique_id = observed.map(|observed| observed.unique_id.clone()).or(row.unique_id.take());
    add_notes(&whole, row);
    if management_mode(object) == ManagementMode::Observe {
        let paths: Vec<&str> = whole.differences.iter().map(|difference| difference.field.path()).collect();
        if !paths.is_empty() {
            row.notes.push(format!("the tenant is only observed and differs in {}", paths.join(", ")));
        }
        return;
    }
    let mut plan = match (drift_policy(object), observed) {
        (DriftPolicy::Report, Some(_)) => restrict_to_edits(whole, context.edited),
        (DriftPolicy::Report | DriftPolicy::Correct, _) => whole,
    };
    if let Some(observed) = observed.filter(|observed| observed.mark.is_same_place(&desired.mark))
        && context.cluster.is_none()
    {
        drop_undecidable_changes(&mut plan, observed, row);
        if drift_policy(object) == DriftPolicy::Report {
            let note = "without the cluster, what was edited here cannot be told from what others changed, which `drift: Report` leaves alone";
            row.notes.push(note.to_owned());
        }
    }
    if let Err(message) = misspelling_message(&plan, desired, context.platform, &mut *row).await {
        *row = row.clone().into_refused(Reason::InvalidValue.name(), message);
        return;
    }
    row.set_action(&plan, is_adopted);
    row.requests = planned_requests(&plan, desired, observed);
    // The hash covers the UID, which only the cluster assigns.
    let is_known = !desired.mark.uid.is_empty();
    let proposal = is_known.then(|| propose_plan(desired, observed, &plan, context.place.parent_id()));
    apply_approval(object, &plan, proposal, row);
    let is_stopped = context
        .partner
        .and_then(|partner| partner.status.as_ref())
        .is_some_and(|status| status.phase == Some(tenantry_api::TenantPhase::Suspended));
    if is_stopped && !plan.is_empty() && K::KIND == TenantKind::Client && row.action != PlannedAction::Wait {
        row.action = PlannedAction::Wait;
        row.reason = Some(Reason::PartnerSuspended.name());
        row.message = Some("the partner is suspended on the platform, which takes no changes under it: activate it, for example with `tenantState: Active` on the Partner".to_owned());
    }
}

/// Drops changes that cannot be decided without the cluster: it is not known what was last written, so values that the
/// platform never shows are assumed to be unchanged.
fn drop_undecidable_changes(plan: &mut Plan, observed: &ObservedTenant, row: &mut PlanRow) {
    // The object's UID is not known either if the mark is short. A mark of its place counts as its own.
    plan.steps.retain(|step| *step != PlanStep::Mark);
    for step in &mut plan.steps {
        if let PlanStep::Update(changes) | PlanStep::Brand(changes) = step {
            changes.retain(|change| {
                let is_hidden = observed.values.get(&change.field) == Some(&ObservedValue::Unreadable);
                if is_hidden {
                    row.notes
                        .push(format!("whether `{}` changes cannot be told without the cluster", change.field.path()));
                }
                !is_hidden
            });
        }
    }
    plan.steps
        .retain(|step| !matches!(step, PlanStep::Update(changes) | PlanStep::Brand(changes) if changes.is_empty()));
}

/// Returns why the platform will refuse what is written: countries and time zones that are not in the catalogue. A
/// platform without the extensions may know others. There the operator sends the value, and the plan only has a note.
async fn misspelling_message(
    plan: &Plan,
    desired: &DesiredTenant,
    platform: &PlatformClient,
    row: &mut PlanRow,
) -> Result<(), String> {
    let changes = plan.steps.iter().flat_map(|step| match step {
        PlanStep::Create(changes) | PlanStep::Update(changes) | PlanStep::Brand(changes) => changes.as_slice(),
        PlanStep::Mark | PlanStep::Activate | PlanStep::Suspend => &[],
    });
    let typos: Vec<_> = changes.filter_map(|change| find_misspelt_value(change.field, &desired.effective)).collect();
    if typos.is_empty() {
        return Ok(());
    }
    if platform.has_extensions().await.unwrap_or_default() {
        let typos = typos.iter().map(|(path, why)| format!("the platform will refuse `{path}`: {why}"));
        return Err(typos.collect::<Vec<_>>().join("; "));
    }
    row.notes.extend(typos.iter().map(|(path, why)| format!("this platform may refuse `{path}`: {why}")));
    Ok(())
}

fn add_notes(plan: &Plan, row: &mut PlanRow) {
    for field in &plan.unsupported {
        let why = field.unsupported_reason().map(|why| format!(": {why}")).unwrap_or_default();
        row.notes.push(format!("`{}` cannot be held by this platform{why}", field.path()));
    }
    for field in &plan.deferred {
        row.notes.push(format!("`{}` waits until the tenant is in service again", field.path()));
    }
    if plan.is_inactive_without_reason {
        row.notes.push(
            "the tenant is not in service, and whether it was ended cannot be told: it is not activated".to_owned(),
        );
    }
}

/// Adds the hash that approves a plan, and whether the plan waits for an approval.
fn apply_approval<K: TenantResource>(object: &K, plan: &Plan, proposal: Option<Proposal>, row: &mut PlanRow) {
    let approval = object.management().and_then(|management| management.approval.as_ref());
    let waits = match &proposal {
        Some(proposal) => is_awaiting_approval(approval, plan, proposal),
        None => needs_approval(approval, plan),
    };
    if waits {
        row.action = PlannedAction::Wait;
        row.reason = Some(Reason::ApprovalNeeded.name());
        row.message = Some(match &proposal {
            Some(proposal) => {
                format!("the plan waits for approval: set `management.approval.approvedPlan: {}`", proposal.hash)
            }
            None => {
                "the plan waits for approval, whose hash is known once the object exists: see its `status.plan.hash`"
                    .to_owned()
            }
        });
    }
    row.approved_plan = proposal.filter(|_| !plan.is_empty()).map(|proposal| proposal.hash);
}

/// The tenant of an object, as it was found.
struct ResolvedTenant {
    observed: Option<ObservedTenant>,
    is_adopted: bool,
}

/// Resolves the tenant of an object and verifies that the object may have it. The result has no tenant if one will be
/// created.
async fn resolve_tenant<K: TenantResource>(
    object: &K,
    desired: &DesiredTenant,
    context: &EvaluationContext<'_>,
) -> Result<ResolvedTenant, PassOutcome> {
    let extensions = has_extensions::<K>(context.platform).await?;
    ensure_extensions_not_hidden(object, context.partner, (&context.platform.host(), extensions))?;
    if management_mode(object) == ManagementMode::Observe {
        let id = object.adoption().and_then(|adoption| adoption.unique_id.as_deref()).unwrap_or_default();
        let observed = observe_tenant(object, id, (desired, context)).await?;
        let asking = OwnershipQuery { observed: &observed, ours: &desired.mark, take_from: None, site: context };
        if asking.is_owned_in_other_namespace::<K>().await {
            return Err(other_namespace_outcome(id));
        }
        return Ok(ResolvedTenant { observed: Some(observed), is_adopted: false });
    }
    if let Some(adoption) = requested_adoption(object) {
        return resolve_adoption(object, adoption, desired, context).await;
    }
    if let Some(id) = unique_id(object) {
        let observed = observe_tenant(object, id, (desired, context)).await?;
        let is_unmarked = observed.mark == ObservedMark::None && extensions;
        check_recorded_tenant(object, &observed, is_unmarked, &desired.mark)?;
        return Ok(ResolvedTenant { observed: Some(observed), is_adopted: false });
    }
    let id = match lookup_tenant(object, context.platform, &context.place, ListFreshness::Recent, &desired.mark.cluster)
        .await?
    {
        Lookup::NotFound => {
            ensure_not_handed_over(object)?;
            ensure_partner_not_deleting(context.partner)?;
            return Ok(ResolvedTenant { observed: None, is_adopted: false });
        }
        Lookup::Owned(id) | Lookup::Reattach(id) => id,
    };
    let observed = observe_tenant(object, &id, (desired, context)).await?;
    ensure_not_foreign(object, &observed, &desired.mark)?;
    Ok(ResolvedTenant { observed: Some(observed), is_adopted: false })
}

async fn resolve_adoption<K: TenantResource>(
    object: &K,
    adoption: &Adoption,
    desired: &DesiredTenant,
    context: &EvaluationContext<'_>,
) -> Result<ResolvedTenant, PassOutcome> {
    let id = adoption.unique_id.as_deref().unwrap_or_default();
    let observed = observe_tenant(object, id, (desired, context)).await?;
    let ours = &desired.mark;
    let is_noted = is_adoption_recorded(object, &observed, ours);
    if is_noted && !observed.mark.is_foreign(ours) {
        return Ok(ResolvedTenant { observed: Some(observed), is_adopted: false });
    }
    let owner = OwnershipQuery { observed: &observed, ours, take_from: adoption.take_from.as_deref(), site: context }
        .find_owner::<K>()
        .await;
    if object.hand_over().is_some() || is_noted && owner != OwnerStatus::HandsOver {
        ensure_not_foreign(object, &observed, ours)?;
    }
    let plan = diff(desired, Some(&observed), context.written);
    check_adoption(adoption, ours, Ownership { observed_mark: &observed.mark, owner }, &plan)
        .map_err(|(reason, message)| PassOutcome::Refused(reason, message))?;
    Ok(ResolvedTenant { observed: Some(observed), is_adopted: true })
}

async fn has_extensions<K: TenantResource>(platform: &PlatformClient) -> Result<bool, PassOutcome> {
    platform.has_extensions().await.map_err(|error| platform_error_outcome(K::KIND, &error))
}

/// Observes a tenant by its id: from its row if the row is proof enough and nothing differs, otherwise by a read.
async fn observe_tenant<K: TenantResource>(
    object: &K,
    id: &str,
    (desired, site): (&DesiredTenant, &EvaluationContext<'_>),
) -> Result<ObservedTenant, PassOutcome> {
    let row = site.rows.as_ref().and_then(|rows| rows.get(id));
    if let Some(observed) = row.and_then(|row| observe_from_row(object, desired, row))
        && observed.lifecycle != LifecycleState::Terminated
        && diff(desired, Some(&observed), site.written) == Plan::default()
    {
        return Ok(observed);
    }
    let failed = |error| platform_error_outcome(K::KIND, &error);
    let read =
        read_unterminated_tenant(site.platform, &site.place, (id, needs_branding(desired))).await.map_err(failed)?;
    let mut observed = read.ok_or_else(|| adoption_target_missing_outcome(object, id))?;
    load_image_digests(site.platform, &mut observed, desired, site.written).await.map_err(failed)?;
    Ok(observed)
}
