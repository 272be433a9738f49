//! Stage 2, pure: what the tenant should be.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dereference::Referenced;
use super::error::{Stop, refused};
use super::object::{TenantObject, mark, place};
use crate::api::{LockedDefault, Partner, Reason, TenantClient};
use crate::catalog::Package;
use crate::plan::{
    ClientUse, Desired, Field, Kind, Outcome, Settings, Value, beyond_locked, client_defaults, inherit, own,
    still_used, within,
};

/// What the tenant should be, by the rules of inheritance.
pub(crate) fn resolve<K: TenantObject>(object: &K, referenced: &Referenced, cluster: &str) -> Result<Desired, Stop> {
    let settings = object.declared(&referenced.material).map_err(|invalid| refused(&invalid))?;
    let effective = match (K::KIND, referenced.partner.as_deref()) {
        (Kind::Partner, _) => own(settings),
        (Kind::Client, partner) => {
            let defaults = defaults(partner, referenced)?;
            let beyond = beyond_locked(&settings, &defaults, locked(partner));
            if !beyond.is_empty() {
                return Err(refused(&beyond).into());
            }
            let effective = inherit(settings, defaults, &shown(partner));
            let beyond = within(&effective, &allowed(partner));
            if !beyond.is_empty() {
                return Err(refused(&beyond).into());
            }
            effective
        }
    };
    Ok(Desired { kind: K::KIND, effective, state: object.tenant_state(), mark: mark(object, cluster) })
}

fn defaults(partner: Option<&Partner>, referenced: &Referenced) -> Result<Settings, Stop> {
    let defaults =
        partner.and_then(|partner| partner.spec.clients.as_ref()).and_then(|clients| clients.defaults.as_ref());
    match defaults {
        None => Ok(Settings::default()),
        Some(defaults) => {
            Ok(client_defaults(defaults, &referenced.defaults_material).map_err(|invalid| refused(&invalid))?)
        }
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
        let names = packages.iter().chain(&[Package::HybridDiscoveryAndMonitoring]).map(|package| package.name());
        allowed.insert(Field::Packages, Value::set(names));
    }
    if let Some(add_ons) = &spec.add_ons {
        allowed.insert(Field::AddOns, Value::set(add_ons.iter().map(|add_on| add_on.name())));
    }
    allowed
}

/// A Partner keeps what its Clients still use.
pub(crate) fn keep_what_clients_use(desired: &Desired, clients: &[Arc<TenantClient>]) -> Result<(), Stop> {
    let uses: Vec<ClientUse> = clients.iter().map(|client| used(client)).collect();
    match still_used(&desired.effective, &uses) {
        None => Ok(()),
        Some(message) => Err(Outcome::Refused(Reason::ClientsStillUse, message).into()),
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
