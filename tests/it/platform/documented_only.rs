//! Tests that `--documented-only` disables every extension.

use serde_json::json;

use super::TestPlatform;

async fn start_documented_only() -> TestPlatform {
    TestPlatform::start_with(|config| config.documented_only = true).await
}

#[tokio::test]
async fn a_fresh_documented_platform_has_one_partner_and_its_credential() {
    let platform = start_documented_only().await;
    let partner = platform.sp_id.clone();
    assert_eq!(partner, "msp_2");
    let read = platform.sp.get(&format!("/tenants/{partner}")).await;
    assert!(read.headers.get("x-tenantry-extensions").is_none());
    let read = read.json();
    for key in [
        "status",
        "managedBy",
        "notificationEmail",
        "altEmail",
        "accessEndpoint",
        "blockDuplicateCloudAccounts",
        "skipUserConsentForm",
        "packages",
        "addOns",
        "terminatedTime",
    ] {
        assert!(read.get(key).is_none(), "{key}");
    }
    assert!(read["mspDetails"].is_object());
}

#[tokio::test]
async fn the_calls_of_ours_are_absent() {
    let platform = start_documented_only().await;
    for path in ["/tenants/sp_1/msps/search", "/tenants/sp_1/msps/msp_2", "/tenants/msp_2/impact"] {
        platform.sp.get(path).await.assert_error(404, "not found");
    }
    platform.sp.post("/tenants/sp_1/msps", json!({ "name": "A" })).await.assert_error(404, "not found");
    platform.sp.post_empty("/tenants/msp_2/credentials").await.assert_error(404, "not found");
    for path in ["/tenants/msp_2/subscription", "/tenants/msp_2/records/alerts", "/tenants/msp_2/exports/stream"] {
        platform.sp.get(path).await.assert_error(404, "not found");
        platform.sp.post(path, json!({ "name": "A" })).await.assert_error(404, "not found");
    }
}

#[tokio::test]
async fn members_of_ours_are_ignored_and_never_answered() {
    let platform = start_documented_only().await;
    let list = "/tenants/msp_2/clients";
    let mark = json!({ "cluster": "c", "kind": "Client", "namespace": "n", "name": "m", "uid": "u" });
    let body =
        json!({ "name": "Twin", "managedBy": mark, "notificationEmail": "no address", "skipUserConsentForm": true });
    let one = platform.sp.create_tenant(list.to_owned(), body.clone()).await;
    // Names need not be unique, and neither need marks, which this mode ignores.
    let two = platform.sp.create_tenant(list.to_owned(), body).await;
    assert_ne!(one, two);
    let read = platform.sp.get(&format!("{list}/{one}")).await.json();
    for key in ["status", "managedBy", "notificationEmail", "altEmail", "skipUserConsentForm"] {
        assert!(read.get(key).is_none(), "{key}");
    }
    assert!(read.get("packages").is_some() && read.get("activated").is_some());
    assert_eq!(platform.sp.get(&format!("{list}/minimal")).await.json()[0], json!({ "uniqueId": one, "name": "Twin" }));
    let page = platform.sp.get(&format!("{list}/search?queryString=name:Twin")).await.json();
    assert_eq!(page["totalResults"], 2);
    assert!(page["results"][0].get("status").is_none() && page["results"][0].get("managedBy").is_none());
    platform.sp.get(&format!("{list}/search?queryString=managedByUid:u")).await.assert_field_refused("queryString");
    platform.sp.post_empty(&format!("{list}/{one}/terminate")).await.json();
    let gone = platform.sp.get(&format!("{list}/search?queryString=activeStatus:false")).await.json();
    assert_eq!(gone["results"][0]["activated"], false);
    assert!(gone["results"][0].get("status").is_none());
}

#[tokio::test]
async fn branding_has_the_documented_members_only() {
    let platform = start_documented_only().await;
    let png = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(2, 2).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes.into_inner())
    };
    let body =
        json!({ "documentationURL": "https://d.example", "applicationTitle": "T", "logo": {"name": "l", "file": png} });
    let read = platform.sp.put("/tenants/msp_2/customBranding", body).await.json();
    assert!(read.get("documentationURL").is_none() && read["logo"].get("sha256").is_none());
    assert!(read["logo"].get("servedSha256").is_none());
    assert_eq!(read["logo"]["imageType"], "image/png");
}

#[tokio::test]
async fn twins_of_a_documented_time_live_on_under_the_extensions() {
    let mut platform = start_documented_only().await;
    let one = platform.sp.create_client("msp_2", "Twin").await;
    let two = platform.sp.create_client("msp_2", "Twin").await;
    platform.restart(|_| ()).await;
    for id in [&one, &two] {
        let path = format!("/tenants/msp_2/clients/{id}");
        assert_eq!(platform.sp.post(&path, json!({ "city": "Bonn" })).await.json()["name"], "Twin");
    }
    platform.sp.post("/tenants/msp_2/clients", json!({ "name": "Twin" })).await.assert_field_refused("name");
}
