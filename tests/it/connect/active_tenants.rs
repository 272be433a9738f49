//! The list of live tenants: one request for a burst, and always with the tenants that this process created.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::json;
use tenantry_client::{ListFreshness, ListedTenant, NameSearchResult, TenantListing};

use super::fake_platform::{FakePlatform, FakeReply, FakeRequest, extended_token};
use super::{city_change, clients_place, no_payload, partners_place, test_mark};

/// A platform whose list has one client, and never the created one.
fn list_reply(request: &FakeRequest) -> FakeReply {
    match request.method.as_str() {
        "GET" => FakeReply::json(200, &json!([{"uniqueId": "client_1", "name": "A", "managedBy": test_mark()}])),
        _ => FakeReply::json(200, &json!({"uniqueId": "client_2", "name": "B"})),
    }
}

async fn start_slow() -> FakePlatform {
    FakePlatform::start_with(extended_token, |asked| {
        async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            list_reply(&asked)
        }
        .boxed()
    })
    .await
}

fn ids(list: &TenantListing) -> Vec<&str> {
    list.rows.iter().map(|row| row.unique_id.as_str()).collect()
}

#[tokio::test]
async fn one_answer_serves_a_burst_and_now_asks_again() {
    let fake = start_slow().await;
    let (platform, place) = (fake.client_of_fake(), clients_place());
    for list in join_all((0..32).map(|_| platform.list_live_tenants(&place, ListFreshness::Recent))).await {
        assert_eq!(
            list.unwrap().rows,
            [ListedTenant { unique_id: "client_1".into(), name: "A".into(), mark: Some(test_mark()) }]
        );
    }
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    assert_eq!(fake.request_lines(), ["GET /api/v2/tenants/msp_1/clients/minimal"]);
    platform.list_live_tenants(&clients_place(), ListFreshness::Current).await.unwrap();
    assert_eq!(fake.requests().len(), 2);
    // Callers that arrive during a request share the next one, which starts after they arrived.
    join_all((0..32).map(|_| platform.list_live_tenants(&place, ListFreshness::Current))).await;
    assert!(fake.requests().len() <= 4, "{}", fake.requests().len());
    platform.list_live_tenants(&partners_place(), ListFreshness::Recent).await.unwrap();
    assert_eq!(fake.request_lines().last().unwrap(), "GET /api/v2/tenants/sp_1/msps/minimal");
}

#[tokio::test]
async fn a_burst_ends_after_five_seconds() {
    let fake = start_slow().await;
    let platform = fake.client_of_fake();
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5100)).await;
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn a_tenant_created_since_is_in_the_list_with_its_mark() {
    let fake = start_slow().await;
    let platform = fake.client_of_fake();
    let held = platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    platform.create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark()).await.unwrap();
    let list = platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    assert_eq!(list.rows[1], ListedTenant { unique_id: "client_2".into(), name: "B".into(), mark: Some(test_mark()) });
    assert_eq!((ids(&held), fake.requests().len()), (vec!["client_1"], 2));
}

#[tokio::test]
async fn a_tenant_created_while_the_list_was_on_its_way_is_in_it_too() {
    let fake = start_slow().await;
    let platform = fake.client_of_fake();
    platform.check_credential().await.unwrap();
    let created = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        platform.create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark()).await
    };
    let gated = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await
    };
    let (created, list) = tokio::join!(created, gated);
    created.unwrap();
    assert_eq!(ids(&list.unwrap()), ["client_1", "client_2"]);
}

