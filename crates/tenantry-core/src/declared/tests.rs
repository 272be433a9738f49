use tenantry_api::{BrandingSpec, ImageSource};

use super::*;
use crate::SecretSource;

#[test]
fn what_is_left_out_is_not_managed_and_what_is_empty_is_cleared() {
    let spec = ClientSpec {
        details: ClientDetails { name: "Globex".into(), city: Some(String::new()), ..ClientDetails::default() },
        add_ons: Some(Vec::new()),
        ..ClientSpec::default()
    };
    let settings = client_settings(&spec, &ResolvedReferences::default()).unwrap();
    assert_eq!(settings.values.get(&Field::City), Some(&Value::Cleared));
    assert_eq!(settings.values.get(&Field::AddOns), Some(&Value::Cleared));
    assert_eq!(settings.values.get(&Field::Address), None);
    assert_eq!(settings.values.get(&Field::Packages), None);
}

#[test]
fn the_default_package_is_always_there() {
    let spec = PartnerSpec { packages: Some(vec![Package::RemediationAndAutomation]), ..PartnerSpec::default() };
    let settings = partner_settings(&spec, &ResolvedReferences::default()).unwrap();
    let expected = Value::set(["HybridDiscoveryAndMonitoring", "RemediationAndAutomation"]);
    assert_eq!(settings.values.get(&Field::Packages), Some(&expected));
}

#[test]
fn everything_wrong_is_named_at_once() {
    let reference = SecretKeyRef { name: "duo".into(), key: "secretKey".into() };
    let duo = DuoSpec {
        integration_key_secret_ref: reference.clone(),
        secret_key_secret_ref: reference,
        api_hostname: "api.duo.example".into(),
    };
    let image = ImageSource { inline: Some("!!".into()), ..ImageSource::default() };
    let spec = ClientSpec {
        security: Some(ClientSecurity {
            access: Some(ClientAccess { duo: Some(duo), ..ClientAccess::default() }),
            ..ClientSecurity::default()
        }),
        branding: Some(BrandingSpec { logo: Some(image), ..BrandingSpec::default() }),
        ..ClientSpec::default()
    };
    let invalid = client_settings(&spec, &ResolvedReferences::default()).unwrap_err();
    let reasons: Vec<_> = invalid.iter().map(|invalid| invalid.reason).collect();
    assert_eq!(reasons, [Reason::SecretNotFound, Reason::SecretNotFound, Reason::ImageInvalid]);
}

fn client_with_duo(name: &str) -> ClientSpec {
    let reference = |key: &str| SecretKeyRef { name: name.into(), key: key.into() };
    let duo = DuoSpec {
        integration_key_secret_ref: reference("ikey"),
        secret_key_secret_ref: reference("skey"),
        api_hostname: "api.duo.example".into(),
    };
    let access = ClientAccess { duo: Some(duo), ..ClientAccess::default() };
    ClientSpec {
        security: Some(ClientSecurity { access: Some(access), ..ClientSecurity::default() }),
        ..ClientSpec::default()
    }
}

/// Returns references to a Secret that has the key `ikey` and not `skey`.
fn references_to_secret(name: &str, is_allowed: bool, applied: AppliedSecrets) -> ResolvedReferences {
    let read = |key: &str, text: Option<&str>| {
        let source = SecretSource { namespace: "a".into(), name: name.into(), key: key.into(), version: "7".into() };
        let reference = SecretKeyRef { name: name.into(), key: key.into() };
        (reference, SecretLookup { source, text: text.map(Into::into), is_allowed })
    };
    let secrets = [read("ikey", Some("DI")), read("skey", None)].into();
    ResolvedReferences { secrets, applied_secrets: applied, ..ResolvedReferences::default() }
}

#[test]
fn of_a_secret_without_the_label_nothing_is_told_not_even_which_keys_it_has() {
    let invalid =
        client_settings(&client_with_duo("db"), &references_to_secret("db", false, AppliedSecrets::default()))
            .unwrap_err();
    for (one, key) in invalid.iter().zip(["ikey", "skey"]) {
        assert_eq!(one.reason, Reason::ReferenceNotAllowed);
        let way_out = "`kubectl label secret db --namespace a tenantry.dev/allow-reference=true`";
        assert!(one.message.contains(&format!("key `{key}` of Secret `db`")) && one.message.contains(way_out));
    }
    assert_eq!(invalid.len(), 2);
    let allowed = client_settings(&client_with_duo("db"), &references_to_secret("db", true, AppliedSecrets::default()))
        .unwrap_err();
    assert_eq!(allowed.iter().map(|one| one.reason).collect::<Vec<_>>(), [Reason::SecretNotFound]);
}

#[test]
fn what_was_applied_goes_on_without_the_label_and_another_secret_in_its_place_does_not() {
    let shown = || [(Field::DuoIntegrationKey, "\"db/ikey@3\"".to_owned())];
    let reasons = |name: &str, applied| -> Vec<(String, Reason)> {
        let invalid = client_settings(&client_with_duo(name), &references_to_secret(name, false, applied)).unwrap_err();
        invalid.into_iter().map(|one| (one.path, one.reason)).collect()
    };
    let second = (Field::DuoSecretKey.path().to_owned(), Reason::ReferenceNotAllowed);
    assert_eq!(reasons("db", AppliedSecrets::from_status("u1", shown())), std::slice::from_ref(&second));
    assert_eq!(reasons("other", AppliedSecrets::from_status("u1", shown())).len(), 2);
    // A release before 0.2 showed a digest instead of the reference.
    let digest = super::super::write_record::legacy_digest("u1", &"DI".into());
    let legacy =
        |digest: &str| AppliedSecrets::from_status("u1", [(Field::DuoIntegrationKey, format!("\"{digest}\""))]);
    assert_eq!(reasons("db", legacy(&digest)), [second]);
    assert_eq!(reasons("db", legacy("sha256:00")).len(), 2);
}

#[test]
fn what_goes_on_without_the_label_is_named() {
    let mut spec = client_with_duo("db");
    let access = spec.security.as_mut().and_then(|security| security.access.as_mut()).unwrap();
    let duo = access.duo.as_mut().unwrap();
    duo.secret_key_secret_ref = duo.integration_key_secret_ref.clone();
    let json = "\"db/ikey@3\"".to_owned();
    let shown = [(Field::DuoIntegrationKey, json.clone()), (Field::DuoSecretKey, json)];
    let settings =
        client_settings(&spec, &references_to_secret("db", false, AppliedSecrets::from_status("u1", shown))).unwrap();
    let paths: Vec<&str> = settings.tolerated.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, [Field::DuoIntegrationKey.path(), Field::DuoSecretKey.path()]);
    assert!(settings.tolerated[0].message.ends_with("until release 0.3"), "{}", settings.tolerated[0].message);
    assert_eq!(settings.values[&Field::DuoIntegrationKey].to_json(), "\"db/ikey@7\"");
}
