//! Tests that the work of a request is bounded by its size: each route receives its longest bodies in awkward shapes,
//! and half of each.
//!
//! Work is the processor time of the program, not elapsed time, so that other processes on the machine do not count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tenantry_catalog::DataCategory;
use tenantry_platform::{Credential, ROUTES, RouteOperation};

use super::durability::{PlatformProgram, launch_command, spawn_platform, wait_until_ready};
use super::people::{PASSWORD, user_body};
use super::records::{EVENTS, create_subscriber, records_path};
use super::{ApiCaller, ApiResponse, TestFolder, TestPlatform};

/// Milliseconds of processor time that are not judged: the ticks of the kernel's clock and the program's own jobs.
const CPU_NOISE_MILLIS: u64 = 200;

/// How much more work an input of twice the size may cause.
const MAX_WORK_RATIO: u64 = 3;

impl PlatformProgram {
    /// Returns the processor time that the program has used, in milliseconds.
    fn cpu_millis(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        // User and system time, in ticks of 10 ms.
        (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
    }

    /// Returns the peak memory of the program, in MiB.
    pub(super) fn peak_memory_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

/// Reads the first credential of a program.
pub(super) fn read_credential(folder: &TestFolder) -> Credential {
    let file: Value = serde_json::from_slice(&std::fs::read(folder.path("tenantry-credential.json")).unwrap()).unwrap();
    serde_json::from_value(file).unwrap()
}

/// Starts the program with a partner that has everything. The partner's number is 2, its client's 3.
pub(super) async fn start_with_full_partner(folder: &TestFolder) -> (PlatformProgram, ApiCaller) {
    let mut shell = std::process::Command::new(crate::assets::platform_program());
    shell.args(["--export-destination", "http://127.0.0.1:9/in", "--export-destination"]).arg(folder.path("out"));
    let mut program = launch_command(shell, folder);
    let (url, _) = wait_until_ready(&mut program);
    let sp = ApiCaller::new(&url, &read_credential(folder)).await;
    let add_ons = ["Batch Exports", "Stream Exports", "Mask Resource Identity Management", "Alert Problem Area"];
    let partner = json!({ "name": "P", "packages": [EVENTS], "addOns": add_ons });
    for (path, body) in [
        ("/tenants/sp_1/msps", partner),
        ("/tenants/msp_2/clients", json!({ "name": "C" })),
        ("/tenants/msp_2/records/alerts", json!({ "name": "R" })),
        ("/tenants/msp_2/users", user_body("ada", &[])),
        ("/tenants/msp_2/permissionSets", json!({ "name": "S", "permissions": [] })),
        ("/tenants/msp_2/exports/stream", json!({ "name": "siem", "url": "http://127.0.0.1:9/in/x" })),
    ] {
        sp.post(path, body).await.json();
    }
    (program, sp)
}

/// Returns the body of a call without the awkward member, and the names of the members to replace. The list is empty
/// for a call without a body.
fn body_for_call(call: RouteOperation) -> (Value, &'static [&'static str]) {
    match call {
        RouteOperation::CreateTenant | RouteOperation::UpdateTenant | RouteOperation::UpdateOwnTenant => {
            (json!({}), &["name", "address", "packages", "addOns", "whiteListedIps", "passwordPolicy"])
        }
        RouteOperation::WriteBranding => (json!({}), &["applicationTitle", "documentationURL"]),
        RouteOperation::CreateRecord => (json!({ "name": "N" }), &["note", "cloudAccount", "hostName"]),
        RouteOperation::UpdateRecord => (json!({ "revision": 1 }), &["note"]),
        RouteOperation::ExportBatch => (json!({ "destination": "/x" }), &["data", "destination"]),
        RouteOperation::CreateStream => (json!({ "name": "N", "url": "http://127.0.0.1:9/in/y" }), &["name", "url"]),
        RouteOperation::CreateUser => {
            (user_body("eve", &[]), &["loginName", "password", "firstName", "roles", "userNotifications"])
        }
        RouteOperation::UpdateUser => (json!({}), &["password", "address", "roles", "userNotifications"]),
        RouteOperation::ChangePassword => (json!({ "currentPassword": PASSWORD }), &["newPassword"]),
        RouteOperation::ActivateUser | RouteOperation::DeactivateUser | RouteOperation::TerminateUser => {
            (json!({}), &["deactivateReason"])
        }
        RouteOperation::CreateCredential | RouteOperation::RotateCredential => (json!({}), &["description"]),
        RouteOperation::CreateRole | RouteOperation::UpdateRole => {
            (json!({ "name": "N" }), &["clients", "users", "permissions"])
        }
        RouteOperation::CreatePermissionSet | RouteOperation::UpdatePermissionSet => {
            (json!({ "name": "N" }), &["permissions", "description"])
        }
        RouteOperation::MinimalTenants
        | RouteOperation::SearchTenants
        | RouteOperation::ReadTenant
        | RouteOperation::ActivateTenant
        | RouteOperation::SuspendTenant
        | RouteOperation::TerminateTenant
        | RouteOperation::ReadOwnTenant
        | RouteOperation::ReadBranding
        | RouteOperation::Countries
        | RouteOperation::Timezones
        | RouteOperation::Channels
        | RouteOperation::Nocs
        | RouteOperation::Impact
        | RouteOperation::SearchAudit
        | RouteOperation::ListCredentials
        | RouteOperation::RevokeCredential
        | RouteOperation::ReadSubscription
        | RouteOperation::ListRecords
        | RouteOperation::ReadRecord
        | RouteOperation::ListSchedules
        | RouteOperation::DeleteSchedule
        | RouteOperation::ListStreams
        | RouteOperation::DeleteStream
        | RouteOperation::MinimalUsers
        | RouteOperation::SearchUsers
        | RouteOperation::SearchLogins
        | RouteOperation::ReadUser
        | RouteOperation::ResetFactor
        | RouteOperation::SearchRoles
        | RouteOperation::ReadRole
        | RouteOperation::DeleteRole
        | RouteOperation::ListPermissionSets
        | RouteOperation::ReadPermissionSet
        | RouteOperation::DeletePermissionSet => (Value::Null, &[]),
    }
}

/// Maximum bytes of a text and elements of a list, as in `bounds.rs`. The first one is also the total of a record.
const TEXT: usize = 63 << 10;
const ELEMENTS: usize = 5000;

/// Returns awkward values: the longest that are read, divided by `part`.
fn awkward_values(part: usize) -> Vec<(String, Value)> {
    let texts = ["z_", "z-", "z:", "z.", ":", "1.", "ab:", "-.", "é_", "a ", "x", "1,", "Aa1!", "/%2e", "a.bc "];
    let text = |unit: &str| (unit.to_owned(), json!(unit.repeat(TEXT / part / unit.len())));
    let list = |element: Value| (format!("list of {element}"), json!(vec![element; ELEMENTS / part]));
    let lists =
        [json!("x"), json!({ "uniqueId": "client_3" }), json!({ "id": "USR0000000001" }), json!({ "id": 1001 })];
    let notification = json!({ "notifyType": "x", "notifyMethod": "x", "notifyInputType": "x" });
    let members = |name: fn(usize) -> String| {
        let members: serde_json::Map<String, Value> =
            (0..ELEMENTS / part / 2).map(|number| (name(number), json!(1))).collect();
        (format!("members such as {}", name(7)), Value::Object(members))
    };
    let deep = (0..24 / part).fold(json!(1), |inner, _| json!([inner]));
    texts
        .map(text)
        .into_iter()
        .chain(lists.into_iter().chain([json!({ "name": "x", "type": "y" }), notification]).map(list))
        .chain([members(|n| format!("h{n}.bc")), members(|n| format!("hostName{n}")), ("nesting".to_owned(), deep)])
        .collect()
}

/// Returns the path of a route with ids that exist.
fn path_with_ids(path: &str, call: RouteOperation) -> String {
    let tenant = if path.contains("/msps") { "sp_1" } else { "msp_2" };
    let path = path.replace("/client/{tenant}", "/client/client_3").replace("{tenant}", tenant);
    // One user who stays, and several who are terminated.
    let user = if matches!(call, RouteOperation::TerminateUser | RouteOperation::DeactivateUser) {
        "USR0000000009"
    } else {
        "USR0000000001"
    };
    [
        ("{client}", "client_3"),
        ("{msp}", "msp_2"),
        ("{user}", user),
        ("{category}", "alerts"),
        ("{record}", "1"),
        ("{set}", "1001"),
    ]
    .into_iter()
    .fold(path, |path, (parameter, id)| path.replace(parameter, id))
}

/// Awaits an answer. Returns it with the processor time that the program used for it.
async fn measure_cpu(program: &PlatformProgram, send: impl Future<Output = ApiResponse>) -> (ApiResponse, u64) {
    let before = program.cpu_millis();
    let answer = send.await;
    (answer, program.cpu_millis() - before)
}

/// shows: security/asvs/16.5.1
#[tokio::test]
async fn twice_the_body_is_not_more_than_twice_the_work_on_any_route() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let mut sent = 0;
    for row in ROUTES {
        let (base, members) = body_for_call(row.operation);
        let path = path_with_ids(row.path, row.operation);
        let method = Method::from_bytes(row.method.name().as_bytes()).unwrap();
        for member in members {
            for ((name, half), (_, full)) in awkward_values(2).into_iter().zip(awkward_values(1)) {
                let mut cost = Vec::new();
                for value in [half, full] {
                    let mut whole = base.clone();
                    whole[*member] = value;
                    let request = sp.send(method.clone(), &path, whole.to_string().into_bytes());
                    let (answer, worked) = measure_cpu(&program, request).await;
                    assert!(answer.status.as_u16() < 500, "{path} {member} {name}: {answer:?}");
                    assert!(answer.text.len() < 300_000, "{path} {member} {name}: {} bytes", answer.text.len());
                    cost.push(worked);
                    sent += 1;
                }
                assert!(cost[1] <= MAX_WORK_RATIO * cost[0] + CPU_NOISE_MILLIS, "{path} {member} {name}: {cost:?} ms");
            }
        }
    }
    assert!(sent > 1500, "{sent}");
    assert!(program.peak_memory_mib() < 300, "{} MiB", program.peak_memory_mib());
}

