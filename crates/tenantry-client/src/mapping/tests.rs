use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde_json::json;
use tenantry_core::{
    Digest, Field, LifecycleState, ObservedMark, ObservedTenant, ObservedValue, SecretSource, SettingChange,
    SettingsPayload, TenantKind, UnknownAnswers, Value, ValueType, short_mark,
};
use tenantry_wire::{Branding, ImageFile, ImagePaths, Mark, Tenant};

use super::*;

fn read_observed(
    kind: TenantKind,
    mut tenant: serde_json::Value,
    branding: &serde_json::Value,
    has_extensions: bool,
) -> ObservedTenant {
    tenant["uniqueId"] = "x_1".into();
    tenant["name"] = "X".into();
    let tenant = read_tenant(tenant.to_string().as_bytes(), has_extensions).unwrap();
    let branding =
        ObservedBranding::Visible(Box::new(parse_branding(branding.to_string().as_bytes(), has_extensions).unwrap()));
    to_observed(kind, tenant, branding, has_extensions).unwrap()
}

fn read_value(field: Field, tenant: serde_json::Value) -> Value {
    read_observed(TenantKind::Client, tenant, &json!({}), true).value(field).unwrap().clone()
}

/// Returns a value other than the absent one.
fn sample_value(field: Field) -> Value {
    match (field, field.value_type()) {
        (Field::BusinessStart | Field::BusinessEnd, _) => Value::text("09:30"),
        (Field::BusinessFirstDay | Field::BusinessLastDay, _) => Value::text("Tuesday"),
        (Field::Packages, _) => Value::set(["HybridDiscoveryAndMonitoring", "RemediationAndAutomation"]),
        (Field::AddOns, _) => Value::set(["KnowledgeBaseManagement", "OfflineAlerts"]),
        (Field::Country, _) => Value::text("Germany"),
        (Field::Timezone, _) => Value::text("Europe/Berlin"),
        (Field::PasswordsSetBefore, _) => Value::text("2026-11-30T09:00:00Z"),
        (Field::LoginTextColor | Field::LoginBackgroundColor, _) => Value::text("1F2937"),
        (_, ValueType::Text | ValueType::Name) => Value::text("some text"),
        (_, ValueType::Flag) => Value::Flag(true),
        (_, ValueType::Number) => Value::Number(11),
        (_, ValueType::Set) => Value::set(["10.0.0.*", "172.22.2.[0-50]"]),
        (_, ValueType::Image) => Value::Image(Digest::of_bytes(b"png")),
        (_, ValueType::Secret) => Value::Secret(secret_source()),
    }
}

fn secret_source() -> SecretSource {
    SecretSource { namespace: "a".into(), name: "duo".into(), key: "k".into(), version: "7".into() }
}

fn full_payload() -> SettingsPayload {
    SettingsPayload {
        images: Field::ALL.iter().map(|field| (*field, ("a.png".to_owned(), b"png".to_vec()))).collect(),
        secrets: Field::ALL.iter().map(|field| (*field, SecretString::from("key"))).collect(),
    }
}

