//! Verifies each sample of the public API's documentation: the types of the wire, the client and the platform read and
//! write it.
//!
//! The files of `tests/oracle/samples` are the documented samples with neutral values. Names, nesting and forms are
//! exact.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tenantry_core::{Field, Value as Setting};
use tenantry_wire::{
    Branding, CreatedTenant, FieldError, ImagePaths, MinimalTenant, OAuthError, PageEnvelope, PlatformError, Tenant,
    TenantSearchItem, TokenResponse, User,
};

use super::TestPlatform;
use crate::assets;
use crate::connect::clients_place;
use crate::connect::fake_platform::{FakePlatform, FakeReply};

fn read_sample(name: &str) -> Value {
    let path = assets::root().join("tests/oracle/samples").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Collects the members of a sample that a value does not have with the sample's value.
fn collect_lost_members(sample: &Value, found: &Value, path: &str, lost_members: &mut Vec<String>) {
    match (sample, found) {
        (Value::Object(members), Value::Object(others)) => {
            for (name, value) in members {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match others.get(name) {
                    Some(other) => collect_lost_members(value, other, &inner, lost_members),
                    None => lost_members.push(inner),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                collect_lost_members(one, other, &format!("{path}[{index}]"), lost_members);
            }
        }
        _ if sample == found => {}
        _ => lost_members.push(path.to_owned()),
    }
}

fn find_lost_members(sample: &Value, found: &Value) -> Vec<String> {
    let mut members = Vec::new();
    collect_lost_members(sample, found, "", &mut members);
    members
}

/// Returns the members of a sample that a type of the wire loses.
fn members_lost_by_type<T: DeserializeOwned + Serialize>(name: &str) -> Vec<String> {
    let sample = read_sample(name);
    let read: T = serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    find_lost_members(&sample, &serde_json::to_value(read).unwrap())
}

#[test]
fn the_types_of_the_wire_keep_every_documented_member_that_has_a_meaning_here() {
    let none = Vec::<String>::new();
    for lost in [
        members_lost_by_type::<TokenResponse>("token"),
        members_lost_by_type::<OAuthError>("error-oauth"),
        members_lost_by_type::<Vec<FieldError>>("error-fields"),
        members_lost_by_type::<PlatformError>("error-platform"),
        members_lost_by_type::<Tenant>("client-minimal-create"),
        members_lost_by_type::<CreatedTenant>("client-created"),
        members_lost_by_type::<PageEnvelope<TenantSearchItem>>("search"),
        members_lost_by_type::<Vec<MinimalTenant>>("minimal"),
        members_lost_by_type::<Branding>("branding-put"),
    ] {
        assert_eq!(lost, none);
    }
    // A number of seconds in a string is read as the same number.
    let text: TokenResponse = serde_json::from_value(read_sample("token-text")).unwrap();
    assert_eq!(text.expires_in, Some(7199));
    // Members without a meaning here are accepted and not stored.
    assert_eq!(
        members_lost_by_type::<Tenant>("client-create"),
        [
            "agentPolicies",
            "clientDetails.internetSPDetails",
            "clientDetails.networkArchitectures",
            "clientDetails.serviceAccessDetails",
            "clientDetails.services",
        ]
    );
    assert_eq!(members_lost_by_type::<Tenant>("partner"), ["mspDetails", "primaryAdmin", "primaryLocation"]);
    assert_eq!(members_lost_by_type::<User>("user-create"), ["password"], "a password is never written");
    let read: Branding<ImagePaths> = serde_json::from_value({
        let mut shown = read_sample("branding");
        shown["tabBackgroundColor"] = json!("444444");
        shown
    })
    .unwrap();
    assert_eq!(read.logo.unwrap().logo_path, "/images/org/92/164.png");
}

#[tokio::test]
async fn the_platform_takes_the_documented_requests_and_answers_in_the_documented_forms() {
    let platform = TestPlatform::start_with(|config| config.documented_only = true).await;
    let partner = platform.sp_id.clone();
    let list = format!("/tenants/{partner}/clients");
    let created = platform.sp.post(&list, read_sample("client-minimal-create")).await.json();
    assert!(created["uniqueId"].as_str().unwrap().starts_with("client_") && created["name"] == "X", "{created}");
    // The sample of a create has packages that the partner must have, and no documented call gives them to it.
    let mut body = read_sample("client-create");
    let refused: Value = serde_json::from_str(&platform.sp.post(&list, body.clone()).await.text).unwrap();
    let members = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for row in refused.as_array().unwrap() {
        assert_eq!(members(row), members(&read_sample("error-fields")[0]), "{refused}");
    }
    body["packages"] = json!(["Hybrid Discovery and Monitoring"]);
    body["addOns"] = json!([]);
    let id = platform.sp.post(&list, body.clone()).await.json()["uniqueId"].as_str().unwrap().to_owned();
    let read = platform.sp.get(&format!("{list}/{id}")).await.json();
    let unkept = find_lost_members(&body, &read);
    assert_eq!(
        unkept,
        [
            "agentPolicies",
            "clientDetails.internetSPDetails",
            "clientDetails.networkArchitectures",
            "clientDetails.serviceAccessDetails",
            "clientDetails.services",
        ]
    );
    let shape = |sample: &Value, answer: &Value| -> Vec<String> {
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let there = names(answer);
        names(sample).into_iter().filter(|name| !there.contains(name)).collect()
    };
    let shown = platform.sp.get(&format!("/tenants/{partner}")).await.json();
    // A partner has no first administrator and no location before they are created.
    assert_eq!(shape(&read_sample("partner"), &shown), ["channel", "primaryAdmin", "primaryLocation"]);
    let page = platform.sp.get(&format!("{list}/search?pageSize=1")).await.json();
    assert_eq!(shape(&read_sample("search"), &page), Vec::<String>::new());
    assert_eq!(shape(&read_sample("search")["results"][0], &page["results"][0]), Vec::<String>::new());
    let minimal = platform.sp.get(&format!("{list}/minimal")).await.json();
    assert_eq!(shape(&read_sample("minimal")[0], &minimal[0]), Vec::<String>::new());
    let branding =
        platform.sp.put(&format!("/tenants/{partner}/customBranding"), read_sample("branding-put")).await.json();
    assert_eq!(shape(&read_sample("branding"), &branding), Vec::<String>::new());
    let user = platform.sp.post(&format!("/tenants/{id}/users"), read_sample("user-create")).await.json();
    let empty: Vec<String> =
        ["designation", "address", "city", "state", "zip", "altEmail", "phoneNumber", "mobileNumber"]
            .map(str::to_owned)
            .into();
    let gone: Vec<String> =
        find_lost_members(&read_sample("user-create"), &user).into_iter().filter(|one| !empty.contains(one)).collect();
    assert_eq!(gone, ["password"], "{user}");
}

#[tokio::test]
async fn the_client_reads_the_documented_answers_and_writes_the_documented_requests() {
    let fake = FakePlatform::new_documented(|asked| {
        if asked.path.ends_with("/customBranding") {
            return FakeReply::json(200, &read_sample("branding"));
        }
        if asked.method == "GET" {
            let mut client = read_sample("client-create");
            client["uniqueId"] = json!("client_14");
            client["activated"] = json!(true);
            return FakeReply::json(200, &client);
        }
        FakeReply::json(200, &json!({ "uniqueId": "client_14", "name": "X" }))
    })
    .await;
    let platform = fake.client_of_fake();
    let read = platform.read_tenant(&clients_place(), "client_14", true).await.unwrap().unwrap();
    for (field, value) in [
        (Field::City, Setting::text("San Jose")),
        (Field::PostalCode, Setting::text("95101")),
        (Field::Timezone, Setting::text("America/Los_Angeles")),
        (Field::NocId, Setting::Number(11)),
        (Field::BusinessStart, Setting::text("09:00")),
        (Field::BusinessLastDay, Setting::text("Friday")),
        (Field::RemoteAccess, Setting::Flag(true)),
        (Field::ShowCopyClipboard, Setting::Flag(true)),
        (Field::AllowedIps, Setting::set(["172.22.2.[0-50]", "172.22.22.*"])),
        (Field::AddOns, Setting::set(["KnowledgeBaseManagement"])),
        (Field::LoginHeader, Setting::text("Welcome")),
    ] {
        assert_eq!(read.value(field), Some(&value), "{}", field.path());
    }
    assert!(read.unknown.unreadable.is_empty(), "{:?}", read.unknown);
    // The client writes what it read in the form of the sample.
    let fields =
        [Field::City, Field::PostalCode, Field::NocId, Field::BusinessStart, Field::RemoteAccess, Field::AddOns];
    let changes = fields.map(|field| tenantry_core::SettingChange { field, to: read.value(field).unwrap().clone() });
    platform
        .update_tenant(&clients_place(), "client_14", &changes, &tenantry_core::SettingsPayload::default())
        .await
        .unwrap();
    let sent = fake.requests().pop().unwrap().json();
    assert_eq!(find_lost_members(&sent, &read_sample("client-create")), Vec::<String>::new(), "{sent}");
}
