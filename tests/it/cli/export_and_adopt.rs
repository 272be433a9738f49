//! Exports, adopts without a change, and plans three hundred tenants that were created in the console.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use tenantry_catalog::{AddOn, Package};

use super::PluginRunner;
use crate::encoded_images::upload_body;
use crate::world::{TestNamespace, TestWorld};

/// Number of tenants: one partner and its clients.
const TENANT_COUNT: usize = 300;

/// Pseudo-random numbers that are the same in each run.
pub(super) struct RandomDraw(u64);

impl RandomDraw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `most`.
    pub(super) fn number_below(&mut self, max: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % max
    }

    /// Returns true with a probability of `percent`.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.number_below(100) < percent
    }

    /// Picks one of the values.
    pub(super) fn pick_one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.number_below(of.len() as u64)).unwrap()]
    }
}

/// Draws packages and add-ons by their wire names. Every add-on has its package, and all are in `bound`.
pub(super) fn draw_packages_and_add_ons(
    draw: &mut RandomDraw,
    bound: Option<&(Vec<String>, Vec<String>)>,
) -> (Vec<String>, Vec<String>) {
    let mut packages = vec![Package::HybridDiscoveryAndMonitoring];
    for package in [Package::EventAndIncidentManagement, Package::RemediationAndAutomation] {
        if draw.chance(60) && bound.is_none_or(|(bound, _)| bound.iter().any(|one| one == package.wire_name())) {
            packages.push(package);
        }
    }
    let mut add_ons = Vec::new();
    for add_on in AddOn::ALL.into_iter().filter(|add_on| packages.contains(&add_on.package()) && !add_on.is_paid()) {
        if draw.chance(30) && bound.is_none_or(|(_, bound)| bound.iter().any(|one| one == add_on.wire_name())) {
            add_ons.push(add_on.wire_name().to_owned());
        }
    }
    (packages.into_iter().map(|package| package.wire_name().to_owned()).collect(), add_ons)
}

/// Draws a client as created in the console. Some of its texts are ambiguous in YAML.
fn draw_client(draw: &mut RandomDraw, number: usize, bound: &(Vec<String>, Vec<String>)) -> Value {
    let texts =
        ["Köln", "01067", "1e5", "no", "A: b # c", "~", "12:30", "  x".trim(), "\"quoted\"", "it's", "東京", "- dash"];
    let mut body =
        json!({"name": format!("{} {number}", draw.pick_one(&["Globex", "GLOBEX!", "Müller & Söhne", "1e", "日本"]))});
    for key in ["city", "zip", "state", "address", "extOrgId", "phoneNumber", "phoneExtension", "mobileNumber"] {
        if draw.chance(40) {
            body[key] = json!(draw.pick_one(&texts[..]).chars().take(16).collect::<String>());
        }
    }
    body["country"] = json!(draw.pick_one(&["Germany", "France", "United States"]));
    body["timeZone"] = json!(draw.pick_one(&["Europe/Berlin", "Asia/Calcutta"]));
    if draw.chance(30) {
        body["whiteListedIps"] = json!(draw.pick_one(&["198.51.100.*", "172.22.2.[0-50],10.0.0.1", "2001:db8::/32"]));
    }
    for key in [
        "twoFactorAuthentication",
        "skipUserConsentForm",
        "showCopyClipBoard",
        "enableCLIRecording",
        "resourceDecommission",
    ] {
        if draw.chance(50) {
            body[key] = json!(draw.chance(50));
        }
    }
    if draw.chance(30) {
        body["channel"] = json!({"id": 7});
    }
    if draw.chance(30) {
        body["nocDetails"] = json!({"id": 3});
    }
    if draw.chance(40) {
        body["clientDetails"] = json!({
            "businessStartHour": draw.number_below(12), "businessStartMin": 5, "businessEndHour": 18, "businessEndMin": 45,
            "businessDayStart": 2, "businessDayEnd": 6,
        });
    }
    let (packages, add_ons) = draw_packages_and_add_ons(draw, Some(bound));
    if body["clientDetails"].is_object() {
        let has = |add_on: AddOn| add_ons.iter().any(|name| name == add_on.wire_name());
        for (switch, add_on) in
            [("smsVoiceNotification", AddOn::SMSAndVoice), ("remoteAccess", AddOn::RemoteAccessManagement)]
        {
            body["clientDetails"][switch] = json!(draw.chance(50) && has(add_on));
        }
    }
    body["packages"] = json!(packages);
    body["addOns"] = json!(add_ons);
    body
}

/// Draws a branding. A third of the clients have a logo, made by one of three encoders.
fn draw_branding(draw: &mut RandomDraw, number: usize) -> Value {
    let mut body = json!({});
    for key in ["applicationTitle", "loginPageHeaderText", "loginPageSubHeaderText"] {
        if draw.chance(50) {
            body[key] = json!(draw.pick_one(&["Welcome", "0123456", "yes", "A: b"]));
        }
    }
    for key in ["loginPageTextColor", "loginPageBackgroundColor"] {
        if draw.chance(50) {
            body[key] = json!(draw.pick_one(&["1F2937", "000000", "123456", "1E1000"]));
        }
    }
    for key in ["favIcon", "loginPageImage"] {
        if draw.chance(10) {
            body[key] = upload_body(number + 1);
        }
    }
    if number.is_multiple_of(3) {
        body["logo"] = upload_body(number / 3);
    }
    body
}