#[tokio::test]
async fn a_create_that_may_have_been_carried_out_makes_the_next_burst_ask_again() {
    let broken = Arc::new(AtomicBool::new(true));
    let shared = Arc::clone(&broken);
    let fake = FakePlatform::new(move |asked| match asked.method.as_str() {
        "POST" if shared.load(Ordering::SeqCst) => FakeReply::Reset,
        _ => list_reply(&asked),
    })
    .await;
    let platform = fake.client_of_fake();
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    platform.create_tenant(&clients_place(), &city_change(), &no_payload(), &test_mark()).await.unwrap_err();
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_create_that_nobody_waits_for_any_more_does_so_as_well() {
    let fake =
        FakePlatform::new(|asked| if asked.method == "POST" { FakeReply::Hang } else { list_reply(&asked) }).await;
    let platform = fake.client_of_fake();
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    let (place, changes, payload, mark) = (clients_place(), city_change(), no_payload(), test_mark());
    let create = platform.create_tenant(&place, &changes, &payload, &mark);
    tokio::time::timeout(Duration::from_millis(50), create).await.unwrap_err();
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_list_that_was_asked_for_before_such_a_create_ended_serves_nobody_else() {
    let fake = FakePlatform::start_with(extended_token, |asked| {
        async move {
            tokio::time::sleep(Duration::from_millis(if asked.method == "POST" { 10 } else { 60 })).await;
            if asked.method == "POST" { FakeReply::Reset } else { list_reply(&asked) }
        }
        .boxed()
    })
    .await;
    let (platform, place) = (fake.client_of_fake(), clients_place());
    platform.check_credential().await.unwrap();
    let (changes, payload, mark) = (city_change(), no_payload(), test_mark());
    let create = platform.create_tenant(&place, &changes, &payload, &mark);
    let (list, created) = tokio::join!(platform.list_live_tenants(&place, ListFreshness::Recent), create);
    assert!(list.is_ok() && created.is_err());
    platform.list_live_tenants(&place, ListFreshness::Recent).await.unwrap();
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_new_mark_is_in_the_list_and_a_new_name_ends_it() {
    let fake = FakePlatform::new(|asked| match asked.method.as_str() {
        "POST" => FakeReply::text(200, "null"),
        _ => list_reply(&asked),
    })
    .await;
    let platform = fake.client_of_fake();
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    let other = tenantry_wire::Mark { uid: "u2".into(), ..test_mark() };
    platform.write_mark(&clients_place(), "client_1", &other).await.unwrap();
    let list = platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    assert_eq!((list.rows[0].mark.as_ref(), fake.requests().len()), (Some(&other), 2));
    let name = tenantry_core::SettingChange { field: tenantry_core::Field::Name, to: tenantry_core::Value::text("C") };
    platform.update_tenant(&clients_place(), "client_1", &[name], &no_payload()).await.unwrap();
    platform.list_live_tenants(&clients_place(), ListFreshness::Recent).await.unwrap();
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn without_the_extensions_the_inactive_ones_are_searched_page_by_page() {
    let fake = FakePlatform::new_documented(|asked| {
        if asked.path.ends_with("/minimal") {
            return FakeReply::json(200, &json!([{"uniqueId": "client_1", "name": "A"}]));
        }
        let row = |id: &str| json!({"uniqueId": id, "name": "X", "activated": false});
        let body = if asked.path.contains("pageNo=1&") {
            json!({"results": [row("client_1"), row("client_3")], "nextPage": true})
        } else {
            json!({"results": [row("client_4")], "nextPage": false})
        };
        FakeReply::json(200, &body)
    })
    .await;
    let list = fake.client_of_fake().list_live_tenants(&clients_place(), ListFreshness::Current).await.unwrap();
    assert_eq!(ids(&list), ["client_1", "client_3", "client_4"]);
    assert!(list.rows.iter().all(|row| row.mark.is_none()));
    assert!(fake.request_lines()[0].contains("queryString=activeStatus%3Afalse"), "{:?}", fake.request_lines());
}

#[tokio::test]
async fn a_list_of_inactive_ones_that_changes_meanwhile_is_not_believed() {
    let searches = AtomicUsize::new(0);
    let fake = FakePlatform::new_documented(move |asked| {
        if asked.path.ends_with("/minimal") {
            return FakeReply::json(200, &json!([]));
        }
        // One was activated between the two searches, after the list of active clients was read.
        let rows = if searches.fetch_add(1, Ordering::SeqCst) == 0 { 1..3 } else { 2..3 };
        let rows: Vec<_> = rows.map(|id| json!({"uniqueId": format!("client_{id}"), "name": "X"})).collect();
        FakeReply::json(200, &json!({"results": rows, "totalResults": rows.len(), "nextPage": false}))
    })
    .await;
    let unknown = fake
        .client_of_fake()
        .list_live_tenants(&clients_place(), ListFreshness::Current)
        .await
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("the list of inactive tenants does not hold"), "{unknown}");
}

/// shows: faults/57
#[tokio::test]
async fn a_row_that_cannot_be_read_costs_no_other_and_is_told_of_by_its_name() {
    let rows = json!([
        {"uniqueId": "client_1", "name": "A"}, {"uniqueId": "client_2", "name": null}, {"name": "C"}, 7, {},
        {"uniqueId": 5, "name": 55, "managedBy": "somebody"},
        {"uniqueId": "client_6", "name": "F", "status": "MIGRATING", "activated": "perhaps", "id": "six"},
    ]);
    let list = rows.clone();
    let fake = FakePlatform::new(move |asked| {
        let page = json!({"results": list, "totalResults": "7", "nextPage": false});
        FakeReply::json(200, if asked.path.contains("/search") { &page } else { &list })
    })
    .await;
    let platform = fake.client_of_fake();
    let listing = platform.list_live_tenants(&clients_place(), ListFreshness::Current).await.unwrap();
    assert_eq!(ids(&listing), ["client_1", "5", "client_6"]);
    let unreadable: Vec<String> = listing.unreadable.iter().map(ToString::to_string).collect();
    assert_eq!(
        unreadable,
        [
            "row 2 (`client_2`) has no name that can be read",
            "row 3 (`C`) has no unique id that can be read",
            "row 4 has neither a unique id nor a name that can be read",
            "row 5 has neither a unique id nor a name that can be read",
        ]
    );
    assert!(
        listing.unreadable[0].may_have_name("B")
            && listing.unreadable[1].may_have_name("C")
            && !listing.unreadable[1].may_have_name("B")
    );
    let page = platform.list_page(&clients_place(), 1).await.unwrap();
    assert_eq!((page.results.len(), page.unreadable.len(), page.total_results), (3, 4, Some(7)));
    let (rows, odd) = platform.list_all_rows(&clients_place()).await.unwrap();
    assert_eq!((rows.len(), odd.len()), (3, 4));
}

/// Starts a documented platform with these rows for the requested names.
async fn start_searchable(rows: fn(&FakeRequest) -> serde_json::Value) -> FakePlatform {
    FakePlatform::new_documented(move |asked| {
        let rows = rows(&asked);
        let total = rows.as_array().unwrap().len();
        FakeReply::json(200, &json!({"results": rows, "totalResults": total, "nextPage": false}))
    })
    .await
}

/// shows: faults/55
#[tokio::test]
async fn a_name_is_asked_for_in_both_lists_twice_and_compared_here_as_well() {
    let fake = start_searchable(|asked| {
        let row = |id: &str, name: &str| json!({"uniqueId": id, "name": name});
        if asked.path.contains("activeStatus%3Atrue") {
            return json!([]);
        }
        json!([row("client_1", "Globex"), row("client_2", "globex"), row("client_3", "Globex Two")])
    })
    .await;
    let sought =
        fake.client_of_fake().find_tenants_by_name(&clients_place(), &["Globex"], ListFreshness::Recent).await.unwrap();
    let NameSearchResult::Complete(listing) = sought else { panic!("{sought:?}") };
    assert_eq!(ids(&listing), ["client_1"]);
    let asked: Vec<bool> = fake.requests().iter().map(|asked| asked.path.contains("activeStatus%3Afalse")).collect();
    assert_eq!(asked, [false, true, false, true]);
    assert!(fake.requests().iter().all(|asked| asked.path.contains("queryString=name%3AGlobex%2BactiveStatus")));
}

/// shows: faults/57
#[tokio::test]
async fn a_row_without_a_name_leaves_open_whether_the_name_is_free_only_where_it_was_asked_for() {
    let fake = start_searchable(|asked| {
        let odd = json!([{"uniqueId": "client_1", "name": {"text": "Globex"}}]);
        if asked.path.contains("Globex") { odd } else { json!([]) }
    })
    .await;
    let platform = fake.client_of_fake();
    let sought = platform.find_tenants_by_name(&clients_place(), &["Globex"], ListFreshness::Current).await.unwrap();
    let NameSearchResult::Inconclusive(why) = sought else { panic!("{sought:?}") };
    assert_eq!(why, "`Globex`: row 1 (`client_1`) has no name that can be read");
    let other = platform.find_tenants_by_name(&clients_place(), &["Initech"], ListFreshness::Current).await.unwrap();
    assert!(matches!(other, NameSearchResult::Complete(_)), "{other:?}");
}
