//! Converts fields to bodies.

use base64::Engine as _;
use secrecy::ExposeSecret as _;
use tenantry_api::Weekday;
use tenantry_catalog::{AddOn, Package};
use tenantry_core::{Field, SettingChange, SettingsPayload, TenantKind, Value};
use tenantry_wire::{Branding, IdRef, ImageFile, Tenant};

use super::field_location::{CatalogKind, FieldLocation, TenantMember, field_location, is_documented};
use crate::error::CallError;

/// Builds one body with all changes of a tenant.
pub(crate) fn tenant_body(changes: &[SettingChange], payload: &SettingsPayload) -> Result<Tenant, CallError> {
    let mut body = Tenant::default();
    for SettingChange { field, to } in changes {
        if (*field, to) == (Field::PasswordsSetBefore, &Value::Flag(true)) {
            // The public API has this flag instead of a moment.
            body.password_policy.get_or_insert_default().change_password_at_first_login = Some(true);
            continue;
        }
        let FieldLocation::Tenant(member) = field_location::<ImageFile>(*field) else {
            return Err(unmapped_value_error(*field));
        };
        MemberWriter { field: *field, payload, body: &mut body }.write_member(&member, to)?;
    }
    Ok(body)
}

/// Returns the changes that a platform with only the documented API supports.
pub(crate) fn documented_changes(changes: &[SettingChange], kind: TenantKind) -> Vec<SettingChange> {
    changes.iter().filter(|change| is_documented(change.field, kind)).cloned().collect()
}

/// Builds one body with all changes of a branding.
pub(crate) fn branding_body(changes: &[SettingChange], payload: &SettingsPayload) -> Result<Branding, CallError> {
    let mut body = Branding::default();
    for SettingChange { field, to } in changes {
        match (field_location::<ImageFile>(*field), to) {
            (FieldLocation::BrandingText(of), Value::Text(text)) => *of(&mut body) = Some(text.clone()),
            (FieldLocation::BrandingText(of), Value::Cleared) => *of(&mut body) = Some(String::new()),
            (FieldLocation::BrandingImage(of), Value::Image(_)) => *of(&mut body) = Some(image_file(*field, payload)?),
            (FieldLocation::BrandingImage(of), Value::Cleared) => *of(&mut body) = Some(ImageFile::default()),
            (FieldLocation::BrandingText(_) | FieldLocation::BrandingImage(_) | FieldLocation::Tenant(_), _) => {
                return Err(unmapped_value_error(*field));
            }
        }
    }
    Ok(body)
}

fn image_file(field: Field, payload: &SettingsPayload) -> Result<ImageFile, CallError> {
    let (name, bytes) = payload.images.get(&field).ok_or_else(|| unmapped_value_error(field))?;
    Ok(ImageFile { name: name.clone(), file: base64::engine::general_purpose::STANDARD.encode(bytes) })
}

struct MemberWriter<'a> {
    field: Field,
    payload: &'a SettingsPayload,
    body: &'a mut Tenant,
}

impl MemberWriter<'_> {
    fn write_member(self, member: &TenantMember, value: &Value) -> Result<(), CallError> {
        let Self { field, payload, body } = self;
        let unfit = || unmapped_value_error(field);
        match (member, value) {
            (TenantMember::Text(of) | TenantMember::Host(of) | TenantMember::ExternalId(of), Value::Text(text)) => {
                *of(body) = Some(text.clone());
            }
            (
                TenantMember::Text(of)
                | TenantMember::Host(of)
                | TenantMember::ExternalId(of)
                | TenantMember::Commas(of)
                | TenantMember::Secret(of),
                Value::Cleared,
            ) => *of(body) = Some(String::new()),
            (TenantMember::Secret(of), Value::Secret(_)) => {
                let secret = payload.secrets.get(&field).ok_or_else(unfit)?;
                *of(body) = Some(secret.expose_secret().to_owned());
            }
            (TenantMember::Flag(of), Value::Flag(flag)) => *of(body) = Some(*flag),
            (TenantMember::Number(of), Value::Number(number)) => *of(body) = Some(*number),
            (TenantMember::Reference(of), Value::Number(id)) => *of(body) = Some(IdRef { id: *id, ..IdRef::default() }),
            (TenantMember::Clock(of), Value::Text(text)) => {
                let (hour, minute) = parse_clock(text).ok_or_else(unfit)?;
                let (to_hour, to_minute) = of(body);
                (*to_hour, *to_minute) = (Some(hour), Some(minute));
            }
            (TenantMember::Day(of), Value::Text(text)) => *of(body) = Some(day_number(text).ok_or_else(unfit)?),
            (TenantMember::Names(of, catalog), Value::Set(_) | Value::Cleared) => {
                *of(body) = Some(value.entries().map(|name| catalog.wire_name(name).to_owned()).collect());
            }
            (TenantMember::Commas(of), Value::Set(set)) => {
                *of(body) = Some(set.iter().map(String::as_str).collect::<Vec<_>>().join(","));
            }
            _ => return Err(unfit()),
        }
        Ok(())
    }
}

fn unmapped_value_error(field: Field) -> CallError {
    CallError::invalid_field(field.path(), "the value has no form on the wire")
}

/// Parses hour and minute of `09:30`.
fn parse_clock(text: &str) -> Option<(i64, i64)> {
    let (hour, minute) = text.split_once(':')?;
    Some((hour.parse().ok()?, minute.parse().ok()?))
}

fn day_number(name: &str) -> Option<i64> {
    (1..).zip(Weekday::ALL).find(|(_, day)| day.name() == name).map(|(number, _)| number)
}

impl CatalogKind {
    /// Returns the name in the API; a name that the catalog does not know is sent unchanged.
    fn wire_name(self, name: &str) -> &str {
        match self {
            Self::Packages => Package::from_name(name).map_or(name, |package| package.wire_name()),
            Self::AddOns => AddOn::from_name(name).map_or(name, |add_on| add_on.wire_name()),
        }
    }
}
