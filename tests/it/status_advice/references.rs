//! Tests of references in a spec whose target does not exist or has been replaced.

use serde_json::{Value, json};

use super::{assert_message_contains, create_manual_tenant, create_ready_partner, delete_and_wait};
use crate::world::TestWorld;

#[test]
fn without_a_connection_one_is_named() {
    let namespace = TestWorld::shared_world().create_namespace("none");
    let spec = json!({"details": {"name": namespace.tenant_name("acme")}});
    namespace.apply(&json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Partner", "metadata": {"name": "acme"}, "spec": spec,
    }));
    assert_message_contains(
        &namespace.wait_until_not_ready("partner/acme", "NoConnection"),
        &["set `connectionSecretRef`"],
    );
    namespace.merge_patch("partner/acme", &json!({"spec": {"connectionSecretRef": {"name": "platform"}}}));
    namespace.wait_until_ready("partner/acme");
}

/// shows: security/credential/platform-credential
#[test]
fn a_connection_to_another_account_is_restored() {
    let (space, id) = create_ready_partner("account");
    let mut other = space.credential();
    other["tenantId"] = json!("sp_999");
    space.apply_secret("platform", &other);
    assert_message_contains(
        &space.wait_until_not_ready("partner/acme", "ConnectionIdentityChanged"),
        &["restore the Secret"],
    );
    space.apply_secret("platform", &space.credential());
    assert_eq!(space.wait_until_ready("partner/acme"), id);
}

#[test]
fn a_partner_that_became_another_tenant_is_restored_and_nothing_was_made_under_the_other() {
    let (space, first) = create_ready_partner("parent");
    space.apply_client("globex", &json!({}));
    let client = space.wait_until_ready("client/globex");
    delete_and_wait(&space, "partner/acme");
    let provider = space.world.tenancy.provider_id().to_owned();
    let name = space.tenant_name("other");
    space.world.tenancy.change_tenant(&format!("{provider}/msps"), &json!({"name": name})).unwrap();
    let partners = space.world.tenancy.list_tenants(&format!("{provider}/msps"), true).unwrap();
    let second = partners.iter().find(|one| one["name"] == name.as_str()).unwrap()["uniqueId"].clone();
    let adoption = json!({"details": {"name": name}, "adoption": {"policy": "Adopt", "uniqueId": second}});
    space.apply_partner("acme", &adoption);
    assert_eq!(space.wait_until_ready("partner/acme"), second.as_str().unwrap());
    assert_message_contains(
        &space.wait_until_not_ready("client/globex", "ParentChanged"),
        &[&first, "restore the Partner"],
    );
    let under = space.world.tenancy.list_tenants(&format!("{}/clients", second.as_str().unwrap()), true).unwrap();
    assert_eq!(under, Vec::<Value>::new());
    delete_and_wait(&space, "partner/acme");
    // Both tenants carry the mark of this object by now, so the manifest names the first one.
    space.apply_partner("acme", &json!({"adoption": {"policy": "Adopt", "uniqueId": first}}));
    assert_eq!(space.wait_until_ready("partner/acme"), first);
    assert_eq!(space.wait_until_ready("client/globex"), client);
}

