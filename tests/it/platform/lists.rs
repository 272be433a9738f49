//! Tests of `search` and `minimal`.

use serde_json::{Value, json};

use super::TestPlatform;

fn result_names(page: &Value) -> Vec<&str> {
    page["results"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_carry_the_envelope_and_follow_each_other() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    for number in 1..=5 {
        platform.sp.create_client(&partner, &format!("C{number}")).await;
    }
    let search = async |query: &str| platform.sp.get(&format!("/tenants/{partner}/clients/search{query}")).await;
    let first = search("?pageSize=2").await.json();
    assert_eq!(result_names(&first), ["C5", "C4"]);
    for (key, value) in [
        ("totalResults", json!(5)),
        ("orderBy", json!("client.id")),
        ("pageNo", json!(1)),
        ("pageSize", json!(2)),
        ("totalPages", json!(3)),
        ("nextPage", json!(true)),
        ("nextPageNo", json!(2)),
        ("previousPageNo", json!(0)),
        ("descendingOrder", json!(true)),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    let last = search("?pageSize=2&pageNo=3").await.json();
    assert_eq!(
        (result_names(&last), &last["nextPage"], &last["previousPageNo"]),
        (vec!["C1"], &json!(false), &json!(2))
    );
    assert!(last.get("nextPageNo").is_none());
    let sorted = search("?sortName=name&isDescendingOrder=false&queryString=").await.json();
    assert_eq!(result_names(&sorted), ["C1", "C2", "C3", "C4", "C5"]);
    let row = &sorted["results"][0];
    for key in
        ["id", "uniqueId", "name", "activated", "updatedTime", "createdTime", "createdBy", "lastUpdatedBy", "status"]
    {
        assert!(row.get(key).is_some(), "{key}");
    }
    search("?pageSize=501").await.assert_field_refused("pageSize");
    search("?pageNo=0").await.assert_field_refused("pageNo");
    search("?sortName=colour").await.assert_field_refused("sortName");
    search("?isDescendingOrder=maybe").await.assert_field_refused("isDescendingOrder");
    search("?queryString=colour:red").await.assert_field_refused("queryString");
}

/// shows: seeds/details/search, seeds/filter/all
#[tokio::test]
async fn a_search_finds_by_every_key() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let one = platform.sp.create_client(&partner, "One & Only: 100% +1").await;
    let two = platform.sp.create_client(&partner, "Acme Managed Services").await;
    platform.sp.post_empty(&format!("/tenants/{partner}/clients/{two}/suspend")).await.json();
    let found = async |query: &str| {
        let page = platform.sp.get(&format!("/tenants/{partner}/clients/search?queryString={query}")).await.json();
        page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["uniqueId"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&format!("uniqueId:{one}")).await, [one.as_str()]);
    assert_eq!(found("id:4").await, [two.as_str()]);
    assert_eq!(found("name:One+%26+Only:+100%25+%2B1").await, [one.as_str()]);
    assert_eq!(found("name%3AAcme+Managed+Services%2BactiveStatus%3Afalse").await, [two.as_str()]);
    assert_eq!(found("name:Acme%20Managed%20Services+activeStatus:true").await, Vec::<String>::new());
    assert_eq!(found("activeStatus:true").await, [one.as_str()]);
    assert_eq!(found("activeStatus:false").await, [two.as_str()]);
    assert_eq!(found("startCreationDate:2020-01-01T00:00:00+0000+endCreationDate:2099-01-01").await.len(), 2);
    assert_eq!(found("endUpdationDate:2020-01-01T00:00:00%2B0000").await.len(), 0);
    assert_eq!(found("startUpdationDate:2099-01-01").await.len(), 0);
    let updated =
        platform.sp.get(&format!("/tenants/client/{one}")).await.json()["updatedTime"].as_str().unwrap().to_owned();
    assert!(found(&format!("startUpdationDate:{updated}+endUpdationDate:{updated}")).await.contains(&one));
}

/// shows: seeds/filter/active, seeds/filter/inactive
#[tokio::test]
async fn a_list_for_people_is_searched_by_a_part_of_a_name_and_by_state() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Mission Partner").await;
    for name in ["Ärztehaus Nord", "ärztehaus süd", "100% Straße", "Zebra"] {
        platform.sp.create_client(&partner, name).await;
    }
    let act = async |id: &str, action: &str| {
        platform.sp.post_empty(&format!("/tenants/{partner}/clients/{id}/{action}")).await.json();
    };
    act("client_4", "suspend").await;
    act("client_5", "terminate").await;
    let search = async |query: &str| {
        let list = format!("/tenants/{partner}/clients/search?isDescendingOrder=false&{query}");
        platform.sp.get(&list).await.json()
    };
    for (query, found) in [
        ("nameContains:%C3%84RZTEHAUS", &["Ärztehaus Nord", "ärztehaus süd"][..]),
        ("nameContains:STRASSE", &["100% Straße"]),
        ("nameContains:100%25", &["100% Straße"]),
        ("nameContains:_", &[]),
        ("nameContains:haus+status:SUSPENDED", &["ärztehaus süd"]),
        ("status:ACTIVE", &["Ärztehaus Nord", "Zebra"]),
        ("status:SUSPENDED", &["ärztehaus süd"]),
        ("status:TERMINATED", &["100% Straße"]),
        // The documented keys keep their meaning.
        ("name:zebra", &[]),
        ("name:Zebra", &["Zebra"]),
        ("activeStatus:false", &["ärztehaus süd", "100% Straße"]),
    ] {
        assert_eq!(result_names(&search(&format!("queryString={query}")).await), found, "{query}");
    }
    let page = search("queryString=nameContains:a&pageSize=2&pageNo=2&sortName=name").await;
    assert_eq!((&page["totalResults"], &page["totalPages"]), (&json!(4), &json!(2)));
    assert_eq!(result_names(&page).len(), 2);
    let all = platform
        .sp
        .get(&format!("{}/search?queryString=nameContains:sion+PART", platform.partners_path()))
        .await
        .json();
    assert_eq!(result_names(&all), ["Mission Partner"]);
    let message = platform.sp.get(&format!("/tenants/{partner}/clients/search?queryString=status:Active")).await;
    assert!(message.assert_field_refused("queryString").contains("ACTIVE, SUSPENDED, TERMINATED"));
}

