//! What the operator would do with an object: its own stages, without the writes between them.

use std::collections::BTreeSet;

use super::owner::Asking;
use super::prepare::Prepared;
use super::row::{Action, Row, requests};
use crate::api::{Adoption, ConditionType, DriftPolicy, ManagementMode, Partner, Reason};
use crate::cli::cluster::Cluster;
use crate::cli::ground::{Ground, Subject};
use crate::cli::tenants::{Rows, proven};
use crate::connect::{Freshness, Place, Platform};
use crate::object::{
    Found, Object, Parent, asked_adoption, drift_policy, has_branding, is_deleting, is_noted, is_own_connection,
    load_images, look, misspelt, mode, never_found, not_shown, only, outcome, pinned, read, recorded, refuse_foreign,
    refuse_hidden_extensions, refuse_new_under, refuse_to_create, unique_id,
};
use crate::plan::{
    Desired, Effective, Kind, MarkSeen, Observed, Outcome, Owner, Ownership, Plan, Proposal, Seen, Step, TenantLife,
    Written, adopt, diff, must_wait, needs_approval, propose,
};

/// Where a tenant stands and what is known of it before it is read.
pub(super) struct Site<'a> {
    /// The platform.
    pub(super) platform: &'a Platform,
    /// Its place.
    pub(super) place: Place,
    /// Rows of the place; nothing where they were not asked for.
    pub(super) rows: Option<Rows>,
    /// The Partner object above it.
    pub(super) partner: Option<&'a Partner>,
    /// The cluster.
    pub(super) cluster: Option<&'a Cluster>,
    /// Manifests and objects of the cluster.
    pub(super) ground: &'a Ground,
    /// Whether a flag named the platform.
    pub(super) is_given: bool,
    /// What status records of earlier writes.
    pub(super) written: &'a Written,
    /// Paths whose declared value is not the one that was last applied.
    pub(super) edited: &'a BTreeSet<String>,
}

/// What became of an object.
pub(super) struct Judged {
    /// What the plan says of it.
    pub(super) row: Row,
    /// Its tenant as it is now.
    pub(super) observed: Option<Observed>,
}

