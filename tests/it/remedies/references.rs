//! What the spec names and is not there, or is another thing than before.

use serde_json::{Value, json};

use super::{acme, asks, clicked, let_go};
use crate::world::World;

#[test]
fn without_a_connection_one_is_named() {
    let space = World::shared().namespace("none");
    let spec = json!({"details": {"name": space.tenant_name("acme")}});
    space.apply(&json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "acme"}, "spec": spec,
    }));
    asks(&space.not_ready("partner/acme", "NoConnection"), &["set `connectionSecretRef`"]);
    space.patch("partner/acme", &json!({"spec": {"connectionSecretRef": {"name": "platform"}}}));
    space.ready("partner/acme");
}

/// shows: security/credential/platform-credential
#[test]
fn a_connection_to_another_account_is_restored() {
    let (space, id) = acme("account");
    let mut other = space.credential();
    other["tenantId"] = json!("sp_999");
    space.secret("platform", &other);
    asks(&space.not_ready("partner/acme", "ConnectionIdentityChanged"), &["restore the Secret"]);
    space.secret("platform", &space.credential());
    assert_eq!(space.ready("partner/acme"), id);
}

#[test]
fn a_partner_that_became_another_tenant_is_restored_and_nothing_was_made_under_the_other() {
    let (space, first) = acme("parent");
    space.client("globex", &json!({}));
    let client = space.ready("client/globex");
    let_go(&space, "partner/acme");
    let provider = space.world.tenancy.tenant().to_owned();
    let name = space.tenant_name("other");
    space.world.tenancy.change(&format!("{provider}/msps"), &json!({"name": name})).unwrap();
    let partners = space.world.tenancy.list(&format!("{provider}/msps"), true).unwrap();
    let second = partners.iter().find(|one| one["name"] == name.as_str()).unwrap()["uniqueId"].clone();
    let adoption = json!({"details": {"name": name}, "adoption": {"policy": "Adopt", "uniqueId": second}});
    space.partner("acme", &adoption);
    assert_eq!(space.ready("partner/acme"), second.as_str().unwrap());
    asks(&space.not_ready("client/globex", "ParentChanged"), &[&first, "restore the Partner"]);
    let under = space.world.tenancy.list(&format!("{}/clients", second.as_str().unwrap()), true).unwrap();
    assert_eq!(under, Vec::<Value>::new());
    let_go(&space, "partner/acme");
    // Both tenants carry the mark of this place by now, so the first one is named.
    space.partner("acme", &json!({"adoption": {"policy": "Adopt", "uniqueId": first}}));
    assert_eq!(space.ready("partner/acme"), first);
    assert_eq!(space.ready("client/globex"), client);
}

