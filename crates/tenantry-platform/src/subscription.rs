//! A tenant's subscription: the same answer for routes, menus and exports.

use axum::{Extension, Json};
use serde_json::{Map, Value, json};
use tenantry_catalog::{AddOn, CONTACT_SUPPORT, DataCategory, NOT_SUBSCRIBED, Package, required_add_on};
use tenantry_wire::Tenant;

use super::authorize::RequestScope;
use super::error::ApiError;
use super::settings::{add_ons_of, packages_of};
use super::store::{TenantLevel, TenantRecord};
use super::tenant_availability::{TenantOperation, ensure_tenant_accepts};

/// A screen that warns where a package is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackageScreen {
    /// Alerts.
    Alerts,
    /// Service Desk.
    ServiceDesk,
    /// Automation.
    Automation,
}

impl PackageScreen {
    /// Every screen that warns.
    pub(super) const ALL: [Self; 3] = [Self::Alerts, Self::ServiceDesk, Self::Automation];

    /// Returns the segment in paths.
    pub(super) const fn segment(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::ServiceDesk => "serviceDesk",
            Self::Automation => "automation",
        }
    }

    /// Returns the title that people read.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Alerts => "Alerts",
            Self::ServiceDesk => "Service Desk",
            Self::Automation => "Automation",
        }
    }

    /// Returns the category of the records that the screen lists, in its part of the package that provides them.
    pub(super) const fn record_category(self) -> DataCategory {
        match self {
            Self::Alerts => DataCategory::Alerts,
            Self::ServiceDesk => DataCategory::Tickets,
            Self::Automation => DataCategory::MaintenanceWindows,
        }
    }

    /// Returns the modules that the screen shows, by the package that provides them. Nothing else on the screen is
    /// denied.
    pub(super) const fn modules_by_package(self) -> [(Package, &'static [&'static str]); 2] {
        use Package::{EventAndIncidentManagement as Events, RemediationAndAutomation as Remediation};
        match self {
            Self::Alerts => [
                (
                    Events,
                    &["Alert Correlation", "First Response Policies", "Alert Escalation", "OpsQ Machine Learning Bot"],
                ),
                (Remediation, &["Run Book Automation"]),
            ],
            Self::ServiceDesk => [(Events, &["Service Desk"]), (Remediation, &["Remote Access with Session Replay"])],
            Self::Automation => [
                (Events, &["First Response Policies"]),
                (Remediation, &["Patch Management", "Job Automation", "Process Automation"]),
            ],
        }
    }
}

/// `GET /api/v2/tenants/{tenant}/subscription` (extension): what a tenant has, and what is denied on each screen that
/// warns.
pub(super) async fn read_subscription(Extension(scope): Extension<RequestScope>) -> Result<Json<Value>, ApiError> {
    let tenant = scope.tenant()?;
    ensure_tenant_accepts(tenant, TenantOperation::Read)?;
    let has = Subscription::of_tenant(tenant);
    let screen = |screen: PackageScreen| {
        let (modules, denied) = has.screen_modules(screen);
        let warning = (!denied.is_empty()).then_some(NOT_SUBSCRIBED);
        (screen.segment().to_owned(), json!({ "modules": modules, "denied": denied, "warning": warning }))
    };
    let screens: Map<String, Value> = PackageScreen::ALL.map(screen).into_iter().collect();
    Ok(Json(json!({
        "packages": has.packages.iter().map(|package| package.wire_name()).collect::<Vec<_>>(),
        "addOns": has.add_ons.iter().map(|add_on| add_on.wire_name()).collect::<Vec<_>>(),
        "hiddenMenus": has.hidden_menus(),
        "withheldPermissionSets": has.withheld_permission_sets(),
        "screens": screens,
    })))
}

/// Packages and add-ons that a tenant may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    packages: Vec<Package>,
    add_ons: Vec<AddOn>,
}

impl Subscription {
    /// Returns the subscription of a tenant: its own packages and add-ons, limited for a client to those of its
    /// partner.
    pub(super) fn from_settings(own: &Tenant, partner: Option<&Tenant>) -> Self {
        let bound = |tenant: Option<&Tenant>| tenant.map(|tenant| (packages_of(tenant), add_ons_of(tenant)));
        let (mut packages, mut add_ons) = (packages_of(own), add_ons_of(own));
        if let Some((at_most, add_ons_at_most)) = bound(partner) {
            packages.retain(|package| at_most.contains(package));
            add_ons.retain(|add_on| add_ons_at_most.contains(add_on));
        }
        // Every tenant has the first package, even if its settings are older than this rule.
        if !packages.contains(&Package::HybridDiscoveryAndMonitoring) {
            packages.insert(0, Package::HybridDiscoveryAndMonitoring);
        }
        add_ons.retain(|add_on| packages.contains(&add_on.package()));
        Self { packages, add_ons }
    }

    /// Returns the subscription of a tenant's row. A service provider has everything, because its partners differ.
    pub(super) fn of_tenant(tenant: &TenantRecord) -> Self {
        if tenant.kind == TenantLevel::ServiceProvider {
            return Self { packages: Package::ALL.to_vec(), add_ons: AddOn::ALL.to_vec() };
        }
        let partner = tenant.parent.as_ref().filter(|_| tenant.kind == TenantLevel::Client);
        Self::from_settings(&tenant.settings, partner.map(|partner| &partner.settings))
    }

