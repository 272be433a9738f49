//! `export` of everything that the wire format allows: the API server accepts each exported document, and each value
//! that is missing there is named in a message.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt, SeedableRng as _};
use serde_json::{Value, json};

use super::{PluginRun, PluginRunner};
use crate::connect::fake_platform::{FakePlatform, FakeReply, FakeRequest};
use crate::world::TestWorld;

/// Texts that people and tools leave behind.
const TEXTS: [&str; 36] = [
    "",
    " ",
    "NO",
    "null",
    "~",
    "true",
    "1e3",
    "0123",
    "0o17",
    "---",
    "...",
    "- a",
    "# c",
    ": ",
    "a: b",
    "'",
    "\"",
    "`x`",
    "日本",
    "עברית \u{202e}abc",
    "😀😀😀",
    " leads",
    "ends ",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\u{85}x",
    "\u{2028}",
    "\u{feff}x",
    "\u{7f}",
    "{{ x }}",
    "%2e%2e",
    "../../x",
    "*a",
    "&a",
    "!t",
];
const COUNTRIES: [&str; 14] = [
    "Germany",
    "germany",
    "DE",
    "DEU",
    "Eswatini",
    "Swaziland",
    "Cabo Verde",
    "Central African Republic",
    "TÜRKIYE",
    "UK",
    "US",
    "Atlantis",
    " Germany ",
    "Côte d'Ivoire",
];
const ZONES: [&str; 7] = [
    "Europe/Berlin",
    "Asia/Calcutta",
    "Europe/Kiev",
    "Asia/Beijing",
    "UTC",
    "W. Europe Standard Time",
    "Europe/Berlin\n",
];
const PHONES: [&str; 8] = [
    "+49 30 1234",
    "030/1234",
    "(030) 1234-0",
    "004930123456789012345678901234567890",
    "call me",
    "+",
    "1",
    "+49301234x5",
];
const ADDRESSES: [&str; 8] = [
    "198.51.100.7",
    "198.51.100.0/24",
    "172.22.2.[0-50]",
    "172.22.22.*",
    "198.51.100.7,,2001:db8::/32",
    "all",
    "999.1.1.1",
    "198.51.100.7-9",
];
const MAILS: [&str; 6] =
    ["a@b.example", "A <a@b.example>", "a@b.example,c@d.example", "nobody", "ä@ö.example", "a b@c.example"];
const PACKAGES: [&str; 5] = [
    "Event and Incident Management",
    "Remediation and Automation",
    "Hybrid Discovery and Monitoring",
    "Next Package",
    "",
];
const ADD_ONS: [&str; 5] = ["SLA Management", "Process Automation", "Brand New", "Knowledge Base Management", ""];
const COLOURS: [&str; 6] = ["123456", "#abcdef", "red", "12345", "rgb(0,0,0)", "ABCDEG"];
const URLS: [&str; 7] = [
    "https://docs.example",
    "http://docs.example",
    "javascript:alert(1)",
    "https://",
    "https://a b",
    "docs",
    "https://[::1",
];

/// Generates the values of a tenant.
struct RandomTenantValues(StdRng);

