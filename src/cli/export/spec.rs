//! From a tenant as it is to the spec that declares it, and to the list of what could not go in.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::fit::{Schemas, cut, put};
use super::unchosen::Unchosen;
use crate::connect::{Inspection, Platform};
use crate::plan::{Field, Form, Kind, Seen, TenantLife, Value};

/// The spec of a tenant.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The spec.
    pub(super) spec: Json,
    /// Settings in it.
    pub(super) values: BTreeMap<Field, Value>,
    /// Images in it, by their key.
    pub(super) images: BTreeMap<String, Field>,
    /// What could not go in, and why.
    pub(super) left_out: Vec<String>,
}

const POLICY: &str = "security.passwordPolicy.";
const DUO: &str = "security.access.duo.";
const HOURS: &str = "details.businessHours.";

/// What all specs are written by.
pub(super) struct Frame<'a> {
    /// What can be declared.
    pub(super) schemas: &'a Schemas,
    /// Name of the `ConfigMap` with the images.
    pub(super) images: &'a str,
    /// What is left out.
    pub(super) unchosen: Unchosen,
}

/// The spec that declares a tenant; what its Partner's `defaults` say already is left out.
pub(super) fn write(
    (kind, found): (Kind, &Inspection),
    defaults: &BTreeMap<Field, Value>,
    frame: &Frame<'_>,
) -> Written {
    let Frame { schemas, images, unchosen } = *frame;
    let mut written = Written { spec: json!({"details": {"name": found.observed.name}}), ..Written::default() };
    for field in Field::ALL.iter().copied().filter(|field| field.is_of(kind)) {
        match found.observed.seen.get(&field) {
            Some(Seen::Value(Value::Image(_)))
                if found.images.get(&field).is_some_and(|path| !Platform::has_image(path)) =>
            {
                written.unreadable(field, found);
            }
            Some(Seen::Value(value)) => {
                let default = defaults.get(&field);
                // Where the Partner's defaults say otherwise, leaving it out would change it.
                let is_left_out = default.is_none() && unchosen.holds(field, found);
                if default != Some(value) && !is_left_out {
                    written.setting((kind, field, value), default, schemas);
                }
            }
            Some(Seen::Unreadable) => written.unreadable(field, found),
            Some(Seen::Unsupported) | None => {}
        }
    }
    for (field, values) in &found.observed.unknown.values {
        let names = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
        written.left_out.push(format!(
            "`{}` on the platform also holds {names}, which this version does not know: the operator keeps it",
            field.path()
        ));
    }
    written.groups();
    written.pictures(images);
    written
        .left_out
        .extend(found.unmapped.iter().map(|member| format!("`{member}` of the platform has no field in this version")));
    if matches!(found.observed.life, TenantLife::Suspended) {
        written.spec["tenantState"] = json!("Suspended");
    }
    written.finish(kind);
    written
}

impl Written {
    fn setting(&mut self, (kind, field, value): (Kind, Field, &Value), default: Option<&Value>, schemas: &Schemas) {
        let empty = match (value, field.form(), default) {
            // Nothing is there: left out it is not managed, which is the same.
            (Value::Cleared, _, None) => return,
            (Value::Cleared, Form::Text, Some(_)) => json!(""),
            (Value::Cleared, Form::Set, Some(_)) => json!([]),
            (Value::Cleared, _, Some(_)) => {
                let why = format!(
                    "`{}` is empty, and the Partner's default would be written: change the default",
                    field.path()
                );
                return self.left_out.push(why);
            }
            (_, Form::Image, _) => {
                self.values.insert(field, value.clone());
                return;
            }
            (value, _, _) => serde_json::from_str(&value.json()).unwrap_or_default(),
        };
        if *value != Value::Cleared
            && let Some(why) = schemas.objection(kind, field, value)
        {
            return self.left_out.push(format!("`{}` {why}: the platform holds {}", field.path(), cut(&value.json())));
        }
        self.values.insert(field, value.clone());
        put(&mut self.spec, field.path(), empty);
    }

    fn unreadable(&mut self, field: Field, found: &Inspection) {
        if field.form() == Form::Secret {
            // Said once, beside the host name that shows whether Duo is in use.
            return;
        }
        if let Some(form) = found.observed.unknown.unreadable.get(&field) {
            let why = format!("`{}` cannot be read from the platform: {form}", field.path());
            return self.left_out.push(why);
        }
        if found.images.contains_key(&field) {
            let why = format!(
                "`{}` is set on the platform, which shows its address and not its content: add the file by hand",
                field.path()
            );
            return self.left_out.push(why);
        }
        self.left_out.push(format!("`{}` is not shown by the platform: add it if the tenant has one", field.path()));
    }

