//! Maps each field of a spec to the platform, by a table that was written by hand from the platform's documentation. It
//! finds a field that is ignored or mixed up with another one.

mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenantry_core::{Field, TenantKind};

use rows::{FieldMapping, ROUNDS, client_rows, inheriting_client_rows, partner_rows};

use super::cluster::{CLIENTS, PARTNERS, SECRETS, SimObjectKey};
use super::exchange::{OperatorLife, RequestFate, SimWorld};
use super::idle::{is_ready, new_default_world};
use super::operator_life::{run_life, settings};
use super::request::{SimRequest, SimServer};
use super::user_actions::merge_spec;
use crate::support::schema;

fn set_at_path(spec: &mut Value, path: &str, value: &Value) {
    let mut place = spec;
    for name in path.split('.') {
        if place.is_null() {
            *place = json!({});
        }
        place = place.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
    }
    *place = value.clone();
}

fn spec_from_rows(rows: &[FieldMapping], round: usize) -> Value {
    let mut spec = json!({});
    for row in rows.iter().filter(|row| !row.spec[round].is_null()) {
        set_at_path(&mut spec, row.path, &row.spec[round]);
    }
    spec
}

/// Returns `clients.defaults` with the values of the rows.
fn client_defaults_block(rows: &[FieldMapping], round: usize) -> Value {
    let mut block = json!({});
    for row in rows {
        let path = row.path.trim_start_matches("details.").trim_start_matches("security.");
        set_at_path(&mut block, path, &row.spec[round]);
    }
    json!({"clients": {"defaults": block}})
}

/// The last writes of Duo, by tenant or, for a create, by name.
type DuoWrites = Arc<Mutex<BTreeMap<String, Value>>>;

fn watch_duo(world: &SimWorld) -> DuoWrites {
    let duo_writes = DuoWrites::default();
    let seen = Arc::clone(&duo_writes);
    world.lock().fates = Box::new(move |_, ask: &SimRequest| {
        let body = ask.json();
        if ask.side == SimServer::Platform && ask.is_write() && body["duoSecurity"].is_object() {
            let last = ask.path.rsplit('/').next().unwrap_or_default().to_owned();
            let key =
                if last == "msps" || last == "clients" { body["name"].as_str().unwrap().to_owned() } else { last };
            let mut all = seen.lock().unwrap();
            let known = all.remove(&key).unwrap_or_default();
            all.insert(key, merge_spec(if known.is_null() { json!({}) } else { known }, &body["duoSecurity"]));
        }
        RequestFate::Pass
    });
    duo_writes
}

