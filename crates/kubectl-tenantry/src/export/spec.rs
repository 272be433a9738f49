//! Converts an observed tenant into the spec that declares it, and lists what could not be declared.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tenantry_client::{PlatformClient, TenantInspection};
use tenantry_core::{Field, LifecycleState, ObservedValue, TenantKind, Value, ValueType};

use super::declarable::{DeclarableSchemas, set_at_path, truncate_value};
use super::new_tenant_defaults::NewTenantDefaults;

/// The spec of a tenant.
#[derive(Debug, Default)]
pub(super) struct ExportedSpec {
    /// The spec.
    pub(super) spec: Json,
    /// Settings that the spec declares.
    pub(super) values: BTreeMap<Field, Value>,
    /// Images that the spec refers to, by their key.
    pub(super) images: BTreeMap<String, Field>,
    /// What could not be declared, and why.
    pub(super) left_out: Vec<String>,
}

const POLICY_PREFIX: &str = "security.passwordPolicy.";
const DUO_PREFIX: &str = "security.access.duo.";
const HOURS_PREFIX: &str = "details.businessHours.";

/// What all specs of an export share.
pub(super) struct SpecContext<'a> {
    /// What can be declared.
    pub(super) schemas: &'a DeclarableSchemas,
    /// Name of the `ConfigMap` with the images.
    pub(super) images: &'a str,
    /// Settings that are left out.
    pub(super) unchosen: NewTenantDefaults,
}

/// Builds the spec that declares a tenant, without what its Partner's `defaults` already declare.
pub(super) fn build_exported_spec(
    kind: TenantKind,
    inspection: &TenantInspection,
    defaults: &BTreeMap<Field, Value>,
    context: &SpecContext<'_>,
) -> ExportedSpec {
    let SpecContext { schemas, images, unchosen } = *context;
    let mut written =
        ExportedSpec { spec: json!({"details": {"name": inspection.observed.name}}), ..ExportedSpec::default() };
    for field in Field::ALL.iter().copied().filter(|field| field.is_available_for(kind)) {
        match inspection.observed.values.get(&field) {
            Some(ObservedValue::Value(Value::Image(_)))
                if inspection.images.get(&field).is_some_and(|path| !PlatformClient::is_own_image_path(path)) =>
            {
                written.note_unreadable(field, inspection);
            }
            Some(ObservedValue::Value(value)) => {
                let default = defaults.get(&field);
                // If the Partner's defaults say otherwise, leaving it out would change it.
                let is_left_out = default.is_none() && unchosen.should_omit(field, inspection);
                if default != Some(value) && !is_left_out {
                    written.add_setting(kind, field, value, default, schemas);
                }
            }
            Some(ObservedValue::Unreadable) => written.note_unreadable(field, inspection),
            Some(ObservedValue::Unsupported) | None => {}
        }
    }
    for (field, values) in &inspection.observed.unknown.values {
        let names = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
        written.left_out.push(format!(
            "`{}` on the platform also holds {names}, which this version does not know: the operator keeps it",
            field.path()
        ));
    }
    written.drop_incomplete_groups();
    written.reference_images(images);
    written.left_out.extend(
        inspection.unmapped.iter().map(|member| format!("`{member}` of the platform has no field in this version")),
    );
    if matches!(inspection.observed.lifecycle, LifecycleState::Suspended) {
        written.spec["tenantState"] = json!("Suspended");
    }
    written.normalise_spec(kind);
    written
}

