//! People of a tenant: users, their roles and permission sets, and how they authenticate.

pub(super) mod authentication;
pub(super) mod defaults;
pub(super) mod password_rules;
pub(super) mod permission_sets;
mod privilege_limits;
pub(super) mod profile;
pub(super) mod roles;
pub(super) mod user_actions;
pub(super) mod user_factor;
pub(super) mod user_lists;
pub(super) mod users;
