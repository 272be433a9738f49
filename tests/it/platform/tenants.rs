//! Tests of create, read and update.

use serde_json::json;

use super::TestPlatform;
use super::audit::execute_statements;

#[tokio::test]
async fn a_create_answers_the_ids_and_the_read_is_the_whole_object() {
    let platform = TestPlatform::start().await;
    let packages = ["Event and Incident Management", "Remediation and Automation"];
    let add_ons = ["SMS and Voice", "Remote Access Management"];
    let partner = json!({ "name": " Acme ", "packages": packages, "addOns": add_ons });
    let created = platform.sp.post(&platform.partners_path(), partner).await.json();
    assert_eq!(created, json!({ "uniqueId": "msp_2", "name": "Acme", "id": 2 }));
    let body = json!({
        "name": "Example Co", "extOrgId": "EXT-1", "address": "1 Main St", "city": "San Jose", "state": "California",
        "zip": "01067", "country": "USA", "timeZone": "America/Los_Angeles", "channel": {"id": 7}, "nocDetails": {"id": 11},
        "phoneNumber": "408-555-0100", "phoneExtension": "+1", "mobileNumber": "646-555-0100",
        "rdp2swfState": true, "enableCLIRecording": true, "showCopyClipBoard": true, "resourceDecommission": true,
        "whiteListedIps": "172.22.22.*,172.22.2.[0-50]", "twoFactorAuthentication": true,
        "clientDetails": {"businessStartHour": 8, "businessStartMin": 30, "businessEndHour": 16, "businessEndMin": 0,
            "businessDayStart": 1, "businessDayEnd": 5, "smsVoiceNotification": true, "remoteAccess": true,
            "services": [{"id": 1, "technologies": [{"id": "1"}]}]},
        "agentPolicies": [{"name": "Servers Policy"}], "uniqueId": "mine", "mspId": "msp_99",
        "packages": packages, "addOns": add_ons
    });
    let created = platform.sp.post("/tenants/msp_2/clients", body.clone()).await.json();
    assert_eq!(created, json!({ "uniqueId": "client_3", "name": "Example Co", "id": 3 }));
    let read = platform.sp.get("/tenants/msp_2/clients/client_3").await.json();
    for key in [
        "extOrgId",
        "address",
        "city",
        "state",
        "zip",
        "timeZone",
        "phoneNumber",
        "phoneExtension",
        "mobileNumber",
        "rdp2swfState",
        "enableCLIRecording",
        "showCopyClipBoard",
        "resourceDecommission",
        "whiteListedIps",
        "twoFactorAuthentication",
    ] {
        assert_eq!(read[key], body[key], "{key}");
    }
    assert_eq!(read["country"], "United States");
    assert_eq!(read["channel"], json!({ "id": 7, "name": "Online", "timeZone": "Europe/London" }));
    assert_eq!(read["nocDetails"], json!({ "id": 11, "name": "Night Operations" }));
    assert_eq!(read["clientDetails"]["businessStartMin"], 30);
    assert_eq!((&read["mspId"], &read["mspid"]), (&json!("msp_2"), &json!(2)));
    assert_eq!((&read["uniqueId"], &read["id"]), (&json!("client_3"), &json!(3)));
    assert_eq!((&read["activated"], &read["status"]), (&json!(true), &json!("ACTIVE")));
    let all = [["Hybrid Discovery and Monitoring"].as_slice(), &packages].concat();
    assert_eq!((&read["packages"], &read["addOns"]), (&json!(all), &json!(add_ons)));
    let time = read["createdTime"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with("+0000"), "{time}");
    assert_eq!(read["createdBy"]["loginName"], "api@sp_1");
    // What was read may be sent back unchanged.
    let mut again = platform.sp.post("/tenants/msp_2/clients/client_3", read.clone()).await.json();
    for moment in ["revision", "updatedTime"] {
        let (now, before) = (again[moment].to_string(), read[moment].to_string());
        assert!(now >= before, "{moment}: {now} after {before}");
        again[moment] = read[moment].clone();
    }
    assert_eq!(again, read);
}

#[tokio::test]
async fn numeric_and_legacy_ids_name_the_same_tenant() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let read = platform.sp.get(&format!("/tenants/{partner}/clients/{client}")).await.json();
    assert_eq!(platform.sp.get("/tenants/2/clients/3").await.json(), read);
    assert_eq!(platform.sp.get("/tenants/client/3").await.json(), read);
    for wrong in ["msp_3", "client_2", "03x", "-1", "client_4", "3%20", "3%00"] {
        platform.sp.get(&format!("/tenants/msp_2/clients/{wrong}")).await.assert_error(404, "not found");
    }
}

