//! People of a tenant: users, their roles and permission sets, and how they prove who they are.

pub(super) mod actions;
mod bounds;
pub(super) mod defaults;
pub(super) mod factor;
pub(super) mod lists;
pub(super) mod login;
pub(super) mod password;
pub(super) mod profile;
pub(super) mod roles;
pub(super) mod sets;
pub(super) mod users;