#[tokio::test]
async fn a_query_of_any_length_and_number_of_terms_is_answered_or_refused() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let before = program.peak_memory_mib();
    for row in ROUTES.iter().filter(|row| row.path.ends_with("/search")) {
        let path = path_with_ids(row.path, row.operation);
        for unit in ["id:1%2B", "name:a%2B", "uniqueId:", "%2B", "+", "%", "a", "id:1+name:b+"] {
            for length in [100, 1010, 4000, 8000, 20_000] {
                let query = unit.repeat(length / unit.len());
                let asked = format!("{}?queryString={query}", path.trim_start_matches("/api/v2"));
                let (answer, worked) = measure_cpu(&program, sp.get(&asked)).await;
                assert!(answer.status.as_u16() < 500, "{path} {unit} {length}: {answer:?}");
                assert!(worked <= CPU_NOISE_MILLIS, "{path} {unit} {length}: {worked} ms");
            }
        }
        // Without a bound, each number of terms would be a prepared statement that each connection keeps.
        for terms in 1..200 {
            let query = vec!["id:1"; terms].join("%2B");
            sp.get(&format!("{}?queryString={query}", path.trim_start_matches("/api/v2"))).await;
        }
    }
    let grown = program.peak_memory_mib() - before;
    assert!(grown < 30, "{grown} MiB");
    sp.get(&format!("/tenants/msp_2/{}", "x".repeat(3000))).await.assert_field_refused("path");
}

