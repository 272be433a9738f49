//! The table: every route that a token is needed for, and what a person needs there. The router is built from it, so a
//! route without a row does not exist.

use super::Permission::{
    self, Administration, ClientCreate, ClientEdit, ClientManage, ClientView, DeviceView, MspManage, MspView,
    PartnersManage, RolesManage, RolesView, UsersManage, UsersView,
};
use super::{Position, Rule};

/// Method of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET, and HEAD with it.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl Verb {
    /// The method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What is done by a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the handlers, and the table says the rest")]
pub enum Call {
    CreateTenant,
    MinimalTenants,
    SearchTenants,
    ReadTenant,
    UpdateTenant,
    ActivateTenant,
    SuspendTenant,
    TerminateTenant,
    ReadItself,
    UpdateItself,
    ReadBranding,
    WriteBranding,
    Countries,
    Timezones,
    Channels,
    Nocs,
    Impact,
    CreateCredential,
    SearchAudit,
    ListCredentials,
    RotateCredential,
    RevokeCredential,
    ReadSubscription,
    CreateRecord,
    ListRecords,
    ReadRecord,
    UpdateRecord,
    ExportBatch,
    ListSchedules,
    DeleteSchedule,
    CreateStream,
    ListStreams,
    DeleteStream,
    CreateUser,
    MinimalUsers,
    SearchUsers,
    SearchLogins,
    ReadUser,
    UpdateUser,
    ActivateUser,
    DeactivateUser,
    TerminateUser,
    ResetFactor,
    ChangePassword,
    CreateRole,
    SearchRoles,
    ReadRole,
    UpdateRole,
    DeleteRole,
    ListSets,
    CreateSet,
    ReadSet,
    UpdateSet,
    DeleteSet,
}

/// When a person is asked to prove again who she is. An API credential never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Never.
    Never,
    /// Where the tenant that is edited asks its people for a second factor.
    OfTenant,
    /// Where the request gives lasting power: administration, a password, a login without its second factor.
    GivingPower,
    /// Each time.
    Always,
}

impl Call {
    /// When it asks for a fresh proof.
    pub const fn asks_again(self) -> Again {
        match self {
            Self::UpdateTenant
            | Self::UpdateItself
            | Self::WriteBranding
            | Self::ActivateTenant
            | Self::SuspendTenant
            | Self::TerminateTenant => Again::OfTenant,
            Self::CreateCredential | Self::RotateCredential | Self::RevokeCredential | Self::ResetFactor => {
                Again::Always
            }
            Self::CreateUser
            | Self::UpdateUser
            | Self::ActivateUser
            | Self::ChangePassword
            | Self::CreateRole
            | Self::UpdateRole
            | Self::CreateSet
            | Self::UpdateSet => Again::GivingPower,
            Self::CreateTenant
            | Self::MinimalTenants
            | Self::SearchTenants
            | Self::ReadTenant
            | Self::ReadItself
            | Self::ReadBranding
            | Self::Countries
            | Self::Timezones
            | Self::Channels
            | Self::Nocs
            | Self::Impact
            | Self::SearchAudit
            | Self::ListCredentials
            | Self::ReadSubscription
            | Self::CreateRecord
            | Self::ListRecords
            | Self::ReadRecord
            | Self::UpdateRecord
            | Self::ExportBatch
            | Self::ListSchedules
            | Self::DeleteSchedule
            | Self::CreateStream
            | Self::ListStreams
            | Self::DeleteStream
            | Self::MinimalUsers
            | Self::SearchUsers
            | Self::SearchLogins
            | Self::ReadUser
            | Self::DeactivateUser
            | Self::TerminateUser
            | Self::SearchRoles
            | Self::ReadRole
            | Self::DeleteRole
            | Self::ListSets
            | Self::ReadSet
            | Self::DeleteSet => Again::Never,
        }
    }
}

/// What a route needs, by where the person stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    own: Rule,
    own_client: Rule,
    above_partner: Rule,
    above_client: Rule,
}

