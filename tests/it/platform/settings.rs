//! Tests of single settings: which values are accepted and which are refused.

use serde_json::{Value, json};

use super::TestPlatform;

/// shows: seeds/password/custom
#[tokio::test]
async fn values_out_of_range_are_refused_by_field() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    for (field, body) in [
        ("country", json!({ "country": "Atlantis" })),
        ("timeZone", json!({ "timeZone": "Europe/Atlantis" })),
        ("whiteListedIps", json!({ "whiteListedIps": "10.0.0.1,10.0.0.300" })),
        ("whiteListedIps", json!({ "whiteListedIps": "10.0.0.[9-1]" })),
        ("channel.id", json!({ "channel": {"id": 99} })),
        ("nocDetails.id", json!({ "nocDetails": {"id": 99} })),
        ("notificationEmail", json!({ "notificationEmail": "nobody" })),
        ("altEmail", json!({ "altEmail": "a@b@c" })),
        ("zip", json!({ "zip": "1".repeat(33) })),
        ("clientDetails.businessDayEnd", json!({ "clientDetails": {"businessDayEnd": 8} })),
        ("clientDetails.businessStartHour", json!({ "clientDetails": {"businessStartHour": -1} })),
        ("duoSecurity.apiHostName", json!({ "duoSecurity": {"apiHostName": "a b"} })),
        ("passwordPolicy", json!({ "passwordPolicy": {"defaultPolicy": false} })),
        ("accessEndpoint", json!({ "accessEndpoint": {"applicationServer": "x.app.y"} })),
        ("blockDuplicateCloudAccounts", json!({ "blockDuplicateCloudAccounts": true })),
    ] {
        let path = format!("/tenants/{partner}/clients/{client}");
        platform.sp.post(&path, body.clone()).await.assert_field_refused(field);
        let mut create = body;
        create["name"] = json!("New");
        platform.sp.post(&format!("/tenants/{partner}/clients"), create).await.assert_field_refused(field);
    }
    assert_eq!(
        platform.sp.get(&format!("/tenants/{partner}/clients/minimal")).await.json().as_array().unwrap().len(),
        1
    );
}

/// shows: seeds/access/ip-rule, seeds/access/ip-list
#[tokio::test]
async fn every_form_of_an_address_is_taken() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = "198.51.100.7, 2001:db8::1,10.0.0.0/8,2001:db8::/32,172.22.22.*,172.22.2.[0-50]";
    let read = platform
        .sp
        .post(&format!("{}/{partner}", platform.partners_path()), json!({ "whiteListedIps": list }))
        .await
        .json();
    assert_eq!(read["whiteListedIps"], list.replace(' ', ""));
}

/// shows: seeds/password/pci-dss, seeds/password/pci-dss-fixed
#[tokio::test]
async fn the_default_policy_is_pci_dss_and_cannot_be_edited() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("{}/{partner}", platform.partners_path());
    let policy = async |body: Value| platform.sp.post(&path, json!({ "passwordPolicy": body })).await;
    let figures = json!({
        "defaultPolicy": true, "minPasswordLength": 12, "enablePasswordConstraints": true,
        "changePasswordAtFirstLogin": true, "passwordValidity": 90, "allowLastFourPasswords": false,
        "maxAttemptsToLockout": 10
    });
    assert_eq!(platform.sp.get(&path).await.json()["passwordPolicy"], figures);
    assert_eq!(policy(figures.clone()).await.json()["passwordPolicy"], figures);
    policy(json!({ "minPasswordLength": 8 })).await.assert_field_refused("passwordPolicy.minPasswordLength");
    let edited = json!({ "defaultPolicy": true, "changePasswordAtFirstLogin": false });
    policy(edited).await.assert_field_refused("passwordPolicy.changePasswordAtFirstLogin");

    let own = policy(json!({ "defaultPolicy": false, "minPasswordLength": 20 })).await.json();
    assert_eq!(own["passwordPolicy"]["minPasswordLength"], 20);
    assert_eq!(own["passwordPolicy"]["passwordValidity"], 90);
    assert_eq!(policy(json!({ "passwordValidity": 30 })).await.json()["passwordPolicy"]["minPasswordLength"], 20);
    policy(json!({ "passwordValidity": 0 })).await.assert_field_refused("passwordPolicy.passwordValidity");
    policy(json!({ "maxAttemptsToLockout": 0 })).await.assert_field_refused("passwordPolicy.maxAttemptsToLockout");
    // A client shows the policy that applies to its users.
    let client = platform.sp.create_client(&partner, "Globex").await;
    let shown = platform.sp.get(&format!("/tenants/{partner}/clients/{client}")).await.json();
    assert_eq!(shown["passwordPolicy"]["minPasswordLength"], 20);
    assert_eq!(policy(json!({ "defaultPolicy": true })).await.json()["passwordPolicy"], figures);
}

/// shows: seeds/access/duo-integration-key, seeds/access/duo-secret-key, seeds/access/duo-shown
#[tokio::test]
async fn duo_keys_are_taken_and_never_shown() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("{}/{partner}", platform.partners_path());
    let keys = json!({ "integrationKey": "ikey-seen", "secretKey": "skey-seen", "apiHostName": "duo.example" });
    let answer = platform.sp.post(&path, json!({ "duoSecurity": keys })).await;
    assert_eq!(answer.json()["duoSecurity"], json!({ "apiHostName": "duo.example" }));
    for text in
        [answer.text, platform.sp.get(&path).await.text, platform.sp.get(&format!("/tenants/{partner}")).await.text]
    {
        assert!(!text.contains("-seen"), "{text}");
    }
}

/// shows: seeds/account/application-server, seeds/account/api-server, seeds/details/api-endpoint
#[tokio::test]
async fn the_api_server_follows_the_application_server() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("{}/{partner}", platform.partners_path());
    let set = async |server: &str| {
        platform
            .sp
            .post(&path, json!({ "accessEndpoint": {"applicationServer": server, "apiServer": "ignored"} }))
            .await
    };
    let endpoint = set("https://acme.app.example.net:8443").await.json()["accessEndpoint"].clone();
    assert_eq!(
        endpoint,
        json!({ "applicationServer": "https://acme.app.example.net:8443", "apiServer": "acme.api.example.net" })
    );
    assert_eq!(set("portal.acme.example").await.json()["accessEndpoint"]["apiServer"], "api.portal.acme.example");
    set("not a host").await.assert_field_refused("accessEndpoint.applicationServer");
    assert_eq!(set("").await.json()["accessEndpoint"]["apiServer"], "");
}

/// shows: seeds/account/timezone, seeds/account/country
#[tokio::test]
async fn reference_data_is_listed() {
    let platform = TestPlatform::start().await;
    let list = async |path: &str| platform.sp.get(path).await.json().as_array().unwrap().clone();
    assert!(list("/cfg/countries").await.contains(&json!({ "code": "IND", "name": "India" })));
    let zones = list("/cfg/timezones").await;
    let zone = zones.iter().find(|zone| zone["name"] == "America/Los_Angeles").unwrap();
    assert!(zone["id"].is_string());
    assert_eq!((&zone["code"], &zone["label"]), (&json!("PST"), &json!("GMT -08:00 America/Los_Angeles")));
    assert!(list("/cfg/tenants/channels").await.iter().all(|row| row["id"].is_i64() && row["timeZone"].is_string()));
    assert!(list("/cfg/tenants/nocs").await.iter().all(|row| row["id"].is_i64() && row["name"].is_string()));
}