/// Compares what the platform shows with the table.
fn compare_with_platform(
    world: &SimWorld,
    key: &SimObjectKey,
    rows: &[FieldMapping],
    round: usize,
    duo_writes: &DuoWrites,
) {
    let tenant = world.tenant(key).unwrap();
    let shown = world.console(Method::GET, &SimWorld::tenant_path(&tenant), &Value::Null).json_body();
    let branding = world.console(Method::GET, &format!("{}/customBranding", tenant.id), &Value::Null).json_body();
    let duo =
        duo_writes.lock().unwrap().get(if round == 0 { &tenant.name } else { &tenant.id }).cloned().unwrap_or_default();
    let all = merge_spec(shown, &json!({"branding": branding, "duo": duo}));
    let mut wrong = Vec::new();
    for row in rows {
        for (wire, values) in &row.wire {
            let found = all.pointer(&format!("/{wire}")).cloned().unwrap_or_default();
            let found = match found.as_array() {
                Some(names) => json!(names.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>()),
                None => found,
            };
            if found != values[round] {
                wrong.push(format!("{} in round {round}: `{wire}` is {found} and not {}", row.path, values[round]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", key.name, wrong.join("\n"));
}

/// shows: seeds/account/alternate-email, seeds/account/notification-email, seeds/account/timezone, seeds/account/country
/// shows: seeds/account/city, seeds/account/address, seeds/account/postal-code, seeds/account/state
/// shows: seeds/account/application-server, seeds/access/block-duplicates, seeds/access/skip-consent, seeds/access/duo
/// shows: seeds/access/duo-integration-key, seeds/access/duo-secret-key, seeds/access/duo-host
/// shows: seeds/access/copy-clipboard
#[test]
fn each_field_of_a_spec_reaches_its_own_place_on_the_platform() {
    let (partner, client, heir) = (
        SimObjectKey::new(PARTNERS, "a", "acme"),
        SimObjectKey::new(CLIENTS, "a", "globex"),
        SimObjectKey::new(CLIENTS, "a", "heir"),
    );
    let (of_partner, of_client, of_heir) = (partner_rows(), client_rows(), inheriting_client_rows());
    let world = new_default_world();
    let duo_writes = watch_duo(&world);
    for round in 0..ROUNDS {
        let data = ["ikey", "skey"].map(|key| (key.to_owned(), json!(STANDARD.encode(format!("{key}{round}")))));
        let labels = json!({"tenantry.dev/allow-reference": "true"});
        let metadata = json!({"name": format!("duo{round}"), "namespace": "a", "labels": labels});
        let data: serde_json::Map<String, Value> = data.into_iter().collect();
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
        assert!(world.kubectl(Method::POST, &SECRETS.path("a", ""), &body).is_success());
    }
    let done = run_life(&world, &OperatorLife::new(1), settings(), async {
        for round in 0..ROUNDS {
            let above = merge_spec(spec_from_rows(&of_partner, round), &client_defaults_block(&of_heir, round));
            let below = spec_from_rows(&of_client, round);
            if round == 0 {
                let above = merge_spec(above, &json!({"connectionSecretRef": {"name": "platform"}}));
                let under = json!({"partnerRef": {"name": "acme"}});
                assert!(world.create(&partner, &above).is_success());
                assert!(world.create(&client, &merge_spec(below, &under)).is_success());
                assert!(world.create(&heir, &merge_spec(under, &json!({"details": {"name": "Heir"}}))).is_success());
            } else {
                assert!(world.edit(&partner, &above).is_success());
                assert!(world.edit(&client, &below).is_success());
            }
            for key in [&partner, &client, &heir] {
                world
                    .wait_until("it is Ready", |world| world.object(key).is_some_and(|object| is_ready(&object)))
                    .await;
            }
            // The Client that inherits is reconciled after its Partner, and its spec does not show when.
            tokio::time::sleep(std::time::Duration::from_mins(1)).await;
            for (key, rows) in [(&partner, &of_partner), (&client, &of_client), (&heir, &of_heir)] {
                compare_with_platform(&world, key, rows, round, &duo_writes);
            }
        }
        let standard =
            json!({"security": {"passwordPolicy": {"pciDSS": {}, "custom": null, "changePasswordAtNextLogin": null}}});
        world.edit(&partner, &standard);
        world.wait_until("it is Ready", |world| world.object(&partner).is_some_and(|object| is_ready(&object))).await;
        let tenant = world.tenant(&partner).unwrap();
        let shown = world.console(Method::GET, &SimWorld::tenant_path(&tenant), &Value::Null).json_body();
        assert_eq!(shown["passwordPolicy"]["defaultPolicy"], true);
    });
    assert!(done.is_some());
    assert_eq!(world.idle_faults(), Vec::<String>::new());
}

#[test]
fn the_table_has_each_field_and_no_two_fields_have_the_same_values() {
    for (kind, rows) in [(TenantKind::Partner, partner_rows()), (TenantKind::Client, client_rows())] {
        let fields: BTreeSet<&str> =
            Field::ALL.iter().filter(|field| field.is_available_for(kind)).map(|field| field.path()).collect();
        let paths: BTreeSet<&str> = rows.iter().map(|row| row.path).collect();
        assert_eq!(paths, fields, "{}", kind.name());
        // Every leaf of the definition that is a setting is covered by a row.
        let sections = ["spec.details.", "spec.packages", "spec.addOns", "spec.security.", "spec.branding."];
        for node in schema::schema_nodes().iter().filter(|node| node.kind == kind.name() && node.is_leaf()) {
            if sections.iter().any(|section| node.path.starts_with(section)) {
                let path = node.path.trim_start_matches("spec.");
                assert!(paths.iter().any(|known| path.starts_with(known)), "{}", node.kind_and_path());
            }
        }
        for (number, one) in rows.iter().enumerate() {
            let same: Vec<&str> =
                rows[number + 1..].iter().filter(|other| other.spec == one.spec).map(|other| other.path).collect();
            assert_eq!(same, Vec::<&str>::new(), "{}: a swap of {} would not show", kind.name(), one.path);
        }
    }
}
