//! The route table: every route that requires a token, and the permissions that a person needs. The router is built
//! from it, so a route without a row does not exist.

use super::Permission::{
    self, Administration, ClientCreate, ClientEdit, ClientManage, ClientView, DeviceView, MspManage, MspView,
    PartnersManage, RolesManage, RolesView, UsersManage, UsersView,
};
use super::{CallerRelation, PermissionRule, RouteOperation};

/// Method of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET and HEAD.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl HttpMethod {
    /// Returns the name of the method.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a route requires, by the relation of the person to the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRequirements {
    own: PermissionRule,
    own_client: PermissionRule,
    provider: PermissionRule,
    parent_of_client: PermissionRule,
}

impl RouteRequirements {
    /// Returns the rule for a relation.
    pub const fn rule_for(&self, relation: CallerRelation) -> PermissionRule {
        match relation {
            CallerRelation::Own => self.own,
            CallerRelation::OwnClient => self.own_client,
            CallerRelation::Provider => self.provider,
            CallerRelation::ParentOfClient => self.parent_of_client,
        }
    }
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiRoute {
    /// Its operation.
    pub operation: RouteOperation,
    /// Its method.
    pub method: HttpMethod,
    /// Its path.
    pub path: &'static str,
    /// Whether the public API documents it; the others are absent under `--documented-only`.
    pub is_documented: bool,
    /// The permissions that a person needs.
    pub requirements: RouteRequirements,
}

type PermissionGroups = &'static [&'static [Permission]];

const VIEW_PARTNERS: PermissionGroups = &[&[MspView]];
const MANAGE_PARTNERS: PermissionGroups = &[&[MspManage]];
const END_PARTNERS: PermissionGroups = &[&[PartnersManage]];
const VIEW_CLIENTS: PermissionGroups = &[&[ClientView]];
const CREATE_CLIENTS: PermissionGroups = &[&[ClientCreate]];
/// Clients, Manage suffices to edit a client. Clients, Edit also needs access to the client's devices.
const EDIT_CLIENTS: PermissionGroups = &[&[ClientManage, ClientEdit], &[ClientManage, DeviceView]];
const MANAGE_CLIENTS: PermissionGroups = &[&[ClientManage]];
const BRAND_CLIENTS: PermissionGroups = &[&[ClientManage, ClientView], &[ClientManage, ClientEdit]];
const ADMINISTER: PermissionGroups = &[&[Administration]];
const VIEW_USERS: PermissionGroups = &[&[UsersView]];
const MANAGE_USERS: PermissionGroups = &[&[UsersManage]];
const VIEW_ROLES: PermissionGroups = &[&[RolesView]];
const MANAGE_ROLES: PermissionGroups = &[&[RolesManage]];

/// Requires the same rule for every relation.
const fn same_rule(rule: PermissionRule) -> RouteRequirements {
    RouteRequirements { own: rule, own_client: rule, provider: rule, parent_of_client: rule }
}

const fn each_group(groups: PermissionGroups) -> RouteRequirements {
    same_rule(PermissionRule::Each(groups))
}

/// Rules for people and roles. In a client's own hands they also need the permission to administer it.
const fn people_rules(groups: PermissionGroups, in_client: PermissionGroups) -> RouteRequirements {
    RouteRequirements { own_client: PermissionRule::Each(in_client), ..each_group(groups) }
}

const fn rules_by_relation(
    own: PermissionRule,
    own_client: PermissionRule,
    above_partner: PermissionRule,
    above_client: PermissionRule,
) -> RouteRequirements {
    RouteRequirements { own, own_client, provider: above_partner, parent_of_client: above_client }
}

const fn documented_route(
    call: RouteOperation,
    verb: HttpMethod,
    path: &'static str,
    needs: RouteRequirements,
) -> ApiRoute {
    ApiRoute { operation: call, method: verb, path, is_documented: true, requirements: needs }
}

