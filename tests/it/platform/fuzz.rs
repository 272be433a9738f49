//! Sends random bodies and queries to every route: each is refused or answered, and none makes the platform fail.

use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tenantry_platform::{Config, router_for_simulation};
use tower::ServiceExt as _;

use super::people::user_body;
use super::{CHEAP_HASH, TestFolder};

/// Number of cases, each on a separate platform.
const CASE_COUNT: u32 = 60;

/// Average number of requests in a case.
const CALLS_PER_CASE: usize = 15;

/// Method and path of the calls that take a body or a query. Each tenant exists.
const ROUTES: [(&str, &str); 46] = [
    ("POST", "/tenancy/auth/oauth/token"),
    ("POST", "/tenants/sp_1/msps"),
    ("GET", "/tenants/sp_1/msps/minimal"),
    ("GET", "/tenants/sp_1/msps/search"),
    ("GET", "/tenants/sp_1/msps/msp_2"),
    ("POST", "/tenants/sp_1/msps/msp_2"),
    ("POST", "/tenants/sp_1/msps/msp_2/activate"),
    ("POST", "/tenants/msp_2/clients"),
    ("GET", "/tenants/msp_2/clients/search"),
    ("GET", "/tenants/msp_2/clients/client_3"),
    ("POST", "/tenants/msp_2/clients/client_3"),
    ("POST", "/tenants/msp_2/clients/client_3/activate"),
    ("GET", "/tenants/msp_2"),
    ("GET", "/tenants/client/client_3"),
    ("GET", "/tenants/msp_2/customBranding"),
    ("PUT", "/tenants/msp_2/customBranding"),
    ("PUT", "/tenants/client_3/customBranding"),
    ("GET", "/tenants/msp_2/impact"),
    ("GET", "/tenants/msp_2/subscription"),
    ("POST", "/tenants/client_3/credentials"),
    ("GET", "/tenants/msp_2/records/alerts"),
    ("POST", "/tenants/msp_2/records/alerts"),
    ("POST", "/tenants/msp_2/records/integrations"),
    ("POST", "/tenants/msp_2/records/resources"),
    ("GET", "/tenants/msp_2/records/resources/1"),
    ("POST", "/tenants/msp_2/records/resources/1"),
    ("POST", "/tenants/msp_2/exports/batch"),
    ("GET", "/tenants/msp_2/exports/batch"),
    ("DELETE", "/tenants/msp_2/exports/batch/1"),
    ("POST", "/tenants/msp_2/exports/stream"),
    ("GET", "/tenants/msp_2/exports/stream"),
    ("DELETE", "/tenants/msp_2/exports/stream/1"),
    ("POST", "/tenants/msp_2/users"),
    ("GET", "/tenants/msp_2/users/search"),
    ("GET", "/tenants/msp_2/users/loginHistory/search"),
    ("GET", "/tenants/msp_2/users/USR0000000001"),
    ("POST", "/tenants/msp_2/users/USR0000000001"),
    ("POST", "/tenants/msp_2/users/USR0000000001/DEACTIVATE"),
    ("POST", "/tenants/msp_2/users/USR0000000001/changePassword"),
    ("POST", "/tenants/msp_2/roles"),
    ("GET", "/tenants/msp_2/roles/search"),
    ("GET", "/tenants/msp_2/permissionSets"),
    ("POST", "/tenants/msp_2/permissionSets"),
    ("PUT", "/tenants/msp_2/permissionSets/1001"),
    ("POST", "/tenancy/auth/oauth/revoke"),
    ("POST", "/tenants/client_3/users"),
];

/// Field names that some route knows, so that random input passes the first check.
const MEMBERS: [&str; 56] = [
    "name",
    "time",
    "kind",
    "revision",
    "cloudAccount",
    "provider",
    "accountId",
    "id",
    "text",
    "data",
    "destination",
    "url",
    "packages",
    "addOns",
    "passwordPolicy",
    "minPasswordLength",
    "passwordValidity",
    "defaultPolicy",
    "channel",
    "nocDetails",
    "clientDetails",
    "businessStartHour",
    "managedBy",
    "cluster",
    "namespace",
    "uid",
    "whiteListedIps",
    "country",
    "timeZone",
    "duoSecurity",
    "secretKey",
    "accessEndpoint",
    "applicationServer",
    "logo",
    "file",
    "loginPageTextColor",
    "applicationTitle",
    "zip",
    "status",
    "grant_type",
    "username",
    "password",
    "loginName",
    "firstName",
    "lastName",
    "email",
    "roles",
    "users",
    "clients",
    "allClients",
    "permissions",
    "type",
    "scope",
    "description",
    "currentPassword",
    "newPassword",
];

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        "\\PC{0,300}",
        Just("\u{0}".to_owned()),
        "[0-9]{1,25}",
        "[+-]?[0-9]{1,6}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}([+-][0-9]{4}|Z)?)?",
        Just("Event and Incident Management".to_owned()),
        Just("tickets".to_owned()),
        "(https?|file|s3\\+http)://[a-z0-9.:@\\[\\]%-]{0,20}/[a-z./%]{0,10}",
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let name = prop_oneof![4 => proptest::sample::select(&MEMBERS[..]).prop_map(str::to_owned), 1 => ".{0,8}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..8).prop_map(|members| json!(members)),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let named = (any_value(), any_value()).prop_map(|(name, mut value)| {
        if let Value::Object(members) = &mut value {
            members.insert("name".to_owned(), name);
        }
        value.to_string().into_bytes()
    });
    prop_oneof![4 => any_value().prop_map(|value| value.to_string().into_bytes()), 4 => named,
        1 => proptest::collection::vec(any::<u8>(), 0..40)]
}

