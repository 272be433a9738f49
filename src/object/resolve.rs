//! What the tenant should be, from everything that the spec refers to. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Object, applied_without, mark, place, refused};
use crate::api::{LockedDefault, Partner, Reason, TenantClient};
use crate::plan::{
    ClientUse, Desired, Effective, Field, Invalid, Kind, Lacking, Material, Outcome, Settings, Value, add_on_set,
    beyond_locked, client_defaults, inherit, own, package_set, still_used, within, without_add_ons,
};

/// What a spec refers to.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The Partner object above it.
    pub(crate) partner: Option<&'a Partner>,
    /// Secrets and images of the object itself.
    pub(crate) material: &'a Material,
    /// Secrets that the Partner's defaults name.
    pub(crate) defaults_material: &'a Material,
}

/// What the tenant should be, by the rules of inheritance.
///
/// # Errors
/// What cannot be applied, as the outcome of the pass.
pub(crate) fn resolve<K: Object>(object: &K, sources: Sources<'_>, cluster: &str) -> Result<Desired, Outcome> {
    let settings = object.declared(sources.material).map_err(|invalid| refused(&invalid))?;
    let effective = match (K::KIND, sources.partner) {
        (Kind::Partner, _) => own(settings),
        (Kind::Client, partner) => {
            let defaults = defaults(partner, sources.defaults_material)?;
            let beyond = beyond_locked(&settings, &defaults, locked(partner));
            if !beyond.is_empty() {
                return Err(refused(&beyond));
            }
            let mut effective = inherit(settings, defaults, &shown(partner));
            let mut beyond = within(&effective, &allowed(partner));
            beyond.extend(judge_switches(object, &mut effective));
            if !beyond.is_empty() {
                return Err(refused(&beyond));
            }
            effective
        }
    };
    Ok(Desired { kind: K::KIND, effective, state: object.tenant_state(), mark: mark(object, cluster) })
}

/// Switches without their add-on. The rule may be newer than a switch that was applied so: that one stays, with a sentence.
fn judge_switches<K: Object>(object: &K, effective: &mut Effective) -> Vec<Invalid> {
    let mut refused = Vec::new();
    for Lacking { field, add_on, mut invalid } in without_add_ons(effective) {
        if applied_without(object, field, add_on) {
            invalid.message.push_str("; it was applied before and stays");
            effective.tolerated.push(invalid);
        } else {
            refused.push(invalid);
        }
    }
    refused
}

fn defaults(partner: Option<&Partner>, material: &Material) -> Result<Settings, Outcome> {
    let defaults =
        partner.and_then(|partner| partner.spec.clients.as_ref()).and_then(|clients| clients.defaults.as_ref());
    match defaults {
        None => Ok(Settings::default()),
        Some(defaults) => client_defaults(defaults, material).map_err(|invalid| refused(&invalid)),
    }
}

fn locked(partner: Option<&Partner>) -> &[LockedDefault] {
    partner
        .and_then(|partner| partner.spec.clients.as_ref())
        .and_then(|clients| clients.locked.as_deref())
        .unwrap_or_default()
}

/// What the platform takes from the Partner by itself, as the Partner's own status shows it.
fn shown(partner: Option<&Partner>) -> BTreeMap<Field, Value> {
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

/// What the Partner declares of packages and add-ons; undeclared is not judged here but by the platform.
fn allowed(partner: Option<&Partner>) -> BTreeMap<Field, Value> {
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

/// A Partner keeps what its Clients still use.
///
/// # Errors
/// The outcome that names the Clients.
pub(crate) fn keep_what_clients_use(desired: &Desired, clients: &[Arc<TenantClient>]) -> Result<(), Outcome> {
    let uses: Vec<ClientUse> = clients.iter().map(|client| used(client)).collect();
    match still_used(&desired.effective, &uses) {
        None => Ok(()),
        Some(message) => Err(Outcome::Refused(Reason::ClientsStillUse, message)),
    }
}

/// What a Client was last seen to have of packages and add-ons that are its own to have.
fn used(client: &TenantClient) -> ClientUse {
    let effective = client.status.as_ref().map(|status| status.effective.as_slice()).unwrap_or_default();
    let entries = [Field::Packages, Field::AddOns]
        .into_iter()
        .flat_map(|field| {
            effective.iter().filter(move |setting| setting.path == field.path()).map(move |setting| (field, setting))
        })
        .filter_map(|(field, setting)| Value::from_json(field, &setting.value))
        .flat_map(|value| value.entries().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    ClientUse { client: place(client), entries }
}
