//! Converts answers to fields.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tenantry_api::Weekday;
use tenantry_catalog::{AddOn, Package};
use tenantry_core::{
    Digest, Field, LifecycleState, ObservedMark, ObservedTenant, ObservedValue, ServedImage, TenantKind,
    UnknownAnswers, Value,
};
use tenantry_wire::{Branding, ImagePaths, TIME_FORMAT, Tenant, WireTenantState};

use super::answer_members::ParsedAnswer;
use super::field_location::{CatalogKind, FieldLocation, TenantMember, field_location, is_documented, member_names};
use crate::error::CallError;

/// The moment that a platform shows where none was set.
const UNSET_MOMENT: &str = "1970-01-01T00:00:00Z";

/// The branding, as far as it is known.
pub(crate) enum ObservedBranding {
    /// It was not requested.
    NotRequested,
    /// The platform does not show it.
    Hidden,
    /// The platform shows it.
    Visible(Box<ParsedAnswer<Branding<ImagePaths>>>),
}

/// Builds the observed tenant.
pub(crate) fn to_observed(
    kind: TenantKind,
    mut tenant: ParsedAnswer<Tenant>,
    mut branding: ObservedBranding,
    has_extensions: bool,
) -> Result<ObservedTenant, CallError> {
    let life = tenant_life(&tenant);
    let mut unknown = UnknownAnswers {
        state: tenant.unknown_state.take().filter(|_| life == LifecycleState::Unknown),
        ..UnknownAnswers::default()
    };
    let (mut seen, mut served) = (BTreeMap::new(), BTreeMap::new());
    let mark = observed_mark(kind, &tenant, has_extensions);
    let (url, api_endpoint) = tenant_addresses(kind, &tenant.known, &branding);
    for field in Field::ALL.iter().copied().filter(|field| field.is_available_for(kind)) {
        // A platform that has the field shows it even if it was never set.
        let lacks_moment = field == Field::PasswordsSetBefore
            && tenant.known.change_passwords_set_before.is_none()
            && tenant.unreadable_at("changePasswordsSetBefore").is_none();
        if lacks_moment || !has_extensions && !is_documented(field, kind) {
            seen.insert(field, ObservedValue::Unsupported);
            continue;
        }
        if let Some(form) = unreadable_form(field, &tenant, &branding) {
            unknown.unreadable.insert(field, form);
            seen.insert(field, ObservedValue::Unreadable);
            continue;
        }
        let answer = match field_location::<ImagePaths>(field) {
            FieldLocation::Tenant(TenantMember::Names(of, catalog)) => {
                read_catalog_names(of(&mut tenant.known).take().unwrap_or_default(), catalog, field, &mut unknown)
            }
            FieldLocation::Tenant(member) => match read_tenant_member(field, &member, &mut tenant.known) {
                // It was never set.
                ObservedValue::Value(Value::Text(text))
                    if field == Field::PasswordsSetBefore && text == UNSET_MOMENT =>
                {
                    ObservedValue::Value(Value::Cleared)
                }
                seen => seen,
            },
            FieldLocation::BrandingText(of) => match &mut branding {
                ObservedBranding::NotRequested => continue,
                ObservedBranding::Hidden => ObservedValue::Unreadable,
                ObservedBranding::Visible(branding) => text_value(field, of(&mut branding.known).take()),
            },
            FieldLocation::BrandingImage(of) => match &mut branding {
                ObservedBranding::NotRequested => continue,
                ObservedBranding::Hidden => ObservedValue::Unreadable,
                ObservedBranding::Visible(branding) => {
                    let paths = of(&mut branding.known).take();
                    served.extend(paths.as_ref().and_then(self::served_image).map(|served| (field, served)));
                    image_value(paths)
                }
            },
        };
        seen.insert(field, answer);
    }
    let name = match seen.get(&Field::Name) {
        Some(ObservedValue::Value(Value::Text(name))) => name.clone(),
        // The tenant has a name nevertheless, and a termination cannot be confirmed under a name that cannot be read.
        Some(ObservedValue::Unreadable) => String::new(),
        Some(ObservedValue::Value(_) | ObservedValue::Unsupported) | None => {
            return Err(CallError::malformed_answer("it holds no `name`"));
        }
    };
    let ParsedAnswer { known: tenant, unreadable: _, unknown_state: _ } = tenant;
    let Some(unique_id) = tenant.unique_id.clone() else {
        return Err(CallError::malformed_answer("it holds no `uniqueId`"));
    };
    Ok(ObservedTenant {
        unique_id,
        account_id: tenant.id.map(|id| id.to_string()),
        name,
        lifecycle: life,
        mark,
        created: tenant.created_time.as_deref().and_then(parse_time),
        updated: tenant.updated_time.as_deref().and_then(parse_time),
        revision: tenant.revision,
        url,
        api_endpoint,
        values: seen,
        served_images: served,
        unknown,
    })
}

