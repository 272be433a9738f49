//! Computes the steps from the observed to the desired tenant. The controller, drift reports and users all see this one
//! plan. The test for idempotence is that the second pass gives an empty plan.

use jiff::{SignedDuration, Timestamp};
use tenantry_api::{Reason, TenantState};
use tenantry_wire::Mark;

use super::{
    EffectiveSettings, Field, InvalidSetting, LifecycleState, ObservedMark, ObservedTenant, ObservedValue, Risk,
    TenantKind, Value, ValueOrigin, WriteRecord,
};

/// The desired tenant.
#[derive(Clone, Debug)]
pub struct DesiredTenant {
    /// Kind of the tenant.
    pub kind: TenantKind,
    /// Effective settings.
    pub effective: EffectiveSettings,
    /// Desired state.
    pub state: Option<TenantState>,
    /// Owner of the tenant.
    pub mark: Mark,
}

/// Maximum time that another clock may be ahead of this one.
const MAX_CLOCK_AHEAD: SignedDuration = SignedDuration::from_secs(60);

impl DesiredTenant {
    /// Removes a password reset whose moment is in the future. It must not block other changes, such as a suspension.
    #[must_use]
    pub fn drop_future_password_reset(mut self, now: Timestamp) -> Self {
        const FIELD: Field = Field::PasswordsSetBefore;
        let Some(Value::Text(moment)) = self.effective.value(FIELD) else { return self };
        if moment.parse::<Timestamp>().is_ok_and(|at| at > now + MAX_CLOCK_AHEAD) {
            self.effective.values.remove(&FIELD);
            let message = "is more than 60 seconds ahead and is not applied: write the time of now, or wait for it";
            let (path, reason) = (FIELD.path().to_owned(), Reason::InvalidValue);
            self.effective.refused.push(InvalidSetting { path, reason, message: message.to_owned() });
        }
        self
    }
}

/// Maximum number of writes of a mark that the platform does not show.
const MAX_MARK_WRITES: i64 = 2;

/// A setting to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// The setting.
    pub field: Field,
    /// New value.
    pub to: Value,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDifference {
    /// The setting.
    pub field: Field,
    /// Desired value.
    pub desired: Value,
    /// Value that the platform shows; `None` if it shows none.
    pub observed: Option<Value>,
    /// Origin of the desired value.
    pub origin: ValueOrigin,
}

impl SettingDifference {
    /// Returns how the change affects users. Adding packages interrupts nobody.
    pub fn risk(&self) -> Risk {
        let removes =
            |observed: &Value| observed.entries().any(|entry| !self.desired.entries().any(|kept| kept == entry));
        match (self.field, &self.observed) {
            (Field::Packages, Some(observed)) if !removes(observed) => Risk::Quiet,
            _ => self.field.risk(),
        }
    }
}

/// One idempotent request to the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanStep {
    /// Create the tenant with its settings and mark.
    Create(Vec<SettingChange>),
    /// Write the mark only.
    Mark,
    /// Activate the tenant.
    Activate,
    /// Write settings.
    Update(Vec<SettingChange>),
    /// Write branding.
    Brand(Vec<SettingChange>),
    /// Suspend the tenant.
    Suspend,
}

/// The steps in order, and what cannot be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Requests in order.
    pub steps: Vec<PlanStep>,
    /// Settings that differ.
    pub differences: Vec<SettingDifference>,
    /// Declared settings that the platform cannot store.
    pub unsupported: Vec<Field>,
    /// Settings that the platform stores in a normalised form.
    pub normalised: Vec<Field>,
    /// Branding that waits until the tenant is active again.
    pub deferred: Vec<Field>,
    /// Declared settings whose value on the platform cannot be read. A catalogue list is then not written, because the
    /// write could remove entries; any other setting is written once.
    pub unreadable: Vec<Field>,
    /// State of the tenant if this release does not know it.
    pub unknown_state: Option<String>,
    /// Whether the platform accepts the mark but does not show it, and so counts as a platform that stores none.
    pub keeps_no_mark: bool,
    /// Whether the tenant should be active and is not, and it is not known whether it was terminated.
    pub is_inactive_without_reason: bool,
}

