//! Tests of users: their passwords, their logins and their permissions.

mod audit_rows;
mod defaults;
mod docs_page;
mod external;
mod first_admin;
mod names;
mod permission_table;
pub(super) mod permissions;
mod roles;
mod sessions;
mod tenant_isolation;
mod users;

use serde_json::{Value, json};

use super::{ApiCaller, TestPlatform};

/// A password that every policy accepts.
pub(crate) const PASSWORD: &str = "First-Passw0rd!";
/// The password that a user chooses after the first login.
pub(crate) const CHOSEN_PASSWORD: &str = "Second-Passw0rd!";

/// Returns the body of a user with some roles.
pub(crate) fn user_body(login_name: &str, roles: &[&str]) -> Value {
    let roles: Vec<Value> = roles.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "loginName": login_name, "password": PASSWORD, "firstName": "Given", "lastName": "Family",
        "email": format!("{login_name}@example.org"), "roles": roles,
    })
}

impl TestPlatform {
    /// Creates a user of a tenant. Returns its id.
    pub(crate) async fn create_user(&self, tenant: &str, login_name: &str, roles: &[&str]) -> String {
        let made = self.sp.post(&format!("/tenants/{tenant}/users"), user_body(login_name, roles)).await.json();
        made["id"].as_str().unwrap().to_owned()
    }

    /// Creates a user of a tenant who has chosen a password and is logged in. Returns the id and a caller.
    pub(crate) async fn create_logged_in_user(
        &self,
        tenant: &str,
        login_name: &str,
        roles: &[&str],
    ) -> (ApiCaller, String) {
        let id = self.create_user(tenant, login_name, roles).await;
        let first = self.sp.log_in_person(login_name, PASSWORD).await;
        change_password(&first, (tenant, &id), (PASSWORD, CHOSEN_PASSWORD)).await.json();
        (self.sp.log_in_person(login_name, CHOSEN_PASSWORD).await, id)
    }
}

/// Changes a password.
pub(crate) async fn change_password(
    caller: &ApiCaller,
    (tenant, id): (&str, &str),
    (from, to): (&str, &str),
) -> super::ApiResponse {
    let body = json!({ "currentPassword": from, "newPassword": to, "confirmPassword": to });
    caller.post(&format!("/tenants/{tenant}/users/{id}/changePassword"), body).await
}