#[tokio::test]
async fn what_a_client_leaves_out_at_create_comes_from_its_partner() {
    let platform = TestPlatform::start().await;
    let body = json!({ "name": "Acme", "country": "DEU", "timeZone": "Asia/Calcutta", "address": "Here" });
    let partner = platform.sp.create_tenant(platform.partners_path(), body).await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let read = platform.sp.get(&format!("/tenants/{partner}/clients/{client}")).await.json();
    assert_eq!((&read["country"], &read["timeZone"]), (&json!("Germany"), &json!("Asia/Calcutta")));
    assert_eq!(read["address"], "");
}

#[tokio::test]
async fn an_update_merges_and_answers_the_whole_object() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let path = format!("/tenants/{partner}/clients/{client}");
    let set = json!({ "city": "Bonn", "zip": "53111", "whiteListedIps": "10.0.0.1", "channel": {"id": 1},
        "clientDetails": {"businessStartHour": 7}, "duoSecurity": {"apiHostName": "duo.example"} });
    let first = platform.sp.post(&path, set).await.json();
    assert_eq!(first["city"], "Bonn");
    let second = platform.sp.post(&path, json!({ "city": "", "clientDetails": {"businessEndHour": 19} })).await.json();
    assert_eq!((&second["city"], &second["zip"]), (&json!(""), &json!("53111")));
    assert_eq!(second["clientDetails"]["businessStartHour"], 7);
    assert_eq!(second["clientDetails"]["businessEndHour"], 19);
    assert_eq!(second["duoSecurity"]["apiHostName"], "duo.example");
    let cleared =
        platform.sp.post(&path, json!({ "whiteListedIps": "", "channel": {"id": 0}, "zip": null })).await.json();
    assert_eq!((&cleared["whiteListedIps"], &cleared["zip"]), (&json!(""), &json!("53111")));
    assert!(cleared.get("channel").is_none());
    assert_eq!(platform.sp.get(&path).await.json(), cleared);
}

/// shows: seeds/events-add-ons/sms-voice, seeds/remediation-add-ons/remote-access
#[tokio::test]
async fn a_switch_needs_its_add_on_and_goes_off_with_it() {
    let mut platform = TestPlatform::start().await;
    let packages = ["Event and Incident Management", "Remediation and Automation"];
    for (switch, add_on) in [("smsVoiceNotification", "SMS and Voice"), ("remoteAccess", "Remote Access Management")] {
        let body = json!({ "name": switch, "packages": packages, "addOns": [add_on] });
        let partner = platform.sp.create_tenant(platform.partners_path(), body).await;
        let list = format!("/tenants/{partner}/clients");
        let on = json!({ switch: true });
        let field = format!("clientDetails.{switch}");
        let refused =
            platform.sp.post(&list, json!({ "name": "G", "clientDetails": on })).await.assert_field_refused(&field);
        assert!(refused.contains(add_on) && refused.contains("Contact Support"), "{refused}");
        let client = platform.sp.create_client(&partner, "G").await;
        let path = format!("{list}/{client}");
        platform.sp.post(&path, json!({ "clientDetails": on, "city": "Bonn" })).await.assert_field_refused(&field);
        assert_eq!(platform.sp.get(&path).await.json()["city"], "", "nothing is half done");
        let with = json!({ "clientDetails": on, "packages": packages, "addOns": [add_on] });
        assert_eq!(platform.sp.post(&path, with).await.json()["clientDetails"][switch], true);
        // A request that turns the switch on and drops its add-on contradicts itself. A request without the switch
        // turns it off.
        platform.sp.post(&path, json!({ "clientDetails": on, "addOns": [] })).await.assert_field_refused(&field);
        let without = platform.sp.post(&path, json!({ "addOns": [] })).await.json();
        assert_eq!(without["clientDetails"][switch], false);
    }
    // The documented API does not have this rule: its own samples turn remote access on without the add-on.
    platform.restart(|config| config.documented_only = true).await;
    let switch = json!({ "clientDetails": {"remoteAccess": true} });
    let kept = platform.sp.post("/tenants/msp_2/clients/client_3", switch).await.json();
    assert_eq!(kept["clientDetails"]["remoteAccess"], true);
    platform.restart(|config| config.documented_only = false).await;
    let read = platform.sp.get("/tenants/msp_2/clients/client_3").await.json();
    assert_eq!(platform.sp.post("/tenants/msp_2/clients/client_3", read.clone()).await.json()["name"], read["name"]);
}

