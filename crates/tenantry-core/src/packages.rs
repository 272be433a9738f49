//! Rules for packages and add-ons between a Partner and its Clients.

use std::collections::{BTreeMap, BTreeSet};

use tenantry_api::Reason;
use tenantry_catalog::{AddOn, CONTACT_SUPPORT, Package};

use super::{EffectiveSettings, Field, InvalidSetting, Value};

/// The packages and add-ons that a Client uses.
#[derive(Clone, Debug)]
pub struct ClientUse {
    /// `namespace/name` of the Client object.
    pub client: String,
    /// Effective packages and add-ons of the Client, by manifest name.
    pub entries: BTreeSet<String>,
}

/// Returns the Client's packages and add-ons that exceed its Partner's, and add-ons without their package.
pub fn check_within_partner(effective: &EffectiveSettings, partner: &BTreeMap<Field, Value>) -> Vec<InvalidSetting> {
    let mut invalid = Vec::new();
    for field in [Field::Packages, Field::AddOns] {
        let (Some(wanted), Some(allowed)) = (effective.value(field), partner.get(&field)) else { continue };
        let allowed: BTreeSet<&str> = allowed.entries().collect();
        let beyond: Vec<&str> = wanted.entries().filter(|entry| !allowed.contains(entry)).collect();
        if !beyond.is_empty() {
            invalid.push(InvalidSetting {
                path: field.path().to_owned(),
                reason: Reason::PackageNotAvailable,
                message: beyond_partner_message(field, &beyond),
            });
        }
    }
    invalid.extend(Package::ALL.into_iter().filter_map(|package| add_ons_without_package(effective, package)));
    invalid
}

/// A switch that is on without its required add-on.
#[derive(Clone, Debug)]
pub struct MissingAddOn {
    /// The switch.
    pub field: Field,
    /// The required add-on.
    pub add_on: AddOn,
    /// What is wrong, and what to do.
    pub invalid: InvalidSetting,
}

/// Returns the switches that are on without their add-on.
pub fn switches_without_add_ons(effective: &EffectiveSettings) -> Vec<MissingAddOn> {
    SWITCHES.into_iter().filter_map(|(field, add_on)| switch_without_add_on(effective, field, add_on)).collect()
}

/// Describes entries that exceed the Partner's. A partner adds packages itself; the platform's support decides which
/// add-ons it may have.
fn beyond_partner_message(field: Field, beyond: &[&str]) -> String {
    let advice = if field == Field::AddOns {
        format!("; where the platform does not permit it to the partner, ask the platform's support: {CONTACT_SUPPORT}")
    } else {
        String::new()
    };
    format!(
        "holds {}, which the partner does not have: add it to the Partner's `{}` or remove it here{advice}",
        quote_names(beyond),
        field.path()
    )
}

/// Switches that only have an effect with an add-on.
const SWITCHES: [(Field, AddOn); 2] =
    [(Field::SmsVoiceNotification, AddOn::SMSAndVoice), (Field::RemoteAccess, AddOn::RemoteAccessManagement)];

/// Returns the switch if it is on without its add-on. The schema cannot check this, because it does not see add-ons
/// from defaults. If add-ons are not managed, the platform checks.
fn switch_without_add_on(effective: &EffectiveSettings, field: Field, add_on: AddOn) -> Option<MissingAddOn> {
    let is_on = effective.value(field) == Some(&Value::Flag(true));
    let add_ons = effective.value(Field::AddOns).filter(|_| is_on)?;
    add_ons.entries().all(|name| name != add_on.name()).then(|| {
        let message = format!("needs the add-on `{}`: add it to `addOns`, or set this to false", add_on.name());
        let (path, reason) = (field.path().to_owned(), Reason::PackageNotAvailable);
        MissingAddOn { field, add_on, invalid: InvalidSetting { path, reason, message } }
    })
}

/// Returns add-ons whose package is not effective. The schema cannot check this, because it does not see packages from
/// defaults.
fn add_ons_without_package(effective: &EffectiveSettings, package: Package) -> Option<InvalidSetting> {
    let is_there = effective.value(Field::Packages)?.entries().any(|entry| entry == package.name());
    let of_package = |name: &&str| AddOn::from_name(name).is_some_and(|add_on| add_on.package() == package);
    let names: Vec<&str> = effective.value(Field::AddOns)?.entries().filter(of_package).collect();
    (!is_there && !names.is_empty()).then(|| InvalidSetting {
        path: Field::AddOns.path().to_owned(),
        reason: Reason::PackageNotAvailable,
        message: format!(
            "holds {} without the package `{}`: add the package or remove the add-on",
            quote_names(&names),
            package.name()
        ),
    })
}

/// Returns a sentence that names up to five Clients that still use what a Partner is about to drop; `None` if there are
/// none.
pub fn clients_still_using(effective: &EffectiveSettings, uses: &[ClientUse]) -> Option<String> {
    let declared: Vec<(&Value, NamePredicate)> =
        [(effective.value(Field::Packages), is_package as NamePredicate), (effective.value(Field::AddOns), is_add_on)]
            .into_iter()
            .filter_map(|(value, is_kind)| value.map(|value| (value, is_kind)))
            .collect();
    let mut clients = Vec::new();
    let mut dropped = BTreeSet::new();
    for ClientUse { client, entries } in uses {
        let missing: Vec<&String> = entries
            .iter()
            .filter(|entry| {
                declared
                    .iter()
                    .any(|(value, is_kind)| is_kind(entry) && !value.entries().any(|kept| kept == entry.as_str()))
            })
            .collect();
        if !missing.is_empty() {
            clients.push(client.as_str());
            dropped.extend(missing.into_iter().map(String::as_str));
        }
    }
    if clients.is_empty() {
        return None;
    }
    let named = quote_names(&clients.iter().copied().take(5).collect::<Vec<_>>());
    let dropped = quote_names(&dropped.into_iter().collect::<Vec<_>>());
    let (count, verb, among, those) = match clients.len() {
        1 => ("1 Client".to_owned(), "uses", "", "that Client"),
        many => (format!("{many} Clients"), "use", "among them ", "those Clients"),
    };
    Some(format!(
        "{count} still {verb} {dropped} ({among}{named}): remove it from {those} first, or declare it here again"
    ))
}

