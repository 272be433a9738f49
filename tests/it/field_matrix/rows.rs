//! Two values for each field, and the second one as another client of the API writes it.

use std::collections::BTreeMap;
use std::io::Cursor;

use base64::Engine as _;
use serde_json::{Value as Json, json};
use tenantry_core::{Digest, Field, SecretSource, TenantKind, Value, ValueType};

/// The values of a field.
pub(super) struct FieldValues {
    pub(super) first: Value,
    pub(super) second: Value,
    /// The empty value. For packages, the package that cannot be left out.
    pub(super) cleared: Value,
    /// The second value in the wire's format.
    pub(super) wire_value: Json,
    /// The files of image digests.
    pub(super) images: BTreeMap<String, Vec<u8>>,
    /// The secrets of secret digests.
    pub(super) secrets: BTreeMap<String, String>,
}

/// Returns the row of a field. A switch gets the opposite of its current value.
pub(super) fn field_values(kind: TenantKind, field: Field, now: Option<&Value>) -> FieldValues {
    let (first, second, raw) = match field.value_type() {
        ValueType::Flag => flag_values(field, now),
        ValueType::Image => image_values(field),
        ValueType::Text | ValueType::Name | ValueType::Number | ValueType::Set | ValueType::Secret => {
            plain_values(kind, field)
        }
    };
    let cleared = match field {
        Field::Packages => Value::set(["HybridDiscoveryAndMonitoring"]),
        _ => Value::Cleared,
    };
    let images = [8, 16].map(png).into_iter().map(|file| (image_value(&file).to_json(), file)).collect();
    let secrets = ["one", "two"].map(|text| (secret_value(text).to_json(), text.to_owned())).into();
    FieldValues { first, second, cleared, wire_value: raw, images, secrets }
}

fn flag_values(field: Field, now: Option<&Value>) -> (Value, Value, Json) {
    let now = match now {
        Some(Value::Flag(flag)) => *flag,
        // On a new tenant only the platform's own policy is on, and a custom policy requires it to be off.
        _ => field == Field::PolicyPciDss,
    };
    let raw = match field {
        Field::SmsVoiceNotification => json!({"clientDetails": {"smsVoiceNotification": now}}),
        Field::RemoteAccess => json!({"clientDetails": {"remoteAccess": now}}),
        Field::CliRecording => json!({"enableCLIRecording": now}),
        Field::ResourceDecommission => json!({"resourceDecommission": now}),
        Field::TwoFactorAuthentication => json!({"twoFactorAuthentication": now}),
        Field::BlockDuplicateCloudAccounts => json!({"blockDuplicateCloudAccounts": now}),
        Field::SkipUserConsentForm => json!({"skipUserConsentForm": now}),
        Field::ShowCopyClipboard => json!({"showCopyClipBoard": now}),
        Field::PolicyPciDss => json!({"passwordPolicy": {"defaultPolicy": now}}),
        Field::PolicyAllClasses => json!({"passwordPolicy": {"enablePasswordConstraints": now}}),
        Field::PolicyLastFour => json!({"passwordPolicy": {"allowLastFourPasswords": now}}),
        Field::PolicyChangeAtNextLogin => json!({"passwordPolicy": {"changePasswordAtFirstLogin": now}}),
        other => panic!("{other:?} is no switch"),
    };
    (Value::Flag(!now), Value::Flag(now), raw)
}

fn image_values(field: Field) -> (Value, Value, Json) {
    let [first, second] = [8, 16].map(png);
    let file = json!({"name": "y.png", "file": base64::engine::general_purpose::STANDARD.encode(&second)});
    let raw = match field {
        Field::Logo => json!({"logo": file}),
        Field::Favicon => json!({"favIcon": file}),
        Field::LoginBackgroundImage => json!({"loginPageImage": file}),
        other => panic!("{other:?} is no image"),
    };
    (image_value(&first), image_value(&second), raw)
}