/// Returns what the platform would answer to these bodies.
fn echo_answers(tenant: &Tenant, branding: &Branding) -> (serde_json::Value, serde_json::Value) {
    let answered = |image: &ImageFile| ImagePaths {
        logo_path: "/p.png".to_owned(),
        sha256: (!image.file.is_empty()).then(|| Digest::of_bytes(b"png").hex().to_owned()),
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
    for (field, kind) in
        Field::ALL.iter().flat_map(|field| [(*field, TenantKind::Partner), (*field, TenantKind::Client)])
    {
        if !field.is_available_for(kind) || field == Field::Name {
            continue;
        }
        let changes = [SettingChange { field, to: sample_value(field) }];
        let (body, branded) = if field.is_branding() {
            echo_answers(&Tenant::default(), &branding_body(&changes, &full_payload()).unwrap())
        } else {
            echo_answers(&tenant_body(&changes, &full_payload()).unwrap(), &Branding::default())
        };
        let seen = read_observed(kind, body, &branded, true).values[&field].clone();
        let expected = if field.value_type() == ValueType::Secret {
            ObservedValue::Unreadable
        } else {
            ObservedValue::Value(sample_value(field))
        };
        assert_eq!(seen, expected, "{}", field.path());
        ran += 1;
    }
    assert_eq!(ran, 75);
}

#[test]
fn what_can_be_cleared_has_a_form_for_it_and_what_cannot_is_refused() {
    for field in Field::ALL.iter().copied() {
        let changes = [SettingChange { field, to: Value::Cleared }];
        let written = if field.is_branding() {
            branding_body(&changes, &full_payload()).map(|body| body != Branding::default())
        } else {
            tenant_body(&changes, &full_payload()).map(|body| body != Tenant::default())
        };
        match field.value_type() {
            ValueType::Text | ValueType::Set | ValueType::Image | ValueType::Secret => {
                assert_eq!(written, Ok(true), "{}", field.path());
            }
            ValueType::Flag | ValueType::Number => assert!(written.is_err(), "{}", field.path()),
            ValueType::Name => {}
        }
    }
}

#[test]
fn a_value_of_another_form_and_bytes_that_are_missing_are_refused_by_path() {
    for (field, to) in [
        (Field::City, Value::Flag(true)),
        (Field::BusinessStart, Value::text("noon")),
        (Field::BusinessFirstDay, Value::text("Someday")),
        (Field::DuoSecretKey, Value::Secret(secret_source())),
        (Field::WebsiteTitle, Value::text("of the branding")),
    ] {
        let error = tenant_body(&[SettingChange { field, to }], &SettingsPayload::default()).unwrap_err().to_string();
        assert!(error.contains(field.path()), "{error}");
    }
    let logo = [SettingChange { field: Field::Logo, to: Value::Image(Digest::of_bytes(b"")) }];
    assert!(branding_body(&logo, &SettingsPayload::default()).is_err());
}

#[test]
fn what_is_absent_is_cleared_and_an_absent_switch_is_off() {
    let empty = read_observed(TenantKind::Client, json!({}), &json!({}), true);
    for (field, seen) in &empty.values {
        let expected = match field.value_type() {
            ValueType::Flag => ObservedValue::Value(Value::Flag(false)),
            ValueType::Secret => ObservedValue::Unreadable,
            ValueType::Text | ValueType::Name | ValueType::Number | ValueType::Set | ValueType::Image => {
                ObservedValue::Value(Value::Cleared)
            }
        };
        // A platform that does not show the field does not have it.
        let expected = if *field == Field::PasswordsSetBefore { ObservedValue::Unsupported } else { expected };
        if *field != Field::Name {
            assert_eq!(*seen, expected, "{}", field.path());
        }
    }
}

#[test]
fn spellings_of_the_wire_become_those_of_manifests() {
    assert_eq!(
        read_value(Field::AllowedIps, json!({"whiteListedIps": "10.0.0.1, 10.0.0.* ,"})),
        Value::set(["10.0.0.*", "10.0.0.1"])
    );
    assert_eq!(read_value(Field::Country, json!({"country": "USA"})), Value::text("United States"));
    assert_eq!(read_value(Field::Timezone, json!({"timeZone": "Asia/Calcutta"})), Value::text("Asia/Kolkata"));
    assert_eq!(
        read_value(Field::DuoApiHostname, json!({"duoSecurity": {"apiHostName": "https://api.duo.example/"}})),
        Value::text("api.duo.example")
    );
    let add_ons =
        read_observed(TenantKind::Client, json!({"addOns": ["Alert Enrichment", "Brand New"]}), &json!({}), true);
    assert_eq!(add_ons.value(Field::AddOns), Some(&Value::set(["AlertProblemArea"])));
    assert_eq!(add_ons.unknown.values, [(Field::AddOns, ["Brand New".to_owned()].into())].into());
    assert_eq!(
        read_value(Field::Packages, json!({"packages": ["hybrid discovery and monitoring"]})),
        Value::set(["HybridDiscoveryAndMonitoring"])
    );
    assert_eq!(
        read_value(Field::BusinessStart, json!({"clientDetails": {"businessStartHour": 9}})),
        Value::text("09:00")
    );
    assert_eq!(
        read_value(Field::BusinessLastDay, json!({"clientDetails": {"businessDayEnd": 7}})),
        Value::text("Saturday")
    );
    assert_eq!(read_value(Field::BusinessLastDay, json!({"clientDetails": {"businessDayEnd": 9}})), Value::text("9"));
    let colour = read_observed(TenantKind::Client, json!({}), &json!({"loginPageTextColor": "#1f2937"}), true);
    assert_eq!(colour.value(Field::LoginTextColor), Some(&Value::text("1F2937")));
}

#[test]
fn without_the_extensions_what_they_alone_have_is_unsupported() {
    let unsupported = |kind| -> BTreeSet<&'static str> {
        let seen = read_observed(kind, json!({}), &json!({}), false).values;
        seen.into_iter()
            .filter(|(_, seen)| *seen == ObservedValue::Unsupported)
            .map(|(field, _)| field.path())
            .collect()
    };
    let client: BTreeSet<&str> = [
        "security.access.duo.integrationKeySecretRef",
        "security.access.duo.secretKeySecretRef",
        "security.access.skipUserConsentForm",
        "security.changePasswordsSetBefore",
        "branding.documentationURL",
    ]
    .into();
    assert_eq!(unsupported(TenantKind::Client), client);
    let partner: BTreeSet<&str> = [
        "details.alternateEmail",
        "details.notificationEmail",
        "details.applicationServer",
        "packages",
        "addOns",
        "security.access.blockDuplicateCloudAccounts",
    ]
    .into();
    assert_eq!(unsupported(TenantKind::Partner), &client | &partner);
    let logo = read_observed(TenantKind::Client, json!({}), &json!({"logo": {"logoPath": "/p.png"}}), false);
    assert_eq!(logo.values[&Field::Logo], ObservedValue::Unreadable);
}