#[tokio::test]
async fn a_name_is_required_and_unique_among_the_living() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let list = format!("/tenants/{partner}/clients");
    for body in [json!({}), json!({ "name": "  " }), json!({ "name": "a\nb" }), json!({ "name": "x".repeat(256) })] {
        platform.sp.post(&list, body).await.assert_field_refused("name");
    }
    let globex = platform.sp.create_client(&partner, "Globex").await;
    let refused = platform.sp.post(&list, json!({ "name": " Globex " })).await;
    refused.assert_field_refused("name");
    assert!(refused.text.contains(&format!(r#""holder":"{globex}""#)), "{}", refused.text);
    // Names are case-sensitive. Another partner has its own names, and a partner's name does not conflict with a
    // client's.
    platform.sp.create_client(&partner, "GLOBEX").await;
    platform.sp.create_client(&partner, "Acme").await;
    let other = platform.create_partner("Other").await;
    let theirs = platform.sp.create_client(&other, "Globex").await;
    platform.sp.post(&platform.partners_path(), json!({ "name": "Acme" })).await.assert_field_refused("name");
    platform.sp.create_client(&other, "Initech").await;
    let renamed = platform.sp.post(&format!("/tenants/{other}/clients/{theirs}"), json!({ "name": "Initech" })).await;
    renamed.assert_field_refused("name");
    let path = format!("{list}/{globex}");
    platform.sp.post(&path, json!({ "name": "" })).await.assert_field_refused("name");
    assert_eq!(platform.sp.post(&path, json!({ "name": "Globex" })).await.json()["name"], "Globex");
    // A name is free again after its holder is renamed or terminated.
    assert_eq!(platform.sp.post(&path, json!({ "name": "Hooli" })).await.json()["name"], "Hooli");
    let again = platform.sp.create_client(&partner, "Globex").await;
    platform.sp.post_empty(&format!("{list}/{again}/terminate")).await.json();
    platform.sp.create_client(&partner, "Globex").await;
}

#[tokio::test]
async fn every_change_moves_the_updated_time() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let path = format!("/tenants/{partner}/clients/{client}");
    let stamp = async || platform.sp.get(&path).await.json()["updatedTime"].as_str().unwrap().to_owned();
    let mut last = stamp().await;
    for (what, call) in [
        ("an update", format!("POST {path}")),
        ("branding", format!("PUT /tenants/{client}/customBranding")),
        ("suspend", format!("POST {path}/suspend")),
        ("activate", format!("POST {path}/activate")),
    ] {
        tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
        let (method, call) = call.split_once(' ').unwrap();
        let body = json!({ "city": "Bonn", "applicationTitle": "T" }).to_string().into_bytes();
        platform.sp.send(method.parse().unwrap(), &format!("/api/v2{call}"), body).await.json();
        let now = stamp().await;
        assert!(now > last, "{what}: {now} is not after {last}");
        last = now;
    }
}

#[tokio::test]
async fn every_change_has_a_revision_of_its_own_and_no_change_has_none() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Globex").await;
    let path = format!("/tenants/{partner}/clients/{client}");
    let revision = async || platform.sp.get(&path).await.json()["revision"].as_i64().unwrap();
    let mut last = revision().await;
    for round in 0..20 {
        let change = async |call: &str, body: serde_json::Value| {
            let (method, call) = call.split_once(' ').unwrap();
            let body = body.to_string().into_bytes();
            platform.sp.send(method.parse().unwrap(), &format!("/api/v2{call}"), body).await.json()
        };
        change(&format!("POST {path}"), json!({"city": format!("City {round}")})).await;
        let now = revision().await;
        assert!(now > last, "an update: {now} is not after {last}");
        last = now;
        let branding = json!({"applicationTitle": format!("Title {round}")});
        change(&format!("PUT /tenants/{client}/customBranding"), branding).await;
        let now = revision().await;
        assert!(now > last, "branding: {now} is not after {last}");
        last = now;
        change(&format!("POST {path}"), json!({"city": format!("City {round}")})).await;
        assert_eq!(revision().await, last, "the same city is no change");
    }
    let page = platform.sp.get(&format!("/tenants/{partner}/clients/search")).await.json();
    assert_eq!(page["results"][0]["revision"], json!(last), "a page tells it too");
}

#[tokio::test]
async fn a_change_has_a_later_revision_although_the_clock_was_set_back() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let path = format!("{}/{partner}", platform.partners_path());
    // Simulates a row that was written while the clock was an hour ahead.
    let ahead = jiff::Timestamp::now().as_millisecond() + 3_600_000;
    execute_statements(&platform, &[&format!("UPDATE tenant SET updated_at = {ahead} WHERE unique_id = '{partner}'")])
        .await;
    platform.sp.post(&path, json!({ "city": "Bonn" })).await.json();
    assert_eq!(platform.sp.get(&path).await.json()["revision"], ahead + 1);
}
