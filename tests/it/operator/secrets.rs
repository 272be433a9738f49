//! Tests of Secrets that settings refer to, on a real API server and with the permissions of real users.

use serde_json::{Value, json};

use crate::digests::sha256;
use crate::world::{TestNamespace, TestWorld};

fn duo_access(secret: &str) -> Value {
    let reference = |key: &str| json!({"name": secret, "key": key});
    json!({"duo": {
        "integrationKeySecretRef": reference("ikey"), "secretKeySecretRef": reference("skey"),
        "apiHostname": "api-1.duo.example",
    }})
}

/// Returns what status shows of the secret key.
fn shown_secret_key(namespace: &TestNamespace<'_>, object: &str) -> String {
    let object = namespace.get(object).unwrap();
    let effective = object["status"]["effective"].as_array().cloned().unwrap_or_default();
    let found = effective.iter().find(|one| one["path"] == "security.access.duo.secretKeySecretRef");
    found.map(|one| one["value"].as_str().unwrap().to_owned()).unwrap_or_default()
}

fn write_only_record(namespace: &TestNamespace<'_>, object: &str) -> Value {
    let object = namespace.get(object).unwrap();
    let records = object["status"]["applied"]["writeOnly"].as_array().cloned().unwrap_or_default();
    let found = records.iter().find(|one| one["path"] == "security.access.duo.secretKeySecretRef");
    found.map(|one| one["digest"].clone()).unwrap_or_default()
}

/// shows: faults/66
#[test]
fn a_rotated_key_behind_the_defaults_reaches_the_client() {
    let namespace = TestWorld::shared_world().create_namespace("rotate");
    let keys = |skey: &str| json!({"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": skey});
    namespace.apply_referenced_secret("duo", &keys("old"));
    namespace.apply_partner("acme", &json!({"clients": {"defaults": {"access": duo_access("duo")}}}));
    namespace.apply_client("globex", &json!({}));
    let (partner, client) = (namespace.wait_until_ready("partner/acme"), namespace.wait_until_ready("client/globex"));
    let (before, first) =
        (shown_secret_key(&namespace, "client/globex"), write_only_record(&namespace, "client/globex"));
    let revision = || namespace.read_client_tenant(&partner, &client)["revision"].as_i64().unwrap();
    let written = revision();
    namespace.apply_referenced_secret("duo", &keys("new"));
    namespace.wait_until("the new key is written and recorded", || {
        Ok(write_only_record(&namespace, "client/globex") != first)
    });
    assert!(revision() > written, "the tenant was changed");
    assert_ne!(shown_secret_key(&namespace, "client/globex"), before);
    namespace.wait_until_ready("client/globex");
}

/// Returns everything that `kubectl` shows of Clients and events to a ServiceAccount.
fn read_as_account(namespace: &TestNamespace<'_>, who: &str) -> String {
    let user = format!("--as=system:serviceaccount:{}:{who}", namespace.name);
    let objects = namespace.kubectl(&["get", "clients.tenantry.dev,events.v1.events.k8s.io", "-o", "yaml", &user]);
    let refused =
        namespace.world.kubectl.run(&["-n", &namespace.name, "get", "secrets", &user]).unwrap_err().to_string();
    assert!(refused.contains("forbidden"), "{refused}");
    objects
}

/// Returns digests of a guess, as an attacker who knows the complete object would compute them.
fn digests_of_guess(value: &str, uid: &str) -> Vec<String> {
    let salted = |bytes: &[u8]| {
        let length = (uid.len() as u64).to_be_bytes();
        sha256([&length[..], uid.as_bytes(), bytes].concat())
    };
    let one = salted(value.as_bytes());
    let two = salted(format!("\"sha256:{one}\"").as_bytes());
    vec![sha256(value), one, two]
}

/// shows: faults/67, security/credential/writer
#[test]
fn who_may_not_read_a_secret_learns_nothing_of_it_by_a_client() {
    let namespace = TestWorld::shared_world().create_namespace("thief");
    let (role, account) = ("--role=thief", format!("--serviceaccount={}:thief", namespace.name));
    namespace.kubectl(&["create", "serviceaccount", "thief"]);
    let verbs = "--verb=get,list,watch,create,update,patch,delete";
    namespace.kubectl(&["create", "role", "thief", verbs, "--resource=clients.tenantry.dev,events.events.k8s.io"]);
    namespace.kubectl(&["create", "rolebinding", "thief", role, &account]);
    namespace.apply_partner("acme", &json!({}));
    namespace.wait_until_ready("partner/acme");
    namespace.apply_secret("db", &json!({"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "sunshine42"}));
    namespace.apply_referenced_secret("allowed", &json!({"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "sunshine42"}));
    let stranger = |name: &str, secret: &str| {
        let object = json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Client", "metadata": {"name": name},
            "spec": {
                "partnerRef": {"name": "acme"}, "details": {"name": namespace.tenant_name(name)},
                "management": {"approval": {"mode": "Manual"}}, "security": {"access": duo_access(secret)},
            },
        });
        let user = format!("--as=system:serviceaccount:{}:thief", namespace.name);
        let args = ["-n", &namespace.name, "apply", "--server-side", "-f", "-", &user];
        namespace.world.kubectl.run_with(&args, &object.to_string()).unwrap();
    };
    stranger("refused", "db");
    let message = namespace.wait_until_not_ready("client/refused", "ReferenceNotAllowed");
    assert!(message.contains("key `skey` of Secret `db`"), "{message}");
    stranger("planned", "allowed");
    let plan = || namespace.get("client/planned").unwrap()["status"]["plan"].clone();
    namespace.wait_until("the plan waits", || Ok(plan()["hash"].is_string()));
    let steps = |version: &str| format!("from what is not shown to \"allowed/skey@{version}\"");
    let version = |name: &str| {
        let secret = namespace.get(&format!("secret/{name}")).unwrap();
        secret["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    };
    let first = plan();
    assert!(first.to_string().contains(&steps(&version("allowed")).replace('"', "\\\"")), "{first}");
    let seen = read_as_account(&namespace, "thief");
    for object in ["client/planned", "client/refused"] {
        let uid = namespace.get(object).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        for guess in digests_of_guess("sunshine42", &uid) {
            assert!(!seen.contains(&guess), "{object} tells {guess}");
        }
    }
    assert!(!seen.contains("sunshine42"));
    // With another value, only the version differs.
    let before = version("allowed");
    namespace.apply_referenced_secret("allowed", &json!({"ikey": "DIXXXXXXXXXXXXXXXXXX", "skey": "another"}));
    let mut asked = 0;
    namespace.wait_until("the plan names the new version", || {
        // The operator does not read a Secret again that it has just read.
        asked += 1;
        let annotation = format!("tenantry.dev/reconcile-requested-at={asked}");
        namespace.kubectl(&["annotate", "client/planned", "--overwrite", &annotation]);
        Ok(plan().to_string().contains(&version("allowed")))
    });
    let without = |plan: &Value, version: &str| plan["steps"].to_string().replace(version, "");
    assert_eq!(without(&plan(), &version("allowed")), without(&first, &before));
}
