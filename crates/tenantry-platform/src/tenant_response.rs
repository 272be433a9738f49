//! JSON of a tenant in answers.

use serde_json::{Value, json};
use tenantry_catalog::AddOn;
use tenantry_wire::{AccessEndpoint, DuoSecurity, PersonRef, Tenant, WireTenantState};

use super::error::ApiError;
use super::settings;
use super::store::{TenantLevel, TenantRecord};
use super::{reference_data, time};

/// Returns the complete object. Members that were never set are empty texts and `false`, as in the documented samples,
/// so an absent member always means that the platform does not have it.
pub(super) fn tenant_json(record: &TenantRecord, has_extensions: bool) -> Result<Value, ApiError> {
    let mut shown = record.settings.clone();
    fill_absent_members(&mut shown);
    fill_security(&mut shown, record);
    shown.unique_id = Some(record.unique_id.clone());
    shown.id = Some(record.id);
    shown.name = Some(record.name.clone());
    shown.managed_by.clone_from(&record.mark);
    shown.activated = Some(record.state == WireTenantState::Active);
    shown.status = Some(record.state);
    shown.created_time = Some(time::to_wire(record.created_at));
    shown.updated_time = Some(time::to_wire(record.updated_at));
    shown.revision = Some(record.updated_at);
    shown.terminated_time = record.terminated_at.map(time::to_wire);
    shown.created_by = Some(person_ref(record.created_by.clone()));
    shown.last_updated_by = Some(person_ref(record.updated_by.clone()));
    if !has_extensions {
        settings::strip_extensions(&mut shown);
    }
    let details = partner_details(&shown);
    if record.kind == TenantLevel::Partner && !has_extensions {
        (shown.packages, shown.add_ons) = (None, None);
    }
    let parent = record.parent.as_ref().filter(|_| record.kind == TenantLevel::Client);
    shown.msp_id = parent.map(|parent| parent.unique_id.clone());
    let mut value = serde_json::to_value(shown)?;
    // Answers of the live platform carry the partner twice, as text and as number.
    if let Some(parent) = parent {
        value["mspid"] = json!(parent.id);
    }
    if record.kind == TenantLevel::Partner {
        value["mspDetails"] = details;
    }
    Ok(value)
}

/// Returns the reference to an author: a person by the login name, an API credential as `api@sp_1`.
pub(super) fn person_ref(login_name: String) -> PersonRef {
    if !login_name.starts_with("api@") {
        return PersonRef { login_name, ..PersonRef::default() };
    }
    PersonRef { login_name, first_name: "API".to_owned(), last_name: "Credential".to_owned(), ..PersonRef::default() }
}

fn fill_absent_members(shown: &mut Tenant) {
    for text in [
        &mut shown.ext_org_id,
        &mut shown.address,
        &mut shown.city,
        &mut shown.state,
        &mut shown.zip,
        &mut shown.country,
        &mut shown.time_zone,
        &mut shown.phone_number,
        &mut shown.phone_extension,
        &mut shown.mobile_number,
        &mut shown.notification_email,
        &mut shown.alt_email,
        &mut shown.white_listed_ips,
    ] {
        text.get_or_insert_default();
    }
    for switch in [
        &mut shown.rdp2swf_state,
        &mut shown.enable_cli_recording,
        &mut shown.show_copy_clip_board,
        &mut shown.resource_decommission,
        &mut shown.two_factor_authentication,
        &mut shown.skip_user_consent_form,
    ] {
        switch.get_or_insert(false);
    }
    // 1970 if it was never set. Readers would treat an empty text as absent, and conclude that the platform does not
    // have this member.
    shown.change_passwords_set_before.get_or_insert_with(|| time::to_wire(0));
    for (slot, table) in
        [(&mut shown.channel, reference_data::CHANNELS), (&mut shown.noc_details, reference_data::NOCS)]
    {
        let row = slot.as_ref().and_then(|reference| table.iter().find(|row| row.id == reference.id));
        if let (Some(reference), Some(row)) = (slot.as_mut(), row) {
            reference.name = Some(row.name.to_owned());
            reference.time_zone = row.time_zone.map(str::to_owned);
        }
    }
}

/// Completes the security settings. The Duo keys are never shown; a client shows the policy of its partner, which
/// applies to it.
fn fill_security(shown: &mut Tenant, record: &TenantRecord) {
    let host = shown.duo_security.take().and_then(|duo| duo.api_host_name).unwrap_or_default();
    shown.duo_security = Some(DuoSecurity { api_host_name: Some(host), ..DuoSecurity::default() });
    let partner = record.parent.as_ref().filter(|_| record.kind == TenantLevel::Client);
    shown.password_policy =
        Some(settings::password_policy_of(partner.map_or(&record.settings, |partner| &partner.settings)));
    if record.kind == TenantLevel::Partner {
        shown.block_duplicate_cloud_accounts.get_or_insert(false);
        let server = shown.access_endpoint.take().and_then(|endpoint| endpoint.application_server).unwrap_or_default();
        shown.access_endpoint = Some(AccessEndpoint {
            api_server: Some(settings::api_server(&server).unwrap_or_default()),
            application_server: Some(server),
        });
    }
}

/// Returns the older switches of a partner, which are add-ons today.
fn partner_details(shown: &Tenant) -> Value {
    let has = |add_on| settings::has_add_on(shown, add_on);
    json!({
        "escStatus": 0,
        "skuSupport": false,
        "applicationPatchSupport": has(AddOn::ApplicationPatchManagement),
        "kbSupport": has(AddOn::KnowledgeBaseManagement),
        "scheduledTaskSupport": has(AddOn::ScheduledTaskManagement),
        "slaModule": has(AddOn::SLAManagement),
        "remoteAccess": has(AddOn::RemoteAccessManagement),
    })
}
