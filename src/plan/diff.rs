//! From what is wanted and what is there to the steps between: the one plan that the controller, drift reports and
//! people see. An empty plan on the second pass is the test of idempotence.

use jiff::{SignedDuration, Timestamp};

use super::{
    EffectiveSettings, Field, InvalidSetting, LifecycleState, ObservedMark, ObservedTenant, ObservedValue, Risk,
    TenantKind, Value, ValueOrigin, WriteRecord,
};
use crate::api::{Reason, TenantState};
use crate::wire::Mark;

/// What a tenant should be.
#[derive(Clone, Debug)]
pub struct DesiredTenant {
    /// Kind of the tenant.
    pub kind: TenantKind,
    /// Settings that hold.
    pub effective: EffectiveSettings,
    /// State that is asked for.
    pub state: Option<TenantState>,
    /// Who owns it.
    pub mark: Mark,
}

/// How far ahead of ours another clock may be.
const MAX_CLOCK_AHEAD: SignedDuration = SignedDuration::from_secs(60);

impl DesiredTenant {
    /// The same without a moment of a password reset that is to come. It holds up nothing else, such as a suspension.
    #[must_use]
    pub fn refuse_future_password_reset(mut self, now: Timestamp) -> Self {
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

/// How often a mark is written that the platform does not show.
const MAX_MARK_WRITES: i64 = 2;

/// A setting to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// The setting.
    pub field: Field,
    /// Its new value.
    pub to: Value,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDifference {
    /// The setting.
    pub field: Field,
    /// What is wanted.
    pub desired: Value,
    /// What the platform shows; nothing where it shows nothing.
    pub observed: Option<Value>,
    /// Who wants it.
    pub origin: ValueOrigin,
}

impl SettingDifference {
    /// What the change does to people. Packages that are only added interrupt nobody.
    pub fn risk(&self) -> Risk {
        let removes =
            |observed: &Value| observed.entries().any(|entry| !self.desired.entries().any(|kept| kept == entry));
        match (self.field, &self.observed) {
            (Field::Packages, Some(observed)) if !removes(observed) => Risk::Quiet,
            _ => self.field.risk(),
        }
    }
}

/// One request to the platform, each idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanStep {
    /// Make the tenant with its settings and mark.
    Create(Vec<SettingChange>),
    /// Write the mark and nothing else.
    Mark,
    /// Put the tenant back in service.
    Activate,
    /// Write settings.
    Update(Vec<SettingChange>),
    /// Write branding.
    Brand(Vec<SettingChange>),
    /// Stop the tenant.
    Suspend,
}

/// What to do, in order, and what cannot be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Requests in order.
    pub steps: Vec<PlanStep>,
    /// Settings that differ.
    pub differences: Vec<SettingDifference>,
    /// Declared settings that the platform cannot hold.
    pub unsupported: Vec<Field>,
    /// Settings that the platform keeps in a form of its own.
    pub normalised: Vec<Field>,
    /// Branding that waits until the tenant is in service again.
    pub deferred: Vec<Field>,
    /// Declared settings whose value on the platform cannot be read. A list of a catalogue is not written then, since that
    /// might take away what it holds; any other setting is written once.
    pub unreadable: Vec<Field>,
    /// The state of the tenant, where this release does not know the word for it.
    pub unknown_state: Option<String>,
    /// The platform takes the mark and does not show it, so it counts as one that keeps none.
    pub keeps_no_mark: bool,
    /// The tenant should be active, is not, and whether it was ended cannot be told.
    pub is_inactive_without_reason: bool,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The steps from what is there to what is wanted. `observed` is nothing for a tenant that does not exist yet.
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
                // Without the field there is the switch, which forgets: it is turned on once for each moment.
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

/// Whether the switch that the public API has instead of a moment does anything: it acts when it is turned on, nobody edits
/// the platform's own policy, and a client's policy is its partner's, for which the platform refuses the whole update.
fn can_use_reset_switch(observed: &ObservedTenant) -> bool {
    let is_off = |field| observed.value(field) == Some(&Value::Flag(false));
    is_off(Field::PolicyPciDss) && is_off(Field::PolicyChangeAtNextLogin)
}

/// Whether a moment is as late as another one: it never moves back.
fn is_at_or_after(seen: &Value, wanted: &Value) -> bool {
    matches!((seen, wanted), (Value::Text(seen), Value::Text(wanted)) if seen >= wanted)
}

/// Whether the entries of a setting are those of a catalogue, which the platform's may be ahead of.
const fn is_catalogue_list(field: Field) -> bool {
    matches!(field, Field::Packages | Field::AddOns)
}

/// Whether a platform never shows the setting, so that nothing is missing where it cannot be read.
const fn is_never_shown(field: Field) -> bool {
    matches!(field, Field::DuoIntegrationKey | Field::DuoSecretKey)
}

/// A value with the entries that the catalogue does not know: a write replaces the whole list, and what a manifest cannot
/// name must not be taken away by it.
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
    if observed.life == LifecycleState::Unknown {
        plan.unknown_state = Some(observed.unknown.state.clone().unwrap_or_default());
    }
    let mut is_active = observed.life == LifecycleState::Active;
    if desired.state == Some(TenantState::Active) && !is_active && plan.unknown_state.is_none() {
        let may = observed.life == LifecycleState::Suspended || written.suspended_by_us;
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
        // The branding call answers 410 under a suspended tenant.
        plan.deferred.extend(brand.into_iter().map(|change| change.field));
    }
    if desired.state == Some(TenantState::Suspended) && is_active {
        plan.steps.push(PlanStep::Suspend);
    }
}

#[cfg(test)]
mod tests;
