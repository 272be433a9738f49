//! The default roles and permission sets, which every tenant has and nobody can change or delete.

use crate::permission::Permission::{
    ClientCreate, ClientEdit, ClientManage, ClientView, DeviceManage, DeviceView, MspView, RolesManage, RolesView,
    UsersManage, UsersView,
};
use crate::permission::{Permission, Permissions, RoleScope};
use crate::subscription::Subscription;

/// A default role or permission set. The numbers never change, because stored rows refer to them.
#[derive(Clone, Copy)]
pub(crate) struct BuiltInGrant {
    pub(crate) id: i64,
    pub(crate) scope: RoleScope,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    gives: GrantContents,
}

/// Content of a default role or set.
#[derive(Clone, Copy)]
enum GrantContents {
    /// A set with every permission of its scope.
    Everything,
    /// A set with these permissions.
    Listed(&'static [Permission]),
    /// A role with these sets.
    Sets(&'static [i64]),
}

impl BuiltInGrant {
    /// Returns the permissions of a set.
    pub(crate) fn permissions(&self) -> Permissions {
        match self.gives {
            GrantContents::Everything => Permissions::all_of_scope(self.scope),
            GrantContents::Listed(permissions) => permissions.iter().copied().collect(),
            GrantContents::Sets(_) => Permissions::default(),
        }
    }

    /// Returns the sets of a role.
    pub(crate) fn sets(&self) -> &'static [i64] {
        match self.gives {
            GrantContents::Sets(sets) => sets,
            GrantContents::Everything | GrantContents::Listed(_) => &[],
        }
    }
}

/// Name and description.
type NameAndDescription = (&'static str, &'static str);

const fn row(id: i64, scope: RoleScope, (name, description): NameAndDescription, gives: GrantContents) -> BuiltInGrant {
    BuiltInGrant { id, scope, name, description, gives }
}

use GrantContents::{Everything, Listed, Sets};
use RoleScope::{Client, Partner, Provider};

/// The permission sets. The names for partners and clients come from the public API's samples.
const SETS: &[BuiltInGrant] = &[
    row(1, Provider, ("Service Provider Administrator", "Everything"), Everything),
    row(
        2,
        Provider,
        ("Service Provider View", "Sees everything and changes nothing"),
        Listed(&[MspView, ClientView, DeviceView, UsersView, RolesView]),
    ),
    row(11, Partner, ("Partner Administrator", "Everything"), Everything),
    row(
        12,
        Partner,
        ("Var Administrator", "Runs clients and their people"),
        Listed(&[
            ClientView,
            ClientCreate,
            ClientManage,
            ClientEdit,
            DeviceView,
            DeviceManage,
            UsersView,
            UsersManage,
            RolesView,
            RolesManage,
        ]),
    ),
    row(13, Partner, ("VAR User", "Sees clients and their devices"), Listed(&[ClientView, DeviceView])),
    row(
        14,
        Partner,
        ("Auditor Manage", "Sees everything and edits clients"),
        Listed(&[ClientView, ClientEdit, DeviceView, UsersView, RolesView]),
    ),
    row(
        15,
        Partner,
        ("Auditor View", "Sees everything and changes nothing"),
        Listed(&[ClientView, DeviceView, UsersView, RolesView]),
    ),
    row(16, Partner, ("Technician", "Works on devices"), Listed(&[ClientView, DeviceView, DeviceManage])),
    row(17, Partner, ("Dispatcher", "Sees clients, devices and people"), Listed(&[ClientView, DeviceView, UsersView])),
    row(31, Client, ("Client Administrator", "Everything"), Everything),
    row(32, Client, ("Client User", "Works on devices"), Listed(&[DeviceView, DeviceManage])),
    row(33, Client, ("Customer", "Sees devices and people"), Listed(&[DeviceView, UsersView])),
    row(34, Client, ("End User View", "Sees devices"), Listed(&[DeviceView])),
    row(35, Client, ("Full Client Permissions", "Everything"), Everything),
];

/// The sets that only a package provides, with the names of the documentation. Those of partners are numbered from 101,
/// those of clients from 201. The activities that they name happen outside this platform, so here they give the access
/// to devices that these need.
const OF_PACKAGES: [(&str, &str, &[Permission]); 13] = [
    ("OpsQ", "Sees the devices whose alerts are learned from", &[DeviceView]),
    ("Incident", "Sees the devices of incidents", &[DeviceView]),
    ("Change Request", "Sees the devices of change requests", &[DeviceView]),
    ("Task Request", "Sees the devices of task requests", &[DeviceView]),
    ("Service Request", "Sees the devices of service requests", &[DeviceView]),
    ("Problem", "Sees the devices of problems", &[DeviceView]),
    ("Time-bound request", "Sees the devices of time-bound requests", &[DeviceView]),
    ("Jobs", "Works on devices by jobs", &[DeviceView, DeviceManage]),
    ("Consoles", "Works on devices by consoles", &[DeviceView, DeviceManage]),
    ("Patch Approvals", "Works on devices by patches", &[DeviceView, DeviceManage]),
    ("Recording Audits", "Sees the devices of recorded sessions", &[DeviceView]),
    ("Scripts", "Works on devices by scripts", &[DeviceView, DeviceManage]),
    ("Commands", "Works on devices by commands", &[DeviceView, DeviceManage]),
];

/// Returns every permission set, including those of packages.
pub(crate) fn all_sets() -> impl Iterator<Item = BuiltInGrant> {
    let of_packages = [(Partner, 101), (Client, 201)].into_iter().flat_map(|(scope, first)| {
        let numbered = (first..).zip(OF_PACKAGES);
        numbered.map(move |(id, (name, description, gives))| row(id, scope, (name, description), Listed(gives)))
    });
    SETS.iter().copied().chain(of_packages)
}

/// Returns the numbers of the sets that a tenant lacks because a package is missing.
pub(crate) fn withheld_sets(subscription: &Subscription) -> Vec<i64> {
    let names = subscription.withheld_permission_sets();
    all_sets().filter(|set| set.id > 100 && names.contains(&set.name)).map(|set| set.id).collect()
}

/// Returns the default administrator role of a level.
pub(crate) const fn administrator_role(scope: RoleScope) -> i64 {
    match scope {
        Provider => 1,
        Partner => 11,
        Client => 31,
    }
}

/// The roles. Those of clients are the ones that the public documentation names.
pub(crate) const ROLES: &[BuiltInGrant] = &[
    row(1, Provider, ("Service Provider Administrator", "Everything, on every tenant"), Sets(&[1])),
    row(11, Partner, ("Partner Administrator", "Everything, on all clients"), Sets(&[11])),
    row(31, Client, ("Client Administrator", "Everything"), Sets(&[31])),
    row(32, Client, ("Client user", "Works on devices"), Sets(&[32])),
    row(33, Client, ("Client Dashboard Default Share Role", "Sees what is shared"), Sets(&[34])),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tenantry_catalog::Package;

    use super::*;

    #[test]
    fn numbers_are_single_and_roles_refer_to_sets_of_their_scope() {
        let numbers: BTreeSet<i64> = all_sets().map(|set| set.id).collect();
        assert_eq!(numbers.len(), all_sets().count());
        assert!(numbers.iter().all(|number| *number < 1000), "the counter starts above");
        for role in ROLES {
            for number in role.sets() {
                let set = all_sets().find(|set| set.id == *number).unwrap();
                assert_eq!(set.scope, role.scope, "{}", role.name);
            }
        }
        for scope in RoleScope::ALL {
            let role = ROLES.iter().find(|role| role.id == administrator_role(scope)).unwrap();
            assert_eq!(role.scope, scope);
        }
    }

    #[test]
    fn a_default_set_holds_only_what_its_scope_can_have() {
        for set in all_sets() {
            assert!(set.permissions().difference(Permissions::all_of_scope(set.scope)).is_empty(), "{}", set.name);
        }
    }

    #[test]
    fn the_sets_of_packages_are_those_that_the_documentation_names() {
        let named: BTreeSet<&str> =
            Package::ALL.iter().flat_map(|package| package.unavailable_without().permission_sets).copied().collect();
        for scope in [Partner, Client] {
            let own: BTreeSet<&str> =
                all_sets().filter(|set| set.id > 100 && set.scope == scope).map(|set| set.name).collect();
            assert_eq!(own, named);
        }
        assert!(all_sets().filter(|set| set.id > 100).all(|set| set.scope != Provider));
    }
}