impl RandomTenantValues {
    fn one_of(&mut self, of: &[&'static str]) -> String {
        (*of.choose(&mut self.0).unwrap()).to_owned()
    }

    fn any_text(&mut self) -> String {
        match self.0.random_range(0..10) {
            0 => "x".repeat(self.0.random_range(60..400)),
            1 => "ü".repeat(self.0.random_range(60..300)),
            _ => self.one_of(&TEXTS),
        }
    }

    /// Returns this text, a number, null, or another value.
    fn any_value(&mut self, text: &str) -> Value {
        match self.0.random_range(0..12) {
            0 => json!(self.0.random_range(0..4_930_123_456_789_i64)),
            1 => Value::Null,
            2 => json!(true),
            3 => json!([text]),
            _ => json!(text),
        }
    }

    fn some_of(&mut self, of: &[&'static str]) -> Value {
        let many = self.0.random_range(0..4);
        json!((0..many).map(|_| self.one_of(of)).collect::<Vec<_>>())
    }

    fn any_number(&mut self) -> Value {
        json!(*[-1_i64, 0, 1, 3, 7, 8, 23, 24, 59, 60, 99, 365, 1 << 40].choose(&mut self.0).unwrap())
    }

    /// Returns some of the members.
    fn some_members(&mut self, members: Vec<(&str, Value)>) -> Value {
        let kept = members.into_iter().filter(|_| self.0.random_bool(0.6));
        Value::Object(kept.map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn any_tenant(&mut self, id: &str) -> Value {
        let texts = ["address", "city", "state", "zip", "extOrgId", "phoneExtension"];
        let mut members: Vec<(&str, Value)> = Vec::new();
        for name in texts {
            let text = self.any_text();
            members.push((name, self.any_value(&text)));
        }
        for (name, of) in [
            ("country", &COUNTRIES[..]),
            ("timeZone", &ZONES),
            ("phoneNumber", &PHONES),
            ("mobileNumber", &PHONES),
            ("notificationEmail", &MAILS),
            ("altEmail", &MAILS),
            ("whiteListedIps", &ADDRESSES),
        ] {
            let text = self.one_of(of);
            members.push((name, self.any_value(&text)));
        }
        for name in ["enableCLIRecording", "showCopyClipBoard", "resourceDecommission", "twoFactorAuthentication"] {
            members.push((name, json!(self.0.random_bool(0.5))));
        }
        members.push(("packages", self.some_of(&PACKAGES)));
        members.push(("addOns", self.some_of(&ADD_ONS)));
        let id_of = |number: Value| json!({"id": number});
        members.push(("channel", id_of(self.any_number())));
        members.push(("nocDetails", if self.0.random_bool(0.5) { json!("") } else { id_of(self.any_number()) }));
        let server =
            self.one_of(&["acme.tenants.example", "ACME.example", "acme/x", "https://acme.example", "ä.example", ""]);
        members.push(("accessEndpoint", json!({"applicationServer": server})));
        let duo = self.one_of(&["api-1.duosecurity.com", "https://api-1.duosecurity.com/", "", "x y"]);
        members.push(("duoSecurity", json!({"apiHostName": duo})));
        let policy =
            ["minPasswordLength", "passwordValidity", "maxAttemptsToLockout"].map(|name| (name, self.any_number()));
        let mut policy = policy.to_vec();
        policy.push(("defaultPolicy", json!(self.0.random_bool(0.3))));
        members.push(("passwordPolicy", self.some_members(policy)));
        let hours = [
            "businessStartHour",
            "businessStartMin",
            "businessEndHour",
            "businessEndMin",
            "businessDayStart",
            "businessDayEnd",
        ];
        let hours = hours.map(|name| (name, self.any_number())).to_vec();
        members.push(("clientDetails", self.some_members(hours)));
        let place = self.one_of(&["a", "../../x", "A B", "x?y=1", ""]);
        members.push((
            "managedBy",
            json!({"cluster": "c", "kind": "Client", "namespace": place, "name": place, "uid": "u"}),
        ));
        let mut tenant = self.some_members(members);
        tenant["uniqueId"] = json!(id);
        tenant["name"] = json!(if self.0.random_bool(0.4) { self.any_text() } else { format!("Tenant {id}") });
        tenant["activated"] = json!(true);
        tenant
    }

    fn any_branding(&mut self) -> Value {
        let image = self.one_of(&["https://cdn.example/logo.png", "//cdn.example/x", "/nowhere/logo.png", "", "../x"]);
        let image = json!({"logoPath": image, "imageType": "image/png"});
        let members = vec![
            ("applicationTitle", json!(self.any_text())),
            ("documentationURL", json!(self.one_of(&URLS))),
            ("loginPageHeaderText", json!(self.any_text())),
            ("loginPageSubHeaderText", json!(self.any_text())),
            ("loginPageTextColor", json!(self.one_of(&COLOURS))),
            ("loginPageBackgroundColor", json!(self.one_of(&COLOURS))),
            ("logo", image),
        ];
        self.some_members(members)
    }
}

/// The contents of the platform.
struct RandomTenantPlatform {
    tenants: BTreeMap<String, Value>,
    branding: BTreeMap<String, Value>,
}

const MANY: usize = 60;

impl RandomTenantPlatform {
    fn from_seed(seed: u64) -> Self {
        let mut odd = RandomTenantValues(StdRng::seed_from_u64(seed));
        let ids = ["msp_1".to_owned(), "msp_2".to_owned()].into_iter().chain((1..=MANY).map(|n| format!("client_{n}")));
        let tenants: BTreeMap<String, Value> = ids.map(|id| (id.clone(), odd.any_tenant(&id))).collect();
        let branding = tenants.keys().map(|id| (id.clone(), odd.any_branding())).collect();
        Self { tenants, branding }
    }

    /// Returns the live tenants under a parent: two partners, each with every second client.
    fn tenants_under(&self, parent: &str) -> Vec<Value> {
        let number = |id: &str| id.rsplit('_').next().and_then(|text| text.parse::<usize>().ok()).unwrap_or_default();
        let stands = |id: &str| match parent {
            "sp_1" => id.starts_with("msp_"),
            _ => id.starts_with("client_") && number(id) % 2 == number(parent) % 2,
        };
        let all = self.tenants.iter().filter(|(id, _)| stands(id));
        all.map(|(id, tenant)| json!({"uniqueId": id, "name": tenant["name"], "activated": true})).collect()
    }

    fn answer(&self, request: &FakeRequest) -> FakeReply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<&str> = path.trim_start_matches("/api/v2/tenants/").split('/').collect();
        match parts[..] {
            [parent, _, "minimal"] => FakeReply::json(200, &json!(self.tenants_under(parent))),
            [parent, _, "search"] => {
                let rows = if query.contains("activated:false") { Vec::new() } else { self.tenants_under(parent) };
                FakeReply::json(
                    200,
                    &json!({"results": rows, "totalResults": rows.len(), "pageNo": 1, "totalPages": 1}),
                )
            }
            [id, "customBranding"] => FakeReply::json(200, &self.branding[id]),
            [_, _, id] if self.tenants.contains_key(id) => FakeReply::json(200, &self.tenants[id]),
            _ => FakeReply::json(404, &json!({"code": "0003", "message": "No resource found"})),
        }
    }
}

/// Returns the lines of an export about what was left out.
fn left_out_lines(run: &PluginRun) -> Vec<&str> {
    run.err.lines().filter_map(|line| line.strip_prefix("note: not exported: ")).collect()
}

/// Returns the exported documents by the id of their tenant.
fn exported_documents(run: &PluginRun) -> BTreeMap<String, Value> {
    let lines: Vec<&str> = run.out.lines().collect();
    let all = lines.split(|line| *line == "---").map(|lines| serde_yaml::from_str::<Value>(&lines.join("\n")).unwrap());
    all.map(|one| (one["spec"]["adoption"]["uniqueId"].as_str().unwrap().to_owned(), one)).collect()
}

/// Returns what is wrong with an export of the platform with this seed.
async fn export_faults(seed: u64) -> Vec<String> {
    let namespace = TestWorld::shared_world().create_namespace("everything");
    let (held, shown) = (RandomTenantPlatform::from_seed(seed), RandomTenantPlatform::from_seed(seed));
    let fake = FakePlatform::new(move |asked| held.answer(&asked)).await;
    let plugin = PluginRunner::without_cluster();
    let connection = format!("url={}\ntenantId=sp_1\nclientId=x\nclientSecret=y\n", fake.url);
    let connection = plugin.write_file("platform.env", &connection).display().to_string();
    let args = ["export", "--connection", &connection, "--namespace", &namespace.name];
    let run = tokio::task::block_in_place(|| plugin.run(&args));
    if run.code != 0 {
        return vec![format!("{seed}: {run:?}")];
    }
    let (written, told) = (exported_documents(&run), left_out_lines(&run));
    let mut faults = Vec::new();
    for (id, document) in &written {
        let create = ["-n", &namespace.name, "create", "--dry-run=server", "-f", "-"];
        // A mark names a namespace that does not exist in this cluster.
        let mut document = document.clone();
        document["metadata"]["namespace"] = json!(namespace.name);
        let text = document.to_string();
        if let Err(error) = tokio::task::block_in_place(|| namespace.world.kubectl.run_with(&create, &text)) {
            faults.push(format!("{seed}: {id}: {error}: {document}"));
        }
    }
    for (id, tenant) in &shown.tenants {
        let about = |line: &&&str| line.contains(&format!("({id})")) || line.contains(&format!(" {id} as a whole:"));
        let lines: Vec<&str> = told.iter().filter(about).copied().collect();
        let Some(document) = written.get(id) else {
            let is_said = |line: &str| line.contains(id.as_str()) && line.contains("name");
            if !run.err.lines().any(is_said) {
                faults.push(format!("{seed}: {id} {} is nowhere: {lines:?}", tenant["name"]));
            }
            continue;
        };
        for (member, field) in [("address", "address"), ("city", "city"), ("zip", "postalCode"), ("country", "country")]
        {
            let is_there = match &tenant[member] {
                Value::String(text) => !text.trim().is_empty(),
                Value::Null => false,
                _ => true,
            };
            let defaults = ["msp_1", "msp_2"].map(|id| written.get(id));
            let is_shared = defaults.iter().flatten().any(|one| !one["spec"]["clients"]["defaults"][field].is_null());
            let is_said = lines.iter().any(|line| line.contains(&format!("`details.{field}`")));
            if is_there && document["spec"]["details"][field].is_null() && !is_shared && !is_said {
                faults.push(format!("{seed}: {id}: {} of `{member}` was dropped in silence", tenant[member]));
            }
        }
    }
    for line in told.iter().filter(|line| !line.contains('`')) {
        faults.push(format!("{seed}: names no field: {line}"));
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_wire_allows_is_exported_as_the_api_server_takes_it_or_left_out_by_name() {
    let (mut all, seeds) = (Vec::new(), 3);
    for seed in 0..seeds {
        all.extend(export_faults(seed).await);
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}
