use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::plan::{
    Change, Digest, Field, Form, Kind, MarkSeen, Observed, Payload, SecretSource, Seen, TenantLife, Value, short_mark,
};
use crate::wire::{Branding, ImageFile, ImagePaths, Mark, Tenant};

fn read(kind: Kind, mut tenant: serde_json::Value, branding: &serde_json::Value, extensions: bool) -> Observed {
    tenant["uniqueId"] = "x_1".into();
    tenant["name"] = "X".into();
    let tenant = lenient(tenant.to_string().as_bytes()).unwrap();
    let branding = Branded::Shown(Box::new(lenient(branding.to_string().as_bytes()).unwrap()));
    observed(kind, tenant, branding, extensions).unwrap()
}

fn value(field: Field, tenant: serde_json::Value) -> Value {
    read(Kind::Client, tenant, &json!({}), true).value(field).unwrap().clone()
}

/// A value that is not the absent one.
fn sample(field: Field) -> Value {
    match (field, field.form()) {
        (Field::BusinessStart | Field::BusinessEnd, _) => Value::text("09:30"),
        (Field::BusinessFirstDay | Field::BusinessLastDay, _) => Value::text("Tuesday"),
        (Field::Packages, _) => Value::set(["HybridDiscoveryAndMonitoring", "RemediationAndAutomation"]),
        (Field::AddOns, _) => Value::set(["KnowledgeBaseManagement", "OfflineAlerts"]),
        (Field::Country, _) => Value::text("Germany"),
        (Field::Timezone, _) => Value::text("Europe/Berlin"),
        (Field::LoginTextColor | Field::LoginBackgroundColor, _) => Value::text("1F2937"),
        (_, Form::Text | Form::Name) => Value::text("some text"),
        (_, Form::Flag) => Value::Flag(true),
        (_, Form::Number) => Value::Number(11),
        (_, Form::Set) => Value::set(["10.0.0.*", "172.22.2.[0-50]"]),
        (_, Form::Image) => Value::Image(Digest::of(b"png")),
        (_, Form::Secret) => Value::Secret(source()),
    }
}

fn source() -> SecretSource {
    SecretSource { namespace: "a".into(), name: "duo".into(), key: "k".into(), version: "7".into() }
}

fn payload() -> Payload {
    Payload {
        images: Field::ALL.iter().map(|field| (*field, ("a.png".to_owned(), b"png".to_vec()))).collect(),
        secrets: Field::ALL.iter().map(|field| (*field, SecretString::from("key"))).collect(),
    }
}

/// What the platform would answer to this body.
fn echo(tenant: &Tenant, branding: &Branding) -> (serde_json::Value, serde_json::Value) {
    let answered = |image: &ImageFile| ImagePaths {
        logo_path: "/p.png".to_owned(),
        sha256: (!image.file.is_empty()).then(|| Digest::of(b"png").hex().to_owned()),
        ..ImagePaths::default()
    };
    let Branding { logo, fav_icon, login_page_image, .. } = branding;
    let mut shown = serde_json::to_value(branding).unwrap();
    for (name, image) in [("logo", logo), ("favIcon", fav_icon), ("loginPageImage", login_page_image)] {
        if let Some(image) = image {
            shown[name] = serde_json::to_value(answered(image)).unwrap();
        }
    }
    (serde_json::to_value(tenant).unwrap(), shown)
}

#[test]
fn every_field_reads_back_as_it_was_written() {
    let mut ran = 0;
    for (field, kind) in Field::ALL.iter().flat_map(|field| [(*field, Kind::Partner), (*field, Kind::Client)]) {
        if !field.is_of(kind) || field == Field::Name {
            continue;
        }
        let changes = [Change { field, to: sample(field) }];
        let (body, branded) = if field.is_branding() {
            echo(&Tenant::default(), &branding(&changes, &payload()).unwrap())
        } else {
            echo(&tenant(&changes, &payload()).unwrap(), &Branding::default())
        };
        let seen = read(kind, body, &branded, true).seen[&field].clone();
        let expected = if field.form() == Form::Secret { Seen::Unreadable } else { Seen::Value(sample(field)) };
        assert_eq!(seen, expected, "{}", field.path());
        ran += 1;
    }
    assert_eq!(ran, 73);
}