#[test]
fn an_image_that_is_not_there_is_added_and_one_that_is_none_is_replaced() {
    use base64::Engine as _;
    let space = World::shared().namespace("image");
    let put = |bytes: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        space.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "brand", "labels": {"tenantry.dev/watch": "true"}}, "binaryData": {"logo.png": text},
        }));
    };
    space.partner("acme", &json!({"branding": {"logo": {"configMapKeyRef": {"name": "brand", "key": "logo.png"}}}}));
    let make = "`kubectl create configmap brand --from-file=logo.png`";
    asks(
        &space.not_ready("partner/acme", "ImageNotFound"),
        &["`branding.logo`", "`brand`, which does not exist:", make],
    );
    let says = |what: &str, words: &[&str]| {
        let sentence = || space.condition("partner/acme", "Ready").map(|(_, _, message)| message).unwrap_or_default();
        space.until(what, || Ok(sentence().contains(words[0])));
        asks(&sentence(), words);
    };
    let labels = json!({"tenantry.dev/watch": "true"});
    let metadata = json!({"name": "brand", "labels": labels});
    space.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"logo.png": "text"}}));
    let patch = format!("kubectl patch configmap brand -n {} --type=merge", space.name);
    says("the text is named", &["holds a text under it in `data`", &patch]);
    let message = space.condition("partner/acme", "Ready").map(|(_, _, message)| message).unwrap_or_default();
    let commands: Vec<&str> = message.split('`').filter(|part| part.starts_with("kubectl ")).collect();
    let command = commands.join(" && ");
    let folder = crate::support::folder("advised-image").unwrap();
    std::fs::copy(crate::assets::root().join("examples/brand/logo.png"), folder.join("logo.png")).unwrap();
    let kubectl = crate::assets::kubectl().unwrap();
    let kubeconfig = space.world.control_plane.kubeconfig("admin");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &command]).current_dir(&folder).env("KUBECONFIG", kubeconfig);
    let programs = format!("{}:{}", kubectl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = shell.env("PATH", programs).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    space.ready("partner/acme");
    let map: serde_json::Value =
        serde_json::from_str(&space.kubectl(&["get", "configmap", "brand", "-o", "json"])).unwrap();
    space.delete("configmap/brand");
    assert_eq!((&map["metadata"]["labels"], &map["data"]), (&labels, &serde_json::Value::Null), "{map}");
    space.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"other": "text"}}));
    says("the key is named", &["which exists and does not have it", &patch]);
    put(b"<svg/>");
    asks(&space.not_ready("partner/acme", "ImageInvalid"), &["`branding.logo`", "PNG"]);
    put(&std::fs::read(crate::assets::root().join("examples/brand/logo.png")).unwrap());
    space.ready("partner/acme");
}