#[test]
fn the_mark_is_read_from_its_place_and_is_nobodys_number() {
    let mark: Mark = "c1/Client/ns/globex/u1".parse().unwrap();
    let short = short_mark(&mark);
    let whole = read_observed(TenantKind::Client, json!({"managedBy": mark, "extOrgId": "CRM-1"}), &json!({}), true);
    assert_eq!((&whole.mark, whole.value(Field::ExternalId)), (&ObservedMark::Full(mark), Some(&Value::text("CRM-1"))));
    let kept = read_observed(TenantKind::Client, json!({"extOrgId": short}), &json!({}), false);
    assert_eq!((&kept.mark, kept.value(Field::ExternalId)), (&ObservedMark::Short(short), Some(&Value::Cleared)));
    let seen = |kind, id: &str, extensions| read_observed(kind, json!({"extOrgId": id}), &json!({}), extensions).mark;
    assert_eq!(seen(TenantKind::Client, "CRM-1", false), ObservedMark::Occupied);
    assert_eq!(seen(TenantKind::Client, "", false), ObservedMark::None);
    assert_eq!(seen(TenantKind::Client, "CRM-1", true), ObservedMark::None);
    assert_eq!(seen(TenantKind::Partner, "", false), ObservedMark::Unreadable);
}

/// shows: seeds/account/api-server, seeds/details/account-id
#[test]
fn life_times_and_addresses_are_read() {
    let life = |tenant| read_observed(TenantKind::Client, tenant, &json!({}), true).lifecycle;
    assert_eq!(life(json!({})), LifecycleState::Active);
    assert_eq!(life(json!({"activated": false})), LifecycleState::Inactive);
    assert_eq!(life(json!({"activated": false, "status": "SUSPENDED"})), LifecycleState::Suspended);
    assert_eq!(life(json!({"activated": false, "status": "TERMINATED"})), LifecycleState::Terminated);
    let body = json!({"id": 14, "createdTime": "2016-08-29T14:05:08+0200", "updatedTime": "2016-08-29T12:05:08Z"});
    let seen = read_observed(TenantKind::Client, body, &json!({"appURL": "x.app.example", "apiURL": ""}), true);
    let at = "2016-08-29T12:05:08Z".parse().ok();
    assert_eq!((seen.created, seen.updated, seen.account_id.as_deref()), (at, at, Some("14")));
    assert_eq!((seen.url.as_deref(), seen.api_endpoint), (Some("x.app.example"), None));
    let endpoint =
        json!({"accessEndpoint": {"applicationServer": "acme.app.example", "apiServer": "acme.api.example"}});
    let partner = read_observed(TenantKind::Partner, endpoint, &json!({}), true);
    assert_eq!(
        (partner.url.as_deref(), partner.api_endpoint.as_deref()),
        (Some("acme.app.example"), Some("acme.api.example"))
    );
}