fn any_query() -> impl Strategy<Value = String> {
    let names = [
        "queryString",
        "pageNo",
        "pageSize",
        "sortName",
        "isDescendingOrder",
        "cascade",
        "queryString=name:",
        "queryString=id:",
        "queryString=startCreationDate:",
        "queryString=activeStatus:",
    ];
    let value = prop_oneof![
        "[a-zA-Z0-9:+=.,-]{0,20}",
        "(%[0-9a-fA-F]{2}){0,8}",
        "-?[0-9]{1,22}",
        "[0-9]{1,9}-[0-9]{2}-[0-9]{2}"
    ];
    let pair = (proptest::sample::select(names.to_vec()), value).prop_map(|(name, value)| format!("{name}={value}"));
    proptest::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

/// A request of a case.
#[derive(Clone, Debug)]
struct FuzzCall {
    method: &'static str,
    path: &'static str,
    query: String,
    body: Vec<u8>,
}

fn any_call() -> impl Strategy<Value = FuzzCall> {
    (proptest::sample::select(&ROUTES[..]), any_query(), any_body())
        .prop_map(|((method, path), query, body)| FuzzCall { method, path, query, body })
}

/// The platform of one case, with a database that no other case has changed.
struct FuzzPlatform {
    router: axum::Router,
    token: String,
    _folder: TestFolder,
}

impl FuzzPlatform {
    async fn start() -> Self {
        let folder = TestFolder::new();
        let mut config = Config::new(folder.database());
        (config.limits, config.login.password_hash_cost) = (None, CHEAP_HASH);
        config.export_destinations = vec![folder.path("out").display().to_string()];
        let (router, credential) = Box::pin(router_for_simulation(&config)).await.unwrap();
        let mut fresh = Self { router, token: String::new(), _folder: folder };
        let credential = credential.unwrap();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            credential.client_id, credential.client_secret
        );
        let (_, answer) = fresh.send("POST", "/tenancy/auth/oauth/token", form.into_bytes()).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["access_token"].as_str().unwrap().clone_into(&mut fresh.token);
        fresh.create_tenants().await;
        fresh
    }

    /// Creates the tenants, the user and the objects that the paths name.
    async fn create_tenants(&self) {
        let add_ons = ["Batch Exports", "Stream Exports", "Mask Resource Identity Management", "Alert Problem Area"];
        let partner = json!({ "name": "P", "packages": ["Event and Incident Management"], "addOns": add_ons });
        for (path, body) in [
            ("/tenants/sp_1/msps", partner),
            ("/tenants/msp_2/clients", json!({ "name": "C" })),
            ("/tenants/msp_2/records/resources", json!({ "name": "R" })),
            ("/tenants/msp_2/users", user_body("ada", &[])),
            ("/tenants/msp_2/permissionSets", json!({ "name": "S", "permissions": [] })),
        ] {
            assert_eq!(self.send("POST", path, body.to_string().into_bytes()).await.0, 200, "{path}");
        }
    }

    async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let path = if path.starts_with("/tenancy") { path.to_owned() } else { format!("/api/v2{path}") };
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        let request = request.header("authorization", format!("Bearer {}", self.token)).body(Body::from(body)).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    }
}

/// A case is a list of requests on a separate platform. The same seed repeats it exactly, and shrinking runs each
/// shorter list on a database that the longer one never changed.
/// shows: security/asvs/16.5.1
#[test]
fn no_body_and_no_query_of_any_route_is_a_failure_of_ours() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(crate::support::random_cases("fuzz", 3, CASE_COUNT));
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<u16, u32>::new());
    let held = runner.run(&proptest::collection::vec(any_call(), 1..2 * CALLS_PER_CASE), |calls| {
        runtime.block_on(async {
            let platform = FuzzPlatform::start().await;
            for FuzzCall { method, path, query, body } in calls {
                let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
                let (status, answer) = platform.send(method, &uri, body).await;
                *seen.borrow_mut().entry(status).or_default() += 1;
                prop_assert!(status < 500, "{method} {uri} gave {status}: {}", String::from_utf8_lossy(&answer));
            }
            Ok(())
        })
    });
    println!("{:?}", seen.borrow());
    held.unwrap();
    // Random input passes the first checks, and later ones refuse it.
    assert!([200, 400, 404].iter().all(|status| seen.borrow().contains_key(status)), "{:?}", seen.borrow());
}