#[test]
fn what_can_be_cleared_has_a_form_for_it_and_what_cannot_is_refused() {
    for field in Field::ALL.iter().copied() {
        let changes = [Change { field, to: Value::Cleared }];
        let written = if field.is_branding() {
            branding(&changes, &payload()).map(|body| body != Branding::default())
        } else {
            tenant(&changes, &payload()).map(|body| body != Tenant::default())
        };
        match field.form() {
            Form::Text | Form::Set | Form::Image | Form::Secret => assert_eq!(written, Ok(true), "{}", field.path()),
            Form::Flag | Form::Number => assert!(written.is_err(), "{}", field.path()),
            Form::Name => {}
        }
    }
}

#[test]
fn a_value_of_another_form_and_bytes_that_are_missing_are_refused_by_path() {
    for (field, to) in [
        (Field::City, Value::Flag(true)),
        (Field::BusinessStart, Value::text("noon")),
        (Field::BusinessFirstDay, Value::text("Someday")),
        (Field::DuoSecretKey, Value::Secret(source())),
        (Field::WebsiteTitle, Value::text("of the branding")),
    ] {
        let error = tenant(&[Change { field, to }], &Payload::default()).unwrap_err().to_string();
        assert!(error.contains(field.path()), "{error}");
    }
    let logo = [Change { field: Field::Logo, to: Value::Image(Digest::of(b"")) }];
    assert!(branding(&logo, &Payload::default()).is_err());
}

#[test]
fn what_is_absent_is_cleared_and_an_absent_switch_is_off() {
    let empty = read(Kind::Client, json!({}), &json!({}), true);
    for (field, seen) in &empty.seen {
        let expected = match field.form() {
            Form::Flag => Seen::Value(Value::Flag(false)),
            Form::Secret => Seen::Unreadable,
            Form::Text | Form::Name | Form::Number | Form::Set | Form::Image => Seen::Value(Value::Cleared),
        };
        if *field != Field::Name {
            assert_eq!(*seen, expected, "{}", field.path());
        }
    }
}

#[test]
fn spellings_of_the_wire_become_those_of_manifests() {
    assert_eq!(
        value(Field::AllowedIps, json!({"whiteListedIps": "10.0.0.1, 10.0.0.* ,"})),
        Value::set(["10.0.0.*", "10.0.0.1"])
    );
    assert_eq!(value(Field::Country, json!({"country": "USA"})), Value::text("United States"));
    assert_eq!(value(Field::Timezone, json!({"timeZone": "Asia/Calcutta"})), Value::text("Asia/Kolkata"));
    assert_eq!(
        value(Field::DuoApiHostname, json!({"duoSecurity": {"apiHostName": "https://api.duo.example/"}})),
        Value::text("api.duo.example")
    );
    assert_eq!(
        value(Field::AddOns, json!({"addOns": ["Alert Enrichment", "Brand New"]})),
        Value::set(["AlertProblemArea", "Brand New"])
    );
    assert_eq!(
        value(Field::Packages, json!({"packages": ["hybrid discovery and monitoring"]})),
        Value::set(["HybridDiscoveryAndMonitoring"])
    );
    assert_eq!(value(Field::BusinessStart, json!({"clientDetails": {"businessStartHour": 9}})), Value::text("09:00"));
    assert_eq!(value(Field::BusinessLastDay, json!({"clientDetails": {"businessDayEnd": 7}})), Value::text("Saturday"));
    assert_eq!(value(Field::BusinessLastDay, json!({"clientDetails": {"businessDayEnd": 9}})), Value::text("9"));
    let colour = read(Kind::Client, json!({}), &json!({"loginPageTextColor": "#1f2937"}), true);
    assert_eq!(colour.value(Field::LoginTextColor), Some(&Value::text("1F2937")));
}

#[test]
fn without_the_extensions_what_they_alone_have_is_unsupported() {
    let unsupported = |kind| -> BTreeSet<&'static str> {
        let seen = read(kind, json!({}), &json!({}), false).seen;
        seen.into_iter().filter(|(_, seen)| *seen == Seen::Unsupported).map(|(field, _)| field.path()).collect()
    };
    let client: BTreeSet<&str> = [
        "security.access.duo.integrationKeySecretRef",
        "security.access.duo.secretKeySecretRef",
        "security.access.skipUserConsentForm",
        "branding.documentationURL",
    ]
    .into();
    assert_eq!(unsupported(Kind::Client), client);
    let partner: BTreeSet<&str> = [
        "details.alternateEmail",
        "details.notificationEmail",
        "details.applicationServer",
        "packages",
        "addOns",
        "security.access.blockDuplicateCloudAccounts",
    ]
    .into();
    assert_eq!(unsupported(Kind::Partner), &client | &partner);
    let logo = read(Kind::Client, json!({}), &json!({"logo": {"logoPath": "/p.png"}}), false);
    assert_eq!(logo.seen[&Field::Logo], Seen::Unreadable);
}