const fn extension_route(
    call: RouteOperation,
    verb: HttpMethod,
    path: &'static str,
    needs: RouteRequirements,
) -> ApiRoute {
    ApiRoute { operation: call, method: verb, path, is_documented: false, requirements: needs }
}

const ADMINISTER_USERS_VIEW: PermissionGroups = &[&[Administration], &[UsersView]];
const ADMINISTER_USERS_MANAGE: PermissionGroups = &[&[Administration], &[UsersManage]];

const ADMINISTER_ROLES_VIEW: PermissionGroups = &[&[Administration], &[RolesView]];
const ADMINISTER_ROLES_MANAGE: PermissionGroups = &[&[Administration], &[RolesManage]];

const SEE_USERS: RouteRequirements = people_rules(VIEW_USERS, ADMINISTER_USERS_VIEW);
const RUN_USERS: RouteRequirements = people_rules(MANAGE_USERS, ADMINISTER_USERS_MANAGE);
const SEE_ROLES: RouteRequirements = people_rules(VIEW_ROLES, ADMINISTER_ROLES_VIEW);
const RUN_ROLES: RouteRequirements = people_rules(MANAGE_ROLES, ADMINISTER_ROLES_MANAGE);

/// Who reads a partner or client by its id: its administrators, or people above it who may view it. All people of a
/// client can read their own client.
const ITSELF: RouteRequirements = rules_by_relation(
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Anybody,
    PermissionRule::Each(VIEW_PARTNERS),
    PermissionRule::Each(VIEW_CLIENTS),
);
/// Who changes a partner's account by its id: its administrators with access to all clients, since policies apply to
/// all of them, or people above it who may manage it.
const SET_ITSELF: RouteRequirements = rules_by_relation(
    PermissionRule::AllClients(ADMINISTER),
    PermissionRule::AllClients(ADMINISTER),
    PermissionRule::Each(MANAGE_PARTNERS),
    PermissionRule::Each(MANAGE_CLIENTS),
);
const SEE_BRANDING: RouteRequirements = rules_by_relation(
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(VIEW_CLIENTS),
);
const SET_BRANDING: RouteRequirements = rules_by_relation(
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(BRAND_CLIENTS),
);

/// Who reads a tenant's data: its administrators, or people above it who may view it. Changing data or sending it
/// elsewhere requires the permission to manage the tenant.
const SEE_DATA: RouteRequirements = rules_by_relation(
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(VIEW_PARTNERS),
    PermissionRule::Each(VIEW_CLIENTS),
);
const SET_DATA: RouteRequirements = rules_by_relation(
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(MANAGE_PARTNERS),
    PermissionRule::Each(MANAGE_CLIENTS),
);

/// Who reads a tenant's audit log: its administrators. People above it need Administration and the permission to view
/// the tenant, because the log contains data about people and their addresses.
const SEE_LOG: RouteRequirements = rules_by_relation(
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(ADMINISTER),
    PermissionRule::Each(&[&[Administration], &[MspView]]),
    PermissionRule::Each(&[&[Administration], &[ClientView]]),
);

macro_rules! clients {
    ($rest:literal) => {
        concat!("/api/v2/tenants/{tenant}/clients", $rest)
    };
}
macro_rules! msps {
    ($rest:literal) => {
        concat!("/api/v2/tenants/{tenant}/msps", $rest)
    };
}
macro_rules! records {
    ($rest:literal) => {
        concat!("/api/v2/tenants/{tenant}/records/{category}", $rest)
    };
}
macro_rules! credentials {
    ($rest:literal) => {
        concat!("/api/v2/tenants/{tenant}/credentials", $rest)
    };
}
macro_rules! exports {
    ($rest:literal) => {
        concat!("/api/v2/tenants/{tenant}/exports", $rest)
    };
}
macro_rules! users {
    ($rest:literal) => {
        concat!("/api/v2/tenants/{tenant}/users", $rest)
    };
}
macro_rules! roles {
    ($rest:literal) => {
        concat!("/api/v2/tenants/{tenant}/roles", $rest)
    };
}
macro_rules! sets {
    ($rest:literal) => {
        concat!("/api/v2/tenants/{tenant}/permissionSets", $rest)
    };
}