#[test]
fn null_and_strange_people_do_not_hide_a_tenant() {
    let body =
        br#"{"uniqueId":"client_1","name":"A","channel":{"id":7,"name":null},"createdBy":{"id":5,"loginName":null}}"#;
    let tenant = read_tenant(body, true).unwrap();
    assert_eq!(tenant.known.channel.map(|channel| channel.id), Some(7));
    assert!(read_tenant(b"[1]", true).is_err() && read_tenant(b"<html>", true).is_err());
    let odd = read_tenant(br#"{"name":{"s3cr3t":1}}"#, true).unwrap();
    assert!(!format!("{odd:?}").contains("s3cr3t"), "what cannot be read is named and not shown");
}

/// Uses every field as the samples of the vendor, its clients and its older pages write it.
#[test]
fn a_number_may_be_a_text_a_text_a_number_and_nothing_may_have_any_form() {
    let tenant = json!({
        "id": "7", "zip": 10115, "phoneNumber": 493_012, "nocDetails": {"id": "11"}, "channel": "7",
        "enableCLIRecording": "true", "resourceDecommission": 1, "showCopyClipboard": true,
        "clientDetails": {"businessStartHour": "9", "businessStartMinute": 30.0, "businessDayEnd": "7"},
        "passwordPolicy": {"minPasswordLength": "12", "defaultPolicy": "false"},
    });
    let branding = json!({"loginPageTextColor": 1122, "tabBackgroundColor": 444_444, "applicationTitle": 7});
    let seen = read_observed(TenantKind::Client, tenant.clone(), &branding, true);
    assert_eq!(seen.unknown, UnknownAnswers::default());
    assert_eq!(seen.account_id.as_deref(), Some("7"));
    for (field, value) in [
        (Field::PostalCode, Value::text("10115")),
        (Field::PhoneNumber, Value::text("493012")),
        (Field::NocId, Value::Number(11)),
        (Field::ChannelId, Value::Number(7)),
        (Field::CliRecording, Value::Flag(true)),
        (Field::ResourceDecommission, Value::Flag(true)),
        (Field::ShowCopyClipboard, Value::Flag(true)),
        (Field::BusinessStart, Value::text("09:30")),
        (Field::BusinessLastDay, Value::text("Saturday")),
        (Field::LoginTextColor, Value::text("001122")),
        (Field::WebsiteTitle, Value::text("7")),
    ] {
        assert_eq!(seen.value(field), Some(&value), "{}", field.path());
    }
    let partner = read_observed(TenantKind::Partner, tenant, &branding, true);
    assert_eq!(partner.value(Field::PolicyMinLength), Some(&Value::Number(12)));
    let names: Vec<&str> = Field::ALL.iter().flat_map(|field| field_location::member_names(*field)).copied().collect();
    for nothing in [json!(null), json!(""), json!([]), json!({})] {
        let mut empty = serde_json::Map::new();
        for name in &names {
            let root = name.split('.').next().unwrap();
            empty.insert(root.to_owned(), nothing.clone());
        }
        let empty = serde_json::Value::Object(empty);
        let seen = read_observed(TenantKind::Client, empty.clone(), &empty, true);
        assert_eq!((&seen.unknown, seen.mark), (&UnknownAnswers::default(), ObservedMark::None), "{nothing}");
        assert_eq!(seen.values, read_observed(TenantKind::Client, json!({}), &json!({}), true).values, "{nothing}");
    }
}

#[test]
fn a_member_that_cannot_be_read_is_one_field_by_its_name_and_costs_no_other() {
    let mut ran = 0;
    for (field, kind) in
        Field::ALL.iter().flat_map(|field| [(*field, TenantKind::Partner), (*field, TenantKind::Client)])
    {
        if !field.is_available_for(kind) || field.value_type() == ValueType::Secret {
            continue;
        }
        for name in field_location::member_names(field) {
            let strange = json!([{"s3cr3t": [true]}]);
            let mut body = json!({"city": "Berlin", "state": "BE", "uniqueId": "x_1", "name": "X"});
            let mut branded = json!({"loginPageHeaderText": "Hello", "applicationTitle": "T"});
            let target = if field.is_branding() { &mut branded } else { &mut body };
            match name.split_once('.') {
                Some((outer, inner)) => target[outer] = json!({inner: strange}),
                None => target[*name] = strange,
            }
            let tenant = read_tenant(body.to_string().as_bytes(), true).unwrap();
            let branding =
                ObservedBranding::Visible(Box::new(parse_branding(branded.to_string().as_bytes(), true).unwrap()));
            let seen = to_observed(kind, tenant, branding, true).unwrap();
            assert_eq!(seen.values[&field], ObservedValue::Unreadable, "{name}");
            let told: Vec<(&Field, &String)> = seen.unknown.unreadable.iter().collect();
            assert_eq!(told.iter().map(|(field, _)| **field).collect::<Vec<_>>(), [field], "{name}");
            let outer = name.split('.').next().unwrap();
            assert!(told[0].1.contains(outer) && !told[0].1.contains("s3cr3t"), "{}", told[0].1);
            if field != Field::City {
                assert_eq!(seen.value(Field::City), Some(&Value::text("Berlin")), "{name}");
            }
            if field != Field::LoginHeader {
                assert_eq!(seen.value(Field::LoginHeader), Some(&Value::text("Hello")), "{name}");
            }
            ran += 1;
        }
    }
    assert!(ran > 60, "{ran}");
}

#[test]
fn the_members_that_are_told_of_are_those_that_are_written() {
    for field in Field::ALL.iter().copied() {
        let changes = [SettingChange { field, to: sample_value(field) }];
        let body = if field.is_branding() {
            serde_json::to_value(branding_body(&changes, &full_payload()).unwrap()).unwrap()
        } else {
            serde_json::to_value(tenant_body(&changes, &full_payload()).unwrap()).unwrap()
        };
        for name in field_location::member_names(field) {
            let pointer = format!("/{}", name.replace('.', "/"));
            assert!(body.pointer(&pointer).is_some(), "{name}: {body}");
        }
    }
}

#[test]
fn members_named_like_the_extensions_are_not_ours_where_the_platform_has_none() {
    let body = json!({
        "activated": true, "status": "TERMINATED", "revision": 7, "managedBy": "somebody",
        "notificationEmail": {"x": 1}, "extOrgId": "CRM-1",
    });
    let seen = read_observed(
        TenantKind::Client,
        body.clone(),
        &json!({"logo": {"logoPath": "/a.png", "sha256": "00"}}),
        false,
    );
    assert_eq!((seen.lifecycle, seen.revision, &seen.mark), (LifecycleState::Active, None, &ObservedMark::Occupied));
    assert_eq!((&seen.values[&Field::Logo], seen.unknown), (&ObservedValue::Unreadable, UnknownAnswers::default()));
    let ours = read_observed(TenantKind::Client, body, &json!({}), true);
    assert_eq!(
        (ours.lifecycle, ours.revision, &ours.mark),
        (LifecycleState::Terminated, Some(7), &ObservedMark::Unreadable)
    );
}

#[test]
fn a_state_that_is_not_known_is_kept_as_a_word() {
    for (body, word) in [
        (json!({"status": "MIGRATING", "activated": true}), "MIGRATING"),
        (json!({"status": {"x": 1}, "activated": false}), "an object"),
        (json!({"activated": "perhaps"}), "perhaps"),
    ] {
        let seen = read_observed(TenantKind::Client, body, &json!({}), true);
        assert_eq!((seen.lifecycle, seen.unknown.state.as_deref()), (LifecycleState::Unknown, Some(word)));
    }
    let told =
        read_observed(TenantKind::Client, json!({"status": "SUSPENDED", "activated": "perhaps"}), &json!({}), true);
    assert_eq!((told.lifecycle, told.unknown), (LifecycleState::Suspended, UnknownAnswers::default()));
}

#[test]
fn an_image_with_an_address_of_its_own_is_there_with_content_that_is_not_known() {
    for logo in [json!({"logoPath": "https://cdn.example/a.png?1600"}), json!("https://cdn.example/a.png")] {
        let seen = read_observed(TenantKind::Client, json!({}), &json!({"logo": logo}), true);
        assert_eq!(seen.values[&Field::Logo], ObservedValue::Unreadable);
    }
}

#[test]
fn branding_that_was_not_asked_for_is_absent_and_one_that_is_hidden_is_unreadable() {
    let of = |branding| {
        let tenant = read_tenant(br#"{"uniqueId":"client_1","name":"A"}"#, true).unwrap();
        let seen: BTreeMap<Field, ObservedValue> =
            to_observed(TenantKind::Client, tenant, branding, true).unwrap().values;
        seen.get(&Field::Logo).cloned()
    };
    assert_eq!(of(ObservedBranding::NotRequested), None);
    assert_eq!(of(ObservedBranding::Hidden), Some(ObservedValue::Unreadable));
}