#[test]
fn the_mark_is_read_from_its_place_and_is_nobodys_number() {
    let mark: Mark = "c1/Client/ns/globex/u1".parse().unwrap();
    let short = short_mark(&mark);
    let whole = read(Kind::Client, json!({"managedBy": mark, "extOrgId": "CRM-1"}), &json!({}), true);
    assert_eq!((&whole.mark, whole.value(Field::ExternalId)), (&MarkSeen::Whole(mark), Some(&Value::text("CRM-1"))));
    let kept = read(Kind::Client, json!({"extOrgId": short}), &json!({}), false);
    assert_eq!((&kept.mark, kept.value(Field::ExternalId)), (&MarkSeen::Short(short), Some(&Value::Cleared)));
    let seen = |kind, id: &str, extensions| read(kind, json!({"extOrgId": id}), &json!({}), extensions).mark;
    assert_eq!(seen(Kind::Client, "CRM-1", false), MarkSeen::Occupied);
    assert_eq!(seen(Kind::Client, "", false), MarkSeen::None);
    assert_eq!(seen(Kind::Client, "CRM-1", true), MarkSeen::None);
    assert_eq!(seen(Kind::Partner, "", false), MarkSeen::Unreadable);
}

#[test]
fn life_times_and_addresses_are_read() {
    let life = |tenant| read(Kind::Client, tenant, &json!({}), true).life;
    assert_eq!(life(json!({})), TenantLife::Active);
    assert_eq!(life(json!({"activated": false})), TenantLife::Inactive);
    assert_eq!(life(json!({"activated": false, "status": "SUSPENDED"})), TenantLife::Suspended);
    assert_eq!(life(json!({"activated": false, "status": "TERMINATED"})), TenantLife::Terminated);
    let body = json!({"id": 14, "createdTime": "2016-08-29T14:05:08+0200", "updatedTime": "2016-08-29T12:05:08Z"});
    let seen = read(Kind::Client, body, &json!({"appURL": "x.app.example", "apiURL": ""}), true);
    let at = "2016-08-29T12:05:08Z".parse().ok();
    assert_eq!((seen.created, seen.updated, seen.account_id.as_deref()), (at, at, Some("14")));
    assert_eq!((seen.url.as_deref(), seen.api_endpoint), (Some("x.app.example"), None));
    let endpoint =
        json!({"accessEndpoint": {"applicationServer": "acme.app.example", "apiServer": "acme.api.example"}});
    let partner = read(Kind::Partner, endpoint, &json!({}), true);
    assert_eq!(
        (partner.url.as_deref(), partner.api_endpoint.as_deref()),
        (Some("acme.app.example"), Some("acme.api.example"))
    );
}

#[test]
fn null_and_strange_people_do_not_hide_a_tenant() {
    let body =
        br#"{"uniqueId":"client_1","name":"A","channel":{"id":7,"name":null},"createdBy":{"id":5,"loginName":null}}"#;
    let tenant: Tenant = lenient(body).unwrap();
    assert_eq!(tenant.channel.map(|channel| channel.id), Some(7));
    assert!(lenient::<Tenant>(b"[1]").is_err() && lenient::<Tenant>(b"<html>").is_err());
    let error = lenient::<Tenant>(br#"{"name":{"s3cr3t":1}}"#).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cr3t"));
}

#[test]
fn branding_that_was_not_asked_for_is_absent_and_one_that_is_hidden_is_unreadable() {
    let of = |branding| {
        let tenant: Tenant = lenient(br#"{"uniqueId":"client_1","name":"A"}"#).unwrap();
        let seen: BTreeMap<Field, Seen> = observed(Kind::Client, tenant, branding, true).unwrap().seen;
        seen.get(&Field::Logo).cloned()
    };
    assert_eq!(of(Branded::NotAsked), None);
    assert_eq!(of(Branded::Hidden), Some(Seen::Unreadable));
}
