//! Checks whether a value can be declared: the platform may hold values that the resource definitions refuse.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tenantry_api::{ClientSpec, PartnerSpec, crds};
use tenantry_core::{
    DeclaredSettings, Field, ResolvedReferences, TenantKind, Value, client_settings, partner_settings,
};

use crate::lint::{ApiRefusal, KindDefinition};

/// The schemas of both specs, with the rules of the definitions.
pub(super) struct DeclarableSchemas {
    specs: BTreeMap<TenantKind, Json>,
    definitions: Vec<KindDefinition>,
}

impl DeclarableSchemas {
    /// Loads the schemas of this release.
    pub(super) fn new() -> Self {
        let spec = |crd| {
            let crd = serde_json::to_value(crd).unwrap_or_default();
            crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").cloned().unwrap_or_default()
        };
        let specs = [TenantKind::Partner, TenantKind::Client].into_iter().zip(crds().into_iter().map(spec)).collect();
        Self { specs, definitions: KindDefinition::all_kinds() }
    }

    /// Returns why a setting cannot be declared with the platform's value, or `None` if it can.
    pub(super) fn undeclarable_reason(&self, kind: TenantKind, field: Field, value: &Value) -> Option<String> {
        let json: Json = serde_json::from_str(&value.to_json()).unwrap_or_default();
        let mut schema = self.specs.get(&kind)?;
        for segment in field.path().split('.') {
            schema = &schema["properties"][segment];
        }
        let refused = || {
            // Only few settings have rules, and evaluating them is slow.
            let rules = rules_of(schema);
            let refusal = (!rules.is_empty()).then(|| self.settings_refusal(kind, &[(field, json.clone())]))??;
            // Ignore rules of the whole spec: they are about settings that are not part of this value.
            rules.iter().any(|rule| refusal.ends_with(rule)).then_some(refusal)
        };
        let plain = schema_error(schema, &json).or_else(|| rule_error(field, &json)).or_else(refused);
        plain.or_else(|| round_trip_error(kind, field, value))
    }

    /// Returns the API server's refusal of a spec that holds only these settings.
    pub(super) fn settings_refusal(&self, kind: TenantKind, settings: &[(Field, Json)]) -> Option<String> {
        let mut spec = serde_json::json!({"details": {"name": "x"}});
        for (field, value) in settings {
            set_at_path(&mut spec, field.path(), value.clone());
        }
        let is_of = |refusal: &ApiRefusal| {
            settings.iter().any(|(field, _)| refusal.path.starts_with(&format!("spec.{}", field.path())))
        };
        let object = serde_json::json!({"metadata": {"name": "x"}, "spec": spec});
        let found = self.api_refusals(kind, &object).into_iter().find(is_of)?;
        Some(format!("would be refused: {}", found.message))
    }

    fn api_refusals(&self, kind: TenantKind, object: &Json) -> Vec<ApiRefusal> {
        let mut definitions = self.definitions.iter();
        definitions.find(|one| one.name() == kind.name()).map(|one| one.refusals(object, None).all).unwrap_or_default()
    }

    /// Removes from a manifest what the API server would still refuse. Returns each removed setting with the reason.
    ///
    /// # Errors
    /// Fails if the refusal is not about a setting.
    pub(super) fn remove_refused_settings(&self, kind: TenantKind, object: &mut Json) -> Result<Vec<String>, String> {
        let mut left_out = Vec::new();
        loop {
            let Some(ApiRefusal { path, message }) = self.api_refusals(kind, object).into_iter().next() else {
                return Ok(left_out);
            };
            let whole = || format!("`{path}` would be refused: {message}");
            let setting = path.strip_prefix("spec.").unwrap_or_default();
            let setting = setting.split('[').next().unwrap_or_default();
            let sections = ["details.", "security.", "branding.", "packages", "addOns"];
            let is_one = setting != "details.name" && sections.iter().any(|section| setting.starts_with(section));
            let taken = is_one.then(|| remove_at_path(&mut object["spec"], setting)).flatten().ok_or_else(whole)?;
            left_out.push(format!(
                "`{setting}` would be refused: {message}: the platform holds {}",
                truncate_value(&taken.to_string())
            ));
        }
    }
}

/// Collects the messages of the rules of a setting and of its members.
fn rules_of(schema: &Json) -> Vec<&str> {
    let own = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let mut sentences: Vec<&str> = own.filter_map(|rule| rule["message"].as_str()).collect();
    let members = schema["properties"].as_object().into_iter().flat_map(|members| members.values());
    for inner in members.chain(schema.get("items")).chain(schema.get("additionalProperties")) {
        sentences.extend(rules_of(inner));
    }
    sentences
}

