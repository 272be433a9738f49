//! What people may do: the permissions, and one table of the permission that each route needs.

mod permission_rule;
mod route_operation;
mod route_table;

pub use permission_rule::{CallerRelation, PermissionRule};
pub(super) use permission_rule::{PermissionScope, missing_permission};
pub use route_operation::{ReauthPolicy, RouteOperation};
pub(super) use route_table::find_route;
pub use route_table::{ApiRoute, HttpMethod, ROUTES, RouteRequirements};

/// A level at which a permission can be granted, as roles and permission sets name it in `scope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleScope {
    /// People of the service provider.
    Provider,
    /// People of a partner.
    Partner,
    /// People of a client.
    Client,
}

impl RoleScope {
    /// Every scope, from the top.
    pub const ALL: [Self; 3] = [Self::Provider, Self::Partner, Self::Client];

    /// Returns the word on the wire.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::Provider => "SP",
            Self::Partner => "MSP",
            Self::Client => "CLIENT",
        }
    }

    /// Returns the scope of a word; `None` if the word is unknown.
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.wire_name() == word)
    }
}

macro_rules! permissions {
    ($($variant:ident $name:literal $category:literal $kind:literal $provider:literal $partner:literal $client:literal,)+) => {
        /// A permission.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )+
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name in refusals, logs and documents.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the category on the wire: `name` of a permission set's member.
            pub const fn category(self) -> &'static str {
                match self { $(Self::$variant => $category,)+ }
            }

            /// Returns what it allows there: `type` of a permission set's member, before the category.
            pub const fn kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)+ }
            }

            /// Returns whether people of a level can have it.
            pub const fn is_for(self, scope: RoleScope) -> bool {
                match (self, scope) {
                    $(
                        (Self::$variant, RoleScope::Provider) => $provider,
                        (Self::$variant, RoleScope::Partner) => $partner,
                        (Self::$variant, RoleScope::Client) => $client,
                    )+
                }
            }
        }
    };
}

permissions! {
    MspView "MSP_View" "MSP" "View" true false false,
    MspManage "MSP_Manage" "MSP" "Manage" true false false,
    PartnersManage "Partners_Manage" "Partners" "Manage" true false false,
    ClientView "Client_View" "Clients" "View" true true false,
    ClientCreate "Client_Create" "Clients" "Create" true true false,
    ClientManage "Client_Manage" "Clients" "Manage" true true false,
    ClientEdit "Client_Edit" "Clients" "Edit" true true false,
    Administration "Administration" "Administration" "Manage" true true true,
    UsersView "Users_View" "Users" "View" true true true,
    UsersManage "Users_Manage" "Users" "Manage" true true true,
    RolesView "Roles_View" "Roles" "View" true true true,
    RolesManage "Roles_Manage" "Roles" "Manage" true true true,
    DeviceView "Device_View" "Devices" "View" true true true,
    DeviceManage "Device_Manage" "Devices" "Manage" true true true,
}

impl Permission {
    /// Returns the permission of a permission set's member. The type is accepted with and without its category, and
    /// blanks at its ends are ignored, because real clients send "Manage Alerts ".
    pub(super) fn from_wire(category: &str, kind: &str) -> Option<Self> {
        let (category, kind) = (category.trim(), kind.trim());
        Self::ALL.iter().copied().find(|permission| {
            permission.category().eq_ignore_ascii_case(category)
                && (permission.kind().eq_ignore_ascii_case(kind) || permission.label().eq_ignore_ascii_case(kind))
        })
    }

    /// Returns the `type` as answers write it, for example "Manage Clients".
    pub(super) fn label(self) -> String {
        format!("{} {}", self.kind(), self.category())
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Permissions(u64);

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::name)).finish()
    }
}

impl Permissions {
    /// Returns everything that people of a level can have.
    pub(super) fn all_of_scope(scope: RoleScope) -> Self {
        Permission::ALL.iter().copied().filter(|permission| permission.is_for(scope)).collect()
    }

    /// Returns whether a permission is in the set.
    pub(super) const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Returns the permissions of either set.
    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the permissions that the other set does not have.
    pub(super) const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns whether they let a person decide who gets access and what others may do.
    pub(super) const fn allows_administration(self) -> bool {
        self.has(Permission::Administration) || self.has(Permission::UsersManage) || self.has(Permission::RolesManage)
    }

    /// Returns whether the set is empty.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Iterates over the permissions.
    pub(super) fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }

    /// Returns the names, for people.
    pub(super) fn names(self) -> String {
        self.iter().map(Permission::name).collect::<Vec<_>>().join(", ")
    }

    /// Returns the form that the store keeps.
    pub(super) fn to_stored(self) -> String {
        self.iter().map(Permission::name).collect::<Vec<_>>().join(" ")
    }

    /// Reads the form that the store keeps. A name that is no longer known is ignored.
    pub(super) fn from_stored(text: &str) -> Self {
        let named = |name: &str| Permission::ALL.iter().copied().find(|permission| permission.name() == name);
        text.split(' ').filter_map(named).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_back_from_store_and_wire() {
        for scope in RoleScope::ALL {
            let every = Permissions::all_of_scope(scope);
            assert_eq!(Permissions::from_stored(&every.to_stored()), every);
            assert_eq!(RoleScope::from_wire(scope.wire_name()), Some(scope));
        }
        for permission in Permission::ALL.iter().copied() {
            for kind in [permission.kind().to_owned(), permission.label() + " "] {
                assert_eq!(Permission::from_wire(permission.category(), &kind), Some(permission));
            }
        }
        assert_eq!(Permission::from_wire("Clients", "Sell"), None);
        assert!(Permissions::from_stored("Of_Yesterday").is_empty());
    }
}