/// Describes the form of a setting whose member cannot be parsed.
fn unreadable_form(field: Field, tenant: &ParsedAnswer<Tenant>, branding: &ObservedBranding) -> Option<String> {
    let found = member_names(field).iter().find_map(|name| match branding {
        _ if !field.is_branding() => tenant.unreadable_at(name),
        ObservedBranding::Visible(branding) => branding.unreadable_at(name),
        ObservedBranding::NotRequested | ObservedBranding::Hidden => None,
    });
    found.map(ToString::to_string)
}

/// Converts the entries of a catalogue; unknown entries are returned separately.
fn read_catalog_names(
    entries: Vec<String>,
    catalog: CatalogKind,
    field: Field,
    unknown: &mut UnknownAnswers,
) -> ObservedValue {
    let (mut known, mut others) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries {
        match catalog.manifest_name(&entry) {
            Some(name) => known.insert(name.to_owned()),
            None => others.insert(entry),
        };
    }
    if !others.is_empty() {
        unknown.values.insert(field, others);
    }
    ObservedValue::Value(Value::set(known))
}

fn read_tenant_member(field: Field, member: &TenantMember, tenant: &mut Tenant) -> ObservedValue {
    let value = match member {
        TenantMember::Text(of) | TenantMember::Host(of) => return text_value(field, of(tenant).take()),
        // Our own mark is in the place of the customer's number, so there is no number.
        TenantMember::ExternalId(of) => {
            let own = of(tenant).take().filter(|id| !matches!(external_id_mark(id), ObservedMark::Short(_)));
            return text_value(field, own);
        }
        TenantMember::Secret(_) | TenantMember::Names(..) => return ObservedValue::Unreadable,
        TenantMember::Flag(of) => Value::Flag(of(tenant).unwrap_or_default()),
        TenantMember::Number(of) => of(tenant).map_or(Value::Cleared, Value::Number),
        TenantMember::Reference(of) => of(tenant).as_ref().map_or(Value::Cleared, |seen| Value::Number(seen.id)),
        TenantMember::Clock(of) => match of(tenant) {
            (Some(hour), minute) => Value::Text(format!("{hour:02}:{:02}", minute.unwrap_or_default())),
            (None, _) => Value::Cleared,
        },
        TenantMember::Day(of) => of(tenant).map_or(Value::Cleared, |number| Value::Text(day_name(number))),
        TenantMember::Commas(of) => {
            let entries = of(tenant).take().unwrap_or_default();
            Value::set(entries.split(',').map(str::trim).filter(|entry| !entry.is_empty()))
        }
    };
    ObservedValue::Value(value.into_normal_form(field))
}

fn text_value(field: Field, text: Option<String>) -> ObservedValue {
    ObservedValue::Value(text.map_or(Value::Cleared, |text| Value::text(&text).into_normal_form(field)))
}

/// Returns the image that the platform serves publicly.
fn served_image(paths: &ImagePaths) -> Option<ServedImage> {
    let digest = paths.served_sha256.as_deref().filter(|digest| !digest.is_empty()).map(Digest::from_hex);
    (!paths.logo_path.is_empty()).then(|| ServedImage { path: paths.logo_path.clone(), digest })
}