/// Creates all tenants through the API, and returns the partner's id.
fn create_all_by_api(world: &TestWorld) -> String {
    let mut draw = RandomDraw::new(20_261_122);
    let tenancy = &world.tenancy;
    let create = |path: &str, body: &Value| {
        let answer = tenancy.call("POST", path, Some(body)).unwrap();
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        answer.json().unwrap()["uniqueId"].as_str().unwrap().to_owned()
    };
    let bound: (Vec<String>, Vec<String>) = (
        Package::ALL.iter().map(|package| package.wire_name().to_owned()).collect(),
        AddOn::ALL.into_iter().filter(|add_on| !add_on.is_paid()).map(|add_on| add_on.wire_name().to_owned()).collect(),
    );
    let partner = create(
        &format!("{}/msps", tenancy.provider_id()),
        &json!({
            "name": "Acme Managed Services", "city": "Berlin", "country": "Germany", "timeZone": "Europe/Berlin",
            "zip": "01067", "notificationEmail": "noc@acme.example", "packages": bound.0, "addOns": bound.1,
            "whiteListedIps": "198.51.100.*", "twoFactorAuthentication": true,
            "passwordPolicy": {"defaultPolicy": false, "minPasswordLength": 14, "passwordValidity": 60},
        }),
    );
    let brand = |id: &str, body: &Value| {
        let answer = tenancy.call("PUT", &format!("{id}/customBranding"), Some(body)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    brand(&partner, &json!({"applicationTitle": "Acme Console", "logo": upload_body(0)}));
    for number in 1..TENANT_COUNT {
        let id = create(&format!("{partner}/clients"), &draw_client(&mut draw, number, &bound));
        if draw.chance(25) || number.is_multiple_of(3) {
            brand(&id, &draw_branding(&mut draw, number));
        }
        if draw.chance(5) {
            tenancy.change_tenant(&format!("{partner}/clients/{id}/suspend"), &json!({})).unwrap();
        }
    }
    partner
}

/// Reads every file of a folder.
pub(super) fn folder_contents(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(folder_contents(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            files.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    files
}

/// Returns the number of requests that the platform answered, by method and route.
fn request_counts(world: &TestWorld) -> BTreeMap<(String, String), u64> {
    let metrics = world.platform.service.metrics().unwrap();
    let mut counts = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("tenantry_platform_requests_total{")) {
        let label = |name: &str| {
            let rest = line.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let count: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter")]
        let count = count as u64;
        *counts.entry((label("method"), label("route"))).or_default() += count;
    }
    counts
}

/// Returns the difference between two counts, without tokens and the requests for the counts.
fn count_difference(
    before: &BTreeMap<(String, String), u64>,
    after: &BTreeMap<(String, String), u64>,
) -> BTreeMap<(String, String), u64> {
    let change = |(key, count): (&(String, String), &u64)| {
        let change = count - before.get(key).copied().unwrap_or_default();
        (change > 0 && key.1.starts_with("/api/")).then(|| (key.clone(), change))
    };
    after.iter().filter_map(change).collect()
}

fn wait_until_all_ready(space: &TestNamespace<'_>) {
    space.wait_until("all are Ready", || {
        let path = r#"jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}={.status.conditions[?(@.type=="Ready")].message}{"\n"}{end}"#;
        let text = space.kubectl(&["get", "partners,clients", "-o", path]);
        let refused: Vec<&str> = text.lines().filter(|line| line.contains("differs")).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        Ok(text.lines().filter(|line| line.contains("=True=")).count() == TENANT_COUNT)
    });
}

#[test]
fn three_hundred_clicked_tenants_are_taken_over_with_one_mark_each_and_then_nothing_is_to_be_done() {
    let world = TestWorld::start("plugin", |options| "1h".clone_into(&mut options.drift_interval)).unwrap();
    let partner = create_all_by_api(&world);
    let space = TestNamespace::existing(&world, "acme-managed-services".to_owned());
    let desk = PluginRunner::on_cluster_of(&space);
    let connection = desk.write_connection_file(&space);
    let export = |folder: &str| desk.run(&["export", "--connection", &connection, "-o", folder]);
    let first = export("tenants");
    assert_eq!(first.code, 0, "{first:?}");
    assert!(!first.err.contains("not exported"), "{}", first.err);
    let again = desk.run(&["export", "--connection", &connection, "-o", "again", "--offline"]);
    assert_eq!(again.code, 0, "{again:?}");
    let files = folder_contents(&desk.folder.join("tenants"));
    assert_eq!(files, folder_contents(&desk.folder.join("again")), "a second export is the same");
    let count = |begin: &str| files.keys().filter(|name| name.starts_with(&format!("{}/{begin}", space.name))).count();
    assert_eq!((count("partner-acme"), count("client-") - count("client-images-")), (1, TENANT_COUNT - 1));
    // The reader creates the namespace and the connection.
    world.kubectl.run(&["create", "namespace", &space.name]).unwrap();
    space.apply_secret("platform", &space.credential());
    check_takeover_plan(&desk, &connection);
    let before = request_counts(&world);
    let folder = desk.folder.join("tenants").display().to_string();
    world.kubectl.run(&["apply", "-k", &folder]).unwrap();
    wait_until_all_ready(&space);
    let mut writes = count_difference(&before, &request_counts(&world));
    writes.retain(|(method, _), _| method != "GET");
    let mark = |route: &str| ("POST".to_owned(), format!("/api/v2/tenants/{{tenant}}/{route}"));
    let expected: BTreeMap<_, _> =
        [(mark("clients/{client}"), TENANT_COUNT as u64 - 1), (mark("msps/{msp}"), 1)].into();
    assert_eq!(writes, expected, "one mark each and nothing else");
    let before = request_counts(&world);
    let begin = std::time::Instant::now();
    let ran = desk.run(&["plan", "-k", "tenants"]);
    println!("a plan of {TENANT_COUNT} unchanged tenants took {:?}", begin.elapsed());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    // An unchanged tenant has no output except advice on small logos.
    let is_advice = |line: &str| line.ends_with(": nothing to do") || line.contains(" pixels and ") || line.is_empty();
    let said: Vec<&str> = ran.out.lines().filter(|line| !is_advice(line)).collect();
    assert!(matches!(said[..], [last] if last.starts_with("Plan: 300 unchanged")), "{}", ran.out);
    let cost = count_difference(&before, &request_counts(&world));
    let get = |route: &str| ("GET".to_owned(), format!("/api/v2/tenants/{{tenant}}{route}"));
    let unchanged: BTreeMap<_, _> = [
        (get("/clients/search"), TENANT_COUNT as u64 / 100),
        // One Partner is read directly: a page costs ten times as much of the rate limit.
        (get("/msps/{msp}"), 1),
        (get("/customBranding"), 1),
    ]
    .into();
    assert_eq!(cost, unchanged, "what 300 unchanged tenants cost");
    check_edited_plan(&world, &desk, &files, unchanged);
    check_unmanaged(&desk, &connection);
    let later = export("later");
    assert_eq!(later.code, 0, "{later:?}");
    assert_eq!(
        files,
        folder_contents(&desk.folder.join("later")),
        "the export of what is declared is what was declared"
    );
    assert_eq!(
        world.tenancy.get(&world.tenancy.partner_path(&partner)).unwrap()["managedBy"]["name"],
        "acme-managed-services"
    );
}

/// Checks the plan before anything is applied.
fn check_takeover_plan(desk: &PluginRunner, connection: &str) {
    let ran = desk.run(&["plan", "-k", "tenants", "--connection", connection, "-o", "json"]);
    assert_eq!(ran.json()["summary"], json!({"TakeOver": TENANT_COUNT}), "{} {:#}", ran.err, ran.json()["objects"][0]);
    let writes = |row: &Value| row["requests"].as_array().unwrap().iter().any(|request| request["step"] != "mark");
    let changed: Vec<_> = ran.json()["objects"].as_array().unwrap().iter().filter(|row| writes(row)).cloned().collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

/// Edits two manifests: two more tenants are read.
fn check_edited_plan(
    world: &TestWorld,
    desk: &PluginRunner,
    files: &BTreeMap<String, String>,
    mut cost: BTreeMap<(String, String), u64>,
) {
    let mut text = String::new();
    let mut edited = 0;
    for (name, content) in files.iter().filter(|(name, _)| name.contains("/client-") || name.contains("/partner-")) {
        let is_chosen = edited < 2
            && name.contains("/client-")
            && !content.contains("tenantState")
            && !content.contains("branding:");
        edited += usize::from(is_chosen);
        let edit = if is_chosen { "spec:\n  tenantState: Suspended\n" } else { "spec:\n" };
        let _ = write!(text, "---\n{}", content.replacen("spec:\n", edit, 1));
    }
    let before = request_counts(world);
    let ran = desk.run_with(&["plan", "-f", "-", "-o", "json"], &text);
    assert_eq!(ran.code, 2, "{} {}", ran.out.len(), ran.err);
    assert_eq!(ran.json()["summary"], json!({"Nothing": TENANT_COUNT - 2, "Suspend": 2}));
    let after = count_difference(&before, &request_counts(world));
    *cost.entry(("GET".to_owned(), "/api/v2/tenants/{tenant}/clients/{client}".to_owned())).or_default() += 2;
    assert_eq!(after, cost);
}

fn check_unmanaged(desk: &PluginRunner, connection: &str) {
    let ran = desk.run(&["unmanaged"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = desk.run(&["unmanaged", "--connection", connection, "-o", "json"]);
    assert_eq!((ran.code, ran.json()), (0, json!({"tenants": [], "objects": []})));
}
