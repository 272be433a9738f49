//! From what is wanted and what is there to the steps between: the one plan that the controller, drift reports and
//! people see. An empty plan on the second pass is the test of idempotence.

use jiff::{SignedDuration, Timestamp};

use super::{Effective, Field, Invalid, Kind, MarkSeen, Observed, Origin, Risk, Seen, TenantLife, Value, Written};
use crate::api::{Reason, TenantState};
use crate::wire::Mark;

/// What a tenant should be.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Kind of the tenant.
    pub kind: Kind,
    /// Settings that hold.
    pub effective: Effective,
    /// State that is asked for.
    pub state: Option<TenantState>,
    /// Who owns it.
    pub mark: Mark,
}

/// How far ahead of ours another clock may be.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);

impl Desired {
    /// The same without a moment of a password reset that is to come. It holds up nothing else, such as a suspension.
    #[must_use]
    pub fn refuse_to_come(mut self, now: Timestamp) -> Self {
        const FIELD: Field = Field::PasswordsSetBefore;
        let Some(Value::Text(moment)) = self.effective.value(FIELD) else { return self };
        if moment.parse::<Timestamp>().is_ok_and(|at| at > now + AHEAD) {
            self.effective.values.remove(&FIELD);
            let message = "is more than 60 seconds ahead and is not applied: write the time of now, or wait for it";
            let (path, reason) = (FIELD.path().to_owned(), Reason::InvalidValue);
            self.effective.refused.push(Invalid { path, reason, message: message.to_owned() });
        }
        self
    }
}

/// How often a mark is written that the platform does not show.
const MOST_MARKS: i64 = 2;

/// A setting to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The setting.
    pub field: Field,
    /// Its new value.
    pub to: Value,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The setting.
    pub field: Field,
    /// What is wanted.
    pub desired: Value,
    /// What the platform shows; nothing where it shows nothing.
    pub observed: Option<Value>,
    /// Who wants it.
    pub origin: Origin,
}

