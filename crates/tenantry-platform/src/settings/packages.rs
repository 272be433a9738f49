//! Packages and add-ons: only known ones, an add-on only with its package, a client's only within its partner's.

use tenantry_catalog::{AddOn, CONTACT_SUPPORT, Package};
use tenantry_wire::{Tenant, WireClientDetails};

use super::Problems;
use crate::error::{ApiError, quote};

/// Maximum number of names in a list; there are fewer names than that.
const MAX_NAMES: usize = 64;

/// Merges packages and add-ons, in that order, into a tenant. Each list replaces the stored one. Removing a package
/// removes its add-ons.
pub(super) fn merge_packages(
    next: &mut Tenant,
    wanted: (Option<Vec<String>>, Option<Vec<String>>),
    bound: Option<&Tenant>,
    problems: &mut Problems,
) {
    let chosen = wanted.1.is_some();
    let checks = chosen || wanted.0.is_some();
    let packages = match wanted.0 {
        None => packages_of(next),
        Some(names) => parse_names(&names, "packages", Package::from_wire, problems),
    };
    let packages = filter_in_order(&Package::ALL, |package| {
        *package == Package::HybridDiscoveryAndMonitoring || packages.contains(package)
    });
    let mut add_ons = match wanted.1 {
        None => add_ons_of(next),
        Some(names) => parse_names(&names, "addOns", AddOn::from_wire, problems),
    };
    if chosen {
        for lost in add_ons.iter().filter(|add_on| !packages.contains(&add_on.package())) {
            let (name, package) = (lost.wire_name(), lost.package().wire_name());
            problems.refuse("addOns", format!("The add-on {name:?} needs the package {package:?}; add it to packages"));
        }
    }
    add_ons.retain(|add_on| packages.contains(&add_on.package()));
    let add_ons = filter_in_order(&AddOn::ALL, |add_on| add_ons.contains(add_on));
    if let Some(partner) = bound.filter(|_| checks) {
        check_within_partner_packages(&packages, &add_ons, partner, problems);
    }
    next.packages = Some(packages.into_iter().map(|package| package.wire_name().to_owned()).collect());
    next.add_ons = Some(add_ons.into_iter().map(|add_on| add_on.wire_name().to_owned()).collect());
}

fn check_within_partner_packages(
    wanted: &[Package],
    wanted_add_ons: &[AddOn],
    partner: &Tenant,
    problems: &mut Problems,
) {
    let (has, has_add_ons) = (packages_of(partner), add_ons_of(partner));
    for package in wanted.iter().filter(|package| !has.contains(package)) {
        let name = package.wire_name();
        problems
            .refuse("packages", format!("The partner does not have the package {name:?}; add it to the partner first"));
    }
    for add_on in wanted_add_ons.iter().filter(|add_on| !has_add_ons.contains(add_on)) {
        let name = add_on.wire_name();
        problems.refuse("addOns", format!("The partner does not have the add-on {name:?}. {CONTACT_SUPPORT}"));
    }
}

fn parse_names<T>(names: &[String], field: &str, known: impl Fn(&str) -> Option<T>, problems: &mut Problems) -> Vec<T> {
    if names.len() > MAX_NAMES {
        problems.refuse(field, format!("The list has {} names; at most {MAX_NAMES} are taken", names.len()));
        return Vec::new();
    }
    let mut found = Vec::new();
    for name in names {
        match known(name) {
            Some(value) => found.push(value),
            None => problems.refuse(field, format!("{} is not known", quote(name))),
        }
    }
    found
}

/// Returns the wanted members of a list, in its order and each once.
fn filter_in_order<T: Copy>(all: &[T], wanted: impl Fn(&T) -> bool) -> Vec<T> {
    all.iter().copied().filter(wanted).collect()
}

/// Returns the packages of a tenant.
pub(crate) fn packages_of(tenant: &Tenant) -> Vec<Package> {
    tenant.packages.iter().flatten().filter_map(|name| Package::from_wire(name)).collect()
}

/// Returns the add-ons of a tenant.
pub(crate) fn add_ons_of(tenant: &Tenant) -> Vec<AddOn> {
    tenant.add_ons.iter().flatten().filter_map(|name| AddOn::from_wire(name)).collect()
}

/// Returns whether a tenant has an add-on.
pub(crate) fn has_add_on(tenant: &Tenant, add_on: AddOn) -> bool {
    add_ons_of(tenant).contains(&add_on)
}

/// Refuses packages and add-ons that a tenant tries to give itself.
pub(crate) fn ensure_within_own_packages(own: &Tenant, change: &Tenant) -> Result<(), ApiError> {
    let mut problems = Problems::default();
    let (has, has_add_ons) = (packages_of(own), add_ons_of(own));
    for package in change.packages.iter().flatten().filter_map(|name| Package::from_wire(name)) {
        if package != Package::HybridDiscoveryAndMonitoring && !has.contains(&package) {
            let name = package.wire_name();
            problems.refuse("packages", format!("The service provider gives the package {name:?}; ask there"));
        }
    }
    for add_on in change.add_ons.iter().flatten().filter_map(|name| AddOn::from_wire(name)) {
        if !has_add_ons.contains(&add_on) {
            let name = add_on.wire_name();
            problems.refuse("addOns", format!("The partner does not have the add-on {name:?}. {CONTACT_SUPPORT}"));
        }
    }
    problems.finish()
}