#[test]
fn an_image_that_is_not_there_is_added_and_one_that_is_none_is_replaced() {
    use base64::Engine as _;
    let namespace = TestWorld::shared_world().create_namespace("image");
    let put = |bytes: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        namespace.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "brand", "labels": {"tenantry.dev/watch": "true"}}, "binaryData": {"logo.png": text},
        }));
    };
    namespace.apply_partner(
        "acme",
        &json!({"branding": {"logo": {"configMapKeyRef": {"name": "brand", "key": "logo.png"}}}}),
    );
    let make = "`kubectl create configmap brand --from-file=logo.png`";
    assert_message_contains(
        &namespace.wait_until_not_ready("partner/acme", "ImageNotFound"),
        &["`branding.logo`", "`brand`, which does not exist:", make],
    );
    let says = |what: &str, words: &[&str]| {
        let sentence =
            || namespace.condition("partner/acme", "Ready").map(|(_, _, message)| message).unwrap_or_default();
        namespace.wait_until(what, || Ok(sentence().contains(words[0])));
        assert_message_contains(&sentence(), words);
    };
    let labels = json!({"tenantry.dev/watch": "true"});
    let metadata = json!({"name": "brand", "labels": labels});
    namespace
        .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"logo.png": "text"}}));
    let patch = format!("kubectl patch configmap brand -n {} --type=merge", namespace.name);
    says("the text is named", &["holds a text under it in `data`", &patch]);
    let message = namespace.condition("partner/acme", "Ready").map(|(_, _, message)| message).unwrap_or_default();
    let commands: Vec<&str> = message.split('`').filter(|part| part.starts_with("kubectl ")).collect();
    let command = commands.join(" && ");
    let folder = crate::support::test_folder("advised-image").unwrap();
    std::fs::copy(crate::assets::root().join("examples/brand/logo.png"), folder.join("logo.png")).unwrap();
    let kubectl = crate::assets::kubectl().unwrap();
    let kubeconfig = namespace.world.control_plane.kubeconfig("admin");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &command]).current_dir(&folder).env("KUBECONFIG", kubeconfig);
    let programs = format!("{}:{}", kubectl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = shell.env("PATH", programs).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    namespace.wait_until_ready("partner/acme");
    let map: serde_json::Value =
        serde_json::from_str(&namespace.kubectl(&["get", "configmap", "brand", "-o", "json"])).unwrap();
    namespace.delete("configmap/brand");
    assert_eq!((&map["metadata"]["labels"], &map["data"]), (&labels, &serde_json::Value::Null), "{map}");
    namespace.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"other": "text"}}));
    says("the key is named", &["which exists and does not have it", &patch]);
    put(b"<svg/>");
    assert_message_contains(
        &namespace.wait_until_not_ready("partner/acme", "ImageInvalid"),
        &["`branding.logo`", "PNG"],
    );
    put(&std::fs::read(crate::assets::root().join("examples/brand/logo.png")).unwrap());
    namespace.wait_until_ready("partner/acme");
}