/// Returns whether a manifest name belongs to one list.
type NamePredicate = fn(&str) -> bool;

fn is_package(name: &str) -> bool {
    Package::from_name(name).is_some()
}

fn is_add_on(name: &str) -> bool {
    AddOn::from_name(name).is_some()
}

fn quote_names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueOrigin;

    fn effective_settings(packages: &[&str], add_ons: &[&str]) -> EffectiveSettings {
        let values = [(Field::Packages, packages), (Field::AddOns, add_ons)]
            .map(|(field, names)| (field, (Value::set(names.iter().copied()), ValueOrigin::Spec)));
        EffectiveSettings { values: values.into(), ..EffectiveSettings::default() }
    }

    #[test]
    fn a_client_stays_within_what_its_partner_has() {
        let partner = BTreeMap::from([(
            Field::Packages,
            Value::set(["HybridDiscoveryAndMonitoring", "EventAndIncidentManagement"]),
        )]);
        assert!(
            check_within_partner(&effective_settings(&["EventAndIncidentManagement"], &["SLAManagement"]), &partner)
                .is_empty()
        );
        let invalid = check_within_partner(&effective_settings(&["RemediationAndAutomation"], &[]), &partner);
        assert_eq!(invalid[0].reason, Reason::PackageNotAvailable);
        assert!(invalid[0].message.contains("`RemediationAndAutomation`"));
    }

    #[test]
    fn an_add_on_that_the_partner_lacks_names_whose_support_decides() {
        let partner = BTreeMap::from([(Field::AddOns, Value::set(["OfflineAlerts"]))]);
        let invalid =
            check_within_partner(&effective_settings(&["EventAndIncidentManagement"], &["SLAManagement"]), &partner);
        let asks = format!("ask the platform's support: {CONTACT_SUPPORT}");
        assert!(invalid[0].message.ends_with(&asks), "{}", invalid[0].message);
    }

    /// shows: seeds/packages/add-ons
    #[test]
    fn an_add_on_needs_its_package_wherever_that_comes_from() {
        let invalid = check_within_partner(
            &effective_settings(&["HybridDiscoveryAndMonitoring"], &["SLAManagement"]),
            &BTreeMap::new(),
        );
        assert!(invalid[0].message.contains("without the package `EventAndIncidentManagement`"));
    }

    #[test]
    fn each_package_that_is_missing_is_named_with_its_own_add_ons() {
        let invalid = check_within_partner(
            &effective_settings(&[], &["SLAManagement", "SMSAndVoice", "ProcessAutomation"]),
            &BTreeMap::new(),
        );
        let messages: Vec<&str> = invalid.iter().map(|one| one.message.as_str()).collect();
        let [of_events, of_remediation] = messages[..] else { panic!("{messages:?}") };
        assert!(
            of_events
                .starts_with("holds `SLAManagement`, `SMSAndVoice` without the package `EventAndIncidentManagement`")
        );
        assert!(of_remediation.starts_with("holds `ProcessAutomation` without the package `RemediationAndAutomation`"));
    }

    #[test]
    fn a_switch_needs_its_add_on_wherever_that_comes_from() {
        let on = |add_ons: &[&str]| {
            let mut effective =
                effective_settings(&["EventAndIncidentManagement", "RemediationAndAutomation"], add_ons);
            for field in [Field::SmsVoiceNotification, Field::RemoteAccess] {
                effective.values.insert(field, (Value::Flag(true), ValueOrigin::Spec));
            }
            effective
        };
        let paths = |effective: &EffectiveSettings| -> Vec<String> {
            switches_without_add_ons(effective).into_iter().map(|lacking| lacking.invalid.path).collect()
        };
        assert_eq!(paths(&on(&[])), ["details.smsVoiceNotification", "details.remoteAccess"]);
        assert_eq!(paths(&on(&["SMSAndVoice"])), ["details.remoteAccess"]);
        assert_eq!(paths(&on(&["SMSAndVoice", "RemoteAccessManagement"])), Vec::<String>::new());
        let mut unmanaged = on(&[]);
        unmanaged.values.remove(&Field::AddOns);
        assert_eq!(paths(&unmanaged), Vec::<String>::new(), "the platform judges");
    }

    #[test]
    fn dropping_what_clients_use_names_five_of_them_and_the_count() {
        let uses: Vec<ClientUse> = (0..7)
            .map(|n| ClientUse { client: format!("ns/c{n}"), entries: ["SLAManagement".to_owned()].into() })
            .collect();
        assert_eq!(
            clients_still_using(&effective_settings(&["EventAndIncidentManagement"], &["SLAManagement"]), &uses),
            None
        );
        let message = clients_still_using(&effective_settings(&["EventAndIncidentManagement"], &[]), &uses).unwrap();
        assert!(message.starts_with("7 Clients still use `SLAManagement` (among them `ns/c0`"));
        assert!(message.contains("`ns/c4`") && !message.contains("`ns/c5`"));
    }
}
