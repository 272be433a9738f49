//! From what is wanted and what is there to the steps between: the one plan that the controller, drift reports and
//! people see. An empty plan on the second pass is the test of idempotence.

use super::{Effective, Field, Kind, MarkSeen, Observed, Origin, Risk, Seen, TenantLife, Value, Written};
use crate::api::TenantState;
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
            Some(Seen::Unsupported) if field == Field::PasswordsSetBefore => {
                if written.has_sent(value) {
                    continue;
                }
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
mod tests {
    use super::*;
    use crate::plan::Unknown;

    fn mark() -> Mark {
        "c1/Client/ns/globex/u1".parse().unwrap()
    }

    fn desired(values: &[(Field, Value)], state: Option<TenantState>) -> Desired {
        let values = values.iter().map(|(field, value)| (*field, (value.clone(), Origin::Spec))).collect();
        Desired { kind: Kind::Client, effective: Effective { values, ..Effective::default() }, state, mark: mark() }
    }

    fn observed(values: &[(Field, Seen)], life: TenantLife) -> Observed {
        Observed {
            unique_id: "client_2".into(),
            served: [].into(),
            account_id: None,
            name: "Globex".into(),
            life,
            mark: MarkSeen::Whole(mark()),
            seen: values.iter().cloned().collect(),
            created: None,
            updated: None,
            revision: None,
            url: None,
            api_endpoint: None,
            unknown: Unknown::default(),
        }
    }

    fn seen(text: &str) -> Seen {
        Seen::Value(Value::text(text))
    }

    #[test]
    fn nothing_differs_nothing_is_done() {
        let plan = diff(
            &desired(&[(Field::City, Value::text("Berlin"))], None),
            Some(&observed(&[(Field::City, seen("Berlin"))], TenantLife::Active)),
            &Written::default(),
        );
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn steps_come_in_the_order_that_the_platform_needs() {
        let wanted = desired(
            &[(Field::City, Value::text("Berlin")), (Field::WebsiteTitle, Value::text("G"))],
            Some(TenantState::Suspended),
        );
        let names = |plan: &Plan| -> Vec<&'static str> {
            plan.steps
                .iter()
                .map(|step| match step {
                    Step::Create(_) => "create",
                    Step::Mark => "mark",
                    Step::Activate => "activate",
                    Step::Update(_) => "update",
                    Step::Brand(_) => "brand",
                    Step::Suspend => "suspend",
                })
                .collect()
        };
        assert_eq!(names(&diff(&wanted, None, &Written::default())), ["create", "brand", "suspend"]);
        let there = observed(&[(Field::City, seen("Bonn")), (Field::WebsiteTitle, seen(""))], TenantLife::Active);
        assert_eq!(names(&diff(&wanted, Some(&there), &Written::default())), ["update", "brand", "suspend"]);
        let back = Desired { state: Some(TenantState::Active), ..wanted };
        let there = Observed { life: TenantLife::Suspended, ..there };
        assert_eq!(names(&diff(&back, Some(&there), &Written::default())), ["activate", "update", "brand"]);
    }

    #[test]
    fn branding_waits_while_the_tenant_is_suspended() {
        let wanted = desired(&[(Field::WebsiteTitle, Value::text("G"))], None);
        let there = observed(&[(Field::WebsiteTitle, seen(""))], TenantLife::Suspended);
        let plan = diff(&wanted, Some(&there), &Written::default());
        assert!(plan.is_empty());
        assert_eq!(plan.waiting, [Field::WebsiteTitle]);
    }

    #[test]
    fn what_cannot_be_told_from_ended_is_activated_only_if_we_suspended_it() {
        let wanted = desired(&[], Some(TenantState::Active));
        let there = observed(&[], TenantLife::Inactive);
        let plan = diff(&wanted, Some(&there), &Written::default());
        assert!(plan.is_empty() && plan.is_inactive_without_reason);
        let ours = Written { suspended_by_us: true, ..Written::default() };
        assert_eq!(diff(&wanted, Some(&there), &ours).steps, [Step::Activate]);
    }

    #[test]
    fn what_the_platform_cannot_hold_is_named_and_not_written() {
        let wanted = desired(&[(Field::SkipUserConsentForm, Value::Flag(true))], None);
        let plan = diff(
            &wanted,
            Some(&observed(&[(Field::SkipUserConsentForm, Seen::Unsupported)], TenantLife::Active)),
            &Written::default(),
        );
        assert!(plan.is_empty());
        assert_eq!(plan.unsupported, [Field::SkipUserConsentForm]);
    }

    #[test]
    fn a_removed_package_is_disruptive_and_an_added_one_is_not() {
        let difference = |desired: &[&str], observed: &[&str]| Difference {
            field: Field::Packages,
            desired: Value::set(desired.iter().copied()),
            observed: Some(Value::set(observed.iter().copied())),
            origin: Origin::Spec,
        };
        assert_eq!(difference(&["A", "B"], &["A"]).risk(), Risk::Quiet);
        assert_eq!(difference(&["A"], &["A", "B"]).risk(), Risk::Disruptive);
    }

    #[test]
    fn what_the_catalogue_does_not_know_is_kept_and_sent_back() {
        let kept = Unknown {
            values: [(Field::AddOns, ["Synthetic Monitoring".to_owned()].into())].into(),
            ..Unknown::default()
        };
        let there = Observed {
            unknown: kept,
            ..observed(&[(Field::AddOns, Seen::Value(Value::set(["SLAManagement"])))], TenantLife::Active)
        };
        let plan = |names: &[&str]| {
            let wanted = desired(&[(Field::AddOns, Value::set(names.iter().copied()))], None);
            diff(&wanted, Some(&there), &Written::default())
        };
        assert_eq!(plan(&["SLAManagement"]), Plan::default());
        let to = Value::set(["KnowledgeBaseManagement", "Synthetic Monitoring"]);
        let update = Step::Update(vec![Change { field: Field::AddOns, to }]);
        assert_eq!(plan(&["KnowledgeBaseManagement"]).steps, [update]);
        let last = Step::Update(vec![Change { field: Field::AddOns, to: Value::set(["Synthetic Monitoring"]) }]);
        assert_eq!(plan(&[]).steps, [last]);
    }

    #[test]
    fn a_list_that_cannot_be_read_is_not_replaced() {
        let wanted = desired(&[(Field::Packages, Value::set(["EventAndIncidentManagement"]))], None);
        let unknown = Unknown {
            unreadable: [(Field::Packages, "`packages` is a text where a list of texts is documented".to_owned())]
                .into(),
            ..Unknown::default()
        };
        let there = Observed { unknown, ..observed(&[(Field::Packages, Seen::Unreadable)], TenantLife::Active) };
        let plan = diff(&wanted, Some(&there), &Written::default());
        assert_eq!((plan.is_empty(), plan.unread), (true, vec![Field::Packages]));
    }

    #[test]
    fn in_a_state_that_is_not_known_nothing_is_written_that_depends_on_it() {
        let settings = [(Field::City, Value::text("Berlin")), (Field::WebsiteTitle, Value::text("G"))];
        let seen = [(Field::City, seen("Bonn")), (Field::WebsiteTitle, seen(""))];
        let there = Observed {
            unknown: Unknown { state: Some("MIGRATING".to_owned()), ..Unknown::default() },
            ..observed(&seen, TenantLife::Unknown)
        };
        let ours = Written { suspended_by_us: true, ..Written::default() };
        for state in [None, Some(TenantState::Active), Some(TenantState::Suspended)] {
            let plan = diff(&desired(&settings, state), Some(&there), &ours);
            let update = Step::Update(vec![Change { field: Field::City, to: Value::text("Berlin") }]);
            assert_eq!(plan.steps, [update], "{state:?}");
            assert_eq!((plan.unknown_state.as_deref(), plan.waiting), (Some("MIGRATING"), vec![Field::WebsiteTitle]));
        }
    }

    #[test]
    fn a_mark_that_does_not_come_back_is_written_twice_at_most() {
        let there = Observed { mark: MarkSeen::None, ..observed(&[], TenantLife::Active) };
        let plan = |marks| diff(&desired(&[], None), Some(&there), &Written { marks, ..Written::default() });
        for marks in 0..2 {
            assert_eq!((plan(marks).steps, plan(marks).keeps_no_mark), (vec![Step::Mark], false));
        }
        assert_eq!((plan(2).is_empty(), plan(2).keeps_no_mark), (true, true));
    }
}
