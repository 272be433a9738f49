//! From answers to fields.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::members::Parsed;
use super::slot::{Catalog, Member, Slot, is_documented, members, slot};
use crate::api::Weekday;
use crate::catalog::{AddOn, Package};
use crate::connect::error::Error;
use crate::plan::{Digest, Field, Kind, MarkSeen, Observed, Seen, Served, TenantLife, Unknown, Value};
use crate::wire::{Branding, ImagePaths, State, TIME_FORMAT, Tenant};

/// The moment that a platform shows where nobody set one.
const BEGINNING: &str = "1970-01-01T00:00:00Z";

/// Branding, as far as it is known.
pub(in crate::connect) enum Branded {
    /// Nobody asked.
    NotAsked,
    /// The platform does not show it.
    Hidden,
    /// The platform shows it.
    Shown(Box<Parsed<Branding<ImagePaths>>>),
}

/// A tenant as it is.
pub(in crate::connect) fn observed(
    kind: Kind,
    mut tenant: Parsed<Tenant>,
    mut branding: Branded,
    extensions: bool,
) -> Result<Observed, Error> {
    let life = life(&tenant);
    let mut unknown =
        Unknown { state: tenant.state.take().filter(|_| life == TenantLife::Unknown), ..Unknown::default() };
    let (mut seen, mut served) = (BTreeMap::new(), BTreeMap::new());
    let mark = mark(kind, &tenant, extensions);
    let (url, api_endpoint) = addresses(kind, &tenant.known, &branding);
    for field in Field::ALL.iter().copied().filter(|field| field.is_of(kind)) {
        // A platform that has it shows it also where nobody set it.
        let lacks_moment = field == Field::PasswordsSetBefore
            && tenant.known.change_passwords_set_before.is_none()
            && tenant.odd_at("changePasswordsSetBefore").is_none();
        if lacks_moment || !extensions && !is_documented(field, kind) {
            seen.insert(field, Seen::Unsupported);
            continue;
        }
        if let Some(form) = odd(field, &tenant, &branding) {
            unknown.unreadable.insert(field, form);
            seen.insert(field, Seen::Unreadable);
            continue;
        }
        let answer = match slot::<ImagePaths>(field) {
            Slot::Tenant(Member::Names(of, catalog)) => {
                names(of(&mut tenant.known).take().unwrap_or_default(), catalog, (field, &mut unknown))
            }
            Slot::Tenant(member) => match read(field, &member, &mut tenant.known) {
                // Nobody set it.
                Seen::Value(Value::Text(text)) if field == Field::PasswordsSetBefore && text == BEGINNING => {
                    Seen::Value(Value::Cleared)
                }
                seen => seen,
            },
            Slot::Words(of) => match &mut branding {
                Branded::NotAsked => continue,
                Branded::Hidden => Seen::Unreadable,
                Branded::Shown(branding) => text(field, of(&mut branding.known).take()),
            },
            Slot::Image(of) => match &mut branding {
                Branded::NotAsked => continue,
                Branded::Hidden => Seen::Unreadable,
                Branded::Shown(branding) => {
                    let paths = of(&mut branding.known).take();
                    served.extend(paths.as_ref().and_then(self::served).map(|served| (field, served)));
                    image(paths)
                }
            },
        };
        seen.insert(field, answer);
    }
    let name = match seen.get(&Field::Name) {
        Some(Seen::Value(Value::Text(name))) => name.clone(),
        // The tenant has one all the same, and nobody confirms an end under a name that cannot be read.
        Some(Seen::Unreadable) => String::new(),
        Some(Seen::Value(_) | Seen::Unsupported) | None => return Err(Error::malformed("it holds no `name`")),
    };
    let Parsed { known: tenant, odd: _, state: _ } = tenant;
    let Some(unique_id) = tenant.unique_id.clone() else { return Err(Error::malformed("it holds no `uniqueId`")) };
    Ok(Observed {
        unique_id,
        account_id: tenant.id.map(|id| id.to_string()),
        name,
        life,
        mark,
        created: tenant.created_time.as_deref().and_then(time),
        updated: tenant.updated_time.as_deref().and_then(time),
        revision: tenant.revision,
        url,
        api_endpoint,
        seen,
        served,
        unknown,
    })
}

/// The form of a setting whose member cannot be read.
fn odd(field: Field, tenant: &Parsed<Tenant>, branding: &Branded) -> Option<String> {
    let found = members(field).iter().find_map(|name| match branding {
        _ if !field.is_branding() => tenant.odd_at(name),
        Branded::Shown(branding) => branding.odd_at(name),
        Branded::NotAsked | Branded::Hidden => None,
    });
    found.map(ToString::to_string)
}

