//! From each field of a spec to the platform, by a table that was written by hand from the platform's documentation: a field
//! that is ignored or takes the place of another is found.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenantry::plan::{Field, Kind};

use super::ask::{Ask, Side};
use super::cluster::{CLIENTS, Key, PARTNERS, SECRETS};
use super::life::{live, settings};
use super::people::with;
use super::seam::{Fate, Life, World};
use super::settle::{is_ready, world};
use crate::hex::sha256;
use crate::support::schema;

/// So many specs, one after the other, hold different values of each field.
const ROUNDS: usize = 4;

/// Where a value stands in a spec, what it is in each round, and what the platform then shows where.
struct Row {
    path: &'static str,
    spec: [Value; ROUNDS],
    /// Path in the answer to a read of the tenant, or of its branding where it begins with `branding/`, or in what is written
    /// of Duo where it begins with `duo/`.
    wire: Vec<(&'static str, [Value; ROUNDS])>,
}

fn row(path: &'static str, wire: &'static str, value: impl Fn(usize) -> Value) -> Row {
    let values = [0, 1, 2, 3].map(value);
    Row { path, spec: values.clone(), wire: vec![(wire, values)] }
}

fn text(path: &'static str, wire: &'static str) -> Row {
    row(path, wire, |round| json!(format!("{wire} {round}")))
}

fn each(path: &'static str, wire: &'static str, values: [&str; ROUNDS]) -> Row {
    row(path, wire, |round| json!(values[round]))
}

/// A switch. Of two switches each differs from the other in some round, and none is always on or always off.
fn flag(path: &'static str, wire: &'static str, number: usize) -> Row {
    assert!((1..15).contains(&number));
    row(path, wire, |round| json!((number >> round) & 1 == 1))
}

fn number(path: &'static str, wire: &'static str, first: usize) -> Row {
    row(path, wire, |round| json!(first + round))
}

fn named(path: &'static str, wire: &'static str, values: [(&[&str], &[&str]); ROUNDS]) -> Row {
    Row {
        path,
        spec: values.map(|(declared, _)| json!(declared)),
        wire: vec![(wire, values.map(|(_, shown)| json!(BTreeSet::from_iter(shown))))],
    }
}

fn secret(path: &'static str, wire: &'static str, key: &str) -> Row {
    Row {
        path,
        spec: [0, 1, 2, 3].map(|round| json!({"name": format!("duo{round}"), "key": key})),
        wire: vec![(wire, [0, 1, 2, 3].map(|round| json!(format!("{key}{round}"))))],
    }
}

fn png(seed: usize) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let side = u32::try_from(8 + seed).unwrap();
    image::DynamicImage::new_rgb8(side, side).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn image(path: &'static str, wire: &'static str, seed: usize) -> Row {
    let file = |round: usize| png(seed + round);
    let digest = |round| sha256(file(round));
    Row {
        path,
        spec: [0, 1, 2, 3].map(|round| json!({"inline": STANDARD.encode(file(round))})),
        wire: vec![(wire, [0, 1, 2, 3].map(|round| json!(digest(round))))],
    }
}

const ZONES: [&str; ROUNDS] = ["Europe/Berlin", "Asia/Tokyo", "America/New_York", "Europe/Paris"];
const COUNTRIES: [&str; ROUNDS] = ["Germany", "France", "Japan", "Spain"];

/// Texts and places that both kinds have.
fn of_both(kind: &'static str) -> Vec<Row> {
    vec![
        row("details.name", "name", |round| json!(format!("{kind} {round}"))),
        each("details.timezone", "timeZone", ZONES),
        each("details.country", "country", COUNTRIES),
        text("details.city", "city"),
        text("details.address", "address"),
        text("details.postalCode", "zip"),
        text("details.state", "state"),
        text("branding.websiteTitle", "branding/applicationTitle"),
        row("branding.documentationURL", "branding/documentationURL", |round| {
            json!(format!("https://docs{round}.example/"))
        }),
        image("branding.logo", "branding/logo/sha256", 0),
        image("branding.favicon", "branding/favIcon/sha256", 10),
        text("branding.loginPage.header", "branding/loginPageHeaderText"),
        text("branding.loginPage.subheader", "branding/loginPageSubHeaderText"),
        row("branding.loginPage.textColor", "branding/loginPageTextColor", |round| json!(format!("00000{round}"))),
        row("branding.loginPage.backgroundColor", "branding/loginPageBackgroundColor", |round| {
            json!(format!("FFFF0{round}"))
        }),
        image("branding.loginPage.backgroundImage", "branding/loginPageImage/sha256", 20),
    ]
}

/// A moment, which only moves on.
fn moment() -> Row {
    Row {
        path: "security.changePasswordsSetBefore",
        spec: [1, 2, 3, 4].map(|day| json!(format!("2026-01-0{day}T00:00:00Z"))),
        wire: vec![(
            "changePasswordsSetBefore",
            [1, 2, 3, 4].map(|day| json!(format!("2026-01-0{day}T00:00:00+0000"))),
        )],
    }
}

/// Access settings, which a Partner hands to its Clients as well.
fn access() -> Vec<Row> {
    vec![
        Row {
            path: "security.access.allowedIPs",
            spec: [0, 1, 2, 3].map(|round| json!([format!("198.51.100.{round}")])),
            wire: vec![("whiteListedIps", [0, 1, 2, 3].map(|round| json!(format!("198.51.100.{round}"))))],
        },
        flag("security.access.twoFactorAuthentication", "twoFactorAuthentication", 1),
        flag("security.access.skipUserConsentForm", "skipUserConsentForm", 2),
        flag("security.access.showCopyClipboard", "showCopyClipBoard", 3),
        secret("security.access.duo.integrationKeySecretRef", "duo/integrationKey", "ikey"),
        secret("security.access.duo.secretKeySecretRef", "duo/secretKey", "skey"),
        row("security.access.duo.apiHostname", "duoSecurity/apiHostName", |round| {
            json!(format!("api-{round}.duosecurity.com"))
        }),
    ]
}

const ALL_PACKAGES: (&[&str], &[&str]) = (
    &["EventAndIncidentManagement", "RemediationAndAutomation"],
    &["Event and Incident Management", "Hybrid Discovery and Monitoring", "Remediation and Automation"],
);
const ALL_ADD_ONS: (&[&str], &[&str]) = (
    &["SLAManagement", "KnowledgeBaseManagement", "OfflineAlerts", "SMSAndVoice", "RemoteAccessManagement"],
    &["Knowledgebase Management", "Offline Alerts", "Remote Access Management", "SLA Management", "SMS and Voice"],
);

fn of_partner() -> Vec<Row> {
    let mut rows = of_both("Partner");
    rows.push(moment());
    rows.extend(access());
    rows.extend([
        row("details.alternateEmail", "altEmail", |round| json!(format!("alt{round}@x.example"))),
        row("details.notificationEmail", "notificationEmail", |round| json!(format!("noc{round}@x.example"))),
        row("details.applicationServer", "accessEndpoint/applicationServer", |round| {
            json!(format!("acme{round}.app.example.com"))
        }),
        // Its clients need all of them.
        named("packages", "packages", [ALL_PACKAGES; ROUNDS]),
        named("addOns", "addOns", [ALL_ADD_ONS; ROUNDS]),
        flag("security.access.blockDuplicateCloudAccounts", "blockDuplicateCloudAccounts", 4),
        Row {
            path: "security.passwordPolicy.pciDSS",
            spec: [0, 1, 2, 3].map(|_| Value::Null),
            wire: vec![("passwordPolicy/defaultPolicy", [0, 1, 2, 3].map(|_| json!(false)))],
        },
        number("security.passwordPolicy.custom.minLength", "passwordPolicy/minPasswordLength", 14),
        flag(
            "security.passwordPolicy.custom.requireAllCharacterClasses",
            "passwordPolicy/enablePasswordConstraints",
            5,
        ),
        number("security.passwordPolicy.custom.validityDays", "passwordPolicy/passwordValidity", 60),
        flag("security.passwordPolicy.custom.allowLastFourPasswords", "passwordPolicy/allowLastFourPasswords", 6),
        number("security.passwordPolicy.custom.attemptsBeforeLockout", "passwordPolicy/maxAttemptsToLockout", 5),
        flag("security.passwordPolicy.changePasswordAtNextLogin", "passwordPolicy/changePasswordAtFirstLogin", 7),
    ]);
    rows
}

const CLIENTS_PACKAGES: [(&[&str], &[&str]); ROUNDS] = [
    (&["EventAndIncidentManagement"], &["Event and Incident Management", "Hybrid Discovery and Monitoring"]),
    (&["RemediationAndAutomation"], &["Hybrid Discovery and Monitoring", "Remediation and Automation"]),
    ALL_PACKAGES,
    (&[], &["Hybrid Discovery and Monitoring"]),
];
const CLIENTS_ADD_ONS: [(&[&str], &[&str]); ROUNDS] = [
    (&["SLAManagement", "SMSAndVoice"], &["SLA Management", "SMS and Voice"]),
    (&["RemoteAccessManagement"], &["Remote Access Management"]),
    (
        &["KnowledgeBaseManagement", "SMSAndVoice", "RemoteAccessManagement"],
        &["Knowledgebase Management", "SMS and Voice", "Remote Access Management"],
    ),
    (&["OfflineAlerts"], &["Offline Alerts"]),
];

fn clock(path: &'static str, hour: &'static str, minute: &'static str, first: usize) -> Row {
    let at = |round: usize| (first + round, first + 20 + round);
    Row {
        path,
        spec: [0, 1, 2, 3].map(|round| json!(format!("{:02}:{:02}", at(round).0, at(round).1))),
        wire: vec![
            (hour, [0, 1, 2, 3].map(|round| json!(at(round).0))),
            (minute, [0, 1, 2, 3].map(|round| json!(at(round).1))),
        ],
    }
}

/// Days as the platform counts them: Sunday is 1.
fn day(path: &'static str, wire: &'static str, days: [(&str, usize); ROUNDS]) -> Row {
    Row { path, spec: days.map(|(day, _)| json!(day)), wire: vec![(wire, days.map(|(_, number)| json!(number)))] }
}

fn of_client() -> Vec<Row> {
    let mut rows = of_both("Client");
    rows.push(moment());
    rows.extend(access());
    rows.extend([
        text("details.externalId", "extOrgId"),
        text("details.phone.number", "phoneNumber"),
        each("details.phone.extension", "phoneExtension", ["11", "12", "13", "14"]),
        text("details.phone.mobile", "mobileNumber"),
        row("details.channelId", "channel/id", |round| json!([7, 2, 7, 2][round])),
        row("details.nocId", "nocDetails/id", |round| json!([3, 11, 3, 11][round])),
        clock("details.businessHours.start", "clientDetails/businessStartHour", "clientDetails/businessStartMin", 5),
        clock("details.businessHours.end", "clientDetails/businessEndHour", "clientDetails/businessEndMin", 15),
        day(
            "details.businessHours.firstDay",
            "clientDetails/businessDayStart",
            [("Sunday", 1), ("Monday", 2), ("Tuesday", 3), ("Wednesday", 4)],
        ),
        day(
            "details.businessHours.lastDay",
            "clientDetails/businessDayEnd",
            [("Wednesday", 4), ("Thursday", 5), ("Friday", 6), ("Saturday", 7)],
        ),
        // On in rounds that have their add-ons.
        flag("details.smsVoiceNotification", "clientDetails/smsVoiceNotification", 5),
        flag("details.remoteAccess", "clientDetails/remoteAccess", 6),
        flag("details.cliRecording", "enableCLIRecording", 10),
        flag("details.resourceDecommission", "resourceDecommission", 11),
        named("packages", "packages", CLIENTS_PACKAGES),
        named("addOns", "addOns", CLIENTS_ADD_ONS),
    ]);
    rows
}

/// Where `clients.defaults` holds what a Client leaves out.
fn of_heir() -> Vec<Row> {
    let mut rows = access();
    rows.extend([
        each("details.timezone", "timeZone", ZONES),
        each("details.country", "country", COUNTRIES),
        named("packages", "packages", CLIENTS_PACKAGES),
        named("addOns", "addOns", CLIENTS_ADD_ONS),
    ]);
    rows
}

fn put(spec: &mut Value, path: &str, value: &Value) {
    let mut place = spec;
    for name in path.split('.') {
        if place.is_null() {
            *place = json!({});
        }
        place = place.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
    }
    *place = value.clone();
}

fn spec(rows: &[Row], round: usize) -> Value {
    let mut spec = json!({});
    for row in rows.iter().filter(|row| !row.spec[round].is_null()) {
        put(&mut spec, row.path, &row.spec[round]);
    }
    spec
}

/// `clients.defaults` with the values of the rows.
fn defaults(rows: &[Row], round: usize) -> Value {
    let mut block = json!({});
    for row in rows {
        let path = row.path.trim_start_matches("details.").trim_start_matches("security.");
        put(&mut block, path, &row.spec[round]);
    }
    json!({"clients": {"defaults": block}})
}

/// What was last written of Duo, by tenant or by the name of one that is made.
type Duos = Arc<Mutex<BTreeMap<String, Value>>>;

fn watch_duo(world: &World) -> Duos {
    let duos = Duos::default();
    let seen = Arc::clone(&duos);
    world.lock().fates = Box::new(move |_, ask: &Ask| {
        let body = ask.json();
        if ask.side == Side::Platform && ask.is_write() && body["duoSecurity"].is_object() {
            let last = ask.path.rsplit('/').next().unwrap_or_default().to_owned();
            let key =
                if last == "msps" || last == "clients" { body["name"].as_str().unwrap().to_owned() } else { last };
            let mut all = seen.lock().unwrap();
            let known = all.remove(&key).unwrap_or_default();
            all.insert(key, with(if known.is_null() { json!({}) } else { known }, &body["duoSecurity"]));
        }
        Fate::Pass
    });
    duos
}

/// Holds what the platform shows to the table.
fn compare(world: &World, (key, rows, round): (&Key, &[Row], usize), duos: &Duos) {
    let tenant = world.tenant(key).unwrap();
    let shown = world.console(Method::GET, &World::path(&tenant), &Value::Null).value();
    let branding = world.console(Method::GET, &format!("{}/customBranding", tenant.id), &Value::Null).value();
    let duo = duos.lock().unwrap().get(if round == 0 { &tenant.name } else { &tenant.id }).cloned().unwrap_or_default();
    let all = with(shown, &json!({"branding": branding, "duo": duo}));
    let mut wrong = Vec::new();
    for row in rows {
        for (wire, values) in &row.wire {
            let found = all.pointer(&format!("/{wire}")).cloned().unwrap_or_default();
            let found = match found.as_array() {
                Some(names) => json!(names.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>()),
                None => found,
            };
            if found != values[round] {
                wrong.push(format!("{} in round {round}: `{wire}` is {found} and not {}", row.path, values[round]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", key.name, wrong.join("\n"));
}

/// shows: seeds/account/alternate-email, seeds/account/notification-email, seeds/account/timezone, seeds/account/country
/// shows: seeds/account/city, seeds/account/address, seeds/account/postal-code, seeds/account/state
/// shows: seeds/account/application-server, seeds/access/block-duplicates, seeds/access/skip-consent, seeds/access/duo
/// shows: seeds/access/duo-integration-key, seeds/access/duo-secret-key, seeds/access/duo-host
/// shows: seeds/access/copy-clipboard
#[test]
fn each_field_of_a_spec_reaches_its_own_place_on_the_platform() {
    let (partner, client, heir) =
        (Key::new(PARTNERS, "a", "acme"), Key::new(CLIENTS, "a", "globex"), Key::new(CLIENTS, "a", "heir"));
    let (of_partner, of_client, of_heir) = (of_partner(), of_client(), of_heir());
    let world = world();
    let duos = watch_duo(&world);
    for round in 0..ROUNDS {
        let data = ["ikey", "skey"].map(|key| (key.to_owned(), json!(STANDARD.encode(format!("{key}{round}")))));
        let labels = json!({"tenantry.dev/allow-reference": "true"});
        let metadata = json!({"name": format!("duo{round}"), "namespace": "a", "labels": labels});
        let data: serde_json::Map<String, Value> = data.into_iter().collect();
        let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
        assert!(world.kubectl(Method::POST, &SECRETS.path("a", ""), &body).is_success());
    }
    let done = live(&world, &Life::new(1), settings(), async {
        for round in 0..ROUNDS {
            let above = with(spec(&of_partner, round), &defaults(&of_heir, round));
            let below = spec(&of_client, round);
            if round == 0 {
                let above = with(above, &json!({"connectionSecretRef": {"name": "platform"}}));
                let under = json!({"partnerRef": {"name": "acme"}});
                assert!(world.create(&partner, &above).is_success());
                assert!(world.create(&client, &with(below, &under)).is_success());
                assert!(world.create(&heir, &with(under, &json!({"details": {"name": "Heir"}}))).is_success());
            } else {
                assert!(world.edit(&partner, &above).is_success());
                assert!(world.edit(&client, &below).is_success());
            }
            for key in [&partner, &client, &heir] {
                world.until("it is Ready", |world| world.object(key).is_some_and(|object| is_ready(&object))).await;
            }
            // The heir is woken after its Partner, and its spec does not say when.
            tokio::time::sleep(std::time::Duration::from_mins(1)).await;
            for (key, rows) in [(&partner, &of_partner), (&client, &of_client), (&heir, &of_heir)] {
                compare(&world, (key, rows, round), &duos);
            }
        }
        let standard =
            json!({"security": {"passwordPolicy": {"pciDSS": {}, "custom": null, "changePasswordAtNextLogin": null}}});
        world.edit(&partner, &standard);
        world.until("it is Ready", |world| world.object(&partner).is_some_and(|object| is_ready(&object))).await;
        let tenant = world.tenant(&partner).unwrap();
        let shown = world.console(Method::GET, &World::path(&tenant), &Value::Null).value();
        assert_eq!(shown["passwordPolicy"]["defaultPolicy"], true);
    });
    assert!(done.is_some());
    assert_eq!(world.faults(), Vec::<String>::new());
}

#[test]
fn the_table_has_each_field_and_no_two_fields_have_the_same_values() {
    for (kind, rows) in [(Kind::Partner, of_partner()), (Kind::Client, of_client())] {
        let fields: BTreeSet<&str> =
            Field::ALL.iter().filter(|field| field.is_of(kind)).map(|field| field.path()).collect();
        let paths: BTreeSet<&str> = rows.iter().map(|row| row.path).collect();
        assert_eq!(paths, fields, "{}", kind.name());
        // Every leaf of the definition that is a setting is below a row.
        let sections = ["spec.details.", "spec.packages", "spec.addOns", "spec.security.", "spec.branding."];
        for node in schema::nodes().iter().filter(|node| node.kind == kind.name() && node.is_leaf()) {
            if sections.iter().any(|section| node.path.starts_with(section)) {
                let path = node.path.trim_start_matches("spec.");
                assert!(paths.iter().any(|known| path.starts_with(known)), "{}", node.place());
            }
        }
        for (number, one) in rows.iter().enumerate() {
            let same: Vec<&str> =
                rows[number + 1..].iter().filter(|other| other.spec == one.spec).map(|other| other.path).collect();
            assert_eq!(same, Vec::<&str>::new(), "{}: a swap of {} would not show", kind.name(), one.path);
        }
    }
}