    /// Returns the packages.
    pub(super) fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// Returns whether the tenant has a package.
    pub(super) fn has_package(&self, package: Package) -> bool {
        self.packages.contains(&package)
    }

    /// Returns whether the tenant has an add-on.
    pub(super) fn has_add_on(&self, add_on: AddOn) -> bool {
        self.add_ons.contains(&add_on)
    }

    /// Returns the packages that the tenant does not have.
    pub(super) fn missing_packages(&self) -> impl Iterator<Item = Package> + '_ {
        Package::ALL.into_iter().filter(|package| !self.has_package(*package))
    }

    /// Returns the menu entries that are hidden.
    pub(super) fn hidden_menus(&self) -> Vec<&'static str> {
        self.missing_packages().flat_map(|package| package.unavailable_without().menus).copied().collect()
    }

    /// Returns the permission sets that cannot be granted.
    pub(super) fn withheld_permission_sets(&self) -> Vec<&'static str> {
        self.missing_packages().flat_map(|package| package.unavailable_without().permission_sets).copied().collect()
    }

    /// Returns the modules of a screen that the tenant has, and those that are denied.
    pub(super) fn screen_modules(&self, screen: PackageScreen) -> (Vec<&'static str>, Vec<&'static str>) {
        let modules = |has: bool| {
            let parts =
                screen.modules_by_package().into_iter().filter(|(package, _)| self.has_package(*package) == has);
            parts.flat_map(|(_, modules)| modules).copied().collect()
        };
        (modules(true), modules(false))
    }

    /// Refuses a category whose package the tenant does not have.
    pub(super) fn ensure_category(&self, category: DataCategory) -> Result<(), ApiError> {
        if self.has_package(category.package_requirement().package) { Ok(()) } else { Err(ApiError::NotSubscribed) }
    }

    /// Refuses a kind of record whose add-on the tenant does not have.
    pub(super) fn ensure_record_kind(&self, category: DataCategory, kind: &str) -> Result<(), ApiError> {
        self.ensure_category(category)?;
        required_add_on(category, kind).map_or(Ok(()), |add_on| self.ensure_add_on(add_on))
    }

    /// Refuses a feature whose add-on the tenant does not have.
    pub(super) fn ensure_add_on(&self, add_on: AddOn) -> Result<(), ApiError> {
        if self.has_add_on(add_on) {
            return Ok(());
        }
        let name = add_on.display_name();
        Err(ApiError::Denied(format!("The tenant does not have the add-on {name:?}. {CONTACT_SUPPORT}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant_with(packages: &[Package], add_ons: &[AddOn]) -> Tenant {
        Tenant {
            packages: Some(packages.iter().map(|package| package.wire_name().to_owned()).collect()),
            add_ons: Some(add_ons.iter().map(|add_on| add_on.wire_name().to_owned()).collect()),
            ..Tenant::default()
        }
    }

    const EVENTS: Package = Package::EventAndIncidentManagement;
    const REMEDIATION: Package = Package::RemediationAndAutomation;

    #[test]
    fn a_client_has_at_most_what_its_partner_has() {
        let client = tenant_with(&[EVENTS, REMEDIATION], &[AddOn::SLAManagement, AddOn::BatchExports]);
        let partner = tenant_with(&[EVENTS], &[AddOn::SLAManagement, AddOn::StreamExports]);
        let has = Subscription::from_settings(&client, Some(&partner));
        assert!(
            has.has_package(EVENTS)
                && !has.has_package(REMEDIATION)
                && has.has_package(Package::HybridDiscoveryAndMonitoring)
        );
        assert_eq!(has.add_ons, [AddOn::SLAManagement]);
        assert!(Subscription::from_settings(&client, None).has_package(REMEDIATION));
        // Without its package the add-on is missing too.
        assert_eq!(Subscription::from_settings(&client, Some(&tenant_with(&[], &[AddOn::SLAManagement]))).add_ons, []);
    }

    #[test]
    fn what_is_missing_hides_its_menus_and_permission_sets() {
        let none = Subscription::from_settings(&tenant_with(&[], &[]), None);
        assert_eq!(none.hidden_menus(), ["Setup > Alerts", "Workspace > Automation"]);
        assert_eq!(none.withheld_permission_sets().len(), 13);
        let all = Subscription::from_settings(&tenant_with(&[EVENTS, REMEDIATION], &[]), None);
        assert!(all.hidden_menus().is_empty() && all.withheld_permission_sets().is_empty());
    }

    #[test]
    fn each_screen_denies_something_for_either_missing_package_and_only_what_that_package_carries() {
        let all = Subscription::from_settings(&tenant_with(&[EVENTS, REMEDIATION], &[]), None);
        for screen in PackageScreen::ALL {
            assert!(all.screen_modules(screen).1.is_empty());
            for package in [EVENTS, REMEDIATION] {
                let others = [EVENTS, REMEDIATION].into_iter().filter(|other| *other != package).collect::<Vec<_>>();
                let (kept, denied) =
                    Subscription::from_settings(&tenant_with(&others, &[]), None).screen_modules(screen);
                assert!(!denied.is_empty() && denied.iter().all(|module| package.modules().contains(module)));
                assert!(!kept.is_empty() && kept.iter().all(|module| others[0].modules().contains(module)));
            }
        }
    }
}