impl ExportedSpec {
    fn add_setting(
        &mut self,
        kind: TenantKind,
        field: Field,
        value: &Value,
        default: Option<&Value>,
        schemas: &DeclarableSchemas,
    ) {
        let empty = match (value, field.value_type(), default) {
            // No value: a setting that is left out is not managed, which has the same effect.
            (Value::Cleared, _, None) => return,
            (Value::Cleared, ValueType::Text, Some(_)) => json!(""),
            (Value::Cleared, ValueType::Set, Some(_)) => json!([]),
            (Value::Cleared, _, Some(_)) => {
                let why = format!(
                    "`{}` is empty, and the Partner's default would be written: change the default",
                    field.path()
                );
                return self.left_out.push(why);
            }
            (_, ValueType::Image, _) => {
                self.values.insert(field, value.clone());
                return;
            }
            (value, _, _) => serde_json::from_str(&value.to_json()).unwrap_or_default(),
        };
        if *value != Value::Cleared
            && let Some(why) = schemas.undeclarable_reason(kind, field, value)
        {
            return self.left_out.push(format!(
                "`{}` {why}: the platform holds {}",
                field.path(),
                truncate_value(&value.to_json())
            ));
        }
        self.values.insert(field, value.clone());
        set_at_path(&mut self.spec, field.path(), empty);
    }

    fn note_unreadable(&mut self, field: Field, inspection: &TenantInspection) {
        if field.value_type() == ValueType::Secret {
            // Reported once, with the host name that shows whether Duo is in use.
            return;
        }
        if let Some(form) = inspection.observed.unknown.unreadable.get(&field) {
            let why = format!("`{}` cannot be read from the platform: {form}", field.path());
            return self.left_out.push(why);
        }
        if inspection.images.contains_key(&field) {
            let why = format!(
                "`{}` is set on the platform, which shows its address and not its content: add the file by hand",
                field.path()
            );
            return self.left_out.push(why);
        }
        self.left_out.push(format!("`{}` is not shown by the platform: add it if the tenant has one", field.path()));
    }

    /// Removes settings that can only be declared together if one of them is missing.
    fn drop_incomplete_groups(&mut self) {
        let hours = self.values.keys().filter(|field| field.path().starts_with(HOURS_PREFIX)).count();
        if (1..4).contains(&hours) {
            self.remove_section("details", "businessHours", HOURS_PREFIX);
            self.left_out.push("`details.businessHours` is not complete on the platform".to_owned());
        }
        if self.values.contains_key(&Field::DuoApiHostname) {
            if let Some(access) = self.spec["security"]["access"].as_object_mut() {
                access.remove("duo");
            }
            self.values.retain(|field, _| !field.path().starts_with(DUO_PREFIX));
            self.left_out.push(
                "`security.access.duo` is in use, and the platform never shows its keys: put them into a Secret with the label `tenantry.dev/allow-reference: \"true\"` and declare all three"
                    .to_owned(),
            );
        }
        self.normalize_password_policy();
    }

    fn normalize_password_policy(&mut self) {
        let standard = self.values.get(&Field::PolicyPciDss).cloned();
        let Some(security) = self.spec.get_mut("security").and_then(Json::as_object_mut) else { return };
        match standard {
            Some(Value::Flag(true)) => {
                security.insert("passwordPolicy".to_owned(), json!({"pciDSS": {}}));
                self.values
                    .retain(|field, _| *field == Field::PolicyPciDss || !field.path().starts_with(POLICY_PREFIX));
            }
            Some(_) => {
                if let Some(policy) = security.get_mut("passwordPolicy").and_then(Json::as_object_mut) {
                    policy.remove("pciDSS");
                    policy.entry("custom").or_insert(json!({}));
                }
            }
            None => {
                security.remove("passwordPolicy");
                self.values.retain(|field, _| !field.path().starts_with(POLICY_PREFIX));
            }
        }
    }

    fn remove_section(&mut self, section: &str, member: &str, prefix: &str) {
        if let Some(section) = self.spec[section].as_object_mut() {
            section.remove(member);
        }
        self.values.retain(|field, _| !field.path().starts_with(prefix));
    }

    /// Turns images into references to keys of a `ConfigMap`.
    fn reference_images(&mut self, map: &str) {
        let pictures: Vec<Field> =
            self.values.keys().copied().filter(|field| field.value_type() == ValueType::Image).collect();
        for field in pictures {
            let key = match field {
                Field::Logo => "logo",
                Field::Favicon => "favicon",
                _ => "background",
            };
            set_at_path(&mut self.spec, field.path(), json!({"configMapKeyRef": {"name": map, "key": key}}));
            self.images.insert(key.to_owned(), field);
        }
    }

