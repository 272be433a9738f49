//! The menus, and the entries that a tenant sees.

use crate::subscription::Subscription;

/// A menu entry: its menu, its name and its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MenuEntry {
    pub(super) menu: &'static str,
    pub(super) name: &'static str,
    pub(super) path: &'static str,
}

const fn menu_entry(menu: &'static str, name: &'static str, path: &'static str) -> MenuEntry {
    MenuEntry { menu, name, path }
}

const ENTRIES: [MenuEntry; 4] = [
    menu_entry("Setup", "Account", "/"),
    menu_entry("Setup", "Alerts", "/screens/alerts"),
    menu_entry("Workspace", "Service Desk", "/screens/service-desk"),
    menu_entry("Workspace", "Automation", "/screens/automation"),
];

/// Returns the entries that a tenant sees.
pub(super) fn visible_entries(subscription: &Subscription) -> Vec<MenuEntry> {
    let hidden = subscription.hidden_menus();
    let is_gone = |entry: &MenuEntry| hidden.contains(&format!("{} > {}", entry.menu, entry.name).as_str());
    ENTRIES.into_iter().filter(|entry| !is_gone(entry)).collect()
}

#[cfg(test)]
mod tests {
    use tenantry_catalog::Package;
    use tenantry_wire::Tenant;

    use super::*;

    #[test]
    fn exactly_the_menus_of_a_missing_package_are_gone() {
        let names = |packages: &[Package]| -> Vec<String> {
            let packages = packages.iter().map(|package| package.wire_name().to_owned()).collect();
            let has = Subscription::from_settings(&Tenant { packages: Some(packages), ..Tenant::default() }, None);
            visible_entries(&has).iter().map(|entry| format!("{} > {}", entry.menu, entry.name)).collect()
        };
        let all = names(&Package::ALL);
        for package in Package::ALL {
            let rest: Vec<Package> = Package::ALL.into_iter().filter(|other| *other != package).collect();
            let gone: Vec<&String> = all.iter().filter(|name| !names(&rest).contains(name)).collect();
            assert_eq!(gone, package.unavailable_without().menus, "{package:?}");
        }
    }
}