#[test]
fn a_secret_that_a_setting_names_is_created() {
    let space = World::shared().namespace("duo");
    let key = |key: &str| json!({"name": "duo", "key": key});
    let duo = json!({
        "integrationKeySecretRef": key("ikey"), "secretKeySecretRef": key("skey"), "apiHostname": "api-1.duo.example",
    });
    space.partner("acme", &json!({"security": {"access": {"twoFactorAuthentication": true, "duo": duo}}}));
    let message = space.not_ready("partner/acme", "SecretNotFound");
    asks(&message, &["Secret `duo`", "create it in this namespace", "`tenantry.dev/allow-reference: \"true\"`"]);
    space.referenced_secret("duo", &json!({"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "s".repeat(40)}));
    space.ready("partner/acme");
}

#[test]
fn a_secret_that_objects_may_not_reference_is_labelled() {
    let space = World::shared().namespace("label");
    space.secret("duo", &json!({"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "s".repeat(40)}));
    let key = |key: &str| json!({"name": "duo", "key": key});
    let duo = json!({
        "integrationKeySecretRef": key("ikey"), "secretKeySecretRef": key("skey"), "apiHostname": "api-1.duo.example",
    });
    space.partner("acme", &json!({"security": {"access": {"duo": duo}}}));
    let message = space.not_ready("partner/acme", "ReferenceNotAllowed");
    let command = format!("kubectl label secret duo --namespace {} tenantry.dev/allow-reference=true", space.name);
    asks(&message, &["`security.access.duo.secretKeySecretRef`", "key `skey` of Secret `duo`", &command]);
    space.world.kubectl.run(&command.split(' ').skip(1).collect::<Vec<_>>()).unwrap();
    space.ready("partner/acme");
}

#[test]
fn a_package_that_the_partner_lacks_is_added_there() {
    let space = World::shared().namespace("lacking");
    space.partner("acme", &json!({"packages": []}));
    space.ready("partner/acme");
    space.client("globex", &json!({"packages": ["RemediationAndAutomation"]}));
    asks(&space.not_ready("client/globex", "PackageNotAvailable"), &["add it to the Partner's `packages`"]);
    space.patch("partner/acme", &json!({"spec": {"packages": ["RemediationAndAutomation"]}}));
    space.ready("client/globex");
}

#[test]
fn a_package_that_clients_still_use_is_removed_from_them_first() {
    let package = json!(["EventAndIncidentManagement"]);
    let space = World::shared().namespace("used");
    space.partner("acme", &json!({"packages": package}));
    space.client("globex", &json!({"packages": package}));
    space.ready("client/globex");
    space.patch("partner/acme", &json!({"spec": {"packages": []}}));
    asks(&space.not_ready("partner/acme", "ClientsStillUse"), &["remove it from that Client first"]);
    space.patch("client/globex", &json!({"spec": {"packages": []}}));
    space.ready("partner/acme");
}

#[test]
fn a_client_that_differs_from_a_locked_default_leaves_it_out() {
    let space = World::shared().namespace("locked");
    space.partner("acme", &json!({"clients": {"defaults": {"country": "Germany"}, "locked": ["country"]}}));
    space.client("globex", &json!({"details": {"country": "France"}}));
    asks(&space.not_ready("client/globex", "PolicyViolation"), &["`details.country`", "remove it here"]);
    space.patch("client/globex", &json!({"spec": {"details": {"country": null}}}));
    space.ready("client/globex");
}

#[test]
fn a_tenant_that_has_gone_lets_its_object_go_and_a_new_object_makes_a_new_one() {
    let (space, partner) = acme("gone");
    space.client("globex", &json!({}));
    let first = space.ready("client/globex");
    space.world.tenancy.change(&format!("{}/terminate", space.client_path(&partner, &first)), &json!({})).unwrap();
    let message = space.not_ready("client/globex", "TenantMissing");
    asks(&message, &[&first, "delete this object, and create it anew"]);
    let_go(&space, "client/globex");
    space.client("globex", &json!({}));
    assert_ne!(space.ready("client/globex"), first);
}

/// shows: faults/65
#[test]
fn an_adoption_id_that_never_existed_is_corrected() {
    let (space, partner) = acme("typo");
    let id = clicked(&space, &partner, &json!({"name": space.tenant_name("globex")}));
    space.client("globex", &json!({"adoption": {"policy": "Adopt", "uniqueId": "client_999999"}}));
    let message = space.not_ready("client/globex", "AdoptionTargetNotFound");
    asks(&message, &["client_999999", "correct `adoption.uniqueId`"]);
    assert!(!message.contains("delete"), "{message}");
    assert_eq!(space.condition("client/globex", "Stalled").unwrap().1, "AdoptionTargetNotFound");
    space.patch("client/globex", &json!({"spec": {"adoption": {"uniqueId": id}}}));
    assert_eq!(space.ready("client/globex"), id);
}

#[test]
fn of_tenants_that_could_all_be_its_own_the_right_one_is_named() {
    let (space, partner) = acme("many");
    space.client("globex", &json!({}));
    let first = space.ready("client/globex");
    let_go(&space, "client/globex");
    // Its place under another name: renamed here while nobody looked, or another customer's object.
    space.client("globex", &json!({"details": {"name": "Globex Renamed"}}));
    let message = space.not_ready("client/globex", "AmbiguousCreate");
    asks(&message, &[&first, "set `adoption` with the `uniqueId` of the right one"]);
    space.patch("client/globex", &json!({"spec": {"adoption": {"policy": "Adopt", "uniqueId": first}}}));
    assert_eq!(space.ready("client/globex"), first);
    assert_eq!(space.platform_client(&partner, &first)["name"], "Globex Renamed");
}

#[test]
fn a_name_that_is_taken_is_changed() {
    let (space, partner) = acme("taken");
    let other = clicked(&space, &partner, &json!({"name": space.tenant_name("globex")}));
    space.client("globex", &json!({}));
    asks(&space.not_ready("client/globex", "NameTaken"), &[&other, "change `details.name`"]);
    space.patch("client/globex", &json!({"spec": {"details": {"name": "Globex Two"}}}));
    assert_ne!(space.ready("client/globex"), other);
}