    /// Removes empty members.
    fn normalise_spec(&mut self, kind: TenantKind) {
        prune_empty_members(&mut self.spec);
        if kind == TenantKind::Client {
            // An add-on only needs its package beside it if packages are declared at all.
            self.left_out.sort();
        }
        self.left_out.dedup();
    }
}

fn prune_empty_members(value: &mut Json) {
    if let Json::Object(members) = value {
        members.iter_mut().for_each(|(name, member)| {
            if name != "pciDSS" && name != "custom" {
                prune_empty_members(member);
            }
        });
        members.retain(|name, member| match member {
            Json::Null => false,
            Json::Object(inner) => !inner.is_empty() || name == "pciDSS" || name == "custom",
            _ => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use tenantry_core::{Digest, ObservedMark, ObservedTenant, UnknownAnswers};

    use super::*;

    fn build_inspection(
        seen: impl Into<BTreeMap<Field, ObservedValue>>,
        unknown: UnknownAnswers,
        images: &[(Field, &str)],
    ) -> TenantInspection {
        let observed = ObservedTenant {
            unique_id: "client_1".to_owned(),
            served_images: BTreeMap::new(),
            account_id: None,
            name: "Globex".to_owned(),
            lifecycle: LifecycleState::Active,
            mark: ObservedMark::None,
            values: seen.into(),
            created: None,
            updated: None,
            revision: None,
            url: None,
            api_endpoint: None,
            unknown,
        };
        let images = images.iter().map(|(field, path)| (*field, (*path).to_owned())).collect();
        TenantInspection { observed, images, unmapped: Vec::new() }
    }

    fn export_client_spec(inspection: &TenantInspection) -> ExportedSpec {
        let unchosen = NewTenantDefaults::new(false);
        build_exported_spec(
            TenantKind::Client,
            inspection,
            &BTreeMap::new(),
            &SpecContext { schemas: &DeclarableSchemas::new(), images: "images", unchosen },
        )
    }

    #[test]
    fn an_add_on_that_is_not_known_costs_none_of_the_others_and_is_told_of() {
        let unknown = UnknownAnswers {
            values: [(Field::AddOns, ["Synthetic Monitoring".to_owned()].into())].into(),
            ..UnknownAnswers::default()
        };
        let written = export_client_spec(&build_inspection(
            [(Field::AddOns, ObservedValue::Value(Value::set(["OfflineAlerts"])))],
            unknown,
            &[],
        ));
        assert_eq!(written.spec["addOns"], json!(["OfflineAlerts"]));
        let told = "`addOns` on the platform also holds `Synthetic Monitoring`, which this version does not know: the operator keeps it";
        assert_eq!(written.left_out, [told]);
    }

    #[test]
    fn of_what_cannot_be_read_export_says_what_is_so() {
        let unknown = UnknownAnswers {
            unreadable: [(Field::City, "`city` is an object where a text is documented".to_owned())].into(),
            ..UnknownAnswers::default()
        };
        let seen = [
            (Field::City, ObservedValue::Unreadable),
            (Field::Logo, ObservedValue::Unreadable),
            (Field::Favicon, ObservedValue::Unreadable),
            (Field::LoginBackgroundImage, ObservedValue::Value(Value::Image(Digest::of_bytes(b"png")))),
        ];
        let images = [
            (Field::Logo, "https://cdn.example/a.png?1600"),
            (Field::LoginBackgroundImage, "https://cdn.example/b.png"),
        ];
        let written = export_client_spec(&build_inspection(seen, unknown, &images));
        assert_eq!((written.values.len(), written.images.len()), (0, 0));
        let shown = "is set on the platform, which shows its address and not its content: add the file by hand";
        assert_eq!(
            written.left_out,
            [
                "`branding.favicon` is not shown by the platform: add it if the tenant has one".to_owned(),
                format!("`branding.loginPage.backgroundImage` {shown}"),
                format!("`branding.logo` {shown}"),
                "`details.city` cannot be read from the platform: `city` is an object where a text is documented"
                    .to_owned(),
            ]
        );
    }
}
