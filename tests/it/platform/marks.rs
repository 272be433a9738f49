//! Tests of the mark, which names the object that owns a tenant.

use serde_json::{Value, json};

use super::TestPlatform;

fn mark(name: &str, uid: &str) -> Value {
    json!({ "cluster": "c1", "kind": "Client", "namespace": "acme", "name": name, "uid": uid })
}

#[tokio::test]
async fn a_mark_is_kept_answered_and_found() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/clients");
    let body = json!({ "name": "Globex", "managedBy": mark("globex", "u-1") });
    let client = platform.sp.create_tenant(list.clone(), body).await;
    platform.sp.create_client(&partner, "Other").await;
    let path = format!("{list}/{client}");
    assert_eq!(platform.sp.get(&path).await.json()["managedBy"], mark("globex", "u-1"));
    let minimal = platform.sp.get(&format!("{list}/minimal")).await.json();
    assert_eq!(minimal[0], json!({ "uniqueId": client, "name": "Globex", "managedBy": mark("globex", "u-1") }));
    for query in ["managedBy:c1/Client/acme/globex", "managedByUid:u-1"] {
        let found = platform.sp.get(&format!("{list}/search?queryString={query}")).await.json();
        assert_eq!(found["totalResults"], 1, "{query}");
        assert_eq!(found["results"][0]["managedBy"], mark("globex", "u-1"));
    }
    // An update replaces the mark. An update without a mark, or with null, keeps it.
    platform.sp.post(&path, json!({ "city": "Bonn", "managedBy": null })).await.json();
    let replaced = platform.sp.post(&path, json!({ "managedBy": mark("globex", "u-2") })).await.json();
    assert_eq!(replaced["managedBy"]["uid"], "u-2");
}

#[tokio::test]
async fn an_object_has_one_tenant_for_ever() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/clients");
    let client = platform.sp.create_tenant(list.clone(), json!({ "name": "A", "managedBy": mark("a", "u-1") })).await;
    let refused = async |uid: &str| {
        let answer = platform.sp.post(&list, json!({ "name": "B", "managedBy": mark("a", uid) })).await;
        answer.assert_field_refused("managedBy");
        assert!(answer.text.contains(&format!(r#""holder":"{client}""#)), "{}", answer.text);
    };
    refused("u-1").await;
    let other = platform.sp.create_client(&partner, "Other").await;
    let taken = platform.sp.post(&format!("{list}/{other}"), json!({ "managedBy": mark("a", "u-1") })).await;
    taken.assert_field_refused("managedBy");
    // The replaced object still finds its tenant, and so does an object whose tenant is terminated.
    platform.sp.post(&format!("{list}/{client}"), json!({ "managedBy": mark("a", "u-2") })).await.json();
    refused("u-1").await;
    platform.sp.post_empty(&format!("{list}/{client}/terminate")).await.json();
    refused("u-2").await;
    let found = platform.sp.get(&format!("{list}/search?queryString=managedByUid:u-2")).await.json();
    assert_eq!(found["results"][0]["status"], "TERMINATED");
}

#[tokio::test]
async fn a_mark_that_cannot_be_told_apart_is_refused_by_part() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/clients");
    let post = async |mark: Value| platform.sp.post(&list, json!({ "name": "A", "managedBy": mark })).await;
    post(mark("a/b", "u")).await.assert_field_refused("managedBy.name");
    post(mark("a", "")).await.assert_field_refused("managedBy.uid");
    post(json!({ "cluster": "c" })).await.assert_field_refused("managedBy");
    post(json!("c/k/n/m/u")).await.assert_field_refused("managedBy");
}

#[tokio::test]
async fn partners_have_marks_too() {
    let platform = TestPlatform::start().await;
    let body = json!({ "name": "Acme", "managedBy": mark("acme", "p-1") });
    let partner = platform.sp.create_tenant(platform.partners_path(), body.clone()).await;
    assert_eq!(platform.sp.get(&format!("/tenants/{partner}")).await.json()["managedBy"], mark("acme", "p-1"));
    let again =
        platform.sp.post(&platform.partners_path(), json!({ "name": "B", "managedBy": body["managedBy"] })).await;
    again.assert_field_refused("managedBy");
}