impl Needs {
    /// The rule of a position.
    pub const fn at(&self, position: Position) -> Rule {
        match position {
            Position::Own => self.own,
            Position::OwnClient => self.own_client,
            Position::AbovePartner => self.above_partner,
            Position::AboveClient => self.above_client,
        }
    }
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it does.
    pub call: Call,
    /// Its method.
    pub verb: Verb,
    /// Its path.
    pub path: &'static str,
    /// Whether the public API documents it; the others are absent under `--documented-only`.
    pub documented: bool,
    /// What a person needs.
    pub needs: Needs,
}

type Groups = &'static [&'static [Permission]];

const VIEW_PARTNERS: Groups = &[&[MspView]];
const MANAGE_PARTNERS: Groups = &[&[MspManage]];
const END_PARTNERS: Groups = &[&[PartnersManage]];
const VIEW_CLIENTS: Groups = &[&[ClientView]];
const CREATE_CLIENTS: Groups = &[&[ClientCreate]];
/// Clients, Manage edits a client by itself; Clients, Edit does along with the sight of its devices.
const EDIT_CLIENTS: Groups = &[&[ClientManage, ClientEdit], &[ClientManage, DeviceView]];
const MANAGE_CLIENTS: Groups = &[&[ClientManage]];
const BRAND_CLIENTS: Groups = &[&[ClientManage, ClientView], &[ClientManage, ClientEdit]];
const ADMINISTER: Groups = &[&[Administration]];
const VIEW_USERS: Groups = &[&[UsersView]];
const MANAGE_USERS: Groups = &[&[UsersManage]];
const VIEW_ROLES: Groups = &[&[RolesView]];
const MANAGE_ROLES: Groups = &[&[RolesManage]];

/// The same everywhere.
const fn all(rule: Rule) -> Needs {
    Needs { own: rule, own_client: rule, above_partner: rule, above_client: rule }
}

const fn each(groups: Groups) -> Needs {
    all(Rule::Each(groups))
}

/// On people and roles: in a client's own hands only of those who administer it.
const fn people(groups: Groups, in_client: Groups) -> Needs {
    Needs { own_client: Rule::Each(in_client), ..each(groups) }
}

const fn needs(own: Rule, own_client: Rule, above_partner: Rule, above_client: Rule) -> Needs {
    Needs { own, own_client, above_partner, above_client }
}

const fn documented(call: Call, verb: Verb, path: &'static str, needs: Needs) -> Row {
    Row { call, verb, path, documented: true, needs }
}

const fn ours(call: Call, verb: Verb, path: &'static str, needs: Needs) -> Row {
    Row { call, verb, path, documented: false, needs }
}

const ADMINISTER_USERS_VIEW: Groups = &[&[Administration], &[UsersView]];
const ADMINISTER_USERS_MANAGE: Groups = &[&[Administration], &[UsersManage]];

const ADMINISTER_ROLES_VIEW: Groups = &[&[Administration], &[RolesView]];
const ADMINISTER_ROLES_MANAGE: Groups = &[&[Administration], &[RolesManage]];

const SEE_USERS: Needs = people(VIEW_USERS, ADMINISTER_USERS_VIEW);
const RUN_USERS: Needs = people(MANAGE_USERS, ADMINISTER_USERS_MANAGE);
const SEE_ROLES: Needs = people(VIEW_ROLES, ADMINISTER_ROLES_VIEW);
const RUN_ROLES: Needs = people(MANAGE_ROLES, ADMINISTER_ROLES_MANAGE);

/// Who reads a partner or client by its own id: its administrators or whoever may view it from above. A client's people
/// all see their own client.
const ITSELF: Needs = needs(Rule::Each(ADMINISTER), Rule::Anybody, Rule::Each(VIEW_PARTNERS), Rule::Each(VIEW_CLIENTS));
/// Who changes a partner's account by its own id: its administrators of all clients, since policies hold for all of them, or who
/// may manage it from above.
const SET_ITSELF: Needs = needs(
    Rule::AllClients(ADMINISTER),
    Rule::AllClients(ADMINISTER),
    Rule::Each(MANAGE_PARTNERS),
    Rule::Each(MANAGE_CLIENTS),
);
const SEE_BRANDING: Needs =
    needs(Rule::Each(ADMINISTER), Rule::Each(ADMINISTER), Rule::Each(ADMINISTER), Rule::Each(VIEW_CLIENTS));