fn image_value(paths: Option<ImagePaths>) -> ObservedValue {
    match paths {
        Some(ImagePaths { sha256: Some(digest), .. }) if !digest.is_empty() => {
            ObservedValue::Value(Value::Image(Digest::from_hex(&digest)))
        }
        Some(ImagePaths { logo_path, .. }) if !logo_path.is_empty() => ObservedValue::Unreadable,
        Some(_) | None => ObservedValue::Value(Value::Cleared),
    }
}

/// Returns the name of a day. An invalid number is kept, so that it shows as a difference.
fn day_name(number: i64) -> String {
    (1..).zip(Weekday::ALL).find(|(day, _)| *day == number).map_or(number.to_string(), |(_, day)| day.name().to_owned())
}

impl CatalogKind {
    /// Returns the manifest name of an entry that the catalogue knows.
    fn manifest_name(self, wire: &str) -> Option<&'static str> {
        match self {
            Self::Packages => Package::from_wire(wire).map(Package::name),
            Self::AddOns => AddOn::from_wire(wire).map(AddOn::name),
        }
    }
}

fn external_id_mark(external_id: &str) -> ObservedMark {
    ObservedMark::from_external_id(Some(external_id))
}

fn observed_mark(kind: TenantKind, tenant: &ParsedAnswer<Tenant>, has_extensions: bool) -> ObservedMark {
    let external = ObservedMark::from_external_id(tenant.known.ext_org_id.as_deref());
    let place = if has_extensions { "managedBy" } else { "extOrgId" };
    match (kind, &tenant.known.managed_by) {
        // The value belongs to somebody else and must not be overwritten.
        (TenantKind::Partner | TenantKind::Client, _) if tenant.unreadable_at(place).is_some() => {
            ObservedMark::Unreadable
        }
        (TenantKind::Partner | TenantKind::Client, Some(mark)) => ObservedMark::Full(mark.clone()),
        // The tenant was created while the platform did not report the extensions.
        (TenantKind::Client, None) if has_extensions && matches!(external, ObservedMark::Short(_)) => external,
        (TenantKind::Partner | TenantKind::Client, None) if has_extensions => ObservedMark::None,
        (TenantKind::Client, None) => external,
        // The documented partner has no member for a mark.
        (TenantKind::Partner, None) => ObservedMark::Unreadable,
    }
}

/// Returns the addresses of console and API: a partner's own, or a client's from its branding.
fn tenant_addresses(
    kind: TenantKind,
    tenant: &Tenant,
    branding: &ObservedBranding,
) -> (Option<String>, Option<String>) {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let branded = match branding {
        ObservedBranding::Visible(branding) => (filled(&branding.known.app_url), filled(&branding.known.api_url)),
        ObservedBranding::NotRequested | ObservedBranding::Hidden => (None, None),
    };
    match (kind, &tenant.access_endpoint) {
        (TenantKind::Partner, Some(endpoint)) => {
            (filled(&endpoint.application_server).or(branded.0), filled(&endpoint.api_server).or(branded.1))
        }
        (TenantKind::Partner, None) | (TenantKind::Client, _) => branded,
    }
}

/// Returns the state, as far as the platform reports it.
pub(crate) fn tenant_life(tenant: &ParsedAnswer<Tenant>) -> LifecycleState {
    match (tenant.known.status, &tenant.unknown_state, tenant.known.activated) {
        (Some(WireTenantState::Active), _, _) | (None, None, Some(true) | None) => LifecycleState::Active,
        (Some(WireTenantState::Suspended), _, _) => LifecycleState::Suspended,
        (Some(WireTenantState::Terminated), _, _) => LifecycleState::Terminated,
        (None, Some(_), _) => LifecycleState::Unknown,
        (None, None, Some(false)) => LifecycleState::Inactive,
    }
}

/// Parses a time in the API's format, or in RFC 3339 if a platform sends that.
fn parse_time(text: &str) -> Option<Timestamp> {
    jiff::fmt::strtime::parse(TIME_FORMAT, text).and_then(|parsed| parsed.to_timestamp()).or_else(|_| text.parse()).ok()
}