/// A switch that only has an effect with an add-on.
struct AddOnSwitch {
    field: &'static str,
    add_on: AddOn,
    slot: fn(&mut WireClientDetails) -> &mut Option<bool>,
}

const ADD_ON_SWITCHES: [AddOnSwitch; 2] = [
    AddOnSwitch {
        field: "clientDetails.smsVoiceNotification",
        add_on: AddOn::SMSAndVoice,
        slot: |details| &mut details.sms_voice_notification,
    },
    AddOnSwitch {
        field: "clientDetails.remoteAccess",
        add_on: AddOn::RemoteAccessManagement,
        slot: |details| &mut details.remote_access,
    },
];

/// Refuses a switch that a request turns on without its add-on. Losing the add-on turns the switch off. A switch that
/// was on without its add-on before this rule stays on, and a value that was read may be sent back.
pub(crate) fn apply_add_on_switches(
    before: &Tenant,
    wanted: Option<&WireClientDetails>,
    next: &mut Tenant,
) -> Result<(), ApiError> {
    let mut problems = Problems::default();
    let (had, has) = (add_ons_of(before), add_ons_of(next));
    for AddOnSwitch { field, add_on, slot } in
        ADD_ON_SWITCHES.into_iter().filter(|switch| !has.contains(&switch.add_on))
    {
        let mut wanted = wanted.cloned().unwrap_or_default();
        let was_on = before.client_details.clone().is_some_and(|mut details| *slot(&mut details) == Some(true));
        if *slot(&mut wanted) == Some(true) && (!was_on || had.contains(&add_on)) {
            let name = add_on.wire_name();
            problems.refuse(field, format!("The client does not have the add-on {name:?}. {CONTACT_SUPPORT}"));
        } else if had.contains(&add_on)
            && let Some(details) = &mut next.client_details
        {
            *slot(details) = Some(false);
        }
    }
    problems.finish()
}

/// The packages and add-ons that a change removes from a partner.
pub(crate) struct DroppedPackages {
    packages: Vec<Package>,
    add_ons: Vec<AddOn>,
}

/// Returns what is in `before` but not in `after`.
pub(crate) fn dropped_packages(before: &Tenant, after: &Tenant) -> DroppedPackages {
    let (kept, kept_add_ons) = (packages_of(after), add_ons_of(after));
    DroppedPackages {
        packages: packages_of(before).into_iter().filter(|package| !kept.contains(package)).collect(),
        add_ons: add_ons_of(before).into_iter().filter(|add_on| !kept_add_ons.contains(add_on)).collect(),
    }
}

impl DroppedPackages {
    /// Returns whether nothing was removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.add_ons.is_empty()
    }

    /// Reports removed items that living clients still use.
    pub(crate) fn report_users(&self, clients: &[(String, Tenant)], problems: &mut Problems) {
        for package in &self.packages {
            let users = clients_using(clients, |client| packages_of(client).contains(package));
            add_in_use_problem(&users, "packages", package.wire_name(), problems);
        }
        // For an add-on that is removed with its package only the package is reported.
        for add_on in self.add_ons.iter().filter(|add_on| !self.packages.contains(&add_on.package())) {
            let users = clients_using(clients, |client| add_ons_of(client).contains(add_on));
            add_in_use_problem(&users, "addOns", add_on.wire_name(), problems);
        }
    }
}

fn clients_using(clients: &[(String, Tenant)], uses: impl Fn(&Tenant) -> bool) -> Vec<&str> {
    clients.iter().filter(|(_, client)| uses(client)).map(|(id, _)| id.as_str()).collect()
}

fn add_in_use_problem(users: &[&str], field: &str, name: &str, problems: &mut Problems) {
    if users.is_empty() {
        return;
    }
    let count = users.len();
    let some = users.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let more = if count > 5 { ", ..." } else { "" };
    problems.refuse(field, format!("{count} clients still use {name:?} ({some}{more}); take it from them first"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant_with(packages: &[&str], add_ons: &[&str]) -> Tenant {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        Tenant { packages: list(packages), add_ons: list(add_ons), ..Tenant::default() }
    }

    #[test]
    fn a_package_that_goes_takes_its_add_ons_along() {
        let hybrid = "Hybrid Discovery and Monitoring";
        let events = "Event and Incident Management";
        let mut next = tenant_with(&[hybrid, events], &["Offline Alerts", "SLA Management"]);
        let mut problems = Problems::default();
        merge_packages(&mut next, (Some(vec![]), None), None, &mut problems);
        assert!(problems.finish().is_ok());
        assert_eq!(next, tenant_with(&[hybrid], &["Offline Alerts"]));
    }

    #[test]
    fn clients_that_use_a_dropped_package_are_counted() {
        let events = "Event and Incident Management";
        let dropped = dropped_packages(&tenant_with(&[events], &["SLA Management"]), &tenant_with(&[], &[]));
        let client = |id: &str| (id.to_owned(), tenant_with(&[events], &["SLA Management"]));
        let mut problems = Problems::default();
        dropped.report_users(&[client("client_3"), client("client_4")], &mut problems);
        let crate::error::ApiError::Fields(fields) = problems.finish().unwrap_err() else { panic!() };
        assert_eq!(fields.len(), 1);
        assert!(fields[0].message.starts_with("2 clients") && fields[0].message.contains("client_3, client_4"));
    }
}