const SET_BRANDING: Needs =
    needs(Rule::Each(ADMINISTER), Rule::Each(ADMINISTER), Rule::Each(ADMINISTER), Rule::Each(BRAND_CLIENTS));

/// Who sees a tenant's data: whoever administers it or may view it from above. Who changes it or sends it elsewhere must be
/// allowed to manage it.
const SEE_DATA: Needs =
    needs(Rule::Each(ADMINISTER), Rule::Each(ADMINISTER), Rule::Each(VIEW_PARTNERS), Rule::Each(VIEW_CLIENTS));
const SET_DATA: Needs =
    needs(Rule::Each(ADMINISTER), Rule::Each(ADMINISTER), Rule::Each(MANAGE_PARTNERS), Rule::Each(MANAGE_CLIENTS));

/// Who reads a tenant's audit log: whoever administers the tenant. From above it takes both: it tells of people and of the
/// addresses that they come from.
const SEE_LOG: Needs = needs(
    Rule::Each(ADMINISTER),
    Rule::Each(ADMINISTER),
    Rule::Each(&[&[Administration], &[MspView]]),
    Rule::Each(&[&[Administration], &[ClientView]]),
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

use Call as C;
use Verb::{Delete, Get, Post, Put};

/// Every route that needs a token.
pub const TABLE: &[Row] = &[
    documented(C::CreateTenant, Post, clients!(""), all(Rule::AllClients(CREATE_CLIENTS))),
    documented(C::MinimalTenants, Get, clients!("/minimal"), each(VIEW_CLIENTS)),
    documented(C::SearchTenants, Get, clients!("/search"), each(VIEW_CLIENTS)),
    documented(C::ReadTenant, Get, clients!("/{client}"), each(VIEW_CLIENTS)),
    documented(C::UpdateTenant, Post, clients!("/{client}"), each(EDIT_CLIENTS)),
    documented(C::ActivateTenant, Post, clients!("/{client}/activate"), each(MANAGE_CLIENTS)),
    documented(C::SuspendTenant, Post, clients!("/{client}/suspend"), each(MANAGE_CLIENTS)),
    documented(C::TerminateTenant, Post, clients!("/{client}/terminate"), each(MANAGE_CLIENTS)),
    ours(C::CreateTenant, Post, msps!(""), each(MANAGE_PARTNERS)),
    ours(C::MinimalTenants, Get, msps!("/minimal"), each(VIEW_PARTNERS)),
    ours(C::SearchTenants, Get, msps!("/search"), each(VIEW_PARTNERS)),
    ours(C::ReadTenant, Get, msps!("/{msp}"), each(VIEW_PARTNERS)),
    ours(C::UpdateTenant, Post, msps!("/{msp}"), each(MANAGE_PARTNERS)),
    ours(C::ActivateTenant, Post, msps!("/{msp}/activate"), each(MANAGE_PARTNERS)),
    ours(C::SuspendTenant, Post, msps!("/{msp}/suspend"), each(MANAGE_PARTNERS)),
    ours(C::TerminateTenant, Post, msps!("/{msp}/terminate"), each(END_PARTNERS)),
    documented(C::ReadItself, Get, "/api/v2/tenants/{tenant}", ITSELF),
    documented(C::ReadItself, Get, "/api/v2/tenants/{tenant}/", ITSELF),
    documented(C::ReadItself, Get, "/api/v2/tenants/client/{tenant}", ITSELF),
    ours(C::UpdateItself, Post, "/api/v2/tenants/{tenant}", SET_ITSELF),
    documented(C::ReadBranding, Get, "/api/v2/tenants/{tenant}/customBranding", SEE_BRANDING),
    documented(C::WriteBranding, Put, "/api/v2/tenants/{tenant}/customBranding", SET_BRANDING),
    documented(C::Countries, Get, "/api/v2/cfg/countries", all(Rule::Anybody)),
    documented(C::Timezones, Get, "/api/v2/cfg/timezones", all(Rule::Anybody)),
    documented(C::Channels, Get, "/api/v2/cfg/tenants/channels", all(Rule::Anybody)),
    documented(C::Nocs, Get, "/api/v2/cfg/tenants/nocs", all(Rule::Anybody)),
    ours(C::Impact, Get, "/api/v2/tenants/{tenant}/impact", ITSELF),
    // Such a credential may do everything under its tenant, so nobody makes, renews or ends one who may not.
    ours(C::CreateCredential, Post, credentials!(""), all(Rule::Everything)),
    ours(C::ListCredentials, Get, credentials!(""), all(Rule::Everything)),
    ours(C::RotateCredential, Post, credentials!("/{credential}/rotate"), all(Rule::Everything)),
    ours(C::RevokeCredential, Delete, credentials!("/{credential}"), all(Rule::Everything)),
    ours(C::SearchAudit, Get, "/api/v2/tenants/{tenant}/audit", SEE_LOG),
    ours(C::ReadSubscription, Get, "/api/v2/tenants/{tenant}/subscription", ITSELF),
    ours(C::CreateRecord, Post, records!(""), SET_DATA),
    ours(C::ListRecords, Get, records!(""), SEE_DATA),
    ours(C::ReadRecord, Get, records!("/{record}"), SEE_DATA),
    ours(C::UpdateRecord, Post, records!("/{record}"), SET_DATA),
    ours(C::ExportBatch, Post, exports!("/batch"), SET_DATA),
    ours(C::ListSchedules, Get, exports!("/batch"), SEE_DATA),
    ours(C::DeleteSchedule, Delete, exports!("/batch/{export}"), SET_DATA),
    ours(C::CreateStream, Post, exports!("/stream"), SET_DATA),
    ours(C::ListStreams, Get, exports!("/stream"), SEE_DATA),
    ours(C::DeleteStream, Delete, exports!("/stream/{stream}"), SET_DATA),
    documented(C::CreateUser, Post, users!(""), RUN_USERS),
    documented(C::MinimalUsers, Get, users!("/minimal"), SEE_USERS),
    documented(C::SearchUsers, Get, users!("/search"), SEE_USERS),
    documented(C::SearchLogins, Get, users!("/loginHistory/search"), SEE_USERS),
    documented(C::ReadUser, Get, users!("/{user}"), SEE_USERS),
    documented(C::UpdateUser, Post, users!("/{user}"), RUN_USERS),
    documented(C::ActivateUser, Post, users!("/{user}/ACTIVATE"), RUN_USERS),
    documented(C::DeactivateUser, Post, users!("/{user}/DEACTIVATE"), RUN_USERS),
    documented(C::TerminateUser, Post, users!("/{user}/TERMINATE"), RUN_USERS),
    ours(C::ResetFactor, Post, users!("/{user}/RESETFACTOR"), RUN_USERS),
    // The handler asks for the password of today, and so for the person.
    documented(C::ChangePassword, Post, users!("/{user}/changePassword"), all(Rule::Anybody)),
    documented(C::CreateRole, Post, roles!(""), RUN_ROLES),
    documented(C::SearchRoles, Get, roles!("/search"), SEE_ROLES),
    documented(C::ReadRole, Get, roles!("/{role}"), SEE_ROLES),
    documented(C::UpdateRole, Post, roles!("/{role}"), RUN_ROLES),
    documented(C::DeleteRole, Delete, roles!("/{role}"), RUN_ROLES),
    documented(C::ListSets, Get, sets!(""), SEE_ROLES),
    ours(C::CreateSet, Post, sets!(""), RUN_ROLES),
    ours(C::ReadSet, Get, sets!("/{set}"), SEE_ROLES),
    ours(C::UpdateSet, Put, sets!("/{set}"), RUN_ROLES),
    ours(C::DeleteSet, Delete, sets!("/{set}"), RUN_ROLES),
];

/// The row of a request.
pub(in crate::platform) fn row(method: &str, path: &str) -> Option<&'static Row> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE.iter().find(|row| row.verb.name() == method && row.path == path)
}