    /// Settings that can only be declared together.
    fn groups(&mut self) {
        let hours = self.values.keys().filter(|field| field.path().starts_with(HOURS)).count();
        if (1..4).contains(&hours) {
            self.remove("details", "businessHours", HOURS);
            self.left_out.push("`details.businessHours` is not complete on the platform".to_owned());
        }
        if self.values.contains_key(&Field::DuoApiHostname) {
            if let Some(access) = self.spec["security"]["access"].as_object_mut() {
                access.remove("duo");
            }
            self.values.retain(|field, _| !field.path().starts_with(DUO));
            self.left_out.push(
                "`security.access.duo` is in use, and the platform never shows its keys: put them into a Secret with the label `tenantry.dev/allow-reference: \"true\"` and declare all three"
                    .to_owned(),
            );
        }
        self.policy();
    }

    fn policy(&mut self) {
        let standard = self.values.get(&Field::PolicyPciDss).cloned();
        let Some(security) = self.spec.get_mut("security").and_then(Json::as_object_mut) else { return };
        match standard {
            Some(Value::Flag(true)) => {
                security.insert("passwordPolicy".to_owned(), json!({"pciDSS": {}}));
                self.values.retain(|field, _| *field == Field::PolicyPciDss || !field.path().starts_with(POLICY));
            }
            Some(_) => {
                if let Some(policy) = security.get_mut("passwordPolicy").and_then(Json::as_object_mut) {
                    policy.remove("pciDSS");
                    policy.entry("custom").or_insert(json!({}));
                }
            }
            None => {
                security.remove("passwordPolicy");
                self.values.retain(|field, _| !field.path().starts_with(POLICY));
            }
        }
    }

    fn remove(&mut self, section: &str, member: &str, prefix: &str) {
        if let Some(section) = self.spec[section].as_object_mut() {
            section.remove(member);
        }
        self.values.retain(|field, _| !field.path().starts_with(prefix));
    }

    /// Images become keys of a `ConfigMap`.
    fn pictures(&mut self, map: &str) {
        let pictures: Vec<Field> = self.values.keys().copied().filter(|field| field.form() == Form::Image).collect();
        for field in pictures {
            let key = match field {
                Field::Logo => "logo",
                Field::Favicon => "favicon",
                _ => "background",
            };
            put(&mut self.spec, field.path(), json!({"configMapKeyRef": {"name": map, "key": key}}));
            self.images.insert(key.to_owned(), field);
        }
    }

    /// Members that hold nothing are left out.
    fn finish(&mut self, kind: Kind) {
        prune(&mut self.spec);
        if kind == Kind::Client {
            // An add-on needs its package beside it only where packages are declared at all.
            self.left_out.sort();
        }
        self.left_out.dedup();
    }
}

fn prune(value: &mut Json) {
    if let Json::Object(members) = value {
        members.iter_mut().for_each(|(name, member)| {
            if name != "pciDSS" && name != "custom" {
                prune(member);
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
    use super::*;
    use crate::plan::{Digest, MarkSeen, Observed, Unknown};

    fn found(seen: impl Into<BTreeMap<Field, Seen>>, unknown: Unknown, images: &[(Field, &str)]) -> Inspection {
        let observed = Observed {
            unique_id: "client_1".to_owned(),
            served: BTreeMap::new(),
            account_id: None,
            name: "Globex".to_owned(),
            life: TenantLife::Active,
            mark: MarkSeen::None,
            seen: seen.into(),
            created: None,
            updated: None,
            revision: None,
            url: None,
            api_endpoint: None,
            unknown,
        };
        let images = images.iter().map(|(field, path)| (*field, (*path).to_owned())).collect();
        Inspection { observed, images, unmapped: Vec::new() }
    }

    fn exported(found: &Inspection) -> Written {
        let unchosen = Unchosen::new(false);
        write((Kind::Client, found), &BTreeMap::new(), &Frame { schemas: &Schemas::new(), images: "images", unchosen })
    }

    #[test]
    fn an_add_on_that_is_not_known_costs_none_of_the_others_and_is_told_of() {
        let unknown = Unknown {
            values: [(Field::AddOns, ["Synthetic Monitoring".to_owned()].into())].into(),
            ..Unknown::default()
        };
        let written = exported(&found([(Field::AddOns, Seen::Value(Value::set(["OfflineAlerts"])))], unknown, &[]));
        assert_eq!(written.spec["addOns"], json!(["OfflineAlerts"]));
        let told = "`addOns` on the platform also holds `Synthetic Monitoring`, which this version does not know: the operator keeps it";
        assert_eq!(written.left_out, [told]);
    }

    #[test]
    fn of_what_cannot_be_read_export_says_what_is_so() {
        let unknown = Unknown {
            unreadable: [(Field::City, "`city` is an object where a text is documented".to_owned())].into(),
            ..Unknown::default()
        };
        let seen = [
            (Field::City, Seen::Unreadable),
            (Field::Logo, Seen::Unreadable),
            (Field::Favicon, Seen::Unreadable),
            (Field::LoginBackgroundImage, Seen::Value(Value::Image(Digest::of(b"png")))),
        ];
        let images = [
            (Field::Logo, "https://cdn.example/a.png?1600"),
            (Field::LoginBackgroundImage, "https://cdn.example/b.png"),
        ];
        let written = exported(&found(seen, unknown, &images));
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