use HttpMethod::{Delete, Get, Post, Put};
use RouteOperation as C;

/// Every route that requires a token.
pub const ROUTES: &[ApiRoute] = &[
    documented_route(C::CreateTenant, Post, clients!(""), same_rule(PermissionRule::AllClients(CREATE_CLIENTS))),
    documented_route(C::MinimalTenants, Get, clients!("/minimal"), each_group(VIEW_CLIENTS)),
    documented_route(C::SearchTenants, Get, clients!("/search"), each_group(VIEW_CLIENTS)),
    documented_route(C::ReadTenant, Get, clients!("/{client}"), each_group(VIEW_CLIENTS)),
    documented_route(C::UpdateTenant, Post, clients!("/{client}"), each_group(EDIT_CLIENTS)),
    documented_route(C::ActivateTenant, Post, clients!("/{client}/activate"), each_group(MANAGE_CLIENTS)),
    documented_route(C::SuspendTenant, Post, clients!("/{client}/suspend"), each_group(MANAGE_CLIENTS)),
    documented_route(C::TerminateTenant, Post, clients!("/{client}/terminate"), each_group(MANAGE_CLIENTS)),
    extension_route(C::CreateTenant, Post, msps!(""), each_group(MANAGE_PARTNERS)),
    extension_route(C::MinimalTenants, Get, msps!("/minimal"), each_group(VIEW_PARTNERS)),
    extension_route(C::SearchTenants, Get, msps!("/search"), each_group(VIEW_PARTNERS)),
    extension_route(C::ReadTenant, Get, msps!("/{msp}"), each_group(VIEW_PARTNERS)),
    extension_route(C::UpdateTenant, Post, msps!("/{msp}"), each_group(MANAGE_PARTNERS)),
    extension_route(C::ActivateTenant, Post, msps!("/{msp}/activate"), each_group(MANAGE_PARTNERS)),
    extension_route(C::SuspendTenant, Post, msps!("/{msp}/suspend"), each_group(MANAGE_PARTNERS)),
    extension_route(C::TerminateTenant, Post, msps!("/{msp}/terminate"), each_group(END_PARTNERS)),
    documented_route(C::ReadOwnTenant, Get, "/api/v2/tenants/{tenant}", ITSELF),
    documented_route(C::ReadOwnTenant, Get, "/api/v2/tenants/{tenant}/", ITSELF),
    documented_route(C::ReadOwnTenant, Get, "/api/v2/tenants/client/{tenant}", ITSELF),
    extension_route(C::UpdateOwnTenant, Post, "/api/v2/tenants/{tenant}", SET_ITSELF),
    documented_route(C::ReadBranding, Get, "/api/v2/tenants/{tenant}/customBranding", SEE_BRANDING),
    documented_route(C::WriteBranding, Put, "/api/v2/tenants/{tenant}/customBranding", SET_BRANDING),
    documented_route(C::Countries, Get, "/api/v2/cfg/countries", same_rule(PermissionRule::Anybody)),
    documented_route(C::Timezones, Get, "/api/v2/cfg/timezones", same_rule(PermissionRule::Anybody)),
    documented_route(C::Channels, Get, "/api/v2/cfg/tenants/channels", same_rule(PermissionRule::Anybody)),
    documented_route(C::Nocs, Get, "/api/v2/cfg/tenants/nocs", same_rule(PermissionRule::Anybody)),
    extension_route(C::Impact, Get, "/api/v2/tenants/{tenant}/impact", ITSELF),
    // Such a credential can do everything under its tenant. So only a person with every permission may create, rotate
    // or revoke one.
    extension_route(C::CreateCredential, Post, credentials!(""), same_rule(PermissionRule::AllPermissions)),
    extension_route(C::ListCredentials, Get, credentials!(""), same_rule(PermissionRule::AllPermissions)),
    extension_route(
        C::RotateCredential,
        Post,
        credentials!("/{credential}/rotate"),
        same_rule(PermissionRule::AllPermissions),
    ),
    extension_route(
        C::RevokeCredential,
        Delete,
        credentials!("/{credential}"),
        same_rule(PermissionRule::AllPermissions),
    ),
    extension_route(C::SearchAudit, Get, "/api/v2/tenants/{tenant}/audit", SEE_LOG),
    extension_route(C::ReadSubscription, Get, "/api/v2/tenants/{tenant}/subscription", ITSELF),
    extension_route(C::CreateRecord, Post, records!(""), SET_DATA),
    extension_route(C::ListRecords, Get, records!(""), SEE_DATA),
    extension_route(C::ReadRecord, Get, records!("/{record}"), SEE_DATA),
    extension_route(C::UpdateRecord, Post, records!("/{record}"), SET_DATA),
    extension_route(C::ExportBatch, Post, exports!("/batch"), SET_DATA),
    extension_route(C::ListSchedules, Get, exports!("/batch"), SEE_DATA),
    extension_route(C::DeleteSchedule, Delete, exports!("/batch/{export}"), SET_DATA),
    extension_route(C::CreateStream, Post, exports!("/stream"), SET_DATA),
    extension_route(C::ListStreams, Get, exports!("/stream"), SEE_DATA),
    extension_route(C::DeleteStream, Delete, exports!("/stream/{stream}"), SET_DATA),
    documented_route(C::CreateUser, Post, users!(""), RUN_USERS),
    documented_route(C::MinimalUsers, Get, users!("/minimal"), SEE_USERS),
    documented_route(C::SearchUsers, Get, users!("/search"), SEE_USERS),
    documented_route(C::SearchLogins, Get, users!("/loginHistory/search"), SEE_USERS),
    documented_route(C::ReadUser, Get, users!("/{user}"), SEE_USERS),
    documented_route(C::UpdateUser, Post, users!("/{user}"), RUN_USERS),
    documented_route(C::ActivateUser, Post, users!("/{user}/ACTIVATE"), RUN_USERS),
    documented_route(C::DeactivateUser, Post, users!("/{user}/DEACTIVATE"), RUN_USERS),
    documented_route(C::TerminateUser, Post, users!("/{user}/TERMINATE"), RUN_USERS),
    extension_route(C::ResetFactor, Post, users!("/{user}/RESETFACTOR"), RUN_USERS),
    // The handler requires the current password, which identifies the person.
    documented_route(C::ChangePassword, Post, users!("/{user}/changePassword"), same_rule(PermissionRule::Anybody)),
    documented_route(C::CreateRole, Post, roles!(""), RUN_ROLES),
    documented_route(C::SearchRoles, Get, roles!("/search"), SEE_ROLES),
    documented_route(C::ReadRole, Get, roles!("/{role}"), SEE_ROLES),
    documented_route(C::UpdateRole, Post, roles!("/{role}"), RUN_ROLES),
    documented_route(C::DeleteRole, Delete, roles!("/{role}"), RUN_ROLES),
    documented_route(C::ListPermissionSets, Get, sets!(""), SEE_ROLES),
    extension_route(C::CreatePermissionSet, Post, sets!(""), RUN_ROLES),
    extension_route(C::ReadPermissionSet, Get, sets!("/{set}"), SEE_ROLES),
    extension_route(C::UpdatePermissionSet, Put, sets!("/{set}"), RUN_ROLES),
    extension_route(C::DeletePermissionSet, Delete, sets!("/{set}"), RUN_ROLES),
];

/// Returns the row of a request.
pub(crate) fn find_route(method: &str, path: &str) -> Option<&'static ApiRoute> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().find(|row| row.method.name() == method && row.path == path)
}