impl Difference {
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
pub enum Step {
    /// Make the tenant with its settings and mark.
    Create(Vec<Change>),
    /// Write the mark and nothing else.
    Mark,
    /// Put the tenant back in service.
    Activate,
    /// Write settings.
    Update(Vec<Change>),
    /// Write branding.
    Brand(Vec<Change>),
    /// Stop the tenant.
    Suspend,
}

/// What to do, in order, and what cannot be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Requests in order.
    pub steps: Vec<Step>,
    /// Settings that differ.
    pub differences: Vec<Difference>,
    /// Declared settings that the platform cannot hold.
    pub unsupported: Vec<Field>,
    /// Settings that the platform keeps in a form of its own.
    pub normalised: Vec<Field>,
    /// Branding that waits until the tenant is in service again.
    pub waiting: Vec<Field>,
    /// Declared settings whose value on the platform cannot be read. A list of a catalogue is not written then, since that
    /// might take away what it holds; any other setting is written once.
    pub unread: Vec<Field>,
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
pub fn diff(desired: &Desired, observed: Option<&Observed>, written: &Written) -> Plan {
    let mut plan = Plan::default();
    let (mut update, mut brand) = (Vec::new(), Vec::new());
    for (field, value, origin) in desired.effective.written() {
        let seen = observed.map(|observed| observed.seen.get(&field).cloned().unwrap_or(Seen::Unsupported));
        if observed.is_some_and(|observed| observed.unknown.unreadable.contains_key(&field)) && !is_never_shown(field) {
            plan.unread.push(field);
        }
        let observed_value = match seen {
            Some(Seen::Unsupported) if field == Field::PasswordsSetBefore && written.has_sent(value) => continue,
            Some(Seen::Unsupported) if field == Field::PasswordsSetBefore && observed.is_some_and(takes_switch) => {
                // Without the field there is the switch, which forgets: it is turned on once for each moment.
                plan.differences.push(Difference { field, desired: value.clone(), observed: None, origin });
                update.push(Change { field, to: Value::Flag(true) });
                continue;
            }
            Some(Seen::Unsupported) => {
                plan.unsupported.push(field);
                continue;
            }
            Some(Seen::Value(seen)) if field == Field::PasswordsSetBefore && is_reached(&seen, value) => continue,
            Some(Seen::Value(seen)) if seen == *value => continue,
            Some(Seen::Value(_) | Seen::Unreadable) if observed.is_some_and(|seen| seen.serves(field, value)) => {
                continue;
            }
            Some(Seen::Value(seen)) if written.is_echo(field, value, &seen) => {
                plan.normalised.push(field);
                continue;
            }
            Some(Seen::Value(seen)) => Some(seen),
            Some(Seen::Unreadable) if is_catalogued(field) => continue,
            Some(Seen::Unreadable) if written.has(field, value, &desired.effective.payload) => continue,
            Some(Seen::Unreadable) | None => None,
        };
        let change = Change { field, to: with_unknown(field, value, observed) };
        if observed.is_none() && *value == Value::Cleared {
            // A tenant that does not exist yet has nothing to clear.
            continue;
        }
        plan.differences.push(Difference { field, desired: value.clone(), observed: observed_value, origin });
        if field.is_branding() { brand.push(change) } else { update.push(change) }
    }
    match observed {
        None => create(&mut plan, desired, update, brand),
        Some(observed) => change(&mut plan, desired, observed, Changes { update, brand, written }),
    }
    plan
}

/// Whether the switch that the public API has instead of a moment does anything: it acts when it is turned on, nobody edits
/// the platform's own policy, and a client's policy is its partner's, for which the platform refuses the whole update.
fn takes_switch(observed: &Observed) -> bool {
    let is_off = |field| observed.value(field) == Some(&Value::Flag(false));
    is_off(Field::PolicyPciDss) && is_off(Field::PolicyChangeAtNextLogin)
}

/// Whether a moment is as late as another one: it never moves back.
fn is_reached(seen: &Value, wanted: &Value) -> bool {
    matches!((seen, wanted), (Value::Text(seen), Value::Text(wanted)) if seen >= wanted)
}

/// Whether the entries of a setting are those of a catalogue, which the platform's may be ahead of.
const fn is_catalogued(field: Field) -> bool {
    matches!(field, Field::Packages | Field::AddOns)
}

/// Whether a platform never shows the setting, so that nothing is missing where it cannot be read.
const fn is_never_shown(field: Field) -> bool {
    matches!(field, Field::DuoIntegrationKey | Field::DuoSecretKey)
}

/// A value with the entries that the catalogue does not know: a write replaces the whole list, and what a manifest cannot
/// name must not be taken away by it.
fn with_unknown(field: Field, value: &Value, observed: Option<&Observed>) -> Value {
    let unknown = observed.and_then(|observed| observed.unknown.values.get(&field)).filter(|_| is_catalogued(field));
    match unknown {
        Some(unknown) => Value::set(value.entries().map(str::to_owned).chain(unknown.iter().cloned())),
        None => value.clone(),
    }
}

struct Changes<'a> {
    update: Vec<Change>,
    brand: Vec<Change>,
    written: &'a Written,
}

fn create(plan: &mut Plan, desired: &Desired, update: Vec<Change>, brand: Vec<Change>) {
    plan.steps.push(Step::Create(update));
    if !brand.is_empty() {
        plan.steps.push(Step::Brand(brand));
    }
    if desired.state == Some(TenantState::Suspended) {
        plan.steps.push(Step::Suspend);
    }
}

fn change(plan: &mut Plan, desired: &Desired, observed: &Observed, changes: Changes<'_>) {
    let Changes { update, brand, written } = changes;
    plan.keeps_no_mark = observed.mark == MarkSeen::None && written.marks >= MOST_MARKS;
    if !observed.mark.is(&desired.mark) && observed.mark.may_be_written() && !plan.keeps_no_mark {
        plan.steps.push(Step::Mark);
    }
    if observed.life == TenantLife::Unknown {
        plan.unknown_state = Some(observed.unknown.state.clone().unwrap_or_default());
    }
    let mut is_active = observed.life == TenantLife::Active;
    if desired.state == Some(TenantState::Active) && !is_active && plan.unknown_state.is_none() {
        let may = observed.life == TenantLife::Suspended || written.suspended_by_us;
        if may {
            plan.steps.push(Step::Activate);
            is_active = true;
        } else {
            plan.is_inactive_without_reason = true;
        }
    }
    if !update.is_empty() {
        plan.steps.push(Step::Update(update));
    }
    if is_active && !brand.is_empty() {
        plan.steps.push(Step::Brand(brand));
    } else {
        // The branding call answers 410 under a suspended tenant.
        plan.waiting.extend(brand.into_iter().map(|change| change.field));
    }
    if desired.state == Some(TenantState::Suspended) && is_active {
        plan.steps.push(Step::Suspend);
    }
}

#[cfg(test)]
mod tests;