/// Judges an object; `keeps` is what its Clients still use.
pub(super) async fn judge<K: Object>(
    subject: &Subject<K>,
    prepared: &Prepared,
    (site, keeps): (&Site<'_>, Result<(), Outcome>),
) -> Judged {
    let object = &subject.object;
    let mut row = Row::of(subject);
    if let Err(outcome) = connected(object, site) {
        return Judged { row: row.stopped(outcome), observed: None };
    }
    row.notes.extend(prepared.notes.iter().chain(&prepared.desired.effective.advice).cloned());
    let Effective { tolerated, refused, .. } = &prepared.desired.effective;
    row.notes.extend(tolerated.iter().chain(refused).map(ToString::to_string));
    if is_deleting(object) {
        return Judged { row: ending(object, row), observed: None };
    }
    match found(object, &prepared.desired, site).await {
        Err(outcome) => Judged { row: row.stopped(outcome), observed: None },
        Ok(Tenant { observed, is_adopted }) => {
            if let Err(outcome) = keeps {
                return Judged { row: row.stopped(outcome), observed };
            }
            tell(object, (&prepared.desired, observed.as_ref(), is_adopted), (site, &mut row)).await;
            Judged { row, observed }
        }
    }
}

/// Whether the connection is one that the object may have.
fn connected<K: Object>(object: &K, site: &Site<'_>) -> Result<(), Outcome> {
    if site.is_given {
        return Ok(());
    }
    let (host, account) = (site.platform.host(), site.platform.tenant_id());
    if matches!(object.parent(), Parent::Object(..)) {
        is_own_connection(object, (&host, account), site.partner)?;
    }
    pinned(object, (&host, account), &site.place)
}

/// An object whose Partner is about to be made: nothing can stand under that one yet.
pub(super) async fn unborn<K: Object>(subject: &Subject<K>, prepared: &Prepared) -> Row {
    let mut row = Row::of(subject);
    let Prepared { desired, notes, .. } = prepared;
    if let Some(id) = asked_adoption(&subject.object).and_then(|adoption| adoption.unique_id.as_deref()) {
        return row.stopped(never_found(&subject.object, id));
    }
    row.notes.extend(notes.iter().chain(&desired.effective.advice).cloned());
    let plan = diff(desired, None, &prepared.written);
    if let Err(message) = typos(&plan, desired, (&prepared.platform, &mut row)).await {
        return row.refused(Reason::InvalidValue.name(), message);
    }
    row.acts(&plan, false);
    row.requests = requests(&plan, desired, None);
    row.notes.push("its Partner comes first".to_owned());
    // The hash covers the id of the Partner's tenant, which is not there yet.
    approval(&subject.object, &plan, (None, &mut row));
    row
}

/// An object that is being deleted: the operator has said already what it does and what it waits for.
fn ending<K: Object>(object: &K, mut row: Row) -> Row {
    let conditions = object.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let told = [ConditionType::DeletionBlocked, ConditionType::Ready].into_iter().find_map(|kind| {
        conditions.iter().find(|one| one.type_ == kind.name() && (kind == ConditionType::Ready || one.status == "True"))
    });
    row.action = Action::End;
    row.message = Some(told.map_or_else(
        || "the object is being deleted".to_owned(),
        |told| format!("the object is being deleted ({}): {}", told.reason, told.message),
    ));
    row
}

/// The steps, what holds them back, and what a person should know.
async fn tell<K: Object>(
    object: &K,
    (desired, observed, is_adopted): (&Desired, Option<&Observed>, bool),
    (site, row): (&Site<'_>, &mut Row),
) {
    let whole = diff(desired, observed, site.written);
    row.unique_id = observed.map(|observed| observed.unique_id.clone()).or(row.unique_id.take());
    notes(&whole, row);
    if mode(object) == ManagementMode::Observe {
        let paths: Vec<&str> = whole.differences.iter().map(|difference| difference.field.path()).collect();
        if !paths.is_empty() {
            row.notes.push(format!("the tenant is only observed and differs in {}", paths.join(", ")));
        }
        return;
    }
    let mut plan = match (drift_policy(object), observed) {
        (DriftPolicy::Report, Some(_)) => only(whole, site.edited),
        (DriftPolicy::Report | DriftPolicy::Correct, _) => whole,
    };
    if let Some(observed) = observed.filter(|observed| observed.mark.is_same_place(&desired.mark))
        && site.cluster.is_none()
    {
        without_records(&mut plan, observed, row);
        if drift_policy(object) == DriftPolicy::Report {
            let note = "without the cluster, what was edited here cannot be told from what others changed, which `drift: Report` leaves alone";
            row.notes.push(note.to_owned());
        }
    }
    if let Err(message) = typos(&plan, desired, (site.platform, &mut *row)).await {
        *row = row.clone().refused(Reason::InvalidValue.name(), message);
        return;
    }
    row.acts(&plan, is_adopted);
    row.requests = requests(&plan, desired, observed);
    // The hash covers the UID, which an object has from the cluster alone.
    let is_known = !desired.mark.uid.is_empty();
    let proposal = is_known.then(|| propose(desired, observed, (&plan, site.place.parent())));
    approval(object, &plan, (proposal, row));
    let is_stopped = site
        .partner
        .and_then(|partner| partner.status.as_ref())
        .is_some_and(|status| status.phase == Some(crate::api::TenantPhase::Suspended));
    if is_stopped && !plan.is_empty() && K::KIND == Kind::Client && row.action != Action::Wait {
        row.action = Action::Wait;
        row.reason = Some(Reason::PartnerSuspended.name());
        row.message = Some("the partner is suspended on the platform, which takes no changes under it: activate it, for example with `tenantState: Active` on the Partner".to_owned());
    }
}

/// Without the cluster nobody knows what was last written: what the platform never shows is taken to be as it was.
fn without_records(plan: &mut Plan, observed: &Observed, row: &mut Row) {
    // Nor is the UID of the object known where the mark is short: a mark of its place is its own.
    plan.steps.retain(|step| *step != Step::Mark);
    for step in &mut plan.steps {
        if let Step::Update(changes) | Step::Brand(changes) = step {
            changes.retain(|change| {
                let is_hidden = observed.seen.get(&change.field) == Some(&Seen::Unreadable);
                if is_hidden {
                    row.notes
                        .push(format!("whether `{}` changes cannot be told without the cluster", change.field.path()));
                }
                !is_hidden
            });
        }
    }
    plan.steps.retain(|step| !matches!(step, Step::Update(changes) | Step::Brand(changes) if changes.is_empty()));
}

/// Why the platform will refuse what is written: countries and time zones that the catalogue does not have. A platform
/// without the extensions may know others, and the operator asks it.
async fn typos(plan: &Plan, desired: &Desired, (platform, row): (&Platform, &mut Row)) -> Result<(), String> {
    let changes = plan.steps.iter().flat_map(|step| match step {
        Step::Create(changes) | Step::Update(changes) | Step::Brand(changes) => changes.as_slice(),
        Step::Mark | Step::Activate | Step::Suspend => &[],
    });
    let typos: Vec<_> = changes.filter_map(|change| misspelt(change.field, &desired.effective)).collect();
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

fn notes(plan: &Plan, row: &mut Row) {
    for field in &plan.unsupported {
        let why = field.lack().map(|why| format!(": {why}")).unwrap_or_default();
        row.notes.push(format!("`{}` cannot be held by this platform{why}", field.path()));
    }
    for field in &plan.waiting {
        row.notes.push(format!("`{}` waits until the tenant is in service again", field.path()));
    }
    if plan.is_inactive_without_reason {
        row.notes.push(
            "the tenant is not in service, and whether it was ended cannot be told: it is not activated".to_owned(),
        );
    }
}

/// The hash that approves a plan, and whether it waits for one.
fn approval<K: Object>(object: &K, plan: &Plan, (proposal, row): (Option<Proposal>, &mut Row)) {
    let approval = object.management().and_then(|management| management.approval.as_ref());
    let waits = match &proposal {
        Some(proposal) => must_wait(approval, plan, proposal),
        None => needs_approval(approval, plan),
    };
    if waits {
        row.action = Action::Wait;
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

/// The tenant of an object.
struct Tenant {
    observed: Option<Observed>,
    is_adopted: bool,
}

/// Which tenant is the object's, and whether it may be; none where one is to be created.
async fn found<K: Object>(object: &K, desired: &Desired, site: &Site<'_>) -> Result<Tenant, Outcome> {
    let extensions = has_extensions::<K>(site.platform).await?;
    refuse_hidden_extensions(object, site.partner, (&site.platform.host(), extensions))?;
    if mode(object) == ManagementMode::Observe {
        let id = object.adoption().and_then(|adoption| adoption.unique_id.as_deref()).unwrap_or_default();
        let observed = observe(object, id, (desired, site)).await?;
        let asking = Asking { observed: &observed, ours: &desired.mark, take_from: None, site };
        if asking.is_anothers::<K>().await {
            return Err(not_shown(id));
        }
        return Ok(Tenant { observed: Some(observed), is_adopted: false });
    }
    if let Some(adoption) = asked_adoption(object) {
        return adopted(object, adoption, (desired, site)).await;
    }
    if let Some(id) = unique_id(object) {
        let observed = observe(object, id, (desired, site)).await?;
        let is_unmarked = observed.mark == MarkSeen::None && extensions;
        recorded(object, (&observed, is_unmarked), &desired.mark)?;
        return Ok(Tenant { observed: Some(observed), is_adopted: false });
    }
    let id = match look(object, site.platform, &site.place, (Freshness::Burst, &desired.mark.cluster)).await? {
        Found::Free => {
            refuse_to_create(object)?;
            refuse_new_under(site.partner)?;
            return Ok(Tenant { observed: None, is_adopted: false });
        }
        Found::Ours(id) | Found::Reattach(id) => id,
    };
    let observed = observe(object, &id, (desired, site)).await?;
    refuse_foreign(object, &observed, &desired.mark)?;
    Ok(Tenant { observed: Some(observed), is_adopted: false })
}

async fn adopted<K: Object>(
    object: &K,
    adoption: &Adoption,
    (desired, site): (&Desired, &Site<'_>),
) -> Result<Tenant, Outcome> {
    let id = adoption.unique_id.as_deref().unwrap_or_default();
    let observed = observe(object, id, (desired, site)).await?;
    let ours = &desired.mark;
    let is_noted = is_noted(object, &observed, ours);
    if is_noted && !observed.mark.is_foreign(ours) {
        return Ok(Tenant { observed: Some(observed), is_adopted: false });
    }
    let owner = Asking { observed: &observed, ours, take_from: adoption.take_from.as_deref(), site }.owner::<K>().await;
    if object.hand_over().is_some() || is_noted && owner != Owner::HandsOver {
        refuse_foreign(object, &observed, ours)?;
    }
    let plan = diff(desired, Some(&observed), site.written);
    adopt(adoption, ours, Ownership { seen: &observed.mark, owner }, &plan)
        .map_err(|(reason, message)| Outcome::Refused(reason, message))?;
    Ok(Tenant { observed: Some(observed), is_adopted: true })
}

async fn has_extensions<K: Object>(platform: &Platform) -> Result<bool, Outcome> {
    platform.has_extensions().await.map_err(|error| outcome(K::KIND, &error))
}

/// The tenant of an id: from its row where that proves enough and nothing differs, else read.
async fn observe<K: Object>(object: &K, id: &str, (desired, site): (&Desired, &Site<'_>)) -> Result<Observed, Outcome> {
    let row = site.rows.as_ref().and_then(|rows| rows.get(id));
    if let Some(observed) = row.and_then(|row| proven(object, desired, row))
        && observed.life != TenantLife::Terminated
        && diff(desired, Some(&observed), site.written) == Plan::default()
    {
        return Ok(observed);
    }
    let failed = |error| outcome(K::KIND, &error);
    let read = read(site.platform, &site.place, (id, has_branding(desired))).await.map_err(failed)?;
    let mut observed = read.ok_or_else(|| never_found(object, id))?;
    load_images(site.platform, &mut observed, (desired, site.written)).await.map_err(failed)?;
    Ok(observed)
}