#[tokio::test]
async fn a_library_that_encodes_the_whole_query_is_understood() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let client = platform.sp.create_client(&partner, "Ärger & Söhne").await;
    let url = format!("{}/api/v2/tenants/{partner}/clients/search", platform.url());
    let request = reqwest::Client::new().get(url).bearer_auth(&platform.sp.token);
    let request = request.query(&[("queryString", "name:Ärger & Söhne+activeStatus:true"), ("pageSize", "10")]);
    let page: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(page["results"][0]["uniqueId"], client);
}

#[tokio::test]
async fn minimal_is_a_bare_array_of_the_living() {
    let platform = TestPlatform::start().await;
    let partner = platform.create_partner("Acme").await;
    let mut ids = Vec::new();
    for name in ["A", "B", "C"] {
        ids.push(platform.sp.create_client(&partner, name).await);
    }
    let list = format!("/tenants/{partner}/clients");
    platform.sp.post_empty(&format!("{list}/{}/suspend", ids[0])).await.json();
    platform.sp.post_empty(&format!("{list}/{}/terminate", ids[1])).await.json();
    let minimal = platform.sp.get(&format!("{list}/minimal")).await.json();
    assert_eq!(minimal, json!([{ "uniqueId": ids[0], "name": "A" }, { "uniqueId": ids[2], "name": "C" }]));
    let partners = platform.sp.get(&format!("{}/minimal", platform.partners_path())).await.json();
    assert_eq!(partners, json!([{ "uniqueId": partner, "name": "Acme" }]));
    let page = platform.sp.get(&format!("{}/search?queryString=name:Acme", platform.partners_path())).await.json();
    assert_eq!((&page["totalResults"], &page["orderBy"]), (&json!(1), &json!("msp.id")));
}
