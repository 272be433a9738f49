//! The steps of the demo in which tenants are created and kept in sync.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::demo::Demo;
use super::full_stack::StackConnectionInfo;
use super::process::Result;
use super::tenancy::CreateCounts;
use super::terminal::print_line;
use super::{http, supervisor, tenancy};

/// Runs `kubectl apply -k examples` on an empty platform.
pub fn apply_examples(demo: &mut Demo) -> Result<()> {
    let before = demo.tenancy.list_tenants(&format!("{}/msps", demo.tenancy.provider_id()), true)?;
    demo.assert_same("no Partner on the platform yet", &before.len(), &0)?;
    demo.kubectl(&["apply", "-k", "examples"])?;
    Ok(())
}

/// Shows that all three objects are Ready and the platform has exactly the declared settings.
pub fn check_ready(demo: &mut Demo) -> Result<()> {
    let objects = ["partner/acme", "client/globex", "client/initech"];
    demo.wait_for_condition("--for=condition=Ready", &objects)?;
    for (index, object) in objects.iter().enumerate() {
        demo.print_status(object)?;
        demo.ids[index] = demo.unique_id(object)?;
    }
    let acme = demo.print_tenant(&demo.tenancy.partner_path(&demo.ids[0]))?;
    demo.assert_same("the Partner's name", &acme["name"], "Acme Managed Services")?;
    demo.assert_same("the Partner's add-ons", &sorted_members(&acme["addOns"]), &["Offline Alerts", "SLA Management"])?;
    demo.assert_same("the Partner's second factor", &acme["twoFactorAuthentication"], &true)?;
    let globex = demo.print_tenant(&demo.client_path(&demo.ids[1]))?;
    demo.assert_same("globex has its Partner's default time zone", &globex["timeZone"], "Europe/Berlin")?;
    demo.assert_same("globex has its Partner's default country", &globex["country"], "Germany")?;
    demo.assert_same(
        "globex has its Partner's default add-ons",
        &sorted_members(&globex["addOns"]),
        &["SLA Management"],
    )?;
    let initech = demo.print_tenant(&demo.client_path(&demo.ids[2]))?;
    demo.assert_same("initech has its own time zone", &initech["timeZone"], "America/Chicago")?;
    demo.assert_same("initech has its own add-ons", &sorted_members(&initech["addOns"]), &["Offline Alerts"])?;
    let branding = demo.tenancy.get(&format!("{}/customBranding", demo.ids[0]))?;
    demo.assert_same("the Partner's website title", &branding["applicationTitle"], "Acme Operations")?;
    demo.assert_true("the Partner's logo is on the platform", branding["logo"].is_object())?;
    demo.assert_same(
        "creates of Partners and Clients",
        &demo.tenancy.create_counts()?,
        &CreateCounts { partners: 1, clients: 2 },
    )
}

/// Shows both kinds in one list.
pub fn check_list(demo: &mut Demo) -> Result<()> {
    let listed = demo.kubectl(&["get", "tenantry"])?;
    // The fourth tenant is created later.
    for id in &demo.ids[..3] {
        demo.assert_true(&format!("{id} is listed"), listed.contains(id.as_str()))?;
    }
    Ok(())
}

/// Shows that a person can log in with the printed credentials, and must then choose a password.
pub fn log_in(demo: &mut Demo) -> Result<()> {
    let folder = supervisor::stack_folder()?;
    let access = StackConnectionInfo::read(&folder)?;
    print_line(format!("  {}", access.login_hint()));
    let mode = fs::metadata(folder.join("env"))?.permissions().mode() & 0o777;
    demo.assert_same("who may read the file that tells it", &format!("{mode:o}"), "600")?;
    let page = http::get(&access.login_url)?;
    demo.assert_true("there is a login page", page.status == 200 && page.body.contains("name=\"password\""))?;
    let form = Serializer::new(String::new())
        .append_pair("grant_type", "password")
        .append_pair("username", &access.login_name)
        .append_pair("password", &access.login_password)
        .finish();
    let token = format!("{}/tenancy/auth/oauth/token", access.platform_url);
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = http::send("POST", &token, &headers, &form)?.json()?;
    demo.assert_same("what that login allows", &answer["scope"], "password:change")
}

/// Shows that a change through the platform's own API is undone within the drift interval.
pub fn check_drift_correction(demo: &mut Demo) -> Result<()> {
    let path = demo.client_path(&demo.ids[2]);
    print_line(format!("  POST /api/v2/tenants/{path} {}", json!({"city": "Nowhere"})));
    demo.tenancy.change_tenant(&path, &json!({"city": "Nowhere"}))?;
    demo.print_tenant(&path)?;
    demo.assert_eventually("the city is `Chicago` again", || Ok(demo.tenancy.get(&path)?["city"] == "Chicago"))?;
    demo.print_tenant(&path)?;
    demo.wait_for_condition("--for=condition=InSync", &["client/initech"])
}

/// Shows that a change of the spec reaches the platform.
pub fn change_spec(demo: &mut Demo) -> Result<()> {
    patch_spec(demo, "client/initech", &json!({"details": {"city": "Austin", "state": "Texas"}}))?;
    demo.wait_for_condition("--for=condition=Ready", &["client/initech"])?;
    demo.print_status("client/initech")?;
    let initech = demo.print_tenant(&demo.client_path(&demo.ids[2]))?;
    demo.assert_same("the city", &initech["city"], "Austin")?;
    demo.assert_same("the state", &initech["state"], "Texas")
}

/// Shows `tenantState: Suspended`.
pub fn suspend_tenant(demo: &mut Demo) -> Result<()> {
    set_tenant_state(demo, "Suspended", "SUSPENDED")
}

/// Shows `tenantState: Active`.
pub fn activate_tenant(demo: &mut Demo) -> Result<()> {
    set_tenant_state(demo, "Active", "ACTIVE")
}

fn set_tenant_state(demo: &Demo, declared: &str, state: &str) -> Result<()> {
    patch_spec(demo, "client/initech", &json!({"tenantState": declared}))?;
    demo.wait_for_condition("--for=condition=Ready", &["client/initech"])?;
    demo.print_status("client/initech")?;
    let initech = demo.print_tenant(&demo.client_path(&demo.ids[2]))?;
    demo.assert_same("the tenant's state", tenancy::tenant_state(&initech), state)
}

/// Runs `kubectl patch` with a part of the spec.
pub fn patch_spec(demo: &Demo, object: &str, spec: &Value) -> Result<()> {
    let text = json!({ "spec": spec }).to_string();
    demo.kubectl(&["patch", object, "--type=merge", "-p", &text])?;
    Ok(())
}

/// Returns the members of a list in sorted order.
fn sorted_members(list: &Value) -> Vec<&str> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names
}
