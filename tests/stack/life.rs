//! The steps of the demo in which tenants are made and kept.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::demo::Demo;
use super::process::Result;
use super::screen::say;
use super::tenancy::Creates;
use super::whole::Access;
use super::{http, supervisor, tenancy};

/// `kubectl apply -k examples` on an empty platform.
pub fn apply(demo: &mut Demo) -> Result<()> {
    let before = demo.tenancy.list(&format!("{}/msps", demo.tenancy.tenant()), true)?;
    demo.same("no Partner on the platform yet", &before.len(), &0)?;
    demo.kubectl(&["apply", "-k", "examples"])?;
    Ok(())
}

/// All three are Ready, and the platform holds exactly what was declared.
pub fn ready(demo: &mut Demo) -> Result<()> {
    let objects = ["partner/acme", "client/globex", "client/initech"];
    demo.wait("--for=condition=Ready", &objects)?;
    for (index, object) in objects.iter().enumerate() {
        demo.status(object)?;
        demo.ids[index] = demo.unique_id(object)?;
    }
    let acme = demo.platform(&demo.tenancy.partner(&demo.ids[0]))?;
    demo.same("the Partner's name", &acme["name"], "Acme Managed Services")?;
    demo.same("the Partner's add-ons", &set(&acme["addOns"]), &["Offline Alerts", "SLA Management"])?;
    demo.same("the Partner's second factor", &acme["twoFactorAuthentication"], &true)?;
    let globex = demo.platform(&demo.client(&demo.ids[1]))?;
    demo.same("globex has its Partner's default time zone", &globex["timeZone"], "Europe/Berlin")?;
    demo.same("globex has its Partner's default country", &globex["country"], "Germany")?;
    demo.same("globex has its Partner's default add-ons", &set(&globex["addOns"]), &["SLA Management"])?;
    let initech = demo.platform(&demo.client(&demo.ids[2]))?;
    demo.same("initech has its own time zone", &initech["timeZone"], "America/Chicago")?;
    demo.same("initech has its own add-ons", &set(&initech["addOns"]), &["Offline Alerts"])?;
    let branding = demo.tenancy.get(&format!("{}/customBranding", demo.ids[0]))?;
    demo.same("the Partner's website title", &branding["applicationTitle"], "Acme Operations")?;
    demo.holds("the Partner's logo is on the platform", branding["logo"].is_object())?;
    demo.same("creates of Partners and Clients", &demo.tenancy.creates()?, &Creates { partners: 1, clients: 2 })
}

/// Both kinds in one list.
pub fn list(demo: &mut Demo) -> Result<()> {
    let listed = demo.kubectl(&["get", "tenantry"])?;
    // The fourth is made later.
    for id in &demo.ids[..3] {
        demo.holds(&format!("{id} is listed"), listed.contains(id.as_str()))?;
    }
    Ok(())
}

/// A person gets in with what the stack tells, and only to choose a password.
pub fn log_in(demo: &mut Demo) -> Result<()> {
    let folder = supervisor::folder()?;
    let access = Access::read(&folder)?;
    say(format!("  {}", access.login()));
    let mode = fs::metadata(folder.join("env"))?.permissions().mode() & 0o777;
    demo.same("who may read the file that tells it", &format!("{mode:o}"), "600")?;
    let page = http::get(&access.login_url)?;
    demo.holds("there is a login page", page.status == 200 && page.body.contains("name=\"password\""))?;
    let form = Serializer::new(String::new())
        .append_pair("grant_type", "password")
        .append_pair("username", &access.login_name)
        .append_pair("password", &access.login_password)
        .finish();
    let token = format!("{}/tenancy/auth/oauth/token", access.platform_url);
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = http::send("POST", &token, &headers, &form)?.json()?;
    demo.same("what that login allows", &answer["scope"], "password:change")
}

/// A change over the platform's own API is undone within the drift interval.
pub fn drift(demo: &mut Demo) -> Result<()> {
    let path = demo.client(&demo.ids[2]);
    say(format!("  POST /api/v2/tenants/{path} {}", json!({"city": "Nowhere"})));
    demo.tenancy.change(&path, &json!({"city": "Nowhere"}))?;
    demo.platform(&path)?;
    demo.eventually("the city is `Chicago` again", || Ok(demo.tenancy.get(&path)?["city"] == "Chicago"))?;
    demo.platform(&path)?;
    demo.wait("--for=condition=InSync", &["client/initech"])
}

/// A change of the spec reaches the platform.
pub fn change(demo: &mut Demo) -> Result<()> {
    patch(demo, "client/initech", &json!({"details": {"city": "Austin", "state": "Texas"}}))?;
    demo.wait("--for=condition=Ready", &["client/initech"])?;
    demo.status("client/initech")?;
    let initech = demo.platform(&demo.client(&demo.ids[2]))?;
    demo.same("the city", &initech["city"], "Austin")?;
    demo.same("the state", &initech["state"], "Texas")
}

/// `tenantState: Suspended`.
pub fn suspend(demo: &mut Demo) -> Result<()> {
    turn(demo, "Suspended", "SUSPENDED")
}

/// `tenantState: Active`.
pub fn activate(demo: &mut Demo) -> Result<()> {
    turn(demo, "Active", "ACTIVE")
}

fn turn(demo: &Demo, declared: &str, state: &str) -> Result<()> {
    patch(demo, "client/initech", &json!({"tenantState": declared}))?;
    demo.wait("--for=condition=Ready", &["client/initech"])?;
    demo.status("client/initech")?;
    let initech = demo.platform(&demo.client(&demo.ids[2]))?;
    demo.same("the tenant's state", tenancy::state(&initech), state)
}

/// `kubectl patch` with a part of the spec.
pub fn patch(demo: &Demo, object: &str, spec: &Value) -> Result<()> {
    let text = json!({ "spec": spec }).to_string();
    demo.kubectl(&["patch", object, "--type=merge", "-p", &text])?;
    Ok(())
}

/// The members of a list without their order.
fn set(list: &Value) -> Vec<&str> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names
}