fn schema_error(schema: &Json, value: &Json) -> Option<String> {
    let limit = |key: &str| schema[key].as_u64();
    match value {
        Json::String(text) => {
            let length = text.chars().count() as u64;
            if limit("maxLength").is_some_and(|most| length > most) {
                return Some(format!("has {length} characters, {} are taken", schema["maxLength"]));
            }
            if limit("minLength").is_some_and(|least| length < least) {
                return Some("is empty".to_owned());
            }
            let choices = schema["enum"].as_array()?;
            (!choices.contains(value)).then(|| format!("is {value}, which is not known"))
        }
        Json::Number(number) => {
            let outside = number.as_f64().is_some_and(|number| {
                schema["minimum"].as_f64().is_some_and(|least| number < least)
                    || schema["maximum"].as_f64().is_some_and(|most| number > most)
            });
            outside.then(|| format!("is {number}, and {} to {} are taken", schema["minimum"], schema["maximum"]))
        }
        Json::Array(items) => {
            if limit("maxItems").is_some_and(|most| items.len() as u64 > most) {
                return Some(format!("has {} entries, {} are taken", items.len(), schema["maxItems"]));
            }
            items.iter().find_map(|item| schema_error(&schema["items"], item))
        }
        Json::Null | Json::Bool(_) | Json::Object(_) => None,
    }
}

/// Returns an objection that is not part of the schema but a rule of the definitions.
fn rule_error(field: Field, value: &Json) -> Option<String> {
    let text = value.as_str().unwrap_or_default();
    match field {
        Field::Name if text.trim() != text => Some("begins or ends with a blank".to_owned()),
        Field::DocumentationUrl if !text.starts_with("https://") => Some("does not start with `https://`".to_owned()),
        Field::NotificationEmail | Field::AlternateEmail
            if text.split('@').count() != 2 || text.contains(char::is_whitespace) =>
        {
            Some("is not one address".to_owned())
        }
        Field::LoginTextColor | Field::LoginBackgroundColor
            if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            Some("is not six hex digits".to_owned())
        }
        _ => None,
    }
}

/// Verifies that the operator reads the declared setting as the value on the platform.
fn round_trip_error(kind: TenantKind, field: Field, value: &Value) -> Option<String> {
    let path = field.path();
    if path.starts_with("details.businessHours")
        || path.starts_with("security.access.duo.")
        || field == Field::PolicyPciDss
    {
        // They only have a meaning together.
        return None;
    }
    let mut spec = serde_json::json!({"details": {"name": "x"}});
    set_at_path(&mut spec, field.path(), serde_json::from_str(&value.to_json()).unwrap_or_default());
    if field.path().contains("passwordPolicy") {
        spec["security"]["passwordPolicy"]["custom"] =
            spec["security"]["passwordPolicy"].get("custom").cloned().unwrap_or(serde_json::json!({}));
    }
    match parse_settings(kind, spec) {
        Err(why) => Some(why),
        Ok(settings) if settings.values.get(&field) != Some(value) => {
            Some("has a form that cannot be declared".to_owned())
        }
        Ok(_) => None,
    }
}

/// Parses the settings of a spec, without its references.
pub(super) fn parse_settings(kind: TenantKind, spec: Json) -> Result<DeclaredSettings, String> {
    let unfit = |error: &dyn std::fmt::Display| format!("cannot be declared: {error}");
    let invalid = |invalid: Vec<tenantry_core::InvalidSetting>| {
        invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    match kind {
        TenantKind::Partner => {
            let spec: PartnerSpec = serde_json::from_value(spec).map_err(|error| unfit(&error))?;
            partner_settings(&spec, &ResolvedReferences::default()).map_err(invalid)
        }
        TenantKind::Client => {
            let spec: ClientSpec = serde_json::from_value(spec).map_err(|error| unfit(&error))?;
            client_settings(&spec, &ResolvedReferences::default()).map_err(invalid)
        }
    }
}

/// Removes and returns the value at a path.
fn remove_at_path(from: &mut Json, path: &str) -> Option<Json> {
    match path.split_once('.') {
        Some((section, rest)) => remove_at_path(from.get_mut(section)?, rest),
        None => from.as_object_mut()?.remove(path),
    }
}

/// Shortens a value for use in a sentence.
pub(super) fn truncate_value(json: &str) -> String {
    const LONGEST: usize = 60;
    let is_long = json.chars().count() > LONGEST;
    if is_long { json.chars().take(LONGEST - 3).chain("...".chars()).collect() } else { json.to_owned() }
}

/// Sets the value at a path and creates the members around it.
pub(super) fn set_at_path(into: &mut Json, path: &str, value: Json) {
    let mut place = into;
    for segment in path.split('.') {
        place = &mut place[segment];
    }
    *place = value;
}