#[test]
fn a_secret_that_a_setting_names_is_created() {
    let namespace = TestWorld::shared_world().create_namespace("duo");
    let key = |key: &str| json!({"name": "duo", "key": key});
    let duo = json!({
        "integrationKeySecretRef": key("ikey"), "secretKeySecretRef": key("skey"), "apiHostname": "api-1.duo.example",
    });
    namespace.apply_partner("acme", &json!({"security": {"access": {"twoFactorAuthentication": true, "duo": duo}}}));
    let message = namespace.wait_until_not_ready("partner/acme", "SecretNotFound");
    assert_message_contains(
        &message,
        &["Secret `duo`", "create it in this namespace", "`tenantry.dev/allow-reference: \"true\"`"],
    );
    namespace.apply_referenced_secret("duo", &json!({"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "s".repeat(40)}));
    namespace.wait_until_ready("partner/acme");
}

#[test]
fn a_secret_that_objects_may_not_reference_is_labelled() {
    let namespace = TestWorld::shared_world().create_namespace("label");
    namespace.apply_secret("duo", &json!({"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "s".repeat(40)}));
    let key = |key: &str| json!({"name": "duo", "key": key});
    let duo = json!({
        "integrationKeySecretRef": key("ikey"), "secretKeySecretRef": key("skey"), "apiHostname": "api-1.duo.example",
    });
    namespace.apply_partner("acme", &json!({"security": {"access": {"duo": duo}}}));
    let message = namespace.wait_until_not_ready("partner/acme", "ReferenceNotAllowed");
    let command = format!("kubectl label secret duo --namespace {} tenantry.dev/allow-reference=true", namespace.name);
    assert_message_contains(
        &message,
        &["`security.access.duo.secretKeySecretRef`", "key `skey` of Secret `duo`", &command],
    );
    namespace.world.kubectl.run(&command.split(' ').skip(1).collect::<Vec<_>>()).unwrap();
    namespace.wait_until_ready("partner/acme");
}

#[test]
fn a_package_that_the_partner_lacks_is_added_there() {
    let namespace = TestWorld::shared_world().create_namespace("lacking");
    namespace.apply_partner("acme", &json!({"packages": []}));
    namespace.wait_until_ready("partner/acme");
    namespace.apply_client("globex", &json!({"packages": ["RemediationAndAutomation"]}));
    assert_message_contains(
        &namespace.wait_until_not_ready("client/globex", "PackageNotAvailable"),
        &["add it to the Partner's `packages`"],
    );
    namespace.merge_patch("partner/acme", &json!({"spec": {"packages": ["RemediationAndAutomation"]}}));
    namespace.wait_until_ready("client/globex");
}

#[test]
fn a_package_that_clients_still_use_is_removed_from_them_first() {
    let package = json!(["EventAndIncidentManagement"]);
    let namespace = TestWorld::shared_world().create_namespace("used");
    namespace.apply_partner("acme", &json!({"packages": package}));
    namespace.apply_client("globex", &json!({"packages": package}));
    namespace.wait_until_ready("client/globex");
    namespace.merge_patch("partner/acme", &json!({"spec": {"packages": []}}));
    assert_message_contains(
        &namespace.wait_until_not_ready("partner/acme", "ClientsStillUse"),
        &["remove it from that Client first"],
    );
    namespace.merge_patch("client/globex", &json!({"spec": {"packages": []}}));
    namespace.wait_until_ready("partner/acme");
}

#[test]
fn a_client_that_differs_from_a_locked_default_leaves_it_out() {
    let namespace = TestWorld::shared_world().create_namespace("locked");
    namespace.apply_partner("acme", &json!({"clients": {"defaults": {"country": "Germany"}, "locked": ["country"]}}));
    namespace.apply_client("globex", &json!({"details": {"country": "France"}}));
    assert_message_contains(
        &namespace.wait_until_not_ready("client/globex", "PolicyViolation"),
        &["`details.country`", "remove it here"],
    );
    namespace.merge_patch("client/globex", &json!({"spec": {"details": {"country": null}}}));
    namespace.wait_until_ready("client/globex");
}

#[test]
fn a_tenant_that_has_gone_lets_its_object_go_and_a_new_object_makes_a_new_one() {
    let (space, partner) = create_ready_partner("gone");
    space.apply_client("globex", &json!({}));
    let first = space.wait_until_ready("client/globex");
    space
        .world
        .tenancy
        .change_tenant(&format!("{}/terminate", space.client_path(&partner, &first)), &json!({}))
        .unwrap();
    let message = space.wait_until_not_ready("client/globex", "TenantMissing");
    assert_message_contains(&message, &[&first, "delete this object, and create it anew"]);
    delete_and_wait(&space, "client/globex");
    space.apply_client("globex", &json!({}));
    assert_ne!(space.wait_until_ready("client/globex"), first);
}

/// shows: faults/65
#[test]
fn an_adoption_id_that_never_existed_is_corrected() {
    let (space, partner) = create_ready_partner("typo");
    let id = create_manual_tenant(&space, &partner, &json!({"name": space.tenant_name("globex")}));
    space.apply_client("globex", &json!({"adoption": {"policy": "Adopt", "uniqueId": "client_999999"}}));
    let message = space.wait_until_not_ready("client/globex", "AdoptionTargetNotFound");
    assert_message_contains(&message, &["client_999999", "correct `adoption.uniqueId`"]);
    assert!(!message.contains("delete"), "{message}");
    assert_eq!(space.condition("client/globex", "Stalled").unwrap().1, "AdoptionTargetNotFound");
    space.merge_patch("client/globex", &json!({"spec": {"adoption": {"uniqueId": id}}}));
    assert_eq!(space.wait_until_ready("client/globex"), id);
}

#[test]
fn of_tenants_that_could_all_be_its_own_the_right_one_is_named() {
    let (space, partner) = create_ready_partner("many");
    space.apply_client("globex", &json!({}));
    let first = space.wait_until_ready("client/globex");
    delete_and_wait(&space, "client/globex");
    // The same mark with another name: renamed here while no operator ran, or another customer's object.
    space.apply_client("globex", &json!({"details": {"name": "Globex Renamed"}}));
    let message = space.wait_until_not_ready("client/globex", "AmbiguousCreate");
    assert_message_contains(&message, &[&first, "set `adoption` with the `uniqueId` of the right one"]);
    space.merge_patch("client/globex", &json!({"spec": {"adoption": {"policy": "Adopt", "uniqueId": first}}}));
    assert_eq!(space.wait_until_ready("client/globex"), first);
    assert_eq!(space.read_client_tenant(&partner, &first)["name"], "Globex Renamed");
}

#[test]
fn a_name_that_is_taken_is_changed() {
    let (space, partner) = create_ready_partner("taken");
    let other = create_manual_tenant(&space, &partner, &json!({"name": space.tenant_name("globex")}));
    space.apply_client("globex", &json!({}));
    assert_message_contains(
        &space.wait_until_not_ready("client/globex", "NameTaken"),
        &[&other, "change `details.name`"],
    );
    space.merge_patch("client/globex", &json!({"spec": {"details": {"name": "Globex Two"}}}));
    assert_ne!(space.wait_until_ready("client/globex"), other);
}