impl Plan {
    /// Returns whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Computes the steps from the observed to the desired tenant. `observed` is `None` for a tenant that does not exist
/// yet.
pub fn diff(desired: &DesiredTenant, observed: Option<&ObservedTenant>, written: &WriteRecord) -> Plan {
    let mut plan = Plan::default();
    let (mut update, mut brand) = (Vec::new(), Vec::new());
    for (field, value, origin) in desired.effective.written_settings() {
        let seen = observed.map(|observed| observed.values.get(&field).cloned().unwrap_or(ObservedValue::Unsupported));
        if observed.is_some_and(|observed| observed.unknown.unreadable.contains_key(&field)) && !is_never_shown(field) {
            plan.unreadable.push(field);
        }
        let observed_value = match seen {
            Some(ObservedValue::Unsupported) if field == Field::PasswordsSetBefore && written.has_sent(value) => {
                continue;
            }
            Some(ObservedValue::Unsupported)
                if field == Field::PasswordsSetBefore && observed.is_some_and(can_use_reset_switch) =>
            {
                // A platform without this field only has the switch, which does not store the moment, so the switch is
                // turned on once for each moment.
                plan.differences.push(SettingDifference { field, desired: value.clone(), observed: None, origin });
                update.push(SettingChange { field, to: Value::Flag(true) });
                continue;
            }
            Some(ObservedValue::Unsupported) => {
                plan.unsupported.push(field);
                continue;
            }
            Some(ObservedValue::Value(seen)) if field == Field::PasswordsSetBefore && is_at_or_after(&seen, value) => {
                continue;
            }
            Some(ObservedValue::Value(seen)) if seen == *value => continue,
            Some(ObservedValue::Value(_) | ObservedValue::Unreadable)
                if observed.is_some_and(|seen| seen.is_served(field, value)) =>
            {
                continue;
            }
            Some(ObservedValue::Value(seen)) if written.is_normalised_form(field, value, &seen) => {
                plan.normalised.push(field);
                continue;
            }
            Some(ObservedValue::Value(seen)) => Some(seen),
            Some(ObservedValue::Unreadable) if is_catalogue_list(field) => continue,
            Some(ObservedValue::Unreadable) if written.is_recorded(field, value, &desired.effective.payload) => {
                continue;
            }
            Some(ObservedValue::Unreadable) | None => None,
        };
        let change = SettingChange { field, to: with_unknown_entries(field, value, observed) };
        if observed.is_none() && *value == Value::Cleared {
            // A tenant that does not exist yet has nothing to clear.
            continue;
        }
        plan.differences.push(SettingDifference { field, desired: value.clone(), observed: observed_value, origin });
        if field.is_branding() { brand.push(change) } else { update.push(change) }
    }
    match observed {
        None => plan_create(&mut plan, desired, update, brand),
        Some(observed) => plan_update(&mut plan, desired, observed, PendingChanges { update, brand, written }),
    }
    plan
}

/// Returns whether the reset switch of the public API has an effect. The switch acts when it is turned on. Nobody can
/// edit the platform's own policy. A client's policy is its partner's, and the platform then refuses the complete
/// update.
fn can_use_reset_switch(observed: &ObservedTenant) -> bool {
    let is_off = |field| observed.value(field) == Some(&Value::Flag(false));
    is_off(Field::PolicyPciDss) && is_off(Field::PolicyChangeAtNextLogin)
}

/// Returns whether a moment is at or after another one; a moment never moves back.
fn is_at_or_after(seen: &Value, wanted: &Value) -> bool {
    matches!((seen, wanted), (Value::Text(seen), Value::Text(wanted)) if seen >= wanted)
}

/// Returns whether the entries of a setting come from a catalogue. The platform's catalogue may be newer than ours.
const fn is_catalogue_list(field: Field) -> bool {
    matches!(field, Field::Packages | Field::AddOns)
}

/// Returns whether no platform ever shows the setting, so that an unreadable value is not a problem.
const fn is_never_shown(field: Field) -> bool {
    matches!(field, Field::DuoIntegrationKey | Field::DuoSecretKey)
}

/// Adds the entries that our catalogue does not know. A write replaces the complete list and must not remove entries
/// that a manifest cannot name.
fn with_unknown_entries(field: Field, value: &Value, observed: Option<&ObservedTenant>) -> Value {
    let unknown =
        observed.and_then(|observed| observed.unknown.values.get(&field)).filter(|_| is_catalogue_list(field));
    match unknown {
        Some(unknown) => Value::set(value.entries().map(str::to_owned).chain(unknown.iter().cloned())),
        None => value.clone(),
    }
}

struct PendingChanges<'a> {
    update: Vec<SettingChange>,
    brand: Vec<SettingChange>,
    written: &'a WriteRecord,
}

fn plan_create(plan: &mut Plan, desired: &DesiredTenant, update: Vec<SettingChange>, brand: Vec<SettingChange>) {
    plan.steps.push(PlanStep::Create(update));
    if !brand.is_empty() {
        plan.steps.push(PlanStep::Brand(brand));
    }
    if desired.state == Some(TenantState::Suspended) {
        plan.steps.push(PlanStep::Suspend);
    }
}

fn plan_update(plan: &mut Plan, desired: &DesiredTenant, observed: &ObservedTenant, changes: PendingChanges<'_>) {
    let PendingChanges { update, brand, written } = changes;
    plan.keeps_no_mark = observed.mark == ObservedMark::None && written.unconfirmed_marks >= MAX_MARK_WRITES;
    if !observed.mark.is_exactly(&desired.mark) && observed.mark.can_be_written() && !plan.keeps_no_mark {
        plan.steps.push(PlanStep::Mark);
    }
    if observed.lifecycle == LifecycleState::Unknown {
        plan.unknown_state = Some(observed.unknown.state.clone().unwrap_or_default());
    }
    let mut is_active = observed.lifecycle == LifecycleState::Active;
    if desired.state == Some(TenantState::Active) && !is_active && plan.unknown_state.is_none() {
        let may = observed.lifecycle == LifecycleState::Suspended || written.was_suspended_by_operator;
        if may {
            plan.steps.push(PlanStep::Activate);
            is_active = true;
        } else {
            plan.is_inactive_without_reason = true;
        }
    }
    if !update.is_empty() {
        plan.steps.push(PlanStep::Update(update));
    }
    if is_active && !brand.is_empty() {
        plan.steps.push(PlanStep::Brand(brand));
    } else {
        // The branding call returns 410 while a tenant is suspended.
        plan.deferred.extend(brand.into_iter().map(|change| change.field));
    }
    if desired.state == Some(TenantState::Suspended) && is_active {
        plan.steps.push(PlanStep::Suspend);
    }
}

#[cfg(test)]
mod tests;
