//! From fields to bodies.

use base64::Engine as _;
use secrecy::ExposeSecret as _;

use super::slot::{Catalog, Member, Slot, is_documented, slot};
use crate::api::Weekday;
use crate::catalog::{AddOn, Package};
use crate::connect::error::Error;
use crate::plan::{Change, Field, Kind, Payload, Value};
use crate::wire::{Branding, IdRef, ImageFile, Tenant};

/// One body with all changes of a tenant.
pub(in crate::connect) fn tenant(changes: &[Change], payload: &Payload) -> Result<Tenant, Error> {
    let mut body = Tenant::default();
    for Change { field, to } in changes {
        if (*field, to) == (Field::PasswordsSetBefore, &Value::Flag(true)) {
            // What the public API has instead of a moment.
            body.password_policy.get_or_insert_default().change_password_at_first_login = Some(true);
            continue;
        }
        let Slot::Tenant(member) = slot::<ImageFile>(*field) else { return Err(unfit(*field)) };
        Write { field: *field, payload, body: &mut body }.put(&member, to)?;
    }
    Ok(body)
}

/// The changes that a platform knows which has only what is documented.
pub(in crate::connect) fn documented(changes: &[Change], kind: Kind) -> Vec<Change> {
    changes.iter().filter(|change| is_documented(change.field, kind)).cloned().collect()
}

/// One body with all changes of a branding.
pub(in crate::connect) fn branding(changes: &[Change], payload: &Payload) -> Result<Branding, Error> {
    let mut body = Branding::default();
    for Change { field, to } in changes {
        match (slot::<ImageFile>(*field), to) {
            (Slot::Words(of), Value::Text(text)) => *of(&mut body) = Some(text.clone()),
            (Slot::Words(of), Value::Cleared) => *of(&mut body) = Some(String::new()),
            (Slot::Image(of), Value::Image(_)) => *of(&mut body) = Some(file(*field, payload)?),
            (Slot::Image(of), Value::Cleared) => *of(&mut body) = Some(ImageFile::default()),
            (Slot::Words(_) | Slot::Image(_) | Slot::Tenant(_), _) => return Err(unfit(*field)),
        }
    }
    Ok(body)
}

fn file(field: Field, payload: &Payload) -> Result<ImageFile, Error> {
    let (name, bytes) = payload.images.get(&field).ok_or_else(|| unfit(field))?;
    Ok(ImageFile { name: name.clone(), file: base64::engine::general_purpose::STANDARD.encode(bytes) })
}

struct Write<'a> {
    field: Field,
    payload: &'a Payload,
    body: &'a mut Tenant,
}

impl Write<'_> {
    fn put(self, member: &Member, value: &Value) -> Result<(), Error> {
        let Self { field, payload, body } = self;
        let unfit = || unfit(field);
        match (member, value) {
            (Member::Text(of) | Member::Host(of) | Member::ExternalId(of), Value::Text(text)) => {
                *of(body) = Some(text.clone());
            }
            (
                Member::Text(of) | Member::Host(of) | Member::ExternalId(of) | Member::Commas(of) | Member::Secret(of),
                Value::Cleared,
            ) => *of(body) = Some(String::new()),
            (Member::Secret(of), Value::Secret(_)) => {
                let secret = payload.secrets.get(&field).ok_or_else(unfit)?;
                *of(body) = Some(secret.expose_secret().to_owned());
            }
            (Member::Flag(of), Value::Flag(flag)) => *of(body) = Some(*flag),
            (Member::Number(of), Value::Number(number)) => *of(body) = Some(*number),
            (Member::Reference(of), Value::Number(id)) => *of(body) = Some(IdRef { id: *id, ..IdRef::default() }),
            (Member::Clock(of), Value::Text(text)) => {
                let (hour, minute) = clock(text).ok_or_else(unfit)?;
                let (to_hour, to_minute) = of(body);
                (*to_hour, *to_minute) = (Some(hour), Some(minute));
            }
            (Member::Day(of), Value::Text(text)) => *of(body) = Some(day(text).ok_or_else(unfit)?),
            (Member::Names(of, catalog), Value::Set(_) | Value::Cleared) => {
                *of(body) = Some(value.entries().map(|name| catalog.wire(name).to_owned()).collect());
            }
            (Member::Commas(of), Value::Set(set)) => {
                *of(body) = Some(set.iter().map(String::as_str).collect::<Vec<_>>().join(","));
            }
            _ => return Err(unfit()),
        }
        Ok(())
    }
}

fn unfit(field: Field) -> Error {
    Error::invalid(field.path(), "the value has no form on the wire")
}

/// Hour and minute of `09:30`.
fn clock(text: &str) -> Option<(i64, i64)> {
    let (hour, minute) = text.split_once(':')?;
    Some((hour.parse().ok()?, minute.parse().ok()?))
}

fn day(name: &str) -> Option<i64> {
    (1..).zip(Weekday::ALL).find(|(_, day)| day.name() == name).map(|(number, _)| number)
}

impl Catalog {
    /// The name on the wire; a name that the catalog does not know is sent as it is.
    fn wire(self, name: &str) -> &str {
        match self {
            Self::Packages => Package::from_name(name).map_or(name, |package| package.wire()),
            Self::AddOns => AddOn::from_name(name).map_or(name, |add_on| add_on.wire()),
        }
    }
}
