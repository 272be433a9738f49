//! Computes the desired tenant from everything that the spec refers to. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenantry_api::{LockedDefault, Partner, Reason, TenantClient};

use super::{TenantResource, invalid_settings_outcome, mark_of, namespaced_name, was_applied_without_add_on};
use crate::{
    ClientUse, DeclaredSettings, DesiredTenant, EffectiveSettings, Field, InvalidSetting, MissingAddOn, PassOutcome,
    ResolvedReferences, TenantKind, Value, add_on_set, check_within_partner, client_default_settings,
    clients_still_using, find_locked_violations, inherit_settings, own_settings, package_set, switches_without_add_ons,
};

/// The objects that a spec refers to.
#[derive(Clone, Copy)]
pub struct SpecSources<'a> {
    /// The Partner object of a Client.
    pub partner: Option<&'a Partner>,
    /// Secrets and images of the object itself.
    pub references: &'a ResolvedReferences,
    /// Secrets that the Partner's defaults refer to.
    pub default_references: &'a ResolvedReferences,
}

/// Computes the desired tenant by the rules of inheritance.
///
/// # Errors
///
/// Returns what cannot be applied, as the outcome of the pass.
pub fn resolve_desired_tenant<K: TenantResource>(
    object: &K,
    sources: SpecSources<'_>,
    cluster: &str,
) -> Result<DesiredTenant, PassOutcome> {
    let settings =
        object.declared_settings(sources.references).map_err(|invalid| invalid_settings_outcome(&invalid))?;
    let effective = match (K::KIND, sources.partner) {
        (TenantKind::Partner, _) => own_settings(settings),
        (TenantKind::Client, partner) => {
            let defaults = default_settings(partner, sources.default_references)?;
            let beyond = find_locked_violations(&settings, &defaults, locked_defaults(partner));
            if !beyond.is_empty() {
                return Err(invalid_settings_outcome(&beyond));
            }
            let mut effective = inherit_settings(settings, defaults, &cascaded_values(partner));
            let mut beyond = check_within_partner(&effective, &partner_catalogue(partner));
            beyond.extend(check_switches(object, &mut effective));
            if !beyond.is_empty() {
                return Err(invalid_settings_outcome(&beyond));
            }
            effective
        }
    };
    Ok(DesiredTenant { kind: K::KIND, effective, state: object.tenant_state(), mark: mark_of(object, cluster) })
}

/// Checks switches without their add-on. A switch that was applied before the rule existed is kept, with a message.
fn check_switches<K: TenantResource>(object: &K, effective: &mut EffectiveSettings) -> Vec<InvalidSetting> {
    let mut refused = Vec::new();
    for MissingAddOn { field, add_on, mut invalid } in switches_without_add_ons(effective) {
        if was_applied_without_add_on(object, field, add_on) {
            invalid.message.push_str("; it was applied before and stays");
            effective.tolerated.push(invalid);
        } else {
            refused.push(invalid);
        }
    }
    refused
}

fn default_settings(partner: Option<&Partner>, material: &ResolvedReferences) -> Result<DeclaredSettings, PassOutcome> {
    let defaults =
        partner.and_then(|partner| partner.spec.clients.as_ref()).and_then(|clients| clients.defaults.as_ref());
    match defaults {
        None => Ok(DeclaredSettings::default()),
        Some(defaults) => {
            client_default_settings(defaults, material).map_err(|invalid| invalid_settings_outcome(&invalid))
        }
    }
}

fn locked_defaults(partner: Option<&Partner>) -> &[LockedDefault] {
    partner
        .and_then(|partner| partner.spec.clients.as_ref())
        .and_then(|clients| clients.locked.as_deref())
        .unwrap_or_default()
}

/// Returns the values that the platform takes from the Partner, as the Partner's own status shows them.
fn cascaded_values(partner: Option<&Partner>) -> BTreeMap<Field, Value> {
    let effective = partner.and_then(|partner| partner.status.as_ref()).map(|status| status.effective.as_slice());
    effective
        .unwrap_or_default()
        .iter()
        .filter_map(|setting| {
            let field = Field::from_path(&setting.path)?;
            Some((field, Value::from_json(field, &setting.value)?))
        })
        .collect()
}

/// Returns the packages and add-ons that the Partner declares. If they are not declared, the platform checks them.
fn partner_catalogue(partner: Option<&Partner>) -> BTreeMap<Field, Value> {
    let Some(spec) = partner.map(|partner| &partner.spec) else { return BTreeMap::new() };
    let mut allowed = BTreeMap::new();
    if let Some(packages) = &spec.packages {
        allowed.insert(Field::Packages, package_set(packages));
    }
    if let Some(add_ons) = &spec.add_ons {
        allowed.insert(Field::AddOns, add_on_set(add_ons));
    }
    allowed
}

/// Refuses to remove packages and add-ons from a Partner whose Clients still use them.
///
/// # Errors
///
/// Returns the outcome that names the Clients.
pub fn ensure_no_used_package_dropped(
    desired: &DesiredTenant,
    clients: &[Arc<TenantClient>],
) -> Result<(), PassOutcome> {
    let uses: Vec<ClientUse> = clients.iter().map(|client| client_use(client)).collect();
    match clients_still_using(&desired.effective, &uses) {
        None => Ok(()),
        Some(message) => Err(PassOutcome::Refused(Reason::ClientsStillUse, message)),
    }
}

/// Returns the Client's own packages and add-ons that were last seen.
fn client_use(client: &TenantClient) -> ClientUse {
    let effective = client.status.as_ref().map(|status| status.effective.as_slice()).unwrap_or_default();
    let entries = [Field::Packages, Field::AddOns]
        .into_iter()
        .flat_map(|field| {
            effective.iter().filter(move |setting| setting.path == field.path()).map(move |setting| (field, setting))
        })
        .filter_map(|(field, setting)| Value::from_json(field, &setting.value))
        .flat_map(|value| value.entries().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    ClientUse { client: namespaced_name(client), entries }
}