fn plain_values(kind: TenantKind, field: Field) -> (Value, Value, Json) {
    let text = |first: &str, second: &str, raw: Json| (Value::text(first), Value::text(second), raw);
    let number = |first, second, raw| (Value::Number(first), Value::Number(second), raw);
    let set = |first: &[&str], second: &[&str], raw| {
        (Value::set(first.iter().copied()), Value::set(second.iter().copied()), raw)
    };
    let names = [format!("First {}", kind.name()), format!("Second {}", kind.name())];
    match field {
        Field::Name => text(&names[0], &names[1], json!({"name": names[1]})),
        Field::AlternateEmail => text("a@x.example", "b@x.example", json!({"altEmail": "b@x.example"})),
        Field::NotificationEmail => text("a@x.example", "b@x.example", json!({"notificationEmail": "b@x.example"})),
        Field::Timezone => text("Europe/Berlin", "Asia/Kolkata", json!({"timeZone": "Asia/Calcutta"})),
        Field::Country => text("Germany", "United States", json!({"country": "USA"})),
        Field::City => text("Berlin", "Köln", json!({"city": "Köln"})),
        Field::Address => text("Hauptstr. 1\nHinterhaus", "5 Rue", json!({"address": "5 Rue"})),
        Field::PostalCode => text("01067", "A1B 2C3", json!({"zip": "A1B 2C3"})),
        Field::State => text("Sachsen", "NRW", json!({"state": "NRW"})),
        Field::ApplicationServer => text(
            "acme.app.example",
            "https://b.example",
            json!({"accessEndpoint": {"applicationServer": "https://b.example"}}),
        ),
        Field::ExternalId => text("CRM-1", "CRM-2", json!({"extOrgId": "CRM-2"})),
        Field::PhoneNumber => text("+49 30 1", "+49 30 2", json!({"phoneNumber": "+49 30 2"})),
        Field::PhoneExtension => text("11", "12", json!({"phoneExtension": "12"})),
        Field::PhoneMobile => text("+49 170 1", "+49 170 2", json!({"mobileNumber": "+49 170 2"})),
        Field::ChannelId => number(7, 2, json!({"channel": {"id": 2}})),
        Field::NocId => number(3, 11, json!({"nocDetails": {"id": 11}})),
        Field::BusinessStart => {
            text("08:30", "07:05", json!({"clientDetails": {"businessStartHour": 7, "businessStartMin": 5}}))
        }
        Field::BusinessEnd => {
            text("18:45", "20:00", json!({"clientDetails": {"businessEndHour": 20, "businessEndMin": 0}}))
        }
        Field::BusinessFirstDay => text("Sunday", "Tuesday", json!({"clientDetails": {"businessDayStart": 3}})),
        Field::BusinessLastDay => text("Saturday", "Thursday", json!({"clientDetails": {"businessDayEnd": 5}})),
        Field::Packages => set(
            &["HybridDiscoveryAndMonitoring", "EventAndIncidentManagement", "RemediationAndAutomation"],
            &["HybridDiscoveryAndMonitoring", "RemediationAndAutomation"],
            json!({"packages": ["Hybrid Discovery and Monitoring", "Remediation and Automation"]}),
        ),
        Field::AddOns => set(
            &["SLAManagement", "OfflineAlerts", "SMSAndVoice", "RemoteAccessManagement"],
            &["KnowledgeBaseManagement"],
            json!({"addOns": ["Knowledgebase Management"]}),
        ),
        Field::AllowedIps => set(
            &["198.51.100.*", "2001:db8::/32"],
            &["172.22.2.[0-50]", "10.0.0.1"],
            json!({"whiteListedIps": "172.22.2.[0-50], 10.0.0.1"}),
        ),
        Field::DuoApiHostname => {
            text("a.duo.example", "b.duo.example", json!({"duoSecurity": {"apiHostName": "b.duo.example"}}))
        }
        Field::DuoIntegrationKey | Field::DuoSecretKey => (secret_value("one"), secret_value("two"), Json::Null),
        Field::PolicyMinLength => number(14, 16, json!({"passwordPolicy": {"minPasswordLength": 16}})),
        Field::PolicyValidityDays => number(60, 180, json!({"passwordPolicy": {"passwordValidity": 180}})),
        Field::PolicyAttempts => number(5, 8, json!({"passwordPolicy": {"maxAttemptsToLockout": 8}})),
        Field::WebsiteTitle => text("Acme", "Other", json!({"applicationTitle": "Other"})),
        Field::DocumentationUrl => {
            text("https://a.example/", "https://b.example/d", json!({"documentationURL": "https://b.example/d"}))
        }
        Field::LoginHeader => text("Welcome", "Hello", json!({"loginPageHeaderText": "Hello"})),
        Field::LoginSubheader => text("Sign in", "Log in", json!({"loginPageSubHeaderText": "Log in"})),
        Field::LoginTextColor => text("1F2937", "FFFFFF", json!({"loginPageTextColor": "ffffff"})),
        Field::LoginBackgroundColor => text("FAFAFA", "000000", json!({"loginPageBackgroundColor": "000000"})),
        other => panic!("{other:?} is no text, number or set"),
    }
}

fn image_value(file: &[u8]) -> Value {
    Value::Image(Digest::of_bytes(file))
}

fn secret_value(text: &str) -> Value {
    let (namespace, name, version) = ("ns".to_owned(), "duo".to_owned(), "1".to_owned());
    Value::Secret(SecretSource { namespace, name, key: text.to_owned(), version })
}

fn png(side: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(side, side).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}