/// Entries of a catalogue: those that it does not know are kept beside.
fn names(entries: Vec<String>, catalog: Catalog, (field, unknown): (Field, &mut Unknown)) -> Seen {
    let (mut known, mut others) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        match catalog.known(&entry) {
            Some(name) => known.insert(name.to_owned()),
            None => others.insert(entry),
        };
    }
    if !others.is_empty() {
        unknown.values.insert(field, others);
    }
    Seen::Value(Value::set(known))
}

fn read(field: Field, member: &Member, tenant: &mut Tenant) -> Seen {
    let value = match member {
        Member::Text(of) | Member::Host(of) => return text(field, of(tenant).take()),
        // Our own mark stands where the customer's number would: there is none.
        Member::ExternalId(of) => {
            let own = of(tenant).take().filter(|id| !matches!(short(id), MarkSeen::Short(_)));
            return text(field, own);
        }
        Member::Secret(_) | Member::Names(..) => return Seen::Unreadable,
        Member::Flag(of) => Value::Flag(of(tenant).unwrap_or_default()),
        Member::Number(of) => of(tenant).map_or(Value::Cleared, Value::Number),
        Member::Reference(of) => of(tenant).as_ref().map_or(Value::Cleared, |seen| Value::Number(seen.id)),
        Member::Clock(of) => match of(tenant) {
            (Some(hour), minute) => Value::Text(format!("{hour:02}:{:02}", minute.unwrap_or_default())),
            (None, _) => Value::Cleared,
        },
        Member::Day(of) => of(tenant).map_or(Value::Cleared, |number| Value::Text(day(number))),
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

/// What everybody can load of an image.
fn served(paths: &ImagePaths) -> Option<Served> {
    let digest = paths.served_sha256.as_deref().filter(|digest| !digest.is_empty()).map(Digest::from_hex);
    (!paths.logo_path.is_empty()).then(|| Served { path: paths.logo_path.clone(), digest })
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
    /// The name in manifests of an entry that the catalogue knows.
    fn known(self, wire: &str) -> Option<&'static str> {
        match self {
            Self::Packages => Package::from_wire(wire).map(Package::name),
            Self::AddOns => AddOn::from_wire(wire).map(AddOn::name),
        }
    }
}

fn short(external_id: &str) -> MarkSeen {
    MarkSeen::from_external_id(Some(external_id))
}

fn mark(kind: Kind, tenant: &Parsed<Tenant>, extensions: bool) -> MarkSeen {
    let external = MarkSeen::from_external_id(tenant.known.ext_org_id.as_deref());
    let place = if extensions { "managedBy" } else { "extOrgId" };
    match (kind, &tenant.known.managed_by) {
        // What stands there is somebody's, and must not be written over.
        (Kind::Partner | Kind::Client, _) if tenant.odd_at(place).is_some() => MarkSeen::Unreadable,
        (Kind::Partner | Kind::Client, Some(mark)) => MarkSeen::Whole(mark.clone()),
        // Made while the platform did not say that it has the extensions.
        (Kind::Client, None) if extensions && matches!(external, MarkSeen::Short(_)) => external,
        (Kind::Partner | Kind::Client, None) if extensions => MarkSeen::None,
        (Kind::Client, None) => external,
        // The documented partner has no place for a mark.
        (Kind::Partner, None) => MarkSeen::Unreadable,
    }
}

/// Addresses of console and API: a partner's own, a client's from its branding.
fn addresses(kind: Kind, tenant: &Tenant, branding: &Branded) -> (Option<String>, Option<String>) {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let branded = match branding {
        Branded::Shown(branding) => (filled(&branding.known.app_url), filled(&branding.known.api_url)),
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
pub(in crate::connect) fn life(tenant: &Parsed<Tenant>) -> TenantLife {
    match (tenant.known.status, &tenant.state, tenant.known.activated) {
        (Some(State::Active), _, _) | (None, None, Some(true) | None) => TenantLife::Active,
        (Some(State::Suspended), _, _) => TenantLife::Suspended,
        (Some(State::Terminated), _, _) => TenantLife::Terminated,
        (None, Some(_), _) => TenantLife::Unknown,
        (None, None, Some(false)) => TenantLife::Inactive,
    }
}

/// A time of the wire, or of RFC 3339 should a platform send that.
fn time(text: &str) -> Option<Timestamp> {
    jiff::fmt::strtime::parse(TIME_FORMAT, text).and_then(|parsed| parsed.to_timestamp()).or_else(|_| text.parse()).ok()
}
