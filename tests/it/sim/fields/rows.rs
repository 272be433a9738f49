//! The table: each field of a spec, with different values in each round, and what the platform shows for it.

use std::collections::BTreeSet;
use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::digests::sha256;

/// Number of specs, one after the other, with different values of each field.
pub(super) const ROUNDS: usize = 4;

/// Path of a field in a spec, its value in each round, and what the platform shows for it.
pub(super) struct FieldMapping {
    pub(super) path: &'static str,
    pub(super) spec: [Value; ROUNDS],
    /// Path in the answer to a read of the tenant. With the prefix `branding/` it is a path in the answer for its
    /// branding, and with `duo/` a path in the last write of Duo.
    pub(super) wire: Vec<(&'static str, [Value; ROUNDS])>,
}

fn field_row(path: &'static str, wire: &'static str, value: impl Fn(usize) -> Value) -> FieldMapping {
    let values = [0, 1, 2, 3].map(value);
    FieldMapping { path, spec: values.clone(), wire: vec![(wire, values)] }
}

fn text_row(path: &'static str, wire: &'static str) -> FieldMapping {
    field_row(path, wire, |round| json!(format!("{wire} {round}")))
}

fn values_row(path: &'static str, wire: &'static str, values: [&str; ROUNDS]) -> FieldMapping {
    field_row(path, wire, |round| json!(values[round]))
}

/// Returns the row of a switch. Any two switches differ in some round, and none is always on or always off.
fn flag_row(path: &'static str, wire: &'static str, number: usize) -> FieldMapping {
    assert!((1..15).contains(&number));
    field_row(path, wire, |round| json!((number >> round) & 1 == 1))
}

fn number_row(path: &'static str, wire: &'static str, first: usize) -> FieldMapping {
    field_row(path, wire, |round| json!(first + round))
}

fn set_row(path: &'static str, wire: &'static str, values: [(&[&str], &[&str]); ROUNDS]) -> FieldMapping {
    FieldMapping {
        path,
        spec: values.map(|(declared, _)| json!(declared)),
        wire: vec![(wire, values.map(|(_, shown)| json!(BTreeSet::from_iter(shown))))],
    }
}

fn secret_row(path: &'static str, wire: &'static str, key: &str) -> FieldMapping {
    FieldMapping {
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

fn image_row(path: &'static str, wire: &'static str, seed: usize) -> FieldMapping {
    let file = |round: usize| png(seed + round);
    let digest = |round| sha256(file(round));
    FieldMapping {
        path,
        spec: [0, 1, 2, 3].map(|round| json!({"inline": STANDARD.encode(file(round))})),
        wire: vec![(wire, [0, 1, 2, 3].map(|round| json!(digest(round))))],
    }
}

const ZONES: [&str; ROUNDS] = ["Europe/Berlin", "Asia/Tokyo", "America/New_York", "Europe/Paris"];
const COUNTRIES: [&str; ROUNDS] = ["Germany", "France", "Japan", "Spain"];

/// Returns the texts and locations that both kinds have.
fn common_rows(kind: &'static str) -> Vec<FieldMapping> {
    vec![
        field_row("details.name", "name", |round| json!(format!("{kind} {round}"))),
        values_row("details.timezone", "timeZone", ZONES),
        values_row("details.country", "country", COUNTRIES),
        text_row("details.city", "city"),
        text_row("details.address", "address"),
        text_row("details.postalCode", "zip"),
        text_row("details.state", "state"),
        text_row("branding.websiteTitle", "branding/applicationTitle"),
        field_row("branding.documentationURL", "branding/documentationURL", |round| {
            json!(format!("https://docs{round}.example/"))
        }),
        image_row("branding.logo", "branding/logo/sha256", 0),
        image_row("branding.favicon", "branding/favIcon/sha256", 10),
        text_row("branding.loginPage.header", "branding/loginPageHeaderText"),
        text_row("branding.loginPage.subheader", "branding/loginPageSubHeaderText"),
        field_row("branding.loginPage.textColor", "branding/loginPageTextColor", |round| {
            json!(format!("00000{round}"))
        }),
        field_row("branding.loginPage.backgroundColor", "branding/loginPageBackgroundColor", |round| {
            json!(format!("FFFF0{round}"))
        }),
        image_row("branding.loginPage.backgroundImage", "branding/loginPageImage/sha256", 20),
    ]
}

/// Returns the row of a timestamp, which only increases.
fn password_time_row() -> FieldMapping {
    FieldMapping {
        path: "security.changePasswordsSetBefore",
        spec: [1, 2, 3, 4].map(|day| json!(format!("2026-01-0{day}T00:00:00Z"))),
        wire: vec![(
            "changePasswordsSetBefore",
            [1, 2, 3, 4].map(|day| json!(format!("2026-01-0{day}T00:00:00+0000"))),
        )],
    }
}

/// Returns the access settings, which a Partner also hands to its Clients.
fn access_rows() -> Vec<FieldMapping> {
    vec![
        FieldMapping {
            path: "security.access.allowedIPs",
            spec: [0, 1, 2, 3].map(|round| json!([format!("198.51.100.{round}")])),
            wire: vec![("whiteListedIps", [0, 1, 2, 3].map(|round| json!(format!("198.51.100.{round}"))))],
        },
        flag_row("security.access.twoFactorAuthentication", "twoFactorAuthentication", 1),
        flag_row("security.access.skipUserConsentForm", "skipUserConsentForm", 2),
        flag_row("security.access.showCopyClipboard", "showCopyClipBoard", 3),
        secret_row("security.access.duo.integrationKeySecretRef", "duo/integrationKey", "ikey"),
        secret_row("security.access.duo.secretKeySecretRef", "duo/secretKey", "skey"),
        field_row("security.access.duo.apiHostname", "duoSecurity/apiHostName", |round| {
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

pub(super) fn partner_rows() -> Vec<FieldMapping> {
    let mut rows = common_rows("Partner");
    rows.push(password_time_row());
    rows.extend(access_rows());
    rows.extend([
        field_row("details.alternateEmail", "altEmail", |round| json!(format!("alt{round}@x.example"))),
        field_row("details.notificationEmail", "notificationEmail", |round| json!(format!("noc{round}@x.example"))),
        field_row("details.applicationServer", "accessEndpoint/applicationServer", |round| {
            json!(format!("acme{round}.app.example.com"))
        }),
        // Its clients need all of them.
        set_row("packages", "packages", [ALL_PACKAGES; ROUNDS]),
        set_row("addOns", "addOns", [ALL_ADD_ONS; ROUNDS]),
        flag_row("security.access.blockDuplicateCloudAccounts", "blockDuplicateCloudAccounts", 4),
        FieldMapping {
            path: "security.passwordPolicy.pciDSS",
            spec: [0, 1, 2, 3].map(|_| Value::Null),
            wire: vec![("passwordPolicy/defaultPolicy", [0, 1, 2, 3].map(|_| json!(false)))],
        },
        number_row("security.passwordPolicy.custom.minLength", "passwordPolicy/minPasswordLength", 14),
        flag_row(
            "security.passwordPolicy.custom.requireAllCharacterClasses",
            "passwordPolicy/enablePasswordConstraints",
            5,
        ),
        number_row("security.passwordPolicy.custom.validityDays", "passwordPolicy/passwordValidity", 60),
        flag_row("security.passwordPolicy.custom.allowLastFourPasswords", "passwordPolicy/allowLastFourPasswords", 6),
        number_row("security.passwordPolicy.custom.attemptsBeforeLockout", "passwordPolicy/maxAttemptsToLockout", 5),
        flag_row("security.passwordPolicy.changePasswordAtNextLogin", "passwordPolicy/changePasswordAtFirstLogin", 7),
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

fn time_of_day_row(path: &'static str, hour: &'static str, minute: &'static str, first: usize) -> FieldMapping {
    let at = |round: usize| (first + round, first + 20 + round);
    FieldMapping {
        path,
        spec: [0, 1, 2, 3].map(|round| json!(format!("{:02}:{:02}", at(round).0, at(round).1))),
        wire: vec![
            (hour, [0, 1, 2, 3].map(|round| json!(at(round).0))),
            (minute, [0, 1, 2, 3].map(|round| json!(at(round).1))),
        ],
    }
}

/// Returns the row of days. The platform counts Sunday as 1.
fn weekday_row(path: &'static str, wire: &'static str, days: [(&str, usize); ROUNDS]) -> FieldMapping {
    FieldMapping {
        path,
        spec: days.map(|(day, _)| json!(day)),
        wire: vec![(wire, days.map(|(_, number)| json!(number)))],
    }
}

pub(super) fn client_rows() -> Vec<FieldMapping> {
    let mut rows = common_rows("Client");
    rows.push(password_time_row());
    rows.extend(access_rows());
    rows.extend([
        text_row("details.externalId", "extOrgId"),
        text_row("details.phone.number", "phoneNumber"),
        values_row("details.phone.extension", "phoneExtension", ["11", "12", "13", "14"]),
        text_row("details.phone.mobile", "mobileNumber"),
        field_row("details.channelId", "channel/id", |round| json!([7, 2, 7, 2][round])),
        field_row("details.nocId", "nocDetails/id", |round| json!([3, 11, 3, 11][round])),
        time_of_day_row(
            "details.businessHours.start",
            "clientDetails/businessStartHour",
            "clientDetails/businessStartMin",
            5,
        ),
        time_of_day_row(
            "details.businessHours.end",
            "clientDetails/businessEndHour",
            "clientDetails/businessEndMin",
            15,
        ),
        weekday_row(
            "details.businessHours.firstDay",
            "clientDetails/businessDayStart",
            [("Sunday", 1), ("Monday", 2), ("Tuesday", 3), ("Wednesday", 4)],
        ),
        weekday_row(
            "details.businessHours.lastDay",
            "clientDetails/businessDayEnd",
            [("Wednesday", 4), ("Thursday", 5), ("Friday", 6), ("Saturday", 7)],
        ),
        // On in rounds that have their add-ons.
        flag_row("details.smsVoiceNotification", "clientDetails/smsVoiceNotification", 5),
        flag_row("details.remoteAccess", "clientDetails/remoteAccess", 6),
        flag_row("details.cliRecording", "enableCLIRecording", 10),
        flag_row("details.resourceDecommission", "resourceDecommission", 11),
        set_row("packages", "packages", CLIENTS_PACKAGES),
        set_row("addOns", "addOns", CLIENTS_ADD_ONS),
    ]);
    rows
}

/// Returns the rows for a Client that takes omitted settings from `clients.defaults`.
pub(super) fn inheriting_client_rows() -> Vec<FieldMapping> {
    let mut rows = access_rows();
    rows.extend([
        values_row("details.timezone", "timeZone", ZONES),
        values_row("details.country", "country", COUNTRIES),
        set_row("packages", "packages", CLIENTS_PACKAGES),
        set_row("addOns", "addOns", CLIENTS_ADD_ONS),
    ]);
    rows
}