#[tokio::test]
async fn a_record_that_is_all_seams_is_shown_and_outlives_a_restart() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let list = records_path("msp_2", DataCategory::Alerts);
    let body = json!({ "name": "x", "note": "z_".repeat(30_000), "short": "z_".repeat(500) });
    let made = sp.post(&list, body).await.json();
    assert_eq!((&made["note"], &made["short"]), (&json!("****"), &json!("z_".repeat(500))));
    let names: serde_json::Map<String, Value> =
        (0..1000).map(|number| (format!("h{number}.acme.example"), json!(1))).collect();
    let answer = sp.post(&list, json!({ "name": "y", "peers": names })).await;
    assert!(answer.text.len() < 40_000, "{}", answer.text.len());
    drop(program);
    let mut program = spawn_platform(&folder);
    let (url, _) = wait_until_ready(&mut program);
    let sp = ApiCaller { url, ..sp };
    assert_eq!(sp.get(&format!("{list}?pageSize=3")).await.json()["results"].as_array().unwrap().len(), 3);
    sp.get(&format!("{list}?pageSize=101")).await.assert_field_refused("pageSize");
}

#[tokio::test]
async fn a_list_is_bounded_counts_each_once_and_names_few_of_many_problems() {
    let platform = TestPlatform::start().await;
    let partner = create_subscriber(&platform, "Acme", &[], &[]).await;
    let client = platform.sp.create_client(&partner, "C").await;
    let roles = format!("/tenants/{partner}/roles");
    let role = |clients: Vec<Value>| json!({ "name": "R", "clients": clients, "permissions": [] });
    let made = platform.sp.post(&roles, role(vec![json!({ "uniqueId": client }); 5000])).await.json();
    assert_eq!(made["clients"].as_array().unwrap().len(), 1);
    let many = role(vec![json!({ "uniqueId": client }); 5001]);
    assert!(platform.sp.post(&roles, many).await.assert_field_refused("clients").contains("5000"));
    let strangers = (0..5000).map(|number| json!({ "uniqueId": format!("client_{}", number + 99) })).collect();
    let answer = platform.sp.post(&roles, role(strangers)).await;
    assert_eq!(answer.assert_field_refused("body"), "4950 more problems are not named; solve these first");
    assert!(answer.assert_field_refused("clients[0].uniqueId").contains("client_99"));
    assert!(answer.text.len() < 16_000, "{}", answer.text.len());
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let records = records_path(&partner, DataCategory::Resources);
    assert!(
        platform
            .sp
            .post(&records, json!({ "name": "N", "note": deep }))
            .await
            .assert_field_refused("note")
            .contains("32")
    );
}

/// Returns a PNG of one colour with four channels of 16 bits.
fn deep_png(side: u32) -> Vec<u8> {
    let picture = image::ImageBuffer::<image::Rgba<u16>, Vec<u16>>::new(side, side);
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::ImageRgba16(picture).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// shows: security/asvs/5.2.1
#[tokio::test]
async fn images_take_a_bounded_memory_however_many_are_sent_at_once() {
    let folder = TestFolder::new();
    let (program, sp) = start_with_full_partner(&folder).await;
    let put = |bytes: &[u8]| {
        let body = json!({ "loginPageImage": { "name": "x", "file": STANDARD.encode(bytes) } });
        let sp = sp.clone();
        async move { sp.put("/tenants/msp_2/customBranding", body).await }
    };
    let deep = put(&deep_png(3600)).await.assert_field_refused("loginPageImage.file");
    assert!(deep.contains("3600 x 3600") && deep.contains("8 bits"), "{deep}");
    let flat = super::branding::png(4096, 2560);
    for answer in futures::future::join_all((0..4).map(|_| put(&flat))).await {
        answer.json();
    }
    put(&deep_png(1536)).await.json();
    assert!(program.peak_memory_mib() < 260, "{} MiB", program.peak_memory_mib());
}
