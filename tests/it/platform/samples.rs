//! What the public API documents, sample by sample: the wire's types, the client and the platform read and write it.
//!
//! The files of `tests/oracle/samples` are the documented samples with neutral values; names, nesting and forms are exact.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tenantry::plan::{Field, Value as Setting};
use tenantry::wire::{
    Branding, Created, Envelope, FieldError, ImagePaths, Minimal, OAuthError, PlatformError, SearchItem, Tenant,
    TokenResponse, User,
};

use super::Platform;
use crate::assets;
use crate::connect::clients;
use crate::connect::fake::{Fake, Reply};

fn sample(name: &str) -> Value {
    let path = assets::root().join("tests/oracle/samples").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The members of a sample that a value does not have with the sample's value.
fn lost(sample: &Value, found: &Value, path: &str, lost_members: &mut Vec<String>) {
    match (sample, found) {
        (Value::Object(members), Value::Object(others)) => {
            for (name, value) in members {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match others.get(name) {
                    Some(other) => lost(value, other, &inner, lost_members),
                    None => lost_members.push(inner),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                lost(one, other, &format!("{path}[{index}]"), lost_members);
            }
        }
        _ if sample == found => {}
        _ => lost_members.push(path.to_owned()),
    }
}

fn missing(sample: &Value, found: &Value) -> Vec<String> {
    let mut members = Vec::new();
    lost(sample, found, "", &mut members);
    members
}

/// What a type of the wire loses of a sample.
fn through<T: DeserializeOwned + Serialize>(name: &str) -> Vec<String> {
    let sample = sample(name);
    let read: T = serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    missing(&sample, &serde_json::to_value(read).unwrap())
}

#[test]
fn the_types_of_the_wire_keep_every_documented_member_that_has_a_meaning_here() {
    let none = Vec::<String>::new();
    for lost in [
        through::<TokenResponse>("token"),
        through::<OAuthError>("error-oauth"),
        through::<Vec<FieldError>>("error-fields"),
        through::<PlatformError>("error-platform"),
        through::<Tenant>("client-minimal-create"),
        through::<Created>("client-created"),
        through::<Envelope<SearchItem>>("search"),
        through::<Vec<Minimal>>("minimal"),
        through::<Branding>("branding-put"),
    ] {
        assert_eq!(lost, none);
    }
    // A number of seconds that is written as a text is read as the same number.
    let text: TokenResponse = serde_json::from_value(sample("token-text")).unwrap();
    assert_eq!(text.expires_in, Some(7199));
    // What has no meaning here is taken and not kept.
    assert_eq!(
        through::<Tenant>("client-create"),
        [
            "agentPolicies",
            "clientDetails.internetSPDetails",
            "clientDetails.networkArchitectures",
            "clientDetails.serviceAccessDetails",
            "clientDetails.services",
        ]
    );
    assert_eq!(through::<Tenant>("partner"), ["mspDetails", "primaryAdmin", "primaryLocation"]);
    assert_eq!(through::<User>("user-create"), ["password"], "a password is never written");
    let read: Branding<ImagePaths> = serde_json::from_value({
        let mut shown = sample("branding");
        shown["tabBackgroundColor"] = json!("444444");
        shown
    })
    .unwrap();
    assert_eq!(read.logo.unwrap().logo_path, "/images/org/92/164.png");
}

#[tokio::test]
async fn the_platform_takes_the_documented_requests_and_answers_in_the_documented_forms() {
    let platform = Platform::with(|config| config.documented_only = true).await;
    let partner = platform.sp_id.clone();
    let list = format!("/tenants/{partner}/clients");
    let created = platform.sp.post(&list, sample("client-minimal-create")).await.json();
    assert!(created["uniqueId"].as_str().unwrap().starts_with("client_") && created["name"] == "X", "{created}");
    // The sample of a create has packages that the partner must have, and no documented call gives it them.
    let mut body = sample("client-create");
    let refused: Value = serde_json::from_str(&platform.sp.post(&list, body.clone()).await.text).unwrap();
    let members = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for row in refused.as_array().unwrap() {
        assert_eq!(members(row), members(&sample("error-fields")[0]), "{refused}");
    }
    body["packages"] = json!(["Hybrid Discovery and Monitoring"]);
    body["addOns"] = json!([]);
    let id = platform.sp.post(&list, body.clone()).await.json()["uniqueId"].as_str().unwrap().to_owned();
    let read = platform.sp.get(&format!("{list}/{id}")).await.json();
    let unkept = missing(&body, &read);
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
    // Nobody has a first administrator or a location before they are made.
    assert_eq!(shape(&sample("partner"), &shown), ["channel", "primaryAdmin", "primaryLocation"]);
    let page = platform.sp.get(&format!("{list}/search?pageSize=1")).await.json();
    assert_eq!(shape(&sample("search"), &page), Vec::<String>::new());
    assert_eq!(shape(&sample("search")["results"][0], &page["results"][0]), Vec::<String>::new());
    let minimal = platform.sp.get(&format!("{list}/minimal")).await.json();
    assert_eq!(shape(&sample("minimal")[0], &minimal[0]), Vec::<String>::new());
    let branding = platform.sp.put(&format!("/tenants/{partner}/customBranding"), sample("branding-put")).await.json();
    assert_eq!(shape(&sample("branding"), &branding), Vec::<String>::new());
    let user = platform.sp.post(&format!("/tenants/{id}/users"), sample("user-create")).await.json();
    let empty: Vec<String> =
        ["designation", "address", "city", "state", "zip", "altEmail", "phoneNumber", "mobileNumber"]
            .map(str::to_owned)
            .into();
    let gone: Vec<String> =
        missing(&sample("user-create"), &user).into_iter().filter(|one| !empty.contains(one)).collect();
    assert_eq!(gone, ["password"], "{user}");
}

#[tokio::test]
async fn the_client_reads_the_documented_answers_and_writes_the_documented_requests() {
    let fake = Fake::documented(|asked| {
        if asked.path.ends_with("/customBranding") {
            return Reply::json(200, &sample("branding"));
        }
        if asked.method == "GET" {
            let mut client = sample("client-create");
            client["uniqueId"] = json!("client_14");
            client["activated"] = json!(true);
            return Reply::json(200, &client);
        }
        Reply::json(200, &json!({ "uniqueId": "client_14", "name": "X" }))
    })
    .await;
    let platform = fake.platform();
    let read = platform.read(&clients(), "client_14", true).await.unwrap().unwrap();
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
    // What was read is written as the sample has it.
    let fields =
        [Field::City, Field::PostalCode, Field::NocId, Field::BusinessStart, Field::RemoteAccess, Field::AddOns];
    let changes = fields.map(|field| tenantry::plan::Change { field, to: read.value(field).unwrap().clone() });
    platform.update(&clients(), "client_14", &changes, &tenantry::plan::Payload::default()).await.unwrap();
    let sent = fake.asked().pop().unwrap().json();
    assert_eq!(missing(&sent, &sample("client-create")), Vec::<String>::new(), "{sent}");
}
