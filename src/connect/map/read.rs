//! From answers to fields.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::slot::{Catalog, Member, Slot, is_documented, slot};
use crate::api::Weekday;
use crate::catalog::{AddOn, Package};
use crate::connect::error::Error;
use crate::plan::{Digest, Field, Kind, MarkSeen, Observed, Seen, TenantLife, Value};
use crate::wire::{Branding, ImagePaths, State, TIME_FORMAT, Tenant};

/// Branding, as far as it is known.
pub(in crate::connect) enum Branded {
    /// Nobody asked.
    NotAsked,
    /// The platform does not show it.
    Hidden,
    /// The platform shows it.
    Shown(Box<Branding<ImagePaths>>),
}

/// A tenant as it is.
pub(in crate::connect) fn observed(
    kind: Kind,
    mut tenant: Tenant,
    mut branding: Branded,
    extensions: bool,
) -> Result<Observed, Error> {
    let mut seen = BTreeMap::new();
    let mark = mark(kind, &tenant, extensions);
    let (url, api_endpoint) = addresses(kind, &tenant, &branding);
    for field in Field::ALL.iter().copied().filter(|field| field.is_of(kind)) {
        let answer = match slot::<ImagePaths>(field) {
            _ if !extensions && !is_documented(field, kind) => Seen::Unsupported,
            Slot::Tenant(member) => read(field, &member, &mut tenant),
            Slot::Words(of) => match &mut branding {
                Branded::NotAsked => continue,
                Branded::Hidden => Seen::Unreadable,
                Branded::Shown(branding) => text(field, of(branding).take()),
            },
            Slot::Image(of) => match &mut branding {
                Branded::NotAsked => continue,
                Branded::Hidden => Seen::Unreadable,
                Branded::Shown(branding) => image(of(branding).take()),
            },
        };
        seen.insert(field, answer);
    }
    let (Some(unique_id), Some(Seen::Value(Value::Text(name)))) = (tenant.unique_id.take(), seen.get(&Field::Name))
    else {
        return Err(Error::malformed("the tenant has no id or no name"));
    };
    Ok(Observed {
        unique_id,
        account_id: tenant.id.map(|id| id.to_string()),
        name: name.clone(),
        life: life(&tenant),
        mark,
        created: tenant.created_time.as_deref().and_then(time),
        updated: tenant.updated_time.as_deref().and_then(time),
        revision: tenant.revision.filter(|_| extensions),
        url,
        api_endpoint,
        seen,
    })
}

fn read(field: Field, member: &Member, tenant: &mut Tenant) -> Seen {
    let value = match member {
        Member::Text(of) | Member::Host(of) => return text(field, of(tenant).take()),
        // Our own mark stands where the customer's number would: there is none.
        Member::ExternalId(of) => {
            let own = of(tenant).take().filter(|id| !matches!(short(id), MarkSeen::Short(_)));
            return text(field, own);
        }
        Member::Secret(_) => return Seen::Unreadable,
        Member::Flag(of) => Value::Flag(of(tenant).unwrap_or_default()),
        Member::Number(of) => of(tenant).map_or(Value::Cleared, Value::Number),
        Member::Reference(of) => of(tenant).as_ref().map_or(Value::Cleared, |seen| Value::Number(seen.id)),
        Member::Clock(of) => match of(tenant) {
            (Some(hour), minute) => Value::Text(format!("{hour:02}:{:02}", minute.unwrap_or_default())),
            (None, _) => Value::Cleared,
        },
        Member::Day(of) => of(tenant).map_or(Value::Cleared, |number| Value::Text(day(number))),
        Member::Names(of, catalog) => {
            Value::set(of(tenant).take().unwrap_or_default().iter().map(|name| catalog.name(name)))
        }
        Member::Commas(of) => {
            let entries = of(tenant).take().unwrap_or_default();
            Value::set(entries.split(',').map(str::trim).filter(|entry| !entry.is_empty()))
        }
    };
    Seen::Value(value.normal(field))
}

fn text(field: Field, text: Option<String>) -> Seen {
    Seen::Value(text.map_or(Value::Cleared, |text| Value::text(&text).normal(field)))
}

fn image(paths: Option<ImagePaths>) -> Seen {
    match paths {
        Some(ImagePaths { sha256: Some(digest), .. }) if !digest.is_empty() => {
            Seen::Value(Value::Image(Digest::from_hex(&digest)))
        }
        Some(ImagePaths { logo_path, .. }) if !logo_path.is_empty() => Seen::Unreadable,
        Some(_) | None => Seen::Value(Value::Cleared),
    }
}

/// The name of a day; a number that is none is kept, so that it shows as a difference.
fn day(number: i64) -> String {
    (1..).zip(Weekday::ALL).find(|(day, _)| *day == number).map_or(number.to_string(), |(_, day)| day.name().to_owned())
}

impl Catalog {
    /// The name in manifests; one that the catalog does not know is kept, so that it shows as a difference.
    fn name(self, wire: &str) -> &str {
        match self {
            Self::Packages => Package::from_wire(wire).map_or(wire, |package| package.name()),
            Self::AddOns => AddOn::from_wire(wire).map_or(wire, |add_on| add_on.name()),
        }
    }
}

fn short(external_id: &str) -> MarkSeen {
    MarkSeen::from_external_id(Some(external_id))
}

fn mark(kind: Kind, tenant: &Tenant, extensions: bool) -> MarkSeen {
    match (kind, &tenant.managed_by) {
        (Kind::Partner | Kind::Client, Some(mark)) if extensions => MarkSeen::Whole(mark.clone()),
        (Kind::Partner | Kind::Client, _) if extensions => MarkSeen::None,
        (Kind::Client, _) => MarkSeen::from_external_id(tenant.ext_org_id.as_deref()),
        // The documented partner has no place for a mark.
        (Kind::Partner, _) => MarkSeen::Unreadable,
    }
}

/// Addresses of console and API: a partner's own, a client's from its branding.
fn addresses(kind: Kind, tenant: &Tenant, branding: &Branded) -> (Option<String>, Option<String>) {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let branded = match branding {
        Branded::Shown(branding) => (filled(&branding.app_url), filled(&branding.api_url)),
        Branded::NotAsked | Branded::Hidden => (None, None),
    };
    match (kind, &tenant.access_endpoint) {
        (Kind::Partner, Some(endpoint)) => {
            (filled(&endpoint.application_server).or(branded.0), filled(&endpoint.api_server).or(branded.1))
        }
        (Kind::Partner, None) | (Kind::Client, _) => branded,
    }
}

/// The state, as far as the platform tells.
pub(in crate::connect) fn life(tenant: &Tenant) -> TenantLife {
    match (tenant.status, tenant.activated) {
        (Some(State::Active), _) | (None, Some(true) | None) => TenantLife::Active,
        (Some(State::Suspended), _) => TenantLife::Suspended,
        (Some(State::Terminated), _) => TenantLife::Terminated,
        (None, Some(false)) => TenantLife::Inactive,
    }
}

/// A time of the wire, or of RFC 3339 should a platform send that.
fn time(text: &str) -> Option<Timestamp> {
    jiff::fmt::strtime::parse(TIME_FORMAT, text).and_then(|parsed| parsed.to_timestamp()).or_else(|_| text.parse()).ok()
}
